"""What is learned from the log, read piece by piece: nothing is counted twice, and whoever ends does not wait for what is left."""

import contextlib
import dataclasses
import threading
import time

import pytest

from crossaisle import Recommender
from crossaisle.errors import StoreAway
from crossaisle.learn.explore import Slot
from crossaisle.learn.settings import ExploreSettings
from crossaisle.live import learned as module
from crossaisle.live.engine import Engine
from crossaisle.live.settings import LearnSettings, LiveSettings
from crossaisle.records import Event, Shown, ShownList, store
from crossaisle.testing import toy_dataset
from small_model import TINY

DATA = toy_dataset(n_users=120)
IDS = DATA.items["item_id"].to_list()
LIVE = LiveSettings(log_lists=False, learn_seconds=3600.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learned") / "toy.model"
    Recommender.preset("quick", settings=TINY).fit(DATA).save(folder)
    return folder


def _lists(n, began):
    """Lists of five items each, some of one moment."""
    return [
        ShownList(
            f"r{k}", f"p{k}", began + k // 3, "v0001", tuple(Shown(IDS[(k + j) % len(IDS)], j + 1, 0.0, 1.0, False) for j in range(5))
        )
        for k in range(n)
    ]


def test_lists_that_were_read_when_the_store_went_away_are_not_counted_again(made, records, monkeypatch):
    now = time.time()
    records.add_lists(_lists(50, now - 1000))
    monkeypatch.setattr(store, "PIECE", 10)
    read, pieces = records._long, []

    def sometimes(sql, values):
        pieces.append(sql)
        if len(pieces) in (3, 4):
            raise StoreAway("a store", "it is gone")
        return read(sql, values)

    monkeypatch.setattr(records, "_long", sometimes)
    engine = Engine(made, records, LIVE)
    try:
        pieces.clear()  # what the start has read
        for _ in range(2):
            with pytest.raises(StoreAway):
                engine._learned.step(now)
        assert engine._learned.step(now)
        assert not engine._learned.step(now)
        assert sum(day["lists"] for day in engine._learned.days.values()) == 50
        assert engine._learned.shown_lately().sum() == 250
    finally:
        engine.close()


@pytest.mark.parametrize("recent", [50_000, 2])  # of few lists the places are held ready: of this one they are read from the store
def test_what_follows_a_click_is_no_second_answer_to_the_same_showing(made, records, monkeypatch, recent):
    monkeypatch.setattr(module, "_RECENT", recent)
    began = time.time() - 1000
    lists = _lists(6, began)
    records.add_lists(lists)
    engine = Engine(made, records, LIVE)
    try:
        first, item = lists[0], lists[0].items[0].item_id
        moments = {"click": first.timestamp + 1, "cart": began + 100, "purchase": began + 200}  # the click comes before the list is read
        for kind, when in moments.items():
            records.add_events([Event(kind, "p0", item, kind, when, None, first.recommendation_id)], when)
            engine._learned.step(when)
        assert engine._learned.feedback._taken.sum() == pytest.approx(1, rel=1e-2)
        assert engine._learned.shown_lately().sum() == 30
    finally:
        engine.close()


def test_whoever_ends_does_not_wait_for_a_long_log(made, records, monkeypatch):
    records.add_lists(_lists(60, time.time() - 1000))
    monkeypatch.setattr(module, "_BREATH", 1)
    taken, read = module.Learned._take_list, threading.Event()

    def slowly(learned, shown):
        taken(learned, shown)
        time.sleep(0.05)
        read.set()

    monkeypatch.setattr(module.Learned, "_take_list", slowly)
    engine = Engine(made, records, LiveSettings(log_lists=False, learn_seconds=0.05))
    assert read.wait(10)
    began = time.monotonic()
    engine.close()  # all of it would take 60 times .35 seconds
    assert time.monotonic() - began < 5
    assert 0 < sum(day["lists"] for day in engine._learned.days.values()) < 60


def test_somebody_who_is_forgotten_between_two_tries_to_read_the_log_is_not_overlooked(made, records, monkeypatch):
    now = time.time()
    records.add_lists(_lists(50, now - 1000))
    monkeypatch.setattr(store, "PIECE", 10)
    engine, read, pieces = Engine(made, records, LIVE), records._long, []

    def once(sql, values):
        pieces.append(sql)
        if len(pieces) == 3:
            raise StoreAway("a store", "it is gone")
        return read(sql, values)

    monkeypatch.setattr(records, "_long", once)
    try:
        with pytest.raises(StoreAway):
            engine._learned.step(now)
        records.forget("p0")  # whose list has been read
        engine._learned.step(now)
        assert engine._learned.outdated
    finally:
        engine.close()


def test_lists_that_waited_for_the_store_are_learned_once_it_is_back(made, records, monkeypatch):
    now = time.time()
    engine, away = Engine(made, records, LIVE), []
    engine.close()
    learned, read = module.Learned(engine._served, records, LearnSettings(), now - 1000), records.get_value
    learned.step(now)

    def value(name):
        if away:
            raise StoreAway("a store", "it is gone")
        return read(name)

    monkeypatch.setattr(records, "get_value", value)
    away.append(True)
    for second in (5, 6, 7):
        with pytest.raises(StoreAway):
            learned.step(now + second)
    away.clear()
    learned.step(now + 8)
    waited = [dataclasses.replace(shown, timestamp=now + 6) for shown in _lists(3, now)]
    records.add_lists(waited)  # made while it was away, written when it had been back for a while
    learned.step(now + 15)
    assert not learned.shown_lately().any()
    # another version is served meanwhile
    other = module.Learned(engine._served, records, LearnSettings(), now - 1000, learned.outages)
    other.step(now + 16)
    assert not other.shown_lately().any()
    for one in (learned, other):
        one.step(now + 30)
        one.step(now + 31)
        assert one.shown_lately().sum() == sum(len(shown.items) for shown in waited)


def test_lists_that_waited_long_for_the_store_are_learned_too(made, records, monkeypatch):
    now = time.time()
    engine = Engine(made, records, LIVE)
    engine.close()
    learned = module.Learned(engine._served, records, LearnSettings(), now - 1000)
    learned.step(now)

    def away(name):
        raise StoreAway("a store", "it is gone")

    with monkeypatch.context() as patch:
        patch.setattr(records, "get_value", away)
        for second in range(5, 600, 7):
            with pytest.raises(StoreAway):
                learned.step(now + second)
    learned.step(now + 601)
    waited = [dataclasses.replace(shown, timestamp=now + 10 + 200 * k) for k, shown in enumerate(_lists(3, now))]
    records.add_lists(waited)
    for second in range(602, 640):
        learned.step(now + second)
    assert learned.shown_lately().sum() == sum(len(shown.items) for shown in waited)


def test_lists_are_learned_where_the_store_is_away_now_and_then(made, records, monkeypatch):
    now = time.time()
    engine = Engine(made, records, LIVE)
    engine.close()
    learned, read, calls = module.Learned(engine._served, records, LearnSettings(), now - 1000), records.get_value, []
    learned.step(now)
    records.add_lists([dataclasses.replace(shown, timestamp=now + 5 + k) for k, shown in enumerate(_lists(3, now))])

    def value(name):
        calls.append(name)
        if len(calls) % 2:
            raise StoreAway("a store", "it is gone")
        return read(name)

    monkeypatch.setattr(records, "get_value", value)
    for second in range(7, 600, 7):
        with contextlib.suppress(StoreAway):
            learned.step(now + second)
        if second < 200:
            assert not learned.shown_lately().any(), "they may not all be there yet"
    assert learned.shown_lately().sum() > 0


def _learned(made, records, since, learn=None, **changes):
    """What a version learns that was trained on what the store holds now, or on nothing of it."""
    engine = Engine(made, records, LIVE)
    engine.close()
    return module.Learned(dataclasses.replace(engine._served, **changes), records, learn or LearnSettings(), since)


def test_another_version_goes_on_with_the_answers_that_its_training_knows(made, records):
    now = time.time()
    lists = _lists(6, now - 1000)
    records.add_lists(lists)
    item = lists[0].items[0].item_id
    records.add_events([Event("a", "p0", item, "click", now - 900, None, lists[0].recommendation_id)], now - 900)
    learned = _learned(made, records, now - 5000, trained_to=records.head())
    learned.step(now)
    assert learned.feedback._taken.sum() == pytest.approx(1, rel=1e-2)
    assert learned.biases.events == 0, "the version knows of it"
    records.add_events([Event("b", "p1", item, "hide", now - 800, None, lists[1].recommendation_id)], now - 800)
    learned.step(now)
    assert learned.biases.events == 1
    assert sum(day.get("click", 0) for day in learned.days.values()) == 1


def test_an_answer_to_a_list_that_is_not_counted_any_more_does_not_count(made, records):
    now = time.time()
    old, young = _lists(2, now - 5000)
    young = dataclasses.replace(young, timestamp=now - 500)
    records.add_lists([old, young])
    for shown in (old, young):
        told = Event(shown.recommendation_id, "p", shown.items[0].item_id, "click", now - 400, None, shown.recommendation_id)
        records.add_events([told], now - 400)
    learned = _learned(made, records, now - 1000)
    learned.step(now)
    assert learned.feedback._taken.sum() == pytest.approx(1, rel=1e-2)
    assert learned.biases.events == 2


def test_a_quick_answer_to_a_place_that_explored_is_one(made, records, monkeypatch):
    now = time.time()
    slot = Slot(1, (IDS[0], IDS[1]), (1.0, 0.5), ((1.0,) * 7, (0.0,) * 7), (0.5, 0.5), 0)
    shown = ShownList("r", "p", now, "v0001", (Shown(IDS[0], 1, 1.0, 0.5, True),), {"explored": [slot.to_json()]})
    records.add_lists([shown])
    records.add_events([Event("e", "p", IDS[0], "click", now + 1, None, "r")], now + 1)
    learned, told = _learned(made, records, now - 100, LearnSettings(explore=ExploreSettings(share=0.1))), []
    monkeypatch.setattr(learned.explorer, "take", lambda features, rewards: told.extend(rewards))
    learned.step(now + 1)  # the event is read, the list not yet
    assert told == []
    learned.step(now + 10)
    assert told == [1.0]


def test_what_is_done_with_an_item_that_another_process_put_is_not_overlooked(made, records):
    here, there = Engine(made, records, LIVE), Engine(made, records, LIVE)
    try:
        here.put_items([{"item_id": "new", "title": "a thing", "category": "Books"}])
        records.add_events([Event("e", "p", "new", "purchase", time.time())], time.time())
        there._learn()  # before it has looked for items
        assert there.find_items("new")
        for _ in range(2):
            there._learn()
            assert there._learned.biases.events == 1
        assert [day.get("purchase") for day in there._learned.days.values()] == [1]
    finally:
        here.close()
        there.close()
