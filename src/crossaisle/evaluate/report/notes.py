"""What a reader should bear in mind, said only where the results call for it. Imports: lens, words."""

from __future__ import annotations

from collections.abc import Iterator

from crossaisle.evaluate.report.lens import Lens
from crossaisle.evaluate.report.words import figure, whole

__all__ = ["FEW", "HEURISTIC", "PLACEBO", "notes"]

FEW = 500
"""Below so many questions the intervals are called wide."""
HEURISTIC, PLACEBO = "transition-graph", "crossaisle-shuffled-text"
_MUCH = 0.8
"""A heuristic without training that reaches this share of ours earns the shortcut warning."""


def notes(lens: Lens) -> Iterator[str]:
    """Sentences, the most important first; all about the first view."""
    w, facts, view = lens.words, lens.facts, lens.results.views[0]
    for model, reason in facts.skipped.items():
        yield w("note-skipped", model=lens.label(model), reason=w.sentence(reason.removeprefix(f"{model}: ")))
    ours = lens.judgements[view.name].model
    if ours is not None:
        yield from _shortcuts(lens, view.name, ours)
        yield from _controls(lens, view.name, ours)
        yield from _cold(lens, view.name, ours)
    if view.n < FEW:
        yield w("note-few", n=whole(view.n))
    if len(facts.seeds) == 1:
        yield w("note-one-seed")


def _shortcuts(lens: Lens, view: str, ours: str) -> Iterator[str]:
    w, value = lens.words, lens.figure(view, ours)[0]
    heuristic = lens.figure(view, HEURISTIC)[0]
    if value > 0 and heuristic >= _MUCH * value:
        yield w("note-heuristic", share=w.percent(heuristic / value), measure=lens.measure, ours=lens.label(ours))
    for group, level, other, key in (
        ("graph-step", "one step", "farther", "note-shortcut"),
        ("same-day", "same day", "another day", "note-same-day"),
        ("id-order", "above", "below", "note-id-order"),
    ):
        levels = dict(lens.levels(view, group))
        if level in levels and other in levels:
            a, b = (figure(lens.at_level(view, group, x, ours)[0]) for x in (level, other))
            yield w(key, share=w.percent(lens.share(view, group, level)), ours=lens.label(ours), a=a, b=b, measure=lens.measure)


def _controls(lens: Lens, view: str, ours: str) -> Iterator[str]:
    w, value = lens.words, lens.figure(view, ours)[0]
    for control in (m for m in lens.order(view) if lens.roles[m] == "control"):
        other = lens.figure(view, control)[0]
        test = lens.control_test(view, ours, control)
        if control == PLACEBO:
            falls = test is not None and test.low > 0
            yield w("note-placebo-falls" if falls else "note-placebo-stays", measure=lens.measure, a=figure(value), b=figure(other))
        elif other > value:
            yield w(
                "note-control-above",
                control=lens.label(control),
                ours=lens.label(ours),
                measure=lens.measure,
                a=figure(value),
                b=figure(other),
            )


def _cold(lens: Lens, view: str, ours: str) -> Iterator[str]:
    w, share = lens.words, lens.share(view, "target-count", "0")
    if 0 < share < 1:
        a = figure(lens.at_level(view, "target-count", "0", ours)[0])
        yield w("note-cold", share=w.percent(share), ours=lens.label(ours), a=a, measure=lens.measure)
