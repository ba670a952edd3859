"""Bad rows, encodings and languages at the command line: counted, limited, kept in one place, said in the language asked for."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import polars as pl
import pytest

from crossaisle.cli.main import run
from small_shop import everything_in, shop_interactions, write_shop

TABLES = ["--interactions", "interactions.csv", "--items", "items.csv"]
SMALL = ["--preset", "quick"] + [w for s in ("model.senses=id,words", "model.dim=16", "train.epochs=1") for w in ("--set", s)]
REVIEWS = pl.DataFrame({"user_id": ["u1"], "item_id": ["b1"], "text": ["good"]})


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with a model in it, made once."""
    folder = write_shop(tmp_path_factory.mktemp("shop"))
    before = Path.cwd()
    os.chdir(folder)
    assert run(["fit", *TABLES, *SMALL, "--out", "shop.model"]) == 0
    os.chdir(before)
    return folder


@pytest.fixture
def model(fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh copy of that shop, which is also the working folder."""
    copy = tmp_path / "copy"
    shutil.copytree(fitted, copy)
    monkeypatch.chdir(copy)
    return copy


def refused(argv: list[str], capfd: pytest.CaptureFixture[str], part: str) -> None:
    before = everything_in(Path.cwd())
    capfd.readouterr()
    assert run(argv) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert part in err
    assert everything_in(Path.cwd()) == before


@pytest.mark.parametrize("option", ["--histories", "--candidates"])
def test_bad_rows_of_a_request(option: str, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table = "q1,b1\nq1,t4\n,g2\nq3,\n" if option == "--histories" else "q1,k1\nq1,k2\nq1,\n"
    Path("bad.csv").write_text("query_id,item_id\n" + table)
    argv = ["recommend", "shop.model", *(["--histories", "histories.csv"] if option == "--candidates" else []), option, "bad.csv"]
    refused(argv, capfd, "rows cannot be used")
    refused([*argv, "--max-rejected", "2"], capfd, "max-rejected is 2.0")
    assert run([*argv, "--max-rejected", "0.5", "--lang", "zh", "--json"]) == 0
    notes = json.loads(capfd.readouterr().out)["notes"]
    assert any("行不能使用，已忽略" in n for n in notes)
    assert any("'q3' 的历史行全都不能使用" in n for n in notes) == (option == "--histories")
    assert not Path("rejected.jsonl").exists()


def test_bad_rows_of_new_items(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("rejected.jsonl").write_text("of an earlier run\n")
    Path("bad.csv").write_text("item_id,title,material\nn1,pirate lamp,oak\n,space lamp,ash\n")
    argv = ["catalog", "add", "shop.model", "--items", "bad.csv"]
    refused(argv, capfd, "1 of 2 rows cannot be used (1 x missing item_id")
    refused([*argv, "--max-rejected", "0.5", "--rejected", "nowhere/rejected.jsonl"], capfd, "folder 'nowhere' does not exist")
    refused([*argv, "--max-rejected", "-1"], capfd, "max_rejected")
    assert run([*argv, "--max-rejected", "0.5"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("1 items added, 49 in ")
    assert "1 of 2 item rows were left out" in err
    assert "text columns that the model has not read in training are not used: material" in err
    kept = [json.loads(line) for line in Path("rejected.jsonl").read_text().splitlines()]
    assert [(k["table"], k["row"], k["reason"]) for k in kept] == [("items", 2, "missing item_id")]
    assert run(["catalog", "add", "shop.model", "--items", "new_items.csv"]) == 0
    assert not Path("rejected.jsonl").exists()


def test_encoding_of_a_request(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("histories", "candidates"):
        table = pl.read_csv(f"{name}.csv").with_columns(query_id=pl.lit("顾客"))
        Path(f"{name}.csv").write_bytes(table.write_csv().encode("gb18030"))
    argv = ["recommend", "shop.model", "--histories", "histories.csv", "--candidates", "candidates.csv", "--json"]
    refused([*argv, "--encoding", "utf-8"], capfd, "UTF-8")
    assert run([*argv, "--encoding", "gb18030"]) == 0
    assert {row["query_id"] for row in json.loads(capfd.readouterr().out)["recommendations"]} == {"顾客"}


def test_check_in_a_folder_that_takes_no_entry(shop: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def refuses_here(**options: object) -> tuple[int, str]:
        if Path(str(options.get("dir"))) == shop:
            raise OSError(30, "Read-only file system")
        return mkstemp(**options)  # type: ignore[arg-type]

    # permission bits do not stop root, and CI may be root: the refusal is made here
    mkstemp = tempfile.mkstemp
    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuses_here)
    monkeypatch.setattr("tempfile.mkstemp", refuses_here)
    before = everything_in(shop)
    assert run(["check", *TABLES]) == 0
    assert everything_in(shop) == before
    pl.concat([shop_interactions(), shop_interactions().head(1).with_columns(user_id=pl.lit(" "))]).write_csv(shop / "interactions.csv")
    refused(["check", *TABLES], capfd, "(Read-only file system)")


def test_rejected_rows_of_an_earlier_check_go(shop: Path) -> None:
    good = (shop / "interactions.csv").read_text()
    (shop / "interactions.csv").write_text(good + ",b1,1700000000\n")
    assert run(["check", *TABLES]) == 0
    assert "missing user_id" in (shop / "rejected.jsonl").read_text()
    (shop / "interactions.csv").write_text(good)
    assert run(["check", *TABLES]) == 0
    assert not (shop / "rejected.jsonl").exists()


def test_check_speaks_chinese(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    REVIEWS.write_csv("reviews.csv")
    assert run(["check", *TABLES, "--reviews", "reviews.csv", "--lang", "zh"]) == 0
    shown = capfd.readouterr().out
    for part in ("读取文本（分钟）", "训练（分钟）", "内存（GB）", "核心数", "按 秒 读取", "只有 model.senses 含 reviews 时模型才读取评论"):
        assert part in shown
    assert "minutes" not in shown


def test_evaluate_speaks_the_language_asked_for(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    REVIEWS.write_csv("reviews.csv")
    argv = ["evaluate", *TABLES, "--reviews", "reviews.csv", "--protocol", "first-visit", "--models", "popularity", "--out", "report"]
    assert run([*argv, "--lang", "zh"]) == 0
    out, err = capfd.readouterr()
    assert "首次进入新品类，目标所在品类内：对用户所进入品类的商品排序。（32个问题）" in "".join(out.split())
    assert "只有 model.senses 含 reviews 时模型才读取评论" in err
    assert run(argv) == 0
    out, err = capfd.readouterr()
    assert "first-visit, aisle: The items of the aisle that the user enters are ranked. (32 questions)" in " ".join(out.split())
    assert "a model reads them where reviews is one of model.senses" in err


def test_fit_says_what_reads_reviews(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    REVIEWS.write_csv("reviews.csv")
    assert run(["fit", *TABLES, "--reviews", "reviews.csv", *SMALL, "--out", "new.model"]) == 0
    assert "a model reads them where reviews is one of model.senses" in capfd.readouterr().err


def test_reviews_are_read_where_asked_for(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    events = shop_interactions()
    said = events.with_columns(timestamp=pl.col("timestamp") + 60, rating=pl.lit(5), helpful=pl.lit("2"))
    said.with_columns(text="of " + pl.col("item_id") + ", which my family likes very much").write_csv("reviews.csv")
    asked = [*TABLES, "--reviews", "reviews.csv", *SMALL, "--set", "model.senses=id,text,reviews"]
    assert run(["fit", *asked, "--no-histories", "--out", "new.model"]) == 0
    assert run(["info", "new.model", "--json"]) == 0
    assert f'"items with reviews": {events["item_id"].n_unique()}' in capfd.readouterr().out
    held = [p.name for p in (shop / "new.model").rglob("*") if p.is_file() and b"my family likes" in p.read_bytes()]
    assert held == []
    assert run(["catalog", "add", "new.model", "--items", "new_items.csv"]) == 0
    assert run(["recommend", "new.model", "--histories", "histories.csv"]) == 0
    assert run(["check", *TABLES, "--reviews", "reviews.csv", "--set", "model.senses=id,text,reviews"]) == 0
    capfd.readouterr()
    assert run(["evaluate", *asked, "--protocol", "time-split", "--models", "crossaisle", "--out", "report"]) == 0
    assert "were written before what is asked and may be read." in (shop / "report" / "report.md").read_text()
