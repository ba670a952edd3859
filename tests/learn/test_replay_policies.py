"""Off-policy answers from a log of explored places: by hand, refused below 100, and right in a shop whose truth is known."""

import numpy as np
import pytest

from crossaisle.errors import RequestError
from crossaisle.learn.explore import Slot
from crossaisle.learn.replay import ExploredLog, chances, expected_rewards, replay
from crossaisle.records import Event, Shown, ShownList

DAY = 86_400.0


def _list(rid, user, pool, scores, p, choice, when=0.0, features=None):
    slot = Slot(2, pool, scores, features or tuple((1.0, s) for s in scores), p, choice)
    items = (Shown("top", 1, 9.0, 1.0, False), Shown(pool[choice], 2, scores[choice], p[choice], True))
    return ShownList(rid, user, when, "m", items, {"explored": [slot.to_json()]})


def _event(rid, item, kind="click", when=1.0, value=None):
    return Event(f"{rid}{item}{kind}{when}", "u", item, kind, when, value, rid)


LISTS = [
    _list("r1", "u1", ("a", "b"), (2.0, 1.0), (0.8, 0.2), 0),
    _list("r2", "u1", ("a", "b", "c"), (0.0, 5.0, 5.0), (0.2, 0.5, 0.3), 1),
    _list("r3", None, ("a",), (0.0,), (1.0,), 0),
    ShownList("r4", "u2", 0.0, "m", (Shown("a", 1, 1.0, 1.0, False),), {}),
]


def test_what_is_read():
    events = [_event("r1", "a"), _event("r1", "b"), _event("r2", "b", when=9 * DAY), _event("r3", "a", "hide"), _event(None, "a")]
    log = ExploredLog.read(LISTS, events)
    assert len(log) == 3
    assert log.offsets.tolist() == [0, 2, 5, 6]
    assert log.chosen.tolist() == [0, 3, 5]
    assert log.rewards.tolist() == [1, 0, 0]
    assert log.people.tolist() == [1, 1, 0]
    assert log.ids == ["a", "b", "a", "b", "c", "a"]
    assert ExploredLog.read(LISTS, events, within=10 * DAY).rewards.tolist() == [1, 1, 0]
    assert ExploredLog.read(LISTS, events, accepted=("purchase",)).rewards.tolist() == [0, 0, 0]
    assert ExploredLog.read(LISTS, [_event("r1", "a", "rating", value=5.0)]).rewards.tolist() == [1, 0, 0]


def test_policies_by_hand():
    log = ExploredLog.read(LISTS, [])
    assert chances("logged", log).tolist() == [0.8, 0.2, 0.2, 0.5, 0.3, 1.0]
    assert chances("uniform", log) == pytest.approx([1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3, 1])
    assert chances("greedy", log).tolist() == [1, 0, 0, 0.5, 0.5, 1]
    assert chances("greedy", log, -log.scores).tolist() == [0, 1, 1, 0, 0, 1]
    assert chances("eps:0.5", log) == pytest.approx([0.75, 0.25, 1 / 6, 5 / 12, 5 / 12, 1])
    assert chances("softmax:1", log)[:2] == pytest.approx([np.e / (1 + np.e), 1 / (1 + np.e)])
    assert chances("softmax:1e-9", log) == pytest.approx(chances("greedy", log))


@pytest.mark.parametrize("policy", ["best", "eps:2", "eps:", "eps:x", "softmax:0", "softmax:inf", "softmax:nan", "greedy:1"])
def test_policies_that_there_are_not(policy):
    with pytest.raises(RequestError, match=r"policy .*; expected"):
        chances(policy, ExploredLog.read(LISTS, []))


def test_a_log_without_exploring_or_of_two_kinds_is_refused():
    with pytest.raises(RequestError, match="no place that explored"):
        ExploredLog.read(LISTS[3:], [])
    odd = _list("r9", "u", ("a",), (0.0,), (1.0,), 0, features=((1.0,),))
    with pytest.raises(RequestError, match="with 1 and with 2 features"):
        ExploredLog.read([*LISTS, odd], [])


