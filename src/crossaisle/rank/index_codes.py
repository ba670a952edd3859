"""All scores of a catalogue, nearly: int8 codes and how far their products can be off. Imports: index_rows.

With q = the query, v = an item, q^ and v^ what their codes stand for, Cauchy and Schwarz give

    |q v - q^ v^| <= |q - q^| |v^| + |q| |v - v^|

so whatever lies further below the k-th best than twice that is not among the k best: the rest is scored exactly, and nothing is lost.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch

from crossaisle.rank.index_rows import Stored, checked_vectors
from crossaisle.schema import Floats, Ints
from crossaisle.shared import Shared, claim

__all__ = ["Codes", "has_int8_units"]

_TOP = 127
_NARROW = 8
_AT_ONCE = 65_536
"""Vectors that are coded together."""
_ROUNDING = 1e-6
"""Of float32, as a share of the lengths."""


@lru_cache(maxsize=1)
def has_int8_units() -> bool:
    """Whether the processor multiplies int8 matrices exactly and in hardware; without the units it may saturate or go number by number."""
    ask = getattr(torch.cpu, "get_capabilities", None)
    flags = ask() if ask is not None else {}
    if not any(flags.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8")) or not hasattr(torch, "_int_mm"):
        return False
    most = torch.full((2, 128), _TOP, dtype=torch.int8)
    found = torch._int_mm(most, torch.cat([most, -most]).T)
    return found.tolist() == [[128 * _TOP**2] * 2 + [-128 * _TOP**2] * 2] * 2


class Codes:
    """Codes of R vectors in rows without gaps; a row that is dropped is taken by the last one.

    Parameters
    ----------
    dim : int
        D.
    exact : bool
        Keep float32 rows in place of int8 codes, for a processor without int8 units.
    """

    def __init__(self, dim: int, exact: bool | None = None) -> None:
        # torch's int8 product of vectors with one dimension is wrong, and narrow ones gain nothing
        self.exact = dim < _NARROW or (not has_int8_units() if exact is None else exact)
        self._rows = torch.empty((0, dim), dtype=torch.float32 if self.exact else torch.int8)
        self._steps = torch.empty(0)
        self._n = 0
        self._taken = [0]  # rows that are in use; known to copies, which share the rows, so that no two write to the same place
        self._length, self._error = 0.0, 0.0

    @classmethod
    def of(cls, vectors: Stored, shared: Shared, exact: bool | None = None) -> Codes:
        """Codes of vectors (N, D), made here or by another process."""
        dim, n, made = vectors.shape[1], len(vectors), list[Codes]()

        def coded() -> Codes:
            if not made:
                made.append(cls(dim, exact))
                for at in range(0, n, _AT_ONCE):
                    part: Any = vectors[at : at + _AT_ONCE]
                    made[0].append(checked_vectors(part, dim))
            return made[0]

        if shared.folder is None:
            return coded()
        out = cls(dim, exact)
        rows = shared.rows("index-rows", n, lambda: coded()._rows[:n].numpy())
        steps = shared.rows("index-steps", n, lambda: coded()._steps[:n].numpy())
        ends = shared.rows("index-bounds", 2, lambda: np.array([coded()._length, coded()._error]))
        out._rows, out._steps = torch.from_numpy(rows.whole), torch.from_numpy(steps.whole)
        out._n = out._taken[0] = n
        out._length, out._error = (float(x) for x in ends.rows)
        return out

    def __len__(self) -> int:
        return self._n

    @property
    def bytes(self) -> int:
        """What the codes take."""
        return self._rows.nbytes + self._steps.nbytes

    def append(self, vectors: Floats) -> None:
        """Code more vectors (n, D)."""
        need = self._n + len(vectors)
        if need > len(self._rows) or not claim(self._taken, self._n, need):
            room = need if self._n == 0 else max(64, need + need // 8)
            self._taken = [need]
            self._rows, self._steps = _grown(self._rows, self._n, room), _grown(self._steps, self._n, room)
        rows, steps, length, error = self._coded(torch.from_numpy(vectors))
        self._rows[self._n : need], self._steps[self._n : need] = rows, steps
        self._length, self._error, self._n = max(self._length, length), max(self._error, error), need

    def drop(self, row: int) -> int:
        """Forget a row; gives the row whose content now stands there, the last one."""
        last = self._n - 1
        self._rows[row], self._steps[row] = self._rows[last].clone(), self._steps[last].clone()
        self._n = self._taken[0] = last
        return last

    def _coded(self, vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float, float]:
        """Rows, the step of each, and the largest length of what they stand for and of what they are off."""
        if self.exact or not len(vectors):
            length = float(vectors.norm(dim=1).max()) if len(vectors) else 0.0
            return vectors.to(self._rows.dtype), torch.ones(len(vectors)), length, 0.0
        steps = (vectors.abs().amax(1) / _TOP).clamp_min(1e-30)
        rows = (vectors / steps[:, None]).round()
        means = rows * steps[:, None]
        error = float((vectors - means).norm(dim=1).max())
        return rows.to(torch.int8), steps, float(means.norm(dim=1).max()), error

    def prepare(self, queries: Floats) -> tuple[torch.Tensor, torch.Tensor, Floats]:
        """Queries (B, D) for `scores`: their rows, the step of each, and float32 (B,) how far a score can be off."""
        asked = torch.from_numpy(queries)
        lengths = asked.norm(dim=1)
        if self.exact:
            # a sum of D products, each rounded, in whatever order
            off = lengths * self._length * (asked.shape[1] * 2.0**-23)
            return asked, torch.ones(len(asked)), (off + _ROUNDING).numpy()
        steps = (asked.abs().amax(1) / _TOP).clamp_min(1e-30)
        rows = (asked / steps[:, None]).round()
        missed = (asked - rows * steps[:, None]).norm(dim=1)
        off = missed * self._length + lengths * self._error + _ROUNDING * lengths * self._length
        return rows.to(torch.int8), steps, off.numpy()

    def scores(self, asked: torch.Tensor, out: torch.Tensor, start: int, stop: int) -> None:
        """Put the scores of rows start to stop, in steps of each query, into float32 (B, stop - start)."""
        rows = self._rows[start:stop].T
        if self.exact:
            torch.mm(asked, rows, out=out)
        else:
            torch.mul(torch._int_mm(asked, rows), self._steps[start:stop], out=out)

    def snapshot(self) -> Ints:
        """For tests: the coded rows."""
        return self._rows[: self._n].numpy().astype(np.int64)


def _grown(old: torch.Tensor, n: int, room: int) -> torch.Tensor:
    new = torch.empty((room, *old.shape[1:]), dtype=old.dtype)
    new[:n] = old[:n]
    return new
