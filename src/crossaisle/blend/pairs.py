"""A likeness of items learned from what is bought together: which directions of a text or a photo tie things to each other.

Imports: nothing of this room. For dense senses s with z_s = principal components of unit variance (0 where an item lacks the sense):

    s(i, j) = sum over senses s, components c of  w_sc z_sc(i) z_sc(j)

w by logistic regression of pairs of one history against pairs whose second item is drawn by popularity, so that popularity tells them
apart by nothing. Plain likeness (all w alike) finds what looks the same; here a direction in which things of one room agree counts, and
one in which they differ counts little or against. It knows no ids: a new item is scored like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy.special import expit

from crossaisle.baselines.matrices import history_matrix
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.encode.components import fixed_signs, principal_components
from crossaisle.encode.senses import Sense, Senses
from crossaisle.schema import Floats, Ints

__all__ = ["PairModel", "dense"]

_COMPONENTS = 64
_MOST_PAIRS, _DRAWS, _NEGATIVES = 100_000, 5, 5
_PENALTY, _STEPS, _AT_ONCE = 0.1, 8, 50_000


def dense(senses: Senses) -> dict[str, Sense]:
    """The senses that are vectors, those with any item that has them."""
    return {name: s for name, s in senses.items() if isinstance(s.values, np.ndarray) and s.present.any()}


class PairModel:
    """See the file's first lines.

    Parameters
    ----------
    senses : dict
        float32 (N, width) each.
    tensors : dict, optional
        What `state` gave; without it the components are fitted on ``senses`` and all weights are 1 until `fit`.
    """

    def __init__(self, senses: Senses, tensors: Mapping[str, torch.Tensor] | None = None) -> None:
        self._maps: dict[str, tuple[Floats, Floats]] = {}
        if tensors is None:
            for name, sense in dense(senses).items():
                self._maps[name] = _components(np.asarray(sense.values, np.float32)[sense.present])
            self.weights: Floats = np.ones(sum(m.shape[1] for _, m in self._maps.values()), np.float32)
        else:
            names = [key.removesuffix(".mean") for key in tensors if key.endswith(".mean")]
            self._maps = {name: (tensors[f"{name}.mean"].numpy(), tensors[f"{name}.matrix"].numpy()) for name in names}
            self.weights = tensors["weights"].numpy()
        self.read(senses)

    def read(self, senses: Senses) -> None:
        """Take the senses of the catalogue as it is now; items may have joined."""
        parts = []
        for name, (mean, matrix) in self._maps.items():
            sense = senses[name]
            parts.append((np.asarray(sense.values, np.float32) - mean) @ matrix * sense.present[:, None])
        self._items: Floats = np.concatenate(parts, axis=1).astype(np.float32)

    def fit(self, data: Dataset, seed: int = 0) -> None:
        """Learn the weights; they stay as they are where no history has two different items."""
        rng = np.random.default_rng([seed, 7])
        first, second = drawn_pairs(data.histories, _MOST_PAIRS, rng)
        if not len(first):
            return
        popular = np.cumsum(data.item_counts.astype(np.float64))
        others = np.searchsorted(popular, rng.random(len(first) * _NEGATIVES) * popular[-1], side="right")
        left = np.concatenate([first, np.tile(first, _NEGATIVES)])
        right = np.concatenate([second, others])
        true = np.arange(len(left)) < len(first)
        weight = np.where(true, 1.0, 1.0 / _NEGATIVES) * (left != right)
        self.weights = self._logistic(left, right, true, weight / weight.sum())

    def _logistic(self, left: Ints, right: Ints, true: Any, weight: Any) -> Floats:
        """Weights by Newton's method with a quadratic penalty; the last unknown, not penalised, is the constant."""
        d = self._items.shape[1]
        found, penalty = np.zeros(d + 1), np.full(d + 1, _PENALTY)
        penalty[-1] = 1e-9
        for _ in range(_STEPS):
            slope, curve = penalty * found, np.diag(penalty)
            for start in range(0, len(left), _AT_ONCE):
                rows = slice(start, start + _AT_ONCE)
                x = np.ones((len(left[rows]), d + 1), np.float32)
                np.multiply(self._items[left[rows]], self._items[right[rows]], out=x[:, :d])
                p = expit(x @ found)
                slope += x.T @ (weight[rows] * (p - true[rows]))
                curve += (x * (weight[rows] * p * (1 - p))[:, None].astype(np.float32)).T @ x
            step = np.linalg.solve(curve, slope)
            found -= step
            if np.abs(step).max() < 1e-6:
                break
        return found[:d].astype(np.float32)

    def likeness(self, histories: Histories, decay: float) -> Floats:
        """float32 (B, N): mean of s(i, j) over the events j of each history, 0 for an empty one; events weigh as in `history_matrix`."""
        x = history_matrix(histories, len(self._items), decay)
        total = np.maximum(np.asarray(x.sum(axis=1)), 1e-12)
        return np.asarray(((x @ self._items) / total * self.weights) @ self._items.T, dtype=np.float32)

    def state(self) -> dict[str, torch.Tensor]:
        """Tensors from which the constructor restores the model."""
        out = {"weights": torch.from_numpy(self.weights)}
        for name, (mean, matrix) in self._maps.items():
            out |= {f"{name}.mean": torch.from_numpy(mean), f"{name}.matrix": torch.from_numpy(matrix)}
        return out


def drawn_pairs(histories: Histories, most: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """int64 (P,) each: of a history of n events 5 (n - 1) pairs of different items by chance, at most so many of all.

    Examples
    --------
    >>> first, second = drawn_pairs(Histories.from_lists([[3, 5], [2], []]), 10, np.random.default_rng(0))
    >>> sorted({*first.tolist(), *second.tolist()}), len(first)
    ([3, 5], 5)
    """
    owners = np.repeat(np.arange(len(histories)), _DRAWS * np.maximum(histories.lengths - 1, 0))
    if len(owners) > most:
        owners = rng.choice(owners, most, replace=False)
    n, start = histories.lengths[owners], histories.offsets[:-1][owners]
    one = np.floor(rng.random(len(owners)) * n).astype(np.int64)
    other = (one + 1 + np.floor(rng.random(len(owners)) * (n - 1)).astype(np.int64)) % n
    first, second = histories.items[start + one], histories.items[start + other]
    kept = first != second
    return first[kept].astype(np.int64), second[kept].astype(np.int64)


def _components(values: Floats) -> tuple[Floats, Floats]:
    """Mean (width,) and map (width, C) to principal components of unit variance, those with any variance."""
    mean = values.mean(axis=0)
    centred = (values - mean).astype(np.float64)
    variances, directions = principal_components(centred.T @ centred / len(values), _COMPONENTS)
    return mean.astype(np.float32), fixed_signs(directions / np.sqrt(variances)).astype(np.float32)
