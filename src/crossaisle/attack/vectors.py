"""Shifts of item vectors, each as large as a share of the vector's own length. Imports: schema."""

from __future__ import annotations

import numpy as np

from crossaisle.schema import Floats

__all__ = ["random_directions", "shifted"]


def random_directions(like: Floats, seed: int = 0) -> Floats:
    """float32 (N, D): a random direction a row, of length 1."""
    drawn = np.random.default_rng(seed).standard_normal(like.shape)
    return np.asarray(drawn / np.maximum(np.linalg.norm(drawn, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def shifted(vectors: Floats, directions: Floats, size: float) -> Floats:
    """e_i + size |e_i| d_i / |d_i|; a row whose direction is zero stays (Goodfellow et al. 2015's fast gradient, normalised by row).

    Parameters
    ----------
    vectors, directions : float32 (N, D)
    size : float
        Share of each vector's length.

    Examples
    --------
    >>> shifted(np.array([[3.0, 4.0]], dtype=np.float32), np.array([[2.0, 0.0]], dtype=np.float32), 0.2).tolist()
    [[4.0, 4.0]]
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    return np.asarray(vectors + size * length * unit, dtype=np.float32)
