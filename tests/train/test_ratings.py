"""Explicit ratings: biases by hand, what training is given, and that taste is learned from ratings and not from noise."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest
import torch

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import hold_out_last
from crossaisle.errors import RequestError, SettingError
from crossaisle.model.settings import ModelSettings
from crossaisle.recommender import Recommender
from crossaisle.testing import scorer_contract, toy_dataset
from crossaisle.train.fit import NetworkScorer
from crossaisle.train.packing import pack_for_reading, pack_for_training
from crossaisle.train.ratings import RatingBiases, rating_loss
from crossaisle.train.settings import TrainSettings

MODEL = ModelSettings(dim=16, heads=2, window=16, senses=("id",), dropout=0.1, id_dropout=0.0)
RATING = TrainSettings(objective="rating", epochs=12, tokens_per_step=128, id_weight_decay=0.05, rating_shrink=2.0)


def given(rows, ratings) -> Histories:
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    return Histories.from_arrays(offsets, np.concatenate([np.array(r, int) for r in rows]), ratings=np.array(ratings, float))


def opinions(seed: int = 0, n_users: int = 300, within: bool = False) -> Dataset:
    """A shop whose people like one half of the items, odd or even, by two points; ``within``: each one's ratings dealt out anew."""
    data = toy_dataset(seed, n_users=n_users, n_items=40)
    rng = np.random.default_rng(seed)
    likes, people, items = rng.integers(2, size=n_users), rng.normal(size=n_users) / 2, rng.normal(size=40) / 2
    h = data.histories
    items_of = np.concatenate([rng.choice(40, n, replace=False) for n in h.lengths])
    ratings = 3 + people[h.owners] + items[items_of] + np.where(items_of % 2 == likes[h.owners], 1.0, -1.0)
    if within:
        draw = np.lexsort((rng.random(len(ratings)), h.owners))
        ratings = ratings[draw]
    return data.with_histories(dataclasses.replace(h, items=items_of, ratings=ratings.astype(np.float32)))


def test_biases_by_hand() -> None:
    h = given([[0, 1], [0, 2], [1]], [5, 3, 3, np.nan, 1])
    b = RatingBiases.fit(h, 4, shrink=1.0)
    assert b.mean == 3.0
    # item 0: (2 + 0) / 3; item 1: (0 - 2) / 3; items 2 and 3: nobody's rating
    assert b.items == pytest.approx([2 / 3, -2 / 3, 0, 0])
    # user 0: (2 - 2/3 + 0 + 2/3) / 3; user 1: (0 - 2/3) / 2; user 2: (-2 + 2/3) / 2
    assert b.people(h) == pytest.approx([2 / 3, -1 / 3, -2 / 3])
    assert b.predict(h, np.array([1, 3, 0])) == pytest.approx([3 + 2 / 3 - 2 / 3, 3 - 1 / 3, 3 - 2 / 3 + 2 / 3])
    assert b.people(Histories.from_lists([[0], []])).tolist() == [0, 0]
    assert b.tokens(h).weights == pytest.approx([2 - 2 / 3, 2 / 3, -2 / 3, 0, -2 + 2 / 3])
    assert b.with_new(2).items.tolist()[-3:] == [0, 0, 0]


def test_targets_know_neither_the_future_nor_themselves() -> None:
    h = given([[0, 1, 2], [1]], [5, 3, 4, 1])
    b = RatingBiases.fit(h, 3, shrink=1.0)
    out = b.targets(h).ratings
    assert out is not None
    mean, items = 3.25, b.items.astype(float)
    # the second event: b_u from the first alone; b_i of item 1 from the other rating of it alone, shrunk
    person = (5 - mean - items[0]) / (1 + 1)
    assert out[1] == pytest.approx(3 - mean - person - (1 - mean) / (1 + 1))
    # the first event of each history knows nothing of its person
    assert out[0] == pytest.approx(5 - mean - 0)
    assert out[3] == pytest.approx(1 - mean - (3 - mean) / (1 + 1))
    changed = given([[0, 1, 2], [1]], [5, 3, 1, 1])
    later = RatingBiases(b.mean, b.items, 1.0).targets(changed).ratings
    assert later is not None
    assert later[:2].tolist() == out[:2].tolist()


