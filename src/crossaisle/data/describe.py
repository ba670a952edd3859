"""What a dataset holds, as plain values ready for JSON: the data report. Imports: dataset, items."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.data.dataset import Dataset
from crossaisle.data.items import CATALOGUE
from crossaisle.schema import Bools, Ints

__all__ = ["describe"]

_FIELDS = (schema.TITLE, schema.BRAND, schema.DESCRIPTION)


def describe(data: Dataset, facts: dict[str, Any]) -> dict[str, Any]:
    """The report of a dataset.

    Parameters
    ----------
    data : Dataset
    facts : dict
        Table -> what reading it found (rows, rejected, duplicates, ...).

    Returns
    -------
    dict
        ``tables`` (the facts), ``users``, ``items``, ``interactions``, ``history_lengths``, ``events`` (kind -> count), ``aisles`` (one
        dict each), ``users_in_two_aisles``, ``time``, ``order`` (repeats; neighbours of one user at the same moment, and how many of
        those stand in the order of their ids), ``text`` (column -> share of known items that have it), ``unknown_items`` (items and
        interactions that the catalogue lacks), ``never_used`` items, ``unavailable`` items.
    """
    counts = data.item_counts
    aisles, several = _aisles(data, counts)
    known = data.items[schema.KNOWN].to_numpy()
    kinds = np.bincount(data.histories.events, minlength=len(data.event_names))
    return {
        "tables": facts,
        "users": data.n_users,
        "items": data.n_items,
        "interactions": len(data.histories.items),
        "history_lengths": _lengths(data),
        "events": {name: int(n) for name, n in zip(data.event_names, kinds, strict=True)},
        "aisles": aisles,
        "users_in_two_aisles": several,
        "time": _time(data, facts.get("interactions", {}).get("time_form", "none")),
        "order": _order(data),
        "text": _text(data, known),
        "unknown_items": {"items": int((~known).sum()), "interactions": int(counts[~known].sum())},
        "never_used": int((counts == 0).sum()),
        "unavailable": int((~data.items[schema.AVAILABLE]).sum()),
    }


def _distinct(values: Ints) -> Ints:
    """What ``np.unique`` gives. Sorting millions of numbers is several times as fast as the hash table that newer numpy makes of them."""
    ordered = np.sort(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def _lengths(data: Dataset) -> dict[str, float]:
    lengths = data.histories.lengths
    low, median, high = (round(float(np.quantile(lengths, q)), 1) for q in (0.1, 0.5, 0.9))
    return {
        "mean": round(float(lengths.mean()), 2),
        "p10": low,
        "median": median,
        "p90": high,
        "max": int(lengths.max()),
        "single": int((lengths == 1).sum()),
    }


def _aisles(data: Dataset, counts: Ints) -> tuple[list[dict[str, Any]], int]:
    aisle = data.item_categories
    n = len(data.categories)
    visits = _distinct(data.histories.owners * n + aisle[data.histories.items])
    several = int((np.bincount(visits // n) > 1).sum())
    pairs = visits % n
    items, events, users = np.bincount(aisle, minlength=n), np.bincount(aisle, weights=counts, minlength=n), np.bincount(pairs, minlength=n)
    titled = np.bincount(aisle, weights=(data.items[schema.TITLE] != "").to_numpy(), minlength=n)
    order = np.argsort(-events, kind="stable")
    rows = [
        {
            "aisle": data.categories[a],
            "items": int(items[a]),
            "interactions": int(events[a]),
            "users": int(users[a]),
            "titled": round(float(titled[a] / max(items[a], 1)), 4),
        }
        for a in order
    ]
    return rows, several


def _time(data: Dataset, form: str) -> dict[str, Any]:
    times = data.histories.times[~np.isnan(data.histories.times)]
    span = (
        [datetime.fromtimestamp(float(t), UTC).isoformat().replace("+00:00", "Z") for t in (times.min(), times.max())]
        if len(times)
        else [None, None]
    )
    return {"first": span[0], "last": span[1], "undated": len(data.histories.items) - len(times), "read_as": form}


def _order(data: Dataset) -> dict[str, Any]:
    """How often a user takes an item again, and how far the order inside a user is known."""
    h = data.histories
    owners = h.owners
    repeats = len(h.items) - len(_distinct(owners * data.n_items + h.items))
    inside = owners[1:] == owners[:-1]
    tied = inside & (h.times[1:] == h.times[:-1]) & (h.items[1:] != h.items[:-1])
    place = np.empty(data.n_items, dtype=np.int64)
    ids = data.items[schema.ITEM]
    numbers = ids.cast(pl.Int64, strict=False)
    place[(ids if numbers.null_count() else numbers).arg_sort().to_numpy()] = np.arange(data.n_items)
    rising = tied & (place[h.items[1:]] > place[h.items[:-1]])
    return {"repeats": repeats, "pairs": int(inside.sum()), "same_time": int(tied.sum()), "same_time_rising_id": int(rising.sum())}


def _text(data: Dataset, known: Bools) -> dict[str, float]:
    items = data.items.filter(pl.Series(known))
    if items.height == 0:
        return {}
    columns = [*_FIELDS, *(c for c in items.columns if c not in CATALOGUE)]
    shares = {c: float((items[c] != "").mean()) for c in columns}  # type: ignore[arg-type]
    shares[schema.CATEGORIES] = float((items[schema.CATEGORIES].list.len() > 1).mean())  # type: ignore[arg-type]
    shares[schema.PRICE] = float(items[schema.PRICE].is_not_null().mean())  # type: ignore[arg-type]
    for column in (schema.IMAGE, schema.VIDEO):
        shares[column] = float(items[column].is_not_null().mean())  # type: ignore[arg-type]
    return {c: round(s, 4) for c, s in shares.items()}
