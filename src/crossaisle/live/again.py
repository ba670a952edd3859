"""What people take again (`learn.repeats`), learned from the model's own histories at first, then from the log.

Imports: known, person, served.

What the model expected is the work of a list, so of the histories only the newest events are learned, and of the log not every one
(`learn.repeats.is_asked`). Which ones follows from the model and from the order of the log, so workers that read the same log ask about the
same events; they come to nearly the same numbers, because one that starts with a long log behind it asks only about the newest.

Only where every part of the model scores everything (``live.exact_items``): of a larger catalogue it is not known what to expect.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from crossaisle.data.build import NO_EVENT
from crossaisle.errors import StoreAway
from crossaisle.learn.repeats import Repeats, habits_of, is_asked
from crossaisle.learn.settings import RepeatSettings
from crossaisle.live.known import Known
from crossaisle.live.person import Person, together
from crossaisle.live.served import Served
from crossaisle.records import Event, Records
from crossaisle.schema import Floats, Ints, Times

__all__ = ["AT_ONCE", "FIRST", "Again"]

log = logging.getLogger("crossaisle.live")

FIRST = 512
"""Newest events of the model's own histories that are learned first, so that lists are right before anything has happened."""
AT_ONCE = 64
"""Events asked about between two looks at the log; the others wait."""
_TOGETHER = 16
"""Events asked about together."""
_WAITING = 2_048
"""Events that wait at most, the newest."""


class _Asked(NamedTuple):
    """An event to be asked about: of whom, what, when, and its id in the store or its place in the history that the model holds."""

    user_id: str
    item: int
    time: float
    place: str | int


class Again:
    """See the file's first lines.

    Parameters
    ----------
    served : Served
        The version in service, with the items that joined.
    records : Records
    settings : RepeatSettings
    """

    def __init__(self, served: Served, records: Records, settings: RepeatSettings) -> None:
        self._served, self._records = served, records
        self.repeats = Repeats(settings)
        self._kind = settings.kind
        self._waiting: deque[_Asked] = deque(self._held(), maxlen=_WAITING)

    @staticmethod
    def possible(served: Served) -> bool:
        """Whether every part of the model scores everything in a moment."""
        return served.catalogue.n_items <= served.settings.exact_items

    def follow(self, served: Served) -> None:
        """Items joined: go on with them."""
        self._served = served

    def _held(self) -> list[_Asked]:
        """The newest events of the model's own histories, in their order."""
        people = self._served.contents.people
        if people is None:
            return []
        h = people.histories
        taken = np.flatnonzero(np.isin(h.events, self._kinds()) & np.isfinite(h.times))
        if len(taken) > FIRST:
            taken = np.sort(taken[np.argpartition(h.times[taken], -FIRST)[-FIRST:]])
        newest = taken[np.argsort(h.times[taken], kind="stable")]
        owners = np.searchsorted(h.offsets, newest, side="right") - 1
        users = people.users.gather(owners).to_list()
        places = newest - h.offsets[owners]
        return [_Asked(*one) for one in zip(users, h.items[newest].tolist(), h.times[newest].tolist(), places.tolist(), strict=True)]

    def take(self, events: Iterable[tuple[int, int, Event]]) -> None:
        """Note which of these events are to be asked about: place in the log since training, from 1, item code, event."""
        for n, code, event in events:
            if event.event == self._kind and is_asked(n - 1):
                self._waiting.append(_Asked(event.user_id, code, event.timestamp, event.event_id))

    def work(self, ended: threading.Event, n: int = AT_ONCE) -> None:
        """Ask about up to n of the events that wait; for one thread at a time.

        Parameters
        ----------
        ended : threading.Event
            Once set, the rest is left.

        Raises
        ------
        StoreAway
            If the store cannot be reached; what was not asked about waits on.
        """
        while self._waiting and n > 0 and not ended.is_set():
            began = time.monotonic()
            some = [self._waiting.popleft() for _ in range(min(_TOGETHER, n, len(self._waiting)))]
            try:
                self._learn(some)
            except StoreAway:
                self._waiting.extendleft(reversed(some[: _WAITING - len(self._waiting)]))
                raise
            except Exception as error:  # whatever is wrong with them, the others are learned
                log.error("fault in learning what is taken again: %s", type(error).__name__)
            n -= len(some)
            ended.wait(time.monotonic() - began)  # lists go on meanwhile

    def _before(self, asked: _Asked, known: dict[str, Known]) -> Person | None:
        """The person as known before the event; None where it is gone, or part of the model's own histories as well."""
        if isinstance(asked.place, str):
            if asked.user_id not in known:
                known[asked.user_id] = Known.of(self._served, self._records, asked.user_id)
            return known[asked.user_id].before_event(self._served, asked.place)
        if self._records.is_forgotten(asked.user_id):
            return None
        held, n = self._served.known_person(asked.user_id), asked.place
        return Person(held.items[:n], held.kinds[:n], held.weights[:n], held.times[:n])

    def _learn(self, some: list[_Asked]) -> None:
        served, known = self._served, dict[str, Known]()
        # whoever has no history expects nothing of it
        asked = [(one, person) for one in some if (person := self._before(one, known)) is not None and len(person.items)]
        if not asked:
            return
        listable = served.catalogue.available & ~served.gone
        scores = served.contents.scorer.score(together([person for _, person in asked])).astype(np.float64)
        chances = softmax(np.where(listable, scores, -np.inf), axis=1)
        for (one, person), chance in zip(asked, chances, strict=True):
            own, habits = self._habits(person, one.time)
            if len(own) and listable[one.item]:
                here = np.flatnonzero(own == one.item)
                self.repeats.take(habits, chance[own], int(here[0]) if len(here) else -1, one.time)

    def _habits(self, person: Person, now: float) -> tuple[Ints, Ints]:
        """int64 (P,), (P, 2): the different items that a person has taken, ascending, and how; see `learn.repeats.habits_of`."""
        taken = np.isin(person.kinds, self._kinds()) & ~np.isnan(person.times)
        own, which, counts = np.unique(person.items[taken], return_inverse=True, return_counts=True)
        last: Times = np.full(len(own), -np.inf)
        np.maximum.at(last, which, person.times[taken])
        return own, habits_of(now - last, counts)

    def _kinds(self) -> list[int]:
        """Codes of events that count as taking: in tables without kinds all do."""
        return [code for name, code in self._served.kinds.items() if name in (self._kind, NO_EVENT)]

    def adds(self, person: Person, items: Ints, now: float) -> Floats:
        """float32 (P,): what is added to the scores of some items; nothing that was disliked rises."""
        own, habits = self._habits(person, now)
        adds = self.repeats.adds(habits)
        refused = np.isin(own, list(person.disliked))
        out = np.zeros(self._served.catalogue.n_items, np.float32)
        out[own] = np.where(refused, np.minimum(adds, 0.0), adds)
        return out[items]
