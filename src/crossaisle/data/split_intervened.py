"""Questions whose targets are asked for evenly: a popular item no more often than a rare one. Imports: split_parts.

Held-out events ask for what people met, and they met what is popular. A question is therefore kept with probability proportional to
min(1 / n, cap), n the events of its target in training (Bonner and Vasile 2018, arXiv:1706.07639; Zheng et al. 2021, "DICE",
arXiv:2006.11011). The result is another population of questions, not "what people truly like": report it beside the natural
one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from crossaisle.data.split_parts import Queries
from crossaisle.schema import Ints

__all__ = ["CAP", "LEAST", "flattened"]

CAP = 0.2
"""Targets of 1 / CAP events or fewer are asked for alike."""
LEAST = 500
"""The cap falls until so many questions, or half of them where there are fewer than twice as many, are expected to stay."""


def flattened(queries: Queries, counts: Ints, seed: int, cap: float = CAP, least: int = LEAST) -> tuple[Queries, float]:
    """The same Q questions with only those targets that a draw has kept; a question may be left without any.

    Parameters
    ----------
    queries : Queries
    counts : int64 (N,)
        Events of each item in training.
    seed : int
        Of the draw; every target is drawn by itself, so the questions that stay are still independent.

    Returns
    -------
    queries : Queries
    cap : float
        The one that was used.

    Examples
    --------
    >>> from crossaisle.data.histories import Histories
    >>> asked = Histories.from_lists([[1]] * 4), Histories.from_lists([[0], [0], [0], [1]])
    >>> kept, cap = flattened(Queries(np.arange(4), *asked, np.full(4, -1), np.zeros(4)), np.array([3000, 1]), seed=0, least=1)
    >>> cap, kept.targets.lengths.tolist()
    (0.2, [0, 0, 0, 1])
    """
    n = np.maximum(counts[queries.targets.items], 1).astype(np.float64)
    even = max(1.0 / cap, float(n.min(initial=np.inf)) if len(n) else 1.0)  # below this many events all are kept
    wanted = min(float(least), len(n) / 2)
    if np.minimum(1.0, even / np.maximum(n, 1e-12)).sum() < wanted:
        low, high = even, float(n.max())
        for _ in range(60):
            even = (low + high) / 2
            low, high = (low, even) if np.minimum(1.0, even / n).sum() >= wanted else (even, high)
        even = high
    kept = np.random.default_rng(seed).random(len(n)) < even / n
    return replace(queries, targets=queries.targets.keep(kept)), 1.0 / even
