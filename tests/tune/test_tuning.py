"""A language model trained inside the recommender: its gradients, its cache, its checkpoints, its model folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoModel
from tune_models import READERS, causal, masked

from crossaisle.encode.items import ItemReader
from crossaisle.encode.senses import Sense
from crossaisle.encode.text import TextSettings
from crossaisle.encode.transformer import TransformersReader
from crossaisle.encode.words import WordSettings
from crossaisle.errors import BadInput, SettingError
from crossaisle.model.network import Network
from crossaisle.model.settings import ModelSettings
from crossaisle.recommender import Recommender
from crossaisle.testing import toy_dataset
from crossaisle.train.fit import NetworkScorer
from crossaisle.train.objective import step_loss
from crossaisle.train.packing import pack_for_training
from crossaisle.train.settings import TrainSettings
from crossaisle.train.tuning import Tuning
from crossaisle.tune.settings import TuneSettings

MODEL = ModelSettings(senses=("id", "text"), dim=16, blocks=1, window=12)
TRAINING = TrainSettings(epochs=2, tokens_per_step=256)
FORMS = {
    "last-n": TuneSettings(form="last-n", learning_rate=1e-2, items_per_step=16),
    "lora": TuneSettings(form="lora", rank=2, learning_rate=1e-2, items_per_step=16),
    "full": TuneSettings(form="full", learning_rate=1e-2, items_per_step=16),
}


@pytest.fixture(scope="module")
def data() -> Any:
    return toy_dataset()


@pytest.fixture(params=sorted(READERS))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    READERS[request.param](tmp_path / "lm")
    return tmp_path / "lm"


def item_reader(folder: Path) -> ItemReader:
    pooling = "last" if "llama" in (folder / "config.json").read_text() else "mean"
    settings = TextSettings(reader=str(folder), pooling=pooling, precision="float32")
    return ItemReader(("text",), settings, WordSettings(), cache=folder / "cache")


def scorer(folder: Path, tune: TuneSettings, training: TrainSettings = TRAINING, **changes: Any) -> NetworkScorer:
    return NetworkScorer(MODEL, training, item_reader(folder), tune=tune, **changes)


def a_network(data: Any, senses: dict[str, Sense]) -> Network:
    torch.manual_seed(0)
    network = Network(MODEL, {n: (s.dim, isinstance(s.values, np.ndarray)) for n, s in senses.items()}, data.n_items)
    network.tower.fit_whitening(senses)
    network.tower.attach(senses, data.item_counts > 0)
    return network.eval()


# gradients


def random_text(data: Any) -> dict[str, Sense]:
    rng = np.random.default_rng(0)
    return {"text": Sense(rng.normal(size=(data.n_items, 6)).astype(np.float32), np.arange(data.n_items) % 7 != 0)}


@pytest.mark.parametrize("rows", [None, [3, 0, 8, 60, 7, 9]])
def test_put_vectors_are_read_like_attached_ones(data: Any, rows: list[int] | None) -> None:
    senses = random_text(data)
    network, chosen = a_network(data, senses), None if rows is None else torch.tensor(rows)
    codes, values = torch.tensor([8, 3, 7]), torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    network.tower.put("text", (codes, values))
    found = network.tower(chosen)
    network.tower.put("text", None)
    changed = senses["text"].values.copy()
    changed[codes.numpy()] = values.numpy()
    before = network.tower(chosen)
    network.tower.attach({"text": Sense(changed, senses["text"].present)}, data.item_counts > 0)
    torch.testing.assert_close(found, network.tower(chosen), rtol=0, atol=1e-6)
    assert int((found != before).any(1).sum()) == 2, "item 7 has no text, the other two change"


@pytest.mark.parametrize("negatives", [0, 20])
def test_gradients_reach_put_vectors_through_columns_and_tokens(data: Any, negatives: int) -> None:
    network = a_network(data, random_text(data)).double()
    text: Any = network.tower.senses["text"]
    text._x = text.x.double()
    rows = pack_for_training(data.histories, 12, 0)
    values = torch.randn(4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    codes = torch.tensor([0, 1, 4, 9])

    def loss(values: torch.Tensor) -> torch.Tensor:
        network.tower.put("text", (codes, values))
        return step_loss(network, rows, negatives, torch.Generator().manual_seed(2), torch.float32)

    (gradient,) = torch.autograd.grad(loss(values), values)
    assert float(gradient[0].abs().max()) == 0.0, "item 0 has no text"
    with torch.no_grad():
        for i, j in ((1, 0), (2, 3), (3, 5)):
            moved = torch.zeros_like(values)
            moved[i, j] = 1e-3
            numeric = (loss(values + moved) - loss(values - moved)) / 2e-3
            assert float(gradient[i, j]) == pytest.approx(float(numeric), rel=2e-2, abs=2e-5)


# the cache


def test_each_item_is_read_about_once_an_epoch(data: Any, tmp_path: Path) -> None:
    masked(tmp_path)
    reader = item_reader(tmp_path)
    senses = reader.fit(data.items).read(data.items)
    tuning = Tuning(reader, FORMS["last-n"], data.items, senses["text"], seed=0)
    network = a_network(data, senses)
    text: Any = network.tower.senses["text"]
    rows = pack_for_training(data.histories, 12, 0)
    tuning.begin_epoch(0)
    seen: list[int] = []
    for step in range(12):
        part = rows.rows(slice(step * 6, step * 6 + 6))
        tuning.read_step(network, part)
        if text.fresh is None:
            continue
        codes, vectors = text.fresh
        assert len(codes) <= 16
        assert vectors.requires_grad
        assert set(codes.tolist()) <= set(part.items.flatten().tolist()) | set(part.targets.flatten().tolist())
        np.testing.assert_allclose(vectors.detach().numpy(), senses["text"].values[codes.numpy()], atol=3e-3)
        seen += codes.tolist()
    assert len(seen) == len(set(seen)) > 60
    tuning.begin_epoch(1)
    tuning.read_step(network, rows.rows(slice(0, 6)))
    assert len(text.fresh[0]) == 16, "in the next epoch all wait again"


@pytest.mark.parametrize("form", FORMS)
def test_the_catalogue_holds_what_the_tuned_model_reads(data: Any, folder: Path, form: str) -> None:
    untuned = item_reader(folder).fit(data.items).read(data.items)["text"]
    fitted = scorer(folder, FORMS[form]).fit(data)
    values = fitted.senses["text"].values
    assert np.abs(values - untuned.values).max() > 0.01
    assert fitted.reader is not None
    np.testing.assert_allclose(fitted.reader.read(data.items)["text"].values, values, atol=3e-3 if form == "last-n" else 1e-5)
    assert fitted.network is not None
    text: Any = fitted.network.tower.senses["text"]
    torch.testing.assert_close(text.x, text.whiten(torch.from_numpy(values)), rtol=0, atol=1e-6)
    expected = a_network(data, {"text": untuned}).tower.senses["text"]
    torch.testing.assert_close(text.whiten.matrix, expected.whiten.matrix)  # type: ignore[union-attr]


def test_the_best_epochs_language_model_is_kept(data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    masked(tmp_path)
    held: list[Any] = []

    def score(self: NetworkScorer, network: Any, *_: Any) -> float:
        held.append(network.tower.senses["text"].x.clone())
        return (0.1, 0.3, 0.2)[len(held) - 1]

    monkeypatch.setattr(NetworkScorer, "_validation_score", score)
    training = TrainSettings(epochs=3, tokens_per_step=256, refit=False)
    fitted = scorer(tmp_path, FORMS["lora"], training).fit(data)
    assert fitted.network is not None
    assert fitted.selection.best_epoch == 2
    kept: Any = fitted.network.tower.senses["text"].x
    assert torch.equal(kept, held[1])
    assert not torch.equal(kept, held[2])
    assert fitted.reader is not None
    np.testing.assert_allclose(fitted.reader.read(data.items)["text"].values, fitted.senses["text"].values, atol=1e-5)


def test_training_on_everything_begins_at_the_pretrained_model(data: Any, tmp_path: Path) -> None:
    masked(tmp_path)
    training = TrainSettings(epochs=1, tokens_per_step=256)
    twice = scorer(tmp_path, FORMS["full"], training).fit(data)
    assert twice.refitting.best_epoch == 1
    # a run that takes the same steps on everything, without any before it
    once = scorer(tmp_path, FORMS["full"], training)
    from crossaisle.data.split import hold_out_last

    once.fit(data, hold_out_last(data, ())[1])
    np.testing.assert_array_equal(once.senses["text"].values, twice.senses["text"].values)


@pytest.mark.parametrize(("stage", "at"), [("choosing when to stop", 0.7), ("training on everything", 0.7)])
@pytest.mark.parametrize("form", ["last-n", "lora"])
def test_a_stopped_run_goes_on_to_the_same_model(data: Any, tmp_path: Path, stage: str, at: float, form: str) -> None:
    masked(tmp_path / "lm")
    whole = scorer(tmp_path / "lm", FORMS[form]).fit(data)

    class Stop(Exception):
        pass

    def stop(name: str, done: int, total: int, note: str) -> None:
        if name == stage and done >= at * total:
            raise Stop

    with pytest.raises(Stop):
        scorer(tmp_path / "lm", FORMS[form]).fit(data, checkpoint=tmp_path / "fit", progress=stop)
    resumed = scorer(tmp_path / "lm", FORMS[form]).fit(data, checkpoint=tmp_path / "fit", resume=True)
    np.testing.assert_array_equal(resumed.item_vectors(), whole.item_vectors())
    np.testing.assert_array_equal(resumed.senses["text"].values, whole.senses["text"].values)
    assert resumed.selection.scores == whole.selection.scores


def test_frozen_takes_the_steps_it_always_took(data: Any, tmp_path: Path) -> None:
    masked(tmp_path)
    plain = NetworkScorer(MODEL, TRAINING, item_reader(tmp_path)).fit(data)
    frozen = scorer(tmp_path, TuneSettings(learning_rate=0.1, rank=3)).fit(data)
    np.testing.assert_array_equal(plain.item_vectors(), frozen.item_vectors())
    assert isinstance(frozen.reader, ItemReader)
    assert not frozen.reader.tuned


def test_readers_that_cannot_be_tuned(data: Any) -> None:
    class Other:
        def fit(self, items: pl.DataFrame) -> Any:
            return self

        def read(self, items: pl.DataFrame, progress: Any = None) -> dict[str, Sense]:
            return {"text": Sense(np.ones((items.height, 4), np.float32), np.ones(items.height, bool))}

    with pytest.raises(SettingError, match=r"tune\.form is lora, and items are read in another way; expected a reader of texts"):
        NetworkScorer(MODEL, TRAINING, Other(), tune=FORMS["lora"]).fit(data)

    class Engine:
        name, fingerprint, dim = "engine", "e", 4

        def encode(self, texts: Any, progress: Any = None) -> Any:
            return np.ones((len(texts), 4), np.float32)

    reader = ItemReader(("text",), TextSettings(), WordSettings())
    reader.reader = Engine()
    with pytest.raises(BadInput, match="the text reader 'engine' cannot be trained; expected a language model on this machine"):
        reader.text_model()


def test_reviews_and_tuning_exclude_each_other(data: Any, tmp_path: Path) -> None:
    masked(tmp_path)
    fitted = scorer(tmp_path, FORMS["lora"])
    fitted.model = replace(MODEL, senses=("id", "text", "reviews"))
    with pytest.raises(SettingError, match=r"tune\.form is lora beside the sense reviews; expected one of the two"):
        fitted.fit(data)


# the model folder


def test_a_model_folder_holds_the_tuned_language_model(data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSAISLE_CACHE", str(tmp_path / "cache"))
    causal(tmp_path / "lm")
    settings = {
        "text.reader": str(tmp_path / "lm"), "text.pooling": "last", "text.precision": "float32",
        "model.senses": "id,text", "model.dim": "16", "model.blocks": "1",
        "train.epochs": "1", "train.tokens_per_step": "512", "tune.form": "lora", "tune.learning_rate": "0.01",
        "blend.parts": "", "across.on": "false",
    }  # fmt: skip
    model = Recommender.preset("quick", settings=settings).fit(data)
    assert "tuned with the recommender (lora, " in model.info()["reader"]
    new = pl.DataFrame(
        {"item_id": ["n1", "n2"], "title": ["modern blue kitchen box", "minimal white music mat"], "category": ["Kitchen", "Music"]}
    )
    version = model.save(tmp_path / "model")
    assert (version / "encoder" / "model.safetensors").is_file()
    manifest = json.loads((version / "manifest.json").read_text())["files"]
    assert "encoder/model.safetensors" in manifest
    for p in (tmp_path / "lm").rglob("*"):  # the pretrained one is not needed any more
        if p.is_file():
            p.unlink()
    loaded = Recommender.load(tmp_path / "model")
    model.add_items(new)
    second = loaded.add_items(new).save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model")
    for grown in (loaded, again):
        np.testing.assert_allclose(grown._fitted()[0].item_vectors(), model._fitted()[0].item_vectors(), atol=1e-5)
    assert second.name == "v0002"
    assert again.add_items(new.with_columns(item_id=pl.Series(["m1", "m2"]))).save(tmp_path / "model").name == "v0003"
    vectors = again._fitted()[0].item_vectors()
    np.testing.assert_allclose(vectors[-2:], vectors[-4:-2], atol=1e-5)
    third = Recommender.load(tmp_path / "model")
    assert "tuned with the recommender" in third.info()["reader"]
    third.save(tmp_path / "copy")  # the language model was never opened
    assert (tmp_path / "copy" / "v0001" / "encoder" / "model.safetensors").is_file()
    reader = TransformersReader(third._version / "encoder")  # type: ignore[operator]
    assert (reader.pooling, AutoModel.from_pretrained(third._version / "encoder").config.model_type) == ("last", "llama")  # type: ignore[operator]


def test_a_frozen_model_folder_holds_none(data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSAISLE_CACHE", str(tmp_path / "cache"))
    masked(tmp_path / "lm")
    settings = {
        "text.reader": str(tmp_path / "lm"),
        "model.senses": "id,text",
        "model.dim": "16",
        "train.epochs": "1",
        "blend.parts": "",
        "across.on": "false",
    }
    version = Recommender.preset("quick", settings=settings).fit(data).save(tmp_path / "model")
    assert not (version / "encoder").exists()
