"""A refit that is killed with -9 at any moment: the model in service is whole, and the next refit works."""

from __future__ import annotations

import random
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
from refit_shop import in_service, opened, refit_in_child, shop

from crossaisle.live.history import SWAPPED, swaps
from crossaisle.live.refit import refit
from crossaisle.records import Event
from crossaisle.store import current_version, open_version, version_names
from crossaisle.whole.version import Contents
from forks import processes

ROUNDS = 6


def test_kill_9_at_random_moments_of_a_refit(tmp_path: Path) -> None:
    data, _ = shop()
    folder, store = tmp_path / "shop.model", f"sqlite:///{tmp_path}/events.db"
    in_service(folder, data)
    records, rng = opened(tmp_path), np.random.default_rng(0)
    clock, dice = float(data.histories.times.max()), random.Random(0)

    def come(n: int) -> None:
        """Something new from everybody."""
        items = rng.choice(data.items["item_id"].to_numpy(), data.n_users)
        records.add_events([Event(f"{n}/{u}", data.users[u], i, "purchase", clock + n * 1000 + u) for u, i in enumerate(items)], 0.0)

    def child() -> BaseProcess:
        process = processes.Process(target=refit_in_child, args=(str(folder), store))
        process.start()
        return process

    come(0)
    nothing = processes.Process(target=int)  # what all are forked from is loaded first: timed is a refit alone
    nothing.start()
    nothing.join()
    began = time.monotonic()
    whole = child()
    whole.join(120)
    lasted = time.monotonic() - began
    assert whole.exitcode == 0
    assert current_version(folder) == "v0002"
    killed = 0
    for n in range(1, ROUNDS + 1):
        come(n)
        before = current_version(folder)
        process = child()
        time.sleep(dice.uniform(0.05, 1.0) * lasted)
        process.kill()
        process.join(60)
        killed += process.exitcode == -9
        after = current_version(folder)
        assert int(after[1:]) in (int(before[1:]), int(before[1:]) + 1)
        served = Contents.read(open_version(folder), "cpu")
        assert served.people is not None
        assert np.isfinite(served.scorer.score(served.people.histories[:3])).all()
    assert killed > 0
    come(ROUNDS + 1)
    assert refit(folder, records, settings={"refit.margin": "1", "refit.newest": "0.5"}, device="cpu").what == SWAPPED
    records.close()
    # every version that served is in the history, once, in order, also where the kill came before the line was written
    told = [e["to"] for e in swaps(folder) if e["what"] == SWAPPED]
    assert told == version_names(folder)[1:]
    assert told[-1] == current_version(folder)
    assert not list(folder.glob(".writing-*"))
    held = Contents.read(open_version(folder), "cpu")
    assert int(held.scorer.counts.sum()) == len(data.histories.items) + (ROUNDS + 2) * data.n_users
