"""The store when things go wrong: killed writers, a database gone, frozen, slow, locked, full. Nothing acknowledged is lost or doubled."""

from __future__ import annotations

import os
import random
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from records_workers import BATCH, NOW, batch_of, hold_the_lock, open_at_once, write_until_killed, write_with_threads

from crossaisle.errors import StoreAway
from crossaisle.records import Event, Records, RecordsSettings, ShownList
from forks import processes
from real_postgres import Postgres

T = TypeVar("T")
QUICK = RecordsSettings(patience=1.0, rest=0.0)


@pytest.fixture
def records(store_url: str) -> Iterator[Records]:
    opened = Records.open(store_url, QUICK)
    yield opened
    opened.close()


def ids(records: Records) -> list[str]:
    return [e.event_id for piece in records.events() for _, e in piece]


def eventually(call: Callable[[], T]) -> T:
    """The call's answer, once the store is back; a minute is more than any limit here."""
    until = time.monotonic() + 60
    while True:
        try:
            return call()
        except StoreAway:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def ends(call: Callable[[], Any]) -> None:
    """The call says that the store is away, and does so by itself: it does not hang until someone comes to help."""
    caught: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "it hangs"
    assert caught, "it said nothing"
    with pytest.raises(StoreAway):
        raise caught[0]


# several writers


def test_a_reader_misses_nothing_and_sees_nothing_twice(store_url: str) -> None:
    records = Records.open(store_url, RecordsSettings(patience=20.0))
    n_batches, go = 12, processes.Event()
    lines, workers = [], []
    for writer in ("left", "right"):
        mine, theirs = processes.Pipe()
        workers.append(processes.Process(target=write_with_threads, args=(store_url, writer, n_batches, go, theirs)))
        workers[-1].start()
        lines.append(mine)
    assert [line.recv() for line in lines] == ["ready"] * 2
    go.set()
    cursor, seen, done = records.start(), [], False
    while True:
        changes = records.changes(cursor, limit=7)
        seen += changes.events
        cursor = changes.cursor
        if done and not changes:
            break
        done = not any(worker.is_alive() for worker in workers)
    accepted = sum(line.recv() for line in lines)
    names = ["lefta", "leftb", "righta", "rightb", "everybody"]
    assert sorted(e.event_id for _, e in seen) == sorted(e.event_id for name in names for n in range(n_batches) for e in batch_of(name, n))
    assert accepted == len(seen)  # what everybody sends was accepted from one of them alone
    assert [seq for seq, _ in seen] == sorted({seq for seq, _ in seen})
    assert seen == [pair for piece in records.events() for pair in piece]
    for name in names[:4]:  # whoever waits for an answer before the next batch finds them in that order
        assert [e.event_id for _, e in seen if e.event_id.startswith(f"{name}/")] == [
            e.event_id for n in range(n_batches) for e in batch_of(name, n)
        ]
    records.close()


def test_no_later_number_is_given_while_an_earlier_one_is_not_committed(records: Records, store_url: str) -> None:
    """What the test above rests on: the second writer waits, however quick it is."""
    records.add_events(batch_of("before", 0), NOW)
    mine, theirs = processes.Pipe()
    worker = processes.Process(target=hold_the_lock, args=(store_url, theirs))
    worker.start()
    mine.recv()
    ends(lambda: records.add_events(batch_of("locked", 0), NOW))
    ends(lambda: records.put_items([{"item_id": "tea"}]))
    ends(lambda: records.forget("user of before"))
    # reading goes on
    assert len(records.changes(records.start()).events) == BATCH
    assert len(records.events_of("user of before")) == BATCH
    mine.send("enough")
    worker.join()
    assert eventually(lambda: records.add_events(batch_of("locked", 0), NOW)) in ((BATCH, 0), (0, BATCH))
    assert sorted(ids(records)) == sorted(e.event_id for e in batch_of("before", 0) + batch_of("locked", 0))


