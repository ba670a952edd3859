"""Fakes for the tests of the rank room."""

from __future__ import annotations

from typing import Self

import numpy as np
import polars as pl

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.rank.catalogue import Catalogue


class FakeScorer:
    """A fake: each history item adds its own row of a fixed table, so the item that carried a score is known."""

    name = "fake"

    def __init__(self, table, shift=0.0):
        self.table = np.asarray(table, dtype=np.float32)
        self.shift = shift  # added once per event to every item alike
        self.calls: list[tuple[int, int]] = []

    @classmethod
    def random(cls, n_items, seed=0) -> FakeScorer:
        return cls(np.random.default_rng(seed).normal(size=(n_items, n_items)))

    def fit(self, data) -> Self:
        return self

    def score(self, histories, candidates=None):
        out = np.zeros((len(histories), self.table.shape[1]), dtype=np.float32)
        np.add.at(out, histories.owners, self.table[histories.items] + self.shift)
        out = out if candidates is None else out[:, candidates]
        self.calls.append(out.shape)
        return out


def shop(aisles, *, counts=None, available=None, event_names=("interaction",), **columns) -> Catalogue:
    """A catalogue of items a, b, c, ... in the aisles given."""
    n = len(aisles)
    items = pl.DataFrame(
        {
            "item_id": [chr(97 + i) for i in range(n)],
            "category": list(aisles),
            "available": [True] * n if available is None else available,
            **columns,
        }
    )
    return Catalogue(items, np.ones(n, dtype=np.int64) if counts is None else np.array(counts), event_names)


def lists(table: pl.DataFrame, query="user_id") -> dict[str, str]:
    """Query -> its items in rank order, joined."""
    return {q: "".join(rows["item_id"]) for (q,), rows in table.sort("rank").group_by([query], maintain_order=True)}


def histories(*rows: str) -> Histories:
    """Histories of letters: ``histories("ab", "")``."""
    return Histories.from_lists([[ord(c) - 97 for c in row] for row in rows])


def planted_shop(rows, paths, times=None) -> Dataset:
    """People with rows of item numbers, one item a path; times in seconds."""
    n = len(paths)
    items = pl.DataFrame(
        {
            "item_id": [f"i{c}" for c in range(n)],
            "category": [path[0] for path in paths],
            "title": [f"thing {c}" for c in range(n)],
            "brand": [""] * n,
            "description": [""] * n,
            "categories": paths,
            "available": [True] * n,
        }
    )
    flat = Histories.from_lists(rows)
    if times is not None:
        flat = Histories.from_arrays(flat.offsets, flat.items, times=np.array([t for row in times for t in row], dtype=np.float64))
    return Dataset(items, pl.Series("user_id", [f"u{u}" for u in range(len(rows))]), flat)
