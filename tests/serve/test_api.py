"""Every call of the API, and every status it can answer, with a fake engine."""

from __future__ import annotations

import pytest
from serve_fakes import Shop


def test_a_list_has_what_the_contract_names(shop: Shop) -> None:
    answer = shop.get("/api/v1/recommend/u1?n=2&explain=true&lang=zh")
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"recommendation_id", "user_id", "model", "degraded", "items", "notes"}
    assert (body["user_id"], body["model"], body["degraded"]) == ("u1", "v0001", False)
    assert [row["rank"] for row in body["items"]] == [1, 2]
    assert set(body["items"][0]) >= {"item_id", "category", "title", "score", "rank", "propensity", "because", "path", "reason"}
    assert shop.engine.asks[0].lang == "zh"


@pytest.mark.parametrize(
    ("query", "field"),
    [("n=0", "n"), ("n=x", "n"), ("n=501", "n"), ("diversity=nan", "diversity"), ("lang=fr", "lang"), ("n=1&n=2", "n"), ("m=1", "m")],
)
def test_a_bad_option_is_named(shop: Shop, query: str, field: str) -> None:
    answer = shop.get(f"/api/v1/recommend/u1?{query}")
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert set(error) == {"found", "expected", "next"}
    assert error["found"].split()[0] == field
