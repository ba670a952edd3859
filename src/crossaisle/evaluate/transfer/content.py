"""The transfer report, section by section, in no format yet. Imports: results, scores, trial."""

from __future__ import annotations

from collections.abc import Iterator

from crossaisle.evaluate.report import plots
from crossaisle.evaluate.report.blocks import (
    Block,
    Bullets,
    Cell,
    Details,
    Facts,
    Figure,
    Heading,
    Paragraph,
    Row,
    Side,
    Table,
    Verdict,
)
from crossaisle.evaluate.report.tables import flat
from crossaisle.evaluate.report.words import Words, figure, shorten, signed, whole
from crossaisle.evaluate.transfer.results import AisleRow, ArmRow, TransferResults
from crossaisle.evaluate.transfer.scores import Change
from crossaisle.evaluate.transfer.trial import FEWEST

__all__ = ["byline", "headline", "make", "notes", "percent", "title"]

_MANY = 5
"""Aisles from which on a judgement by chance has to be expected."""


def percent(share: float | None, words: Words) -> str:
    """A relative change in percent with its sign.

    Examples
    --------
    >>> percent(-0.2, Words("zh")), percent(0.0712, Words("zh")), percent(0.0, Words("zh")), percent(None, Words("en"))
    ('−20.0%', '+7.1%', '0.0%', '–')
    """
    return "–" if share is None else signed(100 * share, 1) + ("%" if words.lang == "zh" else "\u00a0%")


def title(results: TransferResults, words: Words) -> str:
    """The heading of the page."""
    return words("t-title", data=shorten(results.facts["data_name"], 40))


def byline(results: TransferResults, words: Words) -> str:
    """Version, moment, minutes and seeds in one line."""
    f = results.facts
    seeds = words("one-seed" if len(f["seeds"]) == 1 else "more-seeds", seeds=words.list([str(s) for s in f["seeds"]]))
    when = f["started"][:16].replace("T", " ") + " UTC"
    return words("by", version=f["versions"].get("crossaisle", "?"), when=when, minutes=figure(f["minutes"], 1), seeds=seeds)


def _outcomes(results: TransferResults) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {"positive": [], "negative": [], "unclear": []}
    for row in results.aisles:
        out[row.test.outcome].append(row.aisle)
    return out


def _total(results: TransferResults, mean: str, of: str) -> Change:
    return next(t.test for t in results.totals if t.mean == mean and t.of == of)


def headline(results: TransferResults, words: Words) -> str:
    """How many aisles gain, lose, and what that makes on average."""
    counts = {key: str(len(names)) for key, names in _outcomes(results).items()}
    c = _total(results, "macro", "together against alone")
    blanks = {"before": figure(c.before), "after": figure(c.after), "change": percent(c.change, words)}
    return words("t-verdict", n=str(len(results.aisles)), low=percent(c.low, words), high=percent(c.high, words), **counts, **blanks)


def make(results: TransferResults, words: Words) -> Iterator[Block]:
    """The whole report."""
    outcomes, f = _outcomes(results), results.facts
    key = "negative" if outcomes["negative"] else "positive" if outcomes["positive"] else "unclear"
    more = tuple(words(f"t-names-{k}", names=words.list(outcomes[k])) for k in ("positive", "negative") if outcomes[k])
    tone = {"negative": "worse", "positive": "better", "unclear": "unclear"}[key]
    yield Verdict(words(f"t-{key}-title"), headline(results, words), tone, more)
    glance = [(words("fact-data"), shorten(f["data_name"], 40))]
    glance += [(words(f"fact-{n}"), whole(f["counts"][n])) for n in ("users", "items", "aisles", "events", "test_queries")]
    yield Facts(tuple(glance))
    yield Heading(words("t-section-aisles"))
    yield Side((_bars(results, words),))
    yield _aisles(results, words)
    yield Heading(words("t-section-gate"))
    yield from _gate(results, words)
    if results.pairs:
        yield Heading(words("t-section-pairs"))
        yield _pairs(results, words)
        yield Paragraph(words("t-pairs-note", n=str(len(results.pairs)), chance=figure(0.05 * len(results.pairs), 1)), muted=True)
    yield Heading(words("section-notes"))
    yield Bullets(tuple(notes(results, words)))
    yield from _how(results, words)


