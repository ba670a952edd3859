"""From scores to a list: at most so many of an aisle, and as unlike each other as asked. Imports: topk."""

from __future__ import annotations

import numpy as np

from crossaisle.rank.topk import top_k
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["slate", "unit_rows"]

_SPREAD = 10
"""With diversity, a list of k is chosen out of the 10 k best."""
_CELLS = 16_000_000
"""Most float32 values of item vectors held at once while a list is made unlike itself."""


def unit_rows(vectors: Floats) -> Floats:
    """Rows of length 1; a row of zeros stays zeros (it is like nothing)."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    out: Floats = np.divide(vectors, norms, out=np.zeros_like(vectors, dtype=np.float32), where=norms > 0).astype(np.float32)
    return out


def slate(
    scores: Floats,
    k: int,
    *,
    groups: Ints,
    allowed: Bools | None = None,
    max_per_group: int | None = None,
    diversity: float = 0.0,
    vectors: Floats | None = None,
) -> Ints:
    """Choose k columns of each row.

    Parameters
    ----------
    scores : float32 (B, C)
        Finite, higher is better.
    k : int
        Length of the list.
    groups : int64 (C,)
        The aisle of each column.
    allowed : bool (B, C), optional
        Where False, the column is left out.
    max_per_group : int, optional
        At most so many columns of one group.
    diversity : float
        0: the best scores. Up to 1: each place goes to the item with the largest
        ``(1 - diversity) * score - diversity * (greatest cosine to an item already in the list)``, scores scaled to 0..1 over the
        row's pool: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998, with lambda = 1 - diversity). The first place
        always goes to the best score.
    vectors : float32 (C, D)
        Item vectors of unit length or zeros (`unit_rows`); needed where ``diversity > 0``.

    Returns
    -------
    int64 (B, at most k)
        Columns in list order, -1 where a row has no more to give.

    Examples
    --------
    >>> scores = np.array([[4.0, 3.0, 2.0, 1.0]], dtype=np.float32)
    >>> slate(scores, 2, groups=np.array([0, 0, 1, 1]), max_per_group=1).tolist()
    [[0, 2]]
    """
    spread = _SPREAD if diversity > 0 else 1
    if max_per_group is None:
        pool = top_k(scores, spread * k, allowed)
    else:
        pool = _pool_by_group(scores, spread * k, groups, allowed, spread * max_per_group)
    if diversity <= 0:
        return pool
    if vectors is None:
        raise ValueError("diversity needs item vectors; expected vectors (C, D)")
    rows = max(1, _CELLS // max(1, pool.shape[1] * vectors.shape[1]))
    parts = [
        _unlike(scores[a : a + rows], pool[a : a + rows], k, groups, max_per_group, diversity, vectors) for a in range(0, len(pool), rows)
    ]
    return np.concatenate(parts) if parts else pool[:, :k]


def _pool_by_group(scores: Floats, size: int, groups: Ints, allowed: Bools | None, per_group: int) -> Ints:
    """The best ``size`` columns of each row with at most ``per_group`` of one group.

    With ``size = spread * k`` and ``per_group = spread * cap`` the pool spans at least ``k / cap`` groups, enough to fill the list.
    """
    parts = []
    for group in np.unique(groups):
        columns = np.flatnonzero(groups == group)
        best = top_k(scores[:, columns], per_group, None if allowed is None else allowed[:, columns])
        parts.append(np.where(best < 0, -1, columns[best]))
    if not parts:
        return np.full((len(scores), 0), -1, dtype=np.int64)
    # column order inside the pool keeps ties in item order
    pool = np.sort(np.concatenate(parts, axis=1), axis=1)
    kept = top_k(np.take_along_axis(scores, np.maximum(pool, 0), axis=1), size, pool >= 0)
    return np.where(kept < 0, -1, np.take_along_axis(pool, np.maximum(kept, 0), axis=1))


def _unlike(scores: Floats, pool: Ints, k: int, groups: Ints, max_per_group: int | None, diversity: float, vectors: Floats) -> Ints:
    """Greedy maximal marginal relevance inside each row's pool (B, P), all rows at once."""
    n, width = pool.shape
    k = min(k, width)
    out = np.full((n, k), -1, dtype=np.int64)
    if k == 0:
        return out
    columns, rows = np.maximum(pool, 0), np.arange(n)
    relevance = _to_unit_range(np.take_along_axis(scores, columns, axis=1), pool >= 0)
    pool_vectors, pool_groups = vectors[columns], groups[columns]
    closest = np.zeros((n, width), dtype=np.float32)
    free = pool >= 0
    for place in range(k):
        gain = relevance if place == 0 else (1.0 - diversity) * relevance - diversity * closest
        chosen = np.where(free, gain, -np.inf).argmax(axis=1)  # the pool is sorted best first, so a tie goes to the better score
        has = free[rows, chosen]
        out[:, place] = np.where(has, pool[rows, chosen], -1)
        alike = (pool_vectors @ pool_vectors[rows, chosen][:, :, None])[:, :, 0]
        closest = alike if place == 0 else np.maximum(closest, alike)
        free[rows, chosen] = False
        if max_per_group is not None:
            same = pool_groups == pool_groups[rows, chosen][:, None]
            taken = (groups[np.maximum(out[:, : place + 1], 0)] == pool_groups[rows, chosen][:, None]) & (out[:, : place + 1] >= 0)
            free &= ~(same & (taken.sum(axis=1) >= max_per_group)[:, None])
    return out


def _to_unit_range(scores: Floats, there: Bools) -> Floats:
    """Scale each row's scores to 0..1 over the columns that are there; a row of equal scores becomes ones."""
    high = np.where(there, scores, -np.inf).max(axis=1, keepdims=True)
    low = np.where(there, scores, np.inf).min(axis=1, keepdims=True)
    span = high - low
    usable = np.isfinite(span) & (span > 0)
    scaled = np.divide(scores - np.where(usable, low, 0), span, out=np.ones_like(scores), where=usable & there)
    out: Floats = scaled.astype(np.float32)
    return out
