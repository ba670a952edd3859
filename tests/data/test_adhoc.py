"""Tables that come to a finished model."""

import numpy as np
import polars as pl
import pytest

from crossaisle.data.adhoc import read_histories, read_new_items
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
    assert histories.events.tolist() == [0, 1, 0]
    assert histories.times.tolist() == [3, 9, 1]
    assert notes == []


def test_a_user_id_serves_as_a_query_id_and_numbers_as_ids():
    ids, histories, _ = read_histories(pl.DataFrame({"user_id": [7, 7], "item_id": ["a", "b"], "position": [2, 1]}), CODES, ("buy",))
    assert ids == ["7"]
    assert histories.row(0).tolist() == [1, 0]


def test_unknown_items_and_bad_rows_are_left_out_and_told():
    table = pl.DataFrame({"query_id": ["q", "q", None], "item_id": ["a", "zz", "b"]})
    ids, histories, notes = read_histories(table, CODES, ("buy",))
    assert ids == ["q"]
    assert histories.row(0).tolist() == [0]
    assert notes == [
        "1 of 3 history rows were left out, most often: missing user_id",
        "1 of 2 history rows name an item that the model does not know; left out",
    ]


def test_a_query_of_unknown_items_has_an_empty_history():
    ids, histories, _ = read_histories(pl.DataFrame({"query_id": ["p", "q"], "item_id": ["zz", "a"]}), CODES, ("buy",))
    assert ids == ["p", "q"]
    assert histories.lengths.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"item_id": ["a"]}, "no column 'query_id'"),
        ({"query_id": ["q"]}, "no column 'item_id'"),
        ({"query_id": [None], "item_id": ["a"]}, "no usable row"),
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
    assert notes == []


def test_items_that_are_there_already_or_cannot_be_used_are_refused():
    known = toy_dataset().items
    with pytest.raises(TableError, match="1 of 1 items are already in the model, first 'item0003'"):
        read_new_items(pl.DataFrame({"item_id": ["item0003"]}), known)
    with pytest.raises(TableError, match="no usable row"):
        read_new_items(pl.DataFrame({"item_id": [None]}, schema={"item_id": pl.String}), known)
    _, notes = read_new_items(pl.DataFrame({"item_id": ["x", None]}), known)
    assert notes == ["1 of 2 item rows were left out"]


def test_codes_are_those_of_the_model():
    data = toy_dataset()
    _, histories, _ = read_histories(pl.DataFrame({"query_id": ["q"], "item_id": ["item0042"]}), data.item_codes, data.event_names)
    assert np.array_equal(histories.items, [42])
