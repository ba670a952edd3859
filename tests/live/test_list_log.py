"""Lists on their way to the store: in pieces, none lost while it is away, and no fault ends the writing."""

import time

import pytest

from crossaisle.errors import StoreAway
from crossaisle.live import shown as module
from crossaisle.live.asking import Answer
from crossaisle.live.settings import LiveSettings
from crossaisle.live.shown import ListLog


class Store:
    """A fake of `Records`: takes lists, or raises what it is told to."""

    def __init__(self):
        self.pieces, self.faults = [], []

    def add_lists(self, lists):
        if self.faults and (fault := self.faults.pop(0)) is not None:
            raise fault
        self.pieces.append([shown.recommendation_id for shown in lists])


@pytest.fixture
def log(monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 10)
    monkeypatch.setattr(module, "_AGAIN", 0.01)
    out = ListLog(Store(), LiveSettings(log_seconds=60.0))
    yield out
    out.close()


def answers(n, first=0):
    return [Answer(f"r{k}", None, "v0001", False, []) for k in range(first, first + n)]


def test_a_store_that_goes_away_in_between_keeps_what_it_has_and_gets_the_rest_in_order(log):
    log.add(answers(25), None)
    log.records.faults = [None, StoreAway("a store", "it is gone")]
    with pytest.raises(StoreAway):
        log.flush()
    log.add(answers(5, first=25), None)
    log.flush()
    assert [name for piece in log.records.pieces for name in piece] == [f"r{k}" for k in range(30)]
    assert max(map(len, log.records.pieces)) == 10
    assert log.lost == 0


def test_a_fault_does_not_end_the_writing_and_what_it_cost_is_counted(monkeypatch, caplog):
    monkeypatch.setattr(module, "_AGAIN", 0.01)
    log = ListLog(Store(), LiveSettings(log_seconds=0.01))
    log.records.faults = [ValueError("no such table: lists")]
    log.add(answers(3), None)
    until = time.monotonic() + 60
    while log.lost < 3 and time.monotonic() < until:
        time.sleep(0.01)
    log.add(answers(2, first=3), None)
    log.close()
    assert log.lost == 3
    assert log.records.pieces == [["r3", "r4"]]
    assert "fault in writing lists: ValueError" in caplog.text
    assert "no such table" not in caplog.text
