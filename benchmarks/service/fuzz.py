"""Hostile requests, made from a seed: no answer may be 5xx, and the service's memory stays."""

from __future__ import annotations

import collections
import json
import random
import socket
from collections.abc import Callable
from urllib.parse import quote

_IDS = [
    "",
    "u1",
    "x" * 10_000,
    "x" * 10_001,
    "a\x00b",
    "../../etc/passwd",
    "'; DROP TABLE events; --",
    "<script>alert(1)</script>",
    "你好🙂",
    " ",
    "%",
    "\u202e",
    "a/b?c#d",
    "\\..\\",
    ".",
]
_NUMBERS = ["NaN", "Infinity", "-1", "0", "1e999", "99999999999999999999", "1.5", "true", "null", '"1"', "[]", "{}", "1e-400", "-0"]
_PATHS = ["recommend/{}", "similar/{}", "users/{}", "items/{}", "abnormal/{}", "{}", "../{}", "recommend/{}/{}"]
_OPTIONS = [
    "n",
    "categories",
    "beyond_history",
    "keep_seen",
    "context_item",
    "max_per_category",
    "diversity",
    "explain",
    "lang",
    "where",
    "q",
    "nonsense",
]
_FIELDS = ["event_id", "user_id", "item_id", "event", "timestamp", "value", "recommendation_id", "extra"]


def _value(rng: random.Random, depth: int = 0) -> str:
    kind = rng.randrange(8 if depth < 4 else 5)
    if kind < 2:
        return json.dumps(rng.choice(_IDS))
    if kind < 4:
        return rng.choice(_NUMBERS)
    if kind == 4:
        return rng.choice(["true", "false", "null", '"\\ud800"', '"\\u0000"', '"view"', "1700000000"])
    if kind == 5:
        return "[" + ",".join(_value(rng, depth + 1) for _ in range(rng.randrange(4))) + "]"
    if kind == 6:
        return "{" + ",".join(f"{json.dumps(rng.choice(_FIELDS))}:{_value(rng, depth + 1)}" for _ in range(rng.randrange(5))) + "}"
    return "[" * rng.choice([10, 200, 5_000]) + "]" * rng.choice([10, 200, 5_000])


def _address(rng: random.Random) -> str:
    path = rng.choice(_PATHS)
    while "{}" in path:
        path = path.replace(
            "{}", quote(rng.choice(_IDS), safe=rng.choice(["", "/", "/.\\<>'"])).replace("\\", "%5C").replace(" ", "%20"), 1
        )
    options = [f"{rng.choice(_OPTIONS)}={quote(rng.choice([*_IDS[:2], *_IDS[4:], *_NUMBERS]))}" for _ in range(rng.randrange(4))]
    return f"/api/v1/{path}{'?' + '&'.join(options) if options else ''}"


def _typed(rng: random.Random) -> bytes:
    target, method = rng.choice([("events", "POST"), ("items", "PUT"), ("recommend", "POST"), ("abnormal/i1", "POST")])
    body = rng.choice([
        lambda: '{"events":[' + _value(rng) + "]}",
        lambda: "{\"events\":[{" + ",".join(f"{json.dumps(name)}:{_value(rng, 3)}" for name in _FIELDS[:5]) + "}]}",
        lambda: '{"items":[{"item_id":' + _value(rng, 3) + ',"title":' + _value(rng, 3) + ',"price":' + _value(rng, 3) + "}]}",
        lambda: '{"history":' + _value(rng) + ',"wish":' + _value(rng, 3) + ',"n":' + _value(rng, 3) + "}",
        lambda: _value(rng),
        lambda: "[" * 100_000,
        lambda: '{"events":"' + "x" * rng.choice([100_000, 3_000_000, 10_000_000]) + '"}' if rng.random() < 0.05 else "{",
    ])().encode("utf-8", "surrogatepass")  # fmt: skip
    if rng.random() < 0.1:
        body = bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
    kind = rng.choice(["application/json"] * 8 + ["text/plain", "multipart/form-data"])
    return (
        f"{method} /api/v1/{target} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        + body
    )


def _plain(rng: random.Random) -> bytes:
    method = rng.choice(["GET"] * 6 + ["DELETE", "PUT", "POST", "PATCH", "OPTIONS", "HEAD", "TRACE", "PROPFIND"])
    address = _address(rng)
    if method == "DELETE" and rng.random() < 0.9:
        method = "GET"
    return f"{method} {address} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()


def _file(rng: random.Random) -> bytes:
    name = rng.choice(
        [
            "../model.json",
            "..%2f..%2fetc/passwd",
            "%2e%2e/%2e%2e/etc/passwd",
            "a%00.jpg",
            "x" * 6_000,
            ".env",
            "/etc/passwd",
            "..\\..\\windows",
        ]
    )
    return f"GET /{rng.choice(['media', 'pages', 'docs', ''])}/{name} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()


def _broken(rng: random.Random) -> bytes:
    return rng.choice([
        bytes(rng.randrange(256) for _ in range(rng.randrange(1, 300))) + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /api/v1/model HTTP/1.1\r\nhost: evil.example\r\n\r\n",
        b"GET /api/v1/model HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
        b"POST /api/v1/events HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\nzz\r\n",
        b"POST /api/v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n{}",
        b"GET /api/v1/model HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        b"POST /api/v1/events HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n{}",
    ])  # fmt: skip


def fuzz(host: str, port: int, number: int, memory: Callable[[], int], seed: int = 0) -> dict:
    """Send ``number`` requests; how each was answered, and memory at five moments.

    Returns
    -------
    dict
        ``statuses`` (0: closed without an answer), ``faults`` (the requests answered 5xx, their first 300 bytes), ``memory`` in bytes.
    """
    rng = random.Random(seed)
    statuses: collections.Counter[int] = collections.Counter()
    faults: list[str] = []
    remembered = [memory()]
    for n in range(number):
        request = rng.choice([_typed, _typed, _plain, _plain, _plain, _file, _broken])(rng)
        status = 0
        try:
            with socket.create_connection((host, port), 20) as line:
                line.sendall(request)
                line.shutdown(socket.SHUT_WR) if rng.random() < 0.2 else None
                head = line.recv(4_096)
                while head.startswith(b"HTTP/1.1 100"):
                    head = head.partition(b"\r\n\r\n")[2] or line.recv(4_096)
                status = int(head[9:12]) if head.startswith(b"HTTP/1.1 ") else 0
        except OSError:
            status = 0
        statuses[status] += 1
        if status >= 500:
            faults.append(f"{status}: {request[:300]!r}")
        if (n + 1) % max(number // 4, 1) == 0:
            remembered.append(memory())
    return {"requests": number, "seed": seed, "statuses": dict(sorted(statuses.items())), "faults": faults[:20], "memory": remembered}
