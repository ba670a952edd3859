"""From the log to the network's last layer: who took what, with the state of each person at that moment. Imports: person, served.

The state before an event is that after what the model's own histories tell of the person and the person's earlier events in the log, so
workers that read the same log come to the same corrections but for rounding, whatever they are asked meanwhile.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from crossaisle.learn.abnormal import person_key
from crossaisle.learn.clock import DAY
from crossaisle.learn.last_layer import Corrections, LastLayer
from crossaisle.learn.settings import LastLayerSettings
from crossaisle.live.person import Person, together
from crossaisle.live.served import Served
from crossaisle.records import Event, Forgotten, Records, sign
from crossaisle.schema import Floats

__all__ = ["Tastes"]

_PEOPLE = 50_000
"""People whose histories are held ready; of others, what they did since training is no longer seen when they come again."""
_AT_ONCE = 256
"""States worked out together."""
_FADED = 0.01
"""The corrections are worked out anew after so much of a half-life, even where nothing came."""


class Tastes:
    """See the file's first lines.

    Parameters
    ----------
    served : Served
        The version in service, with the items that joined.
    records : Records
    settings : LastLayerSettings

    Attributes
    ----------
    corrections : Corrections or None
        What was learned when it was last looked at, over all items; None where it is nothing.
    """

    def __init__(self, served: Served, records: Records, settings: LastLayerSettings) -> None:
        self._served, self._records = served, records
        n, dim = served.contents.scorer.item_vectors().shape
        self.layer = LastLayer(n, dim, settings)
        self._people: OrderedDict[str, Person] = OrderedDict()
        self._lock = threading.Lock()
        self._made, self._stale = -np.inf, False
        self.corrections: Corrections | None = None

    def follow(self, served: Served) -> None:
        """Items joined: go on with them."""
        with self._lock:
            more = served.catalogue.n_items - len(self.layer)
            self._served = served
            if more > 0:
                self.layer.add_items(more)
                if self.corrections is not None:
                    self.corrections = self.corrections.grown(more)

    def take(self, events: Sequence[Event], forgotten: Forgotten) -> None:
        """Learn from events, in the order of the log; ``forgotten``: people who asked for it since the last call.

        Raises
        ------
        StoreAway
            If the store cannot be reached; nothing is changed.
        """
        with self._lock:
            served = self._served
            taken = [e for e in events if e.item_id in served.codes and sign(e.event, e.value) > 0]
            asked = {e.user_id for e in taken} - self._people.keys()
            strangers = {user for user in asked if user in served.rows and self._records.is_forgotten(user)}
            for user in forgotten.among(list(self._people)):
                self._people.pop(user)
                strangers.add(user)
            if not taken:
                return
            before = []
            for e in taken:
                person = self._people.get(e.user_id)
                if person is None:
                    person = Person.of_items([]) if e.user_id in strangers else served.known_person(e.user_id)
                before.append(person)
                self._people[e.user_id] = person.then([served.codes[e.item_id]], [served.kinds.get(e.event, -1)], [e.timestamp])
                self._people.move_to_end(e.user_id)
            while len(self._people) > _PEOPLE:
                self._people.popitem(last=False)
            self.layer.take(
                [served.codes[e.item_id] for e in taken],
                [person_key(e.user_id) for e in taken],
                self._states(before),
                [e.timestamp for e in taken],
            )
            self._stale = True

    def _states(self, people: Sequence[Person]) -> Floats:
        """float32 (E, D); zeros of those without a history."""
        out = np.zeros((len(people), self.layer.dim), np.float32)
        known = [k for k, person in enumerate(people) if len(person.items)]
        for at in range(0, len(known), _AT_ONCE):
            rows = known[at : at + _AT_ONCE]
            out[rows] = self._served.contents.scorer.net.states(together([people[k] for k in rows]))[0]
        return out

    def renew(self, now: float) -> None:
        """Work out the corrections as they stand at a moment."""
        with self._lock:
            if self._stale or abs(now - self._made) > _FADED * self.layer.settings.half_life * DAY:
                self.corrections, self._made, self._stale = self.layer.at(now), now, False
