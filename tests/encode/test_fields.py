"""From an item's fields to the text that a language model reads."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from crossaisle.encode.fields import SHORT, TITLE_LIMIT, cjk_share, item_paths, item_texts, non_latin_share


def one(**fields: object) -> str:
    return item_texts(pl.DataFrame({name: [value] for name, value in fields.items()}))[0]


def test_order_of_the_fields_and_short_before_long() -> None:
    long = "long " * 60
    text = one(description=long, title="Red pan", brand="Aro", colour="red", category="Home", categories=["Home", "Pans"])
    assert text == f"Red pan. Brand: Aro. Home > Pans. red. {long.strip()}"


def test_contract_columns_that_are_no_text_stay_out() -> None:
    text = one(item_id="i1", title="Pan", price=3.5, available=True, image="a.jpg", video="v.mp4", known=True, keywords="steel")
    assert text == "Pan. steel"


def test_aisle_where_there_is_no_path() -> None:
    items = pl.DataFrame({"category": ["Home", "Home", ""], "categories": [None, ["Home", "Pans"], []]})
    assert item_paths(items) == [["Home"], ["Home", "Pans"], []]
    assert item_texts(items) == ["Home", "Home > Pans", ""]


def test_missing_and_blank_values() -> None:
    assert item_texts(pl.DataFrame({"title": [None, "  ", "Pan."], "brand": [None, "", "Aro"]})) == ["", "", "Pan. Brand: Aro"]
    assert item_texts(pl.DataFrame({"price": [1.0]})) == [""]


def test_chosen_fields_only() -> None:
    items = pl.DataFrame({"title": ["红锅"], "brand": ["阿罗"], "categories": [["厨具", "锅"]], "description": ["不粘"]})
    assert item_texts(items, ["title", "brand", "description"]) == ["红锅. 品牌：阿罗. 不粘"]


def test_a_stuffed_title_is_clipped_at_a_word_so_that_the_rest_is_read() -> None:
    text = one(title="shampoo " * 100, brand="Aro")
    assert text.endswith("shampoo. Brand: Aro")
    assert len(text) <= TITLE_LIMIT + len(". Brand: Aro")
    assert one(title="洗" * 300, brand="Aro") == "洗" * (TITLE_LIMIT // 2) + ". Brand: Aro"
    assert one(title="x" * 300) == "x" * TITLE_LIMIT


@given(title=st.text(max_size=300), brand=st.text(max_size=20), extra=st.text(max_size=2 * SHORT))
def test_nothing_but_the_title_is_cut(title: str, brand: str, extra: str) -> None:
    text = one(title=title, brand=brand, extra=extra)
    assert brand.strip().rstrip(". ") in text
    assert extra.strip().rstrip(". ") in text
    assert title.strip()[: TITLE_LIMIT // 2].split(" ")[0].rstrip(".") in text


@given(st.lists(st.text(), max_size=5))
def test_shares_are_shares(texts: list[str]) -> None:
    assert 0 <= cjk_share(texts) <= 1
    assert 0 <= non_latin_share(texts) <= 1
    assert cjk_share(texts) <= non_latin_share(texts)
