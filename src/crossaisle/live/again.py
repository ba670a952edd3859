"""What people take again (`learn.repeats`), learned from the model's own histories at first, then from the log.

Imports: known, person, served.

What the model expected is the work of a list, so of the histories only the newest events are learned, and of the log not every one
(`learn.repeats.is_asked`). Which ones follows from the model and from the order of the log alone, so workers that read the same log come to
the same numbers but for rounding.

Only where every part of the model scores everything (``live.exact_items``): of a larger catalogue it is not known what to expect.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.special import softmax

from crossaisle.learn.repeats import Repeats, habits_of, is_asked
from crossaisle.learn.settings import RepeatSettings
from crossaisle.live.known import Known
from crossaisle.live.person import Person, together
from crossaisle.live.served import Served
from crossaisle.records import KINDS, Event, Records
from crossaisle.schema import Floats, Ints, Times

__all__ = ["Again"]

_FIRST = 512
"""Newest events of the model's own histories that are learned first, so that lists are right before anything has happened."""
_TOGETHER = 16
"""Events asked about together."""
_AT_ONCE = 64
"""Events asked about between two looks at the log; the others wait."""


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
        self._kind, self._read = settings.kind, 0
        self._waiting = deque(self._held())

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
        newest = taken[np.argsort(h.times[taken], kind="stable")[-_FIRST:]]
        owners = h.owners[newest]
        users = people.users.gather(owners).to_list()
        places = newest - h.offsets[owners]
        return [_Asked(*one) for one in zip(users, h.items[newest].tolist(), h.times[newest].tolist(), places.tolist(), strict=True)]

    def take(self, events: Iterable[Event]) -> None:
        """Note which of these events, in the order of the log, are to be asked about."""
        for event in events:
            code = self._served.codes.get(event.item_id)
            if event.event == self._kind and code is not None:
                if is_asked(self._read):
                    self._waiting.append(_Asked(event.user_id, code, event.timestamp, event.event_id))
                self._read += 1

    def work(self, ended: threading.Event, everything: bool = False) -> None:
        """Ask about what waits: some of it, or all.

        Parameters
        ----------
        ended : threading.Event
            Once set, the rest is left.

        Raises
        ------
        StoreAway
            If the store cannot be reached; what was not asked about waits on.
        """
        left = len(self._waiting) if everything else _AT_ONCE
        while self._waiting and left > 0 and not ended.is_set():
            began = time.monotonic()
            some = [self._waiting[k] for k in range(min(_TOGETHER, left, len(self._waiting)))]
            people = [self._before(one) for one in some]
            self._learn([(one, person) for one, person in zip(some, people, strict=True) if person is not None and len(person.items)])
            for _ in some:
                self._waiting.popleft()
            left -= len(some)
            ended.wait(time.monotonic() - began)  # lists go on meanwhile

    def _before(self, asked: _Asked) -> Person | None:
        """The person as known before the event; None where it is gone, because somebody wants to be forgotten."""
        if isinstance(asked.place, str):
            return Known.of(self._served, self._records, asked.user_id).before_event(self._served, asked.place)
        if self._records.is_forgotten(asked.user_id):
            return None
        held, n = self._served.known_person(asked.user_id), asked.place
        return Person(held.items[:n], held.kinds[:n], held.weights[:n], held.times[:n])

    def _learn(self, asked: list[tuple[_Asked, Person]]) -> None:
        if not asked:
            return
        served = self._served
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
        """Codes of events that count as taking: of tables without kinds all do."""
        kinds = self._served.kinds
        return [kinds[self._kind], *(code for name, code in kinds.items() if name not in KINDS)]

    def adds(self, person: Person, items: Ints, now: float) -> Floats:
        """float32 (P,): what is added to the scores of some items."""
        own, habits = self._habits(person, now)
        out = np.zeros(self._served.catalogue.n_items, np.float32)
        out[own] = self.repeats.adds(habits)
        return out[items]
