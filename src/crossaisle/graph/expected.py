"""How many users would have both categories by chance. Imports: schema; of its own room nothing.

Chance here keeps what each user and each category bring along: how many categories a user has, and how many users a category has. A
user who draws items at a rate x, the share y_c of them in category c, comes to c with probability 1 - exp(-x y_c), odds exp(x y_c) - 1.
A user with k categories is one with the rate at which these probabilities add up to k, and has any set of k with probability
proportional to the product of its odds (conditional Bernoulli sampling, Chen, Dempster and Liu 1994, doi:10.1093/biomet/81.3.457).
Under plain independence, n_a n_b / N, active users link everything with everything; under this model a randomly rewired shop has lifts
near 1 (``benchmarks/graph.py`` shows both).
"""

from __future__ import annotations

import numpy as np

from crossaisle.schema import Ints, Times

__all__ = ["expected_pairs", "inclusion", "visit_shares"]

_ROUNDS = 200
_CLOSE = 1e-4
_EXACT = 10
"""Sets of up to so many categories are summed exactly; beyond, the sums grow long and the approximation is close."""


def _symmetric(w: Times, most: int) -> Times:
    """float64 (most + 1,): the elementary symmetric polynomials of w: 1, sum of w_a, sum of w_a w_b over pairs, ..."""
    out = np.zeros(most + 1)
    out[0] = 1.0
    for value in w:
        out[1:] += value * out[:-1]
    return out


def _rates(y: Times, sizes: Ints, start: Times | None = None, steps: int = 60) -> Times:
    """float64 (G,): log x with sum_c 1 - exp(-x_g y_c) = ``sizes[g]``; Newton's method on log x, from `start` on."""
    log_x = np.log(sizes / y.sum()) if start is None else start
    for _ in range(steps):
        drawn = np.exp(log_x)[:, None] * y
        missed = np.exp(-drawn)
        step = (sizes - (1.0 - missed).sum(axis=1)) / np.maximum((drawn * missed).sum(axis=1), 1e-12)
        log_x = log_x + np.clip(step, -1.0, 1.0)
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
    return np.asarray(np.minimum(log_x, 500.0))


def _leave_out(w: Times, heavy: Ints, most: int) -> tuple[Times, Times]:
    """float64 (H, most + 1) and (H, H, most + 1): the same of all but each heavy one, and of all but two of them; no term is negative."""
    h = len(heavy)
    light = np.ones(len(w), dtype=bool)
    light[heavy] = False
    start = _symmetric(w[light], most)
    one, two = np.tile(start, (h, 1)), np.tile(start, (h, h, 1))
    for place, value in enumerate(w[heavy]):
        kept = np.arange(h) != place
        one[kept, 1:] += value * one[kept, :-1]
        both = np.ix_(kept, kept)
        grown = two[both]
        grown[..., 1:] += value * grown[..., :-1]
        two[both] = grown
    return one, two


def _heaviest(w: Times, k: int) -> Ints:
    """Places of the 2 k largest odds. A user with k categories has any other with a probability below a half.

    So the alternating sums that take one of the others away shrink from term to term; those that take away what nearly everybody has would
    cancel to the last digit.
    """
    return np.argsort(-w, kind="stable")[: 2 * k]


def inclusion(w: Times, k: int) -> Times:
    """float64 (C,): the probability that a user with k of the categories, at most `_EXACT`, has each, given the odds w.

    Examples
    --------
    >>> inclusion(np.array([0.5, 0.25, 0.25]), 2).round(3).tolist()
    [0.8, 0.6, 0.6]
    >>> inclusion(np.array([1e13, 1e12, 1.0, 1.0]), 3).round(3).tolist()
    [1.0, 1.0, 0.5, 0.5]
    """
    if k >= len(w):
        return np.ones(len(w))
    w = w / w.sum()
    e, heavy = _symmetric(w, k), _heaviest(w, k)
    without = np.ones_like(w)  # of the others: 0, then 1, ... of them
    for j in range(1, k):
        without = e[j] - w * without
    without[heavy] = _leave_out(w, heavy, k)[0][:, k - 1]
    return np.asarray(np.clip(w * without / e[k], 0.0, 1.0))


