"""The best of a blend without asking every part about every item. Imports: scorer, parts.

Over a large catalogue most of a blend's time goes into comparing all items to order the few that matter. Here an index finds the items that
the network likes best, those that people went on to and those of most events join them, and only these are asked of every part. They get
the score that `BlendScorer.score` gives them, but for two estimates, both over one sample of items: the network's log-normaliser, of what
is not among its best, and the deviation by which the likeness of words is standardised.

Inside an aisle that a history does not touch the cross-aisle ridge would have to see the whole aisle. Its order is left out here.
"""

from __future__ import annotations

import copy
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
_SAME = 1.1
"""Up to so many times the items, what was estimated of them still holds."""

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

    def __init__(self, scorer: BlendScorer, index: Index, pool: int, seed: int = 0) -> None:
        if not supported(scorer):
            raise ValueError(f"a blend of {', '.join(scorer.near.names)}; expected a softmax and parts among {', '.join(sorted(_KNOWN))}")
        if index.n_items != len(scorer.counts):
            raise ValueError(f"an index of {index.n_items} items for {len(scorer.counts)}; expected one of the same items")
        self.scorer, self.index, self.pool, self._n = scorer, index, pool, len(scorer.counts)
        self._weigh()
        self._sample = np.sort(np.random.default_rng(seed).choice(self._n, size=min(self._n, _SAMPLE), replace=False))
        self._vectors = scorer.item_vectors()
        self._sampled = np.ascontiguousarray(self._vectors[self._sample].T)  # few rows times this is twice as fast so
        self._estimated = self._n
        self._moments = {name: self._moments_of(name) for name in self._others if name != "markov"}

    def grown(self, scorer: BlendScorer, index: Index) -> QuickBlend:
        """The same of a scorer that `BlendScorer.grown` made, and an index of its items; estimates stay while few items have joined."""
        if len(scorer.counts) > _SAME * self._estimated:
            return QuickBlend(scorer, index, self.pool)
        out = copy.copy(self)
        out.scorer, out.index, out._n, out._vectors = scorer, index, len(scorer.counts), scorer.item_vectors()
        out._weigh()
        return out if out._others == self._others else QuickBlend(scorer, index, self.pool)

    def _weigh(self) -> None:
        """What each part weighs at each item, and what an item's count adds."""
        scorer, names = self.scorer, self.scorer.near.names
        self._weights = {name: np.ones(self._n, np.float32) for name in names}
        self._offset = np.zeros(self._n, np.float32)
        self._others: list[str] = []
        if not scorer.near.alone:
            each = scorer.near.parts({name: np.ones((1, self._n), np.float32) for name in names}, scorer.counts)
            self._offset = np.ascontiguousarray(each.pop("count"))
            self._weights = {name: np.ascontiguousarray(value[0]) for name, value in each.items()}
            self._others = [name for name in names[1:] if self._weights[name].any()]
        self._lifted = np.argsort(-self._offset, kind="stable")[: _LIFTED if self._offset.any() else 0]

    def _moments_of(self, name: str) -> tuple[Floats, Any]:
        """Mean (D,) of the items, and E[x x'] (D, D) or, of words, a sample of them."""
        space = self.scorer.parts_of().space(name)
        assert space is not None
        items = space.items
        if isinstance(items, np.ndarray):
            return items.mean(axis=0), (items.T @ items) / len(items)
        return np.asarray(items.mean(axis=0), dtype=np.float32).ravel(), items[self._sample]

    def best(self, histories: Histories, states: tuple[Floats, float] | None = None) -> tuple[list[Ints], list[Floats]]:
        """For each of B histories, none of them empty, the items worth looking at, in ascending order, and their scores.

        Parameters
        ----------
        states : (float32 (B, D), float), optional
            What ``scorer.net.states`` gave for these histories, where that is known already.

        Returns
        -------
        items : list of B int64 (P_b,)
        scores : list of B float32 (P_b,)
        """
        ends, scale = states if states is not None else self.scorer.net.states(histories)
        cosines, found = self.index.search(ends, min(self._n, int(_FOUND * self.pool)))
        z = self._normaliser(scale * ends, scale * cosines)
        events = [_Events(histories, b) for b in range(len(histories))]
        steps: list[_Steps] = []
        if "markov" in self._others:
            matrix, decay = self.scorer.parts_of().steps
            scratch = _Scratch(self._n)
            steps = [_Steps(matrix, decay, one, scratch) for one in events]
        first, mark = self._weights[self.scorer.near.names[0]], np.zeros(self._n, bool)
        pools, scores = [], []
        for b, near in enumerate(found):
            went = steps[b].largest() if steps else self._lifted[:0]
            known = int((near >= 0).sum())
            mark[near[:known]] = True
            more = np.concatenate([went, self._lifted])
            more = np.sort(more[~mark[more]])
            more = more[np.diff(more, prepend=-1) > 0]
            mark[near[:known]] = False
            items = np.concatenate([near[:known], more])
            likeness = np.concatenate([cosines[b, :known], self._vectors[more] @ ends[b]])
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
            part: Part = (lambda b, items: steps[b].of(items)) if name == "markov" else self._likeness(name, events)
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
        sampled = states @ self._sampled
        top, least = best[:, :1], best[:, -1:]
        others = sampled < least - _ROUNDING  # the last of the best, rounded otherwise, is not one of the others
        share = (self._n - best.shape[1]) / np.maximum(others.sum(axis=1), 1)
        tail = share * np.where(others, np.exp(sampled - top), 0.0).sum(axis=1)
        return np.asarray(top[:, 0] + np.log(np.exp(best - top).sum(axis=1) + tail), dtype=np.float32)

    def _likeness(self, name: str, events: list[_Events]) -> Part:
        space = self.scorer.parts_of().space(name)
        assert space is not None
        mean, second = self._moments[name]
        values = space.items
        if isinstance(values, np.ndarray):
            asked = [one.weights(TEXT_DECAY, mean=True) @ values[one.items] for one in events]
            means = [float(q @ mean) for q in asked]
            variances = [float(q @ second @ q) - m**2 for q, m in zip(asked, means, strict=True)]
            raw: Part = lambda b, items: values[items] @ asked[b]  # noqa: E731
        else:
            asked = []
            for one in events:
                words, said = _rows(values, one.items, one.weights(TEXT_DECAY, mean=True))
                asked.append(np.bincount(words, said, minlength=values.shape[1]).astype(np.float32))
            means = [float(q @ mean) for q in asked]
            variances = [float((second @ q).var()) for q in asked]
            raw = lambda b, items: _times(values, items, asked[b])  # noqa: E731
        return lambda b, items: np.asarray((raw(b, items) - means[b]) / _deviation(variances[b]), dtype=np.float32)


