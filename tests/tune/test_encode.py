"""Vectors with gradient are the reader's, from cached states as from the whole module."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from tune_models import READERS, TEXTS, masked

from crossaisle.encode.transformer import TransformersReader
from crossaisle.tune import encode
from crossaisle.tune.encode import TextEncoder
from crossaisle.tune.settings import TuneSettings


@pytest.fixture(params=sorted(READERS))
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> TransformersReader:
    return READERS[request.param](tmp_path / "model")


def gradients(encoder: TextEncoder, states: list[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
    vectors = encoder.vectors(encoder.tokenise(TEXTS), states)
    weights = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(5))
    found = torch.autograd.grad((vectors * weights).sum(), list(encoder.adapted.named_parameters().values()))
    return vectors.detach(), list(found)


@pytest.mark.parametrize("settings", [TuneSettings(form="last-n", layers=2), TuneSettings(form="lora", layers=1)], ids=lambda s: s.form)
def test_cached_states_give_the_same_vectors_and_gradients(reader: TransformersReader, settings: TuneSettings) -> None:
    encoder = TextEncoder(reader, settings)
    states = encoder.below(encoder.tokenise(TEXTS), 1)
    assert states is not None
    assert [len(s) for s in states] == [len(t) for t in encoder.tokenise(TEXTS)]
    whole, grads = gradients(encoder)
    kept, kept_grads = gradients(encoder, states)
    torch.testing.assert_close(kept, whole, rtol=0, atol=3e-3)  # 16 bits
    for a, b in zip(kept_grads, grads, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-2 * float(b.abs().max()) + 1e-6)
    np.testing.assert_allclose(encoder.read(encoder.tokenise(TEXTS)).numpy(), reader.encode(TEXTS), atol=1e-6)  # and nothing stays behind


def test_cached_states_spare_the_blocks_below(reader: TransformersReader) -> None:
    encoder = TextEncoder(reader, TuneSettings(form="last-n"))
    states = encoder.below(encoder.tokenise(TEXTS), 1)
    part = encoder.adapted.blocks[0]
    ran = []
    inner = next(m for m in part.modules() if isinstance(m, torch.nn.Linear))
    handle = inner.register_forward_hook(lambda *_: ran.append(1))
    encoder.read(encoder.tokenise(TEXTS), states)
    assert not ran
    encoder.read(encoder.tokenise(TEXTS))
    assert ran
    handle.remove()


def test_states_are_not_kept_where_they_cannot_be(reader: TransformersReader) -> None:
    tokens = reader.tokenise(TEXTS)
    assert TextEncoder(reader, TuneSettings(form="full")).below(tokens, 1) is None
    assert TextEncoder(reader, TuneSettings(form="frozen")).below(tokens, 1) is None
    encoder = TextEncoder(reader, TuneSettings(form="last-n"))
    assert encoder.below(tokens, 0) is None, "no memory for them"
    with torch.no_grad():
        for p in encoder.adapted.blocks[1].parameters():
            p.mul_(1e6)
    if reader.pooling == "last":  # a Llama's residual stream is not normalised between blocks
        assert encoder.below(tokens, 1) is None, "beyond 16 bits"


def test_running_again_gives_the_same_gradients(reader: TransformersReader, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = TextEncoder(reader, TuneSettings(form="full"))
    vectors, grads = _gradients_where_used(encoder)
    monkeypatch.setattr(encode, "_ACTIVATIONS", 0)
    again, again_grads = _gradients_where_used(encoder)
    assert torch.equal(again, vectors)
    for a, b in zip(again_grads, grads, strict=True):
        torch.testing.assert_close(a, b)


def _gradients_where_used(encoder: TextEncoder) -> tuple[Tensor, list[Tensor]]:
    vectors = encoder.vectors(encoder.tokenise(TEXTS))
    (vectors * torch.linspace(-1, 1, vectors.numel()).reshape(vectors.shape)).sum().backward()
    found = [p.grad.clone() for p in encoder.adapted.named_parameters().values() if p.grad is not None]
    encoder.adapted.module.zero_grad()
    assert found
    return vectors.detach(), found


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_pooling_prefix_and_length_are_the_readers(tmp_path: Path, pooling: str) -> None:
    reader = masked(tmp_path / "model", pooling)
    encoder = TextEncoder(reader, TuneSettings(form="full"))
    texts = [*TEXTS, "red " * 100, ""]
    np.testing.assert_allclose(encoder.read(encoder.tokenise(texts)).numpy(), reader.encode(texts), atol=1e-6)
    encoder.save(tmp_path / "saved")
    saved = TransformersReader(tmp_path / "saved")
    assert (saved.pooling, saved.prefix, saved.max_tokens) == (pooling, "a ", reader.max_tokens)


def test_no_text_gives_no_vector(reader: TransformersReader) -> None:
    assert TextEncoder(reader, TuneSettings(form="full")).vectors([]).shape == (0, 16)
