"""Tables that come to a finished model."""

import numpy as np
import polars as pl
import pytest

from crossaisle.data.adhoc import read_candidates, read_histories, read_new_items
from crossaisle.data.readers.tables import FAULT
from crossaisle.data.rejected import Rejected
from crossaisle.errors import TableError
from crossaisle.testing import toy_dataset

CODES = {"a": 0, "b": 1, "日本": 2}


def test_histories_come_in_time_order_and_queries_in_order_of_appearance():
    table = pl.DataFrame(
        {"query_id": ["q2", "q1", "q2"], "item_id": ["b", "日本", "a"], "timestamp": [9, 1, 3], "event": ["view", "x", "buy"]}
    )
    ids, histories, notes = read_histories(table, CODES, ("buy", "view"))
    assert ids == ["q2", "q1"]
    assert [r.tolist() for r in histories.rows()] == [[0, 1], [2]]
    assert histories.events.tolist() == [0, 1, -1]  # x is no kind of the model
    assert histories.times.tolist() == [3, 9, 1]
    assert notes == []


def test_a_user_id_serves_as_a_query_id_and_numbers_as_ids():
    ids, histories, _ = read_histories(pl.DataFrame({"user_id": [7, 7], "item_id": ["a", "b"], "position": [2, 1]}), CODES, ("buy",))
    assert ids == ["7"]
    assert histories.row(0).tolist() == [1, 0]


def test_unknown_items_and_bad_rows_are_left_out_and_told():
    table = pl.DataFrame({"query_id": ["q", "q", None], "item_id": ["a", "zz", "b"]})
    ids, histories, notes = read_histories(table, CODES, ("buy",), max_rejected=0.5)
    assert ids == ["q"]
    assert histories.row(0).tolist() == [0]
    assert notes == [
        "1 of 3 history rows were left out, most often: missing query_id",
        "1 of 2 history rows name an item that the model does not know; left out",
    ]
    _, _, notes = read_histories(table, CODES, ("buy",), lang="zh", max_rejected=0.5)
    assert notes == [
        "历史表共 3 行，其中 1 行不能使用，已忽略，最常见的原因：missing query_id",
        "历史共 2 行，其中 1 行的商品模型不认识，已忽略",
    ]


def test_more_bad_rows_than_allowed_stop():
    table = pl.DataFrame({"query_id": ["q"] * 99 + [None] * 2, "item_id": ["zz"] * 98 + ["a"] * 3})
    with pytest.raises(TableError, match=r"2 of 101 rows cannot be used \(2 x missing query_id; first: row 100\); expected at most 1\.00%"):
        read_histories(table, CODES, ("buy",))
    ids, _, _ = read_histories(table[:100], CODES, ("buy",))  # 1 in 100 is allowed, and unknown items are not bad rows
    assert ids == ["q"]
    with pytest.raises(TableError, match=r"candidates: 2 of 101 rows cannot be used"):
        read_candidates(table)


def test_a_query_of_bad_rows_only_is_named():
    table = pl.DataFrame({"query_id": ["p", "q", "q"], "item_id": ["a", "b", "b"], "timestamp": ["1", "soon", "later"]})
    ids, _, notes = read_histories(table, CODES, ("buy",), max_rejected=1)
    assert ids == ["p"]
    assert notes == [
        "2 of 3 history rows were left out, most often: unreadable timestamp",
        "none of the history rows of 'q' can be used (1 without a row)",
    ]
    names = [f"q{i}" for i in range(7)]
    torn = pl.DataFrame({"query_id": ["p", *names], "item_id": ["a"] * 8, FAULT: [None] + ["torn"] * 7})
    _, notes = read_candidates(torn, lang="zh", max_rejected=1)
    assert notes[1] == "'q0', 'q1', 'q2', 'q3', 'q4', ... 的候选行全都不能使用（共 7 个查询）"


