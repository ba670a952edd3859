"""Batches of several threads in one transaction: the wait for the disk is then paid once. Imports: errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from crossaisle.errors import StoreAway

__all__ = ["Together"]

In = TypeVar("In")
Out = TypeVar("Out")


class _Job(Generic[In, Out]):
    __slots__ = ("done", "error", "given", "result")

    def __init__(self, given: In) -> None:
        self.given = given
        self.done = False
        self.error: BaseException | None = None
        self.result: Any = None


class Together(Generic[In, Out]):
    """Whoever gets the turn does the work of everybody who waits.

    Parameters
    ----------
    work : callable
        Takes what several callers gave and returns one result for each; what it raises, all of them get.
    patience : float
        Seconds that a caller waits for the turn.
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
        self._turn = threading.Lock()
        self._waiting: list[_Job[In, Out]] = []
        self._list = threading.Lock()

    def do(self, given: In) -> Out:
        """Have `given` done, alone or with others' work."""
        job: _Job[In, Out] = _Job(given)
        with self._list:
            self._waiting.append(job)
        if not self._turn.acquire(timeout=self._patience):
            with self._list:
                if job in self._waiting:
                    self._waiting.remove(job)
            raise self._away("others are still writing")
        try:
            if not job.done:
                self._do_all()
        finally:
            self._turn.release()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[no-any-return]

    def _do_all(self) -> None:
        with self._list:
            jobs, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            for job, result in zip(jobs, self._work([job.given for job in jobs]), strict=True):
                job.result = result
        except BaseException as error:
            for job in jobs:
                job.error = error
        for job in jobs:
            job.done = True
