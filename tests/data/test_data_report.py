"""The data report: its numbers by hand, its words in both languages."""

from __future__ import annotations

import re
from typing import Any

import polars as pl
import pytest

from crossaisle.data.build import DataSettings, build_dataset
from crossaisle.data.report import notices, remarks, render_report
from crossaisle.data.report_words import REMARKS, TIME_FORMS, WORDS
from crossaisle.data.times import parse_times

EVENTS = pl.DataFrame(
    [
        ("u", "a", 100, "view"), ("u", "b", 100, "cart"), ("u", "a", 200, "view"), ("u", "c", 300, "view"),
        ("v", "c", None, "view"), ("v", "a", 400, "view"), ("w", "a", 500, "view"), (None, "a", 1, "view"),
    ],
    schema=["user_id", "item_id", "timestamp", "event"],
    orient="row",
)  # fmt: skip
ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "d", "e"],
        "category": ["X", "X", "Y", "Y"],
        "title": ["A", None, "D", "E"],
        "price": ["1", "?", "2", "3"],
        "available": [True, True, True, False],
        "stock": [1, 2, 3, 4],
    }
)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return build_dataset(EVENTS, ITEMS, settings=DataSettings(max_rejected=0.5)).report


def test_numbers(report: dict[str, Any]) -> None:
    assert (report["users"], report["items"], report["interactions"]) == (3, 5, 7)
    assert report["events"] == {"cart": 1, "view": 6}
    assert report["aisles"] == [
        {"aisle": "X", "items": 2, "interactions": 5, "users": 3, "titled": 0.5},
        {"aisle": "", "items": 1, "interactions": 2, "users": 2, "titled": 0.0},
        {"aisle": "Y", "items": 2, "interactions": 0, "users": 0, "titled": 1.0},
    ]
    assert report["users_in_two_aisles"] == 2
    assert report["time"] == {"first": "1970-01-01T00:01:40Z", "last": "1970-01-01T00:08:20Z", "undated": 1, "read_as": "seconds"}
    assert report["order"] == {"repeats": 1, "pairs": 4, "same_time": 1, "same_time_rising_id": 1}
    assert report["unknown_items"] == {"items": 1, "interactions": 2}
    assert (report["never_used"], report["unavailable"]) == (2, 1)
    assert report["text"]["title"] == 0.75
    assert report["text"]["price"] == 0.75
    assert report["history_lengths"] == {"mean": 2.33, "p10": 1.2, "median": 2.0, "p90": 3.6, "max": 4, "single": 1}
    assert report["tables"]["interactions"]["rejected"] == {"missing user_id": 1}
    assert report["tables"]["items"]["left_out"] == {"price": 1}
    assert report["tables"]["items"]["ignored_columns"] == ["stock"]


def test_whole_number_ids_are_compared_as_numbers() -> None:
    events = pl.DataFrame({"user_id": ["u"] * 3, "item_id": [9, 10, 11], "timestamp": [5, 5, 5]})
    assert build_dataset(events).report["order"]["same_time_rising_id"] == 2


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_page(report: dict[str, Any], lang: str) -> None:
    page = render_report(report, lang)
    for word in ("interactions", "missing user_id", "cart", "title", "X", "Y", WORDS[lang]["unnamed"], "1970-01-01T00:01:40Z"):
        assert word in page
    assert "{" not in page
    assert page.count("\n- ") == len(remarks(report, lang)) == 10


def test_remarks_speak_only_of_what_is_there(report: dict[str, Any]) -> None:
    said = remarks(report)
    assert any(line.startswith("1 items (2 interactions) are not in the items table") for line in said)
    assert any("100% of these stand in the order of their item ids" in line for line in said)
    clean = build_dataset(
        pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"], "timestamp": [1, 2]}),
        pl.DataFrame({"item_id": ["a", "b"], "category": ["X", "Y"], "title": ["A", "B"]}),
    ).report
    assert remarks(clean) == ["100.0% of the users have been in two or more aisles; only they can teach how aisles go together."]
    bare = build_dataset(pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"]})).report
    assert [line.split(":")[0] for line in remarks(bare)] == [
        "There is no items table",
        "There is one single aisle",
        "No timestamps and no positions; the order is that of the file and a split by time is not possible.",
    ]
    assert "none of the interactions has one" in render_report(bare)
    assert "没有时间" in render_report(bare, "zh")


def test_many_aisles_are_cut_and_summed() -> None:
    events = pl.DataFrame({"user_id": ["u"] * 30, "item_id": [str(i) for i in range(30)], "category": [f"aisle {i:02}" for i in range(30)]})
    page = render_report(build_dataset(events).report)
    assert "(5 more aisles)" in page
    assert "aisle 24" in page
    assert "aisle 25" not in page


def test_both_languages_say_the_same_things() -> None:
    for words in (WORDS, REMARKS):
        assert words["en"].keys() == words["zh"].keys()
        for key, text in words["en"].items():
            fields = sorted(re.findall(r"\{(\w+)", text))
            assert fields == sorted(re.findall(r"\{(\w+)", words["zh"][key])), key


def test_it_is_said_what_reads_reviews() -> None:
    events = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"]})
    reviews = pl.DataFrame({"user_id": ["u"], "item_id": ["a"], "text": ["good"]})
    report = build_dataset(events, reviews=reviews).report
    assert notices(report) == [
        "The reviews were read and checked (1 kept); a model reads them where reviews is one of model.senses "
        "(--set model.senses=id,text,words,reviews)."
    ]
    assert notices(report, "zh")[0] in render_report(report, "zh")
    assert remarks(report)[-1:] == notices(report)
    assert notices(build_dataset(events).report) == []


def test_the_form_of_times_is_said_in_chinese(report: dict[str, Any]) -> None:
    assert "（按 秒 读取）" in render_report(report, "zh")
    mixed = report | {"time": report["time"] | {"read_as": "milliseconds+ISO 8601"}}
    assert "（按 毫秒+ISO 8601 读取）" in render_report(mixed, "zh")
    assert "read as milliseconds+ISO 8601" in render_report(mixed)
    text = pl.Series(["2017-01-01", "1483228800"])
    forms = [
        parse_times(s)[2]
        for s in (text, pl.Series([20170131]), pl.Series([1483228800000]), pl.Series([None]), text.str.to_date(strict=False))
    ]
    assert set("+".join(forms).split("+")) <= TIME_FORMS.keys()
