"""The model in service, with a real store: fresh at the next request, refusals heeded, items that come and go, another version."""

import dataclasses
import shutil
import sqlite3
import threading
import time

import numpy as np
import polars as pl
import pytest

from crossaisle import Recommender
from crossaisle.across.ridge import CrossAisleRidge
from crossaisle.errors import StoreAway, UnknownItem
from crossaisle.learn.settings import AbnormalSettings, ExploreSettings, OnlineSettings
from crossaisle.live.asking import Answer, Ask
from crossaisle.live.engine import Engine
from crossaisle.live.learned import Learned
from crossaisle.live.served import Served
from crossaisle.live.settings import LearnSettings, LiveSettings
from crossaisle.records import Event, Records
from crossaisle.shared import Shared
from crossaisle.store import prune, write_version
from crossaisle.testing import toy_dataset
from small_model import TINY

DATA = toy_dataset(n_users=200)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live") / "toy.model"
    Recommender.preset("quick", settings=TINY).fit(DATA).save(folder)
    return folder


@pytest.fixture(scope="module")
def ridged(tmp_path_factory):
    """A model whose ridge has passed validation."""
    folder = tmp_path_factory.mktemp("ridged") / "toy.model"
    more = {"across.dim": "8", "across.regularisation": "1", "across.least_shoppers": "5", "across.penalty": "1", "blend.hidden": "0.5"}
    Recommender.preset("quick", settings={**TINY, **more}).fit(toy_dataset(n_users=500)).save(folder)
    return folder


@pytest.fixture
def engine(made, records):
    out = Engine(made, records, LiveSettings(log_seconds=0.01))
    yield out
    out.close()


def listed(engine, **ask):
    (answer,) = engine.recommend([Ask(**ask)])
    assert isinstance(answer, Answer), answer
    return [item["item_id"] for item in answer.items]


def event(n, user, item, kind="purchase", when=2e9, value=None):
    return Event(f"e{n}", user, item, kind, when + n, value)


def test_lists_are_those_of_the_recommender(engine, made):
    users = DATA.users[:5].to_list()
    table = Recommender.load(made).recommend(users, k=7)
    answers = engine.recommend([Ask(user_id=user, n=7) for user in users])
    for user, answer in zip(users, answers, strict=True):
        expected = table.filter(pl.col("user_id") == user)
        assert [item["item_id"] for item in answer.items] == expected["item_id"].to_list()
        assert np.allclose([item["score"] for item in answer.items], expected["score"], atol=1e-4)
        assert [item["rank"] for item in answer.items] == list(range(1, 8))
        assert not answer.degraded
        assert answer.model == "v0001"


def test_the_quick_look_lists_what_the_full_one_does_in_aisles_that_a_history_touches(made, records):
    quick = Engine(made, records, LiveSettings(exact_items=0, pool=80))
    assert quick.model()["two_looks"]
    history = tuple(DATA.items.group_by("category", maintain_order=True).first()["item_id"])  # all aisles
    exact = Engine(made, records, LiveSettings())
    assert listed(quick, history=history) == listed(exact, history=history)


def test_an_event_counts_at_the_next_request(engine, records):
    before = listed(engine, user_id="new")
    assert before == listed(engine)  # of somebody unknown as of nobody: what is popular
    records.add_events([event(1, "new", before[0]), event(2, "new", before[1], "view")], 0.0)
    after = listed(engine, user_id="new")
    assert not {before[0], before[1]} & set(after)
    assert after == listed(engine, history=(before[0], before[1]))
    assert [e["item_id"] for e in engine.user("new")["events"]] == [before[1], before[0]]


def test_kinds_that_the_model_never_learned_are_named_and_move_no_score(made, records):
    engine = Engine(made, records, LiveSettings(log_lists=False))
    items = listed(engine, n=3)
    for n, kind in enumerate(("like", "cart", "click")):
        records.add_events([event(n, "new", items[n], kind)], 0.0)
    records.add_events([event(9, "known", items[0], "view")], 0.0)
    assert [e["event"] for e in engine.user("new")["events"]] == ["click", "cart", "like"]
    assert [e["event"] for e in engine.user("known")["events"]] == ["view"]
    (answer,) = engine.recommend([Ask(user_id="new", n=40)])
    (nameless,) = engine.recommend([Ask(history=tuple(items), n=40)])  # the network knows as little of what was done
    assert [(i["item_id"], i["score"]) for i in answer.items] == [(i["item_id"], i["score"]) for i in nameless.items]
    assert engine.put_items([{"item_id": "joined", "category": DATA.items["category"][0], "title": "Joined"}])[0] == 1
    assert [e["event"] for e in engine.user("new")["events"]] == ["click", "cart", "like"]
    (told,) = engine.recommend([Ask(user_id="new", n=40, explain=True)])
    said = {"like": "you liked", "cart": "in your cart", "click": "you looked at"}
    named = [(dict(zip(items, said.values(), strict=True))[i["because"]], i["reason"]) for i in told.items if i["because"]]
    assert any("mainly because" in reason for _, reason in named)
    assert all(deed in reason for deed, reason in named if "mainly because" in reason)
    engine.close()


