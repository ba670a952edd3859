"""The loss of one training step: the next item among all, or the next aisle and the item inside it, or its rating.

Imports: ratings.

Items without any event in training are no columns of the softmax: they are never a target, so it would only push them away, and an item
that waits in the catalogue would be worth less than one that is added a day later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from crossaisle.model.losses import catalogue_cross_entropy
from crossaisle.model.network import Network, PackedRows
from crossaisle.schema import Floats, Ints, Times
from crossaisle.train.ratings import rating_loss

__all__ = ["aisle_weights", "step_loss"]


def aisle_weights(item_counts: Ints | Times, item_aisles: Ints, balance: float) -> Floats | None:
    """float32 (N,): what a target weighs, n_c^(balance - 1) for the n_c events of its aisle, 1 on average over all events; None for 1.

    Examples
    --------
    >>> [round(float(w), 3) for w in aisle_weights(np.array([3, 1, 1]), np.array([0, 0, 1]), 0.5)]
    [0.833, 0.833, 1.667]
    """
    if balance == 1:
        return None
    n = np.bincount(item_aisles, weights=item_counts)
    each = np.maximum(n, 1) ** (balance - 1)
    out: Floats = (each * max(n.sum(), 1) / max((n * each).sum(), 1e-12))[item_aisles].astype(np.float32)
    return out


@dataclass(frozen=True, eq=False)
class _Ranking:
    """What the targets of a step are ranked against: columns, one group of them after the other.

    ``codes`` are the items of the columns (None: the whole catalogue as it stands), ``sizes`` the columns of each group, ``bias`` the
    log-correction of sampled columns, and ``place`` says for each item which column of its group it is.
    """

    codes: Tensor | None
    sizes: list[int]
    bias: list[Tensor | None]
    place: Tensor | None


def _whole(network: Network, groups: list[Tensor]) -> _Ranking:
    """Every trained item of each group."""
    n = network.tower.n_items
    if len(groups) == 1 and len(groups[0]) == n:
        return _Ranking(None, [n], [None], None)
    place = torch.zeros(n, dtype=torch.int64, device=groups[0].device)
    for codes in groups:
        place[codes] = torch.arange(len(codes), device=codes.device)
    return _Ranking(torch.cat(groups), [len(g) for g in groups], [None] * len(groups), place)


def _sampled(network: Network, groups: list[Tensor], targets: Tensor, negatives: int, generator: torch.Generator) -> _Ranking:
    """A shared sample of each group for one step.

    Every target of the step is in it; the rest are uniform, each standing for (n - n_targets) / K items, so that the sum over the sample
    estimates the sum over the group. Groups share the negatives by the roots of their sizes, so that a small one is not left without.
    """
    roots = [math.sqrt(len(g)) for g in groups]
    place = torch.empty(network.tower.n_items, dtype=torch.int64, device=targets.device)
    chosen: list[Tensor] = []
    bias: list[Tensor | None] = []
    for group, root in zip(groups, roots, strict=True):
        positive = torch.unique(targets if len(groups) == 1 else targets[torch.isin(targets, group)])
        size = math.ceil(negatives * root / sum(roots))
        # drawn alike on every device
        draw = group[torch.unique(torch.randint(len(group), (size,), generator=generator)).to(group.device)]
        draw = draw[~torch.isin(draw, positive)]
        correction = torch.zeros(len(positive) + len(draw), device=group.device)
        correction[len(positive) :] = math.log(max(1.0, (len(group) - len(positive)) / max(1, len(draw))))
        chosen.append(torch.cat([positive, draw]))
        bias.append(correction)
        place[chosen[-1]] = torch.arange(len(chosen[-1]), device=group.device)
    return _Ranking(torch.cat(chosen), [len(c) for c in chosen], bias, place)


def _with_popularity(network: Network, ranking: _Ranking) -> list[Tensor | None]:
    """The bias of each group's columns, with what popularity adds to their logits where that is kept apart."""
    if network.popularity is None:
        return ranking.bias
    parts = torch.split(network.popularity.trained(ranking.codes), ranking.sizes)
    return [own if bias is None else bias + own for bias, own in zip(ranking.bias, parts, strict=True)]


