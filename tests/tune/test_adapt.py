"""Exactly the chosen part is trained, and what is saved reads as what was trained."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModel
from tune_models import READERS, TEXTS

from crossaisle.encode.transformer import TransformersReader
from crossaisle.errors import MissingExtra, SettingError
from crossaisle.tune.adapt import adapt, blocks_of
from crossaisle.tune.encode import TextEncoder
from crossaisle.tune.settings import TuneSettings

FORMS = [{"form": "last-n"}, {"form": "last-n", "layers": 2}, {"form": "lora", "rank": 2}, {"form": "lora", "layers": 1}, {"form": "full"}]


@pytest.fixture(params=sorted(READERS))
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> TransformersReader:
    return READERS[request.param](tmp_path / "model")


def step(encoder: TextEncoder, rate: float = 0.05) -> None:
    """One step that pulls the vectors towards a fixed direction."""
    wanted = torch.nn.functional.normalize(torch.randn(len(TEXTS), 16, generator=torch.Generator().manual_seed(3)), dim=1)
    optimizer = torch.optim.AdamW(encoder.adapted.parameter_groups(), fused=True)
    for group in optimizer.param_groups:
        group["lr"] = rate
    (encoder.vectors(encoder.tokenise(TEXTS)) - wanted).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


@pytest.mark.parametrize("choice", FORMS, ids=str)
def test_exactly_the_chosen_part_is_trained(reader: TransformersReader, choice: dict[str, Any]) -> None:
    pretrained = {n: p.clone() for n, p in reader.load()[1].named_parameters()}
    encoder = TextEncoder(reader, TuneSettings(**choice))
    for _ in range(2):  # lora's first factor gets a gradient once the second is not zero
        step(encoder)
    merged = dict(encoder.adapted.merged().named_parameters())
    changed = {n for n, p in merged.items() if not torch.equal(p, pretrained[n])}
    last = range(3 - (choice.get("layers") or (1 if choice["form"] == "last-n" else 3)), 3)
    places = [f"layer.{n}." if "encoder.layer.0.output.dense.weight" in pretrained else f"layers.{n}." for n in last]
    if choice["form"] == "full":
        # no gradient reaches the pooling head, nor the difference between token types
        assert (
            {n for n in pretrained if not n.startswith("pooler")}
            >= changed
            > {n for n in pretrained if any(p in n for p in places)} - changed
        )
        assert changed >= {n for n in pretrained if "output.dense.weight" in n or "mlp" in n}
    elif choice["form"] == "lora":
        assert changed == {
            n
            for n in pretrained
            if any(p in n for p in places) and n.split(".")[-2] in ("query", "value", "q_proj", "v_proj") and n.endswith("weight")
        }
    else:
        assert changed == {n for n in pretrained if any(p in n for p in places)}
    assert all(torch.equal(p, dict(reader.load()[1].named_parameters())[n]) for n, p in pretrained.items()), (
        "the reader's own module changed"
    )


@pytest.mark.parametrize("choice", FORMS, ids=str)
def test_what_is_saved_reads_as_what_was_trained(reader: TransformersReader, choice: dict[str, Any], tmp_path: Path) -> None:
    encoder = TextEncoder(reader, TuneSettings(**choice))
    step(encoder)
    step(encoder)
    tuned = encoder.read(encoder.tokenise(TEXTS)).numpy()
    assert np.abs(tuned - reader.encode(TEXTS)).max() > 0.01
    folder = tmp_path / "saved"
    encoder.save(folder)
    np.testing.assert_allclose(TransformersReader(folder, max_tokens=reader.max_tokens).encode(TEXTS), tuned, atol=1e-5)
    ids, mask, lengths = reader.padded(encoder.tokenise(TEXTS))
    with torch.no_grad():
        plain = reader.pool(AutoModel.from_pretrained(folder)(input_ids=ids, attention_mask=mask).last_hidden_state, lengths)
    np.testing.assert_allclose(plain.numpy(), tuned, atol=1e-5)


@pytest.mark.parametrize("form", ["frozen", "last-n", "lora", "full"])
def test_untrained_vectors_are_the_readers(reader: TransformersReader, form: str) -> None:
    encoder = TextEncoder(reader, TuneSettings(form=form))
    np.testing.assert_allclose(encoder.vectors(encoder.tokenise(TEXTS)).detach().numpy(), reader.encode(TEXTS), atol=1e-6)


def test_state_brings_the_encoder_back(reader: TransformersReader) -> None:
    encoder = TextEncoder(reader, TuneSettings(form="lora"))
    begin = encoder.adapted.state()
    step(encoder)
    later, tuned = encoder.adapted.state(), encoder.read(encoder.tokenise(TEXTS))
    encoder.adapted.load_state(begin)
    np.testing.assert_allclose(encoder.read(encoder.tokenise(TEXTS)).numpy(), reader.encode(TEXTS), atol=1e-6)
    encoder.adapted.load_state(later)
    torch.testing.assert_close(encoder.read(encoder.tokenise(TEXTS)), tuned, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="0 tuned tensors for 12 trained parameters; expected the same names"):
        encoder.adapted.load_state({})


def test_the_same_seed_gives_the_same_corrections(reader: TransformersReader) -> None:
    first, second, other = (adapt(reader.load()[1], TuneSettings(form="lora"), seed=s).state() for s in (1, 1, 2))
    assert all(torch.equal(first[n], second[n]) for n in first)
    assert any(not torch.equal(first[n], other[n]) for n in first)


def test_decay_is_for_matrices_of_the_model_only(reader: TransformersReader) -> None:
    for form in ("last-n", "full"):
        groups = adapt(reader.load()[1], TuneSettings(form=form)).parameter_groups()
        assert [g["weight_decay"] for g in groups] == [0.01, 0.0]
        assert all(p.ndim >= 2 for p in groups[0]["params"])
        assert all(p.ndim < 2 for p in groups[1]["params"])
    (only,) = adapt(reader.load()[1], TuneSettings(form="lora")).parameter_groups()
    assert (only["weight_decay"], only["lr"]) == (0.0, 2e-4)


def test_too_many_layers(reader: TransformersReader) -> None:
    with pytest.raises(SettingError, match=r"tune\.layers is 4; expected at most 3 blocks of this model; next: lower tune\.layers"):
        adapt(reader.load()[1], TuneSettings(form="last-n", layers=4))


def test_targets_that_are_not_there(reader: TransformersReader) -> None:
    with pytest.raises(SettingError, match=r"no linear map of the blocks is called nothing; expected some of .*; next: set tune\.targets"):
        adapt(reader.load()[1], TuneSettings(form="lora", targets=("nothing",)))


def test_a_module_without_blocks() -> None:
    with pytest.raises(SettingError, match=r"Linear has no list of blocks; expected a transformer; next: set text\.reader"):
        blocks_of(nn.Linear(2, 2))


def test_without_peft(reader: TransformersReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["crossaisle.tune.adapt"], "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'crossaisle\[tune\]'"):
        adapt(reader.load()[1], TuneSettings(form="lora"))
