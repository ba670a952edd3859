"""What counts as an association. Imports: settings."""

from __future__ import annotations

from dataclasses import dataclass

from crossaisle.settings import Settings, setting

__all__ = ["GraphSettings"]


@dataclass(frozen=True)
class GraphSettings(Settings):
    """How histories become edges between categories."""

    levels: int = setting(3, "levels of the category path that become nodes: 1 the aisle, 2 A > B, 3 A > B > C", low=1, high=8)
    window_days: float = setting(
        90.0, "two first visits belong together when at most so many days apart (0, or times mostly unknown: always)", low=0
    )
    shrink: float = setting(10.0, "added to the users counted and to those expected: pairs seen a few times stay near a lift of 1", low=0)
    min_support: int = setting(5, "an edge needs at least so many users", low=1)
    false_share: float = setting(0.05, "share of a level's edges that may be chance (Benjamini and Hochberg)", low=0, high=1)
    margin: float = setting(0.1, "an edge's lift must be surely above 1 + this: the model of chance is good to a few in a hundred", low=0)
    edges_a_node: int = setting(50, "edges kept of each node and level, the surest first", low=1)
    bulk: int = setting(
        0, "users with more categories than this count less, all their pairs as those of one with so many (0: 4 x median)", low=0
    )
    max_nodes: int = setting(3000, "nodes of a level, the most visited first; the rest are left out", low=2)
    text_edges: int = setting(5, "text edges of each node and level, to nodes of other aisles, where no shared users say anything", low=0)
    min_similarity: float = setting(0.1, "a text edge needs at least this cosine", low=0, high=1)
