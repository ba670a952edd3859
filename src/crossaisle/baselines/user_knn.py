"""User-kNN: what the most similar histories hold. Imports: matrices, tuning."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from crossaisle.baselines.matrices import Csr, finish, fitted, history_matrix, keep_top, popularity_share
from crossaisle.baselines.tuning import Tunable
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.schema import Floats, Ints

__all__ = ["UserKNN"]


class UserKNN(Tunable):
    """Cosine between histories whose items are weighted by idf; the nearest vote for their items.

    score_i = sum over the `neighbours` nearest training users v of cos(x, v)^sharpness * x_vi. The history asked for is decayed, theirs
    are not. A training user who asks is among the own neighbours, which changes nothing for unseen items.

    Parameters
    ----------
    neighbours : int
    decay : float
        Weight of a history's event against the one after it.
    sharpness : float
        Above 1, near neighbours count more than proportionally.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset()
    >>> UserKNN(neighbours=20).fit(data).score(data.histories[:2]).shape
    (2, 80)
    """

    name = "user-knn"
    scoring_options = tuple({"decay": decay} for decay in (1.0, 0.9, 0.8, 0.6))

    def __init__(self, neighbours: int = 200, decay: float = 0.8, sharpness: float = 1.0) -> None:
        self.neighbours, self.decay, self.sharpness = neighbours, decay, sharpness
        self._users: Any = None

    def fit(self, data: Dataset) -> Self:
        """Keep the histories, weighted and scaled to unit length."""
        counts = data.item_counts
        self._popular = popularity_share(data)
        self._idf = np.log1p(data.n_users / np.maximum(counts, 1)).astype(np.float32)
        self._bags = history_matrix(data.histories, data.n_items)
        self._users = self._unit(self._bags).T.tocsr()
        return self

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """float32 (B, N) or (B, C), see `contracts.Scorer`."""
        users = fitted(self._users, self.name)
        asked = self._unit(history_matrix(histories, len(self._popular), self.decay))
        near = keep_top((asked @ users).tocsr(), self.neighbours)
        near.data **= self.sharpness
        return finish(near @ self._bags, self._popular, candidates)

    def _unit(self, x: Csr) -> Csr:
        weighted = (x @ sp.diags(self._idf)).tocsr()
        norms = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
        return (sp.diags((1.0 / np.maximum(norms, 1e-12)).astype(np.float32)) @ weighted).tocsr()
