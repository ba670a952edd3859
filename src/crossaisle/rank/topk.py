"""The exact k best of each row, ties by item order. Imports: nothing of its own room."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossaisle.schema import Bools, Floats, Ints

__all__ = ["best_of", "top_k"]

_COLUMN_BITS = 32
_COLUMN_MASK = (1 << _COLUMN_BITS) - 1
_OUT = np.iinfo(np.int32).min
"""High half of what is left out: below that of minus infinity."""
_CELLS = 500_000
"""Scores looked at once, so that their keys stay near the processor."""


def _ordered(scores: Floats) -> npt.NDArray[np.int64]:
    """Whole numbers in the order of the scores."""
    scores = np.ascontiguousarray(scores, dtype=np.float32) + np.float32(0.0)  # -0.0 becomes 0.0, or two zeros would not tie
    bits = scores.view(np.int32)
    # IEEE floats sort as sign and magnitude; flipping the magnitude of negatives makes them sort as plain integers
    return np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64)


def _sort_keys(scores: Floats, allowed: Bools | None) -> npt.NDArray[np.int64]:
    """int64 (B, C): larger is better; the high half orders the scores, the low half prefers the lower column."""
    ordered = _ordered(scores)
    if allowed is not None:
        ordered[~allowed] = _OUT
    # every key is another one, which also keeps the partition fast where many columns are left out
    ordered <<= _COLUMN_BITS
    ordered |= _COLUMN_MASK - np.arange(scores.shape[1], dtype=np.int64)
    return ordered


def top_k(scores: Floats, k: int, allowed: Bools | None = None) -> Ints:
    """The columns of the k highest scores of each row, best first; equal scores in column order.

    Parameters
    ----------
    scores : float32 (B, C)
        Finite; a NaN is a defect of the scorer and raises ValueError.
    k : int
        At least 1; more than C gives C columns.
    allowed : bool (B, C), optional
        Where False, the column is left out.

    Returns
    -------
    int64 (B, min(k, C))
        -1 where a row has fewer than k allowed columns.

    Examples
    --------
    >>> top_k(np.array([[1.0, 3.0, 3.0, 2.0]], dtype=np.float32), 3).tolist()
    [[1, 2, 3]]
    >>> top_k(np.array([[1.0, 3.0]], dtype=np.float32), 3, np.array([[True, False]])).tolist()
    [[0, -1]]
    """
    if np.isnan(scores).any():
        raise ValueError("scores hold NaN; expected finite values")
    width = scores.shape[1]
    k = min(k, width)
    if k == 0 or len(scores) == 0:
        return np.full((len(scores), k), -1, dtype=np.int64)
    rows = max(1, _CELLS // width)
    parts = (slice(a, a + rows) for a in range(0, len(scores), rows))
    return np.concatenate([_top_k(scores[part], k, None if allowed is None else allowed[part]) for part in parts])


def _top_k(scores: Floats, k: int, allowed: Bools | None) -> Ints:
    keys = _sort_keys(scores, allowed)
    best = np.partition(keys, scores.shape[1] - k, axis=1)[:, -k:]
    best = np.sort(best, axis=1)[:, ::-1]
    return np.where(best >> _COLUMN_BITS == _OUT, -1, _COLUMN_MASK - (best & _COLUMN_MASK))


def best_of(scores: Floats, items: Ints, k: int) -> tuple[Floats, Ints]:
    """The k highest of a few scores (C,) and their items (C,), best first; equal scores in item order, whatever order they come in.

    Examples
    --------
    >>> scores, items = best_of(np.array([1.0, 3.0, 3.0], dtype=np.float32), np.array([4, 9, 7]), 2)
    >>> items.tolist()
    [7, 9]
    """
    keys = _ordered(scores) << _COLUMN_BITS | _COLUMN_MASK - items
    order = np.argsort(keys)[: -k - 1 : -1]
    return scores[order], items[order]
