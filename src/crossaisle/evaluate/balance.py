"""How evenly the aisles are served: the category-macro measure, and the shares of lists and targets. Imports: results, tables.

A large aisle can carry a mean over questions by itself; here every aisle counts alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from crossaisle.data.histories import Histories
from crossaisle.evaluate.results import SHARES_SCHEMA, SUMMARY_SCHEMA
from crossaisle.evaluate.tables import Figures, Values, frame
from crossaisle.schema import Ints
from crossaisle.stats import bootstrap_means

__all__ = ["list_shares", "macro_interval", "macro_table", "shares_table"]


def macro_interval(values: Values, aisles: Ints, seed: int, n: int = 1000) -> tuple[Values, Values, Values]:
    """Mean over aisles of the mean over an aisle's questions, with a 95 % bootstrap interval.

    Questions are resampled inside their aisle, so that every aisle stays; an aisle with one question adds no spread.

    Parameters
    ----------
    values : float64 (Q, M)
    aisles : int64 (Q,)
    seed : int
    n : int
        Number of resamples.

    Returns
    -------
    value, low, high : float64 (M,)

    Examples
    --------
    >>> value, low, high = macro_interval(np.array([[1.0], [1.0], [1.0], [0.0]]), np.array([0, 0, 0, 1]), seed=0)
    >>> value.tolist(), low.tolist(), high.tolist()
    ([0.5], [0.5], [0.5])
    """
    present = np.unique(aisles)
    value, drawn = np.zeros(values.shape[1]), np.zeros((n, values.shape[1]))
    for place, aisle in enumerate(present):
        part = values[aisles == aisle]
        value += part.mean(axis=0) / len(present)
        drawn += bootstrap_means(part, seed + place, n) / len(present)
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    return value, low, high


def macro_table(views: Sequence[Figures], questions: pl.DataFrame, roles: Mapping[str, str], main: str, seed: int) -> pl.DataFrame:
    """Rows of the summary for ``macro_ndcg@10``: of every view whose questions lie in two or more aisles.

    A question lies in the aisle of its first target; questions without one are left out.
    """
    out: list[dict[str, Any]] = []
    for view in views:
        names = questions[view.rows]["aisle"]
        named = (names != "").to_numpy()
        aisles = names.rank("dense").to_numpy().astype(np.int64)[named]
        if len(np.unique(aisles)) < 2:
            continue
        at = view.measures.index(main)
        models = list(view.values)
        value, low, high = macro_interval(np.column_stack([view.mean(m)[named, at] for m in models]), aisles, seed)
        for i, model in enumerate(models):
            seeds = np.column_stack([v[named, at] for v in view.values[model].values()])
            each_seed = np.mean([seeds[aisles == a].mean(axis=0) for a in np.unique(aisles)], axis=0)
            out.append(
                {
                    "view": view.name,
                    "model": model,
                    "role": roles[model],
                    "measure": f"macro_{main}",
                    "value": float(value[i]),
                    "low": float(low[i]),
                    "high": float(high[i]),
                    "seed_spread": float(each_seed.std(ddof=1)) if len(each_seed) > 1 else None,
                    "n": int(named.sum()),
                }
            )
    return frame(out, SUMMARY_SCHEMA)


def list_shares(top: Ints, item_categories: Ints, n_aisles: int) -> Values:
    """float64 (C,): the share of each aisle among the items shown; all 0 if nothing is.

    Examples
    --------
    >>> list_shares(np.array([[0, 1], [2, -1]]), np.array([0, 0, 1]), 2).round(3).tolist()
    [0.667, 0.333]
    """
    counts = np.bincount(item_categories[top[top >= 0]], minlength=n_aisles).astype(np.float64)
    return np.asarray(counts / max(1.0, float(counts.sum())), dtype=np.float64)


def shares_table(views: Sequence[Figures], targets: Sequence[Histories], categories: Sequence[str], item_categories: Ints) -> pl.DataFrame:
    """The share of every aisle among a view's targets and in each model's lists, seeds averaged; empty with one aisle."""
    out: list[dict[str, Any]] = []
    for view, wanted in zip(views, targets, strict=True):
        of_targets = list_shares(wanted.items, item_categories, len(categories))
        for model, runs in view.shares.items():
            of_lists = np.mean(runs, axis=0)
            shown = [c for c in range(len(categories)) if of_targets[c] or of_lists[c]]
            out += [
                {"view": view.name, "aisle": categories[c], "model": model, "lists": float(of_lists[c]), "targets": float(of_targets[c])}
                for c in (shown if len(categories) > 1 else ())
            ]
    return frame(out, SHARES_SCHEMA)
