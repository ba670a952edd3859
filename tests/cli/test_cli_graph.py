"""``crossaisle graph`` and ``similar --relation``: tables, paths, the four kinds of file, settings, and what cannot be asked."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import networkx
import pytest

from crossaisle import Recommender
from crossaisle.cli.main import run
from crossaisle.errors import RequestError
from crossaisle.graph.same_users import SameUsers
from small_shop import shop_interactions, shop_items, write_shop


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
    assert run([*tables, "--set", "model.senses=id", "--set", "train.refit=false", "--set", "graph.margin=0.05"]) == 0
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


def test_permuted_baskets_are_the_placebo(model, capsys):
    told = json.loads(asked(capsys, str(model), "--permuted", "--json")[0])
    assert [row["level"] for row in told["permuted"]] == [1, 2]
    assert sum(row["permuted"] for row in told["permuted"]) < sum(row["edges"] for row in told["permuted"])
    _, err = asked(capsys, str(model), "--permuted")
    assert "with permuted baskets" in err
    _, err = asked(capsys, str(model), "--permuted", "--lang", "zh")
    assert "打乱购物篮后" in err


def test_where_nothing_goes_together_it_says_so(model, capsys):
    out, _ = asked(capsys, str(model), "--level", "1", "--set", "graph.min_support=4000")
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


def test_settings_are_the_models_own_unless_changed(model, capsys, tmp_path):
    def settings(*argv: str) -> dict:
        asked(capsys, str(model), "--out", str(tmp_path / "g.json"), *argv)
        return json.loads((tmp_path / "g.json").read_text(encoding="utf-8"))["settings"]

    own, changed = settings(), settings("--set", "graph.window_days=30", "--set", "graph.levels=1")
    assert own["margin"] == 0.05
    assert changed == {**own, "window_days": 30.0, "levels": 1}
    assert Recommender.load(model).graph().settings.to_dict() == own


def test_settings_are_shown(capsys):
    capsys.readouterr()
    assert run(["settings", "graph", "--json"]) == 0
    shown = {row["setting"]: row for row in json.loads(capsys.readouterr().out)}
    assert shown["graph.window_days"]["default"] == 90.0
    assert "first visits" in shown["graph.window_days"]["meaning"]


@pytest.mark.parametrize(
    ("lang", "words"), [("en", "Books and Toys have the same users (97%"), ("zh", "Books 与 Toys 的用户几乎是同一批人")]
)
def test_aisles_of_the_same_users_are_named(model, capsys, monkeypatch, lang, words):
    whole = Recommender.load(model).graph()
    twins = dataclasses.replace(whole, twins=(SameUsers("Books", "Toys", 0.97),))
    monkeypatch.setattr(Recommender, "graph", lambda self, settings=None: twins)
    assert words in asked(capsys, str(model), "--lang", lang)[1]
    assert any(words in note for note in json.loads(asked(capsys, str(model), "--json", "--lang", lang)[0])["notes"])


def alike(capsys, model: Path, *argv: str) -> dict:
    capsys.readouterr()
    assert run(["similar", str(model), "b1", "--json", *argv]) == 0
    return json.loads(capsys.readouterr().out)


def test_similar_items_are_of_the_same_kind(model, capsys):
    told = alike(capsys, model, "--relation", "similar")
    kind = {i["item_id"]: i["categories"] for i in shop_items().to_dicts()}
    assert len(told["items"]) == 3  # four of a kind, less the one asked about
    assert {kind[i["item_id"]] for i in told["items"]} == {kind["b1"]}
    assert told["notes"] == [
        "similar: alike to the model and in the same category, so a likely substitute; no record says that people compared them"
    ]


def test_complements_are_of_another_kind_and_bought_together(model, capsys):
    told = alike(capsys, model, "--relation", "complement", "-k", "30")
    kind = {i["item_id"]: i["categories"] for i in shop_items().to_dicts()}
    assert told["items"]
    for i in told["items"]:
        assert kind[i["item_id"]] != kind["b1"]
        assert i["lift"] > 1
        assert i["support"] >= 0
    tastes = [kind[i["item_id"]].split(" > ")[1].split()[0] for i in told["items"]]
    assert tastes[0] == "forest"
    assert "space" not in tastes  # nobody who has b1, of the forest kind, has any
    assert told["notes"][0].startswith("complement: bought together beyond chance and of another kind; purchases alone do not tell")
    elsewhere = alike(capsys, model, "--relation", "complement", "-k", "30", "--other-categories")["items"]
    assert [i["item_id"] for i in elsewhere] == [i["item_id"] for i in told["items"] if i["category"] != "Books"]
    capsys.readouterr()
    assert run(["similar", str(model), "b1", "--relation", "complement"]) == 0
    assert "complement to b1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["b1", "--relation", "opposite"], r"--relation.*opposite"),
        (["b1", "--relation", "similar", "--other-categories"], r"items of the same kind, of other categories; expected one of the two"),
        (["nowhere", "--relation", "complement"], r"unknown item 'nowhere'"),
        (["b1", "--relation", "complement", "-k", "0"], r"-k is 0; expected a whole number of at least 1"),
    ],
)
def test_relations_that_cannot_be_asked_are_one_line(model, capsys, argv, line):
    capsys.readouterr()
    assert run(["similar", str(model), *argv]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(line, err)
    assert err.count("\n") == 1


def test_an_unknown_relation_in_python(model):
    with pytest.raises(RequestError, match="unknown relation 'opposite'; expected one of similar, complement"):
        Recommender.load(model).similar_items("b1", relation="opposite")


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["--set", "train.epochs=3"], r"--set changes 'train.epochs', which the graph does not read; expected graph.key=value"),
        (["--set", "graph.windows=3"], r"unknown setting 'graph.windows'; expected a known setting, the nearest is 'graph.window_days'"),
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
    for argv in (["graph", str(bare)], ["similar", str(bare), "b1", "--relation", "similar"]):
        assert run(argv) == 2
        err = capsys.readouterr().err
        assert err.startswith("error: this model holds no histories, from which the graph is counted; expected a model saved with them")
        assert err.count("\n") == 1
    assert run(["similar", str(bare), "b1"]) == 0  # the vectors are enough
