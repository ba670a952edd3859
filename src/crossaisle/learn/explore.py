"""Places of a list given to items that the model is not sure of, each with its true probability. Imports: linear, settings.

A share of a list's places (`ExploreSettings.share`) explores. For such a place

1. the candidates are those that could stand there: whatever filters, seen items and earlier places take out is out before anything
   is drawn;
2. of the ``reach`` best of them by score the ``pool`` least shown ones stay, items of the least shown aisles first among equals:
   new items lead;
3. over the pool stands an explicit distribution: (1 - eps) times Thompson's (how often an item is the best, among so many draws from what
   the shared linear model believes) or LinUCB's (all on the highest upper bound), plus eps spread evenly;
4. the item is drawn from exactly that distribution, and it is logged whole: pool, scores, features, probabilities.

That Thompson's probabilities are counted from draws and not exact does no harm: given the draws, the item is chosen with the
probability that is logged, and that is all that an estimate by inverse propensities needs. A second place is chosen after the first
item is out of the candidates, so its probability is conditional on the first, as it should be. Which places explore is drawn before,
without looking at any item. Under a new list nobody but chance and this file decides what a place shows: so the log can answer what
another policy would have earned (`learn.replay`).

The features of a candidate are few (`FEATURES`), so that one small model is learned by all answers together. More may be appended, such
as the elementwise product of the user's and the item's vector.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from crossaisle.learn.linear import LinearModel
from crossaisle.learn.settings import ExploreSettings
from crossaisle.schema import Floats, Ints, Times

__all__ = ["FEATURES", "Explorer", "Outcomes", "Slot", "base_features", "places_to_explore", "pool_of"]

_EARLY = 10_000
"""Answers that wait for their list; what is answered twice waits here too, and in vain."""

FEATURES = ("one", "score", "known", "new", "seldom shown", "seldom shown aisle", "same aisle")
"""What `base_features` says of a candidate."""


class Slot(NamedTuple):
    """A place that explored, as it is logged.

    Attributes
    ----------
    position : int
        Place in the list, from 1.
    pool : tuple of str
        Ids of the candidates among which the item was drawn.
    scores, probabilities : tuple of float
        Their scores by the model, and the probabilities with which they were drawn.
    features : tuple of tuple of float
    choice : int
        Which of the pool was shown.
    """

    position: int
    pool: tuple[str, ...]
    scores: tuple[float, ...]
    features: tuple[tuple[float, ...], ...]
    probabilities: tuple[float, ...]
    choice: int

    def to_json(self) -> dict[str, Any]:
        """Plain values, for ``ShownList.context["explored"]``, a list of these."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in self._asdict().items()} | {
            "features": [list(f) for f in self.features]
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Slot:
        """The inverse of `to_json`.

        Examples
        --------
        >>> slot = Slot(3, ("a", "b"), (1.0, 0.5), ((1.0,), (0.0,)), (0.9, 0.1), 1)
        >>> Slot.from_json(slot.to_json()) == slot
        True
        """
        numbers = {k: tuple(float(x) for x in values[k]) for k in ("scores", "probabilities")}
        features = tuple(tuple(float(x) for x in row) for row in values["features"])
        return cls(
            int(values["position"]), tuple(values["pool"]), numbers["scores"], features, numbers["probabilities"], int(values["choice"])
        )


