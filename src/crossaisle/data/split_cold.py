"""Splits in which items or users are new. Imports: dataset, split_parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crossaisle.data.dataset import Dataset
from crossaisle.data.split_parts import (
    Split,
    ask,
    at_places,
    before_places,
    can_be_asked,
    check_share,
    has_before,
    learn,
    newest,
    target_mask,
)
from crossaisle.errors import TableError

__all__ = ["cold_item", "cold_user"]


def cold_item(data: Dataset, share: float = 0.1, valid_share: float = 0.05, seed: int = 0, target_events: Sequence[str] = ()) -> Split:
    """Some items are new: nobody's event with them is learned from. New and known items are asked for side by side.

    A user with a new item that follows something is asked for the newest of them, every other user for the newest known item; from
    that moment on nothing of the user is learned from. Validation asks in the same way before that moment, with new items of its own.

    Parameters
    ----------
    data : Dataset
    share, valid_share : float
        Share of the items with events that are new in the test, and a further share that is new in validation.
    seed : int
        Chooses the items.
    target_events : sequence of str
        The kinds of event that count as targets; all if empty.

    Raises
    ------
    TableError
        If no chosen item follows another item in any history.
    SettingError
        If a share is not between 0 and 1.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> split = cold_item(toy_dataset(), share=0.2)
    >>> new = split.full.item_counts[split.test.targets.items] == 0
    >>> split.note[:28], bool(new.any()), bool(new.all())
    ('16 items were held out as ne', True, False)
    """
    check_share("share", share)
    check_share("valid_share", valid_share)
    active = np.random.default_rng(seed).permutation(np.flatnonzero(data.item_counts))
    n_test, n_valid = max(1, round(share * len(active))), round(valid_share * len(active))
    items, wanted = data.histories.items, target_mask(data, target_events)
    for_test = np.isin(items, active[:n_test])
    for_valid = np.isin(items, active[n_test : n_test + n_valid])
    warm = ~for_test & ~for_valid
    none = len(items)
    new_at = newest(data, wanted & for_test & has_before(data, ~for_test))
    known_at = newest(data, wanted & warm & has_before(data, ~for_test))
    test_at = np.where(new_at < none, new_at, known_at)
    earlier = before_places(data, test_at)
    known = ~for_test & earlier
    follows = wanted & earlier & has_before(data, warm)
    valid_new_at, valid_known_at = newest(data, follows & for_valid), newest(data, follows & warm)
    valid_at = np.where(valid_new_at < none, valid_new_at, valid_known_at)
    learned = warm & before_places(data, np.minimum(valid_at, test_at))
    if not (new_at < none).any():
        raise TableError(
            f"none of the {n_test} items held out as new follows another item in a history",
            "longer histories",
            "raise the share or give more data",
        )
    note = (
        f"{n_test:,} items were held out as new (further {n_valid:,} for validation), chosen by chance; "
        "their events were not learned from. "
        f"{(new_at < none).sum():,} users are asked for the newest of them, {((new_at == none) & (known_at < none)).sum():,} others for "
        "their newest known item."
    )
    return Split(
        "cold-item",
        note,
        learn(data, learned, at_places(data, valid_at) | at_places(data, test_at)),
        learn(data, known, at_places(data, test_at)),
        ask(data, learned, at_places(data, valid_at)),
        ask(data, known, at_places(data, test_at)),
    )


def cold_user(data: Dataset, share: float = 0.1, valid_share: float = 0.05, seed: int = 0, target_events: Sequence[str] = ()) -> Split:
    """Some users are new: nothing of them is learned from. Each is asked for the newest target event, by the events before it.

    Parameters
    ----------
    data : Dataset
    share, valid_share : float
        Share of the users with two interactions that are new in the test, and a further share that is new in validation.
    seed : int
        Chooses the users.
    target_events : sequence of str
        The kinds of event that count as targets; all if empty.

    Raises
    ------
    TableError
        If fewer than two users could be asked.
    SettingError
        If a share is not between 0 and 1.
    """
    check_share("share", share)
    check_share("valid_share", valid_share)
    at = newest(data, can_be_asked(data, target_events))
    able = np.random.default_rng(seed).permutation(np.flatnonzero(at < len(data.histories.items)))
    if len(able) < 2:
        raise TableError("fewer than two users have two interactions", "some to learn from and some to ask", "give more interactions")
    n_test, n_valid = max(1, round(share * len(able))), round(valid_share * len(able))
    owners, before, target = data.histories.owners, before_places(data, at), at_places(data, at)
    for_test, for_valid = np.isin(owners, able[:n_test]), np.isin(owners, able[n_test : n_test + n_valid])
    note = f"{n_test:,} users were held out as new (further {n_valid:,} for validation), chosen by chance; each is asked for the last item."
    return Split(
        "cold-user",
        note,
        learn(data, ~for_test & ~for_valid, target & (for_test | for_valid)),
        learn(data, ~for_test, target & for_test),
        ask(data, before & for_valid, target & for_valid),
        ask(data, before & for_test, target & for_test),
    )
