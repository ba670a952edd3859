"""The network with the factored objective, from fit to the list a person reads."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import torch

from crossaisle.encode.items import ItemReader
from crossaisle.encode.text import TextSettings
from crossaisle.encode.words import WordSettings
from crossaisle.model.settings import ModelSettings
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.recommend import recommend
from crossaisle.rank.request import Request
from crossaisle.rank.similar import similar_items
from crossaisle.testing import scorer_contract, toy_dataset
from crossaisle.train.fit import NetworkScorer
from crossaisle.train.settings import TrainSettings

MODEL = ModelSettings(dim=32, heads=2, window=16, senses=("id", "words"), dropout=0.2)
TRAINING = TrainSettings(epochs=3, tokens_per_step=128, objective="catalogue")
FACTORED = dataclasses.replace(TRAINING, objective="factored")


@pytest.fixture(scope="module")
def data():
    return toy_dataset()


@pytest.fixture(scope="module")
def scorer(data):
    return _scorer().fit(data)


def _scorer(training=FACTORED, model=MODEL, **changes):
    return NetworkScorer(model, training, ItemReader(("words",), TextSettings(), WordSettings()), **changes)


def test_the_contract_of_a_scorer(data):
    scorer_contract(_scorer, data)


def test_a_correction_for_each_aisle_keeps_the_contract_too(data):
    fitted = scorer_contract(lambda: _scorer(model=dataclasses.replace(MODEL, aisle_rank=4)), data)
    assert bool((fitted.network.head.up != 0).any())


@pytest.mark.parametrize("negatives", [0, 24])
def test_it_learns_more_than_chance(data, negatives):
    fitted = _scorer(dataclasses.replace(FACTORED, epochs=8, negatives=negatives)).fit(data)
    assert max(fitted.selection.scores) > 3 * 4.54 / data.n_items


def test_scores_are_log_probabilities_over_the_catalogue(data, scorer):
    p = np.exp(scorer.score(data.histories[:20]).astype(np.float64))
    np.testing.assert_allclose(p[:, data.item_counts > 0].sum(1), 1, rtol=1e-4)


def test_a_catalogue_of_one_aisle_is_trained_as_without_factors():
    one = toy_dataset(n_aisles=1)
    plain, factored = (_scorer(training).fit(one) for training in (TRAINING, FACTORED))
    assert factored.network.head is None
    np.testing.assert_array_equal(plain.score(one.histories), factored.score(one.histories))
    assert plain.selection.scores == factored.selection.scores


def test_items_without_an_aisle_are_an_aisle_of_their_own(data):
    some = np.arange(data.n_items) % 3 == 0
    named = data.items["category"].to_numpy().astype(object)
    partly = dataclasses.replace(data, items=data.items.with_columns(category=pl.Series(np.where(some, "", named), dtype=pl.String)))
    fitted = _scorer().fit(partly)
    assert fitted.network.head.n_aisles == 5
    p = np.exp(fitted.score(data.histories).astype(np.float64))
    assert float(p[:, some].sum(1).mean()) == pytest.approx(some.mean(), abs=0.2)


def test_taking_apart_and_putting_together_changes_nothing(data):
    fitted = _scorer(model=dataclasses.replace(MODEL, aisle_rank=2)).fit(data)
    again = NetworkScorer.from_state(*fitted.state(), fitted.reader)
    np.testing.assert_array_equal(fitted.score(data.histories), again.score(data.histories))
    np.testing.assert_array_equal(fitted.item_categories, again.item_categories)
    assert again.categories == fitted.categories == data.categories


def test_a_model_saved_before_aisles_were_kept_still_loads(data):
    fitted = _scorer(TRAINING).fit(data)
    tensors, config = fitted.state()
    del tensors["item_categories"], config["categories"], config["n_aisles"]
    again = NetworkScorer.from_state(tensors, config, fitted.reader)
    np.testing.assert_array_equal(fitted.score(data.histories), again.score(data.histories))
    again.add_items(data.items.head(2).with_columns(item_id=pl.Series(["new1", "new2"])))
    assert again.score(data.histories).shape == (data.n_users, data.n_items + 2)


def test_items_added_later_bring_their_aisles(data):
    fitted = _scorer().fit(data)
    before = fitted.score(data.histories)
    new = data.items.head(3).with_columns(item_id=pl.Series(["n1", "n2", "n3"]), category=pl.Series(["Garden", "Cheese", "Garden"]))
    fitted.add_items(new)
    assert [fitted.categories[c] for c in fitted.item_categories[-3:]] == ["Garden", "Cheese", "Garden"]
    after = fitted.score(data.histories)
    np.testing.assert_allclose(after[:, : data.n_items], before, atol=1e-4)
    assert np.isfinite(after).all()
    again = NetworkScorer.from_state(*fitted.state(), fitted.reader)
    np.testing.assert_allclose(again.score(data.histories), after, atol=1e-5)


def test_the_weights_of_aisles_change_what_is_learned(data):
    few = data.item_categories == 0  # one aisle becomes small
    h = data.histories
    keep = ~few[h.items] | (np.random.default_rng(0).random(len(h.items)) < 0.2)
    uneven = data.with_histories(h.keep(keep))
    mass = []
    for balance in (1.0, 0.0):
        fitted = _scorer(dataclasses.replace(FACTORED, aisle_balance=balance)).fit(uneven)
        known = uneven.histories[uneven.histories.lengths > 0]
        mass.append(np.exp(fitted.score(known))[:, few & (uneven.item_counts > 0)].sum(1).mean())
    assert mass[1] > 1.3 * mass[0]


def test_lists_reasons_and_likeness_work_on_it(data, scorer):
    catalogue = Catalogue.of(data)
    lists = recommend(scorer, catalogue, data.histories[:10], data.users[:10].to_list(), Request(k=5, explain=True))
    assert lists.height == 50
    assert lists["because"].is_not_null().mean() > 0.5
    like = similar_items(scorer.item_vectors(), catalogue, 0, k=5)
    assert like.height == 5
    assert float(torch.from_numpy(scorer.item_vectors()).norm(dim=1).sub(1).abs().max()) < 1e-5
