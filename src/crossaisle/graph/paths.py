"""Strongest paths between aisles. Imports nothing of this package."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["Path", "strongest"]


class Path(NamedTuple):
    """A way from one aisle to another: its nodes and the product of its edges' strengths."""

    nodes: tuple[str, ...]
    strength: float


def strongest(
    edges: Mapping[str, Sequence[tuple[str, float]]], starts: Sequence[str], ends: frozenset[str], n: int, steps: int = 3
) -> list[Path]:
    """The n strongest paths of 1 to `steps` edges from any start to any end, best first.

    Dijkstra's search (1959) over paths with costs -log(strength): a path ends where it first meets an end, and passes no node twice.

    Parameters
    ----------
    edges : mapping
        Node -> (neighbour, strength), strengths in (0, 1].
    starts : sequence of str
    ends : frozenset of str

    Examples
    --------
    >>> edges = {"a": [("b", 0.9), ("z", 0.5)], "b": [("z", 0.8)]}
    >>> [(p.nodes, round(p.strength, 2)) for p in strongest(edges, ["a"], frozenset({"z"}), 2)]
    [(('a', 'b', 'z'), 0.72), (('a', 'z'), 0.5)]
    """
    heap: list[tuple[float, tuple[str, ...]]] = [(0.0, (node,)) for node in sorted(starts) if node not in ends]
    heapq.heapify(heap)
    out: list[Path] = []
    visits: Counter[tuple[str, int]] = Counter()
    while heap and len(out) < n:
        cost, nodes = heapq.heappop(heap)
        here = nodes[-1]
        if here in ends:
            out.append(Path(nodes, math.exp(-cost)))
            continue
        # more than n ways into one node after as many steps cannot matter, but for ways that would pass a node twice
        visits[here, len(nodes)] += 1
        if len(nodes) > steps or visits[here, len(nodes)] > n + steps:
            continue
        for neighbour, strength in edges.get(here, ()):
            if strength > 0 and neighbour not in nodes and (len(nodes) < steps or neighbour in ends):
                heapq.heappush(heap, (cost - math.log(strength), (*nodes, neighbour)))
    return out
