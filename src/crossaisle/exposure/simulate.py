"""A shop whose truth is known: who would like what, what was shown, and with which probability. Imports: settings.

A teacher's scores f (of another family than the models that are judged) become the relevance rho_ui = sigmoid(a + s z_ui), z the scores
standardised for each person and a such that the mean is ``rate``. The shop shows items by a known policy,

    pi(i | u) = (1 - epsilon) softmax_i(beta z_ui + g log(1 + n_i)) + epsilon / N,

with n_i what the items sold, and a person takes what is shown with probability rho_ui (Schnabel et al. 2016; Saito et al. 2021,
"Open Bandit Dataset and Pipeline", its synthetic part).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

from crossaisle.schema import Ints
from crossaisle.settings import Settings, setting

__all__ = ["Exposures", "LoggingSettings", "Simulation"]

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LoggingSettings(Settings):
    """How the simulated shop chose what to show."""

    beta: float = setting(1.0, "how much what is shown follows the person's taste", low=-10.0, high=10.0)
    g: float = setting(0.5, "how much it follows popularity", low=-10.0, high=10.0)
    epsilon: float = setting(0.2, "share shown uniformly at random, so that every item has a chance", low=0.0, high=1.0)
    rate: float = setting(0.1, "mean relevance of an item shown uniformly at random", low=0.001, high=0.999)
    slope: float = setting(1.0, "how steeply relevance follows the teacher's standardised score", low=0.0, high=10.0)


class Exposures(NamedTuple):
    """What was shown to n people, K items each, in each of S draws.

    users int64 (S, n); items int64, propensities and rewards float64 (S, n, K).
    """

    users: Ints
    items: Ints
    propensities: Values
    rewards: Values


class Simulation:
    """U people and N items with a known truth.

    Parameters
    ----------
    scores : float (U, N)
        The teacher's.
    counts : int64 (N,)
        Events of each item, for the part of the policy that follows popularity.
    settings : LoggingSettings, optional

    Attributes
    ----------
    relevance, policy : float64 (U, N)

    Examples
    --------
    >>> shop = Simulation(np.random.default_rng(0).normal(size=(50, 20)), np.arange(20))
    >>> round(shop.truth(), 3), shop.policy.sum(axis=1).round(6).min()
    (0.1, np.float64(1.0))
    """

    def __init__(self, scores: npt.ArrayLike, counts: npt.ArrayLike, settings: LoggingSettings | None = None) -> None:
        f, n = np.asarray(scores, dtype=np.float64), np.asarray(counts)
        if f.ndim != 2 or n.shape != (f.shape[1],) or not np.isfinite(f).all():
            raise ValueError(f"scores {f.shape} and counts {n.shape}; expected finite (people, items) and (items,)")
        self.settings = settings or LoggingSettings()
        s = self.settings
        z = (f - f.mean(axis=1, keepdims=True)) / np.maximum(f.std(axis=1, keepdims=True), 1e-12)
        self.relevance = expit(_intercept(s.slope * z, s.rate) + s.slope * z)
        shown = softmax(s.beta * z + s.g * np.log1p(n), axis=1)
        self.policy: Values = (1 - s.epsilon) * shown + s.epsilon / f.shape[1]
        ends = np.cumsum(self.policy, axis=1)
        ends[:, -1] = 1.0
        self._ends = (np.minimum(ends, 1.0) + np.arange(len(f))[:, None]).ravel()

    def truth(self, wanted: Values | None = None) -> float:
        """The mean reward of an exposure under a policy, float64 (U, N) with rows of sum 1; uniformly at random if none is given."""
        return float(self.relevance.mean() if wanted is None else (self.relevance * wanted).sum(axis=1).mean())

    def draw(self, people: int, shown: int, seed: int, draws: int = 1) -> Exposures:
        """Exposures of people drawn with replacement, and what they took; the same seed gives the same.

        Parameters
        ----------
        people, shown : int
            n people, K exposures each.
        draws : int
            S logs, independent of each other.
        """
        rng = np.random.default_rng(seed)
        n_users, n_items = self.policy.shape
        users = rng.integers(n_users, size=(draws, people))
        at = np.searchsorted(self._ends, users[..., None] + rng.random((draws, people, shown)), side="right")
        items = np.clip(at - users[..., None] * n_items, 0, n_items - 1)
        cells = users[..., None] * n_items + items
        rewards = rng.random(cells.shape) < self.relevance.ravel()[cells]
        return Exposures(users, items, self.policy.ravel()[cells], rewards.astype(np.float64))

    def weights(self, log: Exposures, wanted: Values | None = None) -> Values:
        """float64 (S, n, K): p_wanted / p_logged of each exposure; the wanted policy shows uniformly at random if none is given."""
        n_items = self.policy.shape[1]
        if wanted is None:
            return np.asarray(1.0 / (n_items * log.propensities))
        return np.asarray(wanted[log.users[..., None], log.items] / log.propensities)


def _intercept(z: Values, rate: float) -> float:
    """a with mean sigmoid(a + z) = rate, by halving."""
    low, high = -60.0 - float(np.abs(z).max(initial=0)), 60.0 + float(np.abs(z).max(initial=0))
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(middle + z).mean() < rate else (low, middle)
    return (low + high) / 2
