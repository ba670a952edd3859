"""The factored form P(item | history) = P(aisle | history) x P(item | aisle, history). Imports: settings.

With s cos(h, e_i) as the plain network has it, and aisles c with vectors w_c and biases b_c:

    log P(i | h) = log softmax_c(s h.w_c + b_c)[c(i)]  +  s cos(h_c, e_i)  -  log sum over j in c(i) of exp(s cos(h_c, e_j))

so every aisle is ranked by a softmax of its own, and how likely the aisle is at all is learned apart from it. h_c is h, or where
``aisle_rank`` is above 0 the normalised h + B_c A_c h (Hu et al. 2021, "LoRA", eq. 3; per domain as in ABXI, Bian et al. 2025). The
sums run over trained items, so an item that joins later changes no other score.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crossaisle.model.settings import ModelSettings
from crossaisle.schema import Ints

__all__ = ["AisleHead"]


class AisleHead(nn.Module):
    """Which aisle comes next, and how each aisle reads the state.

    After `attach`, ``shelves[c]`` holds the item codes of aisle c, ``trained_places[c]`` which of them training knows, by position there,
    and ``members[c]`` the codes of those.

    Parameters
    ----------
    settings : ModelSettings
    n_aisles : int
        Aisles of the catalogue that is trained on, at least 2.
    """

    item_aisles: Tensor
    live: Tensor

    def __init__(self, settings: ModelSettings, n_aisles: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.zeros(n_aisles, settings.dim))
        self.bias = nn.Parameter(torch.zeros(n_aisles))
        rank = settings.aisle_rank
        self.down = nn.Parameter(torch.randn(n_aisles, rank, settings.dim) * settings.dim**-0.5) if rank else None
        self.up = nn.Parameter(torch.zeros(n_aisles, settings.dim, rank)) if rank else None
        self.register_buffer("item_aisles", torch.zeros(0, dtype=torch.int64), persistent=False)
        self.register_buffer("live", torch.zeros(n_aisles, dtype=torch.bool), persistent=False)
        self.shelves: list[Tensor] = []
        self.trained_places: list[Tensor] = []
        self.members: list[Tensor] = []

    @property
    def n_aisles(self) -> int:
        """Aisles it was made for; a code from there on is an aisle that joined after training."""
        return len(self.bias)

    def attach(self, item_aisles: Ints, trained: Tensor) -> None:
        """Set the catalogue.

        Parameters
        ----------
        item_aisles : int64 (N,)
            Aisle of each item.
        trained : bool (N,)
            Items that training knows; the others count in no sum, unless their aisle has none that does.
        """
        self.item_aisles = torch.from_numpy(np.ascontiguousarray(item_aisles)).to(trained.device)
        n = max(self.n_aisles, int(item_aisles.max(initial=-1)) + 1)
        self.shelves = [torch.nonzero(self.item_aisles == c)[:, 0] for c in range(n)]
        self.trained_places = [torch.nonzero(trained[shelf])[:, 0] for shelf in self.shelves]
        self.members = [shelf[places] for shelf, places in zip(self.shelves, self.trained_places, strict=True)]
        self.live = torch.tensor([len(m) > 0 for m in self.members[: self.n_aisles]], device=trained.device)

    def aisle_logits(self, states: Tensor, scale: Tensor) -> Tensor:
        """float32 (P, C); -inf where an aisle has no trained item."""
        return (scale * (states @ self.vectors.T) + self.bias).masked_fill(~self.live, -torch.inf)

    def aisle_loss(self, states: Tensor, scale: Tensor, aisles: Tensor, weights: Tensor) -> Tensor:
        """float32 (): weighted mean of -log P(aisle | state) over P positions."""
        each = F.cross_entropy(self.aisle_logits(states, scale), aisles, reduction="none")
        return (each * weights).sum() / weights.sum().clamp_min(1e-12)

    def correct(self, states: Tensor, aisle: int) -> Tensor:
        """float32 (P, D): the states as an aisle reads them, of length 1."""
        if self.down is None or self.up is None or aisle >= self.n_aisles:
            return states
        return F.normalize(states + states @ self.down[aisle].T @ self.up[aisle].T, dim=-1)

    def log_probabilities(self, states: Tensor, vectors: Tensor, scale: Tensor, added: Tensor | None = None) -> Tensor:
        """float32 (B, N): log P(item | history).

        An item that was never trained stands where its cosine puts it among the trained ones of its aisle. Where a whole aisle was
        never trained, its items are held against those of the aisles that the history is likely to go to: s cos(h, e_i) plus the mean
        over P(c | h) of what those add to theirs.

        Parameters
        ----------
        states : float32 (B, D)
        vectors : float32 (N, D)
            Item vectors of length 1.
        added : float32 (N,), optional
            What training adds to the logits inside an aisle.
        """
        aisle = torch.log_softmax(self.aisle_logits(states, scale), 1)  # (B, C)
        out = states.new_empty(len(states), len(vectors))
        likely, unknown = states.new_zeros(len(states), 1), []
        for c, (here, trained) in enumerate(zip(self.shelves, self.trained_places, strict=True)):
            raw = scale * (self.correct(states, c) @ vectors[here].T)
            if added is not None:
                raw = raw + added[here]
            if len(trained):
                inside = raw if len(trained) == len(here) else raw[:, trained]
                shift = aisle[:, c, None] - torch.logsumexp(inside, 1, keepdim=True)
                likely = likely + aisle[:, c, None].exp() * shift
                raw = raw + shift
            else:
                unknown.append(here)
            out[:, here] = raw
        for here in unknown:
            out[:, here] += likely
        return out
