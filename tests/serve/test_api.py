"""Every call of the API, and every status it can answer, with a fake engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from serve_fakes import Shop

from crossaisle.data.histories import Histories
from crossaisle.errors import BadInput, ModelError
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.request import Request, check_beyond_history, eligible_items
from crossaisle.rank.similar import similar_items
from crossaisle.records.kinds import KINDS
from crossaisle.serve import schemas
from crossaisle.serve.problems import problem_of
from crossaisle.serve.schemas import KIND
from crossaisle.testing import toy_dataset

EVENT = {"event_id": "e1", "user_id": "u1", "item_id": "i1", "event": "view", "timestamp": 1.5}


def refused(answer: Any, status: int) -> str:
    """The answer has the one shape of errors; what was found."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"found", "expected", "next"}
    return str(answer.json()["error"]["found"])


def test_a_list_has_what_the_contract_names(web: Shop) -> None:
    answer = web.get("/api/v1/recommend/u1?n=2&explain=true&lang=zh&categories=Toys,Books")
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"recommendation_id", "user_id", "model", "degraded", "items", "notes"}
    assert (body["user_id"], body["model"], body["degraded"]) == ("u1", "v0001", False)
    assert [row["rank"] for row in body["items"]] == [1, 2]
    assert set(body["items"][0]) >= {"item_id", "category", "title", "score", "rank", "propensity", "because", "path", "reason"}
    ask = web.engine.asks[0]
    assert (ask.user_id, ask.history, ask.wish, ask.n, ask.lang, ask.categories) == ("u1", None, None, 2, "zh", ("Toys", "Books"))


def test_every_option_reaches_the_engine(web: Shop) -> None:
    query = "n=3&beyond_history=1&keep_seen=true&context_item=i2&max_per_category=2&diversity=0.5&where=price%20%3C%2050"
    assert web.get(f"/api/v1/recommend/u1?{query}").status_code == 200
    ask = web.engine.asks[0]
    assert (ask.n, ask.beyond_history, ask.keep_seen, ask.context_item, ask.max_per_category, ask.diversity, ask.where) == (
        3,
        True,
        True,
        "i2",
        2,
        0.5,
        "price < 50",
    )


def test_a_history_and_a_wish(web: Shop) -> None:
    answer = web.ask(
        "POST", "/api/v1/recommend", json={"history": ["i1", "i2"], "wish": "gift for a runner", "n": 1, "categories": ["Toys"]}
    )
    assert answer.status_code == 200
    assert answer.json()["user_id"] is None
    ask = web.engine.asks[0]
    assert (ask.user_id, ask.history, ask.wish, ask.n, ask.categories) == (None, ("i1", "i2"), "gift for a runner", 1, ("Toys",))


def test_a_wish_of_somebody_who_is_known(web: Shop) -> None:
    answer = web.ask("POST", "/api/v1/recommend", json={"user_id": "u1", "wish": "gift for a runner"})
    assert answer.json()["user_id"] == "u1"
    ask = web.engine.asks[0]
    assert (ask.user_id, ask.history, ask.wish) == ("u1", (), "gift for a runner")
    assert refused(web.ask("POST", "/api/v1/recommend", json={"user_id": ""}), 422).startswith("user_id is ''")
    about = web.get("/openapi.json").json()["components"]["schemas"]["RecommendBody"]["properties"]
    assert {"user_id", "wish", "history"} <= set(about)


def test_an_id_may_hold_anything(web: Shop) -> None:
    for told, meant in [
        ("a%2Fb", "a/b"),
        ("%E4%BD%A0%20%F0%9F%99%82", "你 🙂"),
        ("%2E%2E%2Fx", "../x"),
        ("a%0Ab%0D", "a\nb\r"),
        ("%22%27%3Cb%3E", "\"'<b>"),
        ("x" * 10_000, "x" * 10_000),
    ]:
        answer = web.get(f"http://localhost/api/v1/recommend/{told}?n=1")
        assert answer.status_code == 200, told
        assert answer.json()["user_id"] == meant