def test_an_event_without_a_rating_is_no_target() -> None:
    h = given([[0, 1, 2]], [5, np.nan, 4])
    rows = pack_for_training(RatingBiases.fit(h, 3, 1.0).targets(h), 4, 0)
    assert rows.target_ratings is not None
    assert rows.target_ratings[0, :2].isnan().tolist() == [True, False]
    assert pack_for_reading(h, 4).rows.target_ratings is None


def test_the_loss_is_torchs_own() -> None:
    data = opinions(n_users=30)
    scorer = NetworkScorer(MODEL, dataclasses.replace(RATING, epochs=1), None).fit(data)
    network = scorer.network
    assert network is not None
    assert scorer.biases is not None
    rows = pack_for_training(scorer.biases.targets(data.histories), 16, 0)
    with torch.no_grad():
        network.eval()
        raw = network.tower()
        states = network.states(raw, rows)
        cosine = torch.nn.functional.cosine_similarity(states, raw[rows.targets], dim=-1)
        chosen = rows.target_weights > 0
        expected = torch.nn.functional.mse_loss(network.scale * cosine[chosen], rows.target_ratings[chosen])  # type: ignore[index]
        assert float(rating_loss(network, rows)) == pytest.approx(float(expected), rel=1e-5)
        silent = dataclasses.replace(rows, target_ratings=torch.full_like(rows.target_weights, torch.nan))
        assert float(rating_loss(network, silent)) == 0


def errors(data: Dataset, known: float) -> tuple[float, float]:
    """Root of the mean squared error of the network and of the biases alone, on the newest rating of each person; this share of the people
    is learned from."""
    train, asked = hold_out_last(data)
    n = int(known * data.n_users)
    learned = train.with_histories(train.histories.keep(train.histories.owners < n))
    scorer = NetworkScorer(MODEL, RATING, None, seed=1).fit(learned, asked[np.flatnonzero(asked.users < n)])
    held = asked if known == 1 else asked[np.flatnonzero(asked.users >= n)]
    assert held.targets.ratings is not None
    assert scorer.biases is not None
    found = scorer.predict_ratings(held.histories, held.targets.items)
    alone = scorer.biases.predict(held.histories, held.targets.items)
    a, b = (float(np.sqrt(np.mean((p - held.targets.ratings) ** 2))) for p in (found, alone))
    return a, b


@pytest.mark.parametrize("known", [1, 0.8])
def test_taste_is_learned_and_holds_for_new_people(known: float) -> None:
    network, biases = errors(opinions(), known)
    assert network < 0.6 * biases


def test_placebo_ratings_dealt_out_among_a_persons_items_teach_nothing() -> None:
    network, biases = errors(opinions(within=True), 1)
    assert network > 0.98 * biases


def test_ranking_follows_the_prediction() -> None:
    data = opinions(n_users=40)
    scorer = NetworkScorer(MODEL, dataclasses.replace(RATING, epochs=2), None).fit(data)
    one = data.histories[np.array([3])]
    scores = scorer.score(one)[0]
    predicted = scorer.predict_ratings(one[np.zeros(data.n_items, int)], np.arange(data.n_items))
    assert predicted - predicted[0] == pytest.approx(scores - scores[0], abs=1e-4)
    assert scorer.score(one, np.array([5, 2]))[0] == pytest.approx(scores[[5, 2]], abs=1e-5)
    again = NetworkScorer.from_state(*scorer.state(), None)
    np.testing.assert_array_equal(again.predict_ratings(one, np.array([4])), scorer.predict_ratings(one, np.array([4])))


def test_the_contract_of_a_scorer() -> None:
    scorer_contract(lambda: NetworkScorer(MODEL, dataclasses.replace(RATING, epochs=1), None), opinions(n_users=40))


