"""The blend as a whole: batches, new items, saving, and what it does without the ridge."""

import dataclasses
import json

import numpy as np
import polars as pl
import pytest

from crossaisle.across.settings import AcrossSettings
from crossaisle.blend import scorer
from crossaisle.blend.parts import standardised
from crossaisle.blend.scorer import BlendScorer
from crossaisle.blend.settings import BlendSettings
from crossaisle.blend.weights import Weights
from crossaisle.data.histories import Histories
from crossaisle.data.split import cold_aisle
from crossaisle.encode.senses import Sense
from crossaisle.encode.words import Vocabulary, WordSettings
from crossaisle.errors import ModelError
from crossaisle.model.settings import ModelSettings
from crossaisle.shared import ALONE
from crossaisle.testing import toy_dataset
from crossaisle.train.fit import NetworkScorer
from crossaisle.train.settings import TrainSettings

ODD = Histories.from_lists([[], [0, 4, 8], [1, 1, 1], [79, 0], list(range(80))])
ACROSS = AcrossSettings(dim=8, regularisation=1.0, least_shoppers=5, penalty=1.0)


class FakeReader:
    """A fake of encode.items.ItemReader: words only, no language model."""

    def fit(self, items):
        self.vocabulary = Vocabulary.fit(items, WordSettings())
        return self

    def read(self, items, progress=None):
        bags = self.vocabulary.bags(items)
        return {"words": Sense(bags, np.diff(bags.indptr) > 0)}


def _blend(reader=None):
    model = ModelSettings(dim=16, heads=2, window=16, senses=("id", "words"))
    net = NetworkScorer(model, TrainSettings(epochs=1, tokens_per_step=512), reader or FakeReader())
    return BlendScorer(net, BlendSettings(hidden=0.5, candidates=20), ACROSS)


@pytest.fixture(scope="module")
def blend():
    return _blend().fit(toy_dataset(n_users=500))


def _loaded(blend, keep=lambda name: True):
    tensors, config = blend.state()
    return BlendScorer.from_state({k: v.clone() for k, v in tensors.items() if keep(k)}, json.loads(json.dumps(config)), blend.net.reader)


def test_validation_has_chosen_both_kinds_of_weights(blend):
    assert blend.ridge is not None
    for chosen in blend.choice.values():
        assert chosen["ndcg@10"] >= chosen["alone"] > 0
    assert "in new aisles: N@10" in blend.note


def test_single_calls_and_candidates_are_parts_of_the_whole(blend):
    scores = blend.score(ODD)
    assert np.isfinite(scores).all()
    for b in range(5):
        assert np.allclose(blend.score(ODD[np.array([b])])[0], scores[b], atol=1e-4)
    columns = np.random.default_rng(0).permutation(80)[:30]
    assert np.allclose(blend.score(ODD, columns), scores[:, columns], atol=1e-4)
    assert np.array_equal(scores[0], np.log1p(blend.counts).astype(np.float32))


def test_an_untouched_aisle_keeps_its_probability_and_takes_the_order_of_the_ridge_and_near(blend):
    history = Histories.from_lists([[0, 4, 8]])  # all of one aisle
    near = blend.near.apply(blend._near_features(history), blend.counts)[0].astype(np.float64)
    scores = blend.score(history)[0].astype(np.float64)
    aisles = blend.net.item_categories
    assert np.allclose(scores[aisles == 0], near[aisles == 0], atol=1e-4)
    for aisle in (1, 2, 3):
        here = np.flatnonzero(aisles == aisle)
        assert np.exp(scores[here]).sum() == pytest.approx(np.exp(near[here]).sum(), rel=1e-3)
        told = scorer._far_features(blend.ridge.inside(history, aisle), near[None, here].astype(np.float32))
        inside = blend.far.apply(told, blend.counts[here])[0]
        assert np.array_equal(np.argsort(-scores[here], kind="stable"), np.argsort(-inside, kind="stable"))


def test_saved_and_loaded_it_gives_the_same_scores(blend):
    again = _loaded(blend)
    assert np.array_equal(again.score(ODD), blend.score(ODD))
    assert not again.lacks_ridge


def test_without_what_people_bought_it_does_without_the_ridge_and_says_so(blend):
    bare = _loaded(blend, lambda name: not name.startswith("across."))
    assert bare.lacks_ridge
    assert bare.ridge is None
    assert _loaded(bare).lacks_ridge
    assert np.isfinite(bare.score(ODD)).all()


def test_items_that_join_are_scored_at_once_in_known_and_new_aisles(blend):
    grown = _loaded(blend)
    old = grown.score(ODD)  # the ridge has made its features of the smaller catalogue
    data = toy_dataset(n_users=500)
    new = data.items[[3, 5]].with_columns(item_id=pl.Series(["n1", "n2"]), category=pl.Series(["Garden", "Wholly new"]))
    grown.add_items(new)
    asked = Histories.from_lists([[80], [81, 2], [0, 4, 8]])
    scores = grown.score(asked)
    assert scores.shape == (3, 82)
    assert np.isfinite(scores).all()
    assert np.array_equal(np.argsort(scores[2, :80][data.item_categories == 2]), np.argsort(old[1][data.item_categories == 2]))
    assert np.array_equal(_loaded(grown).score(asked), scores)


