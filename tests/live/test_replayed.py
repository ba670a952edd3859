"""Another saved model asked of the log: the scores that the service gave, the moment that it knew, and the truth where it is known."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from crossaisle import Recommender
from crossaisle.cli.main import run
from crossaisle.data.histories import Histories
from crossaisle.errors import ModelError, RequestError
from crossaisle.learn.explore import Slot
from crossaisle.learn.replay import ExploredLog, chances, replay
from crossaisle.learn.settings import AbnormalSettings, ExploreSettings, OnlineSettings
from crossaisle.live.asking import Answer, Ask
from crossaisle.live.engine import Engine
from crossaisle.live.replayed import by_history_alone, pool_scores
from crossaisle.live.settings import LearnSettings, LiveSettings
from crossaisle.records import Event, Records, Shown, ShownList
from crossaisle.store import open_version
from crossaisle.testing import toy_dataset
from crossaisle.whole.version import Contents
from small_model import TINY

DATA = toy_dataset(n_users=200)
IDS: list[str] = DATA.items["item_id"].to_list()
USERS: list[str] = DATA.users.to_list()
LATER = float(np.nanmax(DATA.histories.times)) + 86_400.0
"""A moment after all that the models have learned."""
EPS = 0.3


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replayed") / "served.model"
    Recommender.preset("quick", settings=TINY).fit(DATA).save(folder)
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that thinks otherwise: of words alone."""
    folder = tmp_path_factory.mktemp("replayed") / "other.model"
    Recommender.preset("quick", settings={**TINY, "model.senses": "words", "blend.parts": "word-knn"}).fit(DATA).save(folder)
    return folder


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    found = Records.open(f"sqlite:///{tmp_path}/events.db")
    yield found
    found.close()


def scores_by_hand(folder: Path, histories: Histories) -> np.ndarray:
    contents = Contents.read(open_version(folder), "cpu")
    return np.asarray(contents.scorer.score(histories), np.float64)


def history_of(row: int, n: int, *more: tuple[int, str]) -> Histories:
    """The first n events of somebody, and more: (item, kind)."""
    h, at, times = DATA.histories, int(DATA.histories.offsets[row]), [LATER + 10.0 * (k + 1) for k in range(len(more))]
    kinds = [DATA.event_names.index(kind) if kind in DATA.event_names else -1 for _, kind in more]
    return Histories.from_arrays(
        np.array([0, n + len(more)]),
        np.append(h.items[at : at + n], [item for item, _ in more]).astype(np.int64),
        np.append(h.events[at : at + n], kinds).astype(np.int64),
        np.append(h.weights[at : at + n], np.ones(len(more))).astype(np.float32),
        np.append(h.times[at : at + n], times),
    )


def shown(
    n: int, user: str | None, pool: list[str], scores: np.ndarray, p: np.ndarray, choice: int, when: float, **context: object
) -> ShownList:
    features = tuple((1.0, float(s)) for s in scores)
    slot = Slot(2, tuple(pool), tuple(scores.tolist()), features, tuple(p.tolist()), choice)
    items = (Shown(IDS[0], 1, 9.0, 1.0, False), Shown(pool[choice], 2, float(scores[choice]), float(p[choice]), True))
    return ShownList(f"r{n}", user, when, "v0001", items, {"explored": [slot.to_json()], **context})


def even(n: int, user: str | None, pool: list[str], when: float = LATER, **context: object) -> ShownList:
    return shown(n, user, pool, np.zeros(len(pool)), np.full(len(pool), 1 / len(pool)), 0, when, **context)


def without_lists(records: Records) -> None:
    while records.prune_lists(1e12):
        pass


def log_of(records: Records) -> ExploredLog:
    return ExploredLog.read((one for one in records.lists() if by_history_alone(one)), (e for piece in records.events() for _, e in piece))


# the same scores


