"""What other processes do to a store in the tests."""

from __future__ import annotations

import itertools
import os
import threading
from multiprocessing.connection import Connection
from typing import Any

from crossaisle.records import Event
from crossaisle.records.settings import RecordsSettings
from crossaisle.records.store import Records

NOW = 1_750_000_000.0
BATCH = 5


def batch_of(writer: str, number: int) -> list[Event]:
    return [Event(f"{writer}/{number}/{n}", f"user of {writer}", f"item {n}", "view", NOW + number) for n in range(BATCH)]


def write_until_killed(url: str, writer: str, acknowledged: str) -> None:
    """Batch after batch, as fast as it can; each number goes into the file `acknowledged` once the store has said yes."""
    records = Records.open(url, RecordsSettings(patience=20.0))
    with open(acknowledged, "ab", buffering=0) as out:
        for number in itertools.count():
            records.add_events(batch_of(writer, number), NOW)
            out.write(b"%d\n" % number)


def write_with_threads(url: str, writer: str, n_batches: int, go: Any, out: Connection) -> None:
    """Two threads, each with batches of its own between ones that every writer sends."""
    records = Records.open(url, RecordsSettings(patience=20.0))
    accepted = []

    def write(thread: str) -> None:
        for number in range(n_batches):
            accepted.append(records.add_events(batch_of(f"{writer}{thread}", number), NOW)[0])
            accepted.append(records.add_events(batch_of("everybody", number), NOW)[0])

    out.send("ready")
    go.wait()
    threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records.close()
    out.send(sum(accepted))


def open_at_once(url: str, go: Any, out: Connection) -> None:
    out.send("ready")
    go.wait()
    try:
        records = Records.open(url, RecordsSettings(patience=20.0))
        out.send(records.start().store)
        records.close()
    except Exception as error:
        out.send(repr(error))


def hold_the_lock(url: str, out: Connection) -> None:
    """Hold the lock that writers need until something comes or the other end is closed."""
    records = Records.open(url, RecordsSettings(patience=60.0))

    def work(hand: Any) -> None:
        hand.run("UPDATE store SET seq = seq")
        out.send(os.getpid())
        out.poll(60)
        hand.changed = False

    records._database.write(work)
    records.close()
