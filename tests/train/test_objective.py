"""The step's loss against the model's own probabilities; columns without events; the weights of aisles."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from crossaisle.model.network import Network
from crossaisle.model.settings import ModelSettings
from crossaisle.testing import toy_dataset
from crossaisle.train.objective import aisle_weights, step_loss
from crossaisle.train.packing import pack_for_training

MODEL = ModelSettings(dim=16, heads=2, window=16, senses=("id",), dropout=0.0, input_dropout=0.0, id_dropout=0.0)


@pytest.fixture(scope="module")
def data():
    return toy_dataset()


def _network(data, factored, rank=0, trained=None, aisles=None, temperature=16.0):
    torch.manual_seed(0)
    aisles = data.item_categories if aisles is None else aisles
    network = Network(
        dataclasses.replace(MODEL, aisle_rank=rank, temperature=temperature),
        {},
        data.n_items,
        n_aisles=int(aisles.max()) + 1 if factored else 0,
    ).eval()
    network.tower.attach({}, data.item_counts > 0 if trained is None else trained)
    if network.head is not None:
        network.head.attach(aisles, network.tower.trained)
        with torch.no_grad():
            for p in network.head.parameters():
                p.normal_(std=0.3)
    return network


def _rows(data, weights=None):
    rows = pack_for_training(data.histories, 16, 0).rows(slice(0, 8))
    if weights is not None:
        rows.target_weights.mul_(torch.from_numpy(weights)[rows.targets])
    return rows


def _by_the_scores(network, rows):
    """-log softmax of the scores over trained items, weighted; the columns of the network's own scores."""
    chosen = rows.target_weights > 0
    vectors = network.tower()
    scores = network.scores(network.states(vectors, rows)[chosen], F.normalize(vectors, dim=-1))
    scores = scores.masked_fill(~network.tower.trained, -torch.inf)
    w = rows.target_weights[chosen]
    return (F.cross_entropy(scores, rows.targets[chosen], reduction="none") * w).sum() / w.sum()


@pytest.mark.parametrize(("factored", "rank"), [(False, 0), (True, 0), (True, 3)])
def test_the_loss_and_its_gradients_are_those_of_the_scores(data, factored, rank):
    network = _network(data, factored, rank)
    rows = _rows(data, np.linspace(0.5, 2.0, data.n_items, dtype=np.float32))
    found = step_loss(network, rows, 0, torch.Generator(), torch.float32)
    wanted = _by_the_scores(network, rows)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    names = [n for n, _ in network.named_parameters()]
    for name, a, b in zip(
        names, *(torch.autograd.grad(x, tuple(network.parameters()), allow_unused=True) for x in (found, wanted)), strict=True
    ):
        if b is not None:
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.parametrize("factored", [False, True])
def test_an_item_without_events_gets_no_gradient_as_a_column(data, factored):
    rows = _rows(data)
    used = np.unique(torch.cat([rows.items[rows.segment >= 0], rows.targets[rows.target_weights > 0]]).numpy())
    trained = np.isin(np.arange(data.n_items), used)
    assert 0 < trained.sum() < data.n_items
    network = _network(data, factored, trained=trained)
    vectors = torch.randn(data.n_items, 16, requires_grad=True)
    network.tower.forward = lambda rows=None: vectors if rows is None else vectors[rows]
    for negatives in (0, 40):
        loss = step_loss(network, rows, negatives, torch.Generator().manual_seed(0), torch.float32)
        gradient = torch.autograd.grad(loss, vectors)[0].abs().sum(1).numpy()
        assert (gradient[~trained] == 0).all()
        assert (gradient[used] > 0).all()


def test_one_aisle_in_factors_is_the_plain_softmax(data):
    aisles = np.zeros(data.n_items, np.int64)
    plain, factored = _network(data, False), _network(data, True, aisles=aisles)
    assert factored.head is None
    rows = _rows(data)
    losses = [step_loss(net, rows, 0, torch.Generator(), torch.float32) for net in (plain, factored)]
    assert losses[0].item() == losses[1].item()


def test_the_sampled_sum_estimates_the_sum_in_every_aisle(data):
    network, rows = _network(data, True, temperature=3.0), _rows(data)  # near even, so that the log of an estimate is hardly biased
    with torch.no_grad():
        whole = float(step_loss(network, rows, 0, torch.Generator(), torch.float32))
        drawn = [float(step_loss(network, rows, 60, torch.Generator().manual_seed(s), torch.float32)) for s in range(200)]
    assert np.std(drawn) > 0
    assert np.mean(drawn) == pytest.approx(whole, abs=0.02)


def test_aisles_weigh_by_their_power_and_the_mean_target_one():
    counts, aisles = np.array([30, 60, 10]), np.array([0, 0, 1])
    for balance, total in ((0.0, 1.0), (0.5, 3.0), (0.9, 9**0.9)):
        w = aisle_weights(counts, aisles, balance)
        assert (w * counts).sum() == pytest.approx(100)
        assert (w * counts)[:2].sum() / (w * counts)[2] == pytest.approx(total)
    assert aisle_weights(counts, aisles, 1.0) is None