def test_other_objectives_do_not_see_ratings() -> None:
    data = opinions(n_users=40)
    plain = data.with_histories(dataclasses.replace(data.histories, ratings=None))
    few = dataclasses.replace(RATING, objective="catalogue", epochs=1)
    a, b = (NetworkScorer(MODEL, few, None).fit(d) for d in (data, plain))
    np.testing.assert_array_equal(a.score(data.histories[:5]), b.score(plain.histories[:5]))
    assert a.biases is None
    assert "rating_biases" not in a.state()[0]


def test_without_ratings_there_is_nothing_to_learn_or_predict() -> None:
    data = toy_dataset(n_users=20)
    with pytest.raises(RequestError, match=r"train\.objective is rating, and no event has a rating"):
        NetworkScorer(MODEL, RATING, None).fit(data)
    with pytest.raises(SettingError, match=r"train\.objective is rating, beside train\.debias=popularity"):
        NetworkScorer(MODEL, dataclasses.replace(RATING, debias="popularity"), None).fit(opinions(n_users=20))
    plain = NetworkScorer(MODEL, dataclasses.replace(RATING, objective="catalogue", epochs=1), None).fit(data)
    with pytest.raises(RequestError, match="this model has not learned ratings"):
        plain.predict_ratings(data.histories[:1], np.array([0]))


def test_without_rated_questions_training_goes_to_its_end() -> None:
    data = opinions(n_users=20)
    train, asked = hold_out_last(data)
    silent = dataclasses.replace(asked, targets=dataclasses.replace(asked.targets, ratings=None))
    scorer = NetworkScorer(MODEL, dataclasses.replace(RATING, epochs=2), None).fit(train, silent)
    assert scorer.selection.scores == []
    assert scorer.selection.best_epoch == 2


def test_from_tables_to_a_saved_model(tmp_path) -> None:
    data = opinions(n_users=40)
    h = data.histories
    table = pl.DataFrame(
        {
            "user_id": data.users.gather(h.owners),
            "item_id": data.items["item_id"].gather(h.items),
            "position": np.arange(len(h.items)),
            "rating": pl.Series(h.ratings).cast(pl.Float64),
        }
    )
    read = Dataset.from_frames(table)
    assert read.histories.ratings is not None
    np.testing.assert_array_equal(read.histories.ratings, h.ratings)
    assert Dataset.from_frames(table.drop("rating")).histories.ratings is None
    small = {"train.objective": "rating", "train.epochs": "1", "model.dim": "16", "model.senses": "id", "blend.parts": ""}
    model = Recommender.preset("quick", settings=small).fit(read)
    assert model.quality["rmse"] > 0
    assert model.quality["what"].startswith("ratings of the newest item")
    before = model.recommend(["user0001"], k=3)
    model.save(tmp_path / "m")
    after = Recommender.load(tmp_path / "m").recommend(["user0001"], k=3)
    assert before["item_id"].to_list() == after["item_id"].to_list()
    assert after["score"].to_list() == pytest.approx(before["score"].to_list(), abs=1e-5)
    pairs = pl.DataFrame({"user_id": ["user0001", "stranger"], "item_id": ["item0003", "item0003"]})
    told, again = (m.predict_ratings(pairs)["rating"].to_list() for m in (model, Recommender.load(tmp_path / "m")))
    biases = model._scorer.net.biases  # type: ignore[union-attr]
    assert biases is not None
    assert told == pytest.approx(again, abs=1e-5)
    assert told[1] == pytest.approx(biases.mean + biases.items[read.item_codes["item0003"]], abs=1e-5)
    with pytest.raises(RequestError, match="the pairs have no column 'item_id'"):
        model.predict_ratings(pairs.drop("item_id"))
    with pytest.raises(RequestError, match="unknown item 'x'"):
        model.predict_ratings(pairs.with_columns(item_id=pl.lit("x")))
    asked = table.filter(pl.col("user_id") == "user0001").rename({"user_id": "query_id"})
    there = model.recommend_histories(asked, k=3)
    assert there["score"].to_list() == pytest.approx(before["score"].to_list(), abs=1e-5)
