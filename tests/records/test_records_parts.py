"""The parts of the store: shared turns, time limits, what a hash and a cursor are."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from collections.abc import Sequence

import pytest

from crossaisle.errors import StoreAway
from crossaisle.records.limits import Limits
from crossaisle.records.rows import Changes, Cursor, Event, Forgotten
from crossaisle.records.together import Together
from crossaisle.records.written import hash_of


def away(why: str) -> StoreAway:
    return StoreAway("here", why)


class Counting:
    """Doubles numbers, and stands still until it is let go on."""

    def __init__(self) -> None:
        self.served: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.served.append(list(numbers))
        self.entered.release()
        assert self.go_on.wait(30)
        if -1 in numbers:
            raise ValueError("minus one")
        return [2 * n for n in numbers]


def start(together: Together[int, int], numbers: Sequence[int], out: dict[int, object]) -> list[threading.Thread]:
    def one(number: int) -> None:
        try:
            out[number] = together.do(number)
        except Exception as error:
            out[number] = error

    threads = [threading.Thread(target=one, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    return threads


def wait_for(together: Together[int, int], n: int) -> None:
    until = time.monotonic() + 30
    while len(together._waiting) < n:
        assert time.monotonic() < until
        time.sleep(0.001)


def test_those_who_wait_are_served_at_once_and_get_their_own_answers() -> None:
    work, out = Counting(), {}
    together = Together(work, 30.0, away, most=4)
    threads = start(together, [0], out)
    assert work.entered.acquire(timeout=30)
    threads += start(together, [1, 2, 3, 4, 5, 6], out)
    wait_for(together, 6)
    work.go_on.set()
    for thread in threads:
        thread.join(30)
    assert out == {n: 2 * n for n in range(7)}
    assert [len(numbers) for numbers in work.served] == [1, 4, 2]
    assert together.do(8) == 16


def test_all_who_were_served_together_get_the_error_and_the_next_does_not() -> None:
    work, out = Counting(), {}
    together = Together(work, 30.0, away)
    threads = start(together, [0], out)
    assert work.entered.acquire(timeout=30)
    threads += start(together, [-1, 5], out)
    wait_for(together, 2)
    work.go_on.set()
    for thread in threads:
        thread.join(30)
    assert out[0] == 0
    assert isinstance(out[-1], ValueError)
    assert isinstance(out[5], ValueError)
    assert together.do(8) == 16


def test_who_waits_in_vain_says_so_and_is_not_served_later() -> None:
    work, out = Counting(), {}
    together = Together(work, 0.05, away)
    threads = start(together, [0], out)
    assert work.entered.acquire(timeout=30)
    with pytest.raises(StoreAway, match="others are still writing"):
        together.do(1)
    work.go_on.set()
    threads[0].join(30)
    assert out == {0: 0}
    assert together.do(2) == 4
    assert work.served == [[0], [2]]


def test_a_connection_is_cut_when_the_time_is_over() -> None:
    limits = Limits()
    near, far = socket.socketpair()
    with pytest.raises(TimeoutError, match=r"no answer within 0.01 s"), limits.within(0.01, near):
        assert near.recv(1) == b""  # cut: the other end says no more
    with limits.within(30.0, far):
        pass
    endless = sqlite3.connect(":memory:", check_same_thread=False)
    with pytest.raises(TimeoutError, match="no answer within"), limits.within(0.01, endless):
        endless.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
    limits.close()
    endless.close()
    near.close()
    far.close()


def test_work_that_ended_too_late_counts_as_cut() -> None:
    limits = Limits()
    near, far = socket.socketpair()
    with pytest.raises(TimeoutError), limits.within(0.01, near):
        assert far.recv(1) == b""
    with pytest.raises(KeyError), limits.within(30.0, near):
        raise KeyError("its own error stays what it is")
    closed, other = socket.socketpair()
    number = limits.start(0.01, closed)
    closed.close()  # broken by itself: nothing left to cut, and the watch goes on
    time.sleep(0.3)
    assert limits.end(number)
    near2, far2 = socket.socketpair()
    with pytest.raises(TimeoutError), limits.within(0.01, near2):
        assert far2.recv(1) == b""
    limits.close()
    for line in (near, far, other, near2, far2):
        line.close()


def test_a_salted_hash_tells_nothing_without_its_salt() -> None:
    assert hash_of("ann") != hash_of("ann", b"salt") != hash_of("ann", b"other")
    assert "ann" not in Forgotten(b"other", frozenset({hash_of("ann", b"salt")}))
    assert "ann" not in Forgotten()
    assert Forgotten().among(["ann"]) == []


def test_changes_are_true_where_something_came() -> None:
    cursor = Cursor("a", 1)
    assert not Changes(cursor)
    assert Changes(cursor, events=[(1, Event("e", "u", "i", "view", 0.0))])
    assert Changes(cursor, items=[{"item_id": "tea"}])
    assert Changes(cursor, gone=["tea"])
    assert Changes(cursor, forgotten=Forgotten(b"", frozenset({b"x"})))
    assert Changes(cursor, anew=True)
