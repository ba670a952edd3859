"""The ridge written out beside the ridge that compares shoppers."""

import dataclasses

import numpy as np
import pytest

from crossaisle.across.ridge import CrossAisleRidge
from crossaisle.across.settings import AcrossSettings
from crossaisle.shared import ALONE, Shared
from crossaisle.testing import toy_dataset

SMALL = AcrossSettings(dim=8, regularisation=1.0, penalty=1.0, components=20, least_shoppers=5)
MUCH = 1_000_000


@pytest.fixture(scope="module")
def data():
    return toy_dataset()


def _text(n=80, dim=6):
    out = np.random.default_rng(1).normal(size=(n, dim)).astype(np.float32)
    return out / np.linalg.norm(out, axis=1, keepdims=True)


def _untouched(item_aisles, histories, aisle):
    return np.array([not (item_aisles[row] == aisle).any() for row in histories.rows()])


def _agree(ridge, histories):
    """Whether the table's scores are, up to a factor of each aisle, those of the ridge in aisles that a history does not touch."""
    everywhere, compared = ridge.everywhere(histories), 0
    for aisle in ridge.aisles:
        rows = np.flatnonzero(_untouched(ridge._item_aisles, histories, aisle))
        if not len(rows):
            continue
        columns = np.flatnonzero(ridge._item_aisles == aisle)
        told = ridge.inside(histories[rows], aisle, ridge.features(histories[rows]))
        found = everywhere[np.ix_(rows, columns)]
        factor = (told * found).sum() / (found * found).sum()
        assert np.abs(told - factor * found).max() < 2e-3 * told.std(axis=1).max()
        compared += len(rows)
    return compared


@pytest.mark.parametrize("changes", [{}, {"borrow": 0.0}, {"ids": 0.0}, {"factors": 0.0}, {"text": 0.0}, {"constant": 0.0}])
def test_it_says_what_the_ridge_says(data, changes):
    ridge = CrossAisleRidge(dataclasses.replace(SMALL, **changes), _text()).fit(data)
    assert ridge.everywhere(data.histories[:3]) is None  # nothing is written out before it is asked for
    ridge.tabulate(ALONE, MUCH)
    histories = data.histories.last(2)[:70]
    assert _agree(ridge, histories) > 50


def test_another_penalty_and_another_text_need_another_table(data):
    ridge = CrossAisleRidge(SMALL, _text()).fit(data)
    ridge.tabulate(ALONE, MUCH)
    ridge.penalty = 3.0
    assert ridge.everywhere(data.histories[:3]) is None
    ridge.tabulate(ALONE, MUCH)
    assert _agree(ridge, data.histories.last(2)[:20])
    ridge.use_text(_text()[::-1].copy())
    assert ridge.everywhere(data.histories[:3]) is None
    ridge.tabulate(ALONE, MUCH)
    ridge.fit(data)
    assert ridge.everywhere(data.histories[:3]) is None


def test_no_table_is_larger_than_allowed(data):
    ridge = CrossAisleRidge(SMALL, _text()).fit(data)
    needs = 2 * 80 * 80 + 4 * (8 + 6 + 1) * 80
    ridge.tabulate(ALONE, needs - 1)
    assert ridge.everywhere(data.histories[:3]) is None
    ridge.tabulate(ALONE, needs)
    assert ridge.everywhere(data.histories[:3]).shape == (3, 80)


def test_items_that_join_before_or_after_stand_last_and_are_read_by_what_they_say(data):
    text = _text(83)
    for when in ("before", "after"):
        ridge = CrossAisleRidge(SMALL, text[:80]).fit(data)
        grown = ridge.copied()
        if when == "after":
            ridge.tabulate(ALONE, MUCH)
        grown.add_items(np.array([0, 1, 1]), text)
        if when == "before":
            ridge.tabulate(ALONE, MUCH)
        plain, with_new = data.histories.last(2)[:30], data.histories.last(2)[:30]
        assert np.array_equal(grown.everywhere(plain)[:, :80], ridge.everywhere(plain))
        assert not grown.everywhere(plain)[:, 80:].any()  # nobody has bought them
        with_new = with_new.from_lists([[*row.tolist(), 81] for row in with_new.rows()])
        assert np.abs(grown.everywhere(with_new) - grown.everywhere(plain)).max() > 0.01
        assert _agree(grown, with_new)


def test_processes_share_it(data, tmp_path, monkeypatch):
    one, other = (CrossAisleRidge(SMALL, _text()).fit(data) for _ in range(2))
    one.tabulate(Shared(tmp_path), MUCH)
    monkeypatch.setattr(other, "_written_out", lambda width: 1 / 0)  # it has been made
    other.tabulate(Shared(tmp_path), MUCH)
    assert np.array_equal(one.everywhere(data.histories[:9]), other.everywhere(data.histories[:9]))
    assert sorted(p.name for p in tmp_path.glob("*.npy")) == ["ridge-dense.npy", "ridge-items.npy"]
