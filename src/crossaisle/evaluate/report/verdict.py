"""Does ours beat the best baseline? Decided once, from the paired tests, for every format. Imports nothing of its own room."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from crossaisle.evaluate.results import Results

__all__ = ["Comparison", "Judgement", "judge"]


@dataclass(frozen=True)
class Comparison:
    """Our model against one other on the same n questions."""

    baseline: str
    value: float
    difference: float
    low: float
    high: float
    p: float
    n: int


@dataclass(frozen=True)
class Judgement:
    """What one view says.

    Attributes
    ----------
    view, measure : str
    outcome : str
        ``better`` (the whole interval of the difference lies above zero), ``worse`` (below), ``unclear`` (it holds zero),
        ``no-ours`` or ``no-baseline`` (nothing to compare).
    model : str or None
        Ours, or None if it did not run.
    value : float
        Our figure; NaN without ours.
    against : Comparison or None
        The best baseline, chosen on the validation questions. Where another did better on the test and ours stands worse against that
        one (undecided instead of better, say), ours is held to that one.
    chosen_on : str
        ``validation``; ``test`` where there were no validation questions; ``harder`` where ours is held to the better one on the test.
    other : Comparison or None
        With ``validation``, a baseline that did better on the test than the one chosen, if any; with ``harder``, the one chosen.
    """

    view: str
    measure: str
    outcome: str
    model: str | None
    value: float
    against: Comparison | None
    chosen_on: str
    other: Comparison | None


def judge(results: Results, view: str) -> Judgement:
    """The judgement of one view, by the main measure."""
    measure = results.facts.main_measure
    rows = results.summary.filter((pl.col("view") == view) & (pl.col("measure") == measure))
    values = {str(m): float("nan") if v is None else float(v) for m, v in rows.select("model", "value").iter_rows()}
    # NaN and null last: a model without a figure is nobody's best
    by_test = sorted((m for m in rows.filter(pl.col("role") == "baseline")["model"]), key=lambda m: (values[m] == values[m], values[m]))
    ours = next(iter(rows.filter(pl.col("role") == "ours")["model"]), None)
    chosen = results.best_baseline(view)
    chosen_on = "validation" if chosen in values else "test"
    best = chosen if chosen in values else (by_test[-1] if by_test else None)
    if ours is None:
        top = _compare(results, view, None, by_test[-1], values) if by_test else None
        return Judgement(view, measure, "no-ours", None, float("nan"), top, "test", None)
    if best is None:
        return Judgement(view, measure, "no-baseline", ours, values[ours], None, chosen_on, None)
    against = _compare(results, view, ours, best, values)
    if values[by_test[-1]] > values[best]:
        other = _compare(results, view, ours, by_test[-1], values)
        if _STANDING.index(_outcome(other)) < _STANDING.index(_outcome(against)):
            return Judgement(view, measure, _outcome(other), ours, values[ours], other, "harder", against)
        return Judgement(view, measure, _outcome(against), ours, values[ours], against, chosen_on, other)
    return Judgement(view, measure, _outcome(against), ours, values[ours], against, chosen_on, None)


_STANDING = ("worse", "unclear", "better")


def _outcome(x: Comparison) -> str:
    return "better" if x.low > 0 else "worse" if x.high < 0 else "unclear"


def _compare(results: Results, view: str, ours: str | None, baseline: str, values: dict[str, float]) -> Comparison:
    """The paired test of ours against one baseline; without a test, an interval that says nothing."""
    nan = float("nan")
    if ours is None:
        return Comparison(baseline, values[baseline], nan, nan, nan, nan, 0)
    rows = results.tests.filter(
        (pl.col("view") == view)
        & (pl.col("measure") == results.facts.main_measure)
        & (pl.col("model") == ours)
        & (pl.col("baseline") == baseline)
    )
    if rows.is_empty():
        return Comparison(baseline, values[baseline], values[ours] - values[baseline], nan, nan, nan, 0)
    row = rows.row(0, named=True)
    difference, low, high, p = (nan if row[c] is None else float(row[c]) for c in ("difference", "low", "high", "p"))
    return Comparison(baseline, values[baseline], difference, low, high, p, int(row["n"]))
