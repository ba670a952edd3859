"""The tables of a report. Imports: blocks, lens, words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from crossaisle.evaluate.report.blocks import Cell, Row, Table
from crossaisle.evaluate.report.lens import Lens
from crossaisle.evaluate.report.words import figure, shorten, signed, whole
from crossaisle.evaluate.results import LIST_MEASURES, MEASURES

__all__ = ["MANY_AISLES", "aisles", "differences", "every", "examples", "flat", "group", "lists", "listing", "main", "runs", "shares"]

MANY_AISLES = 30
"""How many aisles the page shows; report.json holds all."""


def _interval(low: float, high: float, digits: int = 4) -> str:
    return "" if low != low or high != high else f"{figure(low, digits)}–{figure(high, digits)}"


def _best(lens: Lens, texts: Mapping[str, str]) -> set[str]:
    """The models whose printed figure is the highest of their column, if it is above zero; controls do not compete."""
    seen = {m: t for m, t in texts.items() if lens.roles[m] != "control" and t != "–"}
    top = max(seen.values(), key=lambda t: float(t.replace("−", "-")), default=None)
    return {m for m, t in seen.items() if t == top and float(t.replace("−", "-")) > 0}


def _by_model(lens: Lens, view: str, caption: str, heads: list[Cell], figures: Any) -> Table:
    """One row a model, one column a head; ``figures(model, column)`` gives value, low and high."""
    models = lens.order(view)
    spans = {m: [figures(m, c) for c in range(len(heads))] for m in models}
    best = [_best(lens, {m: figure(spans[m][c][0]) for m in models}) for c in range(len(heads))]
    rows = tuple(
        Row(
            (
                name_cell(lens, view, m),
                *(Cell(figure(value), _interval(low, high), m in best[c]) for c, (value, low, high) in enumerate(spans[m])),
            ),
            lens.roles[m],
        )
        for m in models
    )
    return Table(caption, (Cell(lens.words("col-model")), *heads), rows)


def name_cell(lens: Lens, view: str, model: str) -> Cell:
    """The model's name, with a word below it where it is the best baseline."""
    return Cell(lens.label(model), lens.words("col-best") if lens.kind(view, model) == "best" else "")


def main(lens: Lens, view: str) -> Table:
    """NDCG and recall at every k; the hit rate where it differs from recall, and the mean over aisles where there are several."""
    w, ks = lens.words, lens.facts.ks
    measures = [f"ndcg@{k}" for k in ks] + [f"recall@{k}" for k in ks]
    k = lens.facts.main_measure.partition("@")[2]
    models = lens.order(view)
    if any(lens.figure(view, m, f"hit_rate@{k}")[0] != lens.figure(view, m, f"recall@{k}")[0] for m in models):
        measures.append(f"hit_rate@{k}")
    macro = f"macro_{lens.facts.main_measure}"
    if any(lens.figure(view, m, macro)[0] >= 0 for m in models):
        measures.append(macro)
    n = next(v.n for v in lens.results.views if v.name == view)
    return _by_model(
        lens, view, w("main-caption", n=whole(n)), [Cell(w.measure(m)) for m in measures], lambda m, c: lens.figure(view, m, measures[c])
    )


def every(lens: Lens, view: str) -> Iterator[Table]:
    """All six measures, one table a k."""
    for k in lens.facts.ks:
        measures = [f"{m}@{k}" for m in MEASURES]
        heads = [Cell(lens.words.measure(m)) for m in measures]
        yield _by_model(
            lens, view, lens.words("every-caption", k=str(k)), heads, lambda m, c, names=measures: lens.figure(view, m, names[c])
        )


def group(lens: Lens, view: str, name: str) -> Table:
    """One column a level of the group."""
    w, levels = lens.words, lens.levels(view, name)
    heads = [Cell(w.level(name, level), w("n", n=whole(n))) for level, n in levels]
    return _by_model(lens, view, w.name(f"group-{name}"), heads, lambda m, c: lens.at_level(view, name, levels[c][0], m))


