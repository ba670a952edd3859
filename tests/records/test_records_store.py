"""The store on both databases: what goes in comes out, once, in order."""

from __future__ import annotations

import json
import math
import random
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st

import crossaisle.records
from crossaisle.errors import MissingExtra, RequestError, SettingError, StoreAway
from crossaisle.records import KINDS, Cursor, Event, Records, RecordsSettings, Shown, ShownList, migrations, sign
from crossaisle.records.schema import HEAD
from crossaisle.records.written import hash_of, read_text, write_text
from real_postgres import Postgres

NOW = 1_750_000_000.0


@pytest.fixture
def records(store_url: str) -> Iterator[Records]:
    opened = Records.open(store_url)
    yield opened
    opened.close()


def event(number: int, user: str = "ann", item: str = "tea", kind: str = "view", at: float = NOW) -> Event:
    return Event(f"e{number}", user, item, kind, at)


def shown(name: str, user: str | None = "ann", at: float = NOW) -> ShownList:
    items = (Shown("tea", 1, 0.75, 1.0, False), Shown("cup", 2, -0.5, 0.25, True))
    return ShownList(
        name, user, at, "v0001", items, {"policy": "greedy", "n": 2, "pool": {"ids": ["tea", "cup"], "probabilities": [0.75, 0.25]}}
    )


def test_an_event_comes_out_as_it_went_in(records: Records) -> None:
    full = Event("e1", "ann", "tea", "rating", NOW + 0.123456, 4.5, "r1")
    assert records.add_events([full, event(2)], NOW) == (2, 0)
    assert records.events_of("ann") == [event(2), full]
    assert [e for _, e in records.changes(records.start()).events] == [full, event(2)]
    assert records.events_of("nobody") == []


def test_a_store_that_is_not_there_is_refused_and_not_made(store_url: str) -> None:
    for _ in range(2):  # the first has not made it
        with pytest.raises(
            RequestError, match=r"^the store \S+ does not exist; expected the store that the service writes; next: name that"
        ):
            Records.open(store_url, create=False)
    made = Records.open(store_url)
    again = Records.open(store_url, create=False)
    assert again.start() == made.start()
    made.close()
    again.close()


def test_no_file_is_made_of_a_store_that_is_not_there_and_an_empty_one_is_none(tmp_path: Path) -> None:
    file = tmp_path / "typo.db"
    for size in (None, 0):
        with pytest.raises(RequestError, match=f"the store sqlite:///{file} does not exist"):
            Records.open(f"sqlite:///{file}", create=False)
        assert [path.stat().st_size for path in tmp_path.iterdir()] == ([] if size is None else [size])
        file.touch()  # as somebody leaves it who only connects


def test_an_event_id_counts_once_inside_a_batch_and_across_batches(records: Records) -> None:
    assert records.add_events([event(1), event(2), event(1, item="cup")], NOW) == (2, 1)
    assert records.add_events([event(2, user="bob"), event(3)], NOW) == (1, 1)
    assert records.add_events([event(3)], NOW) == (0, 1)
    assert records.add_events([], NOW) == (0, 0)
    assert sorted(e.event_id for e in records.events_of("ann")) == ["e1", "e2", "e3"]
    assert {e.item_id for e in records.events_of("ann")} == {"tea"}  # the first of two stays
    assert records.events_of("bob") == []


def test_what_came_since_is_told_once(records: Records) -> None:
    cursor = records.start()
    assert not records.changes(cursor)
    records.add_events([event(1), event(2)], NOW)
    first = records.changes(cursor)
    assert [e.event_id for _, e in first.events] == ["e1", "e2"]
    assert not records.changes(first.cursor)
    records.put_items([{"item_id": "cup", "title": "Cup"}, {"item_id": "pot", "price": 3.5}])
    records.delete_item("tea")
    second = records.changes(first.cursor)
    assert second.items == [{"item_id": "cup", "title": "Cup"}, {"item_id": "pot", "price": 3.5}]
    assert (second.gone, second.events) == (["tea"], [])
    records.delete_item("pot")
    records.put_items([{"item_id": "tea", "title": "Tea"}])
    third = records.changes(second.cursor)
    back = {"item_id": "tea", "available": True, "title": "Tea"}  # what was gone is to be had again
    assert (third.items, third.gone) == ([back], ["pot"])
    everything = records.changes(records.start())
    assert (everything.items, everything.gone) == ([{"item_id": "cup", "title": "Cup"}, back], ["pot"])
    assert records.items() == (everything.items, {"pot"})
    assert records.changes(Cursor.from_json(json.loads(json.dumps(first.cursor.to_json())))).gone == ["pot"]


