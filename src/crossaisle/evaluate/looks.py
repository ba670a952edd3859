"""Protocols, and the views in which each looks at the answers. Imports: results.

A protocol is a split and one or more looks: which items are ranked, whether those in the history are left out, which targets count.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import (
    Queries,
    Split,
    cold_aisle,
    cold_item,
    cold_user,
    first_visit,
    hidden_aisle,
    leave_one_out,
    next_basket,
    time_split,
)
from crossaisle.data.split_reviews import review_note
from crossaisle.errors import RequestError
from crossaisle.evaluate.results import View
from crossaisle.schema import Bools, Ints

__all__ = ["INTERVENED", "PROTOCOLS", "Look", "Protocol", "Rule", "flattened_looks", "look_at", "make_split"]

INTERVENED = "-intervened"
"""Ends the name of a view whose targets are asked for evenly."""

_EVERYTHING, _AISLE, _BEYOND, _UNTRAINED, _SAMPLED = "everything", "aisle", "beyond", "untrained", "sampled"


@dataclass(frozen=True)
class Rule:
    """How one view looks at the answers.

    Attributes
    ----------
    name : str
        Of the view.
    pool : str
        Which items are ranked.
    leave_seen : bool or None
        Items of the history are not ranked and do not count; None lets the caller choose.
    note : str
        One sentence for the reader.
    counted : "all", "untrained" or "trained"
        Which targets count: all, those without an event in what was learned, or those with one.
    """

    name: str
    pool: str
    leave_seen: bool | None
    note: str
    counted: Literal["all", "untrained", "trained"] = "all"


@dataclass(frozen=True)
class Protocol:
    """A way of asking: the split, and the rule of each view.

    ``by_time`` means that last month's popularity has to be beaten too; ``one_target`` that groups which speak of the target make sense;
    ``flattens`` that its targets can be asked for evenly.
    """

    split: Callable[..., Split]
    views: tuple[Rule, ...]
    by_time: bool = False
    one_target: bool = True
    flattens: bool = False


_WHOLE = Rule("all", _EVERYTHING, None, "All items are ranked.")
_ELSEWHERE = Rule("beyond", _BEYOND, None, "The items of all aisles that the history does not touch are ranked.")
PROTOCOLS: dict[str, Protocol] = {
    "leave-one-out": Protocol(leave_one_out, (_WHOLE,), flattens=True),
    "time-split": Protocol(time_split, (_WHOLE,), by_time=True, flattens=True),
    "next-basket": Protocol(
        next_basket,
        (
            Rule("all", _EVERYTHING, False, "All items are ranked, those bought before too; all items of the next basket count."),
            Rule("new", _EVERYTHING, True, "Only items not bought before are ranked and count."),
        ),
        by_time=True,
        one_target=False,
    ),
    "first-visit": Protocol(
        first_visit,
        (Rule("aisle", _AISLE, None, "The items of the aisle that the user enters are ranked."), _ELSEWHERE),
        flattens=True,
    ),
    "hidden-aisle": Protocol(
        hidden_aisle, (Rule("aisle", _AISLE, None, "The items of the hidden aisle are ranked."), _ELSEWHERE, _WHOLE), one_target=False
    ),
    "cold-item": Protocol(
        cold_item,
        (
            Rule("new-items", _EVERYTHING, None, "All items are ranked; the target has no event in the training data.", "untrained"),
            Rule("known-items", _EVERYTHING, None, "All items are ranked; the target has events in the training data.", "trained"),
            Rule("among-new", _UNTRAINED, None, "Only items without any event in the training data are ranked.", "untrained"),
        ),
    ),
    "cold-aisle": Protocol(cold_aisle, (Rule("aisle", _AISLE, None, "The items of the new aisle are ranked."), _WHOLE), one_target=False),
    "cold-user": Protocol(cold_user, (_WHOLE,), flattens=True),
}


def make_split(
    protocol: str, data: Dataset, seed: int, shuffle_ties: bool, target_events: Sequence[str], aisle: str | None = None
) -> Split:
    """The split of a protocol.

    Raises
    ------
    RequestError
        If ties are to be shuffled where the protocol knows no order of ties, or an aisle is named where the protocol wants none, or the
        other way round.
    """
    split = _split(protocol, data, seed, shuffle_ties, target_events, aisle)
    return dataclasses.replace(split, note=split.note + review_note(data, split.train))


def _split(protocol: str, data: Dataset, seed: int, shuffle_ties: bool, target_events: Sequence[str], aisle: str | None) -> Split:
    chosen = PROTOCOLS[protocol]
    if shuffle_ties and chosen.split is not leave_one_out:
        raise RequestError(f"ties cannot be shuffled in {protocol}", "leave-one-out", "leave the option out")
    if aisle is not None and chosen.split is not cold_aisle:
        raise RequestError(f"an aisle is named for {protocol}", "cold-aisle", "leave --aisle out")
    if chosen.split is cold_aisle:
        if aisle is None:
            raise RequestError("no aisle is named for cold-aisle", "the aisle that is to be new", "write --aisle NAME")
        return cold_aisle(data, aisle, target_events)
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
    asked : int
        Questions with a target that counts, before those whose targets are all in the history drop out.
    candidates : Histories, optional
        R rows: the only items ranked, where they are sampled.
    """

    view: View
    rows: Ints
    targets: Histories
    pool: str
    leave_seen: bool
    item_categories: Ints
    unknown_aisle: int
    untrained: Bools
    asked: int
    candidates: Histories | None = None

    def allowed(self, histories: Histories, aisles: Ints, places: slice) -> Bools | None:
        """bool (B, N): the items ranked for B questions, the ones at these places among the R; None for all."""
        n_questions, n_items = len(histories), len(self.item_categories)
        seen = (histories.owners, histories.items)
        if self.candidates is not None:
            drawn = self.candidates[places]
            out = np.zeros((n_questions, n_items), dtype=np.bool_)
            out[drawn.owners, drawn.items] = True
        elif self.pool == _AISLE:
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


