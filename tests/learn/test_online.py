"""Learning between trainings: known answers, the same state however the log is cut, clocks that lie, and a placebo."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.learn.clock import DAY, LogClock
from crossaisle.learn.online import OnlineBiases
from crossaisle.learn.settings import OnlineSettings

NOW = 1.7e9
ON = OnlineSettings(on=True, refresh=0.0, half_life=10.0, aisle=1.0, item_prior=10.0, aisle_prior=100.0)


def _biases(counts=(99, 99, 199), aisles=(0, 0, 1), changes=ON):
    return OnlineBiases(np.array(counts), np.array(aisles), changes)


def test_both_biases_by_hand():
    b = _biases()
    b.take([0] * 30 + [1] * 10, [1] * 40, [NOW] * 40)
    # shares in training: items 100 of 200 inside aisle 0; aisle 0 has 200 of 400, half
    drift = np.log((40 + 100) / (40 * 0.5 + 100)), np.log((0 + 100) / (40 * 0.5 + 100))
    wanted = [np.log((30 + 10) / (20 + 10)) + drift[0], np.log((10 + 10) / (20 + 10)) + drift[0], np.log(10 / 10) + drift[1]]
    np.testing.assert_allclose(b.bias(NOW), wanted, rtol=1e-6)
    # ten days later every count is half
    drift = np.log((20 + 100) / (10 + 100)), np.log(100 / (10 + 100))
    wanted = [np.log(25 / 20) + drift[0], np.log(15 / 20) + drift[0], drift[1]]
    np.testing.assert_allclose(b.bias(NOW + 10 * DAY), wanted, rtol=1e-6)


def test_rejections_lower_an_item_and_no_other():
    b = _biases()
    b.take([1] * 5, [-1] * 5, [NOW] * 5)
    np.testing.assert_allclose(b.bias(NOW), [0, -np.log1p(5 / 10), 0], rtol=1e-6)


def test_forgiven_rejections_do_not_count_and_new_ones_do():
    b = _biases()
    b.take([1] * 5, [-1] * 5, [NOW] * 5)
    b.forgive(1, NOW + 10)
    assert not b.bias(NOW + 10).any()
    again = OnlineBiases.from_arrays(b.to_arrays(), ON)
    for one in (b, again):
        one.take([1, 1, 2], [-1, -1, -1], [NOW + 5, NOW + 20, NOW + 5])  # the first came late
        bias = one.bias(NOW + 20)
        assert bias[1] == pytest.approx(-np.log1p(1 / 10), rel=1e-3)
        assert bias[2] == pytest.approx(-np.log1p(1 / 10), rel=1e-3)


def test_what_is_taken_as_ever_has_no_bias():
    counts = np.array([900, 90, 9, 300])
    b = _biases(counts, (0, 0, 0, 1))
    items = np.random.default_rng(0).choice(4, size=20_000, p=(counts + 1) / (counts + 1).sum())
    b.take(items, np.ones(len(items)), np.full(len(items), NOW))
    assert np.abs(b.bias(NOW)).max() < 0.12
    assert b.events == 20_000


def test_strengths_of_nothing_and_off():
    b = _biases(changes=OnlineSettings(on=False))
    b.take([0] * 50, [1] * 50, [NOW] * 50)
    assert not b.bias(NOW).any()
    b = _biases(changes=OnlineSettings(on=True, refresh=0.0, item=0.0, aisle=0.0, rejection=0.0))
    b.take([0] * 50, [1] * 50, [NOW] * 50)
    assert not b.bias(NOW).any()
    b = _biases(changes=OnlineSettings(on=True, refresh=0.0, limit=0.5))
    b.take([0] * 5000, [1] * 5000, [NOW] * 5000)
    assert b.bias(NOW).max() == 0.5
    assert b.bias(NOW).min() == -0.5


moments = st.one_of(st.floats(0, 400 * DAY), st.just(float("nan")), st.just(float("inf")), st.just(1e12), st.just(-1e12))
events = st.lists(st.tuples(st.integers(0, 2), st.sampled_from((-1, 0, 1)), moments), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(events, st.lists(st.integers(0, 40), max_size=4))
def test_however_the_log_is_cut_the_state_is_the_same_to_the_last_bit(log, cuts):
    whole, parts = _biases(), _biases()
    items, kinds, times = (np.array(x) for x in zip(*log, strict=True))
    whole.take(items, kinds, times)
    edges = sorted({0, len(log), *(min(c, len(log)) for c in cuts)})
    for start, end in pairwise(edges):
        parts.take(items[start:end], kinds[start:end], times[start:end])
        parts = OnlineBiases.from_arrays(parts.to_arrays(), ON)
    for name, array in whole.to_arrays().items():
        np.testing.assert_array_equal(array, parts.to_arrays()[name], err_msg=name)
    assert np.isfinite(whole.bias(NOW)).all()
    np.testing.assert_array_equal(whole.bias(NOW), parts.bias(NOW))


def test_one_wrong_clock_does_not_wipe_out_what_was_learned():
    b = _biases()
    b.take([0] * 40, [1] * 40, [NOW] * 40)
    before = b.bias(NOW)[0]
    b.take([2], [0], [NOW + 3650 * DAY])
    assert b.bias(NOW)[0] > 0.9 * before
    # and what follows is still learned
    b.take([1] * 80, [1] * 80, [NOW + 60.0] * 80)
    assert b.bias(NOW + 60.0)[1] > b.bias(NOW + 60.0)[0]


def test_new_items_are_learned_and_keep_the_rest():
    b = _biases()
    b.take([0] * 30, [1] * 30, [NOW] * 30)
    b.add_items(2, [1, 2])
    assert len(b) == len(b.bias(NOW)) == 5
    b.take([4] * 20, [1] * 20, [NOW] * 20)
    bias = b.bias(NOW)
    assert bias[4] > bias[3]
    assert bias[0] > bias[1]
    assert b.to_arrays()["taken"].tolist() == [30, 0, 0, 0, 20]


def test_kept_for_refresh_seconds_and_not_to_be_written_to():
    b = _biases(changes=OnlineSettings(on=True, refresh=5.0))
    b.take([0], [1], [NOW])
    first = b.bias(NOW)
    b.take([0] * 9, [1] * 9, [NOW] * 9)
    assert b.bias(NOW + 4) is first
    second = b.bias(NOW + 5)
    assert second[0] > first[0]
    assert b.bias(NOW + 500) is second
    with pytest.raises(ValueError, match="read-only"):
        second[0] = 1.0


def test_placebo_events_at_random_teach_nothing_that_helps():
    """Tastes drift; biases find the drift, those dealt to other items do not."""
    rng = np.random.default_rng(0)
    old = rng.dirichlet(np.full(50, 5.0))
    new = old * np.exp(rng.normal(size=50))
    new /= new.sum()
    b = _biases(rng.multinomial(50_000, old), np.arange(50) % 4)
    items = rng.choice(50, size=8000, p=new)
    b.take(items, np.ones(len(items)), np.full(len(items), NOW))
    bias = b.bias(NOW)
    wanted = np.log(new / old)
    assert np.corrcoef(bias, wanted)[0, 1] > 0.9
    assert abs(np.corrcoef(rng.permutation(bias), wanted)[0, 1]) < 0.4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: OnlineBiases([1, 2], [0]), "one of each an item"),
        (lambda: OnlineBiases([-1], [0]), "none below 0"),
        (lambda: _biases().take([0, 1], [1], [NOW]), "one of each an event"),
        (lambda: _biases().take([3], [1], [NOW]), "item code 3; expected 0 to 2"),
        (lambda: _biases().take([-1], [1], [NOW]), "item code -1"),
        (lambda: _biases().add_items(2, [0]), "of 2 new items"),
        (lambda: _biases().forgive(3, NOW), "item code 3; expected 0 to 2"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_nothing_taken_changes_nothing():
    b = _biases()
    b.take([], [], [])
    assert b.events == 0
    assert not b.bias(NOW).any()


def test_a_clock_that_has_seen_no_time_counts_all_alike():
    clock = LogClock(10.0, 0.1)
    worth, shrink = clock.take(np.array([np.nan, np.nan]))
    assert (worth.tolist(), shrink, clock.present(5.0)) == ([1.0, 1.0], 1.0, 1.0)
