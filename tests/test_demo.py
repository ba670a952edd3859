"""The demo, on a small shop and with a small model, from tables to lists; and what it chooses to show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from crossaisle import Dataset, demo
from small_shop import shop_interactions, shop_items

SMALL = {"data.core": "0", "model.senses": "id,words", "model.dim": "16", "train.epochs": "1"}


def with_paths() -> pl.DataFrame:
    """The small shop, its paths one level deeper, so that the aisles are what they are elsewhere."""
    path = pl.concat_list(pl.lit("Shop"), pl.col("categories").str.split(" > "))
    return shop_items().with_columns(categories=path)


@pytest.fixture(scope="module", params=["en", "zh"])
def shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one run told, its sentences and its tables."""
    out, sentences, tables = tmp_path_factory.mktemp("demo"), [], []
    told = demo.run(
        out,
        lang=request.param,
        say=sentences.append,
        table=lambda rows, title: tables.append((title, list(rows))),
        tables=(shop_interactions(), with_paths()),
        settings=SMALL,
    )
    return {"out": out, "lang": request.param, "told": told, "sentences": sentences, "tables": tables}


def test_first_the_two_comparisons_then_three_lists(shown: dict[str, Any]) -> None:
    first, basket, new, *lists = shown["tables"]
    assert {r["model"] for r in first[1]} == set(demo.FIRST_VISIT)
    assert {r["model"] for r in basket[1]} == {r["model"] for r in new[1]} == {*demo.NEXT_BASKET, "popularity-month"}
    assert len(lists) == 3
    for title, rows in lists:
        assert title.startswith("u")
        assert all(r["reason"] for r in rows)


def test_says_plainly_where_ours_stands(shown: dict[str, Any]) -> None:
    told = shown["told"]["first-visit"]["aisle"]
    assert told["verdict"] in shown["sentences"]
    for name in demo.FIRST_VISIT:
        assert name == "crossaisle" or name in told["verdict"]


def test_lists_lie_beyond_the_history(shown: dict[str, Any]) -> None:
    bought = shop_interactions().join(shop_items(), on="item_id")
    for user, account in shown["told"]["lists"].items():
        touched = set(bought.filter(pl.col("user_id") == user)["category"])
        assert account["list"]
        assert not touched & {r["category"] for r in account["list"]}


def test_reports_and_model_lie_where_it_says(shown: dict[str, Any]) -> None:
    for page in shown["told"]["reports"].values():
        assert Path(page).is_file()
        assert page in shown["sentences"][-1]
    assert (Path(shown["told"]["model"]) / "current").is_file()


def test_newest_weeks_of_goods_with_baskets_shuffled() -> None:
    week = 7 * 86_400
    interactions = pl.DataFrame({"user_id": "u", "item_id": [f"i{n}" for n in range(40)], "timestamp": [0] * 10 + [3 * week] * 30})
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(40)], "available": [n != 39 for n in range(40)]})
    newest = demo.newest_weeks(interactions, items, weeks=2)
    assert set(newest["item_id"]) == {f"i{n}" for n in range(10, 39)}
    in_order = newest.sort("position")["item_id"].to_list()
    assert in_order != sorted(in_order)
    assert demo.newest_weeks(interactions, items, weeks=2).equals(newest)
    assert not demo.newest_weeks(interactions, items, weeks=2, seed=1).equals(newest)


def test_shoppers_have_histories_that_are_easy_to_take_in() -> None:
    rows = [("short", f"i{n}") for n in range(2)] + [("right", f"i{n}") for n in range(30)] + [("long", f"i{n}") for n in range(200)]
    users, items = zip(*rows, strict=True)
    data = Dataset.from_frames(pl.DataFrame({"user_id": users, "item_id": items}))
    assert demo.pick_shoppers(data) == ["right", "short", "long"]


def test_the_second_level_is_the_aisle() -> None:
    items = pl.DataFrame(
        {"item_id": ["a", "b"], "category": ["Grocery", "Fuel"], "categories": [["Grocery", "Pizza", "Frozen Pizza"], ["Fuel"]]}
    )
    seen = demo.shelves_as_aisles(items)
    assert seen["category"].to_list() == ["Pizza", "Fuel"]
    assert seen["categories"].to_list() == [["Pizza", "Frozen Pizza"], ["Fuel"]]
    assert seen["department"].to_list() == ["Grocery", "Fuel"]
