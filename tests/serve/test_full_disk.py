"""The disk of a running service's store is full, really: a disk of a few megabytes, filled to the last byte; and room again later."""

from __future__ import annotations

import contextlib
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_whole_service import Served

from crossaisle import Recommender
from crossaisle.client import Client, TooBusy
from crossaisle.records import Records
from crossaisle.testing import toy_dataset
from real_postgres import Postgres
from small_model import TINY


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("full") / "toy.model"
    Recommender.preset("quick", settings=TINY).fit(toy_dataset(n_users=80, n_items=40)).save(made)
    return made


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, small_disk: Path) -> Iterator[str]:
    """A store on the small disk; of PostgreSQL the tables alone: where its own log finds no room, the server itself goes down."""
    if request.param == "sqlite":
        yield f"sqlite:///{small_disk}/events.db"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    with postgres.database_on(small_disk) as found:
        yield found


@pytest.fixture
def service(folder: Path, tmp_path: Path, url: str) -> Iterator[Served]:
    found = Served(folder, tmp_path / "log", "--store", url, "--set", "records.patience=5")
    yield found
    if found.process.poll() is None:
        found.stop()


def fill(disk: Path) -> None:
    with (disk / "ballast").open("ab", buffering=0) as out, contextlib.suppress(OSError):
        while True:
            out.write(bytes(4096))
    assert shutil.disk_usage(disk).free == 0


def batch(n: int) -> list[dict[str, Any]]:
    return [
        {"event_id": f"e{n}/{k}", "user_id": f"user {n}", "item_id": f"{n}/{k}/" + "x" * 2_000, "event": "view", "timestamp": 1_700_000_000}
        for k in range(20)
    ]


def posted(service: Served, events: list[dict[str, Any]]) -> tuple[int, str | None]:
    """The status and the Retry-After header, as they are on the wire."""
    request = urllib.request.Request(
        f"{service.address}/api/v1/events", json.dumps({"events": events}).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers.get("retry-after")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("retry-after")


def test_a_full_disk_refuses_what_it_cannot_keep_and_everything_else_goes_on(service: Served, url: str, small_disk: Path) -> None:
    shop = service.shop
    shop.send([{"event_id": "first", "user_id": "ann", "item_id": "item0001", "event": "view"}])
    hidden = shop.recommend("ann", n=5)["items"][0]["item_id"]
    shop.send([{"event_id": "second", "user_id": "ann", "item_id": hidden, "event": "hide"}])
    told = {"first", "second"}
    fill(small_disk)
    n, refused = 0, list[int]()
    while not refused:  # what still fits into what the database has is kept, and is told so
        status, again = posted(service, batch(n))
        assert (status, again) in ((200, None), (503, "2")), status
        if status == 200:
            told |= {row["event_id"] for row in batch(n)}
        else:
            refused.append(n)
        n += 1
        assert n < 500
    for m in range(n, n + 5):
        assert posted(service, batch(m)) == (503, "2")
        refused.append(m)
    # everything else
    with Client(service.address, tries=1) as once:
        lists = [once.recommend("ann", n=5) for _ in range(3)] + [once.recommend("somebody new", n=5)]
        assert [len(answer["items"]) for answer in lists] == [5] * 4
        assert hidden not in [item["item_id"] for answer in lists[:3] for item in answer["items"]]
        assert not any(answer["degraded"] for answer in lists)  # the store can be read, and every list knows all that was accepted
        assert once.similar("item0001", n=3)
        with pytest.raises(TooBusy, match="the store of events is away"):
            once.put_items([{"item_id": f"large {k}", "category": "Books", "title": "x", "description": "y" * 19_000} for k in range(40)])
        with pytest.raises(TooBusy, match="the store of events is away"):  # nothing was removed, and nobody is told that it was
            once.forget("ann")
        assert len(once.user("ann")["events"]) == 1
    # room again
    (small_disk / "ballast").unlink()
    for m in refused:
        assert posted(service, batch(m)) == (200, None)
        told |= {row["event_id"] for row in batch(m)}
    assert shop.put_items([{"item_id": "new", "category": "Books", "title": "a new book"}])["accepted"] == 1
    assert shop.forget("user 0")["removed"]["events"] == 20
    told -= {row["event_id"] for row in batch(0)}
    later = shop.recommend("ann", n=5)
    assert not later["degraded"]
    assert shop.overview()["lists_lost"] == 0
    assert service.stop() == 0
    assert service.log.read_text() == ""
    records = Records.open(url)
    kept = [event.event_id for piece in records.events() for _, event in piece]
    assert len(kept) == len(set(kept))
    assert set(kept) == told
    ids = [answer["recommendation_id"] for answer in (*lists, later)]
    assert [name for name in ids if records.list_of(name) is None] == []  # lists shown meanwhile waited for room
    records.close()
