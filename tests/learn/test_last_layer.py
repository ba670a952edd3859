"""The last layer corrected between trainings: by hand, against plain loops, however the log is cut, and placebos that teach nothing."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.learn.clock import DAY
from crossaisle.learn.last_layer import LastLayer
from crossaisle.learn.settings import LastLayerSettings

NOW = 1.7e9
ON = LastLayerSettings(on=True, half_life=10.0, variance=1.0, others=3)
EVERY = np.arange(4)


def _layer(changes=ON, n=4, dim=2):
    return LastLayer(n, dim, changes)


def _of_length_one(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def test_one_event_by_hand():
    layer = _layer()
    layer.take([1, 0], [8, 7], [[0, 0], [1, 0]], [NOW, NOW])  # one without a history took item 1, then one of state (1, 0) item 0
    # among the two p = 1/2 each: b = 1/2 and -1/2, H = 1/4, so d = (1/2) / (1 + 1/4) = .4 and -.4 in the first number
    # the mean of the log is (1, 0); from (0, 1) there remains (-1, 1) / sqrt 2
    found = layer.at(NOW)
    np.testing.assert_allclose(found.scores(np.array([0, 1], np.float32), EVERY), np.array([-0.4, 0.4, 0, 0]) / np.sqrt(2), rtol=1e-6)
    assert not found.scores(np.array([1, 0], np.float32), EVERY).any()  # nothing is left beyond the mean
    # ten days later b and H are half: (1/4) / (1 + 1/8)
    later = layer.at(NOW + 10 * DAY).scores(np.array([0, 1], np.float32), EVERY)
    np.testing.assert_allclose(later, np.array([-1, 1, 0, 0]) * (0.25 / 1.125) / np.sqrt(2), rtol=1e-6)
    assert np.abs(layer.at(NOW + 1000 * DAY).scores(np.array([0, 1], np.float32), EVERY)).max() < 1e-6


def _by_loops(items, people, states, times, variance, half_life, k, n):
    """The formulas of the file's first lines, number by number, times rising."""
    dim = states.shape[1]
    b, h, total, weight = np.zeros((n, dim)), np.zeros((n, dim)), np.zeros(dim), 0.0
    last = []
    for e, (item, person, u, t) in enumerate(zip(items, people, states, times, strict=True)):
        fade = 0.5 ** ((t - times[e - 1]) / (half_life * DAY)) if e else 1.0
        b, h, total, weight = b * fade, h * fade, total * fade, weight * fade
        others = [i for i, p in reversed(last[-8 * k :]) if p != person][:k]
        if u.any():
            if others:
                x = u - (total / weight if weight else 0.0)
                x = x / np.linalg.norm(x)
                d = b / (1 / variance + h)
                e_x = [np.exp(d[j] @ x) for j in [item, *others]]
                p = {}
                for j, value in zip([item, *others], e_x, strict=True):
                    p[j] = p.get(j, 0.0) + value / sum(e_x)
                for j, share in p.items():
                    seen = share * (1 - share)
                    b[j] += ((j == item) - share) * x + seen * x**2 * d[j]
                    h[j] += seen * x**2
            total, weight = total + u, weight + 1
        last.append((item, person))
    return b / (1 / variance + h), total / weight


def test_many_events_against_plain_loops():
    rng = np.random.default_rng(0)
    items, people = rng.integers(0, 12, 300), rng.integers(0, 9, 300)
    states = _of_length_one(rng.normal(size=(300, 5)) + 1.0)
    states[rng.random(300) < 0.1] = 0.0
    times = NOW + np.sort(rng.uniform(0, 40 * DAY, 300))
    layer = _layer(LastLayerSettings(on=True, half_life=10.0, variance=0.7, others=6, leap=1.0), 12, 5)
    layer.take(items, people, states, times)
    d, mean = _by_loops(items, people, states, times, 0.7, 10.0, 6, 12)
    for who in _of_length_one(rng.normal(size=(5, 5))):
        x = (who - mean) / np.linalg.norm(who - mean)
        np.testing.assert_allclose(layer.at(times[-1]).scores(who, np.arange(12)), d @ x, rtol=1e-3, atol=1e-4)
    assert layer.events == 300


moments = st.one_of(st.floats(0, 4000 * DAY), st.just(float("nan")), st.just(1e12), st.just(-1e12))
logs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from((0.0, 0.5, 1.0, 2.0)), moments), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(logs, st.lists(st.integers(0, 40), max_size=4))
def test_however_the_log_is_cut_the_state_is_the_same_to_the_last_bit(log, cuts):
    whole, parts = _layer(), _layer()
    items, people, turn, times = (np.array(x) for x in zip(*log, strict=True))
    states = np.stack([np.cos(turn), np.sin(turn)], axis=1) * (turn > 0)[:, None]
    whole.take(items, people, states, times)
    edges = sorted({0, len(log), *(min(c, len(log)) for c in cuts)})
    for start, end in pairwise(edges):
        parts.take(items[start:end], people[start:end], states[start:end], times[start:end])
        parts = LastLayer.from_arrays(parts.to_arrays(), ON)
    for name, array in whole.to_arrays().items():
        np.testing.assert_array_equal(array, parts.to_arrays()[name], err_msg=name)
    found = whole.at(NOW)
    assert found is None or np.isfinite(found.scores(np.array([0.6, 0.8], np.float32), EVERY)).all()


