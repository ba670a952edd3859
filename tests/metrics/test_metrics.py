"""Measures by hand, and against an independent count and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from crossaisle import metrics
from crossaisle.data.histories import Histories


def test_every_measure_by_hand() -> None:
    top = np.array([[5, 1, 7, 2]])
    targets = Histories.from_lists([[1, 2, 9]])
    # hits at ranks 2 and 4; three relevant items
    assert metrics.precision(top, targets, 4).tolist() == [0.5]
    assert metrics.recall(top, targets, 4).tolist() == [pytest.approx(2 / 3)]
    assert metrics.f1(top, targets, 4).tolist() == [pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))]
    assert metrics.hit_rate(top, targets, 1).tolist() == [0.0]
    assert metrics.hit_rate(top, targets, 2).tolist() == [1.0]
    assert metrics.mrr(top, targets, 4).tolist() == [0.5]
    assert metrics.mrr(top, targets, 1).tolist() == [0.0]
    gain, best = 1 / math.log2(3) + 1 / math.log2(5), 1 + 1 / math.log2(3) + 1 / 2
    assert metrics.ndcg(top, targets, 4).tolist() == [pytest.approx(gain / best)]
    # the ideal list is cut at k too: at k = 2 two of the three relevant items fit
    assert metrics.ndcg(top, targets, 2).tolist() == [pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))]
    # a list that is best possible is worth 1 whatever the number of relevant items
    assert metrics.ndcg(np.array([[9, 2]]), targets, 2).tolist() == [pytest.approx(1.0)]


def test_padding_is_never_a_hit_and_counts_as_a_place() -> None:
    top, targets = np.array([[3, -1, -1]]), Histories.from_lists([[3]])
    assert metrics.hits(top, targets).tolist() == [[True, False, False]]
    assert metrics.precision(top, targets, 3).tolist() == [pytest.approx(1 / 3)]


def test_an_item_of_another_query_is_no_hit() -> None:
    assert metrics.hits(np.array([[0], [4]]), Histories.from_lists([[4], [0]])).tolist() == [[False], [False]]


def test_nothing_asked_gives_nothing() -> None:
    out = metrics.evaluate_lists(np.zeros((0, 3), dtype=np.int64), Histories.from_lists([]), [1, 3])
    assert {len(v) for v in out.values()} == {0}


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray, list[list[int]]]:
    n_queries, n_items, depth = draw(st.integers(1, 4)), 9, draw(st.integers(1, 6))
    top = np.array([draw(st.permutations(range(n_items)))[:depth] for _ in range(n_queries)])
    short = draw(st.lists(st.integers(0, depth), min_size=n_queries, max_size=n_queries))
    for row, n in zip(top, short, strict=True):
        row[depth - n :] = -1
    targets = [draw(st.lists(st.integers(0, n_items - 1), min_size=1, max_size=7, unique=True)) for _ in range(n_queries)]
    return top, targets


@given(answers())
@settings(deadline=None, max_examples=40)
def test_against_an_independent_count(drawn: tuple[np.ndarray, list[list[int]]]) -> None:
    top, targets = drawn
    ks = range(1, top.shape[1] + 1)
    got = metrics.evaluate_lists(top, Histories.from_lists(targets), ks)
    assert len(got) == 6 * len(ks)
    for q, (row, relevant) in enumerate(zip(top.tolist(), targets, strict=True)):
        for k in ks:
            hit = [item in relevant for item in row[:k]]
            p, r = sum(hit) / k, sum(hit) / len(relevant)
            wanted = {
                "precision": p,
                "recall": r,
                "f1": 2 * p * r / (p + r) if p + r else 0.0,
                "hit_rate": float(any(hit)),
                "mrr": 1 / (1 + hit.index(True)) if any(hit) else 0.0,
                "ndcg": sum(h / math.log2(i + 2) for i, h in enumerate(hit))
                / sum(1 / math.log2(i + 2) for i in range(min(k, len(relevant)))),
            }
            for name, value in wanted.items():
                assert got[f"{name}@{k}"][q] == pytest.approx(value), (name, k)
                one = getattr(metrics, name)(top, Histories.from_lists(targets), k)
                assert one[q] == pytest.approx(value)


def test_ndcg_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((20, 30))
    relevant = rng.random((20, 30)) < 0.15
    relevant[:, 0] = True
    top = np.argsort(-scores, axis=1)
    targets = Histories.from_lists([np.flatnonzero(r).tolist() for r in relevant])
    for k in (1, 5, 30):
        wanted = [ndcg_score(relevant[q : q + 1], scores[q : q + 1], k=k) for q in range(20)]
        np.testing.assert_allclose(metrics.ndcg(top, targets, k), wanted)


def test_coverage_and_gini() -> None:
    assert metrics.coverage(np.array([[0, 1], [1, -1]]), 4) == 0.5
    # counts 0, 0, 1, 3: sum of |differences| of all ordered pairs / (2 n^2 mean)
    counts = np.array([0, 0, 1, 3])
    wanted = np.abs(counts[:, None] - counts[None, :]).sum() / (2 * 16 * counts.mean())
    assert metrics.gini(np.array([[3, 2], [3, -1], [3, -1]]), 4) == pytest.approx(wanted)
    assert metrics.gini(np.full((2, 2), -1), 4) == 0.0


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((12, 5)).astype(np.float32)
    vectors[4] = 0
    lists = [[0, 1, 2, 3], [4, 5, -1, -1], [6, -1, -1, -1], [-1] * 4]
    got = metrics.intra_list_diversity(np.array(lists), vectors)
    for row, value in zip(lists, got, strict=True):
        shown = [vectors[i].astype(float) for i in row if i >= 0]
        norm = [np.linalg.norm(v) or 1.0 for v in shown]
        pairs = [1 - shown[a] @ shown[b] / norm[a] / norm[b] for a in range(len(shown)) for b in range(a)]
        assert value == pytest.approx(np.mean(pairs) if pairs else 0.0, abs=1e-9)


def test_diversity_in_portions_is_the_same() -> None:
    rng = np.random.default_rng(1)
    vectors, top = rng.standard_normal((50, 4)).astype(np.float32), rng.integers(-1, 50, size=(2100, 3))
    np.testing.assert_allclose(metrics.intra_list_diversity(top, vectors)[2000:], metrics.intra_list_diversity(top[2000:], vectors))


def test_category_entropy_by_hand() -> None:
    categories = np.array([0, 0, 1, 2])
    got = metrics.category_entropy(np.array([[0, 1, 2, 3], [0, 1, -1, -1], [-1, -1, -1, -1]]), categories)
    np.testing.assert_allclose(got, [0.5 * 1 + 2 * 0.25 * 2, 0.0, 0.0])
    assert not np.signbit(got).any()


def test_what_cannot_be_measured() -> None:
    one = Histories.from_lists([[1]])
    with pytest.raises(ValueError, match="2 lists for 1 rows of targets; expected one list a row"):
        metrics.hits(np.array([[1], [2]]), one)
    with pytest.raises(ValueError, match=r"k from 1 to 3 for lists of 2; expected 1 <= k <= length"):
        metrics.evaluate_lists(np.array([[1, 2]]), one, [1, 3])
    with pytest.raises(ValueError, match="k from 0 to 1"):
        metrics.evaluate_lists(np.array([[1, 2]]), one, [0, 1])
    with pytest.raises(ValueError, match="a query without targets; expected at least one relevant item"):
        metrics.evaluate_lists(np.array([[1], [2]]), Histories.from_lists([[1], []]), [1])
