"""Which histories look made up: profiles that exist to push an item. Imports: schema, histories.

No label is needed and no attack is assumed. A made-up profile is filled with something and carries an item that others of its kind carry
too, so three questions are asked together, each as a deviation from people with as many items:

- its *fillers*: are they more popular, or less, than such people's, and do they go together, that is: how often are two of them in one
  history of somebody else, against what their popularity alone would bring (Burke et al. 2006 measure profiles likewise);
- its *company*: do the other people of one of its items deviate in the same direction, against the audiences of items of the same size;
  and does that item stand last in their histories unusually often (a pushed item that stands last teaches the step to it);
- *copies and haste*: does it share runs of items with many others, and, where times are known, was it over unusually fast.

Two more rounds count popularity and pairs again with what is suspicious weighed down, so that made-up people do not vouch for each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from crossaisle.data.histories import Histories
from crossaisle.schema import Bools, Floats, Ints, Times

__all__ = ["Suspicions", "find_shilling", "trusted"]

ROUNDS = 3
_PAIRS = 20_000_000
"""Most pairs of items looked at: where there would be more, only the newest items of long histories are."""
_NEWEST = 30
_RUN = 4
"""Items in a row that are compared between histories."""
_LAST_MOST, _DEVIATION_MOST = 5.0, 4.0
"""Caps of single pieces of evidence, so that none decides alone."""
_LARGE_SHARE = 0.25
"""Of an item's other people, from which its suspects speak against the rest: popular fillers have suspects too."""
_USERS_A_GROUP, _ITEMS_A_GROUP = 300, 250
_LEAST_AUDIENCE = 3
"""Other people that an item needs before its audience says anything."""


