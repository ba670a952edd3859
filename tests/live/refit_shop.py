"""What the tests of refits share: a toy shop in service, and events that come later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from crossaisle import Recommender
from crossaisle.data.dataset import Dataset
from crossaisle.live.refit import refit
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


def opened(folder: Path, events: list[Event] | None = None) -> Records:
    """A store in a folder, which holds these events."""
    folder.mkdir(exist_ok=True)
    out = Records.open(f"sqlite:///{folder}/events.db")
    out.add_events(events or [], 0.0)
    return out


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


def refit_in_child(folder: str, store: str) -> None:
    """What a process of its own does, and is killed in: one refit, which takes over whatever came of it."""
    records = Records.open(store)
    refit(folder, records, settings={"refit.margin": "1", "refit.newest": "0.5", "refit.epochs": "1"}, device="cpu")
    records.close()
