"""The direction in which item vectors hurt most: the gradient of the loss on the very questions that are asked.

Imports nothing of its own room. Fast gradient method (Goodfellow et al. 2015; on a recommender's vectors: He et al. 2018, "Adversarial
Personalized Ranking"): the attacker knows the network and the answers, so to first order this is the worst that a shift of that size does
to the network. What joins the network in the blend is not shifted, as it does not read these vectors.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from crossaisle.data.split import Queries
from crossaisle.schema import Floats
from crossaisle.train.fit import NetworkScorer
from crossaisle.train.packing import pack_for_reading

__all__ = ["worst_directions"]

_BATCH = 256


def worst_directions(net: NetworkScorer, queries: Queries) -> Floats:
    """float32 (N, D): gradient of the cross-entropy of all answers by the item vectors, which are history and candidates alike.

    Parameters
    ----------
    net : NetworkScorer
        Fitted.
    queries : Queries
        With histories that are not empty; of several answers the first counts.
    """
    network = net.network
    raw = net.raw_vectors().detach().clone()  # also checks that it is fitted
    assert network is not None
    total = torch.zeros_like(raw)
    network.eval()
    rows = np.flatnonzero((queries.histories.lengths > 0) & (queries.targets.lengths > 0))
    for start in range(0, len(rows), _BATCH):
        part = queries[rows[start : start + _BATCH]]
        packing = pack_for_reading(net.with_reviews(part.histories), network.tower.settings.window)
        vectors = raw.clone().requires_grad_()
        states = network.states(vectors, packing.rows.to(raw.device))
        last = states[torch.from_numpy(packing.last_row), torch.from_numpy(packing.last_column)]
        scores = network.scores(last, F.normalize(vectors, dim=-1))
        answers = torch.from_numpy(part.targets.items[part.targets.offsets[:-1]]).to(raw.device)
        loss = F.cross_entropy(scores, answers, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, vectors)
        total += gradient
    out: Floats = total.cpu().numpy()
    return out
