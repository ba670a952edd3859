"""Answers become interactions and dislikes, and bad tables are refused."""

from __future__ import annotations

import polars as pl
import pytest

from crossaisle.data.dataset import Dataset
from crossaisle.errors import TableError
from crossaisle.learn.answers import read_answers


def table(answers, users=None, items=None, **more) -> pl.DataFrame:
    n = len(answers)
    return pl.DataFrame({"user_id": users or [f"u{i}" for i in range(n)], "item_id": items or ["a"] * n, "answer": answers, **more})


def test_words_in_two_languages() -> None:
    likes, dislikes, notes = read_answers(table(["Yes", " y ", "TRUE", "1", "是", "no", "0", "否", ""]))
    assert likes["user_id"].to_list() == ["u0", "u1", "u2", "u3", "u4"]
    assert dislikes["user_id"].to_list() == ["u5", "u6", "u7"]
    assert likes.columns == ["user_id", "item_id", "event"]
    assert set(likes["event"]) == {"answer"}
    assert notes == ["1 of 9 questions have no answer"]


def test_typed_answers() -> None:
    likes, dislikes, _ = read_answers(table([True, False]))
    assert (likes.height, dislikes.height) == (1, 1)
    likes, dislikes, _ = read_answers(table([1, 0, None]))
    assert (likes.height, dislikes.height) == (1, 1)


def test_ratings_and_times() -> None:
    said = table([5.0, 4.0, 3.9, 1.0], timestamp=[10, 20, 30, 40], rating=["x"] * 4, score=[0.1] * 4)
    likes, dislikes, _ = read_answers(said)
    assert likes.to_dicts()[0] == {"user_id": "u0", "item_id": "a", "event": "answer", "timestamp": 10.0, "rating": 5.0}
    assert dislikes["rating"].to_list() == [3.9, 1.0]
    assert read_answers(said, like_from=2)[0].height == 3


def test_the_same_answer_twice_counts_once() -> None:
    likes, _, _ = read_answers(table(["yes", "y"], users=["u", "u"]))
    assert likes.height == 1


def test_likes_are_an_interactions_table() -> None:
    likes, _, _ = read_answers(table(["yes"] * 4, users=["u", "u", "v", "v"], items=["a", "b", "a", "c"]))
    assert Dataset.from_frames(likes).event_names == ("answer",)


def test_a_few_bad_rows_are_left_out() -> None:
    likes, _, notes = read_answers(table(["yes", "maybe"]), max_rejected=0.5)
    assert likes.height == 1
    assert notes == ["1 of 2 answers were left out, most often: answer is neither yes nor no nor a rating"]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (table(["yes"]).drop("answer"), "has no column 'answer'"),
        (table([["yes"]]), "has lists or records in 'answer'"),
        (table(["yes"]).drop("item_id"), "has no column 'item_id'"),
        (table(["yes", "4"]), "some answers are yes or no, others ratings such as '4'"),
        (table(["yes", "perhaps"]), "1 of 2 rows cannot be used .1 x answer is neither yes nor no"),
        (table(["4", "perhaps"]), "1 x answer is no rating"),
        (table(["4", "inf"]), "1 x answer is no rating"),
        (table(["yes"], users=[None]), "1 x missing user_id"),
        (table(["", None]), "has no answer"),
        (table(["yes", "no"], users=["u", "u"]), "user 'u' says both yes and no to item 'a'"),
    ],
)
def test_bad_tables(bad: pl.DataFrame, said: str) -> None:
    with pytest.raises(TableError, match=said):
        read_answers(bad)
