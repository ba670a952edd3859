"""Processes of the tests that start at once: each is forked from one that has loaded the modules, and has done nothing else.

There is one such first process for all tests of a run, whoever needs it first: what is loaded there stands in one place, here.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(
    [
        "pytest",
        "psycopg",
        "sqlalchemy.dialects.sqlite",
        "sqlalchemy.dialects.postgresql.psycopg",
        "crossaisle.records.store",
        "crossaisle.cli.main",
        "crossaisle.live.refit",
        "crossaisle.live.engine",
        "crossaisle.serve.main",
        "crossaisle.testing",
    ]
)


def _run(arguments: list[str], out: Any, log: str) -> None:
    """In the process itself: one command, its output and its errors where they are wanted."""
    from crossaisle.cli.main import run

    os.dup2(out.fileno(), 1)
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), 2)
    sys.exit(run(arguments))


class Command:
    """``crossaisle`` with these arguments, with what of `subprocess.Popen` the tests use.

    Parameters
    ----------
    arguments : list of str
        What follows the word ``crossaisle``.
    log : Path
        An existing file, which gets the errors.
    """

    def __init__(self, arguments: list[str], log: Path) -> None:
        mine, theirs = processes.Pipe(duplex=False)
        self._process = processes.Process(target=_run, args=(arguments, theirs, str(log)), daemon=True)
        self._process.start()
        theirs.close()
        self.stdout = os.fdopen(os.dup(mine.fileno()), encoding="utf-8")
        mine.close()
        self.pid = self._process.pid or 0

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("crossaisle", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
