"""The contract of each role, as Protocols. Imports: schema, data.histories, data.dataset.

Each contract has one test suite in ``crossaisle.testing`` that every implementation passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.schema import Floats, Ints

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ImageReader", "Progress", "Scorer", "TextReader"]

Progress = Callable[[str, int, int, str], None]
"""``progress(stage, done, total, note)``: called by long work; whoever listens draws the bar."""


@runtime_checkable
class TextReader(Protocol):
    """Turns texts into vectors with a pretrained language model."""

    name: str
    """What the user calls it, for example ``minilm``."""
    fingerprint: str
    """Changes whenever the same text would give another vector (weights, pooling, length, prefix)."""
    dim: int

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Floats:
        """float32 (len(texts), dim), in the order given; an empty text is read like any other."""
        ...


@runtime_checkable
class ImageReader(Protocol):
    """Turns pictures into vectors with a pretrained image model."""

    name: str
    """What the user calls it, for example ``efficientnet-lite0``."""
    fingerprint: str
    """Changes whenever the same picture would give another vector (weights, size, preparation)."""
    dim: int
    side: int
    """Pixels a side that the model reads."""

    def prepare(self, picture: Image) -> Floats:
        """float32 (3, side, side): an RGB picture of any size as the model reads it."""
        ...

    def vectors(self, prepared: Floats) -> Floats:
        """float32 (B, dim) of prepared pictures, float32 (B, 3, side, side)."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """Anything that ranks: the network and every baseline."""

    name: str

    def fit(self, data: Dataset) -> Self:
        """Learn from ``data.histories``; returns itself."""
        ...

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """Scores, higher is better; items already seen are scored like any other (leaving them out is rank's business).

        Parameters
        ----------
        histories : Histories
            B histories; they need not belong to users of the training data; a history may be empty.
        candidates : int64 (C,), optional
            Score only these item codes; all N items if not given.

        Returns
        -------
        float32 (B, C) or (B, N)
            Finite values. A single call equals the same rows of a batch call.
        """
        ...
