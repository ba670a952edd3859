"""Estimates from exposures with known propensities: by hand, by their coverage, and where they must fail."""

import numpy as np
import pytest

from crossaisle.exposure.estimators import clipped_ips, dr, ips, naive, ratio, snips, switch_dr
from crossaisle.exposure.simulate import LoggingSettings, Simulation

PEOPLE, SHOWN, DRAWS = 300, 10, 400


def _shop(**changes):
    rng = np.random.default_rng(0)
    counts = np.round(np.exp(rng.normal(3, 1.2, size=60))).astype(np.int64)
    taste = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 60)) + 0.5 * np.log1p(counts)
    return Simulation(taste, counts, LoggingSettings(**changes)), counts


@pytest.fixture(scope="module")
def shop():
    return _shop()[0]


@pytest.fixture(scope="module")
def log(shop):
    return shop.draw(PEOPLE, SHOWN, seed=1, draws=DRAWS)


@pytest.fixture(scope="module")
def weights(shop, log):
    return shop.weights(log)


# estimators by hand


def test_the_four_by_hand():
    w, y = np.array([[2.0, 1.0], [4.0, 1.0], [0.5, 0.5]]), np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    assert naive(y).value == pytest.approx(4 / 6)
    assert ips(w, y).value == pytest.approx((2 + 4 + 1 + 0.5) / 6)
    assert clipped_ips(w, y, 2.0).value == pytest.approx((2 + 2 + 1 + 0.5) / 6)
    assert snips(w, y).value == pytest.approx(7.5 / 9)
    assert ips(w, y).effective == pytest.approx(81 / (4 + 1 + 16 + 1 + 0.25 + 0.25))
    # the interval is that of the three people's means, 1, 2.5 and .25
    half = 1.959964 * np.std([1, 2.5, 0.25], ddof=1) / np.sqrt(3)
    assert ips(w, y).high - ips(w, y).value == pytest.approx(half)
    a, b = np.array([1, 2.5, 0.25]), np.array([1.5, 2.5, 0.5])
    half = 1.959964 * np.sqrt(((a - 7.5 / 9 * b) ** 2).sum() / 2 / 3) / b.mean()
    assert snips(w, y).value - snips(w, y).low == pytest.approx(half)