def test_what_the_engine_refuses_is_422_for_that_request_alone(web: Shop) -> None:
    assert "'Cars'" in refused(web.get("/api/v1/recommend/u1?categories=Cars"), 422)


def test_an_unknown_item_that_is_looked_at_is_404_as_the_api_says(web: Shop) -> None:
    assert "'nope'" in refused(web.get("/api/v1/recommend/u1?context_item=nope"), 404)
    assert "'nope'" in refused(web.ask("POST", "/api/v1/recommend", json={"context_item": "nope"}), 404)
    assert web.get("/api/v1/recommend/u1?context_item=i2").status_code == 200
    paths = web.get("/openapi.json").json()["paths"]
    named = {(path, method) for path, calls in paths.items() for method, call in calls.items() if "404" in call["responses"]}
    assert named == {
        ("/api/v1/recommend/{user_id}", "get"),
        ("/api/v1/recommend", "post"),
        ("/api/v1/similar/{item_id}", "get"),
        ("/api/v1/items/{item_id}", "delete"),
        ("/api/v1/abnormal/{item_id}", "post"),
    }


def test_similar_and_unknown_items(web: Shop) -> None:
    body = web.get("/api/v1/similar/i1?n=2&other_categories=true").json()
    assert body["item_id"] == "i1"
    assert [row["rank"] for row in body["items"]] == [1, 2]
    assert "'nope'" in refused(web.get("/api/v1/similar/nope"), 404)
    assert "'nope'" in refused(web.ask("DELETE", "/api/v1/items/nope"), 404)
    assert "'nope'" in refused(web.ask("POST", "/api/v1/abnormal/nope", json={"undo": True}), 404)


def test_events_count_once(web: Shop) -> None:
    two = {"events": [EVENT, {**EVENT, "event_id": "e2"}]}
    assert web.ask("POST", "/api/v1/events", json=two).json() == {"accepted": 2, "duplicates": 0}
    assert web.ask("POST", "/api/v1/events", json=two).json() == {"accepted": 0, "duplicates": 2}
    assert web.records.events["e1"].timestamp == 1.5


