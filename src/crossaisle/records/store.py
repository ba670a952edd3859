"""Events, items put, lists shown, people forgotten: what is kept. Imports: errors, database, rows, schema, settings, together, written.

Examples
--------
>>> import tempfile
>>> records = Records.open(f"sqlite:///{tempfile.mkdtemp()}/events.db")
>>> start = records.start()
>>> tea = Event("e1", "ann", "tea", "purchase", 1_700_000_000.0)
>>> records.add_events([tea, tea], received=1_700_000_001.0)
(1, 1)
>>> changes = records.changes(start)
>>> [event.item_id for _, event in changes.events], bool(records.changes(changes.cursor))
(['tea'], False)
>>> records.forget("ann"), records.events_of("ann"), records.is_forgotten("ann")
({'events': 1, 'lists': 0}, [], True)
>>> "ann" in records.changes(changes.cursor).forgotten
True
>>> records.close()
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from crossaisle.errors import RequestError
from crossaisle.records.database import Database, Hand, Row
from crossaisle.records.rows import Changes, Cursor, Event, Forgotten, Shown, ShownList, check_event, check_list
from crossaisle.records.schema import bring_up_to_date, is_there
from crossaisle.records.settings import RecordsSettings
from crossaisle.records.together import Together
from crossaisle.records.written import hash_of, read_json, read_text, write_json, write_text

__all__ = ["Records"]

PIECE = 10_000
"""Events or lists read at once where all are read."""
PUT = 2_000
"""Items put in one transaction."""
PRUNED = 500
"""Old lists deleted in one transaction, which other writers wait for: some 30 ms."""

_EVENT = "event_id, user_id, item_id, event, timestamp, value, recommendation_id"
_ADD_EVENT = (
    f"INSERT INTO events (seq, event_hash, user_hash, {_EVENT}, received) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_PUT_ITEM = (
    "INSERT INTO items (item_hash, seq, item_id, body) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (item_hash) DO UPDATE SET seq = excluded.seq, body = excluded.body"
)


def _event(row: Row) -> Event:
    event_id, user_id, item_id, event, timestamp, value, recommendation_id = row
    return Event(
        read_text(event_id),
        read_text(user_id),
        read_text(item_id),
        event,
        timestamp,
        value,
        recommendation_id and read_text(recommendation_id),
    )


def _written(event: Event, received: float) -> tuple[Any, ...]:
    check_event(event)
    return (
        hash_of(event.event_id),
        hash_of(event.user_id),
        write_text(event.event_id),
        write_text(event.user_id),
        write_text(event.item_id),
        event.event,
        float(event.timestamp),
        None if event.value is None else float(event.value),
        event.recommendation_id and write_text(event.recommendation_id),
        received,
    )


def _advance(hand: Hand, by: int) -> int:
    """Take `by` sequence numbers and hold the lock of their order until the commit; the last number that was given before."""
    hand.run("UPDATE store SET seq = seq + ?", (by,))
    row = hand.one("SELECT seq FROM store")
    assert row is not None
    return int(row[0]) - by


class Records:
    """One store, for all threads of a process. Several processes may open the same one, each after it was forked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        row = database.read(lambda hand: hand.one("SELECT name, salt FROM store"))
        assert row is not None
        self._name, self._salt = str(row[0]), bytes(row[1])
        self._overwriting, self._overwritten = threading.Lock(), True
        self._adding: Together[list[tuple[Any, ...]], int] = Together(self._add_all, database.settings.patience, database.away)

    @classmethod
    def open(cls, url: str, settings: RecordsSettings | None = None, *, create: bool = True) -> Records:
        """Open a store, and create it or bring its schema up to date.

        Parameters
        ----------
        url : str
            ``sqlite:///FILE`` or ``postgresql+psycopg://USER:PASSWORD@HOST/NAME``.
        settings : RecordsSettings, optional
            The time limits.
        create : bool
            False: a store that is not there is refused, for those who only read what a service has written.

        Raises
        ------
        RequestError
            If it is not there and is not to be created.
        StoreAway
            If it cannot be reached, or is locked or full.
        SettingError
            If the URL cannot be used, or a newer version of this package made the store.
        """
        database = Database(url, settings or RecordsSettings())
        try:
            if not (create or is_there(database)):
                raise RequestError(
                    f"the store {database.where} does not exist",
                    "the store that the service writes",
                    "name that one with --store, or serve with this one first",
                )
            bring_up_to_date(database)
            return cls(database)
        except BaseException:
            database.close()
            raise

    @property
    def where(self) -> str:
        """Its URL, without a password."""
        return self._database.where

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    # events

    def add_events(self, events: Sequence[Event], received: float) -> tuple[int, int]:
        """Keep events; durable on return. Users and items may be unknown.

        Parameters
        ----------
        events : sequence of Event
            In the order that they get in the store; one whose `event_id` is known, here or in the store, is a duplicate and left out.
        received : float
            When they came, in unix seconds.

        Returns
        -------
        (int, int)
            How many were accepted, and how many were duplicates.

        Raises
        ------
        RequestError
            If one of them cannot be kept; none is then.
        StoreAway
            If nobody knows whether they are kept: send them again, what was kept then counts as a duplicate.
        """
        written = [_written(event, received) for event in events]
        if not written:
            return 0, 0
        accepted = self._adding.do(written)
        return accepted, len(written) - accepted

    def _add_all(self, batches: Sequence[list[tuple[Any, ...]]]) -> list[int]:
        def work(hand: Hand) -> list[int]:
            last = _advance(hand, sum(map(len, batches)))
            accepted = []
            for batch in batches:
                accepted.append(hand.many(_ADD_EVENT, [(last + n, *row) for n, row in enumerate(batch, start=1)]))
                last += len(batch)
            hand.changed = any(accepted)
            return accepted

        return self._database.write(work)

    def events_of(self, user_id: str, after: int = 0) -> list[Event]:
        """A person's events with a sequence number above `after`, in the order of their timestamps, then of their coming."""
        return [event for _, event in self.numbered_events_of(user_id, after)]

    def numbered_events_of(self, user_id: str, after: int = 0) -> list[tuple[int, Event]]:
        """`events_of`, each with its sequence number."""
        sql = f"SELECT seq, {_EVENT} FROM events WHERE user_hash = ? AND seq > ? ORDER BY timestamp, seq"
        rows = self._database.read(lambda hand: hand.rows(sql, (hash_of(user_id), after)))
        return [(row[0], _event(row[1:])) for row in rows]

    def has_more_events(self, user_id: str, than: int) -> bool:
        """Whether a person has more than so many events; not slower where there are very many."""
        sql = "SELECT COUNT(*) FROM (SELECT 1 FROM events WHERE user_hash = ? LIMIT ?) AS some"
        row = self._database.read(lambda hand: hand.one(sql, (hash_of(user_id), than + 1)))
        return row is not None and int(row[0]) > than

    def events(self, after: int = 0, until: int | None = None) -> Iterator[list[tuple[int, Event]]]:
        """All events in the order of commits, in pieces, from behind `after` up to `until`, or to what was there when the reading began."""
        until = self.head().seq if until is None else until
        sql = f"SELECT seq, {_EVENT} FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        while piece := self._long(sql, (after, until, PIECE)):
            yield [(row[0], _event(row[1:])) for row in piece]
            after = piece[-1][0]

    def received_before(self, moment: float) -> int:
        """The sequence number behind which the events are that came at a moment (unix seconds) or later, if no clock went back."""

        def work(hand: Hand) -> int:
            row = hand.one("SELECT seq FROM store")
            assert row is not None
            low, high = 0, int(row[0])
            while low < high:
                middle = (low + high) // 2
                found = hand.one("SELECT seq, received FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT 1", (middle, high))
                if found is None or found[1] >= moment:
                    high = middle
                else:
                    low = int(found[0])
            return low

        return self._database.read(work)

    def _long(self, sql: str, values: Sequence[Any]) -> list[Row]:
        return self._database.read(lambda hand: hand.rows(sql, values), self._database.settings.long_patience)

    # what came since

    def start(self) -> Cursor:
        """The cursor before everything."""
        return Cursor(self._name, 0)

    def head(self) -> Cursor:
        """The cursor after everything that is in the store now."""
        row = self._database.read(lambda hand: hand.one("SELECT seq FROM store"))
        assert row is not None
        return Cursor(self._name, int(row[0]))

    def changes(self, after: Cursor, limit: int = PIECE) -> Changes:
        """What came since a cursor, in the order of commits; a reader that goes on with each answer's cursor misses nothing.

        A cursor of another store starts from the beginning, and the answer says so (`anew`).
        """
        known, seq = after.store == self._name, self._seq(after)

        def work(hand: Hand) -> Changes | None:
            row = hand.one("SELECT seq FROM store")
            assert row is not None
            if row[0] == seq:
                return None
            return self._since(hand, seq, row[0], limit)

        found = self._database.read(work)
        if known:
            return found or Changes(after)
        found = found or Changes(self.start())
        return Changes(found.cursor, found.events, found.items, found.gone, found.forgotten, found.more, anew=True)

    def _since(self, hand: Hand, seq: int, head: int, limit: int) -> Changes:
        """Between two numbers. What changes while this reads gets a number above `head` and comes the next time."""
        events = hand.rows(f"SELECT seq, {_EVENT} FROM events WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?", (seq, head, limit))
        more = len(events) == limit and events[-1][0] < head
        if more:
            head = events[-1][0]
        items = hand.rows("SELECT item_id, body FROM items WHERE seq > ? AND seq <= ? ORDER BY seq", (seq, head))
        return Changes(
            Cursor(self._name, head),
            [(row[0], _event(row[1:])) for row in events],
            [read_json(body) for _, body in items if body is not None],
            [read_text(item_id) for item_id, body in items if body is None],
            self._forgotten_between(hand, seq, head),
            more,
        )

    def _forgotten_between(self, hand: Hand, seq: int, head: int) -> Forgotten:
        hashes = hand.rows("SELECT user_hash FROM forgotten WHERE seq > ? AND seq <= ?", (seq, head))
        return Forgotten(self._salt, frozenset(bytes(row[0]) for row in hashes))

    def forgotten_since(self, after: Cursor) -> tuple[Cursor, Forgotten]:
        """The cursor after everything that is in the store now, and who was forgotten since another one; no event is read for it."""

        def work(hand: Hand) -> tuple[Cursor, Forgotten]:
            row = hand.one("SELECT seq FROM store")
            assert row is not None
            return Cursor(self._name, int(row[0])), self._forgotten_between(hand, self._seq(after), row[0])

        return self._database.read(work)

    # items

    def put_items(self, rows: Sequence[dict[str, Any]]) -> None:
        """Keep rows of the items table, each with its ``item_id``; what a row does not say stays as it was said before."""
        written = []
        for row in rows:
            if not isinstance(row.get("item_id"), str) or not row["item_id"]:
                raise RequestError("an item without an item_id", "a text", "name it")
            told = {name: value for name, value in row.items() if value is not None}
            write_json(told, "an item")  # refused before any of them is kept
            written.append((hash_of(row["item_id"]), write_text(row["item_id"]), told))
        for at in range(0, len(written), PUT):
            self._put(written[at : at + PUT])

    def delete_item(self, item_id: str) -> None:
        """Keep that an item is gone, until it is put again."""
        self._put([(hash_of(item_id), write_text(item_id), None)])

    def _put(self, written: Sequence[tuple[bytes, str, dict[str, Any] | None]]) -> None:
        def work(hand: Hand) -> None:
            last = _advance(hand, len(written))  # from here on nobody else puts
            keys = [key for key, _, told in written if told is not None]
            sql = f"SELECT item_hash, body FROM items WHERE item_hash IN ({', '.join('?' * len(keys))})"
            # of one that was gone nothing is left but that it was not to be had, which a refit may have learned
            said: dict[bytes, dict[str, Any]] = {
                bytes(key): {"available": True} if body is None else read_json(body) for key, body in (hand.rows(sql, keys) if keys else ())
            }
            rows = []
            for n, (key, item_id, told) in enumerate(written, start=1):
                body = None
                if told is not None:
                    said[key] = {**said.get(key, {}), **told}
                    body = write_json(said[key], "an item")
                rows.append((key, last + n, item_id, body))
            hand.many(_PUT_ITEM, rows)

        self._database.write(work)

    def items(self) -> tuple[list[dict[str, Any]], set[str]]:
        """The rows put, as they are now, and the ids that are gone."""
        found = self._long("SELECT item_id, body FROM items ORDER BY seq", ())
        return [read_json(body) for _, body in found if body is not None], {read_text(item_id) for item_id, body in found if body is None}

    # people

    def forget(self, user_id: str) -> dict[str, int]:
        """Remove a person's events and lists for good; how many of each. A salted hash stays, and the person may come back anew.

        In SQLite the bytes of the rows are overwritten on the disk, too, and so is the log, unless others were reading it: then
        `finish_forgetting` does so later. What SQLite itself has copied while it moved rows between pages may stay in parts of the file
        that are not in use (of one person in 70, in a test of many), until somebody runs VACUUM. PostgreSQL's rows go when it vacuums.
        """

        def work(hand: Hand) -> dict[str, int]:
            hand.keep_people(changing=True)
            seq = _advance(hand, 1) + 1
            removed = {name: hand.run(f"DELETE FROM {name} WHERE user_hash = ?", (hash_of(user_id),)) for name in ("events", "lists")}
            hand.run(
                "INSERT INTO forgotten (user_hash, seq, since) VALUES (?, ?, ?) "
                "ON CONFLICT (user_hash) DO UPDATE SET seq = excluded.seq, since = excluded.since",
                (hash_of(user_id, self._salt), seq, time.time()),
            )
            return removed

        removed = self._database.write(work)
        self._overwrite()
        return removed

    def finish_forgetting(self) -> bool:
        """Try again to overwrite the log, if it was in use when this process had somebody forgotten; whether nothing is left to do."""
        return self._overwritten or self._overwrite()

    def _overwrite(self) -> bool:
        with self._overwriting:
            self._overwritten = self._database.overwrite_log()
        return self._overwritten

    def is_forgotten(self, user_id: str) -> bool:
        """Whether this person was ever forgotten: what a model learned of them from elsewhere is not to be used."""
        sql = "SELECT 1 FROM forgotten WHERE user_hash = ?"
        return self._database.read(lambda hand: hand.one(sql, (hash_of(user_id, self._salt),))) is not None

    # lists shown

    def add_lists(self, lists: Sequence[ShownList]) -> None:
        """Keep lists that were shown; one that is there already is left out.

        So is one that was made before its person was forgotten, whenever it gets here and whatever the clocks say: what counts is whether
        its `known` goes up to the forgetting in the store's own order. It is the other way round with events, which are written while
        their sender waits: those in the store when somebody is forgotten go, and those that come after it are a new beginning.
        """
        for shown in lists:
            check_list(shown)
        written = sorted(
            (hash_of(shown.recommendation_id), n) for n, shown in enumerate(lists)
        )  # one order, so that no two lock each other

        def work(hand: Hand) -> None:
            hand.keep_people(changing=False)
            forgotten = self._forgotten_at(hand, {shown.user_id for shown in lists if shown.user_id is not None})
            hand.many(
                "INSERT INTO lists (list_hash, user_hash, timestamp, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [
                    (key, None if shown.user_id is None else hash_of(shown.user_id), float(shown.timestamp), body)
                    for key, shown, body in ((key, lists[n], bodies[n]) for key, n in written)
                    if shown.user_id is None or forgotten.get(shown.user_id, 0) <= self._seq(shown.known)
                ],
            )

        bodies = [_list_body(shown) for shown in lists]
        if lists:
            self._database.write(work)

    def _seq(self, cursor: Cursor | None) -> int:
        """Its number, if it is of this store."""
        return cursor.seq if cursor is not None and cursor.store == self._name else 0

    def _forgotten_at(self, hand: Hand, users: set[str]) -> dict[str, int]:
        """Those of some people who were forgotten -> the number that it got, of the last time."""
        if not users or hand.one("SELECT 1 FROM forgotten LIMIT 1") is None:
            return {}
        hashes = {hash_of(user, self._salt): user for user in users}
        sql = f"SELECT user_hash, seq FROM forgotten WHERE user_hash IN ({', '.join('?' * len(hashes))})"
        return {hashes[bytes(key)]: seq for key, seq in hand.rows(sql, list(hashes))}

    def list_of(self, recommendation_id: str) -> ShownList | None:
        """A list that was shown, if it is kept."""
        row = self._database.read(lambda hand: hand.one("SELECT body FROM lists WHERE list_hash = ?", (hash_of(recommendation_id),)))
        return None if row is None else _list(row[0])

    def lists(self, since: float = 0.0, until: float = math.inf) -> Iterator[ShownList]:
        """Lists shown from `since` on and before `until`, in the order of their time."""
        sql = (
            "SELECT timestamp, list_hash, body FROM lists WHERE (timestamp, list_hash) > (?, ?) AND timestamp < ? "
            "ORDER BY timestamp, list_hash LIMIT ?"
        )
        at, key = since, b""
        while piece := self._long(sql, (at, key, until, PIECE)):
            for row in piece:
                yield _list(row[2])
            at, key = piece[-1][0], bytes(piece[-1][1])

    def prune_lists(self, before: float) -> int:
        """Delete the oldest of the lists shown before a time, at most `PRUNED`; how many. None while another process does the same."""
        sql = "DELETE FROM lists WHERE list_hash IN (SELECT list_hash FROM lists WHERE timestamp < ? ORDER BY timestamp LIMIT ?)"

        def work(hand: Hand) -> int:
            hand.keep_people(changing=False)  # whoever is forgotten has lists, too
            removed = hand.run(sql, (before, PRUNED)) if hand.prunes_alone() else 0
            hand.changed = removed > 0
            return removed

        return self._database.write(work, self._database.settings.long_patience)

    # small facts

    def set_value(self, key: str, value: Any) -> None:
        """Keep a small fact, as JSON; None removes it."""
        self.change_value(key, lambda _: value)

    def change_value(self, key: str, change: Callable[[Any], Any]) -> Any:
        """Keep what ``change`` makes of a small fact, None where there is none, and give it; nobody else changes it meanwhile."""

        def work(hand: Hand) -> Any:
            hand.keep_facts()
            row = hand.one("SELECT value FROM facts WHERE key = ?", (key,))
            value = change(None if row is None else read_json(row[0]))
            if value is None:
                hand.run("DELETE FROM facts WHERE key = ?", (key,))
                return None
            body = write_json(value, f"the fact {key!r}")
            hand.run("INSERT INTO facts (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, body))
            return value

        return self._database.write(work)

    def get_value(self, key: str) -> Any:
        """A fact that was kept, or None."""
        row = self._database.read(lambda hand: hand.one("SELECT value FROM facts WHERE key = ?", (key,)))
        return None if row is None else read_json(row[0])


def _list_body(shown: ShownList) -> str:
    items = [(s.item_id, s.position, s.score, s.propensity, s.explored) for s in shown.items]
    return write_json((shown.recommendation_id, shown.user_id, shown.timestamp, shown.model, items, shown.context), "a list")


def _list(body: str) -> ShownList:
    recommendation_id, user_id, timestamp, model, items, context = read_json(body)
    return ShownList(recommendation_id, user_id, timestamp, model, tuple(Shown(*item) for item in items), context)
