"""Popularity as a confounder: a part of each logit that says how common an item is. Imports nothing of this room.

Training ranks by f(h, i) + gamma log m_i, with m_i the smoothed number of an item's events, so that f need not explain how common an item
is; served is f(h, i) + gamma' log m_i. gamma' = 0 leaves popularity out (the intervention do(item)), gamma' = gamma gives the ranking that
was trained. It is the softmax twin of PD and PDA (Zhang et al. 2021, "Causal Intervention for Leveraging Popularity Bias in
Recommendation", arXiv:2105.06067, where a power of popularity is a factor), and has the form of logit adjustment (Menon et al. 2021,
arXiv:2007.07314).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from crossaisle.schema import Bools, Ints

__all__ = ["PopularityBias"]


class PopularityBias(nn.Module):
    """gamma log m_i for training and gamma' log m_i for serving.

    log m_i is log(1 + n_i) less its mean over the items that training knows. An item that training does not know, or one that joins later,
    has 0: nothing is known of its popularity, so it counts as an ordinary one.

    Parameters
    ----------
    counts : int64 (N,)
        How often each item is a target in training.
    known : bool (N,)
        Items that training knows, the columns of its softmax.
    gamma : float
    serve : float
        gamma'; kept with the weights, for it may be chosen after training.

    Examples
    --------
    >>> bias = PopularityBias(np.array([7, 1, 0]), np.array([True, True, False]), 0.5, 0.0)
    >>> [round(float(b), 3) for b in bias.trained()]
    [0.347, -0.347, 0.0]
    """

    log_m: Tensor
    serve: Tensor

    def __init__(self, counts: Ints, known: Bools, gamma: float, serve: float) -> None:
        super().__init__()
        log_m = np.log1p(counts.astype(np.float64))
        log_m = np.where(known, log_m - log_m[known].sum() / max(int(known.sum()), 1), 0.0)
        self.gamma = gamma
        self.register_buffer("log_m", torch.from_numpy(log_m.astype(np.float32)))
        self.register_buffer("serve", torch.tensor(serve))

    def trained(self, codes: Tensor | None = None) -> Tensor:
        """float32 (K,): what training adds to the logits of these items; of the whole catalogue that was trained on if none is given."""
        return self.gamma * (self.log_m if codes is None else self.log_m[codes])

    def over(self, n_items: int) -> Tensor:
        """float32 (N,): log m of a catalogue that may have grown since."""
        return F.pad(self.log_m, (0, n_items - len(self.log_m)))
