"""What is known of one person at this moment. Imports nothing of this room."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from crossaisle.data.histories import Histories
from crossaisle.records import Event, sign
from crossaisle.schema import Floats, Ints, Times

__all__ = ["Person", "after", "together"]


@dataclass(slots=True, eq=False)
class Person:
    """A history as arrays, oldest event first, and what the person turned down.

    Attributes
    ----------
    items, kinds : int64 (T,)
        Item codes; kinds of events as the model counts them, below 0 what it did not learn (`Served.kinds`), -1 where nobody knows.
    weights : float32 (T,)
    times : float64 (T,)
    hidden, disliked : frozenset of int
        Item codes.
    pool : (int64 (P,), float32 (P,)), optional
        The items worth listing and their scores, once asked for; of somebody of whom more is learned there is another `Person`.
    state : float32 (D,), optional
        The network's state after the history, once asked for.
    """

    items: Ints
    kinds: Ints
    weights: Floats
    times: Times
    hidden: frozenset[int] = field(default_factory=frozenset)
    disliked: frozenset[int] = field(default_factory=frozenset)
    pool: tuple[Ints, Floats] | None = None
    state: Floats | None = None

    @classmethod
    def of_items(cls, items: Sequence[int]) -> Person:
        """Somebody of whom only the items are known."""
        n = len(items)
        return cls(np.array(items, np.int64), np.full(n, -1, np.int64), np.ones(n, np.float32), np.full(n, np.nan))

    def then(self, items: Sequence[int], kinds: Sequence[int], times: Sequence[float]) -> Person:
        """The same person after further events, put in their place by time; events without one come where they are given."""
        more = len(items)
        joined = Person(
            np.append(self.items, np.array(items, np.int64)),
            np.append(self.kinds, np.array(kinds, np.int64)),
            np.append(self.weights, np.ones(more, np.float32)),
            np.append(self.times, np.array(times, np.float64)),
            self.hidden,
            self.disliked,
        )
        known = joined.times[~np.isnan(joined.times)]
        if more and (np.diff(known) < 0).any():
            order = np.argsort(_filled(joined.times), kind="stable")
            for name in ("items", "kinds", "weights", "times"):
                setattr(joined, name, getattr(joined, name)[order])
        return joined


def after(person: Person, events: Sequence[Event], since: Sequence[Event], codes: Mapping[str, int], kinds: Mapping[str, int]) -> Person:
    """A person after events.

    Parameters
    ----------
    events : sequence of Event
        All: what was turned down is read from these.
    since : sequence of Event
        Those that the person's history does not hold yet.
    codes, kinds : mapping
        Item id -> code, kind of event -> its code.
    """
    hidden, disliked = set[int](), set[int]()
    for event in events:
        code = codes.get(event.item_id)
        if code is None:
            continue
        said = sign(event.event, event.value)
        if said < 0:
            (hidden if event.event == "hide" else disliked).add(code)
        elif event.event == "unhide":
            hidden.discard(code)
            disliked.discard(code)
        elif event.event in ("like", "rating") and said > 0:
            disliked.discard(code)
    new = [event for event in since if sign(event.event, event.value) > 0 and event.item_id in codes]
    places, said_as = [codes[e.item_id] for e in new], [kinds.get(e.event, -1) for e in new]
    out = person.then(places, said_as, [e.timestamp for e in new]) if new else person
    return dataclasses.replace(out, hidden=frozenset(hidden), disliked=frozenset(disliked))


def _filled(times: Times) -> Times:
    """Times for sorting: one that is unknown stays beside the event before it."""
    place = np.maximum.accumulate(np.where(np.isnan(times), -1, np.arange(len(times))))
    return np.asarray(np.where(place < 0, -np.inf, times[np.maximum(place, 0)]))


def together(people: Sequence[Person]) -> Histories:
    """B people as histories.

    Examples
    --------
    >>> [row.tolist() for row in together([Person.of_items([3, 1]), Person.of_items([])]).rows()]
    [[3, 1], []]
    """
    offsets = np.zeros(len(people) + 1, np.int64)
    np.cumsum([len(p.items) for p in people], out=offsets[1:])
    if not people:
        return Histories.from_lists([])
    return Histories(
        offsets,
        np.concatenate([p.items for p in people]),
        np.concatenate([p.kinds for p in people]),
        np.concatenate([p.weights for p in people]),
        np.concatenate([p.times for p in people]),
    )
