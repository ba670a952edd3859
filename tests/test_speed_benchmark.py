"""The arithmetic of benchmarks/speed: what is counted, what is compared, and when a record counts as reached."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "speed"
DATA = {"data": "toy", "targets": 100, "targets_in_newest_window": 90, "items": 10}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads a script of the benchmark as a module, as running it would."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "common", raising=False)

    def by_name(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"speed_{name}", FOLDER / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return by_name


def run(side: str, arm: str, interactions: int, seconds: float, **more: Any) -> dict[str, Any]:
    out = {
        "side": side,
        "arm": arm,
        "interactions": interactions,
        "seconds": seconds,
        "own_cores": 2.0,
        "others_cores": 0.0,
        "targets_per_epoch": 100 if side == "ours" else 90,
        "seconds_per_epoch": 1.0,
        "steps_per_epoch": 3,
        "parameters": 5,
        "precision": "float32",
        "peak_memory_gb": 1.0,
        "hardware": {"processor": "p", "cores": "2", "memory_gb": "4", "threads": "2"},
        "versions": {"torch": "2", "numpy": "1"},
    }
    return out | more


def rounds() -> dict[str, list[dict[str, Any]]]:
    """Ours at 3,000, 2,000 and 1,000 a second, theirs at 100, 100 and 50."""
    return {
        "ours-ids": [run("ours", "ours-ids", 3000, 1.0), run("ours", "ours-ids", 4000, 2.0), run("ours", "ours-ids", 1000, 1.0)],
        "rectools-sasrec": [run("rectools", "rectools-sasrec", n, 1.0) for n in (100, 100, 50)],
    }


def test_the_ratio_is_that_of_the_medians_and_its_range_that_of_the_rounds(load: Any) -> None:
    summary = load("summary").summarise(rounds(), [], DATA)
    [pair] = summary["pairs"]
    assert pair["ratio"] == {"of_medians": 20.0, "min": 20.0, "max": 30.0}
    assert summary["reached_ratio"] == {"ours-ids / rectools-sasrec": True}
    assert summary["idle"]
    assert "idle machine" in load("summary").page(summary)


def test_a_core_second_is_processor_time_of_the_process_itself(load: Any) -> None:
    busy = rounds()
    for one in busy["ours-ids"]:  # half the processor time in the same wall time
        one["own_cores"] = 1.0
    summary = load("summary").summarise(busy, [], DATA)
    assert summary["pairs"][0]["ratio_per_core_second"]["of_medians"] == 40.0
    assert summary["pairs"][0]["ratio"]["of_medians"] == 20.0


def test_a_busy_machine_is_named(load: Any) -> None:
    busy = rounds()
    busy["rectools-sasrec"][1]["others_cores"] = 0.7
    summary = load("summary").summarise(busy, [], DATA)
    assert not summary["idle"]
    assert "others had up to 0.7 cores" in load("summary").page(summary)


def test_runs_on_other_targets_are_refused(load: Any) -> None:
    wrong = rounds()
    wrong["rectools-sasrec"][2]["targets_per_epoch"] = 100
    with pytest.raises(SystemExit, match="rectools-sasrec counted 100 targets an epoch, expected 90"):
        load("summary").summarise(wrong, [], DATA)


def test_a_missing_round_is_refused(load: Any) -> None:
    wrong = rounds()
    wrong["ours-ids"].pop()
    with pytest.raises(SystemExit, match=r"rounds differ: .*expected equally many"):
        load("summary").summarise(wrong, [], DATA)


def test_a_record_is_reached_by_the_model_that_validation_chose(load: Any) -> None:
    epochs = [
        {"seconds": 10.0, "valid": 0.1, "ndcg@10": 0.02, "recall@10": 0.03},
        {"seconds": 20.0, "valid": 0.3, "ndcg@10": 0.054, "recall@10": 0.09},
        {"seconds": 30.0, "valid": 0.2, "ndcg@10": 0.06, "recall@10": 0.10},  # best on test, not on validation
        {"seconds": 40.0, "valid": 0.4, "ndcg@10": 0.055, "recall@10": 0.093},
    ]
    found = load("quality").reached(epochs)
    assert found["ndcg@10"] == {"epoch": 2, "seconds": 20.0}
    assert found["recall@10"] == {"epoch": 4, "seconds": 40.0}
    assert found["both"] == {"epoch": 4, "seconds": 40.0}
    assert load("quality").reached(epochs[:3])["both"] == {"epoch": None, "seconds": None}


def test_what_is_written_names_the_machine_and_leaves_out_what_is_not_installed(load: Any, tmp_path: Path) -> None:
    common = load("common")
    start = common.Moment.now()
    sum(range(100_000))
    spent = common.between(start, common.Moment.now())
    common.write(tmp_path / "round-1" / "x.json", {**spent, "versions": {"RecTools": "0.19.0"}})
    written = json.loads((tmp_path / "round-1" / "x.json").read_text(encoding="utf-8"))
    assert written["seconds"] > 0
    assert written["versions"]["RecTools"] == "0.19.0"
    assert "not installed" not in written["versions"].values()
    assert written["hardware"]["device"] == "cpu"


def test_every_arm_of_ours_is_a_setting_that_exists(load: Any) -> None:
    from crossaisle.presets import preset_settings

    ours, summary = load("train_ours"), load("summary")
    for changes in ours.ARMS.values():
        assert preset_settings("balanced", {**ours._SHAPE, **changes}).model.window == load("common").LENGTH
    assert {a for a, _, _ in summary.PAIRS} == {f"ours-{name}" for name in ours.ARMS}
