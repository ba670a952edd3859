"""Aisles that pull the shared encoder in opposite directions: their gradients, projected (PCGrad). Imports: settings.

For the gradients g_1 ... g_G of the groups of aisles (Yu et al. 2020, "Gradient Surgery for Multi-Task Learning", alg. 1):

    g_i  <-  g_i - (g_i . g_j) / |g_j|^2  g_j        for every j != i with g_i . g_j < 0, in random order;    step along  sum over i of g_i

Only the history encoder is treated so: vectors of items and words belong to few aisles anyway. A group costs a step of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from crossaisle.errors import SettingError
from crossaisle.model.network import Network, PackedRows
from crossaisle.schema import Ints
from crossaisle.train.settings import TrainSettings

__all__ = ["MOST_GROUPS", "Conflict", "aisle_groups", "projected"]

MOST_GROUPS = 4


def aisle_groups(events: Ints, most: int = MOST_GROUPS) -> Ints:
    """int64 (C,): the group of each aisle by its events (C,): the largest stand alone, the rest are the last group.

    Examples
    --------
    >>> aisle_groups(np.array([5, 90, 1, 30, 40, 8])).tolist()
    [3, 0, 3, 2, 1, 3]
    """
    out = np.full(len(events), most - 1, dtype=np.int64)
    largest = np.argsort(-events, kind="stable")[: len(events) if len(events) <= most else most - 1]
    out[largest] = np.arange(len(largest))
    return out


def projected(gradients: Tensor, generator: torch.Generator) -> Tensor:
    """float32 (P,): the sum of gradients (G, P), each without what it has against the others.

    Examples
    --------
    >>> projected(torch.tensor([[1.0, 0.0], [-1.0, 1.0]]), torch.Generator()).tolist()
    [0.5, 1.5]
    """
    squares = (gradients * gradients).sum(1).clamp(min=1e-24)
    out = torch.zeros_like(gradients[0])
    for i in range(len(gradients)):
        mine = gradients[i].clone()
        for j in torch.randperm(len(gradients), generator=generator).tolist():
            against = torch.dot(mine, gradients[j])
            if j != i and against < 0:
                mine -= against / squares[j] * gradients[j]
        out += mine
    return out


class Conflict:
    """One step of training, group by group.

    Parameters
    ----------
    items : int64 (E,)
        Item codes of all events, by which aisles are large.
    item_aisles : int64 (N,)

    Raises
    ------
    SettingError
        If ``train.adversarial`` is on too.
    """

    def __init__(self, settings: TrainSettings, items: Ints, item_aisles: Ints, device: torch.device) -> None:
        if settings.adversarial != "none":
            raise SettingError(
                f"train.conflict is {settings.conflict} beside train.adversarial={settings.adversarial}",
                "one of the two",
                "set either to none",
            )
        events = np.bincount(item_aisles[items], minlength=int(item_aisles.max(initial=0)) + 1)
        self.group = torch.from_numpy(aisle_groups(events)[item_aisles]).to(device)

    def backward(self, network: Network, rows: PackedRows, loss_of: Callable[[PackedRows], Tensor], generator: torch.Generator) -> Tensor:
        """Leave the gradients of a step in the parameters; returns the loss.

        Parameters
        ----------
        loss_of : callable
            The mean loss over the targets of some rows.
        """
        shared = [p for p in network.encoder.parameters() if p.requires_grad]
        total, loss, found = rows.target_weights.sum(), rows.target_weights.new_zeros(()), []
        group = self.group[rows.targets]
        for g in torch.unique(group[rows.target_weights > 0]).tolist():
            mine = rows.target_weights * (group == g)
            for p in shared:
                p.grad = None
            part = loss_of(replace(rows, target_weights=mine)) * (mine.sum() / total)
            part.backward()
            found.append(_flat(shared))
            loss = loss + part.detach()
        if shared and found:
            _write(shared, projected(torch.stack(found), generator))
        return loss


def _flat(parameters: list[torch.nn.Parameter]) -> Tensor:
    if not parameters:
        return torch.zeros(0)
    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])


def _write(parameters: list[torch.nn.Parameter], flat: Tensor) -> None:
    for p, part in zip(parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True):
        p.grad = part.view_as(p).clone()
