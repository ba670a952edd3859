"""A client of the service, on the standard library. Imports: errors.

>>> shop = Client("http://127.0.0.1:8000", key="ca_...")                  # doctest: +SKIP
>>> shop.recommend("u1", n=5, explain=True)["items"]                       # doctest: +SKIP
>>> shop.send([{"user_id": "u1", "item_id": "B1", "event": "view"}])       # doctest: +SKIP
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from crossaisle.errors import CrossAisleError, RequestError

__all__ = ["Client", "NotAllowed", "Refused", "ServiceAway", "ServiceError", "ServiceFault", "TooBusy", "Unknown"]


class ServiceError(CrossAisleError):
    """Base of what the client raises.

    Attributes
    ----------
    status : int
        The HTTP status; 0 where there was no answer.
    found, expected, next_step : str
        What the service said.
    """

    def __init__(self, status: int, found: str, expected: str = "", next_step: str = "") -> None:
        self.status, self.found, self.expected, self.next_step = status, found, expected, next_step
        said = "; ".join(part for part in (found, expected and f"expected {expected}", next_step and f"next: {next_step}") if part)
        super().__init__(f"{status}: {said}" if status else said)


class Refused(ServiceError):
    """The request cannot be used as it is (400, 405, 408, 413, 415, 422, 431); ``found`` names the field."""


class Unknown(ServiceError):
    """An unknown item (404)."""


class NotAllowed(ServiceError):
    """No key, an unknown one (401), or one with other scopes (403)."""


class TooBusy(ServiceError):
    """Still 429 or 503 after the last try: too many requests, or the store of events is away."""


class ServiceFault(ServiceError):
    """A fault of the service (500 and the like), or an answer that is none of its."""


class ServiceAway(ServiceError):
    """No connection, or none that lasted, at the last try."""


_KINDS: dict[int, type[ServiceError]] = {401: NotAllowed, 403: NotAllowed, 404: Unknown, 429: TooBusy, 503: TooBusy}
_BROKEN = (http.client.HTTPException, OSError)


class Client:
    """Talks to one service; may be used from several threads, each has a connection of its own.

    Everything that the service offers can be sent twice without harm (an event counts once by its ``event_id``), so everything is tried
    again: after 429 and 503 as many seconds later as the service says in Retry-After, after a broken connection a little later.

    Parameters
    ----------
    address : str
        Such as ``http://127.0.0.1:8000``.
    key : str, optional
        As ``crossaisle keys add`` showed it.
    timeout : float
        Seconds to wait for a connection or an answer.
    tries : int
        How often one request is sent at most.
    longest_wait : float
        Seconds; a longer Retry-After is not waited for.

    Raises
    ------
    RequestError
        If ``address`` is no http or https address.
    """

    def __init__(self, address: str, key: str | None = None, timeout: float = 15.0, tries: int = 4, longest_wait: float = 30.0) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RequestError(f"address {address[:80]!r}", "http://HOST:PORT or https://HOST", "see what crossaisle serve prints")
        self._secure, self._host, self._port, self._path = parts.scheme == "https", parts.hostname, parts.port, parts.path.rstrip("/")
        self._headers = {"accept": "application/json", **({} if key is None else {"authorization": f"Bearer {key}"})}
        self._timeout, self._tries, self._longest = timeout, max(tries, 1), longest_wait
        self._local = threading.local()

    # lists

    def recommend(self, user_id: str, **options: Any) -> dict[str, Any]:
        """A list for a user.

        Options: n, categories, beyond_history, keep_seen, context_item, max_per_category, diversity, explain, lang, where.
        """
        return self.call("GET", f"recommend/{_id(user_id)}", options)

    def recommend_for(
        self, history: Sequence[str] = (), wish: str | None = None, user_id: str | None = None, **options: Any
    ) -> dict[str, Any]:
        """A list for a history that is given here, or for a wish in words, of a user or of nobody; options as for `recommend`."""
        given = {name: value for name, value in {"wish": wish, "user_id": user_id}.items() if value is not None}
        body = {"history": list(history), **given, **options}
        return self.call("POST", "recommend", body=body)

    def similar(self, item_id: str, n: int = 10, other_categories: bool = False) -> list[dict[str, Any]]:
        """Items like an item."""
        found: list[dict[str, Any]] = self.call("GET", f"similar/{_id(item_id)}", {"n": n, "other_categories": other_categories})["items"]
        return found

    def find_items(self, words: str = "", n: int = 10) -> list[dict[str, Any]]:
        """Items whose titles hold the words."""
        found: list[dict[str, Any]] = self.call("GET", "items", {"q": words, "n": n})["items"]
        return found

    # what happens

    def send(self, events: Sequence[Mapping[str, Any]]) -> dict[str, int]:
        """Events: ``user_id``, ``item_id``, ``event``, and ``timestamp``, ``value``, ``recommendation_id`` where known.

        One without ``event_id`` gets one here, so that it counts once however often it is sent. On return it is durable.
        """
        rows = [{"event_id": uuid.uuid4().hex, "timestamp": time.time(), **event} for event in events]
        return self.call("POST", "events", body={"events": rows})

    def put_items(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Add or change items: ``item_id``, ``title``, ``category``, ...; the answer says which were rejected, and why.

        What a row does not say stays. A known item's category, and what the model makes of its text, follow at the next refit.
        """
        return self.call("PUT", "items", body={"items": [dict(row) for row in rows]})

    def delete_item(self, item_id: str) -> dict[str, Any]:
        """Take an item out."""
        return self.call("DELETE", f"items/{_id(item_id)}")

    def user(self, user_id: str) -> dict[str, Any]:
        """What is known of a user."""
        return self.call("GET", f"users/{_id(user_id)}")

    def forget(self, user_id: str) -> dict[str, Any]:
        """Remove everything about a user; the answer says what was removed."""
        return self.call("DELETE", f"users/{_id(user_id)}")

    def shoppers(self, n: int = 10) -> list[dict[str, Any]]:
        """Some users of the model."""
        found: list[dict[str, Any]] = self.call("GET", "shoppers", {"n": n})["shoppers"]
        return found

    # the service itself

    def graph(self) -> dict[str, Any]:
        """The category association graph."""
        return self.call("GET", "graph")

    def model(self) -> dict[str, Any]:
        """The model in service."""
        return self.call("GET", "model")

    def overview(self) -> dict[str, Any]:
        """What an operator watches."""
        return self.call("GET", "overview")

    def undo_abnormal(self, item_id: str) -> dict[str, Any]:
        """Let an item that was demoted as abnormal stand again."""
        return self.call("POST", f"abnormal/{_id(item_id)}", body={"undo": True})

    def ready(self) -> bool:
        """Whether requests can be answered; False also where nothing answers."""
        with contextlib.suppress(ServiceError):
            return bool(self._once("GET", f"{self._path}/api/v1/health/ready", None)[2].get("ready"))
        return False

    def call(self, method: str, path: str, options: Mapping[str, Any] | None = None, body: Any = None) -> dict[str, Any]:
        """Any call below ``/api/v1``, with tries.

        Raises
        ------
        Refused, Unknown, NotAllowed, TooBusy, ServiceFault, ServiceAway
            See there.
        """
        told = {name: _text(value) for name, value in (options or {}).items() if value is not None}
        target = f"{self._path}/api/v1/{path}{f'?{urlencode(told)}' if told else ''}"
        try:
            content = None if body is None else json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
        except ValueError as error:
            raise RequestError(f"the body cannot be sent ({error})", "numbers, texts, lists and dicts; no NaN", "mend it") from None
        for left in reversed(range(self._tries)):
            try:
                status, wait, answer = self._once(method, target, content)
            except ServiceAway:
                if not left:
                    raise
                time.sleep(random.uniform(0.5, 1.0) * 0.2 * 2 ** (self._tries - left))
                continue
            if status == 200:
                return answer
            if status in (429, 503) and left and wait is not None and wait <= self._longest:
                time.sleep(wait + random.uniform(0.0, 0.2))  # not all who were sent away come back at the same instant
                continue
            raise _error(status, answer)
        raise AssertionError("the last try returns or raises")

    def _connection(self) -> http.client.HTTPConnection:
        found: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if found is None:
            kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
            found = self._local.connection = kind(self._host, self._port, timeout=self._timeout)
        return found

    def _once(self, method: str, target: str, content: bytes | None) -> tuple[int, float | None, dict[str, Any]]:
        connection = self._connection()
        headers = self._headers if content is None else {**self._headers, "content-type": "application/json"}
        for again in (True, False):
            kept = connection.sock is not None
            try:
                connection.request(method, target, content, headers)
                answer = connection.getresponse()
                raw = answer.read()
                break
            except _BROKEN as error:
                connection.close()
                # a connection that was kept may have been closed by the service meanwhile: that is no fault, and costs no try
                if not (kept and again) or isinstance(error, TimeoutError):
                    name = f"{self._host}:{self._port or (443 if self._secure else 80)}"
                    why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                    raise ServiceAway(0, f"no answer of {name} ({why})", "a service", "start it, or look for its address") from None
        try:
            parsed = json.loads(raw)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            raise ServiceFault(answer.status, "an answer that is no JSON object", "the service's", "look for what stands before it")
        wait = answer.getheader("retry-after")
        return answer.status, float(wait) if wait is not None and wait.isdigit() else None, parsed

    def close(self) -> None:
        """Close this thread's connection."""
        found = getattr(self._local, "connection", None)
        if found is not None:
            found.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *why: object) -> None:
        self.close()


def _id(text: str) -> str:
    return quote(text, safe="")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _error(status: int, answer: dict[str, Any]) -> ServiceError:
    said = answer.get("error")
    said = said if isinstance(said, dict) else {}
    kind = _KINDS.get(status, ServiceFault if status >= 500 or status < 400 else Refused)
    return kind(status, str(said.get("found", "an error")), str(said.get("expected", "")), str(said.get("next", "")))