def test_what_is_learned_of_items_moves_a_newcomers_list_no_further_than_it_says(made, records):
    engine = Engine(made, records, LiveSettings(log_lists=False, learn_seconds=3600.0))
    try:
        before = listed(engine)
        adjustment = np.zeros(engine._served.catalogue.n_items, np.float32)
        adjustment[engine._served.codes[before[0]]] = -0.05  # in log-odds: a twentieth less
        engine._learned.adjustment = adjustment
        assert before[0] in listed(engine)[:3]
        adjustment[:] = 0.0
        adjustment[engine._served.codes[before[0]]] = -4.0
        assert before[0] not in listed(engine)
    finally:
        engine.close()


def test_a_model_of_ids_refuses_new_items_and_goes_on(records, tmp_path):
    folder = tmp_path / "ids.model"
    Recommender.preset("quick", settings={**TINY, "model.senses": "id", "blend.parts": "markov"}).fit(DATA).save(folder)
    for _ in range(2):  # the second one finds in the store what the first refused, or nothing
        engine = Engine(folder, records, LiveSettings(log_lists=False))
        taken, refused = engine.put_items([{"item_id": "new", "title": "a thing", "category": "Books"}])
        assert (taken, [row["item_id"] for row in refused]) == (0, ["new"])
        assert "items by id only" in refused[0]["reason"]
        engine.close()
        records.put_items([{"item_id": "from elsewhere", "title": "a thing", "category": "Books"}])


def test_impressions_say_nothing(engine, records):
    user = DATA.users[0]
    before = listed(engine, user_id=user)
    records.add_events([event(n, user, item, "impression") for n, item in enumerate(before)], 0.0)
    assert listed(engine, user_id=user) == before


def test_a_hidden_item_never_comes_back_and_its_neighbours_sink_until_it_is_undone(engine, records):
    user = DATA.users[1]
    before = listed(engine, user_id=user, n=40)
    records.add_events([event(1, user, before[0], "hide")], 0.0)
    after = listed(engine, user_id=user, n=40)
    assert before[0] not in after
    near = [item["item_id"] for item in engine.similar(before[0], 80)]
    places = {item: place for place, item in enumerate(near)}
    order = [item for item in after if item in before]
    moved = {item: order.index(item) - before.index(item) for item in order}
    close = [moved[i] for i in order if places[i] < 8]
    far = [moved[i] for i in order if places[i] > 40]
    assert np.mean(close) > np.mean(far)
    assert [h["item_id"] for h in engine.user(user)["hidden"]] == [before[0]]
    records.add_events([event(2, user, before[0], "unhide")], 0.0)
    assert listed(engine, user_id=user, n=40) == before


def test_a_disliked_item_sinks_and_a_like_takes_it_back(engine, records):
    user = DATA.users[2]
    before = listed(engine, user_id=user, n=79)
    records.add_events([event(1, user, before[0], "dislike")], 0.0)
    assert listed(engine, user_id=user, n=79).index(before[0]) > 5
    records.add_events([event(2, user, before[0], "rating", value=1.0)], 0.0)
    assert listed(engine, user_id=user, n=79).index(before[0]) > 5
    records.add_events([event(3, user, before[0], "rating", value=5.0)], 0.0)
    assert before[0] not in listed(engine, user_id=user, n=79)  # it is history now


