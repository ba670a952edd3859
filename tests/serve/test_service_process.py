"""What only a process shows: signals, slow clients, limits of a connection, logs. One process serves most of these tests."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
LIMITS = {
    "head_seconds": 0.7,
    "body_seconds": 0.7,
    "idle_seconds": 1,
    "send_seconds": 1.0,
    "max_head": 20_000,
    "max_connections": 40,
    "access_log": True,
}


class Service:
    """The service with the fake engine, as a process."""

    def __init__(self, log: Path, **options: Any) -> None:
        self.log = log
        self._file = log.open("w")
        command = [sys.executable, "-W", "error", str(HERE / "serve_process.py"), "0", json.dumps(options)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._file, text=True, env=os.environ)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        for _ in range(200):  # the line is printed when the engine is loaded; the socket listens a moment later
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.02)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def raw(self, *parts: bytes, pause: float = 0.0) -> bytes:
        """Send pieces, and read until the other side closes."""
        with self.connect() as line:
            try:
                for part in parts:
                    line.sendall(part)
                    time.sleep(pause)
            except OSError:
                pass
            return read_all(line)

    def get(self, path: str) -> bytes:
        return self.raw(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._file.close()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


def read_all(line: socket.socket) -> bytes:
    out = b""
    try:
        while part := line.recv(65_536):
            out += part
    except ConnectionResetError:
        pass
    return out


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    (folder / "media").mkdir()
    (folder / "media" / "big.jpg").write_bytes(b"x" * 30_000_000)
    found = Service(folder / "log", settings=LIMITS, media=str(folder / "media"))
    yield found
    if found.process.poll() is None:
        found.stop(signal.SIGKILL)


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[Service]:
    """A service of one test, with time for a machine that is slow."""
    found = Service(tmp_path / "roomy.log", settings={**LIMITS, "head_seconds": 20.0})
    yield found
    found.stop(signal.SIGKILL)


def test_it_serves(service: Service) -> None:
    answer = service.get("/api/v1/recommend/user-4711?n=1")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"server:" not in head
    assert json.loads(body)["user_id"] == "user-4711"


def test_one_connection_serves_many_requests(service: Service) -> None:
    with service.connect() as line:
        for n in range(5):
            line.sendall(f"GET /api/v1/recommend/u{n}?n=1 HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            answer = b""
            while not answer.endswith(b'"notes":[]}'):  # head and body may come one after the other
                part = line.recv(65_536)
                assert part
                answer += part
            assert f'"user_id":"u{n}"'.encode() in answer


def test_requests_sent_ahead_are_answered_in_order(service: Service) -> None:
    asked = b"".join(f"GET /api/v1/recommend/u{n}?n=1 HTTP/1.1\r\nhost: localhost\r\n\r\n".encode() for n in range(3))
    answer = service.raw(asked)
    assert [answer.index(f'"user_id":"u{n}"'.encode()) for n in range(3)] == sorted(
        answer.index(f'"user_id":"u{n}"'.encode()) for n in range(3)
    )


@pytest.mark.parametrize(
    "text",
    [
        b"GET /api/v1/model HTTP/1.1\r\nhost: localhost\r\n",
        b"\r\n" * 50,
        b"",
        b"GET /api/v1/model HTTP/1.1\r\nhost: localhost\r\n\r\n\r\n\r\n\r\n\r\n",
    ],
    ids=["headers", "empty lines", "nothing", "after a request"],
)
def test_a_client_that_sends_a_byte_at_a_time_is_cut(service: Service, text: bytes) -> None:
    ended = threading.Event()

    def drip(line: socket.socket) -> None:
        for byte in text * 20:
            if ended.is_set():
                return
            try:
                line.sendall(bytes([byte]))
            except OSError:
                return
            time.sleep(0.03)

    with service.connect() as line:
        line.settimeout(30)
        thread = threading.Thread(target=drip, args=(line,))
        thread.start()
        read_all(line)  # ends only when the service closes
        ended.set()
        thread.join()


def test_a_body_that_comes_a_byte_at_a_time_is_408(service: Service) -> None:
    head = b"POST /api/v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"
    answer = service.raw(head, *[b"{"] * 30, pause=0.05)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in answer
    assert b'"found":"the body came too slowly"' in answer


def test_a_body_that_nobody_reads_is_cut_too(service: Service) -> None:
    head = b"GET /api/v1/model HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n"
    answer = service.raw(head, *[b"{"] * 80, pause=0.05)
    assert answer.startswith(b"HTTP/1.1 200")


def test_headers_without_end_are_431(roomy: Service) -> None:
    answer = roomy.raw(b"GET / HTTP/1.1\r\nhost: localhost\r\n", *[b"x-a: " + b"y" * 1_000 + b"\r\n"] * 30, pause=0.002)
    assert answer.startswith(b"HTTP/1.1 431")
    assert b"content-security-policy" in answer


@pytest.mark.parametrize(
    "text",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"GET http://localhost HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /api/v1/events HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /api/v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-length: 999999999999999999999999\r\n\r\n",
    ],
)
def test_what_is_no_http_is_400(service: Service, text: bytes) -> None:
    answer = service.raw(text)
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["found"]


def test_an_upgrade_is_not_taken(service: Service) -> None:
    head = b"GET /api/v1/model HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n\r\n"
    assert not service.raw(head).startswith(b"HTTP/1.1 101")


def test_ten_megabytes_are_413(service: Service) -> None:
    head = b"POST /api/v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 10000000\r\n\r\n"
    assert service.raw(head, b"[" * 10_000_000).startswith(b"HTTP/1.1 413")


def test_a_body_without_end_in_small_pieces_is_cut(service: Service) -> None:
    head = b"POST /api/v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    answer = service.raw(head, *[b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"] * 800)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


def test_who_does_not_take_a_file_is_cut(service: Service) -> None:
    with service.connect() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        line.sendall(b"GET /media/big.jpg HTTP/1.1\r\nhost: localhost\r\n\r\n")
        time.sleep(3.0)
        line.settimeout(20)
        assert len(read_all(line)) < 30_000_000


def test_too_many_connections_are_503_and_the_others_go_on(roomy: Service) -> None:
    lines = [roomy.connect() for _ in range(41)]
    try:
        last = lines[-1]
        last.settimeout(10)
        answer = read_all(last)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1" in answer
        lines[0].sendall(b"GET /api/v1/health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert lines[0].recv(1_000).startswith(b"HTTP/1.1 200")
    finally:
        for line in lines:
            line.close()


def test_the_log_holds_no_id_and_no_trace(service: Service) -> None:
    text = service.log.read_text()
    assert "GET /api/v1/recommend/{user_id} 200" in text
    assert "4711" not in text
    assert "Traceback" not in text


def test_sigterm_lets_requests_in_flight_finish(tmp_path: Path) -> None:
    service = Service(tmp_path / "log", seconds=3.0)
    with service.connect() as line, service.connect() as idle:
        line.sendall(b"GET /api/v1/recommend/u1?n=1 HTTP/1.1\r\nhost: localhost\r\n\r\n")
        time.sleep(1.0)
        service.process.send_signal(signal.SIGTERM)
        answer = read_all(line)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert b'"user_id":"u1"' in answer
        assert read_all(idle) == b""
    assert service.stop() == 0
    assert service.log.read_text() == ""
    with pytest.raises(ConnectionRefusedError):
        service.connect()


def test_ctrl_c_is_130(tmp_path: Path) -> None:
    assert Service(tmp_path / "log").stop(signal.SIGINT) == 130
