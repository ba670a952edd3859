"""A bounded queue in front of one thread: what waits is taken as a batch, what cannot be answered in time is refused. Imports: problems.

The loop never computes and never waits for a lock. A request is put into a lane and awaited; the lane's one thread takes whatever is
queued the moment it becomes free (nothing waits to fill a batch), computes, and hands all results of a batch back to the loop in one
call. Where more waits than may, or has waited longer than it may, the answer is 503 with Retry-After, so that the time of what is
accepted stays bounded however much is sent.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from crossaisle.serve.problems import Problem

__all__ = ["Lane", "too_busy"]

A = TypeVar("A")
R = TypeVar("R")
_Waiting = tuple[A, "asyncio.Future[R]", float]


def too_busy(retry_after: int) -> Problem:
    """The answer where more is asked than can be done in time."""
    return Problem(503, "too many requests wait", "fewer at a time", "send the same again later", retry_after=retry_after)


def _give_up(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


class Lane(Generic[A, R]):
    """A thread, or some, that work through what the loop gives it, in batches.

    Parameters
    ----------
    work : callable
        Given a list of what was asked, returns as many results; a result that is an exception is raised to its asker.
    name : str
        Of the thread.
    max_batch : int
        Most that ``work`` is given at a time.
    max_waiting : int
        Most that may wait; one more is refused.
    max_wait : float
        Seconds; what has waited longer when its turn comes is refused uncomputed.
    max_answer : float
        Seconds; who has no result by then gets a TimeoutError, while the thread goes on.
    retry_after : int
        Seconds, told to whom is refused.
    threads : int
        How many take from the queue.
    """

    def __init__(
        self,
        work: Callable[[list[A]], Sequence[R | BaseException]],
        name: str,
        max_batch: int,
        max_waiting: int,
        max_wait: float,
        max_answer: float,
        retry_after: int,
        threads: int = 1,
    ) -> None:
        self._work, self._max_batch, self._max_waiting, self._max_wait = work, max_batch, max_waiting, max_wait
        self._max_answer, self._retry_after = max_answer, retry_after
        self._queue: SimpleQueue[_Waiting[A, R] | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads = [threading.Thread(target=self._run, name=name, daemon=True) for _ in range(threads)]
        self._closed = False
        self.waiting = 0
        """How many are in the lane, the batch that is being computed included; changed only in the loop's thread."""

    def start(self) -> None:
        """Start; call inside the running loop."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    async def do(self, asked: A, since: float | None = None) -> R:
        """The result for ``asked``, which waits ``since`` then (by the monotonic clock; by default since now).

        Raises
        ------
        Problem
            503, where too many wait, or where this one waited too long.
        TimeoutError
            Where there is no result in time.
        """
        if self.waiting >= self._max_waiting or self._closed or self._loop is None:
            raise too_busy(self._retry_after)
        future: asyncio.Future[R] = self._loop.create_future()
        self.waiting += 1
        self._queue.put((asked, future, time.monotonic() if since is None else since))
        alarm = self._loop.call_later(self._max_answer, _give_up, future)
        try:
            return await future
        finally:
            alarm.cancel()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            stop = False
            while len(batch) < self._max_batch:
                try:
                    following = self._queue.get_nowait()
                except Empty:
                    break
                if following is None:
                    stop = True
                    break
                batch.append(following)
            self._answer(batch)
            if stop:
                return

    def _answer(self, batch: list[_Waiting[A, R]]) -> None:
        oldest = time.monotonic() - self._max_wait
        asked = [one for one in batch if one[2] >= oldest and not one[1].done()]
        results: Sequence[R | BaseException] = ()
        if asked:
            try:
                results = self._work([one[0] for one in asked])
                if len(results) != len(asked):
                    raise RuntimeError(f"{len(results)} results for {len(asked)} requests")
            except Exception as error:  # a fault of one batch must not end the thread; it is raised to those who asked
                results = [error] * len(asked)
        answers: list[tuple[asyncio.Future[R], Any]] = [(one[1], result) for one, result in zip(asked, results, strict=True)]
        if len(asked) < len(batch):
            kept = {id(one[1]) for one in asked}
            answers += [(one[1], too_busy(self._retry_after)) for one in batch if id(one[1]) not in kept]
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._hand_over, answers)
        except RuntimeError:  # the loop was closed under us: nobody waits any more
            return

    def _hand_over(self, answers: list[tuple[asyncio.Future[R], Any]]) -> None:
        self.waiting -= len(answers)
        for future, result in answers:
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)

    async def close(self) -> None:
        """Refuse what comes, finish what waits, end the thread."""
        if self._closed:
            return
        self._closed = True
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            if thread.ident is not None:
                await asyncio.get_running_loop().run_in_executor(None, thread.join, 60.0)
