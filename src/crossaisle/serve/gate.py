"""What every request passes first and every answer last: headers, counts, the access log. Imports: desk, metrics, problems, route.

Plain ASGI, because a middleware class of Starlette's would make a task and a queue for each request; for the same reason a call of the API
goes straight to its route, which answers its own errors, and only what is none passes FastAPI's middleware. Neither log nor counts hold a
path: only the template of the route that matched.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Sequence

from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crossaisle.serve.desk import Desk, log_fault
from crossaisle.serve.metrics import METHODS
from crossaisle.serve.problems import Problem
from crossaisle.serve.route import send_problem

__all__ = ["SECURITY", "Gate", "is_loopback"]

access = logging.getLogger("crossaisle.serve.access")
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
SECURITY = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_FIXED = frozenset({"/", "/docs", "/docs.css", "/openapi.json", "/metrics"})
_NO_STORE = (b"cache-control", b"no-store")


def is_loopback(host: str) -> bool:
    """Whether a name or address can only mean this machine.

    Examples
    --------
    >>> [is_loopback(h) for h in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "shop.example")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(value: bytes) -> str:
    text = value.decode("latin-1").strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.rpartition(":")[2].isdigit() and text.count(":") == 1 else text


def _template(scope: Scope) -> str:
    """What stands for the path in counts and in the log; few, and never an id."""
    template: str | None = getattr(scope.get("route"), "path_format", None)
    if template is None:
        path = scope["path"]
        template = next((name for name in ("/media", "/pages") if path.startswith(f"{name}/")), path if path in _FIXED else "none")
    return template


class Gate:
    """The outermost part of the application.

    Parameters
    ----------
    app : ASGI application
        What stands behind.
    desk : Desk
        What is counted, and whether there are keys: without them only requests that address this machine by name or loopback address
        are let in, so that a page of another site cannot reach the service through a name of its own (DNS rebinding).
    routes : sequence of Route
        The calls of the API, which need nothing of ``app``.
    """

    def __init__(self, app: ASGIApp, desk: Desk, routes: Sequence[Route] = ()) -> None:
        self.app, self.desk, self._routes = app, desk, routes
        self._local: set[bytes] = set()

    def _addressed(self, scope: Scope) -> None:
        for name, value in scope["headers"]:
            if name == b"host":
                if value in self._local:
                    return
                if not is_loopback(_host(value)):
                    break
                if len(self._local) < 100:
                    self._local.add(value)
                return
        raise Problem(
            400,
            "the Host of the request is not this machine",
            "localhost or 127.0.0.1",
            "have the proxy pass that on, or give the service keys",
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await receive()
                return await send({"type": "websocket.close", "code": 1000})
            return await self.app(scope, receive, send)
        started, status = time.perf_counter(), 0
        api = scope["path"].startswith("/api/")

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *SECURITY, *((_NO_STORE,) if api else ())]
            await send(message)

        try:
            if self.desk.keys is None:
                self._addressed(scope)
            await self._pass(scope, receive, sending, api)
        except Problem as problem:
            await send_problem(sending, problem)
        except Exception as error:
            log_fault("the application", error)
            if not status:
                await send_problem(sending, Problem(500, "a fault of the service", "an answer", "see the log of the service"))
        finally:
            template = _template(scope)
            took = time.perf_counter() - started
            self.desk.metrics.request(scope["method"], template, status, took)
            if self.desk.settings.access_log:
                method = scope["method"] if scope["method"] in METHODS else "other"
                access.info("%s %s %d %.1f ms", method, template, status, took * 1000)

    async def _pass(self, scope: Scope, receive: Receive, send: Send, api: bool) -> None:
        for route in self._routes if api else ():
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope.update(found)
                return await route.handle(scope, receive, send)
        return await self.app(scope, receive, send)
