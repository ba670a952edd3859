"""Permuted baskets keep who has how much and what is had how often, and leave no edge."""

import numpy as np
import pytest
from graph_shops import planted

from crossaisle.data.histories import Histories
from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.graph.permuted import distinct, rewired, survivors
from crossaisle.graph.settings import GraphSettings


@pytest.fixture(scope="module")
def data():
    return planted(users=1500)


def test_degrees_stay_and_nobody_has_a_thing_twice(data):
    once = distinct(data.histories)
    mixed, swaps = rewired(once, seed=3)
    assert swaps > 5
    assert (mixed.items != once.items).mean() > 0.7
    np.testing.assert_array_equal(mixed.lengths, once.lengths)
    np.testing.assert_array_equal(np.bincount(mixed.items, minlength=30), np.bincount(once.items, minlength=30))
    np.testing.assert_array_equal(mixed.times, once.times)
    assert len(distinct(mixed).items) == len(mixed.items)
    again, _ = rewired(once, seed=3)
    np.testing.assert_array_equal(again.items, mixed.items)


def test_the_planted_edge_does_not_survive(data):
    settings = GraphSettings()
    found = survivors(data.items, data.histories, settings)
    graph = CategoryGraph.of(data, settings)
    for row in found:
        edges = graph.edges.filter((graph.edges["level"] == row.level) & (graph.edges["kind"] == "bought"))
        assert row.edges == edges.height  # the same edges as the graph's own
        assert (row.permuted, row.both) == (0, 0)
    assert found[1].edges >= 1


def test_without_the_test_against_chance_edges_do_survive(data):
    loose = GraphSettings(false_share=1.0, margin=0.0)
    level = survivors(data.items, data.histories, loose)[1]
    assert level.both > 0.3 * level.edges  # so the count can see survivors where there are some


def test_one_event_or_none_is_no_fault():
    for rows in ([[0]], [[]]):
        mixed, swaps = rewired(Histories.from_lists(rows))
        assert (mixed.items.tolist(), swaps) == (rows[0], 0)
