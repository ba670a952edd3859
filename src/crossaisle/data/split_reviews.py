"""The one rule by which reviews are cut at the moment predicted. Imports: dataset, histories.

**The rule.** Evaluation reads a review only if it is known to have been written before what is asked. So, of the reviews beside a training
part,

1. a review without a time is never read;
2. a review written at or after the moment goes. The moment is the split's own where it has one for everybody (time-split,
   next-basket); otherwise it is the time of the earliest event that is asked about, whoever is asked: an item's reviews are the same
   for all questions, so they may hold nothing newer than the oldest one. If the time of any such event is unknown, no review is known
   to be older and all go;
3. a review by a user of an item that was taken from that user's events (above all: of the asked items, by the user asked) goes
   whenever it was written, and so does a review as new as the oldest event that was taken from its user.

What the user of a question wrote about the items of its history is that question's alone, so there the moment is the question's: the
time of the oldest item it asks for, or the split's own moment where that comes first.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.schema import Bools, Ints, Times

__all__ = ["cut_question_reviews", "cut_reviews", "newer_questions", "review_note", "reviews_before"]


@dataclass(frozen=True, eq=False)
class _Cut:
    """``moment`` for everybody, ``own`` float64 (B,) for each user; ``gone``: sorted user * N + item."""

    moment: float
    own: Times
    gone: Ints
    n_items: int

    def allows(self, users: Ints, items: Ints, times: Times) -> Bools:
        """bool (R,): reviews that may be read; a user or an item of code -1 is unknown to the data. An unknown time is never allowed."""
        known = (users >= 0) & (items >= 0)
        out = times < self.moment
        out[known] &= times[known] < self.own[users[known]]
        out[known] &= ~np.isin(users[known] * self.n_items + items[known], self.gone)
        return np.asarray(out, dtype=np.bool_)


def _earliest(data: Dataset, which: Bools) -> Times:
    """float64 (B,): time of each user's oldest chosen event, infinite without one, minus infinity where one's time is unknown."""
    h = data.histories
    out = np.full(data.n_users, np.inf)
    np.minimum.at(out, h.owners[which], np.nan_to_num(h.times[which], nan=-np.inf))
    return out


def _pairs(data: Dataset, which: Bools) -> Ints:
    h = data.histories
    return np.unique(h.owners[which] * data.n_items + h.items[which])


def cut_reviews(data: Dataset, learned: Histories, kept: Bools, asked: Bools, until: float | None = None) -> Dataset:
    """The training part with ``learned`` histories and the reviews that the rule leaves it, those of items and those of events.

    Parameters
    ----------
    data : Dataset
        What was split.
    learned : Histories
        Its kept events.
    kept, asked : bool (E,)
        Events that are learned from; events that some question asks for, of validation too where it comes after this training part.
    until : float, optional
        The split's own moment.

    Examples
    --------
    >>> reviews = pl.DataFrame({"user_id": ["u", "w"], "item_id": ["a", "a"], "timestamp": [1.0, 2.0]})
    >>> h = Histories.from_arrays(np.array([0, 2]), np.array([0, 1]), times=np.array([1.0, 2.0]))
    >>> data = Dataset(pl.DataFrame({"item_id": ["a", "b"]}), pl.Series(["u"]), h, reviews=reviews)
    >>> kept = np.array([True, False])
    >>> cut_reviews(data, h.keep(kept), kept, ~kept).reviews["timestamp"].to_list()
    [1.0]
    """
    out = data.with_histories(learned)
    if data.reviews is None:
        return out
    moment = float(_earliest(data, asked).min(initial=np.inf)) if until is None else until
    cut = _Cut(moment, _earliest(data, ~kept), _pairs(data, ~kept | asked), data.n_items)
    users, items = _codes(data.reviews, data.users, schema.USER), _codes(data.reviews, data.items[schema.ITEM], schema.ITEM)
    mask = cut.allows(users, items, data.reviews[schema.TIMESTAMP].cast(pl.Float64).fill_null(float("nan")).to_numpy())
    if learned.own is not None:
        fine = cut.allows(learned.owners, learned.items, learned.own.times)
        out = out.with_histories(dataclasses.replace(learned, own=learned.own.only(fine)))
    return dataclasses.replace(out, reviews=data.reviews.filter(pl.Series(mask)))


def cut_question_reviews(data: Dataset, known: Histories, wanted: Bools, until: float | None = None) -> Histories:
    """The histories of questions (one a user) with the reviews that their users had written before what is asked.

    ``wanted``: bool (E,), the events that the questions ask for.
    """
    if known.own is None:
        return known
    cut = _Cut(np.inf if until is None else until, _earliest(data, wanted), _pairs(data, wanted), data.n_items)
    return dataclasses.replace(known, own=known.own.only(cut.allows(known.owners, known.items, known.own.times)))


def reviews_before(data: Dataset, moment: float) -> Dataset:
    """The data without the reviews written at or after a moment. Reviews without a time stay, those of items only."""
    if data.reviews is None:
        return data
    h = data.histories
    own = None if h.own is None else h.own.before(np.full(len(h.items), moment))
    reviews = data.reviews.filter((pl.col(schema.TIMESTAMP) < moment).fill_null(True))
    return dataclasses.replace(data, histories=dataclasses.replace(h, own=own), reviews=reviews)


def newer_questions(data: Dataset, wanted: Bools, share: float = 0.5) -> Bools:
    """bool (B,): users whose question lies among the newest ``share``.

    Who asks everybody for the last event asks somebody about the oldest days, and by the rule has no reviews left to read. Asking only the
    newer questions leaves the reviews of all the time before them. Where no question has a time, everybody is asked.
    """
    first = _earliest(data, wanted)
    dated = np.isfinite(first)
    if not dated.any():
        return np.isin(np.arange(data.n_users), data.histories.owners[wanted])
    return np.asarray(dated & (first >= np.quantile(first[dated], 1 - share, method="lower")), dtype=np.bool_)


def review_note(data: Dataset, learned: Dataset) -> str:
    """One sentence on how many reviews a training part may read; "" without reviews."""
    if data.reviews is None or learned.reviews is None:
        return ""
    undated = data.reviews[schema.TIMESTAMP].null_count()
    note = f" Of {data.reviews.height:,} reviews, {learned.reviews.height:,} were written before what is asked and may be read"
    return note + (f"; {undated:,} without a time are never read here." if undated else ".")


def _codes(reviews: pl.DataFrame, ids: pl.Series, column: str) -> Ints:
    places = pl.DataFrame({column: ids}).with_row_index("code")
    codes = reviews.select(column).join(places, on=column, how="left", maintain_order="left")["code"]
    return codes.cast(pl.Int64).fill_null(-1).to_numpy()
