"""The figures of a report. Imports: blocks, lens, plots."""

from __future__ import annotations

import math

import polars as pl

from crossaisle.evaluate.report import plots
from crossaisle.evaluate.report.blocks import Figure
from crossaisle.evaluate.report.lens import Lens
from crossaisle.evaluate.report.plots import Dot, Pair

__all__ = ["curves", "differences", "groups", "learning", "models"]

_MOST_AISLES = 20


def _legend(lens: Lens, view: str, kinds: set[str]) -> tuple[tuple[str, str], ...]:
    """The kinds of mark that a figure holds, ours and the best baseline by name."""
    judgement, w = lens.judgements[view], lens.words
    names = {
        "ours": lens.label(judgement.model) if judgement.model else "",
        "best": w("legend-best", name=lens.label(judgement.against.baseline)) if judgement.against else "",
        "baseline": w("legend-baseline"),
        "control": w("legend-control"),
    }
    return tuple((kind, name) for kind, name in names.items() if kind in kinds)


def models(lens: Lens, view: str) -> Figure:
    """The main measure of every model with its interval."""
    rows = [Dot(lens.label(m), *lens.figure(view, m), kind=lens.kind(view, m)) for m in lens.order(view)]
    svg = plots.dots(rows, lens.measure, f"models-{view}")
    return Figure(svg, lens.words("dots-caption", measure=lens.measure), _legend(lens, view, {r.kind for r in rows}))


def differences(lens: Lens, view: str, rows: list[tuple[str, float, float, float, float, int]]) -> Figure:
    """Ours minus each other model, with a line at zero."""
    w = lens.words
    marks = [Dot(lens.label(m), d, low, high, lens.kind(view, m)) for m, d, low, high, _, _ in rows]
    svg = plots.dots(marks, w("axis-difference", measure=lens.measure), f"differences-{view}", zero=True)
    ours = lens.judgements[view].model or ""
    return Figure(svg, w("difference-caption", measure=lens.measure, ours=lens.label(ours)), _legend(lens, view, {m.kind for m in marks}))


def curves(lens: Lens, view: str) -> Figure:
    """Recall over k, one line a model, ours on top."""
    rank = {"control": 0, "baseline": 1, "best": 2, "ours": 3}
    order = sorted(lens.order(view), key=lambda m: rank[lens.kind(view, m)])
    ks = lens.facts.ks
    rows = [(lens.label(m), lens.kind(view, m), [lens.figure(view, m, f"recall@{k}")[0] for k in ks]) for m in order]
    svg = plots.curves(ks, rows, lens.words("axis-k"), f"curves-{view}")
    return Figure(
        svg, lens.words("curves-caption", measure=lens.words.measure("recall")), _legend(lens, view, {kind for _, kind, _ in rows})
    )


def learning(lens: Lens) -> tuple[Figure, ...]:
    """Validation and loss by epoch of each model that learns by epochs, in the first seed; none where nothing has two epochs."""
    w, view = lens.words, next(iter(lens.judgements))
    told, first = lens.results.curves, lens.facts.seeds[0]
    rank = {"control": 0, "baseline": 1, "best": 2, "ours": 3}
    out = []
    for run, column, caption in (
        ("choosing", "valid", w("learning-valid", measure=w.measure("ndcg@10"))),
        ("choosing", "loss", w("learning-loss")),
        ("everything", "loss", w("learning-refit")),
    ):
        rows = told.filter((pl.col("run") == run) & (pl.col("seed") == first) & pl.col(column).is_not_null())
        epochs = rows["epoch"].max() if rows.height else 0
        if not isinstance(epochs, int) or epochs < 2:
            continue
        lines = []
        for model in sorted(rows["model"].unique(maintain_order=True), key=lambda m: rank[lens.kind(view, m)]):
            values = rows.filter(pl.col("model") == model)[column].to_list()
            lines.append((lens.label(model), lens.kind(view, model), [*values, *[math.nan] * (epochs - len(values))]))
        svg = plots.curves(range(1, epochs + 1), lines, w("axis-epoch"), f"learning-{run}-{column}")
        out.append(Figure(svg, caption, _legend(lens, view, {kind for _, kind, _ in lines})))
    return tuple(out)


def groups(lens: Lens, view: str, names: list[str], key: str) -> Figure | None:
    """Ours beside the best baseline, level by level; None unless both are there."""
    judgement, w = lens.judgements[view], lens.words
    if judgement.model is None or judgement.against is None:
        return None
    ours, other = judgement.model, judgement.against.baseline
    parts = []
    for name in names:
        levels = lens.levels(view, name)
        if name == "aisle":
            levels = sorted(levels, key=lambda x: -x[1])[:_MOST_AISLES]
        pairs = [
            Pair(
                w.level(name, level),
                Dot("", *lens.at_level(view, name, level, ours), kind="ours"),
                Dot("", *lens.at_level(view, name, level, other), kind="best"),
            )
            for level, _ in levels
        ]
        parts.append(("" if name == "aisle" else w(f"short-{name}"), pairs))
    svg = plots.pairs(parts, lens.measure, f"{key}-{view}")
    caption = w("pairs-caption", measure=lens.measure, ours=lens.label(ours), baseline=lens.label(other))
    return Figure(svg, caption, _legend(lens, view, {"ours", "best"}))
