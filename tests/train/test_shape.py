"""What the data decide about a network, and a network as named tensors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from crossaisle.encode.senses import Sense
from crossaisle.model.settings import ModelSettings
from crossaisle.testing import toy_dataset
from crossaisle.train.saved import fill_network, network_tensors, sense_tensors, senses_of
from crossaisle.train.settings import TrainSettings
from crossaisle.train.shape import Shape, new_network

MODEL = ModelSettings(dim=16, heads=2, window=8, senses=("id", "text"))


def senses(n: int) -> dict[str, Sense]:
    rng = np.random.default_rng(0)
    words = sp.random(n, 7, 0.3, "csr", np.float32, rng)
    return {
        "text": Sense(rng.normal(size=(n, 5)).astype(np.float32), np.arange(n) % 4 > 0),
        "words": Sense(words, np.asarray(words.sum(1)).ravel() > 0),
    }


@pytest.mark.parametrize("shape", [Shape(1, False, False), Shape(3, True, True, 4, 6)])
def test_a_network_tells_the_shape_it_was_made_for(shape: Shape) -> None:
    assert Shape.of_network(new_network(MODEL, shape, {}, 9, seed=0)) == shape


def test_the_data_decide() -> None:
    data, training = toy_dataset(n_users=20, n_items=16, n_aisles=2), TrainSettings()
    plain = Shape.of_data(data, MODEL, training)
    assert (plain.n_events, plain.weighted, plain.n_aisles, plain.review_width) == (2, False, 0, 0)
    weights = np.arange(1, len(data.histories.items) + 1, dtype=np.float32)
    heavy = data.with_histories(dataclasses.replace(data.histories, weights=weights))
    assert Shape.of_data(heavy, MODEL, training).weighted
    assert not Shape.of_data(heavy, MODEL, dataclasses.replace(training, objective="rating")).weighted
    assert Shape.of_data(data, MODEL, dataclasses.replace(training, objective="factored"), 7) == dataclasses.replace(
        plain, n_aisles=2, review_width=7
    )


def test_senses_as_tensors_and_back() -> None:
    known = senses(9)
    again = senses_of(sense_tensors(known), {name: s.dim for name, s in known.items()})
    assert list(again) == list(known)
    for name, sense in known.items():
        np.testing.assert_array_equal(again[name].present, sense.present)
        dense = [s.values if isinstance(s.values, np.ndarray) else s.values.toarray() for s in (again[name], sense)]
        np.testing.assert_array_equal(*dense)


def test_the_seed_draws_a_network_and_tensors_fill_another() -> None:
    known, shape, training = senses(9), Shape(2, False, True), TrainSettings(debias="popularity")
    one, same, other = (new_network(MODEL, shape, known, 9, seed=seed) for seed in (1, 1, 2))
    drawn = [torch.nn.utils.parameters_to_vector(n.parameters()) for n in (one, same, other)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    plain = dataclasses.replace(training, debias="none")
    fill_network(other, network_tensors(one), plain)
    assert torch.equal(torch.nn.utils.parameters_to_vector(other.parameters()), drawn[0])
