"""``recommend --wish``: alone, with people, as JSON, and what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossaisle.cli.main import run
from small_shop import write_shop

FIT = ["fit", "--interactions", "interactions.csv", "--items", "items.csv", "--preset", "quick", "--out", "shop.model"]
SMALL = [w for s in ("model.senses=id,words", "model.dim=16", "train.epochs=1") for w in ("--set", s)]
ASK = ["recommend", "shop.model", "-k", "3", "--explain"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_shop(tmp_path_factory.mktemp("wishes"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run([*FIT, *SMALL]) == 0
    return folder


@pytest.fixture(autouse=True)
def inside(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop)


def test_a_wish_as_json(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*ASK, "--wish", "a pirate garden thing", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    first = told["recommendations"][0]
    assert first["query_id"] == "wish"
    assert first["category"] == "Garden"
    assert first["because"] == "(wish)"
    assert first["reason"].endswith("because you asked for “a pirate garden thing”.")


@pytest.mark.parametrize("whom", [["--user", "u1", "--user", "u2"], ["--all-users"]])
def test_a_wish_with_people(whom: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*ASK, *whom, "--wish", "pirate garden", "--wish-weight", "2", "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)["recommendations"]
    assert len({row["user_id"] for row in rows}) == (2 if "--user" in whom else 40)
    assert any(row["because"] == "(wish)" for row in rows)


def test_a_wish_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*ASK, "--wish", "pirate garden"]) == 0
    out = capfd.readouterr().out
    assert "query_id wish" in out
    assert "pirate garden thing" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--wish", ""], "the wish is empty"),
        (["--wish", "?!"], "holds no word"),
        (["--wish", "zeppelin"], "nothing of the wish 'zeppelin' can be read"),
        (["--wish", "pirate", "--wish-weight", "-1"], "wish-weight is -1.0"),
        (["--user", "u1", "--wish-weight", "1"], "wish-weight without a wish"),
        (["--user", "u1", "--all-users", "--wish", "pirate"], "exactly one of --user, --all-users, --histories"),
    ],
)
def test_what_cannot_be_read(words: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*ASK, *words]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
