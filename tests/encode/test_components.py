"""Principal components: against the decomposition they stand for, and signs that two machines agree on."""

from __future__ import annotations

import numpy as np

from crossaisle.encode.components import fixed_signs, principal_components


def test_they_span_what_varies_and_no_more() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3)) @ np.random.default_rng(1).normal(size=(3, 6))
    covariance = np.cov(x.T)
    variances, directions = principal_components(covariance, 6)
    assert directions.shape == (6, 3)
    assert (np.diff(variances) <= 0).all()
    np.testing.assert_allclose(directions * variances @ directions.T, covariance, atol=1e-10)
    np.testing.assert_allclose(np.linalg.svd(x - x.mean(0))[1][:2] ** 2 / 49, principal_components(covariance, 2)[0])
    assert principal_components(np.zeros((2, 2)), 2)[0].tolist() == []


def test_signs_do_not_depend_on_those_given() -> None:
    x = np.random.default_rng(2).normal(size=(5, 4))
    fixed = fixed_signs(x * np.array([1, -1, -1, 1]))
    np.testing.assert_array_equal(fixed, fixed_signs(x))
    assert (fixed.max(axis=0) == np.abs(x).max(axis=0)).all()
