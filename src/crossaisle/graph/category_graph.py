"""The graph of categories: nodes at every level of the path, and edges with what is known of them.

Imports: data, encode, schema, errors; of its own room counts, edges, nodes, paths, same_users, settings, text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
import polars as pl
import scipy.sparse as sp

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.errors import RequestError
from crossaisle.graph.counts import first_visits, user_weights
from crossaisle.graph.edges import EDGE_SCHEMA, bought_edges, count_view
from crossaisle.graph.nodes import SEPARATOR, View, views
from crossaisle.graph.paths import Path, strongest
from crossaisle.graph.same_users import SameUsers, same_users
from crossaisle.graph.settings import GraphSettings
from crossaisle.graph.text import item_words, node_similarity, text_edges
from crossaisle.schema import Floats, Times

__all__ = ["CategoryGraph"]

_SMOOTH = 20.0


@dataclass(frozen=True, eq=False)
class CategoryGraph:
    """Which categories lead to which.

    Attributes
    ----------
    settings : GraphSettings
    views : list of View
        The nodes, level by level.
    nodes : polars.DataFrame
        ``level``, ``name``, ``aisle``, ``items``, ``users``, ``events``.
    edges : polars.DataFrame
        One row a directed edge: ``level``, ``source``, ``target``, ``kind`` (``bought``: users make it; ``text``: only words do);
        ``support`` (users who came to the source and, not earlier and within the window, to the target), ``confidence`` (their share of
        the source's users), ``lift`` (1: as often as chance; shrunk), ``lift_low`` and ``lift_high`` (95 %), ``expected`` (users by
        chance, weighted), ``together`` (users with both inside the window, in any order), ``n_before`` (of them, source first and target
        last), ``n_after`` (the other way), ``direction`` (share of `n_before` in both) with its 95 % interval and z, ``days`` (median
        between the two first visits) and ``similarity`` (cosine of the nodes' words or vectors).
    transitions : list of csr float32 (C, C)
        For each view, row a: in which node another thing of somebody who has something in a is found; rows add up to 1.
    shares : list of float32 (C,)
        For each view, each node's share of all events.
    twins : tuple of SameUsers
        Aisles whose users are the same people, most likely because the source picked them so.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> graph = CategoryGraph.of(toy_dataset(n_users=400))
    >>> [len(v.names) for v in graph.views], graph.edges.columns[:4]
    ([4, 20], ['level', 'source', 'target', 'kind'])
    >>> graph.next_categories(toy_dataset(n_users=3).histories).shape
    (3, 4)
    """

    settings: GraphSettings
    views: list[View]
    nodes: pl.DataFrame
    edges: pl.DataFrame
    transitions: list[Any]
    shares: list[Floats]
    twins: tuple[SameUsers, ...] = ()

    @classmethod
    def of(cls, data: Dataset, settings: GraphSettings | None = None, vectors: Floats | None = None, *, edges: bool = True) -> Self:
        """Count a dataset.

        Parameters
        ----------
        data : Dataset
        settings : GraphSettings, optional
        vectors : float32 (N, D), optional
            Text vectors of the items, for the likeness of nodes; their words are compared if not given.
        edges : bool
            False where only `next_categories` and `next_nodes` are wanted, which need none.

        Raises
        ------
        RequestError
            If no item has a category.
        ValueError
            If there is not one vector an item.
        """
        settings = settings or GraphSettings()
        if vectors is not None and len(vectors) != data.n_items:
            raise ValueError(f"{len(vectors)} text vectors for {data.n_items} items; expected one an item")
        levels = views(data.items, settings.levels)
        if not levels or not levels[0].names:
            raise RequestError("no item has a category", "an items table with a column category or categories", "add the column")
        words = item_words(data.items) if edges and vectors is None else None
        tables = [_edge_table(data, view, settings, words, vectors) for view in levels] if edges else [pl.DataFrame(schema=EDGE_SCHEMA)]
        steps = [_transitions(data.histories, view, settings) for view in levels]
        nodes = pl.concat([_node_table(data, view) for view in levels])
        transitions, shares = [step for step, _ in steps], [share for _, share in steps]
        return cls(settings, levels, nodes, pl.concat(tables), transitions, shares, same_users(data.histories, levels[0]))

    @property
    def levels(self) -> int:
        """The deepest level."""
        return len(self.views)

    @cached_property
    def aisles(self) -> tuple[str, ...]:
        """The names of level 1."""
        return self.views[0].names

    def check_level(self, level: int | None) -> int:
        """The level asked for, or the deepest.

        Raises
        ------
        RequestError
            If there is no such level.
        """
        level = self.levels if level is None else level
        if not 1 <= level <= self.levels:
            raise RequestError(f"level {level} is not in the graph", f"1 to {self.levels}", "choose one of them")
        return level

    def strongest_edges(self, n: int, level: int | None = None, kind: str = "bought", across: bool = True) -> pl.DataFrame:
        """The n surest pairs of a level, each once, in the direction more users take; with ``across`` only between aisles."""
        rows = self.edges.filter((pl.col("level") == self.check_level(level)) & (pl.col("kind") == kind))
        if across:
            rows = rows.filter(aisle_of("source") != aisle_of("target"))
        order = ["lift_low", "similarity", "support", "source", "target"]
        ranked = rows.sort(order, descending=[True, True, True, False, False], nulls_last=True)
        paired = ranked.with_columns(pl.min_horizontal("source", "target").alias("__a"), pl.max_horizontal("source", "target").alias("__b"))
        best = paired.filter(pl.col("support") == pl.col("support").max().over("__a", "__b"))
        return best.unique(["__a", "__b"], keep="first", maintain_order=True).drop("__a", "__b").head(n)

    def strongest_paths(
        self, source_aisle: str, target_aisle: str, n: int = 5, level: int | None = None, kinds: Sequence[str] = ("bought",)
    ) -> list[Path]:
        """The n strongest paths of one to three steps from one aisle to another.

        The strength of a bought edge is ``1 - 1 / lift_low``, the share of its users that chance does not explain; of a text edge its
        similarity. A path's strength is the product.

        Raises
        ------
        RequestError
            If an aisle is unknown, both are the same, or n is below 1.
        """
        for name in (source_aisle, target_aisle):
            if name not in self.aisles:
                raise RequestError(
                    f"unknown category {name[:80]!r}", f"one of the {len(self.aisles)} aisles", f"for example {self.aisles[0]!r}"
                )
        if source_aisle == target_aisle:
            raise RequestError(f"both ends are {source_aisle!r}", "two different aisles", "name another one")
        if n < 1:
            raise RequestError(f"n is {n}", "a whole number of at least 1", "ask for 5")
        view = self.views[self.check_level(level) - 1]
        rows = self.edges.filter((pl.col("level") == view.level) & pl.col("kind").is_in(list(kinds)))
        out: dict[str, list[tuple[str, float]]] = {}
        for source, target, kind, low, similarity in rows.select("source", "target", "kind", "lift_low", "similarity").iter_rows():
            strength = similarity if kind == "text" else 1.0 - 1.0 / max(low, 1.0)
            out.setdefault(source, []).append((target, min(1.0, strength)))
        starts = [name for name, aisle in zip(view.names, view.aisles, strict=True) if aisle == source_aisle]
        ends = frozenset(name for name, aisle in zip(view.names, view.aisles, strict=True) if aisle == target_aisle)
        return strongest(out, starts, ends, n)

    def kinds(self, path: Path, level: int) -> list[str]:
        """The kind of each edge of a path: ``bought``, or ``text`` where only words make it."""
        rows = self.edges.filter((pl.col("level") == level) & (pl.col("kind") == "bought"))
        bought = set(zip(rows["source"].to_list(), rows["target"].to_list(), strict=True))
        return ["bought" if step in bought else "text" for step in pairwise(path.nodes)]

    def next_nodes(self, histories: Histories, level: int, decay: float = 1.0) -> Floats:
        """float32 (B, C): P(node | history), the mean of the history's rows of `transitions`; rows add up to 1.

        Parameters
        ----------
        level : int
        decay : float
            Weight of a history's event against the one after it.
        """
        view, step, share = self.views[level - 1], self.transitions[level - 1], self.shares[level - 1]
        mix = _mix(histories, view, decay)
        out = np.asarray((mix @ step).toarray(), dtype=np.float32)
        out[np.asarray(mix.sum(axis=1)).ravel() == 0] = share
        return out

    def next_categories(self, histories: Histories, decay: float = 1.0) -> Floats:
        """float32 (B, aisles): P(aisle | history), columns as in `aisles`; somebody without a history gets the aisles' shares."""
        return self.next_nodes(histories, 1, decay)


def aisle_of(column: str) -> pl.Expr:
    """The aisle of a node's name."""
    return pl.col(column).str.split(SEPARATOR).list.first()


def _edge_table(data: Dataset, view: View, settings: GraphSettings, words: Any, vectors: Floats | None) -> pl.DataFrame:
    similarity = node_similarity(view, words, vectors)
    bought = bought_edges(count_view(data.histories, view, settings), view, settings, similarity)
    return pl.concat([bought, text_edges(view, similarity, bought, settings.text_edges, settings.min_similarity)])


def _node_table(data: Dataset, view: View) -> pl.DataFrame:
    n = len(view.names)
    known = view.item_nodes >= 0
    events = np.bincount(view.item_nodes[known], weights=data.item_counts[known], minlength=n).astype(np.int64)
    users = np.bincount(first_visits(data.histories, view.item_nodes, n).nodes, minlength=n).astype(np.int64)
    columns = {
        "level": [view.level] * n,
        "name": view.names,
        "aisle": view.aisles,
        "items": view.item_counts,
        "users": users,
        "events": events,
    }
    return pl.DataFrame(columns, schema_overrides={"level": pl.Int64})


def _mix(histories: Histories, view: View, decay: float) -> Any:
    """csr float64 (B, C): share of each node in a history, newer events counting more."""
    place = np.repeat(histories.offsets[1:], histories.lengths) - np.arange(len(histories.items)) - 1
    nodes = view.item_nodes[histories.items]
    known = nodes >= 0
    values = np.power(decay, place[known])
    out = sp.csr_matrix((values, (histories.owners[known], nodes[known])), shape=(len(histories), len(view.names)))
    total = np.asarray(out.sum(axis=1)).ravel()
    return (sp.diags(1.0 / np.where(total > 0, total, 1.0)) @ out).tocsr()


def _transitions(histories: Histories, view: View, settings: GraphSettings) -> tuple[Any, Floats]:
    """P(b | a): of what else the people with something in a have, the share in b, drawn towards b's share of all events.

    Each user weighs one event a thing had, less for a bulk buyer; T_ab = (S_ab + k s_b) / (S_a + k).
    """
    n = len(view.names)
    nodes = view.item_nodes[histories.items]
    known = nodes >= 0
    x = sp.csr_matrix((np.ones(int(known.sum())), (histories.owners[known], nodes[known])), shape=(len(histories), n))
    events = np.asarray(x.sum(axis=0)).ravel()
    share = events / max(float(events.sum()), 1.0)
    lengths = np.asarray(x.sum(axis=1)).ravel()
    weight = user_weights(np.diff(x.indptr).astype(np.int64), settings.bulk) / np.maximum(lengths - 1.0, 1.0)
    shared: Any = (x.T @ sp.diags(weight) @ x).tocsr()
    own = np.asarray((sp.diags(weight) @ x).sum(axis=0)).ravel()  # a thing is no other thing than itself
    shared = (shared - sp.diags(own)).tocsr()
    total = np.maximum(np.asarray(shared.sum(axis=1)).ravel(), 0.0)
    dense: Times = np.asarray(shared.toarray(), dtype=np.float64)
    out = (np.maximum(dense, 0.0) + _SMOOTH * share[None, :]) / (total + _SMOOTH)[:, None]
    return sp.csr_matrix(out.astype(np.float32)), share.astype(np.float32)
