"""One process or several that listen on one address. Imports: app, desk, gate, keys, limits, metrics, protocol, settings.

With several workers the first process holds the address and starts the others as new processes, each of which listens there with a socket
of its own (SO_REUSEPORT); it starts one again when it ends, and passes SIGTERM on. New processes, and not forks of one that has loaded the
model: a fork copies locks and none of the threads that would release them (OpenMP's, torch's, the store's), and a child that computes may
wait for ever. What the files hold is mapped and not read, and the large arrays that are made of it are written by one worker and mapped
by the others (`crossaisle.shared`): both are in memory once.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from crossaisle.errors import OutputError, RequestError
from crossaisle.serve.app import build_app
from crossaisle.serve.desk import Desk, LiveEngine, LiveRecords
from crossaisle.serve.gate import is_loopback
from crossaisle.serve.keys import KeyFile
from crossaisle.serve.limits import Rates
from crossaisle.serve.protocol import protocol_class
from crossaisle.serve.settings import ServeSettings

__all__ = ["Made", "check_open", "listen", "serve_one"]

Made = tuple[LiveEngine, LiveRecords]


def check_open(host: str, keys: str | None) -> None:
    """Refuse to listen to other machines without keys.

    Raises
    ------
    RequestError
        If ``host`` is no loopback address and there is no file of keys.
    """
    if keys is None and not is_loopback(host):
        raise RequestError(
            f"--host {host} can be reached by other machines and there are no keys",
            "--keys FILE, or a loopback address",
            "crossaisle keys add keys.json --name shop --scopes read,write, then --keys keys.json",
        )


def listen(host: str, port: int, shared: bool = False) -> socket.socket:
    """A bound socket; it begins to listen when a worker is ready.

    Parameters
    ----------
    shared : bool
        Other sockets of this user may be bound to the same address; the system deals connections out among those that listen.

    Raises
    ------
    OutputError
        If the address cannot be used, for example because another service has it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind((host, port))
    except (OSError, OverflowError) as error:
        found.close()
        why = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot listen on {host} port {port} ({why})", "a free port of this machine", "choose another --port") from None
    found.set_inheritable(True)
    return found


class _Server(uvicorn.Server):
    """uvicorn's server that ends with an ordinary exit after SIGTERM instead of raising the signal again."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._captured_signals.clear()
        self.stopped_by = sig

    stopped_by = 0


def serve_one(
    make: Callable[[], Made],
    address: socket.socket,
    settings: ServeSettings,
    keys: Path | None = None,
    media: Path | None = None,
    shared: int | None = None,
    poll: float = 1.0,
    ready: Callable[[], None] | None = None,
) -> int:
    """Serve in this process until it is told to stop.

    Parameters
    ----------
    make : callable
        Opens the store and loads the model.
    address : socket
        Bound, see `listen`.
    shared : int, optional
        The descriptor of the buckets that all workers share.
    poll : float
        How often the engine looks for a new version, in seconds.
    ready : callable, optional
        Called once everything is loaded.

    Returns
    -------
    int
        0, or 130 after Ctrl-C.
    """
    ring = None if keys is None else KeyFile(keys)
    gc.disable()  # what is loaded stays
    engine, records = make()
    desk = Desk(engine, records, settings, ring, Rates(settings.rate, settings.burst, shared), poll_seconds=poll)
    app = build_app(desk, media)
    config = uvicorn.Config(
        app,
        http=protocol_class(settings),
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.idle_seconds,
        timeout_graceful_shutdown=settings.stop_seconds,
        backlog=1_024,
    )
    sys.setswitchinterval(0.0005)  # the thread that computes lists and the loop hand over to each other in between
    gc.collect()
    gc.freeze()  # the model is not looked through again: a collection in the middle of a request would be felt
    gc.enable()
    server = _Server(config)
    if ready is not None:
        ready()
    server.run(sockets=[address])
    return 130 if server.stopped_by == signal.SIGINT else 0


def start_log(settings: ServeSettings) -> None:
    """Log to standard error: the service's own lines, and uvicorn's warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name, level in (("crossaisle.serve", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    for name in ("uvicorn.error", "psycopg"):  # of a database that is away the service itself says so
        logging.getLogger(name).setLevel(logging.ERROR)


def shared_buckets() -> int:
    """The descriptor of a nameless file that holds the buckets of all workers."""
    handle, name = tempfile.mkstemp(prefix="crossaisle-rates-")
    os.unlink(name)
    os.truncate(handle, Rates.size())
    os.set_inheritable(handle, True)
    return handle
