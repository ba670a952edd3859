"""``crossaisle serve`` with a real model and a real store: one process, and several."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossaisle import Recommender
from crossaisle.cli.main import run
from crossaisle.client import Client, Unknown
from crossaisle.serve.run import listen
from crossaisle.testing import toy_dataset
from forks import Command
from small_model import TINY


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve") / "toy.model"
    Recommender.preset("quick", settings=TINY).fit(toy_dataset(n_users=80, n_items=40)).save(folder)
    return folder


class Served:
    """The command as a process: a new one, or one forked from where the modules are loaded already, which starts much faster."""

    def __init__(self, model: Path, log: Path, *options: str, forked: bool = False) -> None:
        self.log = log
        arguments = ["serve", str(model), "--port", "0", *options]
        self.process: Any
        with log.open("w") as errors:
            if forked:
                self.process = Command(arguments, log)
            else:
                command = [sys.executable, "-m", "crossaisle", *arguments]
                self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=os.environ)
        line = self.process.stdout.readline()
        assert line.startswith("serving "), log.read_text()
        self.address = line.split(" on ")[1].split(" ")[0]
        self.shop = Client(self.address)
        while not self.shop.ready():
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.shop.close()
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.process.stdout.close()
        return int(code)


@pytest.fixture(scope="module")
def served(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    found = Served(model, folder / "log", "--store", f"sqlite:///{folder / 'events.db'}")
    yield found
    if found.process.poll() is None:
        assert found.stop() == 0
        assert found.log.read_text() == ""


def test_the_story_of_a_shopper(served: Served) -> None:
    shop = served.shop
    someone = shop.shoppers(1)[0]["user_id"]
    listed = shop.recommend(someone, n=5, explain=True)
    assert listed["degraded"] is False
    assert len(listed["items"]) == 5
    assert all(row["reason"] for row in listed["items"])
    first = listed["items"][0]["item_id"]
    hidden = {"user_id": someone, "item_id": first, "event": "hide", "recommendation_id": listed["recommendation_id"]}
    assert shop.send([hidden]) == {"accepted": 1, "duplicates": 0}
    assert first not in [row["item_id"] for row in shop.recommend(someone, n=20)["items"]]
    assert first in [row["item_id"] for row in shop.user(someone)["hidden"]]
    assert shop.forget(someone)["removed"]["events"] == 1
    assert shop.recommend("a new one", n=3)["items"]
    assert shop.recommend_for(["item0001"], wish="a red lamp", n=3)["items"]


def test_items_come_and_go(served: Served) -> None:
    shop = served.shop
    new = {"item_id": "new <b>1</b>", "title": "a classic red kite", "category": "Books", "price": 3.5}
    assert shop.put_items([new])["accepted"] == 1
    assert shop.find_items("KITE")[0]["item_id"] == "new <b>1</b>"
    assert "new <b>1</b>" in [row["item_id"] for row in shop.recommend("a new one", n=100)["items"]]
    shop.delete_item("new <b>1</b>")
    assert "new <b>1</b>" not in [row["item_id"] for row in shop.recommend("a new one", n=100)["items"]]


def test_items_whose_columns_do_not_fit_each_other_are_no_fault(served: Served) -> None:
    odd: list[dict[str, Any]] = [
        {"item_id": "odd 1", "title": "t", "category": "Books", "colour": 5e300, "categories": "A > B"},
        {"item_id": "odd 2", "title": "", "category": None, "colour": "red", "categories": ["A"]},
        {"item_id": "odd 3", "title": "t", "category": "Books", "colour": None},
        {"item_id": "odd 3", "title": "t", "category": "Books", "price": 1},
    ]
    told = served.shop.put_items(odd)
    assert told["accepted"] + len(told["rejected"]) == 4
    for n in (1, 2, 3):
        try:
            served.shop.delete_item(f"odd {n}")
        except Unknown:
            assert any(row["item_id"] == f"odd {n}" for row in told["rejected"])


def test_the_other_answers(served: Served) -> None:
    shop = served.shop
    assert len(shop.similar("item0001", n=3)) == 3
    assert shop.model()["version"] == "v0001"
    assert {"quality", "abnormal", "swaps"} <= set(shop.overview())
    assert shop.graph()


def test_several_workers_are_one_service(model: Path, tmp_path: Path) -> None:
    served = Served(model, tmp_path / "log", "--store", f"sqlite:///{tmp_path / 'events.db'}", "--workers", "2")
    try:
        before = children(served.process.pid)
        assert len(before) == 2
        # each request comes over a new connection, so that both workers get some
        for n in range(30):
            with Client(served.address) as one:
                assert one.send([{"user_id": "u", "item_id": "item0001", "event": "view", "event_id": f"e{n}"}])["accepted"] == 1
        counted(served, "/api/v1/events", 30)
        os.kill(before[0], signal.SIGKILL)
        while len(after := [pid for pid in children(served.process.pid) if pid != before[0]]) < 2:
            time.sleep(0.05)
        assert before[1] in after
        with Client(served.address) as one:
            assert one.send([{"user_id": "u", "item_id": "item0001", "event": "view", "event_id": f"e{n}"} for n in range(30)]) == {
                "accepted": 0,
                "duplicates": 30,
            }
        counted(served, "/api/v1/events", 31)  # what the one that is gone has counted stays
    finally:
        assert served.stop() == 0
    assert children(served.process.pid) == []
    assert "another is started" in served.log.read_text()


def test_workers_end_with_the_process_that_started_them(model: Path, tmp_path: Path) -> None:
    served = Served(model, tmp_path / "log", "--store", f"sqlite:///{tmp_path / 'events.db'}", "--workers", "2")
    pids = children(served.process.pid)
    served.stop(signal.SIGKILL)
    until = time.monotonic() + 60
    while any(alive(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in pids)


def test_what_cannot_be_served(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def fails(*options: str) -> str:
        free = [] if "--port" in options else ["--port", "0"]
        assert run(["serve", *options, *free]) == 2
        said = capfd.readouterr().err
        assert said.count("\n") == 1
        return said

    store = f"sqlite:///{tmp_path / 'events.db'}"
    assert "model" in fails(str(tmp_path / "no"), "--store", store)
    assert fails(str(model), "--store", f"sqlite:///{tmp_path}/no/events.db")
    assert "keys file" in fails(str(model), "--store", store, "--keys", str(tmp_path / "keys.json"))
    assert "does not exist" in fails(str(model), "--store", store, "--media", str(tmp_path / "no"))
    assert "unknown setting" in fails(str(model), "--store", store, "--set", "serve.ratee=1")
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        assert "cannot listen" in fails(str(model), "--store", store, "--port", str(taken.getsockname()[1]))
    (tmp_path / "broken.model").mkdir()
    (tmp_path / "broken.model" / "current").write_text("v0007")
    fails(str(tmp_path / "broken.model"), "--store", store)
    fails(str(tmp_path / "broken.model"), "--store", store, "--workers", "2")


def test_workers_do_not_share_the_address_of_another_service(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossaisle.serve.main._Keeper.keep", lambda keeper: 0)
    with listen("127.0.0.1", 0, shared=True) as taken:  # as a worker of the other does
        taken.listen()
        port, store = str(taken.getsockname()[1]), f"sqlite:///{tmp_path / 'events.db'}"
        assert run(["serve", str(model), "--store", store, "--workers", "2", "--port", port]) == 2
    assert "cannot listen" in capfd.readouterr().err


def children(pid: int) -> list[int]:
    out = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if stat[1] == str(pid) and stat[0] != "Z":
                out.append(int(entry.name))
    return sorted(out)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def requests_counted(served: Served, route: str) -> int:
    import urllib.request

    with urllib.request.urlopen(f"{served.address}/metrics") as answer:
        text: Any = answer.read().decode()
    lines = [line for line in text.splitlines() if line.startswith("crossaisle_requests_total") and f'route="{route}"' in line]
    return int(sum(float(line.rpartition(" ")[2]) for line in lines))


def counted(served: Served, route: str, n: int) -> None:
    """Each worker counts a request once it has answered, and any of them may be asked how many there were."""
    for _ in range(100):
        if requests_counted(served, route) == n:
            return
        time.sleep(0.1)
    assert requests_counted(served, route) == n


def test_the_plan_of_a_worker_is_json() -> None:
    from dataclasses import asdict

    from crossaisle.serve.main import Plan

    plan = Plan("m", "sqlite:///e", "127.0.0.1", 1, workers=3)
    assert Plan(**json.loads(json.dumps(asdict(plan)))) == plan
