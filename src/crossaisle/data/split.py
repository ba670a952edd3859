"""Splits: what is learned from, what is asked, what is the answer; pure functions of a dataset. Imports: dataset,
split_aisles, split_cold, split_parts, split_reviews, split_time.

Every split keeps all users and items (codes stay valid) and removes events. A user's events are cut at a moment: whatever the
user did from that moment on is neither in the training data nor in the history of the question.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crossaisle.data.dataset import Dataset
from crossaisle.data.split_aisles import cold_aisle, hidden_aisle
from crossaisle.data.split_cold import cold_item, cold_user
from crossaisle.data.split_parts import (
    Queries,
    Split,
    ask,
    at_places,
    before_places,
    can_be_asked,
    check_share,
    learn,
    moments,
    newest,
    shuffled_ties,
    target_mask,
)
from crossaisle.data.split_reviews import newer_questions
from crossaisle.data.split_time import next_basket, time_split
from crossaisle.errors import TableError

__all__ = [
    "Queries",
    "Split",
    "cold_aisle",
    "cold_item",
    "cold_user",
    "first_visit",
    "hidden_aisle",
    "hold_out_last",
    "leave_one_out",
    "next_basket",
    "time_split",
]


def hold_out_last(data: Dataset, target_events: Sequence[str] = (), newer: float = 1.0) -> tuple[Dataset, Queries]:
    """Hold out the newest target event of each history that has an event before it.

    Parameters
    ----------
    data : Dataset
    target_events : sequence of str
        The kinds of event that count as targets; all if empty.
    newer : float
        Below 1, only the newest share of these questions is asked (`split_reviews.newer_questions`); other histories stay whole.

    Returns
    -------
    train : Dataset
        What came before the held-out events; histories without one stay whole.
    valid : Queries
        One question for each held-out event.

    Raises
    ------
    TableError
        If no user has two interactions, the newer of a target kind.

    Examples
    --------
    >>> import polars as pl
    >>> from crossaisle.data.histories import Histories
    >>> items = pl.DataFrame({"item_id": ["a", "b", "c"], "category": ["x", "x", "y"]})
    >>> data = Dataset(items, pl.Series(["u", "v"]), Histories.from_lists([[0, 1, 2], [1]]))
    >>> train, valid = hold_out_last(data)
    >>> [r.tolist() for r in train.histories.rows()], valid.users.tolist(), valid.targets.items.tolist()
    ([[0, 1], [1]], [0], [2])
    """
    at = newest(data, can_be_asked(data, target_events))
    if not (at < len(data.histories.items)).any():
        raise TableError(
            "no user has two interactions" + (f" of which the newer is one of {', '.join(target_events)}" if target_events else ""),
            "at least one user with two, so that one can be learned from and one predicted",
            "give more interactions",
        )
    if newer < 1:
        at = np.where(newer_questions(data, at_places(data, at), newer), at, len(data.histories.items))
    before, last = before_places(data, at), at_places(data, at)
    return learn(data, before, last), ask(data, before, last)


def leave_one_out(data: Dataset, seed: int = 0, shuffle_ties: bool = False, target_events: Sequence[str] = ()) -> Split:
    """The last event of each user is for testing, the last but one for validation, as papers do.

    A user with two events gives a test question only, a user with one event gives none; all of them are learned from.

    Parameters
    ----------
    data : Dataset
    seed : int
        For `shuffle_ties`.
    shuffle_ties : bool
        First put each user's events of one and the same time into a random order. Sources often sort the items of one day by
        id, which makes the last one easier to guess than it would be in a shop.
    target_events : sequence of str
        The kinds of event that count as targets; all if empty.

    Raises
    ------
    TableError
        If no user has two interactions, the newer of a target kind.

    Examples
    --------
    >>> import polars as pl
    >>> from crossaisle.data.histories import Histories
    >>> items = pl.DataFrame({"item_id": ["a", "b", "c"], "category": ["x", "x", "y"]})
    >>> data = Dataset(items, pl.Series(["u"]), Histories.from_lists([[0, 1, 2]]))
    >>> split = leave_one_out(data)
    >>> split.train.histories.items.tolist(), split.valid.targets.items.tolist(), split.test.targets.items.tolist()
    ([0], [1], [2])
    """
    if shuffle_ties:
        data = data.with_histories(shuffled_ties(data.histories, seed))
    full, test = hold_out_last(data, target_events)
    at = newest(full, can_be_asked(full, target_events))
    before, last = before_places(full, at), at_places(full, at)
    note = "The last event of each user is the test target, the last but one the validation target"
    note += (
        ", after events of the same time were put into a random order."
        if shuffle_ties
        else "; events of the same time keep the file's order."
    )
    return Split("leave-one-out", note, learn(full, before, last), full, ask(full, before, last), test)


def first_visit(data: Dataset, valid_share: float = 0.2, seed: int = 0, target_events: Sequence[str] = ()) -> Split:
    """The newest time that a user enters an aisle: which of its items? Nothing of that user from that moment on is learned from.

    Events of one time are one moment: what lies in the same basket is not known. If several new aisles are entered at once, one of them
    is drawn; its items of that moment are the targets. An item without an aisle is never a target.

    Parameters
    ----------
    data : Dataset
    valid_share : float
        Share of the users asked who are asked for validation; the rest is the test.
    seed : int
        Draws the validation users and among aisles entered at once.
    target_events : sequence of str
        The kinds of event that count as targets; all if empty.

    Raises
    ------
    TableError
        If no user enters a second aisle.
    SettingError
        If the share is not between 0 and 1.
    """
    check_share("valid_share", valid_share)
    rng = np.random.default_rng(seed)
    h, when = data.histories, moments(data.histories)
    aisle = data.item_categories[h.items]
    named = np.array([name != "" for name in data.categories], dtype=bool)[aisle]
    _, first, cell = np.unique(h.owners * len(data.categories) + aisle, return_index=True, return_inverse=True)
    enters = named & (when == when[first][cell]) & (when > when[np.repeat(h.offsets[:-1], h.lengths)])
    enters &= target_mask(data, target_events)
    last = newest(data, enters)
    users = np.flatnonzero(last < len(when))
    if not len(users):
        raise TableError(
            "no user goes from one aisle to another",
            "items of two or more categories in some history",
            "check the column category of the items",
        )
    # the drawn event among those that enter an aisle at the user's chosen moment decides the aisle
    moment = np.full(data.n_users, -1, dtype=np.int64)
    moment[users] = when[last[users]]
    here = enters & (when == moment[h.owners])
    draw = np.lexsort((np.where(here, rng.random(len(when)), -1.0), h.owners))
    chosen = np.full(data.n_users, -1, dtype=np.int64)
    chosen[h.owners[draw]] = aisle[draw]  # the highest draw of a user is written last
    target = here & (aisle == chosen[h.owners])
    known = (moment < 0)[h.owners] | (when < moment[h.owners])
    for_valid = np.isin(h.owners, rng.permutation(users)[: int(valid_share * len(users))])
    aisles = np.where(moment >= 0, chosen, -1)
    note = f"The newest time that each of {len(users):,} users entered an aisle new to them; asked which of its items they took."
    return Split(
        "first-visit",
        note,
        learn(data, known, target),
        learn(data, known | for_valid, target & ~for_valid),
        ask(data, known, target & for_valid, aisles),
        ask(data, known, target & ~for_valid, aisles),
    )
