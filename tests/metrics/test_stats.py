"""Intervals cover what they should, and paired tests see what unpaired ones miss."""

from __future__ import annotations

import numpy as np
import pytest

from crossaisle import stats


def test_same_seed_same_resamples_and_columns_share_them() -> None:
    values = np.random.default_rng(0).random(300)
    first = stats.bootstrap_means(values, seed=5, n=50)
    np.testing.assert_array_equal(first, stats.bootstrap_means(values, seed=5, n=50))
    assert not np.array_equal(first, stats.bootstrap_means(values, seed=6, n=50))
    both = stats.bootstrap_means(np.column_stack([values, values + 1]), seed=5, n=50)
    np.testing.assert_allclose(both[:, 0], first)
    np.testing.assert_allclose(both[:, 1], first + 1)


def test_resampling_in_portions_draws_the_same_distribution() -> None:
    # 50,000 queries are resampled 80 at a time
    values = np.arange(50_000) % 2.0
    means = stats.bootstrap_means(values, seed=0, n=100)
    assert means.shape == (100,)
    assert means.mean() == pytest.approx(0.5, abs=0.001)
    assert means.std() == pytest.approx(0.5 / np.sqrt(50_000), rel=0.25)


def test_interval_is_that_of_theory() -> None:
    values = np.random.default_rng(1).standard_normal(400)
    low, high = stats.bootstrap_interval(values, seed=0)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.015)
    assert high == pytest.approx(values.mean() + half, abs=0.015)
    narrow = stats.bootstrap_interval(values, seed=0, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    samples = rng.random((60, 400)) < 0.1  # 400 columns: 400 trials of 60 yes-or-no questions
    low, high = stats.bootstrap_interval(samples.astype(float), seed=0, n=1000)
    covered = ((low <= 0.1) & (high >= 0.1)).mean()
    assert 0.87 < covered < 0.98


def test_paired_test_finds_a_small_difference_under_large_spread() -> None:
    rng = np.random.default_rng(3)
    a = rng.standard_normal(500) * 10
    b = a - 0.05 + rng.standard_normal(500) * 0.1
    test = stats.paired_test(a, b, seed=0)
    assert test.difference == pytest.approx((a - b).mean())
    assert 0 < test.low < test.difference < test.high
    assert test.p == pytest.approx(2 / 2001)  # no resample on the other side
    back = stats.paired_test(b, a, seed=0)
    assert (back.difference, back.p) == (pytest.approx(-test.difference), test.p)


def test_p_is_spread_evenly_where_nothing_differs() -> None:
    differences = np.random.default_rng(4).standard_normal((80, 300))
    p = np.array([t.p for t in stats.paired_tests(differences, seed=0, n=500)])
    assert 0.02 < (p < 0.05).mean() < 0.11
    assert 0.4 < (p < 0.5).mean() < 0.6
    assert p.max() <= 1.0


def test_many_tests_equal_one_by_one() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.random((50, 3)), rng.random((50, 3))
    together = stats.paired_tests(a - b, seed=1)
    for j, test in enumerate(together):
        np.testing.assert_allclose(stats.paired_test(a[:, j], b[:, j], seed=1), test, atol=1e-12)


def test_what_cannot_be_resampled() -> None:
    with pytest.raises(ValueError, match="no queries to resample; expected at least one"):
        stats.bootstrap_means([], seed=0)
    with pytest.raises(ValueError, match=r"level is 1\.0, expected a number between 0 and 1"):
        stats.bootstrap_interval([1.0], seed=0, level=1.0)
    with pytest.raises(ValueError, match=r"\(2,\) against \(3,\) values; expected the same queries in both"):
        stats.paired_test([1, 2], [1, 2, 3], seed=0)
