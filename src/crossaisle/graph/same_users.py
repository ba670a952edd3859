"""Aisles whose users are the same people: a mark of how the data was picked. Imports: data.histories; of its own room counts, nodes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from crossaisle.data.histories import Histories
from crossaisle.graph.counts import first_visits
from crossaisle.graph.nodes import View

__all__ = ["SameUsers", "same_users"]

_SHARE, _USERS, _MOST = 0.95, 20, 0.5


class SameUsers(NamedTuple):
    """Two aisles, and how many of the users of either have both (Jaccard)."""

    first: str
    second: str
    share: float


def same_users(histories: Histories, view: View) -> tuple[SameUsers, ...]:
    """Pairs of a view's nodes that at least 95 % of either's users have both of, while at least half of all people have neither.

    Nobody shops so. A source that keeps only people with something in both makes such a pair: the lift between the two measures how
    people were picked, and whatever goes with one goes with the other as often. Nodes of fewer than 20 shared users are not judged; of
    two nodes that most people have anyway, such as milk and bread, nothing is said.

    Examples
    --------
    >>> view = View(1, ("A", "B", "C"), np.array([0, 1, 2]))
    >>> same_users(Histories.from_lists([[0, 1]] * 20 + [[2]] * 30), view)
    (SameUsers(first='A', second='B', share=1.0),)
    """
    visits = first_visits(histories, view.item_nodes, len(view.names))
    x = sp.csr_matrix((np.ones(len(visits.nodes)), visits.nodes, visits.offsets), shape=(len(histories), len(view.names)))
    both = sp.triu(x.T @ x, 1).tocoo()
    users = np.bincount(visits.nodes, minlength=len(view.names))
    either = users[both.row] + users[both.col] - both.data
    people = int((visits.degrees > 0).sum())
    found = np.flatnonzero((both.data >= _USERS) & (both.data >= _SHARE * either) & (either <= _MOST * people))
    pairs = [SameUsers(view.names[both.row[p]], view.names[both.col[p]], float(both.data[p] / either[p])) for p in found]
    return tuple(sorted(pairs))
