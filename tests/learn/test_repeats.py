"""How much likelier things are to be taken again than a model says."""

import numpy as np
import pytest

from crossaisle.learn.repeats import SPANS, Repeats, features, is_asked
from crossaisle.learn.settings import RepeatSettings

DAY = 86_400.0
NOW = 1.7e9


def _known(*items):
    """Each item: days ago, how often, how much likelier than chance."""
    return features(*zip(*((days * DAY, count, np.log(times)) for days, count, times in items), strict=True))


def test_spans_end_where_they_say():
    seconds = np.array([-50, 0, 3600 - 1, 3600, DAY, 7 * DAY, 14 * DAY, 28 * DAY, np.inf])
    known = features(seconds, np.ones(9), np.zeros(9))
    assert known[:, : len(SPANS)].argmax(axis=1).tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 5]
    assert known.sum() == 9
    assert features([0.0], [8], [0.0])[0, 6] == pytest.approx(np.log(8))
    assert features([], [], []).shape == (0, 8)
    assert list(Repeats().weights()) == [*SPANS, "count", "own"]


def test_before_anything_is_learned_half_of_the_models_own_order_is_kept():
    adds = Repeats().adds(_known((6, 3, 4.0), (6, 1, 1.0)))
    assert adds == pytest.approx([-np.log(2), 0])
    assert Repeats(RepeatSettings(kept=1.0)).adds(_known((6, 3, 4.0))) == pytest.approx([0])


def test_one_event_moves_the_numbers_by_a_newton_step():
    repeats, known = Repeats(RepeatSettings(prior=2.0, kept=1.0)), _known((6, 1, np.e), (300, 2, 1.0))
    repeats.take(known, [0.2, 0.1], taken=0, time=NOW)
    weights = repeats.weights()
    assert weights["a week"] == pytest.approx((1 - 0.2) / (0.2 * 0.8 + 2))
    assert weights["longer"] == pytest.approx((0 - 0.1) / (0.1 * 0.9 + 2))
    assert weights["count"] == pytest.approx(-0.1 * np.log(2) / (0.1 * 0.9 * np.log(2) ** 2 + 2))
    assert weights["own"] == pytest.approx((1 - 0.2) / (0.2 * 0.8 + 30 * 2))
    assert sum(w != 0 for w in weights.values()) == 4


def test_what_the_model_was_trained_on_says_nothing_of_how_well_it_knows():
    repeats, known = Repeats(), _known((6, 1, 9.0), (300, 2, 1.0))
    repeats.take(known, [0.2, 0.1], taken=0, time=NOW, trained=True)
    assert repeats.weights()["own"] == -0.5
    assert repeats.weights()["a week"] > 0
    repeats.take(known, [0.2, 0.1], taken=0, time=NOW)
    assert repeats.weights()["own"] > -0.5


def test_what_is_learned_comes_to_what_is_so():
    """People take one of five own items by habits that a model does not know of, and its own order is worth a third."""
    rng, repeats = np.random.default_rng(0), Repeats()
    spans, count, own = {6.0: 1.5, 20.0: 0.5, 300.0: -0.5}, 0.7, -2 / 3
    for k in range(8000):
        days, counts = rng.choice(list(spans), 5), rng.integers(1, 12, 5)
        chances = rng.uniform(0.002, 0.03, 5)
        real = chances * np.exp([spans[d] for d in days] + count * np.log(counts) + own * np.log(100 * chances))
        real /= real.sum() + 1 - chances.sum()
        taken = rng.choice(6, p=[*real, 1 - real.sum()])
        repeats.take(features(days * DAY, counts, np.log(100 * chances)), chances, -1 if taken == 5 else int(taken), NOW + k * 60)
    some = [(d, c, p) for d in spans for c in (2, 5, 9) for p in (0.005, 0.02)]
    known = features([d * DAY for d, _, _ in some], [c for _, c, _ in some], [np.log(100 * p) for _, _, p in some])
    truth = [spans[d] + count * np.log(c) + own * np.log(100 * p) for d, c, p in some]
    assert repeats.adds(known) == pytest.approx(truth, abs=0.5)  # the precision is a diagonal one
    assert abs(repeats.adds(known) - truth).mean() < 0.25
    assert repeats.events == 8000


def test_what_is_long_ago_counts_less_so_that_habits_may_change():
    steady, fading = Repeats(RepeatSettings(half_life=36_500.0)), Repeats(RepeatSettings(half_life=20.0))
    known = _known((6, 1, 1.0))
    for repeats in (steady, fading):
        for day in range(400):
            repeats.take(known, [0.05], 0 if day % 2 else -1, NOW + day * DAY)
        for day in range(400, 430):
            repeats.take(known, [0.05], -1, NOW + day * DAY)
    assert fading.adds(known)[0] < steady.adds(known)[0] - 0.5


def test_no_number_goes_beyond_the_limit_and_comes_back_from_it_at_once():
    repeats, known = Repeats(RepeatSettings(limit=1.0)), _known((6, 1, 1.0), (10, 1, 1.0))
    for k in range(200):
        repeats.take(known, [0.01, 0.3], 0, NOW + k)
    assert repeats.adds(known).tolist() == [1.0, -1.0]
    repeats.take(known, [0.01, 0.3], -1, NOW + 300)
    assert repeats.adds(known)[0] < 1.0
    repeats.take(known, [0.01, 0.3], 1, NOW + 301)
    assert repeats.adds(known)[1] > -1.0


def test_the_models_order_is_never_turned_round():
    repeats = Repeats()
    for k in range(5000):  # always the one that it thinks less of
        repeats.take(_known((6, 1, 50.0), (6, 1, 1.0)), [0.5, 0.01], 1, NOW + k)
    assert repeats.weights()["own"] == -1.0


def test_of_a_long_log_fewer_and_fewer_are_asked():
    asked = np.array([is_asked(n) for n in range(300_000)])
    assert asked[:2048].all()
    assert asked[:131_072].sum() == 1024 * 8
    assert asked[131_072:].mean() == pytest.approx(1 / 64, rel=1e-3)


@pytest.mark.parametrize(
    ("n", "chances", "taken", "said"),
    [
        (1, [0.1], 1, "taken 1"),
        (1, [0.1], -2, "taken -2"),
        (1, [0.1, 0.2], 0, r"known \(1, 8\), chances \(2,\)"),
    ],
)
def test_what_does_not_fit_is_refused(n, chances, taken, said):
    repeats = Repeats()
    with pytest.raises(ValueError, match=said):
        repeats.take(_known(*[(1, 1, 1.0)] * n), chances, taken, NOW)
    assert repeats.weights() == Repeats().weights()
