"""The page on the service itself: a fitted model, a real store, the real application. What is checked is that both mean the same."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed: pip install 'crossaisle[dev]'")
pytest.importorskip("crossaisle.serve.app", reason="the service cannot be loaded: pip install 'crossaisle[serve]'")

import uvicorn
from page_kit import browser, chromium_path, opened
from playwright.sync_api import expect
from toy_shop import toy_shop

from crossaisle import Recommender
from crossaisle.live.engine import Engine
from crossaisle.live.settings import LiveSettings
from crossaisle.records import Records
from crossaisle.serve.app import build_app
from crossaisle.serve.desk import Desk
from crossaisle.serve.keys import KeyFile, add_key
from crossaisle.serve.settings import ServeSettings

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no chromium on this machine: apt-get install chromium")

TINY = {"model.dim": "16", "train.epochs": "2", "model.senses": "id,words", "blend.parts": "markov,word-knn"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Records]]:
    """Where the service is, a key that opens everything, and its store."""
    folder = tmp_path_factory.mktemp("page")
    Recommender.preset("quick", settings=TINY).fit(toy_shop("en")).save(folder / "toy.model")
    records = Records.open(f"sqlite:///{folder}/events.db")
    engine = Engine(folder / "toy.model", records, LiveSettings(log_seconds=0.01))
    keys = Path(folder / "keys.json")
    secret = add_key(keys, "page", ("admin",))
    app = build_app(Desk(engine, records, ServeSettings(), KeyFile(keys)))
    sock = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{sock.getsockname()[1]}/", secret, records
    server.should_exit = True
    thread.join(20)


def test_the_page_and_the_service_mean_the_same(service: tuple[str, str, Records]) -> None:
    url, secret, records = service
    with browser() as running, opened(running) as seen:
        seen.expected.add("401")
        page = seen.page
        seen.go(url)
        page.get_by_label("Key", exact=True).fill(secret)
        page.keyboard.press("Enter")
        person = page.locator(".person").first
        name = person.locator("strong").inner_text()
        person.click()
        expect(page.locator(".card").first).to_be_visible()
        expect(page.locator(".reason").first).to_contain_text("“")

        top = page.locator(".card h4").first.inner_text()
        page.locator(".card .hide").first.click()
        expect(page.locator(".struck")).to_have_text(top)
        page.locator(".lastact button").click()
        expect(page.locator(".struck")).to_have_count(0)
        expect(page.locator(".card h4").first).to_have_text(top)  # the list is made anew, and is what it was
        liked = page.locator(".card h4").nth(1).inner_text()
        page.locator(".card .like").nth(1).click()
        expect(page.locator(".past", has_text=liked)).to_be_visible()
        page.locator(".card .buy").first.click()
        expect(page.locator(".lastact")).to_contain_text("Bought")
        events = records.events_of(name)
        assert [e.event for e in events] == ["hide", "unhide", "like", "purchase"]
        assert all(e.recommendation_id for e in events)

        looked = page.locator(".card h4").nth(2).inner_text()
        page.locator(".card h4 button").nth(2).click()
        expect(page.locator("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)
        expect(page.locator(".past", has_text=looked)).to_be_visible()

        page.get_by_label("Include what they had").check()
        expect(page.locator(".reason", has_text=re.compile("You bought it|Your history holds it already")).first).to_be_visible()
        page.get_by_label("Include what they had").uncheck()
        expect(page.locator(".reason", has_text=re.compile("You bought it|Your history holds it already"))).to_have_count(0)
        page.get_by_label("New aisles only").check()
        expect(page.locator(".badge", has_text="new aisle").first).to_be_visible()
        page.locator("#wish").fill("something for cats")
        page.keyboard.press("Enter")
        expect(page.locator("h2", has_text="something for cats")).to_be_visible()
        page.locator(".card h4 button").first.click()
        expect(page.locator("dialog .likes .pastitem").first).to_be_visible()
        page.keyboard.press("Escape")

        page.get_by_role("link", name="Graph").click()
        page.locator(".node").first.click()
        page.locator(".stepto").first.click()
        expect(page.locator(".step")).to_have_count(2)

        page.get_by_role("link", name="Operator").click()
        expect(page.locator(".figuresrow").first).to_contain_text("v0001")
        expect(page.locator(".curve").first).to_be_visible()
        expect(page.locator(".bars", has_text="Likes").locator(".figures")).to_have_text("1")
        assert seen.axe() == []

        page.goto(f"{url}#/invent")
        page.locator("#search").fill("running")
        page.get_by_role("button", name="Add Trail running shoes").click()
        expect(page.locator(".reason").first).to_be_visible()
        page.get_by_label("Their name").fill("Ann / 小安")
        page.get_by_role("button", name="Make this shopper").click()
        expect(page.locator(".past .pastitem")).to_have_count(1)
        page.get_by_role("button", name="Forget this shopper").click()
        page.get_by_role("button", name="Remove everything").click()
        expect(page.get_by_text("Everything about this shopper is removed.")).to_be_visible()
        assert records.events_of("Ann / 小安") == []
