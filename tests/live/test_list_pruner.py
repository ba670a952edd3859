"""Lists shown are deleted in the background once they have been kept for long enough, and none that learning still reads."""

import time

import numpy as np
import pytest

from crossaisle.errors import SettingError, StoreAway
from crossaisle.live.settings import LiveSettings
from crossaisle.live.shown import ListPruner
from crossaisle.records import Records, ShownList
from crossaisle.serve.settings import ServiceSettings

DAY = 86_400.0


@pytest.fixture
def records(store_url):
    found = Records.open(store_url)
    yield found
    found.close()


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr("crossaisle.live.shown.PRUNE_FIRST", 0.01)
    monkeypatch.setattr("crossaisle.live.shown.PRUNE_EVERY", 0.01)


def fill(records, days):
    now = time.time()
    records.add_lists([ShownList(f"{day:g} days ago {n}", "ann", now - day * DAY, "v0001", ()) for n, day in enumerate(days)])


def left(records):
    return sorted(float(shown.recommendation_id.split()[0]) for shown in records.lists())


def until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_two_workers_leave_is_what_is_to_be_kept(records, store_url, monkeypatch, often):
    monkeypatch.setattr("crossaisle.records.store.PRUNED", 3)
    days = np.random.default_rng(0).permutation([*range(0, 89, 4), *range(91, 400, 7)])
    fill(records, days.tolist())
    other = Records.open(store_url)
    workers = [ListPruner(store, LiveSettings()) for store in (records, other)]
    until(lambda: max(left(records)) < 90)
    fill(records, [200, 89.9])  # one that is old when it comes
    until(lambda: max(left(records)) < 90)
    for worker in workers:
        worker.close()
    assert left(records) == [*range(0, 89, 4), 89.9]
    other.close()


def test_what_a_service_reads_when_it_starts_is_there(records, often):
    """However short lists are kept: what is found abnormal, or nearly, is found again."""
    fill(records, [1, 29.9, 30.1, 31])
    pruner = ListPruner(records, LiveSettings(keep_lists_days=30.0, learn_days=30.0))
    until(lambda: len(left(records)) == 2)
    pruner.close()
    assert left(records) == [1, 29.9]


def test_for_good(records, often):
    fill(records, [1, 100, 10_000])
    pruner = ListPruner(records, LiveSettings(keep_lists_days=0.0))
    time.sleep(0.1)
    pruner.close()
    assert left(records) == [1, 100, 10_000]


def test_a_store_that_was_away_is_pruned_later(records, monkeypatch, often):
    fill(records, [1, 100])
    prune, calls = records.prune_lists, []

    def away_at_first(before):
        calls.append(before)
        if len(calls) < 3:
            raise StoreAway("somewhere", "nobody is there")
        return prune(before)

    monkeypatch.setattr(records, "prune_lists", away_at_first)
    pruner = ListPruner(records, LiveSettings())
    until(lambda: left(records) == [1])
    pruner.close()
    assert len(calls) >= 3


def test_it_ends_between_two_pieces(records, monkeypatch, often):
    monkeypatch.setattr("crossaisle.records.store.PRUNED", 1)
    monkeypatch.setattr("crossaisle.live.shown._LEAVE", 1e9)  # an endless pause after the first piece
    fill(records, [100, 200, 300])
    pruner = ListPruner(records, LiveSettings())
    until(lambda: len(left(records)) == 2)
    pruner.close()
    assert not pruner._repeated._thread.is_alive()
    assert left(records) == [100, 200]


def test_lists_cannot_be_kept_for_less_than_they_are_read():
    message = "kept for keep_lists_days 10 and read for learn_days 30; expected keep_lists_days of at least learn_days, or 0: for good"
    with pytest.raises(SettingError, match=message):
        LiveSettings(keep_lists_days=10.0)
    with pytest.raises(SettingError, match="read for learn_days 100"):
        ServiceSettings().changed({"live.learn_days": "100"})
    assert ServiceSettings().changed({"live.learn_days": "100", "live.keep_lists_days": "100"}).live.keep_lists_days == 100.0
    assert LiveSettings(keep_lists_days=0.0, learn_days=365.0).learn_days == 365.0
