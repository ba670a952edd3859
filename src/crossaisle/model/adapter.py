"""What a new aisle brings to a network that stays as it is: a small correction of its items' vectors and a bias. Imports: settings.

    e_i' = e_i + B_c A_c e_i,    score(h, i) = s cos(h, e_i') + b_c    for the items i of aisle c

(Hu et al. 2021, "LoRA", eq. 3, on item vectors; per domain as in ABXI, Bian et al. 2025). B_c and b_c begin at 0, so the network begins
as it was. Vectors and scores of all other items are not touched.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crossaisle.model.settings import ModelSettings

__all__ = ["AisleAdapter"]


class AisleAdapter(nn.Module):
    """The correction of one aisle.

    Parameters
    ----------
    settings : ModelSettings
        ``dim`` is the vectors' width, ``adapter_rank`` the rank of the correction; 0 leaves only the bias.

    Examples
    --------
    >>> adapter = AisleAdapter(ModelSettings(dim=8, adapter_rank=2))
    >>> e = torch.randn(3, 8)
    >>> torch.equal(adapter(e), e), sum(p.numel() for p in adapter.parameters())
    (True, 33)
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        rank = settings.adapter_rank
        self.down = nn.Parameter(torch.randn(rank, settings.dim) * settings.dim**-0.5)
        self.up = nn.Parameter(torch.zeros(settings.dim, rank))
        self.bias = nn.Parameter(torch.zeros(()))

    @property
    def rank(self) -> int:
        """Rank of the correction."""
        return len(self.down)

    def forward(self, e: Tensor) -> Tensor:
        """float32 (R, D) to (R, D); linear, so that what is done to a sum is done to its parts."""
        return e + e @ self.down.T @ self.up.T
