"""The exact k best of each row, ties by item order. Imports: nothing of its own room."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossaisle.schema import Bools, Floats, Ints

__all__ = ["top_k"]

_COLUMN_BITS = 32
_COLUMN_MASK = (1 << _COLUMN_BITS) - 1
_OUT = np.iinfo(np.int64).min


def _sort_keys(scores: Floats, allowed: Bools | None) -> npt.NDArray[np.int64]:
    """int64 (B, C): larger is better; the high half orders the scores, the low half prefers the lower column."""
    scores = np.ascontiguousarray(scores, dtype=np.float32) + np.float32(0.0)  # -0.0 becomes 0.0, or two zeros would not tie
    bits = scores.view(np.int32)
    # IEEE floats sort as sign and magnitude; flipping the magnitude of negatives makes them sort as plain integers
    ordered = np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64)
    keys = (ordered << _COLUMN_BITS) | (_COLUMN_MASK - np.arange(scores.shape[1], dtype=np.int64))
    if allowed is not None:
        keys[~allowed] = _OUT
    return keys


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
    keys = _sort_keys(scores, allowed)
    best = np.partition(keys, width - k, axis=1)[:, width - k :] if k < width else keys
    best = np.sort(best, axis=1)[:, ::-1]
    return np.where(best == _OUT, -1, _COLUMN_MASK - (best & _COLUMN_MASK))
