"""What goes into the store and comes out of it. Imports: errors, kinds, written."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from crossaisle.errors import RequestError
from crossaisle.records.kinds import KINDS
from crossaisle.records.written import hash_of

__all__ = ["Changes", "Cursor", "Event", "Forgotten", "Shown", "ShownList", "check_event", "check_list"]


@dataclass(frozen=True, slots=True)
class Event:
    """What a person did: `event` is one of `kinds.KINDS`, `timestamp` unix seconds, `value` a rating's stars or the like."""

    event_id: str
    user_id: str
    item_id: str
    event: str
    timestamp: float
    value: float | None = None
    recommendation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One place of a list; `position` counts from 1, `propensity` is the probability with which the item was put there."""

    item_id: str
    position: int
    score: float
    propensity: float
    explored: bool


@dataclass(frozen=True, slots=True)
class ShownList:
    """A list that was shown. `context` is JSON: the policy, n, and for explored places the pool with its scores and probabilities.

    `known` is up to where the store was known when the list was made, None if nothing of it was; it is not kept itself.
    """

    recommendation_id: str
    user_id: str | None
    timestamp: float
    model: str
    items: tuple[Shown, ...]
    context: dict[str, Any] = field(default_factory=dict)
    known: Cursor | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the order of commits of one store: everything up to `seq` has been read.

    Examples
    --------
    >>> Cursor.from_json(Cursor("a1", 7).to_json())
    Cursor(store='a1', seq=7)
    """

    store: str
    seq: int

    def to_json(self) -> dict[str, Any]:
        """A dictionary, ready for JSON."""
        return {"store": self.store, "seq": self.seq}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Cursor:
        """The inverse of `to_json`."""
        return cls(str(value["store"]), int(value["seq"]))


class Forgotten:
    """People who asked to be forgotten. Only salted hashes are left of them, so one asks for an id and cannot list them.

    Examples
    --------
    >>> gone = Forgotten(b"salt", frozenset({hash_of("ann", b"salt")}))
    >>> "ann" in gone, gone.among(["bob", "ann"]), len(gone)
    (True, ['ann'], 1)
    """

    __slots__ = ("_hashes", "_salt")

    def __init__(self, salt: bytes = b"", hashes: frozenset[bytes] = frozenset()) -> None:
        self._salt, self._hashes = salt, hashes

    def __contains__(self, user_id: str) -> bool:
        return bool(self._hashes) and hash_of(user_id, self._salt) in self._hashes

    def __len__(self) -> int:
        return len(self._hashes)

    def __or__(self, other: Forgotten) -> Forgotten:
        """Both together; they are of one store."""
        return Forgotten(other._salt, self._hashes | other._hashes) if other else self

    def among(self, user_ids: Iterable[str]) -> list[str]:
        """Those of `user_ids` who are to be forgotten, in their order."""
        return [user for user in user_ids if user in self] if self._hashes else []


@dataclass(frozen=True, slots=True)
class Changes:
    """What came since a cursor. Apply it in this order: anew, forgotten, items and gone, events.

    A person who was forgotten and came back has in `events` only what came after, because what was before is no longer in the store.
    """

    cursor: Cursor
    """Where to go on."""
    events: list[tuple[int, Event]] = field(default_factory=list)
    """(sequence number, event) in the order of commits."""
    items: list[dict[str, Any]] = field(default_factory=list)
    """Rows put, each once as it is now."""
    gone: list[str] = field(default_factory=list)
    """Ids of items deleted."""
    forgotten: Forgotten = field(default_factory=Forgotten)
    more: bool = False
    """Whether the limit cut it: ask again with `cursor`."""
    anew: bool = False
    """Whether the cursor was of another store: this starts from the beginning, and what was read before does not hold."""

    def __bool__(self) -> bool:
        return bool(self.events or self.items or self.gone or self.forgotten or self.anew)


def _check_number(value: float | None, where: str, name: str) -> None:
    if value is not None and not math.isfinite(value):
        raise RequestError(f"{where} has {name} {value}", "a finite number", "correct it and send it again")


def check_event(event: Event) -> None:
    """Raise `RequestError` for an empty id, an unknown kind, or a number that is none."""
    if event.event not in KINDS:
        raise RequestError(f"an event of kind {event.event[:40]!r}", f"one of {', '.join(KINDS)}", "correct it and send it again")
    for name in ("event_id", "user_id", "item_id"):
        if not getattr(event, name):
            raise RequestError(f"an event with an empty {name}", "a text", "correct it and send it again")
    _check_number(event.timestamp, "an event", "timestamp")
    _check_number(event.value, "an event", "value")


def check_list(shown: ShownList) -> None:
    """Raise `RequestError` for an empty id or a number that is none."""
    if not shown.recommendation_id:
        raise RequestError("a list with an empty recommendation_id", "a text", "correct it and send it again")
    _check_number(shown.timestamp, "a list", "timestamp")
    for item in shown.items:
        _check_number(item.score, "a list", "score")
        _check_number(item.propensity, "a list", "propensity")
