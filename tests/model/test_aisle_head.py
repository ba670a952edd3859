"""The factored form: probabilities that sum to one, an aisle that is its own softmax, items and aisles that join later."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from crossaisle.model.aisle_head import AisleHead
from crossaisle.model.settings import ModelSettings

SMALL = ModelSettings(dim=8, heads=2)
AISLES = np.array([0, 1, 0, 2, 1, 0, 2, 2, 1, 0])
SCALE = torch.tensor(9.0)


def _head(rank=0, trained=None, aisles=AISLES, n_aisles=3):
    torch.manual_seed(0)
    head = AisleHead(dataclasses.replace(SMALL, aisle_rank=rank), n_aisles)
    with torch.no_grad():
        for p in head.parameters():
            p.normal_()
    head.attach(aisles, torch.ones(len(aisles), dtype=torch.bool) if trained is None else torch.from_numpy(trained))
    return head


def _problem(n=10):
    g = torch.Generator().manual_seed(1)
    return F.normalize(torch.randn(5, 8, generator=g), dim=1), F.normalize(torch.randn(n, 8, generator=g), dim=1)


@pytest.mark.parametrize("rank", [0, 3])
def test_probabilities_sum_to_one_and_each_aisle_is_a_softmax_of_its_own(rank):
    head, (h, e) = _head(rank), _problem()
    with torch.no_grad():
        p = head.log_probabilities(h, e, SCALE).exp()
        torch.testing.assert_close(p.sum(1), torch.ones(5))
        by_aisle = torch.softmax(SCALE * h @ head.vectors.T + head.bias, 1)
        for c in range(3):
            here = torch.from_numpy(np.flatnonzero(c == AISLES))
            torch.testing.assert_close(p[:, here].sum(1), by_aisle[:, c])
            state = h if rank == 0 else F.normalize(h + (head.up[c] @ head.down[c] @ h.T).T, dim=1)
            torch.testing.assert_close(p[:, here] / by_aisle[:, [c]], torch.softmax(SCALE * state @ e[here].T, 1))


def test_the_correction_starts_as_none():
    head, (h, e) = AisleHead(dataclasses.replace(SMALL, aisle_rank=4), 3), _problem()
    plain = AisleHead(SMALL, 3)
    for one in (head, plain):
        one.attach(AISLES, torch.ones(10, dtype=torch.bool))
    torch.testing.assert_close(head.log_probabilities(h, e, SCALE), plain.log_probabilities(h, e, SCALE))


def test_an_item_never_trained_changes_no_other_and_stands_where_its_cosine_puts_it():
    h, e = _problem(11)
    with torch.no_grad():
        before = _head().log_probabilities(h, e[:10], SCALE)
        head = _head(trained=np.arange(11) < 10, aisles=np.append(AISLES, 1))
        after = head.log_probabilities(h, e, SCALE)
        torch.testing.assert_close(after[:, :10], before)
        torch.testing.assert_close(after[:, 10] - after[:, 1], SCALE * (h @ (e[10] - e[1])))


def test_an_aisle_never_trained_is_held_against_the_aisles_that_are_likely():
    h, e = _problem(11)
    with torch.no_grad():
        head = _head(trained=np.arange(11) < 10, aisles=np.append(AISLES, 3))
        after = head.log_probabilities(h, e, SCALE)
        torch.testing.assert_close(after[:, :10], _head().log_probabilities(h, e[:10], SCALE))
        added = after[:, [0, 1, 3]] - SCALE * h @ e[[0, 1, 3]].T  # what an aisle adds to each of its items
        likely = torch.softmax(head.aisle_logits(h, SCALE), 1)
        torch.testing.assert_close(after[:, 10] - SCALE * h @ e[10], (likely * added).sum(1))


def test_an_aisle_without_trained_items_is_never_likely():
    trained = AISLES != 2
    head, (h, e) = _head(trained=trained), _problem()
    with torch.no_grad():
        assert bool((torch.softmax(head.aisle_logits(h, SCALE), 1)[:, 2] == 0).all())
        p = head.log_probabilities(h, e, SCALE)
        assert bool(p.isfinite().all())
        torch.testing.assert_close(p[:, torch.from_numpy(trained)].exp().sum(1), torch.ones(5))
