"""The contract of each role, as Protocols. Imports: schema, data.histories, data.dataset.

Each contract has one test suite in ``crossaisle.testing`` that every implementation passes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.schema import Bools, Floats, Ints

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ImageReader", "Index", "Progress", "Scorer", "TextReader"]

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


@runtime_checkable
class Index(Protocol):
    """Finds the items whose vectors have the largest inner product with a query. Row of a vector = item code, for good.

    Searches may run side by side; a change (`add`, `remove`) must not run beside a search.
    """

    @property
    def n_items(self) -> int:
        """Item codes so far, removed ones among them."""
        ...

    def __len__(self) -> int:
        """Items that can be found."""
        ...

    def search(self, queries: Floats, k: int, among: Bools | None = None) -> tuple[Floats, Ints]:
        """The k best items of each query, best first, equal scores in item order.

        Parameters
        ----------
        queries : float32 (B, D)
            Finite.
        k : int
            At least 1.
        among : bool (N,) or (B, N), optional
            Only these items.

        Returns
        -------
        scores : float32 (B, k)
            Inner products, added up in float32; minus infinity where there are fewer than k items.
        items : int64 (B, k)
            Item codes; -1 where there are fewer. A single call equals the same row of a batch call.

        Raises
        ------
        ValueError
            If k is below 1, the width is not D, or a value is not finite.
        """
        ...

    def add(self, vectors: Floats) -> Ints:
        """New items, float32 (n, D), found from the next search on; gives their codes, which follow the last one."""
        ...

    def grown(self, vectors: Floats) -> Self:
        """An index of the same items and more; this one may be answering meanwhile, and is not changed again.

        Parameters
        ----------
        vectors : float32 (N + M, D)
            Those of this index first.
        """
        ...

    def remove(self, items: Ints) -> None:
        """These items are found no more; naming one again does no harm. IndexError if there never was such an item."""
        ...

    def save(self, folder: Path) -> None:
        """What cannot be made anew in a moment from the vectors; ``load(folder, vectors)`` of the class gives the same index."""
        ...
