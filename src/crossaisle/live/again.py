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

from crossaisle.data.build import NO_EVENT
from crossaisle.errors import StoreAway
from crossaisle.learn.repeats import Repeats, had, is_asked
from crossaisle.learn.settings import RepeatSettings
from crossaisle.live.known import Known
from crossaisle.live.person import Person, together
from crossaisle.live.served import Served
from crossaisle.records import Event, Records
from crossaisle.schema import Floats, Ints, Times

__all__ = ["AT_ONCE", "FIRST", "Again"]

log = logging.getLogger("crossaisle.live")

FIRST = 512
"""Newest events of the model's own histories, which are learned first: what people do with a shop's things is known from the start."""
AT_ONCE = 64
"""Events asked about between two looks at the log; the others wait."""
_TOGETHER = 16
"""Events asked about together."""
_WAITING = 2_048
"""Events that wait at most, the newest."""
_TRIES = 3
"""So often a store that does not answer is asked about the same events."""
_MANY = 2_000
"""Somebody of whom the store has more events is not one person, or is no example."""


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
        self._counted = self._failed = 0
        """Events of the log that count as taking, and how often the store was away when the next ones were asked about."""
        self._later: dict[str, None] = {}
        """Ids of events to be asked about once their item is known."""

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

    def take(self, events: Iterable[tuple[int | None, Event]], counted: bool = False) -> None:
        """Note which of these events, in the order of the log, are to be asked about.

        Parameters
        ----------
        events : iterable of (int or None, Event)
            Item code, None where the item is not known yet.
        counted : bool
            They came before, when their item was not known.
        """
        for code, event in events:
            if event.event == self._kind:
                asked = event.event_id in self._later if counted else is_asked(self._counted)
                self._counted += not counted
                if asked and code is None:
                    self._later[event.event_id] = None
                    if len(self._later) > _WAITING:
                        del self._later[next(iter(self._later))]
                elif asked and code is not None:
                    self._later.pop(event.event_id, None)
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
            If the store cannot be reached; what was not asked about waits on, and is given up in the end.
        """
        while self._waiting and n > 0 and not ended.is_set():
            began = time.monotonic()
            some = [self._waiting.popleft() for _ in range(min(_TOGETHER, n, len(self._waiting)))]
            try:
                self._learn(some)
            except StoreAway:
                self._failed += 1
                if self._failed < _TRIES:
                    some = some[max(0, len(some) - (_WAITING - len(self._waiting))) :]
                    self._waiting.extendleft(reversed(some))
                else:
                    self._failed = 0
                raise
            except Exception as error:  # whatever is wrong with them, the others are learned
                log.error("fault in learning what is taken again: %s", type(error).__name__)
            self._failed = 0
            n -= len(some)
            ended.wait(time.monotonic() - began)  # lists go on meanwhile

    def _before(self, served: Served, asked: _Asked, known: dict[str, Known | None]) -> Person | None:
        """The person as known before the event; None where it is gone, or part of the model's own histories as well."""
        user = asked.user_id
        if isinstance(asked.place, str):
            if user not in known:
                known[user] = None if self._records.has_more_events(user, _MANY) else Known.of(served, self._records, user)
            person = known[user]
            return None if person is None else person.before_event(served, asked.place)
        if self._records.is_forgotten(user):
            return None
        held, n = served.known_person(user), asked.place
        return Person(held.items[:n], held.kinds[:n], held.weights[:n], held.times[:n])

    def _learn(self, some: list[_Asked]) -> None:
        served, known = self._served, dict[str, Known | None]()
        # whoever has no history expects nothing of it
        asked = [(one, person) for one in some if (person := self._before(served, one, known)) is not None and len(person.items)]
        if not asked:
            return
        listable = served.listable
        scores = served.contents.scorer.score(together([person for _, person in asked]))
        for (one, person), row in zip(asked, scores, strict=True):
            own, told, chances = self._had(served, person, one.time, row)
            if len(own) and listable[one.item]:
                here = np.flatnonzero(own == one.item)
                held = not isinstance(one.place, str)
                self.repeats.take(told, chances, int(here[0]) if len(here) else -1, one.time, trained=held)

    def _had(self, served: Served, person: Person, now: float, scores: Floats) -> tuple[Ints, Times, Times]:
        """What a person has taken of what can be listed, see `learn.repeats.had`; an event without a time says nothing of it."""
        taken = np.isin(person.kinds, self._kinds()) & ~np.isnan(person.times)
        return had(person.items[taken], person.times[taken], now, np.where(served.listable, scores, -np.inf))

    def _kinds(self) -> list[int]:
        """Codes of events that count as taking: in tables without kinds all do."""
        return [code for name, code in self._served.kinds.items() if name in (self._kind, NO_EVENT)]

    def adds(self, served: Served, person: Person, scores: Floats, now: float) -> Floats:
        """float32 (N,): what is added to the scores of all items; nothing that was disliked rises."""
        own, known, _ = self._had(served, person, now, scores)
        adds, out = self.repeats.adds(known), np.zeros(len(scores), np.float32)
        out[own] = np.where(np.isin(own, list(person.disliked)), np.minimum(adds, 0.0), adds)
        return out
