"""How far predicted ratings are from those given, beside biases alone. Imports nothing of its own room."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from crossaisle.contracts import Progress
from crossaisle.data.dataset import Dataset
from crossaisle.data.split import leave_one_out
from crossaisle.errors import TableError
from crossaisle.presets import AllSettings
from crossaisle.schema import Floats
from crossaisle.scorers import network_scorer
from crossaisle.stats import bootstrap_interval, paired_test
from crossaisle.train.ratings import RatingBiases, rated_targets

__all__ = ["SHRINKS", "evaluate_ratings", "rating_errors"]

Values = npt.NDArray[np.float64]
SHRINKS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Tried for the biases alone; the best on validation serves every arm."""


def rating_errors(predicted: npt.ArrayLike, given: npt.ArrayLike) -> dict[str, float]:
    """Root of the mean squared error, and mean absolute error.

    Examples
    --------
    >>> rating_errors([3.0, 5.0], [4.0, 2.0])
    {'rmse': 2.23606797749979, 'mae': 2.0}
    """
    off = np.asarray(predicted, dtype=np.float64) - np.asarray(given, dtype=np.float64)
    return {"rmse": float(np.sqrt(np.mean(off**2))), "mae": float(np.mean(np.abs(off)))}


def evaluate_ratings(data: Dataset, settings: AllSettings, progress: Progress | None = None) -> dict[str, Any]:
    """The newest rating of each person predicted by the mean, by biases, by the network, and by the network on a placebo.

    The last event of each history is the test, the one before it the validation, by which the shrinkage of the biases and the network's
    epochs are chosen. The placebo deals each person's training ratings out anew among its own items: people and, mostly, items keep
    their level, and what is lost is who likes what.

    Parameters
    ----------
    settings : AllSettings
        ``train.objective`` is set to rating here; ``train.refit`` is heeded.

    Returns
    -------
    dict
        ``questions``, ``shrink``, and ``arms``: of each ``rmse``, ``mae``, ``mae interval``, and for all but biases ``squared error against
        biases``, a paired test (below 0 is better); of the network the same against the placebo.

    Raises
    ------
    TableError
        If no newest event has a rating, or none before it.
    """
    split = leave_one_out(data, target_events=settings.data.target_events)
    histories, items, given = rated_targets(split.test)
    before, valid_items, valid_given = rated_targets(split.valid)
    known = split.train.histories.ratings
    if not len(items) or not len(valid_items) or known is None or not np.isfinite(known).any():
        raise TableError("too few ratings to learn from and to predict", "ratings on the events of most histories", "add a column rating")
    tried = {
        s: rating_errors(RatingBiases.fit(split.train.histories, data.n_items, s).predict(before, valid_items), valid_given)["rmse"]
        for s in SHRINKS
    }
    shrink = min(tried, key=lambda s: tried[s])
    chosen = settings.changed({"train.objective": "rating", "train.rating_shrink": repr(shrink)})
    learned = split.full if chosen.train.refit else split.train
    biases = RatingBiases.fit(learned.histories, data.n_items, shrink)
    found: dict[str, Floats] = {
        "mean": np.full(len(items), biases.mean, np.float32),
        "biases": biases.predict(histories, items),
    }
    for arm in ("network", "placebo"):
        first, full = (d if arm == "network" else _dealt_out(d, chosen.seed) for d in (split.train, split.full))
        scorer = network_scorer(chosen, arm).fit(first, split.valid, full if chosen.train.refit else None, progress=progress)
        found[arm] = scorer.predict_ratings(histories, items)
    off = {arm: (p.astype(np.float64) - given) for arm, p in found.items()}
    arms: dict[str, Any] = {}
    for arm, error in off.items():
        low, high = bootstrap_interval(np.abs(error), chosen.seed)
        arms[arm] = {**rating_errors(found[arm], given), "mae interval": [float(low), float(high)]}
        if arm != "biases":
            arms[arm]["squared error against biases"] = paired_test(error**2, off["biases"] ** 2, chosen.seed)._asdict()
    arms["network"]["squared error against placebo"] = paired_test(off["network"] ** 2, off["placebo"] ** 2, chosen.seed)._asdict()
    return {"questions": len(items), "shrink": shrink, "arms": arms}


def _dealt_out(data: Dataset, seed: int) -> Dataset:
    """The same people and items, each person's ratings in a random order."""
    h = data.histories
    assert h.ratings is not None
    draw = np.lexsort((np.random.default_rng(seed).random(len(h.items)), h.owners))
    return data.with_histories(dataclasses.replace(h, ratings=h.ratings[draw]))
