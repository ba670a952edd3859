"""Counts against loops over users, the chance model against enumeration, and what must not make an edge."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.data.histories import Histories
from crossaisle.graph.counts import count_pairs, first_visits, median_days, user_weights
from crossaisle.graph.expected import _pairs, expected_pairs, inclusion, visit_shares

DAY = 86_400.0
N_ITEMS, N_NODES = 6, 4
ITEM_NODES = np.array([0, 0, 1, 2, 3, -1])

events = st.lists(
    st.lists(st.tuples(st.integers(0, N_ITEMS - 1), st.integers(0, 40)), max_size=8),
    min_size=1,
    max_size=8,
)


def dated(rows) -> Histories:
    rows = [sorted(row, key=lambda e: e[1]) for row in rows]
    offsets = np.cumsum([0, *(len(r) for r in rows)])
    flat = [e for r in rows for e in r]
    return Histories.from_arrays(offsets, np.array([i for i, _ in flat], dtype=np.int64), times=np.array([t * DAY for _, t in flat]))


def brute(rows, days: float) -> dict[str, dict[tuple[int, int], list[float]]]:
    """For each pair of nodes: who has both inside the window, who came to the first node first, who has a clear order, and the gaps."""
    out: dict[str, dict[tuple[int, int], list[float]]] = {"together": {}, "first": {}, "before": {}}
    for row in rows:
        when: dict[int, list[int]] = {}
        for item, t in row:
            if ITEM_NODES[item] >= 0:
                when.setdefault(int(ITEM_NODES[item]), []).append(t)
        for a, b in itertools.permutations(when, 2):
            gap = min(when[b]) - min(when[a])
            if days and abs(gap) > days:
                continue
            out["together"].setdefault((a, b), []).append(abs(gap))
            if gap > 0:
                out["first"].setdefault((a, b), []).append(1)
            earlier = (gap > 0) - (gap < 0) + (max(when[b]) > max(when[a])) - (max(when[b]) < max(when[a]))
            if earlier > 0:
                out["before"].setdefault((a, b), []).append(1)
    return out


@settings(max_examples=150, deadline=None)
@given(events, st.sampled_from([0.0, 5.0, 20.0]))
def test_pairs_are_those_of_a_loop(rows, days):
    visits = first_visits(dated(rows), ITEM_NODES, N_NODES)
    weights = np.linspace(0.5, 1.0, len(rows)).astype(np.float32)
    counts = count_pairs(visits, N_NODES, days, weights)
    expected = brute(rows, days)
    for name in ("together", "first", "before"):
        found = getattr(counts, name)
        for a, b in itertools.product(range(N_NODES), repeat=2):
            assert found[a, b] == len(expected[name].get((a, b), []))
    assert counts.user_pairs.sum() == counts.together.sum() / 2
    if visits.dated:
        wanted = np.array([a * N_NODES + b for a in range(N_NODES) for b in range(a + 1, N_NODES)])
        for cell, median in zip(wanted, median_days(visits, N_NODES, days, wanted), strict=True):
            gaps = sorted(expected["together"].get((cell // N_NODES, cell % N_NODES), []))
            assert math.isnan(median) if not gaps else median == gaps[(len(gaps) - 1) // 2]


@settings(max_examples=60, deadline=None)
@given(events)
def test_reversed_time_turns_every_order_round(rows):
    back = [[(i, 100 - t) for i, t in row] for row in rows]
    weights = np.ones(len(rows), dtype=np.float32)
    one, two = (count_pairs(first_visits(dated(r), ITEM_NODES, N_NODES), N_NODES, 0.0, weights) for r in (rows, back))
    assert np.array_equal(one.before, two.before.T)
    assert np.array_equal(one.together, two.together)


def test_without_any_time_places_are_the_order():
    visits = first_visits(Histories.from_lists([[2, 0, 3]]), ITEM_NODES, N_NODES)
    counts = count_pairs(visits, N_NODES, 1.0, np.ones(1, dtype=np.float32))
    assert counts.first[1, 0] == counts.first[0, 2] == counts.first[1, 2] == 1
    assert counts.together.sum() == 6  # no window without times
    assert np.isnan(median_days(visits, N_NODES, 1.0, np.array([1]))).all()


def test_an_undated_event_among_dated_ones_has_no_order():
    h = Histories.from_arrays(np.array([0, 2]), np.array([0, 2]), times=np.array([DAY, np.nan]))
    counts = count_pairs(first_visits(h, ITEM_NODES, N_NODES), N_NODES, 5.0, np.ones(1, dtype=np.float32))
    assert counts.together[0, 1] == 1
    assert counts.first.sum() == counts.before.sum() == 0


def test_a_bulk_buyer_weighs_as_much_as_one_at_the_limit():
    weights = user_weights(np.array([4, 40, 400]), 10).astype(float)
    pairs = np.array([6, 780, 79800]) * weights
    assert pairs == pytest.approx([6, 45, 45], rel=1e-5)
    assert user_weights(np.array([2, 2, 2, 100]), 0)[3] == pytest.approx(90 / 9900)  # nobody's median is above the floor of 10


@pytest.mark.parametrize("spread", [1.0, 8.0, 30.0], ids=["even", "steep", "a few that everybody has"])
@pytest.mark.parametrize(("n", "k"), [(5, 1), (5, 2), (5, 3), (5, 4), (5, 5), (12, 2), (12, 5)])
def test_chance_is_that_of_all_sets(n, k, spread):
    w = np.exp(spread * np.linspace(0, -1, n) ** 3)
    sets = list(itertools.combinations(range(n), k))
    odds = np.array([np.prod(w[list(s)]) for s in sets])
    odds /= odds.sum()
    each, pair = np.zeros(n), np.zeros((n, n))
    for s, p in zip(sets, odds, strict=True):
        each[list(s)] += p
        for a, b in itertools.permutations(s, 2):
            pair[a, b] += p
    assert inclusion(w, k) == pytest.approx(each, abs=1e-12)
    assert _pairs(w, k)[~np.eye(n, dtype=bool)] == pytest.approx(pair[~np.eye(n, dtype=bool)], abs=1e-12)


@pytest.mark.parametrize(("least", "most"), [(1, 6), (4, 30)], ids=["exact", "approximated"])
def test_users_who_draw_at_random_have_lifts_of_one(least, most):
    """Independent draws from one distribution: pairs are expected as often as they are seen, small and huge categories alike."""
    rng = np.random.default_rng(3)
    n_users, c = 40_000, 40
    share = np.sort(rng.dirichlet(np.ones(c) * 0.5))[::-1]
    have = np.zeros((n_users, c), dtype=bool)
    draws = rng.integers(least, most, size=n_users)
    owners = np.repeat(np.arange(n_users), draws)
    have[owners, rng.choice(c, size=len(owners), p=share)] = True
    have = have[:, have.sum(axis=0) > 0]
    degrees = have.sum(axis=1)
    pairs = have.astype(float).T @ have
    found = expected_pairs(degrees, degrees * (degrees - 1) / 2, np.ones(n_users), have.sum(axis=0))
    a, b = np.nonzero(np.triu(pairs, 1) > 400)
    assert len(a) > 50
    log_lift = np.log(pairs[a, b] / found[a, b])
    assert abs(log_lift.mean()) < 0.02
    assert np.abs(log_lift).max() < 0.2
    plain = np.log(pairs[a, b] / (have.sum(axis=0)[a] * have.sum(axis=0)[b] / n_users))
    assert np.abs(plain).mean() > 3 * np.abs(log_lift).mean()


def test_the_shares_reproduce_the_visitors():
    rng = np.random.default_rng(1)
    degrees, users = np.array([1, 2, 5, 9, 14]), np.array([400.0, 300.0, 200.0, 80.0, 20.0])
    visitors = rng.dirichlet(np.ones(30) * 2) * float(degrees @ users)
    y, log_x = visit_shares(degrees, users, visitors)
    odds = np.expm1(np.exp(log_x)[:, None] * y)
    found = sum(n * (inclusion(w, int(k)) if k < 11 else w / (1 + w)) for k, n, w in zip(degrees, users, odds, strict=True))
    assert found == pytest.approx(visitors, rel=1e-3)


def test_nobody_expects_anything_of_no_visits():
    assert expected_pairs(np.zeros(3, dtype=np.int64), np.zeros(3), np.ones(3), np.array([], dtype=np.int64)).shape == (0, 0)
    assert expected_pairs(np.array([1, 1]), np.zeros(2), np.ones(2), np.array([1, 1])).tolist() == [[0, 0], [0, 0]]
