"""Cross-entropy over the catalogue without ever holding its logits. Imports: encode."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from crossaisle.encode.transformer import has_bfloat16_units

__all__ = ["catalogue_cross_entropy", "fast_dtype"]


def fast_dtype() -> torch.dtype:
    """bfloat16 where this processor multiplies it in hardware, float32 elsewhere (where bfloat16 would be far slower)."""
    return torch.bfloat16 if has_bfloat16_units() else torch.float32


class _FusedCrossEntropy(torch.autograd.Function):
    """Forward and backward in one pass over chunks of positions; the backward pass only scales what is already there."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        items: Tensor,
        scale: Tensor,
        targets: Tensor,
        weights: Tensor,
        column_bias: Tensor | None,
        chunk: int,
        dtype: torch.dtype,
    ) -> Tensor:
        total = weights.sum().clamp_min(1e-12)
        items_fast = items.to(dtype)
        factor = float(scale)
        d_states = torch.empty_like(states)
        d_items = torch.zeros_like(items)
        d_bias = torch.zeros_like(column_bias) if column_bias is not None and ctx.needs_input_grad[5] else None
        loss = states.new_zeros(())
        for start in range(0, len(states), chunk):
            part = slice(start, start + chunk)
            h, t, w = states[part], targets[part], weights[part] / total
            logits = (h * factor).to(dtype) @ items_fast.T  # (chunk, N)
            if column_bias is not None:
                logits += column_bias.to(dtype)
            target_items = items[t]
            target_logits = factor * (h * target_items).sum(1)
            if column_bias is not None:
                target_logits = target_logits + column_bias[t]
            p = torch.softmax(logits, 1)
            top, where = logits.max(1)
            # log of the sum, by way of the largest probability, which softmax computes in float32 inside
            log_sum = top.float() - p.gather(1, where[:, None])[:, 0].float().log()
            loss = loss + (w * (log_sum - target_logits)).sum()
            p.mul_(w.to(dtype)[:, None])
            # gradient of the logits is p - onehot(target); the one-hot part is exact, in float32
            d_states[part] = factor * ((p @ items_fast).float() - w[:, None] * target_items)
            d_items += (p.T @ (h * factor).to(dtype)).float()
            d_items.index_add_(0, t, h * (-factor * w[:, None]))
            if d_bias is not None:
                d_bias += p.float().sum(0)
                d_bias.index_add_(0, t, -w)
        ctx.save_for_backward(d_states, d_items, (d_states * states).sum() / factor, d_bias)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        d_states, d_items, d_scale, d_bias = ctx.saved_tensors
        g = grads[0]
        return g * d_states, g * d_items, g * d_scale, None, None, None if d_bias is None else g * d_bias, None, None


def catalogue_cross_entropy(
    states: Tensor,
    items: Tensor,
    scale: Tensor,
    targets: Tensor,
    weights: Tensor | None = None,
    column_bias: Tensor | None = None,
    chunk: int = 1024,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Weighted mean of -log softmax(scale * states @ items.T + column_bias)[target].

    Memory is (chunk, N) in ``dtype``, whatever P is; states and items are expected normalised to length 1 for a cosine softmax, though
    any vectors work.

    Parameters
    ----------
    states : float32 (P, D)
        History states, one a predicted position.
    items : float32 (N, D)
        Item vectors, the whole catalogue or a shared sample of it.
    scale : float32 ()
        Inverse temperature (learned).
    targets : int64 (P,)
        Row of ``items`` that came next.
    weights : float32 (P,), optional
        Weight of each position; 0 leaves it out. Default: all 1.
    column_bias : float32 (N,), optional
        Added to the logits of each item: the correction of sampled negatives, and what an aisle has learned.
    dtype : torch.dtype
        Precision of the large products; see `fast_dtype`.

    Returns
    -------
    float32 ()

    Examples
    --------
    >>> h, e = torch.eye(2), torch.eye(2)
    >>> round(float(catalogue_cross_entropy(h, e, torch.tensor(1.0), torch.tensor([0, 1]))), 4)
    0.3133
    """
    w = torch.ones(len(states), dtype=states.dtype) if weights is None else weights
    loss: Tensor = _FusedCrossEntropy.apply(states, items, scale, targets, w, column_bias, chunk, dtype)  # type: ignore[no-untyped-call]
    return loss
