"""A fake engine and fake records: the service can be tested without a model. Nothing here computes a recommendation."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx

from crossaisle.errors import CrossAisleError, RequestError, StoreAway, UnknownItem
from crossaisle.live.asking import Answer, Ask
from crossaisle.records.rows import Event
from crossaisle.serve.app import build_app
from crossaisle.serve.desk import Desk
from crossaisle.serve.settings import ServeSettings

ITEMS = {f"i{n}": {"item_id": f"i{n}", "category": "Toys" if n % 2 else "Books", "title": f"thing <b>no</b> {n}"} for n in range(1, 31)}


class FakeRecords:
    """Keeps events in a dictionary; ``away`` makes every call fail as a store that is away does, ``slow`` makes it wait."""

    def __init__(self) -> None:
        self.events: dict[str, Event] = {}
        self.away = False
        self.slow = 0.0
        self.closed = False
        self._lock = threading.Lock()

    def _check(self) -> None:
        time.sleep(self.slow)
        if self.away:
            raise StoreAway("fake://", "switched off by the test")

    def add_events(self, events: Sequence[Event], received: float) -> tuple[int, int]:
        self._check()
        with self._lock:
            new = {event.event_id: event for event in events if event.event_id not in self.events}
            self.events.update(new)
        return len(new), len(events) - len(new)

    def forget(self, user_id: str) -> dict[str, int]:
        self._check()
        mine = [key for key, event in self.events.items() if event.user_id == user_id]
        for key in mine:
            del self.events[key]
        return {"events": len(mine), "lists": 0}

    def get_value(self, key: str) -> Any:
        self._check()
        return None

    def close(self) -> None:
        self.closed = True


class FakeEngine:
    """Gives the first items of a small catalogue, in the shape of the real engine's answers."""

    def __init__(self, records: FakeRecords, seconds: float = 0.0) -> None:
        self.records, self.seconds = records, seconds
        self.items = dict(ITEMS)
        self.batches: list[int] = []
        self.asks: list[Ask] = []
        self.broken: Exception | None = None
        self.hold: threading.Event | None = None
        self.flushed = self.closed = False
        self.looks = 0

    def recommend(self, asks: Sequence[Ask]) -> list[Answer | CrossAisleError]:
        self.batches.append(len(asks))
        if len(self.asks) < 1_000:
            self.asks += asks
        if self.hold is not None:
            assert self.hold.wait(30)
        if self.broken is not None:
            raise self.broken
        if self.seconds:
            time.sleep(self.seconds)
        return [self._one(ask) for ask in asks]

    def _one(self, ask: Ask) -> Answer | CrossAisleError:
        unknown = [name for name in ask.categories if name not in ("Toys", "Books")]
        if unknown:
            return RequestError(f"category {unknown[0][:40]!r} is unknown", "one of Books, Toys", "see GET /api/v1/graph")
        if ask.context_item is not None and ask.context_item not in self.items:
            return UnknownItem(f"item {ask.context_item[:40]!r} is unknown", "an item of the catalogue", "see GET /api/v1/items")
        rows = [row for row in self.items.values() if not ask.categories or row["category"] in ask.categories][: ask.n]
        why = {"because": "i1", "path": "Books > Toys", "reason": "because"} if ask.explain else {}
        items = [
            {**row, "score": 1.0 / rank, "rank": rank, "propensity": 1.0, "because": None, "path": None, "reason": None, **why}
            for rank, row in enumerate(rows, start=1)
        ]
        return Answer("r1", ask.user_id, "v0001", self.records.away, items)

    def similar(self, item_id: str, n: int, other_categories: bool) -> list[dict[str, Any]]:
        if item_id not in self.items:
            raise UnknownItem(f"item {item_id[:40]!r} is unknown", "an item of the catalogue", "see GET /api/v1/items")
        return [{**row, "score": 0.5, "rank": rank} for rank, row in enumerate(list(self.items.values())[:n], start=1)]

    def user(self, user_id: str) -> dict[str, Any]:
        return {"known": False, "events": {}, "hidden": [], "lists": []}

    def shoppers(self, n: int) -> list[dict[str, Any]]:
        return [{"user_id": f"u{i}", "events": i} for i in range(1, n + 1)]

    def find_items(self, words: str, n: int) -> list[dict[str, Any]]:
        return [row for row in self.items.values() if words in row["title"]][:n]

    def put_items(self, rows: Sequence[dict[str, Any]]) -> tuple[int, list[dict[str, str]]]:
        bad = [{"item_id": row["item_id"], "reason": "it has no title"} for row in rows if not row.get("title")]
        for row in rows:
            if row.get("title"):
                self.items[row["item_id"]] = {"category": None, **row}
        return len(rows) - len(bad), bad

    def delete_item(self, item_id: str) -> None:
        if self.items.pop(item_id, None) is None:
            raise UnknownItem(f"item {item_id[:40]!r} is unknown", "an item of the catalogue", "see GET /api/v1/items")

    def undo_abnormal(self, item_id: str) -> None:
        if item_id not in self.items:
            raise UnknownItem(f"item {item_id[:40]!r} is not among the abnormal ones", "one of them", "see GET /api/v1/overview")

    def graph(self) -> dict[str, Any]:
        return {"nodes": ["Books", "Toys"], "edges": []}

    def model(self) -> dict[str, Any]:
        return {"version": "v0001"}

    def overview(self) -> dict[str, Any]:
        return {"version": "v0001", "abnormal": []}

    def look_for_new_version(self) -> bool:
        self.looks += 1
        return False

    def flush(self) -> None:
        self.flushed = True

    def close(self) -> None:
        self.closed = True


Story = Callable[[httpx.AsyncClient], Awaitable[Any]]


class Shop:
    """A service in this process: ``shop.run(story)`` starts it, lets the story talk to it, and stops it."""

    def __init__(self, **settings: Any) -> None:
        self.records = FakeRecords()
        self.engine = FakeEngine(self.records)
        self.settings = ServeSettings(**settings)
        self.keys: Any = None
        self.media: Any = None
        self.host = "localhost"
        self.desk: Any = None

    def run(self, story: Story) -> Any:
        async def whole() -> Any:
            self.desk = Desk(self.engine, self.records, self.settings, self.keys, poll_seconds=0.05)
            app = build_app(self.desk, self.media)
            await self.desk.start()
            try:
                transport = httpx.ASGITransport(app=app)
                async with httpx.AsyncClient(transport=transport, base_url=f"http://{self.host}", timeout=20) as client:
                    return await story(client)
            finally:
                await self.desk.close()

        return asyncio.run(whole())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", path, **options)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer: httpx.Response = self.run(lambda client: client.request(method, path, **options))
        return answer
