"""First visits -> counts of pairs of categories. Imports: schema, data.histories; of its own room nothing.

Everything is counted once per user and pair, from the first visit to each category: nobody makes an edge by coming back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossaisle.data.histories import Histories
from crossaisle.schema import Floats, Ints, Times

__all__ = ["PairCounts", "Visits", "count_pairs", "first_visits", "iter_pairs", "median_days", "user_weights"]

_DAY = 86_400.0
_CHUNK = 4_000_000
_DATED = 0.9


@dataclass(frozen=True, eq=False)
class Visits:
    """The first visit of each user to each node, users in order, nodes ascending inside a user.

    Attributes
    ----------
    offsets : int64 (B + 1,)
        The visits of user u are the slice ``offsets[u]:offsets[u + 1]``.
    nodes : int64 (V,)
    times, last : float64 (V,)
        When the first and the last visit was, in days; NaN where unknown. Where no event of the data has a time: the place in the history.
    dated : bool
        False where the places stand for times: they have order and no distance.
    windowed : bool
        True where at least nine events in ten have a time: only then does a window treat all categories alike.
    """

    offsets: Ints
    nodes: Ints
    times: Times
    last: Times
    dated: bool
    windowed: bool

    @property
    def degrees(self) -> Ints:
        """int64 (B,): categories of each user."""
        return np.diff(self.offsets)


def first_visits(histories: Histories, item_nodes: Ints, n_nodes: int) -> Visits:
    """When each user first came to each node.

    An undated event among dated data has no time: where tables of several sources are joined, its place says nothing about events of
    another aisle.

    Examples
    --------
    >>> v = first_visits(Histories.from_lists([[1, 0, 1], [2]]), np.array([0, 1, -1]), 2)
    >>> v.offsets.tolist(), v.nodes.tolist(), v.times.tolist(), v.dated
    ([0, 2, 2], [0, 1], [1.0, 0.0], False)
    """
    known_times = np.isfinite(histories.times)
    places = np.arange(len(histories.items)) - np.repeat(histories.offsets[:-1], histories.lengths)
    times = histories.times / _DAY if known_times.any() else places.astype(np.float64)
    nodes = item_nodes[histories.items]
    known = nodes >= 0
    cells, times = histories.owners[known] * n_nodes + nodes[known], times[known]
    order = np.lexsort((times, cells))  # NaN last: a known time is the first one known
    cells, times = cells[order], times[order]
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    last = np.fmax.reduceat(times, starts) if len(starts) else times
    cells, times = cells[starts], times[starts]
    offsets = np.zeros(len(histories) + 1, dtype=np.int64)
    np.cumsum(np.bincount(cells // max(n_nodes, 1), minlength=len(histories)), out=offsets[1:])
    return Visits(
        offsets, cells % max(n_nodes, 1), times, last, bool(known_times.any()), bool(known_times.sum() >= _DATED * len(known_times) > 0)
    )


def user_weights(degrees: Ints, bulk: int) -> Floats:
    """float32 (B,): 1, and less for a user with more than `bulk` categories, whose k(k - 1) pairs then weigh as bulk(bulk - 1).

    Examples
    --------
    >>> [round(float(w), 4) for w in user_weights(np.array([3, 5, 16]), 5)]
    [1.0, 1.0, 0.0833]
    """
    if bulk == 0:
        some = degrees[degrees > 1]
        bulk = max(10, 4 * int(np.median(some))) if len(some) else 10
    k = np.maximum(degrees, 2).astype(np.float64)
    return np.minimum(1.0, max(bulk, 2) * (max(bulk, 2) - 1.0) / (k * (k - 1.0))).astype(np.float32)


@dataclass(frozen=True, eq=False)
class PairCounts:
    """What the users say about each pair of nodes; all matrices (C, C), row a, column b.

    Attributes
    ----------
    together : int64
        Users with both inside the window, whatever the order; symmetric.
    first : int64
        Of them, those who came to a first; ``first.T`` came to b first; the rest at one moment, or nobody knows.
    before : int64
        Of them, those with a clear order: they came to a first and to b last (one of the two may be at one moment). Who goes to a often
        and to b once most likely comes to a first *and* last, which says nothing of the order; chance favours neither side here, and
        reversed time turns it round.
    weight, square : float64
        Sum of the users' weights and of their squares, over `together`.
    user_pairs : float64 (B,)
        Pairs of each user inside the window.
    """

    together: Ints
    first: Ints
    before: Ints
    weight: Times
    square: Times
    user_pairs: Times


def iter_pairs(visits: Visits) -> Iterator[tuple[Ints, Ints, Ints]]:
    """All pairs of visits of one user, a portion at a time: owner, place of the lower node, place of the higher one."""
    degrees = visits.degrees
    costs = np.cumsum(degrees * (degrees - 1) // 2)
    start = 0
    while start < len(degrees):
        done = int(costs[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(costs, done + _CHUNK, side="right")))
        first, last = int(visits.offsets[start]), int(visits.offsets[stop])
        places = np.arange(first, last)
        owners = np.repeat(np.arange(start, stop), degrees[start:stop])
        partners = visits.offsets[owners + 1] - places - 1
        left = np.repeat(places, partners)
        ends = np.cumsum(partners)
        right = np.arange(len(left)) - np.repeat(ends - partners, partners) + left + 1
        yield np.repeat(owners, partners), left, right
        start = stop


def count_pairs(visits: Visits, n_nodes: int, days: float, weights: Floats) -> PairCounts:
    """Count every pair of nodes over all users.

    Parameters
    ----------
    visits : Visits
    n_nodes : int
        C.
    days : float
        Window; 0 for none. A pair with an unknown time counts as inside.
    weights : float32 (B,)
        See `user_weights`.
    """
    size = n_nodes * n_nodes
    together, first, first_back, before, before_back = (np.zeros(size, dtype=np.int64) for _ in range(5))
    weight, square = np.zeros(size), np.zeros(size)
    user_pairs = np.zeros(len(visits.degrees))
    wide = weights.astype(np.float64)
    for owners, left, right in iter_pairs(visits):
        gap = visits.times[right] - visits.times[left]
        if days and visits.windowed:
            inside = ~(np.abs(gap) > days)  # NaN is not above
            owners, left, right, gap = owners[inside], left[inside], right[inside], gap[inside]
        cell = visits.nodes[left] * n_nodes + visits.nodes[right]
        order = np.sign(gap) + np.sign(visits.last[right] - visits.last[left])
        together += np.bincount(cell, minlength=size)
        first += np.bincount(cell[gap > 0], minlength=size)
        first_back += np.bincount(cell[gap < 0], minlength=size)
        before += np.bincount(cell[order > 0], minlength=size)
        before_back += np.bincount(cell[order < 0], minlength=size)
        weight += np.bincount(cell, weights=wide[owners], minlength=size)
        square += np.bincount(cell, weights=wide[owners] ** 2, minlength=size)
        user_pairs += np.bincount(owners, minlength=len(user_pairs))

    def whole(upper: Any, lower: Any) -> Any:
        return upper.reshape(n_nodes, n_nodes) + lower.reshape(n_nodes, n_nodes).T

    return PairCounts(
        whole(together, together),
        whole(first, first_back),
        whole(before, before_back),
        whole(weight, weight),
        whole(square, square),
        user_pairs,
    )


def median_days(visits: Visits, n_nodes: int, days: float, wanted: Ints) -> Times:
    """float64 (len(wanted),): median days between the two first visits, over the users counted in `together` with known times.

    Parameters
    ----------
    wanted : int64
        Cells ``a * n_nodes + b`` with a < b, ascending.

    Returns
    -------
    float64
        NaN where no pair is dated; exact to a day up to 200 days, to two parts in a hundred beyond.
    """
    out = np.full(len(wanted), np.nan)
    if not visits.dated or not len(wanted):
        return out
    steps = np.concatenate([np.arange(200.0), 200.0 * 1.02 ** np.arange(260)])
    counts = np.zeros(len(wanted) * len(steps), dtype=np.int64)
    limit = days if days and visits.windowed else np.inf
    for _, left, right in iter_pairs(visits):
        gap = np.abs(visits.times[right] - visits.times[left])
        known = gap <= limit
        cell = visits.nodes[left[known]] * n_nodes + visits.nodes[right[known]]
        place = np.minimum(np.searchsorted(wanted, cell), len(wanted) - 1)
        hit = wanted[place] == cell
        bins = np.searchsorted(steps, gap[known][hit], side="right") - 1
        counts += np.bincount(place[hit] * len(steps) + bins, minlength=len(counts))
    table = np.cumsum(counts.reshape(len(wanted), len(steps)), axis=1)
    totals = table[:, -1]
    some = totals > 0
    out[some] = steps[(table[some] >= ((totals[some] + 1) // 2)[:, None]).argmax(axis=1)]
    return out
