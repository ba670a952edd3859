"""Pairs: who may be paired, how often, who is held out, and what the placebo keeps."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.errors import SettingError, TableError
from crossaisle.pretrain.pairs import bought_together, draw_epoch, hold_out_users, item_shares, rewired
from crossaisle.pretrain.settings import PretrainSettings
from crossaisle.testing import toy_dataset

DAY = 86_400.0


def shop(times: list[float]) -> Dataset:
    """One user with items 0 to 3, a and b in aisle x, c and d in aisle y."""
    items = pl.DataFrame({"item_id": ["a", "b", "c", "d"], "category": ["x", "x", "y", "y"]})
    h = Histories.from_arrays(np.array([0, 4]), np.array([0, 1, 2, 3]), times=np.array(times))
    return Dataset(items, pl.Series(["u"]), h)


def found(data: Dataset, has_text: tuple[int, ...] = (1, 1, 1, 1), **settings: object) -> set[tuple[int, int]]:
    pairs = bought_together(data, PretrainSettings(**settings), np.array(has_text, dtype=bool))  # type: ignore[arg-type]
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


def test_pairs_lie_within_days_where_times_are_known() -> None:
    assert found(shop([0, 10 * DAY, 35 * DAY, 80 * DAY])) == {(0, 1), (1, 2)}


def test_pairs_lie_within_the_window_where_times_are_unknown() -> None:
    assert found(shop([np.nan] * 4), window=1) == {(0, 1), (1, 2), (2, 3)}
    assert len(found(shop([np.nan] * 4))) == 6


def test_across_keeps_pairs_of_two_aisles_and_text_is_needed() -> None:
    assert found(shop([np.nan] * 4), across=True) == {(0, 2), (0, 3), (1, 2), (1, 3)}
    assert found(shop([np.nan] * 4), has_text=(1, 0, 1, 1), across=True) == {(0, 2), (0, 3)}


def test_an_unknown_aisle_is_no_other_aisle() -> None:
    data = shop([np.nan] * 4)
    data.items.replace_column(1, pl.Series("category", ["", "", "y", "y"]))
    with pytest.raises(TableError, match="no user has two items with text bought together from different aisles"):
        found(data, across=True)


def test_no_pair_at_all() -> None:
    with pytest.raises(TableError, match="no user has two items with text bought together; expected histories"):
        found(shop([0, 100 * DAY, 200 * DAY, 300 * DAY]))


def test_a_pair_counts_once_for_a_user() -> None:
    items = pl.DataFrame({"item_id": ["a", "b"], "category": ["x", "x"]})
    data = Dataset(items, pl.Series(["u"]), Histories.from_lists([[0, 1, 0, 1]]))
    assert len(bought_together(data, PretrainSettings(), np.ones(2, dtype=bool))) == 1


def test_an_epoch_takes_one_pair_a_user_and_caps_items() -> None:
    data = toy_dataset(n_users=120)
    pairs = bought_together(data, PretrainSettings(), np.ones(data.n_items, dtype=bool))
    drawn = draw_epoch(pairs, PretrainSettings(), seed=0, epoch=0)
    assert len(set(drawn.owners.tolist())) == len(drawn)
    assert not np.array_equal(drawn.first, draw_epoch(pairs, PretrainSettings(), seed=0, epoch=1).first)
    capped = draw_epoch(pairs, PretrainSettings(item_cap=2), seed=0, epoch=0)
    assert np.bincount(np.concatenate([capped.first, capped.second])).max() == 2


def test_shares_are_the_expected_share_of_draws() -> None:
    data = toy_dataset(n_users=60)
    pairs = bought_together(data, PretrainSettings(), np.ones(data.n_items, dtype=bool))
    settings = PretrainSettings(item_cap=10_000)
    drawn = np.zeros(data.n_items)
    for epoch in range(400):
        part = draw_epoch(pairs, settings, 0, epoch)
        drawn += np.bincount(np.concatenate([part.first, part.second]), minlength=data.n_items)
    shares = item_shares(pairs, settings)
    often = drawn > 400
    np.testing.assert_allclose(shares[often] / shares[often].sum(), drawn[often] / drawn[often].sum(), rtol=0.15)


def test_together_is_a_common_buyer_or_the_same_item() -> None:
    items = pl.DataFrame({"item_id": list("abcd"), "category": ["x"] * 4})
    data = Dataset(items, pl.Series(["u", "v"]), Histories.from_lists([[0, 1], [2, 1]]))
    pairs = bought_together(data, PretrainSettings(), np.ones(4, dtype=bool))
    every = np.arange(4)
    expected = [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]
    assert pairs.together(every, every).astype(int).tolist() == expected


def test_held_out_users_give_one_pair_each_and_nothing_to_training() -> None:
    data = toy_dataset(n_users=100)
    pairs = bought_together(data, PretrainSettings(), np.ones(data.n_items, dtype=bool))
    learned, held = hold_out_users(pairs, 0.2, 15, seed=0)
    assert len(held) == 15
    assert len(set(held.owners.tolist())) == 15
    assert not np.isin(held.owners, learned.owners).any()


def test_rewired_pairs_keep_every_count_and_lose_who_goes_with_whom() -> None:
    data = toy_dataset(n_users=400, n_items=160)
    pairs = bought_together(data, PretrainSettings(across=True), np.ones(data.n_items, dtype=bool))
    other = rewired(pairs, seed=1)
    for before, after in ((pairs.first, other.first), (pairs.second, other.second)):
        assert np.array_equal(np.bincount(before, minlength=160), np.bincount(after, minlength=160))
    kinds = pairs.aisles[pairs.first] * 9 + pairs.aisles[pairs.second]
    assert np.array_equal(kinds, other.aisles[other.first] * 9 + other.aisles[other.second])
    taste = (np.arange(160) // 4) % 4  # the toy shop's: what its people keep to
    assert (taste[pairs.first] == taste[pairs.second]).mean() > 0.6
    assert (taste[other.first] == taste[other.second]).mean() < 0.4
    assert other.together(other.first[:5], other.second[:5]).diagonal().all()


def test_objectives_that_do_not_exist() -> None:
    with pytest.raises(SettingError, match=r"pretrain\.objectives names 'pears'"):
        PretrainSettings(objectives=("pears",))
    with pytest.raises(SettingError, match=r"pretrain\.objectives is empty"):
        PretrainSettings(objectives=())
