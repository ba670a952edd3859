"""Vectors that grow while others read the first of them, and exact scores of a few. Imports: schema."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from crossaisle.schema import Bools, Floats, Ints

__all__ = ["Rows", "allowed_rows", "checked_items", "checked_queries", "checked_vectors", "padded"]

Stored = npt.NDArray[np.float32] | npt.NDArray[np.float16]


class Rows:
    """N vectors: a base that is read and never written, so that processes may share it, and a tail of one's own.

    Parameters
    ----------
    base : float32 or float16 (n, D)
        Kept as it is, not copied; what is added later has the same type.

    Examples
    --------
    >>> rows = Rows(np.eye(2, dtype=np.float32))
    >>> rows.append(np.array([[3.0, 4.0]], np.float32))
    >>> len(rows), rows.scores(np.array([2, 0]), np.array([1.0, 1.0], np.float32)).tolist()
    (3, [7.0, 1.0])
    """

    def __init__(self, base: Stored) -> None:
        self._base, self._tail, self._more = base, base[:0], 0

    def __len__(self) -> int:
        return len(self._base) + self._more

    @property
    def dim(self) -> int:
        """D."""
        return int(self._base.shape[1])

    @property
    def own_bytes(self) -> int:
        """What the tail takes; the base belongs to whoever gave it."""
        return int(self._tail.nbytes)

    def append(self, vectors: Floats) -> None:
        """Add vectors (n, D) to the tail, whose room doubles when it is full."""
        need = self._more + len(vectors)
        if need > len(self._tail):
            room = np.empty((max(64, 2 * need), self.dim), self._base.dtype)
            room[: self._more] = self._tail[: self._more]
            self._tail = room
        self._tail[self._more : need] = vectors
        self._more = need

    def take(self, items: Ints) -> Floats:
        """float32 (C, D)."""
        n = len(self._base)
        if self._more == 0:
            found: Any = np.take(self._base, items, axis=0)
        else:
            found = np.empty((len(items), self.dim), self._base.dtype)
            old = items < n
            found[old] = self._base[items[old]]
            found[~old] = self._tail[items[~old] - n]
        # torch has the instruction for float16, numpy goes number by number
        out: Floats = torch.from_numpy(found).float().numpy()
        return out

    def scores(self, items: Ints, query: Floats) -> Floats:
        """float32 (C,): inner products; that of one item does not depend on which others are asked for, so equal vectors tie."""
        out: Floats = np.einsum("cd,d->c", self.take(items), query)
        return out


def padded(found: list[tuple[Floats, Ints]], k: int) -> tuple[Floats, Ints]:
    """float32 and int64 (B, k): lists of at most k, filled with minus infinity and -1."""
    scores, items = np.full((len(found), k), -np.inf, np.float32), np.full((len(found), k), -1, np.int64)
    for b, (s, i) in enumerate(found):
        scores[b, : len(s)], items[b, : len(i)] = s, i
    return scores, items


def checked_vectors(vectors: Floats, dim: int) -> Floats:
    """float32 (n, D), contiguous.

    Raises
    ------
    ValueError
        If the width is another one, or a value is not finite.
    """
    out = np.ascontiguousarray(vectors, dtype=np.float32)
    if out.ndim != 2 or out.shape[1] != dim:
        raise ValueError(f"vectors of shape {vectors.shape}; expected (n, {dim})")
    if not np.isfinite(out).all():
        raise ValueError("a vector holds NaN or infinity; expected finite values")
    return out


def checked_queries(queries: Floats, dim: int, k: int) -> Floats:
    """Queries as `checked_vectors` has them, with k looked at too."""
    if k < 1:
        raise ValueError(f"k is {k}; expected at least 1")
    return checked_vectors(queries, dim)


def allowed_rows(among: Bools | None, n_queries: int, n_items: int) -> Bools | None:
    """bool (B, N), without a copy where all queries share one row; None where every item may be found.

    Raises
    ------
    ValueError
        If ``among`` is neither (N,) nor (B, N).
    """
    if among is None:
        return None
    if among.shape not in ((n_items,), (n_queries, n_items)):
        raise ValueError(f"among has shape {among.shape}; expected ({n_items},) or ({n_queries}, {n_items})")
    return np.broadcast_to(among, (n_queries, n_items))


def checked_items(items: Ints, n_items: int) -> Ints:
    """int64 (n,): item codes.

    Raises
    ------
    IndexError
        If there never was such an item.
    """
    out: Ints = np.asarray(items, dtype=np.int64)
    if len(out) and (out.min() < 0 or out.max() >= n_items):
        raise IndexError(f"items {out.min()} to {out.max()}; expected codes from 0 to {n_items - 1}")
    return out
