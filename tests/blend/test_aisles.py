"""Sums inside aisles beside loops over the aisles."""

import numpy as np
import pytest
from scipy.special import logsumexp

from crossaisle.blend.aisles import Aisles
from crossaisle.blend.parts import standardised


@pytest.fixture
def item_aisles():
    return np.random.default_rng(0).integers(0, 7, 60)


def test_items_stand_aisle_after_aisle_and_aisles_without_items_are_left_out(item_aisles):
    shelves = Aisles(item_aisles, np.array([5, 2, 9]))
    assert shelves.codes.tolist() == [2, 5]
    assert shelves.items.tolist() == [*np.flatnonzero(item_aisles == 2).tolist(), *np.flatnonzero(item_aisles == 5).tolist()]
    assert (shelves.codes[shelves.of] == item_aisles[shelves.items]).all()
    assert shelves.lengths.sum() == len(shelves.items)


def test_each_aisle_as_by_itself(item_aisles):
    shelves = Aisles(item_aisles, np.array([0, 3, 6]))
    values = np.random.default_rng(1).normal(size=(4, len(shelves.items))).astype(np.float32) * 30
    values[2, shelves.of == 1] = -80.0  # equal values: nothing to tell
    for place in range(3):
        here = shelves.of == place
        assert np.allclose(shelves.standardised(values)[:, here], standardised(values[:, here]), atol=1e-5)
        assert np.allclose(shelves.log_sum_exp(values)[:, place], logsumexp(values[:, here], axis=1), atol=1e-5)