def _pairs(w: Times, k: int) -> Times:
    """float64 (C, C): the probability that a user with k of the categories, at most `_EXACT`, has both; the diagonal means nothing."""
    if k >= len(w) or k < 2:
        return np.full((len(w), len(w)), float(k > 1))
    w = w / w.sum()
    e, heavy = _symmetric(w, k), _heaviest(w, k)
    powers = np.power(-w[:, None], np.arange(k - 1))
    # of the others, k - 2: e without a and b = sum over i, j of (-w_a)^i (-w_b)^j e_(k - 2 - i - j)
    place = k - 2 - np.add.outer(np.arange(k - 1), np.arange(k - 1))
    middle = np.where(place >= 0, e[np.maximum(place, 0)], 0.0)
    without = powers @ middle @ powers.T
    one, two = _leave_out(w, heavy, k)
    half = np.ones((len(heavy), len(w)))  # without a heavy one and any other
    for j in range(1, k - 1):
        half = one[:, j, None] - w * half
    without[heavy], without[:, heavy] = half, half.T
    without[np.ix_(heavy, heavy)] = two[..., k - 2]
    return np.asarray(np.clip(np.outer(w, w) * without / e[k], 0.0, 1.0))


def _many_pairs(p: Times, factors: Times) -> Times:
    """float64 (C, C): the same for larger sets, added up, each times its factor: p_a p_b (1 - q_a q_b / sum pq), Hájek 1964, eq. 5.27."""
    spread = p * (1.0 - p)
    room = np.maximum(spread.sum(axis=1), 1e-12)
    return np.asarray((p * factors[:, None]).T @ p - (spread * (factors / room)[:, None]).T @ spread)


def _odds(y: Times, log_x: float) -> Times:
    return np.asarray(np.expm1(np.minimum(np.exp(log_x) * y, 30.0)))


def visit_shares(degrees: Ints, users: Times, visitors: Times) -> tuple[Times, Times]:
    """float64 (C,) and (G,): the shares y, and the log rates, at which the model gives each category its users.

    Parameters
    ----------
    degrees : int64 (G,)
        Distinct numbers of categories that users have, all positive.
    users : float64 (G,)
        How many users have each.
    visitors : (C,)
        Users of each category.

    Examples
    --------
    >>> y, log_x = visit_shares(np.array([1, 2]), np.array([6.0, 4.0]), np.array([7, 4, 3]))
    >>> (6 * inclusion(np.expm1(np.exp(log_x[0]) * y), 1) + 4 * inclusion(np.expm1(np.exp(log_x[1]) * y), 2)).round(2).tolist()
    [7.0, 4.0, 3.0]
    """
    y = visitors / max(float(visitors.sum()), 1.0)
    limit = np.minimum(degrees, len(visitors) - 1e-3)  # whoever has everything has no finite rate
    large = degrees > _EXACT
    log_x: Times | None = None
    for _ in range(_ROUNDS):
        log_x = _rates(y, limit, log_x, steps=60 if log_x is None else 3)
        found = users[large] @ (1.0 - np.exp(-np.exp(log_x[large])[:, None] * y))
        for k, n, rate in zip(degrees[~large], users[~large], log_x[~large], strict=True):
            found = found + n * inclusion(_odds(y, rate), int(k))
        change = visitors / np.maximum(found, 1e-300)
        y = y * change
        if np.abs(np.log(np.maximum(change, 1e-300))).max(initial=0.0) < _CLOSE:
            break
    return y, _rates(y, limit, log_x)


def expected_pairs(degrees: Ints, user_pairs: Times, weights: Times, visitors: Times) -> Times:
    """float64 (C, C): the weighted number of users with both categories inside the window, by chance.

    Each user's pairs add up to the pairs that the user really has inside the window, so a window that cuts pairs off cuts both sides
    alike.

    Parameters
    ----------
    degrees : int64 (B,)
        Categories of each user.
    user_pairs : float64 (B,)
        Pairs of each user inside the window.
    weights : float64 (B,)
    visitors : (C,)
        Users of each category, all positive.
    """
    c = len(visitors)
    out = np.zeros((c, c))
    some = degrees > 0
    values, group = np.unique(degrees[some], return_inverse=True)
    if not len(values) or values[-1] < 2:
        return out
    y, log_x = visit_shares(values, np.bincount(group).astype(np.float64), visitors)
    dealt = np.bincount(group, weights=weights[some] * user_pairs[some])
    factors = 2.0 * dealt / np.maximum(values * (values - 1.0), 1.0)
    large = values > _EXACT
    for k, factor, rate in zip(values[~large], factors[~large], log_x[~large], strict=True):
        if k > 1 and factor > 0:
            out += factor * _pairs(_odds(y, rate), int(k))
    if large.any():
        out += _many_pairs(1.0 - np.exp(-np.exp(log_x[large])[:, None] * y), factors[large])
    np.fill_diagonal(out, 0.0)
    return out
