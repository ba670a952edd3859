"""Adversarial training: sizes and directions by hand, the worst direction worse than a random one, nothing changed where it is off."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from crossaisle.data.histories import Histories
from crossaisle.encode.senses import Sense
from crossaisle.errors import SettingError
from crossaisle.model.item_tower import Shift
from crossaisle.model.network import Network, PackedRows
from crossaisle.model.settings import ModelSettings
from crossaisle.train.adversarial import Adversary
from crossaisle.train.loop import train
from crossaisle.train.objective import step_loss
from crossaisle.train.packing import pack_for_training
from crossaisle.train.settings import TrainSettings

N = 30


def made(seed: int = 0, dropout: float = 0.0) -> tuple[Network, Histories]:
    rng = np.random.default_rng(seed)
    text = Sense(rng.normal(size=(N, 12)).astype(np.float32), np.ones(N, bool))
    torch.manual_seed(seed)
    settings = ModelSettings(dim=8, heads=2, window=16, senses=("id", "text"), dropout=dropout, input_dropout=dropout, id_dropout=0.0)
    network = Network(settings, {"text": (12, True)}, N)
    network.tower.fit_whitening({"text": text})
    network.tower.attach({"text": text}, np.ones(N, bool))
    starts = rng.integers(N, size=60)
    return network, Histories.from_lists([[int(s + k) % N for k in range(6)] for s in starts])


def step(network: Network, histories: Histories, negatives: int = 0) -> tuple[partial[Tensor], PackedRows, torch.Generator]:
    rows, generator = pack_for_training(histories, 16, 0), torch.Generator().manual_seed(0)
    return partial(step_loss, network, rows, negatives, generator, torch.float32), rows, generator


@pytest.mark.parametrize("sense", ["", "text"])
def test_the_change_is_the_size_asked_for_along_the_gradient(sense: str) -> None:
    network, histories = made()
    loss_of, _, _ = step(network, histories)
    shift = Shift.zeros(network.tower, sense)
    network.tower.shift = shift.watched()
    before = loss_of().item()
    loss_of().backward()
    lengths = network.tower().norm(dim=1) if not sense else network.tower.senses["text"].x.norm(dim=1)  # type: ignore[union-attr]
    worse = shift.along(shift.delta.grad, 0.1)  # type: ignore[arg-type]
    torch.testing.assert_close(worse.delta.norm(dim=1), 0.1 * lengths.detach(), rtol=1e-4, atol=1e-6)
    cosine = torch.nn.functional.cosine_similarity(worse.delta, shift.delta.grad, dim=1)  # type: ignore[arg-type]
    torch.testing.assert_close(cosine, torch.ones(N), rtol=1e-4, atol=1e-4)
    network.tower.shift = worse
    harmed = loss_of().item()
    by_chance = []
    for seed in range(5):
        network.tower.shift = shift.along(torch.randn(worse.delta.shape, generator=torch.Generator().manual_seed(seed)), 0.1)
        by_chance.append(loss_of().item())
    assert harmed - before > 3 * max(abs(c - before) for c in by_chance)


def test_several_steps_stay_in_the_ball_and_are_no_weaker() -> None:
    network, histories = made(1)
    loss_of, _, _ = step(network, histories)
    found = {}
    for kind in ("fgm", "pgd"):
        adversary = Adversary(TrainSettings(adversarial=kind, adversarial_size=0.3, adversarial_steps=4), network)
        shift = Shift.zeros(network.tower)
        network.tower.shift = shift.watched()
        loss_of().backward()
        worse = adversary._climb(network, loss_of, shift, shift.delta.grad, False)  # type: ignore[arg-type]
        assert (worse.delta.norm(dim=1) <= 0.3 * worse.lengths + 1e-5).all()
        network.tower.shift = worse
        found[kind] = loss_of().item()
    assert found["pgd"] > found["fgm"] - 1e-4


@pytest.mark.parametrize("kind", ["fgm", "pgd", "vat", "noise"])
@pytest.mark.parametrize("negatives", [0, 8])
def test_gradients_are_added_and_the_change_is_gone_afterwards(kind: str, negatives: int) -> None:
    network, histories = made(2)
    loss_of, rows, generator = step(network, histories, negatives)
    plain = loss_of().item()
    if not negatives:
        loss_of().backward()
        alone = {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
        network.zero_grad()
    loss = Adversary(TrainSettings(adversarial=kind), network).backward(network, loss_of, rows, generator)
    assert network.tower.shift is None
    assert network.training
    if not negatives:
        assert loss.item() == pytest.approx(plain, rel=1e-5)
        changed = sum((p.grad - alone[n]).abs().sum().item() for n, p in network.named_parameters() if n in alone and p.grad is not None)
        assert changed > 1e-3


def test_the_direction_without_labels_moves_predictions_more_than_chance() -> None:
    network, histories = made(3)
    _loss_of, rows, _generator = step(network, histories)
    told = []
    for kind in ("found", "random"):
        adversary = Adversary(TrainSettings(adversarial="vat", adversarial_size=0.2), network)
        shift = Shift.zeros(network.tower)
        network.zero_grad()
        original = Shift.along

        def random(self: Shift, direction: Tensor, size: float, most: float | None = None, original: Any = original) -> Shift:
            if size == 0.2:
                direction = torch.randn(direction.shape, generator=torch.Generator().manual_seed(9))
            return original(self, direction, size, most)

        Shift.along = original if kind == "found" else random  # type: ignore[method-assign]
        try:
            adversary._vat(network, rows, shift, torch.Generator().manual_seed(1))
        finally:
            Shift.along, network.tower.shift = original, None  # type: ignore[method-assign]
        told.append(sum(p.grad.norm().item() for p in network.parameters() if p.grad is not None))
    assert told[0] > told[1]


def test_epochs_before_it_begins_are_those_of_plain_training() -> None:
    weights = []
    for settings in (TrainSettings(epochs=2), TrainSettings(epochs=2, adversarial="fgm", adversarial_after=1.0)):
        network, histories = made(4, dropout=0.2)
        train(network, histories, settings, seed=0, epochs=2)
        weights.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(*weights)
    network, histories = made(4, dropout=0.2)
    train(network, histories, TrainSettings(epochs=2, adversarial="fgm"), seed=0, epochs=2)
    assert not torch.equal(weights[0], torch.cat([p.detach().flatten() for p in network.parameters()]))


def test_a_sense_that_is_not_there_is_refused() -> None:
    network, histories = made()
    with pytest.raises(SettingError, match=r"train\.adversarial_on is 'image'"):
        train(network, histories, TrainSettings(adversarial="fgm", adversarial_on="image"), seed=0, epochs=1)
