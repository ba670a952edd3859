"""Items that most people reject: by hand, by faults planted among 2,000, with a placebo, and where nobody may be fooled."""

import numpy as np
import pytest

from crossaisle.errors import SettingError
from crossaisle.learn.abnormal import Feedback, person_key
from crossaisle.learn.clock import DAY
from crossaisle.learn.settings import AbnormalSettings

NOW = 1.7e9
PLAIN = AbnormalSettings(prior=0.01)


def _show(log, item, n, taken=0, refused=0, position=1, when=NOW, people=None):
    log.shown([item] * n, [position] * n, [when] * n, people)
    log.accepted([item] * taken, [position] * taken, [when] * taken)
    log.rejected([item] * refused, [position] * refused, [when] * refused)


def test_evidence_by_hand():
    log = Feedback(2, PLAIN)
    _show(log, 0, 100, taken=30)
    _show(log, 1, 100, taken=10, position=1)
    # 40 of 200 at place 1: 20 expected of each
    wanted = [((0.2**30) * np.exp(0.4 * 20) + 1) / 2, ((0.2**10) * np.exp(0.4 * 20) + 1) / 2]
    np.testing.assert_allclose(log.evidence(), wanted, rtol=1e-6)


def test_a_place_further_down_is_expected_to_earn_less():
    log = Feedback(2, PLAIN)
    _show(log, 0, 400, taken=160, position=1)
    _show(log, 1, 400, taken=8, position=10)
    np.testing.assert_allclose(log._expected()[1], [160, 8], rtol=1e-3)
    assert log.abnormal() == []


def test_figures_of_what_is_found():
    log = Feedback(4, PLAIN)
    for item in range(3):
        _show(log, item, 300, taken=60)
    _show(log, 3, 300, taken=2)
    (row,) = log.abnormal()
    mean = 182 / 1200
    assert (row.item, row.shown, row.accepted) == (3, 300, 2)
    assert row.expected == pytest.approx(300 * mean, rel=1e-3)
    assert row.ratio == pytest.approx(2 / (300 * mean), rel=1e-3)
    # Garwood's interval of 2 is .242 to 7.225
    assert [row.low * row.expected, row.high * row.expected] == pytest.approx([0.2422, 7.2247], rel=1e-3)
    assert log.demotion().tolist() == [0, 0, 0, 3]


def test_many_rejections_are_abnormal_where_acceptance_is_not():
    log = Feedback(40, PLAIN)
    for item in range(40):
        _show(log, item, 200, taken=20, refused=40 if item == 7 else 0)
    (row,) = log.abnormal()
    assert (row.item, row.rejected) == (7, 40)
    assert row.times > 10


def test_undo_holds_until_new_evidence():
    log = Feedback(3, PLAIN)
    for item, taken in enumerate((60, 60, 0)):
        _show(log, item, 300, taken)
    assert [row.item for row in log.abnormal()] == [2]
    log.undo(2, NOW + 10)
    assert log.abnormal() == []
    assert not log.demotion().any()
    # what happened before the undo and is read later does not count
    _show(log, 2, 300, when=NOW + 5)
    assert log.abnormal() == []
    _show(log, 2, 300, when=NOW + 20)
    assert [row.item for row in log.abnormal()] == [2]


def test_evidence_fades():
    log = Feedback(3, PLAIN)
    for item, taken in enumerate((60, 60, 0)):
        _show(log, item, 300, taken)
    assert log.abnormal()
    for day in range(1, 400, 3):
        for item in (0, 1):
            _show(log, item, 30, taken=6, when=NOW + day * DAY)
    assert log.abnormal() == []


def test_one_person_who_looks_five_hundred_times_is_one_opinion():
    def shop(people):
        log = Feedback(20, PLAIN)
        for item in range(20):
            crowd = [person_key(f"u{n}") for n in range(100)]
            _show(log, item, 100, taken=10, people=crowd)
        _show(log, 3, 1500, people=people)
        return [row.item for row in log.abnormal()]

    assert shop([person_key("one")] * 1500) == []
    assert shop([person_key(f"v{n}") for n in range(1500)]) == [3]


