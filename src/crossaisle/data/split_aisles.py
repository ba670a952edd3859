"""Splits by whole aisles: one that a user loses, one that nobody has bought from yet. Imports: dataset, split_parts."""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Sequence

import numpy as np

from crossaisle.data.dataset import Dataset
from crossaisle.data.split_parts import Split, ask, learn, target_mask
from crossaisle.errors import RequestError, TableError
from crossaisle.schema import Bools, Ints

__all__ = ["FOLDS", "cold_aisle", "hidden_aisle"]

FOLDS = 5
"""Parts into which the users with two or more aisles fall, by a checksum of their ids."""


def hidden_aisle(data: Dataset, seed: int = 0, target_events: Sequence[str] = ()) -> Split:
    """A fifth of the users that shop in two or more aisles each lose one whole aisle: what did they take there?

    The checksum crc32 of "test" + user id, modulo 5, says who is asked; crc32 of "aisle" + user id picks the aisle among the user's
    aisles in alphabetical order. What is left of the history stays in the training data, events after the hidden ones too. The users
    of the next fold are the validation questions: what they lost is left out of `train` and stands in `full`. An item without an aisle is
    never hidden and does not count as an aisle; a user with nothing of a target kind in the hidden aisle loses nothing and is not asked.

    Parameters
    ----------
    data : Dataset
    seed : int
        ``seed % 5`` is the fold whose users are asked.
    target_events : sequence of str
        The kinds of event that count as targets; all if empty. Events of every kind are hidden.

    Raises
    ------
    TableError
        If no user of the fold has items of two aisles.

    Examples
    --------
    >>> import polars as pl
    >>> from crossaisle.data.histories import Histories
    >>> items = pl.DataFrame({"item_id": ["a", "b", "c"], "category": ["x", "x", "y"]})
    >>> data = Dataset(items, pl.Series(["u1"]), Histories.from_lists([[0, 2, 1]]))
    >>> split = hidden_aisle(data, seed=1)
    >>> data.categories[split.test.aisles[0]], split.train.histories.items.tolist(), split.test.targets.items.tolist()
    ('y', [0, 1], [2])
    """
    hidden, fold = _hidden(data)
    h = data.histories
    lost = (hidden[h.owners] == data.item_categories[h.items]) & (hidden >= 0)[h.owners]
    wanted = lost & target_mask(data, target_events)
    answerable = np.bincount(h.owners[wanted], minlength=data.n_users) > 0
    for_test = lost & (answerable & (fold == seed % FOLDS))[h.owners]
    for_valid = lost & (answerable & (fold == (seed + 1) % FOLDS))[h.owners]
    if not for_test.any():
        raise TableError(
            f"no user of fold {seed % FOLDS} has items of two aisles",
            "users with items of two or more categories",
            "check the column category of the items, or choose another seed",
        )
    note = (
        f"Of the users with two or more aisles, a fifth (fold {seed % FOLDS}) each lost one whole aisle and are asked for all they had "
        f"there; fold {(seed + 1) % FOLDS} likewise for validation."
    )
    return Split(
        "hidden-aisle",
        note,
        learn(data, ~for_test & ~for_valid, wanted & (for_test | for_valid)),
        learn(data, ~for_test, wanted & for_test),
        ask(data, ~lost, wanted & for_valid, hidden),
        ask(data, ~lost, wanted & for_test, hidden),
    )


def _hidden(data: Dataset) -> tuple[Ints, Ints]:
    """int64 (B,) twice: the aisle that each user would lose, -1 for users with fewer than two; the fold of each user."""
    h, n_aisles = data.histories, len(data.categories)
    cells = np.unique(h.owners * n_aisles + data.item_categories[h.items])
    if "" in data.categories:
        cells = cells[cells % n_aisles != data.categories.index("")]
    owners, aisles = cells // n_aisles, cells % n_aisles  # sorted by user, then by the aisle's name
    counts = np.bincount(owners, minlength=data.n_users)
    starts = np.cumsum(counts) - counts
    hidden, fold = np.full(data.n_users, -1, dtype=np.int64), np.empty(data.n_users, dtype=np.int64)
    for user, name in enumerate(data.users.to_list()):
        fold[user] = zlib.crc32(f"test{name}".encode()) % FOLDS
        if counts[user] > 1:
            hidden[user] = aisles[starts[user] + zlib.crc32(f"aisle{name}".encode()) % counts[user]]
    return hidden, fold


