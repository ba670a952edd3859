"""What ranking knows of the items: ids, aisles, availability and popularity. Imports: nothing of its own room."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.data.dataset import Dataset
from crossaisle.errors import RequestError, UnknownItem
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["Catalogue", "nearest"]

_PIECES = 64
"""A table that has grown from more pieces is put together anew."""


def nearest(name: str, known: Sequence[str]) -> str:
    """A short hint naming what is known: the nearest name, or the first few.

    Examples
    --------
    >>> nearest("Gardn", ["Books", "Garden"])
    "the nearest is 'Garden'"
    >>> nearest("zzz", ["Books", "Garden"])
    "for example 'Books', 'Garden'"
    """
    folded = {k.casefold(): k for k in reversed(known)}
    near = difflib.get_close_matches(name.casefold()[:200], folded, n=1, cutoff=0.5)
    if near:
        return f"the nearest is {folded[near[0]]!r}"
    return "for example " + ", ".join(repr(k) for k in known[:3]) if known else "there is none"


@dataclass(frozen=True, eq=False)
class Catalogue:
    """The items table as ranking needs it; build it once and keep it.

    Attributes
    ----------
    items : polars.DataFrame
        ``Dataset.items``: one row an item, the row number is the item's code.
    counts : int64 (N,)
        Events of each item in the training data: what popularity is counted from.
    event_names : tuple of str
        Event kinds, so that a reason can say "bought" where that is what happened.
    wish : int
        The code of the item that is a wish in free text (`crossaisle.rank.wish`); -1: there is none.
    """

    items: pl.DataFrame
    counts: Ints
    event_names: tuple[str, ...] = field(default=("interaction",))
    wish: int = -1

    @classmethod
    def of(cls, data: Dataset) -> Catalogue:
        """The catalogue of a dataset, with its own events as popularity.

        Examples
        --------
        >>> from crossaisle.testing import toy_dataset
        >>> catalogue = Catalogue.of(toy_dataset())
        >>> catalogue.n_items, catalogue.aisles
        (80, ('Books', 'Garden', 'Kitchen', 'Music'))
        """
        return cls(data.items, data.item_counts, data.event_names)

    def grown(self, joined: pl.DataFrame) -> Catalogue:
        """With items that came later, which nobody has bought yet; what is known of the others is not worked out again.

        Examples
        --------
        >>> items = pl.DataFrame({"item_id": ["a", "b", "c"], "category": ["Toys", "Toys", "Pets"]})
        >>> grown = Catalogue(items, np.array([2, 4, 2])).grown(pl.DataFrame({"item_id": ["d"], "category": ["Toys"]}))
        >>> grown.code("d"), grown.popularity.tolist()
        (3, [0.375, 0.75, 0.25, 0.25])
        """
        n, m = self.n_items, joined.height
        items = pl.concat([self.items, joined])
        if items.n_chunks() > _PIECES:
            items = items.rechunk()
        out = Catalogue(items, np.append(self.counts, np.zeros(m, np.int64)), self.event_names)
        made: dict[str, Any] = {"codes": self.codes | {item: n + k for k, item in enumerate(joined[schema.ITEM].to_list())}}
        places = {c: p for p, c in enumerate(self.aisles)} | {"": len(self.aisles)}
        aisles = joined[schema.CATEGORY].to_list()
        if places.keys() >= set(aisles):
            where = np.array([places[c] for c in aisles], np.int64)
            filled = np.bincount(self.item_aisles, minlength=len(places)).tolist()
            last = []
            for a in where.tolist():  # they stand behind all others of their aisle
                filled[a] += 1
                last.append(filled[a])
            made |= {"aisles": self.aisles, "item_aisles": np.append(self.item_aisles, where)}
            made["aisle_places"] = np.append(self.aisle_places, np.array(last, np.int64))
        out.__dict__.update(made)
        return out

    @property
    def n_items(self) -> int:
        return self.items.height

    @cached_property
    def codes(self) -> dict[str, int]:
        """Item id -> item code."""
        return {item: code for code, item in enumerate(self.items[schema.ITEM].to_list())}

    @cached_property
    def aisles(self) -> tuple[str, ...]:
        """The named aisles in alphabetical order; "" (unknown) is not one of them."""
        return tuple(c for c in self.items[schema.CATEGORY].unique().sort().to_list() if c)

    @cached_property
    def item_aisles(self) -> Ints:
        """int64 (N,): the aisle of each item as a position in `aisles`; ``len(aisles)`` where it is unknown."""
        places = {c: p for p, c in enumerate(self.aisles)}
        unknown = len(places)
        return np.fromiter((places.get(c, unknown) for c in self.items[schema.CATEGORY]), dtype=np.int64, count=self.n_items)

    @cached_property
    def available(self) -> Bools:
        """bool (N,): False only where the items table says so."""
        if schema.AVAILABLE not in self.items.columns:
            return np.ones(self.n_items, dtype=np.bool_)
        return self.items[schema.AVAILABLE].fill_null(True).to_numpy().astype(np.bool_)

    @cached_property
    def aisle_places(self) -> Ints:
        """int64 (N,): 1 for the best seller of an aisle, 2 for the next; items with as many events stand in item order."""
        order = np.lexsort((np.arange(self.n_items), -self.counts, self.item_aisles))
        sizes = np.bincount(self.item_aisles, minlength=len(self.aisles) + 1)
        places = np.empty(self.n_items, dtype=np.int64)
        places[order] = np.arange(self.n_items) - np.repeat(np.cumsum(sizes) - sizes, sizes) + 1
        return places

    @cached_property
    def popularity(self) -> Floats:
        """float32 (N,): the aisle's share of all events divided by the item's place in its aisle.

        Sorted by this, a list gives each aisle places in proportion to its popularity (the highest-averages method of D'Hondt) and
        fills them with the aisle's best sellers: what someone without a history sees.

        Examples
        --------
        >>> items = pl.DataFrame({"item_id": ["a", "b", "c"], "category": ["Toys", "Toys", "Pets"]})
        >>> Catalogue(items, np.array([2, 4, 2])).popularity.tolist()
        [0.375, 0.75, 0.25]
        """
        events = np.bincount(self.item_aisles, weights=self.counts, minlength=len(self.aisles) + 1)
        share = events / max(1.0, float(events.sum()))
        return (share[self.item_aisles] / self.aisle_places).astype(np.float32)

    def code(self, item: str) -> int:
        """The code of an item id.

        Raises
        ------
        UnknownItem
            If no item has that id.
        """
        if item not in self.codes:
            shown = item if len(item) <= 80 else item[:80] + "..."
            raise UnknownItem(f"unknown item {shown!r}", f"the id of one of the model's {self.n_items} items", self._near_id(item))
        return self.codes[item]

    def _near_id(self, item: str) -> str:
        near = difflib.get_close_matches(item[:80], list(self.codes)[:20_000], n=1, cutoff=0.7)
        return f"check the id (the nearest is {near[0]!r})" if near else "check the id, or add the item with: crossaisle catalog add"

    def aisle(self, name: str) -> int:
        """The position of an aisle in `aisles`.

        Raises
        ------
        RequestError
            If there is no such aisle; the nearest is suggested.
        """
        if name not in self.aisles:
            shown = name if len(name) <= 80 else name[:80] + "..."
            raise RequestError(f"unknown category {shown!r}", f"one of the {len(self.aisles)} categories", f"{nearest(name, self.aisles)}")
        return self.aisles.index(name)
