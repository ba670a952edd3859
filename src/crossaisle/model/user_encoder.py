"""The history encoder: packed rows of history tokens through a causal transformer. Imports: settings, dropout, own_review.

Rows hold several histories end to end, so that padding costs nothing; a token sees only earlier tokens of its own history.
Pre-norm blocks (Xiong et al. 2020) with a learned relative position bias (Shaw et al. 2018; in the scalar form of T5,
Raffel et al. 2020); next-item prediction at every position as in SASRec (Kang and McAuley 2018).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crossaisle.model.dropout import CheapDropout
from crossaisle.model.own_review import OwnReview
from crossaisle.model.settings import ModelSettings

__all__ = ["UserEncoder"]

TIME_BUCKETS = 16


class _Block(nn.Module):
    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        d, self.heads = settings.dim, settings.heads
        self.norm_a, self.norm_f = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, settings.feedforward * d), nn.Linear(settings.feedforward * d, d)
        self.bias = nn.Parameter(torch.zeros(settings.heads, settings.window))  # by distance into the past
        self.dropout = CheapDropout(settings.dropout)

    def forward(self, x: Tensor, distance: Tensor, hidden: Tensor) -> Tensor:
        r, t, d = x.shape
        q, k, v = self.qkv(self.norm_a(x)).view(r, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        a = q @ k.transpose(-1, -2) / math.sqrt(d // self.heads) + self.bias[:, distance]  # (R, H, T, T)
        a = self.dropout(a.masked_fill(hidden[:, None], float("-inf")).softmax(-1))
        x = x + self.dropout(self.out((a @ v).transpose(1, 2).reshape(r, t, d)))
        out: Tensor = x + self.dropout(self.down(F.gelu(self.up(self.norm_f(x)))))
        return out


class UserEncoder(nn.Module):
    """History tokens to history states, both (R, T, D)."""

    def __init__(
        self,
        settings: ModelSettings,
        n_events: int,
        with_weights: bool,
        with_times: bool,
        review_width: int = 0,
        signed: bool = False,
    ) -> None:
        super().__init__()
        d = settings.dim
        self.norm_in, self.norm_out = nn.LayerNorm(d), nn.LayerNorm(d)
        self.position = nn.Parameter(torch.randn(settings.window, d) * 0.02)
        self.event = nn.Parameter(torch.zeros(n_events, d)) if n_events > 1 else None
        self.weight = nn.Parameter(torch.zeros(d)) if with_weights else None
        self.gap = nn.Parameter(torch.zeros(TIME_BUCKETS + 1, d)) if with_times else None
        self.blocks = nn.ModuleList([_Block(settings) for _ in range(settings.blocks)])
        self.dropout = CheapDropout(settings.input_dropout)
        self.own = OwnReview(settings, review_width) if review_width else None
        self.lift = nn.Parameter(torch.full((1,), 0.5)) if signed else None

    def forward(
        self, e: Tensor, segment: Tensor, place: Tensor, event: Tensor, weight: Tensor, gap: Tensor, wrote: Tensor | None = None
    ) -> Tensor:
        """States after each token.

        Parameters
        ----------
        e : float32 (R, T, D)
            Item vectors of the tokens.
        segment : int64 (R, T)
            Which history of the row a token belongs to; -1 for padding.
        place : int64 (R, T)
            Position inside the history's window.
        event : int64 (R, T)
            Event kind; -1 where unknown, which adds nothing.
        weight : float32 (R, T)
            Event weight; ``signed``: how much the item was liked above the average, which multiplies its vector, so that a history adds up
            what was liked less what was not. What nobody rated stands at 0 and keeps the learned ``lift``.
        gap : float32 (R, T)
            Seconds since the event before, NaN where unknown.
        wrote : float32 (R, T, D), optional
            What `OwnReview` makes of the user's own reviews of the tokens.
        """
        x = self.tokens(e, self.position[place], event, weight, gap, wrote)
        x = self.dropout(x)
        steps = torch.arange(e.shape[1], device=e.device)
        distance = (steps[:, None] - steps[None, :]).clamp(0, self.position.shape[0] - 1)
        hidden = (segment[:, :, None] != segment[:, None, :]) | (steps[:, None] < steps[None, :])
        for block in self.blocks:
            x = block(x, distance, hidden)
        out: Tensor = self.norm_out(x)
        return out

    def tokens(
        self, e: Tensor, position: Tensor, event: Tensor | None, weight: Tensor | None, gap: Tensor | None, wrote: Tensor | None = None
    ) -> Tensor:
        """float32 (R, T, D): what the first block reads.

        Parameters
        ----------
        position : float32 (R, T, D) or (T, D)
            Of each token.
        event, weight, gap, wrote
            As in `forward`; what this encoder does not read may be None.
        """
        x: Tensor = self.norm_in(e)
        if self.lift is not None and weight is not None:
            x = x * (self.lift + weight[..., None])
        x = x + position
        if self.event is not None and event is not None:
            x = x + self.event[event.clamp_min(0)] * (event >= 0)[..., None]
        if self.weight is not None and weight is not None:
            x = x + torch.log1p(weight.clamp_min(0))[..., None] * self.weight
        if self.gap is not None and gap is not None:
            x = x + self.gap[time_bucket(gap)]
        if wrote is not None:
            x = x + wrote
        return x


def time_bucket(gap: Tensor) -> Tensor:
    """Bucket of a gap in seconds: 0 same moment, then by powers of two from an hour; `TIME_BUCKETS` where unknown.

    Examples
    --------
    >>> time_bucket(torch.tensor([0.0, 3600.0, 86400.0, float("nan")])).tolist()
    [0, 1, 4, 16]
    """
    known = torch.nan_to_num(gap, nan=0.0).clamp_min(0)
    bucket = torch.log2(known / 3600 + 1).floor().clamp(0, TIME_BUCKETS - 1).long()
    return torch.where(gap.isnan(), torch.full_like(bucket, TIME_BUCKETS), bucket)