def cold_aisle(data: Dataset, aisle: str, target_events: Sequence[str] = ()) -> Split:
    """A whole aisle is new: its items are given, nobody's event with them is learned from. Whoever knows other aisles is asked for it.

    Asked is everything of a target kind that the user had there; the history is all that the user had elsewhere. Validation asks
    likewise for the next smaller aisle by events (the next larger if there is none), which is left out of `train` and stands in `full`;
    with fewer than three aisles there are no validation questions.

    Parameters
    ----------
    data : Dataset
    aisle : str
        The aisle that is new in the test.
    target_events : sequence of str
        The kinds of event that count as targets; all if empty.

    Raises
    ------
    RequestError
        If there is no such aisle (the nearest one is suggested).
    TableError
        If no user has items both of that aisle and of another.

    Examples
    --------
    >>> import polars as pl
    >>> from crossaisle.data.histories import Histories
    >>> items = pl.DataFrame({"item_id": ["a", "b", "c"], "category": ["x", "x", "y"]})
    >>> data = Dataset(items, pl.Series(["u"]), Histories.from_lists([[0, 2, 1]]))
    >>> split = cold_aisle(data, "y")
    >>> split.train.histories.items.tolist(), split.test.targets.items.tolist(), len(split.valid)
    ([0, 1], [2], 0)
    """
    named = [c for c in data.categories if c]
    if aisle not in named:
        near = difflib.get_close_matches(aisle, named, n=1, cutoff=0.0)
        raise RequestError(
            f"no aisle {aisle!r} in the data",
            f"an aisle of the items table, the nearest is {near[0]!r}" if near else "items with a category",
            "name one of the column category",
        )
    own = data.item_categories[data.histories.items]
    test, valid = data.categories.index(aisle), _neighbour(data, aisle)
    wanted = target_mask(data, target_events)
    for_test, for_valid = own == test, own == (-1 if valid is None else valid)
    for_test_asked = wanted & for_test & _has(data, ~for_test)
    for_valid_asked = wanted & for_valid & _has(data, ~for_test & ~for_valid)
    asked = ask(data, ~for_test, for_test_asked, np.full(data.n_users, test))
    if not len(asked):
        raise TableError(
            f"no user has items both of {aisle} and of another aisle", "users of two or more aisles", "choose another aisle with --aisle"
        )
    note = f"The aisle {aisle!r} is new: none of its events were learned from; who knows other aisles is asked for all they had there."
    if valid is not None:
        note += f" The aisle {data.categories[valid]!r} likewise for validation."
    return Split(
        "cold-aisle",
        note,
        learn(data, ~for_test & ~for_valid, for_test_asked | for_valid_asked),
        learn(data, ~for_test, for_test_asked),
        ask(data, ~for_test & ~for_valid, for_valid_asked, np.full(data.n_users, valid or 0)),
        asked,
    )


def _has(data: Dataset, kept: Bools) -> Bools:
    """bool (E,): events of users with at least one kept event, whenever."""
    return np.asarray(np.bincount(data.histories.owners[kept], minlength=data.n_users) > 0, dtype=np.bool_)[data.histories.owners]


def _neighbour(data: Dataset, aisle: str) -> int | None:
    """The next smaller aisle by events, else the next larger one; None with fewer than three that have events."""
    counts = np.bincount(data.item_categories[data.histories.items], minlength=len(data.categories))
    order = sorted((p for p, c in enumerate(data.categories) if c and (counts[p] or c == aisle)), key=lambda p: (-counts[p], p))
    at = order.index(data.categories.index(aisle))
    if len(order) < 3:
        return None
    return order[at + 1] if at + 1 < len(order) else order[at - 1]
