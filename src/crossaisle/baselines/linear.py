"""Baselines whose score is linear in the history: item-kNN, Markov, and what EASE shares with them. Imports: matrices, tuning."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from crossaisle.baselines.matrices import finish, fitted, history_matrix, item_to_item, keep_top, popularity_share
from crossaisle.baselines.tuning import Tunable
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.schema import Floats, Ints

__all__ = ["ItemKNN", "LinearScorer", "Markov"]


class LinearScorer:
    """Scores ``x W``: x the history with decayed events, W (N, N) what the subclass learned, dense or sparse."""

    name = "linear"
    decay = 1.0

    def __init__(self) -> None:
        self._weights: Any = None
        self._popular: Floats = np.zeros(0, dtype=np.float32)

    @property
    def weights(self) -> Any:
        """W (N, N), dense or csr: what an event with the row's item says for the column's."""
        return fitted(self._weights, self.name)

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """float32 (B, N) or (B, C), see `contracts.Scorer`."""
        weights = self.weights
        return finish(history_matrix(histories, weights.shape[0], self.decay) @ weights, self._popular, candidates)


class ItemKNN(Tunable, LinearScorer):
    """Cosine between items over the users who have both; users with long histories are damped.

    W_ij = sum_u x_ui x_uj / sqrt(len u) / (sqrt(n_i n_j) + shrink), the `neighbours` largest of each item kept
    (Sarwar et al. 2001, with the user weight of Deshpande and Karypis 2004).

    Parameters
    ----------
    neighbours : int
        Kept of each item.
    shrink : float
        Added to the denominator: pairs seen once or twice weigh less.
    decay : float
        Weight of a history's event against the one after it.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset()
    >>> ItemKNN().fit(data).score(data.histories[:2], candidates=np.array([3, 5])).shape
    (2, 2)
    """

    name = "item-knn"
    scoring_options = tuple({"decay": decay} for decay in (1.0, 0.9, 0.8, 0.6))

    def __init__(self, neighbours: int = 200, shrink: float = 10.0, decay: float = 0.8) -> None:
        super().__init__()
        self.neighbours, self.shrink, self.decay = neighbours, shrink, decay

    def fit(self, data: Dataset) -> Self:
        """Count, normalise, keep the nearest."""
        self._popular = popularity_share(data)
        x = history_matrix(data.histories, data.n_items)
        damped = (sp.diags((1.0 / np.sqrt(np.maximum(data.histories.lengths, 1))).astype(np.float32)) @ x).tocsr()
        roots = np.sqrt(np.maximum(np.asarray(damped.sum(axis=0)).ravel(), 1e-12)).astype(np.float32)
        self._weights = item_to_item(damped, x, self.neighbours, roots, self.shrink)
        return self


class Markov(LinearScorer):
    """Steps from one item to those soon after it, whoever took them.

    An item g places later counts ``fade ** (g - 1)``, up to `window` places; a step backwards counts `reverse` of it; every
    count is over the roots of its row's and its column's sum.

    Parameters
    ----------
    window : int
    fade : float
        Weight of a step over g places against one over g - 1.
    reverse : float
        Weight of a step taken backwards.
    decay : float
        Weight of a history's event against the one after it.
    neighbours : int
        Kept of each item.

    Examples
    --------
    >>> from crossaisle.data.histories import Histories
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset(n_users=1).with_histories(Histories.from_lists([[4, 7, 9]]))
    >>> Markov().fit(data).score(Histories.from_lists([[7]]))[0].argsort()[::-1][:2].tolist()
    [9, 4]
    """

    name = "markov"

    def __init__(self, window: int = 5, fade: float = 0.6, reverse: float = 0.5, decay: float = 0.6, neighbours: int = 500) -> None:
        super().__init__()
        self.window, self.fade, self.reverse, self.decay, self.neighbours = window, fade, reverse, decay, neighbours

    def fit(self, data: Dataset) -> Self:
        """Count steps, normalise."""
        h, n = data.histories, data.n_items
        self._popular = popularity_share(data)
        steps = sp.csr_matrix((n, n), dtype=np.float32)
        for gap in range(1, self.window + 1):
            same = h.owners[gap:] == h.owners[:-gap]
            a, b = h.items[:-gap][same], h.items[gap:][same]
            weight = np.full(len(a), self.fade ** (gap - 1), dtype=np.float32)
            if h.trust is not None:
                weight *= h.trust[gap:][same]
            steps = steps + sp.csr_matrix((weight, (a, b)), shape=(n, n))
        steps = (steps + self.reverse * steps.T).tocsr()
        rows, cols = np.asarray(steps.sum(axis=1)).ravel(), np.asarray(steps.sum(axis=0)).ravel()
        m = steps.tocoo()
        m.data = m.data / np.sqrt(rows[m.row] * cols[m.col])
        self._weights = keep_top(m.tocsr().astype(np.float32), self.neighbours)
        return self
