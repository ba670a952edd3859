"""Why an item is in a list: leave one history item out, score again, and say what is so. Imports: associations, catalogue,
reasons, check, writer.

The effect of history item j on item i is ``s(history, i) - s(history without j, i)``, exact for the model that is served. Scores of two
histories need not share a zero (a softmax does not care), so each is first taken relative to its own mean over a fixed sample of items.
``because`` is the history item with the largest effect, if that is worth naming. What the association graph says of that item and the
listed one is added; where the graph would rather name another history item, the model's own evidence stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.contracts import Scorer
from crossaisle.data.histories import Histories
from crossaisle.rank.associations import Associations
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.check import Facts
from crossaisle.rank.reasons import Reasons
from crossaisle.rank.writer import Rewriting
from crossaisle.schema import Floats, Ints

__all__ = ["because_items", "explain"]

_NEWEST = 50
"""Only so many different items of a history, the newest, are left out in turn."""
_ROWS = 1024
"""Histories scored at once."""
_SAMPLE = 256
"""Items over which the mean score of a history is taken."""
_SHARE = 0.01
"""An item counts as carried by a history item that makes up more than this share of its lead over the mean item."""


def because_items(scorer: Scorer, histories: Histories, queries: Ints, items: Ints, n_items: int) -> Ints:
    """For each listed item the history item that carried it.

    Parameters
    ----------
    scorer : Scorer
        The model that made the lists.
    histories : Histories
        B histories.
    queries, items : int64 (R,)
        Row r says: item ``items[r]`` is in the list of history ``queries[r]``; sorted by ``queries``.
    n_items : int
        Items of the catalogue.

    Returns
    -------
    int64 (R,)
        An item code of that history; -1 where the item scores no higher than the mean item, or no single
        history item makes up more than a hundredth of its lead.
    """
    out = np.full(len(items), -1, dtype=np.int64)
    sample = np.unique(np.linspace(0, n_items - 1, min(n_items, _SAMPLE)).astype(np.int64))
    for rows in _portions(histories, queries):
        variants, removed, starts = _leave_one_out(histories, np.unique(queries[rows]))
        columns = np.union1d(items[rows], sample)
        scores = np.asarray(scorer.score(variants, columns), dtype=np.float64)
        scores -= scores[:, np.searchsorted(columns, sample)].mean(axis=1, keepdims=True)
        places = np.searchsorted(np.unique(queries[rows]), queries[rows])
        for row, place, column in zip(rows, places, np.searchsorted(columns, items[rows]), strict=True):
            first, end = starts[place], starts[place + 1]
            whole = scores[first, column]
            effects = whole - scores[first + 1 : end, column]
            effects[removed[first + 1 : end] == items[row]] = -np.inf  # an item is no reason for itself
            if len(effects) and whole > 0 and effects.max() > _SHARE * whole:
                out[row] = removed[first + 1 + int(effects.argmax())]
    return out


def _distinct_newest_first(history: Ints) -> Ints:
    """Its different items, the one seen last first, at most `_NEWEST`."""
    _, first = np.unique(history[::-1], return_index=True)
    return history[::-1][np.sort(first)][:_NEWEST]


def _portions(histories: Histories, queries: Ints) -> Iterator[Ints]:
    """Row numbers, whole queries together, so that a portion scores about `_ROWS` histories."""
    owners = np.unique(queries)
    costs = np.minimum(histories.lengths[owners], _NEWEST) + 1
    portion_of_owner = (np.cumsum(costs) - costs) // _ROWS
    portions = portion_of_owner[np.searchsorted(owners, queries)]
    return (np.flatnonzero(portions == p) for p in np.unique(portions))


def _leave_one_out(histories: Histories, owners: Ints) -> tuple[Histories, Ints, Ints]:
    """Each history whole, then once without each of its items.

    Returns the V variants, int64 (V,) the item that each lacks (-1: none), and int64 (len(owners) + 1,) where each history's begin.
    """
    left_out = [np.concatenate(([-1], _distinct_newest_first(histories.row(int(b))))) for b in owners]
    removed = np.concatenate(left_out).astype(np.int64)
    sizes = np.array([len(r) for r in left_out], dtype=np.int64)
    repeated = histories[np.repeat(owners, sizes)]
    variants = repeated.keep(repeated.items != removed[repeated.owners])
    return variants, removed, np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)


def explain(
    scorer: Scorer,
    catalogue: Catalogue,
    histories: Histories,
    queries: Ints,
    items: Ints,
    lang: str = "en",
    associations: Associations | None = None,
    rewriting: Rewriting | None = None,
    unlearned: Sequence[str] = (),
) -> pl.DataFrame:
    """The columns of an explanation, one row a listed item.

    Parameters
    ----------
    scorer, histories, queries, items
        As in `because_items`. A scorer with several parts may have a method ``carried_by(histories, queries, items)``, which names the
        part that lifted each item most, and a method ``sense_shares(items)``, which says how much each sense weighs in an item's vector.
    catalogue : Catalogue
        Titles, brands, categories and popularity.
    lang : str
        ``en`` or ``zh``.
    associations : Associations, optional
        What other people's histories say; without them neither a way between categories nor other people are spoken of.
    rewriting : Rewriting, optional
        Who words the reasons that name a history item or a wish, if not the templates.
    unlearned : sequence of str
        Kinds of events that the model has not learned and that histories hold as -2, -3, ..., so that a reason can name them.

    Returns
    -------
    polars.DataFrame
        ``because`` (item id or null), ``path`` (``A > B``: the graph's way from the category of that item to that of the listed one; one
        name, the deepest category that holds both, where there is no way; null where there is neither), ``reason`` (one sentence) and,
        if the scorer can tell, ``carried_by`` and ``senses`` (``text 61%, words 30%, id 9%``); with
        ``rewriting`` also ``written_by`` (``template``, or the writer's name).
    """
    known = np.flatnonzero(histories.lengths[queries] > 0)
    carried = np.full(len(items), -1, dtype=np.int64)
    if len(known):
        carried[known] = because_items(scorer, histories, queries[known], items[known], catalogue.n_items)
    carriers = _carriers(scorer, histories, queries, items, known)
    reasons = Reasons(catalogue, associations, lang, unlearned)
    rows: list[tuple[str | None, str | None, str]] = []
    told: dict[int, Facts] = {}
    for r, (query, item, cause) in enumerate(zip(queries.tolist(), items.tolist(), carried.tolist(), strict=True)):
        history = slice(histories.offsets[query], histories.offsets[query + 1])
        if cause >= 0 and cause == catalogue.wish:
            rows.append((reasons.ids[cause], reasons.aisle(item), reasons.asked(item)))
            told[r] = reasons.facts_of_wish(item)
        elif cause < 0:
            rows.append((None, reasons.aisle(item), reasons.popular(item, no_history=history.start == history.stop)))
        else:
            event = int(histories.events[history][histories.items[history] == cause][-1])
            carrier = "" if carriers is None else carriers[r]
            rows.append((reasons.ids[cause], reasons.path(cause, item), reasons.because(cause, item, event, carrier)))
            if rewriting is not None and (facts := reasons.facts(cause, item, event, carrier)) is not None:
                told[r] = facts
    table = pl.DataFrame(rows, schema={schema.BECAUSE: pl.String, schema.PATH: pl.String, schema.REASON: pl.String}, orient="row")
    if carriers is not None:
        table = table.with_columns(pl.Series(schema.CARRIED_BY, carriers, dtype=pl.String))
    if rewriting is not None:
        table = _reworded(table, told, rewriting)
    shares = getattr(scorer, "sense_shares", None)
    return table if shares is None else table.with_columns(pl.Series(schema.SENSES, _said(shares(items)), dtype=pl.String))


def _reworded(table: pl.DataFrame, told: Mapping[int, Facts], rewriting: Rewriting) -> pl.DataFrame:
    """The reasons of the rows that have facts in the writer's words, where these pass; and who wrote each."""
    reasons, authors = table[schema.REASON].to_list(), ["template"] * table.height
    for r, written in zip(told, rewriting(list(told.values())) if told else [], strict=True):
        reasons[r], authors[r] = written.sentence, "template" if written.fault else rewriting.writer.name
    return table.with_columns(pl.Series(schema.REASON, reasons, dtype=pl.String), pl.Series(schema.WRITTEN_BY, authors, dtype=pl.String))


def _said(shares: Mapping[str, Floats]) -> list[str]:
    """Each item's senses by their weight, the heaviest first; those that make up less than half a percent are left out."""
    out = []
    for row in range(len(next(iter(shares.values())))):
        each = sorted(((float(share[row]), name) for name, share in shares.items()), reverse=True)
        out.append(", ".join(f"{name} {share:.0%}" for share, name in each if abs(share) >= 0.005))
    return out


def _carriers(scorer: Scorer, histories: Histories, queries: Ints, items: Ints, known: Ints) -> list[str] | None:
    """The part of the scorer that carried each item, if it can tell; who has no history sees what is popular."""
    carried_by = getattr(scorer, "carried_by", None)
    if carried_by is None:
        return None
    out = ["popularity"] * len(items)
    for row, name in zip(known.tolist(), carried_by(histories, queries[known], items[known]), strict=True):
        out[row] = name
    return out
