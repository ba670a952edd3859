"""Popularity: everywhere, aisle by aisle, or of the newest days. Imports: matrices."""

from __future__ import annotations

from typing import Self

import numpy as np

from crossaisle.baselines.matrices import fitted, history_matrix
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.schema import Floats, Ints

__all__ = ["Popularity"]

_DAY = 86_400.0


def _name(last_days: float | None) -> str:
    return "popularity" if last_days is None else "popularity-month" if last_days == 30 else f"popularity-{last_days:g}-days"


class Popularity:
    """Items by how many events they have.

    With ``by_category`` the score is P(aisle | history) * P(item | aisle): the aisles of the history, plus one event spread as
    the whole shop's, so that an empty history gets plain popularity. Inside one aisle the order is that of plain popularity.

    Parameters
    ----------
    by_category : bool
        Follow the aisles of the history.
    last_days : float, optional
        Count only the events of the last days before the newest one; items without any come after, by their older events.
        Events without a time count as old; where no event has one, all count.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset()
    >>> scores = Popularity().fit(data).score(data.histories[:2])
    >>> scores.shape, bool(scores[0].argmax() == data.item_counts.argmax())
    ((2, 80), True)
    """

    def __init__(self, by_category: bool = False, last_days: float | None = None) -> None:
        self.by_category, self.last_days = by_category, last_days
        self.name = "popularity-aisle" if by_category else _name(last_days)
        self._counts: Floats | None = None

    def fit(self, data: Dataset) -> Self:
        """Count the events of each item."""
        h, n = data.histories, data.n_items
        all_time = data.item_counts.astype(np.float64)
        counts = all_time
        if self.last_days is not None and not np.isnan(h.times).all():
            recent = h.times > np.nanmax(h.times) - self.last_days * _DAY
            # older events only order the items that the newest days leave level
            counts = np.bincount(h.items[recent], minlength=n) + 0.5 * all_time / (all_time.max() + 1.0)
        self._aisles, n_aisles = data.item_categories, len(data.categories)
        in_aisle = np.bincount(self._aisles, weights=counts, minlength=n_aisles)
        self._aisle_share = in_aisle / max(in_aisle.sum(), 1.0)
        self._share_in_aisle = counts / np.maximum(in_aisle[self._aisles], 1e-12)
        self._counts = counts.astype(np.float32)
        return self

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """float32 (B, N) or (B, C), see `contracts.Scorer`."""
        counts = fitted(self._counts, self.name)
        if not self.by_category:
            return np.tile(counts if candidates is None else counts[candidates], (len(histories), 1))
        seen = history_matrix(histories, len(counts)).tocoo()
        n_aisles = len(self._aisle_share)
        cells = seen.row.astype(np.int64) * n_aisles + self._aisles[seen.col]
        mix = np.bincount(cells, weights=seen.data, minlength=len(histories) * n_aisles).reshape(len(histories), n_aisles)
        mix = (mix + self._aisle_share) / (mix.sum(axis=1, keepdims=True) + 1.0)
        which = slice(None) if candidates is None else candidates
        return np.asarray(mix[:, self._aisles[which]] * self._share_in_aisle[which], dtype=np.float32)
