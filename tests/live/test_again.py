"""Lists that hold what somebody has had: only where asked for, by how such things are taken again, and the same in every worker."""

import dataclasses
import threading
import time

import numpy as np
import pytest

from crossaisle import Recommender
from crossaisle.errors import StoreAway
from crossaisle.learn.repeats import features
from crossaisle.learn.settings import ExploreSettings, LastLayerSettings, OnlineSettings, RepeatSettings
from crossaisle.live import again as module
from crossaisle.live.again import Again
from crossaisle.live.asking import Answer, Ask
from crossaisle.live.engine import Engine
from crossaisle.live.learned import Learned
from crossaisle.live.settings import LearnSettings, LiveSettings
from crossaisle.records import Event
from crossaisle.serve.settings import ServiceSettings
from crossaisle.testing import toy_dataset
from small_model import TINY

DATA = toy_dataset(n_users=200)
IDS = DATA.items["item_id"].to_list()
SOLD = DATA.items.filter("available")["item_id"].to_list()
DAY = 86_400.0
LIVE = LiveSettings(log_lists=False, learn_seconds=3600.0)
ON = LearnSettings(online=OnlineSettings(on=False))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("again") / "toy.model"
    Recommender.preset("quick", settings=TINY).fit(DATA).save(folder)
    return folder


@pytest.fixture
def now():
    return time.time()


@pytest.fixture
def make(made):
    """Makes engines that learn when the test says so, of the log alone unless it says otherwise."""
    engines = []

    def engine(records, live=LIVE, learn=ON, held=False):
        out = Engine(made, records, live, learn)
        out._learner.close()
        engines.append(out)
        if out._learned.again is not None:
            again = Again(out._served, records, learn.repeats)  # whatever the learner has done by now
            if not held:
                again._waiting.clear()
            out._learned.again, out._learned._cursor = again, out._served.trained_to
        return out

    yield engine
    for engine in engines:
        engine.close()


def _answer(engine, **ask):
    (answer,) = engine.recommend([Ask(**ask)])
    assert isinstance(answer, Answer), answer
    return answer


def _scores(engine, **ask):
    return {row["item_id"]: row["score"] for row in _answer(engine, n=len(IDS), **ask).items}


def _weights(engine):
    return list(engine._learned.again.repeats.weights().values())


def _learn(engine, n=10_000):
    """All that waits."""
    engine._learned.step(time.time())
    engine._learned.again.work(threading.Event(), n)


def _week_after_week(now, people=30, weeks=4):
    """Everybody buys one thing of their own every week, and nothing else."""
    return [
        Event(f"{p} {w}", f"weekly{p}", SOLD[p % len(SOLD)], "purchase", now - (weeks - w) * 6 * DAY + p)
        for w in range(weeks)
        for p in range(people)
    ]


def test_what_somebody_has_had_is_listed_only_where_it_is_asked_for(make, records, now):
    engine = make(records)
    records.add_events([Event(f"e{k}", "ann", IDS[k], "purchase", now - 90 * DAY) for k in (3, 4, 5)], now)
    records.add_events([Event("h", "ann", IDS[4], "hide", now - DAY)], now)
    assert not {IDS[k] for k in (3, 4, 5)} & _scores(engine, user_id="ann").keys()
    kept = _scores(engine, user_id="ann", keep_seen=True)
    assert kept.keys() >= {IDS[3], IDS[5]}
    assert IDS[4] not in kept, "hidden is hidden"
    assert IDS[3] not in _scores(engine, user_id="ann", keep_seen=True, context_item=IDS[3])
    assert IDS[7] in _scores(engine, history=(IDS[7],), keep_seen=True)
    assert IDS[7] not in _scores(engine, history=(IDS[7],))


def _without(engine, monkeypatch, **ask):
    """Scores as the model has them."""
    with monkeypatch.context() as patch:
        patch.setattr(engine._learned, "again", None)
        return _scores(engine, keep_seen=True, **ask)


