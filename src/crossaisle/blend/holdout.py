"""What a fit keeps back to choose by: the newest event of most people, a whole aisle of some. Imports nothing of its room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Queries, hold_out_last
from crossaisle.data.split_parts import ask, at_places, before_places, can_be_asked, learn, newest, target_mask
from crossaisle.data.split_reviews import newer_questions
from crossaisle.schema import Bools, Ints

__all__ = ["hold_out", "kinds"]

MOST_HIDDEN = 3_000
LEAST_HIDDEN = 30


def hold_out(data: Dataset, target_events: Sequence[str], share: float, seed: int, newer: float = 1.0) -> tuple[Dataset, Queries]:
    """Hold out one aisle of a share of the people with two or more, and the newest target event of everybody else.

    Questions about a hidden aisle name it; the others do not. With fewer than 30 people to hide an aisle from, none is hidden.
    With ``newer`` below 1 only the newest share of all questions is asked, and other histories stay whole.

    Raises
    ------
    TableError
        If no user has two interactions, the newer of a target kind.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> train, valid = hold_out(toy_dataset(n_users=200), (), 0.5, seed=0)
    >>> int((valid.aisles >= 0).sum()), len(valid)
    (88, 200)
    """
    hidden = _hidden_aisles(data, target_events, share, seed)
    if not (hidden >= 0).any():
        return hold_out_last(data, target_events, newer)
    h = data.histories
    at = newest(data, can_be_asked(data, target_events))
    theirs = (hidden >= 0)[h.owners]
    there = data.item_categories[h.items] == hidden[h.owners]
    known = np.where(theirs, ~there, before_places(data, at))
    wanted = np.where(theirs, there & target_mask(data, target_events), at_places(data, at))
    if newer < 1:
        chosen = newer_questions(data, wanted, newer)[h.owners]
        known, wanted = known | ~chosen, wanted & chosen
    return learn(data, known, wanted), ask(data, known, wanted, hidden)


def _hidden_aisles(data: Dataset, target_events: Sequence[str], share: float, seed: int) -> Ints:
    """int64 (B,): the aisle hidden from each user, -1 for most."""
    rng = np.random.default_rng(seed)
    h, n_aisles = data.histories, len(data.categories)
    named = np.array([name != "" for name in data.categories], dtype=bool)
    aisle = data.item_categories[h.items]
    able = target_mask(data, target_events) & named[aisle]
    pairs = np.unique(h.owners * n_aisles + aisle)
    several = np.bincount(pairs // n_aisles, minlength=data.n_users) > 1
    askable = np.unique((h.owners * n_aisles + aisle)[able & several[h.owners]])
    users = np.unique(askable // n_aisles)
    n = min(MOST_HIDDEN, round(share * len(users)))
    out = np.full(data.n_users, -1, dtype=np.int64)
    if n < LEAST_HIDDEN:
        return out
    drawn = askable[rng.permutation(len(askable))]
    out[drawn // n_aisles] = drawn % n_aisles
    out[np.setdiff1d(np.arange(data.n_users), rng.permutation(users)[:n])] = -1
    return out


def kinds(data: Dataset, asked: Queries) -> tuple[Bools, Ints]:
    """Which questions are about an aisle that the history does not touch.

    Returns
    -------
    near : bool (Q,)
        Questions without such an aisle, or about everything.
    far : int64 (Q,)
        The untouched aisle in which all targets lie (named or not), -1 where there is none.
    """
    n_aisles, n = len(data.categories), len(asked)
    touched = np.zeros((n, n_aisles), dtype=bool)
    touched[asked.histories.owners, data.item_categories[asked.histories.items]] = True
    wanted = np.zeros((n, n_aisles), dtype=bool)
    wanted[asked.targets.owners, data.item_categories[asked.targets.items]] = True
    only = np.where(wanted.sum(axis=1) == 1, wanted.argmax(axis=1), -1)
    named = np.array([name != "" for name in data.categories], dtype=bool)
    untouched = (only >= 0) & named[only] & ~touched[np.arange(n), only] & (asked.histories.lengths > 0)
    far = np.where(untouched, only, -1).astype(np.int64)
    return ~((asked.aisles >= 0) & untouched), far