def test_items_come_and_go_without_training(engine, records, made):
    new = {"item_id": "fresh", "category": "Garden", "title": DATA.items.filter(pl.col("category") == "Garden")["title"][0]}
    taken, refused = engine.put_items([new, {"item_id": "", "title": "nameless"}])
    assert taken == 1
    assert len(refused) == 1
    assert "fresh" in listed(engine, user_id=DATA.users[0], n=80, categories=("Garden",))
    served = engine._served
    listed(engine)
    assert engine._served is served  # what it put itself is not made once more
    other = Engine(made, records)  # another process finds it in the store
    assert "fresh" in listed(other, user_id=DATA.users[0], n=80, categories=("Garden",))
    engine.put_items([{**new, "title": "Renamed", "available": False}])
    assert "fresh" not in listed(other, user_id=DATA.users[0], n=80, categories=("Garden",))
    engine.put_items([{**new, "title": "Renamed", "available": True}])
    assert [i["title"] for i in other.recommend([Ask(categories=("Garden",), n=80)])[0].items if i["item_id"] == "fresh"] == ["Renamed"]
    engine.delete_item("fresh")
    for one in (engine, other):
        assert "fresh" not in listed(one, user_id=DATA.users[0], n=80, categories=("Garden",))
    with pytest.raises(UnknownItem, match="was taken out"):
        engine.similar("fresh")
    with pytest.raises(UnknownItem, match="unknown item 'nothing'"):
        engine.delete_item("nothing")


def test_somebody_who_was_forgotten_is_a_stranger_and_may_come_back(engine, records):
    user = DATA.users[3]
    stranger = listed(engine, user_id="nobody")
    assert listed(engine, user_id=user) != stranger
    records.forget(user)
    assert listed(engine, user_id=user) == stranger
    assert not engine.user(user)["known"]
    assert user not in [s["user_id"] for s in engine.shoppers(500)]
    records.add_events([event(1, user, stranger[0])], 0.0)
    assert listed(engine, user_id=user) == listed(engine, history=(stranger[0],))


def test_somebody_who_was_forgotten_stays_so_when_the_store_is_away(engine, records, monkeypatch):
    user, other = DATA.users[3], DATA.users[4]
    stranger, known = listed(engine, user_id="nobody"), listed(engine, user_id=other)
    records.forget(user)
    listed(engine)  # something else is asked; from now on the store is gone

    def away(*_, **__):
        raise StoreAway("sqlite:///events.db", "nobody is there")

    for name in ("changes", "numbered_events_of", "is_forgotten", "add_lists"):
        monkeypatch.setattr(records, name, away)
    for _ in range(2):  # the second time it is not asked
        assert listed(engine, user_id=user) == stranger
        assert not engine.user(user)["known"]
        assert listed(engine, user_id=other) == known


def test_what_could_not_be_overwritten_at_once_is_later(engine, records, tmp_path):
    user = "a person of whom nothing stays"
    records.add_events([event(1, user, DATA.items["item_id"][0])], 0.0)
    listed(engine, user_id=user)
    engine.flush()
    reader = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM events").fetchone()
    assert records.forget(user) == {"events": 1, "lists": 1}
    assert user.encode() in b"".join(f.read_bytes() for f in tmp_path.glob("events.db*"))
    reader.execute("COMMIT")
    engine._learn()
    assert user.encode() not in b"".join(f.read_bytes() for f in tmp_path.glob("events.db*"))
    reader.close()


def test_lists_that_another_worker_made_before_somebody_was_forgotten_are_not_kept(made, store_url, monkeypatch):
    """Its lists wait to be written, and its clock is ahead."""
    here, there = Records.open(store_url), Records.open(store_url)
    one, other = (Engine(made, store, LiveSettings(log_seconds=60.0)) for store in (here, there))
    user = DATA.users[5]
    monkeypatch.setattr("crossaisle.live.shown.time.time", lambda: 3e9)
    made_before = [other.recommend([Ask(user_id=user)])[0] for _ in range(2)]
    bystander = other.recommend([Ask(user_id=DATA.users[6])])[0]
    one.recommend([Ask(user_id=user)])
    one.flush()  # as the service does
    assert here.forget(user) == {"events": 0, "lists": 1}
    made_after = other.recommend([Ask(user_id=user)])[0]
    assert made_after.items != made_before[0].items
    for engine in (one, other):
        engine.close()
    kept = {shown.recommendation_id for shown in here.lists()}
    assert kept == {bystander.recommendation_id, made_after.recommendation_id}
    for store in (here, there):
        store.close()


def test_wishes_filters_and_reasons(engine):
    user = DATA.users[4]
    title = DATA.items["title"][0]
    wished = engine.recommend([Ask(wish=title, n=5, explain=True)])[0]
    assert DATA.items["item_id"][0] in [item["item_id"] for item in wished.items]
    assert all(item["reason"] for item in wished.items)
    told = engine.recommend([Ask(user_id=user, explain=True, lang="zh", max_per_category=2)])[0]
    assert max(pl.Series([item["category"] for item in told.items]).value_counts()["count"]) <= 2
    assert any(item["because"] for item in told.items)
    touched = {e["category"] for e in engine.user(user)["events"]}
    short = engine.user(user, last=1)
    assert (len(short["events"]), set(short["categories"]), short["n_categories"]) == (1, touched, len(touched))
    assert short["categories"][0] == short["events"][0]["category"]
    beyond = engine.recommend([Ask(user_id=user, beyond_history=True)])[0]
    assert not {item["category"] for item in beyond.items} & touched
    (error,) = engine.recommend([Ask(user_id=user, categories=("Gardn",))])
    assert "the nearest is 'Garden'" in str(error)


