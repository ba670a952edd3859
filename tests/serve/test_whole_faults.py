"""Faults of the whole service, each with SQLite and with PostgreSQL: a real model, a real store, real processes."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_whole_service import Served

from crossaisle import Recommender
from crossaisle.client import Client, ServiceAway, ServiceError, TooBusy
from crossaisle.live.history import ROLLED_BACK, SWAPPED
from crossaisle.live.refit import refit, rollback
from crossaisle.records import Records
from crossaisle.store import version_names
from crossaisle.testing import toy_dataset
from real_postgres import Postgres
from small_model import TINY

ROUNDS = 20
QUICK = ["--set", "live.learn_seconds=0.2", "--set", "live.poll_seconds=0.1", "--set", "serve.max_wait_seconds=10"]
IMPATIENT = ["--set", "records.patience=0.5", *QUICK]
"""For a store that is taken away. Everywhere else a store that a busy machine makes slow would count as away too."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("faults") / "toy.model"
    Recommender.preset("quick", settings=TINY).fit(toy_dataset(n_users=80, n_items=40)).save(made)
    return made


@pytest.fixture
def served(folder: Path, tmp_path: Path, store_url: str) -> Iterator[Served]:
    found = Served(folder, tmp_path / "log", "--store", store_url, *IMPATIENT, forked=True)
    yield found
    if found.process.poll() is None:
        found.stop()


def event(n: int, user: str = "ann", kind: str = "view") -> dict[str, Any]:
    return {"event_id": f"e{n}", "user_id": user, "item_id": f"item{n % 40:04}", "event": kind, "timestamp": 1_700_000_000 + n}


def kept(store_url: str) -> list[str]:
    records = Records.open(store_url)
    try:
        return [event.event_id for piece in records.events() for _, event in piece]
    finally:
        records.close()