def _tastes(rng, n_events=4000):
    """Two kinds of people, who take one half of forty items each; popularity is the same for both halves."""
    kind = rng.integers(0, 2, n_events)
    items = 20 * kind + rng.integers(0, 20, n_events)
    states = _of_length_one(np.eye(2)[kind] @ np.array([[1.0, 0.2, 0], [0.2, 1.0, 0]]) + 0.1 * rng.normal(size=(n_events, 3)))
    return items, rng.integers(0, 500, n_events), states, np.full(n_events, NOW)


def test_tastes_are_found_and_placebos_find_none():
    rng = np.random.default_rng(1)
    items, people, states, times = _tastes(rng)
    changes = LastLayerSettings(on=True, half_life=60.0, variance=1.0, others=20)

    def scores(told):
        layer = LastLayer(40, 3, changes)
        layer.take(items, people, told, times)
        return layer.at(NOW).scores(_of_length_one(np.array([1.0, 0.2, 0])), np.arange(40))

    def lead(found):
        return float(found[:20].mean() - found[20:].mean())

    true = scores(states)
    assert true[:20].min() > true[20:].max() + 1
    assert abs(lead(scores(rng.permutation(states)))) < 0.1 * lead(true)
    assert abs(np.mean([lead(rng.permutation(true)) for _ in range(200)])) < 0.1 * lead(true)


def test_what_everybody_takes_is_no_taste():
    rng = np.random.default_rng(2)
    layer = LastLayer(10, 3, LastLayerSettings(on=True, others=20))
    items = np.where(rng.random(3000) < 0.5, 0, rng.integers(1, 10, 3000))  # every second event is of one item
    layer.take(items, rng.integers(0, 300, 3000), _of_length_one(rng.normal(size=(3000, 3))), np.full(3000, NOW))
    assert np.abs(layer.at(NOW).scores(_of_length_one(rng.normal(size=3)), np.arange(10))).max() < 0.5


def test_own_purchases_do_not_stand_against_each_other():
    layer = _layer()
    layer.take([0, 1, 2], [7, 7, 7], [[1, 0], [0, 1], [1, 0]], [NOW] * 3)
    assert layer.at(NOW) is None
    layer.take([3], [8], [[0, 1]], [NOW])
    assert layer.at(NOW).scores(np.array([0, 1], np.float32), EVERY)[3] > 0


def test_limit_and_new_items():
    layer = _layer(LastLayerSettings(on=True, variance=100.0, limit=0.5))
    turn = np.tile([0, 1], 200)
    layer.take(turn, turn, np.eye(2)[turn], np.full(400, NOW))
    found = layer.at(NOW)
    assert found.scores(np.array([1, 0], np.float32), EVERY)[:2].tolist() == [0.5, -0.5]
    layer.add_items(3)
    assert (len(layer), len(found), len(found.grown(3))) == (7, 4, 7)
    more = found.grown(3).scores(np.array([1, 0], np.float32), np.arange(7))
    assert more.tolist() == [0.5, -0.5, 0, 0, 0, 0, 0]
    layer.take([6], [5], [[1, 0]], [NOW])
    assert layer.at(NOW).scores(np.array([1, 0], np.float32), np.array([6]))[0] > 0


def test_one_wrong_clock_does_not_wipe_out_what_was_learned():
    layer = _layer()
    turn = np.tile([0, 1], 20)
    layer.take(turn, turn, np.eye(2)[turn], np.full(40, NOW))
    who = np.array([1, 0], np.float32)
    before = layer.at(NOW).scores(who, EVERY)[0]
    layer.take([2], [9], [[0, 0]], [NOW + 3650 * DAY])
    assert layer.at(NOW).scores(who, EVERY)[0] > 0.9 * before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [1], [[1, 0]], [NOW]), "one of each an event"),
        (([0], [1], [[1, 0, 0]], [NOW]), r"states \(1, 3\)"),
        (([4], [1], [[1, 0]], [NOW]), "item code 4; expected 0 to 3"),
        (([-1], [1], [[1, 0]], [NOW]), "item code -1"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        _layer().take(*arguments)


def test_nothing_taken_changes_nothing():
    layer = _layer()
    layer.take([], [], np.zeros((0, 2)), [])
    assert layer.events == 0
    assert layer.at(NOW) is None
