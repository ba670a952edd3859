"""Static models: the mean of token vectors, recognised by their folder."""

from __future__ import annotations

import importlib.util
import json
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
from model2vec import StaticModel
from tokenizers import Tokenizer, models, pre_tokenizers

from crossaisle.contracts import TextReader
from crossaisle.encode import static
from crossaisle.encode.static import StaticReader, is_static
from crossaisle.encode.text import MiniLMReader, TextSettings, choose_reader
from crossaisle.encode.transformer import TransformersReader
from crossaisle.errors import BadInput, MissingExtra

WORDS = ["[UNK]", "red", "blue", "pan", "shirt", "p:"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    vectors = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32)
    StaticModel(vectors, tokenizer).save_pretrained(tmp_path / "static")
    return tmp_path / "static"


def vector(*words: str) -> np.ndarray:  # type: ignore[type-arg]
    table = np.random.default_rng(0).normal(size=(len(WORDS), 5)).astype(np.float32)
    mean = table[[WORDS.index(word) for word in words]].mean(0)
    return mean / np.linalg.norm(mean)  # type: ignore[no-any-return]


def test_a_vector_is_the_mean_of_its_tokens(folder: Path) -> None:
    reader = StaticReader(folder, max_tokens=3)
    assert isinstance(reader, TextReader)
    told: list[tuple[str, int, int, str]] = []
    vectors = reader.encode(["red pan", "", "   ", "blue shirt red pan pan"], lambda *what: told.append(what))
    assert (vectors.shape, vectors.dtype, reader.dim) == ((4, 5), np.float32, 5)
    np.testing.assert_allclose(vectors[0], vector("red", "pan"), atol=1e-6)
    np.testing.assert_array_equal(vectors[1:3], 0)
    np.testing.assert_allclose(vectors[3], vector("blue", "shirt", "red"), atol=1e-6)
    np.testing.assert_allclose(StaticReader(folder, prefix="p: ").encode(["pan"])[0], vector("p:", "pan"), atol=1e-6)
    assert told == [("reading texts", 4, 4, "static")]


def test_it_agrees_with_model2vec_where_the_vocabulary_is_quantised(folder: Path) -> None:
    tokenizer = StaticModel.from_pretrained(folder).tokenizer
    table = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float16)
    weights, mapping = np.array([1, 2, 3, 4, 5, 6], dtype=np.float32), np.array([0, 1, 2, 2, 1, 0])
    model = StaticModel(table, tokenizer, weights=weights, token_mapping=mapping, normalize=True)
    model.save_pretrained(folder)
    texts = ["red pan", "blue shirt p: pan", ""]
    np.testing.assert_allclose(StaticReader(folder).encode(texts), model.encode(texts), atol=1e-3)


def test_text_reader_recognises_the_folder(folder: Path) -> None:
    reader, line = choose_reader(TextSettings(reader=str(folder), max_tokens=9, prefix="p: "), [])
    assert isinstance(reader, StaticReader)
    assert (reader.max_tokens, reader.prefix, line) == (9, "p: ", f"items are read by {folder} (static), as set")
    assert not is_static(MiniLMReader().path)
    assert not is_static(folder / "nowhere")
    (folder / "config.json").unlink()
    assert is_static(folder), "modules.json says it too"


def test_the_fingerprint_follows_what_changes_a_vector(folder: Path) -> None:
    marks = [
        StaticReader(folder).fingerprint,
        StaticReader(folder, prefix="p: ").fingerprint,
        StaticReader(folder, max_tokens=5).fingerprint,
    ]
    assert len(set(marks)) == 3
    assert StaticReader(folder).fingerprint == marks[0]


def test_minilm_distilled_to_its_token_vectors_still_tells_pans_from_shirts(tmp_path: Path) -> None:
    """A static model of real size: MiniLM's own table of token vectors."""
    minilm = TransformersReader(MiniLMReader().path)
    _, module = minilm.load()
    tokenizer = Tokenizer.from_file(str(minilm.path / "tokenizer.json"))
    tokenizer.no_padding()
    StaticModel(module.embeddings.word_embeddings.weight.numpy(), tokenizer).save_pretrained(tmp_path)
    vectors = StaticReader(tmp_path).encode(
        ["red frying pan", "non-stick frying pan 28 cm", "cotton t-shirt for women", "women's cotton shirt"]
    )
    near = vectors @ vectors.T
    assert min(near[0, 1], near[2, 3]) > max(near[0, 2], near[0, 3], near[1, 2], near[1, 3])


def test_without_model2vec_the_install_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def without(name: str) -> ModuleSpec | None:
        return None if name == "model2vec" else real(name)

    monkeypatch.setattr(static, "find_spec", without)
    with pytest.raises(MissingExtra, match=r"pip install 'crossaisle\[static\]'"):
        StaticReader(folder)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_a_damaged_folder_is_one_line(folder: Path, file: str) -> None:
    (folder / file).write_text(json.dumps({"no": "model"}))
    with pytest.raises(BadInput, match=r"the static model in .* could not be loaded") as caught:
        StaticReader(folder).encode(["pan"])
    assert "\n" not in str(caught.value)
