"""The fused cross-entropy against torch's own."""

import pytest
import torch
from torch.nn import functional as F

from crossaisle.model.losses import catalogue_cross_entropy


def _problem(p=50, n=37, d=8, seed=0):
    g = torch.Generator().manual_seed(seed)
    h = F.normalize(torch.randn(p, d, generator=g), dim=1).requires_grad_()
    e = F.normalize(torch.randn(n, d, generator=g), dim=1).requires_grad_()
    scale = torch.tensor(7.0, requires_grad=True)
    targets = torch.randint(n, (p,), generator=g)
    weights = torch.rand(p, generator=g) * (torch.rand(p, generator=g) > 0.3)
    bias = torch.randn(n, generator=g)
    return h, e, scale, targets, weights, bias


def _plain(h, e, scale, targets, weights, bias):
    each = F.cross_entropy(scale * h @ e.T + bias, targets, reduction="none")
    return (each * weights).sum() / weights.sum()


@pytest.mark.parametrize("chunk", [7, 50, 1024])
def test_value_and_gradients_equal_those_of_plain_cross_entropy(chunk):
    h, e, scale, targets, weights, bias = _problem()
    wanted = torch.autograd.grad(_plain(h, e, scale, targets, weights, bias), (h, e, scale))
    loss = catalogue_cross_entropy(h, e, scale, targets, weights, bias, chunk=chunk)
    found = torch.autograd.grad(loss, (h, e, scale))
    assert loss.item() == pytest.approx(_plain(h, e, scale, targets, weights, bias).item(), rel=1e-5)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("chunk", [7, 1024])
def test_the_gradient_of_a_learned_bias_is_that_of_plain_cross_entropy(chunk):
    h, e, scale, targets, weights, bias = _problem()
    bias.requires_grad_()
    wanted = torch.autograd.grad(_plain(h, e, scale, targets, weights, bias), bias)[0]
    found = torch.autograd.grad(catalogue_cross_entropy(h, e, scale, targets, weights, bias, chunk=chunk), bias)[0]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-7)


def test_bfloat16_stays_close():
    h, e, scale, targets, weights, bias = _problem(p=200, n=300, d=32)
    wanted = torch.autograd.grad(_plain(h, e, scale, targets, weights, bias), (h, e))
    found = torch.autograd.grad(catalogue_cross_entropy(h, e, scale, targets, weights, bias, dtype=torch.bfloat16), (h, e))
    for a, b in zip(found, wanted, strict=True):
        assert F.cosine_similarity(a.flatten(), b.flatten(), dim=0) > 0.999


def test_a_gradient_from_outside_scales_it():
    h, e, scale, targets, weights, _ = _problem()
    once = torch.autograd.grad(catalogue_cross_entropy(h, e, scale, targets, weights), h)[0]
    thrice = torch.autograd.grad(3 * catalogue_cross_entropy(h, e, scale, targets, weights), h)[0]
    torch.testing.assert_close(thrice, 3 * once)
