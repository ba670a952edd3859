"""The best of a blend without asking every part about every item. Imports: scorer, parts.

Over a large catalogue most of a blend's time goes into comparing all items to order the few that matter. Here an index finds the items that
the network likes best, those that people went on to and those of most events join them, and only these are asked of every part. They get
the score that `BlendScorer.score` gives them, but for two estimates, both over one sample of items: the network's log-normaliser, of what
is not among its best, and the deviation by which the likeness of words is standardised.

Inside an aisle that a history does not touch the cross-aisle ridge would have to see the whole aisle. Its order is left out here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from crossaisle.blend.parts import TEXT_DECAY
from crossaisle.blend.scorer import BlendScorer
from crossaisle.contracts import Index
from crossaisle.data.histories import Histories
from crossaisle.schema import Floats, Ints

__all__ = ["QuickBlend", "supported"]

_KNOWN = {"markov", "word-knn", "text-knn"}
_SAMPLE = 4_096
"""Items over which is estimated what needs all of them."""
_FOUND = 1.5
"""So many times the pool is looked for among the network's best: what the count of its events is worth may lift an item over others."""
_STEPS = 50
"""At most so many items that people went on to."""
_LIFTED = 100
"""At most so many items that their count lifts most."""

_ROUNDING = 1e-4

Part = Callable[[int, Ints], Floats]
"""``part(b, items)``: float32 (P,), the standardised scores of some items for history b."""


def supported(scorer: BlendScorer) -> bool:
    """Whether the parts of a blend can be asked about some items only, and its network is one softmax over all items."""
    return set(scorer.near.names[1:]) <= _KNOWN and scorer.net.plain