def test_a_wish_of_somebody_is_answered_as_the_recommender_does_with_their_history_and_refusals(engine, records, made):
    user, stranger, title = DATA.users[4], "nobody knows me", DATA.items["title"][0]
    table = Recommender.load(made).recommend([user], k=8, wish=title, explain=True)
    wished = engine.recommend([Ask(user_id=user, wish=title, n=8, explain=True)])[0]
    assert wished.user_id == user
    assert [item["item_id"] for item in wished.items] == table["item_id"].to_list()
    assert np.allclose([item["score"] for item in wished.items], table["score"], atol=1e-4)
    assert [item["because"] for item in wished.items] == table["because"].to_list()
    alone = listed(engine, wish=title, n=8)
    assert table["item_id"].to_list() != alone, "the history counts"
    # what is hidden stays away from a wish, and from nobody else's
    first = wished.items[0]["item_id"]
    records.add_events([event(1, user, first, "hide")], 0.0)
    assert first not in listed(engine, user_id=user, wish=title, n=80)
    assert first in listed(engine, wish=title, n=80)
    # of somebody unknown the wish alone counts, and a note says so
    (answer,) = engine.recommend([Ask(user_id=stranger, wish=title, n=8)])
    assert [item["item_id"] for item in answer.items] == alone
    assert answer.notes == [f"no history of {stranger!r}: the list follows the wish alone"]


def test_what_comes_along_follows_what_is_known(engine, records):
    user, more = DATA.users[6], tuple(DATA.items["item_id"][:2])
    known = tuple(e["item_id"] for e in reversed(engine.user(user)["events"]))
    with_both = listed(engine, user_id=user, history=more)
    assert with_both == listed(engine, history=known + more)
    assert with_both != listed(engine, user_id=user)
    records.add_events([event(1, user, with_both[0], "hide")], 0.0)
    assert with_both[0] not in listed(engine, user_id=user, history=more)


def test_the_item_looked_at_counts_and_is_not_listed(engine):
    item = DATA.items["item_id"][7]
    with_it = listed(engine, user_id=DATA.users[5], context_item=item)
    assert item not in with_it
    assert with_it != listed(engine, user_id=DATA.users[5])
    (answer,) = engine.recommend([Ask(context_item=item, explain=True)])
    assert any("you looked at" in row["reason"] for row in answer.items), "and nobody is told of a history"
    assert not any("your history holds" in row["reason"] for row in answer.items)
    good, bad = engine.recommend([Ask(user_id="x"), Ask(context_item="nothing")])
    assert isinstance(good, Answer)
    assert isinstance(bad, UnknownItem)


def test_lists_shown_are_kept_with_their_places(engine, records):
    (answer,) = engine.recommend([Ask(user_id=DATA.users[0], n=3)])
    engine.flush()
    kept = records.list_of(answer.recommendation_id)
    assert [(i.item_id, i.position, i.propensity) for i in kept.items] == [(i["item_id"], i["rank"], 1.0) for i in answer.items]
    assert kept.user_id == DATA.users[0]


def test_another_version_is_served_without_a_gap_and_a_broken_one_is_not(made, records, tmp_path):
    folder = tmp_path / "copy.model"
    shutil.copytree(made, folder)
    engine = Engine(folder, records)
    assert not engine.look_for_new_version()
    settings = {**TINY, "model.dim": "8"}
    Recommender.preset("quick", settings=settings, seed=1).fit(DATA).save(folder)
    assert engine.look_for_new_version()
    assert engine.recommend([Ask(user_id="x")])[0].model == "v0002"
    Recommender.preset("quick", settings=TINY).fit(DATA).save(folder)
    (folder / "v0003" / "model.safetensors").write_bytes(b"half a file")
    assert not engine.look_for_new_version()
    assert engine.recommend([Ask(user_id="x")])[0].model == "v0002"
    assert "was altered" in engine.model()["refused"]["v0003"]
    engine.close()


