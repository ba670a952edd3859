"""Fusion: the gate starts as the sum, masks what is missing, and learns which sense to trust."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crossaisle.encode.senses import Sense
from crossaisle.errors import SettingError
from crossaisle.model.fusion import Fusion
from crossaisle.model.item_tower import ItemTower
from crossaisle.model.settings import ModelSettings


def _tower(n: int = 30, seed: int = 0, **changes: object) -> ItemTower:
    rng = np.random.default_rng(seed)
    has_photo = rng.random(n) < 0.6
    senses = {
        "image": Sense(rng.normal(size=(n, 12)).astype(np.float32) * has_photo[:, None], has_photo),
        "text": Sense(rng.normal(size=(n, 16)).astype(np.float32), np.ones(n, bool)),
    }
    torch.manual_seed(seed)
    tower = ItemTower(ModelSettings(dim=8, text_dim=8, **changes), {"image": (12, True), "text": (16, True)}, n)
    tower.fit_whitening(senses)
    tower.attach(senses, np.ones(n, bool))
    return tower.eval()


def test_an_untrained_gate_is_the_sum():
    assert torch.equal(_tower()(), _tower(fusion="gate")())


def test_a_missing_sense_takes_nothing_from_the_others():
    settings = ModelSettings(dim=8, fusion="gate")
    torch.manual_seed(1)
    fuse = Fusion(settings, ["image", "text"]).eval()
    for gate in fuse.gates:
        torch.nn.init.normal_(gate[2].weight)
    text = torch.randn(5, 8)
    alone = fuse([torch.zeros(5, 8), text], torch.tensor([[False, True]] * 5))
    assert torch.equal(alone[1], text)
    assert not alone[0].any()
    both = fuse([torch.randn(5, 8), text], torch.ones(5, 2, dtype=torch.bool))
    assert not torch.allclose(both[1], text)


def test_dropout_leaves_out_some_senses_but_never_all_and_only_in_training():
    fuse = Fusion(ModelSettings(dim=8, modality_dropout=0.5), ["image", "text"])
    torch.manual_seed(0)
    parts = [torch.ones(2_000, 8), torch.ones(2_000, 8)]
    present = torch.ones(2_000, 2, dtype=torch.bool)
    kept = torch.stack([p[:, 0] for p in fuse(parts, present)], dim=1)
    assert (kept.sum(1) > 0).all()
    assert kept.mean() == pytest.approx(0.5 + 0.25 * 1.0, abs=0.03)  # a quarter would lose both, and keeps both
    assert torch.equal(torch.stack(fuse.eval()(parts, present)), torch.stack(parts))


def test_the_gate_learns_to_trust_the_sense_that_tells_items_apart():
    tower = _tower(n=60, fusion="gate").train()
    goal = tower.senses["text"](None).detach() * 3
    wanted = torch.optim.Adam(tower.fusion.parameters(), lr=0.05)
    for _ in range(150):
        loss = ((torch.stack(tower._fused(None)).sum(0) - goal) ** 2).mean()
        wanted.zero_grad()
        loss.backward()
        wanted.step()
    both = tower.senses["image"].present
    share = (
        torch.stack([p.norm(dim=1) for p in tower._fused(None)])[:, both]
        / torch.stack([tower.senses[name](None).norm(dim=1) for name in ("image", "text")])[:, both]
    )
    assert share[1].mean() > 1.5 > 0.5 > share[0].mean()


def test_shares_add_up_to_one_and_a_missing_photo_has_none():
    tower = _tower(fusion="gate")
    shares = tower.shares()
    assert list(shares) == ["id", "image", "text"]
    assert torch.allclose(sum(shares.values()), torch.ones(30), atol=1e-5)
    missing = ~tower.senses["image"].present
    assert missing.any()
    assert not shares["image"][missing].any()
    rows = torch.tensor([3, 1])
    assert torch.allclose(tower.shares(rows)["text"], shares["text"][rows])


def test_an_unknown_way_to_join_is_refused():
    with pytest.raises(SettingError, match="fusion"):
        ModelSettings(fusion="attention")
