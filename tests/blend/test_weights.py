"""Weights of the parts: found where they are planted, and not found where there is nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.blend.settings import BlendSettings
from crossaisle.blend.weights import Asked, Weights, _least, choose_weights, gather, mean_ndcg, standard_error
from crossaisle.data.histories import Histories
from crossaisle.errors import SettingError
from crossaisle.metrics import ndcg

N_ITEMS = 40


def _planted(seed, n=600, first=2.0, second=2.0, counts=None, decisive="both"):
    """Questions whose answer is drawn by the softmax of the first part on items often seen and of the second on rare ones."""
    rng = np.random.default_rng(seed)
    features = {name: rng.normal(size=(n, N_ITEMS)).astype(np.float32) for name in ("network", "words")}
    counts = np.where(np.arange(N_ITEMS) % 2 == 0, 200, 0) if counts is None else counts
    if decisive == "both":
        utility = np.where(counts > 0, first * features["network"], second * features["words"])
    else:
        utility = first * features["network"]
    targets = [np.array([t]) for t in np.argmax(utility + rng.gumbel(size=utility.shape), axis=1)]
    return gather(features, counts, np.ones((n, N_ITEMS), bool), targets, most=15), features, counts


def test_the_words_are_weighed_for_what_is_rare_and_the_network_for_what_is_known():
    asked, _, _ = _planted(0)
    weights, choice = choose_weights(asked, ("network", "words"), 1e-4)
    base, words, rare_base, rare_words, new_base, new_words = weights.values[:6]
    assert choice["ndcg@10"] > choice["alone"] + 0.1
    # g is 1 for an item never seen and almost 0 for one seen 200 times
    assert base == pytest.approx(2.0, abs=0.4)
    assert words == pytest.approx(0.0, abs=0.2)
    assert base + rare_base + new_base == pytest.approx(0.0, abs=0.4)
    assert words + rare_words + new_words == pytest.approx(2.0, abs=0.4)


def test_an_item_never_seen_is_weighed_by_itself_whatever_serves_the_rare():
    rng = np.random.default_rng(5)
    counts = np.array([0, 1, 2, 300] * (N_ITEMS // 4))
    features = {name: rng.normal(size=(3_000, N_ITEMS)).astype(np.float32) for name in ("network", "words")}
    utility = np.where(counts == 0, 2 * features["words"], 2 * features["network"])  # one seen once is served like one seen often
    targets = [np.array([t]) for t in np.argmax(utility + rng.gumbel(size=utility.shape), axis=1)]
    asked = gather(features, counts, np.ones(utility.shape, bool), targets, most=N_ITEMS)
    weights, _ = choose_weights(asked, ("network", "words"), 1e-4)
    parts = weights.parts({name: np.ones((1, N_ITEMS), np.float32) for name in features}, counts)
    for count, network, words in ((0, 0.0, 2.0), (1, 2.0, 0.0), (300, 2.0, 0.0)):
        at = int(np.flatnonzero(counts == count)[0])
        assert parts["network"][0, at] == pytest.approx(network, abs=0.4)
        assert parts["words"][0, at] == pytest.approx(words, abs=0.4)


def test_noise_is_hardly_ever_blended_in():
    counts = np.full(N_ITEMS, 5)
    found = [choose_weights(_planted(s, n=200, counts=counts, decisive="first")[0], ("network", "words"), 1e-4, s)[0] for s in range(12)]
    assert sum(not w.alone for w in found) <= 3
    assert all(abs(w.values[1] + w.values[3] / 6) < 0.25 for w in found)


def test_where_nothing_helps_the_first_part_gets_its_scale():
    counts = np.full(N_ITEMS, 5)
    asked = _planted(3, n=500, first=0.5, counts=counts, decisive="first")[0]
    plain, said = choose_weights(asked, ("network", "words"), 0.0)
    scaled, same = choose_weights(asked, ("network", "words"), 0.0, scaled=True)
    assert plain.alone
    assert said == same
    assert scaled.values[0] == pytest.approx(0.5, abs=0.12)
    assert not scaled.values[1:].any()
    assert mean_ndcg(asked, scaled.values) == pytest.approx(said["alone"])


def test_few_or_no_answers_leave_the_first_part_alone():
    asked, _, _ = _planted(1, n=30)
    for few in (asked.rows(np.arange(19)), asked.rows(np.arange(0))):
        weights, said = choose_weights(few, ("network", "words"), 1e-4)
        assert weights.alone
        assert said["questions"] == len(few.n_targets)
        assert np.isfinite(said["ndcg@10"])
    none = Asked(asked.features, asked.there, np.zeros_like(asked.hits), asked.n_targets)
    assert choose_weights(none, ("network", "words"), 1e-4)[0].alone


def test_the_same_seed_chooses_the_same_weights():
    asked = _planted(2, n=100)[0]
    a, b = (choose_weights(asked, ("network", "words"), 1e-4, 7)[0] for _ in range(2))
    assert np.array_equal(a.values, b.values)
    assert not a.alone


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 8))
def test_mean_ndcg_is_that_of_the_metrics(seed, width, n_targets):
    rng = np.random.default_rng(seed)
    scores = rng.permuted(np.tile(np.arange(width, dtype=np.float32), (5, 1)), axis=1)
    targets = [np.sort(rng.choice(width, min(n_targets, width), replace=False)) for _ in range(5)]
    allowed = np.ones((5, width), bool)
    asked = gather({"network": scores}, np.ones(width, np.int64), allowed, targets, most=width)
    top = np.full((5, 10), -1)
    top[:, : min(10, width)] = np.argsort(-scores, axis=1)[:, :10]
    expected = ndcg(top, Histories.from_lists([t.tolist() for t in targets]), 10).mean()
    assert mean_ndcg(asked, Weights.only_first(("network",)).values) == pytest.approx(expected)


def test_apply_is_what_the_candidates_are_weighed_by():
    _, features, counts = _planted(4, n=20)
    weights = Weights(("network", "words"), np.random.default_rng(0).normal(size=9).astype(np.float32))
    whole = weights.apply(features, counts)
    everything = gather(features, counts, np.ones((20, N_ITEMS), bool), [np.array([0])] * 20, most=N_ITEMS)
    assert np.allclose(everything.features @ weights.values, whole, atol=1e-4)
    parts = weights.parts(features, counts)
    assert np.allclose(parts["network"] + parts["words"] + parts["count"], whole, atol=1e-5)
    kept = Weights.from_dict(weights.to_dict())
    assert kept.names == weights.names
    assert np.array_equal(kept.values, weights.values)
    assert np.shares_memory(Weights.only_first(("network", "words")).apply(features, counts), features["network"])


def test_gather_takes_the_best_of_each_part_and_nothing_that_is_not_allowed():
    rng = np.random.default_rng(5)
    features = {name: rng.normal(size=(3, 12)).astype(np.float32) for name in "ab"}
    for values in features.values():
        values[:, 4] = (9, -9, 9)  # no part proposes it in the second question
    allowed = rng.uniform(size=(3, 12)) < 0.7
    allowed[:, 4], allowed[0, 5] = True, False
    targets = [np.array([4, 5]), np.array([4]), np.array([4])]
    asked = gather(features, np.arange(12), allowed, targets, most=3)
    for row in range(3):
        expected = set()
        for values in features.values():
            expected |= set(np.argsort(np.where(allowed[row], -values[row], np.inf))[:3].tolist())
        expected = sorted(expected)
        here = asked.features[row][asked.there[row]]
        assert here[:, 0].tolist() == features["a"][row, expected].tolist()
        assert asked.hits[row][asked.there[row]].tolist() == [c == 4 for c in expected]
    assert asked.hits.any(axis=1).tolist() == [True, False, True]
    assert asked.n_targets.tolist() == [1, 1, 1]


def test_an_answer_that_no_part_proposes_does_not_turn_the_weights_around():
    rng = np.random.default_rng(0)
    counts, n = np.full(400, 5), 400
    features = {name: rng.normal(size=(n, 400)).astype(np.float32) for name in ("network", "words")}
    targets = [np.array([t]) for t in np.argmax(1.0 * features["network"] + rng.gumbel(size=(n, 400)), axis=1)]
    asked = gather(features, counts, np.ones((n, 400), bool), targets, most=20)
    assert 0.1 < asked.hits.any(axis=1).mean() < 0.6
    weights, _ = choose_weights(asked, ("network", "words"), 1e-4, scaled=True)
    assert weights.values[0] + weights.values[2] / 6 == pytest.approx(1.0, abs=0.5)
    assert abs(weights.values[1] + weights.values[3] / 6) < 0.3


@pytest.mark.parametrize("width", [1, 5])
def test_fewer_items_than_candidates(width):
    equal, counts, allowed = {"network": np.zeros((2, width), np.float32)}, np.zeros(width, np.int64), np.ones((2, width), bool)
    asked = gather(equal, counts, allowed, [np.array([0])] * 2, 50)
    assert asked.there.sum(axis=1).tolist() == [width, width]


def test_a_carton_of_targets_makes_no_question_wide():
    n = 500
    values = np.arange(n, dtype=np.float32)[None, :]
    asked = gather({"network": values}, np.ones(n, np.int64), np.ones((1, n), bool), [np.arange(n)], most=10)
    assert asked.there.shape == (1, 10)
    assert asked.hits.all()
    assert asked.n_targets.tolist() == [n]
    assert mean_ndcg(asked, Weights.only_first(("network",)).values) == pytest.approx(1.0)


def test_joining_widens_to_the_widest():
    a, b = _planted(6, n=4)[0], _planted(7, n=3)[0]
    both = Asked.join([a, b])
    assert both.there.sum() == a.there.sum() + b.there.sum()
    values = np.ones(9, np.float32)
    assert mean_ndcg(both, values) == pytest.approx((4 * mean_ndcg(a, values) + 3 * mean_ndcg(b, values)) / 7)


def test_settings_refuse_what_is_no_part():
    with pytest.raises(SettingError, match=r"blend\.parts names 'magic'; expected any of markov, word-knn, text-knn"):
        BlendSettings(parts=("magic",))


def test_items_rarer_than_the_rarest_targets_count_as_they_do():
    rng = np.random.default_rng(0)
    q, m = 200, 30
    counts = rng.integers(4, 9, size=m)
    network, words = rng.normal(size=(q, m)).astype(np.float32), rng.normal(size=(q, m)).astype(np.float32)
    truth = network + 8 / (1 + counts) * words
    targets = [[int(row.argmax())] for row in truth + rng.gumbel(size=(q, m))]
    asked = gather({"network": network, "words": words}, counts, np.ones((q, m), bool), targets, 20)
    weights, _ = choose_weights(asked, ("network", "words"), 1e-4, new_share=0.3)
    assert weights.least == counts.min() == 4
    assert not weights.alone
    features = {"network": network[:, :3], "words": words[:, :3]}
    rarest = weights.apply(features, np.full(3, 4))
    np.testing.assert_array_equal(weights.apply(features, np.array([0, 1, 3])), rarest)
    assert not np.array_equal(weights.apply(features, np.full(3, 9)), rarest)
    assert Weights.from_dict(weights.to_dict()).least == 4
    before = {k: v for k, v in weights.to_dict().items() if k != "least"}
    assert Weights.from_dict(before).least == 0
    # a rarer item among the candidates changes nothing as long as hardly anybody wanted it; twenty targets tell enough
    first = np.where(np.arange(m) == 0, 0, counts)
    for wanted, least in ((0, 4), (19, 4), (20, 0)):
        some = [[0] if n < wanted else ts if ts != [0] else [1] for n, ts in enumerate(targets)]
        seen = gather({"network": network, "words": words}, first, np.ones((q, m), bool), some, 30)
        assert _least(seen) == least


def test_the_standard_error_is_that_of_the_paired_difference():
    x = np.array([[[1.0, 0.0], [0.0, 1.0]]] * 4, np.float32)  # two candidates, told apart by either feature
    hits = np.array([[True, False], [True, False], [True, False], [False, True]])
    asked = Asked(x, np.ones((4, 2), bool), hits, np.ones(4, np.int64))
    one, other = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)
    lead = 1 - 1 / np.log2(3)
    assert standard_error(asked, one, other) == pytest.approx(np.std([lead, lead, lead, -lead]) / 2)
    assert standard_error(asked, one, one) == 0.0
    assert standard_error(asked.rows(np.zeros(0, np.int64)), one, other) == 0.0
