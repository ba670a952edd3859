"""Popularity of the items with the nearest words. Imports: matrices, text_space, tuning."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch

from crossaisle.baselines.matrices import finish, fitted, popularity_share
from crossaisle.baselines.text_space import TextSpace
from crossaisle.baselines.tuning import Tunable
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.schema import Floats, Ints

__all__ = ["WordPopularity"]

_ROWS = 512


class WordPopularity(Tunable):
    """How often the items with the nearest words were taken: what a shop knows of a new item, or a new aisle, before anybody buys there.

    score(i) = sum over the ``neighbours`` items j with events that are nearest to i by TF-IDF of cos(i, j) c_j, over the sum of those cos.
    Everybody with a history gets the same; an item near to nothing scores 0.

    Parameters
    ----------
    neighbours : int
        An item with events is its own nearest one.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset()
    >>> scores = WordPopularity(neighbours=5).fit(data).score(data.histories[:2])
    >>> scores.shape, bool((scores[0] == scores[1]).all())
    ((2, 80), True)
    """

    name = "word-popularity"
    learning_options = ({"neighbours": 5}, {"neighbours": 20}, {"neighbours": 100})

    def __init__(self, neighbours: int = 20) -> None:
        self.neighbours = neighbours
        self._scores: Floats | None = None

    def fit(self, data: Dataset) -> Self:
        """Find each item's neighbours and count their events."""
        self._popular = popularity_share(data)
        space, counts = TextSpace.of_words(data), data.item_counts
        known = np.flatnonzero(counts > 0)
        k = min(self.neighbours, len(known))
        out = np.zeros(data.n_items, dtype=np.float32)
        for start in range(0, data.n_items if k else 0, _ROWS):
            rows = np.arange(start, min(start + _ROWS, data.n_items))
            near = torch.from_numpy(space.cosines(rows)[:, known]).topk(k, dim=1)
            cosines, taken = near.values.numpy(), counts[known[near.indices.numpy()]]
            out[rows] = (cosines * taken).sum(axis=1) / np.maximum(cosines.sum(axis=1), 1e-12)
        self._scores = out
        return self

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """float32 (B, N) or (B, C), see `contracts.Scorer`."""
        scores = fitted(self._scores, self.name)
        return finish(scores * (histories.lengths > 0)[:, None], self._popular, candidates)