def test_a_version_that_was_taken_away_serves_on(made, records, tmp_path):
    folder = tmp_path / "copy.model"
    shutil.copytree(made, folder)
    engine = Engine(folder, records)
    before = listed(engine, user_id=DATA.users[0])
    for _ in range(2):
        write_version(folder, lambda new: (new / "model.json").write_text("no model"))
        assert not engine.look_for_new_version()  # so that the first goes on serving
    assert prune(folder, 1) == ["v0001", "v0002"]
    assert listed(engine, user_id=DATA.users[0]) == before
    assert engine.similar(DATA.items["item_id"][0], 3)
    told = engine.overview()
    assert (told["version"], told["created"]) == ("v0001", None)
    engine.close()


def test_a_store_that_is_away_degrades_and_nothing_more(engine, records, monkeypatch):
    user = DATA.users[0]
    before = listed(engine, user_id=user)

    def away(*_, **__):
        raise StoreAway("sqlite:///events.db", "nobody is there")

    for name in ("changes", "numbered_events_of", "is_forgotten", "add_lists"):
        monkeypatch.setattr(records, name, away)
    answer, other = engine.recommend([Ask(user_id=user), Ask(user_id=DATA.users[9])])
    assert answer.degraded
    assert other.degraded
    assert [item["item_id"] for item in answer.items] == before
    assert len(other.items) == 10
    monkeypatch.undo()
    engine.settings = dataclasses.replace(engine.settings, away_seconds=0.05)
    engine._away_until = 0.0
    assert not engine.recommend([Ask(user_id=user)])[0].degraded


def test_what_a_page_asks_for(engine):
    people = engine.shoppers(3)
    assert len(people) == 3
    assert len(people[0]["categories"]) >= len(people[-1]["categories"]) > 0
    title = DATA.items["title"][3]
    assert DATA.items["item_id"][3] in [item["item_id"] for item in engine.find_items(title.upper(), 80)]
    assert {"nodes", "edges"} <= engine.graph().keys()
    assert engine.model()["items"] == 80


def answered_at():
    return time.time()


def test_feedback_is_worked_in_for_everybody(made, records, monkeypatch):
    monkeypatch.setattr("crossaisle.live.learned.LAG", -1.0)  # lists are read as soon as they are written
    learn = LearnSettings(online=OnlineSettings(on=True, item_prior=1.0, aisle_prior=1.0))
    engine = Engine(made, records, LiveSettings(learn_seconds=3600.0), learn)
    before = listed(engine, user_id=DATA.users[0], n=80)
    last = before[-1]
    records.add_events([event(n, f"fan {n}", last, when=answered_at()) for n in range(200)], 0.0)
    engine._learn()
    after = listed(engine, user_id=DATA.users[0], n=80)
    assert after.index(last) < before.index(last) - 5
    assert sum(day.get("purchase", 0) for day in engine.overview()["feedback"]) == 200  # midnight may lie between
    engine.close()


def test_nothing_that_was_learned_from_somebody_forgotten_is_left_and_all_processes_agree(made, store_url, monkeypatch):
    monkeypatch.setattr("crossaisle.live.learned.LAG", -1.0)
    records, settings, now = Records.open(store_url), LiveSettings(learn_seconds=3600.0), time.time() + 100
    learn = LearnSettings(online=OnlineSettings(on=True, item_prior=1.0, aisle_prior=1.0, refresh=0.0))
    items = DATA.items["item_id"].to_list()
    records.add_events([event(n, "ann", items[7], when=answered_at()) for n in range(50)], 0.0)
    records.add_events([event(n, "bob", items[9], when=answered_at()) for n in range(50, 100)], 0.0)
    engines = [Engine(made, records, settings, learn)]

    def biases(engine):
        return engine._learned.biases.bias(now)

    try:
        engines[0]._learn_on()
        with_ann, learned = biases(engines[0]), engines[0]._learned
        assert with_ann[7] > 1
        assert not learned.outdated
        records.forget("ann")
        assert engines[0].put_items([{"item_id": "late", "category": "Garden", "title": "late"}])[0] == 1
        engines[0]._learn_on()
        assert engines[0]._learned is not learned
        assert biases(engines[0])[7] < 0.1 < biases(engines[0])[9]
        assert len(engines[0]._learned.shown_lately()) == 81
        engines.append(Engine(made, records, settings, learn))  # one that starts now, and reads of ann's removal before anything else
        engines[1]._learn_on()
        assert not engines[1]._learned.outdated
        assert np.allclose(biases(engines[1]), biases(engines[0]), atol=1e-6)
        kept = engines[0]._learned
        engines[0]._learn_on()
        assert engines[0]._learned is kept  # once is enough
        assert engines[0]._learn_anew_from > 0
        engines[0]._learn_anew_from = time.monotonic() + 60  # it took long the last time
        records.forget("bob")
        engines[0]._learn_on()
        assert engines[0]._learned is kept  # and not at once again
        engines[0]._learn_anew_from = 0.0
        engines[0]._learn_on()
        assert biases(engines[0])[9] < 0.1
    finally:
        for engine in engines:
            engine.close()
        records.close()


