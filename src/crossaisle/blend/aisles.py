"""Items in the order of their aisles, and what a score is inside an aisle, for all aisles at once. Imports schema."""

from __future__ import annotations

import numpy as np

from crossaisle.schema import Floats, Ints

__all__ = ["Aisles"]


class Aisles:
    """The items of some aisles side by side, so that sums inside each aisle are sums over stretches of a row.

    Parameters
    ----------
    item_aisles : int64 (N,)
    aisles : int64 (A,)
        Those that are looked at; ones without items are left out.

    Attributes
    ----------
    items : int64 (C,)
        Their items: aisle after aisle, inside an aisle ascending.
    codes : int64 (A,)
        The aisles, ascending.
    starts, lengths : int64 (A,)
        Where each one's stretch begins, and how long it is.
    of : int64 (C,)
        The place of each item's aisle in ``codes``.

    Examples
    --------
    >>> shelves = Aisles(np.array([2, 0, 2, 1]), np.array([0, 2]))
    >>> shelves.items.tolist(), shelves.of.tolist()
    ([1, 0, 2], [0, 1, 1])
    >>> shelves.standardised(np.array([[7.0, 1.0, 3.0]], np.float32)).tolist()
    [[0.0, -1.0, 1.0]]
    """

    def __init__(self, item_aisles: Ints, aisles: Ints) -> None:
        order = np.argsort(item_aisles, kind="stable")
        self.items = order[np.isin(item_aisles[order], aisles)]
        self.codes, self.starts, self.of, self.lengths = np.unique(
            item_aisles[self.items], return_index=True, return_inverse=True, return_counts=True
        )

    def standardised(self, raw: Floats) -> Floats:
        """Each row (B, C) inside each aisle less its mean, over its standard deviation; equal values become zeros."""
        centred = raw - self._mean(raw)[:, self.of]
        spread = np.sqrt(self._mean(centred * centred))
        return np.asarray(centred / np.where(spread > 1e-12, spread, 1.0)[:, self.of], dtype=np.float32)

    def log_sum_exp(self, values: Floats) -> Floats:
        """(B, A): of each aisle's values in each row (B, C)."""
        most: Floats = np.maximum.reduceat(values, self.starts, axis=1)
        most += np.log(np.add.reduceat(np.exp(values - most[:, self.of]), self.starts, axis=1))
        return most

    def _mean(self, values: Floats) -> Floats:
        out: Floats = np.add.reduceat(values, self.starts, axis=1)
        out /= self.lengths.astype(np.float32)
        return out