def _bars(results: TransferResults, words: Words) -> Figure:
    rows = []
    for r in _by_change(results):
        c = r.test
        if c.change is not None and c.low is not None and c.high is not None:
            rows.append(plots.Dot(r.aisle, 100 * c.change, 100 * c.low, 100 * c.high, c.outcome))
    kinds = {row.kind for row in rows}
    legend = tuple((k, words(f"t-{k}")) for k in ("positive", "negative", "unclear") if k in kinds)
    return Figure(plots.bars(rows, words("t-axis"), "transfer"), words("t-bars-caption"), legend)


def _by_change(results: TransferResults) -> list[AisleRow]:
    """The largest gain first."""
    return sorted(results.aisles, key=lambda r: -(r.test.change or 0.0))


def _change(c: Change, words: Words) -> Cell:
    span = words("span", low=percent(c.low, words), high=percent(c.high, words))
    return Cell(percent(c.change, words), span, tone="" if c.outcome == "unclear" else c.outcome)


def _aisles(results: TransferResults, words: Words) -> Table:
    many = len(results.facts["seeds"]) > 1
    heads = ["col-aisle", "col-questions", "t-col-alone", "t-col-together", "t-col-change", "t-col-outcome"]
    heads += (["t-col-seeds"] if many else []) + ["t-col-elsewhere"]
    rows = []
    for r in _by_change(results):
        c = r.test
        seeds = (
            [Cell(words.list([percent(x, words) for x in c.by_seed]), words("t-spread", sd=percent(c.spread, words).lstrip("+")))]
            if many
            else []
        )
        rows.append(
            Row(
                (
                    Cell(shorten(r.aisle, 24)),
                    Cell(whole(r.n_test)),
                    Cell(figure(c.before)),
                    Cell(figure(c.after)),
                    _change(c, words),
                    Cell(words(f"t-{c.outcome}"), tone="" if c.outcome == "unclear" else c.outcome),
                    *seeds,
                    Cell(words.percent(r.elsewhere)),
                )
            )
        )
    return Table(words("t-aisles-caption"), tuple(Cell(words(h)) for h in heads), tuple(rows))


def _gate(results: TransferResults, words: Words) -> Iterator[Block]:
    taken = [r.aisle for r in results.aisles if r.gate == "alone"]
    yield Paragraph(words("t-gate", alone=str(len(taken)), n=str(len(results.aisles))))
    rows = []
    for r in _by_change(results):
        valid = Cell(percent(r.valid.change, words), words("span", low=percent(r.valid.low, words), high=percent(r.valid.high, words)))
        figures = (Cell(figure(r.test.before)), Cell(figure(r.test.after)), Cell(figure(r.gated)))
        rows.append(Row((Cell(shorten(r.aisle, 24)), Cell(whole(r.n_valid)), valid, Cell(words(f"t-{r.gate}")), *figures)))
    heads = ("col-aisle", "fact-valid_queries", "t-col-valid", "t-col-gate", "t-col-alone", "t-col-together", "t-col-gated")
    yield Table(words("t-gate-caption"), tuple(Cell(words(h)) for h in heads), tuple(rows))
    yield _totals(results, words)
    yield _price(results, words, taken)


def _totals(results: TransferResults, words: Words) -> Table:
    rows = []
    for mean in ("micro", "macro"):
        gain, gate = _total(results, mean, "together against alone"), _total(results, mean, "gate against together")
        figures = (Cell(figure(gain.before)), Cell(figure(gain.after)), Cell(figure(gate.after)))
        rows.append(Row((Cell(words(f"t-{mean}")), *figures, _change(gain, words), _change(gate, words))))
    heads = ("t-col-mean", "t-col-alone", "t-col-together", "t-col-gated", "t-col-gain", "t-col-gate-gain")
    return Table(words("t-totals-caption"), tuple(Cell(words(h)) for h in heads), tuple(rows))


def _price(results: TransferResults, words: Words, taken: list[str]) -> Paragraph:
    alone = [a for a in results.arms if a.kind == "alone"]
    joint = next(a for a in results.arms if a.kind == "together")
    return Paragraph(
        words(
            "t-price",
            decide=figure(sum(a.minutes for a in alone), 1),
            joint=figure(joint.minutes, 1),
            models=str(len(taken)),
            parameters=whole(sum(a.parameters for a in alone if a.aisles[0] in taken)),
            joint_parameters=whole(joint.parameters),
        )
    )


