"""One database, SQLite or PostgreSQL: connections, transactions, time limits, and one error for "away". Imports: errors, limits, settings.

Statements are plain SQL that both databases understand, with ``?`` for a value, run on the driver's own cursor: the requests' path has some
100 microseconds for the store, and one statement through SQLAlchemy's execution takes longer than that.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as AllBusy
from sqlalchemy.pool import PoolProxiedConnection

from crossaisle.errors import MissingExtra, SettingError, StoreAway
from crossaisle.records.limits import Limits
from crossaisle.records.settings import RecordsSettings

__all__ = ["Database", "Hand"]

T = TypeVar("T")
Row = tuple[Any, ...]

_PEOPLE, _PRUNING, _FACTS = 0x70656F70, 0x7072756E, 0x66616374
"""Numbers of PostgreSQL's locks: around forgetting, of the one who deletes old lists, and of the one who changes a fact."""
_LOG_WAIT = 100
"""Milliseconds that SQLite's log waits for readers before it is emptied."""


class Hand:
    """What a piece of work does its statements with: one connection, for the time of one call."""

    __slots__ = ("_cursor", "_translate", "changed", "committing")

    def __init__(self, connection: Any, translate: bool) -> None:
        self._cursor = connection.cursor()
        self._translate = translate
        self.changed = True
        """Set to False by work that wrote nothing worth a commit."""
        self.committing = False
        """Whether the commit was sent, so that nobody knows how it went if the connection breaks now."""

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; the number of rows that it touched."""
        self._cursor.execute(sql.replace("?", "%s") if self._translate else sql, values)
        return int(self._cursor.rowcount)

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run a statement once a row; the number of rows touched in all."""
        if not rows:
            return 0
        self._cursor.executemany(sql.replace("?", "%s") if self._translate else sql, rows)
        return int(self._cursor.rowcount)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """What a query gives."""
        self._cursor.execute(sql.replace("?", "%s") if self._translate else sql, values)
        found: list[Row] = self._cursor.fetchall()
        return found

    def one(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of what a query gives."""
        self._cursor.execute(sql.replace("?", "%s") if self._translate else sql, values)
        found: Row | None = self._cursor.fetchone()
        return found

    def keep_people(self, *, changing: bool) -> None:
        """Until the commit, no one is forgotten while others write what belongs to people. In SQLite there is one writer anyway."""
        if self._translate:
            self.run(f"SELECT pg_advisory_xact_lock{'' if changing else '_shared'}({_PEOPLE})")

    def keep_facts(self) -> None:
        """Until the commit, no one else changes a fact. In SQLite there is one writer anyway."""
        if self._translate:
            self.run(f"SELECT pg_advisory_xact_lock({_FACTS})")

    def prunes_alone(self) -> bool:
        """Until the commit, whether no other one deletes old lists; two could wait for each other's rows. In SQLite there is one writer."""
        return not self._translate or self.one(f"SELECT pg_try_advisory_xact_lock({_PRUNING})") == (True,)


def _parsed(url: str) -> sa.URL:
    expected = "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME"
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        raise SettingError("a store's URL that cannot be read", expected, "correct --store") from None
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise SettingError(f"a store of kind {parsed.drivername!r}", expected, "correct --store")
    if parsed.drivername.startswith("sqlite") and parsed.database in (None, "", ":memory:"):
        raise SettingError("a store in memory, which keeps nothing", expected, "name a file: sqlite:///events.db")
    return parsed


class Database:
    """Connections to one database, and calls on them that end in time.

    Parameters
    ----------
    url : str
        ``sqlite:///FILE`` or ``postgresql+psycopg://USER:PASSWORD@HOST/NAME``.
    settings : RecordsSettings
        The time limits.
    """

    def __init__(self, url: str, settings: RecordsSettings) -> None:
        parsed = _parsed(url)
        self.where = parsed.render_as_string(hide_password=True)
        self.settings = settings
        self.sqlite = parsed.drivername.startswith("sqlite")
        self.limits = Limits()
        arguments: dict[str, Any] = {"connect_timeout": max(2, round(settings.patience)), "application_name": "crossaisle"}
        self.wait = 0.8 * settings.patience  # for a lock: sooner than the cut, because its words are clearer
        if self.sqlite:
            arguments = {"timeout": self.wait, "check_same_thread": False}
        try:
            self.engine = sa.create_engine(
                parsed,
                connect_args=arguments,
                isolation_level="AUTOCOMMIT",  # transactions are begun and ended by name, below
                poolclass=sa.pool.QueuePool,
                pool_size=min(4, settings.connections),
                max_overflow=max(0, settings.connections - 4),
                pool_timeout=settings.patience,
                pool_reset_on_return=None,
                pool_use_lifo=True,  # the connection that knows the pages and statements is the one used last
                hide_parameters=True,
            )
        except ImportError:
            raise MissingExtra("stores in PostgreSQL", "pip install 'crossaisle[serve]'") from None
        sa.event.listen(self.engine, "connect", self._prepare)
        driver: Any = self.engine.dialect.loaded_dbapi
        self._errors = (driver.OperationalError, driver.InternalError, driver.InterfaceError)
        self._error = driver.Error
        self._rest_until = {"read": 0.0, "write": 0.0}
        self._dead_before = -1.0
        self._closed = False

    def _prepare(self, connection: Any, record: Any) -> None:
        record.info["made"] = time.monotonic()
        hand = Hand(connection, not self.sqlite)
        if self.sqlite:
            # a commit is on the disk when it returns; what is deleted is overwritten; the log is put into the file every 16 MB
            for pragma in ("synchronous=FULL", "secure_delete=ON", "cache_size=-16000", "wal_autocheckpoint=4000"):
                hand.run(f"PRAGMA {pragma}")
        else:
            hand.run("SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")
            self.allow(hand, self.settings.patience)

    def allow(self, hand: Hand, seconds: float) -> None:
        """PostgreSQL's own limits: they free its locks where only this side has given up."""
        milliseconds = max(1, round(seconds * 1000))
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            hand.run(f"SET {name} = {milliseconds}")

    def away(self, why: object) -> StoreAway:
        """The error to raise; of the database's words only the first line, which holds no values."""
        return StoreAway(self.where, (str(why).strip().splitlines() or [type(why).__name__])[0][:200])

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Everything that means "away" becomes `StoreAway`; mistakes in a statement stay what they are."""
        try:
            yield
        except (TimeoutError, AllBusy) as error:
            raise self.away("all connections are busy" if isinstance(error, AllBusy) else error) from error
        except (DBAPIError, self._error) as error:
            inner = error.orig if isinstance(error, DBAPIError) else error
            if isinstance(inner, self._errors) or type(inner) is sqlite3.DatabaseError:
                raise self.away(inner) from error
            raise

    def read(self, work: Callable[[Hand], T], seconds: float | None = None) -> T:
        """Run `work` with each statement on its own, which sees what was committed before it began."""
        return self._call(work, "read", seconds or self.settings.patience)

    def write(self, work: Callable[[Hand], T], seconds: float | None = None) -> T:
        """Run `work` as one transaction that is durable on return; in SQLite only one runs at a time.

        `work` may run twice, where a connection turns out to be dead before anything was committed.
        """
        return self._call(work, "write", seconds or self.settings.patience)

    def overwrite_log(self) -> bool:
        """Put SQLite's log into the file and empty it, so that what was deleted stands in neither; False where others were in the way.

        Nobody can write while this waits for those who read, so it does not wait for long.
        """

        def work(hand: Hand) -> bool:
            hand.run(f"PRAGMA busy_timeout={_LOG_WAIT}")
            row = hand.one("PRAGMA wal_checkpoint(TRUNCATE)")
            hand.run(f"PRAGMA busy_timeout={round(1000 * self.wait)}")
            return row is not None and row[0] == 0

        if not self.sqlite:
            return True
        try:
            return self.read(work, self.settings.long_patience)
        except StoreAway:
            return False

    def _call(self, work: Callable[[Hand], T], kind: str, seconds: float) -> T:
        if self._closed:
            raise self.away("it was closed")
        began = time.monotonic()
        if began < (until := self._rest_until[kind]):
            raise self.away("it gave no answer a moment ago")
        if until:  # one call tries whether it is back; the others go on to rest
            self._rest_until[kind] = began + seconds
        try:
            with self.translated():
                result = self._tried(work, kind, seconds)
        except StoreAway:
            late = time.monotonic() - began >= 0.9 * self.settings.patience
            self._rest_until[kind] = time.monotonic() + self.settings.rest if late else 0.0
            raise
        if until:
            self._rest_until[kind] = 0.0
        return result

    def _tried(self, work: Callable[[Hand], T], kind: str, seconds: float) -> T:
        pooled = self._connection()
        hand = Hand(pooled.dbapi_connection, not self.sqlite)
        used_before = pooled.info.get("used", False)
        pooled.info["used"] = True
        try:
            return self._done(work, kind, seconds, pooled.dbapi_connection, hand)
        except BaseException as error:
            dead = not self.sqlite and bool(getattr(pooled.dbapi_connection, "closed", True))
            pooled.invalidate()
            if not dead:
                raise
            self._dead_before = time.monotonic()  # the others of its time are dead too
            if not used_before or hand.committing or isinstance(error, TimeoutError):
                raise
        finally:
            pooled.close()
        return self._tried(work, kind, seconds)

    def _connection(self) -> PoolProxiedConnection:
        while (pooled := self.engine.raw_connection()).info["made"] <= self._dead_before:
            pooled.invalidate()
            pooled.close()
        return pooled

    def _done(self, work: Callable[[Hand], T], kind: str, seconds: float, connection: Any, hand: Hand) -> T:
        with self.limits.within(seconds, connection):
            other = not self.sqlite and seconds != self.settings.patience
            if other:
                self.allow(hand, seconds)
            if kind == "read":
                result = work(hand)
            else:
                self.begin(hand)
                result = work(hand)
                hand.committing = hand.changed
                hand.run("COMMIT" if hand.changed else "ROLLBACK")
            if other:
                self.allow(hand, self.settings.patience)
        return result

    def begin(self, hand: Hand) -> None:
        """Begin a transaction that writes. SQLite's own wait for another process sleeps up to 100 ms, and so rarely gets its turn."""
        if not self.sqlite:
            hand.run("BEGIN")
            return
        until = time.monotonic() + self.wait
        hand.run("PRAGMA busy_timeout=0")
        while True:
            try:
                hand.run("BEGIN IMMEDIATE")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(random.uniform(0.0005, 0.002))
        hand.run(f"PRAGMA busy_timeout={round(1000 * self.wait)}")

    def close(self) -> None:
        """Close every connection; later calls say that the store is closed."""
        self._closed = True
        self.engine.dispose()
        self.limits.close()
