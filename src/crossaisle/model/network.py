"""The network: P(next item | history, text). Imports: settings, item_tower, user_encoder, aisle_head.

score(history, item) = s * cos(state(history), vector(item)), with s a learned temperature. Restricting the candidates to an aisle
gives P(item | history, aisle) without another model, because a softmax restricted to a subset keeps its odds. With an aisle head the
score is log P(aisle | history) + log P(item | aisle, history), and the same holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crossaisle.model.aisle_head import AisleHead
from crossaisle.model.item_tower import ItemTower
from crossaisle.model.settings import ModelSettings
from crossaisle.model.user_encoder import UserEncoder

__all__ = ["Network", "PackedRows"]


@dataclass(frozen=True, eq=False)
class PackedRows:
    """R rows of T places, each holding several histories end to end; see `UserEncoder.forward` for the arrays.

    ``items`` and ``targets`` are item codes (0 where padding); ``target_weights`` is 0 where a place predicts nothing.
    """

    items: Tensor
    segment: Tensor
    place: Tensor
    event: Tensor
    weight: Tensor
    gap: Tensor
    targets: Tensor
    target_weights: Tensor

    def __len__(self) -> int:
        return len(self.items)

    def rows(self, which: slice | Tensor) -> PackedRows:
        """Some of the rows."""
        return PackedRows(*(getattr(self, f)[which] for f in self.__dataclass_fields__))

    def to(self, device: torch.device) -> PackedRows:
        """The same rows on another device."""
        return PackedRows(*(getattr(self, f).to(device) for f in self.__dataclass_fields__))


class Network(nn.Module):
    """Item tower, history encoder and temperature; with two or more aisles to tell apart (``n_aisles``) an aisle head."""

    def __init__(
        self,
        settings: ModelSettings,
        widths: dict[str, tuple[int, bool]],
        n_items: int,
        n_events: int = 1,
        with_weights: bool = False,
        with_times: bool = False,
        n_aisles: int = 0,
    ) -> None:
        super().__init__()
        self.tower = ItemTower(settings, widths, n_items)
        self.encoder = UserEncoder(settings, n_events, with_weights, with_times)
        self.log_scale = nn.Parameter(torch.tensor(math.log(settings.temperature)))
        self.head = AisleHead(settings, n_aisles) if n_aisles > 1 else None

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
        return F.normalize(self.encoder(tokens, rows.segment, rows.place, rows.event, rows.weight, rows.gap), dim=-1)

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
        if self.head is None:
            return self.scale * (states @ (vectors if columns is None else vectors[columns]).T)
        out = self.head.log_probabilities(states, vectors, self.scale)
        return out if columns is None else out[:, columns]
