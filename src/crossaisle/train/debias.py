"""What a target weighs: by its aisle, and by how likely it was seen at all; how much of popularity is served. Imports: settings, objective.

Inverse propensity weights (Schnabel et al. 2016, "Recommendations as Treatments", arXiv:1602.05352): an item that was seen with probability
p_i stands for 1 / p_i, so that what was shown to few counts as much as what was shown to all.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crossaisle import schema
from crossaisle.data.dataset import Dataset
from crossaisle.errors import RequestError
from crossaisle.model.popularity import PopularityBias
from crossaisle.schema import Bools, Floats, Ints, Times
from crossaisle.train.objective import aisle_weights
from crossaisle.train.settings import TrainSettings

__all__ = ["SERVED", "choose_served", "effective_size", "inverse_propensity", "kept_apart", "propensities", "target_weights"]

SERVED = (-0.5, -0.25, -0.1, 0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
"""The gamma' that are tried where validation chooses, beside the gamma of training."""


def effective_size(weights: Times | Floats, counts: Ints | None = None) -> float:
    """(sum w)^2 / sum w^2: so many equally weighted events would say as much (Kish 1965).

    Examples
    --------
    >>> effective_size(np.ones(10)), round(effective_size(np.array([10.0, 1.0]), np.array([1, 90])), 1)
    (10.0, 52.6)
    """
    w = np.asarray(weights, dtype=np.float64)
    n = np.ones(len(w)) if counts is None else counts
    return float((n * w).sum() ** 2 / max((n * w * w).sum(), 1e-300))


def propensities(data: Dataset, counts: Ints, gamma: float) -> Times:
    """float64 (N,): how likely each item was seen, up to a factor.

    `Dataset.propensities` where the data have them; otherwise popularity stands in for it, (n_i / n_max)^gamma. Popularity mixes
    how often an item was shown with how much it is liked, so that this shifts weight to the tail and claims no more.

    Parameters
    ----------
    counts : int64 (N,)
        Events of each item that count as targets.

    Raises
    ------
    RequestError
        If they say nothing of an item that has events.
    """
    if data.propensities is None:
        return np.asarray((counts / max(int(counts.max(initial=0)), 1)) ** gamma, dtype=np.float64)
    found = data.propensities
    lacking = int(((counts > 0) & ~(found > 0)).sum())
    if lacking:
        raise RequestError(
            f"{lacking:,} items with events have no {schema.PROPENSITY}",
            "a number above 0 for each",
            "complete the column of the items table, or leave it out: popularity then stands in for it",
        )
    return np.nan_to_num(found, nan=0.0)


def inverse_propensity(p: Times, counts: Ints, ratio: float) -> Times:
    """float64 (N,): 1 / max(p_i, c), 1 on average over the events; c is the largest p / ``ratio``, of items with events.

    Examples
    --------
    >>> inverse_propensity(np.array([1.0, 0.5, 0.001]), np.array([4, 2, 1]), 4.0).round(3).tolist()
    [0.583, 1.167, 2.333]
    """
    top = float(p[counts > 0].max(initial=0.0))
    w = 1.0 / np.maximum(p, max(top / ratio, 1e-300))
    return np.asarray(w * counts.sum() / max(float((counts * w).sum()), 1e-300))


def target_weights(data: Dataset, settings: TrainSettings, targets: Bools | None = None) -> tuple[Floats | None, dict[str, float]]:
    """What each item weighs as a target, and the facts that a reader should have.

    Aisles are balanced over the events as inverse propensity has weighed them, so that with ``aisle_balance`` 0 every aisle still counts as
    much in total.

    Parameters
    ----------
    targets : bool (E,), optional
        Which events may be targets (default: all).

    Returns
    -------
    weights : float32 (N,) or None
        1 on average over the events; None where all weigh alike.
    facts : dict
    """
    if settings.debias != "ips":
        return aisle_weights(data.item_counts, data.item_categories, settings.aisle_balance), {}
    items = data.histories.items
    counts = data.item_counts if targets is None else np.bincount(items[targets], minlength=data.n_items).astype(np.int64)
    w = inverse_propensity(propensities(data, counts, settings.debias_gamma), counts, settings.debias_clip)
    balance = aisle_weights(counts * w, data.item_categories, settings.aisle_balance)
    w = w if balance is None else w * balance
    used = w[counts > 0]
    facts = {
        "targets": float(counts.sum()),
        "effective targets": round(effective_size(w, counts), 1),
        "largest weight / smallest": round(float(used.max() / used.min()), 3) if len(used) else 1.0,
    }
    return w.astype(np.float32), facts


def kept_apart(counts: Ints, known: Bools, settings: TrainSettings) -> PopularityBias:
    """Popularity as a part of its own in each logit, see `model.popularity`; gamma' is at first what the settings say, or gamma.

    Parameters
    ----------
    counts : int64 (N,)
        How often each item is a target.
    known : bool (N,)
        Items that training knows.
    """
    gamma, served = settings.debias_gamma, settings.served_gamma
    return PopularityBias(counts, known, gamma, gamma if served is None else served)


def choose_served(popularity: PopularityBias, settings: TrainSettings, ask: Callable[[], float] | None) -> dict[str, float]:
    """Where gamma' is to be chosen, set the one of a grid that ranks best on validation, the nearest to 0 of equals; the facts.

    Parameters
    ----------
    ask : callable, optional
        How good the ranking is with what is served now; without it gamma' stays.
    """
    if settings.served_gamma is None and ask is not None:
        found: dict[float, float] = {}
        for served in sorted({*SERVED, settings.debias_gamma}, key=abs):
            popularity.serve.fill_(served)
            found[served] = ask()
        popularity.serve.fill_(max(found, key=lambda served: found[served]))
    return {
        "popularity learned beside, gamma": popularity.gamma,
        "served, gamma'": round(float(popularity.serve), 6),
    }