def test_what_people_buy_again_each_week_rises_for_whoever_bought_it_last_week(make, records, now, monkeypatch):
    engine = make(records)
    bought = (SOLD[5], 300.0), (SOLD[3], 6.0), (SOLD[3], 5.5)
    records.add_events([Event(f"a{k}", "ann", item, "purchase", now - days * DAY) for k, (item, days) in enumerate(bought)], now)
    plain, model = _scores(engine, user_id="ann"), _without(engine, monkeypatch, user_id="ann")
    records.add_events(_week_after_week(now), now)
    _learn(engine)
    again = engine._learned.again
    # three of the four of each person, and the two of ann that are not her first
    assert again.repeats.events == 92
    after = _scores(engine, user_id="ann", keep_seen=True)
    told = np.array([model[item] for item in IDS if item in model], np.float64)
    chance = dict(zip((item for item in IDS if item in model), np.exp(told - told.max()) / np.exp(told - told.max()).sum(), strict=True))
    for item, days, count in ((SOLD[3], 5.5, 2), (SOLD[5], 300.0, 1)):
        (added,) = again.repeats.adds(features([days * DAY], [count], [np.log(len(told) * chance[item])]))
        assert after[item] == pytest.approx(model[item] + added, abs=1e-4)
    assert after[SOLD[8]] == pytest.approx(model[SOLD[8]], abs=1e-4), "of what somebody never had nothing is known here"
    assert after[SOLD[3]] > model[SOLD[3]] + 1
    assert _scores(engine, user_id="ann") == pytest.approx(plain), "other lists are as they were"
    wish = {"user_id": "ann", "wish": DATA.items["title"][9]}
    assert _scores(engine, keep_seen=True, **wish) == pytest.approx(_without(engine, monkeypatch, **wish)), "a wish is a wish"


def _watched(again, monkeypatch):
    """Of each event that is asked about, what is taken to have been before it."""
    out, before = [], again._before

    def told(served, one, known):
        person = before(served, one, known)
        out.append((one, person))
        return person

    monkeypatch.setattr(again, "_before", told)
    return out


def test_lists_are_right_before_anything_has_happened(make, records, now, monkeypatch):
    """The model's own histories teach, each event with what came before it there."""
    engine = make(records, held=True)
    asked, people = _watched(engine._learned.again, monkeypatch), DATA.users.to_list()
    _learn(engine)
    assert len(asked) > 100
    for one, person in asked[::17]:
        history = DATA.histories.row(people.index(one.user_id))
        assert person.items.tolist() == history[: one.place].tolist()
        assert history[one.place] == one.item
    assert [one.time for one, _ in asked] == sorted(one.time for one, _ in asked)
    user = asked[-1][0].user_id
    records.forget(user)
    other = make(records, held=True)
    fewer = _watched(other._learned.again, monkeypatch)
    _learn(other)
    assert [one for one, person in fewer if person is None] == [one for one, _ in asked if one.user_id == user]
    assert other._learned.again.repeats.events < engine._learned.again.repeats.events


def test_only_what_counts_as_taking_is_learned(make, records, now):
    engine = make(records)
    views = [Event(f"v{e.event_id}", e.user_id, e.item_id, "view", e.timestamp) for e in _week_after_week(now)]
    records.add_events(views, now)
    _learn(engine)
    assert _weights(engine) == list(module.Repeats().weights().values())
    viewed = make(records, learn=LearnSettings(online=OnlineSettings(on=False), repeats=RepeatSettings(kind="view")))
    _learn(viewed)
    assert _weights(viewed)[2] > 1


def test_workers_that_read_the_log_in_other_pieces_learn_the_same(make, records, now):
    early, late = make(records), make(records)
    events = _week_after_week(now)
    for at in range(0, len(events), 11):
        records.add_events(events[at : at + 11], now)
        _learn(early)
    _learn(late)
    assert _weights(late)[2] > 0.5
    assert _weights(late) == pytest.approx(_weights(early), abs=1e-5)


def test_a_store_that_goes_away_is_gone_on_with(make, records, now, monkeypatch):
    engine, whole = make(records), make(records)
    records.add_events(_week_after_week(now), now)
    ask, asked = module.Known.of, []

    def once(served, store, user):
        asked.append(user)
        if len(asked) == 20:
            raise StoreAway("a store", "it is gone")
        return ask(served, store, user)

    _learn(whole)
    monkeypatch.setattr(module.Known, "of", once)
    with pytest.raises(StoreAway):
        _learn(engine)
    _learn(engine)
    assert _weights(engine) == pytest.approx(_weights(whole), abs=1e-6)


