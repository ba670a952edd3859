"""Opening the narrow cone into which language models put all texts. Imports: schema."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossaisle.schema import Bools, Floats

__all__ = ["Spread"]

_FLOOR = 1e-3
"""Directions with less variance than this share of the largest are not blown up."""


@dataclass(frozen=True, eq=False)
class Spread:
    """x -> (x - mean) @ matrix: centred, each principal direction divided by its standard deviation to some power, rows of length 1.

    Attributes
    ----------
    mean : float32 (D,)
    matrix : float32 (D, D)
    """

    mean: Floats
    matrix: Floats

    @classmethod
    def fit(cls, vectors: Floats, power: float = 0.5) -> Spread:
        """Fit on the rows of ``vectors``, float32 (N, D).

        Parameters
        ----------
        power : float
            0 only centres, 1 makes all directions equal.

        Examples
        --------
        >>> spread = Spread.fit(np.array([[4.0, 1.0], [0.0, 1.0], [4.0, 0.0], [0.0, 0.0]], dtype=np.float32), power=1.0)
        >>> found = spread(np.array([[4.0, 1.0], [9.0, 9.0]], dtype=np.float32), np.array([True, False]))
        >>> np.abs(found).astype(float).round(2).tolist()  # the sign of a direction is arbitrary
        [[0.71, 0.71], [0.0, 0.0]]
        """
        if not len(vectors):
            return cls(np.zeros(vectors.shape[1], np.float32), np.eye(vectors.shape[1], dtype=np.float32))
        mean = vectors.mean(axis=0)
        centred = vectors - mean
        variances, directions = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
        scale = np.maximum(variances, _FLOOR * max(float(variances.max(initial=0.0)), 1e-12)) ** (-power / 2)
        return cls(mean.astype(np.float32), (directions * scale).astype(np.float32))

    def __call__(self, vectors: Floats, present: Bools) -> Floats:
        """float32 (N, D): rows of length 1, zero where nothing is present."""
        out = (vectors - self.mean) @ self.matrix
        out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
        return np.asarray(out * present[:, None], dtype=np.float32)
