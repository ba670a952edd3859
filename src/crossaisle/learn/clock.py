"""Counts that fade with time, and a clock that a wrong clock cannot upset. Imports: schema.

Time is that of the log. The clock never goes back, and after the first event none moves it by more than a share (``leap``) of a half-life,
so that one event from a wrong clock, years ahead, does not wipe out what was learned; a late event counts as it would have at its time,
but not less than one half-life's worth. What follows depends on the events in their order and on nothing else.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossaisle.schema import Times

__all__ = ["DAY", "LogClock"]

DAY = 86_400.0
_RENEW = 64
"""Half-lives after which stored counts are brought to the present, far from where a float overflows."""


class LogClock:
    """The time of a log, and what an event counts by it.

    Counts are kept in units of an event at the moment `unit`, so that time passes without touching them.

    Parameters
    ----------
    half_life : float
        Seconds after which an event counts half.
    leap : float
        Half-lives by which one event may move the clock on.

    Examples
    --------
    >>> clock = LogClock(half_life=10.0, leap=1.0)
    >>> worth, shrink = clock.take(np.array([100.0, 110.0, 9e9, 105.0]))
    >>> worth.round(2).tolist(), shrink, clock.now
    ([1.0, 2.0, 4.0, 2.0], 1.0, 120.0)
    >>> round(float(clock.present(130.0) * worth.sum()), 3)
    1.125
    """

    def __init__(self, half_life: float, leap: float) -> None:
        self.half_life, self.leap = half_life, leap
        self.now = self.unit = -np.inf

    def take(self, times: Times) -> tuple[Times, float]:
        """Move on with events.

        Parameters
        ----------
        times : float64 (E,)
            Unix seconds, one event or more; what is not finite counts as the moment of the event before it.

        Returns
        -------
        worth : float64 (E,)
            What to add to the stored counts for each event.
        shrink : float
            What to multiply the stored counts with before that. A power of two, which rounds nothing: however the log is cut into calls,
            the counts are the same to the last bit.
        """
        clocks = self._clocks(times)
        if self.now == -np.inf:  # nothing is dated yet
            return np.ones(len(times)), 1.0
        if self.unit == -np.inf:
            self.unit = float(clocks[clocks > -np.inf][0])
        steps = int((self.now - self.unit) // (_RENEW * self.half_life))
        if steps > 0:
            self.unit += steps * _RENEW * self.half_life
        moments = np.where(
            clocks > -np.inf, np.clip(np.where(np.isfinite(times), times, clocks), clocks - self.half_life, clocks), self.unit
        )
        return np.exp2((moments - self.unit) / self.half_life), float(np.exp2(-_RENEW * max(steps, 0)))

    def _clocks(self, times: Times) -> Times:
        """float64 (E,): the clock at each event, -inf before the first dated one."""
        leap, clock = self.leap * self.half_life, self.now
        ahead = np.maximum(np.maximum.accumulate(np.where(np.isfinite(times), times, -np.inf)), clock)
        if clock > -np.inf and np.diff(ahead, prepend=clock).max() <= leap:  # the usual case, at once
            out = ahead
        else:
            out = np.empty(len(times))
            for place, moment in enumerate(times.tolist()):
                if np.isfinite(moment) and moment > clock:
                    clock = moment if clock == -np.inf else min(moment, clock + leap)
                out[place] = clock
        self.now = float(out[-1])
        return out

    def present(self, now: float) -> float:
        """What a stored count of 1 is worth at a moment, which is not before the log's own."""
        return 1.0 if self.unit == -np.inf else float(np.exp2((self.unit - max(now, self.now)) / self.half_life))

    def state(self) -> npt.NDArray[np.float64]:
        """float64 (2,), for `resume`."""
        return np.array([self.now, self.unit])

    def resume(self, state: npt.NDArray[np.float64]) -> None:
        """Go on from a `state`."""
        self.now, self.unit = (float(x) for x in state)