def test_events_that_a_store_never_answers_about_are_given_up(make, records, now, monkeypatch):
    engine = make(records)
    records.add_events(_week_after_week(now), now)
    ask = module.Known.of

    def never(served, store, user):
        if user == "weekly3":
            raise StoreAway("a store", "it takes too long")
        return ask(served, store, user)

    monkeypatch.setattr(module.Known, "of", never)
    for _ in range(40):
        engine._learned.step(now)
        engine._learned.learn_again(threading.Event(), 10_000)
    assert not engine._learned.again._waiting
    assert engine._learned.again.repeats.events > 20


def test_whoever_has_very_many_events_is_no_example(make, records, now, monkeypatch):
    monkeypatch.setattr(module, "_MANY", 20)
    engine = make(records)
    many = [Event(f"m{k}", "guest", SOLD[k % 5], "purchase", now - 90 * DAY + k) for k in range(60)]
    records.add_events([*many, *_week_after_week(now, people=2)], now)
    asked = _watched(engine._learned.again, monkeypatch)
    read = records.numbered_events_of
    monkeypatch.setattr(records, "numbered_events_of", lambda user: [] if user == "guest" else read(user))
    _learn(engine)
    assert {one.user_id for one, person in asked if person is None} == {"guest"}
    assert engine._learned.again.repeats.events == 6


def test_an_outage_throws_nothing_away(make, records, now, monkeypatch):
    engine = make(records, held=True)
    records.add_events(_week_after_week(now), now)
    _learn(engine, 0)
    waiting = list(engine._learned.again._waiting)
    assert len(waiting) > 200

    def away(*told):
        raise StoreAway("a store", "it is gone")

    with monkeypatch.context() as patch:
        for name in ("get_value", "is_forgotten", "numbered_events_of", "has_more_events"):
            patch.setattr(records, name, away)
        for _ in range(40):
            engine._learn_on()
    assert list(engine._learned.again._waiting) == waiting
    engine._learn_on()
    assert len(engine._learned.again._waiting) == len(waiting) - 64


def test_what_was_bought_before_anybody_described_it_is_learned_once_it_is(make, records, now):
    engine = make(records)
    events = [Event(f"f{p} {w}", f"f{p}", "fresh", "purchase", now - (3 - w) * 6 * DAY) for w in range(3) for p in range(20)]
    records.add_events(events, now)
    _learn(engine)
    assert engine._learned.again.repeats.events == 0
    engine.put_items([{"item_id": "fresh", "title": "running socks", "category": DATA.items["category"][0]}])
    _learn(engine)
    assert engine._learned.again.repeats.events == 40
    assert not engine._learned.again._later
    assert engine._learned.again._counted == 60


def test_some_at_a_time_and_of_a_long_log_the_newest(make, records, now, monkeypatch):
    engine = make(records)
    records.add_events(_week_after_week(now), now)
    again = engine._learned.again
    _learn(engine, 10)
    assert len(again._waiting) == 110
    ended = threading.Event()
    ended.set()
    again.work(ended, 1000)
    assert len(again._waiting) == 110, "whoever ends waits for nothing"
    again.work(threading.Event(), 1000)
    assert again.repeats.events == 90, "the first of each person has no history before it"
    monkeypatch.setattr(module, "_WAITING", 20)
    engine._learned.again = Again(engine._served, records, RepeatSettings())
    engine._learned._cursor = engine._served.trained_to
    engine._learned.step(now)
    newest = [e.event_id for e in _week_after_week(now)][-20:]
    assert [one.place for one in engine._learned.again._waiting] == newest


def test_what_somebody_did_who_was_forgotten_is_not_in_it(make, records, now):
    engine = make(records, held=True)
    records.add_events(_week_after_week(now, people=10), now)
    _learn(engine)
    with_all = _weights(engine)
    for p in range(5):
        records.forget(f"weekly{p}")
    other = make(records, held=True)
    _learn(other)
    engine._learn_on()
    while engine._learned.again._waiting:
        engine._learn_on()
    assert _weights(engine) == pytest.approx(_weights(other), abs=1e-6)
    assert _weights(engine) != pytest.approx(with_all, abs=1e-3)