def test_somebody_who_is_forgotten_while_the_log_is_first_read_is_noticed(made, records, monkeypatch):
    engine = Engine(made, records, LiveSettings(learn_seconds=3600.0))
    records.add_events([event(1, "ann", DATA.items["item_id"][7], when=answered_at())], 0.0)
    take = engine._learned._take_events

    def forgotten_meanwhile(events, places):
        take(events, places)
        records.forget("ann")

    monkeypatch.setattr(engine._learned, "_take_events", forgotten_meanwhile)
    engine._learned.step(time.time())
    assert engine._learned.outdated
    engine.close()


def test_what_most_people_refuse_is_found_demoted_and_can_be_taken_back(made, records, monkeypatch):
    monkeypatch.setattr("crossaisle.live.learned.LAG", -1.0)
    settings = LiveSettings(learn_seconds=3600.0)
    learn = LearnSettings(online=OnlineSettings(on=False), abnormal=AbnormalSettings(refresh=0.0))  # which would move the others as well
    engine = Engine(made, records, settings, learn)
    bad = listed(engine)[0]
    rng = np.random.default_rng(0)
    for n in range(400):
        (answer,) = engine.recommend([Ask(user_id=f"visitor {n}", history=(DATA.items["item_id"][int(rng.integers(80))],))])
        for item in answer.items:
            kind = "hide" if item["item_id"] == bad else "click" if rng.random() < 0.2 else None
            if kind is not None:
                told = Event(f"{n}-{item['rank']}", f"visitor {n}", item["item_id"], kind, answered_at(), None, answer.recommendation_id)
                records.add_events([told], 0.0)
    engine.flush()
    engine._learn()
    (found,) = engine.overview()["abnormal"]
    assert found["item_id"] == bad
    assert found["demoted"]
    assert found["high"] < 0.5
    assert listed(engine, user_id="y")[0] != bad
    engine.undo_abnormal(bad)
    assert engine.overview()["abnormal"] == []
    assert [u["item_id"] for u in engine.overview()["undone"]] == [bad]
    assert listed(engine, user_id="y")[0] == bad
    other = Engine(made, records, settings, learn)
    other._learn()
    assert listed(other, user_id="y")[0] == bad
    engine.close()
    other.close()


def test_some_places_explore_with_the_chance_that_is_logged(made, records):
    learn = LearnSettings(explore=ExploreSettings(share=0.3, eps=0.5, pool=5))
    engine = Engine(made, records, LiveSettings(), learn)
    user = DATA.users[0]
    greedy = [item["item_id"] for item in Engine(made, records).recommend([Ask(user_id=user)])[0].items]
    answers = [engine.recommend([Ask(user_id=user)])[0] for _ in range(200)]
    engine.flush()
    for answer in answers[:20]:
        slots = {slot["position"]: slot for slot in answer.context["explored"]}
        assert len(slots) == 3
        names = [item["item_id"] for item in answer.items]
        assert len(set(names)) == 10
        for item in answer.items:
            slot = slots.get(item["rank"])
            if slot is None:
                assert item["propensity"] == 1.0
            else:
                assert slot["pool"][slot["choice"]] == item["item_id"]
                assert slot["probabilities"][slot["choice"]] == item["propensity"] < 1
                assert sum(slot["probabilities"]) == pytest.approx(1.0)
        kept = records.list_of(answer.recommendation_id)
        assert {i.position for i in kept.items if i.explored} == set(slots)
    weights = [1 / item["propensity"] / 5 for answer in answers for item in answer.items if item["propensity"] < 1]
    assert np.mean(weights) == pytest.approx(1.0, abs=4 * np.std(weights) / len(weights) ** 0.5)
    assert any([i["item_id"] for i in answer.items] != greedy for answer in answers)
    (told,) = engine.recommend([Ask(user_id=user, explain=True)])
    tried = {item["reason"] for item in told.items if item["propensity"] < 1}
    assert tried == {"It is shown to learn whether people like it."}
    assert not tried & {item["reason"] for item in told.items if item["propensity"] == 1}
    engine.close()


