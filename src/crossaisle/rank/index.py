"""Which search a catalogue gets: exact up to some size, approximate above. Imports: index_approximate, index_exact, index_rows."""

from __future__ import annotations

from crossaisle.contracts import Index
from crossaisle.rank.index_approximate import ApproximateIndex
from crossaisle.rank.index_exact import ExactIndex
from crossaisle.rank.index_rows import Stored
from crossaisle.shared import ALONE, Shared

__all__ = ["EXACT_UP_TO", "choose_index"]

EXACT_UP_TO = 200_000
"""Most items that are searched exactly by default; see ``benchmarks/service/search.py`` for what both cost."""


def choose_index(vectors: Stored, *, exact_up_to: int = EXACT_UP_TO, seed: int = 0, shared: Shared = ALONE) -> Index:
    """An index over vectors (N, D), float32 or float16, which are kept as they are; ``shared``: where an exact one may take its codes from.

    Raises
    ------
    MissingExtra
        If the catalogue is larger than ``exact_up_to`` and faiss is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> type(choose_index(np.eye(3, dtype=np.float32))).__name__
    'ExactIndex'
    """
    return ExactIndex(vectors, shared=shared) if len(vectors) <= exact_up_to else ApproximateIndex(vectors, seed=seed)
