"""What any scorer's lists must be, with real baselines on the toy shop."""

import numpy as np
import polars as pl
import pytest

from crossaisle.baselines.ease import EASE
from crossaisle.baselines.popularity import Popularity
from crossaisle.contracts import Scorer
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.recommend import Request, recommend
from crossaisle.testing import toy_dataset

DATA = toy_dataset()
CATALOGUE = Catalogue.of(DATA)
USERS = DATA.users.to_list()


@pytest.fixture(params=[EASE, Popularity], scope="module")
def scorer(request) -> Scorer:
    return request.param().fit(DATA)


def ask(scorer, **options):
    return recommend(scorer, CATALOGUE, DATA.histories, USERS, Request(**options))


def joined(table):
    """Each listed item with what its user has done and what the shop says of it."""
    facts = DATA.items.select("item_id", "available", "price", pl.col("category").alias("aisle"))
    seen = pl.DataFrame(
        {"user_id": DATA.users.gather(DATA.histories.owners), "item_id": DATA.items["item_id"].gather(DATA.histories.items)}
    )
    aisles = seen.join(facts, on="item_id").group_by("user_id").agg(touched="aisle", seen="item_id")
    return table.join(facts, on="item_id", how="left").join(aisles, on="user_id", how="left")


def test_lists_are_full_new_and_in_order(scorer):
    table = joined(ask(scorer, k=10))
    assert table.height == 10 * DATA.n_users
    assert table["available"].all()
    assert table["category"].equals(table["aisle"])
    assert not table.select(pl.col("item_id").is_in(pl.col("seen")))["item_id"].any()
    for _, rows in table.group_by("user_id"):
        assert rows["rank"].to_list() == list(range(1, 11))
        assert rows["score"].is_sorted(descending=True)
        assert rows["item_id"].n_unique() == 10


def test_scores_are_the_models_own(scorer):
    table = ask(scorer, k=3)
    scores = scorer.score(DATA.histories)
    cells = zip(table["user_id"], table["item_id"], strict=True)
    assert table["score"].to_numpy() == pytest.approx(
        [scores[DATA.user_codes[u], DATA.item_codes[i]] for u, i in cells], rel=1e-4, abs=1e-6
    )


def test_beyond_history_is_beyond_it(scorer):
    table = joined(ask(scorer, beyond_history=True, keep_seen=True))
    assert table.height > 0
    assert not table.select(pl.col("aisle").is_in(pl.col("touched")))["aisle"].any()


def test_filters_and_caps_hold_together(scorer):
    table = joined(ask(scorer, where="price < 30", categories=["Books", "Music"], max_per_category=2))
    assert (table["price"] < 30).all()
    assert set(table["category"]) == {"Books", "Music"}
    assert table.group_by("user_id", "category").len()["len"].unique().to_list() == [2]


def test_reasons_name_what_is_in_the_history():
    table = joined(ask(EASE().fit(DATA), k=5, explain=True))
    carried = table.filter(pl.col("because").is_not_null())
    assert carried.height > 0.9 * table.height
    assert carried.select(pl.col("because").is_in(pl.col("seen")))["because"].all()
    assert carried["reason"].str.contains("is suggested mainly because").all()
    assert not table["reason"].str.contains("\n").any()


def test_explanations_are_the_same_twice_and_for_one_alone():
    scorer = EASE().fit(DATA)
    whole = ask(scorer, k=5, explain=True)
    assert whole.equals(ask(scorer, k=5, explain=True))
    alone = recommend(scorer, CATALOGUE, DATA.histories[7:8], USERS[7:8], Request(k=5, explain=True))
    assert alone.drop("score").equals(whole.filter(pl.col("user_id") == USERS[7]).drop("score"))


def test_popularity_is_carried_by_no_item():
    table = ask(Popularity().fit(DATA), k=3, explain=True, lang="zh")
    assert table["because"].is_null().all()
    assert table["reason"].str.starts_with("您的历史记录中没有哪一件单独起决定作用；").all()


def test_taking_because_away_costs_more_than_taking_another():
    """The faithfulness that an explanation promises: of all items of the history, because is the one that counts most."""
    scorer = EASE().fit(DATA)
    table = ask(scorer, k=1, explain=True).filter(pl.col("because").is_not_null())
    whole = scorer.score(DATA.histories)
    for user, item, because in table.select("user_id", "item_id", "because").head(20).iter_rows():
        b, i = DATA.user_codes[user], DATA.item_codes[item]
        past = DATA.histories[np.array([b])]
        losses = {j: whole[b, i] - scorer.score(past.keep(past.items != j))[0, i] for j in past.items.tolist()}
        assert losses[DATA.item_codes[because]] >= 0.8 * max(losses.values())
