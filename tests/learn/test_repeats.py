"""How much likelier things are to be taken again than a model says."""

import numpy as np
import pytest

from crossaisle.learn.repeats import COUNTS, SPANS, Repeats, habits_of, is_asked
from crossaisle.learn.settings import RepeatSettings

DAY = 86_400.0
NOW = 1.7e9


def test_spans_and_counts_begin_and_end_where_they_say():
    spans = habits_of(np.array([-50, 0, 3600 - 1, 3600, DAY, 7 * DAY, 14 * DAY, 28 * DAY, np.inf]), np.ones(9))
    assert spans[:, 0].tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 5]
    counts = habits_of(np.zeros(9), [1, 2, 3, 4, 7, 8, 15, 16, 999])
    assert (counts[:, 1] - len(SPANS)).tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert list(Repeats().weights()) == [*SPANS, *COUNTS]


def test_one_event_moves_the_numbers_by_a_newton_step():
    repeats = Repeats(RepeatSettings(prior=2.0))
    repeats.take([[2, 6], [5, 6]], [0.2, 0.1], taken=0, time=NOW)
    weights = list(repeats.weights().values())
    assert weights[2] == pytest.approx((1 - 0.2) / (0.2 * 0.8 + 2))
    assert weights[5] == pytest.approx((0 - 0.1) / (0.1 * 0.9 + 2))
    assert weights[6] == pytest.approx((1 - 0.3) / (0.3 * 0.7 + 2)), "once, of both items"
    assert sum(w != 0 for w in weights) == 3


def test_what_is_learned_comes_to_what_is_so():
    """People take one of five own items with log-odds that a model does not know of; the numbers find them."""
    rng, repeats = np.random.default_rng(0), Repeats()
    truth = {(2, 6): 1.5 + 0.5, (2, 8): 1.5 + 1.0, (5, 6): 0.5 - 1.0}
    for k in range(6000):
        kinds = [list(truth)[n] for n in rng.integers(0, 3, 5)]
        chances = rng.uniform(0.005, 0.02, 5)
        real = chances * np.exp([truth[kind] for kind in kinds])
        real /= real.sum() + 1 - chances.sum()
        taken = rng.choice(6, p=[*real, 1 - real.sum()])
        repeats.take(kinds, chances, -1 if taken == 5 else int(taken), NOW + k * 60)
    assert repeats.adds(np.array(list(truth))) == pytest.approx(list(truth.values()), abs=0.25)
    assert repeats.events == 6000


def test_where_the_model_is_right_next_to_nothing_is_added():
    rng, repeats = np.random.default_rng(0), Repeats()
    for k in range(4000):
        repeats.take([[3, 7]], [0.3], 0 if rng.random() < 0.3 else -1, NOW + k)
    assert abs(repeats.adds(np.array([[3, 7]]))[0]) < 0.15


def test_what_is_long_ago_counts_less_so_that_habits_may_change():
    steady, fading = Repeats(RepeatSettings(half_life=36_500.0)), Repeats(RepeatSettings(half_life=20.0))
    for repeats in (steady, fading):
        for day in range(400):
            repeats.take([[2, 6]], [0.05], 0 if day % 2 else -1, NOW + day * DAY)
        for day in range(400, 430):
            repeats.take([[2, 6]], [0.05], -1, NOW + day * DAY)
    assert fading.adds(np.array([[2, 6]]))[0] < steady.adds(np.array([[2, 6]]))[0] - 0.5


def test_no_number_goes_beyond_the_limit_and_comes_back_from_it_at_once():
    repeats, both = Repeats(RepeatSettings(limit=0.5)), np.array([[2, 6], [3, 7]])
    for k in range(200):
        repeats.take(both, [0.01, 0.3], 0, NOW + k)
    assert repeats.adds(both).tolist() == [1.0, -1.0]
    repeats.take(both, [0.01, 0.3], -1, NOW + 300)
    assert repeats.adds(both)[0] < 1.0
    repeats.take(both, [0.01, 0.3], 1, NOW + 301)
    assert repeats.adds(both)[1] > -1.0


def test_of_a_long_log_fewer_and_fewer_are_asked():
    asked = np.array([is_asked(n) for n in range(300_000)])
    assert asked[:2048].all()
    assert asked[:131_072].sum() == 1024 * 8
    assert asked[131_072:].mean() == pytest.approx(1 / 64, rel=1e-3)


@pytest.mark.parametrize(
    ("habits", "chances", "taken", "said"),
    [
        ([[0, 6]], [0.1], 1, "taken 1"),
        ([[0, 6]], [0.1], -2, "taken -2"),
        ([[0, 6]], [0.1, 0.2], 0, r"habits \(1, 2\), chances \(2,\)"),
        ([0, 6], [0.1, 0.2], 0, r"habits \(2,\)"),
    ],
)
def test_what_does_not_fit_is_refused(habits, chances, taken, said):
    repeats = Repeats()
    with pytest.raises(ValueError, match=said):
        repeats.take(habits, chances, taken, NOW)
    assert not any(repeats.weights().values())
