"""A service from a plan: one process, or a first one that keeps several workers alive. Imports: keys, metrics, run, settings.

``python -m crossaisle.serve.main`` is a worker: it reads its plan from the environment and listens beside the others.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from crossaisle.errors import CrossAisleError
from crossaisle.serve import run
from crossaisle.serve.keys import read_keys
from crossaisle.serve.metrics import forget_worker
from crossaisle.serve.run import Made
from crossaisle.serve.settings import ServiceSettings
from crossaisle.store import current_version

__all__ = ["Plan", "start", "worker"]

log = logging.getLogger("crossaisle.serve")
_PLAN = "CROSSAISLE_SERVE_PLAN"
_BAD = 2
_SAID = "error"
"""A file beside the arrays: why no worker can serve has been said."""


@dataclass(frozen=True)
class Plan:
    """What to serve, where, and with how many processes."""

    model: str
    store: str
    host: str
    port: int
    keys: str | None = None
    media: str | None = None
    workers: int = 1


def _make(plan: Plan, settings: ServiceSettings, arrays: str | None) -> Made:
    from crossaisle.live.engine import Engine
    from crossaisle.records import Records
    from crossaisle.shared import Shared

    records = Records.open(plan.store, settings.records)
    try:
        return Engine(plan.model, records, settings.live, settings.learn, Shared(arrays)), records
    except BaseException:
        records.close()
        raise


def start(plan: Plan, changes: Mapping[str, str]) -> int:
    """Serve until told to stop; the exit code: 0 after SIGTERM, 130 after Ctrl-C.

    Raises
    ------
    CrossAisleError
        If something of the plan cannot be used.
    """
    settings = ServiceSettings().changed(changes)
    run.check_open(plan.host, plan.keys)
    current_version(plan.model)
    if plan.keys is not None:
        read_keys(Path(plan.keys))
    run.start_log(settings.serve)
    if plan.workers > 1:
        # where sockets share an address another service's would share it, too, and each would get some of the other's requests
        run.listen(plan.host, plan.port).close()
    with run.listen(plan.host, plan.port, shared=plan.workers > 1) as address:
        return _start(plan, changes, settings, address)


def _start(plan: Plan, changes: Mapping[str, str], settings: ServiceSettings, address: socket.socket) -> int:
    host = f"[{plan.host}]" if ":" in plan.host else plan.host
    line = f"serving {plan.model} on http://{host}:{address.getsockname()[1]} (the API: /docs; stop: Ctrl-C)"

    def tell() -> None:
        print(line, flush=True)

    if plan.workers == 1:
        return _serve(plan, settings, address, None, None, tell)
    return _Keeper(plan, changes, settings, address, tell).keep()


def _serve(
    plan: Plan, settings: ServiceSettings, address: socket.socket, shared: int | None, arrays: str | None, ready: Callable[[], None]
) -> int:
    media = None if plan.media is None else Path(plan.media)
    keys = None if plan.keys is None else Path(plan.keys)
    return run.serve_one(
        lambda: _make(plan, settings, arrays), address, settings.serve, keys, media, shared, settings.live.poll_seconds, ready
    )


class _Keeper:
    """The first process of several: starts workers, and starts one again that ended by itself."""

    def __init__(
        self, plan: Plan, changes: Mapping[str, str], settings: ServiceSettings, address: socket.socket, tell: Callable[[], None]
    ) -> None:
        self._settings, self._tell = settings.serve, tell
        self._shared = run.shared_buckets()
        self._counts = tempfile.mkdtemp(prefix="crossaisle-counts-")
        self._arrays = tempfile.mkdtemp(prefix="crossaisle-arrays-")
        self._life, self._alive = os.pipe()  # a worker that reads the end of it knows that this process is gone
        self._told, self._tells = os.pipe()  # a worker writes into it when it is ready
        self._go, self._lets_go = os.pipe()  # a worker loads the model when it has read a byte of it
        content = {"plan": asdict(plan), "changes": dict(changes), "life": self._life, "told": self._tells, "go": self._go}
        content |= {"port": address.getsockname()[1], "shared": self._shared, "arrays": self._arrays}
        self._environment = {**os.environ, _PLAN: json.dumps(content), "PROMETHEUS_MULTIPROC_DIR": self._counts}
        self._workers: dict[int, tuple[subprocess.Popen[bytes], float]] = {}
        self._number, self._stopped_by = plan.workers, 0
        self._first = min(plan.workers, os.cpu_count() or 1)
        """So many load at once; the others when one serves, so that it serves soon."""

    def _start(self) -> None:
        inherited = (self._shared, self._life, self._tells, self._go)
        process = subprocess.Popen([sys.executable, "-m", "crossaisle.serve.main"], env=self._environment, pass_fds=inherited)
        self._workers[process.pid] = (process, time.monotonic())

    def _let_go(self, workers: int) -> None:
        os.write(self._lets_go, b"g" * workers)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopped_by = self._stopped_by or number

    def keep(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            for _ in range(self._number):
                self._start()
            self._let_go(self._first)
            code = self._watch()
        finally:
            self._end()
            for folder in (self._counts, self._arrays):
                shutil.rmtree(folder, ignore_errors=True)
            for handle in (self._shared, self._life, self._alive, self._told, self._tells, self._go, self._lets_go):
                os.close(handle)
        return code if not self._stopped_by else 130 if self._stopped_by == signal.SIGINT else 0

    def _watch(self) -> int:
        ready = 0
        os.set_blocking(self._told, False)
        while not self._stopped_by:
            time.sleep(0.1)
            with contextlib.suppress(BlockingIOError):
                before, ready = ready, ready + len(os.read(self._told, 64))
                if not before and ready:
                    self._let_go(self._number - self._first)
                if before < self._number <= ready:
                    self._tell()
            for pid, (process, since) in list(self._workers.items()):
                if (code := process.poll()) is None:
                    continue
                del self._workers[pid]
                forget_worker(pid, self._counts)
                if ready < self._number:  # it never served: what is wrong would be wrong again
                    if code < 0:  # and it could not say so: by far the most often the system that runs out of memory ends it
                        log.error("worker %d was ended by signal %d before it served", pid, -code)
                    return code if code > 0 else 1
                log.error("worker %d ended with %d; another is started", pid, code)
                if time.monotonic() - since < 60.0:  # one that does not last is not started again and again at once
                    time.sleep(1.0)
                Path(self._arrays, _SAID).unlink(missing_ok=True)
                self._start()
                self._let_go(1)
        return 0

    def _end(self) -> None:
        for process, _ in self._workers.values():
            process.send_signal(signal.SIGTERM)
        until = time.monotonic() + self._settings.stop_seconds + 5.0
        for process, _ in self._workers.values():
            try:
                process.wait(max(until - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _follow(life: int, arrays: str) -> None:
    """Stop this worker as SIGTERM does when the process that started it is gone, and clear up after it."""
    os.read(life, 1)
    shutil.rmtree(arrays, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGTERM)


def worker() -> int:
    """One worker of several."""
    content = json.loads(os.environ[_PLAN])
    plan, settings = Plan(**content["plan"]), ServiceSettings().changed(content["changes"])
    run.start_log(settings.serve)
    threading.Thread(target=_follow, args=(content["life"], content["arrays"]), name="life", daemon=True).start()
    # a socket of its own: where all take from one, whoever is quickest takes most, and connections stay where they are
    address = run.listen(plan.host, content["port"], shared=True)

    def ready() -> None:
        os.write(content["told"], b"r")

    import crossaisle.live.engine  # noqa: F401 - takes seconds, which need not wait for the first worker

    try:
        os.read(content["go"], 1)
        return _serve(plan, settings, address, content["shared"], content["arrays"], ready)
    except CrossAisleError as error:
        with contextlib.suppress(FileExistsError):  # another worker has said so
            with contextlib.suppress(FileNotFoundError):
                os.close(os.open(Path(content["arrays"], _SAID), os.O_CREAT | os.O_EXCL))
            print(f"error: {error}", file=sys.stderr)
        return _BAD
    except KeyboardInterrupt:  # before the server listens to signals
        return 130


if __name__ == "__main__":
    sys.exit(worker())
