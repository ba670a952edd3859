"""The queue in front of a thread, and the token bucket: known answers by hand."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from serve_fakes import Shop
from test_api import refused

from crossaisle.serve.lanes import Lane
from crossaisle.serve.limits import MAX_KEYS, Rates
from crossaisle.serve.problems import Problem


class Held:
    """Work that waits for a gate, so that a queue can fill behind it."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, asked: list[int]) -> list[int | BaseException]:
        self.batches.append(asked)
        assert self.gate.wait(20)
        return [ValueError("seven") if one == 7 else one * 10 for one in asked]


def in_lane(story: Callable[[Lane[int, int], Held], Awaitable[Any]], **options: Any) -> Any:
    async def whole() -> Any:
        held = Held()
        given = {"max_batch": 4, "max_waiting": 6, "max_wait": 20.0, "max_answer": 20.0, "retry_after": 3, **options}
        lane: Lane[int, int] = Lane(held, "test", **given)
        lane.start()
        try:
            return await story(lane, held)
        finally:
            held.gate.set()
            await lane.close()

    return asyncio.run(whole())


async def begun(held: Held, number: int = 1) -> None:
    while len(held.batches) < number:
        await asyncio.sleep(0.002)


def test_nothing_waits_to_fill_a_batch_and_what_waits_is_taken_together() -> None:
    async def story(lane: Lane[int, int], held: Held) -> None:
        first = asyncio.create_task(lane.do(1))
        await begun(held)
        rest = [asyncio.create_task(lane.do(n)) for n in (2, 3, 4, 5, 6)]
        await asyncio.sleep(0)
        assert lane.waiting == 6
        held.gate.set()
        assert await first == 10
        assert await asyncio.gather(*rest) == [20, 30, 40, 50, 60]
        assert held.batches == [[1], [2, 3, 4, 5], [6]]
        assert lane.waiting == 0

    in_lane(story)


def test_one_more_than_may_wait_is_refused_at_once() -> None:
    async def story(lane: Lane[int, int], held: Held) -> None:
        tasks = [asyncio.create_task(lane.do(n)) for n in range(1, 7)]
        await asyncio.sleep(0)
        with pytest.raises(Problem) as refusal:
            await lane.do(8)
        assert refusal.value.status == 503
        assert (b"retry-after", b"3") in refusal.value.headers
        held.gate.set()
        assert await asyncio.gather(*tasks) == [10, 20, 30, 40, 50, 60]
        assert await lane.do(8) == 80

    in_lane(story)


def test_what_waited_too_long_is_refused_uncomputed() -> None:
    async def story(lane: Lane[int, int], held: Held) -> None:
        first = asyncio.create_task(lane.do(1))
        await begun(held)
        late = asyncio.create_task(lane.do(2))
        await asyncio.sleep(1.3)
        held.gate.set()
        assert await first == 10
        with pytest.raises(Problem, match="too many requests wait"):
            await late
        assert held.batches == [[1]]

    in_lane(story, max_wait=1.0)


def test_what_came_long_ago_is_refused_although_it_was_queued_just_now() -> None:
    async def story(lane: Lane[int, int], held: Held) -> None:
        held.gate.set()
        with pytest.raises(Problem, match="too many requests wait"):
            await lane.do(1, time.monotonic() - 30.0)
        assert await lane.do(2, time.monotonic() - 10.0) == 20
        assert held.batches == [[2]]

    in_lane(story)


def test_an_error_of_one_is_raised_to_that_one() -> None:
    async def story(lane: Lane[int, int], held: Held) -> None:
        held.gate.set()
        good, bad = asyncio.create_task(lane.do(1)), asyncio.create_task(lane.do(7))
        assert await good == 10
        with pytest.raises(ValueError, match="seven"):
            await bad

    in_lane(story)


def test_who_has_no_answer_in_time_is_told_and_the_thread_goes_on() -> None:
    async def story(lane: Lane[int, int], held: Held) -> None:
        with pytest.raises(TimeoutError):
            await lane.do(1)
        assert lane.waiting == 1
        held.gate.set()
        assert await lane.do(2) == 20
        assert lane.waiting == 0

    in_lane(story, max_answer=0.5)


def test_too_few_results_are_a_fault_and_not_another_ones_answer() -> None:
    async def whole() -> None:
        lane: Lane[int, int] = Lane(lambda asked: asked[1:], "test", 4, 6, 20.0, 20.0, 1)
        lane.start()
        with pytest.raises(RuntimeError, match="0 results for 1 requests"):
            await lane.do(1)
        await lane.close()

    asyncio.run(whole())


def test_a_closing_lane_finishes_what_waits_and_refuses_what_comes() -> None:
    async def story(lane: Lane[int, int], held: Held) -> None:
        tasks = [asyncio.create_task(lane.do(n)) for n in (1, 2, 3)]
        await begun(held)
        closing = asyncio.create_task(lane.close())
        await asyncio.sleep(0)
        with pytest.raises(Problem):
            await lane.do(4)
        held.gate.set()
        assert await asyncio.gather(*tasks) == [10, 20, 30]
        await closing

    in_lane(story)


