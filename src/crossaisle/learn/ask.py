"""Which items to put before which people next. Imports: choose, settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.contracts import Progress
from crossaisle.data.histories import Histories
from crossaisle.learn.choose import Chosen, choose, in_list
from crossaisle.learn.settings import AskSettings
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.topk import top_k
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["ANSWER", "Knows", "ask", "questions"]

ANSWER, STRATEGY, WHY = "answer", "strategy", "why"
_CELLS = 20_000_000
"""Scores held at once; fewer people at a time where the catalogue is large."""


class Knows(Protocol):
    """What asking needs of a fitted model."""

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """See `contracts.Scorer`."""
        ...

    def item_vectors(self) -> Floats:
        """float32 (N, D), each of length 1."""
        ...


def questions(
    model: Knows,
    counts: Ints,
    available: Bools,
    histories: Histories,
    settings: AskSettings,
    seed: int,
    pools: Sequence[Ints] | None = None,
    progress: Progress | None = None,
) -> list[Chosen]:
    """The questions for each of B people.

    People are served in a random order, and what one of them is asked makes an item less cold for the next, so that a batch does not put
    the same cold item before everybody.

    Parameters
    ----------
    counts : int64 (N,)
        Events of each item.
    available : bool (N,)
        What can be asked at all; the items of a person's history never are.
    pools : B arrays of item codes, optional
        Only these can be asked, in place of the best ``settings.pool`` of each ranking.
    """
    rng = np.random.default_rng(seed)
    vectors, asked = model.item_vectors(), np.zeros(len(counts), np.int64)
    order = rng.permutation(len(histories))
    out: dict[int, Chosen] = {}
    step = max(1, _CELLS // max(1, len(counts)))
    for start in range(0, len(order), step):
        people = order[start : start + step]
        scores = model.score(histories[people])
        for row, b in enumerate(people.tolist()):
            known = histories.row(b)
            allowed = available.copy()
            allowed[known] = False
            if pools is not None:
                pool = np.unique(pools[b])
                pool = pool[allowed[pool]]
                pool = pool[np.argsort(-scores[row, pool], kind="stable")]  # ties go to the better one, as below
            elif settings.pool:
                pool = top_k(scores[row : row + 1], settings.pool, allowed[None])[0]
                pool = pool[pool >= 0]
            else:
                pool = np.flatnonzero(allowed)
            probability = in_list(scores[row], allowed, settings.edge, settings.spread)
            out[b] = choose(settings, pool, probability, counts, asked, vectors, known, rng)
            asked[out[b].items] += 1
        if progress is not None:
            progress("choosing questions", min(start + step, len(order)), len(order), "")
    return [out[b] for b in range(len(histories))]


def ask(
    model: Knows,
    catalogue: Catalogue,
    histories: Histories,
    ids: Sequence[str],
    settings: AskSettings,
    seed: int,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """The questions as a table, to which the answers are added.

    Returns
    -------
    polars.DataFrame
        ``user_id``, ``item_id``, ``title`` ("" where unknown), ``strategy``, ``score`` (what the strategy went by), ``why``; in the order
        of ``ids``, and for each person in the order chosen.
    """
    chosen = questions(model, catalogue.counts, catalogue.available, histories, settings, seed, progress=progress)
    owners = np.repeat(np.arange(len(ids)), [len(c.items) for c in chosen])
    items = np.concatenate([c.items for c in chosen]) if chosen else np.zeros(0, np.int64)
    table = catalogue.items
    titles = table[schema.TITLE] if schema.TITLE in table.columns else pl.Series(schema.TITLE, [""] * table.height, dtype=pl.String)
    why = _WHY[settings.strategy]
    return pl.DataFrame(
        {
            schema.USER: pl.Series(ids, dtype=pl.String).gather(owners),
            schema.ITEM: table[schema.ITEM].gather(items),
            schema.TITLE: titles.fill_null("").gather(items),
            STRATEGY: pl.Series([settings.strategy] * len(items), dtype=pl.String),
            schema.SCORE: np.concatenate([c.score for c in chosen]) if chosen else np.zeros(0, np.float32),
            WHY: pl.Series([why(c, q, settings.edge) for c in chosen for q in range(len(c.items))], dtype=pl.String),
        }
    )


def _unsure(c: Chosen, q: int, edge: int) -> str:
    return f"in the list of {edge} with probability {c.probability[q]:.2f}"


def _count(c: Chosen, q: int, edge: int) -> str:
    return f"{c.counts[q]:,} event{'' if c.counts[q] == 1 else 's'} so far"


def _unlike(c: Chosen, q: int, edge: int) -> str:
    return "nothing is known yet" if c.cosine[q] <= -1 else f"cosine {c.cosine[q]:.2f} with the nearest item known or asked"


_WHY: dict[str, Callable[[Chosen, int, int], str]] = {
    "random": lambda c, q, edge: "drawn by chance",
    "popular": _count,
    "coldest": _count,
    "uncertain": _unsure,
    "diverse": _unlike,
    "mixed": lambda c, q, edge: "; ".join(say(c, q, edge) for say in (_unsure, _count, _unlike)),
}