def test_kept_for_refresh_seconds_where_the_moment_is_given():
    log = Feedback(3, AbnormalSettings(prior=0.01, refresh=10.0))
    for item, taken in enumerate((60, 60, 60)):
        _show(log, item, 300, taken)
    assert not log.demotion(NOW).any()
    for item, taken in enumerate((600, 600, 0)):
        _show(log, item, 3000, taken)
    assert not log.demotion(NOW + 9).any()
    assert log.demotion(NOW + 10)[2] == 3
    log.undo(2, NOW + 11)
    assert not log.demotion(NOW + 11).any()


def test_cut_into_calls_or_not_the_state_is_the_same():
    rng = np.random.default_rng(0)
    items, places = rng.integers(0, 5, 400), rng.integers(1, 30, 400)
    times, people = NOW + np.sort(rng.exponential(40 * DAY, 400)), rng.integers(0, 300, 400)
    whole, parts = Feedback(5), Feedback(5)
    whole.shown(items, places, times, people)
    for start in range(0, 400, 7):
        cut = slice(start, start + 7)
        parts.shown(items[cut], places[cut], times[cut], people[cut])
    np.testing.assert_array_equal(whole._shown, parts._shown)
    np.testing.assert_array_equal(whole.evidence(), parts.evidence())


def planted(seed, ratio, bad=20, n=2000, showings=120_000):
    """A shop of 2,000 items whose acceptance differs by item and by place, 20 of the 60 most shown accepted ``ratio`` times as often."""
    rng = np.random.default_rng(seed)
    appeal = np.exp(rng.normal(0, 0.3, n))
    share = 1 / (np.arange(n) + 20.0)
    culprits = rng.choice(60, bad, replace=False)
    appeal[culprits] = ratio
    log = Feedback(n)
    items = rng.choice(n, showings, p=share / share.sum())
    places = rng.integers(1, 11, showings)
    taken = rng.random(showings) < np.minimum(0.25 * appeal[items] / (1 + 0.15 * places), 1)
    times = NOW + np.arange(showings) * (14 * DAY / showings)
    log.shown(items, places, times)
    log.accepted(items[taken], places[taken], times[taken])
    return {row.item for row in log.abnormal()}, set(culprits.tolist())


def test_planted_faults_are_found_and_a_placebo_is_not():
    recall, wrong, placebo = [], 0, 0
    for seed in range(3):
        found, bad = planted(seed, 0.05)
        recall.append(len(found & bad) / len(bad))
        wrong += len(found - bad)
        placebo += len(planted(seed, 1.0)[0])
    assert np.mean(recall) > 0.9
    assert wrong <= 1
    assert placebo == 0


def test_new_items_and_nothing():
    log = Feedback(0)
    assert log.abnormal() == []
    log.shown([], [], [])
    log.accepted([], [], [])
    log.add_items(2)
    _show(log, 1, 10, taken=1)
    assert len(log) == len(log.demotion()) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda log: log.shown([0, 1], [1], [NOW]), "one of each a showing"),
        (lambda log: log.accepted([2], [1], [NOW]), "item code 2; expected 0 to 1"),
        (lambda log: log.rejected([-1], [1], [NOW]), "item code -1"),
        (lambda log: log.shown([0], [0], [NOW]), "position 0; expected places from 1"),
        (lambda log: log.undo(5, NOW), "item code 5"),
        (lambda log: Feedback(-1), "-1 items"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(Feedback(2))


@pytest.mark.parametrize("changes", [{"nearly_never": 0.6}, {"often": 20.0}])
def test_settings_that_contradict_each_other(changes):
    with pytest.raises(SettingError, match="the first of each pair below the second"):
        AbnormalSettings(**changes)
