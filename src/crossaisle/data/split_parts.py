"""What a split is, and the masks over events that every split is made of. Imports: dataset, histories,
split_reviews.

A mask is bool (E,) over the events of ``data.histories``; a place is an index into them, E standing for none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split_reviews import cut_question_reviews, cut_reviews
from crossaisle.errors import SettingError
from crossaisle.schema import Bools, Ints, Times

__all__ = [
    "Queries",
    "Split",
    "ask",
    "at_most",
    "at_places",
    "before_places",
    "can_be_asked",
    "check_share",
    "has_before",
    "learn",
    "moments",
    "newest",
    "shuffled_ties",
    "target_mask",
]


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

    def unseen(self) -> Queries:
        """The questions that can be answered where items of the history are not ranked.

        A target that stands in its own history does not count; a question with no other one is left out.

        Examples
        --------
        >>> asked = Histories.from_lists([[0, 1], [2]]), Histories.from_lists([[1, 3], [2]])
        >>> left = Queries(np.arange(2), *asked, np.full(2, -1), np.zeros(2)).unseen()
        >>> left.users.tolist(), left.targets.items.tolist()
        ([0], [3])
        """
        n = 1 + max(int(self.histories.items.max(initial=0)), int(self.targets.items.max(initial=0)))
        seen = np.unique(self.histories.owners * n + self.histories.items)
        targets = self.targets.keep(~np.isin(self.targets.owners * n + self.targets.items, seen))
        return replace(self, targets=targets)[np.flatnonzero(targets.lengths > 0)]


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


def at_most(rows: Ints, most: int, seed: int) -> Ints:
    """The rows, or ``most`` of them drawn by chance, in their order.

    Examples
    --------
    >>> at_most(np.arange(3), 5, seed=0).tolist(), len(at_most(np.arange(100), 5, seed=0))
    ([0, 1, 2], 5)
    """
    return rows if len(rows) <= most else np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def target_mask(data: Dataset, target_events: Sequence[str]) -> Bools:
    """bool (E,): events of a kind that counts as a target."""
    if not target_events:
        return np.ones(len(data.histories.items), dtype=bool)
    for name in target_events:
        if name not in data.event_names:
            raise SettingError(
                f"target event {name!r} is not in the data", f"one of {', '.join(data.event_names)}", "see: crossaisle check"
            )
    return np.isin(data.histories.events, [data.event_names.index(name) for name in target_events])


def can_be_asked(data: Dataset, target_events: Sequence[str]) -> Bools:
    """bool (E,): target events with at least one event of the same user before them."""
    return target_mask(data, target_events) & has_before(data, np.ones(len(data.histories.items), dtype=bool))


def has_before(data: Dataset, kept: Bools) -> Bools:
    """bool (E,): events with at least one kept event of the same user before them."""
    h = data.histories
    earlier = np.concatenate([[0], np.cumsum(kept)])  # earlier[e]: kept events of anybody before e
    return np.asarray(earlier[:-1] > earlier[np.repeat(h.offsets[:-1], h.lengths)], dtype=np.bool_)


def newest(data: Dataset, mask: Bools) -> Ints:
    """int64 (B,): the place of each user's newest event where ``mask`` is true; E where there is none."""
    at = np.full(data.n_users, len(mask), dtype=np.int64)
    places = np.flatnonzero(mask)
    at[data.histories.owners[places]] = places  # places ascend, so the newest is written last
    return at


def at_places(data: Dataset, at: Ints) -> Bools:
    """bool (E,): exactly the events at ``at``."""
    mask = np.zeros(len(data.histories.items), dtype=bool)
    mask[at[at < len(mask)]] = True
    return mask


def before_places(data: Dataset, at: Ints) -> Bools:
    """bool (E,): events before their user's place in ``at``."""
    return np.arange(len(data.histories.items)) < at[data.histories.owners]


def ask(data: Dataset, known: Bools, wanted: Bools, aisles: Ints | None = None, until: float | None = None) -> Queries:
    """One question for each user who has a wanted event; an item wanted twice counts once.

    ``aisles``: int64 (B,); ``until``: the split's own moment, for what users wrote about their history (`split_reviews`).
    """
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
        histories=cut_question_reviews(data, h.keep(known), wanted, until)[users],
        targets=targets,
        aisles=np.full(len(users), -1, dtype=np.int64) if aisles is None else aisles[users],
        times=targets.times[targets.offsets[:-1]],
    )


def learn(data: Dataset, kept: Bools, asked: Bools, until: float | None = None) -> Dataset:
    """The dataset with only the kept events, and only the reviews that `split_reviews` leaves it.

    Parameters
    ----------
    kept, asked : bool (E,)
        Events to learn from, and events that are asked for later.
    until : float, optional
        A moment for all users.
    """
    return cut_reviews(data, data.histories.keep(kept), kept, asked, until)


def moments(histories: Histories) -> Ints:
    """int64 (E,): a number for each run of events of one user at one known time; events of unknown time stand alone."""
    h = histories
    new = np.ones(len(h.items), dtype=bool)
    new[1:] = (h.times[1:] != h.times[:-1]) | (h.owners[1:] != h.owners[:-1])  # NaN differs from NaN
    return np.cumsum(new).astype(np.int64)


def shuffled_ties(histories: Histories, seed: int) -> Histories:
    """The same histories with each run of equal times in a random order."""
    draw = np.random.default_rng(seed).random(len(histories.items))
    return histories._take(histories.offsets, np.lexsort((draw, moments(histories))))


def check_share(name: str, share: float) -> None:
    """Refuse a share that is not between 0 and 1."""
    if not 0 < share < 1:
        raise SettingError(f"{name} is {share}", "a number between 0 and 1", "try 0.1")
