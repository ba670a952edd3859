"""Where the graph of categories leads, and what is popular there. Imports: matrices, tuning."""

from __future__ import annotations

from typing import Self

import numpy as np

from crossaisle.baselines.matrices import finish, fitted, popularity_share
from crossaisle.baselines.tuning import Tunable
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.graph.settings import GraphSettings
from crossaisle.schema import Floats, Ints

__all__ = ["GraphPopularity"]


class GraphPopularity(Tunable):
    """Category graph times popularity: score(i | h) = sum over categories c of P(c | h) * P(i | c).

    Each item lies in one category of a level, so the sum has one term. P(c | h) is `CategoryGraph.next_nodes`, P(i | c) the item's
    share of the category's events. An empty history gets plain popularity; an item without a category its share of all events.

    Parameters
    ----------
    level : int
        Of the category path, from 1 (the aisles); the deepest there is where the data has fewer.
    decay : float
        Weight of a history's event against the one after it.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset()
    >>> GraphPopularity().fit(data).score(data.histories[:2]).shape
    (2, 80)
    """

    name = "graph-popularity"
    learning_options = ({"level": 1}, {"level": 2}, {"level": 3})
    scoring_options = tuple({"decay": decay} for decay in (1.0, 0.8, 0.6))

    def __init__(self, level: int = 2, decay: float = 1.0) -> None:
        self.level, self.decay = level, decay
        self._graph: CategoryGraph | None = None

    def fit(self, data: Dataset) -> Self:
        """Count the categories' transitions and the items' events.

        Raises
        ------
        RequestError
            If no item has a category.
        """
        self._graph = CategoryGraph.of(data, GraphSettings(levels=self.level), edges=False)
        self._popular = popularity_share(data)
        self._nodes = self._graph.views[-1].item_nodes
        counts = data.item_counts.astype(np.float64)
        in_node = np.bincount(self._nodes + 1, weights=counts)
        in_node[0] = counts.sum()  # an item without a category
        self._share = (counts / np.maximum(in_node[self._nodes + 1], 1.0)).astype(np.float32)
        return self

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """float32 (B, N) or (B, C), see `contracts.Scorer`."""
        graph = fitted(self._graph, self.name)
        chances = graph.next_nodes(histories, graph.levels, self.decay)
        chances = np.concatenate([chances, np.ones((len(histories), 1), dtype=np.float32)], axis=1)  # node -1: no category
        return finish(chances[:, self._nodes] * self._share, self._popular, candidates)
