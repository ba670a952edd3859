"""From data and settings to a network that is made for them. Imports: settings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from crossaisle.data.dataset import Dataset
from crossaisle.encode.senses import Senses
from crossaisle.model.network import Network
from crossaisle.model.settings import ModelSettings
from crossaisle.train.settings import TrainSettings

__all__ = ["Shape", "new_network"]


@dataclass(frozen=True)
class Shape:
    """What the data decide about a network, beside its settings.

    Attributes
    ----------
    n_events : int
        Kinds of events that are told apart.
    weighted, timed : bool
        Weights of events and gaps between them are read.
    n_aisles : int
        Aisles of the factored objective, 0 with any other.
    review_width : int
        Of the vectors of people's own reviews, 0 where they are not read.
    """

    n_events: int
    weighted: bool
    timed: bool
    n_aisles: int = 0
    review_width: int = 0

    @classmethod
    def of_data(cls, data: Dataset, model: ModelSettings, training: TrainSettings, review_width: int = 0) -> Shape:
        """For training on a dataset; where ratings are learned, they take the place of weights."""
        apart = training.objective == "factored" and len(np.unique(data.item_categories[data.item_counts > 0])) > 1
        return cls(
            n_events=len(data.event_names) if model.use_events else 1,
            weighted=model.use_weights and training.objective != "rating" and bool((data.histories.weights != 1).any()),
            timed=model.use_times and bool(np.isfinite(data.histories.times).any()),
            n_aisles=len(data.categories) if apart else 0,
            review_width=review_width,
        )

    @classmethod
    def of_network(cls, network: Network) -> Shape:
        """Of a network that is there."""
        encoder = network.encoder
        return cls(
            n_events=1 if encoder.event is None else len(encoder.event),
            weighted=encoder.weight is not None,
            timed=encoder.gap is not None,
            n_aisles=0 if network.head is None else network.head.n_aisles,
            review_width=0 if encoder.own is None else len(encoder.own.whiten.mean),
        )


def new_network(
    model: ModelSettings, shape: Shape, senses: Senses, n_items: int, *, seed: int, rates: bool = False, adapter_ranks: tuple[int, ...] = ()
) -> Network:
    """A network with weights drawn by ``seed``, for a catalogue of ``n_items`` with these senses, not yet attached to it.

    Parameters
    ----------
    rates : bool
        It is to predict ratings: the weight of an event multiplies its item.
    adapter_ranks : tuple of int
        Rank of the adapter of each aisle that joins.
    """
    widths = {name: (s.dim, isinstance(s.values, np.ndarray)) for name, s in senses.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(
            model,
            widths,
            n_items if "id" in model.senses else 0,
            shape.n_events,
            shape.weighted,
            shape.timed,
            shape.n_aisles,
            shape.review_width,
            rates,
            adapter_ranks,
        )
