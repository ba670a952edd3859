"""Small datasets whose events can be known again after a split, and what holds for every split; shared by the tests of splits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from hypothesis import assume
from hypothesis import strategies as st

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import Split
from crossaisle.errors import TableError

AISLES = ("", "a", "b", "c")


def dataset(
    rows: Sequence[Sequence[int]],
    times: Sequence[Sequence[float]] | None = None,
    kinds: Sequence[Sequence[int]] | None = None,
    n_items: int = 8,
) -> Dataset:
    """Item i stands in aisle ``AISLES[i % 4]``; every event has its own weight, by which it is known again after a split."""
    h = Histories.from_lists(rows)
    flat = np.array([t for r in times for t in r], dtype=np.float64) if times is not None else None
    events = np.array([e for r in kinds for e in r], dtype=np.int64) if kinds is not None else None
    h = Histories.from_arrays(h.offsets, h.items, events=events, weights=np.arange(1, len(h.items) + 1), times=flat)
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(n_items)], "category": [AISLES[i % 4] for i in range(n_items)]})
    users = pl.Series("user_id", [f"u{u}" for u in range(len(rows))], dtype=pl.String)
    owners = h.owners
    reviews = pl.DataFrame(
        {
            "user_id": [f"u{u}" for u in owners],
            "item_id": [f"i{i}" for i in h.items],
            "timestamp": h.times,
            "rating": h.weights.astype(float),  # the event that the review belongs to
            "text": ["fine"] * len(owners),
        },
        schema_overrides={"user_id": pl.String, "item_id": pl.String, "text": pl.String},
    )
    return Dataset(items, users, h, event_names=("view", "purchase"), reviews=reviews).with_own_reviews()


def lists(histories: Histories) -> list[list[int]]:
    return [row.tolist() for row in histories.rows()]


def ids(histories: Histories) -> set[int]:
    return {int(w) for w in histories.weights}


@st.composite
def datasets(draw: st.DrawFn, max_users: int = 6) -> Dataset:
    lengths = draw(st.lists(st.integers(0, 7), min_size=1, max_size=max_users))
    rows = [draw(st.lists(st.integers(0, 7), min_size=n, max_size=n)) for n in lengths]
    # few distinct moments, so that ties are frequent; unknown times stand at the end of a history
    times = [draw(st.lists(st.sampled_from([1.0, 2.0, 3.0, 4.0, np.nan]), min_size=n, max_size=n)) for n in lengths]
    times = [sorted(t for t in r if t == t) + [t for t in r if t != t] for r in times]
    kinds = [draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)) for n in lengths]
    return dataset(rows, times, kinds)


target_events = st.sampled_from([(), ("purchase",), ("view", "purchase")])


def made(data: Dataset, split: Callable[[], Split]) -> Split:
    """The split; the example is dropped where it raises its TableError (tested on its own below)."""
    try:
        return split()
    except TableError:
        assume(False)
        raise


def place(data: Dataset, weight: float) -> int:
    return int(np.flatnonzero(data.histories.weights == np.float32(weight))[0])


def check_any(data: Dataset, split: Split, kinds: Sequence[str]) -> None:
    """What holds for every split: a user's future is cut off, codes stay valid, targets are of the right kind, no item twice."""
    h = data.histories
    assert len(split.test) > 0
    for name, queries, learned in (
        ("valid", split.valid, split.train),
        ("test", split.test, split.full),
        ("both", split.test, split.train),
    ):
        assert len(queries.users) == len(set(queries.users.tolist())), name
        assert queries.targets.lengths.min(initial=1) >= 1
        assert queries.histories.lengths.min(initial=1) >= 1
        for q, user in enumerate(queries.users):
            targets = queries.targets[np.array([q])]
            assert len(set(targets.items.tolist())) == len(targets.items)
            first = min(place(data, w) for w in targets.weights)
            assert all(h.owners[place(data, w)] == user for w in targets.weights)
            known = [place(data, w) for w in queries.histories[np.array([q])].weights]
            assert all(p < first and h.owners[p] == user for p in known)
            own = [place(data, w) for w in learned.histories[np.array([user])].weights]
            assert all(p < first for p in own), f"{name}: user {user} has events from the moment of the target on in what is learned"
            if kinds:
                assert {data.event_names[e] for e in targets.events} <= set(kinds)
    # validation questions come before, or from other users than, test questions
    test_of = dict(zip(split.test.users.tolist(), range(len(split.test)), strict=True))
    for q, user in enumerate(split.valid.users.tolist()):
        if user in test_of:
            after = split.test.targets.weights[split.test.targets.offsets[test_of[user]]]
            assert max(split.valid.targets[np.array([q])].weights) < after
    check_moments(split)
    for learned in (split.train, split.full):
        assert learned.n_users == data.n_users
        assert learned.items is data.items
        assert ids(learned.histories) <= ids(h)
        assert all(h.owners[place(data, w)] == b for b in range(data.n_users) for w in learned.histories[np.array([b])].weights)
        check_reviews(data, learned)
    assert ids(split.train.histories) <= ids(split.full.histories)
    assert not ids(split.train.histories) & (ids(split.valid.targets) | ids(split.test.targets))
    assert not ids(split.full.histories) & ids(split.test.targets)


def check_moments(split: Split) -> None:
    """Every review that may be read is known to be older than everything that is asked."""
    asked = {name: np.nan_to_num(q.targets.times, nan=-np.inf) for name, q in (("valid", split.valid), ("test", split.test))}
    for learned, moments in ((split.train, np.concatenate([*asked.values()])), (split.full, asked["test"])):
        assert learned.reviews is not None
        assert learned.histories.own is not None
        newest = learned.reviews["timestamp"].to_numpy().max(initial=-np.inf)
        assert newest < moments.min(initial=np.inf) or not len(learned.reviews)
        own = learned.histories.own.times
        assert (own[~np.isnan(own)] < moments.min(initial=np.inf)).all()
    for queries in (split.valid, split.test):
        own = queries.histories.own
        assert own is not None
        for q in range(len(queries)):
            times = own.times[queries.histories.offsets[q] : queries.histories.offsets[q + 1]]
            targets = np.nan_to_num(queries.targets[np.array([q])].times, nan=-np.inf)
            assert (times[~np.isnan(times)] < targets.min()).all()


def check_reviews(data: Dataset, learned: Dataset) -> None:
    """No review of something not learned, none as new as an event of that user that was cut off."""
    assert learned.reviews is not None
    cut = ids(data.histories) - ids(learned.histories)
    for row in learned.reviews.iter_rows(named=True):
        user, item = data.user_codes[row["user_id"]], data.item_codes[row["item_id"]]
        assert item in learned.histories.row(user)
        own_cut = [data.histories.times[place(data, w)] for w in cut if data.histories.owners[place(data, w)] == user]
        assert all(row["timestamp"] < t for t in own_cut)
