"""What kind of question each one is. Imports: looks, results."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from crossaisle import schema
from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Queries
from crossaisle.evaluate.looks import PROTOCOLS
from crossaisle.evaluate.results import GROUPS
from crossaisle.schema import Bools, Ints

__all__ = ["level_order", "question_table"]

_DAY = 86_400.0


def question_table(protocol: str, data: Dataset, learned: Dataset, queries: Queries) -> pl.DataFrame:
    """One row a question: who, what, and the level of each group that applies, as `Results.queries` says.

    Parameters
    ----------
    protocol : str
    data : Dataset
        What was split.
    learned : Dataset
        What the models learned from: counts and steps are those of its histories.
    queries : Queries
        Q test questions.
    """
    ids = data.items[schema.ITEM]
    target_ids, ends = ids.gather(queries.targets.items).to_list(), queries.targets.offsets.tolist()
    first = queries.targets.items[queries.targets.offsets[:-1]]
    lengths = queries.histories.lengths
    last = queries.histories.items[queries.histories.offsets[1:] - 1]  # every question has a history
    counts = learned.item_counts
    columns: dict[str, pl.Series | npt.NDArray[np.object_]] = {
        "query": pl.Series(np.arange(len(queries), dtype=np.int64)),
        "user_id": data.users.gather(queries.users),
        "targets": pl.Series([target_ids[a:b] for a, b in pairwise(ends)], dtype=pl.List(pl.String)),
        "aisle": pl.Series([data.categories[a] for a in data.item_categories[first]], dtype=pl.String),
        "history_length": pl.Series(lengths),
        "time": pl.Series(queries.times).fill_nan(None),
        "history": _level("history", np.digitize(lengths, (2, 5, 10, 20))),
    }
    if PROTOCOLS[protocol].one_target:
        columns["target-count"] = _level("target-count", np.digitize(counts[first], (1, 6, 21)))
        columns["target-popularity"] = _level("target-popularity", _popularity_thirds(counts)[first])
        columns["graph-step"] = _level("graph-step", np.where(_follows(learned, last, first), 0, 1))
    if protocol == "leave-one-out":
        rank = ids.rank("ordinal").to_numpy().astype(np.int64)  # ids compared as text
        columns["id-order"] = _level("id-order", np.where(rank[first] > rank[last], 0, np.where(rank[first] < rank[last], 1, 2)))
        before = queries.histories.times[queries.histories.offsets[1:] - 1]
        known = ~np.isnan(queries.times) & ~np.isnan(before)
        same = np.floor(queries.times / _DAY) == np.floor(before / _DAY)
        columns["same-day"] = _level("same-day", np.where(known, np.where(same, 0, 1), 2))
    return pl.DataFrame(columns)


def level_order(group: str, levels: pl.Series) -> list[str]:
    """The levels that occur, in the order to print: that of `GROUPS`, or alphabetical."""
    there = set(levels.drop_nulls().to_list())
    return [level for level in GROUPS[group] if level in there] if GROUPS[group] else sorted(there)


def _level(group: str, places: Ints) -> pl.Series:
    return pl.Series(np.array(GROUPS[group], dtype=object)[places], dtype=pl.String)


def _popularity_thirds(counts: Ints) -> Ints:
    """int64 (N,): 0 for the most popular items that make up a third of the events, 1 and 2 for the next thirds, 3 without events."""
    order = np.argsort(-counts, kind="stable")
    share_before = (np.cumsum(counts[order]) - counts[order]) / max(1, int(counts.sum()))
    out = np.empty(len(counts), dtype=np.int64)
    out[order] = np.digitize(share_before, (1 / 3, 2 / 3))
    return np.where(counts > 0, out, 3)


def _follows(learned: Dataset, before: Ints, after: Ints) -> Bools:
    """bool (Q,): the second item comes right after the first one somewhere in the histories learned from."""
    h, n = learned.histories, learned.n_items
    inside = h.owners[1:] == h.owners[:-1]
    steps = np.unique(h.items[:-1][inside] * n + h.items[1:][inside])
    return np.asarray(np.isin(before * n + after, steps), dtype=np.bool_)
