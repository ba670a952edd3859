"""The item tower, the history encoder and the packing: what must not depend on what."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import random as random_sparse

from crossaisle.data.histories import Histories
from crossaisle.encode.senses import Sense, select_items, stack_items
from crossaisle.model.item_tower import ItemTower, Whitening
from crossaisle.model.network import Network
from crossaisle.model.settings import ModelSettings
from crossaisle.train.packing import pack_for_reading, pack_for_training

SMALL = ModelSettings(dim=16, heads=2, text_dim=8, window=8, dropout=0.0, input_dropout=0.0, id_dropout=0.0)


def _senses(n=20, seed=0):
    rng = np.random.default_rng(seed)
    bags = random_sparse(n, 30, density=0.2, format="csr", dtype=np.float32, random_state=rng)
    present = rng.random(n) > 0.3
    return {"text": Sense(rng.normal(size=(n, 12)).astype(np.float32), present), "words": Sense(bags, np.diff(bags.indptr) > 0)}


def _network(senses, n=20, **changes):
    torch.manual_seed(0)
    network = Network(SMALL, {"text": (12, True), "words": (30, False)}, n, **changes)
    network.tower.fit_whitening(senses)
    network.tower.attach(senses, np.arange(n) % 4 != 0)
    return network.eval()


def test_whitened_vectors_are_uncorrelated_and_of_mean_length_one():
    x = np.random.default_rng(0).normal(size=(500, 6)).astype(np.float32) @ np.diag([5, 3, 2, 1, 1, 0.1]).astype(np.float32)
    whiten = Whitening(6, 4)
    whiten.fit(x)
    y = whiten(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(np.cov(y.T), np.eye(4) / 4, atol=1e-3)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-4)


def test_whitening_survives_constant_and_lonely_texts():
    for x in (np.ones((5, 3), np.float32), np.ones((1, 3), np.float32)):
        whiten = Whitening(3, 3)
        whiten.fit(x)
        assert torch.equal(whiten(torch.from_numpy(x)), torch.zeros(len(x), 3))


def test_some_rows_equal_the_same_rows_of_all():
    senses = _senses()
    tower = _network(senses).tower
    rows = torch.tensor([3, 17, 3, 0])
    torch.testing.assert_close(tower(rows), tower()[rows])


def test_an_absent_sense_and_an_untrained_id_do_not_count():
    senses = _senses()
    tower = _network(senses).tower
    before = tower()
    noise = dict(senses)
    noise["text"] = Sense(np.where(senses["text"].present[:, None], senses["text"].values, 99).astype(np.float32), senses["text"].present)
    tower.attach(noise, np.arange(20) % 4 != 0)
    torch.testing.assert_close(tower(), before)
    with torch.no_grad():
        tower.id_table[::4] = 99
    torch.testing.assert_close(tower(), before)


def test_new_items_leave_old_ones_as_they_are():
    senses = _senses()
    tower = _network(senses).tower
    before = tower()
    tower.attach(stack_items(senses, _senses(5, seed=1)), np.append(np.arange(20) % 4 != 0, np.zeros(5, bool)))
    torch.testing.assert_close(tower()[:20], before)
    assert tower().shape == (25, 16)


def test_a_tower_of_nothing_is_refused():
    with pytest.raises(ValueError, match="without ids and without senses"):
        ItemTower(SMALL, {}, 0)()


def test_senses_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="rows of values for"):
        Sense(np.zeros((2, 3), np.float32), np.ones(3, bool))
    with pytest.raises(ValueError, match="differ"):
        stack_items(_senses(), {})
    assert select_items(_senses(), np.array([4, 2]))["text"].values.shape == (2, 12)


def _last_states(network, histories):
    packing = pack_for_reading(histories, SMALL.window)
    states = network.states(network.tower(), packing.rows)
    return torch.stack([states[r, c] for r, c in zip(packing.last_row, packing.last_column, strict=True)])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 19), min_size=1, max_size=20), min_size=1, max_size=12))
def test_a_history_is_read_alike_alone_and_packed_with_others(rows):
    network = _network(_senses(), n_events=1)
    with torch.inference_mode():
        together = _last_states(network, Histories.from_lists(rows))
        for row, state in zip(rows, together, strict=True):
            torch.testing.assert_close(_last_states(network, Histories.from_lists([row]))[0], state, rtol=1e-4, atol=1e-5)


def test_a_state_does_not_see_the_future():
    network = _network(_senses())
    rows = pack_for_reading(Histories.from_lists([[1, 2, 3, 4, 5]]), 8).rows
    with torch.inference_mode():
        before = network.states(network.tower(), rows)
        rows.items[0, 3] = 19
        after = network.states(network.tower(), rows)
    torch.testing.assert_close(before[0, :3], after[0, :3])
    assert not torch.allclose(before[0, 3], after[0, 3])


def test_event_weight_and_time_are_read_where_there_are_any():
    network = _network(_senses(), n_events=3, with_weights=True, with_times=True)
    with torch.no_grad():
        for p in (network.encoder.event, network.encoder.weight, network.encoder.gap):
            p.normal_()
    offsets, items = np.array([0, 3]), np.array([1, 2, 3])
    plain = Histories.from_arrays(offsets, items, np.zeros(3), np.ones(3), np.array([0.0, 10.0, 20.0]))
    with torch.inference_mode():
        base = _last_states(network, plain)
        for other in (
            Histories.from_arrays(offsets, items, np.array([0, 0, 2]), np.ones(3), plain.times),
            Histories.from_arrays(offsets, items, np.zeros(3), np.array([1.0, 1.0, 9.0]), plain.times),
            Histories.from_arrays(offsets, items, np.zeros(3), np.ones(3), np.array([0.0, 10.0, 9e6])),
        ):
            assert not torch.allclose(base, _last_states(network, other))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 99), max_size=30), max_size=12), st.integers(2, 9), st.integers(0, 5))
def test_training_rows_ask_for_every_event_but_the_first_once(rows, width, seed):
    histories = Histories.from_lists(rows)
    packed = pack_for_training(histories, width, seed)
    asked = sorted(zip(packed.items[packed.target_weights > 0].tolist(), packed.targets[packed.target_weights > 0].tolist(), strict=True))
    assert asked == sorted((a, b) for row in rows for a, b in itertools.pairwise(row))
    assert bool((packed.segment >= 0).eq(packed.target_weights > 0).all())
    assert packed.items.shape[1] == width


def test_only_target_events_are_asked_for():
    histories = Histories.from_lists([[5, 6, 7, 8]])
    packed = pack_for_training(histories, 8, 0, np.array([True, False, True, False]))
    assert packed.targets[packed.target_weights > 0].tolist() == [7]
    assert int((packed.segment >= 0).sum()) == 3


def test_an_unknown_event_kind_adds_nothing():
    network = _network(_senses(), n_events=2)
    offsets, items = np.array([0, 2]), np.array([1, 2])
    unknown = Histories.from_arrays(offsets, items, np.array([-1, -1]))
    with torch.inference_mode():
        before = _last_states(network, unknown)
        network.encoder.event.normal_()
        torch.testing.assert_close(_last_states(network, unknown), before)
        assert not torch.allclose(_last_states(network, Histories.from_arrays(offsets, items, np.array([1, 1]))), before)
