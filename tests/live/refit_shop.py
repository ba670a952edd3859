"""What the tests of refits share: a toy shop in service, and events that come later. The store is a fake that keeps everything in lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from crossaisle import Recommender
from crossaisle.data.dataset import Dataset
from crossaisle.records.rows import Changes, Cursor, Event, Forgotten
from crossaisle.records.written import hash_of
from crossaisle.testing import toy_dataset

SETTINGS = {
    "model.dim": "32",
    "model.heads": "2",
    "model.window": "16",
    "model.senses": "id,words",
    "train.epochs": "3",
    "train.refit": "false",
    "blend.parts": "markov",
    "across.on": "false",
    "refit.least": "10",
}
"""A model that is fitted in a second."""


class FakeRecords:
    """The records' interface over Python lists: what `live` needs of it."""

    def __init__(self) -> None:
        self.log: list[tuple[int, str, Any]] = []
        self.salt = b"salt"

    def _add(self, kind: str, what: Any) -> None:
        self.log.append((len(self.log) + 1, kind, what))

    def add_events(self, events: list[Event], received: float = 0.0) -> tuple[int, int]:
        known = {e.event_id for _, kind, e in self.log if kind == "event"}
        new = [e for e in events if e.event_id not in known]
        for event in new:
            self._add("event", event)
        return len(new), len(events) - len(new)

    def put_items(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self._add("item", row)

    def delete_item(self, item_id: str) -> None:
        self._add("gone", item_id)

    def forget(self, user_id: str) -> dict[str, int]:
        self.log = [entry for entry in self.log if entry[1] != "event" or entry[2].user_id != user_id]
        self.log.append((max((seq for seq, _, _ in self.log), default=0) + 1, "forgotten", user_id))
        return {}

    def items(self) -> tuple[list[dict[str, Any]], set[str]]:
        rows: dict[str, dict[str, Any]] = {}
        gone = set[str]()
        for _, kind, what in self.log:
            if kind == "item":
                rows[what["item_id"]] = what
                gone.discard(what["item_id"])
            elif kind == "gone":
                rows.pop(what, None)
                gone.add(what)
        return list(rows.values()), gone

    def start(self) -> Cursor:
        return Cursor("fake", 0)

    def changes(self, after: Cursor, limit: int = 10_000) -> Changes:
        later = [entry for entry in self.log if entry[0] > after.seq]
        part = later[:limit]
        return Changes(
            Cursor("fake", part[-1][0] if part else after.seq),
            [(seq, what) for seq, kind, what in part if kind == "event"],
            [what for _, kind, what in part if kind == "item"],
            [what for _, kind, what in part if kind == "gone"],
            Forgotten(self.salt, frozenset(hash_of(what, self.salt) for _, kind, what in part if kind == "forgotten")),
            more=len(later) > limit,
        )

    def close(self) -> None:
        pass


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
