"""Something done again and again by a thread of its own. Imports nothing of this package."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

__all__ = ["Repeated"]

log = logging.getLogger("crossaisle.live")


class Repeated:
    """Calls ``work`` every ``seconds`` until `close`; a fault is logged by its kind, and the next call comes all the same.

    Parameters
    ----------
    work : callable
        A long one looks at ``ended`` now and then.
    name : str
        Of the thread.
    seconds : float
        Between two calls.
    first : float, optional
        Seconds before the first call, ``seconds`` if not given.

    Attributes
    ----------
    ended : threading.Event
        Set once no more calls are wanted.

    Examples
    --------
    >>> done = threading.Event()
    >>> repeated = Repeated(done.set, "an example", 0.01)
    >>> done.wait(5), repeated.close()
    (True, None)
    """

    def __init__(self, work: Callable[[], object], name: str, seconds: float, first: float | None = None) -> None:
        self._work, self._seconds, self._first = work, seconds, seconds if first is None else first
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End after the call that is running."""
        self.ended.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        wait = self._first
        while not self.ended.wait(wait):
            wait = self._seconds
            try:
                self._work()
            except Exception as error:  # one bad call must not end all that would follow
                log.error("fault in %s: %s", self._thread.name, type(error).__name__)
