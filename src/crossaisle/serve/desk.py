"""What every route shares in one worker. Imports: keys, lanes, limits, metrics, problems, settings.

Behind the loop stand one thread for lists, one for slow lists (wishes, reasons and filters, which would hold up the others), one for the
other questions to the engine, some for what is written (the store commits together what waits together), and one that asks whether the
store answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from crossaisle.errors import CrossAisleError
from crossaisle.live.asking import Answer, Ask
from crossaisle.records.rows import Event
from crossaisle.serve.keys import KeyFile
from crossaisle.serve.lanes import Lane
from crossaisle.serve.limits import Rates
from crossaisle.serve.metrics import Metrics
from crossaisle.serve.problems import Problem
from crossaisle.serve.settings import ServeSettings

__all__ = ["Desk", "LiveEngine", "LiveRecords", "log_fault"]

log = logging.getLogger("crossaisle.serve")
_Job = Callable[[], Any]


class LiveEngine(Protocol):
    """What the service needs of `crossaisle.live.engine.Engine`."""

    def recommend(self, asks: Sequence[Ask]) -> list[Answer | CrossAisleError]: ...
    def similar(self, item_id: str, n: int, other_categories: bool) -> list[dict[str, Any]]: ...
    def user(self, user_id: str) -> dict[str, Any]: ...
    def shoppers(self, n: int) -> list[dict[str, Any]]: ...
    def find_items(self, words: str, n: int) -> list[dict[str, Any]]: ...
    def put_items(self, rows: Sequence[dict[str, Any]]) -> tuple[int, list[dict[str, str]]]: ...
    def delete_item(self, item_id: str) -> None: ...
    def undo_abnormal(self, item_id: str) -> None: ...
    def graph(self) -> dict[str, Any]: ...
    def model(self) -> dict[str, Any]: ...
    def overview(self) -> dict[str, Any]: ...
    def look_for_new_version(self) -> bool: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


class LiveRecords(Protocol):
    """What the service needs of `crossaisle.records.Records`."""

    def add_events(self, events: Sequence[Event], received: float) -> tuple[int, int]: ...
    def forget(self, user_id: str) -> dict[str, int]: ...
    def get_value(self, key: str) -> Any: ...
    def close(self) -> None: ...


def log_fault(where: str, error: BaseException) -> None:
    """Log a fault by its kind and the lines it passed; never its message, which may hold ids."""
    frames = []
    step = error.__traceback__
    while step is not None:
        frames.append(f"{step.tb_frame.f_code.co_filename.rpartition('/')[2]}:{step.tb_lineno}")
        step = step.tb_next
    log.error("fault in %s: %s at %s", where, type(error).__name__, " > ".join(frames[-8:]) or "no line")


def _run_jobs(jobs: list[_Job]) -> list[Any]:
    results: list[Any] = []
    for job in jobs:
        try:
            results.append(job())
        except Exception as error:  # handed to the one who asked
            results.append(error)
    return results


class Desk:
    """The parts of one worker.

    Parameters
    ----------
    engine, records
        The model in service and what it keeps; closed by `close`.
    settings : ServeSettings
        Limits.
    keys : KeyFile, optional
        Without it every caller may do everything, which `run.serve` allows on loopback only.
    rates : Rates, optional
        Buckets that workers share; otherwise made here.
    metrics : Metrics, optional
        Where requests are counted; otherwise made here.
    poll_seconds : float
        How often the engine is told to look for a new version.
    """

    def __init__(
        self,
        engine: LiveEngine,
        records: LiveRecords,
        settings: ServeSettings,
        keys: KeyFile | None = None,
        rates: Rates | None = None,
        metrics: Metrics | None = None,
        poll_seconds: float = 1.0,
    ) -> None:
        self._poll_seconds = poll_seconds
        self.engine, self.records, self.settings, self.keys = engine, records, settings, keys
        self.rates = Rates(settings.rate, settings.burst) if rates is None else rates
        self.metrics = Metrics() if metrics is None else metrics
        s = settings
        late, end, again = s.slow_wait_seconds, s.answer_seconds, s.busy_retry_seconds
        self.fast: Lane[Ask, Answer] = Lane(self._recommend, "lists", s.max_batch, s.max_waiting, s.max_wait_seconds, end, again)
        self.slow: Lane[Ask, Answer] = Lane(self._recommend, "slow lists", 4, s.slow_waiting, late, end, again)
        self.asking: Lane[_Job, Any] = Lane(_run_jobs, "questions", 1, s.slow_waiting, late, end, again)
        self.writing: Lane[_Job, Any] = Lane(_run_jobs, "writing", 1, s.event_waiting, late, end, again, s.writers)
        self._probe: Lane[_Job, Any] = Lane(_run_jobs, "probe", 1, 1, 60.0, end, again)
        self.lanes: dict[str, Lane[Any, Any]] = {
            "fast": self.fast, "slow": self.slow, "asking": self.asking, "writing": self.writing, "probe": self._probe
        }  # fmt: skip
        self._asked_store, self._store = -1.0, True
        self.open = False
        self._watch: asyncio.Task[None] | None = None

    def _recommend(self, asks: list[Ask]) -> Sequence[Answer | BaseException]:
        answers = self.engine.recommend(asks)
        self.metrics.batch(len(asks), sum(1 for answer in answers if isinstance(answer, Answer) and answer.degraded))
        return answers

    async def recommend(self, ask: Ask, since: float | None = None) -> Answer:
        """The list for one question that came at ``since``, computed with whatever else waits."""
        return await (self.fast if ask.plain else self.slow).do(ask, since)

    def admit(self, headers: Sequence[tuple[bytes, bytes]], scope: str | None) -> None:
        """Let a request in, or raise 401 (no key), 403 (another scope), 429 (too many)."""
        if self.keys is None or scope is None:
            return
        secret = None
        for name, value in headers:
            if name == b"authorization" and value[:7].lower() == b"bearer ":
                secret = value[7:].strip()
            elif name == b"x-api-key":
                secret = value.strip()
        key = None if secret is None else self.keys.find(secret.decode("utf-8", "surrogateescape"))
        if key is None:
            found = "no key" if secret is None else "an unknown key"
            raise Problem(
                401, found, "a key: Authorization: Bearer KEY", "make one: crossaisle keys add", headers=((b"www-authenticate", b"Bearer"),)
            )
        if not key.may(scope):
            raise Problem(
                403, f"a key with {', '.join(key.scopes)}", f"one with {scope}", f"make one: crossaisle keys add --scopes {scope}"
            )
        wait = self.rates.take(key.number)
        if wait > 0:
            rate = f"at most {self.settings.rate:g} requests a second"
            raise Problem(429, "too many requests of this key", rate, "send the same again later", retry_after=int(wait) + 1)

    async def store_answers(self) -> bool:
        """Whether the store answered within a second; asked at most once a second."""
        now = time.monotonic()
        if now - self._asked_store >= 1.0:
            self._asked_store = now
            try:
                async with asyncio.timeout(1.0):
                    await self._probe.do(lambda: self.records.get_value("ready"))
                self._store = True
            except (CrossAisleError, Problem, TimeoutError):
                self._store = False
        return self._store

    async def start(self) -> None:
        """Start the lanes and the watch for new versions; call inside the running loop."""
        for name, lane in self.lanes.items():
            lane.start()
            self.metrics.watch(name, lambda lane=lane: lane.waiting)  # type: ignore[misc]
        self.open = True
        self._watch = asyncio.create_task(self._look())

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._poll_seconds)
            for name, lane in self.lanes.items():
                self.metrics.set_waiting(name, lane.waiting)
            try:
                await loop.run_in_executor(None, self.engine.look_for_new_version)
            except Exception as error:  # the model in service goes on; the next look may succeed
                log_fault("look for a new version", error)

    async def close(self) -> None:
        """Finish what waits, write what is not written, close engine and records."""
        self.open = False
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        for lane in self.lanes.values():
            await lane.close()
        for what, end in (("flush", self.engine.flush), ("close", self.engine.close), ("close records", self.records.close)):
            try:
                await asyncio.get_running_loop().run_in_executor(None, end)
            except Exception as error:  # each of the three is tried
                log_fault(what, error)
