"""The report, section by section, in no format yet. Imports: blocks, drawings, lens, notes, tables, verdict, words."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

import polars as pl

from crossaisle.data.report import render_report
from crossaisle.evaluate.report import drawings, tables
from crossaisle.evaluate.report.blocks import Block, Bullets, Details, Facts, Heading, Paragraph, Pre, Side, Verdict
from crossaisle.evaluate.report.lens import Lens
from crossaisle.evaluate.report.notes import notes
from crossaisle.evaluate.report.verdict import Judgement
from crossaisle.evaluate.report.words import figure, shorten, signed, whole
from crossaisle.evaluate.results import MEASURES, View

__all__ = ["byline", "headline", "make", "title"]


def title(lens: Lens) -> str:
    """The heading of the page."""
    return lens.words("title", data=shorten(lens.facts.data_name, 40), protocol=lens.words.name(lens.facts.protocol))


def byline(lens: Lens) -> str:
    """Version, moment, minutes and seeds in one line."""
    f = lens.facts
    seeds = lens.words("one-seed" if len(f.seeds) == 1 else "more-seeds", seeds=lens.words.list([str(s) for s in f.seeds]))
    return lens.words("by", version=f.versions.get("crossaisle", "?"), when=_when(f.started), minutes=_minutes(f.minutes), seeds=seeds)


def _when(started: str) -> str:
    """``2026-03-01T10:20:30+00:00`` -> 2026-03-01 10:20 UTC."""
    return started[:16].replace("T", " ") + " UTC"


def _minutes(minutes: float) -> str:
    return figure(minutes, 1 if minutes >= 1 else 2)


def headline(lens: Lens, judgement: Judgement) -> str:
    """The judgement of one view as a sentence."""
    w, j = lens.words, judgement
    blanks = {"measure": lens.measure, "a": figure(j.value), "ours": lens.label(j.model) if j.model else ""}
    if j.against is not None:
        x = j.against
        blanks |= {"baseline": lens.label(x.baseline), "b": figure(x.value), "d": signed(x.difference), "low": signed(x.low)}
        blanks |= {"high": signed(x.high), "p": w.p(x.p), "n": whole(x.n)}
    return w(j.outcome, **blanks) if j.outcome != "no-ours" or j.against else w("nothing")


def make(lens: Lens) -> Iterator[Block]:
    """Every block of the report, in order."""
    w, results = lens.words, lens.results
    yield _verdict(lens)
    yield Heading(w("glance"))
    yield _glance(lens)
    said = tuple(notes(lens))
    if said:
        yield Heading(w("section-notes"))
        yield Bullets(said)
    several = len(results.views) > 1
    for view in results.views:
        if several:
            yield Heading(w.name(view.name))
        yield from _view(lens, view, 3 if several else 2)
    shown = tables.examples(lens)
    if shown is not None:
        yield Heading(w("section-examples"))
        yield shown
    yield from _how(lens)
    yield Heading(w("section-read"))
    yield Bullets(tuple(w(f"read-{x}") for x in ("question", *MEASURES, "macro_ndcg", *lens.list_measures, "interval")))
    yield Paragraph(w("files"), muted=True)


def _verdict(lens: Lens) -> Verdict:
    w, first, *others = (lens.words, *lens.judgements.values())
    more = []
    if first.other is not None:
        x = first.other
        key = "chosen-harder" if first.chosen_on == "harder" else "another-above"
        blanks = {"baseline": lens.label(x.baseline), "ours": lens.label(first.model or ""), "measure": lens.measure, "b": figure(x.value)}
        more.append(w(key, **blanks, d=signed(x.difference), low=signed(x.low), high=signed(x.high)))
    if first.against is not None and first.model is not None and first.chosen_on != "harder":
        more.append(w(f"chosen-{first.chosen_on}"))
    more += [w("in-view", view=w.name(j.view), text=headline(lens, j)) for j in others]
    outcome = first.outcome if first.outcome in ("better", "worse", "unclear") else "none"
    return Verdict(w(f"{first.outcome}-title"), headline(lens, first), outcome, tuple(more))


def _glance(lens: Lens) -> Facts:
    w, f = lens.words, lens.facts
    pairs = [(w("fact-data"), shorten(f.data_name, 40)), (w("fact-protocol"), w.name(f.protocol))]
    for name in ("users", "items", "aisles", "events", "test_queries"):
        if name in f.counts:
            pairs.append((w(f"fact-{name}"), whole(f.counts[name])))
    pairs += [(w("fact-minutes"), _minutes(f.minutes)), (w("fact-memory"), f"{figure(f.peak_memory_gb, 1)} GB")]
    return Facts(tuple(pairs))


def _view(lens: Lens, view: View, level: int) -> Iterator[Block]:
    w, name = lens.words, view.name
    yield Heading(w("section-models"), level)
    yield Paragraph(w.sentence(view.note), muted=True)
    yield tables.main(lens, name)
    yield Side((drawings.models(lens, name), drawings.curves(lens, name)))
    yield Details(w("every-summary"), tuple(tables.every(lens, name)))
    rows = _differences(lens, name)
    if rows:
        yield Heading(w("section-difference"), level)
        yield Side((drawings.differences(lens, name, rows), tables.differences(lens, name, rows)))
    if not lens.results.lists.filter(pl.col("view") == name).is_empty():
        yield Heading(w("section-lists"), level)
        yield tables.lists(lens, name)
    shared = tables.shares(lens, name) if name not in ("aisle", "sampled") else None  # there every list is of the target's aisle
    if shared is not None:
        yield Heading(w("section-shares"), level)
        yield shared
    many = lens.levels(name, "aisle")
    if len(many) > 1:
        yield Heading(w("section-aisles"), level)
        drawn = drawings.groups(lens, name, ["aisle"], "aisles")
        if drawn is not None:
            yield Side((drawn,))
        yield tables.aisles(lens, name)
        if name == "sampled":  # papers that sample candidates print the hit rate of each domain
            yield tables.aisles(lens, name, f"hit_rate@{lens.facts.main_measure.partition('@')[2]}")
        if len(many) > tables.MANY_AISLES:
            yield Paragraph(w("aisles-more", n=whole(len(many) - tables.MANY_AISLES)), muted=True)
    groups = lens.groups(name)
    if groups:
        yield Heading(w("section-groups"), level)
        half = (len(groups) + 1) // 2
        parts = [drawings.groups(lens, name, part, f"groups{i}") for i, part in enumerate((groups[:half], groups[half:])) if part]
        drawn_parts = tuple(p for p in parts if p is not None)
        if drawn_parts:
            yield Side(drawn_parts)
        yield Paragraph(w("groups-caption", measure=lens.measure), muted=True)
        wide, narrow = (sorted((g for g in groups if (len(lens.levels(name, g)) > 2) == many), key=groups.index) for many in (True, False))
        mixed = [g for pair in zip_longest(wide, narrow) for g in pair if g is not None]  # a wide and a narrow one fill a row
        yield Side(tuple(tables.group(lens, name, group) for group in mixed))


def _differences(lens: Lens, view: str) -> list[tuple[str, float, float, float, float, int]]:
    """Ours minus each other model: (model, difference, low, high, p, n); baselines from the tests, controls from the raw figures."""
    ours = lens.judgements[view].model
    if ours is None:
        return []
    measure = lens.facts.main_measure
    kept = lens.results.tests.filter((pl.col("view") == view) & (pl.col("measure") == measure) & (pl.col("model") == ours))
    tested = {r["baseline"]: r for r in kept.iter_rows(named=True)}
    n = next(v.n for v in lens.results.views if v.name == view)
    out = []
    for model in lens.order(view):
        if model in tested:
            r = tested[model]
            out.append((model, r["difference"], r["low"], r["high"], r["p"], r["n"]))
        elif lens.roles[model] == "control" and (test := lens.control_test(view, ours, model)) is not None:
            out.append((model, *test, n))
    return out


def _how(lens: Lens) -> Iterator[Block]:
    w, f = lens.words, lens.facts
    yield Heading(w("section-how"))
    pairs = [(w("fact-data"), f.data_name), (w("fact-protocol"), w.name(f.protocol)), (w("fact-split"), w.sentence(f.split_note))]
    pairs += [(w(f"fact-{name}"), whole(count)) for name, count in f.counts.items() if w.has(f"fact-{name}")]
    pairs += [
        (w("fact-refit"), w("yes" if f.refit else "no")),
        (w("fact-seeds"), w.list([str(s) for s in f.seeds])),
        (w("fact-started"), _when(f.started)),
        (w("fact-minutes"), _minutes(f.minutes)),
        (w("fact-memory"), f"{figure(f.peak_memory_gb, 1)} GB"),
        (w("fact-hardware"), w.list([f"{w(f'hardware-{n}') if w.has(f'hardware-{n}') else n}: {v}" for n, v in f.hardware.items()])),
        (w("fact-versions"), w.list([f"{n} {v}" for n, v in f.versions.items()])),
    ]
    if f.choices:
        yield Bullets(tuple(w.sentence(c) for c in f.choices))
    yield Facts(tuple(pairs))
    yield tables.runs(lens)
    if learning := drawings.learning(lens):
        yield Heading(w("section-learning"), 3)
        yield Side(learning)
    if f.settings:
        yield Details(w("settings-summary"), (tables.listing(lens, f.settings, w("settings-summary")),))
    if f.data_report:
        known = "tables" in f.data_report  # made by `crossaisle.data`, which can put it into words; anything else is listed as it is
        inside = Pre(render_report(f.data_report, w.lang)) if known else tables.listing(lens, f.data_report, w("data-summary"))
        yield Details(w("data-summary"), (inside,))
