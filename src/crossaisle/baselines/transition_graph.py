"""The training-free heuristic that shows how far shortcuts go. Imports: matrices, text_space."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from crossaisle.baselines.matrices import Csr, finish, fitted, keep_top, popularity_share
from crossaisle.baselines.text_space import TextSpace
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["TransitionGraph"]

_FLOOR = 8.0
"""Added to candidates' values, which lie between -1 and 1.5, so that groups never overlap."""


class TransitionGraph:
    """A few steps from the last item in the graph of consecutive pairs, ordered by text; nothing is trained.

    After Han et al. 2026 (arXiv:2605.07125), written anew. The first places go to the best items one step from the last item, then to
    items two steps from it, then three (5, 4 and 1 of each). Inside a step an item is worth its mean text likeness to the last three
    items plus half the log count of the ways that lead to it, scaled so that the best known one has 1. After these ten come the other items
    one step away, then all others by likeness. Items that were seen take no place; they are scored with their step.

    Parameters
    ----------
    vectors : float32 (N, D), optional
        Text vectors, one an item of the data that is fitted; TF-IDF of the items' words if not given.
    places : tuple of int
        Places for one step, two steps, ...
    recent : int
        Events whose texts count.
    count_weight : float
        Of the scaled log count.
    branches : int
        Edges kept of each item, and items kept between two steps: bounds the work where everything is connected.

    Examples
    --------
    >>> from crossaisle.data.histories import Histories
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset(n_users=2).with_histories(Histories.from_lists([[4, 7, 9], [7, 9]]))
    >>> TransitionGraph().fit(data).score(Histories.from_lists([[4]]))[0].argsort()[::-1][:2].tolist()
    [7, 9]
    """

    name = "transition-graph"

    def __init__(
        self,
        vectors: Floats | None = None,
        places: tuple[int, ...] = (5, 4, 1),
        recent: int = 3,
        count_weight: float = 0.5,
        branches: int = 500,
    ) -> None:
        self.vectors, self.places, self.recent, self.count_weight, self.branches = vectors, places, recent, count_weight, branches
        self._graph: Any = None

    def fit(self, data: Dataset) -> Self:
        """Count consecutive pairs.

        Raises
        ------
        ValueError
            If there is not one text vector an item.
        """
        self._texts = TextSpace.of_words(data) if self.vectors is None else TextSpace.of_vectors(self.vectors, data)
        self._popular = popularity_share(data)
        h, n = data.histories, data.n_items
        step = (h.owners[1:] == h.owners[:-1]) & (h.items[1:] != h.items[:-1])
        pairs = (h.items[:-1][step], h.items[1:][step])
        graph = sp.csr_matrix((np.ones(len(pairs[0]), dtype=np.float32), pairs), shape=(n, n))
        graph.sum_duplicates()
        self._graph = keep_top(graph, self.branches)
        return self

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """float32 (B, N) or (B, C), see `contracts.Scorer`."""
        graph: Csr = fitted(self._graph, self.name)
        likeness = self._texts.likeness(histories, newest=self.recent)
        asked = np.flatnonzero(histories.lengths)
        seen = np.zeros(likeness.shape, dtype=bool)
        seen[histories.owners, histories.items] = True
        out, taken = likeness.copy(), np.zeros_like(seen)
        starts = histories.items[histories.offsets[1:][asked] - 1]
        ways = sp.csr_matrix((np.ones(len(asked), dtype=np.float32), (asked, starts)), shape=likeness.shape)
        for step, places in enumerate(self.places):
            ways = keep_top((ways @ graph).tocsr(), self.branches) if step else (ways @ graph).tocsr()
            self._place(out, likeness, ways, seen, taken, places, floor=_FLOOR * (len(self.places) - step), first=step == 0)
        return finish(out, self._popular, candidates)

    def _place(self, out: Floats, likeness: Floats, ways: Csr, seen: Bools, taken: Bools, places: int, floor: float, first: bool) -> None:
        """Raise the best items of one step above `floor`; every item of the step is taken then."""
        cells = ways.tocoo()
        new = ~taken[cells.row, cells.col]
        rows, cols, logs = cells.row[new], cells.col[new], np.log1p(cells.data[new])
        best = np.zeros(len(out), dtype=np.float32)
        np.maximum.at(best, rows, logs)
        values = likeness[rows, cols] + self.count_weight * logs / best[rows]
        taken[rows, cols] = True
        if first:
            out[rows, cols] = values + _FLOOR / 2
        old = seen[rows, cols]
        out[rows[old], cols[old]] = values[old] + floor
        # keep_top wants positive values: cells of a sparse matrix that are 0 would vanish
        fresh = sp.csr_matrix((values[~old] + floor, (rows[~old], cols[~old])), shape=out.shape)
        top = keep_top(fresh, places).tocoo()
        out[top.row, top.col] = top.data