def test_a_list_that_is_being_written_while_its_person_is_forgotten(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, look = threading.Event(), records._forgotten_at

    def slowly(*arguments: Any) -> dict[str, int]:
        found = look(*arguments)
        looked.set()
        time.sleep(0.3)
        return found

    monkeypatch.setattr(records, "_forgotten_at", slowly)
    writer = threading.Thread(target=records.add_lists, args=([ShownList("r1", "ann", NOW, "v0001", (), {})],))
    writer.start()
    assert looked.wait(30)
    removed = eventually(lambda: records.forget("ann"))
    writer.join()
    assert records.list_of("r1") is None
    assert removed == {"events": 0, "lists": 1}


def test_several_delete_old_lists_while_people_are_forgotten(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for somebody who waits for him: in PostgreSQL that would end with an error."""
    monkeypatch.setattr("crossaisle.records.store.PRUNED", 60)
    patient = RecordsSettings(patience=20.0, long_patience=20.0)
    if store_url.startswith("postgresql"):  # rows are found by their hashes, as in a large table, and so in an order of their own
        store_url += "%20-cenable_hashjoin%3Doff%20-cenable_mergejoin%3Doff%20-cenable_seqscan%3Doff"
    stores = [Records.open(store_url, patient) for _ in range(3)]
    people, n = [f"person {k}" for k in range(4)], 120
    if not stores[0]._database.sqlite:  # each row takes its time
        for sql in (
            "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.005); RETURN OLD; END $$",
            "CREATE TRIGGER slowly BEFORE DELETE ON lists FOR EACH ROW EXECUTE FUNCTION slowly()",
        ):
            stores[0]._database.write(lambda hand, sql=sql: hand.run(sql))
    stores[0].add_lists([ShownList(f"r{k}", people[k % 4], NOW + k * 37 % 50, "v0001", ()) for k in range(n)])
    counts, failed = list[int](), list[BaseException]()
    asked = [lambda: prune(stores[0]), lambda: prune(stores[1]), lambda: [stores[2].forget(p)["lists"] for p in people]]

    def prune(store: Records) -> list[int]:
        found = [store.prune_lists(NOW + 50)]
        while any(True for _ in store.lists()):  # it may be at another's turn
            found.append(store.prune_lists(NOW + 50))
        return found

    def run(work: Callable[[], list[int]]) -> None:
        try:
            counts.extend(work())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sum(counts) == n
    assert list(stores[0].lists()) == []
    for store in stores:
        store.close()


def test_processes_that_open_a_new_store_at_once_agree(store_url: str) -> None:
    go, lines = processes.Event(), []
    for _ in range(4):
        mine, theirs = processes.Pipe()
        processes.Process(target=open_at_once, args=(store_url, go, theirs)).start()
        lines.append(mine)
    assert [line.recv() for line in lines] == ["ready"] * 4
    go.set()
    names = {line.recv() for line in lines}
    records = Records.open(store_url)
    assert names == {records.start().store}
    records.close()


def test_a_writer_that_is_killed_loses_and_doubles_nothing(store_url: str, tmp_path: Path) -> None:
    records = Records.open(store_url, RecordsSettings(patience=20.0))
    rng, kept = random.Random(0), []
    for n in range(20):
        writer, log = f"round{n}", tmp_path / f"acknowledged{n}"
        log.touch()
        worker = processes.Process(target=write_until_killed, args=(store_url, writer, str(log)))
        worker.start()
        while not log.read_bytes():
            assert worker.is_alive()
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.08))
        os.kill(worker.pid or 0, signal.SIGKILL)
        worker.join()
        acknowledged = [int(line) for line in log.read_text().split()]
        assert acknowledged == list(range(len(acknowledged)))
        # the client had no answer to the next batch and sends it again: it was kept whole or not at all
        accepted, duplicates = eventually(lambda w=writer, a=acknowledged: records.add_events(batch_of(w, len(a)), NOW))
        assert (accepted, duplicates) in ((BATCH, 0), (0, BATCH))
        kept += [e.event_id for number in range(len(acknowledged) + 1) for e in batch_of(writer, number)]
    assert ids(records) == kept
    assert max(Counter(ids(records)).values()) == 1
    records.close()


# away


def test_a_database_that_is_stopped_is_away_and_comes_back(postgres: Postgres) -> None:
    url = postgres.new_store()
    records = Records.open(url, QUICK)
    records.add_events(batch_of("a", 0), NOW)
    cursor = records.head()
    postgres.stop()  # at once, as in a crash
    try:
        for call in calls(records):
            ends(call)
        ends(lambda: Records.open(url, QUICK))
    finally:
        postgres.start()
    assert eventually(lambda: records.add_events(batch_of("a", 0) + batch_of("b", 0), NOW)) == (BATCH, BATCH)
    assert [e.event_id for _, e in records.changes(cursor).events] == [e.event_id for e in batch_of("b", 0)]
    assert sorted(ids(records)) == sorted(e.event_id for e in batch_of("a", 0) + batch_of("b", 0))
    records.close()


def calls(records: Records) -> list[Callable[[], Any]]:
    return [
        lambda: records.add_events(batch_of("b", 0), NOW),
        lambda: records.changes(records.start()),
        lambda: records.events_of("ann"),
        lambda: list(records.events()),
        lambda: records.items(),
        lambda: records.put_items([{"item_id": "tea"}]),
        lambda: records.delete_item("tea"),
        lambda: records.forget("ann"),
        lambda: records.is_forgotten("ann"),
        lambda: records.list_of("r1"),
        lambda: list(records.lists()),
        lambda: records.prune_lists(NOW),
        lambda: records.get_value("x"),
        lambda: records.set_value("x", 1),
        lambda: records.head(),
    ]


def test_a_restart_that_nobody_saw_is_no_fault(postgres: Postgres) -> None:
    """Connections from before it are dead; the call finds that out and takes a new one."""
    records = Records.open(postgres.new_store(), RecordsSettings(patience=20.0))
    records.add_events(batch_of("a", 0), NOW)
    postgres.stop("fast")
    postgres.start()
    assert len(records.events_of("user of a")) == BATCH
    postgres.stop("immediate")
    postgres.start()
    assert records.add_events(batch_of("a", 0), NOW) == (0, BATCH)
    records.close()


def test_a_frozen_database_is_away_and_comes_back(postgres: Postgres) -> None:
    """Its processes stand still: the line is open and nobody answers. The database's own limits do not help here."""
    records = Records.open(postgres.new_store(), RecordsSettings(patience=0.5, rest=0.0))
    records.add_events(batch_of("a", 0), NOW)
    postgres.freeze(True)
    try:
        ends(lambda: records.events_of("user of a"))  # on a connection that it had
        ends(lambda: records.add_events(batch_of("b", 0), NOW))  # on one that it tries to make
    finally:
        postgres.freeze(False)
    assert eventually(lambda: sum(records.add_events(batch_of("b", 0), NOW))) == BATCH
    assert eventually(lambda: Counter(ids(records))) == Counter(e.event_id for w in "ab" for e in batch_of(w, 0))
    records.close()


class SlowLine:
    """A line to a server on which every answer takes `delay` seconds."""

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            threading.Thread(target=self._carry, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._carry, args=(server, client, True), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, slow: bool) -> None:
        try:
            while data := source.recv(65536):
                if slow and self.delay:
                    time.sleep(self.delay)
                target.sendall(data)
        except OSError:
            pass
        finally:
            source.close()
            target.close()

    def close(self) -> None:
        self._listener.close()


def test_a_slow_line_counts_as_away(postgres: Postgres) -> None:
    line = SlowLine(postgres.port)
    records = Records.open(postgres.new_store().replace(f":{postgres.port}/", f":{line.port}/"), RecordsSettings(patience=0.5, rest=0.0))
    records.add_events(batch_of("a", 0), NOW)
    line.delay = 2.0
    ends(lambda: records.events_of("user of a"))
    ends(lambda: records.add_events(batch_of("b", 0), NOW))
    line.delay = 0.0
    assert eventually(lambda: sum(records.add_events(batch_of("b", 0), NOW))) == BATCH
    assert Counter(ids(records)) == Counter(e.event_id for w in "ab" for e in batch_of(w, 0))
    records.close()
    line.close()


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000) SELECT count(*) FROM n"
SLOW = {
    True: [
        "CREATE TRIGGER slow BEFORE INSERT ON events BEGIN SELECT count(*) FROM (SELECT * FROM endless); END",
        f"CREATE VIEW endless AS {ENDLESS}",
    ],
    False: [
        "CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2); RETURN NEW; END'",
        "CREATE TRIGGER slow BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION sleep()",
    ],
}


def test_a_slow_query_counts_as_away(store_url: str) -> None:
    records = Records.open(store_url, RecordsSettings(patience=0.5, rest=0.0))
    database = records._database
    for statement in SLOW[database.sqlite]:
        database.write(lambda hand, statement=statement: hand.run(statement), 20.0)
    ends(lambda: records.add_events(batch_of("a", 0), NOW))
    ends(lambda: database.read(lambda hand: hand.one(ENDLESS)))
    drop = "DROP TRIGGER slow" if database.sqlite else "DROP TRIGGER slow ON events"
    eventually(lambda: database.write(lambda hand: hand.run(drop), 20.0))
    assert eventually(lambda: sum(records.add_events(batch_of("a", 0), NOW))) == BATCH
    assert Counter(ids(records)) == Counter(e.event_id for e in batch_of("a", 0))
    records.close()


def test_long_work_has_a_longer_limit(store_url: str) -> None:
    records = Records.open(store_url, RecordsSettings(patience=0.3, long_patience=30.0, rest=0.0))
    database = records._database
    nap = "SELECT pg_sleep(0.8)"
    if database.sqlite:
        nap = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 16) SELECT max(nap(i)) FROM n"
        sa.event.listen(
            database.engine, "checkout", lambda connection, *_: connection.create_function("nap", 1, lambda _: time.sleep(0.05))
        )
    ends(lambda: database.read(lambda hand: hand.rows(nap)))
    assert len(records._long(nap, ())) == 1
    ends(lambda: database.read(lambda hand: hand.rows(nap)))  # the longer limit does not stay
    records.close()


