"""Cleaning text, category paths, numbers and cores."""

from __future__ import annotations

import collections

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.data.clean import clean_text, k_core, parse_number, split_paths


def cleaned(text: str) -> str:
    return pl.DataFrame({"t": [text]}).select(clean_text(pl.col("t"))).item()


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("Johnson&#39;s &amp; Johnson", "Johnson's & Johnson"),
        ("A &amp;amp; B", "A & B"),
        ("one<br/>two<BR>three", "one two three"),
        ('<span class="x">big</span> <b>deal</b>', "big deal"),
        ("<style>p {color: red}</style>text<script>var a = 1;</script>", "text"),
        ("x < y and a <3 b", "x < y and a <3 b"),
        ("tab\tand\nline\r\n  end ", "tab and line end"),
        ("no\u00a0break\u3000wide", "no break wide"),
        ("bell\x07 zero\u200bwidth\ufeff soft\u00adhyphen", "bell zerowidth softhyphen"),
        ("Cafe\u0301", "Café"),
        ("family 👨\u200d👩\u200d👧", "family 👨\u200d👩\u200d👧"),
        ("  ", ""),
        ("无糖酸奶&nbsp;200克", "无糖酸奶 200克"),
        ("AT&T R&D", "AT&T R&D"),
    ],
)
def test_text(dirty: str, clean: str) -> None:
    assert cleaned(dirty) == clean


@settings(deadline=None)
@given(st.text(max_size=30))
def test_cleaned_text_has_no_controls_and_no_double_blanks(text: str) -> None:
    got = cleaned(text)
    assert got == got.strip()
    assert "  " not in got
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in got)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("Beauty > Makeup > Lips", ["Beauty", "Makeup", "Lips"]),
        ("Beauty &gt; Skin &amp; Hair", ["Beauty", "Skin & Hair"]),
        ("A|B|C", ["A", "B", "C"]),
        ("A › B » C", ["A", "B", "C"]),
        ("Home / Garden", ["Home", "Garden"]),
        ("Cakes/Pies, Tarts", ["Cakes/Pies, Tarts"]),
        ('["A", "B, C"]', ["A", "B, C"]),
        ("['A', \"B's\"]", ["A", "B's"]),
        ("[['A', 'B'], ['C']]", ["A", "B"]),
        ("('A', 'B')", ["A", "B"]),
        ("[sale", ["[sale"]),
        ("[not a list]", ["[not a list]"]),
        ("Gift Cards > Gift Cards", ["Gift Cards"]),
        ("家居>厨房>锅", ["家居", "厨房", "锅"]),
        ("", []),
        (None, []),
        ("A > > B", ["A", "B"]),
    ],
)
def test_paths_in_every_form(value: str | None, path: list[str]) -> None:
    assert split_paths(pl.Series("c", [value, "Z > Z2"], dtype=pl.String)).to_list() == [path, ["Z", "Z2"]]


def test_paths_that_are_lists_already() -> None:
    got = split_paths(pl.Series([["A ", "A", "&amp;"], None, [], [None, "B"]]))
    assert got.to_list() == [["A", "&"], [], [], ["B"]]
    assert split_paths(pl.Series([[["A", "B"], ["C"]], [["D"]]])).to_list() == [["A", "B"], ["D"]]
    assert split_paths(pl.Series([["A", "B"]], dtype=pl.Array(pl.String, 2))).to_list() == [["A", "B"]]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("9.99", 9.99),
        ("$1,299.00", 1299.0),
        ("US$ 5", 5.0),
        ("EUR 12", 12.0),
        ("12 EUR", 12.0),
        ("9,99 €", 9.99),
        ("1.299,50 €", 1299.5),
        ("￥128", 128.0),
        ("128元", 128.0),
        ("1,000", 1000.0),
        ("-3", -3.0),
        ("1e2", 100.0),
        ("$3 - $9", None),
        ("inf", None),
        ("nan", None),
        ("n/a", None),
        ("", None),
    ],
)
def test_numbers_in_text(text: str, number: float | None) -> None:
    assert pl.DataFrame({"p": [text]}).select(parse_number(pl.col("p"))).item() == number


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz")), max_size=40), st.integers(1, 4))
def test_core_is_the_largest_that_holds(pairs: list[tuple[str, str]], core: int) -> None:
    events = pl.DataFrame(pairs, schema={"user_id": pl.String, "item_id": pl.String}, orient="row")
    expected = list(pairs)
    while True:  # drop one user or item at a time, the plain way
        users, items = collections.Counter(u for u, _ in expected), collections.Counter(i for _, i in expected)
        weak = next((("u", u) for u in users if users[u] < core), None) or next((("i", i) for i in items if items[i] < core), None)
        if weak is None:
            break
        expected = [p for p in expected if p[weak[0] == "i"] != weak[1]]
    assert k_core(events, core).rows() == expected
