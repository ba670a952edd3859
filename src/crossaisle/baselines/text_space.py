"""How alike items are by their texts: language-model vectors or TF-IDF bags behind one call. Imports: matrices."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import scipy.sparse as sp

from crossaisle.baselines.matrices import history_matrix
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.encode.spread import Spread
from crossaisle.encode.words import Vocabulary
from crossaisle.schema import Floats, Ints

__all__ = ["TextSpace"]

_UNIT = 1e-6
"""A length that differs from 1 by no more is 1."""


class TextSpace:
    """N items as unit vectors, dense or sparse.

    Parameters
    ----------
    vectors : float32 (N, D) or csr (N, V)
        Scaled to unit length here, and not copied where all rows have it; a row of zeros stays one and is like nothing.
    name : str
        What they are, for the report.

    Examples
    --------
    >>> from crossaisle.data.histories import Histories
    >>> space = TextSpace(np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 4.0]], dtype=np.float32), "toy")
    >>> space.likeness(Histories.from_lists([[1], []])).round(1).astype(float).round(1).tolist()
    [[0.0, 1.0, 0.8], [0.0, 0.0, 0.0]]
    """

    def __init__(self, vectors: Any, name: str) -> None:
        norms = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel() if sp.issparse(vectors) else (vectors**2).sum(axis=1))
        scale = (1.0 / np.maximum(norms, 1e-12)).astype(np.float32)
        self.name = name
        self._items: Any
        if sp.issparse(vectors):
            self._items = (sp.diags(scale) @ vectors).tocsr()
        elif vectors.dtype == np.float32 and (np.abs(norms[norms > 0] - 1.0) < _UNIT).all():
            self._items = vectors
        else:
            self._items = np.asarray(vectors * scale[:, None], dtype=np.float32)

    @classmethod
    def of_words(cls, data: Dataset) -> TextSpace:
        """TF-IDF of the words, word pairs, brands and category nodes of ``data.items``."""
        return cls(Vocabulary.fit(data.items).bags(data.items), "TF-IDF of words")

    @classmethod
    def of_vectors(cls, vectors: Floats, data: Dataset, whiten: float | None = None) -> TextSpace:
        """Vectors that a language model read, one a row of ``data.items``.

        Parameters
        ----------
        vectors : float32 (N, D)
        data : Dataset
        whiten : float, optional
            None: as they are. Otherwise centred, and each principal direction divided by its standard deviation to this power:
            0 only centres, 1 makes all directions equal. Language models put all texts into a narrow cone; this opens it.

        Raises
        ------
        ValueError
            If there is not one vector an item.
        """
        if len(vectors) != data.n_items:
            raise ValueError(f"{len(vectors)} text vectors for {data.n_items} items; expected one an item")
        return cls(
            vectors if whiten is None else Spread.fit(vectors, whiten)(vectors, np.ones(len(vectors), dtype=bool)), "language-model vectors"
        )

    def followed_by(self, vectors: Any, whole: Any = None) -> TextSpace:
        """These items and others (M, D or V) behind them; ``whole``: float32 (N + M, D) that holds both, where they are dense."""
        more, out = TextSpace(vectors, self.name)._items, copy.copy(self)
        if whole is None:
            whole = sp.vstack([self._items, more], format="csr") if sp.issparse(more) else np.vstack([self._items, more])
        out._items = whole
        return out

    @property
    def items(self) -> Any:
        """float32 (N, D) or csr (N, V): the items, each of length 1 or zero."""
        return self._items

    def asked(self, histories: Histories, decay: float = 1.0, newest: int | None = None) -> Any:
        """float32 (B, D) or csr (B, V): the mean item of each history, zeros for an empty one; events weighted as `history_matrix` does."""
        x = history_matrix(histories, self._items.shape[0], decay, newest)
        total = np.maximum(np.asarray(x.sum(axis=1)).ravel(), 1e-12)
        return sp.diags((1.0 / total).astype(np.float32)) @ x @ self._items

    def cosines(self, rows: Ints) -> Floats:
        """float32 (R, N): the cosine of some items with every item."""
        found = self._items[rows] @ self._items.T
        return np.asarray(found.toarray() if sp.issparse(found) else found, dtype=np.float32)

    def likeness(self, histories: Histories, decay: float = 1.0, newest: int | None = None) -> Floats:
        """float32 (B, N): mean cosine of each item with the events of each history, 0 for an empty one.

        Events are weighted as `history_matrix` does.
        """
        asked = self.asked(histories, decay, newest)
        if not sp.issparse(asked):
            return np.asarray(asked @ self._items.T, dtype=np.float32)
        # a common word makes the result dense: sparse items times dense questions is several times faster than sparse times sparse
        out = np.empty((len(histories), self._items.shape[0]), dtype=np.float32)
        for start in range(0, len(out), 128):
            out[start : start + 128] = (self._items @ asked[start : start + 128].toarray().T).T
        return out