def look_at(
    protocol: str, data: Dataset, learned: Dataset, queries: Queries, keep_seen: bool = False, sampled: int = 0, seed: int = 0
) -> tuple[Look, ...]:
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
    sampled : int
        Above 0: one view more, in which the target stands among so many sampled items of its aisle.
    seed : int
        Draws them.
    """
    out = []
    n = data.n_items
    seen = np.unique(queries.histories.owners * n + queries.histories.items)
    untrained = learned.item_counts == 0
    unknown = data.categories.index("") if "" in data.categories else -1
    rules = PROTOCOLS[protocol].views
    if sampled:
        note = f"Among {sampled:,} sampled items of the target's own aisle, for comparison with papers only."
        rules = (*rules, Rule("sampled", _SAMPLED, None, note))
    for rule in rules:
        leave_seen = not keep_seen if rule.leave_seen is None else rule.leave_seen
        targets = queries.targets
        if rule.counted != "all":
            targets = targets.keep(untrained[targets.items] == (rule.counted == "untrained"))
        asked = int((targets.lengths > 0).sum())
        if leave_seen:
            targets = targets.keep(~np.isin(targets.owners * n + targets.items, seen))
        rows = np.flatnonzero(targets.lengths > 0)
        view = View(rule.name, rule.note, len(rows))
        drawn = _sample(data, queries.histories[rows], targets[rows], sampled, seed) if rule.pool == _SAMPLED else None
        out.append(Look(view, rows, targets[rows], rule.pool, leave_seen, data.item_categories, unknown, untrained, asked, drawn))
    return tuple(out)


def flattened_looks(looks: Sequence[Look]) -> tuple[Look, ...]:
    """Looks at questions that `data.split_intervened.flattened` has thinned out, under names of their own."""
    return tuple(
        dataclasses.replace(
            look,
            view=dataclasses.replace(
                look.view,
                name=look.view.name + INTERVENED,
                note=f"{look.view.note} Of the questions so many are drawn that popular targets are asked for no more than rare ones.",
            ),
        )
        for look in looks
    )


def _sample(data: Dataset, histories: Histories, targets: Histories, n: int, seed: int) -> Histories:
    """R rows: the targets of a question and n further items of the first one's aisle, drawn uniformly without replacement.

    None of them is in the history; an aisle with fewer gives all it has.
    """
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(data.item_categories == c) for c in range(len(data.categories))]
    rows = []
    for history, wanted in zip(histories.rows(), targets.rows(), strict=True):
        pool = members[data.item_categories[wanted[0]]]
        pool = pool[~np.isin(pool, np.concatenate([history, wanted]))]
        rows.append(np.concatenate([wanted, rng.choice(pool, size=min(n, len(pool)), replace=False)]))
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    return Histories.from_arrays(offsets, np.concatenate(rows) if rows else np.empty(0, dtype=np.int64))
