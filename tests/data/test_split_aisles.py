"""Whole aisles held out: by hand, against an independent reading of the protocol, and by property against leaks."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from split_cases import check_reviews, dataset, datasets, ids, lists, made, target_events

from crossaisle.data.dataset import Dataset
from crossaisle.data.split import cold_aisle, hidden_aisle
from crossaisle.errors import RequestError, TableError


def lost_aisle(data: Dataset, user: int) -> tuple[int, str | None]:
    """The fold of a user and the aisle to hide, as the protocol says it, in plain Python."""
    name = data.users[user]
    own = sorted({data.categories[data.item_categories[i]] for i in data.histories.row(user)} - {""})
    aisle = own[zlib.crc32(("aisle" + name).encode()) % len(own)] if len(own) > 1 else None
    return zlib.crc32(("test" + name).encode()) % 5, aisle


def of_aisle(data: Dataset, user: int, aisle: str | None) -> set[int]:
    """The events, known by their weights, of a user in an aisle."""
    h = data.histories[np.array([user])]
    return {int(w) for w, i in zip(h.weights, h.items, strict=True) if data.categories[data.item_categories[i]] == aisle}


@given(datasets(max_users=14), target_events, st.integers(0, 9))
@settings(deadline=None, max_examples=120)
def test_hidden_aisles_are_never_learned(data: Dataset, kinds: tuple[str, ...], seed: int) -> None:
    split = made(data, lambda: hidden_aisle(data, seed, kinds))
    wanted = {
        int(w) for w, e in zip(data.histories.weights, data.histories.events, strict=True) if not kinds or data.event_names[e] in kinds
    }
    gone: dict[str, set[int]] = {"valid": set(), "test": set()}
    for name, queries, fold in (("test", split.test, seed % 5), ("valid", split.valid, (seed + 1) % 5)):
        asked = []
        for user in range(data.n_users):
            own_fold, aisle = lost_aisle(data, user)
            lost = of_aisle(data, user, aisle) if aisle is not None else set()
            if own_fold == fold and lost & wanted:
                asked.append(user)
                gone[name] |= lost
                q = np.array([len(asked) - 1])
                targets = {data.histories.items[data.histories.weights == w][0] for w in lost & wanted}
                assert sorted(queries.targets[q].items.tolist()) == sorted(targets)  # all of them, each once
                assert data.categories[queries.aisles[q[0]]] == aisle
                rest = ids(data.histories[np.array([user])]) - lost
                assert rest
                assert ids(queries.histories[q]) == rest
        assert queries.users.tolist() == asked
    # what is left of every history stays in training, the hidden events do not; validation's are put back
    assert ids(split.train.histories) == ids(data.histories) - gone["valid"] - gone["test"]
    assert ids(split.full.histories) == ids(data.histories) - gone["test"]
    assert not set(split.test.users.tolist()) & set(split.valid.users.tolist())
    for learned in (split.train, split.full):
        assert learned.items is data.items
        check_reviews(data, learned)


def test_hidden_aisle_by_hand() -> None:
    # aisles of items 0..7: "" a b c "" a b c
    folds = [lost_aisle(dataset([[1, 2]] * 6), u) for u in range(6)]
    data = dataset([[1, 2, 5, 0, 1]] * 6)
    for seed in range(5):
        users = [u for u in range(6) if folds[u][0] == seed]
        if not users:
            continue
        split = hidden_aisle(data, seed)
        assert split.test.users.tolist() == users
        for q, user in enumerate(users):
            expected = ([[1, 5]], [[2, 0]]) if folds[user][1] == "a" else ([[2]], [[1, 5, 0, 1]])
            assert (lists(split.test.targets[np.array([q])]), lists(split.test.histories[np.array([q])])) == expected
            assert lists(split.full.histories[np.array([user])]) == expected[1]
    assert {fold[1] for fold in folds} == {"a", "b"}


def test_the_split_of_a_seed_is_that_of_its_fold() -> None:
    data = dataset([[1, 2, 3]] * 40)
    a, b, other = (hidden_aisle(data, s) for s in (1, 6, 2))
    assert a.test.users.tolist() == b.test.users.tolist()
    assert a.valid.users.tolist() == other.test.users.tolist()
    assert sorted(u for s in range(5) for u in hidden_aisle(data, s).test.users) == list(range(40))


def test_an_item_without_an_aisle_is_never_hidden() -> None:
    data = dataset([[0, 4, 1], [0, 2, 6], [4, 3]] * 20)
    with pytest.raises(TableError, match="no user of fold 0 has items of two aisles; expected users with items of two or more categories"):
        hidden_aisle(data)


# ---- a wholly new aisle ----


@given(datasets(), target_events, st.sampled_from(["a", "b", "c"]))
@settings(deadline=None, max_examples=80)
def test_nothing_of_a_new_aisle_is_learned(data: Dataset, kinds: tuple[str, ...], aisle: str) -> None:
    split = made(data, lambda: cold_aisle(data, aisle, kinds))
    own = {c: set().union(*(of_aisle(data, u, c) for u in range(data.n_users))) for c in data.categories}
    wanted = {
        int(w) for w, e in zip(data.histories.weights, data.histories.events, strict=True) if not kinds or data.event_names[e] in kinds
    }
    assert ids(split.full.histories) == ids(data.histories) - own[aisle]
    valid = {data.categories[a] for a in split.valid.aisles}
    assert len(valid) <= 1
    assert aisle not in valid
    if valid:
        assert ids(split.train.histories) == ids(split.full.histories) - own[valid.copy().pop()]
    for queries, aisles, gone in (
        (split.test, {aisle}, own[aisle]),
        (split.valid, valid, ids(data.histories) - ids(split.train.histories)),
    ):
        asked = []
        for user in range(data.n_users):
            everything = ids(data.histories[np.array([user])])
            targets = set().union(*(of_aisle(data, user, c) for c in aisles)) & wanted if aisles else set()
            if targets and everything - gone:
                q = np.array([len(asked)])
                asked.append(user)
                items = {int(data.histories.items[data.histories.weights == w][0]) for w in targets}
                assert sorted(queries.targets[q].items.tolist()) == sorted(items)
                assert ids(queries.histories[q]) == everything - gone
        assert queries.users.tolist() == asked
        assert {data.categories[a] for a in queries.aisles} <= aisles
    for learned in (split.train, split.full):
        assert learned.items is data.items
        check_reviews(data, learned)


def test_cold_aisle_by_hand() -> None:
    # aisles of items 0..7: "" a b c "" a b c; events: a 4, b 3, c 2
    data = dataset([[1, 2, 5], [3, 2, 1, 0], [1, 6], [7]])
    split = cold_aisle(data, "a")
    assert (split.test.users.tolist(), lists(split.test.targets), lists(split.test.histories)) == (
        [0, 1, 2],
        [[1, 5], [1], [1]],
        [[2], [3, 2, 0], [6]],
    )
    assert lists(split.full.histories) == [[2], [3, 2, 0], [6], [7]]
    # b is next in size: validation's
    assert (split.valid.users.tolist(), lists(split.valid.targets), lists(split.valid.histories)) == ([1], [[2]], [[3, 0]])
    assert lists(split.train.histories) == [[], [3, 0], [], [7]]
    # the smallest has no smaller one
    assert cold_aisle(data, "c").note.endswith("The aisle 'b' likewise for validation.")


def test_cold_aisle_with_two_aisles_asks_nothing_for_validation() -> None:
    split = cold_aisle(dataset([[1, 2], [2, 1], [5]]), "b")
    assert (len(split.valid), len(split.test), lists(split.train.histories)) == (0, 2, [[1], [1], [5]])
    assert "validation" not in split.note


def test_cold_aisle_refuses() -> None:
    with pytest.raises(RequestError, match=r"no aisle 'd' in the data; expected an aisle of the items table, the nearest is '[abc]'"):
        cold_aisle(dataset([[1, 2]]), "d")
    with pytest.raises(RequestError, match="no aisle '' in the data"):
        cold_aisle(dataset([[1, 2]]), "")
    with pytest.raises(TableError, match="no user has items both of b and of another aisle; expected users of two or more aisles"):
        cold_aisle(dataset([[1, 5], [2, 6]]), "b")