def test_an_event_without_a_time_happened_on_arrival(web: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossaisle.serve.api.time.time", lambda: 77.0)
    assert web.ask("POST", "/api/v1/events", json={"events": [{k: v for k, v in EVENT.items() if k != "timestamp"}]}).status_code == 200
    assert web.records.events["e1"].timestamp == 77.0


def test_the_kinds_of_events_are_the_stores() -> None:
    assert set(KIND.__args__) == set(KINDS)


def test_items_come_and_go(web: Shop) -> None:
    answer = web.ask(
        "PUT", "/api/v1/items", json={"items": [{"item_id": "new", "title": "a <i>kite</i>", "colour": "red"}, {"item_id": "bad"}]}
    )
    assert answer.json() == {"accepted": 1, "rejected": [{"item_id": "bad", "reason": "it has no title"}]}
    assert web.engine.items["new"] == {"category": None, "item_id": "new", "title": "a <i>kite</i>", "colour": "red"}
    assert web.get("/api/v1/items?q=kite").json()["items"][0]["item_id"] == "new"
    assert web.ask("DELETE", "/api/v1/items/new").json() == {"removed": "new"}
    assert "new" not in web.engine.items


def test_categories_of_an_item_are_a_list_however_they_were_told(web: Shop) -> None:
    rows = [{"item_id": str(n), "title": "t", "categories": told} for n, told in enumerate(["A > B C >", ["A > B", "C"], "", None])]
    assert web.ask("PUT", "/api/v1/items", json={"items": rows}).json()["accepted"] == 4
    assert [web.engine.items[str(n)]["categories"] for n in range(4)] == [["A", "B C"], ["A > B", "C"], [], None]


def test_a_person_is_told_and_forgotten(web: Shop) -> None:
    web.ask("POST", "/api/v1/events", json={"events": [EVENT]})
    assert web.get("/api/v1/users/u1").json()["user_id"] == "u1"
    assert web.ask("DELETE", "/api/v1/users/u1").json() == {"user_id": "u1", "removed": {"events": 1, "lists": 0}}
    assert web.records.events == {}


def test_the_other_calls(web: Shop) -> None:
    assert web.get("/api/v1/graph").json()["nodes"] == ["Books", "Toys"]
    assert web.get("/api/v1/model").json() == {"version": "v0001"}
    assert web.get("/api/v1/overview").json()["abnormal"] == []
    assert len(web.get("/api/v1/shoppers?n=3").json()["shoppers"]) == 3
    assert web.ask("POST", "/api/v1/abnormal/i1", json={"undo": True}).json() == {"item_id": "i1", "undone": True}
    assert web.get("/api/v1/health/live").json() == {"live": True}
    assert web.get("/api/v1/health/ready").json() == {"ready": True, "store": "ok"}


def test_a_store_that_is_away(web: Shop) -> None:
    web.records.away = True
    for answer in (web.ask("POST", "/api/v1/events", json={"events": [EVENT]}), web.ask("DELETE", "/api/v1/users/u1")):
        assert refused(answer, 503) == "the store of events is away"
        assert answer.headers["retry-after"] == "2"
    lists = web.get("/api/v1/recommend/u1")
    assert (lists.status_code, lists.json()["degraded"]) == (200, True)
    assert web.get("/api/v1/health/ready").json() == {"ready": True, "store": "away"}
    web.records.away = False
    assert web.ask("POST", "/api/v1/events", json={"events": [EVENT]}).json()["accepted"] == 1


def test_a_model_that_cannot_be_used_is_503(web: Shop) -> None:
    web.engine.broken = ModelError("a broken model at /secret", "a whole one", "fit")
    answer = web.get("/api/v1/recommend/u1")
    assert refused(answer, 503) == "the model cannot be used"
    assert "secret" not in answer.text


def test_a_fault_tells_nothing_outward_and_no_id_in_the_log(web: Shop, caplog: pytest.LogCaptureFixture) -> None:
    web.engine.broken = ValueError("user-4711 of /etc/passwd")
    answer = web.get("/api/v1/recommend/user-4711")
    assert refused(answer, 500) == "a fault of the service"
    assert "4711" not in answer.text
    assert "ValueError" in caplog.text
    assert "4711" not in caplog.text
    assert "serve_fakes.py" in caplog.text


def test_addresses_that_are_none(web: Shop) -> None:
    refused(web.get("/api/v1/nothing"), 404)
    refused(web.get("/nothing"), 404)
    answer = web.ask("PATCH", "/api/v1/events")
    refused(answer, 405)
    assert answer.headers["allow"] == "POST"
    assert web.ask("PATCH", "/api/v1/users/u1").headers["allow"] == "DELETE, GET"
    assert web.ask("POST", "/docs").headers["allow"] == "GET, HEAD"


def test_security_headers_are_on_every_answer(web: Shop) -> None:
    for path in ("/api/v1/recommend/u1", "/api/v1/similar/nope", "/nothing", "/docs", "/metrics"):
        headers = web.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'"), path
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
    preflight = web.ask("OPTIONS", "/api/v1/events", headers={"origin": "https://elsewhere", "access-control-request-method": "POST"})
    assert preflight.status_code == 405
    assert "access-control-allow-origin" not in preflight.headers


def test_metrics_hold_templates_and_no_ids(web: Shop) -> None:
    async def story(client: Any) -> str:
        await client.get("/api/v1/recommend/user-4711?n=1")
        await client.get("/nothing/user-4711")
        await client.request("BREW", "/api/v1/events")
        await client.post("/api/v1/events", json={"events": [EVENT, EVENT]})
        return str((await client.get("/metrics")).text)

    text = web.run(story)
    assert 'crossaisle_requests_total{method="GET",route="/api/v1/recommend/{user_id}",status="200"} 1.0' in text
    assert 'crossaisle_requests_total{method="GET",route="none",status="404"} 1.0' in text
    assert 'method="other",route="/api/v1/events",status="405"' in text
    assert 'crossaisle_events_total{outcome="accepted"} 1.0' in text
    assert 'crossaisle_events_total{outcome="duplicate"} 1.0' in text
    assert "crossaisle_batch_size_sum 1.0" in text
    assert 'crossaisle_waiting{lane="fast"} 0.0' in text
    assert "4711" not in text


def test_the_access_log_holds_templates_and_no_ids(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="crossaisle.serve.access")
    web = Shop(access_log=True)
    web.get("/api/v1/recommend/user-4711?context_item=item-4712", headers={"authorization": "Bearer ca_4713"})
    assert "GET /api/v1/recommend/{user_id} 404" in caplog.text
    assert "471" not in next(r for r in caplog.records if r.name == "crossaisle.serve.access").getMessage()


def test_the_docs_tell_every_call_and_status(web: Shop) -> None:
    description = web.get("/openapi.json").json()
    calls = {(method.upper(), path) for path, methods in description["paths"].items() for method in methods}
    assert len(calls) == 16
    for method, path in calls:
        of = description["paths"][path][method.lower()]
        assert {"200", "422", "500", "503"} <= set(of["responses"]), path
        if method in ("POST", "PUT"):
            assert {"408", "413", "415"} <= set(of["responses"]), path
    page = web.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert all(path in page.text for _, path in calls)
    assert "<script" not in page.text
    assert web.get("/docs.css").headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/api/v1/recommend/u1?explain=true", schemas.Recommendations),
        ("/api/v1/similar/i1", schemas.SimilarItems),
        ("/api/v1/items", schemas.FoundItems),
        ("/api/v1/shoppers", schemas.Shoppers),
        ("/api/v1/users/u1", schemas.UserAnswer),
        ("/api/v1/health/ready", schemas.Ready),
        ("/api/v1/health/live", schemas.Live),
        ("/api/v1/nothing", schemas.ProblemBody),
    ],
)
def test_answers_are_as_described(web: Shop, path: str, model: Any) -> None:
    model.model_validate(web.get(path).json(), strict=True)