def _states_and_columns(network: Network, rows: PackedRows, ranking: _Ranking, sampled: bool, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """float32 (R, T, D) states and (K, D) vectors of the columns, of length 1; where sampled, no other item is read."""
    if sampled and ranking.codes is not None:
        tokens = torch.unique(rows.items)
        tokens = tokens[~torch.isin(tokens, ranking.codes)]  # needed as history only: not in the softmax
        codes = torch.cat([ranking.codes, tokens])
        row = torch.empty(network.tower.n_items, dtype=torch.int64, device=codes.device)
        row[codes] = torch.arange(len(codes), device=codes.device)
        vectors, read = network.tower(codes), row[rows.items]
        columns = vectors[: len(ranking.codes)]
    else:
        vectors, read = network.tower(), rows.items
        columns = vectors if ranking.codes is None else vectors[ranking.codes]
    with torch.autocast(rows.items.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        states = network.states(vectors, rows, read)
    return states, F.normalize(columns, dim=-1)


def _added(learned: Tensor | None, codes: Tensor | None, bias: Tensor | None) -> Tensor | None:
    """float32 (K,): what is added to the logits of the columns: learned biases of aisles beside what is added already."""
    if learned is None:
        return bias
    here = learned if codes is None else learned[codes]
    return here if bias is None else here + bias


def step_loss(network: Network, rows: PackedRows, negatives: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Weighted mean of -log P(target | history) over the places of some rows that predict something.

    Parameters
    ----------
    network : Network
        With an aisle head the loss is -log P(aisle | history) - log P(target | aisle, history). Where it keeps popularity apart, the
        items' logits are f + gamma log m (`model.popularity`).
    rows : PackedRows
        With ``target_ratings`` the loss is `ratings.rating_loss`.
    negatives : int
        Sampled for the step; 0 ranks each target against every trained item (of its aisle).
    generator : torch.Generator
        Draws the negatives.
    dtype : torch.dtype
        Of the large products.

    Returns
    -------
    float32 ()
    """
    if rows.target_ratings is not None:
        return rating_loss(network, rows)
    chosen = rows.target_weights > 0
    targets, weights = rows.targets[chosen], rows.target_weights[chosen]
    head = network.head
    if head is None:
        aisles = torch.zeros_like(targets)
        present, groups = [0], [torch.nonzero(network.tower.trained)[:, 0]]
    else:
        aisles = head.item_aisles[targets]
        present = torch.unique(aisles).tolist()
        groups = [head.members[c] for c in present]
    ranking = _sampled(network, groups, targets, negatives, generator) if negatives else _whole(network, groups)
    biases = _with_popularity(network, ranking)
    all_states, columns = _states_and_columns(network, rows, ranking, negatives > 0, dtype)
    states = all_states[chosen]
    rank = targets if ranking.place is None else ranking.place[targets]
    if head is None:
        added = _added(network.tower.item_bias(), ranking.codes, biases[0])
        return catalogue_cross_entropy(states, columns, network.scale, rank, weights, added, dtype=dtype)
    order = torch.argsort(aisles, stable=True)
    counts = torch.bincount(aisles, minlength=present[-1] + 1)[present].tolist()
    loss, total = head.aisle_loss(states, network.scale, aisles, weights), weights.sum()
    parts = zip(
        present,
        torch.split(states[order], counts),
        torch.split(columns, ranking.sizes),
        torch.split(order, counts),
        biases,
        strict=True,
    )
    for aisle, own, items, where, bias in parts:
        inside = catalogue_cross_entropy(head.correct(own, aisle), items, network.scale, rank[where], weights[where], bias, dtype=dtype)
        loss = loss + weights[where].sum() / total * inside
    return loss
