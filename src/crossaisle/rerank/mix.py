"""Retriever and second look as one order, where that order is better. Imports: mine.

    s(u, i) = a z(retriever)(u, i) + b z(second look)(u, i)

with z over the head of the list. The weights maximise the likelihood of the target among the list (conditional logit, McFadden 1974), and
are kept only where N@10 on people they were not fitted on rises by more than one standard error of the paired difference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from crossaisle.metrics import Values
from crossaisle.rerank.mine import Mined
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["choose_mix", "control_features", "order_ndcg", "standardised"]

_SHRINK = 1e-3
_LEAST = 20


def standardised(values: Floats, there: Bools) -> Floats:
    """float32 (Q, D): each row's places that hold an item at mean 0 and deviation 1; the others, and rows all alike, 0.

    Examples
    --------
    >>> standardised(np.array([[1.0, 3.0, 9.0]], dtype=np.float32), np.array([[True, True, False]])).tolist()
    [[-1.0, 1.0, 0.0]]
    """
    n = np.maximum(there.sum(axis=1, keepdims=True), 1)
    mean = np.where(there, values, 0).sum(axis=1, keepdims=True) / n
    off = np.where(there, values - mean, 0)
    deviation = np.sqrt((off**2).sum(axis=1, keepdims=True) / n)
    out: Floats = np.divide(off, deviation, out=np.zeros_like(off), where=deviation > 1e-9).astype(np.float32)
    return out


def control_features(mined: Mined, counts: Ints, vectors: Floats | None) -> Floats:
    """What a second look without a language model can know: float32 (Q, D, 3), or 2 where there are no vectors.

    The retriever's score, the logarithm of the item's count and the cosine of its text to the mean of the history's, each standardised.

    Parameters
    ----------
    counts : int64 (N,)
        Events of each item in what the retriever was fitted on.
    vectors : float32 (N, T), optional
        Texts of the items as vectors.
    """
    there, top = mined.there, np.maximum(mined.top, 0)
    columns = [mined.scores, np.log1p(counts)[top].astype(np.float32)]
    if vectors is not None:
        unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        sums = np.zeros((len(mined), unit.shape[1]), dtype=np.float32)
        np.add.at(sums, mined.histories.owners, unit[mined.histories.items])
        sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
        columns.append(np.einsum("qdt,qt->qd", unit[top], sums))
    return np.stack([standardised(c, there) for c in columns], axis=2)


def order_ndcg(scores: Floats, there: Bools, hits: Bools, k: int = 10) -> Values:
    """float64 (Q,): N@k of one target each when the lists are put into this order; 0 where the list lacks it. Ties keep their order."""
    order = np.argsort(-np.where(there, scores, -np.inf), axis=1, kind="stable")[:, :k]
    gains = 1.0 / np.log2(np.arange(2, order.shape[1] + 2))
    return np.asarray(np.take_along_axis(hits, order, axis=1) @ gains, dtype=np.float64)


def choose_mix(features: Floats, there: Bools, hits: Bools, seed: int) -> tuple[Floats, dict[str, Any]]:
    """The weights of P features, or the first feature alone where the others do not gain.

    Parameters
    ----------
    features : float32 (Q, D, P)
        Standardised; the retriever's first.
    there, hits : bool (Q, D)
    seed : int
        Of the halves: each is judged by weights fitted on the other.

    Returns
    -------
    float32 (P,)
    dict
        ``ndcg@10`` of the mix, ``alone`` of the first feature, ``standard_error`` of their paired difference, ``questions``, ``kept``,
        and the ``weights`` tried.
    """
    n, first = len(features), np.eye(features.shape[2], dtype=np.float32)[0]
    alone = order_ndcg(features @ first, there, hits)
    order = np.random.default_rng([seed, 4]).permutation(n)
    mixed = alone.copy()
    halves = np.array_split(order, 2)
    for mine, others in (halves, halves[::-1]):
        weights = _fit(features[mine], there[mine], hits[mine], first)
        mixed[others] = order_ndcg(features[others] @ weights, there[others], hits[others])
    gain = mixed - alone
    error = float(gain.std() / np.sqrt(max(1, n)))
    kept = bool(n >= _LEAST and gain.mean() > error)
    weights = _fit(features, there, hits, first)
    facts = {
        "ndcg@10": float(mixed.mean()) if n else 0.0,
        "alone": float(alone.mean()) if n else 0.0,
        "standard_error": error if n else 0.0,
        "questions": n,
        "kept": kept,
        "weights": [float(w) for w in weights],
    }
    return (weights if kept else first), facts


def _fit(features: Floats, there: Bools, hits: Bools, start: Floats) -> Floats:
    """Weights that make the targets likeliest among the lists that hold them."""
    found = hits.any(axis=1)
    if not found.any():
        return start
    x, mask = torch.from_numpy(features[found]), torch.from_numpy(there[found])
    wanted = torch.from_numpy(hits[found].argmax(axis=1))
    w = torch.from_numpy(start.copy()).requires_grad_()
    solver = torch.optim.LBFGS([w], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        value: torch.Tensor = torch.nn.functional.cross_entropy((x @ w).masked_fill(~mask, -1e9), wanted) + _SHRINK * (w**2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    solver.step(loss)  # type: ignore[no-untyped-call]
    fitted: Floats = w.detach().numpy()
    return fitted if np.isfinite(fitted).all() else start
