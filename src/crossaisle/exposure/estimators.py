"""The value of a policy, estimated from what another policy showed. Imports nothing of this package.

An exposure shows an item with a known probability and brings a reward. With weights w = p_wanted / p_logged, the mean reward under the
wanted policy is estimated by

    ips    = mean(w y)                  unbiased where every weight is right and finite (Horvitz and Thompson 1952)
    clipped = mean(min(w, most) y)      less variance, biased towards 0 (Ionides 2008)
    snips  = sum(w y) / sum(w)          nearly unbiased, unmoved by adding a constant to y (Swaminathan and Joachims 2015)
    naive  = mean(y)                    the value of the policy that logged
    dr     = mean(v + w (y - q))        doubly robust: q what is expected of what was shown, v the mean of what is expected of what the
                                        wanted policy would show; unbiased where the weights or the expectations are right (Dudik et
                                        al. 2011), if q was learned from other people's rows
    switch = mean(v + [w <= most] w (y - q))    no correction where a weight is large (Wang et al. 2017, arXiv:1612.01205)

Rows are what one person was shown; persons are independent, exposures of one person need not be. Intervals are normal, 95 %, with the
variance of the means of rows over rows; that of the ratio by the delta method, Var = mean((a - v b)^2) / (n mean(b)^2), a and b the means
of a row's w y and of its w (Owen 2013, "Monte Carlo theory, methods and examples", chapter 9).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Estimate", "clipped_ips", "dr", "ips", "naive", "ratio", "snips", "switch_dr"]

Values = npt.NDArray[np.float64]

_Z = 1.959963984540054


class Estimate(NamedTuple):
    """A value, its 95 % interval, and the effective number of exposures, (sum w)^2 / sum w^2; arrays where several draws were given."""

    value: Values
    low: Values
    high: Values
    effective: Values

    def covers(self, truth: float) -> npt.NDArray[np.bool_]:
        """Whether the interval holds a value."""
        return np.asarray((self.low <= truth) & (truth <= self.high))


def _checked(w: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Values, Values]:
    weights, rewards = np.asarray(w, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if weights.shape != rewards.shape or rewards.ndim < 2 or rewards.shape[-2] < 2 or rewards.shape[-1] < 1:
        raise ValueError(f"weights {weights.shape} and rewards {rewards.shape}; expected both (..., people, exposures), two people or more")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError("weights that are negative or not finite; expected p_wanted / p_logged with p_logged above 0")
    return weights, rewards


def _effective(w: Values) -> Values:
    return np.asarray(w.sum(axis=(-2, -1)) ** 2 / np.maximum((w * w).sum(axis=(-2, -1)), 1e-300))


def _mean(rows: Values, w: Values) -> Estimate:
    """The mean over people of one value each."""
    value = rows.mean(axis=-1)
    half = _Z * rows.std(axis=-1, ddof=1) / np.sqrt(rows.shape[-1])
    return Estimate(value, value - half, value + half, _effective(w))


def naive(y: npt.ArrayLike) -> Estimate:
    """What was earned on average, as if the items had been shown by the wanted policy.

    Examples
    --------
    >>> float(naive([[1, 0], [0, 0]]).value)
    0.25
    """
    ones, rewards = _checked(np.ones(np.shape(y)), y)
    return _mean(rewards.mean(axis=-1), ones)


def ips(w: npt.ArrayLike, y: npt.ArrayLike) -> Estimate:
    """Inverse propensity scoring.

    Parameters
    ----------
    w, y : float (..., n, K)
        Weights and rewards of K exposures of each of n people; leading axes are draws of their own.

    Raises
    ------
    ValueError
        If shapes differ, there are fewer than two people, or a weight is negative or not finite: what the logging policy could not show
        cannot be estimated.

    Examples
    --------
    >>> float(ips([[2.0, 0.5], [0.5, 2.0]], [[1, 0], [0, 0]]).value)
    0.5
    """
    weights, rewards = _checked(w, y)
    return _mean((weights * rewards).mean(axis=-1), weights)


def clipped_ips(w: npt.ArrayLike, y: npt.ArrayLike, most: float) -> Estimate:
    """`ips` with no weight above ``most``; its interval is that of the clipped mean, which lies below the value wanted.

    Examples
    --------
    >>> float(clipped_ips([[4.0], [0.5]], [[1], [1]], most=2.0).value)
    1.25
    """
    weights, rewards = _checked(w, y)
    return ips(np.minimum(weights, most), rewards)


def snips(w: npt.ArrayLike, y: npt.ArrayLike) -> Estimate:
    """Self-normalised `ips`: the weights' own mean in place of 1.

    Examples
    --------
    >>> float(snips([[3.0], [1.0]], [[1], [0]]).value)
    0.75
    """
    weights, rewards = _checked(w, y)
    return ratio((weights * rewards).mean(axis=-1), weights.mean(axis=-1), weights)


def ratio(a: npt.ArrayLike, b: npt.ArrayLike, w: npt.ArrayLike) -> Estimate:
    """sum(a) / sum(b) over people, with the interval of the delta method: for people of unequal numbers of exposures, too.

    Parameters
    ----------
    a, b : float (..., n)
        Of each person. The sums of w y and of 1 over somebody's exposures make `ips`; of w y and of w `snips`.
    w : float (..., n, K)
        The weights of all exposures, for the effective number.

    Examples
    --------
    >>> float(ratio([3.0, 0.0], [2, 1], [[3.0, 1.0], [1.0, 0.0]]).value)
    1.0
    """
    above, below = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if above.shape != below.shape or not above.ndim or above.shape[-1] < 2:
        raise ValueError(f"sums {above.shape} and {below.shape}; expected both (..., people), two people or more")
    n, total = above.shape[-1], np.maximum(below.mean(axis=-1), 1e-300)
    value = above.mean(axis=-1) / total
    left = above - value[..., None] * below
    half = _Z * np.sqrt((left * left).sum(axis=-1) / (n - 1) / n) / total
    return Estimate(value, value - half, value + half, _effective(np.asarray(w, dtype=np.float64)))


def dr(w: npt.ArrayLike, y: npt.ArrayLike, q: npt.ArrayLike, v: npt.ArrayLike) -> Estimate:
    """Doubly robust.

    Parameters
    ----------
    w, y : float (..., n, K)
        As in `ips`.
    q, v : float (..., n, K)
        The reward expected of what was shown, and the mean of those expected under the wanted policy; learned from other people's rows.

    Examples
    --------
    With expectations of 0 it is `ips`; with right ones the weights do not matter.

    >>> w, y = [[2.0, 0.5], [0.5, 2.0]], [[1, 0], [0, 0]]
    >>> float(dr(w, y, np.zeros((2, 2)), np.zeros((2, 2))).value), float(dr(w, y, y, np.full((2, 2), 0.25)).value)
    (0.5, 0.25)
    """
    return switch_dr(w, y, q, v, np.inf)


def switch_dr(w: npt.ArrayLike, y: npt.ArrayLike, q: npt.ArrayLike, v: npt.ArrayLike, most: float) -> Estimate:
    """`dr` that trusts the expectation alone where a weight is above ``most``; biased there if the expectation is wrong.

    Examples
    --------
    >>> float(switch_dr([[9.0], [1.0]], [[1], [1]], [[0.5], [0.5]], [[0.5], [0.5]], most=5.0).value)
    0.75
    """
    weights, rewards = _checked(w, y)
    expected, mean = np.asarray(q, dtype=np.float64), np.asarray(v, dtype=np.float64)
    if not expected.shape == mean.shape == weights.shape or not (np.isfinite(expected).all() and np.isfinite(mean).all()):
        raise ValueError(
            f"expectations {expected.shape} and {mean.shape}; expected finite ones of the shape of the weights, {weights.shape}"
        )
    return _mean((mean + np.where(weights <= most, weights, 0.0) * (rewards - expected)).mean(axis=-1), weights)
