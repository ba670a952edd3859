"""Intervals by empirical likelihood, which follow the data where a few large weights make them lopsided. Imports nothing of this package.

A value v of sum(a) / sum(b) fits the people where the mean of z = a - v b may be 0. How well: -2 log R(v), with R the largest product of
n p_j over probabilities p with sum p_j z_j = 0 (Owen 2001, "Empirical likelihood", chapters 2 and 3). The interval holds the v with -2
log R(v) at most the F(1, m) quantile; for m large that is chi-square's. m says how well the spread itself is known: 2 n / (kurtosis - 1),
n for normal rows and far fewer where a handful of rows carries the sum, and at most the effective number of exposures. Normal intervals
are too short on the long side of skewed sums: with 360 effective exposures they held the truth in .927 to .931 of 1,000 logs
(dev/LOG.md).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import f as f_distribution

__all__ = ["doubt", "likely"]

Values = npt.NDArray[np.float64]


def doubt(z: Values) -> float:
    """-2 log R: how badly a mean of 0 fits, infinite where all values lie on one side.

    Examples
    --------
    >>> doubt(np.array([-1.0, 1.0])), doubt(np.array([1.0, 2.0]))
    (0.0, inf)
    >>> round(doubt(np.array([-1.0, 2.0])), 3)  # p = 2/3, 1/3 in place of 1/2, 1/2
    0.236
    """
    if not z.any():
        return 0.0
    if z.min() >= 0 or z.max() <= 0:
        return np.inf
    n = len(z)
    low, high, at = (1 / n - 1) / z.max(), (1 / n - 1) / z.min(), 0.0  # where every p_j is at most 1
    for _ in range(100):
        below = 1 + at * z
        slope = float((z / below).sum())
        low, high = (at, high) if slope > 0 else (low, at)
        new = at + slope / float((z * z / (below * below)).sum())
        if not low < new < high:
            new = (low + high) / 2
        if abs(new - at) <= 1e-12 * max(1.0, abs(at)):
            break
        at = new
    return max(float(2 * np.log1p(at * z).sum()), 0.0)


def likely(a: Values, b: Values, effective: float, level: float = 0.95) -> tuple[float, float]:
    """The interval of sum(a) / sum(b).

    Parameters
    ----------
    a, b : float64 (n,)
        Of each person; the sum of b above 0.
    effective : float
        How many exposures they are worth.

    Raises
    ------
    ValueError
        If lengths differ, there are fewer than two rows, or the sum of b is not above 0.

    Examples
    --------
    >>> y = np.array([0.0] * 90 + [1.0] * 10)
    >>> low, high = likely(y, np.ones(100), 100)
    >>> round(low, 3), round(high, 3)
    (0.05, 0.172)
    """
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2 or b.sum() <= 0:
        raise ValueError(f"sums {a.shape} and {b.shape}; expected two or more rows of both, and a sum of b above 0")
    value = float(a.sum() / b.sum())
    left = a - value * b
    squares = float((left * left).sum())
    step = float(np.sqrt(squares) / b.sum())
    if step == 0:
        return value, value
    kurtosis = len(a) * float((left**4).sum()) / squares**2
    rows = min(2 * len(a) / max(kurtosis - 1, 2.0), effective)
    most = float(f_distribution.ppf(level, 1, max(rows, 2.0)))
    return tuple(_edge(lambda v: doubt(a - v * b), value, sign * step, most) for sign in (-1, 1))  # type: ignore[return-value]


def _edge(of: Callable[[float], float], value: float, step: float, most: float) -> float:
    """Where the doubt, which grows with the distance from the value, reaches ``most``."""
    inside, outside = value, value + 2 * step
    while of(outside) < most:
        inside, outside = outside, outside + 2 * (outside - value)
    capped = 2 * most + 10  # beyond the data's own range the doubt is infinite
    return float(brentq(lambda v: min(of(v), capped) - most, inside, outside, xtol=1e-7 * abs(step)))
