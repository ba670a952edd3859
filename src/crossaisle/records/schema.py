"""Brings a store's schema up to date, once for all processes that open it at a time. Imports: errors, database, settings, migrations."""

from __future__ import annotations

import time
from pathlib import Path

import sqlalchemy as sa

from crossaisle.errors import SettingError, StoreAway
from crossaisle.records import migrations
from crossaisle.records.database import Database, Hand

__all__ = ["HEAD", "bring_up_to_date", "is_there"]

HEAD = "0001"
"""The newest step in `migrations`."""

_LOCK = 0x63726F73
"""The number of the lock that PostgreSQL's processes wait for before they look at the schema."""


def bring_up_to_date(database: Database) -> None:
    """Create the schema, or run the steps that it lacks, in one transaction.

    Raises
    ------
    StoreAway
        If the database cannot be reached, or is locked or full.
    SettingError
        If a newer version of this package made it, or it cannot hold every text.
    """
    if database.sqlite:
        _use_a_log(database)
    with database.translated(), database.engine.connect() as connection:
        inner = connection.connection.dbapi_connection
        seconds = database.settings.long_patience
        with database.limits.within(seconds, inner):
            if not database.sqlite:
                database.allow(Hand(inner, True), seconds)
                encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
                if encoding != "UTF8":
                    raise SettingError(
                        f"a database in {encoding}", "one in UTF8", "create it with: createdb --encoding UTF8 --template template0"
                    )
            if _revision(connection) != HEAD:
                _upgrade(database, connection)
            if not database.sqlite:
                database.allow(Hand(inner, True), database.settings.patience)


def is_there(database: Database) -> bool:
    """Whether somebody has made a store there; nothing is written, no file either.

    Raises
    ------
    StoreAway
        If the database cannot be reached.
    """
    if database.sqlite and not Path(str(database.engine.url.database)).exists():  # to connect to it would make it
        return False
    with database.translated(), database.engine.connect() as connection:
        inner = connection.connection.dbapi_connection
        with database.limits.within(database.settings.patience, inner):
            return _revision(connection) is not None


def _use_a_log(database: Database) -> None:
    """Readers and one writer at a time, by a log beside the file. The switch does not wait for others by itself."""
    until = time.monotonic() + database.settings.patience
    while True:
        try:
            database.read(lambda hand: hand.one("PRAGMA journal_mode=WAL"))
            return
        except StoreAway:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _upgrade(database: Database, connection: sa.Connection) -> None:
    from alembic import command  # noqa: F401 - takes a second, in which nobody else should wait for the schema

    if database.sqlite:  # whoever makes the schema at this moment takes longer than a lock is waited for otherwise
        connection.exec_driver_sql(f"PRAGMA busy_timeout={round(1000 * database.settings.long_patience)}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if database.sqlite else "BEGIN")
    try:
        if not database.sqlite:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        revision = _revision(connection)
        if revision not in (None, HEAD):
            raise SettingError(
                f"a store of schema {revision}", f"{HEAD} or older", "open it with the newer version of crossaisle that made it"
            )
        if revision is None:
            try:
                _run_steps(connection)
            except sa.exc.ProgrammingError as error:
                if getattr(error.orig, "sqlstate", None) != "42501":
                    raise
                expected = "one that the user of the URL may create tables in"
                raise SettingError(f"the database of {database.where}", expected, "have its owner GRANT CREATE ON SCHEMA public") from None
        connection.exec_driver_sql("COMMIT")
        if database.sqlite:
            connection.exec_driver_sql(f"PRAGMA busy_timeout={round(1000 * database.wait)}")
    except BaseException:
        connection.invalidate()
        raise


def _run_steps(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(str(migrations.__file__)).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
