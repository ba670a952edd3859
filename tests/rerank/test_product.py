"""The second look through the front door and the command line, with a fake language model."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from rerank_fakes import COLOURS, fake_bert, shop

from crossaisle import Recommender
from crossaisle.cli.main import run
from crossaisle.errors import RequestError
from crossaisle.rerank.cross import CrossEncoder
from crossaisle.rerank.mine import mine

SMALL = {
    "model.dim": "16",
    "model.heads": "2",
    "model.senses": "id",
    "train.epochs": "1",
    "blend.parts": "",
    "rerank.people": "200",
    "rerank.judges": "100",
    "rerank.epochs": "4",
    "rerank.depth": "12",
    "rerank.learning_rate": "3e-3",
    "rerank.head_rate": "3e-3",
}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return fake_bert(tmp_path_factory.mktemp("models") / "fake-bert")


@pytest.fixture(scope="module")
def model(bert):
    return Recommender.preset("quick", settings={**SMALL, "rerank.model": str(bert)}).fit(shop(n_users=420))


def test_fit_says_what_the_second_look_does(model):
    assert any(note.startswith("the second look is on: N@10 0.") for note in model.notes)
    assert model.info()["quality"]["rerank"]["on"]


def test_off_by_default(bert):
    assert not Recommender.preset("best").settings.rerank.active


def test_it_changes_the_order_and_not_the_reasons(model):
    plain, again = (model.recommend(["u0", "u1", "u2"], k=12, explain=True, rerank=r) for r in (False, True))
    assert plain["item_id"].to_list() != again["item_id"].to_list()
    both = plain.join(again, on=["user_id", "item_id"], suffix="_again")
    assert both.height == plain.height
    for column in ("because", "path", "reason"):
        assert both[column].to_list() == both[f"{column}_again"].to_list()


def test_saving_and_loading_changes_nothing(model, tmp_path, capsys):
    model.save(tmp_path / "shop.model")
    again = Recommender.load(tmp_path / "shop.model", device="cpu")
    assert_frame_equal(again.recommend(k=5, rerank=True), model.recommend(k=5, rerank=True))
    assert run(["recommend", str(tmp_path / "shop.model"), "--user", "u3", "--rerank", "--json"]) == 0
    assert "recommendations" in capsys.readouterr().out


def test_a_model_without_one_says_so_in_one_line(tmp_path, capsys):
    plain = Recommender.preset("quick", settings=SMALL).fit(shop(n_users=60))
    with pytest.raises(RequestError, match=r"this model has no second look; expected a model whose second look is on; next: leave out"):
        plain.recommend(["u0"], rerank=True)
    plain.save(tmp_path / "m")
    assert run(["recommend", str(tmp_path / "m"), "--user", "u3", "--rerank"]) == 2
    assert "this model has no second look" in capsys.readouterr().err


def test_one_that_was_left_off_says_why(bert, tmp_path):
    few = Recommender.preset("quick", settings={**SMALL, "rerank.model": str(bert)}).fit(shop(n_users=60))
    few.save(tmp_path / "m")
    with pytest.raises(RequestError, match=r"the second look is off: 60 people with a newest event to predict are too few"):
        Recommender.load(tmp_path / "m").recommend(["u0"], rerank=True)


def test_the_retriever_that_mines_has_not_seen_the_answers(bert, monkeypatch):
    """Lists are made by a scorer fitted without the events asked about, and training starts from those events."""
    data, known, trained = shop(n_users=120), [], []

    def mining(scorer, asked, *rest):
        known.append(scorer.counts.copy())
        return mine(scorer, asked, *rest)

    def spy(self, writer, histories, lists, seed=0, progress=None):
        trained.append((histories, lists))
        return self

    monkeypatch.setattr("crossaisle.whole.fit.mine", mining)
    monkeypatch.setattr(CrossEncoder, "train", spy)
    Recommender.preset("quick", settings={**SMALL, "rerank.model": str(bert)}).fit(data)
    newest = np.bincount([row[-1] for row in data.histories.rows()], minlength=data.n_items)
    np.testing.assert_array_equal(known[0], data.item_counts - newest)
    ((histories, lists),) = trained
    whole = {tuple(row.tolist()) for row in data.histories.rows()}
    assert {(*history.tolist(), target) for history, target in zip(histories.rows(), lists[:, 0].tolist(), strict=True)} <= whole


def test_a_wish_is_read_with_the_candidates(model):
    data = shop(n_users=60)
    wished = Recommender.preset("quick", settings={**SMALL, "model.senses": "id,words"}).fit(data)
    wished._second = model._second  # of the same shop, and on for certain
    titles = dict(wished.items.select("item_id", "title").iter_rows())
    some = {COLOURS[row[0] % 4]: f"u{u}" for u, row in enumerate(data.histories.rows())}
    lists = {wish: wished.recommend([some["green"]], wish=wish, k=12, rerank=True) for wish in ("green pot", "white lamp")}
    own = [titles[i].startswith("green") for i in lists["green pot"]["item_id"]]
    assert 0 < sum(own) < 12
    assert np.mean(np.flatnonzero(own)) < np.mean(np.flatnonzero(~np.array(own)))
    assert lists["green pot"]["item_id"].to_list() != lists["white lamp"]["item_id"].to_list()


def test_new_items_stand_in_lists(model, tmp_path):
    model.save(tmp_path / "m")
    again = Recommender.load(tmp_path / "m")
    new = pl.DataFrame({"item_id": ["new"], "category": ["shop"], "title": ["red pot"]})
    with pytest.raises(RequestError, match="this model knows items by id only"):
        again.add_items(new)
    assert np.isfinite(again.recommend(["u0"], k=3, rerank=True)["score"].to_numpy()).all()
