"""From the figures of two arms to a verdict: relative change, interval, stability, the gate. Imports nothing of its own room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossaisle.stats import bootstrap_means

__all__ = ["Change", "compare", "macro_weights"]

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """What the second arm changes against the first on the same questions.

    Attributes
    ----------
    before, after : float
        Mean N@10 of the first and of the second arm, seeds averaged.
    difference, difference_low, difference_high : float
        after - before and its 95 % interval over questions.
    change, low, high : float or None
        (after - before) / before and its interval: NT of the scoreboard. None where it does not exist (nothing was right before; a
        bound is None where that happens in the resample it stands for).
    by_seed : tuple of float or None
        The relative change of each seed.
    outcome : str
        ``positive`` (the interval is above zero), ``negative`` (below), ``unclear``.
    """

    before: float
    after: float
    difference: float
    difference_low: float
    difference_high: float
    change: float | None
    low: float | None
    high: float | None
    by_seed: tuple[float | None, ...]
    outcome: str

    @property
    def spread(self) -> float | None:
        """Standard deviation of the relative change over seeds; None with fewer than two."""
        known = [c for c in self.by_seed if c is not None]
        return float(np.std(known, ddof=1)) if len(known) > 1 else None


def _relative(before: float, after: float) -> float | None:
    return (after - before) / before if before > 0 else None


def compare(before: npt.ArrayLike, after: npt.ArrayLike, seed: int, n: int = 2000, weights: Values | None = None) -> Change:
    """The change from one arm to another, paired by question (methods: NT_c = (M_c(joint) - M_c(alone)) / M_c(alone)).

    Parameters
    ----------
    before, after : float (S, Q)
        One row a seed, one column a question.
    seed, n : int
        Of the bootstrap over questions.
    weights : float64 (Q,), optional
        Of mean 1, see `macro_weights`.

    Examples
    --------
    >>> c = compare([[0.2, 0.4, 0.2, 0.4]], [[0.4, 0.8, 0.4, 0.8]], seed=0)
    >>> round(c.change, 3), round(c.low, 3), c.outcome
    (1.0, 1.0, 'positive')
    """
    a, b = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"{a.shape} against {b.shape} figures; expected the same seeds and questions in both")
    if weights is not None:
        a, b = a * weights, b * weights
    means = bootstrap_means(np.column_stack([a.mean(axis=0), b.mean(axis=0)]), seed, n)
    differences = means[:, 1] - means[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(differences == 0, 0.0, differences / means[:, 0])
    # order statistics, not interpolated: the relative and the plain difference have the same sign in each resample, so also here
    d_low, d_high = (float(x) for x in np.quantile(differences, (0.025, 0.975), method="inverted_cdf"))
    low, high = (float(x) for x in np.quantile(relative, (0.025, 0.975), method="inverted_cdf"))
    first, second = float(a.mean()), float(b.mean())
    return Change(
        before=first,
        after=second,
        difference=second - first,
        difference_low=d_low,
        difference_high=d_high,
        change=_relative(first, second),
        low=low if np.isfinite(low) else None,
        high=high if np.isfinite(high) else None,
        by_seed=tuple(_relative(float(x), float(y)) for x, y in zip(a.mean(axis=1), b.mean(axis=1), strict=True)),
        outcome="positive" if d_low > 0 else "negative" if d_high < 0 else "unclear",
    )


def macro_weights(groups: Sequence[int]) -> Values:
    """float64 (Q,): weights of mean 1 under which every group counts the same.

    Examples
    --------
    >>> macro_weights([0, 0, 0, 1]).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    _, place, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    return np.asarray(len(place) / (len(counts) * counts[place]), dtype=np.float64)
