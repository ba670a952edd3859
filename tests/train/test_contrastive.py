"""The contrast: its value by hand, what is masked, views that stay views, and training that it changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from crossaisle.data.histories import Histories
from crossaisle.encode.senses import Sense
from crossaisle.errors import SettingError
from crossaisle.model.network import Network
from crossaisle.model.settings import ModelSettings
from crossaisle.train.contrastive import Contrast, _view, contrast_loss, reordered
from crossaisle.train.loop import train
from crossaisle.train.packing import pack_for_training
from crossaisle.train.settings import TrainSettings

N = 24
AISLES = np.arange(N) // 12


def made(senses: tuple[str, ...] = ("id", "text"), seed: int = 0) -> tuple[Network, Histories]:
    rng = np.random.default_rng(seed)
    text = Sense(rng.normal(size=(N, 6)).astype(np.float32), np.ones(N, bool))
    torch.manual_seed(seed)
    model = ModelSettings(dim=8, heads=2, window=16, senses=senses, dropout=0.0, input_dropout=0.0, id_dropout=0.0)
    network = Network(model, {"text": (6, True)} if "text" in senses else {}, N if "id" in senses else 0)
    if "text" in senses:
        network.tower.fit_whitening({"text": text})
    network.tower.attach({"text": text} if "text" in senses else {}, np.ones(N, bool))
    return network, Histories.from_lists([rng.permutation(N)[:6].tolist() for _ in range(40)])


def test_the_loss_is_that_of_the_formula() -> None:
    rng = torch.Generator().manual_seed(0)
    left, right = torch.randn(4, 3, generator=rng), torch.randn(4, 3, generator=rng)
    log_q = torch.log(torch.tensor([0.4, 0.3, 0.2, 0.1]))
    same = torch.zeros(4, 4, dtype=torch.bool)
    same[0, 2] = same[1, 1] = True
    cosines = F.normalize(left, dim=1) @ F.normalize(right, dim=1).T / 0.5
    total = 0.0
    for b in range(4):
        for matrix, masked in ((cosines, same), (cosines.T, same.T)):
            against = [torch.exp(matrix[b, c] - log_q[c]) for c in range(4) if c == b or not masked[b, c]]
            total -= float(torch.log(torch.exp(matrix[b, b] - log_q[b]) / sum(against)))
    assert contrast_loss(left, right, 0.5, same, log_q).item() == pytest.approx(total / 8, rel=1e-5)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(3, 9), min_size=1, max_size=8), st.integers(0, 99))
def test_a_view_is_a_part_of_its_history_and_never_empty(lengths: list[int], seed: int) -> None:
    histories = Histories.from_lists([list(range(10 * b, 10 * b + n)) for b, n in enumerate(lengths)])
    rng = np.random.default_rng(seed)
    view, moved = _view(histories, rng), reordered(histories, rng)
    for b, n in enumerate(lengths):
        own = set(range(10 * b, 10 * b + n))
        assert len(view.row(b)) > 0
        assert set(view.row(b).tolist()) <= own
        assert len(set(view.row(b).tolist())) == len(view.row(b)) >= 1
        assert sorted(moved.row(b).tolist()) == sorted(own)
        apart = np.flatnonzero(moved.row(b) != histories.row(b))
        assert len(apart) == 0 or apart.max() - apart.min() < max(2, np.ceil(0.3 * n))


def test_an_event_keeps_its_kind_and_weight_wherever_it_is_moved() -> None:
    lists = [list(range(10 * b, 10 * b + 9)) for b in range(12)]
    plain = Histories.from_lists(lists)
    histories = Histories.from_arrays(plain.offsets, plain.items, plain.items % 4, (plain.items + 1).astype(np.float32))
    rng = np.random.default_rng(1)
    for changed in (reordered(histories, rng), _view(histories, rng), _view(histories, rng)):
        assert np.array_equal(changed.events, changed.items % 4)
        assert np.array_equal(changed.weights, changed.items + 1)


def test_parts_of_one_history_in_different_aisles_are_contrasted() -> None:
    network, histories = made()
    contrast = Contrast(TrainSettings(contrastive="aisles"), histories, AISLES, network)
    one, other = contrast._aisles(histories[contrast._able], np.random.default_rng(0))
    for b in range(len(one)):
        first, second = set(AISLES[one.row(b)]), set(AISLES[other.row(b)])
        assert len(first) == 1
        assert first.isdisjoint(second)
        assert second


def test_ids_come_closer_to_what_their_items_say() -> None:
    network, histories = made()
    contrast = Contrast(TrainSettings(contrastive="item", contrastive_weight=1.0), histories, AISLES, network)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)

    def right() -> float:
        ids, said = network.tower.parts(torch.arange(N))
        return float(((F.normalize(ids, dim=1) @ F.normalize(said, dim=1).T).argmax(1) == torch.arange(N)).float().mean())

    before = right()
    for _ in range(60):
        optimizer.zero_grad()
        contrast.term(network, pack_for_training(histories, 16, 0), generator, torch.float32, 0.5).backward()
        optimizer.step()
    assert right() > 0.8 > before + 0.5


@pytest.mark.parametrize("kind", ["views", "aisles", "item"])
def test_training_is_changed_by_it_and_repeats(kind: str) -> None:
    weights = []
    for what in ("none", kind, kind):
        network, histories = made()
        settings = TrainSettings(epochs=1, contrastive=what)
        terms = [] if what == "none" else [Contrast(settings, histories, AISLES, network)]
        train(network, histories, settings, seed=0, epochs=1, terms=terms)
        weights.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(weights[1], weights[2])
    assert not torch.equal(weights[0], weights[1])


def test_what_the_data_cannot_give_is_refused() -> None:
    network, histories = made(("id",))
    with pytest.raises(SettingError, match="items lack ids or senses"):
        Contrast(TrainSettings(contrastive="item"), histories, AISLES, network)
    with pytest.raises(SettingError, match="0 histories have two aisles"):
        Contrast(TrainSettings(contrastive="aisles"), histories, np.zeros(N, np.int64), network)
    with pytest.raises(SettingError, match="0 histories have three events"):
        Contrast(TrainSettings(contrastive="views"), Histories.from_lists([[1, 2]] * 5), AISLES, network)
