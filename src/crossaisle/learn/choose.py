"""Choosing the questions for one person: uncertainty x coldness x coverage, and simpler ways to compare it with. Imports: settings.

Uncertainty is that of the statement "this item belongs in the list": with s_k the score of the list's last item and t the spread of the
best scores, q = sigmoid((s - s_k) / t) and the uncertainty is its entropy in bits, 1 at the edge of the list. Coldness is 1 / sqrt(1 + n),
n the item's events and the times it has been asked in this batch. Coverage is D^2 sampling (k-means++, Arthur and Vassilvitskii 2007), as
BADGE (Ash et al. 2020) does it on gradients: what an answer i adds to the gradient of a person's state is sum_j p_j e_j - e_i, and for one
person these differ exactly as the item vectors e_i do. Centres are the items of the history and the questions already chosen (as in
core-set selection, Sener and Savarese 2018), and the draw, unlike the farthest point, does not insist on outliers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossaisle.learn.settings import AskSettings
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["Chosen", "choose", "entropy", "in_list"]


@dataclass(frozen=True, eq=False)
class Chosen:
    """The questions for one person, in the order chosen.

    Attributes
    ----------
    items : int64 (Q,)
    score : float32 (Q,)
        What the strategy went by: the weight with which an item was drawn, or what it was sorted by.
    probability : float32 (Q,)
        That the item belongs in the list.
    counts : int64 (Q,)
        Events of the item.
    cosine : float32 (Q,)
        With the nearest item of the history or of the questions before it; -1 where there was none.
    """

    items: Ints
    score: Floats
    probability: Floats
    counts: Ints
    cosine: Floats


def in_list(scores: Floats, allowed: Bools, edge: int, spread: int) -> Floats:
    """float32 (N,): probability that each item belongs in a person's list, .5 at its edge.

    Parameters
    ----------
    scores : float32 (N,)
    allowed : bool (N,)
        What could stand in the list.
    edge, spread : int
        See `AskSettings`.

    Examples
    --------
    >>> in_list(np.array([3, 2, 1], np.float32), np.ones(3, bool), edge=2, spread=3).round(2).tolist()[1]
    0.5
    """
    among = scores[allowed]
    if not len(among):
        return np.zeros(len(scores), np.float32)
    best = -np.sort(-among)[:spread]
    scale = max(float(best.std()), 1e-6)
    margin = np.clip((scores - best[min(edge, len(best)) - 1]) / scale, -60, 60)
    return np.asarray(1 / (1 + np.exp(-margin)), dtype=np.float32)


def entropy(p: Floats) -> Floats:
    """Of yes and no, in bits.

    Examples
    --------
    >>> entropy(np.array([0.0, 0.5, 1.0], np.float32)).tolist()
    [0.0, 1.0, 0.0]
    """
    q = np.clip(p.astype(np.float64), 1e-12, 1 - 1e-12)
    return np.asarray(np.round(-(q * np.log2(q) + (1 - q) * np.log2(1 - q)), 9), dtype=np.float32)


def choose(
    settings: AskSettings,
    pool: Ints,
    probability: Floats,
    counts: Ints,
    asked: Ints,
    vectors: Floats,
    known: Ints,
    rng: np.random.Generator,
) -> Chosen:
    """At most ``settings.per_user`` items of the pool.

    Parameters
    ----------
    pool : int64 (P,)
        Codes of the items that can be asked, each once.
    probability : float32 (N,)
        See `in_list`.
    counts, asked : int64 (N,)
        Events of each item, and how often it has been asked already.
    vectors : float32 (N, D)
        Of length 1.
    known : int64 (H,)
        Items of the history.

    Examples
    --------
    >>> few = AskSettings(strategy="coldest", per_user=2)
    >>> n, v = np.array([5, 0, 2]), np.eye(3, dtype=np.float32)
    >>> choose(few, np.arange(3), np.full(3, 0.5), n, 0 * n, v, np.zeros(0, int), np.random.default_rng(0)).items.tolist()
    [1, 2]
    """
    nearest = _nearest(vectors[pool], vectors[known[-settings.history :]])
    cold = (1 / np.sqrt(1.0 + counts[pool] + asked[pool])).astype(np.float32)
    unsure = entropy(probability[pool])
    fixed = {
        "popular": counts[pool].astype(np.float32),
        "coldest": cold,
        "uncertain": unsure,
        "random": rng.random(len(pool)).astype(np.float32),
    }.get(settings.strategy)
    places, score, cosine = [], [], []
    left = np.ones(len(pool), dtype=bool)
    for _ in range(min(settings.per_user, len(pool))):
        # squared distance of vectors of length 1, which is 4 at most and where nothing is known
        far = 2 - 2 * nearest
        if fixed is not None:
            weight = fixed
            best = int(np.argmax(np.where(left, weight, -np.inf)))
        elif settings.strategy == "diverse":
            weight = far
            best = int(np.argmax(np.where(left, weight, -np.inf)))
        else:
            weight = unsure * cold * np.maximum(far, 0)
            share = np.where(left, weight, 0).astype(np.float64)
            share = share if share.sum() > 0 else left.astype(np.float64)
            best = int(rng.choice(len(pool), p=share / share.sum()))
        places.append(best)
        score.append(weight[best])
        cosine.append(nearest[best])
        left[best] = False
        nearest = np.maximum(nearest, vectors[pool] @ vectors[pool[best]])
    at = np.array(places, dtype=np.int64)
    return Chosen(pool[at], np.array(score, np.float32), probability[pool[at]], counts[pool[at]], np.array(cosine, np.float32))


def _nearest(vectors: Floats, centres: Floats) -> Floats:
    """float32 (P,): the largest cosine with a centre; -1 without any."""
    if not len(centres):
        return np.full(len(vectors), -1, np.float32)
    return np.asarray((vectors @ centres.T).max(axis=1), dtype=np.float32)
