"""What comes from people who mean no good, or from programs that have a fault: each is refused by name, none is a fault of the service."""

from __future__ import annotations

from typing import Any

import pytest
from serve_fakes import Shop
from test_api import EVENT, refused

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("n=0", "n"),
        ("n=x", "n"),
        ("n=501", "n"),
        ("n=1e3", "n"),
        ("n=", "n"),
        ("diversity=nan", "diversity"),
        ("diversity=inf", "diversity"),
        ("diversity=2", "diversity"),
        ("lang=fr", "lang"),
        ("beyond_history=maybe", "beyond_history"),
        ("keep_seen=maybe", "keep_seen"),
        ("context_item=", "context_item"),
        ("context_item=a%00b", "context_item"),
        ("categories=%00", "categories"),
        ("max_per_category=0", "max_per_category"),
        ("where=" + "x" * 1_001, "where"),
        ("n=1&n=2", "n"),
        ("m=1", "m"),
    ],
)
def test_a_bad_option_is_named(web: Shop, query: str, field: str) -> None:
    found = refused(web.get(f"/api/v1/recommend/u1?{query}"), 422)
    assert found.split()[0].split("[")[0] == field
    assert web.engine.asks == []


@pytest.mark.parametrize("query", ["%ff=1", "n", "&".join(f"a{i}=1" for i in range(200))])
def test_a_query_that_cannot_be_read(web: Shop, query: str) -> None:
    assert refused(web.get(f"/api/v1/recommend/u1?{query}"), 422)


def test_calls_without_options_take_none(web: Shop) -> None:
    assert refused(web.get("/api/v1/model?x=1"), 422) == "x is no field of this request"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"user_id": 7}, "events[0].user_id is 7"),
        ({"user_id": ""}, "events[0].user_id is ''"),
        ({"user_id": None}, "events[0].user_id is null"),
        ({"user_id": "x" * 10_001}, "events[0].user_id is 'xxxx"),
        ({"user_id": "a\x00b"}, r"events[0].user_id is 'a\x00b'"),
        ({"event": "steal"}, "events[0].event is 'steal'"),
        ({"timestamp": -1}, "events[0].timestamp is -1"),
        ({"timestamp": "now"}, "events[0].timestamp is 'now'"),
        ({"timestamp": 1.7e12}, "events[0].timestamp is 1700000000000.0"),
        ({"timestamp": True}, "events[0].timestamp is true"),
        ({"value": "5"}, "events[0].value is '5'"),
        ({"more": 1}, "events[0].more is no field"),
        ({"recommendation_id": ["r"]}, "events[0].recommendation_id is a list"),
    ],
)
def test_a_bad_event_is_named_and_none_of_the_batch_is_kept(web: Shop, change: dict[str, Any], found: str) -> None:
    answer = web.ask("POST", "/api/v1/events", json={"events": [{**EVENT, **change}, {**EVENT, "event_id": "good"}]})
    assert refused(answer, 422).startswith(found)
    assert web.records.events == {}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", "the body is no JSON"),
        (b"{", "the body is no JSON"),
        (b"nul", "the body is no JSON"),
        (b"\xff\xfe", "the body is no JSON"),
        (b'{"events": [{"event_id": "\\ud800"}]}', "the body is no JSON"),
        (b'{"events": NaN}', "the body is no JSON"),
        (b'{"events": Infinity}', "the body is no JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "the body is no JSON"),
        (b"[]", "the body is an empty list"),
        (b"null", "the body is null"),
        (b'"x"', "the body is 'x'"),
        (b"7", "the body is 7"),
        (b"{}", "events is missing"),
        (b'{"events": []}', "events is an empty list"),
        (b'{"events": {}}', "events is an object"),
        (b'{"events": ' + b"[" * 500 + b"]" * 500 + b"}", "events[0] is a list"),
        (b'{"events": [{"event_id": ' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}]}", "events[0].event_id is an object"),
    ],
)
def test_a_body_that_is_none(web: Shop, body: bytes, found: str) -> None:
    assert refused(web.ask("POST", "/api/v1/events", content=body, headers=JSON), 422).startswith(found)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], "an object with events"),
        ({"events": []}, "a list of at least 1"),
        ({"events": [EVENT] * 1_001}, "a list of at most 1,000"),
        ({"events": {}}, "a list"),
        ({"events": [7]}, "an object with event_id, user_id, item_id, event, timestamp, value, recommendation_id"),
        ({"events": [{**EVENT, "more": 1}]}, "some of: event_id, user_id, item_id, event, timestamp, value, recommendation_id"),
        ({"events": [EVENT], "more": 1}, "some of: events"),
        ({"events": [{**EVENT, "user_id": 7}]}, "a text"),
        ({"events": [{**EVENT, "user_id": ""}]}, "at least 1 character"),
        ({"events": [{**EVENT, "user_id": "\x00"}]}, "a text without null bytes"),
        ({"events": [{**EVENT, "value": "x"}]}, "a number"),
        ({"events": [{**EVENT, "timestamp": -1}]}, "greater than or equal to 0"),
    ],
)
def test_what_would_have_been_right_is_said_in_words_of_json(web: Shop, body: Any, expected: str) -> None:
    answer = web.ask("POST", "/api/v1/events", json=body)
    refused(answer, 422)
    assert answer.json()["error"]["expected"] == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [("n=x", "a whole number"), ("diversity=x", "a number"), ("explain=x", "true or false"), ("lang=de", "'en' or 'zh'")],
)
def test_what_an_option_would_have_been_is_said_in_plain_words(web: Shop, query: str, expected: str) -> None:
    assert web.get(f"/api/v1/recommend/u1?{query}").json()["error"]["expected"] == expected


