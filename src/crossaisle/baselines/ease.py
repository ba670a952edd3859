"""EASE: the closed-form linear autoencoder. Imports: linear, matrices."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.linalg import lapack

from crossaisle.baselines.linear import LinearScorer
from crossaisle.baselines.matrices import finish, fitted, history_matrix, popularity_share
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.errors import RequestError
from crossaisle.schema import Floats, Ints

__all__ = ["EASE", "too_large"]

MOST_ITEMS = 30_000


def too_large(data: Dataset, most_items: int = MOST_ITEMS) -> str | None:
    """Why EASE is left out for this data, or None where it fits: it inverts a dense matrix of all items with events.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> too_large(toy_dataset()) is None, too_large(toy_dataset(), most_items=20)
    (True, 'ease: 80 items with events, more than 20; its dense matrix would take 0.0 GB and time with the cube')
    """
    n = int(np.count_nonzero(data.item_counts))
    if n <= most_items:
        return None
    gigabytes = 4e-9 * n * n
    return f"ease: {n:,} items with events, more than {most_items:,}; its dense matrix would take {gigabytes:.1f} GB and time with the cube"


class EASE(LinearScorer):
    """Embarrassingly shallow autoencoder (Steck 2019, arXiv:1905.03375, eq. 8).

    P = (X'X + lam I)^-1, B_ij = -P_ij / P_jj with a diagonal of zeros, score = x B. One dense matrix of the items that have events, in
    float32 (float64 where the counts are so large that float32 would lose digits), factorised and inverted in place.

    Parameters
    ----------
    lam : float
        Regularisation; larger for more events an item.
    decay : float
        Weight of a history's event against the one after it; 1 (the paper) forgets the order, .6 is better where order matters.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset()
    >>> EASE(lam=50).fit(data).score(data.histories[:3]).shape
    (3, 80)
    """

    name = "ease"

    def __init__(self, lam: float = 200.0, decay: float = 1.0) -> None:
        super().__init__()
        self.lam, self.decay = lam, decay

    def fit(self, data: Dataset) -> Self:
        """Invert the regularised counts of pairs.

        Raises
        ------
        RequestError
            If more than 30,000 items have events, see `too_large`.
        """
        reason = too_large(data)
        if reason is not None:
            raise RequestError(reason, f"at most {MOST_ITEMS:,} items", "leave ease out, or ask for item-knn and ials")
        self._popular = popularity_share(data)
        self._with_events = np.flatnonzero(data.item_counts)
        x = history_matrix(data.histories, data.n_items)[:, self._with_events]
        pairs = (x.T @ x).astype(np.float64)
        largest = float(pairs.sum(axis=1).max()) if pairs.nnz else 0.0  # bounds the largest eigenvalue
        self._weights = _zero_diagonal_inverse(pairs, self.lam, np.float32 if largest < 1e4 * self.lam else np.float64)
        return self

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """float32 (B, N) or (B, C), see `contracts.Scorer`; an item without events scores 0."""
        weights = fitted(self._weights, self.name)
        x = history_matrix(histories, len(self._popular), self.decay)[:, self._with_events]
        out = np.zeros((len(histories), len(self._popular)), dtype=np.float32)
        out[:, self._with_events] = x @ weights
        return finish(out, self._popular, candidates)


def _zero_diagonal_inverse(pairs: Any, lam: float, dtype: Any) -> Floats:
    """float32 (n, n): -P_ij / P_jj off the diagonal, P = (pairs + lam I)^-1, computed in `dtype` inside one array."""
    n = pairs.shape[0]
    if not n:
        return np.zeros((0, 0), dtype=np.float32)
    p: Any = np.zeros((n, n), dtype=dtype, order="F")
    pairs.astype(dtype).toarray(out=p)
    p[np.diag_indices(n)] += lam
    factorise, invert = lapack.get_lapack_funcs(("potrf", "potri"), (p,))
    p, _ = factorise(p, lower=1, clean=0, overwrite_a=1)
    p, _ = invert(p, lower=1, overwrite_c=1)
    _mirror_lower(p)
    p = p.T  # symmetric now; row-major, as the product with a sparse history wants it
    diagonal = p.diagonal().copy()
    p /= -diagonal  # column j by its own P_jj
    np.fill_diagonal(p, 0.0)
    return np.asarray(p, dtype=np.float32)


def _mirror_lower(p: Any, block: int = 1024) -> None:
    """Copy the lower triangle into the upper one, in place, a block of rows at a time."""
    n = p.shape[0]
    for start in range(0, n, block):
        stop = min(start + block, n)
        p[start:stop, stop:] = p[stop:, start:stop].T
        square = p[start:stop, start:stop]
        square[:] = np.tril(square) + np.tril(square, -1).T
