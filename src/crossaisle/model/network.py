"""The network: P(next item | history, text). Imports: settings, item_tower, user_encoder, aisle_head, popularity.

score(history, item) = s * cos(state(history), vector(item)), with s a learned temperature. Restricting the candidates to an aisle
gives P(item | history, aisle) without another model, because a softmax restricted to a subset keeps its odds. The items of an aisle with
an adapter have its bias added. With an aisle head the score is log P(aisle | history) + log P(item | aisle, history), and the same holds.
Where popularity is kept apart (`popularity`), scores hold as much of it as is to be served.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crossaisle.model.aisle_head import AisleHead
from crossaisle.model.item_tower import ItemTower
from crossaisle.model.popularity import PopularityBias
from crossaisle.model.settings import ModelSettings
from crossaisle.model.user_encoder import UserEncoder

__all__ = ["Network", "PackedRows"]


@dataclass(frozen=True, eq=False)
class PackedRows:
    """R rows of T places, each holding several histories end to end; see `UserEncoder.forward` for the arrays.

    ``items`` and ``targets`` are item codes (0 where padding); ``target_weights`` is 0 where a place predicts nothing. Where people's own
    reviews are read, ``review`` is a row of ``reviews`` (M, W), which all rows share, -1 where there is none, and ``rating`` is NaN where
    there is none. Where ratings are what is learned, ``target_ratings`` holds what is to be predicted of each target, NaN where unknown.
    """

    items: Tensor
    segment: Tensor
    place: Tensor
    event: Tensor
    weight: Tensor
    gap: Tensor
    targets: Tensor
    target_weights: Tensor
    review: Tensor | None = None
    rating: Tensor | None = None
    reviews: Tensor | None = None
    target_ratings: Tensor | None = None

    def __len__(self) -> int:
        return len(self.items)

    def rows(self, which: slice | Tensor) -> PackedRows:
        """Some of the rows."""
        return self._each(lambda x: x[which], self.reviews)

    def to(self, device: torch.device) -> PackedRows:
        """The same rows on another device."""
        return self._each(lambda x: x.to(device), None if self.reviews is None else self.reviews.to(device))

    def _each(self, change: Callable[[Tensor], Tensor], reviews: Tensor | None) -> PackedRows:
        values: dict[str, Any] = {f: getattr(self, f) for f in self.__dataclass_fields__ if f != "reviews"}
        changed: dict[str, Any] = {f: None if x is None else change(x) for f, x in values.items()}
        return PackedRows(**changed, reviews=reviews)


class Network(nn.Module):
    """Item tower, history encoder and temperature; with two or more aisles to tell apart (``n_aisles``) an aisle head.

    ``popularity`` is set from outside, where training is to keep popularity apart.
    ``signed``: the weight of an event multiplies its item, see `UserEncoder.forward`.
    ``adapter_ranks`` has the rank of each adapter of the tower, in their order.
    """

    def __init__(
        self,
        settings: ModelSettings,
        widths: dict[str, tuple[int, bool]],
        n_items: int,
        n_events: int = 1,
        with_weights: bool = False,
        with_times: bool = False,
        n_aisles: int = 0,
        review_width: int = 0,
        signed: bool = False,
        adapter_ranks: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.tower = ItemTower(settings, widths, n_items)
        self.encoder = UserEncoder(settings, n_events, with_weights, with_times, review_width, signed)
        self.log_scale = nn.Parameter(torch.tensor(math.log(settings.temperature)))
        self.head = AisleHead(settings, n_aisles) if n_aisles > 1 else None
        self.popularity: PopularityBias | None = None
        for rank in adapter_ranks:
            self.tower.add_adapter(replace(settings, adapter_rank=rank))

    @property
    def scale(self) -> Tensor:
        """The learned factor between cosine and logit, at most 100."""
        return self.log_scale.exp().clamp(max=100.0)

    def states(self, vectors: Tensor, rows: PackedRows, codes: Tensor | None = None) -> Tensor:
        """float32 (R, T, D), length 1.

        Parameters
        ----------
        vectors : float32 (N, D)
            What `ItemTower` gave for the catalogue.
        codes : int64 (R, T), optional
            Rows of ``vectors`` for each token, where ``vectors`` is not the whole catalogue.
        """
        tokens = F.embedding(rows.items if codes is None else codes, vectors)  # its backward pass adds in a fixed order
        wrote = self.wrote(rows.review, rows.rating, rows.reviews)
        return F.normalize(self.encoder(tokens, rows.segment, rows.place, rows.event, rows.weight, rows.gap, wrote), dim=-1)

    def wrote(self, review: Tensor | None, rating: Tensor | None, reviews: Tensor | None) -> Tensor | None:
        """float32 (R, T, D): what the people's own reviews add to their tokens; None where none are read."""
        if self.encoder.own is None or review is None or rating is None or reviews is None:
            return None
        out: Tensor = self.encoder.own(review, rating, reviews)
        return out

    def scores(self, states: Tensor, vectors: Tensor, columns: Tensor | None = None) -> Tensor:
        """float32 (B, N) or (B, K): logits of all items or of some; log-probabilities where there is an aisle head.

        Parameters
        ----------
        states : float32 (B, D)
            Of length 1.
        vectors : float32 (N, D)
            Vectors of all items, of length 1.
        columns : int64 (K,), optional
            The items wanted.
        """
        log_m = None if self.popularity is None else self.popularity.over(len(vectors))
        if self.head is None:
            out = self.scale * (states @ (vectors if columns is None else vectors[columns]).T)
            if self.popularity is not None and log_m is not None:
                out = out + self.popularity.serve * (log_m if columns is None else log_m[columns])
            return self.biased(out, columns)
        if self.popularity is None or log_m is None:
            out = self.head.log_probabilities(states, vectors, self.scale)
        else:  # P_served(i | h) ~ P_trained(i | h) m_i^(gamma' - gamma), summed over the items that training knows
            gamma = self.popularity.gamma
            out = self.head.log_probabilities(states, vectors, self.scale, gamma * log_m) + (self.popularity.serve - gamma) * log_m
            out = out - torch.logsumexp(out[:, self.tower.trained], 1, keepdim=True)
        return out if columns is None else out[:, columns]

    def biased(self, logits: Tensor, columns: Tensor | None = None) -> Tensor:
        """Logits (B, N) or (B, K) with the bias of aisles that have an adapter."""
        bias = self.tower.item_bias()
        return logits if bias is None else logits + (bias if columns is None else bias[columns])
