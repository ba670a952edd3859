"""Looking things up in the results while a report is made: figures, order, names, who is who. Imports: verdict, words."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import polars as pl

from crossaisle.evaluate.report.verdict import Judgement, judge
from crossaisle.evaluate.report.words import Words
from crossaisle.evaluate.results import GROUPS, LIST_MEASURES, LOG_POPULARITY, Results
from crossaisle.stats import PairedTest, paired_test

__all__ = ["Lens", "Span"]

Span = tuple[float, float, float]
"""A value with the ends of its interval; NaN where unknown."""

_NAN = float("nan")


def _span(value: float | None, low: float | None, high: float | None) -> Span:
    return tuple(_NAN if v is None else float(v) for v in (value, low, high))  # type: ignore[return-value]


class Lens:
    """The results seen in one language.

    Parameters
    ----------
    results : Results
    words : Words
    """

    def __init__(self, results: Results, words: Words) -> None:
        self.results, self.words, self.facts = results, words, results.facts
        self.measure = words.measure(results.facts.main_measure)
        self._control_tests: dict[tuple[str, str, str], PairedTest | None] = {}

    @cached_property
    def roles(self) -> dict[str, str]:
        """Model -> ours, control or baseline."""
        return dict(self.results.runs.select("model", "role").iter_rows())

    @cached_property
    def list_measures(self) -> tuple[str, ...]:
        """The list measures, that of popularity only where the trial has it."""
        return (*LIST_MEASURES, LOG_POPULARITY) if LOG_POPULARITY in self.results.lists["measure"] else LIST_MEASURES

    @cached_property
    def _figures(self) -> dict[tuple[str, str, str], Span]:
        rows = self.results.summary.select("view", "model", "measure", "value", "low", "high").iter_rows()
        return {(view, model, measure): _span(*figures) for view, model, measure, *figures in rows}

    @cached_property
    def _levels(self) -> dict[tuple[str, str, str, str, str], Span]:
        columns = ("view", "group", "level", "model", "measure", "value", "low", "high")
        rows = self.results.groups.select(columns).iter_rows()
        return {(view, group, level, model, measure): _span(*figures) for view, group, level, model, measure, *figures in rows}

    @cached_property
    def _counts(self) -> dict[tuple[str, str], list[tuple[str, int]]]:
        rows = self.results.groups.filter(pl.col("n") > 0).select("view", "group", "level", "order", "n")
        out: dict[tuple[str, str], list[tuple[str, int]]] = {}
        once = rows.unique(subset=["view", "group", "level"], keep="first", maintain_order=True)
        for view, group, level, _, n in once.sort("order", maintain_order=True).iter_rows():
            out.setdefault((view, group), []).append((level, n))
        return out

    @cached_property
    def judgements(self) -> dict[str, Judgement]:
        """View -> judgement."""
        return {view.name: judge(self.results, view.name) for view in self.results.views}

    def figure(self, view: str, model: str, measure: str | None = None) -> Span:
        """Value and interval; the main measure unless another is named."""
        return self._figures.get((view, model, measure or self.facts.main_measure), (_NAN, _NAN, _NAN))

    def at_level(self, view: str, group: str, level: str, model: str, measure: str | None = None) -> Span:
        """One model on the questions of one level, by the main measure unless another is named."""
        return self._levels.get((view, group, level, model, measure or self.facts.main_measure), (_NAN, _NAN, _NAN))

    def levels(self, view: str, group: str) -> list[tuple[str, int]]:
        """(level, number of questions) in the order to print; levels without a question are left out."""
        return self._counts.get((view, group), [])

    def share(self, view: str, group: str, level: str) -> float:
        """Share of the view's questions that are of one level."""
        counts = dict(self.levels(view, group))
        return counts.get(level, 0) / max(1, sum(counts.values()))

    def groups(self, view: str) -> list[str]:
        """Groups other than the aisle that tell at least two levels apart."""
        return [g for g in GROUPS if g != "aisle" and len(self.levels(view, g)) > 1]

    def order(self, view: str) -> list[str]:
        """Ours and baselines, best first by the main measure, then controls; models without a figure last."""
        models = [m for m in self.results.models if (view, m, self.facts.main_measure) in self._figures]
        value = {m: self.figure(view, m)[0] for m in models}
        return sorted(models, key=lambda m: (self.roles[m] == "control", np.isnan(value[m]), -value[m]))

    def kind(self, view: str, model: str) -> str:
        """ours, best (the baseline ours is judged against), baseline or control."""
        against = self.judgements[view].against
        return "best" if against is not None and against.baseline == model else self.roles[model]

    def label(self, model: str) -> str:
        """What a reader calls the model."""
        return self.words.name(model)

    def control_test(self, view: str, ours: str, control: str) -> PairedTest | None:
        """Ours minus a control, question by question, seeds averaged first; None without raw figures of both."""
        key = (view, ours, control)
        if key not in self._control_tests:
            self._control_tests[key] = self._control_test(*key)
        return self._control_tests[key]

    def _control_test(self, view: str, ours: str, control: str) -> PairedTest | None:
        column = self.facts.main_measure
        raw = self.results.per_query
        if raw.is_empty() or column not in raw.columns:
            return None
        raw = raw.filter((pl.col("view") == view) & pl.col("model").is_in([ours, control])).drop_nulls(column)
        means = raw.group_by("query", "model").agg(pl.col(column).cast(pl.Float64).mean()).sort("query")
        both = means.filter(pl.col("model") == ours).join(means.filter(pl.col("model") == control), on="query", maintain_order="left")
        if both.is_empty():
            return None
        return paired_test(both[column].to_numpy(), both[f"{column}_right"].to_numpy(), seed=self.facts.seeds[0])
