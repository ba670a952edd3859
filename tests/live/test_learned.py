"""What is learned from the log, read piece by piece: nothing is counted twice, and whoever ends does not wait for what is left."""

import threading
import time

import pytest
from small_model import TINY

from crossaisle import Recommender
from crossaisle.errors import StoreAway
from crossaisle.live import learned as module
from crossaisle.live.engine import Engine
from crossaisle.live.settings import LiveSettings
from crossaisle.records import Event, Shown, ShownList, store
from crossaisle.testing import toy_dataset

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
