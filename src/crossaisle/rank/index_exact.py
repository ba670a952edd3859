"""Exact search in a whole catalogue, fast: nearly all scores in int8, the few that matter in float32.

Imports: index_codes, index_rows, topk.

A query's k best are found in four steps. (1) Nearly right scores of all items (`index_codes`). (2) The items are dealt into a few thousand
heaps; the k-th largest of the heaps' best is at most the k-th largest of all, because k items reach it. (3) What lies below that by more
than two scores together can be off is out. (4) What is left, some hundreds, is scored exactly and sorted: first what reaches the bound,
which raises it, then what can still reach it.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Self

import numpy as np
import torch

from crossaisle.rank.index_codes import Codes
from crossaisle.rank.index_rows import Rows, Stored, allowed_rows, checked_items, checked_queries, checked_vectors, padded
from crossaisle.rank.topk import best_of
from crossaisle.schema import Bools, Floats, Ints
from crossaisle.shared import ALONE, Shared

__all__ = ["ExactIndex"]

_TILE = 150_000
"""Scores multiplied at once, so that they stay near the processor."""
_CELLS = 16_000_000
"""Most scores held at once; fewer queries at a time above."""
_CODED_AT_ONCE = 65_536
_HEAPS = 4
"""So many heaps for each item wanted, at least."""


class ExactIndex:
    """The k best of all items by inner product, without a miss; see `contracts.Index`.

    Searching takes no lock and changes nothing; `add` and `remove` must not run beside a search.

    Parameters
    ----------
    vectors : float32 or float16 (N, D)
        Row = item code. Kept as it is, not copied: scores are those of these numbers, added up in float32.
    int8 : bool, optional
        Look through int8 codes first (default: where the processor has units for them); what is found is the same.
    shared : Shared
        Where the codes may be taken from.

    Examples
    --------
    >>> index = ExactIndex(np.array([[1, 0], [0, 1], [1, 1]], np.float32))
    >>> scores, items = index.search(np.array([[2, 1]], np.float32), 2)
    >>> scores.tolist(), items.tolist()
    ([[3.0, 2.0]], [[2, 0]])
    >>> index.remove(np.array([2]))
    >>> index.search(np.array([[2, 1]], np.float32), 3)[1].tolist()
    [[0, 1, -1]]
    """

    def __init__(self, vectors: Stored, *, int8: bool | None = None, shared: Shared = ALONE) -> None:
        self._vectors = Rows(vectors)
        self._codes = Codes.of(vectors, shared, None if int8 is None else not int8)
        self._item_of: Ints = np.arange(len(vectors), dtype=np.int64)
        self._row_of: Ints = np.arange(len(vectors), dtype=np.int64)

    @property
    def n_items(self) -> int:
        """Item codes so far, removed ones among them."""
        return len(self._vectors)

    def __len__(self) -> int:
        """Items that can be found."""
        return len(self._codes)

    @property
    def bytes(self) -> int:
        """What the index keeps beside the vectors that it was given."""
        return self._codes.bytes + self._vectors.own_bytes + self._item_of.nbytes + self._row_of.nbytes

    def vectors(self) -> Floats:
        """float32 (N, D): all that were given and added."""
        return self._vectors.take(np.arange(len(self._vectors)))

    # changing

    def add(self, vectors: Floats) -> Ints:
        """New items; gives their codes, which follow the last one."""
        before = len(self._vectors)
        self._vectors.append(checked_vectors(vectors, self._vectors.dim))
        self._code(before)
        return np.arange(before, len(self._vectors), dtype=np.int64)

    def grown(self, vectors: Stored) -> Self:
        """An index of more items, the first of which are those of this one; this one may be answering meanwhile, and is not changed again.

        Parameters
        ----------
        vectors : (N + M, D)
            Those of this index, and others behind them.
        """
        out = copy.copy(self)
        out._vectors, out._codes = Rows(vectors), copy.copy(self._codes)
        out._code(len(self._vectors))
        return out

    def _code(self, start: int) -> None:
        new = np.arange(start, len(self._vectors), dtype=np.int64)
        rows = len(self._codes) + new - start
        for at in range(0, len(new), _CODED_AT_ONCE):
            part = self._vectors.take(new[at : at + _CODED_AT_ONCE])
            self._codes.append(checked_vectors(part, self._vectors.dim))
        self._item_of = np.concatenate([self._item_of[: rows[0] if len(rows) else None], new])
        self._row_of = np.concatenate([self._row_of, rows])

    def remove(self, items: Ints) -> None:
        """These items are found no more; one that is gone already may be named again.

        Raises
        ------
        IndexError
            If there never was such an item.
        """
        for item in checked_items(items, len(self._vectors)).tolist():
            row = int(self._row_of[item])
            if row >= 0:
                last = self._codes.drop(row)
                moved = self._item_of[last]
                self._item_of[row], self._row_of[moved], self._row_of[item] = moved, row, -1

    # searching

    def search(self, queries: Floats, k: int, among: Bools | None = None) -> tuple[Floats, Ints]:
        """See `contracts.Index.search`."""
        scores, items, _ = self._search(queries, k, among, None)
        return scores, items

    def search_and_sum(self, queries: Floats, k: int, scale: float, among: Bools | None = None) -> tuple[Floats, Ints, Floats]:
        """`search`, and float32 (B,) log sum over all items i of exp(scale * score(i)), in one pass.

        In the sum the best items count with their exact scores and the others with nearly right ones, whose errors level out
        (``benchmarks/service/search.py`` measures what is left). Minus infinity where nothing can be found.
        """
        scores, items, sums = self._search(queries, k, among, scale)
        assert sums is not None
        return scores, items, sums

    def _search(self, queries: Floats, k: int, among: Bools | None, scale: float | None) -> tuple[Floats, Ints, Floats | None]:
        queries = checked_queries(queries, self._vectors.dim, k)
        allowed = allowed_rows(among, len(queries), len(self._vectors))
        at_once = max(1, _CELLS // max(1, len(self)))
        found: list[tuple[Floats, Ints]] = []
        sums = np.full(len(queries), -np.inf, np.float32)
        for a in range(0, len(queries), at_once):
            part = slice(a, a + at_once)
            found += self._some(queries[part], k, None if allowed is None else allowed[part], scale, sums[part])
        return *padded(found, k), None if scale is None else sums

    def _some(self, queries: Floats, k: int, allowed: Bools | None, scale: float | None, sums: Floats) -> list[tuple[Floats, Ints]]:
        """Steps 1 to 4 for a few queries; fills in their sums where a scale is given."""
        n, live = len(self), self._item_of[: len(self)]
        if n == 0:
            return [(np.empty(0, np.float32), np.empty(0, np.int64))] * len(queries)
        asked, steps, off = self._codes.prepare(queries)
        nearly = torch.empty(len(queries), n)
        tile = max(1, _TILE // len(queries))
        for start in range(0, n, tile):
            here = nearly[:, start : start + tile]
            self._codes.scores(asked, here, start, min(start + tile, n))
            if allowed is not None:
                here.masked_fill_(torch.from_numpy(~allowed[:, live[start : start + tile]]), -torch.inf)
        reached, most = _reached(nearly, k)
        out = []
        for b, query in enumerate(queries):
            near = nearly[b].numpy()
            rows, scores = self._best_of(near, query, k, float(steps[b]), float(reached[b]), float(off[b]))
            out.append(best_of(scores, live[rows], k))
            if scale is not None and len(rows):
                sums[b] = _log_sum(near, rows, scores, float(steps[b]), float(most[b]), scale)
        return out

    def _best_of(self, near: Floats, query: Floats, k: int, step: float, reached: float, off: float) -> tuple[Ints, Floats]:
        """Rows that hold the k best of a query, and their exact scores.

        Parameters
        ----------
        near : float32 (R,)
            Nearly right scores, in steps.
        reached : float
            What at least k of them reach, in steps.
        off : float
            How far a score can be off.
        """
        slack = off / step
        rows = np.flatnonzero(near >= np.float32(reached - 2 * slack))
        if reached == -np.inf:
            rows = rows[near[rows] > -np.inf]
            return rows, self._vectors.scores(self._item_of[rows], query)
        # k exact scores are known once these are, and then the others need to be within one error of the k-th, not two
        sure = near[rows] >= np.float32(reached)
        first, rest = rows[sure], rows[~sure]
        scores = self._vectors.scores(self._item_of[first], query)
        kth = np.partition(scores, len(scores) - k)[len(scores) - k]
        rest = rest[near[rest] >= np.float32(kth / step - slack)]
        return np.concatenate([first, rest]), np.concatenate([scores, self._vectors.scores(self._item_of[rest], query)])

    # saving

    def save(self, folder: Path) -> None:
        """Which items are gone; the vectors belong to whoever gave them, and the codes are made anew in a moment."""
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "removed.npy", np.flatnonzero(self._row_of < 0))

    @classmethod
    def load(cls, folder: Path, vectors: Stored) -> Self:
        """The index that was saved, over the same vectors, added ones among them."""
        out = cls(vectors)
        out.remove(np.load(folder / "removed.npy"))
        return out


def _reached(scores: torch.Tensor, k: int) -> tuple[Floats, Floats]:
    """float32 (B,): a bound that at least k of the scores (B, n) reach, minus infinity where there are not k; and the largest, or so."""
    n = scores.shape[1]
    deep = n // (_HEAPS * k)
    if deep < 2:
        best = scores
    else:
        wide = n // deep
        best = scores[:, : deep * wide].reshape(-1, deep, wide).amax(1)  # neighbours in different heaps: they are often alike
    most = best.amax(1).numpy()
    if k > best.shape[1]:
        return np.full(len(scores), -np.inf, np.float32), most
    return best.topk(k, dim=1, sorted=False).values.amin(1).numpy(), most


def _log_sum(near: Floats, rows: Ints, scores: Floats, step: float, most: float, scale: float) -> float:
    """log sum of exp(scale * score) over all rows, those given exact; ``near``, in steps, is used up."""
    unit = scale * step / math.log(2)
    replaced = np.exp2((near[rows].astype(np.float64) - most) * unit).sum()
    known = np.exp2(scores.astype(np.float64) * (scale / math.log(2)) - most * unit).sum()
    total = float(torch.from_numpy(near).sub_(most).mul_(unit).exp2_().sum()) - replaced + known
    return math.log(max(total, known)) + most * step * scale