@contextlib.contextmanager
def away(store_url: str, request: pytest.FixtureRequest) -> Iterator[None]:
    """The database stopped, or its file locked by somebody else."""
    if store_url.startswith("postgresql"):
        postgres: Postgres = request.getfixturevalue("postgres")
        postgres.stop()
        try:
            yield
        finally:
            postgres.start()
        return
    other = sqlite3.connect(store_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_while_the_store_is_away_lists_go_on_and_events_are_refused(served: Served, store_url: str, request: pytest.FixtureRequest) -> None:
    shop = served.shop
    shop.send([event(0)])
    before = [item["item_id"] for item in shop.recommend("ann", n=5)["items"]]
    with away(store_url, request), Client(served.address, tries=1) as once:
        with pytest.raises((ServiceAway, TooBusy)):
            once.send([event(1)])
        answers = [once.recommend("ann", n=5) for _ in range(3)]
        assert [[item["item_id"] for item in answer["items"]] for answer in answers] == [before] * 3
        if store_url.startswith("postgresql"):  # a locked file can still be read
            assert any(answer["degraded"] for answer in answers)
            assert once.recommend("somebody new", n=5)["items"]
    for _ in range(200):
        with contextlib.suppress(ServiceError):
            shop.send([event(1)])
            break
        time.sleep(0.1)
    for _ in range(100):
        if not (answer := shop.recommend("ann", n=5))["degraded"]:
            break
        time.sleep(0.1)
    assert not answer["degraded"]
    assert len(shop.user("ann")["events"]) == 2
    assert sorted(kept(store_url)) == ["e0", "e1"]


class _Sender:
    """Sends batches, one after the other, until the service is gone."""

    def __init__(self, service: Served, first: int) -> None:
        self.told: set[str] = set()
        self.unsure: list[list[dict[str, Any]]] = []
        self._service, self._at, self._ended = service, first, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with Client(self._service.address, tries=1, timeout=5.0) as client:
            while not self._ended.is_set():
                batch = [event(self._at + i, f"user {self._at % 7}") for i in range(10)]
                self._at += 10
                try:
                    client.send(batch)
                except ServiceError:
                    self.unsure.append(batch)
                    if self._service.process.poll() is not None:
                        return
                else:
                    self.told.update(row["event_id"] for row in batch)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


@pytest.mark.slow
def test_killed_under_load_it_loses_nothing_that_it_said_it_had(folder: Path, tmp_path: Path, store_url: str) -> None:
    """kill -9, again and again, while batches come as fast as they are answered; those that were not answered are sent again."""
    told: set[str] = set()
    unsure: list[list[dict[str, Any]]] = []
    for number in range(ROUNDS):
        service = Served(folder, tmp_path / f"log{number}", "--store", store_url, *QUICK, forked=True)
        for batch in unsure:
            service.shop.send(batch)
            told |= {row["event_id"] for row in batch}
        unsure.clear()
        senders = [_Sender(service, 1_000_000 * number + 100_000 * k) for k in range(3)]
        time.sleep(0.15 + 0.02 * number)
        service.process.kill()
        service.process.wait()
        for sender in senders:
            sender.end()
            told |= sender.told
            unsure += sender.unsure
        service.shop.close()
        service.process.stdout.close()
    last = Served(folder, tmp_path / "last", "--store", store_url, *QUICK, forked=True)
    for batch in unsure:
        last.shop.send(batch)
        told |= {row["event_id"] for row in batch}
    assert last.stop() == 0
    found = kept(store_url)
    assert len(found) == len(set(found))
    assert set(found) == told
    assert len(told) > 200


class _Asker:
    """Asks for lists, one after the other, and keeps the versions that answered, in their order, and whatever went wrong."""

    def __init__(self, service: Served) -> None:
        self.versions: list[str] = []
        self.wrong: list[Exception] = []
        self._service, self._ended = service, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with Client(self._service.address, tries=1, timeout=10.0) as client:
            while not self._ended.is_set():
                try:
                    answer = client.recommend(f"u{len(self.versions) % 9}", n=5)
                    assert len(answer["items"]) == 5
                    self.versions += [] if self.versions[-1:] == [answer["model"]] else [answer["model"]]
                except Exception as error:
                    self.wrong.append(error)

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


def test_refits_and_a_rollback_under_a_running_service_drop_no_request(folder: Path, tmp_path: Path, store_url: str) -> None:
    """What came over HTTP is learned; with as few old versions kept as can be, each goes while the service has just left it."""
    model = Path(shutil.copytree(folder, tmp_path / "toy.model"))
    service, records = Served(model, tmp_path / "log", "--store", store_url, *QUICK), Records.open(store_url)
    asker = _Asker(service)
    learned = {"refit.margin": "1", "refit.newest": "0.5", "refit.least": "2", "refit.versions": "1"}

    def served_by(version: str) -> None:
        for _ in range(300):
            if service.shop.model()["version"] == version:
                return
            time.sleep(0.05)
        raise AssertionError(f"{version} is not served: {service.log.read_text()}")

    try:
        service.shop.put_items([{"item_id": "new", "category": "Books", "title": "a new book"}])
        for n, version in enumerate(("v0002", "v0003", "v0004")):
            rows = [event(n * 1003 + 41 * k + u * 7, f"user {u}", "purchase") for u in range(30) for k in range(1, 4)]
            service.shop.send([*rows, {**event(n * 1003 + 999, "user 1", "purchase"), "item_id": "new"}])
            out = refit(model, records, settings=learned, device="cpu")
            assert (out.what, out.version) == (SWAPPED, version)
            served_by(version)
        assert version_names(model) == ["v0003", "v0004"]
        assert rollback(model).version == "v0003"
        served_by("v0003")
        service.shop.forget("user 2")
        assert refit(model, records, settings=learned, device="cpu").facts["people taken out of versions"] == {"v0003": 1, "v0004": 1}
        assert [entry["what"] for entry in service.shop.overview()["swaps"]][:4] == [SWAPPED, SWAPPED, SWAPPED, ROLLED_BACK]
        assert "new" in [row["item_id"] for row in service.shop.recommend("somebody", n=100)["items"]]
    finally:
        asker.end()
        records.close()
        assert service.stop() == 0
    assert asker.wrong == []
    assert asker.versions[:5] == ["v0001", "v0002", "v0003", "v0004", "v0003"]


def test_two_services_on_one_store_are_one(folder: Path, tmp_path: Path, store_url: str) -> None:
    served = Served(folder, tmp_path / "log", "--store", store_url, *QUICK, forked=True)
    other = Served(folder, tmp_path / "other", "--store", store_url, *QUICK, forked=True)
    try:
        _are_one(served, other)
    finally:
        stopped = served.stop(), other.stop()
    assert stopped == (0, 0)


def _are_one(served: Served, other: Served) -> None:
    listed = served.shop.recommend("bob", n=5)
    first = listed["items"][0]["item_id"]
    served.shop.send([{"user_id": "bob", "item_id": first, "event": "hide"}])
    assert first not in [item["item_id"] for item in other.shop.recommend("bob", n=39)["items"]]
    other.shop.send([event(3), event(3), event(4)])
    assert served.shop.send([event(4)]) == {"accepted": 0, "duplicates": 1}
    assert {row["item_id"] for row in served.shop.user("ann")["events"]} == {"item0003", "item0004"}
    other.shop.put_items([{"item_id": "new", "category": "Books", "title": "a new book"}])
    assert served.shop.similar("new", n=3)


def test_events_in_any_order_of_anybody_and_anything(served: Served) -> None:
    shop = served.shop
    rows = [event(5), event(2), {"user_id": "ann", "item_id": "nothing of ours", "event": "purchase"}, {**event(7), "timestamp": 10}]
    assert shop.send(rows)["accepted"] == 4
    assert shop.send([*rows[::-1], event(5)])["accepted"] == 1  # the one without an id of its own is another one
    seen = [row["item_id"] for row in shop.user("ann")["events"]]
    assert seen == ["item0005", "item0002", "item0007"]  # newest first, whenever it came
    assert shop.recommend("ann", n=3)["items"]
