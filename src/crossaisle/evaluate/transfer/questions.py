"""The questions of the transfer scoreboard: each user is asked in one aisle. Imports nothing of its own room.

If one user were asked in several aisles, the training data that is right for one question would hold the answer to another, or each
question would need training data of its own. So one aisle is drawn for each user, and everything from the validation event of that
aisle on is left out of training for every arm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Split
from crossaisle.data.split_parts import ask, at_places, before_places, learn, newest, target_mask
from crossaisle.errors import TableError
from crossaisle.schema import Bools, Ints

__all__ = ["one_aisle_each"]


def one_aisle_each(data: Dataset, seed: int = 0, target_events: Sequence[str] = ()) -> Split:
    """Leave-one-out inside one aisle a user, drawn among those where the user can be asked.

    A user can be asked in an aisle by an event of a target kind with an item that is new to them and with an earlier event in the same
    aisle; the newest such event is the test target, the newest but one the validation target. An aisle is drawn with weight 1 / (users
    who can be asked in it), so that small aisles get questions too. Histories hold everything before the target, in all aisles.

    Parameters
    ----------
    data : Dataset
    seed : int
        Draws the aisles.
    target_events : sequence of str
        The kinds of event that count as targets; all if empty.

    Returns
    -------
    Split
        ``valid.aisles`` and ``test.aisles`` say where each question is asked.

    Raises
    ------
    TableError
        If no user has two different items of one aisle.

    Examples
    --------
    >>> import polars as pl
    >>> from crossaisle.data.histories import Histories
    >>> items = pl.DataFrame({"item_id": ["a", "b", "c", "d"], "category": ["x", "x", "x", "y"]})
    >>> split = one_aisle_each(Dataset(items, pl.Series(["u", "v"]), Histories.from_lists([[0, 3, 1, 3, 2, 3], [3, 0]])))
    >>> split.test.histories.items.tolist(), split.test.targets.items.tolist(), split.valid.targets.items.tolist()
    ([0, 3, 1, 3], [2], [1])
    >>> [r.tolist() for r in split.train.histories.rows()]  # nothing of u from the validation event on, all of v
    [[0, 3], [3, 0]]
    """
    h, n_aisles = data.histories, len(data.categories)
    aisle = data.item_categories[h.items]
    named = np.array([name != "" for name in data.categories], dtype=bool)[aisle]
    able = target_mask(data, target_events) & named & _again(h.owners * n_aisles + aisle) & ~_again(h.owners * data.n_items + h.items)
    if not able.any():
        raise TableError(
            "no user has two different items of one aisle, the newer of a target kind",
            "users who come back to an aisle",
            "check the column category of the items",
        )
    asked = _draw_aisles(np.unique(h.owners[able] * n_aisles + aisle[able]), data.n_users, n_aisles, seed)
    own = able & (aisle == asked[h.owners])
    test_at = newest(data, own)
    known = before_places(data, test_at)
    valid_at = newest(data, own & known)
    learned = known & before_places(data, valid_at)
    note = (
        "Each user is asked in one aisle, drawn by chance with small aisles preferred: for the newest event there with an item new to them "
        "(validation: the newest but one). Nothing of the user from the validation event on, in any aisle, is learned from."
    )
    return Split(
        "transfer",
        note,
        learn(data, learned, at_places(data, valid_at) | at_places(data, test_at)),
        learn(data, known, at_places(data, test_at)),
        ask(data, learned, at_places(data, valid_at), asked),
        ask(data, known, at_places(data, test_at), asked),
    )


def _again(cells: Ints) -> Bools:
    """bool (E,): the value stands at an earlier place too; the places of a user are in the order of time."""
    out = np.ones(len(cells), dtype=np.bool_)
    out[np.unique(cells, return_index=True)[1]] = False
    return out


def _draw_aisles(cells: Ints, n_users: int, n_aisles: int, seed: int) -> Ints:
    """int64 (B,): one aisle for each user, -1 for none; ``cells`` are user * n_aisles + aisle, each once.

    The smallest of exponential draws of rate w wins with probability w / sum of w.
    """
    users, aisles = cells // n_aisles, cells % n_aisles
    draw = np.random.default_rng(seed).exponential(size=len(cells)) * np.bincount(aisles, minlength=n_aisles)[aisles]
    order = np.lexsort((-draw, users))
    out = np.full(n_users, -1, dtype=np.int64)
    out[users[order]] = aisles[order]  # a user's smallest draw is written last
    return out
