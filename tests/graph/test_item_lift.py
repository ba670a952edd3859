"""Companions against a loop; kinds; what complement and similar list."""

from __future__ import annotations

import numpy as np
import pytest
from graph_shops import planted, shop

from crossaisle.errors import RequestError
from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.graph.item_lift import companions, same_kind, unlike_kind
from crossaisle.graph.settings import GraphSettings
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.similar import complements


def test_lifts_are_those_of_a_loop():
    rows = [[0, 1], [0, 1, 2, 2], [1, 2], [0, 3], [3]]
    data = shop(rows, [["A"], ["B"], ["C"], ["D"]])
    graph = CategoryGraph.of(data, GraphSettings(min_support=99))
    found = companions(graph, data.histories, 0)
    sets = [set(row) for row in rows]
    users = [sum(i in s for s in sets) for i in range(4)]
    for i in (1, 2, 3):
        both = sum(0 in s and i in s for s in sets)
        chance = sum(len(s) - 1 for s in sets if 0 in s) * users[i] / (sum(users) - users[0])
        assert found.support[i] == both
        assert found.lift[i] == pytest.approx((both + 10) / (chance + 10))


def test_where_items_have_not_met_their_categories_speak():
    data = planted()
    graph = CategoryGraph.of(data)
    row = graph.strongest_edges(1, 2).to_dicts()[0]
    found = companions(graph, data.histories, 0)
    assert (row["source"], row["target"]) == ("A > a0", "B > b1")
    assert found.lift[4] > 1.3
    never = companions(graph, data.histories[:0], 0)
    assert never.lift[4] == pytest.approx(row["lift"])
    assert never.lift[20] == 1


def test_kinds():
    data = shop([[0]], [["A", "x"], ["A", "x"], ["A", "y"], ["A"], ["B"], []])
    graph = CategoryGraph.of(data)
    assert same_kind(graph, 0).tolist() == [True, True, False, False, False, False]
    assert unlike_kind(graph, 0).tolist() == [False, False, True, False, True, False]
    assert same_kind(graph, 5).all()
    assert not unlike_kind(graph, 5).any()


def test_complements_are_of_another_kind_and_beyond_chance():
    data = planted()
    graph = CategoryGraph.of(data)
    found, unlike = companions(graph, data.histories, 0), unlike_kind(graph, 0)
    table = complements(found, unlike, Catalogue.of(data), 0, k=3)
    assert table["item_id"][0] == "i4"
    assert table.columns == ["item_id", "category", "score", "rank", "lift", "support"]
    assert (table["lift"] > 1).all()
    assert table["score"].to_numpy() == pytest.approx(np.log(table["lift"].to_numpy()), abs=1e-6)
    with pytest.raises(RequestError, match="k is 0"):
        complements(found, unlike, Catalogue.of(data), 0, k=0)
