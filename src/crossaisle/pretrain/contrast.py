"""The contrastive loss, and its gradient through a batch larger than memory holds. Imports: schema; of its own room language_model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from crossaisle.pretrain.language_model import LanguageModel, chunks

__all__ = ["Loss", "contrastive_backward", "contrastive_loss"]

Loss = Callable[[torch.Tensor], torch.Tensor]


def contrastive_loss(
    first: torch.Tensor,
    second: torch.Tensor,
    blocked: torch.Tensor,
    temperature: float,
    log_share: tuple[torch.Tensor, torch.Tensor] | None = None,
    blocked_back: torch.Tensor | None = None,
) -> torch.Tensor:
    """InfoNCE in both directions, corrected for popularity, with false negatives left out.

    For the pair m, with s_mk = cos(a_m, b_k) / T - log q(b_k) and k over m itself and the b that are no false negatives of m:

        L = -1/2 mean_m [ log softmax_k(s_mk)_m + log softmax_k(s'_mk)_m ],   s'_mk = cos(b_m, a_k) / T - log q(a_k)

    (van den Oord and others 2018; the correction of the sampled softmax as in Yi and others, RecSys 2019, after the division by T).

    Parameters
    ----------
    first, second : float (M, D)
        Vectors of length 1.
    blocked : bool (M, M)
        [m, k]: second k is no negative of first m; the diagonal is never blocked.
    temperature : float
    log_share : two float (M,), optional
        log q of the firsts and of the seconds.
    blocked_back : bool (M, M), optional
        [m, k]: first k is no negative of second m; the transpose of ``blocked`` where not given.

    Examples
    --------
    >>> one = torch.eye(2)
    >>> round(float(contrastive_loss(one, one, torch.zeros(2, 2, dtype=torch.bool), temperature=1.0)), 4)  # log(1 + 1/e)
    0.3133
    >>> float(contrastive_loss(one, one, torch.ones(2, 2, dtype=torch.bool), temperature=1.0))  # nothing left to tell apart
    0.0
    """
    cosines = first @ second.T / temperature
    there, back = cosines, cosines.T
    if log_share is not None:
        there, back = there - log_share[1][None, :], back - log_share[0][None, :]
    same = torch.eye(len(first), dtype=torch.bool, device=first.device)
    there = there.masked_fill(blocked & ~same, -torch.inf)
    back = back.masked_fill((blocked.T if blocked_back is None else blocked_back) & ~same, -torch.inf)
    own = torch.arange(len(first), device=first.device)
    return 0.5 * (torch.nn.functional.cross_entropy(there, own) + torch.nn.functional.cross_entropy(back, own))


def contrastive_backward(
    model: LanguageModel,
    tokens: Sequence[Sequence[int]],
    loss_of: Loss,
    *,
    chunk_tokens: int,
    seed: int,
    weight: float = 1.0,
) -> float:
    """Add the gradient of ``loss_of(vectors)`` to the model's, holding the activations of one part of the texts at a time.

    All parts go through without a graph, the loss gives dL/dv, and each part goes through again with a graph and receives its share
    (GradCache: Gao and others 2021, section 3). Each part has a seed of its own, so dropout draws the same both times.

    Parameters
    ----------
    model : LanguageModel
    tokens : n lists of token ids
    loss_of : callable
        float (n, D), in the order of ``tokens`` -> a scalar.
    chunk_tokens : int
        Padded tokens of one part; a batch of one part is gone through once.
    seed : int
        Of dropout.
    weight : float
        The loss is multiplied by it.

    Returns
    -------
    float
        The loss, before the weight.
    """
    parts = chunks([len(ids) for ids in tokens], chunk_tokens)
    order = [row for part in parts for row in part]
    place = torch.empty(len(order), dtype=torch.long)
    place[torch.tensor(order)] = torch.arange(len(order))

    def forward(p: int) -> torch.Tensor:
        torch.manual_seed((seed * 1_000_003 + p) % 2**63)
        return model.vectors([tokens[row] for row in parts[p]])

    place = place.to(model.device)
    with torch.random.fork_rng(devices=[]):
        if len(parts) == 1:
            loss = loss_of(forward(0)[place])
            (weight * loss).backward()  # type: ignore[no-untyped-call]
            return float(loss.detach())
        with torch.no_grad():
            vectors = torch.cat([forward(p) for p in range(len(parts))])[place]
        vectors.requires_grad_(True)
        loss = loss_of(vectors)
        (weight * loss).backward()  # type: ignore[no-untyped-call]
        assert vectors.grad is not None
        sorted_grad = vectors.grad[torch.tensor(order, device=model.device)]
        start = 0
        for p, part in enumerate(parts):
            forward(p).backward(sorted_grad[start : start + len(part)])  # type: ignore[no-untyped-call]
            start += len(part)
    return float(loss.detach())
