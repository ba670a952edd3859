"""A refit that is killed with -9 at any moment, on both stores: the model in service is whole, and the next refit works."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refit_shop import LET_IN, in_service, refit_in_child, refit_that_dies, shop

from crossaisle.live.history import SWAPPED, swaps
from crossaisle.live.refit import refit, rollback
from crossaisle.records import Event, Records
from crossaisle.store import current_version, open_version, version_names
from crossaisle.whole.version import Contents
from forks import processes

ROUNDS = 4
DATA, _ = shop()
CLOCK = float(DATA.histories.times.max())


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed") / "shop.model"
    in_service(folder, DATA)
    return folder


@pytest.fixture(scope="module")
def child() -> Callable[..., BaseProcess]:
    """Starts a process that has imported everything already."""

    def start(work: Callable[..., object], *args: Any) -> BaseProcess:
        process = processes.Process(target=work, args=args)
        process.start()
        return process

    start(int).join()  # what all are forked from is loaded first: timed is a refit alone
    return start


def come(records: Records, n: int) -> None:
    """Something new from everybody, the n-th time."""
    items = np.random.default_rng(n).choice(DATA.items["item_id"].to_numpy(), DATA.n_users)
    records.add_events([Event(f"{n}/{u}", DATA.users[u], i, "purchase", CLOCK + n * 1000 + u) for u, i in enumerate(items)], 0.0)


def serves(folder: Path) -> Contents:
    """What the version in service holds, which must be whole."""
    out = Contents.read(open_version(folder), "cpu")
    assert out.people is not None
    assert np.isfinite(out.scorer.score(out.people.histories[:3])).all()
    for name in version_names(folder):
        assert open_version(folder, name).name == name
    return out


def after_all(folder: Path, records: Records, times: int) -> None:
    """The next refit works, and has learned what came, so many times, once."""
    assert refit(folder, records, settings={**LET_IN, "refit.versions": "1000"}, device="cpu").what == SWAPPED
    # every version that served is in the history, once, in order, also where the kill came before the line was written
    told = [e["to"] for e in swaps(folder) if e["what"] == SWAPPED]
    assert told == [f"v{n:04d}" for n in range(2, int(current_version(folder)[1:]) + 1)]
    assert not list(folder.glob(".writing-*"))
    assert int(serves(folder).scorer.counts.sum()) == len(DATA.histories.items) + times * DATA.n_users


def test_kill_9_at_random_moments_of_a_refit(fitted: Path, tmp_path: Path, store_url: str, child: Callable[..., BaseProcess]) -> None:
    folder, dice = Path(shutil.copytree(fitted, tmp_path / "shop.model")), random.Random(0)
    records = Records.open(store_url)
    come(records, 0)
    began = time.monotonic()
    whole = child(refit_in_child, str(folder), store_url)
    whole.join(120)
    lasted = time.monotonic() - began
    assert whole.exitcode == 0
    assert current_version(folder) == "v0002"
    killed = 0
    for n in range(1, ROUNDS + 1):
        come(records, n)
        before = current_version(folder)
        process = child(refit_in_child, str(folder), store_url)
        time.sleep(dice.uniform(0.05, 1.0) * lasted)
        process.kill()
        process.join(60)
        killed += process.exitcode == -9
        assert int(current_version(folder)[1:]) in (int(before[1:]), int(before[1:]) + 1)
        serves(folder)
    assert killed > 0
    come(records, ROUNDS + 1)
    after_all(folder, records, ROUNDS + 2)
    records.close()


STEPS = [
    ("gather", "after", 1, "v0003"),
    ("warm_contents", "after", 1, "v0003"),
    ("warm_contents", "after", 2, "v0003"),
    ("write_version", "before", 1, "v0003"),
    ("write_version", "after", 1, "v0004"),  # in service, and not yet in the history
    ("note", "after", 1, "v0004"),
    ("prune", "after", 1, "v0004"),
]


def test_kill_9_between_the_steps_of_a_refit(fitted: Path, tmp_path: Path, store_url: str, child: Callable[..., BaseProcess]) -> None:
    first, records = Path(shutil.copytree(fitted, tmp_path / "shop.model")), Records.open(store_url)
    for n in range(2):  # v0003 serves, v0002 is to go back to
        come(records, n)
        assert refit(first, records, settings=LET_IN, device="cpu").what == SWAPPED
    come(records, 2)
    for step, when, call, expected in STEPS:
        folder = Path(shutil.copytree(first, tmp_path / f"{step}-{when}-{call}"))
        process = child(refit_that_dies, str(folder), store_url, step, when, call)
        process.join(120)
        assert process.exitcode == -9, step
        assert current_version(folder) == expected, step
        serves(folder)
    assert version_names(folder) == ["v0003", "v0004"]  # the last of them had pruned
    assert rollback(folder).version == "v0003"
    come(records, 3)
    after_all(tmp_path / "write_version-after-1", records, 4)
    after_all(tmp_path / "warm_contents-after-2", records, 4)
    records.close()