@dataclass(frozen=True, eq=False)
class Suspicions:
    """What was found.

    Attributes
    ----------
    suspicion : float32 (B,)
        0 to 1 a user; .5 where the score is at the threshold.
    flagged : bool (B,)
        At or above it.
    score : float64 (B,)
        Robust deviations from people with as many items.
    pushed : int64 (P,)
        Items most of whose audience is flagged, the largest share first.
    """

    suspicion: Floats
    flagged: Bools
    score: Times
    pushed: Ints

    def facts(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {"users": len(self.flagged), "flagged": int(self.flagged.sum()), "pushed_items": len(self.pushed)}


def find_shilling(histories: Histories, n_items: int, threshold: float = 4.5) -> Suspicions:
    """Score every history.

    Parameters
    ----------
    histories : Histories
        B histories, oldest event first; one of fewer than three different items is never suspected.
    n_items : int
    threshold : float
        Robust z from which a user is flagged.

    Returns
    -------
    Suspicions

    Examples
    --------
    >>> found = find_shilling(Histories.from_lists([[0, 1, 2], [1, 2, 0], [2]]), 3)
    >>> found.suspicion.shape, found.flagged.tolist()
    ((3,), [False, False, False])
    """
    n_users = len(histories)
    users, items, times = _first_events(histories, n_items)
    score, trust = np.zeros(n_users), np.ones(n_users)
    sizes = np.bincount(users, minlength=n_users)
    judged = sizes >= 3
    if judged.any():
        shop = _Shop(users, items, times, n_users, n_items)
        for _ in range(ROUNDS):
            score = np.where(judged, shop.score(trust) + shop.among_suspects(score >= threshold), 0.0)
            trust = 1.0 - expit(2.0 * (score - threshold))
    suspicion = np.where(judged, expit(score - threshold), 0.0)
    flagged = judged & (score >= threshold)
    audience, bad = np.bincount(items, minlength=n_items), np.bincount(items, weights=flagged[users], minlength=n_items)
    pushed = np.flatnonzero((bad > _LEAST_AUDIENCE) & (2 * bad > audience))
    return Suspicions(suspicion.astype(np.float32), flagged, score, pushed[np.argsort(-bad[pushed] / audience[pushed], kind="stable")])


def trusted(histories: Histories, found: Suspicions, weight: float) -> Floats:
    """float32 (E,): what each event counts, ``weight`` for those of a flagged user and 1 for the rest."""
    return np.where(found.flagged[histories.owners], np.float32(weight), np.float32(1.0)).astype(np.float32)


def _first_events(h: Histories, n_items: int) -> tuple[Ints, Ints, Times]:
    """Users, items and times of the events, each item of a user once, in order."""
    owners = h.owners
    _, first = np.unique(owners * max(n_items, 1) + h.items, return_index=True)
    first = np.sort(first)
    return owners[first], h.items[first], h.times[first]


class _Shop:
    """The events of a shop, E in all, and what does not change from round to round."""

    def __init__(self, users: Ints, items: Ints, times: Times, n_users: int, n_items: int) -> None:
        self.users, self.items, self.n_users, self.n_items = users, items, n_users, n_items
        self.sizes = np.bincount(users, minlength=n_users).astype(np.int64)
        self.audience = np.bincount(items, minlength=n_items).astype(np.int64)
        self.user_groups = _groups(self.sizes, _USERS_A_GROUP)
        self.item_groups = _groups(self.audience, _ITEMS_A_GROUP)
        self.left, self.right = self._pairs()
        lower = np.minimum(items[self.left], items[self.right])
        self.which, self.cell = np.unique(lower * n_items + np.maximum(items[self.left], items[self.right]), return_inverse=True)
        ends = np.cumsum(self.sizes)
        last = np.zeros(len(users))
        last[ends[self.sizes > 0] - 1] = 1.0
        self.is_last: Bools = last > 0
        self.company_last = self._company(last - 1.0 / self.sizes[users])
        self.copied, self.hasty = self._copied(), self._hasty(times)

    def _pairs(self) -> tuple[Ints, Ints]:
        """Places of two events of one user, each pair once."""
        ends = np.cumsum(self.sizes)
        from_end = ends[self.users] - np.arange(len(self.users)) - 1
        newest = _NEWEST
        while newest > 4 and (np.minimum(self.sizes, newest) * (np.minimum(self.sizes, newest) - 1) // 2).sum() > _PAIRS:
            newest -= 2
        kept = np.flatnonzero(from_end < newest)
        owner = self.users[kept]
        left: list[Ints] = []
        right: list[Ints] = []
        for gap in range(1, newest):
            same = np.flatnonzero(owner[gap:] == owner[:-gap])
            left.append(kept[same])
            right.append(kept[same + gap])
        return np.concatenate(left), np.concatenate(right)

    def score(self, trust: Times) -> Times:
        """float64 (B,): robust deviation of each user."""
        own = self._fillers(trust)
        last = np.where(self.is_last, np.clip(self.company_last, 0.0, _LAST_MOST), 0.0)
        found = []
        for deviation in own:
            event = deviation[self.users] + self._company(deviation[self.users]) + last
            most = np.full(self.n_users, -np.inf)
            np.maximum.at(most, self.users, event)
            found.append(self._robust(np.where(np.isfinite(most), most, 0.0)))
        return np.asarray(np.maximum.reduce([*found, self.copied]) + self.hasty)

    def among_suspects(self, suspects: Bools) -> Times:
        """Up to 2 for a user of whose items one is had by many more suspects than chance brings."""
        out = np.zeros(self.n_users)
        rate = float(suspects.mean())
        if not 0 < rate < 0.5:
            return out
        mark = suspects.astype(np.float64)
        others = np.bincount(self.items, weights=mark[self.users], minlength=self.n_items)[self.items] - mark[self.users]
        n = self.audience[self.items] - 1.0
        beyond = (others - n * rate) / np.sqrt(n * rate * (1 - rate) + 0.25)
        beyond = np.where(others > _LARGE_SHARE * n, np.maximum(beyond, 0.0), 0.0)
        np.maximum.at(out, self.users, np.clip(np.log2(1.0 + beyond) - 2.0, 0.0, 2.0))
        return out

    def _fillers(self, trust: Times) -> list[Times]:
        """Normal scores (B,) among people with as many items: too popular, too unpopular and alone, not going together."""
        users, items = self.users, self.items
        counts = np.bincount(items, weights=trust[users], minlength=self.n_items)
        popular = self._mean(np.log1p(np.maximum(counts[items] - trust[users], 0.0)), users, self.sizes)
        mine = trust[users[self.left]]
        together = np.bincount(self.cell, weights=mine)[self.cell] - mine
        a, b = (np.maximum(counts[items[side]] - mine, 0.0) for side in (self.left, self.right))
        expected = a * b / max(float(trust.sum()), 1.0)
        pairs = np.bincount(users[self.left], minlength=self.n_users)
        lift = self._mean(np.log((together + 0.5) / (expected + 0.5)), users[self.left], pairs)
        company = self._mean((together > 0.5).astype(np.float64), users[self.left], pairs)
        high, low = self._deviation(popular), self._deviation(-popular)
        apart, alone = self._deviation(-lift), self._deviation(-company)
        return [high, self._deviation(low + alone), self._deviation(apart + alone), self._deviation(apart + high)]

    @staticmethod
    def _mean(values: Times, owners: Ints, sizes: Ints) -> Times:
        return np.asarray(np.bincount(owners, weights=values, minlength=len(sizes)) / np.maximum(sizes, 1))

    def _deviation(self, values: Times) -> Times:
        """How far above the median of users with as many items, in spreads of that side."""
        above = values - _of_groups(values, self.user_groups, _middle)
        sides = [_of_groups(np.where(sign * above > 0, np.abs(above), np.nan), self.user_groups, _size) for sign in (1, -1)]
        return np.clip(above / np.where(above > 0, *sides), -_DEVIATION_MOST, _DEVIATION_MOST)

    def _company(self, values: Times) -> Times:
        """float64 (E,): how far the other people of each event's item deviate together, against items with as many people."""
        total = np.bincount(self.items, weights=values, minlength=self.n_items)
        whole = total / np.sqrt(np.maximum(self.audience, 1))
        others = (total[self.items] - values) / np.sqrt(np.maximum(self.audience[self.items] - 1, 1))
        middle = _of_groups(whole, self.item_groups, _middle)
        spread = _of_groups(whole - middle, self.item_groups, _size)
        enough = self.audience[self.items] > _LEAST_AUDIENCE
        return np.where(enough, (others - middle[self.items]) / spread[self.items], 0.0)

    def _robust(self, values: Times) -> Times:
        above = values - _of_groups(values, self.user_groups, _middle)
        return np.asarray(above / _of_groups(above, self.user_groups, _size))

    def _copied(self) -> Times:
        """Robust deviation of how many others share a run of items, in doublings."""
        out = np.zeros(self.n_users)
        if len(self.users) < _RUN:
            return out
        starts = np.flatnonzero(self.users[: len(self.users) - _RUN + 1] == self.users[_RUN - 1 :])
        runs = np.stack([self.items[starts + k] for k in range(_RUN)], axis=1)
        _, cell, counts = np.unique(runs, axis=0, return_inverse=True, return_counts=True)
        np.maximum.at(out, self.users[starts], np.log2(counts[cell.ravel()]))
        above = out - _of_groups(out, self.user_groups, _middle)
        return np.asarray(above / np.maximum(_of_groups(above, self.user_groups, _size), 1.0))

    def _hasty(self, times: Times) -> Times:
        """Up to 1.5 for a history that was over faster than those of as many items; 0 where times are missing."""
        first, last = np.full(self.n_users, np.inf), np.full(self.n_users, -np.inf)
        dated = np.isfinite(times)
        np.minimum.at(first, self.users[dated], times[dated])
        np.maximum.at(last, self.users[dated], times[dated])
        span = last - first
        haste = np.full(self.n_users, np.nan)
        known = np.isfinite(span)
        haste[known] = -np.log1p(span[known] / 60.0)
        above = haste - _of_groups(haste, self.user_groups, _middle)
        return np.nan_to_num(0.5 * np.clip(above / _of_groups(above, self.user_groups, _size), 0.0, 3.0))


def _middle(values: Times) -> float:
    return float(np.median(values))


def _size(values: Times) -> float:
    """Median size at the scale of a standard deviation, a quarter of the root mean square at least."""
    return max(1.4826 * float(np.median(np.abs(values))), 0.25 * float(np.sqrt(np.mean(values**2))), 1e-9)


def _of_groups(values: Times, groups: list[Ints], what: Callable[[Times], float]) -> Times:
    """For each row ``what`` gives for its group without what is NaN, as the median of it and its two neighbours.

    Groups are in rising order, and what is measured changes steadily with size: the median leaves a steady course as it is, and takes away
    the spike of a single group in which many made-up people of one length stand.
    """
    each = np.array([what(some) if len(some := values[rows][~np.isnan(values[rows])]) else np.nan for rows in groups])
    known = np.flatnonzero(~np.isnan(each))
    out = np.ones(len(values))
    if not len(known):
        return out
    each = np.interp(np.arange(len(each)), known, each[known])
    padded = np.concatenate([each[:1], each, each[-1:]])
    smooth = np.median(np.stack([padded[:-2], each, padded[2:]]), axis=0)
    for rows, value in zip(groups, smooth, strict=True):
        out[rows] = value
    return out


def _groups(sizes: Ints, least: int) -> list[Ints]:
    """Rows of alike size, at least so many a group where there are enough."""
    n = int(np.clip(len(sizes) // least, 1, 24))
    edges = np.unique(np.quantile(sizes, np.linspace(0, 1, n + 1)[1:-1]))
    place = np.searchsorted(edges, sizes, side="right")
    return [np.flatnonzero(place == k) for k in np.unique(place)]
