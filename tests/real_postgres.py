"""A real PostgreSQL of the tests' own, in a folder of its own: started, stopped, frozen and filled as a test likes."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "crossaisle"


def folder_of_binaries() -> Path | None:
    """Where ``initdb`` and ``pg_ctl`` are: on the PATH, or where Debian puts them; the newest."""
    found = shutil.which("pg_ctl")
    if found and (Path(found).resolve().parent / "initdb").exists():
        return Path(found).resolve().parent
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name) if p.parent.name.isdigit() else 0)
    return next((p for p in reversed(places) if (p / "initdb").exists()), None)


def why_not() -> str | None:
    """Why there can be no PostgreSQL here, or None."""
    if folder_of_binaries() is None:
        return "no PostgreSQL here (initdb and pg_ctl on the PATH or in /usr/lib/postgresql): apt-get install postgresql"
    if os.geteuid() == 0:
        if shutil.which("runuser") is None:
            return "PostgreSQL refuses root, and there is no runuser to become someone else"
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return "PostgreSQL refuses root, and there is no user named postgres"
    return None


class Postgres:
    """One server with a data folder of its own."""

    def __init__(self) -> None:
        binaries = folder_of_binaries()
        assert binaries is not None
        self._binaries = binaries
        self._become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        self.folder = Path(tempfile.mkdtemp(prefix="crossaisle-postgres-"))
        if self._become:
            shutil.chown(self.folder, "postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._numbers = itertools.count()
        try:
            self._run("initdb", "-D", self.data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
            self.start()
        except BaseException:
            self.remove()
            raise

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def _run(self, program: str, *arguments: str) -> str:
        command = [*self._become, str(self._binaries / program), *arguments]
        # no pipe: the server would hold it open for as long as it lives
        with open(self.folder / "commands.log", "ab+") as log:
            done = subprocess.run(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
            log.seek(0)
            text = log.read().decode(errors="replace")
        assert done.returncode == 0, f"{program}: {text[-2000:]}"
        return text

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c shared_buffers=16MB -c max_connections=60"
        self._run("pg_ctl", "-D", self.data, "-l", str(self.folder / "server.log"), "-w", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def running(self) -> bool:
        return (self.folder / "data" / "postmaster.pid").exists()

    def freeze(self, frozen: bool) -> None:
        """Stop all of its processes where they stand, or let them go on."""
        main = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for process in [main, *map(int, children)]:
            os.kill(process, signal.SIGSTOP if frozen else signal.SIGCONT)

    def url(self, name: str = "postgres") -> str:
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{name}"

    def execute(self, *statements: str, name: str = "postgres") -> None:
        import psycopg

        with psycopg.connect(host="127.0.0.1", port=self.port, user=USER, dbname=name, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def new_database(self, options: str = "") -> str:
        """The URL of an empty database."""
        name = f"store{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} {options}")
        return self.url(name)

    def new_store(self) -> str:
        """The URL of an empty schema in one database, which is made and removed much faster than a database."""
        name = f"store{next(self._numbers)}"
        self.execute(f"CREATE SCHEMA {name}")
        return f"{self.url()}?options=-csearch_path%3D{name}"

    @contextmanager
    def database_on(self, disk: Path) -> Iterator[str]:
        """The URL of an empty database whose tables are in another folder than the server's own log."""
        if self._become:
            shutil.chown(disk, "postgres")
        self.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        url = self.new_database("TABLESPACE small")
        try:
            yield url
        finally:
            self.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)", "DROP TABLESPACE small")

    def remove(self) -> None:
        try:
            if self.running():
                self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
