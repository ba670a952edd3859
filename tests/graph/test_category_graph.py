"""Planted associations are found with their direction; what chance, bulk buyers and rare pairs make is not."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from graph_shops import planted, shop

from crossaisle.data.histories import Histories
from crossaisle.errors import RequestError
from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.graph.nodes import aisle_paths, views
from crossaisle.graph.paths import strongest
from crossaisle.graph.settings import GraphSettings
from crossaisle.testing import toy_dataset


def edge(graph: CategoryGraph, source: str, target: str) -> dict | None:
    rows = graph.edges.filter((pl.col("source") == source) & (pl.col("target") == target) & (pl.col("kind") == "bought"))
    return rows.to_dicts()[0] if rows.height else None


def test_a_planted_association_tops_the_list_with_its_direction():
    graph = CategoryGraph.of(planted())
    top = graph.strongest_edges(5, 2)
    assert (top["source"][0], top["target"][0]) == ("A > a0", "B > b1")
    found = edge(graph, "A > a0", "B > b1")
    assert found["lift_low"] > 1.3
    assert found["direction_low"] > 0.6
    assert 3 <= found["days"] <= 12
    back = edge(graph, "B > b1", "A > a0")
    assert back["lift"] == pytest.approx(found["lift"])
    assert back["direction"] == pytest.approx(1 - found["direction"])
    assert (back["n_before"], back["n_after"]) == (found["n_after"], found["n_before"])
    assert found["together"] == back["together"]


def test_chance_alone_makes_next_to_no_edge():
    """Ten shops without an association: at most a twentieth of 4,350 tested pairs would do for a p of .05; the false share lets none by."""
    made = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        rows = [list(map(int, rng.choice(30, size=int(rng.integers(1, 9)), replace=False))) for _ in range(400)]
        paths = [[aisle, f"{aisle}{kind}"] for aisle in "ABCDEFGHIJ" for kind in range(3)]
        made += CategoryGraph.of(shop(rows, paths)).edges.filter(pl.col("kind") == "bought").height
    assert made <= 4


def test_the_interval_is_no_narrower_than_a_bootstrap_over_users():
    """Of a pair that few of either node's users have, it is as wide; of a close pair wider, because the expected number moves along."""
    data, loose = planted(users=500), GraphSettings(false_share=1.0, min_support=1)
    graph, rng = CategoryGraph.of(data, loose), np.random.default_rng(0)
    pairs = (("A > a0", "B > b1"), ("C > c0", "D > d0"))
    lifts = []
    for _ in range(60):
        again = CategoryGraph.of(data.select_users(rng.integers(0, data.n_users, size=data.n_users)), loose)
        lifts.append([np.log(edge(again, *pair)["lift"]) for pair in pairs])
    low, high = np.percentile(lifts, [2.5, 97.5], axis=0)
    close, far = (np.log(edge(graph, *pair)["lift_high"] / edge(graph, *pair)["lift_low"]) for pair in pairs)
    assert close > (high - low)[0]
    assert far == pytest.approx((high - low)[1], rel=0.35)


def test_a_pair_seen_twice_does_not_top_the_list():
    loose = GraphSettings(min_support=2, false_share=1.0)
    graph = CategoryGraph.of(planted(twice=2), loose)
    rare = edge(graph, "C > c2", "D > d2")
    assert rare["support"] == 2
    assert rare["lift"] < 1.25  # unshrunk it would be hundreds
    assert graph.strongest_edges(1, 2)["source"][0] == "A > a0"
    assert edge(CategoryGraph.of(planted(twice=2)), "C > c2", "D > d2") is None


def test_bulk_buyers_make_no_edges():
    """Thirty people with everything: by plain counting C > c2 and D > d2, which only they have, would lead the list."""
    before = CategoryGraph.of(planted()).edges.filter(pl.col("kind") == "bought").height
    graph = CategoryGraph.of(planted(bulk=30))
    assert edge(graph, "C > c2", "D > d2") is None
    assert graph.edges.filter(pl.col("kind") == "bought").height <= before + 2


def test_no_edge_to_an_ancestor():
    rows = [[0, 1]] * 60 + [[2, 3]] * 60
    graph = CategoryGraph.of(shop(rows, [["A"], ["A", "x"], ["B"], ["C"]]), GraphSettings(false_share=1.0))
    pairs = set(graph.edges.select("source", "target").iter_rows())
    assert ("A", "A > x") not in pairs
    assert ("B", "C") in pairs


def test_spellings_of_one_category_are_one_node():
    paths = [["T & G", "Retro; Micro"], ["T & G", "Retro & Micro"], ["T & G", "Retro & Micro"]]
    items = shop([[0]], paths).items.with_columns(category=pl.lit("T_and_G"))
    assert aisle_paths(items) == [["T_and_G", "Retro & Micro"]] * 3
    assert [v.names for v in views(items, 3)] == [("T_and_G",), ("T_and_G > Retro & Micro",)]


