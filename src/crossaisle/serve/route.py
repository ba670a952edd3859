"""A route of the API: who may call it, what it takes, what it can answer. Imports: desk, problems, schemas.

FastAPI does the routing and the OpenAPI page; its checking of arguments and of answers is not used. A route reads its query and body
with the models of ``schemas`` itself, and the same models describe it, so there is one truth; what is saved is most of the time that
a small answer takes.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import orjson
from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.types import Receive, Scope, Send

from crossaisle.errors import CrossAisleError
from crossaisle.serve.desk import Desk, log_fault
from crossaisle.serve.problems import Problem, problem_of
from crossaisle.serve.schemas import Id, NoQuery, ProblemBody, checked

__all__ = ["Call", "Route", "read_body", "send_problem"]

M = TypeVar("M", bound=BaseModel)
_JSON = (b"content-type", b"application/json")
_DRAINED = 16_000_000
_REFUSALS = {
    400: "The request line or a header is no HTTP, or the Host is not this machine's.",
    401: "No key, or an unknown one.",
    403: "A key with other scopes.",
    404: "An unknown item.",
    408: "The body came too slowly.",
    413: "The body is larger than allowed.",
    415: "The body is not application/json.",
    422: "Something in the request cannot be used; the field is named.",
    429: "Too many requests of this key; see Retry-After.",
    431: "The request line and headers are larger than allowed.",
    500: "A fault of the service; it is in its log.",
    503: "Too busy, or the store of events is away; see Retry-After.",
}


class _IdBody(BaseModel):
    id: Id


async def read_body(scope: Scope, receive: Receive, limit: int, seconds: float) -> bytes:
    """The body of a request.

    What is too large is read to its end and thrown away where that is not far (16 MB), so that the client gets to read the answer.

    Raises
    ------
    Problem
        413 where it is larger than ``limit``, 408 where it takes longer than ``seconds``.
    """
    close = ((b"connection", b"close"),)
    too_large = Problem(413, "the body is too large", f"at most {limit:,} bytes", "send it in parts", headers=close)
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > _DRAINED:
            raise too_large
    body = bytearray()
    size = 0
    try:
        async with asyncio.timeout(seconds):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Problem(400, "the connection ended inside the body", "a whole body", "send it again", headers=close)
                part = message.get("body", b"")
                size += len(part)
                more = message.get("more_body", False)
                if size <= limit:
                    body += part
                else:
                    body.clear()
                    if size > _DRAINED:
                        raise too_large
    except TimeoutError:
        if size > limit:
            raise too_large from None
        expected = f"all of it within {seconds:g} seconds"
        raise Problem(408, "the body came too slowly", expected, "send it again", headers=close) from None
    if size > limit:
        raise too_large
    return bytes(body)


@functools.lru_cache(maxsize=4_096)
def _query(model: type[M], raw: bytes) -> M:
    try:
        pairs = parse_qsl(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=100, errors="strict", strict_parsing=bool(raw))
    except ValueError:
        raise Problem(422, "the query cannot be read", "name=value&name=value in UTF-8", "see /docs") from None
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = next(name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1)
        raise Problem(422, f"{twice[:40]} is given twice", "each option once", "see /docs")
    return checked(model, values)


class _IdInPath(StringConvertor):
    """Any text, also one with slashes and line ends: an id is what the table of items says."""

    regex = r"[\s\S]*"


register_url_convertor("id", _IdInPath())


class Call(Request):
    """A request, with what the routes read of it."""

    @property
    def since(self) -> float | None:
        """When its headers were whole, by the monotonic clock: what it waited for the loop counts as waiting too."""
        found: float | None = self.scope.get("crossaisle.since")
        return found

    def query(self, model: type[M]) -> M:
        """The options in the address. What was read of one address serves the next of the same, unless it is long."""
        raw: bytes = self.scope["query_string"]
        found: M = _query(model, raw) if len(raw) <= 200 else _query.__wrapped__(model, raw)
        return found

    def id(self, name: str) -> str:
        """An id in the address, percent-decoded."""
        value: str = self.scope["path_params"][name]
        if not 0 < len(value) <= 10_000 or "\x00" in value:
            raise Problem(422, f"{name} has {len(value):,} characters or a null byte", "1 to 10,000 characters, no null byte", "see /docs")
        return value

    async def read(self, model: type[M], desk: Desk) -> M:
        """The JSON of the body."""
        kind = next((value for name, value in self.scope["headers"] if name == b"content-type"), b"")
        if kind.split(b";")[0].strip().lower() != b"application/json":
            # also what keeps a page of another site from posting here: a form cannot have this type
            wanted, close = "content-type: application/json", ((b"connection", b"close"),)
            raise Problem(415, "the body is not JSON by its content-type", wanted, "add the header", headers=close)
        body = await read_body(self.scope, self.receive, desk.settings.max_body, desk.settings.body_seconds)
        try:
            values = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            found = f"the body is no JSON (line {error.lineno}, column {error.colno})"
            raise Problem(422, found, "JSON in UTF-8", "mend the body") from None
        return checked(model, values)


async def send_problem(send: Send, problem: Problem) -> None:
    """Answer with an error."""
    body = problem.body
    headers = [_JSON, (b"content-length", str(len(body)).encode()), *problem.headers]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _parameters(query: type[BaseModel], path: str) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for part in path.split("{")[1:]:
        name = part.split("}")[0].split(":")[0]
        out.append({"name": name, "in": "path", "required": True, "schema": _IdBody.model_json_schema()["properties"]["id"]})
    for name, schema in query.model_json_schema().get("properties", {}).items():
        schema = {key: value for key, value in schema.items() if key != "title"}
        if len(schema.get("anyOf", ())) == 2 and {"type": "null"} in schema["anyOf"]:  # an address has no null: the option is left out
            kept = next(one for one in schema.pop("anyOf") if one != {"type": "null"})
            schema = {**kept, **{key: value for key, value in schema.items() if key != "default"}}
        out.append({"name": name, "in": "query", "required": False, "description": schema.pop("description", ""), "schema": schema})
    return out


class Route(APIRoute):
    """One call of the API.

    Parameters
    ----------
    path : str
        Its template.
    endpoint : callable
        Given a `Call`, returns the JSON of the answer as bytes.
    desk : Desk
        What the routes share.
    needs : str or None
        The scope that a key must have.
    answer : type
        The model that describes a 200.
    query, body : type
        The models of what it takes.
    refusals : tuple of int
        Statuses that it can answer beside those that every call can.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[[Call], Awaitable[bytes]],
        *,
        desk: Desk,
        method: str,
        needs: str | None,
        answer: type[BaseModel],
        query: type[BaseModel] = NoQuery,
        body: type[BaseModel] | None = None,
        refusals: tuple[int, ...] = (),
        tag: str,
    ) -> None:
        codes = {400, 401, 403, 422, 429, 500, 503} if needs else {400, 422, 500, 503}
        codes |= set(refusals) | ({408, 413, 415} if body else set())
        retry = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}
        responses: dict[int | str, dict[str, Any]] = {200: {"model": answer, "description": (answer.__doc__ or "").split("\n")[0]}}
        for code in sorted(codes):
            responses[code] = {"model": ProblemBody, "description": _REFUSALS[code], **({"headers": retry} if code in (429, 503) else {})}
        extra: dict[str, Any] = {"parameters": _parameters(query, path)}
        if body:
            reference = {"$ref": f"#/components/schemas/{body.__name__}"}
            extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
        if needs and desk.keys is not None:
            extra["security"] = [{"key": []}]
        summary, _, rest = (endpoint.__doc__ or "").partition("\n")
        rights = f"Needs a key with the scope {needs}, where the service has keys." if needs else ""
        super().__init__(
            path,
            endpoint,
            methods=[method],
            response_model=None,
            responses=responses,
            openapi_extra=extra,
            summary=summary.strip().rstrip("."),
            description=" ".join(f"{rest} {rights}".split()),
            tags=[tag],
            operation_id=endpoint.__name__,
        )
        self.body_model, self.keyed = body, "security" in extra
        self.app = self._light(endpoint, desk, needs, query)

    @staticmethod
    def _light(endpoint: Callable[[Call], Awaitable[bytes]], desk: Desk, needs: str | None, query: type[BaseModel]) -> Any:
        seconds, retry = desk.settings.answer_seconds, desk.settings.store_retry_seconds

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                desk.admit(scope["headers"], needs)
                call = Call(scope, receive)
                if query is NoQuery:
                    call.query(NoQuery)
                body = await endpoint(call)
            except Problem as problem:
                return await send_problem(send, problem)
            except CrossAisleError as error:
                return await send_problem(send, problem_of(error, retry))
            except TimeoutError:
                late = Problem(503, f"no answer within {seconds:g} seconds", "an answer", "send the same again later", retry_after=retry)
                return await send_problem(send, late)
            except Exception as error:  # a fault of ours: told in the log, by kind and line alone
                log_fault(endpoint.__name__, error)
                fault = Problem(500, "a fault of the service", "an answer", "see the log of the service")
                return await send_problem(send, fault)
            headers = [_JSON, (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            return await send({"type": "http.response.body", "body": body})

        return app
