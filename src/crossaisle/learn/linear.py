"""A linear model of rewards that knows how sure it is, shared by all items. Imports: schema.

With features phi and rewards r of the answers so far, the newest first, discount g and ridge penalty l (methods of Bayesian linear
regression, as in Li et al. 2010, "A contextual-bandit approach to personalized news article recommendation", with one model for all items):

    A = l I + sum g^age phi phi'      b = sum g^age r phi      mean = A^-1 b      covariance = v^2 A^-1

The discount leaves the prior alone, so that a direction about which nothing has come in for long is as uncertain as at the start, and no
more. The memory is d^2 + d numbers, whatever the number of answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crossaisle.schema import Times

__all__ = ["LinearModel"]


class LinearModel:
    """See the file's first lines.

    Parameters
    ----------
    dim : int
        Features.
    penalty, discount : float

    Examples
    --------
    >>> model = LinearModel(2, penalty=1.0, discount=1.0)
    >>> model.learn([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [1.0, 1.0, 0.0])
    >>> model.mean.round(3).tolist()
    [0.667, 0.0]
    >>> model.widths([[1.0, 0.0], [0.0, 1.0]]).round(3).tolist()
    [0.577, 0.707]
    """

    def __init__(self, dim: int, penalty: float = 1.0, discount: float = 1.0) -> None:
        if dim < 1 or penalty <= 0 or not 0 < discount <= 1:
            raise ValueError(f"dim {dim}, penalty {penalty}, discount {discount}; expected at least 1, above 0, and above 0 and at most 1")
        self.penalty, self.discount = penalty, discount
        self.answers = 0
        """How many answers were learned."""
        self._moment, self._sum = np.zeros((dim, dim)), np.zeros(dim)
        self._solved: tuple[Times, Times, Times] | None = None

    @property
    def dim(self) -> int:
        return len(self._sum)

    def learn(self, features: npt.ArrayLike, rewards: npt.ArrayLike) -> None:
        """Take answers, the oldest first.

        Parameters
        ----------
        features : float (E, d)
        rewards : float (E,)

        Raises
        ------
        ValueError
            If shapes do not fit or something is not finite.
        """
        phi, r = np.asarray(features, np.float64).reshape(-1, self.dim), np.asarray(rewards, np.float64)
        if r.shape != phi.shape[:1] or not (np.isfinite(phi).all() and np.isfinite(r).all()):
            raise ValueError(f"features {phi.shape}, rewards {r.shape}; expected finite ones, a row a reward")
        if not len(r):
            return
        age = self.discount ** np.arange(len(r) - 1, -1, -1.0)
        past = self.discount ** len(r)
        self._moment = past * self._moment + (phi * age[:, None]).T @ phi
        self._sum = past * self._sum + phi.T @ (age * r)
        self.answers += len(r)
        self._solved = None

    def _solve(self) -> tuple[Times, Times, Times]:
        """mean (d,), A^-1 (d, d), and a root of it: A^-1 = root root'."""
        if self._solved is None:
            inverse = np.linalg.inv(self._moment + self.penalty * np.eye(self.dim))
            inverse = (inverse + inverse.T) / 2
            self._solved = inverse @ self._sum, inverse, np.asarray(np.linalg.cholesky(inverse), np.float64)
        return self._solved

    @property
    def mean(self) -> Times:
        """float64 (d,): what is believed."""
        return self._solve()[0]

    def widths(self, features: npt.ArrayLike) -> Times:
        """float64 (C,): sqrt(phi' A^-1 phi), how unsure each value is, for v = 1."""
        phi = np.asarray(features, np.float64)
        return np.asarray(np.sqrt(np.maximum(np.einsum("cd,de,ce->c", phi, self._solve()[1], phi), 0.0)))

    def draw(self, n: int, v: float, rng: np.random.Generator) -> Times:
        """float64 (n, d): draws from what is believed, v times as wide."""
        mean, _, root = self._solve()
        return np.asarray(mean + v * rng.standard_normal((n, self.dim)) @ root.T)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The state, for `from_arrays`."""
        return {"moment": self._moment.copy(), "sum": self._sum.copy(), "answers": np.array([self.answers], np.int64)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[Any]], penalty: float = 1.0, discount: float = 1.0) -> LinearModel:
        """The inverse of `to_arrays`."""
        out = cls(len(arrays["sum"]), penalty, discount)
        out._moment, out._sum, out.answers = arrays["moment"].copy(), arrays["sum"].copy(), int(arrays["answers"][0])
        return out
