"""The pass without padding gives what the module gives, and stands back where the module is not a plain BERT."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel

from crossaisle.encode.packed import PackedBert, equal_lengths, packs
from crossaisle.encode.text import MiniLMReader

SMALL: dict[str, Any] = {"vocab_size": 50, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 16}


def small(**choices: Any) -> BertModel:
    torch.manual_seed(0)
    model = BertModel(BertConfig(**{**SMALL, **choices})).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.5)  # biases and norms too: fresh ones are zeros and ones
    return model


def test_states_are_the_modules_own() -> None:
    model = small()
    texts = [torch.randint(0, 50, (n,)) for n in (7, 7, 4, 1)]
    with torch.no_grad():
        packed = PackedBert(model)(torch.cat(texts), [(2, 7), (1, 4), (1, 1)])
        alone = torch.cat([model(input_ids=ids[None]).last_hidden_state[0] for ids in texts])
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=1e-5)


@settings(deadline=None)  # a busy machine
@given(st.lists(st.integers(1, 40), max_size=60), st.integers(1, 100))
def test_every_text_is_in_one_batch_and_batches_are_bounded(lengths: list[int], most: int) -> None:
    batches = list(equal_lengths(lengths, most))
    assert sorted(row for batch in batches for _, rows in batch for row in rows) == list(range(len(lengths)))
    for batch in batches:
        assert all(lengths[row] == length for length, rows in batch for row in rows)
        assert sum(length * len(rows) for length, rows in batch) <= most or sum(len(rows) for _, rows in batch) == 1


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks transformers in the old way
def test_what_is_packed_and_what_is_not() -> None:
    assert packs(small())
    assert not packs(small(hidden_act="relu"))
    assert not packs(small(is_decoder=True))
    assert not packs(LlamaModel(LlamaConfig(vocab_size=9, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2)))
    hooked = small()
    hooked.encoder.layer[0].attention.self.query.register_forward_hook(lambda *_: None)
    assert not packs(hooked)
    adapted = small()
    get_peft_model(adapted, LoraConfig(r=2, target_modules=["query", "value"]))
    assert not packs(adapted), "an adapter's own product would be left out"


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_encoding_with_and_without_padding_agree(pooling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = MiniLMReader(max_tokens=24, precision="float32")
    reader.pooling = pooling
    texts = ["red pan", "", "blue pan", "a longer text about a pan " * 9, "pan"]
    assert reader._packs()
    packed = reader.encode(texts)
    monkeypatch.setattr(reader, "_packs", lambda: False)
    np.testing.assert_allclose(packed, reader.encode(texts), atol=2e-6)


def test_encoding_follows_weights_that_were_trained_after_loading() -> None:
    reader = MiniLMReader(max_tokens=24, precision="float32")
    before = reader.encode(["red pan"])
    _, module = reader.load()
    with torch.no_grad():
        module.encoder.layer[0].attention.self.query.weight.mul_(0.5)
    assert abs(reader.encode(["red pan"]) - before).max() > 1e-4
