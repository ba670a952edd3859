"""Splits by hand and by property: nothing of the future, and nothing that is to be new, reaches what is learned or known."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from split_cases import check_any, dataset, datasets, ids, lists, made, target_events

from crossaisle.data.dataset import Dataset
from crossaisle.data.split import (
    Queries,
    cold_aisle,
    cold_item,
    cold_user,
    first_visit,
    hidden_aisle,
    hold_out_last,
    leave_one_out,
    next_basket,
    time_split,
)
from crossaisle.errors import SettingError, TableError

# ---- leave-one-out and hold_out_last ----


def test_leave_one_out_by_hand() -> None:
    split = leave_one_out(dataset([[0, 1, 2, 3], [4, 5], [6], []]))
    assert lists(split.train.histories) == [[0, 1], [4], [6], []]
    assert lists(split.full.histories) == [[0, 1, 2], [4], [6], []]
    assert (split.valid.users.tolist(), lists(split.valid.histories), lists(split.valid.targets)) == ([0], [[0, 1]], [[2]])
    assert (split.test.users.tolist(), lists(split.test.histories), lists(split.test.targets)) == ([0, 1], [[0, 1, 2], [4]], [[3], [5]])
    assert split.test.aisles.tolist() == [-1, -1]
    assert np.isnan(split.test.times).all()


def test_leave_one_out_asks_only_for_target_events() -> None:
    data = dataset([[0, 1, 2, 3, 4]], kinds=[[0, 1, 1, 1, 0]])
    split = leave_one_out(data, target_events=("purchase",))
    assert (lists(split.test.targets), lists(split.test.histories), lists(split.full.histories)) == ([[3]], [[0, 1, 2]], [[0, 1, 2]])
    assert (lists(split.valid.targets), lists(split.train.histories)) == ([[2]], [[0, 1]])


def test_hold_out_last_by_hand() -> None:
    train, valid = hold_out_last(dataset([[0, 1, 2], [3], [4, 5]], times=[[1.0, 2.0, 9.0], [1.0], [3.0, 4.0]]))
    assert lists(train.histories) == [[0, 1], [3], [4]]
    assert (valid.users.tolist(), lists(valid.targets), valid.times.tolist()) == ([0, 2], [[2], [5]], [9.0, 4.0])


def test_queries_can_be_chosen() -> None:
    valid = hold_out_last(dataset([[0, 1, 2], [3], [4, 5]]))[1]
    assert (valid[np.array([1])].users.tolist(), lists(valid[1:].targets), len(valid[:0])) == ([2], [[5]], 0)


@given(datasets(), target_events, st.booleans())
@settings(deadline=None, max_examples=60)
def test_leave_one_out_never_leaks(data: Dataset, kinds: tuple[str, ...], shuffle: bool) -> None:
    split = made(data, lambda: leave_one_out(data, seed=3, shuffle_ties=shuffle, target_events=kinds))
    if not shuffle:
        check_any(data, split, kinds)
    # whichever order ties take, time never runs backwards
    for queries, learned in ((split.valid, split.train), (split.test, split.full), (split.test, split.train)):
        for q, user in enumerate(queries.users):
            assert not (queries.histories[np.array([q])].times > queries.times[q]).any()
            assert not (learned.histories[np.array([user])].times > queries.times[q]).any()
    assert not ids(split.full.histories) & ids(split.test.targets)


def test_shuffled_ties_change_the_order_inside_one_time_only() -> None:
    rows, times = [list(range(8))] * 30, [[1.0, 1.0, 1.0, 2.0, 2.0, np.nan, np.nan, np.nan]] * 30
    data = dataset(rows, times)
    held = [leave_one_out(data, seed=s, shuffle_ties=True) for s in (0, 0, 1)]
    assert lists(held[0].full.histories) == lists(held[1].full.histories) != lists(held[2].full.histories)
    for row in lists(held[0].full.histories):
        assert (set(row[:3]), set(row[3:5]), row[5:]) == ({0, 1, 2}, {3, 4}, [5, 6])
    # all 6 orders of three ties appear about equally often over 30 users
    assert len({tuple(row[:3]) for row in lists(held[0].full.histories)}) >= 4


def test_no_user_with_two_interactions() -> None:
    for split in (hold_out_last, leave_one_out):
        with pytest.raises(TableError, match="no user has two interactions; expected at least one user with two"):
            split(dataset([[1], [2], []]))
    with pytest.raises(TableError, match="no user has two interactions of which the newer is one of purchase;"):
        hold_out_last(dataset([[1, 2]], kinds=[[1, 0]]), ("purchase",))


def test_unknown_target_event() -> None:
    with pytest.raises(SettingError, match="target event 'buy' is not in the data; expected one of view, purchase"):
        leave_one_out(dataset([[1, 2]]), target_events=("buy",))


# ---- by time ----


@given(
    datasets(),
    target_events,
    st.sampled_from(["first", "all", "basket"]),
    st.one_of(st.none(), st.sampled_from([2.0, 2.5, 3.0, 4.0])),
    st.floats(0.05, 0.7),
)
@settings(deadline=None, max_examples=60)
def test_time_split_never_leaks(data: Dataset, kinds: tuple[str, ...], which: str, cut: float | None, share: float) -> None:
    split = made(data, lambda: time_split(data, share, 0.3, cut, which, kinds))  # type: ignore[arg-type]
    check_any(data, split, kinds)
    test_first, full_last = split.test.targets.times.min(), split.full.histories.times.max()
    assert full_last < test_first
    assert split.train.histories.times.max(initial=-np.inf) < test_first
    if len(split.valid):
        assert split.train.histories.times.max() < split.valid.targets.times.min()
        assert split.valid.targets.times.max() < test_first
    assert split.full.reviews is not None
    assert (split.full.reviews["timestamp"] < test_first).all()
    if cut is not None:
        assert full_last < cut <= test_first


def by_time() -> Dataset:
    return dataset([[0, 1, 2, 2, 3, 4], [5, 6, 7], [1, 2]], times=[[1, 2, 5, 5, 5, 6], [1, 2, 3], [5, 6]])


def test_time_split_by_hand() -> None:
    split = time_split(by_time(), cut=4.0, valid_share=0.5)
    assert lists(split.full.histories) == [[0, 1], [5, 6, 7], []]
    assert (split.test.users.tolist(), lists(split.test.histories), lists(split.test.targets)) == ([0], [[0, 1]], [[2]])
    # of the five dated events before the cut, times 1 1 2 2 3, the newest half starts at 2
    assert lists(split.train.histories) == [[0], [5], []]
    assert (split.valid.users.tolist(), lists(split.valid.targets)) == ([0, 1], [[1], [6]])
    assert "1 users who first came later were not asked" in split.note
    assert lists(time_split(by_time(), cut=4.0, targets="all").test.targets) == [[2, 3, 4]]


def test_next_basket_by_hand() -> None:
    split = next_basket(by_time(), cut=4.0)
    assert (split.name, lists(split.test.targets)) == ("next-basket", [[2, 3]])
    again = next_basket(dataset([[0, 1, 1, 0, 2]], times=[[1, 1, 5, 5, 5]]), cut=4.0)
    assert (lists(again.test.histories), lists(again.test.targets)) == ([[0, 1]], [[1, 0, 2]])


def test_time_split_cuts_off_the_newest_share() -> None:
    data = dataset([[u % 8] * 10 for u in range(10)], times=[list(range(10))] * 10)
    split = time_split(data, test_share=0.2, valid_share=0.25)
    assert (split.full.histories.times.max(), split.train.histories.times.max()) == (7, 5)
    assert split.note.startswith("Learned from the time before 1970-01-01, asked for the first item")


def test_time_split_leaves_undated_events_out_and_says_so() -> None:
    split = time_split(dataset([[0, 1, 2, 3]], times=[[1, 2, 3, np.nan]]), cut=3.0)
    assert lists(split.full.histories) == [[0, 1]]
    assert "1 interactions without a time were left out" in split.note


def test_time_split_refuses() -> None:
    with pytest.raises(TableError, match="no interaction has a timestamp; expected timestamps"):
        time_split(dataset([[0, 1]]))
    with pytest.raises(TableError, match="no user has interactions on both sides of the cut at 1970-01-01"):
        time_split(by_time(), cut=0.0)
    with pytest.raises(TableError, match="both sides"):
        time_split(by_time(), cut=99.0)
    with pytest.raises(SettingError, match=r"test_share is 1\.0; expected a number between 0 and 1"):
        time_split(by_time(), test_share=1.0)
    with pytest.raises(SettingError, match="cut is nan; expected a moment"):
        time_split(by_time(), cut=float("nan"))


# ---- new items, new users, new aisles ----


@given(datasets(), target_events, st.integers(0, 5), st.floats(0.1, 0.6), st.floats(0.1, 0.4))
@settings(deadline=None, max_examples=60)
def test_cold_items_are_never_learned(data: Dataset, kinds: tuple[str, ...], seed: int, share: float, valid_share: float) -> None:
    split = made(data, lambda: cold_item(data, share, valid_share, seed, kinds))
    check_any(data, split, kinds)
    # the items held out, by the same draw
    active = np.random.default_rng(seed).permutation(np.flatnonzero(data.item_counts))
    n_test, n_valid = max(1, round(share * len(active))), round(valid_share * len(active))
    new, new_valid = set(active[:n_test].tolist()), set(active[n_test : n_test + n_valid].tolist())
    assert not new & {*split.full.histories.items.tolist(), *split.test.histories.items.tolist()}
    assert not (new | new_valid) & {*split.train.histories.items.tolist(), *split.valid.histories.items.tolist()}
    for queries, held, refused in ((split.test, new, new_valid), (split.valid, new_valid, new)):
        assert not set(queries.targets.items.tolist()) & refused
        for q, user in enumerate(queries.users):
            # whoever is asked for a known item could not have been asked for a new one
            target = int(queries.targets.items[q])
            if queries is split.test and target not in held:
                before_new = [data.histories.row(user).tolist()[:t] for t, i in enumerate(data.histories.row(user)) if i in held]
                own = data.histories[np.array([user])].events
                asked = [bool(set(b) - held) and (not kinds or data.event_names[own[len(b)]] in kinds) for b in before_new]
                assert not any(asked)


def test_cold_item_by_hand() -> None:
    rows = [[0, 1, 2, 3], [4, 5, 6, 7], [2, 1, 0, 5, 4]]
    data = dataset(rows)
    split = cold_item(data, share=0.125, valid_share=0.125, seed=0)
    new, new_valid = np.random.default_rng(0).permutation(8)[:2].tolist()
    assert (new, new_valid) == (2, 4)
    assert (split.test.users.tolist(), lists(split.test.targets)) == ([0, 1, 2], [[2], [7], [5]])
    assert lists(split.test.histories) == [[0, 1], [4, 5, 6], [1, 0]]
    assert lists(split.full.histories) == [[0, 1], [4, 5, 6], [1, 0]]
    assert (split.valid.users.tolist(), lists(split.valid.targets)) == ([0, 1, 2], [[1], [6], [0]])
    assert lists(split.train.histories) == [[0], [5], [1]]
    assert split.note.endswith("1 users are asked for the newest of them, 2 others for their newest known item.")


def test_cold_item_holds_out_the_share() -> None:
    rng = np.random.default_rng(0)
    data = dataset([rng.permutation(40)[:20].tolist() for _ in range(50)], n_items=40)
    split = cold_item(data, share=0.25, valid_share=0.1)
    assert len(set(data.histories.items.tolist()) - set(split.full.histories.items.tolist())) == 10
    assert len(set(data.histories.items.tolist()) - set(split.train.histories.items.tolist())) == 14
    assert "10 items were held out as new (further 4" in split.note
    others = [cold_item(data, seed=s).test.targets.items.tolist() for s in (0, 0, 1)]
    assert others[0] == others[1] != others[2]


def test_cold_item_refuses() -> None:
    with pytest.raises(TableError, match="none of the 1 items held out as new follows another item in a history"):
        cold_item(dataset([[0], [1]]))
    with pytest.raises(SettingError, match="share is 0; expected a number between 0 and 1"):
        cold_item(dataset([[0, 1]]), share=0)


@given(datasets(), target_events, st.integers(0, 5), st.floats(0.1, 0.6), st.floats(0.1, 0.4))
@settings(deadline=None, max_examples=60)
def test_cold_users_are_never_learned(data: Dataset, kinds: tuple[str, ...], seed: int, share: float, valid_share: float) -> None:
    split = made(data, lambda: cold_user(data, share, valid_share, seed, kinds))
    check_any(data, split, kinds)
    assert not set(split.test.users.tolist()) & set(split.valid.users.tolist())
    assert (split.full.histories.lengths[split.test.users] == 0).all()
    assert (split.train.histories.lengths[split.test.users] == 0).all()
    assert (split.train.histories.lengths[split.valid.users] == 0).all()
    assert split.full.reviews is not None
    assert not set(split.full.reviews["user_id"]) & {f"u{u}" for u in split.test.users}


def test_cold_user_holds_out_the_share() -> None:
    split = cold_user(dataset([[0, 1, 2]] * 40), share=0.25, valid_share=0.1)
    assert (len(split.test), len(split.valid)) == (10, 4)
    assert lists(split.test.targets) == [[2]] * 10
    assert lists(split.test.histories) == [[0, 1]] * 10
    assert (split.full.histories.lengths > 0).sum() == 30
    assert (split.train.histories.lengths > 0).sum() == 26


def test_cold_user_refuses() -> None:
    with pytest.raises(TableError, match="fewer than two users have two interactions"):
        cold_user(dataset([[0, 1], [1]]))


def aisle_of(data: Dataset, items: np.ndarray) -> set[int]:
    return set(data.item_categories[items].tolist())


@given(datasets(), target_events, st.integers(0, 5), st.floats(0.1, 0.9))
@settings(deadline=None, max_examples=80)
def test_first_visits_are_first_and_never_learned(data: Dataset, kinds: tuple[str, ...], seed: int, valid_share: float) -> None:
    split = made(data, lambda: first_visit(data, valid_share, seed, kinds))
    check_any(data, split, kinds)
    for queries in (split.valid, split.test):
        for q in range(len(queries)):
            targets, history = queries.targets[np.array([q])], queries.histories[np.array([q])]
            assert aisle_of(data, targets.items) == {int(queries.aisles[q])}
            assert data.categories[queries.aisles[q]] != ""
            assert int(queries.aisles[q]) not in aisle_of(data, history.items)
            # nothing of the same basket is known
            assert not (history.times >= queries.times[q]).any()
            everything_of_user = data.histories[queries.users[[q]]]
            before = everything_of_user.weights < targets.weights.min()
            # all that came before another time is known
            earlier = before & ~(everything_of_user.times == queries.times[q])
            assert set(everything_of_user.weights[earlier]) == set(history.weights)


def test_first_visit_by_hand() -> None:
    # aisles of items 0..7: "" a b c "" a b c
    data = dataset([[1, 5, 2, 1, 6], [1, 0, 4], [3], [7, 2, 6, 1]], times=[[1, 2, 3, 4, 5], [1, 2, 3], [1], [1, 2, 2, 2]])
    split = first_visit(data, valid_share=0.01)
    assert (split.test.users.tolist(), len(split.valid)) == ([0, 3], 0)
    assert lists(split.test.histories) == [[1, 5], [7]]
    assert lists(split.test.targets)[0] == [2]
    assert lists(split.test.targets)[1] in ([2, 6], [1])
    assert lists(split.train.histories) == [[1, 5], [1, 0, 4], [3], [7]]
    assert data.categories[split.test.aisles[0]] == "b"
    # both aisles entered at once are drawn sooner or later
    assert {tuple(lists(first_visit(data, 0.01, seed=s).test.targets)[1]) for s in range(20)} == {(2, 6), (1,)}


def test_first_visit_validation_users_are_whole_in_full_only() -> None:
    data = dataset([[1, 2, 1]] * 10)
    split = first_visit(data, valid_share=0.3)
    assert (len(split.valid), len(split.test)) == (3, 7)
    assert set(split.train.histories.lengths.tolist()) == {1}
    assert (split.full.histories.lengths[split.valid.users] == 3).all()
    assert (split.full.histories.lengths[split.test.users] == 1).all()


def test_first_visit_refuses() -> None:
    with pytest.raises(TableError, match="no user goes from one aisle to another; expected items of two or more categories"):
        first_visit(dataset([[1, 5], [2, 6], [2, 0]]))
    with pytest.raises(SettingError, match=re.escape("valid_share is 1; expected a number between 0 and 1")):
        first_visit(dataset([[1, 2]]), valid_share=1)


def test_reviews_are_cut_with_their_events() -> None:
    data = dataset([[0, 1, 2], [3], [4, 5]], times=[[1, 2, 3], [1], [1, 9]])
    reviews = pl.DataFrame(
        [
            ("u0", "i0", 1.0, 5.0, "at once"),
            ("u0", "i0", 3.0, 5.0, "as late as the target"),
            ("u0", "i2", 0.5, 5.0, "of the target, though dated before it"),
            ("u0", "i1", None, 5.0, "undated"),
            ("u1", "i3", 8.0, 5.0, "late, by a user of whom nothing is held out"),
            ("u1", "i7", 0.5, 5.0, "of something never bought"),
        ],
        schema={"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Float64, "rating": pl.Float64, "text": pl.String},
        orient="row",
    )
    data = Dataset(data.items, data.users, data.histories, reviews=reviews)
    learned = hold_out_last(data)[0].reviews
    assert learned is not None
    assert learned["text"].to_list() == ["at once", "of something never bought"]
    learned = time_split(data, cut=3.0).full.reviews
    assert learned is not None
    assert learned["text"].to_list() == ["at once", "of something never bought"]


def test_no_split_changes_its_data() -> None:
    data = dataset([[1, 2, 3, 1, 0]] * 12, times=[[1, 2, 3, 3, 5]] * 12)
    before = {name: getattr(data.histories, name).copy() for name in ("offsets", "items", "events", "weights", "times")}
    made_splits = [leave_one_out(data, shuffle_ties=True), time_split(data, cut=3.0), next_basket(data, cut=3.0)]
    made_splits += [cold_item(data, 0.5), cold_user(data), first_visit(data), hidden_aisle(data), cold_aisle(data, "a")]
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(data.histories, name), array)
    names = ["leave-one-out", "time-split", "next-basket", "cold-item", "cold-user", "first-visit", "hidden-aisle", "cold-aisle"]
    assert [s.name for s in made_splits] == names
    assert all(s.note.endswith(".") and "\n" not in s.note for s in made_splits)
    assert all(isinstance(s.test, Queries) for s in made_splits)