def base_features(
    scores: npt.ArrayLike, counts: npt.ArrayLike, shown: npt.ArrayLike, aisle_shown: npt.ArrayLike, same_aisle: npt.ArrayLike
) -> Floats:
    """float32 (C, 7): what `FEATURES` names, all about 0 to 1.

    Parameters
    ----------
    scores : float (C,)
        The model's log-scores; only their differences inside the pool count.
    counts : int (C,)
        Events of each item, in training and since.
    shown, aisle_shown : float (C,)
        How often each item, and its aisle, was shown lately.
    same_aisle : bool (C,)
        Whether the person has been in the item's aisle.

    Examples
    --------
    >>> print(base_features([2.0, 0.0], [100, 0], [50, 0], [900, 10], [True, False]).round(2))
    [[ 1.    0.5   0.46  0.1   0.14  0.03  1.  ]
     [ 1.   -0.5   0.    1.    1.    0.3   0.  ]]
    """
    s, n = np.asarray(scores, np.float64), np.asarray(counts, np.float64)
    rarity, aisle = 1 / np.sqrt(1 + np.asarray(shown, np.float64)), 1 / np.sqrt(1 + np.asarray(aisle_shown, np.float64))
    centred = (s - s.mean()) / max(2 * float(s.std()), 1e-9) if len(s) else s
    columns = (np.ones(len(s)), centred, np.log1p(n) / 10, 1 / np.sqrt(1 + n), rarity, aisle, np.asarray(same_aisle, np.float64))
    return np.stack(columns, axis=1).astype(np.float32)


def pool_of(scores: npt.ArrayLike, shown: npt.ArrayLike, aisle_shown: npt.ArrayLike, settings: ExploreSettings) -> Ints:
    """int64 (P,): which candidates are the pool, the best by score first.

    Parameters
    ----------
    scores : float (C,)
        Of those that may stand in the place; -inf is left out.
    shown, aisle_shown : float (C,)
        How often each item, and its aisle, was shown lately.

    Examples
    --------
    >>> few = ExploreSettings(reach=3, pool=2)
    >>> pool_of([5.0, 4.0, 3.0, 2.0], [90, 0, 7, 0], [1, 1, 1, 1], few).tolist()
    [1, 2]
    """
    s = np.asarray(scores, np.float64)
    order = np.argsort(-s, kind="stable")
    order = order[s[order] > -np.inf][: settings.reach]
    seldom = np.lexsort((np.asarray(aisle_shown)[order], np.asarray(shown)[order]))[: settings.pool]
    return np.asarray(order[np.sort(seldom)], np.int64)


def places_to_explore(n: int, settings: ExploreSettings, rng: np.random.Generator) -> list[int]:
    """The places of a list of n that explore, from 1: ``share`` of them in the mean, none before ``first``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> places_to_explore(10, ExploreSettings(share=0.0), rng), len(places_to_explore(10, ExploreSettings(share=0.3), rng))
    ([], 3)
    """
    free = np.arange(settings.first, n + 1)
    wanted = settings.share * n
    count = min(int(wanted) + int(rng.random() < wanted - int(wanted)), len(free))
    return sorted(rng.choice(free, count, replace=False).tolist())


class Explorer:
    """What is believed of rewards, and choices by it.

    Parameters
    ----------
    settings : ExploreSettings, optional
    dim : int
        Features of a candidate, `FEATURES` and whatever is appended.

    Examples
    --------
    >>> explorer = Explorer(ExploreSettings(share=0.1), dim=2)
    >>> explorer.take([[1.0, 0.0], [0.0, 1.0]] * 200, [0.0, 1.0] * 200)
    >>> choice, p = explorer.explore(np.zeros(2), np.eye(2), np.random.default_rng(0))
    >>> choice, p.round(2).tolist()
    (1, [0.1, 0.9])
    """

    def __init__(self, settings: ExploreSettings | None = None, dim: int = len(FEATURES)) -> None:
        self.settings = settings or ExploreSettings()
        self.model = LinearModel(dim, self.settings.penalty, self.settings.discount)

    def take(self, features: npt.ArrayLike, rewards: npt.ArrayLike) -> None:
        """Learn from answers in the order in which they became known: what was shown (E, d), and 1 where it was taken, 0 where not."""
        self.model.learn(features, rewards)

    def explore(self, scores: npt.ArrayLike, features: npt.ArrayLike, rng: np.random.Generator) -> tuple[int, Times]:
        """A choice from the pool and the distribution that it was drawn from.

        Parameters
        ----------
        scores : float (P,)
            The pool's scores by the model; used while nothing has been learned, to break ties.
        features : float (P, d)

        Returns
        -------
        choice : int
        probabilities : float64 (P,)
            Each at least eps / P, of sum 1.

        Raises
        ------
        ValueError
            If the pool is empty or shapes do not fit.
        """
        s, phi = np.asarray(scores, np.float64), np.asarray(features, np.float64)
        if not len(s) or phi.shape != (len(s), self.model.dim) or not np.isfinite(phi).all():
            raise ValueError(
                f"scores {s.shape}, features {phi.shape}; expected a pool of one or more with {self.model.dim} finite features each"
            )
        eps = self.settings.eps
        p = (1 - eps) * self._preferred(s, phi, rng) + eps / len(s)
        p /= p.sum()
        choice = int(np.searchsorted(np.cumsum(p), rng.random() * (1 - 1e-12), side="right"))
        return min(choice, len(s) - 1), p

    def _preferred(self, scores: Times, phi: Times, rng: np.random.Generator) -> Times:
        """float64 (P,), of sum 1: what the method alone would do; among equal values the best score is taken."""
        order = np.argsort(-scores, kind="stable")  # argmax takes the first of equals
        ranked = phi[order]
        if self.settings.method == "thompson":
            values = self.model.draw(self.settings.draws, self.settings.v, rng) @ ranked.T
        else:
            values = (ranked @ self.model.mean + self.settings.alpha * self.model.widths(ranked))[None, :]
        out = np.zeros(len(scores))
        out[order] = np.bincount(values.argmax(axis=1), minlength=len(scores)) / len(values)
        return out


