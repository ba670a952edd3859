"""The lists that were shown, on their way to the store and, in the end, out of it. Imports: asking, repeated, settings."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence

from crossaisle import schema
from crossaisle.errors import StoreAway
from crossaisle.live.asking import Answer
from crossaisle.live.repeated import Repeated
from crossaisle.live.settings import LiveSettings
from crossaisle.records import Cursor, Records, Shown, ShownList

__all__ = ["ListLog", "ListPruner"]

log = logging.getLogger("crossaisle.live")

_MOST = 20_000
"""Lists held while the store is away; the oldest go first."""
_AT_ONCE = 500
"""Lists written in one transaction: a store that comes back takes them within its time limit, and others write in between."""
_AGAIN = 1.0
"""Seconds until a store that was away is written to again."""
PRUNE_FIRST, PRUNE_EVERY = 60.0, 3600.0
"""Seconds after the start, and then between two looks for lists that have been kept long enough."""
_LEAVE = 4.0
"""After each piece that was deleted, so many times as long is left to others who write."""


class ListLog:
    """Writes lists in the background, many at a time; a list that cannot be written in time is lost, and counted.

    Attributes
    ----------
    lost : int
    """

    def __init__(self, records: Records, settings: LiveSettings) -> None:
        self.records, self.settings, self.lost = records, settings, 0
        self._waiting: deque[tuple[float, Cursor, Answer]] = deque()
        self._writing = threading.Lock()
        self._wake, self._closed = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="list-log", daemon=True)
        self._thread.start()

    def add(self, answers: Sequence[Answer], known: Cursor) -> None:
        """Lists that were just made, from what the store had up to a cursor."""
        now = time.time()
        self._waiting.extend((now, known, answer) for answer in answers)
        while len(self._waiting) > _MOST:
            self._waiting.popleft()
            self.lost += 1

    def flush(self) -> None:
        """Write what waits, now.

        Raises
        ------
        StoreAway
            If the store cannot be reached; the lists wait on.
        """
        with self._writing:
            for left in range(len(self._waiting), 0, -_AT_ONCE):
                taken = [self._waiting.popleft() for _ in range(min(left, len(self._waiting), _AT_ONCE))]
                try:
                    self.records.add_lists([_shown(*one) for one in taken])
                except StoreAway:
                    self._waiting.extendleft(reversed(taken))
                    raise
                except BaseException:
                    self.lost += len(taken)
                    raise

    def close(self) -> None:
        """Write what waits and end."""
        self._closed = True
        self._wake.set()
        self._thread.join(timeout=10)
        self.flush()

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(self.settings.log_seconds)
            try:
                self.flush()
            except StoreAway:
                self._wake.wait(_AGAIN)
            except Exception as error:  # such as a store without its tables: the next ones may get through
                log.error("fault in writing lists: %s", type(error).__name__)
                self._wake.wait(_AGAIN)


class ListPruner:
    """Deletes lists that have been kept for as long as they are to be, in the background; several processes may do so on one store."""

    def __init__(self, records: Records, settings: LiveSettings) -> None:
        self.records, self.settings = records, settings
        self._repeated = Repeated(self._prune, "list-pruner", PRUNE_EVERY, PRUNE_FIRST) if settings.keep_lists_days else None

    def close(self) -> None:
        """End after the piece that is being deleted."""
        if self._repeated is not None:
            self._repeated.close()

    def _prune(self) -> None:
        before = time.time() - self.settings.keep_lists_days * 86_400.0
        with contextlib.suppress(StoreAway):  # another time
            while True:
                began = time.monotonic()
                if not self.records.prune_lists(before):
                    return
                assert self._repeated is not None
                if self._repeated.ended.wait(_LEAVE * (time.monotonic() - began)):
                    return


def _shown(when: float, known: Cursor, answer: Answer) -> ShownList:
    explored = {slot["position"] for slot in answer.context.get("explored", ())}
    items = tuple(
        Shown(item[schema.ITEM], item[schema.RANK], item[schema.SCORE], item["propensity"], item[schema.RANK] in explored)
        for item in answer.items
    )
    return ShownList(answer.recommendation_id, answer.user_id, when, answer.model, items, answer.context, known)
