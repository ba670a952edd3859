"""Each baseline against its formula, written out the slow way or worked by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.baselines import EASE, IALS, ItemKNN, Markov, Popularity, TextKNN, TransitionGraph, UserKNN, ease, too_large
from crossaisle.baselines.matrices import finish, history_matrix, item_to_item, keep_top
from crossaisle.baselines.text_space import TextSpace
from crossaisle.data.histories import Histories
from crossaisle.errors import RequestError
from crossaisle.testing import toy_dataset

DATA = toy_dataset(n_users=50, n_items=40)
X = history_matrix(DATA.histories, 40).toarray().astype(np.float64)
ASKED = DATA.histories[:6]


def decayed(decay):
    """The histories asked for, one event at a time."""
    out = np.zeros((len(ASKED), 40))
    for b, row in enumerate(ASKED.rows()):
        for place, item in enumerate(row[::-1]):
            out[b, item] += decay**place
    return out


def silent(scores):
    """What `finish` does to zeros is too small to see here."""
    return np.where(np.abs(scores) <= 1e-6, 0, scores)


def of_lists(rows, **columns):
    return toy_dataset(n_users=len(rows), **columns).with_histories(Histories.from_lists(rows))


# --- matrices


def test_history_matrix_weighs_events_by_place_and_by_weight():
    h = Histories.from_arrays(np.array([0, 3]), np.array([1, 1, 2]), weights=np.array([0.0, 3.0, 1.0], dtype=np.float32))
    assert history_matrix(h, 3, decay=0.5).toarray().tolist() == [[0.0, 1.0, 1.0]]  # log2(1 + 3) / 2, and log2(1 + 1)
    assert history_matrix(h, 3, newest=1).toarray().tolist() == [[0.0, 0.0, 1.0]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
@settings(max_examples=50, deadline=None)
def test_keep_top_equals_a_sort_of_each_row(seed, k):
    rng = np.random.default_rng(seed)
    dense = rng.integers(-2, 3, size=(5, 8)).astype(np.float32)
    kept = keep_top(sp.csr_matrix(dense), k).toarray()
    for row, left in zip(dense, kept, strict=True):
        stored = np.flatnonzero(row)
        best = stored[np.argsort(-row[stored], kind="stable")][:k]
        assert set(np.flatnonzero(left)) == set(best)
        assert (left[best] == row[best]).all()


def test_item_to_item_in_blocks_equals_one_block():
    x = sp.csr_matrix(X.astype(np.float32))
    roots = np.ones(40, dtype=np.float32)
    one, many = (item_to_item(x, x, 7, roots, 0.0, block=b) for b in (1000, 7))
    assert (one != many).nnz == 0
    assert one.diagonal().tolist() == [0.0] * 40


def test_finish_orders_what_the_model_leaves_level():
    scores = finish(sp.csr_matrix(np.array([[0.0, 2.0, -1.0, 0.0]])), np.array([0.2, 1.0, 1.0, 0.9], dtype=np.float32), None)
    assert np.argsort(-scores[0]).tolist() == [1, 3, 0, 2]
    assert scores[0, [0, 3]] == pytest.approx([-0.8e-6, -0.1e-6], rel=1e-3)


# --- popularity


def test_popularity_counts_events():
    data = of_lists([[3, 3, 1], [3, 2, 1], [0]])
    assert Popularity().fit(data).score(data.histories)[2, :5].tolist() == [1.0, 2.0, 1.0, 3.0, 0.0]


def test_recent_popularity_counts_the_newest_days_first():
    day = 86_400.0
    h = Histories.from_arrays(np.array([0, 5]), np.array([1, 1, 1, 2, 3]), times=np.array([1.0, 2.0, 3.0, 50.0, 51.0]) * day)
    data = toy_dataset(n_users=1).with_histories(h)
    scores = Popularity(last_days=30).fit(data).score(h)[0]
    assert np.argsort(-scores, kind="stable")[:4].tolist() == [2, 3, 1, 0]
    assert Popularity(last_days=300).fit(data).score(h)[0].argmax() == 1


def test_recent_popularity_without_any_time_is_popularity():
    data = of_lists([[3, 3, 1], [3, 2, 1]])
    asked = data.histories
    assert (Popularity(last_days=30).fit(data).score(asked) == Popularity().fit(data).score(asked)).all()


def test_popularity_is_named_by_its_days():
    assert [Popularity(last_days=d).name for d in (None, 30, 7.5)] == ["popularity", "popularity-month", "popularity-7.5-days"]


def test_popularity_by_aisle_is_aisle_given_history_times_item_given_aisle():
    data = of_lists([[0, 4, 0], [1, 5], [1]])  # four aisles, item i in aisle i % 4
    scores = Popularity(by_category=True).fit(data).score(Histories.from_lists([[1], []]))
    # a history in aisle 1: (1 + 3/6) / 2 of the mass; item 1 has two of its three events
    assert scores[0, 1] == pytest.approx(0.75 * 2 / 3)
    assert scores[0, 0] == pytest.approx(0.25 * 2 / 3)
    assert scores[1] == pytest.approx(data.item_counts / 6)
    assert scores.sum(axis=1) == pytest.approx([1, 1])


# --- neighbours


@pytest.mark.parametrize("shrink", [0.0, 5.0])
def test_item_knn_is_the_damped_cosine(shrink):
    damped = X / np.sqrt(DATA.histories.lengths)[:, None]
    n = damped.sum(axis=0)
    weights = (damped.T @ X) / (np.sqrt(np.outer(n, n)) + shrink)
    np.fill_diagonal(weights, 0)
    for row in weights:
        row[np.argsort(-row, kind="stable")[5:]] = 0
    scores = ItemKNN(neighbours=5, shrink=shrink, decay=0.5).fit(DATA).score(ASKED)
    np.testing.assert_allclose(silent(scores), decayed(0.5) @ weights, rtol=1e-4, atol=1e-6)


def test_markov_counts_faded_steps_both_ways():
    steps = np.zeros((40, 40))
    for row in DATA.histories.rows():
        for i in range(len(row)):
            for gap in range(1, min(3, len(row) - 1 - i) + 1):
                steps[row[i], row[i + gap]] += 0.6 ** (gap - 1)
    steps = steps + 0.5 * steps.T
    sums = np.maximum(steps.sum(axis=1), 1e-12), np.maximum(steps.sum(axis=0), 1e-12)
    expected = decayed(0.7) @ (steps / np.sqrt(np.outer(*sums)))
    np.testing.assert_allclose(silent(Markov(window=3, decay=0.7).fit(DATA).score(ASKED)), expected, rtol=1e-4, atol=1e-6)


def test_user_knn_is_the_vote_of_the_nearest():
    idf = np.log1p(50 / np.maximum(DATA.item_counts, 1))
    users, asked = X * idf, decayed(0.7) * idf
    near = (asked / np.linalg.norm(asked, axis=1)[:, None]) @ (users / np.linalg.norm(users, axis=1)[:, None]).T
    for row in near:
        row[np.argsort(-row, kind="stable")[8:]] = 0
    scores = UserKNN(neighbours=8, decay=0.7, sharpness=2.0).fit(DATA).score(ASKED)
    np.testing.assert_allclose(silent(scores), near**2 @ X, rtol=1e-4, atol=1e-6)


# --- EASE


@pytest.mark.parametrize("lam", [30.0, 1e-3], ids=["float32", "float64 where counts are large against lambda"])
def test_ease_is_the_closed_form(lam):
    p = np.linalg.inv(X.T @ X + lam * np.eye(40))
    weights = -p / np.diag(p)
    np.fill_diagonal(weights, 0)
    np.testing.assert_allclose(silent(EASE(lam=lam).fit(DATA).score(ASKED)), silent(X[:6] @ weights), rtol=2e-4, atol=2e-5)


def test_ease_solves_each_item_from_the_others():
    """Column j of the weights is the ridge regression of item j on all other items: an oracle that never forms the inverse."""
    model = EASE(lam=10.0).fit(DATA)
    single = Histories.from_lists([[i] for i in range(40)])
    weights = silent(model.score(single)).astype(np.float64)  # row i: what item i alone says
    others = np.flatnonzero((np.arange(40) != 7) & (DATA.item_counts > 0))
    ridge = np.linalg.solve(X[:, others].T @ X[:, others] + 10.0 * np.eye(len(others)), X[:, others].T @ X[:, 7])
    np.testing.assert_allclose(weights[others, 7], ridge, rtol=1e-3, atol=1e-5)


def test_ease_leaves_items_without_events_out():
    few = DATA.with_histories(DATA.histories.keep(DATA.histories.items % 3 == 0))
    scores = EASE(lam=5.0).fit(few).score(ASKED)
    assert (np.abs(scores[:, 1::3]) <= 1e-6).all()
    assert (np.abs(scores[:, ::3]) > 1e-5).any()


def test_ease_of_nothing():
    empty = DATA.with_histories(Histories.from_lists([[]] * 50))
    assert np.isfinite(EASE().fit(empty).score(ASKED)).all()


def test_ease_mirrors_in_blocks():
    full = np.arange(49.0).reshape(7, 7)
    lower = np.asfortranarray(np.tril(full))
    ease._mirror_lower(lower, block=3)
    assert (lower == np.tril(full) + np.tril(full, -1).T).all()


def test_ease_says_why_it_is_left_out(monkeypatch):
    assert too_large(DATA) is None
    assert too_large(DATA, most_items=10).startswith("ease: 40 items with events, more than 10")
    monkeypatch.setattr(ease, "too_large", lambda data: too_large(data, most_items=10))
    with pytest.raises(RequestError, match=r"ease: 40 items with events, more than 10; .* leave ease out"):
        EASE().fit(DATA)


# --- iALS


def test_ials_solves_the_factors_of_whoever_asks():
    model = IALS(factors=6, alpha=10.0, regularisation=3.0, decay=0.5).fit(DATA)
    y = model.item_factors.astype(np.float64)
    for row, scores in zip(decayed(0.5), model.score(ASKED), strict=True):
        # confidence of an event is alpha * r in the library, and 1 for everything else
        confidence = np.where(row > 0, 10.0 * row, 1.0)
        left = y.T @ (y * confidence[:, None]) + 3.0 * np.eye(6)
        expected = y @ np.linalg.solve(left, y.T @ (confidence * (row > 0)))
        np.testing.assert_allclose(scores, expected, rtol=2e-3, atol=2e-4)


def test_ials_is_the_same_on_any_number_of_threads():
    one, two = (IALS(factors=6, regularisation=3.0, threads=t).fit(DATA).score(ASKED) for t in (1, 2))
    np.testing.assert_allclose(one, two, rtol=1e-5)
    assert not np.allclose(one, IALS(factors=6, regularisation=3.0, seed=1).fit(DATA).score(ASKED))


# --- texts


def test_text_space_is_the_mean_cosine_dense_or_sparse():
    vectors = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    x = decayed(0.6)
    expected = x / x.sum(axis=1, keepdims=True) @ unit @ unit.T
    for given_as in (vectors, sp.csr_matrix(vectors)):
        np.testing.assert_allclose(TextSpace(given_as, "toy").likeness(ASKED, decay=0.6), expected, rtol=1e-4, atol=1e-5)


def test_text_space_reads_the_newest_events_only():
    space = TextSpace(np.eye(40, dtype=np.float32), "toy")
    last = space.likeness(ASKED, newest=1)
    assert last.argmax(axis=1).tolist() == [row[-1] for row in ASKED.rows()]
    assert last.sum(axis=1) == pytest.approx(np.ones(6))


def test_whitening_makes_directions_equal_and_does_not_blow_up_unused_ones():
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((40, 4)) * [10.0, 3.0, 1.0, 1e-7] + 100.0).astype(np.float32)
    space = TextSpace.of_vectors(vectors, DATA, whiten=1.0)
    spread = np.linalg.svd(space._items - space._items.mean(axis=0), compute_uv=False)
    assert spread[2] > 0.4 * spread[0]
    assert spread[3] < 1e-3 * spread[0]


def test_text_knn_takes_the_better_reading():
    """Vectors that know the taste of an item beat its words; vectors of noise do not."""
    data = toy_dataset(seed=2, n_users=300)
    h = data.histories
    together = history_matrix(h, 80)
    telling = np.asarray((together.T @ together).toarray(), dtype=np.float32)  # who buys what together: as good as it gets
    noise = np.random.default_rng(0).standard_normal((80, 16)).astype(np.float32)
    good, bad = TextKNN(telling).fit(data), TextKNN(noise).fit(data)
    assert (good.chosen, bad.chosen) == ("language-model vectors", "TF-IDF of words")
    assert good.trial["language-model vectors"] > good.trial["TF-IDF of words"] == bad.trial["TF-IDF of words"]
    assert TextKNN().fit(data).trial == {}
    assert (good.note, TextKNN().fit(data).note) == ("reads language-model vectors", "reads TF-IDF of words")


def test_text_knn_scores_items_that_nobody_touched():
    data = toy_dataset(n_users=30)
    without = data.with_histories(data.histories.keep(data.histories.items != 16))
    scores = TextKNN().fit(without).score(Histories.from_lists([[0]]))[0]  # 0 and 16: same aisle, brand and words but one
    assert np.argsort(-scores)[:2].tolist() == [0, 16] or scores[16] > np.quantile(scores, 0.9)


def test_text_knn_without_a_pair_of_events_keeps_the_vectors():
    data = of_lists([[1], [2], []])
    assert TextKNN(np.eye(80, dtype=np.float32)).fit(data).chosen == "language-model vectors"


# --- transition graph


def test_transition_graph_fills_its_places_step_by_step():
    rows = [[0, 1], [0, 1], [0, 2], [0, 3], [1, 4], [2, 5], [4, 6]]
    data = of_lists(rows)
    vectors = np.zeros((80, 2), dtype=np.float32)
    vectors[:, 0] = 1.0
    vectors[[3, 4], 1] = 9.0  # 3 and 4 read unlike the rest
    graph = TransitionGraph(vectors, places=(2, 1, 1)).fit(data)
    order = np.argsort(-graph.score(Histories.from_lists([[0]]))[0], kind="stable")
    # one step: 1 (twice as often), 2, and 3 left over; two steps: 5 reads like 0 and 4 does not; three steps: 6
    assert order[:5].tolist() == [1, 2, 5, 6, 3]


def test_transition_graph_weighs_likeness_against_the_log_count():
    data = of_lists([[0, 1], [0, 1], [0, 1], [0, 2]])
    angle = np.zeros((80, 2), dtype=np.float32)
    angle[:] = [1.0, 0.0]
    angle[1] = [0.6, 0.8]  # cosine .6 with item 0
    scores = TransitionGraph(angle, count_weight=0.5).fit(data).score(Histories.from_lists([[0]]))[0]
    assert scores[2] - scores[1] == pytest.approx(1 + 0.5 * np.log(2) / np.log(4) - (0.6 + 0.5), abs=1e-5)


def test_transition_graph_gives_no_place_to_what_was_seen():
    data = of_lists([[0, 1], [0, 2], [0, 3]])
    same = np.ones((80, 1), dtype=np.float32)
    scores = TransitionGraph(same, places=(1,)).fit(data).score(Histories.from_lists([[1, 0]]))[0]
    assert np.argsort(-scores, kind="stable")[:2].tolist() == [1, 2]  # seen beside the first fresh one
    assert scores[3] < scores[2]


def test_transition_graph_reads_words_where_there_are_no_vectors():
    data = of_lists([[0, 1], [0, 16]])
    scores = TransitionGraph().fit(data).score(Histories.from_lists([[0]]))[0]
    assert scores[16] > scores[1] > scores[2]  # 16 shares aisle, brand and words with 0


# --- the toy shop


def test_toy_shop_is_the_same_for_the_same_arguments_only():
    a, b, c = toy_dataset(seed=5), toy_dataset(seed=5), toy_dataset(seed=6)
    assert (a.histories.items.tolist(), a.histories.times.tolist()) == (b.histories.items.tolist(), b.histories.times.tolist())
    assert a.histories.items.tolist() != c.histories.items.tolist()
    assert a.items.equals(c.items)


def test_toy_shop_has_what_tests_need():
    data = toy_dataset(n_users=200, n_items=160, n_aisles=8)
    assert len(data.categories) == 8
    assert data.items["item_id"].is_unique().all()
    assert not data.items["available"].all()
    assert data.items["price"].null_count() > 0
    assert data.items.schema["categories"] == pl.List(pl.String)
    for row in data.histories.rows():
        assert len(set(row)) == len(row)
    for user in range(200):
        times = data.histories[np.array([user])].times
        assert (np.diff(times) >= 0).all()


@pytest.mark.parametrize("bad", [{"n_aisles": 9}, {"n_aisles": 0}, {"n_items": 15}, {"n_users": 0}])
def test_toy_shop_refuses_sizes_it_cannot_make(bad):
    with pytest.raises(ValueError, match="expected at least 1, at least 16, and 1 to 8"):
        toy_dataset(**bad)
