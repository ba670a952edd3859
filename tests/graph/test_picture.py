"""What the picture leaves out and where it draws an arrow; the rest is for the eye (``crossaisle graph MODEL --out graph.png``)."""

from __future__ import annotations

import pytest
from graph_shops import planted, shop

from crossaisle.graph import picture
from crossaisle.graph.category_graph import CategoryGraph


@pytest.mark.parametrize(
    ("direction", "low", "high", "sure"),
    [(0.7, 0.6, 0.8, True), (0.3, 0.2, 0.4, True), (0.6, 0.45, 0.7, False), (0.4, 0.3, 0.55, False), (None, 0.0, 1.0, False)],
)
def test_an_arrow_needs_a_sure_direction(direction, low, high, sure):
    assert picture._sure({"direction": direction, "direction_low": low, "direction_high": high}) == sure


def test_edges_of_aisles_with_the_same_people_are_left_out():
    graph = CategoryGraph.of(shop([[0, 1, 2]] * 40 + [[0, 1]] * 20 + [[3]] * 150 + [[2]] * 5, [["A"], ["B"], ["C"], ["D"]]))
    assert [tuple(twin)[:2] for twin in graph.twins] == [("A", "B")]
    edges = graph.strongest_edges(99, 1)
    pairs = {frozenset(pair) for pair in edges.select("source", "target").iter_rows()}
    left = {frozenset(pair) for pair in picture._without_twins(graph, edges).select("source", "target").iter_rows()}
    assert frozenset("AB") in pairs
    assert left == pairs - {frozenset("AB")}
    assert left


def test_the_same_graph_is_the_same_picture():
    graph = CategoryGraph.of(planted())
    assert picture.draw(graph, 2) == picture.draw(graph, 2)
    assert picture.draw(graph, 2) != picture.draw(graph, 2, "zh")
