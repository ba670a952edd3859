"""Gradients of aisles, projected where they disagree."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from crossaisle.data.histories import Histories
from crossaisle.errors import SettingError
from crossaisle.model.network import Network, PackedRows
from crossaisle.model.settings import ModelSettings
from crossaisle.train import conflict as module
from crossaisle.train.conflict import Conflict, aisle_groups, projected
from crossaisle.train.loop import train
from crossaisle.train.objective import step_loss
from crossaisle.train.packing import pack_for_training
from crossaisle.train.settings import TrainSettings

AISLES = np.arange(12) % 3
SETTINGS = TrainSettings(epochs=1, tokens_per_step=64, conflict="pcgrad", precision="float32")


def made() -> tuple[Network, Histories]:
    rng = np.random.default_rng(0)
    histories = Histories.from_lists([rng.permutation(12)[:6].tolist() for _ in range(20)])
    torch.manual_seed(0)
    network = Network(ModelSettings(dim=8, heads=2, window=8, senses=("id",), dropout=0.0, input_dropout=0.0), {}, 12)
    network.tower.attach({}, np.ones(12, bool))
    return network, histories


def gradients(network: Network) -> dict[str, torch.Tensor]:
    return {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}


def test_by_hand() -> None:
    draw = torch.Generator().manual_seed(0)
    assert projected(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), draw).tolist() == [1.0, 2.0]  # nothing against each other
    assert projected(torch.tensor([[2.0, 0.0], [-1.0, 0.0]]), draw).tolist() == [0.0, 0.0]  # nothing but against each other
    # (3, 1) . (-1, 1) = -2: (3, 1) + (-1, 1) = (2, 2), and (-1, 1) + 2/10 (3, 1) = (-.4, 1.2)
    torch.testing.assert_close(projected(torch.tensor([[3.0, 1.0], [-1.0, 1.0]]), draw), torch.tensor([1.6, 3.2]))


def test_two_gradients_end_without_anything_against_either() -> None:
    draw = torch.Generator().manual_seed(1)
    for _ in range(50):
        pair = torch.randn(2, 6, generator=draw)
        out = projected(pair, draw)
        assert (pair @ out >= -1e-5).all()


def test_groups_are_the_largest_aisles_and_the_rest() -> None:
    assert aisle_groups(np.array([3, 9])).tolist() == [1, 0]
    assert aisle_groups(np.array([4, 3, 2, 1])).tolist() == [0, 1, 2, 3]
    assert aisle_groups(np.array([4, 3, 2, 1, 1, 1])).tolist() == [0, 1, 2, 3, 3, 3]


def test_summed_instead_of_projected_it_is_the_plain_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    network, histories = made()
    rows = pack_for_training(histories, 8, 0).rows(slice(0, 2))  # few targets disagree the most

    def loss_of(part: PackedRows) -> torch.Tensor:
        return step_loss(network, part, 0, torch.Generator().manual_seed(0), torch.float32)

    plain = loss_of(rows)
    plain.backward()
    wanted = gradients(network)
    found = {}
    for how in ("sum", "pcgrad"):
        network.zero_grad()
        with monkeypatch.context() as patch:
            if how == "sum":
                patch.setattr(module, "projected", lambda g, _: g.sum(0))
            loss = Conflict(SETTINGS, histories.items, AISLES, torch.device("cpu")).backward(network, rows, loss_of, torch.Generator())
        assert loss.item() == pytest.approx(plain.item(), rel=1e-5)
        found[how] = gradients(network)
    for name, value in wanted.items():
        torch.testing.assert_close(found["sum"][name], value, rtol=1e-4, atol=1e-6)
        if not name.startswith("encoder."):  # vectors of items are left as they are
            torch.testing.assert_close(found["pcgrad"][name], value, rtol=1e-4, atol=1e-6)
    assert any(not torch.allclose(found["pcgrad"][n], v, rtol=1e-3) for n, v in wanted.items() if n.startswith("encoder."))


def test_one_aisle_is_trained_as_without() -> None:
    ends = []
    for how in ("none", "pcgrad"):
        network, histories = made()
        train(network, histories, dataclasses.replace(SETTINGS, conflict=how), seed=0, epochs=1)
        ends.append(network.state_dict())
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, msg=name)


def test_several_aisles_are_trained_in_another_way() -> None:
    ends = []
    for how in ("none", "pcgrad"):
        network, histories = made()
        run = train(network, histories, dataclasses.replace(SETTINGS, conflict=how), seed=0, epochs=1, item_aisles=AISLES)
        ends.append(network.encoder.blocks[0].up.weight.detach())
        assert np.isfinite(run.losses).all()
    assert not torch.allclose(ends[0], ends[1])


def test_it_does_not_go_with_adversarial_training() -> None:
    network, histories = made()
    with pytest.raises(SettingError, match=r"train.conflict is pcgrad beside train.adversarial=fgm; expected one of the two"):
        train(network, histories, dataclasses.replace(SETTINGS, adversarial="fgm"), seed=0, epochs=1)


def test_it_does_not_go_with_a_tuned_language_model() -> None:
    network, histories = made()
    with pytest.raises(SettingError, match=r"train.conflict is pcgrad and the language model is tuned"):
        train(network, histories, SETTINGS, seed=0, epochs=1, tuning=_Tuning())  # type: ignore[arg-type]


class _Tuning:
    """As much of a tuned language model as is asked for before it is refused."""

    def parameter_groups(self) -> list[dict[str, object]]:
        return []