def shop(seed, people=400, places=5, pool=6):
    """A log by a known policy in a shop with a known truth: (log, what each candidate would earn)."""
    rng = np.random.default_rng(seed)
    n = people * places
    scores = rng.normal(size=(n, pool))
    new = rng.integers(0, 2, (n, pool)).astype(float)
    truth = 1 / (1 + np.exp(2.2 - 0.7 * scores - 0.8 * new + 0.6 * rng.normal(size=people).repeat(places)[:, None]))
    p = 0.8 * np.exp(1.5 * new) / np.exp(1.5 * new).sum(axis=1, keepdims=True) + 0.2 / pool
    choice = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, pool - 1)
    rewards = (rng.random(n) < truth[np.arange(n), choice]).astype(float)
    features = np.stack([np.ones_like(scores), scores, new], axis=2).reshape(-1, 3)
    offsets = np.arange(n + 1) * pool
    who = np.arange(people).repeat(places)
    empty = [None] * n
    return ExploredLog(
        offsets, offsets[:-1] + choice, scores.ravel(), p.ravel(), features, rewards, who, empty, np.zeros(n), [""] * (n * pool)
    ), truth.ravel()


def test_the_logging_policy_gets_back_what_it_earned():
    log, _ = shop(0)
    answer = replay(log, chances("logged", log), "logged")
    for name in ("ips", "snips", "logged"):
        assert answer.estimates[name].value == pytest.approx(log.rewards.mean())
    assert answer.estimates["dr"].value == pytest.approx(log.rewards.mean(), abs=0.01)
    assert answer.effective == pytest.approx(len(log))
    assert answer.mean_weight == answer.largest_weight == pytest.approx(1.0)


def test_intervals_hold_the_truth_and_dr_is_the_surest():
    inside, errors = {}, {}
    for seed in range(120):
        log, earned = shop(seed)
        wanted = chances("greedy", log)
        truth = float(log.summed(wanted * earned).mean())
        answer = replay(log, wanted, "greedy")
        assert answer.mean_weight == pytest.approx(1.0, abs=0.35)
        for name, e in answer.estimates.items():
            inside.setdefault(name, []).append(bool(e.covers(truth)))
            errors.setdefault(name, []).append(float(e.value) - truth)
    for name in ("ips", "snips", "dr"):
        assert 0.9 <= np.mean(inside[name]) <= 1.0, name
        assert abs(np.mean(errors[name])) < 0.01, name
    assert np.mean(inside["logged"]) < 0.2
    spread = {name: np.std(e) for name, e in errors.items()}
    assert spread["dr"] < spread["snips"] < spread["ips"]


def test_below_a_hundred_there_is_no_answer():
    log, _ = shop(0, people=40, places=3)
    with pytest.raises(RequestError, match=r"worth \d+ of its own \(effective sample size\); expected 100 or more"):
        replay(log, chances("greedy", log), "greedy")


def test_nobody_s_expectation_is_learned_from_their_own_answers():
    log, _ = shop(3, people=50, places=2)
    before = expected_rewards(log)
    mine = np.flatnonzero(log.people == 7)
    log.rewards[mine] = 1 - log.rewards[mine]
    after = expected_rewards(log)
    of_mine = np.isin(np.repeat(np.arange(len(log)), 6), mine)
    np.testing.assert_array_equal(before[of_mine], after[of_mine])
    assert (before[~of_mine] != after[~of_mine]).any()


def test_the_answers_are_those_of_another_library():
    """Vowpal Wabbit's estimators on one exposure a person."""
    pytest.importorskip("estimators.bandits")
    from estimators.bandits import ips as their_ips
    from estimators.bandits import snips as their_snips

    log, _ = shop(5, people=800, places=1)
    wanted = chances("eps:0.3", log)
    answer = replay(log, wanted, "eps:0.3")
    for name, theirs in (("ips", their_ips.Estimator()), ("snips", their_snips.Estimator())):
        for row, reward in zip(log.chosen.tolist(), log.rewards.tolist(), strict=True):
            theirs.add_example(float(log.probabilities[row]), reward, float(wanted[row]))
        assert answer.estimates[name].value == pytest.approx(theirs.get())
