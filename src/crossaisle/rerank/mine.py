"""What a second look is trained on: the newest events, which the retriever that mines has not been trained on. Imports: settings.

The retriever's list for an event that it was trained on has that event at its head, and a re-ranker that learns from such lists learns
that the head is right. So lists are made by a retriever fitted without the newest event of each history, and that event is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crossaisle.contracts import Progress, Scorer
from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries
from crossaisle.data.split_parts import at_most
from crossaisle.rerank.settings import RerankSettings
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["Mined", "best", "draw_lists", "mine", "parted"]

_SKIPPED = 4
"""The retriever's first ranks are no wrong answers: what a person would also have taken stands there."""
_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class Mined:
    """Q questions with the head of the retriever's list.

    Attributes
    ----------
    histories : Histories
        Q histories: what was known before the event asked about.
    targets : int64 (Q,)
        The item of that event.
    top : int64 (Q, D)
        The retriever's best items that are not in the history, best first; -1 where there are no more.
    scores : float32 (Q, D)
        Its scores; 0 where there is no item.
    """

    histories: Histories
    targets: Ints
    top: Ints
    scores: Floats

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, which: Ints) -> Mined:
        """The chosen questions, in the order asked for."""
        return Mined(self.histories[which], self.targets[which], self.top[which], self.scores[which])

    @property
    def there(self) -> Bools:
        """bool (Q, D): places that hold an item."""
        return np.asarray(self.top >= 0, dtype=np.bool_)

    @property
    def hits(self) -> Bools:
        """bool (Q, D): the place of the target, if the list holds it."""
        return np.asarray(self.top == self.targets[:, None], dtype=np.bool_)


def mine(scorer: Scorer, asked: Queries, settings: RerankSettings, seed: int, progress: Progress | None = None, most: int = 0) -> Mined:
    """The head of the list of questions about the whole catalogue.

    Parameters
    ----------
    scorer : Scorer
        Fitted without the targets of ``asked``.
    asked : Queries
        Questions about one aisle, and those whose targets are all in the history, are left out; of several targets the first counts.
    most : int
        Questions drawn at most; 0: as many as training, choosing and reporting take.
    """
    asked = asked[np.flatnonzero(asked.aisles < 0)].unseen()
    asked = asked[at_most(np.arange(len(asked)), most or settings.people + 2 * settings.judges, seed)]
    tops, scores = [], []
    for start in range(0, len(asked), _AT_ONCE):
        part = asked.histories[start : start + _AT_ONCE]
        top, score = best(scorer.score(part), part, settings.depth)
        tops.append(top)
        scores.append(score)
        if progress is not None:
            progress("lists for the second look", min(start + _AT_ONCE, len(asked)), len(asked), "")
    targets = asked.targets.items[asked.targets.offsets[:-1]]
    none = np.zeros((0, settings.depth))
    return Mined(
        asked.histories,
        targets,
        np.concatenate([none.astype(np.int64)] + [_wide(t, settings.depth, -1) for t in tops]),
        np.concatenate([none.astype(np.float32)] + [_wide(s, settings.depth, 0) for s in scores]),
    )


def _wide(table: Any, width: int, fill: int) -> Any:
    return np.pad(table, [(0, 0), (0, width - table.shape[1])], constant_values=fill)


def best(scores: Floats, histories: Histories, depth: int) -> tuple[Ints, Floats]:
    """Items (-1 where none is left) and scores (0 there) of the ``depth`` best that are not in the history; ties in item order.

    Examples
    --------
    >>> best(np.array([[1.0, 3.0, 2.0]], dtype=np.float32), Histories.from_lists([[1]]), 3)[0].tolist()
    [[2, 0, -1]]
    """
    masked = scores.copy()
    masked[histories.owners, histories.items] = -np.inf
    k = min(depth, masked.shape[1])
    some = np.sort(np.argpartition(-masked, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(-np.take_along_axis(masked, some, axis=1), axis=1, kind="stable")
    top = np.take_along_axis(some, order, axis=1).astype(np.int64)
    found = np.take_along_axis(masked, top, axis=1)
    return np.where(np.isfinite(found), top, -1), np.where(np.isfinite(found), found, 0).astype(np.float32)


def parted(mined: Mined, settings: RerankSettings, seed: int) -> tuple[Ints, Ints, Ints]:
    """Row numbers of the people to train on, to choose by and to report by: nobody is in two of them.

    Examples
    --------
    >>> m = Mined(Histories.from_lists([[0]] * 8), np.ones(8, np.int64), np.ones((8, 2), np.int64), np.zeros((8, 2), np.float32))
    >>> [len(part) for part in parted(m, RerankSettings(), seed=0)]
    [4, 2, 2]
    """
    order = np.random.default_rng([seed, 1]).permutation(len(mined))
    n = min(settings.judges, len(mined) // 4)
    return np.sort(order[2 * n :][: settings.people]), np.sort(order[:n]), np.sort(order[n : 2 * n])


def draw_lists(mined: Mined, item_aisles: Ints, negatives: int, seed: int) -> Ints:
    """int64 (Q, 1 + M): the target, then the wrong candidates: half of them hard, from rank 5 on, half random of the target's aisle.

    Where the list or the aisle has too few, the rest comes from anywhere in the catalogue. Nothing stands twice in a row, and nothing
    of the history.

    Raises
    ------
    ValueError
        If the catalogue is too small for so many different candidates.
    """
    rng = np.random.default_rng([seed, 2])
    members = [np.flatnonzero(item_aisles == aisle) for aisle in range(int(item_aisles.max(initial=-1)) + 1)]
    out = np.empty((len(mined), 1 + negatives), dtype=np.int64)
    for row, (history, target, top) in enumerate(zip(mined.histories.rows(), mined.targets.tolist(), mined.top, strict=True)):
        taken = {target, *history.tolist()}
        if len(item_aisles) - len(taken) < negatives:
            raise ValueError(f"{len(item_aisles)} items for {negatives} wrong candidates beside {len(taken)}; expected more items")
        wrong = _take(rng.permutation(top[_SKIPPED:]), negatives // 2, taken)
        wrong += _random(rng, members[item_aisles[target]], negatives - len(wrong), taken)
        while len(wrong) < negatives:
            wrong += _take(rng.integers(len(item_aisles), size=negatives), negatives - len(wrong), taken)
        out[row] = [target, *wrong]
    return out


def _random(rng: np.random.Generator, pool: Ints, n: int, taken: set[int]) -> list[int]:
    """n of the pool that are not taken, or all of them; a few draws at a time, since pools are large."""
    if len(pool) <= 4 * (n + len(taken)):
        return _take(rng.permutation(pool), n, taken)
    out: list[int] = []
    while len(out) < n:
        out += _take(pool[rng.integers(len(pool), size=2 * n)], n - len(out), taken)
    return out


def _take(items: Ints, n: int, taken: set[int]) -> list[int]:
    out: list[int] = []
    for item in items.tolist():
        if len(out) == n:
            break
        if item >= 0 and item not in taken:
            taken.add(item)
            out.append(item)
    return out