def test_the_model_that_served_gives_the_scores_that_it_gave(served: Path, records: Records) -> None:
    """Through the real service: events, refusals and strangers, and exploring over them."""
    quiet = LearnSettings(
        online=OnlineSettings(on=False), abnormal=AbnormalSettings(demote=0.0), explore=ExploreSettings(share=0.3, pool=6)
    )
    engine, rng = Engine(served, records, LiveSettings(), quiet), np.random.default_rng(0)
    kinds = ("purchase", "hide", "dislike", "view", "unhide", "like")
    for n in range(120):
        user = f"stranger {n % 7}" if n % 3 == 0 else USERS[n % 11]
        engine.recommend([Ask(user_id=user)])
        time.sleep(0.001)  # what happened after a list has a later time than it
        records.add_events([Event(f"e{n}", user, IDS[int(rng.integers(80))], kinds[int(rng.integers(6))], time.time())], 0.0)
        time.sleep(0.001)
    engine.close()
    log = log_of(records)
    found = pool_scores(served, records, log, device="cpu")
    assert len(found.log) == len(log) > 200
    assert found.version == "v0001"
    assert found.scores == pytest.approx(log.scores, abs=1e-4)
    assert chances("greedy", log, found.scores) == pytest.approx(chances("greedy", log))


def test_lists_of_the_service_say_what_came_along_and_not_what_it_was(served: Path, records: Records) -> None:
    engine = Engine(served, records)
    asks = [
        Ask(user_id=USERS[0]),
        Ask(user_id=USERS[0], wish="a red lamp"),
        Ask(user_id=USERS[0], history=(IDS[3],), context_item=IDS[4]),
        Ask(history=(IDS[3],)),
    ]
    answers = [answer for answer in engine.recommend(asks) if isinstance(answer, Answer)]
    engine.close()
    kept = [records.list_of(answer.recommendation_id) for answer in answers]
    assert [one.context.get("beside") for one in kept if one] == [None, ["wish"], ["history", "context_item"], ["history"]]
    assert [by_history_alone(one) for one in kept if one] == [True, False, False, False]
    assert "red" not in json.dumps([one.context for one in kept if one])


# the moment


def test_only_what_was_known_at_that_moment_counts(served: Path, records: Records) -> None:
    user, times = USERS[3], DATA.histories.times[DATA.histories.offsets[3] : DATA.histories.offsets[4]]
    n, before_last = len(times), float(times[-1])
    assert n > 2
    assert before_last > times[-2]
    pool = [IDS[n] for n in (5, 15, 25, 35, 45)]
    codes = np.array([5, 15, 25, 35, 45])
    records.add_events([Event("a", user, IDS[70], "purchase", LATER + 10), Event("b", user, IDS[71], "purchase", LATER + 30)], 0.0)
    records.add_events([Event("c", user, IDS[72], "impression", LATER + 1), Event("d", "new", IDS[70], "view", LATER + 10)], 0.0)
    moments = [("at", user, before_last), ("old", user, LATER), ("between", user, LATER + 20), ("tie", user, LATER + 30)]
    moments += [("end", user, LATER + 40), ("new", "new", LATER + 5), ("bought", "new", LATER + 20)]
    records.add_lists([even(k, who, pool, when) for k, (_, who, when) in enumerate(moments)])
    found = pool_scores(served, records, log_of(records), device="cpu")
    by_time = dict(zip(((u, t) for u, t in zip(found.log.users, found.log.times, strict=True)), found.scores.reshape(-1, 5), strict=True))
    first, second = (70, "purchase"), (71, "purchase")
    expected = {
        "at": history_of(3, n - 1),
        "old": history_of(3, n),
        "between": history_of(3, n, first),
        "tie": history_of(3, n, first),
        "end": history_of(3, n, first, second),
        "bought": history_of(3, 0, (70, "view")),
    }
    for name, who, when in moments:
        if name == "new":  # what somebody without a history is shown
            wanted = Contents.read(open_version(served), "cpu").catalogue.popularity[codes]
            assert (wanted > 0).all()
            wanted = np.log(wanted)
        else:
            wanted = scores_by_hand(served, expected[name])[0, codes]
        assert by_time[who, when] == pytest.approx(wanted, abs=1e-4), name
    assert by_time[user, LATER + 20] != pytest.approx(by_time[user, LATER], abs=1e-3), "an event changes the scores"