def test_doubly_robust_by_hand():
    w, y = np.array([[2.0, 0.0], [4.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    q, v = np.array([[0.5, 0.25], [0.5, 0.5]]), np.array([[0.2, 0.2], [0.4, 0.6]])
    # rows: (.2 + 2 * .5 + .2) / 2 and (.4 - 4 * .5 + .6 + .5) / 2
    assert dr(w, y, q, v).value == pytest.approx((0.7 - 0.25) / 2)
    assert switch_dr(w, y, q, v, 3.0).value == pytest.approx((0.7 + 0.75) / 2)
    half = 1.959964 * np.std([0.7, -0.25], ddof=1) / np.sqrt(2)
    assert dr(w, y, q, v).high - dr(w, y, q, v).value == pytest.approx(half)


def test_a_ratio_of_sums_is_ips_and_snips_where_all_have_as_many(weights, log):
    w, y = weights[0], log.rewards[0]
    np.testing.assert_allclose(ratio((w * y).sum(axis=-1), np.full(PEOPLE, SHOWN), w), ips(w, y))
    np.testing.assert_allclose(ratio((w * y).sum(axis=-1), w.sum(axis=-1), w), snips(w, y))
    with pytest.raises(ValueError, match="two people or more"):
        ratio([1.0], [1.0], [[1.0]])


def test_doubly_robust_is_right_where_either_half_is(shop, log, weights):
    """Wrong expectations and right weights, then right expectations and wrong weights; wrong both is wrong."""
    truth = shop.truth()
    right, v = (
        shop.relevance[log.users[..., None], log.items],
        np.broadcast_to(shop.relevance.mean(axis=1)[log.users][..., None], weights.shape),
    )
    wrong = np.full(weights.shape, 0.3)
    error = {
        name: float(dr(w, log.rewards, q, mean).value.mean() - truth)
        for name, w, q, mean in (
            ("weights", weights, wrong, wrong),
            ("expectations", np.ones_like(weights), right, v),
            ("neither", np.ones_like(weights), wrong, wrong),
        )
    }
    assert abs(error["weights"]) < 0.002
    assert abs(error["expectations"]) < 0.002
    assert abs(error["neither"]) > 0.02
    # and good expectations make it surer
    assert dr(weights, log.rewards, right, v).value.std() < ips(weights, log.rewards).value.std()


@pytest.mark.parametrize("q", [np.zeros((3, 1)), np.array([[np.nan], [0.0]])])
def test_expectations_that_do_not_fit_are_refused(q):
    with pytest.raises(ValueError, match="of the shape of the weights"):
        dr([[1.0], [1.0]], [[1.0], [0.0]], q, q)


def test_draws_are_estimated_one_by_one(weights, log):
    for estimate in (ips, snips):
        together, alone = estimate(weights[:3], log.rewards[:3]), estimate(weights[1], log.rewards[1])
        assert [float(x[1]) for x in together] == pytest.approx([float(x) for x in alone])


def test_weights_of_one_are_the_mean_and_snips_moves_with_a_constant(weights, log):
    y = log.rewards[0]
    for estimate in (ips, snips):
        np.testing.assert_allclose(estimate(np.ones_like(y), y), naive(y))
    assert snips(weights[0], y + 5).value == pytest.approx(snips(weights[0], y).value + 5)
    assert snips(7 * weights[0], y).value == pytest.approx(snips(weights[0], y).value)
    assert clipped_ips(weights[0], y, np.inf).value == ips(weights[0], y).value


@pytest.mark.parametrize(
    ("w", "y", "message"),
    [
        ([[1.0]], [[1.0]], "two people or more"),
        ([1.0, 1.0], [1.0, 1.0], "two people or more"),
        ([[1.0], [1.0]], [[1.0, 0.0], [1.0, 0.0]], "expected both"),
        ([[np.inf], [1.0]], [[1.0], [0.0]], "not finite"),
        ([[-1.0], [1.0]], [[1.0], [0.0]], "negative"),
    ],
)
def test_what_cannot_be_estimated_is_refused(w, y, message):
    with pytest.raises(ValueError, match=message):
        ips(w, y)


def test_the_estimates_are_those_of_another_library(shop, log):
    """Vowpal Wabbit's estimators, which take one exposure after the other."""
    pytest.importorskip("estimators.bandits")
    from estimators.bandits import gaussian
    from estimators.bandits import ips as their_ips
    from estimators.bandits import snips as their_snips

    theirs, ratio, interval = their_ips.Estimator(), their_snips.Estimator(), gaussian.Interval()
    y, p, wanted = log.rewards[0][:, :1], log.propensities[0][:, :1], 1 / shop.policy.shape[1]
    for reward, logged in zip(y.ravel().tolist(), p.ravel().tolist(), strict=True):
        for one in (theirs, ratio, interval):
            one.add_example(logged, reward, wanted)
    assert ips(wanted / p, y).value == pytest.approx(theirs.get())
    assert snips(wanted / p, y).value == pytest.approx(ratio.get())
    assert [float(ips(wanted / p, y).low), float(ips(wanted / p, y).high)] == pytest.approx(interval.get())


# the simulation


def test_the_policy_is_what_is_drawn(shop):
    drawn = shop.draw(4000, 20, seed=3)
    n_items = shop.policy.shape[1]
    share = np.bincount(drawn.items.ravel(), minlength=n_items) / drawn.items.size
    np.testing.assert_allclose(share, shop.policy.mean(axis=0), atol=0.004)
    np.testing.assert_allclose(shop.policy.sum(axis=1), 1)
    assert shop.policy.min() >= shop.settings.epsilon / n_items * (1 - 1e-12)
    assert (drawn.propensities == shop.policy[drawn.users[..., None], drawn.items]).all()
    taken = shop.relevance[drawn.users[..., None], drawn.items]
    assert drawn.rewards.mean() == pytest.approx(taken.mean(), abs=0.006)


def test_a_seed_is_a_log_and_the_rate_is_the_rate(shop):
    a, b, c = shop.draw(50, 5, seed=1), shop.draw(50, 5, seed=1), shop.draw(50, 5, seed=2)
    assert all((x == y).all() for x, y in zip(a, b, strict=True))
    assert (a.items != c.items).any()
    assert shop.truth() == pytest.approx(0.1)
    uniform = np.full(shop.policy.shape, 1 / shop.policy.shape[1])
    assert shop.truth(uniform) == pytest.approx(0.1)
    np.testing.assert_allclose(shop.weights(a, uniform), shop.weights(a))


@pytest.mark.parametrize("scores", [np.zeros(3), np.full((2, 3), np.nan), np.zeros((2, 4))])
def test_a_teacher_that_does_not_fit_is_refused(scores):
    with pytest.raises(ValueError, match="expected finite"):
        Simulation(scores, np.zeros(3))


# what the estimates are worth


def test_intervals_cover_the_truth_and_the_naive_ones_do_not(shop, log, weights):
    truth = shop.truth()
    assert weights.mean() == pytest.approx(1, abs=0.01)
    for estimate in (ips, snips):
        found = estimate(weights, log.rewards)
        assert found.covers(truth).mean() == pytest.approx(0.95, abs=0.035)  # 400 draws: three standard errors
        assert found.value.mean() == pytest.approx(truth, rel=0.02)
    biased = naive(log.rewards)
    assert biased.value.mean() > 1.3 * truth  # what is shown is what is liked
    assert biased.covers(truth).mean() < 0.01


def test_any_other_policy_can_be_valued_and_the_logging_one_gives_its_own_mean(shop, log):
    w = shop.weights(log, shop.policy)
    assert ips(w, log.rewards).value == pytest.approx(naive(log.rewards).value)
    greedy = np.where(shop.relevance >= np.sort(shop.relevance, axis=1)[:, [-10]], 0.1, 0.0)
    found = snips(shop.weights(log, greedy), log.rewards)
    assert found.covers(shop.truth(greedy)).mean() == pytest.approx(0.95, abs=0.04)


def test_without_taste_and_popularity_naive_and_ips_tie():
    shop, _ = _shop(beta=0.0, g=0.0)
    log = shop.draw(PEOPLE, SHOWN, seed=5, draws=50)
    w = shop.weights(log)
    np.testing.assert_allclose(w, 1)
    np.testing.assert_allclose(naive(log.rewards).value, ips(w, log.rewards).value)
    np.testing.assert_allclose(naive(log.rewards).value, snips(w, log.rewards).value)


def test_wrong_propensities_are_visibly_biased(shop, log):
    _, counts = _shop()
    wrong = (np.maximum(counts, 1) / counts.max()) ** 0.5  # popularity in place of the propensity
    for estimate in (ips, snips):
        found = estimate(1 / (len(counts) * (wrong / wrong.sum()))[log.items], log.rewards)
        assert found.covers(shop.truth()).mean() < 0.5


def test_permuted_weights_are_a_placebo(shop, log, weights):
    shuffled = np.random.default_rng(0).permuted(weights.reshape(DRAWS, -1), axis=1).reshape(weights.shape)
    found = snips(shuffled, log.rewards)
    assert found.value.mean() == pytest.approx(naive(log.rewards).value.mean(), rel=0.02)  # the same weights, and no correction
    assert found.covers(shop.truth()).mean() < 0.2


def test_clipping_trades_bias_for_variance(shop, log, weights):
    free, clipped = ips(weights, log.rewards), clipped_ips(weights, log.rewards, 2.0)
    assert clipped.value.mean() < shop.truth() < free.value.mean() * 1.05
    assert clipped.value.std() < free.value.std()
    assert clipped.effective.mean() > free.effective.mean()
