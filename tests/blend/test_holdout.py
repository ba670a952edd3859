"""What a fit keeps back: nothing of it may be learned from."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.blend.holdout import hold_out, kinds
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries, hold_out_last
from crossaisle.errors import TableError
from crossaisle.testing import toy_dataset


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.3, 0.5]), st.integers(2, 6), st.booleans(), st.booleans())
def test_a_hidden_aisle_is_hidden_and_what_came_last_is_held_back(seed, share, n_aisles, only_purchases, one_nameless):
    data = toy_dataset(seed=seed, n_users=150, n_aisles=n_aisles)
    if one_nameless:
        data = dataclasses.replace(data, items=data.items.with_columns(pl.col("category").replace("Books", "")))
    wanted = ("purchase",) if only_purchases else ()
    train, valid = hold_out(data, wanted, share, seed)
    assert (train.n_users, train.n_items) == (data.n_users, data.n_items)
    assert len(np.unique(valid.users)) == len(valid)
    purchase = data.event_names.index("purchase")
    for q, user in enumerate(valid.users.tolist()):
        whole = data.histories[np.array([user])]
        learned, history, targets = train.histories.row(user).tolist(), valid.histories.row(q).tolist(), valid.targets.row(q).tolist()
        assert learned == history  # nobody has an event twice, so this also says that no target is learned
        assert history
        assert not set(targets) & set(learned)
        kinds_of = dict(zip(whole.items.tolist(), whole.events.tolist(), strict=True))
        if only_purchases:
            assert all(kinds_of[t] == purchase for t in targets)
        aisle = int(valid.aisles[q])
        if aisle >= 0:
            assert data.categories[aisle] != ""
            assert aisle not in data.item_categories[learned]
            theirs = [i for i in whole.items.tolist() if data.item_categories[i] == aisle]
            assert set(targets) == {i for i in theirs if not only_purchases or kinds_of[i] == purchase}
            assert sorted(learned + theirs) == sorted(whole.items.tolist())
        else:
            assert len(targets) == 1
            assert whole.items.tolist()[: len(learned)] == learned
    untouched = np.setdiff1d(np.arange(data.n_users), valid.users)
    assert all(train.histories.row(u).tolist() == data.histories.row(u).tolist() for u in untouched.tolist())


def test_share_and_seed_say_who_and_how_many():
    data = toy_dataset(n_users=400)
    several = np.array([len(np.unique(data.item_categories[r])) > 1 for r in data.histories.rows()])
    hidden = [int((hold_out(data, (), share, 0)[1].aisles >= 0).sum()) for share in (0.1, 0.25, 0.5)]
    assert hidden == [round(share * several.sum()) for share in (0.1, 0.25, 0.5)]
    a, b, c = (hold_out(data, (), 0.25, seed)[1] for seed in (0, 0, 1))
    assert np.array_equal(a.aisles, b.aisles)
    assert not np.array_equal(a.aisles, c.aisles)
    assert set(np.unique(a.aisles[a.aisles >= 0]).tolist()) == {0, 1, 2, 3}


def test_with_few_people_or_one_aisle_none_is_hidden():
    for data, share in ((toy_dataset(n_users=100), 0.1), (toy_dataset(n_users=200, n_aisles=1), 0.5), (toy_dataset(n_users=200), 0.0)):
        train, valid = hold_out(data, (), share, 0)
        plain, asked = hold_out_last(data)
        assert (valid.aisles == -1).all()
        assert np.array_equal(train.histories.items, plain.histories.items)
        assert np.array_equal(valid.targets.items, asked.targets.items)


def test_people_with_one_interaction_each_cannot_be_asked():
    data = toy_dataset(n_users=40)
    single = data.with_histories(Histories.from_lists([[int(r[0])] for r in data.histories.rows()]))
    with pytest.raises(TableError, match="no user has two interactions; expected at least one user with two"):
        hold_out(single, (), 0.5, 0)


def test_which_questions_are_near_and_which_far():
    items = pl.DataFrame({"item_id": list("abcde"), "category": ["", "x", "x", "y", "z"]})  # aisles: "" 0, x 1, y 2, z 3
    data = Dataset(items, pl.Series([str(u) for u in range(8)]), Histories.from_lists([[]] * 8))
    rows = [  # history, targets, the aisle named -> near, far
        ([1], [3], -1, True, 2),
        ([1], [3], 2, False, 2),
        ([1], [2], -1, True, -1),
        ([1], [2], 1, True, -1),
        ([1], [3, 4], -1, True, -1),
        ([1], [0], -1, True, -1),
        ([], [3], 2, True, -1),
        ([0], [1, 2], 1, False, 1),
    ]
    asked = Queries(
        np.arange(8),
        Histories.from_lists([r[0] for r in rows]),
        Histories.from_lists([r[1] for r in rows]),
        np.array([r[2] for r in rows]),
        np.full(8, np.nan),
    )
    near, far = kinds(data, asked)
    assert near.tolist() == [r[3] for r in rows]
    assert far.tolist() == [r[4] for r in rows]
    near, far = kinds(data, asked[np.arange(0)])
    assert (len(near), len(far)) == (0, 0)
