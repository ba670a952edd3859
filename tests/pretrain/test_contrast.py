"""The contrastive loss against torch's own and by hand, and its gradient in parts against the gradient at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import shop, tiny_bert

from crossaisle.encode.transformer import TransformersReader
from crossaisle.pretrain.contrast import contrastive_backward, contrastive_loss
from crossaisle.pretrain.language_model import LanguageModel, open_language_model
from crossaisle.pretrain.settings import PretrainSettings


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    folder = tiny_bert(tmp_path_factory.mktemp("tiny"))
    return open_language_model(TransformersReader(folder), PretrainSettings(precision="float32"))


def unit(rows: int, seed: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(rows, 8, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_loss_is_two_cross_entropies() -> None:
    a, b = unit(6, 0), unit(6, 1)
    log_q = torch.rand(6), torch.rand(6)
    own, nothing = torch.arange(6), torch.zeros(6, 6, dtype=torch.bool)
    there = torch.nn.functional.cross_entropy(a @ b.T / 0.1 - log_q[1], own)
    back = torch.nn.functional.cross_entropy(b @ a.T / 0.1 - log_q[0], own)
    torch.testing.assert_close(contrastive_loss(a, b, nothing, 0.1, log_q), (there + back) / 2)


def test_what_is_blocked_has_no_gradient_and_the_diagonal_is_never_blocked() -> None:
    a, b = unit(5, 0), unit(5, 1).requires_grad_(True)
    blocked = torch.zeros(5, 5, dtype=torch.bool)
    blocked[:, 3] = True
    blocked[3, :] = True  # both ways: pair 3 meets nobody
    contrastive_loss(a, b, blocked, 0.1).backward()
    assert b.grad is not None
    assert b.grad[3].abs().max() < 1e-6
    assert b.grad[2].abs().max() > 1e-3


def test_gradient_in_parts_equals_the_gradient_at_once(model: LanguageModel) -> None:
    data = shop()
    tokens = model.tokens([f"{t} {d}" for t, d in zip(data.items["title"][:24], data.items["description"][:24], strict=True)])
    nothing = torch.zeros(12, 12, dtype=torch.bool)
    model.module.eval()

    def gradient(chunk_tokens: int) -> tuple[float, torch.Tensor]:
        model.module.zero_grad()
        loss = contrastive_backward(
            model, tokens, lambda v: contrastive_loss(v[:12], v[12:], nothing, 0.05), chunk_tokens=chunk_tokens, seed=7
        )
        return loss, torch.cat([p.grad.flatten() for p in model.module.parameters() if p.grad is not None])

    whole, parts = gradient(100_000), gradient(64)
    assert whole[0] == pytest.approx(parts[0], rel=1e-5)
    torch.testing.assert_close(whole[1], parts[1], rtol=1e-3, atol=1e-5 * float(whole[1].abs().max()))


def test_dropout_draws_the_same_in_both_passes(model: LanguageModel) -> None:
    tokens = model.tokens(shop().items["title"].to_list()[:16])
    model.module.train()
    seen: list[torch.Tensor] = []
    vectors, first = model.vectors, []

    def watched(batch):  # type: ignore[no-untyped-def]
        out = vectors(batch)
        (seen if torch.is_grad_enabled() else first).append(out.detach().clone())
        return out

    model.vectors = watched  # type: ignore[method-assign]
    try:
        contrastive_backward(model, tokens, lambda v: contrastive_loss(v[:8], v[8:], torch.zeros(8, 8) > 0, 0.05), chunk_tokens=64, seed=3)
    finally:
        model.vectors = vectors  # type: ignore[method-assign]
    assert len(first) == len(seen) > 1
    for a, b in zip(first, seen, strict=True):
        torch.testing.assert_close(a, b)
    assert not torch.allclose(first[0], vectors([tokens[0]] * len(first[0])), atol=1e-4)


def test_vectors_are_the_readers(model: LanguageModel) -> None:
    texts = shop().items["title"].to_list()
    np.testing.assert_allclose(model.encode(texts), model.reader.encode(texts), atol=2e-6)
