"""The placebo of the association graph: baskets permuted, so that nobody has two things because they go together.

Imports: data.histories; of its own room edges, nodes, settings.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import polars as pl

from crossaisle.data.histories import Histories
from crossaisle.graph.edges import bought_edges, count_view
from crossaisle.graph.nodes import views
from crossaisle.graph.settings import GraphSettings

__all__ = ["Survivors", "distinct", "rewired", "survivors"]

ROUNDS = 15


class Survivors(NamedTuple):
    """How many edges that users make one level has as it is, and with permuted baskets; and how many of the former are among the latter."""

    level: int
    edges: int
    permuted: int
    both: int


def distinct(histories: Histories) -> Histories:
    """Each user's first event with each item.

    Examples
    --------
    >>> [row.tolist() for row in distinct(Histories.from_lists([[2, 1, 2], [1]])).rows()]
    [[2, 1], [1]]
    """
    cells = histories.owners * (int(histories.items.max(initial=0)) + 1) + histories.items
    mask = np.zeros(len(cells), dtype=bool)
    mask[np.unique(cells, return_index=True)[1]] = True
    return histories.keep(mask)


def rewired(histories: Histories, seed: int = 0, rounds: int = ROUNDS) -> tuple[Histories, float]:
    """The histories with their items swapped between users, and how many swaps were done for each user-item pair on average.

    Each user keeps the number of their items and each item the number of its users; times stay with the user. In each round all pairs are
    matched at random two and two; two pairs (u, i), (v, j) become (u, j), (v, i) unless one of these is there already, or is made by
    another swap of the round.

    Parameters
    ----------
    histories : Histories
        No item twice in a row, see `distinct`.
    """
    rng = np.random.default_rng(seed)
    owners, items = histories.owners, histories.items.copy()
    width, done = int(items.max(initial=0)) + 1, 0
    for _ in range(rounds if len(items) > 1 else 0):
        order = rng.permutation(len(items))
        half = len(order) // 2
        a, b = order[:half], order[half : 2 * half]
        there = np.sort(owners * width + items)
        made = np.concatenate([owners[a] * width + items[b], owners[b] * width + items[a]])
        place = np.minimum(np.searchsorted(there, made), len(there) - 1)
        _, first, copies = np.unique(made, return_inverse=True, return_counts=True)
        free = (there[place] != made) & (copies[first] == 1)
        good = free[:half] & free[half:]
        a, b = a[good], b[good]
        items[a], items[b] = items[b], items[a]
        done += 2 * len(a)
    return dataclasses.replace(histories, items=items, own=None), done / max(len(items), 1)


def survivors(items: pl.DataFrame, histories: Histories, settings: GraphSettings, seed: int = 0) -> list[Survivors]:
    """For each level of the categories, the edges as they are beside those of permuted baskets.

    The graph's own test is right if next to none is left of the latter: `GraphSettings.false_share` of the former at most.

    Parameters
    ----------
    items : polars.DataFrame
        See `Dataset.items`.
    seed : int
        Of the permutation.
    """
    once = distinct(histories)
    random, _ = rewired(once, seed)
    out = []
    for view in views(items, settings.levels):
        flat = np.zeros((len(view.names), len(view.names)))
        real, chance = (
            set(bought_edges(count_view(h, view, settings), view, settings, flat).select("source", "target").iter_rows())
            for h in (histories, random)
        )
        out.append(Survivors(view.level, len(real), len(chance), len(real & chance)))
    return out
