"""Exploration: the distribution that is logged is the one that was drawn from, and what is learned is learned."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.learn.explore import FEATURES, Explorer, Outcomes, Slot, base_features, places_to_explore, pool_of
from crossaisle.learn.linear import LinearModel
from crossaisle.learn.settings import ExploreSettings

# the linear model


def test_the_model_is_that_of_weighted_ridge():
    rng = np.random.default_rng(0)
    phi, r = rng.normal(size=(50, 3)), rng.normal(size=50)
    model = LinearModel(3, penalty=2.0, discount=0.95)
    for start in range(0, 50, 7):
        model.learn(phi[start : start + 7], r[start : start + 7])
    w = 0.95 ** np.arange(49, -1, -1.0)
    A = 2 * np.eye(3) + (phi * w[:, None]).T @ phi
    np.testing.assert_allclose(model.mean, np.linalg.solve(A, phi.T @ (w * r)))
    np.testing.assert_allclose(model.widths(phi[:4]), [np.sqrt(p @ np.linalg.solve(A, p)) for p in phi[:4]])
    drawn = model.draw(100_000, 0.5, rng)
    np.testing.assert_allclose(drawn.mean(axis=0), model.mean, atol=0.003)
    np.testing.assert_allclose(np.cov(drawn.T), 0.25 * np.linalg.inv(A), atol=0.002)
    again = LinearModel.from_arrays(model.to_arrays(), 2.0, 0.95)
    np.testing.assert_array_equal(again.mean, model.mean)
    assert again.answers == model.answers == 50


def test_what_was_long_ago_is_forgotten_and_the_prior_is_not():
    model = LinearModel(2, penalty=1.0, discount=0.9)
    model.learn([[1.0, 0.0]] * 200, [1.0] * 200)
    sure = model.widths([[1.0, 0.0]])[0]
    model.learn([[0.0, 1.0]] * 300, [0.0] * 300)
    assert sure < 0.35
    assert model.widths([[1.0, 0.0]])[0] == pytest.approx(1.0)
    assert abs(model.mean[0]) < 1e-10


# the choice


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.sampled_from(("thompson", "linucb")), st.floats(0.001, 1.0), st.integers(0, 5))
def test_probabilities_are_a_distribution_with_a_floor(size, method, eps, seed):
    rng = np.random.default_rng(seed)
    explorer = Explorer(ExploreSettings(method=method, eps=eps, draws=20), dim=3)
    explorer.take(rng.normal(size=(10, 3)), rng.random(10))
    choice, p = explorer.explore(rng.normal(size=size), rng.normal(size=(size, 3)), rng)
    assert 0 <= choice < size
    assert p.sum() == pytest.approx(1.0)
    assert p.min() >= eps / size * (1 - 1e-9)


@pytest.mark.parametrize("method", ["thompson", "linucb"])
def test_the_logged_propensity_is_true(method):
    """Each draw's own distribution differs; over many an item is shown as often as the logged probabilities say."""
    rng = np.random.default_rng(1)
    explorer = Explorer(ExploreSettings(method=method, eps=0.2, draws=15), dim=2)
    explorer.take(rng.normal(size=(8, 2)), rng.random(8))
    scores, phi, n = rng.normal(size=6), rng.normal(size=(6, 2)), 20_000
    shown, expected, weights = np.zeros(6), np.zeros(6), np.zeros(n)
    for k in range(n):
        choice, p = explorer.explore(scores, phi, rng)
        shown[choice] += 1
        expected += p
        weights[k] = (1 / 6) / p[choice]
    np.testing.assert_allclose(shown / n, expected / n, atol=4 * np.sqrt(0.25 / n))
    # the weights of the uniform policy have mean 1
    assert weights.mean() == pytest.approx(1.0, abs=4 * weights.std() / np.sqrt(n))


def test_thompson_counts_and_linucb_takes_the_bound():
    calm = Explorer(ExploreSettings(method="thompson", eps=0.001, v=0.0), dim=2)
    calm.take([[1.0, 0.0]] * 9, [1.0] * 9)
    assert calm.explore([0.0, 0.0], np.eye(2), np.random.default_rng(0))[1].round(2).tolist() == [1.0, 0.0]
    bold = Explorer(ExploreSettings(method="linucb", eps=0.001, alpha=10.0), dim=2)
    bold.take([[1.0, 0.0]] * 9, [1.0] * 9)  # 0.9 +- 10 * .32 against 0 +- 10
    assert bold.explore([0.0, 0.0], np.eye(2), np.random.default_rng(0))[1].round(2).tolist() == [0.0, 1.0]


def test_while_nothing_is_known_equals_follow_the_score():
    explorer = Explorer(ExploreSettings(method="linucb", eps=0.1), dim=1)
    assert explorer.explore([1.0, 3.0, 2.0], np.ones((3, 1)), np.random.default_rng(0))[1].argmax() == 1


# pool and places


