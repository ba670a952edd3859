"""A BERT's forward pass over texts laid end to end, without padding: what `encode` runs in float32 and mixed precision. Imports: schema.

On a CPU the pass is bound by matrix products, whose cost is the number of rows. Here rows are the texts' own tokens and nothing
else; attention runs over groups of texts of equal length, so that it needs no mask; query, key and value are one product. In mixed
precision most feed-forward layers, two thirds of the work, take bfloat16 products; what they are added to stays float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

__all__ = ["PackedBert", "equal_lengths", "packs"]

_TOKENS = 2_048
"""Tokens a batch; half as many or a quarter took 8 and 10 % more time."""
_ROWS = 512
"""Rows of a bfloat16 product, filled up with zeros: its rounding depends on its shape, and a text's vector must not on other texts."""


def packs(module: Any) -> bool:
    """Whether `PackedBert` computes what this module does: a plain BERT encoder with every layer as transformers made it."""
    config = getattr(module, "config", None)
    if type(module).__name__ != "BertModel" or getattr(config, "hidden_act", "") != "gelu" or getattr(config, "is_decoder", True):
        return False
    if getattr(config, "position_embedding_type", None) not in (None, "absolute"):
        return False
    return all(_plain(part) for part in _parts(module))


def _parts(module: Any) -> Iterator[Any]:
    """Every module whose weights `PackedBert` reads."""
    table = module.embeddings
    yield from (table.word_embeddings, table.position_embeddings, table.token_type_embeddings, table.LayerNorm)
    for layer in module.encoder.layer:
        own, after = layer.attention.self, layer.attention.output
        yield from (own.query, own.key, own.value, after.dense, after.LayerNorm)
        yield from (layer.intermediate.dense, layer.output.dense, layer.output.LayerNorm)


def _plain(part: Any) -> bool:
    """Whether a part is torch's own and nothing hangs on it: an adapter's layer looks like a linear one and computes more."""
    return type(part) in (torch.nn.Linear, torch.nn.LayerNorm, torch.nn.Embedding) and not (part._forward_hooks or part._forward_pre_hooks)


def equal_lengths(lengths: Sequence[int], most: int = _TOKENS) -> Iterator[list[tuple[int, list[int]]]]:
    """Batches of at most ``most`` tokens (or one text), each a list of (length, row numbers), longest first.

    Examples
    --------
    >>> list(equal_lengths([3, 5, 3, 2], most=11))
    [[(5, [1]), (3, [0, 2])], [(2, [3])]]
    """
    order = np.argsort([-n for n in lengths], kind="stable").tolist()
    batch: list[tuple[int, list[int]]] = []
    held = 0
    for row in order:
        length = lengths[row]
        if batch and held + length > most:
            yield batch
            batch, held = [], 0
        if not batch or batch[-1][0] != length:
            batch.append((length, []))
        batch[-1][1].append(row)
        held += length
    if batch:
        yield batch


class PackedBert:
    """A plain BERT in eval mode; its weights as they are now, so make a new one after they change.

    Parameters
    ----------
    module : transformers.BertModel
        One for which `packs` holds.
    mixed : bool
        Whether the feed-forward layers of the first two thirds run in bfloat16: with all of them vectors are off by more than .001.
    """

    def __init__(self, module: Any, mixed: bool = False) -> None:
        self.embeddings, self.heads = module.embeddings, int(module.config.num_attention_heads)
        self.layers = []
        layers = list(module.encoder.layer)
        for depth, layer in enumerate(layers):
            low = mixed and depth < 2 * len(layers) // 3
            own = layer.attention.self
            parts = (own.query, own.key, own.value)
            joined = torch.cat([p.weight for p in parts]), torch.cat([p.bias for p in parts])
            inner, outer = layer.intermediate.dense, layer.output
            forward = [p.bfloat16() if low else p for p in (inner.weight, inner.bias, outer.dense.weight, outer.dense.bias)]
            self.layers.append((joined, layer.attention.output, forward, outer.LayerNorm))

    def __call__(self, ids: torch.Tensor, groups: Sequence[tuple[int, int]]) -> torch.Tensor:
        """States of the last layer.

        Parameters
        ----------
        ids : int64 (N,)
            The tokens of all texts, one text after the other.
        groups : sequence of (int, int)
            How they are cut: (number of texts, tokens of each), in order.

        Returns
        -------
        float32 (N, dim)
        """
        table = self.embeddings
        places = torch.cat([torch.arange(t, device=ids.device).repeat(b) for b, t in groups])
        read = table.word_embeddings(ids) + table.position_embeddings(places) + table.token_type_embeddings.weight[0]
        x: torch.Tensor = table.LayerNorm(read)
        for (weight, bias), after, forward, norm in self.layers:
            x = after.LayerNorm(after.dense(self._attend(F.linear(x, weight, bias), groups)).add_(x))
            x = norm(self._feed_forward(x, *forward).add_(x))
        return x

    def _feed_forward(self, x: torch.Tensor, inner: torch.Tensor, inner_bias: torch.Tensor, outer: torch.Tensor, bias: torch.Tensor) -> Any:
        """float32 (N, dim) -> float32 (N, dim)."""
        if inner.dtype == torch.float32:
            return F.linear(F.gelu(F.linear(x, inner, inner_bias)), outer, bias)
        rows = torch.zeros(-(-len(x) // _ROWS) * _ROWS, x.shape[1], dtype=torch.bfloat16)
        rows[: len(x)] = x
        parts = [F.linear(F.gelu(F.linear(part, inner, inner_bias)), outer, bias) for part in torch.split(rows, _ROWS)]
        found: torch.Tensor = torch.cat(parts)[: len(x)]
        return found.float()

    def _attend(self, joined: torch.Tensor, groups: Sequence[tuple[int, int]]) -> torch.Tensor:
        """Queries, keys and values side by side, float32 (N, 3 dim) -> contexts float32 (N, dim); a text sees itself alone."""
        out, start = [], 0
        for texts, length in groups:
            part = joined[start : start + texts * length].view(texts, length, 3, self.heads, -1)
            query, key, value = part.permute(2, 0, 3, 1, 4)
            seen = F.scaled_dot_product_attention(query, key, value)
            out.append(seen.transpose(1, 2).reshape(texts * length, -1))
            start += texts * length
        return torch.cat(out)
