"""What is asked and how it is counted, with answers by hand."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.live.judge import BETTER, NO_DIFFERENCE, WORSE, Verdict, answers, ask, by_person, compare, held_back
from crossaisle.live.news import News
from crossaisle.records import Cursor
from crossaisle.stats import PairedTest, paired_test

ITEMS = pl.DataFrame({"item_id": list("abcdef"), "category": ["x"] * 6})
ROWS = [[0, 1, 2], [3, 4, 3], [5], [1, 0]]
TIMES = [[1, 5, 9], [2, 6, 8], [7], [3, 10]]
NEW = [[0, 1, 1], [0, 1, 1], [1], [0, 1]]


def news(kinds: list[list[int]] | None = None, gone: tuple[int, ...] = ()) -> News:
    flat = Histories.from_lists(ROWS)
    events = np.zeros(9, np.int64) if kinds is None else np.concatenate(kinds)
    histories = Histories.from_arrays(flat.offsets, flat.items, events=events, times=np.concatenate(TIMES).astype(float))
    data = Dataset(ITEMS, pl.Series(list("pqrs")), histories, ("view", "purchase"))
    return News(data, np.concatenate(NEW).astype(bool), ITEMS.clear(), frozenset(), np.isin(np.arange(6), gone), (), Cursor("s", 1))


def test_the_newest_share_of_the_new_events_is_held_back_by_time() -> None:
    # new events come at 5, 6, 7, 8, 9, 10
    for share, expected in ((0.5, [8, 9, 10]), (0.34, [8, 9, 10]), (0.2, [9, 10]), (0.1, [10]), (0.9, [5, 6, 7, 8, 9, 10])):
        held = held_back(news(), share, share, 9)
        assert sorted(np.concatenate(TIMES)[held]) == expected, share
    before = news().before(held_back(news(), 0.5, 0.5, 9))
    assert [row.tolist() for row in before.histories.rows()] == [[0, 1], [3, 4], [5], [1]]


def test_more_of_the_newest_are_held_back_where_they_ask_about_too_few() -> None:
    """What can be asked comes at 5 and 9 (of p), 6 (of q; at 8 it is an item that q had) and 10 (of s); r has no history."""

    def times(most: float, people: int, share: float = 0.1, kinds: tuple[str, ...] = ()) -> list[int]:
        return sorted(np.concatenate(TIMES)[held_back(news([[0, 1, 1], [0, 1, 0], [0], [0, 0]]), share, most, people, kinds)].tolist())

    assert times(0.9, 1) == [10]
    assert times(0.9, 2) == [9, 10]  # somebody else's newest, not more of the first one's
    assert times(0.9, 3) == [6, 7, 8, 9, 10]
    assert times(0.5, 3) == [8, 9, 10]  # no more than that share
    assert times(0.9, 4) == [5, 6, 7, 8, 9, 10]  # there are no four
    assert times(0.9, 1, share=0.5) == [8, 9, 10]  # no fewer than that share
    assert times(0.2, 3, share=0.5) == [8, 9, 10]
    assert times(0.9, 1, kinds=("purchase",)) == [9, 10]  # at 10 it was a view


def test_old_events_are_learned_again_in_proportion_to_the_new() -> None:
    came = news()  # three old events, six new ones
    assert came.learned(0.0, 0).tolist() == came.new.tolist()
    assert (came.learned(1 / 3, 0) & ~came.new).sum() == 2
    assert came.learned(5.0, 0).all()
    assert len({tuple(came.learned(1 / 6, seed).tolist()) for seed in range(9)}) > 1
    held = held_back(came, 0.5, 0.5, 9)
    mask = came.learned(0.0, 0, held)
    assert mask.tolist() == [False, True, False, True, True, False]  # of [0, 1], [3, 4], [5], [1]
    assert came.before(held).histories.items[mask].tolist() == [1, 4, 5]


def test_events_of_one_moment_are_on_the_same_side() -> None:
    came = news()
    tied = dataclasses.replace(came.data.histories, times=np.where(came.new, 5.0, came.data.histories.times))
    assert held_back(dataclasses.replace(came, data=came.data.with_histories(tied)), 0.2, 0.2, 9).sum() == came.new.sum()
    nothing = dataclasses.replace(came, new=np.zeros(9, bool))
    assert not held_back(nothing, 0.2, 0.2, 9).any()


def test_what_is_asked() -> None:
    """Each held-back event after what the person had done until then; not what was done before, and not what nothing came before."""
    asked = ask(news(), held_back(news(), 0.9, 0.9, 9), (), 100, 0)
    assert [row.tolist() for row in asked.histories.rows()] == [[0], [0, 1], [3], [1]]
    assert asked.targets.tolist() == [1, 2, 4, 0]
    assert asked.people.tolist() == [0, 0, 1, 3]
    assert asked.n_people == 3


def test_what_is_not_asked() -> None:
    held = held_back(news(), 0.9, 0.9, 9)
    assert ask(news(gone=(1, 4)), held, (), 100, 0).targets.tolist() == [2, 0]
    bought = news(kinds=[[0, 1, 0], [0, 1, 0], [0], [0, 0]])
    assert ask(bought, held, ("purchase",), 100, 0).targets.tolist() == [1, 4]
    assert ask(bought, held, ("never heard of",), 100, 0).targets.tolist() == [1, 2, 4, 0]
    assert ask(news(), held, (), 1, 0).n_people == 1
    nothing = ask(news(), np.zeros(9, bool), (), 100, 0)
    assert nothing.n_people == 0
    assert len(nothing.histories) == 0


class Fixed:
    """Scores every history alike, and remembers what it was asked."""

    name = "fixed"

    def __init__(self, scores: list[float]) -> None:
        self.scores, self.counts, self.asked = np.array(scores, np.float32), np.ones(len(scores), np.int64), list[Histories]()

    def score(self, histories: Histories, candidates: object = None) -> np.ndarray:
        self.asked.append(histories)
        assert not len(histories.items) or histories.items.max() < len(self.counts)
        return np.tile(self.scores, (len(histories), 1))


def test_gains_by_hand() -> None:
    came = news()
    asked = ask(came, held_back(came, 0.9, 0.9, 9), (), 100, 0)  # targets 1, 2, 4, 0 after [0], [0, 1], [3], [1]
    falling = Fixed([6, 5, 4, 3, 2, 1])
    found = answers(falling, asked, came, 2)  # ranks without what was done: 1 -> 1, 2 -> 1, 4 -> 4, 0 -> 1
    assert found.tolist() == [1.0, 1.0, 1 / math.log2(5), 1.0]
    assert by_person(found, asked).tolist() == [1.0, 1 / math.log2(5), 1.0]
    assert answers(Fixed([0.0] * 6), asked, came, 2)[0] == 1 / math.log2(6)  # of equals the target stands last
    assert answers(falling, asked, dataclasses.replace(came, gone=np.isin(np.arange(6), [0, 1, 2])), 2)[2] == 1.0


def test_items_and_kinds_that_a_model_does_not_know() -> None:
    came = news(kinds=[[0, 1, 0], [0, 1, 0], [0], [0, 0]])
    asked = ask(came, held_back(came, 0.9, 0.9, 9), (), 100, 0)
    small = Fixed([1, 2, 3, 4])  # never heard of items 4 and 5, nor of purchases
    found = answers(small, asked, came, 1)
    assert found[2] == 0.0
    assert found[0] > 0
    assert small.asked[0].events.tolist() == [0, 0, -1, 0, 0]


def test_a_verdict_counts_people_and_pairs_them() -> None:
    came = news()
    asked = ask(came, held_back(came, 0.9, 0.9, 9), (), 100, 0)
    good, bad = Fixed([6, 5, 4, 3, 2, 1]), Fixed([1, 2, 3, 4, 5, 6])
    verdict = compare(bad, good, asked, came, 0, ("view",))  # type: ignore[arg-type]
    assert (verdict.people, verdict.questions) == (3, 4)
    assert verdict.challenger == pytest.approx((2 + 1 / math.log2(5)) / 3)
    assert verdict.test.difference == pytest.approx(verdict.challenger - verdict.in_service)
    same = compare(good, good, asked, came, 0, ("view", "purchase"))  # type: ignore[arg-type]
    assert (same.test.low, same.test.high) == (0.0, 0.0)
    assert SimpleNamespace(**{k.replace(" ", "_"): v for k, v in same.to_dict().items()}).people == 3


@pytest.mark.parametrize(
    ("low", "high", "found"), [(0.001, 0.02, BETTER), (0.0, 0.02, NO_DIFFERENCE), (-0.01, 0.0, NO_DIFFERENCE), (-0.02, -0.001, WORSE)]
)
def test_what_a_verdict_says(low: float, high: float, found: str) -> None:
    verdict = Verdict(0.1, 0.1 + (low + high) / 2, PairedTest((low + high) / 2, low, high, 0.5), 300, 900)
    assert verdict.found == verdict.to_dict()["found"] == found
    # by hand: an interval of 3.92 standard errors; a difference of 2.80 of them is seen four times in five
    assert verdict.could_see == pytest.approx(2.801585 * (high - low) / 3.919928)


@pytest.mark.parametrize(("times", "low", "high"), [(1.0, 0.72, 0.88), (0.0, 0.0, 0.05), (0.5, 0.2, 0.4)])
def test_a_difference_that_could_be_seen_is_seen_four_times_in_five(times: float, low: float, high: float) -> None:
    """In 400 worlds of 300 people; as a placebo, one where there is no difference, and one of half the size (1.4 of 1.96 errors: .29)."""
    rng = np.random.default_rng(1)
    true, better = times * 2.801585 * 0.1 / math.sqrt(300), 0
    for world in range(400):
        old = rng.exponential(0.1, 300)
        test = paired_test(old + rng.normal(true, 0.1, 300), old, world, n=300)
        verdict = Verdict(0.1, 0.1, test, 300, 300)
        assert verdict.could_see == pytest.approx(2.801585 * 0.1 / math.sqrt(300), rel=0.3)
        better += verdict.found == BETTER
    assert low <= better / 400 <= high