def test_several_threads_take_from_one_queue() -> None:
    async def story(lane: Lane[int, int], held: Held) -> None:
        tasks = [asyncio.create_task(lane.do(n)) for n in (1, 2)]
        await begun(held, 2)
        held.gate.set()
        assert await asyncio.gather(*tasks) == [10, 20]

    in_lane(story, max_batch=1, threads=2)


def test_the_bucket_by_hand() -> None:
    rates = Rates(2.0, 3)
    got = [rates.take(0, now=50.0) for _ in range(4)]
    assert got[:3] == [0.0, 0.0, 0.0]
    assert got[3] == pytest.approx(0.5)
    assert rates.take(0, now=50.5) == 0.0
    assert rates.take(0, now=50.5) == pytest.approx(0.5)
    assert rates.take(1, now=50.5) == 0.0
    assert [rates.take(0, now=60.0) for _ in range(3)] == [0.0, 0.0, 0.0]


def test_no_rate_is_no_limit() -> None:
    rates = Rates(0.0, 1)
    assert {rates.take(0, now=1.0) for _ in range(100)} == {0.0}


def test_a_clock_from_another_boot_is_forgotten() -> None:
    rates = Rates(1.0, 1)
    assert rates.take(0, now=1e6) == 0.0
    assert rates.take(0, now=5.0) == 0.0


def test_one_bucket_for_all_workers(tmp_path: Path) -> None:
    file = tmp_path / "rates"
    file.write_bytes(bytes(Rates.size()))
    handle = os.open(file, os.O_RDWR)
    one, other = Rates(1.0, 2, handle), Rates(1.0, 2, handle)
    assert [one.take(MAX_KEYS - 1, 9.0), other.take(MAX_KEYS - 1, 9.0)] == [0.0, 0.0]
    assert one.take(MAX_KEYS - 1, 9.0) == pytest.approx(1.0)
    os.close(handle)


def test_lists_that_wait_are_computed_as_one_batch(web: Shop) -> None:
    async def story(client: Any) -> list[int]:
        web.engine.hold = threading.Event()
        first = asyncio.create_task(client.get("/api/v1/recommend/u0"))
        while not web.engine.batches:
            await asyncio.sleep(0.002)
        rest = [asyncio.create_task(client.get(f"/api/v1/recommend/u{n}")) for n in range(1, 11)]
        while web.desk.fast.waiting < 11:
            await asyncio.sleep(0.002)
        web.engine.hold.set()
        answers = await asyncio.gather(first, *rest)
        assert [answer.json()["user_id"] for answer in answers] == [f"u{n}" for n in range(11)]
        return web.engine.batches

    assert web.run(story) == [1, 10]


def test_a_wish_does_not_hold_up_the_others(web: Shop) -> None:
    gate, plain = threading.Event(), web.engine.recommend

    def recommend(asks: Any) -> Any:
        if asks[0].wish:
            assert gate.wait(20)
        return plain(asks)

    web.engine.recommend = recommend  # type: ignore[method-assign]

    async def story(client: Any) -> None:
        slow = asyncio.create_task(client.post("/api/v1/recommend", json={"wish": "a kite"}))
        while web.desk.slow.waiting < 1:
            await asyncio.sleep(0.002)
        assert (await client.get("/api/v1/recommend/u1")).status_code == 200
        assert not slow.done()
        gate.set()
        assert (await slow).status_code == 200

    web.run(story)


def test_overload_is_refused_and_what_was_accepted_is_answered() -> None:
    web = Shop(max_waiting=5)

    async def story(client: Any) -> None:
        web.engine.hold = threading.Event()
        tasks = [asyncio.create_task(client.get(f"/api/v1/recommend/u{n}")) for n in range(20)]
        while sum(task.done() for task in tasks) < 15:
            await asyncio.sleep(0.002)
        web.engine.hold.set()
        answers = await asyncio.gather(*tasks)
        assert [answer.status_code for answer in answers].count(200) == 5
        no = next(answer for answer in answers if answer.status_code != 200)
        assert refused(no, 503) == "too many requests wait"
        assert no.headers["retry-after"] == "1"
        assert (await client.get("/api/v1/recommend/u1")).status_code == 200

    web.run(story)


def test_an_engine_that_hangs_is_503_in_time() -> None:
    web = Shop(answer_seconds=0.05)

    async def story(client: Any) -> None:
        web.engine.hold = threading.Event()
        answer = await client.get("/api/v1/recommend/u1")
        assert "no answer within" in refused(answer, 503)
        assert answer.headers["retry-after"] == "2"
        web.engine.hold.set()

    web.run(story)


def test_a_slow_store_does_not_hold_up_lists(web: Shop) -> None:
    async def story(client: Any) -> None:
        web.records.slow = 0.5
        body = {"events": [{"event_id": "e", "user_id": "u", "item_id": "i", "event": "view"}]}
        slow = asyncio.create_task(client.post("/api/v1/events", json=body))
        while web.desk.writing.waiting < 1:
            await asyncio.sleep(0.002)
        began = time.monotonic()
        for _ in range(5):
            assert (await client.get("/api/v1/recommend/u1")).status_code == 200
        assert not slow.done() or time.monotonic() - began > 0.5  # a machine that stood still proves nothing
        assert (await slow).json() == {"accepted": 1, "duplicates": 0}

    web.run(story)
