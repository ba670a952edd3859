"""A finished network that a new aisle joins: what is taken over, what is trained, and what cannot be joined. Imports: settings.

Everything of the base is frozen. Trained are an adapter of the new aisle (`model.adapter`) and the id rows of items that the base did not
know; so the vectors of all other items, and their order for a history without new items, stay as they were to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch

from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Queries
from crossaisle.encode.senses import Sense, Senses, select_items, stack_items
from crossaisle.errors import RequestError, SettingError
from crossaisle.model.network import Network
from crossaisle.model.settings import ModelSettings
from crossaisle.schema import Bools, Ints
from crossaisle.train.settings import TrainSettings
from crossaisle.tune.settings import TuneSettings

__all__ = ["MOST_SHARE", "Adapted", "Base", "adaptation", "trunk_parameters"]

MOST_SHARE = 0.02
"""An adapter has less than this share of the parameters of the trunk."""

_SHAPE = ("dim", "text_dim", "text_scale", "blocks", "heads", "feedforward", "window", "fusion")
"""Settings of the model that the network of the base has to agree with."""


@dataclass(frozen=True)
class Adapted:
    """An aisle that joined a finished network: the rank of its adapter, and how many id rows were trained with it."""

    aisle: str
    rank: int
    id_rows: int


@dataclass(frozen=True, eq=False)
class Base:
    """A fitted network, and the aisle that is to join it.

    Attributes
    ----------
    network : Network
    reader : object or None
        Reads items as the base does.
    model : ModelSettings
    senses : Senses
        What it knows of the items of its catalogue.
    items : polars.Series
        Ids of the items of its catalogue.
    aisles : tuple of str
        The aisle of each of these.
    events : tuple of str
        Its kinds of events.
    adapted : tuple of Adapted
        Aisles that joined it before.
    aisle : str
        The one that joins it now.
    rates : bool
        It predicts ratings.
    """

    network: Network
    reader: Any
    model: ModelSettings
    senses: Senses
    items: pl.Series
    aisles: tuple[str, ...]
    events: tuple[str, ...]
    adapted: tuple[Adapted, ...]
    aisle: str
    rates: bool = False

    def rows(self, items: pl.Series) -> Ints:
        """int64 (N,): where the base has each item, -1 for one that it was not trained on."""
        trained = self.network.tower.trained.cpu().numpy()
        codes = {item: row for row, item in enumerate(self.items.to_list()) if row < len(trained) and trained[row]}
        return np.array([codes.get(item, -1) for item in items.to_list()], dtype=np.int64)

    def told(self, items: pl.DataFrame, read: Callable[[pl.DataFrame], Senses], names: Iterable[str] | None = None) -> dict[str, Sense]:
        """The senses of some items: what the base knows of those that it was trained on, as it is; the others are read.

        Parameters
        ----------
        read : callable
            Gives the senses of a table of items.
        names : iterable of str, optional
            Only these senses.
        """
        rows = self.rows(items["item_id"])
        fresh = np.flatnonzero(rows < 0)
        rows[fresh] = len(self.items) + np.arange(len(fresh))
        new, wanted = read(items[fresh]), list(self.senses if names is None else names)
        both = stack_items({name: self.senses[name] for name in wanted}, {name: new[name] for name in wanted})
        return select_items(both, rows)

    def missing(self, items: pl.Series) -> int:
        """How many items that it was trained on are not among these."""
        return int(self.network.tower.trained.sum()) - int((self.rows(items) >= 0).sum())

    def answerable(self, items: pl.Series, asked: Queries) -> Queries:
        """The questions whose targets the base did not know: it may have been trained on what is held back of the others."""
        known: Bools = self.rows(items) >= 0
        told = np.bincount(asked.targets.owners, weights=known[asked.targets.items], minlength=len(asked))
        return asked[np.flatnonzero(told == 0)]

    def check(self, data: Dataset, model: ModelSettings, training: TrainSettings, tune: TuneSettings) -> None:
        """Refuse what cannot be joined.

        Raises
        ------
        RequestError
            If the tables lack the aisle, the base knows it already, it has another objective, or the tables hold none of its items.
        SettingError
            If the settings ask for another network than the base's, for a tuned language model, or for too large an adapter.
        """
        if self.aisle not in set(data.items["category"].to_list()):
            theirs = ", ".join(data.categories[:8]) + (", ..." if len(data.categories) > 8 else "")
            raise RequestError(
                f"the tables have no aisle {self.aisle[:80]!r}", f"one of theirs ({theirs})", "write it as the column category does"
            )
        trained = self.network.tower.trained.cpu().numpy()
        known = sum(name == self.aisle for name, t in zip(self.aisles, trained.tolist(), strict=False) if t)
        if known:
            raise RequestError(
                f"the base was trained on {known} items of {self.aisle!r} already",
                "an aisle that is new to it",
                "adapt another one, or fit again without a base",
            )
        other = "factored" if self.network.head is not None else "rating" if self.rates else training.objective
        if other != "catalogue":
            raise RequestError(
                f"an aisle cannot join a model of train.objective={other}",
                "train.objective=catalogue, in the base and here",
                "fit the base again, or everything without a base",
            )
        if self.network.popularity is not None or training.debias == "popularity":
            raise RequestError(
                "an aisle cannot join a model of train.debias=popularity",
                "train.debias=none or ips, in the base and here",
                "fit the base again, or everything without a base",
            )
        self._check_shape(model)
        if tune.active:
            raise SettingError(f"tune.form is {tune.form}, and the base stays as it is", "frozen", "leave tune.form out")
        for name in ("char_noise", "unlabelled", "consistency"):
            value = getattr(training, name)
            if value and value != "none":
                raise SettingError(f"train.{name} is {value}, and the base stays as it is", "a plain loss", f"leave train.{name} out")
        if not (self.rows(data.items["item_id"]) >= 0).any():
            raise RequestError(
                "the tables hold no item that the base was trained on", "its tables and the new aisle's together", "join the tables first"
            )
        adapter = 2 * model.adapter_rank * model.dim + 1
        trunk = trunk_parameters(self.network)
        if adapter >= MOST_SHARE * trunk:
            raise SettingError(
                f"an adapter of rank {model.adapter_rank} has {adapter:,} parameters, {adapter / trunk:.1%} of the base's {trunk:,}",
                f"less than {MOST_SHARE:.0%}",
                "lower model.adapter_rank",
            )

    def _check_shape(self, model: ModelSettings) -> None:
        if "id" in model.senses and self.network.tower.id_table is None:
            raise SettingError(
                "the base has no id vectors, and model.senses names id",
                f"model.senses={','.join(self.model.senses)}",
                "leave id out of model.senses",
            )
        if set(model.senses) != set(self.model.senses):
            raise SettingError(
                f"model.senses is {','.join(model.senses)}", f"those of the base, {','.join(self.model.senses)}", "set model.senses to them"
            )
        for name in _SHAPE:
            mine, its = getattr(model, name), getattr(self.model, name)
            if mine != its:
                raise SettingError(f"model.{name} is {mine}", f"that of the base, {its}", f"set model.{name}={its}")

    def grow(self, network: Network, data: Dataset) -> Ints:
        """Give a new network all that the base knows, and freeze that.

        Parameters
        ----------
        network : Network
            Attached to the catalogue of ``data``, its last adapter that of the new aisle.

        Returns
        -------
        int64 (K,)
            Codes of the items whose id rows are trained.
        """
        rows = self.rows(data.items["item_id"])
        known = rows >= 0
        tower, kept, own = network.tower, self.network.state_dict(), network.state_dict()
        here, there = torch.from_numpy(np.flatnonzero(known)), torch.from_numpy(rows[known])
        for name, value in kept.items():
            if name == "tower.id_table":
                own[name][here] = value[there].to(own[name].device)
            elif name == "encoder.event":
                own[name].zero_()  # a kind that the base does not know adds nothing
                for code, kind in enumerate(data.event_names):
                    if kind in self.events:
                        own[name][code] = value[self.events.index(kind)]
            elif name != "tower.trained":
                own[name].copy_(value)
        network.load_state_dict(own)
        for parameter in network.parameters():
            parameter.requires_grad_(False)
        for parameter in tower.adapters[-1].parameters():
            parameter.requires_grad_(True)
        fresh: Ints = np.flatnonzero(~known & (data.item_counts > 0))
        if tower.id_table is None:
            return fresh[:0]
        tower.thaw_ids(fresh)
        return fresh


def trunk_parameters(network: Network) -> int:
    """Parameters that all aisles share: neither id rows nor adapters; a frozen language model is not among them."""
    apart = ("tower.adapters.", "tower.id_table", "tower.fresh_ids")
    return sum(p.numel() for name, p in network.named_parameters() if not name.startswith(apart))


def adaptation(network: Network, adapted: tuple[Adapted, ...]) -> dict[str, Any] | None:
    """Parameters of the trunk and of each aisle that joined it, id rows apart; None where none did."""
    if not adapted:
        return None
    trunk, joined = trunk_parameters(network), []
    for known, adapter in zip(adapted, network.tower.adapters, strict=True):
        n = sum(p.numel() for p in adapter.parameters())
        joined.append(
            {
                "aisle": known.aisle,
                "rank": known.rank,
                "parameters": n,
                "share of the trunk": round(n / trunk, 5),
                "id rows": known.id_rows,
                "parameters of id rows": known.id_rows * network.tower.settings.dim,
            }
        )
    return {"trunk parameters": trunk, "adapters": joined}
