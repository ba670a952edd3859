"""The last layer corrected in service: a list moves for people of the taste that took something, and every worker comes to the same."""

import numpy as np
import pytest

from crossaisle import Recommender
from crossaisle.errors import StoreAway
from crossaisle.learn.settings import LastLayerSettings, OnlineSettings
from crossaisle.live.asking import Answer, Ask
from crossaisle.live.engine import Engine
from crossaisle.live.person import together
from crossaisle.live.settings import LearnSettings, LiveSettings
from crossaisle.records import Event, Forgotten
from crossaisle.serve.settings import ServiceSettings
from crossaisle.testing import toy_dataset
from small_model import TINY

DATA = toy_dataset(n_users=200)
LIVE = LiveSettings(log_lists=False, learn_seconds=3600.0)
ON = LearnSettings(online=OnlineSettings(on=False), last_layer=LastLayerSettings(on=True, others=10))
LATER = 2e9


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tastes") / "toy.model"
    Recommender.preset("quick", settings={**TINY, "train.epochs": "2"}).fit(DATA).save(folder)
    return folder


def _engine(made, records, settings=LIVE, learn=ON):
    out = Engine(made, records, settings, learn)
    out._learner.close()  # the test says when
    return out


def _purchases(seed=0, n=120):
    """People of the model buy: what users of the one half of the table take is one item, of the other another."""
    rng = np.random.default_rng(seed)
    first, second = DATA.items["item_id"][0], DATA.items["item_id"][1]
    users = DATA.users.to_list()
    drawn = rng.permutation(len(users))[:n]
    return [Event(f"p{k}", users[u], (first, second)[int(u % 2)], "purchase", LATER + k) for k, u in enumerate(drawn.tolist())]


def _scores(engine, item, **ask):
    (answer,) = engine.recommend([Ask(n=engine._served.catalogue.n_items, **ask)])
    assert isinstance(answer, Answer)
    return {row["item_id"]: row["score"] for row in answer.items}[item]


def test_the_setting_of_the_service_is_that_of_what_is_learned():
    assert ServiceSettings(last_layer=LastLayerSettings(on=True, others=7)).learn.last_layer.others == 7
    assert not ServiceSettings().learn.last_layer.on


def test_off_by_default_and_on_nothing_changes_before_something_is_learned(made, records):
    off, on = _engine(made, records, learn=LearnSettings()), _engine(made, records)
    assert off._learned.tastes is None
    user = DATA.users[3]
    assert [a.items for a in off.recommend([Ask(user_id=user)])] == [a.items for a in on.recommend([Ask(user_id=user)])]


@pytest.mark.parametrize("settings", [LIVE, LiveSettings(log_lists=False, learn_seconds=3600.0, exact_items=0, pool=80)])
def test_a_list_moves_by_what_was_learned_and_by_nothing_else(made, records, settings):
    engine = _engine(made, records, settings)
    histories = [tuple(DATA.items["item_id"][k : k + 3]) for k in (5, 30)]
    item = DATA.items["item_id"][0]
    before = [_scores(engine, item, history=history) for history in histories]
    records.add_events(_purchases(), LATER)
    engine._learn()
    tastes = engine._learned.tastes
    assert tastes.layer.events == 120
    for history, score in zip(histories, before, strict=True):
        person = engine._asking(Ask(history=history), engine._served)[0]
        state = engine._served.contents.scorer.net.states(together([person]))[0][0]
        (more,) = tastes.corrections.scores(state, np.array([0]))
        assert more != 0
        assert _scores(engine, item, history=history) == pytest.approx(score + more, abs=2e-4)


