"""Principal components, in the form that two machines agree on. Imports: nothing of this room."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["fixed_signs", "principal_components"]

_LEAST = 1e-7
"""A direction with less than this share of the largest variance has none."""


def principal_components(covariance: npt.NDArray[np.float64], most: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The leading components of a covariance (D, D): at most so many, those with any variance.

    Returns
    -------
    variances : float64 (C,)
        The largest first.
    directions : float64 (D, C)
        Of length 1, signs arbitrary; see `fixed_signs`.

    Examples
    --------
    >>> variances, directions = principal_components(np.diag([1.0, 4.0, 0.0]), 3)
    >>> variances.tolist(), np.abs(directions).tolist()
    ([4.0, 1.0], [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    """
    variances, directions = np.linalg.eigh(covariance)
    variances, directions = variances[::-1][:most], directions[:, ::-1][:, :most]
    kept = variances > _LEAST * max(float(variances[0]), 1e-12)
    return variances[kept], directions[:, kept]


def fixed_signs(columns: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """float64 (D, C): the columns, each with the sign that makes its largest entry positive.

    Examples
    --------
    >>> fixed_signs(np.array([[1.0, 2.0], [-3.0, 0.0]])).tolist()
    [[-1.0, 2.0], [3.0, 0.0]]
    """
    largest: Any = columns[np.abs(columns).argmax(axis=0), np.arange(columns.shape[1])]
    return np.asarray(columns * np.where(largest < 0, -1.0, 1.0))