def test_after_a_call_that_ran_out_of_time_the_others_do_not_wait(store_url: str) -> None:
    records = Records.open(store_url, RecordsSettings(patience=0.3, rest=600.0))
    database = records._database
    with pytest.raises(StoreAway, match=r"no answer within 0.3 s|statement timeout|interrupted"):
        database.read(lambda hand: hand.one(ENDLESS))
    with pytest.raises(StoreAway, match="it gave no answer a moment ago"):
        records.head()
    database._rest_until["read"] = 1e-9  # the rest is over: the next call tries
    assert records.head() == records.start()
    assert database._rest_until["read"] == 0.0
    assert sum(eventually(lambda: records.add_events(batch_of("a", 0), NOW))) == BATCH  # writing was never concerned
    records.close()


def test_all_connections_busy_counts_as_away(store_url: str) -> None:
    records = Records.open(store_url, RecordsSettings(patience=1.0, connections=1))
    with records._database.engine.connect(), pytest.raises(StoreAway, match="all connections are busy"):
        records.head()
    records.close()


def test_a_mistake_in_a_statement_is_no_absence(records: Records) -> None:
    with pytest.raises(records._database.engine.dialect.loaded_dbapi.IntegrityError):
        records._database.write(lambda hand: hand.run("INSERT INTO facts (key) VALUES ('x')"))
    assert records.get_value("x") is None


