"""What buyers say of an item, and what people wrote of the items of their histories, as vectors."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest

from crossaisle.data.histories import Histories
from crossaisle.data.own_reviews import link
from crossaisle.encode.reviews import OwnReviewReader, ReviewSettings, chosen_reviews, moment_of, review_sense
from crossaisle.errors import SettingError

DAY = 86_400.0
PLAIN = ReviewSettings(min_chars=0, half_life_days=0.0, helpful=False, shrink=0.0)
IDS = pl.Series("item_id", ["a", "b", "c"])


def said(*rows: tuple[str, float | None, str, float | None]) -> pl.DataFrame:
    schema = {"item_id": pl.String, "timestamp": pl.Float64, "text": pl.String, "helpful": pl.Float64}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


class Letters:
    """A fake language model: how often a, b and c stand in the text."""

    dim = 3

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts):
        self.asked += list(texts)
        return np.array([[t.count(c) for c in "abc"] for t in texts], dtype=np.float32).reshape(len(texts), 3)


def sense(reviews, settings=PLAIN):
    return review_sense(reviews, IDS, settings, Letters(), 3)


def test_the_mean_of_an_items_reviews_and_none_without():
    got = sense(said(("a", 1.0, "a", None), ("a", 2.0, "b", None), ("c", 1.0, "cc", None), ("elsewhere", 1.0, "a", None)))
    assert got.present.tolist() == [True, False, True]
    np.testing.assert_allclose(got.values, [[0.5, 0.5, 0], [0, 0, 0], [0, 0, 2]])
    for empty in (None, said(), said(("a", 1.0, "", None))):
        assert not sense(empty).present.any()


def test_few_reviews_are_drawn_towards_the_mean_item():
    reviews = said(("a", 1.0, "a", None), ("b", 1.0, "b", None), ("b", 2.0, "bb", None), ("b", 2.0, "bbb", None))
    means = np.array([[1, 0, 0], [0, 2, 0]])
    middle = means.mean(axis=0)
    got = sense(reviews, PLAIN.changed({"shrink": "5"}))
    np.testing.assert_allclose(got.values[0], middle + 1 / 6 * (means[0] - middle), rtol=1e-6)
    np.testing.assert_allclose(got.values[1], middle + 3 / 8 * (means[1] - middle), rtol=1e-6)


def test_newer_and_more_helpful_reviews_weigh_more():
    reviews = said(("a", 0.0, "a", None), ("a", 180 * DAY, "b", None), ("a", 360 * DAY, "c", np.e - 1))
    table = chosen_reviews(reviews, IDS, PLAIN.changed({"half_life_days": "180", "helpful": "true"}))
    assert dict(zip(table["text"], table["weight"].round(6), strict=True)) == {"a": 0.25, "b": 0.5, "c": 2.0}
    assert chosen_reviews(reviews, IDS, PLAIN)["weight"].to_list() == [1.0, 1.0, 1.0]
    ancient = said(("a", -1e12, "a", None), ("a", 1e9, "b", None), ("b", -1e12, "c", None))
    got = sense(ancient, PLAIN.changed({"half_life_days": "0.001"}))
    np.testing.assert_allclose(got.values[:2], [[0, 1, 0], [0, 0, 1]])


def test_only_the_newest_and_no_short_ones():
    reviews = said(*(("a", float(t), f"{t:02d} {'x' * t}", None) for t in range(1, 9)), ("a", None, "undated " * 4, None))
    table = chosen_reviews(reviews, IDS, PLAIN.changed({"newest": "3"}))
    assert [t[:2] for t in table["text"]] == ["08", "07", "06"]
    table = chosen_reviews(reviews, IDS, PLAIN.changed({"min_chars": "10"}))
    assert [t[:2] for t in table["text"]] == ["08", "07", "un"]
    twice = said(("a", 1.0, "the same of two colours", None), ("a", 1.0, "the same of two colours", None))
    assert chosen_reviews(twice, IDS, PLAIN).height == 1


def test_undated_reviews_are_as_old_as_the_oldest():
    reviews = said(("a", 0.0, "a", None), ("a", 180 * DAY, "b", None), ("a", None, "c", None), ("b", None, "c", None))
    table = chosen_reviews(reviews, IDS, PLAIN.changed({"half_life_days": "180"}))
    assert table["weight"].to_list() == [1.0, 0.5, 0.5, 1.0]


def linked():
    reviews = pl.DataFrame(
        {
            "user_id": ["u", "u", "u", "v"],
            "item_id": ["a", "a", "b", "c"],
            "timestamp": [9.0, 5.0, None, 1.0],
            "rating": [1.0, 2.0, 3.0, None],
            "text": ["later", "a first word", "undated", "c"],
        }
    )
    h = Histories.from_lists([[0, 1, 0], [0, 2]])
    own = link(h.owners, h.items, pl.Series(["u", "v"]), IDS, reviews)
    return Histories(h.offsets, h.items, h.events, h.weights, h.times, own)


def test_an_event_is_linked_to_the_first_review_by_its_user_of_its_item():
    h = linked()
    assert h.own is not None
    assert h.own.rows.tolist() == [1, -1, 1, -1, 0]
    assert h.own.table.texts == ["c", "a first word"]
    np.testing.assert_array_equal(h.own.times, [5, np.nan, 5, np.nan, 1])
    assert h.own.before(np.array([5.0, 9, 6, 9, np.nan])).rows.tolist() == [-1, -1, 1, -1, -1]
    later = h[np.array([1, 0])].last(1)
    assert later.own is not None
    assert later.own.rows.tolist() == [0, 1]


def test_only_linked_texts_are_read_and_each_once():
    letters = Letters()
    reader = OwnReviewReader(letters, 3, min_chars=2)
    h = linked()
    read = reader.read(h[np.array([0])])
    assert read.own is not None
    assert letters.asked == ["a first word"]
    np.testing.assert_array_equal(read.own.table.vectors, [[0, 0, 0], [1, 0, 0]])
    again = reader.read(h)
    assert again.own is not None
    assert again.own.table.told is not None
    assert letters.asked == ["a first word"], "a text below min_chars was read, or one was read twice"
    assert again.own.table.told.tolist() == [False, True]
    assert reader.read(again) is again
    plain = Histories.from_lists([[0]])
    assert reader.read(plain) is plain


def test_the_moment_of_a_fit():
    assert moment_of(ReviewSettings(until="1388534400")) == moment_of(ReviewSettings(until="2014-01-01T00:00:00Z")) == 1_388_534_400
    assert abs(moment_of(ReviewSettings()) - time.time()) < 60
    with pytest.raises(SettingError, match=r"reviews.until is 'soon'; expected a date, ISO 8601 or unix seconds"):
        moment_of(ReviewSettings(until="soon"))


def test_a_chinese_review_of_half_as_many_characters_is_long_enough():
    said = pl.DataFrame({"item_id": ["a", "a"], "timestamp": [0.0, 0.0], "text": ["面料柔软不起球洗后不变形很喜欢", "a" * 29]})
    assert chosen_reviews(said, pl.Series(["a"]), ReviewSettings())["text"].to_list() == ["面料柔软不起球洗后不变形很喜欢"]