def test_workers_that_read_the_log_in_other_pieces_agree(made, records):
    early = _engine(made, records)
    events = _purchases()
    for start in range(0, len(events), 17):
        records.add_events(events[start : start + 17], LATER)
        early._learn()
        early.recommend([Ask(user_id=event.user_id) for event in events[start : start + 5]])  # what is asked meanwhile does not matter
    late = _engine(made, records)
    late._learn()
    one, other = early._learned.tastes.layer.to_arrays(), late._learned.tastes.layer.to_arrays()
    assert one["events"] == other["events"] == len(events)
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_the_state_is_that_before_the_event(made, records):
    engine = _engine(made, records)
    told = []
    layer = engine._learned.tastes.layer
    engine._learned.tastes.layer.take = lambda items, people, states, times: told.append(states)
    user, (a, b) = DATA.users[0], DATA.items["item_id"][:2]
    records.add_events(
        [Event("1", user, a, "purchase", LATER), Event("2", user, b, "view", LATER + 1), Event("3", "new", a, "purchase", LATER)], LATER
    )
    engine._learn()
    net, known = engine._served.contents.scorer.net, engine._served.known_person(user)
    then = known.then([0], [engine._served.kinds["purchase"]], [LATER])
    np.testing.assert_allclose(told[0][0], net.states(together([known]))[0][0], atol=1e-5)
    np.testing.assert_allclose(told[0][1], net.states(together([then]))[0][0], atol=1e-5)
    assert not told[0][2].any()
    assert layer.dim == told[0].shape[1]


@pytest.mark.parametrize("at_once", [True, False])
def test_of_a_person_who_was_forgotten_nothing_from_before_is_used(made, records, at_once):
    engine = _engine(made, records)
    tastes, user, item = engine._learned.tastes, DATA.users[0], DATA.items["item_id"][0]
    records.add_events([Event("1", user, item, "purchase", LATER)], LATER)
    engine._learn()
    assert len(tastes._people[user].items) > 1
    records.forget(user)
    if not at_once:
        engine._learn()
        assert user not in tastes._people
    records.add_events([Event("2", user, item, "purchase", LATER + 1)], LATER)
    engine._learn()
    assert len(tastes._people[user].items) == 1
    fresh = _engine(made, records)  # and neither by a worker that starts later
    fresh._learn()
    assert len(fresh._learned.tastes._people[user].items) == 1


def test_a_store_that_is_away_leaves_everything_as_it_was(made, records, monkeypatch):
    tastes = _engine(made, records)._learned.tastes

    def away(user):
        raise StoreAway("sqlite", "away")

    monkeypatch.setattr(records, "is_forgotten", away)
    with pytest.raises(StoreAway):
        tastes.take(_purchases(), Forgotten())
    assert tastes.layer.events == 0
    assert not tastes._people


def test_items_that_join_are_learned_too(made, records):
    engine = _engine(made, records)
    records.add_events(_purchases(), LATER)
    engine._learn()
    row = {**DATA.items.row(0, named=True), "item_id": "joined"}
    engine.put_items([{k: v for k, v in row.items() if k in ("item_id", "category", "title")}])
    user = DATA.users[3]
    assert _scores(engine, "joined", history=tuple(DATA.items["item_id"][5:8])) is not None
    assert len(engine._learned.tastes.corrections) == len(engine._learned.tastes.layer) == DATA.n_items + 1
    records.add_events([Event("j", user, "joined", "purchase", LATER + 1e3)], LATER)
    engine._learn()
    assert engine._learned.tastes.corrections.scores(np.ones(16, np.float32) / 4, np.array([DATA.n_items])).any()


def test_what_was_learned_fades_without_events(made, records):
    tastes = _engine(made, records)._learned.tastes
    tastes.take(_purchases(), Forgotten())
    tastes.renew(LATER)
    first, state = tastes.corrections, np.eye(16, dtype=np.float32)[0]
    tastes.renew(LATER + 3600.0)
    assert tastes.corrections is first
    tastes.renew(LATER + 600 * 86_400.0)
    assert np.abs(tastes.corrections.scores(state, np.arange(2))).max() < 0.01 * np.abs(first.scores(state, np.arange(2))).max()