def test_text_links_what_no_user_does():
    titles = ["fresh green tea leaves", "black tea leaves", "tea pot and tea cup", "running shoes", "hiking shoes", "garden hose"]
    paths = [["Food", "Tea"], ["Food", "Tea"], ["Kitchen", "Pots"], ["Sport", "Shoes"], ["Sport", "Shoes"], ["Garden", "Hoses"]]
    graph = CategoryGraph.of(shop([[0], [2], [3], [5]], paths, title=titles), GraphSettings(min_similarity=0.01))
    text = graph.edges.filter((pl.col("level") == 2) & (pl.col("kind") == "text"))
    assert ("Food > Tea", "Kitchen > Pots") in set(text.select("source", "target").iter_rows())
    assert text["support"].to_list() == [0] * text.height
    assert text["lift"].null_count() == text.height


def test_vectors_may_stand_for_words():
    data = toy_dataset()
    vectors = np.random.default_rng(0).normal(size=(data.n_items, 8)).astype(np.float32)
    nodes = views(data.items, 2)[1]
    graph = CategoryGraph.of(data, GraphSettings(min_similarity=0.0, false_share=1.0), vectors)
    centres = np.stack([vectors[nodes.item_nodes == c].mean(axis=0) for c in range(len(nodes.names))])
    centres = centres - centres.mean(axis=0)
    row = graph.edges.filter(pl.col("level") == 2).to_dicts()[0]
    a, b = (centres[nodes.names.index(row[end])] for end in ("source", "target"))
    assert row["similarity"] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-5)
    with pytest.raises(ValueError, match="3 text vectors for 80 items; expected one an item"):
        CategoryGraph.of(data, vectors=vectors[:3])


def test_transitions_are_those_of_a_loop():
    rows = [[0, 1, 2], [2, 2], [3], [0, 3, 3, 1]]
    data = shop(rows, [["A"], ["A"], ["B"], ["C"]])
    nodes = data.item_categories
    counts, totals = np.zeros((3, 3)), np.zeros(3)
    for row in rows:
        for i in range(len(row)):
            for j in range(len(row)):
                if i != j:
                    counts[nodes[row[i]], nodes[row[j]]] += 1 / (len(row) - 1)
                    totals[nodes[row[i]]] += 1 / (len(row) - 1)
    share = np.bincount([nodes[i] for row in rows for i in row]) / 10
    expected = (counts + 20 * share) / (totals + 20)[:, None]
    graph = CategoryGraph.of(data)
    assert graph.transitions[0].toarray() == pytest.approx(expected, abs=1e-6)
    asked = Histories.from_lists([[0, 2], [], [3, 3]])
    found = graph.next_categories(asked)
    assert found == pytest.approx(np.stack([(expected[0] + expected[1]) / 2, share, expected[2]]), abs=1e-6)
    assert found.dtype == np.float32
    assert graph.next_categories(asked, decay=0.5)[0] == pytest.approx((expected[0] + 2 * expected[1]) / 3, abs=1e-6)


def test_paths_are_the_best_of_all():
    rng = np.random.default_rng(4)
    for _ in range(20):
        nodes = [f"n{i}" for i in range(8)]
        edges = {a: [(b, float(rng.uniform(0.05, 1))) for b in nodes if b != a and rng.random() < 0.5] for a in nodes}
        ends = frozenset({"n6", "n7"})
        every = []

        def walk(path: tuple[str, ...], product: float) -> None:
            if path[-1] in ends:  # noqa: B023
                every.append((product, path))  # noqa: B023
                return
            if len(path) <= 3:
                for b, s in edges.get(path[-1], []):  # noqa: B023
                    if b not in path:
                        walk((*path, b), product * s)

        for start in ("n0", "n1"):
            walk((start,), 1.0)
        best = sorted(every, reverse=True)[:5]
        found = strongest(edges, ["n0", "n1"], ends, 5)
        assert [round(p.strength, 9) for p in found] == [round(s, 9) for s, _ in best]
        assert [p.nodes for p in found] == [nodes for _, nodes in best]


def test_paths_between_aisles_and_what_cannot_be_asked():
    graph = CategoryGraph.of(planted())
    path = graph.strongest_paths("A", "B", 1)[0]
    assert path.nodes == ("A > a0", "B > b1")
    assert path.strength == pytest.approx(1 - 1 / edge(graph, *path.nodes)["lift_low"])
    assert graph.kinds(path, 2) == ["bought"]
    for call, message in (
        (lambda: graph.strongest_paths("Z", "B"), r"unknown category 'Z'; expected one of the 10 aisles"),
        (lambda: graph.strongest_paths("A", "A"), "both ends are 'A'; expected two different aisles"),
        (lambda: graph.strongest_paths("A", "B", 0), "n is 0"),
        (lambda: graph.check_level(9), "level 9 is not in the graph; expected 1 to 2"),
        (lambda: CategoryGraph.of(shop([[0]], [[]])), "no item has a category"),
    ):
        with pytest.raises(RequestError, match=message):
            call()
