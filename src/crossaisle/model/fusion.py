"""What an item's senses add up to, whichever of them it has. Imports: settings.

    sum:   e_i = sum over senses s present at i of p_is
    gate:  e_i = sum over senses s present at i of n_i a_is p_is,   a_i = softmax over those s of w_s . tanh(U_s p_is)

p_is is what sense s says of item i in D dimensions and n_i the number of its senses. A sense that is missing takes no part in the softmax,
so an item with a photo alone is made of its photo (after MISSRec's gate, Wang et al. 2023, with the mask in the softmax and no constant
vector for what is absent). w starts at 0: the gate starts as the sum. In training each sense of an item is left out with probability
``modality_dropout``, never all of them, so that the rest learn to stand alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crossaisle.model.settings import ModelSettings

__all__ = ["Fusion"]

_HIDDEN = 16


class Fusion(nn.Module):
    """See the file's first lines.

    Parameters
    ----------
    settings : ModelSettings
    names : list of str
        The S senses, in the order in which they are given.

    Examples
    --------
    >>> fuse = Fusion(ModelSettings(dim=8, fusion="gate"), ["image", "text"]).eval()
    >>> photo, text = torch.ones(2, 8), torch.full((2, 8), 3.0)
    >>> [part[:, 0].tolist() for part in fuse([photo, text], torch.tensor([[True, True], [True, False]]))]
    [[1.0, 1.0], [3.0, 0.0]]
    """

    def __init__(self, settings: ModelSettings, names: list[str]) -> None:
        super().__init__()
        self.dropout = settings.modality_dropout
        self.gates: nn.ModuleList | None = None
        if settings.fusion == "gate" and len(names) > 1:
            self.gates = nn.ModuleList(
                nn.Sequential(nn.Linear(settings.dim, _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, 1, bias=False)) for _ in names
            )
            for gate in self.gates:
                nn.init.zeros_(gate[2].weight)  # type: ignore[index]

    def forward(self, parts: list[Tensor], present: Tensor) -> list[Tensor]:
        """What each sense adds: S times float32 (R, D).

        Parameters
        ----------
        parts : list of float32 (R, D)
            0 where the sense is missing.
        present : bool (R, S)
        """
        dropping = self.training and self.dropout > 0
        if dropping:
            present = self._some(present)
        if self.gates is not None:
            logits = torch.cat([gate(part) for gate, part in zip(self.gates, parts, strict=True)], dim=1)
            shares = torch.softmax(logits.masked_fill(~present, -1e4), dim=1) * present
            weights = shares * present.sum(1, keepdim=True)
        elif dropping:
            weights = present.to(parts[0].dtype)
        else:
            return parts
        return [part * weights[:, s : s + 1] for s, part in enumerate(parts)]

    def _some(self, present: Tensor) -> Tensor:
        """Without those that are left out this time; an item that would have none keeps all."""
        kept = present & (torch.rand(present.shape, device=present.device) >= self.dropout)
        return torch.where(kept.any(1, keepdim=True), kept, present)
