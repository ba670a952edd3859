"""Masked modelling, sentence pairs, next tokens and reviews: each learns what a held-out text shows, and refuses what cannot do it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tiny import tiny_bert, tiny_llama

from crossaisle.data.dataset import Dataset
from crossaisle.encode.fields import item_texts
from crossaisle.encode.transformer import TransformersReader
from crossaisle.errors import BadInput, TableError
from crossaisle.pretrain.language_model import open_language_model
from crossaisle.pretrain.masked import MaskedHead, hide_tokens, is_causal
from crossaisle.pretrain.material import Material
from crossaisle.pretrain.run import before, pretrain
from crossaisle.pretrain.settings import PretrainSettings
from crossaisle.stats import bootstrap_interval
from crossaisle.testing import toy_dataset

DAY = 86_400.0


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> TransformersReader:
    return TransformersReader(tiny_bert(tmp_path_factory.mktemp("bert")))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> TransformersReader:
    return TransformersReader(tiny_llama(tmp_path_factory.mktemp("llama")))


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSAISLE_CACHE", str(tmp_path / "cache"))


def shop() -> Dataset:
    return toy_dataset(n_users=60, n_items=96)


def settings(*objectives: str, **more: object) -> PretrainSettings:
    fast = {"epochs": 6, "patience": 6, "learning_rate": 3e-3, "batch": 32, "text_batch": 16, "held_out": 0.2, "duplicate": 1.0}
    return PretrainSettings(objectives=objectives, precision="float32", **{**fast, **more})  # type: ignore[arg-type]


def reviewed(data: Dataset) -> Dataset:
    """Two reviews an item, in the words of its taste; the newer one of each item comes late."""
    titles = data.items["title"].to_list()
    rows = [
        {
            "user_id": f"user{i % 50:04d}",
            "item_id": item,
            "timestamp": 1_400_000_000.0 + late * 10_000 * DAY,
            "rating": 5.0,
            "text": f"lovely {title} and I would buy this {title} again",
        }
        for i, (item, title) in enumerate(zip(data.items["item_id"].to_list(), titles, strict=True))
        for late in (0, 1)
    ]
    return dataclasses.replace(data, reviews=pl.DataFrame(rows))


@pytest.mark.parametrize(("objective", "share", "epochs"), [("masked", 0.8, 6), ("sentence-pair", 0.95, 14), ("reviews", 0.8, 6)])
def test_a_masked_model_learns(objective: str, share: float, epochs: int, bert: TransformersReader) -> None:
    done = pretrain(reviewed(shop()), settings(objective, epochs=epochs, patience=epochs), bert)
    (stage,) = done.stages
    losses = [entry[objective] for entry in stage.held_out]
    assert min(losses) < share * losses[0]
    assert stage.best_epoch > 0


def test_next_tokens_are_learned_by_a_causal_model(llama: TransformersReader) -> None:
    (stage,) = pretrain(shop(), settings("next-token"), llama).stages
    losses = [entry["next-token"] for entry in stage.held_out]
    assert min(losses) < 0.8 * losses[0]


def test_next_token_loss_is_the_libraries(llama: TransformersReader) -> None:
    from transformers import LlamaForCausalLM

    chosen = settings("next-token", max_tokens=32)
    model = open_language_model(llama, chosen)
    objective = Material.of(shop(), chosen, 0).objective("next-token", model, None)
    whole = LlamaForCausalLM.from_pretrained(str(llama.path)).eval()
    losses, places = 0.0, 0
    for ids in objective.held[: chosen.text_batch]:  # type: ignore[attr-defined]
        row = torch.tensor([ids])
        with torch.no_grad():
            losses += float(whole(row, labels=row).loss) * (len(ids) - 1)
        places += len(ids) - 1
    objective.held = objective.held[: chosen.text_batch]  # type: ignore[attr-defined]
    assert objective.held_out() == pytest.approx(losses / places, rel=1e-4)


def test_the_two_stages_follow_each_other_and_a_new_head_is_said(bert: TransformersReader) -> None:
    done = pretrain(shop(), settings("pairs", "masked", "sentence-pair", epochs=1), bert)
    assert [(stage.name, sorted(stage.held_out[0])) for stage in done.stages] == [
        ("texts", ["masked", "sentence-pair"]),
        ("contrastive", ["pairs"]),
    ]
    assert "holds no head for masked words: a new one on its word embeddings" in done.notes[0]


def test_the_models_own_head_is_taken(tmp_path: Path, bert: TransformersReader) -> None:
    from transformers import BertForMaskedLM

    whole = BertForMaskedLM.from_pretrained(str(bert.path))
    torch.nn.init.normal_(whole.cls.predictions.bias)
    whole.save_pretrained(str(tmp_path))
    bert.load()[0].save_pretrained(str(tmp_path))
    reader = TransformersReader(tmp_path)
    head = MaskedHead.of(reader, whole.config.vocab_size)
    assert not head.made_new
    ids = torch.tensor([reader.tokenise(["pirate lamp red"])[0]])
    with torch.no_grad():
        states = whole.eval().bert(ids).last_hidden_state[0]
        ours = head(states, whole.get_input_embeddings().weight)
        torch.testing.assert_close(ours, whole(ids).logits[0], atol=1e-5, rtol=1e-4)


def test_hidden_tokens_fall_into_eighty_ten_ten() -> None:
    texts = [[1, *range(100, 150), 2]] * 400
    hidden, asked = hide_tokens(texts, {1, 2}, 4, 10_000, 0.15, np.random.default_rng(0))
    shown = np.array([hidden[row][place] for row, place, _ in asked])
    truth = np.array([token for _, _, token in asked])
    assert len(asked) / (400 * 50) == pytest.approx(0.15, abs=0.01)
    low, high = bootstrap_interval((shown == 4).astype(float), seed=0, level=0.999)
    assert low < 0.8 < high
    assert (shown == truth).mean() == pytest.approx(0.1, abs=0.02)
    assert all(ids[0] == 1 and ids[-1] == 2 for ids in hidden)


def test_direction_is_found_by_trying(bert: TransformersReader, llama: TransformersReader) -> None:
    assert not is_causal(open_language_model(bert, settings("masked")))
    assert is_causal(open_language_model(llama, settings("next-token")))


def test_objectives_that_the_model_cannot_learn(bert: TransformersReader, llama: TransformersReader) -> None:
    with pytest.raises(BadInput, match="has no mask token"):
        pretrain(shop(), settings("masked"), llama)
    with pytest.raises(BadInput, match="is no causal one"):
        pretrain(shop(), settings("next-token"), bert)


def test_reviews_that_are_missing(bert: TransformersReader) -> None:
    with pytest.raises(TableError, match="names reviews, and there are none"):
        pretrain(shop(), settings("reviews"), bert)
    short = dataclasses.replace(shop(), reviews=reviewed(shop()).reviews.with_columns(text=pl.lit("ok")))  # type: ignore[union-attr]
    with pytest.raises(TableError, match="none of 192 reviews is of an item with text and has 30 characters"):
        pretrain(short, settings("reviews"), bert)


def test_reviews_after_the_moment_never_enter() -> None:
    data = reviewed(shop())
    h = data.histories
    dated = data.with_histories(dataclasses.replace(h, times=np.minimum(h.times, 1.6e9)))
    bought = {(data.users[int(u)], data.items["item_id"][int(i)]) for u, i in zip(h.owners, h.items, strict=True)}
    planted = dated.reviews.with_columns(  # type: ignore[union-attr]
        text=pl.when(pl.col("timestamp") > 1.6e9).then(pl.lit("future words of the test period, thirty characters")).otherwise("text")
    )
    older = before(dataclasses.replace(dated, reviews=planted), "2020-09-13")
    read = Material.of(older, settings("reviews"), 0).reviews
    assert read
    assert not any("future" in text for _, text in read)
    assert bought  # the toy shop's reviewers did buy


def letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalpha())


def test_held_out_texts_share_no_words_with_learned_ones(bert: TransformersReader) -> None:
    data, chosen = shop(), settings("masked")
    objective = Material.of(data, chosen, 0).objective("masked", open_language_model(bert, chosen), None)
    tokenizer = bert.load()[0]
    sides = [
        {letters(tokenizer.decode(ids, skip_special_tokens=True)) for ids in side}
        for side in (objective.learned, objective.held)  # type: ignore[attr-defined]
    ]
    assert sides[1]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) <= len({letters(text) for text in item_texts(data.items)})
