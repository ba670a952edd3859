import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.rank import slate as slate_module
from crossaisle.rank.slate import slate, unit_rows
from crossaisle.rank.topk import top_k


def plain_mmr(scores, k, groups, allowed, cap, diversity, vectors):
    """One row, one step after the other, straight from the definition; the pool is everything."""
    pool = [c for c in range(len(scores)) if allowed[c]]
    if not pool:
        return []
    low, high = min(scores[pool]), max(scores[pool])
    relevance = {c: (scores[c] - low) / (high - low) if high > low else 1.0 for c in pool}
    chosen = []
    while len(chosen) < k:
        free = [c for c in pool if c not in chosen and (cap is None or sum(groups[d] == groups[c] for d in chosen) < cap)]
        if not free:
            break

        def gain(c):
            closest = max((float(vectors[c] @ vectors[d]) for d in chosen), default=None)
            return relevance[c] if closest is None else (1 - diversity) * relevance[c] - diversity * closest

        chosen.append(max(free, key=lambda c: (round(gain(c), 5), scores[c], -c)))
    return chosen


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.sampled_from([None, 1, 2]), st.sampled_from([0.0, 0.3, 0.7, 1.0]))
def test_slate_is_maximal_marginal_relevance_under_a_cap(seed, k, cap, diversity):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(3, 9)).astype(np.float32)
    groups, allowed = rng.integers(0, 4, size=9), rng.random((3, 9)) < 0.8
    vectors = unit_rows(rng.normal(size=(9, 4)).astype(np.float32))
    found = slate(scores, k, groups=groups, allowed=allowed, max_per_group=cap, diversity=diversity, vectors=vectors)
    for b in range(3):
        wanted = plain_mmr(scores[b], k, groups, allowed[b], cap, diversity, vectors)
        assert [c for c in found[b].tolist() if c >= 0] == wanted
        assert (found[b][len(wanted) :] == -1).all()


def test_without_options_the_slate_is_the_top():
    scores = np.random.default_rng(1).normal(size=(5, 30)).astype(np.float32)
    assert (slate(scores, 7, groups=np.zeros(30, dtype=np.int64)) == top_k(scores, 7)).all()


def test_ties_under_a_cap_stand_in_item_order():
    scores = np.zeros((1, 6), dtype=np.float32)
    assert slate(scores, 4, groups=np.array([1, 0, 1, 0, 2, 2]), max_per_group=1).tolist() == [[0, 1, 4]]


def test_a_cap_fills_the_list_from_far_down_the_scores():
    scores = -np.arange(1000, dtype=np.float32)[None]
    groups = np.array([0] * 990 + list(range(1, 11)))
    vectors = unit_rows(np.ones((1000, 2), dtype=np.float32))
    assert (slate(scores, 10, groups=groups, max_per_group=1)[0] == [0, *range(990, 999)]).all()
    assert sorted(slate(scores, 10, groups=groups, max_per_group=1, diversity=0.01, vectors=vectors)[0]) == [0, *range(990, 999)]


def test_more_diversity_makes_a_list_less_alike():
    rng = np.random.default_rng(2)
    vectors = unit_rows(rng.normal(size=(200, 8)).astype(np.float32))
    scores = (rng.normal(size=(20, 8)) @ vectors.T).astype(np.float32)

    def alike(diversity):
        top = slate(scores, 10, groups=np.zeros(200, dtype=np.int64), diversity=diversity, vectors=vectors)
        cosines = np.einsum("bid,bjd->bij", vectors[top], vectors[top])
        return cosines.mean()

    assert alike(0.0) > alike(0.3) + 0.02 > alike(0.8) + 0.04


def test_portions_of_rows_change_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    scores, vectors = rng.normal(size=(9, 50)).astype(np.float32), unit_rows(rng.normal(size=(50, 4)).astype(np.float32))
    args = {"groups": np.zeros(50, dtype=np.int64), "diversity": 0.5, "vectors": vectors}
    whole = slate(scores, 5, **args)
    monkeypatch.setattr(slate_module, "_CELLS", 1)
    assert (slate(scores, 5, **args) == whole).all()


def test_no_rows_no_columns():
    vectors = np.zeros((0, 3), dtype=np.float32)
    empty = np.zeros(0, dtype=np.int64)
    assert slate(np.zeros((2, 0), dtype=np.float32), 3, groups=empty, max_per_group=1, diversity=0.5, vectors=vectors).shape == (2, 0)
    assert slate(
        np.zeros((0, 4), dtype=np.float32), 3, groups=np.zeros(4, dtype=np.int64), diversity=0.5, vectors=np.zeros((4, 2), dtype=np.float32)
    ).shape == (0, 3)


def test_diversity_without_vectors():
    with pytest.raises(ValueError, match="diversity needs item vectors"):
        slate(np.zeros((1, 3), dtype=np.float32), 2, groups=np.zeros(3, dtype=np.int64), diversity=0.5)


def test_unit_rows_keep_zeros():
    assert unit_rows(np.array([[3, 4], [0, 0]], dtype=np.float32)).tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]