def _pairs(results: TransferResults, words: Words) -> Table:
    targets = [r.aisle for r in results.aisles]
    sources = sorted({p.source for p in results.pairs})
    cells = {(p.source, p.target): _change(p.test, words) for p in results.pairs}
    rows = tuple(Row((Cell(shorten(s, 24)), *(cells.get((s, t), Cell("")) for t in targets))) for s in sources)
    return Table(words("t-pairs-caption"), (Cell(words("t-col-source")), *(Cell(shorten(t, 24)) for t in targets)), rows)


def notes(results: TransferResults, words: Words) -> Iterator[str]:
    """What to bear in mind."""
    grid = words.list([f"{key} = {' / '.join(values)}" for key, values in results.facts["grid"].items()]) or "–"
    yield words("t-note-asked")
    yield words("t-note-cut")
    yield words("t-note-equal", grid=grid)
    yield words("t-note-valid")
    undated = [r for r in results.aisles if r.undated > 0]
    if undated:
        n = sum(r.n_test for r in undated)
        share = sum(r.undated * r.n_test for r in undated) / n
        yield words("t-note-undated", aisles=words.list([r.aisle for r in undated]), share=words.percent(share))
    for left in results.left_out:
        if left.reason == "few":
            counts = {"test": whole(left.n_test), "valid": whole(left.n_valid), "fewest": str(FEWEST)}
            yield words("t-note-left-out", aisle=left.aisle, **counts)
        else:
            yield words("t-note-nothing", aisle=left.aisle)
    if len(results.facts["seeds"]) == 1:
        yield words("t-note-one-seed")
    if len(results.aisles) >= _MANY:
        yield words("t-note-many", n=str(len(results.aisles)))


def _how(results: TransferResults, words: Words) -> Iterator[Block]:
    f = results.facts
    yield Heading(words("section-how"))
    pairs = [(words("fact-data"), f["data_name"])]
    pairs += [(words(f"fact-{name}"), whole(count)) for name, count in f["counts"].items()]
    pairs += [
        (words("t-ties"), words("t-ties-shuffled" if f["shuffled_ties"] else "t-ties-file")),
        (words("fact-minutes"), figure(f["minutes"], 1)),
        (words("fact-memory"), f"{figure(f['peak_memory_gb'], 1)} GB"),
        (words("fact-hardware"), words.list([f"{words(f'hardware-{n}')}: {v}" for n, v in f["hardware"].items()])),
        (words("fact-versions"), words.list([f"{n} {v}" for n, v in f["versions"].items()])),
    ]
    yield Facts(tuple(pairs))
    yield _arms(results.arms, words)
    listed = tuple(Row((Cell(name), Cell(value))) for name, value in flat(f["settings"]))
    caption = words("settings-summary")
    yield Details(caption, (Table(caption, (Cell(words("col-setting")), Cell(words("col-value"))), listed, words=(1,)),))
    yield Paragraph(words("t-files"), muted=True)


def _arms(arms: list[ArmRow], words: Words) -> Table:
    heads = ("t-col-arm", "t-col-events", "t-col-items", "t-col-step", "t-col-negatives", "t-col-tried", "t-col-epochs", "t-col-minutes")
    rows = []
    for a in arms:
        name = words("t-all") if a.kind == "together" else " + ".join(shorten(x, 24) for x in a.aisles)
        tried = "; ".join(
            f"{', '.join(f'{k}={v}' for k, v in point.items()) or '–'}: {figure(score)}{' ✓' if point == a.chosen else ''}"
            for point, score in a.tried
        )
        epochs = words.list([str(e) for e in a.epochs])
        counts = (Cell(whole(a.events)), Cell(whole(a.items)), Cell(whole(a.tokens_per_step)), Cell(whole(a.negatives or a.items)))
        rows.append(Row((Cell(name), *counts, Cell(tried), Cell(epochs), Cell(figure(a.minutes, 2)))))
    return Table(words("t-arms-caption"), tuple(Cell(words(h)) for h in heads), tuple(rows), words=(5,))
