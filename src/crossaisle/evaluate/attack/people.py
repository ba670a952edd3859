"""Training data with people added, and how well those who were made up are found in it. Imports: results."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata

from crossaisle import schema
from crossaisle.data.build import DataSettings, without_shilling
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.shilling import find_shilling
from crossaisle.evaluate.attack.results import DetectionRow
from crossaisle.schema import Bools

__all__ = ["checked", "detection", "interactions_of", "with_people"]


def interactions_of(data: Dataset) -> pl.DataFrame:
    """The histories as a table: ``user_id``, ``item_id``, and ``timestamp`` where any is known; a user's rows in their order."""
    h = data.histories
    columns: dict[str, Any] = {
        schema.USER: data.users.gather(h.owners),
        schema.ITEM: data.items[schema.ITEM].gather(h.items),
    }
    out = pl.DataFrame(columns)
    if not np.isfinite(h.times).any():
        return out
    return out.with_columns(pl.Series(schema.TIMESTAMP, h.times).fill_nan(None))


def with_people(data: Dataset, rows: pl.DataFrame) -> Dataset:
    """The dataset with the people of a table of the same form added at the end: codes of users and items stay.

    Their events are of the most frequent kind.
    """
    h, codes = data.histories, data.item_codes
    users = rows[schema.USER].unique(maintain_order=True)
    places = {u: k for k, u in enumerate(users.to_list())}
    owner = np.array([places[u] for u in rows[schema.USER].to_list()], dtype=np.int64)
    order = np.argsort(owner, kind="stable")
    items = np.array([codes[i] for i in rows[schema.ITEM].to_list()], dtype=np.int64)[order]
    times = rows[schema.TIMESTAMP].cast(pl.Float64).fill_null(float("nan")).to_numpy()[order] if schema.TIMESTAMP in rows.columns else None
    usual = int(np.bincount(h.events).argmax()) if len(h.events) else 0
    more = Histories.from_arrays(
        np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(users)))]), items, np.full(len(items), usual), times=times
    )
    joined = Histories(
        offsets=np.concatenate([h.offsets, h.offsets[-1] + more.offsets[1:]]),
        items=np.concatenate([h.items, more.items]),
        events=np.concatenate([h.events, more.events]),
        weights=np.concatenate([h.weights, more.weights]),
        times=np.concatenate([h.times, more.times]),
    )
    return replace(data, users=pl.concat([data.users, users.alias(data.users.name)]), histories=joined, reviews=None)


def checked(data: Dataset, settings: DataSettings) -> Dataset:
    """The dataset as import leaves it under the setting ``data.shilling``."""
    return without_shilling(data, settings)[0]


def detection(data: Dataset, n_genuine: int, filler: str, share: float, pushed: list[int], settings: DataSettings) -> DetectionRow:
    """How well the users from number ``n_genuine`` on are found."""
    found = find_shilling(data.histories, data.n_items, settings.shilling_threshold)
    fake: Bools = np.arange(data.n_users) >= n_genuine
    flagged = int(found.flagged.sum())
    right = int((found.flagged & fake).sum())
    return DetectionRow(
        filler=filler,
        share=share,
        flagged=flagged,
        precision=right / flagged if flagged and fake.any() else float("nan"),
        recall=right / int(fake.sum()) if fake.any() else float("nan"),
        false_positive_rate=(flagged - right) / max(1, int((~fake).sum())),
        auc=_auc(found.score, fake),
        items_found=int(np.isin(pushed, found.pushed).sum()),
        defended=settings.shilling == "downweight",
    )


def _auc(score: np.ndarray[Any, np.dtype[np.float64]], fake: Bools) -> float:
    """Chance that a made-up user scores above a genuine one, a tie counting half."""
    n, m = int(fake.sum()), int((~fake).sum())
    if not n or not m:
        return float("nan")
    return float((rankdata(score)[fake].sum() - n * (n + 1) / 2) / (n * m))
