"""The benchmark of asking: what it hides stays hidden, every strategy has the same pool, and only true answers are given."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from crossaisle.testing import toy_dataset

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "ask.py"
sys.path.insert(0, str(SCRIPT.parent))


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ask_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ask_benchmark"] = module
    spec.loader.exec_module(module)
    return module


def test_what_is_hidden(bench: ModuleType) -> None:
    data = toy_dataset(n_users=80)
    shop = bench.hide(data, 0, 0.5, 20, seed=0)
    assert sum(map(len, shop.hidden)) > 80
    for u, row in enumerate(data.histories.rows()):
        before, last = row[:-2].tolist(), row[-2:].tolist()
        assert sorted(shop.known[u] + shop.hidden[u]) == sorted(before)  # the toy shop repeats nothing
        assert len(shop.known[u]) >= 1
        pool = shop.pools[u].tolist()
        assert len(set(pool)) == len(pool)
        assert set(shop.hidden[u]) <= set(pool)
        assert not set(pool) & {*shop.known[u], *last}
        assert not (set(pool) - set(shop.hidden[u])) & set(row.tolist())
    nothing = [[] for _ in shop.known]
    asked = shop.asked(shop.test, nothing, True)
    for u, seen, target in zip(asked.users.tolist(), asked.histories.rows(), asked.targets.rows(), strict=True):
        assert seen.tolist() == [*shop.known[u], int(data.histories.row(u)[-2])]
        assert target.tolist() == [int(data.histories.row(u)[-1])]
    everything = shop.learned(shop.hidden).histories
    assert [r.tolist() for r in everything.rows()] == [h + k for h, k in zip(shop.hidden, shop.known, strict=True)]


def test_it_runs_resumes_and_refuses_other_settings(
    bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = toy_dataset(n_users=60)
    h = data.histories
    users, items = data.users.gather(h.owners), data.items["item_id"].gather(h.items)
    pl.DataFrame({"user_id": users, "item_id": items, "position": np.arange(len(h.items))}).write_parquet(tmp_path / "interactions.parquet")
    data.items.select("item_id", "category", "title").write_parquet(tmp_path / "items.parquet")
    out = tmp_path / "out.json"
    small = [w for s in ("model.dim=16", "train.epochs=1", "model.senses=id") for w in ("--set", s)]
    few = ["--seeds", "0", "--budgets", "3", "--others", "10", "--arms"]
    monkeypatch.setattr(sys, "argv", ["ask.py", str(tmp_path), str(out), *small, *few, "none,random"])
    bench.main()
    first = json.loads(out.read_text())
    assert set(first["trials"]) == {"0-0-none", "0-3-random"}
    trial = first["trials"]["0-3-random"]
    assert trial["asked"] == 180
    assert 0 < trial["yes"] <= trial["hidden"]
    capsys.readouterr()
    monkeypatch.setattr(sys, "argv", ["ask.py", str(tmp_path), str(out), *small, *few, "none,random,mixed"])
    bench.main()
    assert capsys.readouterr().out.count("\n") == 1  # only what was not there
    summed = json.loads(out.read_text())["summary"]["3"]
    assert set(summed) == {"none", "random", "mixed"}
    assert "against random" in summed["mixed"]
    for argv, said in (([*small[:-2], *few, "none"], "was made with other settings"), ([*small, *few, "best"], "unknown arm best")):
        monkeypatch.setattr(sys, "argv", ["ask.py", str(tmp_path), str(out), *argv])
        with pytest.raises(SystemExit):
            bench.main()
        assert said in capsys.readouterr().err
