"""A connection's time and room, for clients that are slow or large on purpose. Imports: gate, problems, settings.

uvicorn has a time limit between two requests and none inside one: a client that sends a byte a second keeps its connection. Here one
clock runs from the first byte of a request (or from the start of the connection) until its headers are whole, another from there until
its body is, a third while the client does not take what is sent; and what comes is counted.
"""

from __future__ import annotations

import asyncio
import http
import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from crossaisle.serve.gate import SECURITY
from crossaisle.serve.problems import Problem
from crossaisle.serve.settings import ServeSettings

__all__ = ["protocol_class"]

_FAR = 32_000_000
"""Bytes of one request that are read at most, however the body is cut into pieces."""


def _raw(problem: Problem) -> bytes:
    body = problem.body
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in [*headers, *SECURITY, *problem.headers])
    phrase = http.HTTPStatus(problem.status).phrase
    return f"HTTP/1.1 {problem.status} {phrase}\r\n".encode() + lines + b"\r\n" + body


def protocol_class(settings: ServeSettings) -> type[HttpToolsProtocol]:
    """The class of connections that uvicorn is to make, with these limits."""

    class Guarded(HttpToolsProtocol):
        _clock: asyncio.TimerHandle | None = None
        _taking: asyncio.TimerHandle | None = None
        _inside = False
        """Whether headers are whole and the body is not."""
        _size = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > settings.max_connections:
                self._refuse(
                    Problem(
                        503,
                        "too many connections",
                        f"at most {settings.max_connections:,}",
                        "come again later",
                        settings.busy_retry_seconds,
                    )
                )
                return
            self._set_clock(settings.head_seconds)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_clock()
            if self._taking is not None:
                self._taking.cancel()
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._taking = self.loop.call_later(settings.send_seconds, self._too_slow)

        def resume_writing(self) -> None:
            if self._taking is not None:
                self._taking.cancel()
                self._taking = None
            super().resume_writing()

        def _set_clock(self, seconds: float) -> None:
            self._stop_clock()
            self._clock = self.loop.call_later(seconds, self._too_slow)

        def _stop_clock(self) -> None:
            if self._clock is not None:
                self._clock.cancel()
                self._clock = None

        def _too_slow(self) -> None:
            self._clock = None
            if not self.transport.is_closing():
                self.transport.abort()

        def _refuse(self, problem: Problem) -> None:
            self._stop_clock()
            self.transport.write(_raw(problem))
            self.transport.close()

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            if self._clock is None:
                self._set_clock(settings.head_seconds)
            self._size += len(data)
            super().data_received(data)
            if self.transport.is_closing():
                self._stop_clock()
            elif self._inside:
                if self._size > _FAR:
                    self._too_slow()
            elif self._clock is not None and self._size > settings.max_head:
                self._refuse(Problem(431, "the headers are too large", f"at most {settings.max_head:,} bytes", "send less"))

        def on_headers_complete(self) -> None:
            self._inside = True
            self._set_clock(settings.body_seconds + 2.0)  # the application answers 408 before
            self.scope["crossaisle.since"] = time.monotonic()  # type: ignore[typeddict-unknown-key]
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._inside = False
            self._size = 0
            self._stop_clock()
            super().on_message_complete()

        def timeout_keep_alive_handler(self) -> None:
            if not self.transport.is_closing() and self.transport.get_write_buffer_size() > 0:
                self.transport.abort()  # it does not take the answer: closing would wait for it for ever
                return
            super().timeout_keep_alive_handler()

        def send_400_response(self, msg: str) -> None:
            self._refuse(Problem(400, "the request is no HTTP", "HTTP/1.1", "see /docs"))

        def _unsupported_upgrade_warning(self) -> None:
            return

    return Guarded
