"""Protocols, and the views in which each looks at the answers. Imports: results.

A protocol is a split and one or more looks: which items are ranked, whether those in the history are left out, which targets count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries, Split, cold_item, cold_user, first_visit, hidden_aisle, leave_one_out, next_basket, time_split
from crossaisle.errors import RequestError
from crossaisle.evaluate.results import View
from crossaisle.schema import Bools, Ints

__all__ = ["PROTOCOLS", "Look", "Protocol", "look_at", "make_split"]

_EVERYTHING, _AISLE, _BEYOND, _UNTRAINED = "everything", "aisle", "beyond", "untrained"


@dataclass(frozen=True)
class Protocol:
    """A way of asking: the split, and (view, pool, are seen items left out, sentence) for each view.

    ``leave_seen`` None means that the caller may choose; ``by_time`` that last month's popularity has to be beaten too; ``one_target``
    that groups which speak of the target make sense.
    """

    split: Callable[..., Split]
    views: tuple[tuple[str, str, bool | None, str], ...]
    by_time: bool = False
    one_target: bool = True


_WHOLE = ("all", _EVERYTHING, None, "All items are ranked.")
PROTOCOLS: dict[str, Protocol] = {
    "leave-one-out": Protocol(leave_one_out, (_WHOLE,)),
    "time-split": Protocol(time_split, (_WHOLE,), by_time=True),
    "next-basket": Protocol(
        next_basket,
        (
            ("all", _EVERYTHING, False, "All items are ranked, those bought before too; all items of the next basket count."),
            ("new", _EVERYTHING, True, "Only items not bought before are ranked and count."),
        ),
        by_time=True,
        one_target=False,
    ),
    "first-visit": Protocol(
        first_visit,
        (
            ("aisle", _AISLE, None, "The items of the aisle that the user enters are ranked."),
            ("beyond", _BEYOND, None, "The items of all aisles that the history does not touch are ranked."),
        ),
    ),
    "hidden-aisle": Protocol(
        hidden_aisle,
        (
            ("aisle", _AISLE, None, "The items of the hidden aisle are ranked."),
            ("beyond", _BEYOND, None, "The items of all aisles that the history does not touch are ranked."),
            _WHOLE,
        ),
        one_target=False,
    ),
    "cold-item": Protocol(
        cold_item,
        (
            _WHOLE,
            ("new", _UNTRAINED, None, "Only items without any event in the training data are ranked."),
        ),
    ),
    "cold-user": Protocol(cold_user, (_WHOLE,)),
}


def make_split(protocol: str, data: Dataset, seed: int, shuffle_ties: bool, target_events: Sequence[str]) -> Split:
    """The split of a protocol.

    Raises
    ------
    RequestError
        If ties are to be shuffled where the protocol knows no order of ties.
    """
    chosen = PROTOCOLS[protocol]
    if shuffle_ties and chosen.split is not leave_one_out:
        raise RequestError(f"ties cannot be shuffled in {protocol}", "leave-one-out", "leave the option out")
    if chosen.split is leave_one_out:
        return leave_one_out(data, seed, shuffle_ties, target_events)
    if chosen.by_time:
        return chosen.split(data, target_events=target_events)
    return chosen.split(data, seed=seed, target_events=target_events)


@dataclass(frozen=True, eq=False)
class Look:
    """One view of Q questions.

    Attributes
    ----------
    view : View
    rows : int64 (R,)
        The questions asked in this view, as positions among the Q.
    targets : Histories
        R rows: the targets that count.
    pool : str
        Which items are ranked.
    leave_seen : bool
        Items of the history are not ranked.
    item_categories : int64 (N,)
    unknown_aisle : int
        The position of the aisle "" in ``Dataset.categories``, -1 where there is none; never part of a pool of aisles.
    untrained : bool (N,)
        Items without an event in what was learned.
    """

    view: View
    rows: Ints
    targets: Histories
    pool: str
    leave_seen: bool
    item_categories: Ints
    unknown_aisle: int
    untrained: Bools

    def allowed(self, histories: Histories, aisles: Ints) -> Bools | None:
        """bool (B, N): the items ranked for B questions; None for all."""
        n_questions, n_items = len(histories), len(self.item_categories)
        seen = (histories.owners, histories.items)
        if self.pool == _AISLE:
            out = np.asarray(self.item_categories[None, :] == aisles[:, None], dtype=np.bool_)
        elif self.pool == _BEYOND:
            touched = np.zeros((n_questions, int(self.item_categories.max(initial=0)) + 1), dtype=np.bool_)
            touched[seen[0], self.item_categories[seen[1]]] = True
            if self.unknown_aisle >= 0:
                touched[:, self.unknown_aisle] = True
            out = ~touched[:, self.item_categories]
        elif self.pool == _UNTRAINED:
            out = np.repeat(self.untrained[None, :], n_questions, axis=0)
        elif self.leave_seen:
            out = np.ones((n_questions, n_items), dtype=np.bool_)
        else:
            return None
        if self.leave_seen:
            out[seen] = False
        return out


def look_at(protocol: str, data: Dataset, learned: Dataset, queries: Queries, keep_seen: bool = False) -> tuple[Look, ...]:
    """The views of a protocol on these questions; a question without a target that counts is not asked in that view.

    Parameters
    ----------
    protocol : str
    data : Dataset
        What was split.
    learned : Dataset
        What the models learned from.
    queries : Queries
    keep_seen : bool
        Rank items of the history too, where the protocol leaves the choice.
    """
    out = []
    n = data.n_items
    seen = np.unique(queries.histories.owners * n + queries.histories.items)
    for name, pool, fixed, note in PROTOCOLS[protocol].views:
        leave_seen = not keep_seen if fixed is None else fixed
        targets = queries.targets
        if leave_seen:
            targets = targets.keep(~np.isin(targets.owners * n + targets.items, seen))
        rows = np.flatnonzero(targets.lengths > 0)
        view = View(name, note, len(rows))
        unknown = data.categories.index("") if "" in data.categories else -1
        out.append(Look(view, rows, targets[rows], pool, leave_seen, data.item_categories, unknown, learned.item_counts == 0))
    return tuple(out)