def test_what_was_turned_down_before_sinks_and_who_was_forgotten_is_a_stranger(served: Path, records: Records) -> None:
    contents = Contents.read(open_version(served), "cpu")
    vectors = contents.scorer.item_vectors() - contents.scorer.item_vectors().mean(axis=0)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = int(np.argsort(-(units @ units[7]))[1])
    pool = [IDS[near], IDS[int(np.argmin(units @ units[7]))]]
    records.add_events([Event("h", USERS[3], IDS[7], "hide", LATER + 10)], 0.0)
    records.forget(USERS[5])
    records.add_lists([even(1, USERS[3], pool), even(2, USERS[3], pool, LATER + 20)])
    afterwards = dataclasses.replace(even(3, USERS[5], pool, time.time() + 9.0), known=records.head())
    records.add_lists([afterwards, even(4, "nobody", pool)])
    found = pool_scores(served, records, log_of(records), device="cpu")
    told = {(u, t): s for u, t, s in zip(found.log.users, found.log.times.tolist(), found.scores.reshape(-1, 2).tolist(), strict=True)}
    cosine = float(units[near] @ units[7])
    assert cosine > 0.5
    before, after = told[USERS[3], LATER], told[USERS[3], LATER + 20]
    assert before[0] - after[0] == pytest.approx(4.0 * (cosine - 0.5) / 0.5, abs=1e-3)
    assert before[1] == pytest.approx(after[1], abs=1e-5)
    (back,) = [s for (u, _), s in told.items() if u == USERS[5]]
    assert back == told["nobody", LATER]


# the truth


def simulated(served: Path, records: Records, lists: int = 900) -> tuple[np.ndarray, np.ndarray]:
    """A store filled by the served model with a share of even choices; what each candidate earns in truth: (lists, 6) codes, truth."""
    rng = np.random.default_rng(1)
    people = rng.integers(0, len(USERS), lists)
    pools = np.stack([rng.permutation(80)[:6] for _ in range(lists)])
    scores = np.take_along_axis(scores_by_hand(served, DATA.histories[people]), pools, axis=1)
    p = np.where(scores == scores.max(axis=1, keepdims=True), 1 - EPS, 0.0) + EPS / 6
    truth = 0.05 + 0.5 * ((pools * 7 + people[:, None]) % 10 / 10)  # nothing that a model knows
    choice = (p.cumsum(axis=1) < rng.random((lists, 1))).sum(axis=1)
    rewarded = rng.random(lists) < truth[np.arange(lists), choice]
    kept, events = [], []
    for n in range(lists):
        user, pool = USERS[people[n]], [IDS[i] for i in pools[n]]
        kept.append(shown(n, user, pool, scores[n], p[n], int(choice[n]), LATER + n))
        if rewarded[n]:  # answers after the last list, so that they are nobody's history
            events.append(Event(f"e{n}", user, pool[choice[n]], "click", LATER + lists + 10.0, None, f"r{n}"))
    records.add_lists(kept)
    records.add_events(events, 0.0)
    return pools, truth


def test_a_model_equal_to_the_one_that_served_earns_what_was_earned(served: Path, records: Records) -> None:
    simulated(served, records)
    log = log_of(records)
    found = pool_scores(served, records, log, device="cpu")
    assert found.notes == []
    assert found.scores == pytest.approx(log.scores, abs=1e-4)
    answer = replay(found.log, chances(f"eps:{EPS}", found.log, found.scores), "the same")
    for name in ("ips", "snips"):
        assert answer.estimates[name].value == pytest.approx(log.rewards.mean())
    assert answer.estimates["dr"].value == pytest.approx(log.rewards.mean(), abs=0.01)
    assert answer.effective == pytest.approx(len(log))


def test_of_another_model_the_interval_holds_the_truth(served: Path, other: Path, records: Records) -> None:
    _, truth = simulated(served, records)
    log = log_of(records)
    found = pool_scores(other, records, log, device="cpu")
    order = [int(one.recommendation_id[1:]) for one in records.lists()]
    earned = truth[order].ravel()
    wanted = chances("greedy", found.log, found.scores)
    assert (wanted != chances("greedy", log)).any(), "it thinks otherwise"
    true_value = float(log.summed(wanted * earned).mean())
    inside, rng = dict.fromkeys(("ips", "snips", "dr"), 0), np.random.default_rng(7)
    rounds = 60
    for _ in range(rounds):  # the same lists, drawn and answered anew
        places = [
            int(rng.choice(np.arange(a, b), p=log.probabilities[a:b])) for a, b in zip(log.offsets[:-1], log.offsets[1:], strict=True)
        ]
        drawn = dataclasses.replace(log, chosen=np.array(places), rewards=(rng.random(len(log)) < earned[places]).astype(float))
        answer = replay(drawn, wanted, "greedy")
        for name in inside:
            inside[name] += bool(answer.estimates[name].covers(true_value))
    assert all(n / rounds >= 0.85 for n in inside.values()), inside
    # placebo: the scores of a model that asks other people's pools say something else
    assert chances("greedy", found.log, np.roll(found.scores, 6)) != pytest.approx(wanted)