def test_items_that_joined_count_too(make, records, now):
    engine = make(records)
    engine.put_items([{"item_id": "fresh", "title": "running socks", "category": DATA.items["category"][0]}])
    events = [Event(f"f{p} {w}", f"f{p}", "fresh", "purchase", now - (3 - w) * 6 * DAY) for w in range(3) for p in range(20)]
    records.add_events(events, now)
    _learn(engine)
    assert _weights(engine)[2] > 0.5
    assert _answer(engine, user_id="f1", keep_seen=True).items[0]["item_id"] == "fresh"


@pytest.mark.parametrize("off", ["setting", "size"])
def test_where_it_is_off_lists_are_made_without(make, records, now, off):
    learn = LearnSettings(online=OnlineSettings(on=False), repeats=RepeatSettings(on=off != "setting"))
    engine = make(records, LIVE if off == "setting" else LiveSettings(log_lists=False, learn_seconds=3600.0, exact_items=0, pool=80), learn)
    records.add_events(_week_after_week(now), now)
    before = _scores(engine, user_id="weekly3", keep_seen=True)
    engine._learn()
    assert engine._learned.again is None
    assert _scores(engine, user_id="weekly3", keep_seen=True) == before
    assert IDS[3] in before


@pytest.mark.parametrize(
    ("lang", "ago", "said"),
    [
        ("en", 0.1, "You bought it within the last day. "),
        ("en", 1.5, "You bought it a day ago. "),
        ("zh", 9.5, "您 9 天前买过此商品。"),
        ("en", None, "You bought it on 2017-12-31. "),
        ("zh", None, "您于 2017-12-31 买过此商品。"),
    ],
)
def test_a_reason_says_when_it_was_bought(make, records, now, lang, ago, said):
    engine = make(records)
    when = now - ago * DAY if ago else 1_514_678_400.0 + 3600
    records.add_events([Event("a", "ann", IDS[3], "purchase", when), Event("b", "ann", IDS[5], "view", now)], now)
    answer = _answer(engine, user_id="ann", n=len(IDS), keep_seen=True, explain=True, lang=lang)
    reasons = {row["item_id"]: row["reason"] for row in answer.items}
    assert reasons[IDS[3]].startswith(said)
    assert len(reasons[IDS[3]]) > len(said)
    had = {"en": "Your history holds it already. ", "zh": "您的历史记录里已有此商品。"}[lang]
    assert reasons[IDS[5]].startswith(had)
    assert not any(reason.startswith((said, had)) for item, reason in reasons.items() if item not in (IDS[3], IDS[5]))


def test_what_was_disliked_does_not_rise(make, records, now, monkeypatch):
    engine = make(records)
    records.add_events(_week_after_week(now), now)
    _learn(engine)
    model = _without(engine, monkeypatch, user_id="weekly3")[SOLD[3]]
    assert _scores(engine, user_id="weekly3", keep_seen=True)[SOLD[3]] > model + 1
    records.add_events([Event("no", "weekly3", SOLD[3], "dislike", now)], now)
    assert _scores(engine, user_id="weekly3", keep_seen=True)[SOLD[3]] == pytest.approx(model - LIVE.sink, abs=1e-3)


def test_a_fault_in_one_event_does_not_stop_the_others(make, records, now, monkeypatch, caplog):
    engine = make(records)
    records.add_events(_week_after_week(now), now)
    again, calls = engine._learned.again, []
    before = again._before

    def once(served, one, known):
        calls.append(one)
        if len(calls) == 50:
            raise MemoryError
        return before(served, one, known)

    monkeypatch.setattr(again, "_before", once)
    _learn(engine)
    assert not again._waiting
    assert 60 < again.repeats.events < 90
    assert "MemoryError" in caplog.text