def test_a_row_that_is_put_again_says_more_and_one_that_was_gone_begins_anew(records: Records) -> None:
    records.put_items([{"item_id": "cup", "title": "Cup", "price": 2.0}])
    cursor = records.head()
    records.put_items([{"item_id": "cup", "price": 3.0}, {"item_id": "cup", "brand": "Alder", "title": None}])
    whole = [{"item_id": "cup", "title": "Cup", "price": 3.0, "brand": "Alder"}]
    assert records.changes(cursor).items == records.items()[0] == whole
    records.delete_item("cup")
    records.put_items([{"item_id": "cup", "title": "Mug"}])
    assert records.items() == ([{"item_id": "cup", "title": "Mug", "available": True}], set())
    records.delete_item("cup")
    records.put_items([{"item_id": "cup", "available": False}])
    assert records.items() == ([{"item_id": "cup", "available": False}], set())


def test_a_limit_cuts_without_losing_anything(records: Records) -> None:
    records.add_events([event(n) for n in range(5)], NOW)
    records.put_items([{"item_id": "cup"}])
    records.add_events([event(n) for n in range(5, 7)], NOW)
    cursor, seen, items, more = records.start(), [], [], []
    for _ in range(5):
        changes = records.changes(cursor, limit=3)
        seen += [e.event_id for _, e in changes.events]
        items.append(len(changes.items))
        more.append(changes.more)
        cursor = changes.cursor
    assert seen == [f"e{n}" for n in range(7)]
    assert items == [0, 1, 0, 0, 0]
    assert more == [True, True, False, False, False]


def test_a_person_is_forgotten_and_may_come_back(records: Records) -> None:
    records.add_events([event(1), event(2), event(3, user="bob")], NOW)
    records.add_lists([shown("r1"), shown("r2", user="bob"), shown("r3", user=None)])
    cursor = records.changes(records.start()).cursor
    assert not records.is_forgotten("ann")
    assert records.forget("ann") == {"events": 2, "lists": 1}
    changes = records.changes(cursor)
    assert "ann" in changes.forgotten
    assert changes.forgotten.among(["bob", "ann"]) == ["ann"]
    assert records.is_forgotten("ann")
    assert not records.is_forgotten("bob")
    assert records.events_of("ann") == []
    assert records.list_of("r1") is None
    assert [s.recommendation_id for s in records.lists()] in (["r2", "r3"], ["r3", "r2"])
    assert [e.user_id for piece in records.events() for _, e in piece] == ["bob"]
    records.add_events([event(9)], NOW)
    assert [e.event_id for e in records.events_of("ann")] == ["e9"]
    after = records.changes(changes.cursor)
    assert ([e.event_id for _, e in after.events], len(after.forgotten)) == (["e9"], 0)
    assert records.forget("ann") == {"events": 1, "lists": 0}
    assert "ann" in records.changes(after.cursor).forgotten
    assert records.forget("nobody") == {"events": 0, "lists": 0}


def test_a_list_made_before_its_person_was_forgotten_is_not_kept_whatever_the_clocks_say(store_url: str) -> None:
    """One of two on a store forgets while the other still has lists to write."""
    left, right = Records.open(store_url), Records.open(store_url)
    right.add_events([event(1)], NOW)
    before = right.head()
    assert left.forget("ann") == {"events": 1, "lists": 0}
    after = right.head()
    late = [replace(shown(f"late{n}", at=at), known=before) for n, at in enumerate((NOW, time.time() + 3600))]
    right.add_lists([*late, shown("of nobody knows when"), replace(shown("elsewhere"), known=Cursor("another store", 10**9))])
    right.add_lists([replace(shown("new", at=NOW - 3600), known=after), shown("bob's", user="bob"), shown("nobody's", user=None)])
    assert sorted(s.recommendation_id for s in left.lists()) == ["bob's", "new", "nobody's"]
    assert left.forget("ann") == {"events": 0, "lists": 1}
    right.add_lists([replace(shown("newer"), known=after)])  # before the second time
    assert left.list_of("newer") is None
    for one in (left, right):
        one.close()


