import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crossaisle.rank.topk import top_k

# few distinct values, so that ties are common
_SCORES = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.sampled_from([-np.inf, -1e30, -1.5, -0.0, 0.0, 1e-40, 2.5, 3e38, np.inf]),
)


def plain_top_k(scores, k, allowed):
    rows = []
    for row, ok in zip(scores, allowed, strict=True):
        best = sorted((c for c in range(len(row)) if ok[c]), key=lambda c: (-row[c], c))[:k]
        rows.append(best + [-1] * (min(k, len(row)) - len(best)))
    return rows


@settings(deadline=None)
@given(_SCORES, st.integers(1, 15), st.data())
def test_top_k_is_a_sort_by_score_then_column(scores, k, data):
    allowed = data.draw(hnp.arrays(np.bool_, scores.shape))
    assert top_k(scores, k, allowed).tolist() == plain_top_k(scores, k, allowed)
    assert top_k(scores, k).tolist() == plain_top_k(scores, k, np.ones_like(allowed))


def test_top_k_of_random_floats_agrees_with_argsort():
    scores = np.random.default_rng(0).normal(size=(50, 3000)).astype(np.float32)
    assert (top_k(scores, 10) == np.argsort(-scores, axis=1)[:, :10]).all()


def test_top_k_of_nothing():
    assert top_k(np.zeros((2, 0), dtype=np.float32), 3).shape == (2, 0)
    assert top_k(np.zeros((0, 4), dtype=np.float32), 3).shape == (0, 3)


def test_nan_is_a_defect_of_the_scorer():
    with pytest.raises(ValueError, match="scores hold NaN"):
        top_k(np.array([[np.nan, 1.0]], dtype=np.float32), 1)
