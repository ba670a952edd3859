"""Training with typing errors: every item as it is or misspelt, the catalogue whole again afterwards, and what cannot be done refused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from crossaisle.encode.senses import Sense
from crossaisle.encode.words import Vocabulary, WordSettings
from crossaisle.errors import SettingError
from crossaisle.model.settings import ModelSettings
from crossaisle.testing import toy_dataset
from crossaisle.train.fit import NetworkScorer
from crossaisle.train.noise import NoisyTexts
from crossaisle.train.settings import TrainSettings


class FakeReader:
    """A fake of encode.items.ItemReader: words, and counts of letters in place of a language model."""

    read_titles: list[list[str]]

    def __init__(self) -> None:
        self.read_titles = []

    def fit(self, items: pl.DataFrame) -> FakeReader:
        self.vocabulary = Vocabulary.fit(items, WordSettings())
        return self

    def read(self, items: pl.DataFrame, progress: object = None) -> dict[str, Sense]:
        return self.read_texts(items)

    def read_texts(self, items: pl.DataFrame, progress: object = None) -> dict[str, Sense]:
        titles = items["title"].to_list()
        self.read_titles.append(titles)
        bags = self.vocabulary.bags(items)
        letters = np.array([[t.count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for t in titles], np.float32)
        return {"words": Sense(bags, np.diff(bags.indptr) > 0), "text": Sense(letters, np.ones(len(titles), bool))}


def scorer(reader: FakeReader, **settings: object) -> NetworkScorer:
    model = ModelSettings(dim=16, heads=2, window=16, senses=("id", "text", "words"))
    return NetworkScorer(model, TrainSettings(epochs=2, tokens_per_step=512, refit=False, **settings), reader)  # type: ignore[arg-type]


def test_each_item_is_read_in_one_of_the_ways_and_as_it_is_afterwards() -> None:
    data, reader = toy_dataset(n_users=60), FakeReader()
    net = scorer(reader).fit(data)
    noise = NoisyTexts(reader, net.senses, data.items, TrainSettings(char_noise=0.3, char_noise_sets=2), seed=0)
    assert net.network is not None
    tower, clean = net.network.tower, net.senses
    before = tower.senses["text"].x.clone()  # type: ignore[union-attr, operator]
    ways = [clean, *noise.misread]
    heard = set()
    noise.begin_epoch(net.network, 5)
    whiten = tower.senses["text"].whiten  # type: ignore[union-attr]
    for i in range(data.n_items):
        mine = tower.senses["text"].x[i]  # type: ignore[union-attr, index]
        said = [tower.settings.text_scale * whiten(torch.from_numpy(s["text"].values[i])) for s in ways]
        fits = [w for w, x in enumerate(said) if torch.allclose(mine, x, atol=1e-3)]
        assert fits
        bag = tower.senses["words"].bags[i]  # type: ignore[union-attr, index]
        assert any((bag != ways[w]["words"].values[i]).nnz == 0 for w in fits)
        heard |= set(fits[:1])
    assert heard == {0, 1, 2}
    noise.end_epoch(net.network)
    assert torch.equal(tower.senses["text"].x, before)  # type: ignore[union-attr, arg-type]


def test_training_reads_the_catalogue_once_for_each_set_and_ends_with_it_as_it_is() -> None:
    data, reader = toy_dataset(n_users=60), FakeReader()
    plain, noisy = scorer(FakeReader()).fit(data), scorer(reader, char_noise=0.2, char_noise_sets=3).fit(data)
    assert len(reader.read_titles) == 1 + 3
    assert all(titles != reader.read_titles[0] for titles in reader.read_titles[1:])
    assert plain.network is not None
    assert noisy.network is not None
    assert torch.equal(noisy.network.tower.senses["text"].x, plain.network.tower.senses["text"].x)  # type: ignore[union-attr, arg-type]
    assert not torch.equal(noisy.network.log_scale, plain.network.log_scale)


def test_nothing_to_misspell_is_refused() -> None:
    data = toy_dataset(n_users=30)
    model = ModelSettings(dim=16, heads=2, window=16, senses=("id",))
    with pytest.raises(SettingError, match="no item's text is read"):
        NetworkScorer(model, TrainSettings(epochs=1, char_noise=0.1), None).fit(data)
