"""Splits: what is learned from, what is asked, what is the answer; pure functions of a dataset. Imports: dataset, histories.

Every split keeps all users and items (codes stay valid) and removes events. A user's events are cut at a moment: whatever the
user did from that moment on is neither in the training data nor in the history of the question.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.errors import SettingError, TableError
from crossaisle.schema import Bools, Ints, Times

__all__ = ["Queries", "Split", "hold_out_last", "leave_one_out"]


@dataclass(frozen=True, eq=False)
class Queries:
    """Q questions: given this history, which items come next?

    Attributes
    ----------
    users : int64 (Q,)
        User codes of the dataset that was split; no user is asked twice.
    histories : Histories
        Q histories: what was known at that moment.
    targets : Histories
        Q rows of relevant item codes, at least one each, no item twice.
    aisles : int64 (Q,)
        Position in ``Dataset.categories``: rank only the items of that aisle; -1 for all items.
    times : float64 (Q,)
        The moment predicted, NaN where unknown.
    """

    users: Ints
    histories: Histories
    targets: Histories
    aisles: Ints
    times: Times

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, which: Ints | slice) -> Queries:
        """The chosen questions, in the order asked for."""
        return Queries(self.users[which], self.histories[which], self.targets[which], self.aisles[which], self.times[which])


@dataclass(frozen=True, eq=False)
class Split:
    """A dataset cut for an honest trial.

    Attributes
    ----------
    name : str
        What the command line calls it.
    note : str
        One sentence for the report.
    train : Dataset
        Learn from this; the events of `valid` and `test`, and whatever follows them, are left out.
    full : Dataset
        `train` and the events of `valid`, for refitting.
    valid, test : Queries
        Questions to choose by, and questions to report. `valid` may hold none, `test` holds at least one.
    """

    name: str
    note: str
    train: Dataset
    full: Dataset
    valid: Queries
    test: Queries


def hold_out_last(data: Dataset, target_events: Sequence[str] = ()) -> tuple[Dataset, Queries]:
    """Hold out the newest target event of each history that has an event before it.

    Parameters
    ----------
    data : Dataset
    target_events : sequence of str
        The kinds of event that count as targets; all if empty.

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
    >>> from crossaisle.data.histories import Histories
    >>> items = pl.DataFrame({"item_id": ["a", "b", "c"], "category": ["x", "x", "y"]})
    >>> data = Dataset(items, pl.Series(["u", "v"]), Histories.from_lists([[0, 1, 2], [1]]))
    >>> train, valid = hold_out_last(data)
    >>> [r.tolist() for r in train.histories.rows()], valid.users.tolist(), valid.targets.items.tolist()
    ([[0, 1], [1]], [0], [2])
    """
    at = _newest(data, _can_be_asked(data, target_events))
    if not (at < len(data.histories.items)).any():
        raise TableError(
            "no user has two interactions" + (f" of which the newer is one of {', '.join(target_events)}" if target_events else ""),
            "at least one user with two, so that one can be learned from and one predicted",
            "give more interactions",
        )
    before = _before(data, at)
    return _learn(data, before), _ask(data, before, _at(data, at))


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
    >>> items = pl.DataFrame({"item_id": ["a", "b", "c"], "category": ["x", "x", "y"]})
    >>> data = Dataset(items, pl.Series(["u"]), Histories.from_lists([[0, 1, 2]]))
    >>> split = leave_one_out(data)
    >>> split.train.histories.items.tolist(), split.valid.targets.items.tolist(), split.test.targets.items.tolist()
    ([0], [1], [2])
    """
    if shuffle_ties:
        data = data.with_histories(_shuffled_ties(data.histories, seed))
    full, test = hold_out_last(data, target_events)
    at = _newest(full, _can_be_asked(full, target_events))
    before = _before(full, at)
    note = "The last event of each user is the test target, the last but one the validation target"
    note += (
        ", after events of the same time were put into a random order."
        if shuffle_ties
        else "; events of the same time keep the file's order."
    )
    return Split("leave-one-out", note, _learn(full, before), full, _ask(full, before, _at(full, at)), test)


# ---- the parts that splits are made of: masks over the E events of data.histories ----


