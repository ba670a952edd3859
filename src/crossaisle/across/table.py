"""The cross-aisle ridge written out: what each feature of a history adds to each item. Imports: shoppers.

The likeness of two shoppers is a sum of dot products, so a ridge over shoppers is linear in the features of whoever is asked about:

    scores inside an aisle = c (1' H) + sum over blocks of w s (x' B' H),    H = (K + penalty)^-1 Y, with what it borrows

with x the levelled features, B the shoppers' and s the aisle's scale. The matrices B'H of all aisles stand side by side as the columns of
one table, and a history is answered for all aisles at once by a sum over the rows of its items. It may not touch the aisles it is asked
about: a shopper's features leave out what the aisle itself holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from crossaisle.across.shoppers import Blocks
from crossaisle.schema import Floats, Ints

__all__ = ["Table"]

_AT_ONCE = 32
"""Histories answered together: the rows of all their items are made float32 for it."""


@dataclass(frozen=True, eq=False)
class Table:
    """See the file's first lines. Each aisle's columns are over their largest number: scores can be compared inside an aisle only.

    Attributes
    ----------
    penalty : float
        With which it was made.
    columns : int64 (C,)
        The item of each column: aisle after aisle.
    dense : float32 (W, C)
        Rows of the blocks that are no items, in the order of their names, and of the constant.
    items : float16 (N, C), optional
        Rows of the items, where the block ``ids`` counts.
    """

    penalty: float
    columns: Ints
    dense: Floats
    items: Floats | None

    def scores(self, features: Blocks, n: int) -> Floats:
        """float32 (n, C) for the levelled features of n histories; items that joined since say nothing by their ids."""
        blocks = [np.asarray(features[name], np.float32) for name in sorted(features) if not sp.issparse(features[name])]
        out: Floats = np.concatenate([*blocks, np.ones((n, 1), np.float32)], axis=1) @ self.dense
        if self.items is not None:
            for start in range(0, n, _AT_ONCE):
                which, values = _used(features["ids"][start : start + _AT_ONCE], len(self.items))
                out[start : start + _AT_ONCE] += values @ self.items[which].astype(np.float32)
        return out


def _used(block: Any, width: int) -> tuple[Ints, Floats]:
    """Of the first ``width`` columns of csr (B, M) those with anything in them, and their values (B, U)."""
    kept = (block.indices < width) & (block.data != 0)
    columns, where = np.unique(block.indices[kept], return_inverse=True)
    out = np.zeros((block.shape[0], len(columns)), np.float32)
    out[np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))[kept], where] = block.data[kept]
    return columns, out
