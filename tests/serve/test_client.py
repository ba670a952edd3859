"""The client against the real service with a fake engine, and against a server that misbehaves on purpose."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_service_process import Service

from crossaisle import client as module
from crossaisle.client import Client, NotAllowed, Refused, ServiceAway, ServiceFault, TooBusy, Unknown
from crossaisle.errors import CrossAisleError, RequestError
from crossaisle.serve.keys import add_key


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("client")
    add_key(folder / "keys.json", "other", ("write",))
    found = Service(folder / "log", keys=str(folder / "keys.json"))
    found.key = add_key(folder / "keys.json", "all", ("admin",))  # type: ignore[attr-defined]
    yield found
    found.stop()


@pytest.fixture
def shop(service: Service) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{service.port}", key=service.key) as found:  # type: ignore[attr-defined]
        yield found


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    out: list[float] = []
    monkeypatch.setattr(module.time, "sleep", out.append)
    return out


def test_every_call(shop: Client) -> None:
    assert shop.ready()
    listed = shop.recommend("u/1 你", n=2, categories=["Toys", "Books"], explain=True, where=None)
    assert (listed["user_id"], len(listed["items"]), listed["items"][0]["reason"]) == ("u/1 你", 2, "because")
    assert len(shop.recommend_for(["i1"], wish="a kite", n=3)["items"]) == 3
    assert shop.recommend_for(wish="a kite", user_id="u/1")["user_id"] == "u/1"
    assert len(shop.similar("i1", n=4)) == 4
    assert shop.put_items([{"item_id": "k/1", "title": "a kite"}]) == {"accepted": 1, "rejected": []}
    assert shop.find_items("kite")[0]["item_id"] == "k/1"
    assert shop.delete_item("k/1") == {"removed": "k/1"}
    event = {"user_id": "u1", "item_id": "i1", "event": "view"}
    assert shop.send([event, event]) == {"accepted": 2, "duplicates": 0}
    assert shop.send([{**event, "event_id": "e"}, {**event, "event_id": "e"}]) == {"accepted": 1, "duplicates": 1}
    assert shop.user("u1")["user_id"] == "u1"
    assert shop.forget("u1")["removed"]["events"] == 3
    assert len(shop.shoppers(3)) == 3
    assert shop.graph()["nodes"]
    assert shop.model()["version"] == "v0001"
    assert shop.overview()["abnormal"] == []
    assert shop.undo_abnormal("i1")["undone"] is True


def test_errors_say_what_the_service_said(shop: Client, service: Service) -> None:
    with pytest.raises(Refused, match="422: n is '0'; expected greater than or equal to 1; next: mend n") as refusal:
        shop.recommend("u1", n=0)
    assert (refusal.value.status, refusal.value.found) == (422, "n is '0'")
    with pytest.raises(Unknown, match="404: item 'no' is unknown"):
        shop.similar("no")
    with pytest.raises(NotAllowed, match="401: no key"), Client(f"http://127.0.0.1:{service.port}") as nobody:
        nobody.model()
    assert issubclass(Refused, CrossAisleError)


def test_several_threads_share_a_client(shop: Client) -> None:
    found: dict[int, Any] = {}

    def ask(n: int) -> None:
        found[n] = [shop.recommend(f"u{n}-{i}", n=1)["user_id"] for i in range(5)]
        shop.close()

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: [f"u{n}-{i}" for i in range(5)] for n in range(4)}


class Moody(http.server.BaseHTTPRequestHandler):
    """Answers from a list: (status, headers, body), or None to hang up."""

    protocol_version = "HTTP/1.1"
    script: list[Any] = []  # noqa: RUF012
    seen: list[tuple[str, bytes]] = []  # noqa: RUF012

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.seen.append((self.path, body))
        told = self.script.pop(0)
        if told is None:
            self.close_connection = True
            return
        status, headers, content = told
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *args: Any) -> None:
        return


@pytest.fixture
def moody() -> Iterator[Any]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    Moody.seen = []
    made: list[Client] = []

    def told(*script: Any) -> Client:
        Moody.script = list(script)
        made.append(Client(f"http://127.0.0.1:{server.server_port}/base/", tries=3))
        return made[-1]

    yield told
    for one in made:
        one.close()
    server.shutdown()
    thread.join()
    server.server_close()


BUSY = (503, {"retry-after": "7"}, b'{"error": {"found": "away", "expected": "here", "next": "wait"}}')
GOOD = (200, {}, b'{"accepted": 1, "duplicates": 0}')


def test_it_waits_as_long_as_it_is_told(moody: Any, naps: list[float]) -> None:
    shop = moody(BUSY, (429, {"retry-after": "2"}, b"{}"), GOOD)
    assert shop.send([{"user_id": "u", "item_id": "i", "event": "view"}])["accepted"] == 1
    assert [int(nap) for nap in naps] == [7, 2]
    bodies = [json.loads(body)["events"][0]["event_id"] for _, body in Moody.seen]
    assert len(bodies) == 3
    assert len(set(bodies)) == 1  # the same event all three times
    assert {path for path, _ in Moody.seen} == {"/base/api/v1/events"}


def test_it_gives_up(moody: Any, naps: list[float]) -> None:
    with pytest.raises(TooBusy, match="503: away; expected here; next: wait"):
        moody(BUSY, BUSY, BUSY).model()
    assert len(naps) == 2
    with pytest.raises(TooBusy):
        moody((503, {"retry-after": "3600"}, b"{}")).model()
    with pytest.raises(TooBusy):
        moody((503, {}, b"{}")).model()
    assert len(naps) == 2


def test_a_connection_that_breaks_is_tried_again(moody: Any, naps: list[float]) -> None:
    assert moody(None, GOOD).model()["accepted"] == 1
    assert len(naps) == 1
    with pytest.raises(ServiceAway, match=r"no answer of 127\.0\.0\.1"):
        moody(None, None, None).model()


def test_a_kept_connection_that_was_closed_costs_no_try(moody: Any, naps: list[float]) -> None:
    shop = moody((200, {"connection": "close"}, b"{}"), GOOD, None, GOOD)
    shop.model()
    shop.model()
    shop.model()  # the third answer is a hang-up on the connection that the second one left open
    assert naps == []


def test_answers_that_are_none(moody: Any, naps: list[float]) -> None:
    for told in ((200, {}, b"<html>"), (200, {}, b"[]"), (502, {}, b"bad gateway")):
        with pytest.raises(ServiceFault, match="no JSON object"):
            moody(told).model()
    with pytest.raises(ServiceFault, match="500: an error"):
        moody((500, {}, b'{"detail": "x"}')).model()
    assert naps == []


def test_nobody_there(naps: list[float]) -> None:
    nobody = Client("http://127.0.0.1:9", tries=2)
    assert nobody.ready() is False
    with pytest.raises(ServiceAway):
        nobody.model()
    assert len(naps) == 1


def test_what_cannot_be_sent() -> None:
    with pytest.raises(RequestError, match="the body cannot be sent"):
        Client("http://127.0.0.1:9").send([{"value": float("nan")}])
    for address in ("127.0.0.1:8000", "ftp://x", "http://"):
        with pytest.raises(RequestError, match="address"):
            Client(address)


def test_it_imports_nothing_of_the_package_but_errors() -> None:
    text = Path(module.__file__).read_text()
    assert [line for line in text.splitlines() if "import" in line and "crossaisle" in line] == [
        "from crossaisle.errors import CrossAisleError, RequestError"
    ]
