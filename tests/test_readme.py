"""Every command and the Python of both READMEs run, on small tables, except ``make demo`` and ``make test``, which CI runs."""

from __future__ import annotations

import gzip
import json
import re
import shlex
from pathlib import Path

import pytest

from crossaisle.cli.main import run
from small_shop import shop_interactions, shop_items

ROOT = Path(__file__).resolve().parent.parent
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}
RUN_BY_CI = {"make demo", "make test"}


def blocks(readme: Path, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", readme.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [text for name, text in found if name == language]


def commands(readme: Path) -> list[str]:
    return [line for block in blocks(readme, "sh") for line in block.splitlines() if line.strip()]


def write_sources(folder: Path) -> None:
    """Small files in the forms that ``import`` knows."""
    amazon, recbole = folder / "amazon", folder / "recbole"
    amazon.mkdir()
    recbole.mkdir()
    rows = shop_interactions().to_dicts()
    with gzip.open(amazon / "Books.json.gz", "wt") as file:
        for r in rows:
            review = {
                "reviewerID": r["user_id"],
                "asin": r["item_id"],
                "overall": 5.0,
                "unixReviewTime": r["timestamp"],
                "reviewText": "good",
            }
            file.write(json.dumps(review) + "\n")
    with gzip.open(amazon / "meta_Books.json.gz", "wt") as file:
        for i in shop_items().to_dicts():
            meta = {
                "asin": i["item_id"],
                "title": i["title"],
                "category": i["categories"].split(" > "),
                "main_cat": i["category"],
                "price": "$3",
            }
            file.write(json.dumps(meta) + "\n")
    (recbole / "shop.inter").write_text(
        "user_id:token\titem_id:token\ttimestamp:float\n" + "".join(f"{r['user_id']}\t{r['item_id']}\t{r['timestamp']}\n" for r in rows)
    )
    (recbole / "shop.item").write_text(
        "item_id:token\ttitle:token_seq\tcategory:token\n"
        + "".join(f"{i['item_id']}\t{i['title']}\t{i['category']}\n" for i in shop_items().to_dicts())
    )


@pytest.mark.parametrize("language", READMES)
def test_opens_with_the_two_commands(language: str) -> None:
    assert blocks(READMES[language], "sh")[0].splitlines() == ["make demo", "make test"]


def test_both_languages_give_the_same_commands_and_code() -> None:
    said = {language: [c.replace(" --lang zh", "") for c in commands(path)] for language, path in READMES.items()}
    assert said["en"] == said["zh"]
    assert blocks(READMES["en"], "python") == blocks(READMES["zh"], "python")


@pytest.mark.parametrize("language", READMES)
def test_every_command_runs(language: str, shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_sources(shop)
    ran = 0
    for command in commands(READMES[language]):
        if command in RUN_BY_CI:
            continue
        program, *argv = shlex.split(command)
        assert program == "crossaisle", f"{command}: not a command that this test knows how to run"
        code = run(argv)
        out, err = capfd.readouterr()
        assert code == 0, f"{command}\n{err}"
        assert out.strip(), f"{command} said nothing"
        ran += 1
    assert ran >= 10
    for made in (
        "shop.model/current",
        "lists.parquet",
        "report/report.html",
        "amazon_tables/items.parquet",
        "retail_tables/interactions.parquet",
    ):
        assert (shop / made).is_file(), made


@pytest.mark.parametrize("language", READMES)
def test_the_python_runs(language: str, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks(READMES[language], "python")
    names: dict[str, object] = {}
    exec(code, names)
    shown = capsys.readouterr().out
    assert "user_id" in shown
    lists = names["model"].recommend(users=["u1", "u2"], k=10, beyond_history=True)  # type: ignore[attr-defined]
    assert lists.columns == ["user_id", "item_id", "category", "score", "rank"]


@pytest.mark.parametrize("language", READMES)
def test_the_tree_is_what_is_there(language: str) -> None:
    (tree,) = [b for b in blocks(READMES[language], "") if "src/crossaisle/" in b]
    for line in tree.splitlines():
        inside = line.startswith("  ")
        names = re.split(r"\s{4,}", line.strip())[0].split()
        for name in names:
            path = ROOT / ("src/crossaisle" if inside else "") / name
            assert path.is_dir() if name.endswith("/") else path.is_file(), (
                f"{name} is in the tree of {READMES[language].name} and not there"
            )
    described = {n.rstrip("/") for line in tree.splitlines() if line.startswith("  ") for n in re.split(r"\s{4,}", line.strip())[0].split()}
    there = {p.name for p in (ROOT / "src" / "crossaisle").iterdir() if not p.name.startswith("_") and p.name != "py.typed"}
    assert there == described


@pytest.mark.parametrize("language", READMES)
def test_links_lead_somewhere(language: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", READMES[language].read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target


def test_no_more_is_claimed_than_is_there() -> None:
    english, chinese = (path.read_text(encoding="utf-8") for path in READMES.values())
    reviews = {text: next(line for line in text.splitlines() if line.startswith("| reviews")) for text in (english, chinese)}
    assert "read where `model.senses` names `reviews`" in reviews[english]
    assert "仅当 `model.senses` 含 `reviews` 时读取" in reviews[chinese]
    assert {p.name for p in (ROOT / "docs").iterdir()} == {"concepts.md", "pictures", "presets.md"}
    for text in (english, chinese):
        assert re.search(r"^docs/ .*concepts\.md", text, flags=re.MULTILINE)
