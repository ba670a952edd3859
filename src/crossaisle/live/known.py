"""One person as known at a moment: what the model's own histories tell, and the store's events until then. Imports: person, served."""

from __future__ import annotations

from typing import NamedTuple

from crossaisle.live.person import Person, after
from crossaisle.live.served import Served
from crossaisle.records import Event, Records

__all__ = ["Known"]


class Known(NamedTuple):
    """What there is about one person.

    Attributes
    ----------
    own : Person
        What the model's own histories tell.
    events : list of Event
        All that the store has, in the order of their times.
    fresh : list of bool
        Of each whether ``own`` does not hold it.
    """

    own: Person
    events: list[Event]
    fresh: list[bool]

    @classmethod
    def of(cls, served: Served, records: Records, user_id: str) -> Known:
        """What there is now.

        Raises
        ------
        StoreAway
            If the store cannot be reached.
        """
        # of a stranger the model holds nothing that could have to be left out
        forgotten = user_id in served.rows and records.is_forgotten(user_id)
        own = Person.of_items([]) if forgotten else served.known_person(user_id)
        numbered = records.numbered_events_of(user_id)
        fresh = served.not_held(own, numbered, 0 if forgotten else served.trained_to.seq)
        return cls(own, [event for _, event in numbered], fresh)

    def now(self, served: Served) -> Person:
        """The person as known now."""
        return self._after(served, self.own, len(self.events))

    def before(self, served: Served, when: float) -> Person:
        """As known at a moment, unix seconds: what has no time counts as having been before."""
        n = sum(event.timestamp < when for event in self.events)
        return self._after(served, _until(self.own, when), n)

    def before_event(self, served: Served, event_id: str) -> Person | None:
        """As known when an event happened; what came before it at the same moment counts as before.

        None where there is no such event, or the model's own histories hold it.
        """
        for n, (event, fresh) in enumerate(zip(self.events, self.fresh, strict=True)):
            if event.event_id == event_id and fresh:
                return self._after(served, _until(self.own, event.timestamp), n)
        return None

    def _after(self, served: Served, own: Person, n: int) -> Person:
        events = self.events[:n]
        new = [event for event, fresh in zip(events, self.fresh, strict=False) if fresh]
        return after(own, events, new, served.codes, served.kinds)


def _until(person: Person, when: float) -> Person:
    """The person without what they did later; what has no time counts as having been before."""
    known = ~(person.times >= when)
    return Person(person.items[known], person.kinds[known], person.weights[known], person.times[known])
