"""iALS by the implicit library, with factors of unseen users solved on the spot. Imports: matrices, tuning."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from crossaisle.baselines.matrices import finish, fitted, history_matrix, popularity_share
from crossaisle.baselines.tuning import Tunable
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.schema import Floats, Ints

__all__ = ["IALS"]


class IALS(Tunable):
    """Implicit-feedback matrix factorisation (Hu, Koren, Volinsky 2008) by alternating least squares.

    The factors of whoever asks are solved from the history given, so users need not be known. Each user's system is solved on its own:
    the number of threads changes nothing.

    Parameters
    ----------
    factors : int
    alpha : float
        Confidence of an event of weight 1; what did not happen has 1.
    regularisation : float
    iterations : int
    decay : float
        Weight of a history's event against the one after it, when asked.
    seed : int
    threads : int
        0 for as many as OpenMP gives.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset()
    >>> IALS(factors=8, regularisation=10.0).fit(data).score(data.histories[:2]).shape
    (2, 80)
    """

    name = "ials"
    learning_options = (
        {"factors": 128, "regularisation": 400.0},  # best across aisles
        {"factors": 128, "regularisation": 100.0},
        {"factors": 256, "regularisation": 100.0},  # best for the next item
    )
    scoring_options = tuple({"decay": decay} for decay in (1.0, 0.8, 0.6))

    def __init__(
        self,
        factors: int = 256,
        alpha: float = 40.0,
        regularisation: float = 100.0,
        iterations: int = 12,
        decay: float = 0.6,
        seed: int = 0,
        threads: int = 0,
    ) -> None:
        self.factors, self.alpha, self.regularisation, self.iterations = factors, alpha, regularisation, iterations
        self.decay, self.seed, self.threads = decay, seed, threads
        self._als: Any = None

    def fit(self, data: Dataset) -> Self:
        """Alternate between users and items."""
        self._popular = popularity_share(data)
        with threadpool_limits(limits=1, user_api="blas"):  # implicit brings its own threads and warns about BLAS's
            self._als = AlternatingLeastSquares(
                factors=self.factors,
                alpha=self.alpha,
                regularization=self.regularisation,
                iterations=self.iterations,
                random_state=self.seed,
                num_threads=self.threads,
            )
            self._als.fit(history_matrix(data.histories, data.n_items), show_progress=False)
        return self

    @classmethod
    def of_factors(cls, item_factors: Floats, popular: Floats, **settings: Any) -> Self:
        """One that scores with factors learned before, float32 (N, factors), and popularity, float32 (N,); ``settings`` as of the class."""
        out = cls(factors=item_factors.shape[1], **settings)
        out._popular = popular
        out._als = AlternatingLeastSquares(factors=out.factors, alpha=out.alpha, regularization=out.regularisation, num_threads=out.threads)
        out._als.item_factors = item_factors
        return out

    @property
    def popular(self) -> Floats:
        """float32 (N,): what `score` answers where nothing is known."""
        return self._popular

    @property
    def item_factors(self) -> Floats:
        """float32 (N, factors)."""
        return np.asarray(fitted(self._als, self.name).item_factors, dtype=np.float32)

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """float32 (B, N) or (B, C), see `contracts.Scorer`."""
        als = fitted(self._als, self.name)
        x = history_matrix(histories, len(self._popular), self.decay)
        with threadpool_limits(limits=1, user_api="blas"):
            users = als.recalculate_user(np.arange(len(histories)), x)
        return finish(users @ als.item_factors.T, self._popular, candidates)
