"""The rule by which reviews are cut, on cases written by hand; that no split breaks it is tested on every split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from split_cases import dataset

from crossaisle import Dataset
from crossaisle.data.build import DataSettings
from crossaisle.data.split import hold_out_last, time_split
from crossaisle.data.split_reviews import newer_questions, review_note, reviews_before

SCHEMA = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Float64, "rating": pl.Float64, "text": pl.String}


def with_reviews(data: Dataset, *rows: tuple[str, str, float | None]) -> Dataset:
    table = pl.DataFrame([(u, i, t, 5.0, f"{u} on {i}") for u, i, t in rows], schema=SCHEMA, orient="row")
    return Dataset(data.items, data.users, data.histories, data.event_names, table).with_own_reviews()


def texts(data: Dataset) -> list[str]:
    assert data.reviews is not None
    return data.reviews["text"].to_list()


def test_the_oldest_question_decides_for_all_items() -> None:
    data = with_reviews(
        dataset([[0, 1], [2, 3]], times=[[1, 5], [1, 9]]), ("u1", "i2", 4.0), ("u1", "i2", 5.0), ("w", "i1", 4.9), ("w", "i1", 6.0)
    )
    assert texts(hold_out_last(data)[0]) == ["u1 on i2", "w on i1"]


def test_a_question_of_unknown_time_leaves_nothing() -> None:
    data = with_reviews(dataset([[0, 1], [2, 3]], times=[[1, np.nan], [1, 9]]), ("w", "i1", -100.0))
    assert texts(hold_out_last(data)[0]) == []


def test_a_splits_own_moment_goes_before_the_questions() -> None:
    data = with_reviews(
        dataset([[0, 1], [2, 3]], times=[[1, 5], [1, 9]]), ("w", "i1", 2.9), ("w", "i1", 3.0), ("u0", "i1", 0.5), ("u0", "i0", 1.5)
    )
    split = time_split(data, cut=3.0)
    assert texts(split.full) == ["w on i1", "u0 on i0"]
    own = split.test.histories.own
    assert own is not None
    assert own.times[0] == 1.5


def test_what_a_user_wrote_counts_up_to_the_users_own_question() -> None:
    data = with_reviews(dataset([[0, 1], [2, 3]], times=[[1, 5], [1, 9]]), ("u0", "i0", 5.0), ("u1", "i2", 8.9))
    train, valid = hold_out_last(data)
    assert valid.histories.own is not None
    np.testing.assert_array_equal(valid.histories.own.times, [np.nan, 8.9])
    assert train.histories.own is not None
    assert (train.histories.own.rows == -1).all()


def test_newer_questions() -> None:
    data = dataset([[0, 1], [0, 2], [0, 3], [0, 4], [0]], times=[[1, 4], [1, 3], [1, 2], [1, np.nan], [7]])
    last = np.zeros(len(data.histories.items), dtype=bool)
    last[data.histories.offsets[1:5] - 1] = True
    assert newer_questions(data, last).tolist() == [True, True, False, False, False]
    undated = dataset([[0, 1], [2]])
    assert newer_questions(undated, np.array([False, True, False])).tolist() == [True, False]
    train, valid = hold_out_last(data, newer=0.5)
    assert valid.users.tolist() == [0, 1]
    assert train.histories.lengths.tolist() == [1, 1, 2, 2, 1]


def test_reviews_before_a_moment_keeps_undated_ones_for_items_only() -> None:
    data = with_reviews(dataset([[0, 1]], times=[[1, 5]]), ("u0", "i0", 2.0), ("u0", "i1", 6.0), ("w", "i1", None))
    cut = reviews_before(data, 6.0)
    assert texts(cut) == ["u0 on i0", "w on i1"]
    assert cut.histories.own is not None
    np.testing.assert_array_equal(cut.histories.own.times, [2.0, np.nan])
    assert reviews_before(data.without_reviews(), 6.0).reviews is None


def test_the_note_says_how_many_may_be_read() -> None:
    data = with_reviews(dataset([[0, 1], [2, 3]], times=[[1, 5], [1, 9]]), ("w", "i1", 1.0), ("w", "i1", 9.0), ("w", "i1", None))
    note = review_note(data, hold_out_last(data)[0])
    assert note == " Of 3 reviews, 1 were written before what is asked and may be read; 1 without a time are never read here."
    assert review_note(data.without_reviews(), data) == ""


def test_rejected_reviews_are_kept_without_their_text(tmp_path: Path) -> None:
    events = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"]})
    bad = pl.DataFrame({"user_id": ["u"], "item_id": [None], "rating": [5], "text": ["what I think"], "headline": ["mine"]})
    place = tmp_path / "rejected.jsonl"
    Dataset.from_frames(events, None, bad, settings=DataSettings(max_rejected=1.0), rejected_to=place)
    row = json.loads(place.read_text())
    assert row["values"] == {"user_id": "u", "rating": 5, "text": "(12 characters)", "headline": "(4 characters)"}