# what the log does not hold


def test_a_list_that_cannot_be_made_again_is_left_out(
    served: Path, other: Path, records: Records, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulated(served, records)
    pool = IDS[:3]
    records.add_lists([even(9001, None, pool), even(9002, USERS[0], pool, beside=["wish"])])
    url = f"sqlite:///{tmp_path}/events.db"
    assert run(["replay", "--store", url, "--model", str(other), "--policy", "greedy", "--policy", "eps:0.5", "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert out["places"] == 900
    assert out["model"] == f"{other} v0001"
    assert {w["policy"] for w in out["weights"]} == {"greedy", "eps:0.5", "greedy of other.model", "eps:0.5 of other.model"}
    assert out["notes"] == [
        "another model is asked about the places that explored alone: of others the log does not hold what else could have stood there",
        "2 lists that explored are left out: for nobody in particular, or for more than a history",
    ]
    assert run(["replay", "--store", url, "--model", str(served), "--policy", f"eps:{EPS}"]) == 0
    said = capsys.readouterr()
    assert f"eps:{EPS} of served.model" in said.out
    assert "places that explored alone" in said.err
    assert run(["replay", "--store", url, "--policy", "uniform", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["places"] == 902
    without_lists(records)
    records.add_lists([even(9001, None, pool)])
    assert run(["replay", "--store", url, "--model", str(other)]) == 2
    assert "all 1 lists that explored were for nobody in particular" in capsys.readouterr().err
    without_lists(records)
    assert run(["replay", "--store", url, "--model", str(other)]) == 2
    assert "the log has no place that explored" in capsys.readouterr().err


def test_items_that_it_does_not_know(served: Path, records: Records) -> None:
    records.put_items([{"item_id": "put", "category": "Books", "title": DATA.items["title"][0]}])
    records.add_lists([even(1, USERS[0], ["gone", IDS[4], "put"]), even(2, USERS[1], ["gone", "lost"])])
    found = pool_scores(served, records, log_of(records), device="cpu")
    assert found.log.ids == ["gone", IDS[4], "put"]
    assert np.isinf(found.scores).tolist() == [True, False, False]  # what was put since is read as the service reads it
    assert chances("greedy", found.log, found.scores)[0] == 0.0
    assert chances("softmax:1", found.log, found.scores)[0] == 0.0
    assert found.notes == [
        f"3 of 5 candidates are unknown to {served}, which would not show them",
        f"1 of 2 places are left out, because {served} knows nothing of their pool",
    ]
    without_lists(records)
    records.add_lists([even(3, USERS[1], ["gone", "lost"])])
    with pytest.raises(RequestError, match="knows none of the items among which 1 places explored"):
        pool_scores(served, records, log_of(records), device="cpu")
    with pytest.raises(ModelError, match="no model at"):
        pool_scores("nowhere", records, log_of(records))


def test_a_model_that_may_know_the_answers_is_said_to(served: Path, records: Records, tmp_path: Path) -> None:
    records.add_lists([even(1, USERS[0], IDS[:3], LATER - 86_400.0), even(2, USERS[0], IDS[:3], LATER)])
    (note,) = pool_scores(served, records, log_of(records), device="cpu").notes
    assert note.startswith(f"1 of 2 places are not newer than the newest event that {served} has learned: it may know the answers")
    Recommender.load(served).save(tmp_path / "bare.model", histories=False)
    (note,) = pool_scores(tmp_path / "bare.model", records, log_of(records), device="cpu").notes
    assert "holds no histories: of a person it knows what the store has" in note


def test_places_that_are_kept_are_what_they_were() -> None:
    lists = [even(1, "a", IDS[:2]), even(2, "b", IDS[:3]), even(3, "c", IDS[2:4])]
    log = ExploredLog.read(lists, [Event("x", "c", IDS[2], "click", LATER + 1, None, "r3")])
    kept = log.keep(np.array([True, False, True]))
    same = ExploredLog.read([lists[0], lists[2]], [Event("x", "c", IDS[2], "click", LATER + 1, None, "r3")])
    for field in dataclasses.fields(ExploredLog):
        assert np.array_equal(np.asarray(getattr(kept, field.name)), np.asarray(getattr(same, field.name))), field.name
