"""Ends calls to a database that take too long, from outside. Imports: nothing of this package.

A database has time limits of its own, but they do not hold where it is stopped, behind a slow line, or inside a long step. What always
holds is to cut the connection: SQLite's steps are interrupted, PostgreSQL's socket is shut, and the waiting call ends with an error.
"""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Limits"]

TICK = 0.1
"""Seconds between two looks at the clock; a limit may be passed by as much."""


def _cut(connection: Any) -> None:
    if hasattr(connection, "interrupt"):
        connection.interrupt()
        return
    with socket.fromfd(connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.shutdown(socket.SHUT_RDWR)


class Limits:
    """One thread that watches all running calls of a process, ten times a second: a call pays only two dictionary writes."""

    def __init__(self) -> None:
        self._running: dict[int, tuple[float, Any]] = {}
        self._numbers = itertools.count()
        self._cutting = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def within(self, seconds: float, connection: Any) -> Iterator[None]:
        """Cut `connection` if the block takes longer.

        Raises
        ------
        TimeoutError
            If it was cut, even if the block came to its end by then: the connection is of no further use.
        """
        number = self.start(seconds, connection)
        try:
            yield
        except BaseException as error:
            if self.end(number):
                raise TimeoutError(f"no answer within {seconds:g} s") from error
            raise
        if self.end(number):
            raise TimeoutError(f"no answer within {seconds:g} s")

    def start(self, seconds: float, connection: Any) -> int:
        """Begin to watch; `end` takes the number that this gives."""
        if self._thread is None:
            self._begin()
        number = next(self._numbers)
        self._running[number] = (time.monotonic() + seconds, connection)
        return number

    def end(self, number: int) -> bool:
        """End the watch; whether the connection was cut."""
        if self._running.pop(number, None) is not None:
            return False
        with self._cutting:  # the cut may still be under way, and its socket must not be closed before
            return True

    def _begin(self) -> None:
        with self._cutting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="store limits", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        while not self._closed.wait(TICK):
            now = time.monotonic()
            for number, (until, connection) in list(self._running.items()):
                if until > now:
                    continue
                with self._cutting:
                    if self._running.pop(number, None) is not None:
                        try:
                            _cut(connection)
                        except Exception:  # it broke by itself meanwhile
                            continue

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