def test_events_that_the_tables_and_the_store_hold_are_learned_once(make, records, now):
    """The tables that a model was fitted on are put into its store as well."""
    learn = LearnSettings(last_layer=LastLayerSettings(on=True, others=10))
    engine = make(records, learn=learn, held=True)
    user = engine._learned.again._waiting[-1].user_id
    row = DATA.users.to_list().index(user)
    h = DATA.histories
    part = slice(int(h.offsets[row]), int(h.offsets[row + 1]))
    names = DATA.event_names
    same = [
        Event(f"s{k}", user, IDS[item], names[kind], when)
        for k, (item, kind, when) in enumerate(zip(h.items[part].tolist(), h.events[part].tolist(), h.times[part].tolist(), strict=True))
    ]
    assert any(e.event == "purchase" for e in same)
    records.add_events(same, now)
    _learn(engine)
    other = make(records, learn=learn, held=True)
    other._learned.again.work(threading.Event(), 10_000)
    assert engine._learned.again.repeats.events == other._learned.again.repeats.events
    assert engine._learned.biases.events == 0
    assert engine._learned.tastes.layer.events == 0
    names = ("interaction", *names[1:])  # tables need not say what was done
    unnamed = dataclasses.replace(engine._served.catalogue, event_names=names)
    served = dataclasses.replace(engine._served, contents=dataclasses.replace(engine._served.contents, catalogue=unnamed))
    assert all(served.holds(dataclasses.replace(e, event="purchase")) for e in same if e.event == DATA.event_names[0])
    later = [dataclasses.replace(same[0], event_id="later", timestamp=now), dataclasses.replace(same[0], event_id="early", timestamp=1e9)]
    records.add_events(later, now)
    _learn(engine)
    assert engine._learned.biases.events == 2
    assert engine._learned.tastes.layer.events == 2


def test_such_lists_teach_nothing_of_what_is_rejected_and_do_not_explore(make, records, now):
    learn = LearnSettings(explore=ExploreSettings(share=0.5))
    engine = make(records, LiveSettings(log_seconds=0.01, learn_seconds=3600.0), learn)
    records.add_events([Event("a", "ann", IDS[3], "purchase", now - 6 * DAY)], now)
    kept, plain = _answer(engine, user_id="ann", keep_seen=True), _answer(engine, user_id="ann")
    assert all(row["propensity"] == 1 for row in kept.items)
    assert any(row["propensity"] < 1 for row in plain.items)
    engine.flush()
    clicks = [Event(f"c{k}", "ann", kept.items[k]["item_id"], "click", now, None, kept.recommendation_id) for k in range(5)]
    records.add_events(clicks, now)
    assert records.list_of(kept.recommendation_id).context["beside"] == ["keep_seen"]
    engine._learned.step(time.time() + 60)
    assert engine._learned.feedback._taken.sum() == 0
    assert engine._learned.feedback._shown.sum() == pytest.approx(sum(row["propensity"] == 1 for row in plain.items), rel=1e-3)
    late = Learned(engine._served, records, learn, now - 1000)  # which reads the events before it has the list
    late._take_events([(10**9, click) for click in clicks], late._places_of([(0, click) for click in clicks]))
    assert late.feedback._taken.sum() == 0


def test_items_that_join_beyond_the_limit_end_it_everywhere(make, records, now):
    engine = make(records, LiveSettings(log_lists=False, learn_seconds=3600.0, exact_items=len(IDS)))
    assert engine._learned.again is not None
    engine.put_items([{"item_id": "fresh", "title": "running socks", "category": DATA.items["category"][0]}])
    assert engine._learned.again is None
    assert "fresh" in _scores(engine, user_id="ann", keep_seen=True)


def test_kinds_of_the_tables_that_are_no_taking_are_not_taken(made, records):
    engine = Engine(made, records, LIVE, ON)
    engine.close()
    again = engine._learned.again
    names = engine._served.catalogue.event_names
    assert again._kinds() == [names.index("purchase")]
    other = dataclasses.replace(engine._served.catalogue, event_names=("purchase", "remove_from_cart", "interaction"))
    engine._served.contents = dataclasses.replace(engine._served.contents, catalogue=other)
    engine._served.__dict__.pop("kinds", None)
    assert again._kinds() == [0, 2]


def test_the_setting_of_the_service_is_that_of_what_is_learned():
    assert ServiceSettings(repeats=RepeatSettings(kind="view")).learn.repeats.kind == "view"
    assert ServiceSettings().learn.repeats.on
