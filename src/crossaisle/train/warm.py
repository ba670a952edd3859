"""Where training goes on from: a fitted network, carried over to a catalogue and to people that have grown meanwhile. Imports: base, shape.

Everything that the network learned is taken over, by name and not by place: id rows of items that it was trained on, rows of event kinds
and of aisles. What is new (items, kinds of events, aisles) starts as in a new network, and all of it is trained. How items are read
(vocabulary, whitening, language model) stays as it is: a word that came since has no vector until everything is fitted anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import torch

from crossaisle.contracts import Progress
from crossaisle.data.dataset import Dataset
from crossaisle.encode.senses import Sense, Senses, select_items, stack_items
from crossaisle.errors import RequestError
from crossaisle.model.network import Network
from crossaisle.schema import Ints
from crossaisle.train.base import Adapted
from crossaisle.train.shape import Shape

__all__ = ["Warm"]


@dataclass(frozen=True, eq=False)
class Warm:
    """A fitted network and what it knows of its catalogue.

    Attributes
    ----------
    network : Network
    reader : object or None
        Reads items as the network was taught to.
    senses : Senses
        What is known of the items of its catalogue.
    items : polars.Series
        Their ids.
    events, aisles : tuple of str
        Its kinds of events and its aisles, in the order of their codes.
    stale : frozenset of str
        Items of the catalogue that say something else now: they are read again.
    adapted : tuple of Adapted
        Aisles that joined it (`train.base`).
    rates : bool
        It predicts ratings.
    """

    network: Network
    reader: Any
    senses: Senses
    items: pl.Series
    events: tuple[str, ...]
    aisles: tuple[str, ...]
    stale: frozenset[str] = frozenset()
    adapted: tuple[Adapted, ...] = ()
    rates: bool = False

    def check(self) -> None:
        """Refuse what cannot be gone on with.

        Raises
        ------
        RequestError
            If the network predicts ratings, or aisles joined it.
        """
        if self.rates:
            raise RequestError(
                "the model has learned ratings (train.objective=rating)", "one that ranks items", "fit it again on all tables instead"
            )
        if self.adapted:
            names = ", ".join(a.aisle for a in self.adapted)
            raise RequestError(
                f"aisles joined this model with adapters ({names}), and the rest of it is frozen",
                "a model fitted as a whole",
                "fit again on all tables, without --base",
            )

    def told(self, items: pl.DataFrame, progress: Progress | None = None) -> dict[str, Sense]:
        """The senses of a catalogue: what is known stays as it is, items that are new or say something else are read.

        A sense that the reader cannot read now (a photo without its folder) stays as it was of these, too.
        """
        if not self.senses:
            return {}
        known = {item: row for row, item in enumerate(self.items.to_list())}
        before = np.array([known.get(item, -1) for item in items["item_id"].to_list()], dtype=np.int64)
        rows = np.where(items["item_id"].is_in(list(self.stale)).to_numpy(), -1, before)
        fresh = np.flatnonzero(rows < 0)
        if not len(fresh):
            return select_items(self.senses, rows)
        there = len(next(iter(self.senses.values())).present)
        rows[fresh] = there + np.arange(len(fresh))
        new = self.reader.read(items[fresh], progress)
        stacked = stack_items(self.senses, {name: new[name] for name in self.senses})
        kept: frozenset[str] = frozenset(getattr(self.reader, "blind", ())) & self.senses.keys()
        unread = select_items({name: stacked[name] for name in kept}, np.where(before < 0, rows, before))
        return {**select_items(stacked, rows), **unread}

    def shape(self, data: Dataset, wanted: Shape) -> Shape:
        """The shape of the network that goes on: what it had, and what the data ask for beside it (``wanted``)."""
        had = Shape.of_network(self.network)
        return replace(
            wanted,
            n_events=max(had.n_events, wanted.n_events),
            weighted=had.weighted or wanted.weighted,
            timed=had.timed or wanted.timed,
            n_aisles=len(data.categories) if had.n_aisles else 0,
            review_width=had.review_width,
        )

    def fill(self, network: Network, data: Dataset) -> None:
        """Give a new network, attached to the catalogue of ``data``, all that this one has learned."""
        own = network.state_dict()
        for name, value in self.network.state_dict().items():
            if name == "tower.id_table":
                trained = self.network.tower.trained.cpu().numpy()
                codes = {item: row for row, item in enumerate(self.items.to_list()) if row < len(value) and trained[row]}
                _copy_rows(own[name], value, data.items["item_id"].to_list(), codes)
            elif name == "encoder.event":
                _copy_rows(own[name], value, list(data.event_names), {kind: code for code, kind in enumerate(self.events)})
            elif name.startswith("head."):
                known = {aisle: code for code, aisle in enumerate(self.aisles) if code < len(value)}
                _copy_rows(own[name], value, list(data.categories), known)
            elif name == "popularity.serve" or not name.startswith(("tower.trained", "popularity.")):
                own[name].copy_(value)
        network.load_state_dict(own)


def _copy_rows(own: torch.Tensor, kept: torch.Tensor, names: list[str], known: dict[str, int]) -> None:
    """Put the rows of ``kept`` where ``own`` has the same names; the other rows stay."""
    rows: Ints = np.array([known.get(name, -1) for name in names], dtype=np.int64)
    here = torch.from_numpy(np.flatnonzero(rows >= 0)).to(own.device)
    own[here] = kept[torch.from_numpy(rows[rows >= 0]).to(kept.device)].to(own.device)
