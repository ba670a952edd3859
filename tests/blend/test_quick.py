"""The quick look against the full one: the same scores for what it looks at, and hardly one of the best missed."""

import dataclasses

import numpy as np
import pytest

from crossaisle.across.settings import AcrossSettings
from crossaisle.blend import quick
from crossaisle.blend.quick import QuickBlend, supported
from crossaisle.blend.scorer import BlendScorer
from crossaisle.blend.settings import BlendSettings
from crossaisle.blend.weights import Weights
from crossaisle.encode.senses import Sense
from crossaisle.encode.words import Vocabulary, WordSettings
from crossaisle.model.settings import ModelSettings
from crossaisle.rank.index_exact import ExactIndex
from crossaisle.testing import toy_dataset
from crossaisle.train.fit import NetworkScorer
from crossaisle.train.settings import TrainSettings

DATA = toy_dataset(n_users=300)


class FakeReader:
    """A fake of encode.items.ItemReader: words, and as text a fixed projection of them."""

    def fit(self, items):
        self.vocabulary = Vocabulary.fit(items, WordSettings())
        return self

    def read(self, items, progress=None):
        bags = self.vocabulary.bags(items)
        present = np.diff(bags.indptr) > 0
        to_text = np.random.default_rng(1).normal(size=(bags.shape[1], 12)).astype(np.float32)
        return {"words": Sense(bags, present), "text": Sense(np.asarray(bags @ to_text), present)}


@pytest.fixture(scope="module")
def blend():
    model = ModelSettings(dim=16, heads=2, window=16, senses=("id", "words", "text"))
    settings = BlendSettings(parts=("markov", "word-knn", "text-knn"), candidates=20)
    net = NetworkScorer(model, TrainSettings(epochs=1, tokens_per_step=512), FakeReader())
    out = BlendScorer(net, settings, AcrossSettings(dim=8, least_shoppers=5)).fit(DATA)
    values = np.random.default_rng(0).uniform(0.2, 1.0, size=len(out.near.values)).astype(np.float32)
    out.near = Weights(("network", "markov", "word-knn", "text-knn"), values)
    return out


@pytest.fixture(autouse=True)
def for_a_small_shop(monkeypatch):
    monkeypatch.setattr(quick, "_STEPS", 5)
    monkeypatch.setattr(quick, "_LIFTED", 3)


def _quick(scorer, pool):
    return QuickBlend(scorer, ExactIndex(scorer.item_vectors()), pool)


def test_what_is_looked_at_has_the_score_of_the_full_look(blend):
    histories = DATA.histories[:40]
    items, scores = _quick(blend, pool=20).best(histories)
    full = blend.near.apply(blend._near_features(histories), blend.counts)
    assert {len(one) for one in items} != {DATA.n_items}  # not everything was looked at
    for b in range(40):
        assert np.all(np.diff(items[b]) > 0)
        assert np.allclose(scores[b], full[b, items[b]], atol=2e-3)


def test_the_best_of_all_are_among_what_is_looked_at(blend):
    histories = DATA.histories[:100]
    items, _ = _quick(blend, pool=10).best(histories)
    best = np.argsort(-blend.near.apply(blend._near_features(histories), blend.counts), axis=1)[:, :5]
    found = np.mean([np.isin(best[b], items[b]).mean() for b in range(100)])
    looked_at = np.mean([len(one) / DATA.n_items for one in items])  # what as many by chance would find
    assert found > (1 + 2 * looked_at) / 3


def test_one_at_a_time_it_answers_as_many_at_once(blend):
    look, histories = _quick(blend, pool=20), DATA.histories[:5]
    items, scores = look.best(histories)
    for b in range(5):
        (alone,), (value,) = look.best(histories[np.array([b])])
        both = np.intersect1d(alone, items[b])
        assert len(both) >= 0.9 * len(items[b])
        assert np.allclose(value[np.isin(alone, both)], scores[b][np.isin(items[b], both)], atol=2e-3)


def test_items_that_joined_are_looked_at_too_and_the_old_scorer_stays_as_it_was(blend):
    before = blend.score(DATA.histories[:3])
    new = DATA.items[[3, 5]].with_columns(item_id=DATA.items["item_id"][[3, 5]] + "-new")
    grown = blend.grown(new)
    assert np.array_equal(blend.score(DATA.histories[:3]), before)
    assert grown.score(DATA.histories[:3]).shape == (3, 82)
    items, scores = _quick(grown, pool=82).best(DATA.histories[:3])
    full = grown.near.apply(grown._near_features(DATA.histories[:3]), grown.counts)
    assert all(81 in one for one in items)
    assert np.allclose(scores[0], full[0, items[0]], atol=2e-3)


def test_the_network_alone_needs_no_second_look(blend):
    alone = BlendScorer(blend.net, blend.blend, blend.across)
    alone.parts = blend.parts
    histories = DATA.histories[:3]
    items, scores = _quick(alone, pool=20).best(histories)
    logits = blend.net.score(histories)
    for b in range(3):
        assert np.allclose(scores[b], logits[b, items[b]] - np.logaddexp.reduce(logits[b]), atol=2e-3)


def test_a_blend_with_other_parts_is_not_for_it(blend):
    other = BlendScorer(blend.net, dataclasses.replace(blend.blend, parts=("ials",)), blend.across)
    other.near = Weights.only_first(("network", "ials"))
    assert not supported(other)
    with pytest.raises(ValueError, match="a blend of network, ials; expected a softmax and parts among markov"):
        QuickBlend(other, ExactIndex(other.item_vectors()), 20)


def test_an_index_of_other_items_is_refused(blend):
    with pytest.raises(ValueError, match="an index of 79 items for 80; expected one of the same items"):
        QuickBlend(blend, ExactIndex(blend.item_vectors()[:79]), 20)


def test_the_normaliser_is_that_of_all_items_where_the_sample_is_all_of_them(blend):
    look = _quick(blend, 10)
    states, scale = blend.net.states(DATA.histories[:5])
    cosines, _ = look.index.search(states, 20)
    logits = blend.net.score(DATA.histories[:5])
    assert np.allclose(look._normaliser(scale * states, scale * cosines), np.logaddexp.reduce(logits, axis=1), atol=2e-3)
