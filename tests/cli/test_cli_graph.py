"""``crossaisle graph``: the table, the paths, the four kinds of file, and what cannot be asked."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import networkx
import pytest

from conftest import shop_interactions, write_shop
from crossaisle.cli.main import run


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_shop(tmp_path_factory.mktemp("shop"))
    shop_interactions(400).write_csv(folder / "interactions.csv")  # forty people are too few for sure edges
    argv = [
        "fit",
        "--interactions",
        "interactions.csv",
        "--items",
        "items.csv",
        "--out",
        "m",
        "--preset",
        "quick",
        "--set",
        "train.epochs=1",
    ]
    tables = [str(folder / a) if a in ("interactions.csv", "items.csv", "m") else a for a in argv]
    assert run([*tables, "--set", "model.senses=id", "--set", "train.refit=false"]) == 0
    return folder / "m"


def asked(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[str, str]:
    capsys.readouterr()
    assert run(["graph", *argv]) == 0
    return capsys.readouterr()


def test_the_strongest_edges_as_json_and_as_a_table(model, capsys):
    told = json.loads(asked(capsys, str(model), "--json", "-k", "3")[0])
    assert told["level"] == 2
    assert 0 < len(told["edges"]) <= 3
    assert told["edges"][0]["lift"] > 1
    out, err = asked(capsys, str(model), "-k", "3")
    assert told["edges"][0]["source"] in out
    assert "lift: how many times as often as chance" in err
    out, err = asked(capsys, str(model), "--lang", "zh")
    assert "品类之间最强的关联" in out
    assert "提升度" in err


def test_paths_between_two_aisles(model, capsys):
    told = json.loads(asked(capsys, str(model), "--from", "Books", "--to", "Toys", "--json")[0])
    for path in told["paths"]:
        assert path["nodes"][0].startswith("Books")
        assert path["nodes"][-1].startswith("Toys")
        assert len(path["kinds"]) == len(path["nodes"]) - 1
    assert told["paths"]
    assert "->" in asked(capsys, str(model), "--from", "Books", "--to", "Toys")[0]


def test_where_nothing_goes_together_it_says_so(model, capsys):
    out, _ = asked(capsys, str(model), "--level", "1", "--min-support", "4000")
    assert "no two categories of different aisles" in out


def test_every_kind_of_file(model, capsys, tmp_path):
    for ending in ("json", "graphml", "png", "html"):
        out, _ = asked(capsys, str(model), "--out", str(tmp_path / f"g.{ending}"))
        assert f"edges written to {tmp_path / f'g.{ending}'}" in out
    whole = json.loads((tmp_path / "g.json").read_text(encoding="utf-8"))
    read = networkx.read_graphml(tmp_path / "g.graphml", force_multigraph=True)
    assert read.number_of_nodes() == len(whole["nodes"])
    assert read.number_of_edges() == len(whole["edges"])
    edge = next(e for e in whole["edges"] if e["kind"] == "bought")
    ends = (f"{edge['level']}/{edge['source']}", f"{edge['level']}/{edge['target']}")
    (found,) = read.get_edge_data(*ends).values()
    assert (found["support"], found["lift"], found["kind"]) == (edge["support"], edge["lift"], "bought")
    assert (tmp_path / "g.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    page = (tmp_path / "g.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)\s*=|@import|url\(|fetch\(|XMLHttpRequest""", page)
    inside = json.loads(re.search(r"const G = (\{.*\});\n", page).group(1))
    assert inside["edges"] == whole["edges"]


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["-k", "0"], r"-k is 0; expected a whole number of at least 1"),
        (["--from", "Books"], r"only one of --from and --to; expected both, or neither"),
        (["--from", "Books", "--to", "Nowhere"], r"unknown category 'Nowhere'"),
        (["--level", "7"], r"level 7 is not in the graph; expected 1 to 2"),
        (["--out", "graph.svg"], r"output file 'graph.svg'; expected a name that ends in .json, .graphml, .png, .html"),
        (["--out", "nowhere/graph.png"], r"folder 'nowhere' does not exist"),
        (["--out", "folder.png"], r"output file 'folder.png' is a folder"),
    ],
)
def test_what_cannot_be_asked_is_one_line(model, capsys, argv, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    capsys.readouterr()
    assert run(["graph", str(model), *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(line, err)
    assert err.count("\n") == 1


def test_a_model_without_histories_says_so(model, capsys, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(model, bare)
    (bare / "v0001" / "histories.parquet").unlink()
    capsys.readouterr()
    assert run(["graph", str(bare)]) == 2
    assert capsys.readouterr().err.startswith(
        "error: this model holds no histories, from which the graph is counted; expected a model saved"
    )
