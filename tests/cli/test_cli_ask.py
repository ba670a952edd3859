"""``crossaisle ask``: questions out, answers in, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from crossaisle.cli.main import run
from small_shop import everything_in, write_shop

FIT = ["fit", "--interactions", "interactions.csv", "--items", "items.csv", "--preset", "quick", "--out", "shop.model"]
SMALL = [w for s in ("model.senses=id,words", "model.dim=16", "train.epochs=1") for w in ("--set", s)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_shop(tmp_path_factory.mktemp("asking"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run([*FIT, *SMALL]) == 0
        pl.DataFrame({"user_id": ["u3", "stranger", "u1"]}).write_csv("whom.csv")
        pl.DataFrame({"name": ["u3"]}).write_csv("nameless.csv")
        pl.DataFrame({"user_id": ["", " "], "x": ["1", "2"]}).write_csv("nobody.csv")
    return folder


@pytest.fixture(autouse=True)
def inside(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)


def test_questions_and_back(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["ask", "shop.model", "--users", "whom.csv", "--per-user", "3", "--out", "questions.csv"]) == 0
    out, err = capfd.readouterr()
    assert "9 questions written to questions.csv" in out
    assert "1 of 3 users are unknown" in err
    asked = pl.read_csv("questions.csv")
    assert asked["user_id"].unique(maintain_order=True).to_list() == ["u3", "stranger", "u1"]
    assert set(asked["strategy"]) == {"mixed"}
    had = pl.read_csv("interactions.csv")
    assert asked.join(had, on=["user_id", "item_id"], how="inner").height == 0
    asked.with_columns(answer=pl.Series(["yes", "no", ""] * 3)).write_csv("answered.csv")
    assert run(["ask", "--answers", "answered.csv", "--out", "said.csv"]) == 0
    out, err = capfd.readouterr()
    assert "3 interactions written to said.csv, 3 dislikes to said.dislikes.csv" in out
    assert "3 of 9 questions have no answer" in err
    assert pl.read_csv("said.csv").columns == ["user_id", "item_id", "event"]


def test_all_users_as_json_and_as_tables(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["ask", "shop.model", "--strategy", "coldest", "--per-user", "2", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)["questions"]
    assert len(told) == 80
    assert told[0]["why"].endswith("so far")
    assert run(["ask", "shop.model", "--seed", "3"]) == 0
    assert "... and 20 more" in capfd.readouterr().out


def test_ratings_as_json(capfd: pytest.CaptureFixture[str]) -> None:
    pl.DataFrame({"u": ["u1", "u2"], "item_id": ["b1", "b2"], "answer": [5, 2]}).write_parquet("rated.parquet")
    argv = ["ask", "--answers", "rated.parquet", "--columns", "user_id=u", "--out", "r.parquet", "--dislikes", "d.parquet"]
    assert run([*argv, "--like-from", "1.5", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["likes"] == 2
    assert pl.read_parquet("r.parquet")["rating"].to_list() == [5.0, 2.0]
    assert pl.read_parquet("d.parquet").height == 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["ask"], "neither a model nor --answers"),
        (["ask", "--answers", "interactions.csv"], "--answers without --out"),
        (["ask", "--answers", "interactions.csv", "--out", "o.csv", "--per-user", "2"], "beside options that choose questions"),
        (["ask", "--answers", "interactions.csv", "--out", "o.csv", "--dislikes", "o.csv"], "are the same file"),
        (["ask", "--answers", "interactions.csv", "--out", "o.csv"], "has no column 'answer'"),
        (["ask", "shop.model", "--like-from", "3"], "without --answers"),
        (["ask", "shop.model", "--users", "nameless.csv"], "nameless.csv has no column 'user_id' (it has: name)"),
        (["ask", "shop.model", "--users", "nobody.csv"], "nobody.csv names no user"),
        (["ask", "shop.model", "--per-user", "0"], "per_user is 0"),
        (["ask", "shop.model", "--strategy", "best"], "best"),
        (["ask", "shop.model", "--out", "o.xlsx"], "o.xlsx"),
    ],
)
def test_refused(argv: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    before = everything_in(Path.cwd())
    assert run(argv) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert said in err
    assert everything_in(Path.cwd()) == before


def test_a_model_without_histories_asks_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*FIT[:-1], "bare.model", "--no-histories", *SMALL]) == 0
    capfd.readouterr()
    assert run(["ask", "bare.model"]) == 2
    assert "this model holds no histories" in capfd.readouterr().err
