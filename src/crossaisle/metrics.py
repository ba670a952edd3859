"""Measures of ranked lists: pure functions, one value a query. Imports: schema, data.histories.

``top`` is int64 (Q, K): the item codes shown, best first, padded with -1; ``targets`` holds Q rows of relevant item codes, no item twice
in a row. With h_r = 1 if the item at rank r is relevant, R = number of relevant items:

========== =====================================================================
precision  sum_{r<=k} h_r / k
recall     sum_{r<=k} h_r / R
f1         2 precision recall / (precision + recall)
hit_rate   1 if any h_r, r <= k
ndcg       sum_{r<=k} h_r / log2(r + 1), over the same for min(k, R) hits in front
mrr        1 / (the first r <= k with h_r), 0 without one
========== =====================================================================
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from crossaisle.data.histories import Histories
from crossaisle.schema import Bools, Floats, Ints

__all__ = [
    "category_entropy",
    "coverage",
    "evaluate_lists",
    "f1",
    "gini",
    "hit_rate",
    "hits",
    "intra_list_diversity",
    "mean_log_popularity",
    "mrr",
    "ndcg",
    "precision",
    "recall",
]

Values = npt.NDArray[np.float64]


def hits(top: Ints, targets: Histories) -> Bools:
    """bool (Q, K): which of the items shown are relevant.

    Examples
    --------
    >>> hits(np.array([[4, 2, -1]]), Histories.from_lists([[2, 7]])).tolist()
    [[False, True, False]]
    """
    if len(top) != len(targets):
        raise ValueError(f"{len(top)} lists for {len(targets)} rows of targets; expected one list a row")
    width = 1 + max(int(top.max(initial=-1)), int(targets.items.max(initial=-1)))
    asked = np.arange(len(top), dtype=np.int64)[:, None] * width
    found = np.isin(np.where(top >= 0, asked + top, -1), targets.owners * width + targets.items)
    return np.asarray(found, dtype=np.bool_)


def precision(top: Ints, targets: Histories, k: int) -> Values:
    """float64 (Q,): the share of the k places that hold a relevant item; a short list counts as if filled up with misses.

    Examples
    --------
    >>> precision(np.array([[4, 2, 7, 1]]), Histories.from_lists([[2, 7, 9]]), k=4).tolist()
    [0.5]
    """
    return _precision(hits(top, targets), k)


def recall(top: Ints, targets: Histories, k: int) -> Values:
    """float64 (Q,): the share of the relevant items that are among the first k.

    Examples
    --------
    >>> recall(np.array([[4, 2, 7, 1]]), Histories.from_lists([[2, 7, 9, 8]]), k=4).tolist()
    [0.5]
    """
    return _recall(hits(top, targets), targets.lengths, k)


def f1(top: Ints, targets: Histories, k: int) -> Values:
    """float64 (Q,): the harmonic mean of precision and recall, 0 where both are 0.

    Examples
    --------
    >>> f1(np.array([[4, 2], [4, 2]]), Histories.from_lists([[2], [1]]), k=2).round(4).tolist()
    [0.6667, 0.0]
    """
    found = hits(top, targets)
    return _f1(_precision(found, k), _recall(found, targets.lengths, k))


def hit_rate(top: Ints, targets: Histories, k: int) -> Values:
    """float64 (Q,): 1 where at least one relevant item is among the first k.

    Examples
    --------
    >>> hit_rate(np.array([[4, 2], [4, 2]]), Histories.from_lists([[2], [2]]), k=1).tolist()
    [0.0, 0.0]
    """
    return _hit_rate(hits(top, targets), k)


def ndcg(top: Ints, targets: Histories, k: int) -> Values:
    """float64 (Q,): discounted gain over the best gain that k places allow (Jarvelin and Kekalainen 2002, binary relevance).

    Examples
    --------
    >>> ndcg(np.array([[4, 2, 7]]), Histories.from_lists([[2]]), k=3).round(4).tolist()  # 1 / log2(3)
    [0.6309]
    """
    return _ndcg(hits(top, targets), targets.lengths, k)


def mrr(top: Ints, targets: Histories, k: int) -> Values:
    """float64 (Q,): 1 / rank of the first relevant item among the first k, 0 without one.

    Examples
    --------
    >>> mrr(np.array([[4, 2, 7]]), Histories.from_lists([[7, 2]]), k=3).tolist()
    [0.5]
    """
    return _mrr(hits(top, targets), k)


def evaluate_lists(top: Ints, targets: Histories, ks: Sequence[int]) -> dict[str, Values]:
    """Every measure at every k, named ``ndcg@10``.

    Parameters
    ----------
    top : int64 (Q, K)
        K at least as large as the largest k.
    targets : Histories
        Q rows, each with at least one item.
    ks : sequence of int

    Returns
    -------
    dict of float64 (Q,)

    Examples
    --------
    >>> out = evaluate_lists(np.array([[4, 2]]), Histories.from_lists([[2]]), ks=[1, 2])
    >>> {name: float(v[0]) for name, v in out.items() if name.startswith("hit")}
    {'hit_rate@1': 0.0, 'hit_rate@2': 1.0}
    """
    if min(ks) < 1 or max(ks) > top.shape[1]:
        raise ValueError(f"k from {min(ks)} to {max(ks)} for lists of {top.shape[1]}; expected 1 <= k <= length of the lists")
    found, relevant = hits(top, targets), targets.lengths
    if (relevant < 1).any():
        raise ValueError("a query without targets; expected at least one relevant item each")
    out: dict[str, Values] = {}
    for k in ks:
        p, r = _precision(found, k), _recall(found, relevant, k)
        values = (p, r, _f1(p, r), _hit_rate(found, k), _ndcg(found, relevant, k), _mrr(found, k))
        out |= {f"{name}@{k}": v for name, v in zip(("precision", "recall", "f1", "hit_rate", "ndcg", "mrr"), values, strict=True)}
    return out


def _precision(found: Bools, k: int) -> Values:
    return np.asarray(found[:, :k].sum(axis=1) / k, dtype=np.float64)


def _recall(found: Bools, relevant: Ints, k: int) -> Values:
    return np.asarray(found[:, :k].sum(axis=1) / relevant, dtype=np.float64)


def _f1(p: Values, r: Values) -> Values:
    out: Values = np.zeros(len(p))
    np.divide(2 * p * r, p + r, out=out, where=p + r > 0)
    return out


def _hit_rate(found: Bools, k: int) -> Values:
    return np.asarray(found[:, :k].any(axis=1), dtype=np.float64)


def _ndcg(found: Bools, relevant: Ints, k: int) -> Values:
    discounts = 1.0 / np.log2(np.arange(2, min(k, found.shape[1]) + 2))
    best = np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))[np.minimum(k, relevant) - 1]
    return np.asarray(found[:, :k] @ discounts / best, dtype=np.float64)


def _mrr(found: Bools, k: int) -> Values:
    cut = found[:, :k]
    return np.where(cut.any(axis=1), 1.0 / (1.0 + cut.argmax(axis=1)), 0.0)


# ---- measures of the lists themselves ----


def coverage(top: Ints, n_items: int) -> float:
    """The share of the N items that are shown to somebody.

    Examples
    --------
    >>> coverage(np.array([[0, 1], [1, -1]]), n_items=4)
    0.5
    """
    return float(len(np.unique(top[top >= 0])) / n_items)


def gini(top: Ints, n_items: int) -> float:
    """How unequally the N items are shown: 0 all alike, towards 1 one item only. 0 if nothing is shown.

    sum_j (2 j - N - 1) c_j / (N sum c), with counts c_1 <= ... <= c_N.

    Examples
    --------
    >>> gini(np.array([[0, 1], [2, 3]]), n_items=4), gini(np.array([[0], [0]]), n_items=4)
    (0.0, 0.75)
    """
    counts = np.sort(np.bincount(top[top >= 0], minlength=n_items))
    total = counts.sum()
    return float((2 * np.arange(1, n_items + 1) - n_items - 1) @ counts / (n_items * total)) if total else 0.0


def intra_list_diversity(top: Ints, vectors: Floats) -> Values:
    """float64 (Q,): mean of 1 - cosine over the pairs of items in a list; 0 for lists of fewer than two.

    Parameters
    ----------
    top : int64 (Q, K)
    vectors : float32 (N, D)
        Need not be of unit length; a zero vector is at distance 1 from everything.

    Examples
    --------
    >>> intra_list_diversity(np.array([[0, 1], [0, 2]]), np.array([[1, 0], [0, 2], [3, 0]], dtype=np.float32)).tolist()
    [1.0, 0.0]
    """
    unit = np.asarray(vectors, dtype=np.float64)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    out = np.zeros(len(top))
    for start in range(0, len(top), 1024):
        part = top[start : start + 1024]
        shown = (part >= 0)[:, :, None]
        chosen = np.where(shown, unit[part], 0.0)  # (q, K, D)
        n = shown.sum(axis=(1, 2))
        # sum over ordered pairs of different places = |sum of vectors|^2 - sum of |vector|^2
        together = (chosen.sum(axis=1) ** 2).sum(axis=1) - (chosen**2).sum(axis=(1, 2))
        pairs = n * (n - 1)
        out[start : start + 1024] = np.where(pairs > 0, 1.0 - together / np.maximum(pairs, 1), 0.0)
    return out


def mean_log_popularity(top: Ints, item_counts: Ints) -> float:
    """Mean of log(1 + n_i) over all places of the lists, n_i the events of the item in training; 0 for empty lists.

    Examples
    --------
    >>> round(mean_log_popularity(np.array([[0, 1], [0, -1]]), np.array([0, 9])), 4)
    0.7675
    """
    shown = top[top >= 0]
    return float(np.log1p(item_counts[shown]).mean()) if len(shown) else 0.0


def category_entropy(top: Ints, item_categories: Ints) -> Values:
    """float64 (Q,): Shannon entropy, in bits, of the aisles in a list; 0 for an empty list.

    Examples
    --------
    >>> category_entropy(np.array([[0, 1], [0, 2]]), np.array([0, 1, 0])).tolist()
    [1.0, 0.0]
    """
    queries, places = np.nonzero(top >= 0)
    n_categories = int(item_categories.max(initial=0)) + 1
    key = queries * n_categories + item_categories[top[queries, places]]
    cells, counts = np.unique(key, return_counts=True)
    owner = cells // n_categories
    share = counts / np.bincount(queries, minlength=len(top))[owner]
    return np.bincount(owner, weights=-share * np.log2(share), minlength=len(top)).astype(np.float64) + 0.0