def aisles(lens: Lens, view: str, measure: str | None = None) -> Table:
    """One row an aisle, largest first, one column a model (ours and baselines); the main measure unless another is named."""
    w = lens.words
    models = [m for m in lens.order(view) if lens.roles[m] != "control"]
    rows = []
    for level, n in sorted(lens.levels(view, "aisle"), key=lambda x: -x[1])[:MANY_AISLES]:
        spans = {m: lens.at_level(view, "aisle", level, m, measure) for m in models}
        best = _best(lens, {m: figure(spans[m][0]) for m in models})
        cells = (Cell(figure(spans[m][0]), _interval(*spans[m][1:]), m in best) for m in models)
        rows.append(Row((Cell(shorten(w.level("aisle", level), 24)), Cell(whole(n)), *cells)))
    heads = (Cell(w("col-aisle")), Cell(w("col-questions")), *(name_cell(lens, view, m) for m in models))
    return Table(w("aisles-caption", measure=w.measure(measure) if measure else lens.measure), heads, tuple(rows))


def shares(lens: Lens, view: str) -> Table | None:
    """One row an aisle, largest first by its targets: its share of the targets and of each model's lists; None with fewer than two."""
    w = lens.words
    rows = lens.results.shares.filter(pl.col("view") == view)
    aisles = (
        rows.group_by("aisle", maintain_order=True).agg(pl.col("targets").first()).sort("targets", descending=True, maintain_order=True)
    )
    if aisles.height < 2:
        return None
    models = lens.order(view)
    of_lists = {(aisle, model): share for aisle, model, share in rows.select("aisle", "model", "lists").iter_rows()}
    body = tuple(
        Row(
            (
                Cell(shorten(w.level("aisle", aisle), 24)),
                Cell(w.percent(targets)),
                *(Cell(w.percent(of_lists.get((aisle, m), 0.0))) for m in models),
            )
        )
        for aisle, targets in aisles.head(MANY_AISLES).iter_rows()
    )
    heads = (Cell(w("col-aisle")), Cell(w("col-targets")), *(name_cell(lens, view, m) for m in models))
    return Table(w("shares-caption"), heads, body)


def differences(lens: Lens, view: str, rows: list[tuple[str, float, float, float, float, int]]) -> Table:
    """Ours minus each other model: difference, interval, p."""
    w = lens.words
    heads = ("col-against", "col-difference", "col-interval", "col-p", "col-questions")
    cells = tuple(
        Row(
            (
                name_cell(lens, view, model),
                Cell(signed(d)),
                Cell("–" if low != low else w("span", low=signed(low), high=signed(high))),
                Cell(w.p_only(p)),
                Cell(whole(n)),
            ),
            lens.roles[model],
        )
        for model, d, low, high, p, n in rows
    )
    return Table(w("difference-table", measure=lens.measure), tuple(Cell(w(h)) for h in heads), cells)


def lists(lens: Lens, view: str) -> Table:
    """What a model's lists are like as a whole; in an intervened trial beside the main measure."""
    w = lens.words
    beside = (lens.facts.main_measure,) if len(lens.list_measures) > len(LIST_MEASURES) else ()
    rows = lens.results.lists.filter(pl.col("view") == view)
    values = {(m, measure): value for m, measure, value in rows.select("model", "measure", "value").iter_rows()}
    k = rows["k"].max()
    body = tuple(
        Row(
            (
                name_cell(lens, view, m),
                *(Cell(figure(lens.figure(view, m, x)[0])) for x in beside),
                *(Cell(figure(values.get((m, x)), 3)) for x in lens.list_measures),
            ),
            lens.roles[m],
        )
        for m in lens.order(view)
    )
    return Table(w("lists-caption", k=str(k)), (Cell(w("col-model")), *(Cell(w.measure(x)) for x in (*beside, *lens.list_measures))), body)


