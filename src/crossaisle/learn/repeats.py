"""What people take again: what the model's score of something they have had says, and what it does not. Imports: clock, settings.

A model whose weights were chosen on items new to a person says little of those that they have had. To the log-score of such an item i
is added

    a_i = w_span(i) + w_count log c_i + w_own log (N p_i)

with the span since it was taken last, the c_i times that it was taken, and p_i the model's own probability of it among N items: w_own is
about -1/2, so of the model's order among these items half is left. Of all other items nothing is known here. With p'_i the probabilities
that follow (p_i exp a_i, made to sum to 1 with those of all other items), x_i the eight features of a_i and m = the sum of p'_i x_i, the
event that item t was taken moves the numbers by

    w += (x_t - m) / (h + k),     h the variances of the features, summed over the events so far, fading with time,

x_t = 0 for an item that the person never had. That is the multinomial logit model learned online by a Gaussian with a diagonal precision k
at first (of w_own 30 k), one Newton step an event (Chapelle and Li 2011, "An Empirical Evaluation of Thompson Sampling", algorithm 3).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from crossaisle.learn.clock import DAY, LogClock
from crossaisle.learn.settings import RepeatSettings
from crossaisle.schema import Floats, Ints, Times

__all__ = ["SPANS", "Repeats", "features", "had", "is_asked"]

SPANS = {"an hour": 1 / 24, "a day": 1.0, "a week": 7.0, "two weeks": 14.0, "four weeks": 28.0, "longer": np.inf}
"""Up to how many days ago each span goes."""
_ENDS = np.array(list(SPANS.values())) * DAY
_OWN = len(SPANS) + 1
_SURER = 30.0
"""How much surer w_own is at first: its feature is large, and the first few events would throw it about."""

_ALL = 1_024
"""Of the first so many events, of as many after them, of twice as many after these and so on, so many are asked about."""
_LEAST = 64
"""One event in so many at the least."""


def features(seconds: npt.ArrayLike, counts: npt.ArrayLike, likelier: npt.ArrayLike) -> Times:
    """float64 (P, 8): what is known of items that somebody has had.

    Parameters
    ----------
    seconds : float (P,)
        Since each was taken last; below 0 counts as now.
    counts : int (P,)
        How often it was taken, at least once.
    likelier : float (P,)
        The logarithm of how much likelier than by chance the model takes it to be: log (N p).

    Examples
    --------
    >>> features([60.0, 3 * 86_400.0, 1e9], [1, 1, 1], [0.5, 0.0, 0.0]).tolist()[0]
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]
    """
    span = np.minimum(np.searchsorted(_ENDS, np.asarray(seconds, np.float64), side="right"), len(SPANS) - 1)
    return np.column_stack([np.eye(len(SPANS))[span], np.log(np.asarray(counts, np.float64)), np.asarray(likelier, np.float64)])


def had(items: Ints, times: Times, now: float, scores: Floats) -> tuple[Ints, Times, Times]:
    """What a person has taken before a moment.

    Parameters
    ----------
    items : int64 (E,)
        Of what was taken, oldest first or not; one without a score is left out.
    times : float64 (E,)
        Unix seconds.
    now : float
        Unix seconds.
    scores : float32 (N,)
        Log-scores of all items; minus infinity where one cannot be listed.

    Returns
    -------
    own : int64 (P,)
        The different items, ascending.
    known : float64 (P, 8)
        See `features`.
    chances : float64 (P,)
        The model's probability of each.
    """
    listed = np.isfinite(scores)
    kept = listed[items]
    own, which, counts = np.unique(items[kept], return_inverse=True, return_counts=True)
    last = np.full(len(own), -np.inf)
    np.maximum.at(last, which, times[kept])
    logs = scores[own].astype(np.float64) - (logsumexp(scores[listed].astype(np.float64)) if len(own) else 0.0)
    return own, features(now - last, counts, logs + np.log(max(int(listed.sum()), 1))), np.exp(logs)


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
    >>> repeats, known = Repeats(), features([6 * 86_400.0, 300 * 86_400.0], [3, 1], [0.0, 0.0])
    >>> for day in range(50):
    ...     repeats.take(known, [0.01, 0.01], taken=0, time=1e9 + day)
    >>> last_week, long_ago = repeats.adds(known)
    >>> bool(last_week > 2 and long_ago <= 0)
    True
    """

    def __init__(self, settings: RepeatSettings | None = None) -> None:
        self.settings = settings or RepeatSettings()
        self._weights, self._seen = np.zeros(_OWN + 1), np.zeros(_OWN + 1)
        self._weights[_OWN] = self.settings.kept - 1.0
        self._prior = np.full(_OWN + 1, self.settings.prior)
        self._prior[_OWN] *= _SURER
        self._clock = LogClock(self.settings.half_life * DAY, self.settings.leap)
        self.events = 0
        """How many events were learned."""

    def take(self, known: npt.ArrayLike, chances: npt.ArrayLike, taken: int, time: float, trained: bool = False) -> None:
        """Learn from one event of a person who had P different items before it.

        Parameters
        ----------
        known : float (P, 8)
            What is known of these items, see `features`.
        chances : float (P,)
            The model's probability, before the event, of each of them; all other items have the rest.
        taken : int
            Which of them was taken; -1: another item.
        time : float
            Unix seconds.
        trained : bool
            The model was trained on this event, so how well it knew of it says nothing of how well it knows of others.

        Raises
        ------
        ValueError
            If shapes differ, or there is no such item.
        """
        x, chance = np.asarray(known, np.float64), np.asarray(chances, np.float64)
        if chance.ndim != 1 or x.shape != (len(chance), _OWN + 1) or not -1 <= taken < len(chance):
            raise ValueError(f"known {x.shape}, chances {chance.shape}, taken {taken}; expected (P, {_OWN + 1}), (P,), -1 to P - 1")
        raised = chance * np.exp(np.minimum(x @ self._weights, 100.0))
        raised /= raised.sum() + max(1.0 - chance.sum(), 0.0)
        expected = raised @ x
        varied = np.maximum(raised @ x**2 - expected**2, 0.0)
        worth, shrink = self._clock.take(np.array([time]))
        told = (x[taken] if taken >= 0 else 0.0) - expected
        learned = slice(0, _OWN if trained else _OWN + 1)
        self._seen *= shrink
        self._seen[learned] += worth[0] * varied[learned]
        precision, limit = self._seen * self._clock.present(-np.inf) + self._prior, self.settings.limit
        self._weights[learned] = np.clip(self._weights + told / precision, -limit, limit)[learned]
        self._weights[_OWN] = max(self._weights[_OWN], -1.0)  # the model's order is not turned round
        self.events += 1

    def adds(self, known: Times) -> Floats:
        """float32 (P,): what is added to the log-scores of items of which this is known."""
        return np.asarray(known @ self._weights, dtype=np.float32)

    def weights(self) -> dict[str, float]:
        """The numbers: what is added for each span, for each factor of e in the count, and in the model's own probability."""
        return dict(zip([*SPANS, "count", "own"], self._weights.tolist(), strict=True))
