"""How good a yes or no is: precision, recall, F1 and AUC of single logits. Imports nothing of its room."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata

from crossaisle.schema import Bools, Floats

__all__ = ["answers", "auc", "best_threshold"]


def auc(right: Floats, wrong: Floats) -> float:
    """The share of (right, wrong) pairs in which the right one has the higher logit, ties as one half (Mann and Whitney 1947).

    Examples
    --------
    >>> auc(np.array([2.0, 3.0]), np.array([1.0, 2.0]))
    0.875
    """
    if not len(right) or not len(wrong):
        return float("nan")
    ranks = rankdata(np.concatenate([right, wrong]))[: len(right)].sum()
    return float((ranks - len(right) * (len(right) + 1) / 2) / (len(right) * len(wrong)))


def best_threshold(logits: Floats, truth: Bools) -> float:
    """The threshold above which a yes has the highest F1: half way between two logits.

    Examples
    --------
    >>> best_threshold(np.array([0.0, 1.0, 2.0, 4.0]), np.array([False, False, True, True]))
    1.5
    """
    order = np.argsort(-logits, kind="stable")
    sorted_logits, right = logits[order], np.cumsum(truth[order])
    yes = np.arange(1, len(logits) + 1)
    f1 = 2 * right / (yes + truth.sum())
    last = np.append(sorted_logits[1:] < sorted_logits[:-1], True)  # a threshold cannot part equal logits
    at = int(np.where(last, f1, -1).argmax())
    return float((sorted_logits[at] + sorted_logits[at + 1]) / 2) if at + 1 < len(logits) else float(sorted_logits[at] - 1)


def answers(logits: Floats, threshold: float) -> dict[str, Any]:
    """Precision, recall and F1 of "yes above the threshold", and AUC, of lists whose first column is the right candidate.

    Parameters
    ----------
    logits : float32 (Q, 1 + M)
        As `crossaisle.rerank.mine.draw_lists` orders them: the right one, M // 2 hard ones, the rest random.

    Examples
    --------
    >>> found = answers(np.array([[2.0, 1.0, 0.0], [0.5, 1.5, 0.0]]), 0.8)
    >>> found["precision"], found["recall"], found["auc_hard"], found["auc_random"]
    (0.3333333333333333, 0.5, 0.5, 1.0)
    """
    hard = (logits.shape[1] - 1) // 2
    yes = logits > threshold
    right = int(yes[:, 0].sum())
    precision, recall = right / max(1, int(yes.sum())), right / max(1, len(logits))
    return {
        "people": len(logits),
        "threshold": threshold,
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if right else 0.0,
        "f1_of_always_yes": 2 / (1 + logits.shape[1]),
        "auc": auc(logits[:, 0], logits[:, 1:].ravel()),
        "auc_hard": auc(logits[:, 0], logits[:, 1 : 1 + hard].ravel()),
        "auc_random": auc(logits[:, 0], logits[:, 1 + hard :].ravel()),
    }
