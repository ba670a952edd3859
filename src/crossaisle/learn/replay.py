"""What another policy would have earned in the places that explored, from the log alone. Imports: explore, linear.

A place that explored (`learn.explore`) was given an item of its pool with a known probability, so the log can be replayed by any policy
that chooses from the same pool: with w = p_wanted / p_logged of what was shown, `exposure.estimators` has IPS, SNIPS and the doubly robust
estimate, whose expected rewards are a ridge regression on the logged features, learned for each fifth of the people from the others
(otherwise the rows would praise themselves). People are independent, what one person saw is not: intervals, 95 %, are those of sums over
people, by empirical likelihood.

The question answered is about those places and pools. What the model put elsewhere had no chance to be another item, and about a policy
that would show something else there the log says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from crossaisle.errors import RequestError
from crossaisle.exposure.estimators import Estimate, ratio
from crossaisle.exposure.likelihood import likely
from crossaisle.learn.explore import Slot
from crossaisle.learn.linear import LinearModel
from crossaisle.records.kinds import sign
from crossaisle.records.rows import Event, ShownList
from crossaisle.schema import Bools, Ints, Times

__all__ = ["LEAST_EFFECTIVE", "POLICIES", "Answer", "ExploredLog", "chances", "replay"]

LEAST_EFFECTIVE = 100.0
"""Exposures that the log must be worth under the wanted policy, (sum w)^2 / sum w^2; with fewer no answer is given."""
POLICIES = ("logged", "greedy", "uniform", "eps:SHARE", "softmax:T")
"""What can be asked of the log: itself; the model's order; any of the pool alike; greedy but for a share of uniform; exp(score / T)."""
_FOLDS = 5
_SWITCH = 20.0
_DAY = 86_400.0


@dataclass(frozen=True, eq=False)
class ExploredLog:
    """E places that explored, the pools end to end (P candidates in all).

    Attributes
    ----------
    offsets : int64 (E + 1,)
    chosen : int64 (E,)
        Which of the P was shown.
    scores, probabilities : float64 (P,)
    features : float64 (P, d)
    rewards : float64 (E,)
        1 where the item was accepted, else 0.
    people : int64 (E,)
        Who saw it; nobody in particular counts as somebody of their own.
    users : list of str or None (E,)
    times : float64 (E,)
    ids : list of str (P,)
    """

    offsets: Ints
    chosen: Ints
    scores: Times
    probabilities: Times
    features: Times
    rewards: Times
    people: Ints
    users: list[str | None]
    times: Times
    ids: list[str]

    def __len__(self) -> int:
        return len(self.chosen)

    @classmethod
    def read(
        cls, lists: Iterable[ShownList], events: Iterable[Event], *, within: float = 3 * _DAY, accepted: Collection[str] = ()
    ) -> ExploredLog:
        """The places that explored, of lists that were shown, and what became of them.

        Parameters
        ----------
        events : iterable of Event
            Those that name a list (``recommendation_id``) and an item of it are credited to its place.
        within : float
            Seconds after which an event has nothing to do with the list any more.
        accepted : collection of str
            Kinds of event that are a reward; everything that counts as history if empty.

        Raises
        ------
        RequestError
            If no place explored, or their features are not alike.
        """
        slots: list[tuple[ShownList, Slot]] = [(shown, Slot.from_json(s)) for shown in lists for s in shown.context.get("explored", ())]
        if not slots:
            raise RequestError(
                "the log has no place that explored", "lists shown with explore.share above 0", "serve with --set explore.share=0.1"
            )
        widths = {len(row) for _, slot in slots for row in slot.features}
        if len(widths) > 1:
            raise RequestError(f"explored places with {min(widths)} and with {max(widths)} features", "one kind", "replay a shorter time")
        place = {(shown.recommendation_id, slot.pool[slot.choice]): at for at, (shown, slot) in enumerate(slots)}
        rewards = np.zeros(len(slots))
        for event in events:
            at = place.get((event.recommendation_id or "", event.item_id))
            if at is not None and event.timestamp - slots[at][0].timestamp <= within:
                good = event.event in accepted if accepted else sign(event.event, event.value) > 0
                rewards[at] = max(rewards[at], float(good))
        sizes = np.array([len(slot.pool) for _, slot in slots])
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        names = [shown.user_id if shown.user_id is not None else f"\0{shown.recommendation_id}" for shown, _ in slots]
        return cls(
            offsets,
            offsets[:-1] + np.array([slot.choice for _, slot in slots]),
            np.array([x for _, slot in slots for x in slot.scores], np.float64),
            np.array([x for _, slot in slots for x in slot.probabilities], np.float64),
            np.array([row for _, slot in slots for row in slot.features], np.float64).reshape(int(offsets[-1]), -1),
            rewards,
            np.unique(names, return_inverse=True)[1].astype(np.int64),
            [shown.user_id for shown, _ in slots],
            np.array([shown.timestamp for shown, _ in slots], np.float64),
            [item for _, slot in slots for item in slot.pool],
        )

    def keep(self, places: Bools) -> ExploredLog:
        """Only these places (E,)."""
        rows, sizes = np.repeat(places, np.diff(self.offsets)), np.diff(self.offsets)[places]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return ExploredLog(
            offsets,
            offsets[:-1] + (self.chosen - self.offsets[:-1])[places],
            self.scores[rows],
            self.probabilities[rows],
            self.features[rows],
            self.rewards[places],
            np.unique(self.people[places], return_inverse=True)[1].astype(np.int64),
            [user for user, kept in zip(self.users, places.tolist(), strict=True) if kept],
            self.times[places],
            [item for item, kept in zip(self.ids, rows.tolist(), strict=True) if kept],
        )

    def spread(self, values: Times) -> Times:
        """float64 (P,): each place's value at all of its pool."""
        return np.repeat(values, np.diff(self.offsets))

    def summed(self, values: Times) -> Times:
        """float64 (E,): the sum over each pool."""
        return np.asarray(np.add.reduceat(values, self.offsets[:-1]))


