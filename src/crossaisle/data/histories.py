"""Histories: the one shape in which behaviour crosses rooms. Imports: schema, own_reviews."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from crossaisle.data.own_reviews import OwnReviews
from crossaisle.schema import Bools, Floats, Ints, Times

__all__ = ["Histories"]


@dataclass(frozen=True, eq=False)
class Histories:
    """B histories of item codes, oldest event first, stored end to end.

    Attributes
    ----------
    offsets : int64 (B + 1,)
        History b is the slice ``offsets[b]:offsets[b + 1]`` of every array below.
    items : int64 (E,)
        Item codes (rows of ``Dataset.items``).
    events : int64 (E,)
        Event kinds (positions in ``Dataset.event_names``).
    weights : float32 (E,)
        Weights, 1 where the table has none.
    times : float64 (E,)
        Unix seconds, NaN where unknown.
    own : OwnReviews or None
        What each event's user wrote about its item, where reviews were read.
    trust : float32 (E,) or None
        How much each event is learned from, where some are to count less (`data.shilling`); None where all count alike.
    ratings : float32 (E,) or None
        What each event's user gave its item, NaN where nothing; None where the table has no ratings.

    Examples
    --------
    >>> h = Histories.from_lists([[3, 1], [], [2]])
    >>> len(h), h.row(0).tolist(), h.lengths.tolist()
    (3, [3, 1], [2, 0, 1])
    >>> h[np.array([2, 0])].items.tolist()
    [2, 3, 1]
    """

    offsets: Ints
    items: Ints
    events: Ints
    weights: Floats
    times: Times
    own: OwnReviews | None = None
    trust: Floats | None = None
    ratings: Floats | None = None

    @classmethod
    def from_lists(cls, rows: Sequence[Sequence[int]]) -> Histories:
        """Histories of bare item codes: event kind 0, weight 1, time unknown."""
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(r) for r in rows], out=offsets[1:])
        items = np.fromiter((i for r in rows for i in r), dtype=np.int64, count=int(offsets[-1]))
        return cls.from_arrays(offsets, items)

    @classmethod
    def from_arrays(
        cls,
        offsets: Ints,
        items: Ints,
        events: Ints | None = None,
        weights: Floats | None = None,
        times: Times | None = None,
        ratings: Floats | None = None,
    ) -> Histories:
        """Histories with the usual value wherever an array is not given."""
        n = len(items)
        return cls(
            offsets=np.asarray(offsets, dtype=np.int64),
            items=np.asarray(items, dtype=np.int64),
            events=np.zeros(n, dtype=np.int64) if events is None else np.asarray(events, dtype=np.int64),
            weights=np.ones(n, dtype=np.float32) if weights is None else np.asarray(weights, dtype=np.float32),
            times=np.full(n, np.nan) if times is None else np.asarray(times, dtype=np.float64),
            ratings=None if ratings is None else np.asarray(ratings, dtype=np.float32),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, b: int) -> Ints:
        """Item codes of history b, oldest first."""
        return self.items[self.offsets[b] : self.offsets[b + 1]]

    def rows(self) -> Iterator[Ints]:
        """The item codes of each history in turn."""
        return (self.row(b) for b in range(len(self)))

    @property
    def lengths(self) -> Ints:
        """int64 (B,): how many events each history has."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> Ints:
        """int64 (E,): the history that each event belongs to."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.lengths)

    def __getitem__(self, which: Ints | slice) -> Histories:
        """The chosen histories, in the order asked for (a slice, or an integer array that may repeat)."""
        rows = np.arange(len(self), dtype=np.int64)[which]
        lengths = self.lengths[rows]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        # position of each kept event: start of its history + its place in it
        take = np.arange(int(offsets[-1]), dtype=np.int64) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return self._take(offsets, take)

    def keep(self, mask: Bools) -> Histories:
        """The same B histories with only the events where ``mask`` (E,) is true."""
        kept = np.zeros(len(self.items) + 1, dtype=np.int64)
        np.cumsum(mask, out=kept[1:])
        return self._take(kept[self.offsets], np.flatnonzero(mask))

    def of_items(self, which: Bools) -> Histories:
        """The same B histories with only the events of these items (N,), whose codes become 0, 1, ... in their order.

        Examples
        --------
        >>> h = Histories.from_lists([[0, 2, 3], [1]]).of_items(np.array([True, False, False, True]))
        >>> [row.tolist() for row in h.rows()]
        [[0, 1], []]
        """
        kept = self.keep(which[self.items])
        return replace(kept, items=(np.cumsum(which) - 1)[kept.items])

    def last(self, n: int) -> Histories:
        """The same B histories cut to their newest n events."""
        place_from_end = np.repeat(self.offsets[1:], self.lengths) - np.arange(len(self.items))
        return self.keep(place_from_end <= n)

    def _take(self, offsets: Ints, take: Ints) -> Histories:
        own = None if self.own is None else self.own.take(take)
        trust = None if self.trust is None else self.trust[take]
        ratings = None if self.ratings is None else self.ratings[take]
        items, times = self.items[take], self.times[take]
        return Histories(offsets.astype(np.int64), items, self.events[take], self.weights[take], times, own, trust, ratings)
