"""Pairs of items bought together by one user, and which items of a step are no negatives of each other.

Imports: schema, data.dataset, data.histories, errors; of its own room settings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.errors import TableError
from crossaisle.pretrain.settings import PretrainSettings
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["Pairs", "bought_together", "draw_epoch", "hold_out_users", "item_shares", "one_each", "rewired"]


@dataclass(frozen=True, eq=False)
class Pairs:
    """M pairs of items that one owner bought together.

    Attributes
    ----------
    owners : int64 (M,)
        Who bought them, ascending.
    first, second : int64 (M,)
        Item codes.
    baskets : scipy CSC float32 (B, N)
        Who bought what, of all training events: two items with a common row are not negatives of each other.
    aisles : int64 (N,)
        The aisle of each item.
    """

    owners: Ints
    first: Ints
    second: Ints
    baskets: Any
    aisles: Ints

    def __len__(self) -> int:
        return len(self.owners)

    def select(self, which: Bools | Ints) -> Pairs:
        """The chosen pairs; baskets stay whole."""
        return replace(self, owners=self.owners[which], first=self.first[which], second=self.second[which])

    def together(self, rows: Ints, columns: Ints) -> Bools:
        """bool (R, C): pairs of items with a common buyer, or the same item."""
        a, b = self.baskets[:, rows], self.baskets[:, columns]
        found = (a.T @ b).toarray() > 0
        return np.asarray(found | (rows[:, None] == columns[None, :]), dtype=np.bool_)


def bought_together(data: Dataset, settings: PretrainSettings, has_text: Bools) -> Pairs:
    """Every pair of different items with text that one user bought within the window.

    Parameters
    ----------
    data : Dataset
        Training events only.
    settings : PretrainSettings
        ``days`` counts where both times are known, ``window`` always; ``across`` keeps pairs from different, known aisles.
    has_text : bool (N,)

    Raises
    ------
    TableError
        If there is no such pair.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset(n_users=20)
    >>> pairs = bought_together(data, PretrainSettings(across=True), np.ones(data.n_items, dtype=bool))
    >>> bool((pairs.aisles[pairs.first] != pairs.aisles[pairs.second]).all())
    True
    """
    h, aisles = data.histories, data.item_categories
    known = np.array([name != "" for name in data.categories], dtype=bool)[aisles]
    found = [_at_distance(h, step, settings.days) for step in range(1, min(settings.window, int(h.lengths.max(initial=0))) + 1)]
    owners, first, second = (np.concatenate(parts) if found else np.zeros(0, np.int64) for parts in zip(*found, strict=True))
    good = (first != second) & has_text[first] & has_text[second]
    if settings.across:
        good &= (aisles[first] != aisles[second]) & known[first] & known[second]
    if not good.any():
        raise TableError(
            "no user has two items with text bought together" + (" from different aisles" if settings.across else ""),
            f"histories with such items at most {settings.window} events and {settings.days:g} days apart",
            "raise pretrain.days or pretrain.window" + (", or set pretrain.across=false" if settings.across else ", or give more data"),
        )
    order = np.argsort(owners[good], kind="stable")
    pairs = Pairs(owners[good][order], first[good][order], second[good][order], _baskets(h, data.n_items), aisles)
    return _once_a_user(pairs, data.n_items)


def _at_distance(h: Histories, step: int, days: float) -> tuple[Ints, Ints, Ints]:
    """Owners, earlier and later items of events ``step`` apart in one history, not too far apart in time."""
    owners = h.owners
    near = owners[step:] == owners[:-step]
    apart = np.abs(h.times[step:] - h.times[:-step])
    near &= np.isnan(apart) | (apart <= days * 86_400)
    return owners[step:][near], h.items[:-step][near], h.items[step:][near]


def _once_a_user(pairs: Pairs, n_items: int) -> Pairs:
    """Each unordered pair once for each user, in the direction in which it came first."""
    low, high = np.minimum(pairs.first, pairs.second), np.maximum(pairs.first, pairs.second)
    key = low * n_items + high
    order = np.lexsort((key, pairs.owners))  # stable: of equal pairs the first one stays first
    new = np.ones(len(order), dtype=bool)
    new[1:] = (pairs.owners[order][1:] != pairs.owners[order][:-1]) | (key[order][1:] != key[order][:-1])
    return pairs.select(np.sort(order[new]))


def _baskets(h: Histories, n_items: int) -> Any:
    ones = np.ones(len(h.items), np.float32)
    return sp.csc_matrix((ones, (h.owners, h.items)), shape=(len(h), n_items))


def hold_out_users(pairs: Pairs, share: float, most: int, seed: int) -> tuple[Pairs, Pairs]:
    """Pairs to learn from, and one pair of each held-out user, at most ``most``; no user is in both.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset(n_users=40)
    >>> whole = bought_together(data, PretrainSettings(), np.ones(data.n_items, dtype=bool))
    >>> learned, held = hold_out_users(whole, 0.25, 100, seed=0)
    >>> len(held), bool(np.isin(held.owners, learned.owners).any())
    (10, False)
    """
    rng = np.random.default_rng((seed, 1))
    users = np.unique(pairs.owners)
    out = rng.permutation(users)[: round(share * len(users))]
    held = np.isin(pairs.owners, out)
    asked = one_each(pairs.select(held), 1, rng)
    return pairs.select(~held), asked.select(np.arange(min(most, len(asked))))


def one_each(pairs: Pairs, each: int, rng: np.random.Generator) -> Pairs:
    """At most ``each`` pairs of every owner, drawn by chance, in random order."""
    draw = rng.random(len(pairs))
    order = np.lexsort((draw, pairs.owners))
    owners = pairs.owners[order]
    starts = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]])) if len(owners) else np.zeros(0, np.int64)
    place = np.arange(len(owners)) - np.repeat(starts, np.diff(np.append(starts, len(owners))))
    return pairs.select(rng.permutation(order[place < each]))


def draw_epoch(pairs: Pairs, settings: PretrainSettings, seed: int, epoch: int) -> Pairs:
    """The pairs of one epoch in random order: a few of each user, each item at most ``item_cap`` times.

    Heavy buyers and best sellers would otherwise be most of what is learned.
    """
    drawn = one_each(pairs, settings.pairs_per_user, np.random.default_rng((seed, 2, epoch)))
    times = np.zeros(drawn.baskets.shape[1], dtype=np.int64)
    kept = np.zeros(len(drawn), dtype=bool)
    for m, (i, j) in enumerate(zip(drawn.first.tolist(), drawn.second.tolist(), strict=True)):
        if times[i] < settings.item_cap and times[j] < settings.item_cap:
            times[i] += 1
            times[j] += 1
            kept[m] = True
    return drawn.select(kept)


def item_shares(pairs: Pairs, settings: PretrainSettings) -> Floats:
    """float32 (N,): how often an item stands in a step, as a share; the expected number of its draws in an epoch, capped.

    An item that is in no pair gets the smallest share.
    """
    n_items = pairs.baskets.shape[1]
    _, owner, counts = np.unique(pairs.owners, return_inverse=True, return_counts=True)
    weight = (np.minimum(settings.pairs_per_user, counts) / counts)[owner]
    expected = np.bincount(pairs.first, weight, n_items) + np.bincount(pairs.second, weight, n_items)
    expected = np.minimum(expected, settings.item_cap)
    expected[expected == 0] = expected[expected > 0].min(initial=1.0)
    return np.asarray(expected / expected.sum(), dtype=np.float32)


def rewired(pairs: Pairs, seed: int, rounds: int = 10) -> Pairs:
    """A placebo: partners exchanged between pairs until nothing is left of who was bought with what.

    Swaps (i, j), (k, l) -> (i, l), (k, j) within the same two aisles, so that every item keeps its number of pairs, its side and the
    aisles it is paired with (Maslov and Sneppen 2002). Two items then count as bought together where the rewired pairs say so.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset(n_users=40)
    >>> pairs = bought_together(data, PretrainSettings(), np.ones(data.n_items, dtype=bool))
    >>> other = rewired(pairs, seed=0)
    >>> bool((np.bincount(other.second) == np.bincount(pairs.second)).all()), bool((other.second == pairs.second).mean() < 0.2)
    (True, True)
    """
    rng = np.random.default_rng((seed, 3))
    second = pairs.second.copy()
    kind = pairs.aisles[pairs.first] * (int(pairs.aisles.max(initial=0)) + 1) + pairs.aisles[pairs.second]
    members = [np.flatnonzero(kind == k) for k in np.unique(kind)]
    for _ in range(rounds):
        for places in members:
            mixed = rng.permutation(places)
            a, b = mixed[: len(mixed) // 2], mixed[len(mixed) // 2 : 2 * (len(mixed) // 2)]
            fine = (pairs.first[a] != second[b]) & (pairs.first[b] != second[a])
            second[a[fine]], second[b[fine]] = second[b[fine]], second[a[fine]]
    edges = np.arange(len(pairs))
    ones = np.ones(2 * len(pairs), np.float32)
    shape = (len(pairs), pairs.baskets.shape[1])
    baskets = sp.csc_matrix((ones, (np.concatenate([edges, edges]), np.concatenate([pairs.first, second]))), shape=shape)
    return replace(pairs, second=second, baskets=baskets)
