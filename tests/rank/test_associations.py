import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_fakes import planted_shop

from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.graph.paths import strongest
from crossaisle.rank.associations import Associations, Step, Way, _chain

PATHS = [["A", "x"], ["B", "y"], ["C", "z"], ["A", "x"], ["D"], ["E"], ["F"]]


def known(rows, paths=PATHS, times=None):
    data = planted_shop(rows, paths, times)
    return Associations(CategoryGraph.of(data), data.histories)


CHAINED = [[0, 1]] * 60 + [[1, 2]] * 60 + [[4, 5], [5, 6], [6, 4]] * 150
"""A leads to B and B to C; nobody has both A and C. D, E and F, among themselves, make what is met by chance rare."""


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_chains_are_those_of_the_graphs_own_search(seed):
    rng = np.random.default_rng(seed)
    strength = np.where(rng.random((7, 7)) < 0.35, rng.random((7, 7)), 0).astype(np.float32)
    np.fill_diagonal(strength, 0)
    strength[0, 6] = 0  # an edge that joins the two goes before any chain
    edges = {str(a): [(str(b), float(strength[a, b])) for b in np.flatnonzero(strength[a])] for a in range(7)}
    wanted = strongest(edges, ["0"], frozenset({"6"}), 1)
    found, nodes = _chain(strength, 0, 6)
    assert found == pytest.approx(wanted[0].strength if wanted else 0.0, rel=1e-5)
    assert bool(nodes) == bool(wanted)


def test_an_edge_goes_before_a_chain():
    way = known(CHAINED).way(0, 1)
    assert way.names == ("x", "y")  # the deeper of two levels that say the same
    assert (len(way.steps), way.steps[0].people) == (1, 60)
    assert way.steps[0].lift > 1.1


def test_a_chain_joins_what_no_edge_joins():
    way = known(CHAINED).way(0, 2)
    assert len(way.steps) == 2
    assert [s.people for s in way.steps] == [60, 60]
    assert [s.target for s in way.steps[:1]] == [s.source for s in way.steps[1:]]
    assert 0.2 <= way.strength < 1


def test_no_way_where_nobody_goes():
    rows = [[0, 1]] * 60 + [[2]] * 60 + [[3]] * 100
    assert known(rows).way(0, 2) is None
    assert known(rows).way(0, 3) is None  # the same category
    assert known(rows).favourite([2, 0], 1) == 0
    assert known(rows).favourite([2], 1) == -1
    assert known(rows).favourite([], 1) == -1


def test_names_are_short_unless_two_would_be_alike():
    step = Step("A > Other", "B > Other", 9, 2.0)
    assert Way((step,), 0.5).names == ("A / Other", "B / Other")
    assert Way((step._replace(target="B > y"),), 0.5).names == ("Other", "y")


def test_people_with_both_and_those_who_came_later():
    some = known([[0, 1], [1, 0], [0, 0, 1], [1], [2, 0, 1]])
    assert [some.both(0, 1), some.both(1, 0), some.both(0, 2), some.people(0), some.people(3)] == [4, 4, 1, 4, 0]
    assert [some.later(0, 1), some.later(1, 0), some.later(0, 2), some.later(2, 0)] == [3, 1, 0, 1]


def test_the_same_moment_is_not_later():
    rows, times = [[0, 1], [0, 1], [0, 1]], [[5, 5], [5, 9], [5, np.nan]]
    assert known(rows, times=times).later(0, 1) == 1


def test_days_are_told_only_where_times_are_known():
    assert known([[0, 1]]).days == 0
    assert known([[0, 1]], times=[[1, 2]]).days == 90
