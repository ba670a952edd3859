"""Text-kNN: items whose texts are like those of the history. Imports: text_space, matrices."""

from __future__ import annotations

from typing import Self

import numpy as np

from crossaisle.baselines.matrices import finish, fitted, popularity_share
from crossaisle.baselines.text_space import TextSpace
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.schema import Floats, Ints

__all__ = ["TextKNN"]


class TextKNN:
    """Mean cosine with the decayed history, by language-model vectors or by TF-IDF, whichever does better.

    The two are compared on the newest event of up to `judges` training histories (N@10 over all items, seen ones left out); `chosen`
    names the winner. Items need no events: a new one is scored like any other.

    Parameters
    ----------
    vectors : float32 (N, D), optional
        Text vectors, one an item of the data that is fitted; without them TF-IDF it is.
    decay : float
        Weight of a history's event against the one after it.
    judges : int
        Histories that decide.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset()
    >>> knn = TextKNN(vectors=np.zeros((80, 4), dtype=np.float32)).fit(data)
    >>> knn.chosen
    'TF-IDF of words'
    """

    name = "text-knn"

    def __init__(self, vectors: Floats | None = None, decay: float = 0.7, judges: int = 2000) -> None:
        self.vectors, self.decay, self.judges = vectors, decay, judges
        self.chosen = ""
        self.trial: dict[str, float] = {}
        """N@10 of each kind of text on the judges' newest events."""
        self._texts: TextSpace | None = None

    def fit(self, data: Dataset) -> Self:
        """Read the texts both ways and keep the better.

        Raises
        ------
        ValueError
            If there is not one text vector an item.
        """
        self._popular = popularity_share(data)
        spaces = [TextSpace.of_words(data)]
        if self.vectors is not None:
            spaces.insert(0, TextSpace.of_vectors(self.vectors, data, whiten=0.5))
        self.trial = {space.name: self._judge(space, data.histories) for space in spaces} if len(spaces) > 1 else {}
        self._texts = max(spaces, key=lambda space: self.trial.get(space.name, 0.0))
        self.chosen = self._texts.name
        return self

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """float32 (B, N) or (B, C), see `contracts.Scorer`."""
        return finish(fitted(self._texts, self.name).likeness(histories, self.decay), self._popular, candidates)

    def _judge(self, space: TextSpace, histories: Histories) -> float:
        """Mean N@10 of the newest event of histories that have two or more."""
        able = np.flatnonzero(histories.lengths >= 2)
        judges = histories[able[np.linspace(0, len(able) - 1, min(self.judges, len(able))).astype(np.int64)]]
        gains = []
        for start in range(0, len(judges), 256):
            batch = judges[slice(start, start + 256)]
            newest = batch.items[batch.offsets[1:] - 1]
            known = batch.keep(~np.isin(np.arange(len(batch.items)), batch.offsets[1:] - 1))
            scores = space.likeness(known, self.decay)
            aim = scores[np.arange(len(batch)), newest].copy()
            scores[known.owners, known.items] = -np.inf
            above = (scores > aim[:, None]).sum(axis=1)
            level = (scores == aim[:, None]).sum(axis=1) - 1
            rank = above + level / 2  # items level with the target: half of them stand before it
            gains.append(np.where(rank < 10, 1.0 / np.log2(rank + 2.0), 0.0))
        return float(np.concatenate(gains).mean()) if gains else 0.0
