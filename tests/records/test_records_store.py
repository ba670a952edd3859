"""The store on both databases: what goes in comes out, once, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from crossaisle.records import Cursor, Event, Records, Shown, ShownList

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
    assert (third.items, third.gone) == ([{"item_id": "tea", "title": "Tea"}], ["pot"])
    everything = records.changes(records.start())
    assert (everything.items, everything.gone) == ([{"item_id": "cup", "title": "Cup"}, {"item_id": "tea", "title": "Tea"}], ["pot"])
    assert records.items() == (everything.items, {"pot"})
    assert records.changes(Cursor.from_json(json.loads(json.dumps(first.cursor.to_json())))).gone == ["pot"]


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
