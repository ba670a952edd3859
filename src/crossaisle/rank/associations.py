"""What the histories say of two items: how their categories are associated, and who has both. Imports nothing of its own room.

Between categories the association graph speaks: a way from the category of one item to that of another, with the people and the lift of
each step. Between the items themselves people are counted. Nothing here looks at a model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from crossaisle.data.histories import Histories
from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.graph.counts import Visits, first_visits
from crossaisle.graph.nodes import SEPARATOR
from crossaisle.schema import Floats, Ints, Times

__all__ = ["Associations", "Step", "Way"]

_CHAIN = 0.2
"""A way of several steps must be at least so strong; a lift surely of 2 at each of two steps is worth .25."""


class Step(NamedTuple):
    """One edge: its two categories, the people who have both, how many times as many as by chance."""

    source: str
    target: str
    people: int
    lift: float


class Way(NamedTuple):
    """A way through the graph: one to three steps, and the product of their strengths."""

    steps: tuple[Step, ...]
    strength: float

    @property
    def names(self) -> tuple[str, ...]:
        """The categories passed, without those above them; in full where two would be called the same."""
        full = (self.steps[0].source, *(step.target for step in self.steps))
        short = tuple(name.rsplit(SEPARATOR, 1)[-1] for name in full)
        return short if len(set(short)) == len(short) else tuple(name.replace(SEPARATOR, " / ") for name in full)


@dataclass(frozen=True, eq=False)
class _Level:
    """The bought edges of one level: the node of each item (-1: none has an edge), and strength (C, C), 0 where there is no edge."""

    item_nodes: Ints
    strength: Floats
    steps: dict[tuple[int, int], Step]


class Associations:
    """Evidence from histories about pairs of items.

    Parameters
    ----------
    graph : CategoryGraph
        Counted from ``histories``.
    histories : Histories

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset(n_users=400)
    >>> known = Associations(CategoryGraph.of(data), data.histories)
    >>> known.both(0, 1) >= known.later(0, 1)
    True
    """

    def __init__(self, graph: CategoryGraph, histories: Histories) -> None:
        self.graph, self.histories = graph, histories
        self._known: dict[tuple[int, ...], Way | None] = {}

    def grown(self, n_items: int) -> Associations:
        """The same of a catalogue to which items have joined: nobody has those yet, and no way leads to them."""
        more = np.full(n_items - self._n_items, -1, dtype=np.int64)
        views = [dataclasses.replace(view, item_nodes=np.append(view.item_nodes, more)) for view in self.graph.views]
        return Associations(dataclasses.replace(self.graph, views=views), self.histories) if len(more) else self

    @property
    def days(self) -> float:
        """People of a step have things of both categories within so many days; 0: at any time."""
        return self.graph.settings.window_days if self._visits.windowed else 0.0

    @property
    def least(self) -> int:
        """Fewer people than this are not spoken of."""
        return self.graph.settings.min_support

    def way(self, source: int, target: int) -> Way | None:
        """The strongest way from the category of one item to that of another; None where there is none.

        Where an edge joins the two, it is that edge, of all levels the surest (the deeper of two alike); else the strongest way of two
        or three edges of one level whose strengths multiply to at least a fifth. Strengths as in `CategoryGraph.strongest_paths`.
        """
        ends = tuple(int(level.item_nodes[item]) for level in self._levels for item in (source, target))
        if ends not in self._known:
            self._known[ends] = self._find(ends)
        return self._known[ends]

    def _find(self, ends: tuple[int, ...]) -> Way | None:
        pairs = [(level, a, b) for level, a, b in zip(self._levels, ends[::2], ends[1::2], strict=True) if a >= 0 and b >= 0 and a != b]
        direct = [(float(level.strength[a, b]), k) for k, (level, a, b) in enumerate(pairs) if (a, b) in level.steps]
        if direct:
            strength, k = max(direct)
            level, a, b = pairs[k]
            return Way((level.steps[a, b],), strength)
        chains = [(*_chain(level.strength, a, b), k) for k, (level, a, b) in enumerate(pairs)]
        strength, nodes, k = max(chains, key=lambda c: (c[0], c[2]), default=(0.0, (), 0))
        if strength < _CHAIN:
            return None
        steps = pairs[k][0].steps
        return Way(tuple(steps[a, b] for a, b in pairwise(nodes)), strength)

    def favourite(self, history: Sequence[int] | Ints, target: int) -> int:
        """The item of a history (newest last) with the strongest way to ``target``, the newest of those alike; -1 where none has one."""
        strengths = [(way.strength if (way := self.way(int(item), target)) else 0.0) for item in history]
        if not strengths or max(strengths) <= 0:
            return -1
        return int(history[len(strengths) - 1 - int(np.argmax(strengths[::-1]))])

    def both(self, a: int, b: int) -> int:
        """People who have both items."""
        return len(np.intersect1d(self._people(a)[0], self._people(b)[0], assume_unique=True))

    def later(self, a: int, b: int) -> int:
        """People whose first time with b came after their first with a, as far as times are known."""
        (users_a, times_a), (users_b, times_b) = self._people(a), self._people(b)
        _, in_a, in_b = np.intersect1d(users_a, users_b, assume_unique=True, return_indices=True)
        return int((times_b[in_b] > times_a[in_a]).sum())

    def people(self, item: int) -> int:
        """People who have the item."""
        return len(self._people(item)[0])

    def _people(self, item: int) -> tuple[Ints, Times]:
        """Who has the item, ascending, and since when."""
        owners, times, offsets = self._by_item
        here = slice(offsets[item], offsets[item + 1])
        return owners[here], times[here]

    @cached_property
    def _n_items(self) -> int:
        return len(self.graph.views[0].item_nodes)

    @cached_property
    def _visits(self) -> Visits:
        return first_visits(self.histories, np.arange(self._n_items), self._n_items)

    @cached_property
    def _by_item(self) -> tuple[Ints, Times, Ints]:
        visits = self._visits
        order = np.argsort(visits.nodes, kind="stable")
        owners = np.repeat(np.arange(len(visits.degrees)), visits.degrees)[order]
        offsets = np.concatenate([[0], np.cumsum(np.bincount(visits.nodes, minlength=self._n_items))])
        return owners, visits.times[order], offsets

    @cached_property
    def _levels(self) -> list[_Level]:
        return [self._level(view.level) for view in self.graph.views]

    def _level(self, level: int) -> _Level:
        view = self.graph.views[level - 1]
        rows = self.graph.edges.filter((self.graph.edges["level"] == level) & (self.graph.edges["kind"] == "bought"))
        names = sorted({*rows["source"], *rows["target"]})
        places = {name: place for place, name in enumerate(names)}
        strength = np.zeros((len(names), len(names)), dtype=np.float32)
        steps = {}
        for source, target, people, lift, low in rows.select("source", "target", "together", "lift", "lift_low").iter_rows():
            a, b = places[source], places[target]
            strength[a, b] = 1.0 - 1.0 / max(low, 1.0)
            steps[a, b] = Step(source, target, people, lift)
        node_places = np.array([places.get(name, -1) for name in view.names] + [-1], dtype=np.int64)
        return _Level(node_places[view.item_nodes], strength, steps)


def _chain(strength: Floats, a: int, b: int) -> tuple[float, tuple[int, ...]]:
    """The strongest way of two or three edges from a to b: the product of its strengths, and its nodes; (0, ()) if there is none.

    A way that came back to a or went on from b would hold a direct edge, and be no stronger than it.

    Examples
    --------
    >>> s = np.zeros((3, 3), dtype=np.float32)
    >>> s[0, 1], s[1, 2] = 0.5, 0.5
    >>> _chain(s, 0, 2)
    (0.25, (0, 1, 2))
    """
    out = np.flatnonzero(strength[a])
    into = np.flatnonzero(strength[:, b])
    best, nodes = 0.0, tuple[int, ...]()
    two = strength[a] * strength[:, b]
    if two.max(initial=0.0) > best:
        best, nodes = float(two.max()), (a, int(two.argmax()), b)
    three = strength[a, out][:, None] * strength[np.ix_(out, into)] * strength[into, b][None, :]
    if three.size and three.max() > best:
        m, n = np.unravel_index(int(three.argmax()), three.shape)
        best, nodes = float(three.max()), (a, int(out[m]), int(into[n]), b)
    return best, nodes