class QuickBlend:
    """See the file's first lines.

    Parameters
    ----------
    scorer : BlendScorer
        Fitted; the parts that join its network are among markov, word-knn and text-knn.
    index : Index
        Over ``scorer.item_vectors()``.
    pool : int
        About so many items are asked of every part.
    seed : int
        Of the sample.

    Raises
    ------
    ValueError
        If the blend is another one, or the index of other items.
    """

    def __init__(self, scorer: BlendScorer, index: Index, pool: int = 300, seed: int = 0) -> None:
        if not supported(scorer):
            raise ValueError(f"a blend of {', '.join(scorer.near.names)}; expected a softmax and parts among {', '.join(sorted(_KNOWN))}")
        if index.n_items != len(scorer.counts):
            raise ValueError(f"an index of {index.n_items} items for {len(scorer.counts)}; expected one of the same items")
        self.scorer, self.index, self.pool, self._n = scorer, index, pool, len(scorer.counts)
        names = scorer.near.names
        self._weights = {name: np.ones(self._n, np.float32) for name in names}
        self._offset = np.zeros(self._n, np.float32)
        self._others: list[str] = []
        if not scorer.near.alone:
            each = scorer.near.parts({name: np.ones((1, self._n), np.float32) for name in names}, scorer.counts)
            self._offset = np.ascontiguousarray(each.pop("count"))
            self._weights = {name: np.ascontiguousarray(value[0]) for name, value in each.items()}
            self._others = [name for name in names[1:] if self._weights[name].any()]
        self._lifted = np.argsort(-self._offset, kind="stable")[: _LIFTED if self._offset.any() else 0]
        self._sample = np.sort(np.random.default_rng(seed).choice(self._n, size=min(self._n, _SAMPLE), replace=False))
        self._vectors = scorer.item_vectors()
        self._sampled = self._vectors[self._sample]
        self._moments = {name: self._moments_of(name) for name in self._others if name != "markov"}

    def _moments_of(self, name: str) -> tuple[Floats, Any]:
        """Mean (D,) of the items, and E[x x'] (D, D) or, of words, a sample of them."""
        space = self.scorer.parts_of().space(name)
        assert space is not None
        items = space.items
        if isinstance(items, np.ndarray):
            return items.mean(axis=0), (items.T @ items) / len(items)
        return np.asarray(items.mean(axis=0), dtype=np.float32).ravel(), items[self._sample]

    def best(self, histories: Histories) -> tuple[list[Ints], list[Floats]]:
        """For each of B histories, none of them empty, the items worth looking at, in ascending order, and their scores.

        Returns
        -------
        items : list of B int64 (P_b,)
        scores : list of B float32 (P_b,)
        """
        states, scale = self.scorer.net.states(histories)
        cosines, found = self.index.search(states, min(self._n, int(_FOUND * self.pool)))
        z = self._normaliser(scale * states, scale * cosines)
        steps = _Steps(self.scorer.parts_of().steps_of(histories, self._n), self._n) if "markov" in self._others else None
        first, mark = self._weights[self.scorer.near.names[0]], np.zeros(self._n, bool)
        pools, scores = [], []
        for b, near in enumerate(found):
            went = self._lifted[:0] if steps is None else steps.largest(b)
            known = int((near >= 0).sum())
            mark[near[:known]] = True
            more = np.concatenate([went, self._lifted])
            more = np.sort(more[~mark[more]])
            more = more[np.diff(more, prepend=-1) > 0]
            mark[near[:known]] = False
            items = np.concatenate([near[:known], more])
            likeness = np.concatenate([cosines[b, :known], self._vectors[more] @ states[b]])
            total = self._offset[items] + first[items] * (scale * likeness - z[b])
            if len(items) > self.pool:
                mark[went] = True  # these are looked at in any case
                kept = mark[items]
                mark[went] = False
                kept[np.argpartition(-total, self.pool - 1)[: self.pool]] = True
                items, total = items[kept], total[kept]
            order = np.argsort(items)
            pools.append(items[order])
            scores.append(total[order])
        for name in self._others:
            part = steps.part if name == "markov" and steps is not None else self._likeness(name, histories)
            for b, items in enumerate(pools):
                scores[b] += self._weights[name][items] * part(b, items)
        return pools, scores

    def _normaliser(self, states: Floats, best: Floats) -> Floats:
        """float32 (B,): log of the sum of exp over all items, from the best ones (B, M) and a sample of the others.

        Parameters
        ----------
        states : float32 (B, D)
            Times the scale, so that the product with an item is its logit.
        best : float32 (B, M)
            Logits, falling.
        """
        sampled = states @ self._sampled.T
        top, least = best[:, :1], best[:, -1:]
        others = sampled < least - _ROUNDING  # the last of the best, rounded otherwise, is not one of the others
        share = (self._n - best.shape[1]) / np.maximum(others.sum(axis=1), 1)
        tail = share * np.where(others, np.exp(sampled - top), 0.0).sum(axis=1)
        return np.asarray(top[:, 0] + np.log(np.exp(best - top).sum(axis=1) + tail), dtype=np.float32)

    def _likeness(self, name: str, histories: Histories) -> Part:
        space = self.scorer.parts_of().space(name)
        assert space is not None
        asked, (mean, second) = space.asked(histories, TEXT_DECAY), self._moments[name]
        ask: Part
        if isinstance(asked, np.ndarray):
            values = space.items
            means = asked @ mean
            variances = ((asked @ second) * asked).sum(1) - means**2
            ask = lambda b, items: values[items] @ asked[b]  # noqa: E731
        else:
            dense = asked.toarray()
            means = dense @ mean
            variances = (second @ dense.T).var(axis=0)
            ask = lambda b, items: space.items[items] @ dense[b]  # noqa: E731
        return lambda b, items: np.asarray((ask(b, items) - means[b]) / _deviation(variances[b]), dtype=np.float32)


class _Steps:
    """Where people went on to from B histories, csr (B, M): standardised over N items, of which those after the first M have none."""

    def __init__(self, reached: Any, n: int) -> None:
        reached = reached.tocsr()
        self._rows = [slice(*reached.indptr[b : b + 2]) for b in range(reached.shape[0])]
        self._columns: Ints = reached.indices.astype(np.int64)
        self._values: Floats = reached.data
        self._means = [self._values[row].sum() / n for row in self._rows]
        self._variances = [np.square(self._values[row]).sum() / n - mean**2 for row, mean in zip(self._rows, self._means, strict=True)]
        self._dense = np.zeros(n, np.float32)

    def largest(self, b: int) -> Ints:
        """The items that people went on to most, at most `_STEPS`."""
        values, columns = self._values[self._rows[b]], self._columns[self._rows[b]]
        return columns if len(values) <= _STEPS else columns[np.argpartition(-values, _STEPS - 1)[:_STEPS]]

    def part(self, b: int, items: Ints) -> Floats:
        columns = self._columns[self._rows[b]]
        self._dense[columns] = self._values[self._rows[b]]
        raw = self._dense[items]
        self._dense[columns] = 0.0
        return np.asarray((raw - self._means[b]) / _deviation(self._variances[b]), dtype=np.float32)


def _deviation(variance: float) -> float:
    """Its root, or 1 where nothing varies; as `blend.parts.standardised` divides."""
    deviation = float(np.sqrt(max(variance, 0.0)))
    return deviation if deviation > 1e-12 else 1.0
