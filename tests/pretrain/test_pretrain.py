"""From data to a folder: it learns, stops, goes on after a kill, and is read by others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import shop, tiny_bert

from crossaisle.encode.text import TextSettings, choose_reader
from crossaisle.encode.transformer import TransformersReader
from crossaisle.errors import BadInput, ModelError, OutputError, RequestError, TableError
from crossaisle.pretrain.language_model import RECORD, open_language_model
from crossaisle.pretrain.pairs import bought_together, rewired
from crossaisle.pretrain.run import before, check_folder, pretrain
from crossaisle.pretrain.settings import PretrainSettings

FAST: dict[str, object] = {
    "epochs": 4,
    "patience": 4,
    "learning_rate": 2e-3,
    "batch": 32,
    "held_out": 0.2,
    "precision": "float32",
    "checkpoint_steps": 2,
}
FAST["duplicate"] = 1.0  # the vectors of random weights are all alike


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("base"))


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSAISLE_CACHE", str(tmp_path / "cache"))


def settings(**more: object) -> PretrainSettings:
    return PretrainSettings(**{**FAST, **more})  # type: ignore[arg-type]


def test_pairs_are_learned_and_rewired_pairs_are_not(base: Path) -> None:
    data = shop()
    true = pretrain(data, settings(), TransformersReader(base)).stages[0]
    losses = [entry["pairs"] for entry in true.held_out]
    assert losses[true.best_epoch] < losses[0] - 0.5
    whole = bought_together(data, settings(), np.ones(data.n_items, dtype=bool))
    placebo = pretrain(data, settings(), TransformersReader(base), pairs=rewired(whole, 0)).stages[0]
    gained = placebo.held_out[0]["pairs"] - placebo.held_out[placebo.best_epoch]["pairs"]
    assert gained < 0.5 * (losses[0] - losses[true.best_epoch])


def test_the_folder_is_read_by_transformers_and_by_the_text_reader(base: Path, tmp_path: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    out = tmp_path / "tuned"
    done = pretrain(shop(), settings(), TransformersReader(base, prefix="item: "), out=out, facts={"protocol": None})
    texts = shop().items["title"].to_list()[:10]
    reader, _ = choose_reader(TextSettings(reader=str(out), precision="float32"), texts)
    assert isinstance(reader, TransformersReader)
    assert (reader.pooling, reader.prefix) == ("mean", "item: ")
    found = reader.encode(texts)
    np.testing.assert_allclose(found, done.model.encode(texts), atol=2e-6)
    assert np.abs(found - TransformersReader(base, prefix="item: ").encode(texts)).max() > 0.01
    tokenizer, module = AutoTokenizer.from_pretrained(str(out)), AutoModel.from_pretrained(str(out)).eval()
    with torch.no_grad():
        states = module(**tokenizer(["item: " + texts[0]], return_tensors="pt")).last_hidden_state.mean(1)
    np.testing.assert_allclose(torch.nn.functional.normalize(states, dim=1)[0].numpy(), found[0], atol=2e-6)
    record = json.loads((out / RECORD).read_text())
    assert record["from"]["fingerprint"] == TransformersReader(base, prefix="item: ").fingerprint
    assert record["settings"]["batch"] == 32
    assert len(record["stages"][0]["held_out"]) == 5
    assert not (out / ".training").exists()
    assert not (out / ".writing").exists()


def test_sentence_transformers_reads_the_folder_as_we_do(base: Path, tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    done = pretrain(shop(), settings(epochs=1), TransformersReader(base), out=tmp_path / "tuned")
    texts = shop().items["title"].to_list()[:6]
    theirs = sentence_transformers.SentenceTransformer(str(tmp_path / "tuned"), device="cpu").encode(texts)
    np.testing.assert_allclose(theirs, done.model.encode(texts), atol=1e-5)


@pytest.mark.parametrize("form", ["last-n", "lora"])
def test_a_part_of_the_model_is_trained_and_saved_whole(form: str, base: Path, tmp_path: Path) -> None:
    done = pretrain(shop(), settings(form=form, epochs=1), TransformersReader(base), out=tmp_path / "tuned")
    losses = [entry["pairs"] for entry in done.stages[0].held_out]
    assert losses[1] < losses[0]
    before_, after = _weights(base), _weights(tmp_path / "tuned")
    assert before_.keys() == after.keys()
    changed = {name for name in before_ if not torch.equal(before_[name], after[name])}
    lora = {f"encoder.layer.{i}.attention.self.{part}.weight" for i in (0, 1) for part in ("query", "value")}
    assert changed == lora if form == "lora" else all(name.startswith("encoder.layer.1.") for name in changed)
    texts = shop().items["title"].to_list()[:10]
    np.testing.assert_allclose(TransformersReader(tmp_path / "tuned").encode(texts), done.model.encode(texts), atol=1e-5)


def test_same_seed_same_model_other_seed_other_model(base: Path) -> None:
    texts = shop().items["title"].to_list()[:10]
    one, two, other = (pretrain(shop(), settings(epochs=1), TransformersReader(base), seed=seed).model.encode(texts) for seed in (0, 0, 1))
    assert np.array_equal(one, two)
    assert not np.allclose(one, other, atol=1e-4)


def test_nothing_better_keeps_the_weights_from_before(base: Path) -> None:
    done = pretrain(shop(), settings(learning_rate=1e-30, patience=2), TransformersReader(base))
    assert (done.stages[0].best_epoch, len(done.stages[0].losses)) == (0, 2)
    texts = shop().items["title"].to_list()[:5]
    np.testing.assert_allclose(done.model.encode(texts), TransformersReader(base).encode(texts), atol=2e-6)
    assert done.notes == ("stage contrastive: no epoch lowered the held-out loss, the weights from before it were kept",)


def test_kill_nine_and_resume_end_with_the_same_model(base: Path, tmp_path: Path) -> None:
    script = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from tiny import shop
from crossaisle.encode.transformer import TransformersReader
from crossaisle.pretrain.run import pretrain
from crossaisle.pretrain.settings import PretrainSettings
told = lambda *a: time.sleep(float(sys.argv[2]))
pretrain(shop(), PretrainSettings(**{FAST!r}), TransformersReader({str(base)!r}), out=Path(sys.argv[1]), resume=True, progress=told)
"""
    run = [sys.executable, "-c", script]
    reference, killed = tmp_path / "reference", tmp_path / "killed"
    subprocess.run([*run, str(reference), "0"], check=True)
    first = subprocess.Popen([*run, str(killed), "0.1"])
    checkpoint = killed / ".training" / "contrastive"
    while not checkpoint.exists() and first.poll() is None:
        time.sleep(0.01)
    time.sleep(0.35)
    os.kill(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert not (killed / RECORD).exists()
    step = torch.load(checkpoint, weights_only=True)["run"]["steps"]
    assert 0 < step < 20
    subprocess.run([*run, str(killed), "0"], check=True)
    a, b = _weights(reference), _weights(killed)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    kept, again = (json.loads((folder / RECORD).read_text())["stages"][0] for folder in (reference, killed))
    assert (kept["losses"], kept["held_out"], kept["steps"]) == (again["losses"], again["held_out"], again["steps"])


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def test_a_checkpoint_of_other_settings_is_refused(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "tuned"
    monkeypatch.setattr("crossaisle.pretrain.run.shutil.rmtree", lambda *a, **k: None)  # as if killed before it was cleared away
    pretrain(shop(), settings(epochs=1), TransformersReader(base), out=out)
    with pytest.raises(ModelError, match="made from other data or settings"):
        pretrain(shop(), settings(epochs=1), TransformersReader(base), out=out, seed=1, resume=True)


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    check_folder(tmp_path / "new")
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="holds other files"):
        check_folder(tmp_path)


def test_a_folder_that_cannot_be_written(base: Path, tmp_path: Path) -> None:
    model = open_language_model(TransformersReader(base), settings())
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="the language model cannot be written into"):
        model.save(tmp_path / "file", {})


def test_a_reader_that_cannot_be_trained() -> None:
    class Elsewhere:
        name, fingerprint, dim = "remote", "0", 4

    with pytest.raises(BadInput, match="the text reader 'remote' cannot be trained"):
        open_language_model(Elsewhere(), settings())


def test_no_text_and_too_few_pairs(base: Path) -> None:
    import dataclasses

    import polars as pl

    data = shop()
    mute = dataclasses.replace(data, items=pl.DataFrame({"item_id": data.items["item_id"], "category": [""] * data.n_items}))
    with pytest.raises(TableError, match="no item has any text"):
        pretrain(mute, settings(), TransformersReader(base))
    with pytest.raises(TableError, match="0 held out; expected at least 2 of each"):
        pretrain(data, settings(held_out=0.0), TransformersReader(base))


def test_before_a_moment() -> None:
    data = shop()
    with pytest.raises(RequestError, match="'soon' is no moment"):
        before(data, "soon")
    with pytest.raises(TableError, match="no interaction is older than 1990-01-01"):
        before(data, "1990-01-01")