# at the start


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(StoreAway) as caught:
        Records.open("postgresql+psycopg://someone:secret@127.0.0.1:1/x", QUICK)
    assert "postgresql+psycopg://someone:***@127.0.0.1:1/x is away: connection failed" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StoreAway, match="unable to open database file"):
        Records.open(f"sqlite:///{tmp_path}/no/folder/events.db", QUICK)
    (tmp_path / "text.db").write_text("this is a letter and no database\n" * 100)
    with pytest.raises(StoreAway, match="file is not a database"):
        Records.open(f"sqlite:///{tmp_path}/text.db", QUICK)


def test_a_locked_file_at_the_start(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/events.db"
    other = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    ends(lambda: Records.open(url, RecordsSettings(patience=0.3)))
    other.execute("ROLLBACK")
    records = Records.open(url)
    other.execute("BEGIN IMMEDIATE")  # a store that is up to date needs no lock
    again = Records.open(url)
    assert again.start() == records.start()
    other.close()
    records.close()
    again.close()


# full


def fill(records: Records) -> list[str]:
    """Until the store says that it is full; the ids of the events it said yes to."""
    rng, kept, said = random.Random(1), [], "nothing"
    for number in range(2000):
        events = [Event(f"{number}/{n}", "ann", rng.randbytes(4000).hex(), "view", NOW) for n in range(20)]
        try:
            records.add_events(events, NOW)
        except StoreAway as error:
            said = str(error)
            break
        kept += [e.event_id for e in events]
    assert "full" in said or "No space left" in said, said
    return kept


def after_full(records: Records, kept: list[str]) -> None:
    assert kept
    assert ids(records) == kept
    assert eventually(lambda: sum(records.add_events(batch_of("after", 0), NOW))) == BATCH
    assert Counter(ids(records)) == Counter([*kept, *(e.event_id for e in batch_of("after", 0))])
    records.close()


def test_a_full_file(tmp_path: Path) -> None:
    records = Records.open(f"sqlite:///{tmp_path}/events.db", QUICK)
    most = [400]

    def limit(connection: Any, _record: Any, _proxy: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={most[0]}")

    sa.event.listen(records._database.engine, "checkout", limit)
    kept = fill(records)
    for call in (lambda: records.put_items([{"item_id": "x" * 900_000}]), lambda: records.set_value("x", "y" * 900_000)):
        with pytest.raises(StoreAway, match="full"):
            call()
    most[0] = 100_000
    after_full(records, kept)


def grow(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=200m", folder], check=True)


def test_a_full_disk_under_sqlite(small_disk: Path) -> None:
    records = Records.open(f"sqlite:///{small_disk}/events.db", QUICK)
    kept = fill(records)
    ends(lambda: Records.open(f"sqlite:///{small_disk}/another.db", QUICK))
    grow(small_disk)
    after_full(records, kept)


def test_a_full_disk_under_postgresql(postgres: Postgres, small_disk: Path) -> None:
    """The tables' disk, not that of the server's own log: where that one is full, the server itself goes down."""
    with postgres.database_on(small_disk) as url:
        records = Records.open(url, QUICK)
        kept = fill(records)
        grow(small_disk)
        after_full(records, kept)