def test_many_items_that_another_process_put_are_read_beside_the_lists(made, records, monkeypatch):
    here, there = Engine(made, records), Engine(made, records)
    user = DATA.users[0]
    rows = [{"item_id": f"n{k}", "title": DATA.items["title"][k], "category": DATA.items["category"][k]} for k in range(40)]
    reading, read = threading.Event(), threading.Event()
    put = Served.put

    def slow(self, given):
        if threading.current_thread().name == "reading items":
            reading.set()
            assert read.wait(30)
        return put(self, given)

    monkeypatch.setattr(Served, "put", slow)
    try:
        here.put_items(rows)
        here.delete_item("n3")
        assert here.similar("n5")
        assert len(listed(there, user_id=user)) == 10  # while they are being read
        assert reading.wait(30)
        there.recommend([Ask(user_id=user)])
        here.delete_item("n4")  # one more thing that comes meanwhile
        there.recommend([Ask(user_id=user)])
        with pytest.raises(UnknownItem, match="unknown item"):
            there.similar("n5")
        read.set()
        until = time.monotonic() + 30
        while there._unread and time.monotonic() < until:
            there.recommend([Ask(user_id=user)])
            time.sleep(0.01)
        assert there.similar("n5")
        for gone in ("n3", "n4"):
            with pytest.raises(UnknownItem, match=r"was taken out|unknown item"):
                there.similar(gone)
    finally:
        read.set()
        here.close()
        there.close()


def test_items_put_in_two_processes_at_once_are_all_there(made, records, monkeypatch):
    here, there = Engine(made, records), Engine(made, records)
    keep = records.put_items
    title = DATA.items["title"][0]

    def meanwhile(rows):
        keep(rows)
        if rows[0]["item_id"] == "mine":  # before this process goes on, the other's item comes by a request
            there.put_items([{"item_id": "theirs", "title": title, "category": "Books"}])
            here.recommend([Ask(user_id=DATA.users[0])])

    monkeypatch.setattr(records, "put_items", meanwhile)
    try:
        here.put_items([{"item_id": "mine", "title": title, "category": "Books"}])
        assert here.similar("mine")
        assert here.similar("theirs")
    finally:
        here.close()
        there.close()


def test_an_item_that_another_process_takes_out_while_this_one_puts_others_stays_out(made, records, monkeypatch):
    here, first = Engine(made, records), DATA.items["item_id"][0]
    ready, keep = Served.put, records.put_items

    def asked_meanwhile():
        here.recommend([Ask(user_id=DATA.users[0])])
        assert not here.find_items(first)

    def put(served, rows):
        out = ready(served, rows)
        if rows and rows[0]["item_id"] == "mine":
            records.delete_item(first)  # as another process does
            asked_meanwhile()
        return out

    def kept(rows):
        keep(rows)
        if rows[0]["item_id"] == first:
            records.delete_item(first)
            asked_meanwhile()

    monkeypatch.setattr(Served, "put", put)
    monkeypatch.setattr(records, "put_items", kept)
    try:
        here.put_items([{"item_id": "mine", "title": "a thing", "category": "Books"}])
        assert not here.find_items(first)
        here.put_items([{"item_id": first, "title": "back for a moment"}])
        assert not here.find_items(first)
    finally:
        here.close()


def test_whoever_writes_does_not_wait_while_a_new_version_reads_a_long_log(made, records, tmp_path, monkeypatch):
    folder = tmp_path / "toy.model"
    shutil.copytree(made, folder)
    engine, reads, go_on = Engine(folder, records, LiveSettings(learn_seconds=3600.0)), threading.Event(), threading.Event()
    first = DATA.items["item_id"][0]

    def step(learned, now, ended=None, everything=False):
        reads.set()
        assert go_on.wait(30)
        return False

    Recommender.load(folder).save(folder)
    monkeypatch.setattr(Learned, "step", step)
    swap = threading.Thread(target=engine.look_for_new_version)
    swap.start()
    try:
        assert reads.wait(30)
        writes = threading.Thread(
            target=lambda: (
                engine.put_items([{"item_id": f"new{k}", "title": f"thing {k}", "category": "Books"} for k in range(40)]),
                engine.delete_item(first),
            )
        )
        writes.start()
        writes.join(10)
        assert not writes.is_alive()
        assert engine.model()["version"] == "v0001"
        go_on.set()
        swap.join(30)
        assert engine.model()["version"] == "v0002"
        assert engine.find_items("new39")
        assert not engine.find_items(first)
        assert len(engine._learned._aisles) == engine._served.catalogue.n_items
    finally:
        go_on.set()
        swap.join()
        engine.close()


