"""Asking a model: ten items a person, how good they are, and where given items stand. Imports: results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossaisle.contracts import Scorer
from crossaisle.data.split import Queries
from crossaisle.evaluate.attack.results import AttackRow, Figure
from crossaisle.metrics import Values, hit_rate, ndcg
from crossaisle.rank.topk import top_k
from crossaisle.schema import Ints
from crossaisle.stats import bootstrap_interval, paired_test

__all__ = ["Answers", "ask", "compared", "figure"]

K = 10
_CELLS = 20_000_000


@dataclass(frozen=True, eq=False)
class Answers:
    """Of Q people.

    Attributes
    ----------
    top : int64 (Q, 10)
        What is listed, items already had left out.
    ndcg, hit_rate : float64 (Q,)
        At 10.
    ranks : float64 (Q, M)
        Rank of each watched item among what is new to the person, from 1; NaN where the person has it or it is the answer.
    """

    top: Ints
    ndcg: Values
    hit_rate: Values
    ranks: Values

    def hits(self) -> Values:
        """float64 (M,): share of the people in whose ten each watched item stands."""
        known = ~np.isnan(self.ranks)
        return np.asarray((known & (np.nan_to_num(self.ranks, nan=np.inf) <= K)).sum(axis=0) / np.maximum(known.sum(axis=0), 1))

    def mean_ranks(self) -> Values:
        """float64 (M,): mean rank of each watched item."""
        known = ~np.isnan(self.ranks)
        return np.asarray(np.nansum(self.ranks, axis=0) / np.maximum(known.sum(axis=0), 1))


def ask(scorer: Scorer, queries: Queries, n_items: int, watched: Sequence[int] = ()) -> Answers:
    """Ask every question; ``watched`` are items whose ranks are wanted."""
    tops: list[Ints] = []
    ranks: list[Values] = []
    items = np.array(watched, dtype=np.int64)
    size = max(1, _CELLS // n_items)
    for start in range(0, len(queries), size):
        part = queries[start : start + size]
        scores = scorer.score(part.histories)
        allowed = np.ones(scores.shape, dtype=bool)
        allowed[part.histories.owners, part.histories.items] = False
        top = top_k(scores, K, allowed)
        tops.append(np.pad(top, ((0, 0), (0, K - top.shape[1])), constant_values=-1))
        place = np.full((len(part), len(items)), np.nan)
        for m, item in enumerate(items.tolist()):
            better = ((scores > scores[:, item : item + 1]) & allowed).sum(axis=1)
            asked_for = np.zeros(len(part), dtype=bool)
            asked_for[part.targets.owners[part.targets.items == item]] = True
            place[:, m] = np.where(allowed[:, item] & ~asked_for, better + 1.0, np.nan)
        ranks.append(place)
    listed = np.concatenate(tops)
    return Answers(listed, ndcg(listed, queries.targets, K), hit_rate(listed, queries.targets, K), np.concatenate(ranks))


def figure(values: Values, seed: int) -> Figure:
    """The mean with its bootstrap interval."""
    low, high = bootstrap_interval(values, seed)
    return Figure(float(values.mean()), float(low), float(high))


def compared(attack: str, level: float, clean: Answers, attacked: Answers, seed: int) -> AttackRow:
    """A row of the table."""
    test = paired_test(attacked.ndcg, clean.ndcg, seed)
    base = float(clean.ndcg.mean())
    both = (attacked.top[:, :, None] == clean.top[:, None, :]) & (clean.top[:, None, :] >= 0)
    overlap = both.any(axis=2).sum(axis=1) / np.maximum((clean.top >= 0).sum(axis=1), 1)
    return AttackRow(
        attack=attack,
        level=level,
        ndcg=figure(attacked.ndcg, seed),
        hit_rate=figure(attacked.hit_rate, seed),
        change=Figure(test.difference, test.low, test.high),
        relative=test.difference / base if base else 0.0,
        overlap=float(overlap.mean()),
    )
