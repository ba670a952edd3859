"""Explicit ratings: biases of items and people, and the loss of what is left. Imports: nothing of this room.

The rating that person u gives item i after history h is predicted as

    mean + b_u(h) + b_i + scale * cos(state(h), vector(i))

b_i and b_u are shrunk means (Koren 2010, "Factor in the Neighbors", section 2.1): with lambda the setting ``train.rating_shrink``,

    b_i = sum over ratings r of i of (r - mean) / (n_i + lambda)
    b_u(h) = sum over ratings r of h of (r - mean - b_i) / (n_h + lambda)

b_u comes from the history alone, so it holds for people whom training has not seen, and while training from the events before the one
predicted. A training target leaves its own rating out of its item's mean: at test time it is not in there either.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries
from crossaisle.model.network import Network, PackedRows
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["RatingBiases", "rated", "rated_targets", "rating_loss"]


def rated(histories: Histories) -> Bools:
    """bool (E,): events with a rating.

    Examples
    --------
    >>> h = Histories.from_arrays(np.array([0, 2]), np.array([0, 1]), ratings=np.array([4.0, np.nan]))
    >>> rated(h).tolist(), rated(Histories.from_lists([[0]])).tolist()
    ([True, False], [False])
    """
    if histories.ratings is None:
        return np.zeros(len(histories.items), dtype=bool)
    return np.asarray(np.isfinite(histories.ratings), dtype=np.bool_)


def rated_targets(queries: Queries) -> tuple[Histories, Ints, Floats]:
    """The Q targets that have a rating: their histories, item codes int64 (Q,) and ratings float32 (Q,)."""
    known, targets = rated(queries.targets), queries.targets
    given = np.zeros(0, np.float32) if targets.ratings is None else targets.ratings[known]
    return queries.histories[targets.owners[known]], targets.items[known], given


@dataclass(frozen=True, eq=False)
class RatingBiases:
    """What a rating is before taste: by the item and by the person.

    Attributes
    ----------
    mean : float
        Of all ratings.
    items : float32 (N,)
        b_i, 0 for an item without a rating.
    shrink : float
        Lambda.

    Examples
    --------
    >>> h = Histories.from_arrays(np.array([0, 1, 3]), np.array([0, 0, 1]), ratings=np.array([5.0, 4.0, 3.0]))
    >>> b = RatingBiases.fit(h, 3, shrink=0.0)
    >>> b.mean, b.items.tolist(), b.people(h).tolist()
    (4.0, [0.5, -1.0, 0.0], [0.5, -0.25])
    """

    mean: float
    items: Floats
    shrink: float

    @classmethod
    def fit(cls, histories: Histories, n_items: int, shrink: float) -> Self:
        """From the ratings of histories of which at least one has a rating."""
        values, known = _values(histories)
        mean = float(values[known].mean())
        total, n = _sums(histories, np.where(known, values - mean, 0.0), known, n_items)
        return cls(mean, (total / np.maximum(n + shrink, 1e-12)).astype(np.float32), shrink)

    def predict(self, histories: Histories, items: Ints) -> Floats:
        """float32 (B,): mean + b_u + b_i of one item a history; the baseline without taste."""
        return np.asarray(self.mean + self.people(histories) + self.items[items], dtype=np.float32)

    def people(self, histories: Histories) -> Floats:
        """float32 (B,): b_u after the whole history."""
        left, known = self._left(histories)
        n = np.bincount(histories.owners, weights=known, minlength=len(histories))
        total = np.bincount(histories.owners, weights=left, minlength=len(histories))
        return np.asarray(total / np.maximum(n + self.shrink, 1e-12), dtype=np.float32)

    def tokens(self, histories: Histories) -> Histories:
        """The histories as the network reads them: an event weighs what its rating is above its item's average, 0 where it has none."""
        return replace(histories, weights=self._left(histories)[0].astype(np.float32), ratings=None)

    def targets(self, histories: Histories) -> Histories:
        """`tokens` of the histories that the biases were fitted on, with what is left for taste to predict as ``ratings``."""
        values, known = _values(histories)
        left, _ = self._left(histories)
        # b_u before each event: sums up to it, less those up to the start of its history
        before = np.repeat(histories.offsets[:-1], histories.lengths)
        total, n = (np.concatenate([[0.0], np.cumsum(x)]) for x in (left, known.astype(np.float64)))
        places = np.arange(len(values))
        person = (total[places] - total[before]) / np.maximum(n[places] - n[before] + self.shrink, 1e-12)
        above = np.where(known, values - self.mean, 0.0)
        sums, counts = _sums(histories, above, known, len(self.items))
        item = (sums[histories.items] - above) / np.maximum(counts[histories.items] - 1 + self.shrink, 1e-12)
        wanted = np.where(known, values - self.mean - person - item, np.nan).astype(np.float32)
        return replace(self.tokens(histories), ratings=wanted)

    def with_new(self, n: int) -> RatingBiases:
        """The same with n more items, which nobody has rated."""
        return replace(self, items=np.concatenate([self.items, np.zeros(n, np.float32)]))

    def _left(self, histories: Histories) -> tuple[np.ndarray, Bools]:
        """What each rating is above its item's average, 0 where there is none, and where there is one."""
        values, known = _values(histories)
        return np.where(known, values - self.mean - self.items[histories.items], 0.0), known


def _values(histories: Histories) -> tuple[np.ndarray, Bools]:
    known = rated(histories)
    values = np.zeros(len(known)) if histories.ratings is None else np.nan_to_num(histories.ratings.astype(np.float64))
    return values, known


def _sums(histories: Histories, values: np.ndarray, known: Bools, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    total = np.bincount(histories.items, weights=values, minlength=n_items)
    return total, np.bincount(histories.items, weights=known.astype(np.float64), minlength=n_items)


def rating_loss(network: Network, rows: PackedRows) -> Tensor:
    """Weighted mean of (scale * cos(state, vector of the target) - what is left of its rating)^2 over the rated targets; float32 ()."""
    assert rows.target_ratings is not None
    chosen = (rows.target_weights > 0) & ~rows.target_ratings.isnan()
    targets = rows.targets[chosen]
    codes = torch.unique(torch.cat([rows.items.flatten(), targets]))
    row = torch.empty(network.tower.n_items, dtype=torch.int64, device=codes.device)
    row[codes] = torch.arange(len(codes), device=codes.device)
    vectors = network.tower(codes)
    states = network.states(vectors, rows, row[rows.items])[chosen]
    found = network.scale * (states * F.normalize(F.embedding(row[targets], vectors), dim=-1)).sum(-1)
    weights = rows.target_weights[chosen]
    return (weights * (found - rows.target_ratings[chosen]) ** 2).sum() / weights.sum().clamp_min(1e-12)
