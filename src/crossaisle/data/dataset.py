"""The dataset: checked tables as integer arrays.

Imports: schema, errors, histories, own_reviews; build, when a dataset is made from tables.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.data.histories import Histories
from crossaisle.data.own_reviews import link
from crossaisle.errors import TableError
from crossaisle.schema import Bools, Ints, Times

if TYPE_CHECKING:
    from crossaisle.data.build import DataSettings

__all__ = ["Dataset", "media_folder"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Items, users and what the users did.

    Attributes
    ----------
    items : polars.DataFrame
        One row an item; the row number is the item's code. Columns: ``item_id``, ``category`` (the aisle, "" where unknown),
        ``title``, ``brand``, ``description`` ("" where missing), ``categories`` (list of str from the aisle down), ``price``
        (float or null), ``available`` (bool), ``image``, ``video`` (str or null), ``known`` (False for an item that only
        interactions mention), then any further text columns of the items table (str, "" where missing).
    users : polars.Series
        User ids; the position is the user's code.
    histories : Histories
        One a user, oldest event first (timestamp, then position, then file order).
    event_names : tuple of str
        Event kinds; ``histories.events`` points into it.
    reviews : polars.DataFrame or None
        ``user_id``, ``item_id``, ``timestamp`` (float seconds), ``rating``, ``helpful`` (votes), ``text``.
    media : Path or None
        Folder of the files that ``image`` and ``video`` name; not saved with a model.
    report : dict
        What was read, cleaned and rejected: plain values, ready for JSON.
    propensities : float64 (N,) or None
        How likely each item was seen by the people whose events these are, NaN where that is unknown: the items table's column
        ``propensity``. Read by ``train.debias=ips``.
    """

    items: pl.DataFrame
    users: pl.Series
    histories: Histories
    event_names: tuple[str, ...] = ("interaction",)
    reviews: pl.DataFrame | None = None
    report: dict[str, Any] = field(default_factory=dict)
    media: Path | None = None
    propensities: Times | None = None

    @classmethod
    def from_files(
        cls,
        interactions: str | Path,
        items: str | Path | None = None,
        reviews: str | Path | None = None,
        *,
        settings: DataSettings | None = None,
        columns: Mapping[str, str] | None = None,
        encoding: str | None = None,
        media: str | Path | None = None,
        rejected_to: str | Path | None = None,
    ) -> Dataset:
        """A dataset from table files, see `crossaisle.data.build.build_dataset`; ``media`` is the folder of the items' files."""
        from crossaisle.data.build import build_dataset

        place = None if rejected_to is None else Path(rejected_to)
        found = media_folder(media)
        data = build_dataset(interactions, items, reviews, settings=settings, columns=columns, encoding=encoding, rejected_to=place)
        return dataclasses.replace(data, media=found)

    @classmethod
    def from_frames(
        cls,
        interactions: pl.DataFrame,
        items: pl.DataFrame | None = None,
        reviews: pl.DataFrame | None = None,
        *,
        settings: DataSettings | None = None,
        columns: Mapping[str, str] | None = None,
        media: str | Path | None = None,
        rejected_to: str | Path | None = None,
    ) -> Dataset:
        """A dataset from polars frames, see `from_files`."""
        from crossaisle.data.build import build_dataset

        place = None if rejected_to is None else Path(rejected_to)
        found = media_folder(media)
        data = build_dataset(interactions, items, reviews, settings=settings, columns=columns, rejected_to=place)
        return dataclasses.replace(data, media=found)

    @property
    def n_items(self) -> int:
        return self.items.height

    @property
    def n_users(self) -> int:
        return len(self.users)

    @cached_property
    def item_codes(self) -> dict[str, int]:
        """Item id -> item code."""
        return {i: c for c, i in enumerate(self.items[schema.ITEM].to_list())}

    @cached_property
    def user_codes(self) -> dict[str, int]:
        """User id -> user code."""
        return {u: c for c, u in enumerate(self.users.to_list())}

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The aisles, in alphabetical order; "" (unknown) is one of them where some item has none."""
        return tuple(self.items[schema.CATEGORY].unique().sort().to_list())

    @cached_property
    def item_categories(self) -> Ints:
        """int64 (N,): the aisle of each item, as a position in `categories`."""
        places = {c: p for p, c in enumerate(self.categories)}
        return np.fromiter((places[c] for c in self.items[schema.CATEGORY]), dtype=np.int64, count=self.n_items)

    @cached_property
    def item_counts(self) -> Ints:
        """int64 (N,): how many events each item has in `histories`; rounded up where some count less."""
        h = self.histories
        if h.trust is not None:
            return np.asarray(np.ceil(np.bincount(h.items, weights=h.trust, minlength=self.n_items) - 1e-4), dtype=np.int64)
        return np.bincount(h.items, minlength=self.n_items).astype(np.int64)

    def with_histories(self, histories: Histories) -> Dataset:
        """The same items and users with other histories (one a user)."""
        if len(histories) != self.n_users:
            raise ValueError(f"{len(histories)} histories for {self.n_users} users; expected one a user")
        return dataclasses.replace(self, histories=histories)

    def with_own_reviews(self) -> Dataset:
        """The same data with each event linked to what its user wrote about its item, see `Histories.own`; as it is without reviews."""
        if self.reviews is None:
            return self
        h = self.histories
        own = link(h.owners, h.items, self.users, self.items[schema.ITEM], self.reviews)
        return self.with_histories(dataclasses.replace(h, own=own))

    def without_reviews(self) -> Dataset:
        """The same data without reviews, those of the items and those of the events."""
        return dataclasses.replace(self, reviews=None, histories=dataclasses.replace(self.histories, own=None))

    def select_users(self, which: Bools | Ints) -> Dataset:
        """Only the chosen users (a mask of length B or their codes), items untouched."""
        rows = np.arange(self.n_users, dtype=np.int64)[which]
        return dataclasses.replace(self, users=self.users.gather(rows), histories=self.histories[rows])

    def select_items(self, which: Bools) -> Dataset:
        """Only the chosen items (a mask of length N) with the events and reviews of them, all users kept."""
        items = self.items.filter(pl.Series(which))
        reviews = None if self.reviews is None else self.reviews.join(items.select(schema.ITEM), on=schema.ITEM, how="semi")
        seen = None if self.propensities is None else self.propensities[which]
        return dataclasses.replace(self, items=items, histories=self.histories.of_items(which), reviews=reviews, propensities=seen)


def media_folder(folder: str | Path | None) -> Path | None:
    """The media folder, whole path, as one that exists.

    Raises
    ------
    TableError
        If it is no folder.
    """
    if folder is None:
        return None
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        raise TableError(f"the media folder {folder} does not exist or is no folder", "a folder with photos or videos", "correct --media")
    return path
