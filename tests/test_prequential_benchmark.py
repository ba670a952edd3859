"""Benchmarks of learning event by event: what is learned from comes before what is judged, and placebos learn from something else."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import prequential
import repeats

from crossaisle.learn.settings import LastLayerSettings

DAY = 86_400.0
N = 6


def _stretch(users, items, times, start):
    """Every event from ``start`` on is asked."""
    users, items, times = np.array(users), np.array(items), np.array(times, float)
    asked = np.flatnonzero(times >= start)
    mine = [np.flatnonzero((users == users[q]) & (np.arange(len(users)) < q)) for q in asked]
    known = prequential.histories_of(mine, items, times)
    data = SimpleNamespace(n_items=N, item_categories=np.zeros(N, int), item_counts=np.zeros(N, int))
    return prequential.Stretch(data, start, users, items, times, asked, known, known)


def test_what_is_taken_again_is_learned_after_it_is_judged():
    # item 0 at first, then again after three days, again and again; the model expects every item alike
    part = _stretch([0] * 5, [0] * 5, np.arange(5) * 3 * DAY, DAY)
    base = np.zeros((4, N), np.float32)
    ranks, learned = repeats.learning(base, part)
    assert ranks[0] == (N - 1) / 2  # nothing was learned: all items share their places
    assert ranks[1:].tolist() == [0, 0, 0]
    assert learned.events == 4
    assert {what for what, added in learned.weights().items() if added > 0} == {"a week", "count"}
    assert repeats.by_count(part, N).tolist() == [0, 0, 0, 0]
    at_once = _stretch([0] * 5, [0] * 5, np.arange(5.0), 1.0)
    assert repeats.by_count(at_once, N).tolist() == [N - 1] * 4, "it is in the basket already"
    frozen, same = repeats.learning(base, part, learned, taught=False)
    assert same.events == 4
    assert frozen.tolist() == [0, 0, 0, 0]
    assert repeats.learning(base, part, placebo=True)[0].mean() > 1


def test_a_last_layer_is_learned_after_it_is_judged_and_its_placebos_from_something_else():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 400)
    users, items = 2 * rng.integers(0, 30, 400) + kind, 3 * kind + rng.integers(0, 3, 400)
    part = _stretch(users, items, np.arange(400.0), 0.0)
    states, base = np.eye(2, dtype=np.float32)[kind], np.zeros((400, N), np.float32)
    settings = LastLayerSettings(on=True, others=20)

    def ranks(**changes):
        layer = prequential.Layer(settings, states, **changes)
        return prequential.learning(base, part, [(0.0, part.data.item_counts)], prequential.NOTHING, False, layer=layer)

    true = ranks()
    assert true[0] == (N - 1) / 2
    assert true[100:].mean() < 1.3  # one of the three of the person's kind
    drawn = [ranks(other=rng.permutation(states))[100:].mean() for _ in range(12)]  # luck in one draw, 2.5 in the mean
    assert 2 < np.mean(drawn) < 3
    assert ranks(deal=(np.arange(N) + 3) % N)[100:].mean() > 3
