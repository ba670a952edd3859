"""Empirical likelihood: against its definition, against the normal interval of many rows, and where it must fail."""

import numpy as np
import pytest
from scipy.optimize import minimize

from crossaisle.exposure.likelihood import doubt, likely


def test_it_is_the_largest_likelihood_with_that_mean():
    z = np.array([-1.0, 0.5, 2.0, -0.3])
    found = minimize(
        lambda p: -np.log(4 * p).sum(),
        np.full(4, 0.25),
        bounds=[(1e-9, 1)] * 4,
        constraints=[{"type": "eq", "fun": lambda p: p.sum() - 1}, {"type": "eq", "fun": lambda p: p @ z}],
    )
    assert doubt(z) == pytest.approx(2 * found.fun, rel=1e-4)
    assert doubt(z - z.mean()) == pytest.approx(0.0, abs=1e-9)
    assert doubt(np.zeros(3)) == 0.0


def test_of_many_rows_it_is_the_normal_interval():
    rng = np.random.default_rng(0)
    a, b = rng.normal(3, 1, 20_000), rng.normal(2, 0.2, 20_000)
    low, high = likely(a, b, 20_000)
    value = a.sum() / b.sum()
    half = 1.96 * np.std(a - value * b) / np.sqrt(20_000) / b.mean()
    assert [low, high] == pytest.approx([value - half, value + half], rel=1e-3)


def test_skewed_sums_have_a_long_side_and_fewer_rows_are_less_sure():
    a = np.random.default_rng(1).exponential(1, 60) ** 3
    low, high = likely(a, np.ones(60), 60)
    assert high - a.mean() > 1.3 * (a.mean() - low)
    wider = likely(a, np.ones(60), 2)
    assert wider[0] < low < high < wider[1]
    assert low > 0


def test_one_value_is_its_own_interval():
    assert likely(np.full(5, 2.0), np.ones(5), 5) == (2.0, 2.0)


@pytest.mark.parametrize(("a", "b"), [(np.ones(1), np.ones(1)), (np.ones(3), np.ones(2)), (np.ones(3), np.zeros(3))])
def test_what_does_not_fit_is_refused(a, b):
    with pytest.raises(ValueError, match="expected two or more rows of both"):
        likely(a, b, 3)
