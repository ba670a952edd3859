"""Aisles of the same people are told from aisles that everybody goes to, and from chance."""

from __future__ import annotations

import json

import numpy as np
import pytest
from graph_shops import planted, shop

from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.graph.export import as_dict
from crossaisle.graph.nodes import View
from crossaisle.graph.page import render
from crossaisle.graph.same_users import same_users

PATHS = [["A"], ["B"], ["C"], ["D"]]


@pytest.mark.parametrize(
    ("rows", "pairs"),
    [
        ([[0, 1]] * 30 + [[2]] * 40, [("A", "B", 1.0)]),
        ([[1, 0, 0]] * 38 + [[0]] * 2 + [[2]] * 50, [("A", "B", 0.95)]),
        ([[0, 1]] * 37 + [[0]] * 3 + [[2]] * 50, []),  # .925 of them
        ([[0, 1]] * 19 + [[2]] * 40, []),  # too few to judge
        ([[0, 1]] * 60 + [[2]] * 40, []),  # most people have both: milk and bread
        ([[0, 1, 3]] * 30 + [[2]] * 40, [("A", "B", 1.0), ("A", "D", 1.0), ("B", "D", 1.0)]),
    ],
)
def test_pairs_of_the_same_people(rows, pairs):
    data = shop(rows, PATHS)
    graph = CategoryGraph.of(data, edges=False)
    assert [tuple(twin) for twin in graph.twins] == pairs


def test_an_ordinary_shop_has_none():
    assert CategoryGraph.of(planted(bulk=30), edges=False).twins == ()


def test_nobody_at_all():
    view = View(1, ("A", "B"), np.array([0, 1]))
    assert same_users(shop([[], []], PATHS[:2]).histories, view) == ()


def test_files_and_page_say_so():
    graph = CategoryGraph.of(shop([[0, 1]] * 30 + [[2]] * 40, PATHS))
    assert as_dict(graph)["twins"] == [{"first": "A", "second": "B", "share": 1.0}]
    assert json.dumps(as_dict(graph)["twins"], separators=(",", ":")) in render(graph)
