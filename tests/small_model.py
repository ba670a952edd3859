"""A model for the tests of the service: fitted in a moment."""

from __future__ import annotations

TINY = {
    "model.dim": "16",
    "train.epochs": "1",
    "model.senses": "id,words",
    "blend.parts": "markov,word-knn",
    "train.tokens_per_step": "512",
}