def test_rows_without_an_event_have_no_kind_unless_the_model_learned_from_such():
    table = pl.DataFrame({"query_id": ["q"], "item_id": ["a"]})
    assert read_histories(table, CODES, ("purchase", "view"))[1].events.tolist() == [-1]
    assert read_histories(table, CODES, ("interaction", "view"))[1].events.tolist() == [0]
    blank = table.with_columns(event=pl.lit(None, pl.String))
    assert read_histories(blank, CODES, ("purchase",))[1].events.tolist() == [-1]


def test_ids_of_candidates_are_read_as_everywhere():
    floats, _ = read_candidates(pl.DataFrame({"query_id": [1.0], "item_id": [7.0]}))
    assert floats.rows() == [("1", "7")]
    binary, _ = read_candidates(pl.DataFrame({"query_id": [b"q"], "item_id": ["日本".encode()]}))
    assert binary.rows() == [("q", "日本")]
    with pytest.raises(TableError, match="candidates has lists or records in 'item_id'; expected one scalar an id"):
        read_candidates(pl.DataFrame({"query_id": ["q"], "item_id": [["a"]]}))
    with pytest.raises(TableError, match="1 x missing item_id"):
        read_candidates(pl.DataFrame({"query_id": ["q"], "item_id": [b"\xff"]}))


def test_a_query_of_unknown_items_has_an_empty_history():
    ids, histories, _ = read_histories(pl.DataFrame({"query_id": ["p", "q"], "item_id": ["zz", "a"]}), CODES, ("buy",))
    assert ids == ["p", "q"]
    assert histories.lengths.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"item_id": ["a"]}, "no column 'query_id'"),
        ({"query_id": ["q"]}, "no column 'item_id'"),
        ({"query_id": [None], "item_id": ["a"]}, "1 of 1 rows cannot be used"),
        ({"query_id": [], "item_id": []}, "no usable row"),
    ],
)
def test_histories_that_cannot_be_used(columns, message):
    with pytest.raises(TableError, match=message):
        read_histories(pl.DataFrame(columns, schema_overrides={"query_id": pl.String}), CODES, ("buy",))


def test_new_items_get_the_columns_of_the_model():
    known = toy_dataset().items.with_columns(colour=pl.lit("red"))
    new, notes = read_new_items(
        pl.DataFrame({"item_id": [1], "title": ["A &amp; B"], "categories": ["Toys > Cars"], "extra": ["x"]}), known
    )
    assert new.schema == known.schema
    assert new.row(0, named=True) | {"categories": None} == {
        "item_id": "1",
        "category": "Toys",
        "title": "A & B",
        "brand": "",
        "description": "",
        "categories": None,
        "price": None,
        "available": True,
        "image": None,
        "video": None,
        "known": True,
        "colour": "",
    }
    assert notes == ["text columns that the model has not read in training are not used: extra"]


def test_items_that_are_there_already_or_cannot_be_used_are_refused():
    known = toy_dataset().items
    with pytest.raises(TableError, match="1 of 1 items are already in the model, first 'item0003'"):
        read_new_items(pl.DataFrame({"item_id": ["item0003"]}), known)
    with pytest.raises(TableError, match="no usable row"):
        read_new_items(pl.DataFrame({"item_id": [None]}, schema={"item_id": pl.String}), known, rejected=Rejected(1))
    half = pl.DataFrame({"item_id": ["x", None], "price": ["?", "1"]})
    with pytest.raises(TableError, match=r"1 of 2 rows cannot be used \(1 x missing item_id"):
        read_new_items(half, known)
    bad = Rejected(0.5)
    new, notes = read_new_items(half, known, rejected=bad)
    assert (new["item_id"].to_list(), len(bad)) == (["x"], 1)
    assert notes == ["1 of 2 item rows were left out", "1 values of price could not be read and were left out"]


def test_codes_are_those_of_the_model():
    data = toy_dataset()
    _, histories, _ = read_histories(pl.DataFrame({"query_id": ["q"], "item_id": ["item0042"]}), data.item_codes, data.event_names)
    assert np.array_equal(histories.items, [42])