def _target_mask(data: Dataset, target_events: Sequence[str]) -> Bools:
    """bool (E,): events of a kind that counts as a target."""
    if not target_events:
        return np.ones(len(data.histories.items), dtype=bool)
    for name in target_events:
        if name not in data.event_names:
            raise SettingError(
                f"target event {name!r} is not in the data", f"one of {', '.join(data.event_names)}", "see: crossaisle check"
            )
    return np.isin(data.histories.events, [data.event_names.index(name) for name in target_events])


def _can_be_asked(data: Dataset, target_events: Sequence[str]) -> Bools:
    """bool (E,): target events with at least one event of the same user before them."""
    h = data.histories
    return _target_mask(data, target_events) & (np.arange(len(h.items)) > np.repeat(h.offsets[:-1], h.lengths))


def _newest(data: Dataset, mask: Bools) -> Ints:
    """int64 (B,): the place of each user's newest event where ``mask`` is true; E where there is none."""
    at = np.full(data.n_users, len(mask), dtype=np.int64)
    places = np.flatnonzero(mask)
    at[data.histories.owners[places]] = places  # places ascend, so the newest is written last
    return at


def _at(data: Dataset, at: Ints) -> Bools:
    """bool (E,): exactly the events at ``at``."""
    mask = np.zeros(len(data.histories.items), dtype=bool)
    mask[at[at < len(mask)]] = True
    return mask


def _before(data: Dataset, at: Ints) -> Bools:
    """bool (E,): events before their user's place in ``at``."""
    return np.arange(len(data.histories.items)) < at[data.histories.owners]


def _ask(data: Dataset, known: Bools, wanted: Bools, aisles: Ints | None = None) -> Queries:
    """One question for each user who has a wanted event; an item wanted twice counts once. ``aisles``: int64 (B,)."""
    h = data.histories
    places = np.flatnonzero(wanted)
    key = h.owners[places] * data.n_items + h.items[places]
    once = np.zeros(len(wanted), dtype=bool)
    once[places[np.unique(key, return_index=True)[1]]] = True
    targets = h.keep(once)
    users = np.flatnonzero(targets.lengths > 0).astype(np.int64)
    targets = targets[users]
    return Queries(
        users=users,
        histories=h.keep(known)[users],
        targets=targets,
        aisles=np.full(len(users), -1, dtype=np.int64) if aisles is None else aisles[users],
        times=targets.times[targets.offsets[:-1]],
    )


def _learn(data: Dataset, kept: Bools) -> Dataset:
    """The dataset with only the kept events, and only reviews that belong to them and are older than what was cut off."""
    h = data.histories
    out = data.with_histories(h.keep(kept))
    if data.reviews is None:
        return out
    # an event of unknown time was cut at an unknown moment: then no review of that user is known to be older
    removed = pl.DataFrame({schema.USER: data.users.gather(h.owners[~kept]), "cut": np.nan_to_num(h.times[~kept], nan=-np.inf)})
    cut = removed.group_by(schema.USER).agg(pl.col("cut").min())
    pairs = pl.DataFrame({schema.USER: data.users.gather(h.owners[kept]), schema.ITEM: data.items[schema.ITEM].gather(h.items[kept])})
    reviews = data.reviews.join(pairs.unique(), on=[schema.USER, schema.ITEM], how="semi", maintain_order="left")
    reviews = reviews.join(cut, on=schema.USER, how="left", maintain_order="left")
    # a user of whom nothing was cut keeps all reviews; otherwise a review must be known to be older than the cut
    older = pl.col("cut").is_null() | (pl.col(schema.TIMESTAMP) < pl.col("cut")).fill_null(False)
    return dataclasses.replace(out, reviews=reviews.filter(older).drop("cut"))


def _moments(histories: Histories) -> Ints:
    """int64 (E,): a number for each run of events of one user at one known time; events of unknown time stand alone."""
    h = histories
    new = np.ones(len(h.items), dtype=bool)
    new[1:] = (h.times[1:] != h.times[:-1]) | (h.owners[1:] != h.owners[:-1])  # NaN differs from NaN
    return np.cumsum(new).astype(np.int64)


def _shuffled_ties(histories: Histories, seed: int) -> Histories:
    """The same histories with each run of equal times in a random order."""
    draw = np.random.default_rng(seed).random(len(histories.items))
    return histories._take(histories.offsets, np.lexsort((draw, _moments(histories))))
