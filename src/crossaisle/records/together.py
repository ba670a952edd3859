"""Batches of several threads in one transaction: the wait for the disk is then paid once. Imports: errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from crossaisle.errors import StoreAway

__all__ = ["Together"]

In = TypeVar("In")
Out = TypeVar("Out")


class _Job(Generic[In, Out]):
    __slots__ = ("error", "given", "leads", "result", "woken")

    def __init__(self, given: In) -> None:
        self.given = given
        self.result: Out | None = None
        self.error: BaseException | None = None
        self.leads = False
        self.woken = threading.Event()


class Together(Generic[In, Out]):
    """One caller at a time does the work of everybody who waits, then hands the lead to whoever came meanwhile.

    Parameters
    ----------
    work : callable
        Takes what several callers gave and returns one result for each; what it raises, all of them get.
    patience : float
        Seconds that a caller waits for others.
    away : callable
        Makes the error for a caller who waited in vain.
    most : int
        The most callers served at once.

    Examples
    --------
    >>> Together(lambda numbers: [n * n for n in numbers], 1.0, lambda why: StoreAway("here", why)).do(3)
    9
    """

    def __init__(
        self, work: Callable[[Sequence[In]], Sequence[Out]], patience: float, away: Callable[[str], StoreAway], most: int = 40
    ) -> None:
        self._work, self._patience, self._away, self._most = work, patience, away, most
        self._lock = threading.Lock()  # held for a few lines only, never while working
        self._waiting: list[_Job[In, Out]] = []
        self._busy = False

    def do(self, given: In) -> Out:
        """Have `given` done, alone or with others' work."""
        job: _Job[In, Out] = _Job(given)
        with self._lock:
            self._waiting.append(job)
            job.leads, self._busy = not self._busy, True
        if not job.leads and not job.woken.wait(2 * self._patience):  # for the work under way, and then for this one
            with self._lock:
                late = not job.woken.is_set()
                if late and job in self._waiting:
                    self._waiting.remove(job)
            if late:
                raise self._away("others are still writing")
        if job.leads:
            self._lead()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def _lead(self) -> None:
        with self._lock:
            jobs, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            for job, result in zip(jobs, self._work([job.given for job in jobs]), strict=True):
                job.result = result
        except BaseException as error:
            for job in jobs:
                job.error = error
        with self._lock:
            for job in jobs:
                job.woken.set()
            self._busy = bool(self._waiting)
            if self._waiting:
                self._waiting[0].leads = True
                self._waiting[0].woken.set()
