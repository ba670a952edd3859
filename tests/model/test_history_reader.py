"""Reading alone gives the states that the encoder gives, whatever a token carries, at every length."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.data.histories import Histories
from crossaisle.data.own_reviews import OwnReviews, ReviewTable
from crossaisle.encode.senses import Sense
from crossaisle.model.history_reader import HistoryReader
from crossaisle.model.network import Network
from crossaisle.model.settings import ModelSettings
from crossaisle.train.packing import pack_for_reading
from crossaisle.train.scoring import READING_PLACES, states_after

SMALL = ModelSettings(dim=16, heads=2, text_dim=8, window=8)
ALL: dict[str, Any] = {"n_events": 3, "with_weights": True, "with_times": True, "review_width": 6}
KINDS: dict[str, dict[str, Any]] = {"bare": {}, "all": ALL, "signed": {"signed": True}, "one block": {"blocks": 1}, "three": {"blocks": 3}}


def network_of(blocks: int = 2, **shape: Any) -> Network:
    """Every parameter drawn by chance, so that nothing is left out unseen."""
    torch.manual_seed(1)
    network = Network(replace(SMALL, blocks=blocks), {"text": (12, True)}, 20, **shape)
    sense = Sense(np.random.default_rng(0).normal(size=(20, 12)).astype(np.float32), np.ones(20, bool))
    network.tower.fit_whitening({"text": sense})
    network.tower.attach({"text": sense}, np.ones(20, bool))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network.eval()


def histories_of(rows: list[list[int]], seed: int = 0) -> Histories:
    """Events of three kinds or none, weights, times with gaps unknown, and a review of every other event."""
    rng, bare = np.random.default_rng(seed), Histories.from_lists(rows)
    n = len(bare.items)
    times = np.where(rng.random(n) < 0.2, np.nan, np.sort(rng.random(n)) * 1e7)
    out = Histories.from_arrays(bare.offsets, bare.items, rng.integers(-1, 3, n), rng.random(n) * 3, times)
    table = ReviewTable(
        None, np.array([1, 5, np.nan], np.float32), np.zeros(3), rng.normal(size=(3, 6)).astype(np.float32), np.array([1, 0, 1], bool)
    )
    return replace(out, own=OwnReviews(rng.integers(-1, 3, n), table))


def by_packing(network: Network, vectors: torch.Tensor, histories: Histories) -> torch.Tensor:
    """The same states from the encoder that training uses."""
    packing = pack_for_reading(histories, SMALL.window)
    states = network.states(vectors, packing.rows)[torch.from_numpy(packing.last_row), torch.from_numpy(packing.last_column)]
    return torch.where(torch.from_numpy(histories.lengths == 0)[:, None], torch.zeros(()), states)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(rows=st.lists(st.lists(st.integers(0, 19), max_size=20), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_same_states_as_training_reads(kind: str, rows: list[list[int]], seed: int) -> None:
    if not any(rows):
        rows = [[3]]
    network, histories = network_of(**KINDS[kind]), histories_of(rows, seed)
    with torch.inference_mode():
        vectors = network.tower()
        torch.testing.assert_close(states_after(network, vectors, histories), by_packing(network, vectors, histories), rtol=0, atol=1e-5)


@pytest.mark.parametrize("left_out", ["event", "weight", "gap", "wrote"])
def test_placebo_what_a_token_carries_is_read(left_out: str) -> None:
    network, histories = network_of(**ALL), histories_of([[1, 2, 3, 4, 5]])
    changed = {
        "event": replace(histories, events=histories.events * 0),
        "weight": replace(histories, weights=histories.weights * 0),
        "gap": replace(histories, times=histories.times * 0),
        "wrote": replace(histories, own=None),
    }
    vectors = network.tower().detach()
    before, after = states_after(network, vectors, histories), states_after(network, vectors, changed[left_out])
    assert float((before - after).abs().max()) > 1e-3


def test_many_histories_are_read_in_portions() -> None:
    network = network_of()
    rows = [[i % 20, (i * 7) % 20, (i * 3) % 20][: i % 4] for i in range(READING_PLACES)]
    vectors, histories = network.tower().detach(), Histories.from_lists(rows)
    states = states_after(network, vectors, histories)
    torch.testing.assert_close(states, by_packing(network, vectors, histories).detach(), rtol=0, atol=1e-5)
    assert not states[::4].any()
    assert states_after(network, vectors, Histories.from_lists([])).shape == (0, 16)


def test_a_kept_reader_sees_what_training_changes_only_when_made_anew() -> None:
    """Its parameters are the network's own, but masks of attention are laid out once."""
    network, histories = network_of(), histories_of([[1, 2, 3]])
    vectors, reader = network.tower().detach(), HistoryReader(network)
    assert torch.equal(states_after(network, vectors, histories, reader), states_after(network, vectors, histories))
    with torch.no_grad():
        for block in network.encoder.blocks:
            block.bias.add_(torch.linspace(0, 5, SMALL.window))
    assert not torch.allclose(states_after(network, vectors, histories, reader), states_after(network, vectors, histories), atol=1e-4)