class Outcomes:
    """What became of explored places: answers for `Explorer.take`, as soon as they are known.

    A place is answered by the first event that accepts its item (1) or refuses it (0), or by silence for ``window`` seconds (0). An answer
    may be read before its list. What comes out of one call of `known` is in the order in which it became so, whatever the order of the
    calls before it. At most ``most`` places wait; of the oldest of more nothing is learned.

    Examples
    --------
    >>> waiting = Outcomes(window=60.0)
    >>> waiting.shown("list1", "a", [1.0, 0.5], 0.0)
    >>> waiting.shown("list2", "b", [1.0, 0.1], 10.0)
    >>> waiting.answered("list2", "b", True, 15.0)
    >>> [(f.tolist(), r) for f, r in waiting.known(61.0)]
    [([1.0, 0.10000000149011612], 1.0), ([1.0, 0.5], 0.0)]
    """

    def __init__(self, window: float = 3 * 86_400.0, most: int = 100_000) -> None:
        self.window, self.most = window, most
        self._waiting: OrderedDict[tuple[str, str], tuple[float, Floats]] = OrderedDict()
        self._early: OrderedDict[tuple[str, str], tuple[bool, float]] = OrderedDict()
        """Answers to lists that are not read yet."""
        self._known: list[tuple[float, Floats, float]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def shown(self, recommendation_id: str, item_id: str, features: npt.ArrayLike, time: float) -> None:
        """A place explored."""
        self._waiting[recommendation_id, item_id] = time, np.asarray(features, np.float32)
        while len(self._waiting) > self.most:
            self._waiting.popitem(last=False)
        if (early := self._early.pop((recommendation_id, item_id), None)) is not None:
            self.answered(recommendation_id, item_id, *early)

    def answered(self, recommendation_id: str, item_id: str, accepted: bool, time: float) -> None:
        """An event that is credited to a place that explored; of one that was answered before nothing is made."""
        found = self._waiting.pop((recommendation_id, item_id), None)
        if found is not None:
            shown, features = found
            late = time > shown + self.window  # it had been answered by silence
            self._known.append((min(max(time, shown), shown + self.window), features, float(accepted and not late)))
            return
        self._early[recommendation_id, item_id] = accepted, time
        while len(self._early) > _EARLY:
            self._early.popitem(last=False)

    def known(self, now: float) -> list[tuple[Floats, float]]:
        """The answers (features, reward) that have become known since the last call, at a moment of the log."""
        while self._waiting and now - next(iter(self._waiting.values()))[0] > self.window:
            _, (shown, features) = self._waiting.popitem(last=False)
            self._known.append((min(shown + self.window, now), features, 0.0))
        out, self._known = sorted(self._known, key=lambda one: one[0]), []
        return [(features, reward) for _, features, reward in out]
