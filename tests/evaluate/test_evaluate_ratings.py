"""Ratings predicted: taste is found where there is any, and bad data is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from crossaisle.errors import TableError
from crossaisle.evaluate.ratings import evaluate_ratings, rating_errors
from crossaisle.presets import preset_settings
from crossaisle.testing import toy_dataset

SMALL = {
    "model.senses": "id",
    "model.dim": "16",
    "model.dropout": "0.1",
    "train.tokens_per_step": "128",
    "train.id_weight_decay": "0.05",
    "train.refit": "false",
}


def test_errors_by_hand() -> None:
    assert rating_errors([1, 2, 3], [1, 4, 2]) == {"rmse": pytest.approx(np.sqrt(5 / 3)), "mae": pytest.approx(1.0)}


def test_the_network_beats_biases_where_there_is_taste_and_its_placebo_does_not() -> None:
    data = toy_dataset(n_users=250, n_items=40)
    rng, h = np.random.default_rng(0), data.histories
    items = np.concatenate([rng.choice(40, n, replace=False) for n in h.lengths])
    likes = rng.integers(2, size=data.n_users)
    ratings = np.where(items % 2 == likes[h.owners], 4.0, 2.0) + rng.normal(size=len(items)) / 4
    rated = data.with_histories(dataclasses.replace(h, items=items, ratings=ratings.astype(np.float32)))
    out = evaluate_ratings(rated, preset_settings("quick", {**SMALL, "train.epochs": "10"}))
    arms = out["arms"]
    assert list(arms) == ["mean", "biases", "network", "placebo"]
    assert out["questions"] == 250
    assert arms["network"]["rmse"] < 0.7 * arms["biases"]["rmse"]
    assert arms["network"]["squared error against biases"]["high"] < 0
    assert arms["network"]["squared error against placebo"]["high"] < 0
    assert arms["placebo"]["rmse"] > 0.95 * arms["biases"]["rmse"]
    low, high = arms["network"]["mae interval"]
    assert low < arms["network"]["mae"] < high


def test_without_ratings_it_is_refused() -> None:
    with pytest.raises(TableError, match="too few ratings to learn from and to predict"):
        evaluate_ratings(toy_dataset(n_users=10), preset_settings("quick", SMALL))