@pytest.mark.parametrize("least", [0, 3])
def test_with_the_ridge_written_out_all_scores_and_reasons_are_the_same(blend, least):
    plain, written = _loaded(blend), _loaded(blend)
    data = toy_dataset(n_users=500)
    new = data.items[[3, 5, 7]].with_columns(
        item_id=pl.Series(["n1", "n2", "n3"]), category=pl.Series(["Garden", "Wholly new", data.items["category"][7]])
    )
    written.tabulate(ALONE, 1_000_000)
    asked = Histories.from_lists([[], [80], [81, 2], [0, 4, 8], [79, 0], list(range(80)), [1], [2, 3, 82]])
    for scorer_ in (plain, written):
        scorer_.add_items(new)
        scorer_.far = dataclasses.replace(scorer_.far, least=least)
    was, found = plain.score(asked), written.score(asked)
    assert written.ridge.everywhere(asked) is not None
    assert np.abs(found - was).max() < 0.01
    assert np.abs(found - written.near.apply(written._near_features(asked), written.counts))[3].max() > 0.1  # near alone is not it
    queries, items = np.repeat([1, 3, 6], 20), np.tile(np.arange(0, 80, 4), 3)
    assert written.carried_by(asked, queries, items) == plain.carried_by(asked, queries, items)
    columns = np.array([5, 80, 3, 40])
    assert np.abs(written.score(asked, columns) - was[:, columns]).max() < 0.01


def test_what_carried_an_item_is_a_part_that_lifts_it(blend):
    said = blend.carried_by(ODD, np.array([0, 1, 1, 3]), np.array([5, 12, 6, 9]))
    assert said[0] == "popularity"  # nobody is known by an empty history
    assert set(said) <= {"network", "markov", "word-knn", "cross-ridge", "popularity"}


def test_a_verdict_against_the_ridge_outlives_the_refit(monkeypatch):
    def against(self, *_):
        self.ridge = None

    monkeypatch.setattr(BlendScorer, "_choose", against)
    fitted = _blend().fit(toy_dataset(n_users=120))
    assert fitted.net.refitting.losses
    assert fitted.ridge is None


@pytest.mark.parametrize(("lead", "kept"), [(0.5, True), (2.0, False)])
def test_the_ridge_goes_only_where_its_absence_leads_by_more_than_the_error_of_the_difference(monkeypatch, lead, kept):
    error = 0.01
    monkeypatch.setattr(scorer, "standard_error", lambda asked, one, other: error)
    monkeypatch.setattr(
        scorer, "choose_weights", lambda asked, names, *_, **__: (Weights.only_first(names), {"ndcg@10": 0.5, "alone": 0.5})
    )
    monkeypatch.setattr(scorer, "mean_ndcg", lambda asked, values: 0.5 + lead * error)
    assert (_blend().fit(toy_dataset(n_users=500)).ridge is not None) == kept


def test_an_aisle_where_nobody_has_bought_yet_has_an_order_of_its_own():
    data = toy_dataset(n_users=600)
    split = cold_aisle(data, data.categories[1])
    blend = _blend().fit(split.full)
    part = split.test[np.arange(5)]
    scores, near = blend.score(part.histories), blend.near.apply(blend._near_features(part.histories), blend.counts)
    columns = np.flatnonzero(data.item_categories == 1)
    own = sum(standardised(values[:, columns]) for values in blend._near_features(part.histories).values())
    falls = np.take_along_axis(scores[:, columns], np.argsort(-own, axis=1, kind="stable"), axis=1)
    assert (np.diff(falls, axis=1) <= 0).all()
    np.testing.assert_array_equal(np.sort(scores[:, columns]), np.sort(near[:, columns]))  # no place is worth more than near gives it
    assert np.array_equal(_loaded(blend).score(part.histories), scores)
    assert np.allclose(blend.score(part.histories, columns[:3]), scores[:, columns[:3]], atol=1e-5)
    assert set(blend.carried_by(part.histories, np.zeros(2, np.int64), columns[:2])) <= {*blend.near.names, "popularity"}


def test_too_few_questions_leave_the_ridge_out():
    assert _blend().fit(toy_dataset(n_users=30)).ridge is None


def test_what_cannot_be_read_or_asked(blend):
    with pytest.raises(RuntimeError, match=r"not fitted; expected fit\(\) before scoring"):
        _blend().score(ODD)
    tensors, config = blend.net.state()
    with pytest.raises(ModelError, match="saved before other parts joined the network; expected one that this version wrote; next: fit"):
        BlendScorer.from_state(tensors, config, FakeReader())


def test_in_an_untouched_aisle_an_item_that_joins_stands_where_the_network_and_its_words_put_it():
    data = toy_dataset(n_users=500)
    blend = _blend().fit(data)
    (aisle,) = {int(blend.ridge.aisles[0])}
    known = np.flatnonzero(data.item_categories == aisle)
    like = data.items[[int(known[0])]].with_columns(pl.lit("new").alias("item_id"))
    blend.add_items(like, data.item_categories[known[:1]])
    away = Histories.from_lists([[int(i)] for i in np.flatnonzero(data.item_categories != aisle)[:12]])
    columns = np.append(known, data.n_items)
    near = blend.near.apply(blend._near_features(away), blend.counts)[:, columns]
    inside = blend.score(away)[:, columns]
    assert blend.far.least > 0
    np.testing.assert_array_equal((inside[:, :-1] > inside[:, -1:]).sum(1), (near[:, :-1] >= near[:, -1:]).sum(1))
