"""Raw figures -> summary, groups, tests, lists: the tables of `results`. Imports: groups, results.

Resampling depends on the questions and the seed only, so all models and measures of a view are resampled together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from crossaisle.evaluate.groups import level_order
from crossaisle.evaluate.results import GROUPS, GROUPS_SCHEMA, LISTS_SCHEMA, SUMMARY_SCHEMA, TESTS_SCHEMA, VALID_SCHEMA
from crossaisle.schema import Ints
from crossaisle.stats import bootstrap_interval, paired_tests

__all__ = ["Figures", "Values", "frame", "groups_table", "lists_table", "per_query_table", "summary_table", "paired_table", "valid_table"]

Values = npt.NDArray[np.float64]


@dataclass
class Figures:
    """What one view has collected.

    Attributes
    ----------
    name : str
    rows : int64 (R,)
        The questions asked.
    measures : tuple of str
        M names, ``ndcg@10``.
    values : dict
        Model -> seed -> float64 (R, M).
    lists : dict
        Model -> list measure -> one figure a seed.
    shares : dict
        Model -> the share of each aisle in its lists, float64 (C,) a seed.
    valid : dict
        Model -> the main measure on the validation questions, one figure a seed.
    n_valid : int
        How many validation questions there were.
    """

    name: str
    rows: Ints
    measures: tuple[str, ...]
    values: dict[str, dict[int, Values]] = field(default_factory=dict)
    lists: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    shares: dict[str, list[Values]] = field(default_factory=dict)
    valid: dict[str, list[float]] = field(default_factory=dict)
    n_valid: int = 0

    def mean(self, model: str) -> Values:
        """float64 (R, M): seeds averaged."""
        runs = list(self.values[model].values())
        return np.asarray(np.mean(runs, axis=0), dtype=np.float64)

    def best_baseline(self, roles: Mapping[str, str]) -> str | None:
        """The baseline with the highest validation figure, the first of equals; None if there is nothing to choose by."""
        figures = {m: float(np.mean(v)) for m, v in self.valid.items() if roles[m] == "baseline"}
        return max(figures, key=lambda m: figures[m]) if figures else None


def frame(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """A table with exactly the columns of the schema."""
    return pl.DataFrame(rows, schema=dict(schema))


def summary_table(views: Sequence[Figures], roles: Mapping[str, str], seed: int) -> pl.DataFrame:
    """Mean, interval and spread over seeds of every view, model and measure."""
    out = []
    for view in views:
        models = list(view.values)
        means = np.hstack([view.mean(m) for m in models])
        low, high = bootstrap_interval(means, seed)
        for i, model in enumerate(models):
            each_seed = np.array([v.mean(axis=0) for v in view.values[model].values()])
            for j, measure in enumerate(view.measures):
                at = i * len(view.measures) + j
                out.append(
                    {
                        "view": view.name,
                        "model": model,
                        "role": roles[model],
                        "measure": measure,
                        "value": float(means[:, at].mean()),
                        "low": float(low[at]),
                        "high": float(high[at]),
                        "seed_spread": float(each_seed[:, j].std(ddof=1)) if len(each_seed) > 1 else None,
                        "n": len(view.rows),
                    }
                )
    return frame(out, SUMMARY_SCHEMA)


def groups_table(views: Sequence[Figures], questions: pl.DataFrame, main: str, seed: int) -> pl.DataFrame:
    """The main measure, and the hit rate at the same k, of every view, group, level and model."""
    out = []
    shown = (main, f"hit_rate@{main.partition('@')[2]}")
    for view in views:
        models = list(view.values)
        places = [view.measures.index(measure) for measure in shown]
        columns = np.hstack([view.mean(m)[:, places] for m in models])
        asked = questions[view.rows]
        for group in (g for g in GROUPS if g in questions.columns):
            for order, level in enumerate(level_order(group, asked[group])):
                part = columns[(asked[group] == level).to_numpy()]
                low, high = bootstrap_interval(part, seed, n=1000)
                for c, (model, measure) in enumerate((m, s) for m in models for s in shown):
                    out.append(
                        {
                            "view": view.name,
                            "group": group,
                            "level": level,
                            "order": order,
                            "n": len(part),
                            "model": model,
                            "measure": measure,
                            "value": float(part[:, c].mean()),
                            "low": float(low[c]),
                            "high": float(high[c]),
                        }
                    )
    return frame(out, GROUPS_SCHEMA)


def paired_table(views: Sequence[Figures], roles: Mapping[str, str], main: str, seed: int) -> pl.DataFrame:
    """Ours and each control against each baseline by the main measure, paired by question."""
    out = []
    for view in views:
        at = view.measures.index(main)
        best = view.best_baseline(roles)
        pairs = [(m, b) for m in view.values if roles[m] != "baseline" for b in view.values if roles[b] == "baseline"]
        if not pairs:
            continue
        differences = np.column_stack([view.mean(m)[:, at] - view.mean(b)[:, at] for m, b in pairs])
        for (model, baseline), test in zip(pairs, paired_tests(differences, seed), strict=True):
            out.append(
                {
                    "view": view.name,
                    "measure": main,
                    "model": model,
                    "baseline": baseline,
                    "best": baseline == best,
                    "difference": test.difference,
                    "low": test.low,
                    "high": test.high,
                    "p": test.p,
                    "n": len(view.rows),
                }
            )
    return frame(out, TESTS_SCHEMA)


def lists_table(views: Sequence[Figures], roles: Mapping[str, str], k: int) -> pl.DataFrame:
    """The list measures, seeds averaged."""
    out = [
        {"view": v.name, "model": model, "role": roles[model], "measure": name, "k": k, "value": float(np.mean(figures))}
        for v in views
        for model, of_model in v.lists.items()
        for name, figures in of_model.items()
    ]
    return frame(out, LISTS_SCHEMA)


def valid_table(views: Sequence[Figures], roles: Mapping[str, str], main: str) -> pl.DataFrame:
    """The main measure on the validation questions, seeds averaged."""
    out = [
        {"view": v.name, "model": model, "role": roles[model], "measure": main, "value": float(np.mean(figures)), "n": v.n_valid}
        for v in views
        for model, figures in v.valid.items()
    ]
    return frame(out, VALID_SCHEMA)


def per_query_table(views: Sequence[Figures]) -> pl.DataFrame:
    """The raw figures, one row a view, model, seed and question."""
    parts = []
    for view in views:
        for model, runs in view.values.items():
            for seed, values in runs.items():
                n = len(view.rows)
                keys = {
                    "view": pl.repeat(view.name, n, eager=True),
                    "model": pl.repeat(model, n, eager=True),
                    "seed": pl.repeat(seed, n, dtype=pl.Int64, eager=True),
                    "query": pl.Series(view.rows),
                }
                figures = {name: values[:, j].astype(np.float32) for j, name in enumerate(view.measures)}
                parts.append(pl.DataFrame({**keys, **figures}))
    return pl.concat(parts)
