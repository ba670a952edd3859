"""The catalogue: aisles and paths, prices, availability, further text."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from crossaisle.data.items import CATALOGUE, typed_items
from crossaisle.errors import TableError


def one(**values: Any) -> dict[str, Any]:
    items, _, _ = typed_items(pl.DataFrame({"item_id": ["a"], **{k: [v] for k, v in values.items()}}), "items")
    return items.row(0, named=True)


def test_all_columns_are_there_and_typed() -> None:
    items, left_out, ignored = typed_items(pl.DataFrame({"item_id": [1]}), "items")
    assert {c: items.schema[c] for c in CATALOGUE} == CATALOGUE
    assert (left_out, ignored) == ({}, [])


@pytest.mark.parametrize(
    ("category", "categories", "aisle", "path"),
    [
        ("Beauty", ["Makeup", "Lips"], "Beauty", ["Beauty", "Makeup", "Lips"]),
        ("Beauty", ["Beauty", "Makeup"], "Beauty", ["Beauty", "Makeup"]),
        ("Toys_and_Games", ["Toys & Games", "Puzzles"], "Toys_and_Games", ["Toys & Games", "Puzzles"]),
        ("Makeup", ["Beauty", "Makeup", "Lips"], "Makeup", ["Beauty", "Makeup", "Lips"]),
        ("Beauty", None, "Beauty", ["Beauty"]),
        (None, ["Beauty", "Makeup"], "Beauty", ["Beauty", "Makeup"]),
        (None, None, "", []),
        (" 食品 ", ["饮料"], "食品", ["食品", "饮料"]),
    ],
)
def test_aisle_and_path_complete_each_other(category: str | None, categories: list[str] | None, aisle: str, path: list[str]) -> None:
    raw = pl.DataFrame(
        {"item_id": ["a"], "category": [category], "categories": [categories]},
        schema_overrides={"category": pl.String, "categories": pl.List(pl.String)},
    )
    row = typed_items(raw, "items")[0].row(0, named=True)
    assert (row["category"], row["categories"]) == (aisle, path)


def test_a_path_in_the_category_column() -> None:
    row = one(category="Beauty > Makeup")
    assert (row["category"], row["categories"]) == ("Beauty", ["Beauty", "Makeup"])
    row = one(category=["Beauty", "Makeup"])
    assert (row["category"], row["categories"]) == ("Beauty", ["Beauty", "Makeup"])
    assert one(category="Home / Garden, Pets")["category"] == "Home / Garden, Pets"


def test_prices_and_availability() -> None:
    raw = pl.DataFrame(
        {
            "item_id": list("abcde"),
            "price": ["$9.99", "call us", "", None, "-1"],
            "available": ["no", "TRUE", "perhaps", None, "0"],
        }
    )
    items, left_out, _ = typed_items(raw, "items")
    assert items["price"].to_list() == [9.99, None, None, None, None]
    assert items["available"].to_list() == [False, True, True, True, False]
    assert left_out == {"price": 2, "available": 1}
    native, left_out, _ = typed_items(pl.DataFrame({"item_id": [1, 2], "price": [float("nan"), 3], "available": [False, None]}), "items")
    assert native["price"].to_list() == [None, 3.0]
    assert native["available"].to_list() == [False, True]


@pytest.mark.parametrize(("brand", "kept"), [("OPI", "OPI"), ("Unknown", ""), ("n/a", ""), ("L&#39;Or&eacute;al", "L'Oréal")])
def test_brands_that_say_nothing(brand: str, kept: str) -> None:
    assert one(brand=brand)["brand"] == kept


def test_further_columns_are_text_or_ignored() -> None:
    raw = pl.DataFrame(
        {
            "item_id": ["a", "b"],
            "keywords": ["red &amp; blue", None],
            "tags": [["x", "y"], []],
            "grams": ["100", "2.5"],
            "link": ["https://example.org/1", None],
            "stock": [3, 4],
            "empty": [None, None],
            "colour": pl.Series(["red", "blue"], dtype=pl.Categorical),
        }
    )
    items, _, ignored = typed_items(raw, "items")
    assert items.select("keywords", "tags", "colour").rows() == [("red & blue", "x, y", "red"), ("", "", "blue")]
    assert ignored == ["grams", "link", "stock", "empty"]


def test_media_paths() -> None:
    assert one(image=" a/b.jpg ", video="")["image"] == "a/b.jpg"
    assert one(image=None, video="")["video"] is None


def test_items_without_an_id_are_rejected_and_the_column_is_required() -> None:
    items, _, _ = typed_items(pl.DataFrame({"item_id": ["a", None, " "]}), "items")
    assert items["__reason__"].to_list() == [None, "missing item_id", "missing item_id"]
    with pytest.raises(TableError, match="items has no column 'item_id'"):
        typed_items(pl.DataFrame({"sku": ["a"]}), "items")


def test_lists_where_the_contract_has_a_scalar() -> None:
    assert one(description=["One.", None, "Two."])["description"] == "One. Two."
    for column, value in (("title", [["a"]]), ("price", [1]), ("categories", {"a": 1}), ("category", {"a": 1}), ("image", ["x"])):
        with pytest.raises(TableError, match=f"items has lists or records in '{column}'"):
            one(**{column: value})
