"""The best of a blend without asking every part about every item. Imports: scorer, parts.

Over a large catalogue most of a blend's time goes into comparing parts with all items to order the few that matter. Here the network is
asked about all of them, because it orders most, and the others only about its best and about the items that people went on to. Those get
the score that `BlendScorer.score` gives them, but for one estimate: a part is standardised by its mean and deviation over all items, and
the deviation of the words' likeness is taken over a sample.

Inside an aisle that a history does not touch, the cross-aisle ridge has to see the whole aisle: `QuickBlend.beyond` has the best of those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from crossaisle.blend.parts import TEXT_DECAY
from crossaisle.blend.scorer import BlendScorer
from crossaisle.data.histories import Histories
from crossaisle.schema import Floats, Ints

__all__ = ["QuickBlend", "supported"]

_KNOWN = {"markov", "word-knn", "text-knn"}
_SAMPLE = 4_096
"""Items over which the words' deviation, and the level that the network's best exceed, are estimated."""
_STEPS = 100
"""At most so many items that people went on to."""

Part = Callable[[int, Ints], Floats]
"""``part(b, items)``: float32 (P,), the standardised scores of some items for history b."""


def supported(scorer: BlendScorer) -> bool:
    """Whether the parts of a blend can be asked about some items only."""
    return set(scorer.near.names[1:]) <= _KNOWN and scorer.net.biases is None


class QuickBlend:
    """See the file's first lines.

    Parameters
    ----------
    scorer : BlendScorer
        Fitted; the parts that join its network are among markov, word-knn and text-knn.
    pool : int
        About so many of the network's best are looked at by the other parts.
    seed : int
        Of the sample.

    Raises
    ------
    ValueError
        If the blend has other parts.
    """

    def __init__(self, scorer: BlendScorer, pool: int = 400, seed: int = 0) -> None:
        if not supported(scorer):
            raise ValueError(f"a blend of {', '.join(scorer.near.names)}; expected parts among {', '.join(sorted(_KNOWN))}")
        self.scorer, self.pool, self._n = scorer, pool, len(scorer.counts)
        first, *others = scorer.near.names
        self._weights = {name: np.ones(self._n, np.float32) for name in scorer.near.names}
        self._offset = np.zeros(self._n, np.float32)
        if not scorer.near.alone:
            each = scorer.near.parts({name: np.ones((1, self._n), np.float32) for name in scorer.near.names}, scorer.counts)
            self._offset = np.ascontiguousarray(each.pop("count"))
            self._weights = {name: np.ascontiguousarray(value[0]) for name, value in each.items()}
        self._others = [] if scorer.near.alone else [name for name in others if self._weights[name].any()]
        sample = np.random.default_rng(seed).choice(self._n, size=min(self._n, _SAMPLE), replace=False)
        self._sample = np.sort(sample)
        self._first = torch.from_numpy(self._weights[first]), torch.from_numpy(self._offset), torch.from_numpy(self._sample)
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
        base, pools = self._network(histories)
        parts = self._others_of(histories, pools)
        scores = []
        for b, items in enumerate(pools):
            total = base[b, items]
            for name, part in parts.items():
                total += self._weights[name][items] * part(b, items)
            scores.append(total)
        return pools, scores

    def _network(self, histories: Histories) -> tuple[Floats, list[Ints]]:
        """(B, N): what the network and the counts add; and which items are about the ``pool`` best by that."""
        weight, offset, sample = self._first
        with torch.inference_mode():
            logits = self.scorer.net.logits(histories).cpu()
            z = torch.logsumexp(logits, 1, keepdim=True)
            base = torch.addcmul(offset, logits.sub_(z), weight)
            rank = max(1, round(len(sample) * min(1.0, self.pool / self._n)))
            least = base[:, sample].topk(rank, dim=1).values[:, -1].numpy()
        out: Floats = base.numpy()
        return out, [np.flatnonzero(row >= level) for row, level in zip(out, least, strict=True)]

    def _others_of(self, histories: Histories, pools: list[Ints]) -> dict[str, Part]:
        """Each part that joins the network, ready to be asked; items that people went on to join the pools."""
        parts: dict[str, Part] = {}
        for name in self._others:
            if name == "markov":
                parts[name] = self._steps(histories, pools)
            else:
                parts[name] = self._likeness(name, histories)
        return parts

    def _steps(self, histories: Histories, pools: list[Ints]) -> Part:
        reached = self.scorer.parts_of().steps_of(histories, self._n).tocsr()
        rows = [slice(reached.indptr[b], reached.indptr[b + 1]) for b in range(len(histories))]
        total = np.array([reached.data[r].sum() for r in rows]) / self._n
        squares = np.array([np.square(reached.data[r]).sum() for r in rows]) / self._n
        deviation = np.sqrt(np.maximum(squares - total**2, 0.0))
        deviation[deviation <= 1e-12] = 1.0
        for b, row in enumerate(rows):
            values, columns = reached.data[row], reached.indices[row]
            most = columns if len(values) <= _STEPS else columns[np.argpartition(-values, _STEPS - 1)[:_STEPS]]
            pools[b] = np.union1d(pools[b], most.astype(np.int64))
        dense = np.zeros(self._n, np.float32)

        def part(b: int, items: Ints) -> Floats:
            columns = reached.indices[rows[b]]
            dense[columns] = reached.data[rows[b]]
            raw = dense[items]
            dense[columns] = 0.0
            return np.asarray((raw - total[b]) / deviation[b], dtype=np.float32)

        return part

    def _likeness(self, name: str, histories: Histories) -> Part:
        space = self.scorer.parts_of().space(name)
        assert space is not None
        asked, (mean, second) = space.asked(histories, TEXT_DECAY), self._moments[name]
        if isinstance(asked, np.ndarray):
            means = asked @ mean
            squares = ((asked @ second) * asked).sum(1)
            values = space.items
            ask: Part = lambda b, items: values[items] @ asked[b]  # noqa: E731
        else:
            dense = asked.toarray()
            means = dense @ mean
            found = second @ dense.T
            squares = np.square(found).mean(axis=0) - np.square(found.mean(axis=0)) + means**2
            ask = lambda b, items: space.items[items] @ dense[b]  # noqa: E731
        deviation = np.sqrt(np.maximum(squares - means**2, 0.0))
        deviation[deviation <= 1e-12] = 1.0
        return lambda b, items: np.asarray((ask(b, items) - means[b]) / deviation[b], dtype=np.float32)