def test_the_pool_is_well_scored_and_new_first():
    scores = np.array([9.0, 8.0, 7.0, 6.0, 5.0, -np.inf])
    shown, aisle = np.array([100, 0, 3, 3, 0, 0]), np.array([50, 50, 50, 10, 10, 10])
    assert pool_of(scores, shown, aisle, ExploreSettings(reach=4, pool=2)).tolist() == [1, 3]
    assert pool_of(scores, shown, aisle, ExploreSettings(reach=100, pool=100)).tolist() == [0, 1, 2, 3, 4]


def test_places_are_the_share_in_the_mean_and_never_the_first():
    rng = np.random.default_rng(0)
    drawn = [places_to_explore(10, ExploreSettings(share=0.15), rng) for _ in range(4000)]
    assert np.mean([len(d) for d in drawn]) == pytest.approx(1.5, abs=0.05)
    assert {p for d in drawn for p in d} == set(range(2, 11))
    assert places_to_explore(1, ExploreSettings(share=1.0), rng) == []
    assert places_to_explore(4, ExploreSettings(share=1.0), rng) == [2, 3, 4]


def test_features_are_named_and_finite():
    phi = base_features(np.zeros(3), [0, 5, 10**6], [0, 1, 2], [0, 0, 0], [True, False, True])
    assert phi.shape == (3, len(FEATURES))
    assert np.isfinite(phi).all()
    assert base_features([], [], [], [], []).shape == (0, len(FEATURES))


# outcomes


def test_answers_come_once_and_silence_after_the_window():
    waiting = Outcomes(window=10.0, most=2)
    waiting.shown("r1", "a", [1.0], 0.0)
    waiting.shown("r1", "b", [2.0], 0.0)
    waiting.answered("r1", "a", True, 1.0)
    waiting.answered("r1", "a", False, 2.0)
    waiting.answered("unknown", "a", True, 2.0)
    assert [(float(f[0]), r) for f, r in waiting.known(5.0)] == [(1.0, 1.0)]
    assert waiting.known(10.0) == []
    assert [(float(f[0]), r) for f, r in waiting.known(10.1)] == [(2.0, 0.0)]
    for n in range(3):
        waiting.shown("r2", str(n), [float(n)], 20.0)
    assert len(waiting) == 2
    assert waiting.known(20.0) == []  # of the oldest nothing is learned, least of all that it was refused
    assert [float(f[0]) for f, _ in waiting.known(40.0)] == [1.0, 2.0]


def test_answers_come_in_the_order_of_their_time_and_may_be_read_before_their_list():
    waiting = Outcomes(window=10.0)
    waiting.answered("r2", "b", True, 6.0)
    for n, name in enumerate("abc"):
        waiting.shown(f"r{n + 1}", name, [float(n)], float(n))
    waiting.answered("r3", "c", True, 3.0)
    waiting.shown("r4", "d", [9.0], 0.5)
    waiting.answered("r4", "d", True, 99.0)  # silence has answered before
    assert [(float(f[0]), r) for f, r in waiting.known(15.0)] == [(2.0, 1.0), (1.0, 1.0), (0.0, 0.0), (9.0, 0.0)]


def test_a_slot_is_json():
    import json

    slot = Slot(4, ("a", "b"), (0.5, 0.25), ((1.0, 2.0), (3.0, 4.0)), (0.75, 0.25), 0)
    assert Slot.from_json(json.loads(json.dumps(slot.to_json()))) == slot


def learned(shuffle, seed, rounds=1500):
    """How often an explored item is taken at the end, in a shop where new items are better than their scores say."""
    rng = np.random.default_rng(seed)
    explorer = Explorer(ExploreSettings(eps=0.1, draws=50, v=0.3))
    new = np.arange(20) % 2 == 0
    rate = np.where(new, 0.3, 0.05)
    features = base_features(np.where(new, 0.0, 1.0), np.where(new, 0, 200), np.zeros(20), np.zeros(20), np.ones(20, bool))
    rewards, taken = [], 0.0
    for k in range(rounds):
        choice, _ = explorer.explore(np.where(new, 0.0, 1.0), features, rng)
        reward = float(rng.random() < rate[choice])
        rewards.append(reward)
        explorer.take([features[choice]], [rewards[rng.integers(len(rewards))] if shuffle else reward])
        taken += reward * (k >= rounds // 2)
    return taken / (rounds - rounds // 2)


def test_it_learns_that_new_items_are_good_and_from_shuffled_rewards_it_does_not():
    honest, placebo = (np.mean([learned(shuffle, seed) for seed in range(3)]) for shuffle in (False, True))
    assert honest > 0.25
    assert placebo < 0.22


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LinearModel(0), "expected at least 1"),
        (lambda: LinearModel(1, penalty=0.0), "penalty 0.0"),
        (lambda: LinearModel(2).learn([[1.0, np.nan]], [1.0]), "expected finite ones"),
        (lambda: LinearModel(2).learn([[1.0, 0.0]], [1.0, 2.0]), "a row a reward"),
        (lambda: Explorer(dim=2).explore([], np.zeros((0, 2)), np.random.default_rng(0)), "a pool of one or more"),
        (lambda: Explorer(dim=2).explore([1.0], np.zeros((1, 3)), np.random.default_rng(0)), "2 finite features"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_nothing_learned_from_nothing():
    model = LinearModel(2)
    model.learn(np.zeros((0, 2)), [])
    assert model.answers == 0
