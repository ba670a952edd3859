"""Which items are bought with one item beyond chance, backed off to their categories. Imports: category_graph, counts, nodes, settings.

Purchases alone do not say what was looked at instead. "Bought together and of another kind" is the weak label used here (after
P-Companion, Hao et al. 2020, doi:10.1145/3340531.3412732, which subtracts co-views): it holds true complements, and things that the
same people like.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from crossaisle.data.histories import Histories
from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.graph.counts import user_weights
from crossaisle.graph.nodes import SEPARATOR
from crossaisle.schema import Bools, Ints, Times

__all__ = ["Companions", "companions", "same_kind", "unlike_kind"]


class Companions(NamedTuple):
    """For each of N items: shrunk lift (1: as often as chance) and users who have both it and the item asked about."""

    lift: Times
    support: Ints


def companions(graph: CategoryGraph, histories: Histories, item: int) -> Companions:
    """Lift of every item with one item.

    lift_i = (n_i + k L_i) / (E_i + k): n_i the weighted users who have both; E_i what they would be if each of the item's users, who has d
    different items, had drawn the other d - 1 in proportion to the items' users; L_i the lift of the two categories in the graph, 1
    where there is no edge; k ``settings.shrink``. The posterior mean of a rate with a gamma prior around L_i: where two items have hardly
    met, their categories speak.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset()
    >>> companions(CategoryGraph.of(data), data.histories, 0).lift.shape
    (80,)
    """
    view = graph.views[-1]
    n = len(view.item_nodes)
    cells = np.unique(histories.owners * n + histories.items)
    owners, items = cells // n, cells % n
    degrees = np.bincount(owners, minlength=len(histories))
    weights = user_weights(degrees, graph.settings.bulk).astype(np.float64)
    mine = np.zeros(len(histories), dtype=np.bool_)
    mine[owners[items == item]] = True
    both = mine[owners]
    support = np.bincount(items[both], minlength=n)
    seen = np.bincount(items[both], weights=weights[owners[both]], minlength=n)
    users = np.bincount(items, minlength=n)
    drawn = float((weights * np.maximum(degrees - 1, 0))[mine].sum())
    chance = drawn * users / max(float(users.sum() - users[item]), 1.0)
    k = graph.settings.shrink
    return Companions((seen + k * _category_lift(graph, item)) / np.maximum(chance + k, 1e-12), support.astype(np.int64))


def _category_lift(graph: CategoryGraph, item: int) -> Times:
    """float64 (N,): lift of each item's node with the item's on the deepest level; 1 where users make no edge."""
    view = graph.views[-1]
    out = np.ones(len(view.names) + 1)
    if view.item_nodes[item] >= 0:
        own = view.names[view.item_nodes[item]]
        mine = (pl.col("level") == view.level) & (pl.col("kind") == "bought") & ((pl.col("source") == own) | (pl.col("target") == own))
        places = {name: place for place, name in enumerate(view.names)}
        for source, target, lift in graph.edges.filter(mine).select("source", "target", "lift").iter_rows():
            out[places[target if source == own else source]] = lift
    return out[view.item_nodes]  # node -1, no category, is the last place


def same_kind(graph: CategoryGraph, item: int) -> Bools:
    """bool (N,): in the item's own category on the deepest level; all items where its category is unknown."""
    nodes = graph.views[-1].item_nodes
    return np.ones(len(nodes), dtype=np.bool_) if nodes[item] < 0 else np.asarray(nodes == nodes[item])


def unlike_kind(graph: CategoryGraph, item: int) -> Bools:
    """bool (N,): in a known category that is neither the item's own nor above or below it."""
    view = graph.views[-1]
    own = "" if view.item_nodes[item] < 0 else view.names[view.item_nodes[item]]
    unlike = [
        bool(own) and name != own and not name.startswith(own + SEPARATOR) and not own.startswith(name + SEPARATOR) for name in view.names
    ]
    return np.array([*unlike, False], dtype=np.bool_)[view.item_nodes]
