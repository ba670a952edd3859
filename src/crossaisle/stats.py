"""How sure a mean is: bootstrap intervals and paired tests over queries. Imports nothing of this package.

The resamples depend on the number of queries and the seed only, so columns tested together are resampled together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["PairedTest", "bootstrap_interval", "bootstrap_means", "paired_test", "paired_tests"]

Values = npt.NDArray[np.float64]


class PairedTest(NamedTuple):
    """The mean difference a - b, its interval and its two-sided p."""

    difference: float
    low: float
    high: float
    p: float


def bootstrap_means(values: npt.ArrayLike, seed: int, n: int = 2000) -> Values:
    """Means of n resamples of the queries, drawn with replacement.

    Parameters
    ----------
    values : float (Q,) or (Q, M)
        M columns share each resample.
    seed : int
    n : int
        Number of resamples.

    Returns
    -------
    float64 (n,) or (n, M)

    Examples
    --------
    >>> bootstrap_means([1.0, 1.0, 1.0], seed=0, n=2).tolist()
    [1.0, 1.0]
    """
    table = np.asarray(values, dtype=np.float64)
    n_queries = len(table)
    if n_queries == 0:
        raise ValueError("no queries to resample; expected at least one")
    rng = np.random.default_rng(seed)
    out = np.empty((n, *table.shape[1:]))
    step = max(1, min(n, 4_000_000 // n_queries))  # how many resamples are held at once, 32 MB of counts
    for start in range(0, n, step):
        rows = min(step, n - start)
        drawn = rng.integers(n_queries, size=(rows, n_queries)) + np.arange(rows)[:, None] * n_queries
        counts = np.bincount(drawn.ravel(), minlength=rows * n_queries).reshape(rows, n_queries)
        out[start : start + rows] = counts.astype(np.float64) @ table / n_queries
    return out


def bootstrap_interval(values: npt.ArrayLike, seed: int, n: int = 2000, level: float = 0.95) -> tuple[Values, Values]:
    """Percentile interval of the mean (Efron 1979).

    Parameters
    ----------
    values : float (Q,) or (Q, M)
    seed : int
    n : int
        Number of resamples.
    level : float
        Share of resampled means inside.

    Returns
    -------
    low, high : float64 () or (M,)

    Examples
    --------
    >>> low, high = bootstrap_interval(np.arange(100.0), seed=0)
    >>> bool(low < 49.5 < high)
    True
    """
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, expected a number between 0 and 1")
    tail = (1 - level) / 2
    low, high = np.quantile(bootstrap_means(values, seed, n), (tail, 1 - tail), axis=0)
    return low, high


def paired_test(a: npt.ArrayLike, b: npt.ArrayLike, seed: int, n: int = 2000, level: float = 0.95) -> PairedTest:
    """Is the mean of a above that of b on the same queries? Paired bootstrap of the differences.

    p is twice the smaller share of resampled mean differences on either side of 0, never below 2 / (n + 1).

    Parameters
    ----------
    a, b : float (Q,)
        The same measure of the same queries under two models.

    Examples
    --------
    >>> a = np.linspace(0, 1, 200)
    >>> paired_test(a + 0.1, a, seed=0).p < 0.01
    True
    >>> paired_test(a, a, seed=0).p
    1.0
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"{first.shape} against {second.shape} values; expected the same queries in both")
    return paired_tests((first - second)[:, None], seed, n, level)[0]


def paired_tests(differences: npt.ArrayLike, seed: int, n: int = 2000, level: float = 0.95) -> list[PairedTest]:
    """`paired_test` of M pairs of models at once.

    Parameters
    ----------
    differences : float (Q, M)
        a - b of each query, one column a pair.
    """
    table = np.asarray(differences, dtype=np.float64)
    means = bootstrap_means(table, seed, n)
    tail = (1 - level) / 2
    low, high = np.quantile(means, (tail, 1 - tail), axis=0)
    smaller = np.minimum((means <= 0).sum(axis=0), (means >= 0).sum(axis=0))
    p = np.minimum(1.0, 2 * (smaller + 1) / (n + 1))
    return [PairedTest(*map(float, row)) for row in zip(table.mean(axis=0), low, high, p, strict=True)]
