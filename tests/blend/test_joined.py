"""Items that join a scorer in service: the same as if all had been read at once, and what serves meanwhile stays as it is."""

import numpy as np
import pytest

from crossaisle.across.settings import AcrossSettings
from crossaisle.blend.parts import Parts
from crossaisle.blend.quick import QuickBlend
from crossaisle.blend.scorer import BlendScorer
from crossaisle.blend.settings import BlendSettings
from crossaisle.blend.weights import Weights
from crossaisle.encode.senses import Sense
from crossaisle.encode.words import Vocabulary, WordSettings
from crossaisle.model.settings import ModelSettings
from crossaisle.rank.index_exact import ExactIndex
from crossaisle.shared import Shared
from crossaisle.testing import toy_dataset
from crossaisle.train.fit import NetworkScorer
from crossaisle.train.settings import TrainSettings

DATA = toy_dataset(n_users=300)
ASKED = DATA.histories[:20]


class FakeReader:
    """A fake of encode.items.ItemReader: words, and as text a fixed projection of them."""

    def fit(self, items):
        self.vocabulary = Vocabulary.fit(items, WordSettings())
        return self

    def read(self, items, progress=None):
        bags = self.vocabulary.bags(items)
        to_text = np.random.default_rng(1).normal(size=(bags.shape[1], 12)).astype(np.float32)
        present = np.diff(bags.indptr) > 0
        return {"words": Sense(bags, present), "text": Sense(np.asarray(bags @ to_text), present)}


@pytest.fixture(scope="module")
def fitted():
    model = ModelSettings(dim=16, heads=2, window=16, senses=("id", "words", "text"))
    settings = BlendSettings(parts=("markov", "word-knn", "text-knn"), candidates=20)
    net = NetworkScorer(model, TrainSettings(epochs=1, tokens_per_step=512), FakeReader())
    out = BlendScorer(net, settings, AcrossSettings(dim=8, least_shoppers=5)).fit(DATA)
    values = np.random.default_rng(0).uniform(0.2, 1.0, size=len(out.near.values)).astype(np.float32)
    out.near = Weights(("network", "markov", "word-knn", "text-knn"), values)
    assert out.ridge is not None
    return out


def _loaded(fitted):
    tensors, config = fitted.state()
    return BlendScorer.from_state({name: value.clone() for name, value in tensors.items()}, config, fitted.net.reader)


def _rows(*codes):
    rows = DATA.items[list(codes)]
    return rows.with_columns(item_id=rows["item_id"] + "-new")


def _anew(scorer):
    """What the scorer would be if everything it has were made of the senses now, and nothing carried over."""
    tensors, config = scorer.state()
    return BlendScorer.from_state({name: value.clone() for name, value in tensors.items()}, config, scorer.net.reader)


@pytest.mark.parametrize("shared", [False, True])
def test_one_by_one_is_as_all_at_once_and_as_made_anew(fitted, tmp_path, shared):
    loaded = _loaded(fitted)
    loaded.settle(Shared(tmp_path / "arrays" if shared else None))
    before = loaded.score(ASKED)
    step = loaded.grown(_rows(3)).grown(_rows(5, 7))
    whole = loaded.grown(_rows(3, 5, 7))
    anew = _anew(whole)
    assert step.score(ASKED).shape == (20, 83)
    for other in (whole, anew):
        assert np.allclose(step.item_vectors(), other.item_vectors(), atol=1e-6)
        assert np.allclose(step.parts_of().text, other.parts_of().text, atol=1e-6)
        assert np.allclose(step.score(ASKED), other.score(ASKED), atol=1e-4)
    assert np.array_equal(loaded.score(ASKED), before)
    assert np.abs(step.item_vectors()[[80, 81, 82]]).max() > 0.1  # they are not zeros
    fresh = Parts(loaded.blend.parts, step.net.senses, loaded.parts_of().spread)
    assert np.allclose(fresh.space("word-knn").items.toarray(), step.parts_of().space("word-knn").items.toarray(), atol=1e-6)


def test_two_that_grew_from_one_do_not_touch_each_other(fitted):
    loaded = _loaded(fitted).grown(_rows(1))  # from here on there is room behind the rows
    one = loaded.grown(_rows(3))
    said = one.score(ASKED)
    other = loaded.grown(_rows(60))
    assert np.array_equal(one.score(ASKED), said)
    assert not np.allclose(one.item_vectors()[81], other.item_vectors()[81], atol=1e-3)


def test_shares_of_the_senses_do_not_need_the_whole_catalogue_whitened(fitted):
    loaded = _loaded(fitted)
    loaded.settle()
    (text,) = (m for m in loaded.net.network.tower.senses.values() if hasattr(m, "whiten"))
    asked = np.array([3, 60])
    some = loaded.sense_shares(asked)
    assert text._x is None
    for name, every in loaded.sense_shares().items():
        assert np.allclose(some[name], every[asked], atol=1e-5)


def test_an_index_that_grew_finds_what_one_made_anew_does(fitted):
    scorer = fitted.grown(_rows(3, 5, 7))
    vectors = scorer.item_vectors()
    old = ExactIndex(vectors[:80])
    queries = np.random.default_rng(0).normal(size=(30, vectors.shape[1])).astype(np.float32)
    said = old.search(queries, 10)
    step = old.grown(vectors[:81])
    one, other = step.grown(vectors), step.grown(np.concatenate([vectors[:81], -vectors[81:]]))
    assert all(np.array_equal(a, b) for a, b in zip(old.search(queries, 10), said, strict=True))
    for grown, of in ((one, vectors), (other, np.concatenate([vectors[:81], -vectors[81:]]))):
        for a, b in zip(grown.search(queries, 10), ExactIndex(of).search(queries, 10), strict=True):
            assert np.array_equal(a, b)


def test_the_quick_look_goes_on_with_its_estimates_while_few_have_joined(fitted):
    quick = QuickBlend(fitted, ExactIndex(fitted.item_vectors()), 70)
    few, many = fitted.grown(_rows(3, 5)), fitted.grown(_rows(*range(20)))
    for scorer, kept in ((few, True), (many, False)):
        grown = quick.grown(scorer, quick.index.grown(scorer.item_vectors()))
        assert (grown._moments is quick._moments) == kept
        full = scorer.near.apply(scorer._near_features(ASKED), scorer.counts)
        items, scores = grown.best(ASKED)
        assert any((one >= 80).any() for one in items)
        for b in range(len(items)):
            assert np.abs(scores[b] - full[b, items[b]]).max() < (0.2 if kept else 2e-3)