def test_a_close_writes_what_is_unwritten(web: Shop) -> None:
    web.get("/api/v1/health/live")
    assert (web.engine.flushed, web.engine.closed, web.records.closed) == (True, True, True)


def test_new_versions_are_looked_for_and_a_fault_there_ends_nothing(web: Shop, caplog: pytest.LogCaptureFixture) -> None:
    import asyncio

    def look() -> bool:
        web.engine.looks += 1
        raise ModelError("broken", "whole", "fit")

    web.engine.look_for_new_version = look  # type: ignore[method-assign]

    async def story(client: Any) -> int:
        while web.engine.looks < 3:
            await asyncio.sleep(0.01)
        return int((await client.get("/api/v1/recommend/u1")).status_code)

    assert web.run(story) == 200
    assert "fault in look for a new version: ModelError" in caplog.text


def test_advice_over_http_is_for_who_calls_the_service() -> None:
    catalogue = Catalogue.of(toy_dataset())
    one = Catalogue(catalogue.items.with_columns(category=pl.lit("Books")), catalogue.counts)
    vectors = np.ones((one.n_items, 2), np.float32)
    faults: list[tuple[Callable[[], Any], int, str]] = [
        (lambda: catalogue.code("no such id at all"), 404, "check the id, or add the item with: PUT /api/v1/items"),
        (lambda: eligible_items(Request(k=1, where="price <"), catalogue), 422, "mend the parameter where"),
        (lambda: eligible_items(Request(k=1, where="title < 5"), catalogue), 422, "mend the parameter where"),
        (lambda: eligible_items(Request(k=1, where="x" * 20_001), catalogue), 422, "make the parameter where shorter"),
        (lambda: similar_items(vectors, one, 0, 3, True), 422, "leave out other_categories"),
        (lambda: check_beyond_history(Request(k=1), one, Histories.from_lists([[0]])), 422, "leave out beyond_history"),
    ]
    for fault, status, step in faults:
        with pytest.raises(BadInput) as caught:
            fault()
        problem = problem_of(caught.value)
        assert (problem.status, problem.next_step) == (status, step)
        assert (problem.found, problem.expected) == (caught.value.found, caught.value.expected)