class _Events:
    """One history's items (T,), oldest first, and what each event counts, see `baselines.matrices.history_matrix`."""

    def __init__(self, histories: Histories, b: int) -> None:
        here = slice(int(histories.offsets[b]), int(histories.offsets[b + 1]))
        self.items = histories.items[here]
        self._base = np.log2(1.0 + histories.weights[here])
        if histories.trust is not None:
            self._base = self._base * histories.trust[here]

    def weights(self, decay: float, mean: bool = False) -> Floats:
        """float32 (T,); with ``mean`` over their sum."""
        out = self._base * decay ** np.arange(len(self.items) - 1, -1, -1)
        return np.asarray(out / max(float(out.sum()), 1e-12) if mean else out, dtype=np.float32)


class _Scratch:
    """A number for each of N items, so that a few of them are summed and looked up without sorting; zero between two uses."""

    def __init__(self, n: int) -> None:
        self.sums, self.places = np.zeros(n), np.empty(n, np.int64)

    def summed(self, items: Ints, values: Floats) -> tuple[Ints, Floats]:
        """Each of the items once, in no order, and float32 sums of its values."""
        np.add.at(self.sums, items, values.astype(np.float64))  # of one type, or it goes number by number
        each = np.arange(len(items))
        self.places[items] = each
        once = items[self.places[items] == each]
        sums = self.sums[once].astype(np.float32)
        self.sums[once] = 0.0
        return once, sums

    def look_up(self, items: Ints, values: Floats, wanted: Ints) -> Floats:
        """float32: the values of the wanted items, zero where there is none."""
        self.sums[items] = values
        found = self.sums[wanted].astype(np.float32)
        self.sums[items] = 0.0
        return found


class _Steps:
    """Where people went on to from one history: items and their sums; standardised over all items."""

    def __init__(self, steps: Any, decay: float, events: _Events, scratch: _Scratch) -> None:
        weights, known = events.weights(decay), events.items < steps.shape[0]  # items that joined later have no steps
        self._scratch, n = scratch, len(scratch.sums)
        self.items, self.sums = scratch.summed(*_rows(steps, events.items[known], weights[known]))
        self._mean = float(self.sums.sum(dtype=np.float64)) / n
        self._deviation = _deviation(float(np.square(self.sums, dtype=np.float64).sum()) / n - self._mean**2)

    def largest(self) -> Ints:
        """The items that people went on to most, at most `_STEPS`."""
        return self.items if len(self.items) <= _STEPS else self.items[np.argpartition(-self.sums, _STEPS - 1)[:_STEPS]]

    def of(self, items: Ints) -> Floats:
        """float32 (P,)."""
        raw = self._scratch.look_up(self.items, self.sums, items)
        return np.asarray((raw - self._mean) / self._deviation, dtype=np.float32)


def _flat(matrix: Any, rows: Ints) -> tuple[Ints, Ints]:
    """Where the entries of some rows of a csr matrix lie, end to end, and how many each row has."""
    starts = matrix.indptr[rows].astype(np.int64)
    lengths = matrix.indptr[rows + 1].astype(np.int64) - starts
    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(starts - ends + lengths, lengths), lengths


def _rows(matrix: Any, rows: Ints, weights: Floats) -> tuple[Ints, Floats]:
    """Columns and weighted values of some rows, end to end: what scipy would take a dozen matrices for."""
    flat, lengths = _flat(matrix, rows)
    return matrix.indices[flat].astype(np.int64), matrix.data[flat] * np.repeat(weights, lengths)


def _times(matrix: Any, rows: Ints, vector: Floats) -> Floats:
    """float32 (R,): some rows times a vector."""
    flat, lengths = _flat(matrix, rows)
    owners = np.repeat(np.arange(len(rows)), lengths)
    return np.bincount(owners, matrix.data[flat] * vector[matrix.indices[flat]], minlength=len(rows)).astype(np.float32)


def _deviation(variance: float) -> float:
    """Its root, or 1 where nothing varies; as `blend.parts.standardised` divides."""
    deviation = float(np.sqrt(max(variance, 0.0)))
    return deviation if deviation > 1e-12 else 1.0
