"""Text-kNN: items whose texts are like those of the history. Imports: text_space, matrices, tuning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np

from crossaisle.baselines.matrices import finish, fitted, popularity_share
from crossaisle.baselines.text_space import TextSpace
from crossaisle.baselines.tuning import Tunable, mean_ndcg
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries, hold_out_last
from crossaisle.schema import Floats, Ints

__all__ = ["TextKNN", "WordKNN"]


class TextKNN(Tunable):
    """Mean cosine with the decayed history, by language-model vectors or by TF-IDF, whichever does better.

    `fit` compares the two on the newest event of up to `judges` training histories, `tune` on validation questions (N@10, seen items left
    out); `chosen` names the winner. Items need no events: a new one is scored like any other.

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

    def __init__(self, vectors: Floats | None = None, decay: float = 0.6, judges: int = 2000) -> None:
        self.vectors, self.decay, self.judges = vectors, decay, judges
        self.chosen = ""
        self.trial: dict[str, float] = {}
        """N@10 of each kind of text on the judges' newest events, where `fit` had to choose."""
        self._texts: dict[str, TextSpace] | None = None
        self._settled = False

    def fit(self, data: Dataset) -> Self:
        """Read the texts both ways and keep the better.

        Raises
        ------
        ValueError
            If there is not one text vector an item.
        """
        self._popular = popularity_share(data)
        spaces = [] if self.vectors is None else [TextSpace.of_vectors(self.vectors, data, whiten=0.5)]
        self._texts = {space.name: space for space in (*spaces, TextSpace.of_words(data))}
        if not self._settled:
            self.chosen = self._choose(data, list(self._texts))
            self.note = f"reads {self.chosen}"
        return self

    def tune(self, data: Dataset, valid: Queries) -> Self:
        """As `Tunable.tune`; the kind of text is among the options, and stays for later calls of `fit`."""
        super().tune(data, valid)
        self._settled = bool(len(valid))
        return self

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """float32 (B, N) or (B, C), see `contracts.Scorer`."""
        texts = fitted(self._texts, self.name)[self.chosen]
        return finish(texts.likeness(histories, self.decay), self._popular, candidates)

    def _scoring_options(self) -> Iterable[Mapping[str, Any]]:
        return [{"chosen": name, "decay": decay} for name in self._texts or () for decay in (1.0, 0.8, 0.6)]

    def _choose(self, data: Dataset, names: list[str]) -> str:
        able = np.flatnonzero(data.histories.lengths >= 2)
        if len(names) == 1 or not len(able):
            return names[0]
        judges = able[np.unique(np.linspace(0, len(able) - 1, min(self.judges, len(able))).astype(np.int64))]
        few = data.select_users(judges)
        _, questions = hold_out_last(few)
        for self.chosen in names:
            self.trial[self.chosen] = mean_ndcg(self, few, questions)
        return max(names, key=lambda name: self.trial[name])


class WordKNN(TextKNN):
    """Text-kNN by TF-IDF of words alone, to stand beside a `TextKNN` that chose the language model."""

    name = "word-knn"

    def __init__(self, decay: float = 0.6) -> None:
        super().__init__(None, decay)
