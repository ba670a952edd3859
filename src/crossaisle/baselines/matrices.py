"""Histories as sparse matrices, and what every baseline does with one. Imports nothing of this room."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.schema import Floats, Ints

__all__ = ["Csr", "finish", "fitted", "history_matrix", "item_to_item", "keep_top", "popularity_share"]

Csr = Any
"""scipy.sparse.csr_matrix: scipy ships no types."""
T = TypeVar("T")


def history_matrix(histories: Histories, n_items: int, decay: float = 1.0, newest: int | None = None) -> Csr:
    """csr float32 (B, N): how much each history says about each item.

    An event counts ``decay ** p`` with p its place from the end (0 = newest); the events of one item are added up. The weight column of
    the table enters as ``log2(1 + weight)``: 1 stays 1, 0 is nothing, and a carton of 100 does not drown the rest. What is trusted less
    (`Histories.trust`) counts less.

    Parameters
    ----------
    histories : Histories
    n_items : int
    decay : float
        1 to forget the order.
    newest : int, optional
        Only this many of the newest events of each history.

    Examples
    --------
    >>> from crossaisle.data.histories import Histories
    >>> history_matrix(Histories.from_lists([[2, 0], []]), 3, decay=0.5).toarray().tolist()
    [[1.0, 0.0, 0.5], [0.0, 0.0, 0.0]]
    """
    if newest is not None:
        histories = histories.last(newest)
    place = np.repeat(histories.offsets[1:], histories.lengths) - np.arange(len(histories.items)) - 1
    values = np.log2(1.0 + histories.weights) * np.power(decay, place)
    if histories.trust is not None:
        values = values * histories.trust
    out = sp.csr_matrix((values.astype(np.float32), (histories.owners, histories.items)), shape=(len(histories), n_items))
    out.sum_duplicates()
    return out


def keep_top(matrix: Csr, k: int) -> Csr:
    """The k largest entries of each row of a csr matrix; equal ones go to the lower column, so the result is always the same.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> keep_top(sp.csr_matrix([[1.0, 3.0, 3.0, 2.0]]), 2).toarray().tolist()
    [[0.0, 3.0, 3.0, 0.0]]
    """
    matrix.sort_indices()
    lengths = np.diff(matrix.indptr)
    if not len(lengths) or lengths.max(initial=0) <= k:
        return matrix
    rows = np.repeat(np.arange(matrix.shape[0]), lengths)
    order = np.lexsort((-matrix.data, rows))  # stable: columns ascend among equals
    place = np.arange(len(order)) - matrix.indptr[:-1].repeat(lengths)  # inside its row, best first
    take = np.sort(order[place < k])
    indptr = np.concatenate([[0], np.cumsum(np.minimum(lengths, k))])
    return sp.csr_matrix((matrix.data[take], matrix.indices[take], indptr), shape=matrix.shape)


def item_to_item(left: Csr, right: Csr, top: int, roots: Floats, shrink: float, block: int = 2048) -> Csr:
    """``left.T @ right`` without its diagonal, each entry over ``roots_i * roots_j + shrink``, the `top` largest of each row kept.

    Worked through a block of rows at a time, so that a catalogue of any size fits.

    Parameters
    ----------
    left, right : csr (B, N)
    top : int
    roots : float32 (N,)
        Positive.
    shrink : float

    Returns
    -------
    csr float32 (N, N)
    """
    turned, right = left.T.tocsr(), right.tocsr()
    parts = []
    for start in range(0, turned.shape[0], block):
        part = (turned[start : start + block] @ right).tocoo()
        off = part.row + start != part.col
        rows, cols = part.row[off], part.col[off]
        values = part.data[off] / (roots[rows + start] * roots[cols] + shrink)
        parts.append(keep_top(sp.csr_matrix((values, (rows, cols)), shape=part.shape), top))
    return sp.vstack(parts, format="csr", dtype=np.float32)


def popularity_share(data: Dataset) -> Floats:
    """float32 (N,): events of each item over those of the most popular one."""
    counts = data.item_counts
    return (counts / max(int(counts.max(initial=0)), 1)).astype(np.float32)


def finish(scores: Any, popular: Floats, candidates: Ints | None) -> Floats:
    """The score matrix as the contract wants it, with popularity where the model has nothing to say.

    An item with a score of exactly 0 (no neighbour of the history reaches it; for an empty history: every item) gets a value
    between -1e-6 and 0 that follows its popularity, so that lists are filled sensibly and not by the order of the catalogue.

    Parameters
    ----------
    scores : (B, N)
        Dense or sparse; dense ones may be overwritten.
    popular : float32 (N,)
        See `popularity_share`.
    candidates : int64 (C,), optional

    Returns
    -------
    float32 (B, C) or (B, N)

    Examples
    --------
    >>> finish(np.array([[0.0, 0.5, 0.0]]), np.array([0.5, 1.0, 1.0]), None).argsort()[0, ::-1].tolist()
    [1, 2, 0]
    """
    dense = np.asarray(scores.toarray() if sp.issparse(scores) else scores, dtype=np.float32)
    if candidates is not None:
        dense, popular = dense[:, candidates], popular[candidates]
    return np.where(dense == 0, np.float32(1e-6) * (popular - 1), dense).astype(np.float32)


def fitted(learned: T | None, name: str) -> T:
    """What `fit` has left, or a clear error.

    Raises
    ------
    RuntimeError
        If `fit` was not called.
    """
    if learned is None:
        raise RuntimeError(f"{name} was asked for scores before it was fitted; call fit(data) first")
    return learned
