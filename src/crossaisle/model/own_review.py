"""What a person wrote of an item of the history, added to its token. Imports: settings, item_tower."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from crossaisle.model.item_tower import Whitening
from crossaisle.model.settings import ModelSettings
from crossaisle.schema import Floats

__all__ = ["OwnReview"]


class OwnReview(nn.Module):
    """wrote_j = P W(v_j) + b z_j: a linear map P of the review's whitened vector v_j, and a vector b times its standardised rating z_j.

    Nothing where there is no review. P and b begin at zero: at first the model is the one without reviews.

    Parameters
    ----------
    width : int
        Of the language model's vectors.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self, settings: ModelSettings, width: int) -> None:
        super().__init__()
        inner = min(settings.text_dim, width)
        self.whiten = Whitening(width, inner)
        self.project = nn.Linear(inner, settings.dim, bias=False)
        nn.init.zeros_(self.project.weight)
        self.liked = nn.Parameter(torch.zeros(settings.dim))
        self.register_buffer("centre", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))
        self.scale = settings.text_scale

    def fit(self, vectors: Floats, ratings: Floats) -> None:
        """Fit the fixed parts: whitening on (n, width) vectors, centre and spread on the ratings that are known."""
        self.whiten.fit(vectors)
        known = ratings[np.isfinite(ratings)].astype(np.float64)
        if len(known):
            self.centre.fill_(float(known.mean()))
            self.spread.fill_(max(float(known.std()), 1e-6))

    def forward(self, review: Tensor, rating: Tensor, reviews: Tensor) -> Tensor:
        """float32 (R, T, D).

        Parameters
        ----------
        review : int64 (R, T)
            Row of ``reviews``; -1 where nothing was written.
        rating : float32 (R, T)
            NaN where none was given.
        reviews : float32 (M, width)
        """
        out: Tensor = torch.nan_to_num((rating - self.centre) / self.spread, nan=0.0)[..., None] * self.liked
        if len(reviews) == 0:
            return out
        x = self.scale * self.whiten(reviews[review.clamp_min(0)]) * (review >= 0)[..., None]
        told: Tensor = out + self.project(x)
        return told
