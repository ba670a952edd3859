"""What the tests of refits share: a toy shop in service, and events that come later."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from crossaisle import Recommender
from crossaisle.data.dataset import Dataset
from crossaisle.live import refit as product
from crossaisle.records import Event, Records
from crossaisle.testing import toy_dataset

SETTINGS = {
    "model.dim": "32",
    "model.heads": "2",
    "model.window": "16",
    "model.senses": "id,words",
    "train.epochs": "3",
    "train.refit": "false",
    "blend.parts": "",
    "across.on": "false",
    "blend.hidden": "0",
    "refit.least": "10",
}
"""A network alone, fitted in a second."""


def opened(folder: Path) -> Records:
    """An empty store in a folder."""
    folder.mkdir(exist_ok=True)
    return Records.open(f"sqlite:///{folder}/events.db")


def shop(seed: int = 1, n_users: int = 260) -> tuple[Dataset, list[Event]]:
    """A toy shop until a moment, as a dataset, and all that was done after it, as events, oldest first."""
    data = toy_dataset(seed=seed, n_users=n_users)
    h = data.histories
    cut = float(np.quantile(h.times, 0.6))
    before = data.with_histories(h.keep(h.times < cut))
    lived = np.flatnonzero(before.histories.lengths > 0)
    later = np.flatnonzero(h.times >= cut)
    order = later[np.argsort(h.times[later], kind="stable")]
    users, items = data.users.gather(h.owners), data.items["item_id"].gather(h.items)
    events = [Event(f"e{e}", users[int(e)], items[int(e)], data.event_names[h.events[e]], float(h.times[e])) for e in order.tolist()]
    return before.select_users(lived), events


def in_service(folder: Path, data: Dataset, **changes: str) -> Recommender:
    """A model fitted on the data and saved."""
    model = Recommender.preset("quick", device="cpu", settings={**SETTINGS, **changes}).fit(data)
    model.save(folder)
    return model


def held(folder: Path) -> pl.DataFrame:
    """The histories of the version in service."""
    return pl.read_parquet(folder / (folder / "current").read_text().strip() / "histories.parquet")


LET_IN = {"refit.margin": "1", "refit.newest": "0.5", "refit.epochs": "1"}
"""Whatever comes of the training takes over."""


def refit_in_child(folder: str, store: str, versions: int = 5) -> None:
    """What a process of its own does, and is killed in: one refit, which takes over whatever came of it."""
    records = Records.open(store)
    product.refit(folder, records, settings={**LET_IN, "refit.versions": str(versions)}, device="cpu")
    records.close()


def refit_that_dies(folder: str, store: str, step: str, when: str, call: int) -> None:
    """The same in a process that ends itself with -9, before or after a call of one of the functions that a refit is made of."""
    inner = getattr(product, step)
    calls = [0]

    def dying(*args: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] == call and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        out = inner(*args, **options)
        if calls[0] == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return out

    setattr(product, step, dying)
    refit_in_child(folder, store, versions=2)
