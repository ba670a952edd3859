"""The people whose histories a model holds: by id, as a dataset, and as a table on disk. Imports: data, rank."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.own_reviews import OwnReviews, ReviewTable
from crossaisle.errors import RequestError
from crossaisle.rank.catalogue import Catalogue
from crossaisle.schema import Ints

__all__ = ["People"]

_REVIEW, _REVIEWED = "review", "reviewed"
_RATED = "rated"
"""Column of the histories with what people gave, where the model has learned ratings."""


@dataclass(frozen=True, eq=False)
class People:
    """Users and what each of them did.

    Attributes
    ----------
    users : polars.Series
        User ids (U,).
    histories : Histories
        One a user, in that order.

    Examples
    --------
    >>> people = People(pl.Series(["ann", "bob"]), Histories.from_lists([[3, 1], [2]]))
    >>> ids, histories = people.of(["bob", "nobody"])
    >>> ids, [row.tolist() for row in histories.rows()]
    (['bob', 'nobody'], [[2], []])
    """

    users: pl.Series
    histories: Histories

    def of(self, users: Sequence[str] | str | None) -> tuple[Sequence[str], Histories]:
        """Ids and histories of users, all if None or "all"; one who is not known has an empty history.

        Raises
        ------
        RequestError
            If ``users`` is another text.
        """
        if isinstance(users, str) and users != "all":
            raise RequestError(f"users is the text {users!r}", "a list of user ids, or 'all'", f"pass [{users!r}]")
        known: list[str] = self.users.to_list()
        if users is None or isinstance(users, str):
            return known, self.histories
        ids = [str(u) for u in users]
        places = {u: p for p, u in enumerate(known)}
        rows = np.array([places.get(u, len(places)) for u in ids], dtype=np.int64)
        return ids, _with_empty(self.histories)[rows]

    def dataset(self, catalogue: Catalogue) -> Dataset:
        """What they did with the items of a catalogue, as what the graph is counted from."""
        return Dataset(catalogue.items, self.users, self.histories, catalogue.event_names)

    def write(self, path: Path, catalogue: Catalogue, with_ratings: bool) -> None:
        """One row an event; of the reviews that people wrote only vectors, ratings and times, no text."""
        h = self.histories
        pl.DataFrame(
            {
                schema.USER: self.users.gather(h.owners),
                schema.ITEM: catalogue.items[schema.ITEM].gather(h.items),
                schema.EVENT: pl.Series(catalogue.event_names, dtype=pl.String).gather(h.events),
                schema.WEIGHT: h.weights,
                schema.TIMESTAMP: pl.Series(h.times).fill_nan(None),
                **_review_columns(h.own),
                **({} if h.ratings is None or not with_ratings else {_RATED: pl.Series(h.ratings).fill_nan(None)}),
            }
        ).write_parquet(path)

    @classmethod
    def read(cls, path: Path, catalogue: Catalogue) -> People:
        """The inverse of `write`; people without an event are not there any more."""
        table = pl.read_parquet(path)
        lengths = table.group_by(schema.USER, maintain_order=True).len()
        offsets = np.zeros(lengths.height + 1, dtype=np.int64)
        np.cumsum(lengths["len"].to_numpy(), out=offsets[1:])
        histories = Histories.from_arrays(
            offsets,
            _places(table[schema.ITEM], catalogue.items[schema.ITEM]),
            _places(table[schema.EVENT], pl.Series(catalogue.event_names, dtype=pl.String)),
            table[schema.WEIGHT].to_numpy(),
            table[schema.TIMESTAMP].fill_null(float("nan")).to_numpy(),
            table[_RATED].fill_null(float("nan")).to_numpy() if _RATED in table.columns else None,
        )
        if _REVIEW in table.columns:
            histories = dataclasses.replace(histories, own=_read_own(table))
        return cls(lengths[schema.USER], histories)


def _places(values: pl.Series, known: pl.Series) -> Ints:
    """int64: the place of each value among the known ones; one that is not known is an error of the file."""
    return values.replace_strict(known, range(len(known)), return_dtype=pl.Int64).to_numpy()


def _with_empty(histories: Histories) -> Histories:
    """The same histories and, at the end, an empty one."""
    return dataclasses.replace(histories, offsets=np.append(histories.offsets, histories.offsets[-1]))


def _review_columns(own: OwnReviews | None) -> dict[str, pl.Series]:
    """What is kept of the reviews that people wrote of their items: vectors, ratings and times, one an event; no text."""
    if own is None or own.table.vectors is None or own.table.told is None:
        return {}
    linked = own.rows >= 0
    rows = np.maximum(own.rows, 0)
    some = linked & own.table.told[rows] if len(own.table.told) else linked
    vectors = [own.table.vectors[r].tolist() if there else None for r, there in zip(rows.tolist(), some.tolist(), strict=True)]
    rating = [float(own.table.ratings[r]) if there else None for r, there in zip(rows.tolist(), linked.tolist(), strict=True)]
    return {
        _REVIEW: pl.Series(vectors, dtype=pl.List(pl.Float32)),
        schema.RATING: pl.Series(rating, dtype=pl.Float32).fill_nan(None),
        _REVIEWED: pl.Series(own.times).fill_nan(None),
    }


def _read_own(table: pl.DataFrame) -> OwnReviews:
    """The inverse of `_review_columns`."""
    linked = table[_REVIEWED].is_not_null().to_numpy()
    kept = table.filter(pl.Series(linked))
    told = kept[_REVIEW].is_not_null().to_numpy()
    width = len(kept[_REVIEW].drop_nulls()[0]) if told.any() else 0
    vectors = np.zeros((kept.height, width), np.float32)
    if told.any():
        vectors[told] = np.array(kept[_REVIEW].drop_nulls().to_list(), dtype=np.float32)
    ratings, times = (kept[c].fill_null(float("nan")).to_numpy() for c in (schema.RATING, _REVIEWED))
    read = ReviewTable(None, ratings.astype(np.float32), times.astype(np.float64), vectors, told)
    return OwnReviews(np.where(linked, np.cumsum(linked) - 1, -1).astype(np.int64), read)