class Answer(NamedTuple):
    """What a policy would have earned a place.

    ``estimates`` are by name: logged (what was earned), ips, snips, dr, switch-dr, and gain, which is dr less logged.
    """

    policy: str
    places: int
    people: int
    effective: float
    largest_weight: float
    mean_weight: float
    estimates: dict[str, Estimate]


def chances(policy: str, log: ExploredLog, scores: Times | None = None) -> Times:
    """float64 (P,): the probability with which a policy shows each candidate.

    Parameters
    ----------
    policy : str
        One of `POLICIES`.
    scores : float64 (P,), optional
        Another model's scores of the pools, in place of those that were logged; minus infinity is shown where chance alone decides. Each
        pool has a finite one.

    Raises
    ------
    RequestError
        If the policy is unknown or its number does not fit.
    """
    name, _, text = policy.partition(":")
    s = log.scores if scores is None else scores
    uniform = 1 / log.spread(np.diff(log.offsets).astype(np.float64))
    if policy == "logged":
        return log.probabilities
    if policy == "uniform":
        return uniform
    best = np.where(s == log.spread(np.maximum.reduceat(s, log.offsets[:-1])), 1.0, 0.0)
    best /= log.spread(log.summed(best))  # equal scores share
    if policy == "greedy":
        return best
    if name not in ("eps", "softmax"):
        raise RequestError(f"unknown policy {policy[:80]!r}", f"one of {', '.join(POLICIES)}", "pass --policy greedy")
    number = _number(text)
    if name == "eps" and 0 <= number <= 1:
        return (1 - number) * best + number * uniform
    if name == "softmax" and 0 < number < math.inf:
        raised = np.exp((s - log.spread(np.maximum.reduceat(s, log.offsets[:-1]))) / number)
        return np.asarray(raised / log.spread(log.summed(raised)))
    raise RequestError(f"policy {policy[:80]!r}", "eps:SHARE with a share of 0 to 1, or softmax:T with T above 0", "pass --policy eps:0.1")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def replay(log: ExploredLog, wanted: Times, policy: str = "", seed: int = 0) -> Answer:
    """Estimate what a policy would have earned.

    Parameters
    ----------
    wanted : float64 (P,)
        Its probabilities, see `chances`.
    policy : str
        Its name, for the answer.

    Raises
    ------
    RequestError
        If the log is worth fewer than `LEAST_EFFECTIVE` exposures under the policy, or holds no reward.
    """
    shown = log.chosen
    w = wanted[shown] / log.probabilities[shown]
    effective = float(w.sum() ** 2 / max(float((w * w).sum()), 1e-300))
    if effective < LEAST_EFFECTIVE:
        found = f"policy {policy!r}: the {len(log):,} places that explored are worth {effective:.0f} of its own (effective sample size)"
        raise RequestError(
            found, f"{LEAST_EFFECTIVE:.0f} or more", "wait for more feedback, explore more, or ask for a policy nearer to the log's"
        )
    if not log.rewards.any():
        raise RequestError(
            f"none of the {len(log):,} places that explored was accepted", "rewards to compare by", "count other events as rewards"
        )
    q = expected_rewards(log, seed)
    v, y = log.summed(wanted * q), log.rewards
    left = w * (y - q[shown])
    ones = np.ones(len(log))
    pairs = {
        "logged": (y, ones),
        "ips": (w * y, ones),
        "snips": (w * y, w),
        "dr": (v + left, ones),
        "switch-dr": (v + np.where(w <= _SWITCH, left, 0.0), ones),
        "gain": (v + left - y, ones),
    }
    n_people = int(log.people.max()) + 1
    estimates = {}
    for name, pair in pairs.items():
        a, b = (np.bincount(log.people, weights=x, minlength=n_people).astype(np.float64) for x in pair)
        low, high = likely(a, b, effective)
        estimates[name] = ratio(a, b, w[:, None])._replace(low=np.asarray(low), high=np.asarray(high))
    return Answer(policy, len(log), n_people, effective, float(w.max()), float(w.mean()), estimates)


def expected_rewards(log: ExploredLog, seed: int = 0) -> Times:
    """float64 (P,): the reward expected of each candidate by a ridge regression on what other people answered."""
    n_people = int(log.people.max()) + 1
    fold = np.random.default_rng(seed).permutation(n_people) % _FOLDS
    of_place, of_candidate = fold[log.people], np.repeat(fold[log.people], np.diff(log.offsets))
    out = np.empty(len(log.scores))
    for part in range(_FOLDS):
        model = LinearModel(log.features.shape[1])
        others = of_place != part
        model.learn(log.features[log.chosen[others]], log.rewards[others])
        mine = of_candidate == part
        out[mine] = log.features[mine] @ model.mean
    return np.clip(out, 0.0, 1.0)
