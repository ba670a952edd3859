"""``crossaisle pretrain``: what it leaves behind and says, and one line for every bad input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from crossaisle.cli.main import run

sys.path.insert(0, str(Path(__file__).parents[1] / "pretrain"))
from tiny import tiny_bert  # a fake language model

TABLES = ["--interactions", "interactions.csv", "--items", "items.csv", "--out", "tuned"]
FAST = [w for s in ("epochs=1", "held_out=0.2", "days=10000", "duplicate=1") for w in ("--set", f"pretrain.{s}")]


def test_only_the_training_part_of_a_protocol_is_read(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CROSSAISLE_CACHE", str(shop / "cache"))
    tiny_bert(shop / "base")
    capfd.readouterr()
    assert run(["pretrain", *TABLES, *FAST, "--base", "base", "--protocol", "leave-one-out", "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["read"]["events"] == 240 - 2 * 40  # the last event of each is the test, the one before it validation
    record = json.loads((shop / "tuned" / "crossaisle_pretrain.json").read_text())
    assert (record["protocol"], record["data"]["events"]) == ("leave-one-out", 160)


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--protocol", "leave-one-ou"], "unknown protocol 'leave-one-ou'"),
        (["--aisle", "Toys"], "--aisle without --protocol"),
        (["--before", "soon"], "'soon' is no moment"),
        (["--base", "minlm"], "the nearest is 'minilm'"),
        (["--set", "pretrain.objectives=pears"], "names 'pears'"),
        (["--set", "pretrain.objectives=reviews"], "names reviews, and there are none"),
    ],
)
def test_bad_input_is_one_line(more: list[str], part: str, shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    assert run(["pretrain", *TABLES, *more]) == 2
    err = capfd.readouterr().err
    assert part in err
    assert err.count("\n") == 1
    assert not (shop / "tuned" / "crossaisle_pretrain.json").exists()