def test_whoever_undoes_something_does_not_wait_for_a_long_log(engine, monkeypatch):
    monkeypatch.setattr("crossaisle.live.engine._PATIENCE", 0.1)
    with engine._stepping:
        began = time.monotonic()
        engine.undo_abnormal(DATA.items["item_id"][0])
        assert time.monotonic() - began < 5
    assert engine.records.get_value("undone")


def test_rows_of_one_item_in_one_request_are_taken_together(engine, records, made):
    rows = [
        {"item_id": "twice", "title": "pirate atlas", "category": "Books", "brand": None},
        {"item_id": "other", "title": "a thing", "category": "Books"},
        {"item_id": "twice", "title": "pirate globe", "category": None, "brand": "Hook"},
    ]
    assert engine.put_items(rows) == (3, [])
    assert [item["title"] for item in engine.find_items("pirate")] == ["pirate globe"]
    assert {row["item_id"]: row for row in records.items()[0]}["twice"] == {
        "item_id": "twice", "title": "pirate globe", "category": "Books", "brand": "Hook"
    }  # fmt: skip


def test_processes_that_share_arrays_list_the_same(made, tmp_path):
    records = Records.open(f"sqlite:///{tmp_path}/events.db")
    shared = Shared(tmp_path / "arrays")
    alone, *two = Engine(made, records), Engine(made, records, shared=shared), Engine(made, records, shared=shared)
    try:
        (state,) = (tmp_path / "arrays").iterdir()
        assert any(state.glob("item-vectors*.npy"))
        for user in DATA.users[:5]:
            assert listed(alone, user_id=user) == listed(two[0], user_id=user) == listed(two[1], user_id=user)
    finally:
        for one in (alone, *two):
            one.close()
        records.close()


def _written_out(engine, until=60.0):
    """Whether the ridge is, within so many seconds."""
    end = time.monotonic() + until
    asked = DATA.histories[:1]
    while (found := engine._served.contents.scorer.ridge.everywhere(asked)) is None and time.monotonic() < end:
        time.sleep(0.02)
    return found is not None


def test_the_ridge_is_written_out_beside_the_lists_and_changes_none(ridged, records, tmp_path, caplog):
    new = {"item_id": "fresh", "category": "Garden", "title": DATA.items["title"][1]}
    records.put_items([new])  # joined before it is written out; what is written out is of the version itself, the same for all workers
    shared = Shared(tmp_path / "arrays")
    plain = Engine(ridged, records, LiveSettings(table_mb=0))
    fast = [Engine(ridged, records, shared=shared) for _ in range(2)]
    try:
        assert all(_written_out(one) for one in fast)
        assert not _written_out(plain, 0.0)
        for user in DATA.users[:20]:
            for ask in ({}, {"beyond_history": True, "n": 30}):
                assert listed(fast[0], user_id=user, **ask) == listed(fast[1], user_id=user, **ask) == listed(plain, user_id=user, **ask)
        fast[0].put_items([{**new, "item_id": "fresher"}])
        assert _written_out(fast[0], 0.0)
        assert listed(fast[0], history=(DATA.items["item_id"][0],), n=20) == listed(plain, history=(DATA.items["item_id"][0],), n=20)
        assert len(list((tmp_path / "arrays").glob("*/ridge-items.npy"))) == 1
    finally:
        for one in (plain, *fast):
            one.close()
    assert "fault" not in caplog.text


def test_lists_go_on_where_the_ridge_cannot_be_written_out(ridged, records, caplog, monkeypatch):
    def full(self, shared, most_bytes):
        raise MemoryError("secret")

    monkeypatch.setattr(CrossAisleRidge, "tabulate", full)
    one = Engine(ridged, records)
    try:
        end = time.monotonic() + 60.0
        while "fault in making the table of the ridge: MemoryError" not in caplog.text and time.monotonic() < end:
            time.sleep(0.02)
        assert "fault in making the table of the ridge: MemoryError" in caplog.text
        assert "secret" not in caplog.text
        assert listed(one, user_id=DATA.users[0])
    finally:
        one.close()


def test_what_a_known_item_says_anew_is_shown_at_once_and_stays_with_whoever_starts_later(engine, records, made):
    known = DATA.items["item_id"][3]
    before = engine.similar(known, 5)
    engine.put_items([{"item_id": known, "title": "Another title"}])
    engine.put_items([{"item_id": known, "price": 0.125}])
    for one in (engine, Engine(made, records)):
        assert [row["item_id"] for row in one.find_items("another TITLE")] == [known]
        assert listed(one, n=80, where="price < 0.2") == [known]
        assert one.find_items("another title")[0]["category"] == DATA.items["category"][3]
        assert one.similar(known, 5) == before  # its vectors are those of the last training
