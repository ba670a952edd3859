"""What people wrote themselves about the items of their histories. Imports: schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.schema import Bools, Floats, Ints, Times

__all__ = ["OwnReviews", "ReviewTable", "link"]


@dataclass(frozen=True, eq=False)
class ReviewTable:
    """M reviews that events point to; shared by every part of the histories that were cut from one dataset.

    Attributes
    ----------
    texts : sequence of str, or None
        None where only vectors are left, as in a saved model.
    ratings : float32 (M,)
        NaN where none was given.
    times : float64 (M,)
        When it was written, unix seconds.
    vectors : float32 (M, D), or None
        What a language model read. Rows that no event points to are never filled.
    told : bool (M,), or None
        Which rows of ``vectors`` hold something.
    """

    texts: Sequence[str] | None
    ratings: Floats
    times: Times
    vectors: Floats | None = None
    told: Bools | None = None


@dataclass(frozen=True, eq=False)
class OwnReviews:
    """For each of E events the review that the same person wrote of the same item.

    Attributes
    ----------
    rows : int64 (E,)
        Row of ``table``, -1 where there is none or none that may be read.
    table : ReviewTable

    Examples
    --------
    >>> table = ReviewTable(["fine"], np.ones(1, np.float32), np.array([5.0]))
    >>> own = OwnReviews(np.array([0, -1, 0]), table)
    >>> own.before(np.array([6.0, 6.0, 5.0])).rows.tolist(), own.take(np.array([2])).rows.tolist()
    ([0, -1, -1], [0])
    """

    rows: Ints
    table: ReviewTable

    def take(self, which: Ints) -> OwnReviews:
        """The links of the chosen events."""
        return replace(self, rows=self.rows[which])

    def only(self, mask: Bools) -> OwnReviews:
        """The links where ``mask`` (E,) is true; the others go."""
        return replace(self, rows=np.where(mask, self.rows, -1))

    @property
    def times(self) -> Times:
        """float64 (E,): when the linked review was written, NaN where there is none."""
        out = np.full(len(self.rows), np.nan)
        linked = self.rows >= 0
        out[linked] = self.table.times[self.rows[linked]]
        return out

    def before(self, moments: Times) -> OwnReviews:
        """Only the links to reviews known to be older than each event's moment, float64 (E,); an unknown moment is older than anything."""
        return self.only(self.times < moments)


def link(owners: Ints, items: Ints, users: pl.Series, item_ids: pl.Series, reviews: pl.DataFrame) -> OwnReviews:
    """Each event with the review by its user of its item; of several the oldest, which a later one can never replace.

    Reviews without a time are left out: nobody can say that they are older than what is predicted.

    Parameters
    ----------
    owners, items : int64 (E,)
        User and item codes of the events.
    users, item_ids : polars.Series
        The ids behind the codes.
    reviews : polars.DataFrame
        See `Dataset.reviews`.
    """
    first = reviews.filter(pl.col(schema.TIMESTAMP).is_not_null()).sort(schema.TIMESTAMP, maintain_order=True)
    first = first.unique([schema.USER, schema.ITEM], keep="first", maintain_order=True)
    pairs = pl.DataFrame({schema.USER: users.gather(owners), schema.ITEM: item_ids.gather(items)})
    first = first.join(pairs.unique(), on=[schema.USER, schema.ITEM], how="semi", maintain_order="left")
    places = first.select(schema.USER, schema.ITEM).with_row_index("row")
    rows = pairs.join(places, on=[schema.USER, schema.ITEM], how="left", maintain_order="left")["row"]
    table = ReviewTable(
        first[schema.TEXT].to_list(),
        first[schema.RATING].fill_null(float("nan")).to_numpy().astype(np.float32),
        first[schema.TIMESTAMP].to_numpy().astype(np.float64),
    )
    return OwnReviews(rows.cast(pl.Int64).fill_null(-1).to_numpy(), table)
