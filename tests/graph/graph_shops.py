"""Shops whose associations are known."""

from __future__ import annotations

import numpy as np
import polars as pl

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories

DAY = 86_400.0


def shop(rows, paths, times=None, **columns) -> Dataset:
    """One item a path; rows of item numbers (an item may be repeated), times in days."""
    n = len(paths)
    items = pl.DataFrame(
        {
            "item_id": [f"i{c}" for c in range(n)],
            "category": [p[0] if p else "" for p in paths],
            "title": columns.get("title", [f"thing {c}" for c in range(n)]),
            "brand": [""] * n,
            "description": [""] * n,
            "categories": paths,
            "available": columns.get("available", [True] * n),
        },
        schema_overrides={"categories": pl.List(pl.String)},
    )
    flat = Histories.from_lists(rows)
    if times is not None:
        flat = Histories.from_arrays(flat.offsets, flat.items, times=np.array([t for row in times for t in row]) * DAY)
    return Dataset(items, pl.Series("user_id", [f"u{u}" for u in range(len(rows))]), flat)


def planted(seed: int = 0, users: int = 600, bulk: int = 0, twice: int = 0) -> Dataset:
    """Ten aisles A..J of three kinds each. Half of those with ``A > 0`` get ``B > 1`` some days later; all else is chance.

    `bulk` users have one item of everything, `twice` users have ``C > 2`` and ``D > 2``, which nobody else has.
    """
    rng = np.random.default_rng(seed)
    paths = [[aisle, f"{aisle.lower()}{kind}"] for aisle in "ABCDEFGHIJ" for kind in range(3)]
    rare = [8, 11]
    free = [i for i in range(30) if i not in rare]
    rows, times = [], []
    for _ in range(users):
        chosen = list(rng.choice(free, size=int(rng.integers(2, 7)), replace=False))
        when = list(rng.integers(0, 60, size=len(chosen)).astype(float))
        if 0 in chosen and 4 not in chosen and rng.random() < 0.5:
            chosen.append(4)
            when.append(when[chosen.index(0)] + float(rng.integers(3, 10)))
        rows.append(chosen)
        times.append(when)
    for _ in range(bulk):
        rows.append(list(range(30)))
        times.append([float(t) for t in rng.integers(0, 60, size=30)])
    for _ in range(twice):
        rows.append(rare)
        times.append([1.0, 2.0])
    ordered = [[int(i) for _, i in sorted(zip(t, r, strict=True))] for t, r in zip(times, rows, strict=True)]
    return shop(ordered, paths, [sorted(t) for t in times])
