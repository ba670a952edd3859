"""Arms: the same questions answered by models that may know some of the aisles. Imports nothing of its own room.

An arm is a set of aisles: one alone, a pair, or all. Its model sees the items of these aisles and what was done with them, nothing else.
All arms make the same number of passes, and as many steps in a pass as the arm with everything: the size of a step shrinks with the arm's
share of the events, so a row of an aisle is learned from equally often, in equally many steps, whoever it stands beside. Where negatives
are sampled, the sample shrinks with the arm's share of the items.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crossaisle.contracts import Progress, Scorer
from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Queries, Split
from crossaisle.metrics import ndcg
from crossaisle.presets import AllSettings
from crossaisle.rank.topk import top_k
from crossaisle.schema import Bools, Ints

__all__ = ["GRID", "Arm", "Grid", "MakeModel", "Outcome", "cut", "learnable", "matched", "quality", "run_arm"]

Values = npt.NDArray[np.float64]
Grid = Mapping[str, Sequence[str]]
MakeModel = Callable[[AllSettings], Scorer]
"""An unfitted model whose ``fit`` takes ``valid`` and ``progress``."""

GRID: Grid = {"train.id_weight_decay": ("0.3", "3")}
"""What every arm chooses from by its own validation questions: how strongly id vectors are held down is the setting that the amount of
data decides most (dev/LOG.md)."""

K = 10
_BATCH = 512


@dataclass(frozen=True, eq=False)
class Arm:
    """What a model of some aisles may know, and what it is asked.

    Attributes
    ----------
    aisles : tuple of str
    train : Dataset
        All users; the items of these aisles only, with codes of their own.
    valid, test : Queries
        The questions asked in these aisles, histories restricted to them.
    valid_rows, test_rows : int64
        Which of the split's questions these are.
    """

    aisles: tuple[str, ...]
    train: Dataset
    valid: Queries
    test: Queries
    valid_rows: Ints
    test_rows: Ints


def cut(split: Split, aisles: Sequence[str]) -> Arm:
    """The split as a model of these aisles sees it."""
    data = split.train
    inside = np.isin(data.item_categories, [data.categories.index(name) for name in aisles])
    train = data.select_items(inside)
    places = np.full(len(data.categories), -1, dtype=np.int64)
    for place, name in enumerate(train.categories):
        places[data.categories.index(name)] = place
    valid, valid_rows = _questions(split.valid, places, inside)
    test, test_rows = _questions(split.test, places, inside)
    return Arm(tuple(aisles), train, valid, test, valid_rows, test_rows)


def _questions(queries: Queries, places: Ints, inside: Bools) -> tuple[Queries, Ints]:
    rows = np.flatnonzero(places[queries.aisles] >= 0)
    q = queries[rows]
    return Queries(q.users, q.histories.of_items(inside), q.targets.of_items(inside), places[q.aisles], q.times), rows


def learnable(data: Dataset) -> int:
    """Events that are predicted once in a pass: all but the first of each history."""
    return int(np.maximum(data.histories.lengths - 1, 0).sum())


def matched(settings: AllSettings, share: float, items: int, of_items: int) -> AllSettings:
    """Settings for an arm: as many steps in a pass as all events take, and as dense a sample of negatives.

    Parameters
    ----------
    share : float
        The arm's share of the learnable events.
    items, of_items : int
        Items of the arm, and of the arm with everything. Where that one samples negatives, an arm samples the same share of its items:
        otherwise it would meet more negatives of an aisle in a step.

    Examples
    --------
    >>> s = AllSettings().changed({"train.negatives": "1000"})
    >>> small = matched(s, 0.25, items=100, of_items=5000).train
    >>> s.train.tokens_per_step, small.tokens_per_step, small.negatives
    (2048, 512, 20)
    """
    width, negatives = settings.model.window, settings.train.negatives_of(of_items)
    rows = max(1, round(max(1, settings.train.tokens_per_step // width) * share))
    own = max(1, round(negatives * items / of_items)) if negatives else 0
    return settings.changed({"train.tokens_per_step": str(rows * width), "train.negatives": str(own)})


def quality(scorer: Scorer, queries: Queries, item_categories: Ints) -> Values:
    """float64 (Q,): N@10 among the items of the question's aisle that its history does not hold."""
    out = np.zeros(len(queries))
    for start in range(0, len(queries), _BATCH):
        part = queries[start : start + _BATCH]
        allowed = item_categories[None, :] == part.aisles[:, None]
        allowed[part.histories.owners, part.histories.items] = False
        out[start : start + _BATCH] = ndcg(top_k(scorer.score(part.histories), K, allowed), part.targets, K)
    return out


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an arm's models answered.

    Attributes
    ----------
    chosen : dict
        The settings that did best on the first seed's validation questions.
    tried : list of (settings, N@10 on validation)
    valid, test : float64 (S, Q)
        N@10 of each seed and question, in the order of ``valid_rows`` and ``test_rows``; NaN is never in it.
    tokens_per_step, negatives, epochs, minutes, parameters
        What it took: places in a step, negatives sampled in it (0: every item is one), passes until the best one (one figure a seed),
        minutes in all, size of one model.
    """

    arm: Arm
    chosen: dict[str, str]
    tried: list[tuple[dict[str, str], float]]
    valid: Values
    test: Values
    tokens_per_step: int
    negatives: int
    epochs: list[int]
    minutes: float
    parameters: int


def run_arm(
    arm: Arm,
    settings: AllSettings,
    whole: Dataset,
    seeds: Sequence[int],
    grid: Grid,
    make: MakeModel,
    tell: Callable[[str], None],
    progress: Progress | None = None,
) -> Outcome:
    """Fit one model for each point of the grid, keep the best on validation, ask it the test; then the other seeds with its settings.

    At most two models are held at a time. ``whole`` is what the arm with everything learns from; ``tell`` is called before each fit.
    """
    clock, share = time.perf_counter(), learnable(arm.train) / learnable(whole)
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]

    def fitted(point: Mapping[str, str], seed: int) -> tuple[Scorer, Values]:
        tell(", ".join([*arm.aisles[:2], *(["..."] if len(arm.aisles) > 2 else []), *(f"{k}={v}" for k, v in point.items())]))
        scorer = make(matched(settings.changed({**point, "seed": str(seed)}), share, arm.train.n_items, whole.n_items))
        fit: Callable[..., Any] = scorer.fit
        fit(arm.train, valid=arm.valid, progress=progress)
        return scorer, quality(scorer, arm.valid, arm.train.item_categories)

    best, on_valid = fitted(points[0], seeds[0])
    chosen, tried = points[0], [(points[0], float(on_valid.mean()))]
    for point in points[1:]:
        scorer, values = fitted(point, seeds[0])
        tried.append((point, float(values.mean())))
        if values.mean() > on_valid.mean():
            best, on_valid, chosen = scorer, values, point
        del scorer
    valid, test, epochs = [on_valid], [quality(best, arm.test, arm.train.item_categories)], [_epoch(best)]
    parameters = _parameters(best)
    for seed in seeds[1:]:
        del best
        best, on_valid = fitted(chosen, seed)
        valid.append(on_valid)
        test.append(quality(best, arm.test, arm.train.item_categories))
        epochs.append(_epoch(best))
    own = matched(settings.changed(chosen), share, arm.train.n_items, whole.n_items).train
    minutes = (time.perf_counter() - clock) / 60
    return Outcome(arm, chosen, tried, np.array(valid), np.array(test), own.tokens_per_step, own.negatives, epochs, minutes, parameters)


def _epoch(scorer: Scorer) -> int:
    return int(getattr(getattr(scorer, "selection", None), "best_epoch", 0))


def _parameters(scorer: Scorer) -> int:
    network = getattr(scorer, "network", None)
    return 0 if network is None else sum(p.numel() for p in network.parameters())