def test_a_number_beyond_all_bounds_is_no_infinity(web: Shop) -> None:
    body = b'{"events": [{"event_id": "e", "user_id": "u", "item_id": "i", "event": "rating", "value": 1e999}]}'
    refused(web.ask("POST", "/api/v1/events", content=body, headers=JSON), 422)
    assert web.records.events == {}


def test_too_many_in_a_batch(web: Shop) -> None:
    rows = [{**EVENT, "event_id": str(i)} for i in range(1_001)]
    assert refused(web.ask("POST", "/api/v1/events", json={"events": rows}), 422) == "events is a list"
    assert web.ask("POST", "/api/v1/events", json={"events": rows[:1_000]}).json() == {"accepted": 1_000, "duplicates": 0}


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({}, "items[0].item_id is missing"),
        ({"item_id": "a", "price": -1}, "items[0].price is -1"),
        ({"item_id": "a", "price": "cheap"}, "items[0].price is 'cheap'"),
        ({"item_id": "a", "available": "yes"}, "items[0].available is 'yes'"),
        ({"item_id": "a", "title": "x" * 20_001}, "items[0].title is"),
        ({"item_id": "a", "title": "\x00"}, "items[0].title is"),
        ({"item_id": "a", "colour": {"deep": 1}}, "items[0].colour is an object"),
        ({"item_id": "a", "categories": [1]}, "items[0].categories[0] is 1"),
        ({"item_id": "a", "": 1}, "items[0] is an object"),
        ({"item_id": "a", "a\x00b": 1}, "items[0] is an object"),
        ({"item_id": "a", "x" * 201: 1}, "items[0] is an object"),
        ({"item_id": "a", **{f"c{n}": n for n in range(100)}}, "items[0] is an object"),
    ],
)
def test_a_bad_item_is_named(web: Shop, row: dict[str, Any], found: str) -> None:
    assert refused(web.ask("PUT", "/api/v1/items", json={"items": [row]}), 422).startswith(found)


def test_sql_and_html_are_text(web: Shop) -> None:
    for text in ("'; DROP TABLE events; --", "<script>alert(1)</script>", "{{7*7}}", "../../etc/passwd", "\u202e"):
        assert web.ask("POST", "/api/v1/events", json={"events": [{**EVENT, "event_id": text, "user_id": text}]}).status_code == 200
        assert web.records.events[text].user_id == text
        answer = web.ask("POST", "/api/v1/recommend", json={"wish": text})
        assert answer.headers["content-type"] == "application/json"


def test_a_large_body_is_413_whether_its_size_is_told_or_not(web: Shop) -> None:
    body = b'{"events": "' + b"x" * 10_000_000 + b'"}'
    answer = web.ask("POST", "/api/v1/events", content=body, headers=JSON)
    assert refused(answer, 413) == "the body is too large"
    assert answer.headers["connection"] == "close"

    async def pieces() -> Any:
        for _ in range(100):
            yield b"x" * 100_000

    refused(web.ask("POST", "/api/v1/events", content=pieces(), headers=JSON), 413)
    refused(web.ask("POST", "/api/v1/events", content=b"{}", headers={**JSON, "content-length": "99999999999"}), 413)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"]
)
def test_a_form_of_another_site_cannot_post(web: Shop, kind: str) -> None:
    refused(web.ask("POST", "/api/v1/events", content=b'{"events": []}', headers={"content-type": kind}), 415)
    assert (
        web.ask("POST", "/api/v1/recommend", content=b"{}", headers={"content-type": "Application/JSON; charset=utf-8"}).status_code == 200
    )


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.1.2", "", "[::2]:80", "a:b:c"]
)
def test_without_keys_only_this_machine_is_addressed(web: Shop, host: str) -> None:
    assert "Host" in refused(web.get("/api/v1/model", headers={"host": host}), 400)


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:9", "127.5.5.5", "[::1]", "[::1]:8000", "::1"])
def test_this_machine_has_many_names(web: Shop, host: str) -> None:
    assert web.get("/api/v1/model", headers={"host": host}).status_code == 200


def test_an_id_in_the_address_has_bounds(web: Shop) -> None:
    for path in ("/api/v1/recommend/", "/api/v1/recommend/" + "x" * 10_001, "/api/v1/users/a%00b", "/api/v1/similar/%00"):
        assert refused(web.get(path), 422)
