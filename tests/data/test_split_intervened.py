"""Targets asked for evenly: the draw follows min(1 / n, cap), and leaves questions enough."""

import numpy as np
import pytest

from crossaisle.data.histories import Histories
from crossaisle.data.split_intervened import CAP, flattened
from crossaisle.data.split_parts import Queries


def _asked(targets):
    n = len(targets)
    return Queries(np.arange(n), Histories.from_lists([[0]] * n), Histories.from_lists([[t] for t in targets]), np.full(n, -1), np.zeros(n))


@pytest.fixture(scope="module")
def shop():
    """Items with 2 to 2,000 events, asked for in proportion to them."""
    counts = np.array([2, 4, 20, 200, 2000])
    return counts, _asked(np.repeat(np.arange(5), counts * 20))


def test_an_item_is_asked_for_as_often_as_the_cap_allows(shop):
    counts, asked = shop
    kept, cap = flattened(asked, counts, seed=0, least=100)
    assert cap == CAP
    left = np.bincount(kept.targets.items, minlength=5)
    wanted = 20 * counts * np.minimum(1 / counts, CAP) / CAP  # 40, 80 of the rare two, 100 of each other one
    np.testing.assert_array_equal(left[:2], wanted[:2])
    np.testing.assert_allclose(left[2:], wanted[2:], atol=35)
    assert len(kept) == len(asked)  # nothing moves: questions without a target stay in their place


def test_the_draw_is_a_function_of_the_seed(shop):
    counts, asked = shop
    a, b, c = (flattened(asked, counts, seed=s)[0].targets for s in (0, 0, 1))
    assert np.array_equal(a.offsets, b.offsets)
    assert not np.array_equal(a.offsets, c.offsets)


def test_the_cap_falls_where_too_few_would_stay():
    counts = np.array([1, 10_000])
    asked = _asked([0] + [1] * 3000)
    kept, cap = flattened(asked, counts, seed=0, least=600)
    assert cap < 1 / 1000
    assert len(kept.targets.items) == pytest.approx(600, abs=75)
    few, _ = flattened(_asked([0] + [1] * 99), counts, seed=0)
    assert 30 < len(few.targets.items) < 70  # half, where there are few


def test_where_all_are_as_popular_all_stay():
    kept, cap = flattened(_asked([0, 1] * 50), np.array([70, 70]), seed=0)
    assert len(kept.targets.items) == 100
    assert cap == pytest.approx(1 / 70)


def test_targets_never_seen_count_as_seen_once_and_no_question_is_no_fault():
    kept, _ = flattened(_asked([0, 1, 0]), np.array([0, 1]), seed=0)
    assert len(kept.targets.items) == 3
    assert flattened(_asked([]), np.array([1]), seed=0)[1] == CAP