def runs(lens: Lens) -> Table:
    """One row a model and seed: time, speed, figure on validation, note."""
    w, view, measure = lens.words, lens.results.views[0].name, lens.facts.main_measure
    valid = lens.results.valid.filter((pl.col("view") == view) & (pl.col("measure") == measure))
    on_valid = dict(valid.select("model", "value").iter_rows())
    spread = dict(
        lens.results.summary.filter((pl.col("view") == view) & (pl.col("measure") == measure)).select("model", "seed_spread").iter_rows()
    )
    body = tuple(
        Row(
            (
                Cell(lens.label(r["model"])),
                Cell(str(r["seed"])),
                Cell(figure(r["fit_minutes"], 2)),
                Cell(figure(r["score_minutes"], 2)),
                Cell("–" if r["queries_per_second"] is None else whole(round(r["queries_per_second"]))),
                Cell(figure(on_valid.get(r["model"]))),
                Cell(figure(spread.get(r["model"]))),
                Cell(("；" if w.lang == "zh" else "; ").join(w.sentence(part) for part in r["note"].split("; "))),
            ),
            r["role"],
        )
        for r in lens.results.runs.iter_rows(named=True)
    )
    heads = ("col-model", "col-seed", "col-fit", "col-score", "col-rate", "col-valid", "col-spread", "col-note")
    return Table(w("runs-caption"), tuple(Cell(w(h, measure=lens.measure)) for h in heads), body, words=(7,))


def examples(lens: Lens, most: int = 5) -> Table | None:
    """A few questions of the first view with ours' answers; None if there are none."""
    w, view = lens.words, lens.results.views[0].name
    rows = lens.results.examples
    if rows.is_empty():
        return None
    rows = rows.filter(pl.col("view") == view).sort("query", "rank", maintain_order=True)
    shown = rows["query"].unique(maintain_order=True).to_list()[:most]
    if not shown:
        return None
    chosen = dict(lens.results.queries.select("query", "targets").iter_rows())
    what = "title" if "title" in rows.columns else "item_id"
    names = dict(zip(rows["item_id"], rows[what], strict=True))
    body, depth = [], 0
    for query in shown:
        part = rows.filter(pl.col("query") == query)
        depth = max(depth, part.height)
        answers = [
            f"{rank}. {shorten(str(names[item] or item), 22)}{' ✓' if hit else ''}"
            for rank, item, hit in part.select("rank", "item_id", "hit").iter_rows()
        ]
        targets = [shorten(str(names.get(t) or t), 22) for t in chosen.get(query, [])[:5]]
        body.append(Row((Cell(shorten(part["user_id"][0], 14)), Cell(w.list(targets)), Cell(" · ".join(answers)))))
    caption = w("examples-caption", model=lens.label(rows["model"][0]), n=str(len(shown)), k=str(depth))
    return Table(caption, tuple(Cell(w(h)) for h in ("col-user", "col-target", "col-answers")), tuple(body), words=(1, 2))


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested values as (dotted name, value) pairs; long lists are counted instead of printed.

    Examples
    --------
    >>> list(flat({"a": {"b": 1.5, "c": ["x", "y"]}, "d": None}))
    [('a.b', '1.5'), ('a.c', 'x, y'), ('d', '–')]
    """
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif isinstance(value, (list, tuple)):
            text = ", ".join(v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in value)
            yield f"{prefix}{name}", (text or "–") if len(text) <= 200 else f"({len(value)})"
        elif isinstance(value, bool):
            yield f"{prefix}{name}", str(value).lower()
        else:
            yield f"{prefix}{name}", "–" if value is None or value == "" else str(value)


def listing(lens: Lens, values: Mapping[str, Any], caption: str) -> Table:
    """Names and values, one a row."""
    rows = tuple(Row((Cell(name), Cell(value))) for name, value in flat(values))
    return Table(caption, (Cell(lens.words("col-setting")), Cell(lens.words("col-value"))), rows, words=(1,))