def test_events_in_the_store_go_and_those_that_come_after_are_a_new_beginning(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is about to be committed by another process when its person is forgotten."""
    patient = RecordsSettings(patience=20.0)
    left, right = Records.open(store_url, patient), Records.open(store_url, patient)
    write, written = right._database.write, threading.Event()

    def slowly(work: Any) -> Any:
        def held(hand: Any) -> Any:
            out = work(hand)
            written.set()
            time.sleep(0.3)
            return out

        return write(held)

    monkeypatch.setattr(right._database, "write", slowly)
    told = list[tuple[int, int]]()
    writer = threading.Thread(target=lambda: told.append(right.add_events([event(1), event(2)], NOW)))
    writer.start()
    assert written.wait(30)
    removed = left.forget("ann")
    writer.join()
    assert (told, removed) == ([(2, 0)], {"events": 2, "lists": 0})
    assert left.events_of("ann") == []
    monkeypatch.undo()
    assert right.add_events([event(2), event(3)], NOW) == (2, 0)  # sent again after it: a new beginning, too
    assert left.events_of("ann") == [event(2), event(3)]
    for one in (left, right):
        one.close()


def test_nothing_readable_is_left_of_a_forgotten_person(tmp_path: Path) -> None:
    records = Records.open(f"sqlite:///{tmp_path}/events.db")
    names = [f"person-{n}-of-whom-nothing-stays" for n in range(40)]
    for at, name in enumerate(names):
        records.add_events([event(100 * at + n, user=name) for n in range(30)], NOW)
        records.add_lists([shown(f"r{at}", user=name)])
    assert b"of-whom-nothing-stays" in b"".join(f.read_bytes() for f in tmp_path.iterdir())
    for name in names[1:]:
        records.forget(name)
    left = b"".join(f.read_bytes() for f in tmp_path.iterdir())
    assert [name for name in names if name.encode() in left] == names[:1]
    records.close()


def test_the_log_is_overwritten_once_nobody_reads_it_any_more(tmp_path: Path) -> None:
    """A copy is being made of the store while somebody is forgotten: what it reads stays for as long as that takes."""
    records, name = Records.open(f"sqlite:///{tmp_path}/events.db"), "a person of whom nothing stays"
    records.add_events([event(n, user=name) for n in range(30)], NOW)
    records.add_lists([shown(f"r{n}", user=name) for n in range(5)])
    reader = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM events").fetchone() == (30,)
    assert records.finish_forgetting()  # nothing to do yet
    assert records.forget(name) == {"events": 30, "lists": 5}
    assert not records.finish_forgetting()
    assert name.encode() in b"".join(f.read_bytes() for f in tmp_path.iterdir())
    records.add_events([event(n, user="bob") for n in range(30, 60)], NOW)  # others write on
    reader.execute("COMMIT")
    assert records.finish_forgetting()
    assert name.encode() not in b"".join(f.read_bytes() for f in tmp_path.iterdir())
    reader.close()
    records.close()


def test_after_a_vacuum_not_even_what_sqlite_has_copied_for_itself_is_left(tmp_path: Path) -> None:
    """People among one another, so that pages are split and joined; neither their ids nor the hashes that indexes are made of."""
    records, rng = Records.open(f"sqlite:///{tmp_path}/events.db"), random.Random(6)
    names = [f"person-{n:02}-of-whom-nothing-stays" for n in range(30)]
    for at in range(0, 4_000, 20):
        records.add_events([event(at + n, user=rng.choice(names)) for n in range(20)], NOW)
        records.add_lists([shown(f"r{at + n}", user=rng.choice(names)) for n in range(5)])
    for name in names[5:]:
        records.forget(name)
    records._database.read(lambda hand: hand.run("VACUUM"))
    assert records._overwrite()
    left = b"".join(f.read_bytes() for f in tmp_path.iterdir())
    assert [name for name in names if name.encode() in left] == names[:5]
    assert [name for name in names if hash_of(name) in left] == names[:5]
    records.close()


ODD = [
    "贝果 🥯",
    "a\0b",
    "\0",
    "\x1b",
    "\x1b0000",
    "half \ud83d of a pair",
    "x" * 10_000,
    "y" * 9_999 + "\0",
    "'; DROP TABLE events; --",
    " ",
    "a\\0b",
    "e\u0301",
    "\u00e9",
]


def test_odd_ids_come_back_as_they_were(records: Records) -> None:
    for n, odd in enumerate(ODD):
        written = Event(f"{odd}-{n}", odd, odd, "view", NOW + n, None, odd)
        assert records.add_events([written], NOW) == (1, 0), odd[:20]
        assert records.add_events([written], NOW) == (0, 1)
        assert records.events_of(odd) == [written]
        records.add_lists([shown(odd, user=odd, at=NOW + n)])
        records.put_items([{"item_id": odd, "title": odd}])
    assert [records.list_of(odd) for odd in ODD] == [shown(odd, user=odd, at=NOW + n) for n, odd in enumerate(ODD)]
    assert [row["item_id"] for row in records.items()[0]] == ODD
    for odd in ODD:
        records.delete_item(odd)
    assert records.changes(records.start()).gone == ODD
    assert [records.forget(odd) for odd in ODD] == [{"events": 1, "lists": 1}] * len(ODD)
    assert all(records.is_forgotten(odd) for odd in ODD)


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_written_without_loss(text: str) -> None:
    written = write_text(text)
    assert read_text(written) == text
    assert "\0" not in written
    written.encode()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"timestamp": math.nan}, "an event has timestamp nan; expected a finite number"),
        ({"timestamp": math.inf}, "an event has timestamp inf; expected a finite number"),
        ({"value": math.nan}, "an event has value nan; expected a finite number"),
        ({"event": "stolen"}, "an event of kind 'stolen'; expected one of view, click"),
        ({"user_id": ""}, "an event with an empty user_id; expected a text"),
        ({"event_id": ""}, "an event with an empty event_id; expected a text"),
        ({"item_id": ""}, "an event with an empty item_id; expected a text"),
    ],
)
def test_a_wrong_event_is_refused_and_nothing_of_its_batch_kept(records: Records, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        records.add_events([event(1), replace(event(2), **wrong)], NOW)
    assert records.events_of("ann") == []


def test_wrong_items_lists_and_facts_are_refused(records: Records) -> None:
    with pytest.raises(RequestError, match="an item holds what JSON cannot: Out of range float"):
        records.put_items([{"item_id": "tea"}, {"item_id": "cup", "price": math.nan}])
    with pytest.raises(RequestError, match="an item without an item_id"):
        records.put_items([{"title": "tea"}])
    with pytest.raises(RequestError, match="a list has score nan"):
        records.add_lists([replace(shown("r1"), items=(Shown("tea", 1, math.nan, 1.0, False),))])
    with pytest.raises(RequestError, match="a list has propensity inf"):
        records.add_lists([replace(shown("r1"), items=(Shown("tea", 1, 1.0, math.inf, False),))])
    with pytest.raises(RequestError, match="a list has timestamp nan"):
        records.add_lists([shown("r1", at=math.nan)])
    with pytest.raises(RequestError, match="a list with an empty recommendation_id"):
        records.add_lists([shown("")])
    with pytest.raises(RequestError, match="a list holds what JSON cannot: a value of type set"):
        records.add_lists([replace(shown("r1"), context={"pool": {1}})])
    with pytest.raises(RequestError, match="the fact 'x' holds what JSON cannot"):
        records.set_value("x", math.inf)
    assert (records.items(), list(records.lists()), records.get_value("x")) == (([], set()), [], None)


def test_order_is_by_timestamp_and_then_by_coming(records: Records) -> None:
    """The clock was set back between the batches, and two events have one time."""
    records.add_events([event(1, at=NOW + 50), event(2, at=NOW + 10)], NOW + 50)
    records.add_events([event(3, at=NOW + 10), event(4, at=NOW - 3600)], NOW - 3600)
    assert [e.event_id for e in records.events_of("ann")] == ["e4", "e2", "e3", "e1"]
    assert [e.event_id for _, e in records.changes(records.start()).events] == ["e1", "e2", "e3", "e4"]
    seq = records.changes(records.start()).events[1][0]
    assert [e.event_id for e in records.events_of("ann", after=seq)] == ["e4", "e3"]


def test_lists_come_back_in_the_order_of_time(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossaisle.records.store.PIECE", 3)  # several pieces, with one time across their border
    at = {f"r{n}": NOW + n // 4 for n in range(10)}
    records.add_lists([shown(name, at=when) for name, when in reversed(at.items())])
    records.add_lists([shown("r1", user="somebody else")])
    kept = list(records.lists())
    assert sorted(s.recommendation_id for s in kept) == sorted(at)
    assert [s.timestamp for s in kept] == sorted(at.values())
    assert records.list_of("r1") == shown("r1", at=NOW)
    assert records.list_of("unknown") is None
    assert [s.timestamp for s in records.lists(since=NOW + 1, until=NOW + 2)] == [NOW + 1] * 4


def test_old_lists_go_in_pieces_the_oldest_first(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossaisle.records.store.PRUNED", 3)
    left, right = Records.open(store_url), Records.open(store_url)
    left.add_lists([shown(f"r{n}", at=NOW + n) for n in (5, 1, 4, 0, 3, 2, 6, 7)])
    removed = [one.prune_lists(NOW + 7) for one in (left, right, left, right)]
    assert removed == [3, 3, 1, 0]
    assert [s.recommendation_id for s in right.lists()] == ["r7"]
    left.add_lists([shown("r0", at=NOW)])
    assert [left.prune_lists(NOW), left.prune_lists(NOW + 1)] == [0, 1]  # a list of that very time stays
    for one in (left, right):
        one.close()


def test_numpy_numbers_in_a_context_are_kept_as_numbers(records: Records) -> None:
    records.add_lists([replace(shown("r1"), context={"p": np.float32(0.5), "x": np.arange(3)})])
    kept = records.list_of("r1")
    assert kept is not None
    assert kept.context == {"p": 0.5, "x": [0, 1, 2]}


def test_all_events_come_in_pieces(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossaisle.records.store.PIECE", 4)
    records.add_events([event(n) for n in range(10)], NOW)
    pieces = records.events()
    first = next(pieces)
    records.add_events([event(10)], NOW)  # after the reading began: not in it
    rest = list(pieces)
    assert [len(p) for p in [first, *rest]] == [4, 4, 2]
    assert [e.event_id for p in [first, *rest] for _, e in p] == [f"e{n}" for n in range(10)]
    assert [e.event_id for p in records.events(after=first[-1][0]) for _, e in p] == [f"e{n}" for n in range(4, 11)]


def test_small_facts(records: Records) -> None:
    assert records.get_value("swaps") is None
    records.set_value("swaps", [{"from": "v1", "to": "v2", "why": "贝果"}])
    records.set_value("swaps", [1, None, "x"])
    assert records.get_value("swaps") == [1, None, "x"]
    records.set_value("swaps", None)
    assert records.get_value("swaps") is None


def test_who_was_forgotten_since_is_told_as_changes_tell_it(records: Records) -> None:
    records.add_events([event(1), event(2)], NOW)
    before = records.head()
    records.forget("ann")
    records.add_events([event(3)], NOW)
    cursor, forgotten = records.forgotten_since(before)
    assert cursor == records.head()
    assert ("ann" in forgotten, "bob" in forgotten, len(forgotten)) == (True, False, 1)
    assert len(records.forgotten_since(cursor)[1]) == 0
    assert len(records.forgotten_since(Cursor("another store", 9))[1]) == len(records.changes(Cursor("another store", 9)).forgotten) == 1


def test_a_fact_is_changed_by_one_at_a_time(records: Records) -> None:
    def count() -> None:
        for _ in range(20):
            records.change_value("counted", lambda n: (n or 0) + 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert records.get_value("counted") == 80
    assert records.change_value("counted", lambda n: None) is None
    assert records.get_value("counted") is None


def test_a_cursor_of_another_store_starts_anew(records: Records, tmp_path: Path) -> None:
    records.add_events([event(1)], NOW)
    other = Records.open(f"sqlite:///{tmp_path}/other.db")
    other.add_events([event(n) for n in range(2, 6)], NOW)
    changes = records.changes(other.head())
    assert changes.anew
    assert [e.event_id for _, e in changes.events] == ["e1"]
    assert not records.changes(changes.cursor)
    empty = Records.open(f"sqlite:///{tmp_path}/empty.db")
    assert empty.changes(other.head()).anew
    assert empty.changes(other.head()).cursor == empty.start()
    for store in (other, empty):
        store.close()


def test_the_store_is_there_when_it_is_opened_again(store_url: str) -> None:
    first = Records.open(store_url)
    first.add_events([event(1)], NOW)
    first.forget("bob")
    cursor = first.head()
    first.close()
    second = Records.open(store_url)
    assert second.events_of("ann") == [event(1)]
    assert second.is_forgotten("bob")
    assert second.head() == cursor
    assert second.add_events([event(1)], NOW) == (0, 1)
    assert not second.changes(cursor)
    second.close()
    with pytest.raises(StoreAway, match="it was closed"):
        second.head()


def test_a_number_is_never_given_twice(store_url: str) -> None:
    """Else a reader would miss what comes after the newest events were forgotten."""
    records = Records.open(store_url)
    records.add_events([event(1)], NOW)
    cursor = records.changes(records.start()).cursor
    records.forget("ann")
    records.close()
    records = Records.open(store_url)
    records.add_events([event(2)], NOW)
    assert [e.event_id for _, e in records.changes(cursor).events] == ["e2"]
    records.close()


def test_what_each_kind_says() -> None:
    history = {"view", "click", "cart", "purchase", "like"}
    assert {kind for kind in KINDS if sign(kind) == 1} == history
    assert {kind for kind in KINDS if sign(kind) == -1} == {"dislike", "hide"}
    assert {kind for kind in KINDS if sign(kind) == 0} == {"rating", "impression", "unhide"}
    assert [sign("rating", v) for v in (1, 2, 2.5, 3, 3.9, 4, 5)] == [-1, -1, 0, 0, 0, 1, 1]


def test_a_database_of_its_own(postgres: Postgres) -> None:
    records = Records.open(postgres.new_database().replace("+psycopg", ""))
    assert records.add_events([event(1)], NOW) == (1, 0)
    records.close()


def test_a_database_that_cannot_hold_every_text_is_refused(postgres: Postgres) -> None:
    url = postgres.new_database("ENCODING 'LATIN1' TEMPLATE template0")
    with pytest.raises(SettingError, match="a database in LATIN1; expected one in UTF8; next: create it with: createdb --encoding UTF8"):
        Records.open(url)


def test_a_user_who_may_create_no_tables_is_told_so(postgres: Postgres) -> None:
    url = postgres.new_database()
    postgres.execute("CREATE ROLE clerk LOGIN")
    with pytest.raises(
        SettingError, match=r"the database of .*clerk@.* expected one that the user of the URL may create tables in; next: .*GRANT"
    ):
        Records.open(url.replace("//crossaisle@", "//clerk@"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("events.db", "a store's URL that cannot be read; expected sqlite:///FILE or postgresql"),
        ("mysql://localhost/x", "a store of kind 'mysql'"),
        ("postgresql+psycopg2://localhost/x", "a store of kind 'postgresql.psycopg2'"),
        ("sqlite://", "a store in memory, which keeps nothing"),
        ("sqlite:///:memory:", "a store in memory, which keeps nothing"),
    ],
)
def test_a_url_that_is_none(url: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Records.open(url)


def test_a_store_of_a_newer_version_is_left_alone(store_url: str) -> None:
    records = Records.open(store_url)
    records._database.write(lambda hand: hand.run("UPDATE alembic_version SET version_num = '9999'"))
    records.close()
    with pytest.raises(SettingError, match="a store of schema 9999; expected 0001 or older; next: open it with the newer version"):
        Records.open(store_url)


def test_the_newest_step_is_the_one_that_is_looked_for() -> None:
    assert ScriptDirectory(str(Path(migrations.__file__).parent)).get_heads() == [HEAD]


def test_the_optional_part_is_named_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "crossaisle.records.store", None)
    with pytest.raises(MissingExtra, match=r"the service's records need an optional part .* pip install 'crossaisle\[serve\]'"):
        _ = crossaisle.records.Records
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = crossaisle.records.Nothing


def test_postgresql_without_its_driver_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match="stores in PostgreSQL need an optional part"):
        Records.open("postgresql+psycopg://localhost/x")
