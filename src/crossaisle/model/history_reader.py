"""The history encoder laid out for reading alone: the state after each whole history, at half of the cost or less.

Imports: network.

The same numbers as `UserEncoder` without dropout, by fewer operations. Each history has a row of its own, from the left, so that attention
looks at one history and one mask serves all; in the last block only the newest token asks, the others only answer. Measured against ONNX
Runtime in ``benchmarks/service/encoder.py``: not far enough behind it for another dependency.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from crossaisle.model.network import Network

__all__ = ["HistoryReader"]

_Layer = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class _Block:
    """Plain tensors of a block: looking them up in a module costs as much as a small product."""

    norm_a: _Layer
    norm_f: _Layer
    qkv: _Layer
    out: _Layer
    up: _Layer
    down: _Layer
    past: Tensor
    """float32 (1, H, W, W): what is added to the attention of each place to each other; minus infinity to later ones."""

    @classmethod
    def of(cls, block: Any, distance: Tensor) -> _Block:
        past = block.bias.detach()[:, distance.clamp(min=0)].masked_fill(distance < 0, float("-inf"))
        layers = {name: _layer(getattr(block, name)) for name in ("norm_a", "norm_f", "qkv", "out", "up", "down")}
        return cls(**layers, past=past[None])

    def read(self, x: Tensor, b: int) -> Tensor:
        """float32 (B * T, D), in place: every token asks those before it."""
        t, d = len(x) // b, x.shape[1]
        heads = self.past.shape[1]
        q, k, v = F.linear(_norm(x, self.norm_a), *self.qkv).view(b, t, 3, heads, d // heads).permute(2, 0, 3, 1, 4).unbind(0)
        a = F.scaled_dot_product_attention(q, k, v, attn_mask=self.past[:, :, :t, :t])
        return self._feed(x.add_(F.linear(a.transpose(1, 2).reshape(b * t, d), *self.out)))

    def read_newest(self, x: Tensor, newest: Tensor) -> Tensor:
        """float32 (B, D): `read` at one place of each row, int64 (B,)."""
        b, d = len(newest), x.shape[1]
        t = len(x) // b
        heads = self.past.shape[1]
        here = torch.arange(0, b * t, t, device=x.device).add_(newest)
        normed = _norm(x, self.norm_a)
        weight, shift = self.qkv
        q = F.linear(normed.index_select(0, here), weight[:d], shift[:d]).view(b, heads, 1, d // heads)
        k, v = F.linear(normed, weight[d:], shift[d:]).view(b, t, 2, heads, d // heads).permute(2, 0, 3, 1, 4).unbind(0)
        past = self.past[0, :, :, :t].transpose(0, 1).index_select(0, newest)[:, :, None]
        a = F.scaled_dot_product_attention(q, k, v, attn_mask=past)
        return self._feed(x.index_select(0, here).add_(F.linear(a.reshape(b, d), *self.out)))

    def _feed(self, x: Tensor) -> Tensor:
        return x.add_(F.linear(F.gelu(F.linear(_norm(x, self.norm_f), *self.up)), *self.down))


class HistoryReader:
    """Reads histories with a network as it is now; after training it has to be made anew.

    Parameters
    ----------
    network : Network
        Its encoder's parameters are used, not copied.
    """

    def __init__(self, network: Network) -> None:
        encoder = network.encoder
        self.network, self.window = network, network.tower.settings.window
        self.reads_events = encoder.event is not None
        self.reads_weights = encoder.weight is not None or encoder.lift is not None
        self.reads_times = encoder.gap is not None
        self.reads_reviews = encoder.own is not None
        self.dim = network.tower.settings.dim
        self.device = network.log_scale.device
        places = torch.arange(self.window, device=self.device)
        with torch.inference_mode():
            self._blocks = [_Block.of(block, places[:, None] - places) for block in encoder.blocks]
            self._position, self._norm_out = encoder.position.detach(), _layer(encoder.norm_out)

    def states(
        self,
        vectors: Tensor,
        items: Tensor,
        lengths: Tensor,
        event: Tensor | None = None,
        weight: Tensor | None = None,
        gap: Tensor | None = None,
        wrote: Tensor | None = None,
    ) -> Tensor:
        """float32 (B, D), length 1: the state after each history.

        Parameters
        ----------
        vectors : float32 (N, D)
            What `ItemTower` gave for the catalogue.
        items : int64 (B, T)
            Item codes, oldest first from the left, T at most the window; what stands behind a history's end is not looked at.
        lengths : int64 (B,)
            1 to T.
        event, weight, gap, wrote
            As in `UserEncoder.forward`; needed where this reader ``reads_`` them.
        """
        with torch.inference_mode():
            position = self._position[: items.shape[1]]
            x = self.network.encoder.tokens(F.embedding(items, vectors), position, event, weight, gap, wrote).view(-1, self.dim)
            for block in self._blocks[:-1]:
                x = block.read(x, len(items))
            return F.normalize(_norm(self._blocks[-1].read_newest(x, lengths - 1), self._norm_out), dim=-1)


def _layer(layer: Any) -> _Layer:
    return layer.weight.detach(), layer.bias.detach()


def _norm(x: Tensor, layer: _Layer) -> Tensor:
    return F.layer_norm(x, (x.shape[-1],), *layer)
