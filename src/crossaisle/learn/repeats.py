"""What people take again: how much likelier than the model says, by how long ago and how often they took it. Imports: clock, settings.

A model whose weights were chosen on items new to a person says little of those that they have had. To the log-score of such an item two
numbers are added, one for the span since it was taken last and one for how often it was taken; of all other items nothing is known here.
With p_i the chances that follow (a softmax over all items), an event moves each of the numbers w_k, of which q_k = the sum of p_i over the
items that it belongs to, towards what was taken:

    w_k += (x_k - q_k) / (h_k + k),     h_k the sum of q_k (1 - q_k) over the events, fading with time,

x_k = 1 where it belongs to the item taken; no number goes beyond the limit. That is the multinomial logit model learned online by a
Gaussian with a diagonal precision, of mean 0 and precision k at first, one Newton step an event (Chapelle and Li 2011, "An Empirical
Evaluation of Thompson Sampling", algorithm 3).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossaisle.learn.clock import DAY, LogClock
from crossaisle.learn.settings import RepeatSettings
from crossaisle.schema import Floats, Ints, Times

__all__ = ["COUNTS", "SPANS", "Repeats", "habits_of", "is_asked"]

SPANS = {"an hour": 1 / 24, "a day": 1.0, "a week": 7.0, "two weeks": 14.0, "four weeks": 28.0, "longer": np.inf}
"""Up to how many days ago each span goes."""
COUNTS = {"once": 1, "2 or 3 times": 2, "4 to 7 times": 4, "8 to 15 times": 8, "16 times or more": 16}
"""From how often on each count goes."""
_ENDS, _BEGINS = np.array(list(SPANS.values())) * DAY, np.array(list(COUNTS.values()))

_ALL = 1_024
"""Of the first so many events, of as many after them, of twice as many after these and so on, so many are asked about."""
_LEAST = 64
"""One event in so many at the least."""


def habits_of(seconds: npt.ArrayLike, counts: npt.ArrayLike) -> Ints:
    """int64 (P, 2): the places of the two numbers for items that somebody has had.

    Parameters
    ----------
    seconds : float (P,)
        Since each was taken last; below 0 counts as now.
    counts : int (P,)
        How often it was taken, at least once.

    Examples
    --------
    >>> habits_of([60.0, 3 * 86_400.0, 1e9], [1, 5, 100]).tolist()
    [[0, 6], [2, 8], [5, 10]]
    """
    span = np.minimum(np.searchsorted(_ENDS, np.asarray(seconds, np.float64), side="right"), len(SPANS) - 1)
    count = np.searchsorted(_BEGINS, np.asarray(counts), side="right") - 1
    return np.stack([span, len(SPANS) + count], axis=1).astype(np.int64)


def is_asked(n: int) -> bool:
    """Whether the n-th event of a log, from 0, is learned from: what the model expected before it is the work of a list.

    Which ones follows from their place in the log, so whoever reads the same log asks about the same.

    Examples
    --------
    >>> [is_asked(n) for n in (0, 2047, 2048, 2049, 4098, 64 * 10**9)]
    [True, True, True, False, False, True]
    """
    return n % min(1 << max(0, (n // _ALL).bit_length() - 1), _LEAST) == 0


class Repeats:
    """See the file's first lines. The state follows from the events in their order and from nothing else.

    Examples
    --------
    >>> repeats, weekly = Repeats(), habits_of([6 * 86_400.0, 300 * 86_400.0], [3, 1])
    >>> for day in range(50):
    ...     repeats.take(weekly, [0.01, 0.01], taken=0, time=1e9 + day)
    >>> last_week, long_ago = repeats.adds(weekly)
    >>> bool(last_week > 2 and long_ago <= 0)
    True
    """

    def __init__(self, settings: RepeatSettings | None = None) -> None:
        self.settings = settings or RepeatSettings()
        n = len(SPANS) + len(COUNTS)
        self._weights, self._seen = np.zeros(n), np.zeros(n)
        self._clock = LogClock(self.settings.half_life * DAY, self.settings.leap)
        self.events = 0
        """How many events were learned."""

    def take(self, habits: npt.ArrayLike, chances: npt.ArrayLike, taken: int, time: float) -> None:
        """Learn from one event of a person who had P different items before it.

        Parameters
        ----------
        habits : int (P, 2)
            Of these items, see `habits_of`.
        chances : float (P,)
            The model's probability, before the event, of each of them; all other items have the rest.
        taken : int
            Which of them was taken; -1: another item.
        time : float
            Unix seconds.

        Raises
        ------
        ValueError
            If shapes differ, or there is no such item.
        """
        which, chance = np.asarray(habits, np.int64), np.asarray(chances, np.float64)
        if which.shape != (len(chance), 2) or chance.ndim != 1 or not -1 <= taken < len(chance):
            raise ValueError(f"habits {which.shape}, chances {chance.shape}, taken {taken}; expected (P, 2), (P,), -1 to P - 1")
        raised = chance * np.exp(self._of(which))
        raised /= raised.sum() + max(1.0 - chance.sum(), 0.0)
        expected = np.bincount(which.ravel(), np.repeat(raised, 2), minlength=len(self._weights))
        told = np.zeros(len(self._weights))
        if taken >= 0:
            told[which[taken]] = 1.0
        worth, shrink = self._clock.take(np.array([time]))
        self._seen = self._seen * shrink + worth[0] * expected * (1.0 - np.minimum(expected, 1.0))
        step, limit = (told - expected) / (self._seen * self._clock.present(-np.inf) + self.settings.prior), self.settings.limit
        self._weights = np.clip(self._weights + step, -limit, limit)
        self.events += 1

    def _of(self, habits: Ints) -> Times:
        return np.asarray(self._weights[habits].sum(axis=1))

    def adds(self, habits: Ints) -> Floats:
        """float32 (P,): what is added to the log-scores of items of these habits (P, 2)."""
        return self._of(habits).astype(np.float32)

    def weights(self) -> dict[str, float]:
        """What is added for each span, and for each count."""
        return dict(zip([*SPANS, *COUNTS], self._weights.tolist(), strict=True))
