"""A refit on a toy shop, on both stores: what takes over, what is kept aside, who and what is in it, and what is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from refit_shop import SETTINGS, held, in_service, opened, shop

from crossaisle import Recommender
from crossaisle.errors import ModelError, OutputError, RequestError, SettingError, StoreAway
from crossaisle.live.asking import Ask
from crossaisle.live.engine import Engine
from crossaisle.live.forget import forget_in_versions
from crossaisle.live.history import KEPT_ASIDE, ROLLED_BACK, SWAPPED, note, swaps
from crossaisle.live.judge import BETTER
from crossaisle.live.refit import NO_REFIT, cursor_of, refit, rollback
from crossaisle.live.settings import LiveSettings
from crossaisle.records import Cursor, Event, Forgotten, Records, RecordsSettings
from crossaisle.records.written import hash_of
from crossaisle.store import current_version, folder_lock, open_version, version_names, write_version
from crossaisle.whole.version import Contents
from real_postgres import Postgres

DATA, EVENTS = shop()
WORSE = {"refit.learning_rate": "30", "refit.epochs": "4"}
"""Steps so long that what was learned is lost."""


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refit") / "shop.model"
    in_service(folder, DATA)
    return folder


@pytest.fixture
def model(fitted: Path, tmp_path: Path) -> Path:
    """A folder of its own with one version, fitted on what came before `EVENTS`."""
    return Path(shutil.copytree(fitted, tmp_path / "shop.model"))


@pytest.fixture
def empty(store_url: str) -> Iterator[Records]:
    """A store of its own, in each database."""
    out = Records.open(store_url)
    yield out
    out.close()


@pytest.fixture
def records(empty: Records) -> Records:
    """A store that holds `EVENTS`."""
    empty.add_events(EVENTS, 0.0)
    return empty


def contents(folder: Path, version: str | None = None) -> Contents:
    return Contents.read(open_version(folder, version), "cpu")


def pairs(table: pl.DataFrame) -> set[tuple[str, str]]:
    return set(table.select("user_id", "item_id").iter_rows())


def refitted(model: Path, records: Records, **settings: str) -> Any:
    return refit(model, records, settings={k.replace("_", ".", 1): v for k, v in settings.items()}, device="cpu")


# what takes over


def test_a_model_that_learned_what_came_takes_over(model: Path, records: Records) -> None:
    out = refitted(model, records)
    assert (out.what, out.version, current_version(model)) == (SWAPPED, "v0002", "v0002")
    assert "v0002 serves in place of v0001" in out.line
    assert "\n" not in out.line
    new = contents(model)
    assert Cursor.from_json(new.report["records"]) == records.head()
    entry = swaps(model)[-1]
    assert entry == {"when": entry["when"], **new.report["refit"]}
    assert entry["challenger"] == pytest.approx(new.quality["ndcg@10"], abs=1e-5)
    assert entry["low"] >= entry["margin"] == pytest.approx(-0.1 * entry["in service"], abs=1e-6)
    assert out.line.startswith(f"v0002 serves in place of v0001: {entry['found']}: N@10 ")
    assert f"about {entry['people']} people could have shown a difference of {entry['could see']:.4f} (" in out.line
    # everybody's events are in it, those that judged too, and it learned them
    assert pairs(held(model)) == pairs(pl.read_parquet(model / "v0001" / "histories.parquet")) | {(e.user_id, e.item_id) for e in EVENTS}
    assert (new.scorer.counts - contents(model, "v0001").scorer.counts).sum() == len(EVENTS)
    assert new.report["users"] == len(set(held(model)["user_id"])) > DATA.n_users
    assert Recommender.load(model).recommend([EVENTS[-1].user_id]).height == 10


def test_times_and_kinds_come_in_order(model: Path, records: Records) -> None:
    first = DATA.users[0]
    late = [e.timestamp for e in EVENTS if e.user_id == first]
    when = float(DATA.histories.times[0]) + 1.0  # between two events that the model has
    records.add_events([Event("late", first, "item0079", "cart", when)], 0.0)
    refitted(model, records)
    mine = held(model).filter(pl.col("user_id") == first)
    assert mine["timestamp"].is_sorted()
    assert mine.height == int(DATA.histories.lengths[0]) + len(late) + 1
    assert mine.row(1, named=True) == {"user_id": first, "item_id": "item0079", "event": "cart", "weight": 1.0, "timestamp": when}
    assert contents(model).catalogue.event_names == (*DATA.event_names, "cart")


def test_nothing_new_is_no_refit(model: Path, records: Records) -> None:
    assert refitted(model, opened(model.parent / "elsewhere")).line == "nothing new since v0001: no refit; v0001 stays"
    refitted(model, records)
    again = refitted(model, records)
    assert (again.what, again.line) == (NO_REFIT, "nothing new since v0002: no refit; v0002 stays")
    assert version_names(model) == ["v0001", "v0002"]
    records.add_events([dataclasses.replace(EVENTS[0])], 0.0)  # the same event once more
    assert refitted(model, records).what == NO_REFIT


def test_an_empty_store_is_asked_about_and_refused_where_another_one_was_learned_from(model: Path, empty: Records, tmp_path: Path) -> None:
    out = refit(model, empty)
    assert out.what == NO_REFIT
    assert out.notes[0] == f"the store {empty.where} is empty: is it the one that the service writes?"
    empty.add_events(EVENTS, 0.0)
    assert refit(model, empty, settings={"refit.margin": "1"}).what == SWAPPED
    assert not refit(model, empty).notes  # the same store: a quiet night
    other = opened(tmp_path / "typo")
    with pytest.raises(RequestError, match="is empty, and the model has learned from another one; expected the store that the service"):
        refit(model, other)
    assert current_version(model) == "v0002"
    other.add_events([dataclasses.replace(EVENTS[0], event_id="moved", timestamp=4e9)], 0.0)  # a service that has moved to this one
    out = refit(model, other)
    assert out.facts["new"]["events"] == 1
    assert "is not the one that the model has learned from before, and is read from its beginning" in out.notes[0]
    other.close()


def test_a_challenger_kept_aside_names_the_store_too(model: Path, records: Records, tmp_path: Path) -> None:
    assert refit(model, records, settings=WORSE).what == KEPT_ASIDE
    other = opened(tmp_path / "typo")
    with pytest.raises(RequestError, match="the model has learned from another one"):
        refit(model, other)
    other.close()


def test_too_little_to_judge_by_is_no_refit_yet(model: Path, records: Records) -> None:
    out = refitted(model, records, refit_least="1000")
    assert out.what == NO_REFIT
    assert "1000 are needed to judge by: no refit yet; v0001 stays" in out.line


def test_the_judged_challenger_itself_can_take_over(model: Path, records: Records) -> None:
    out = refitted(model, records, refit_again="false")
    assert out.what == SWAPPED
    new = contents(model)
    # its histories and its popularity hold everything, its id rows only what came before the newest events
    assert int(new.scorer.counts.sum()) == len(DATA.histories.items) + len(EVENTS)
    assert refitted(model, records).what == NO_REFIT


def test_a_worse_challenger_is_kept_aside_with_a_report(model: Path, records: Records) -> None:
    out = refitted(model, records, **{k.replace(".", "_"): v for k, v in WORSE.items()})
    assert (out.what, out.version, current_version(model)) == (KEPT_ASIDE, "v0001", "v0001")
    assert "v0001 stays, the challenger is kept aside as rejected/v0001: worse: N@10" in out.line
    aside = contents(model / "rejected")
    assert aside.people is None
    assert aside.report["refit"]["what"] == KEPT_ASIDE
    assert aside.report["refit"]["low"] < 0
    assert swaps(model)[-1]["to"] == "v0001"
    assert swaps(model)[-1]["what"] == KEPT_ASIDE
    assert not list((model / "rejected").rglob("histories.parquet"))
    # not tried again with the same events, tried with one more
    assert "nothing new since a challenger was kept aside" in refitted(model, records).line
    records.add_events([dataclasses.replace(EVENTS[-1], event_id="one more", item_id="item0001")], 0.0)
    assert refitted(model, records).what == SWAPPED


def test_many_small_losses_add_up(model: Path, records: Records) -> None:
    worse = {"refit_margin": "1", **{k.replace(".", "_"): v for k, v in WORSE.items()}}  # a margin that lets in anything alone
    note(model, {"what": SWAPPED, "from": "v0000", "to": "v0001", "in service": 0.1, "difference": -0.0995})
    out = refitted(model, records, **worse)
    assert (out.what, out.facts["lost before"]) == (KEPT_ASIDE, -0.995)
    assert "its lower end is not below the margin" in out.line
    assert "the swaps before it have lost 99.5% since the best model, and with it that would be more than 100%" in out.line
    # what is better is better, and another line of versions begins anew
    records.add_events([dataclasses.replace(EVENTS[-1], event_id="one more", item_id="item0001")], 0.0)
    out = refitted(model, records)
    assert (out.what, out.facts["found"], out.facts["lost before"]) == (SWAPPED, BETTER, -0.995)


def test_losses_of_another_line_of_versions_do_not_count(model: Path, records: Records) -> None:
    note(model, {"what": SWAPPED, "from": "v0000", "to": "v0009", "in service": 0.1, "difference": -0.0995})
    out = refitted(model, records, refit_margin="1", **{k.replace(".", "_"): v for k, v in WORSE.items()})
    assert (out.what, out.facts["lost before"]) == (SWAPPED, 0.0)


def test_placebo_events_of_other_peoples_items_do_not_take_over(model: Path, empty: Records) -> None:
    """The same events, their items dealt out anew; only what is asked about is true."""
    newest = round(0.8 * len(EVENTS))
    rng = np.random.default_rng(0)
    others = rng.permutation([e.item_id for e in EVENTS[:newest]]).tolist()
    # told ten times over, so that what they teach outweighs what was known
    wrong = [
        dataclasses.replace(e, event_id=f"{e.event_id}/{n}", user_id=f"{e.user_id}/{n}", item_id=others[(k + n) % newest])
        for n in range(10)
        for k, e in enumerate(EVENTS[:newest])
    ]
    empty.add_events(wrong + EVENTS[newest:], 0.0)
    share = str(len(EVENTS[newest:]) / (len(wrong) + len(EVENTS[newest:])))
    out = refitted(model, empty, refit_newest=share, refit_learning_rate="1", refit_epochs="3")
    assert out.what == KEPT_ASIDE, out.line


def test_only_so_many_challengers_are_kept(model: Path, records: Records) -> None:
    worse = {k.replace(".", "_"): v for k, v in WORSE.items()}
    for n in range(3):
        records.add_events([dataclasses.replace(EVENTS[-1], event_id=f"more {n}", item_id=f"item000{n}")], 0.0)
        assert refitted(model, records, refit_keep="2", **worse).what == KEPT_ASIDE
    assert version_names(model / "rejected") == ["v0002", "v0003"]
    records.add_events([dataclasses.replace(EVENTS[-1], event_id="last", item_id="item0009")], 0.0)
    assert "the challenger is thrown away" in refitted(model, records, refit_keep="0", **worse).line


def test_histories_left_out_stay_out_and_the_store_is_read_whole(model: Path, records: Records) -> None:
    (model / "v0001" / "histories.parquet").unlink()
    assert refitted(model, records).what == SWAPPED
    assert not (model / "v0002" / "histories.parquet").exists()
    engine, user = Engine(model, records, LiveSettings(log_lists=False)), EVENTS[0].user_id
    assert engine.user(user)["n_events"] == sum(e.user_id == user for e in EVENTS)  # who was there stays known
    engine.close()
    new = contents(model)
    assert new.people is None
    assert int(new.scorer.counts.sum()) == len(EVENTS)


# how many stay


def test_old_versions_go_and_the_one_to_roll_back_to_stays(model: Path, empty: Records) -> None:
    def more(n: int) -> Any:
        empty.add_events(EVENTS[n * 150 : (n + 1) * 150], 0.0)
        return refitted(model, empty, refit_versions="2", refit_margin="1", refit_newest="0.5", refit_least="2")

    for n in range(3):
        assert more(n).what == SWAPPED
    assert version_names(model) == ["v0003", "v0004"]
    assert rollback(model).version == "v0003"
    out = more(3)  # v0005 in place of v0003: what was rolled back is neither in service nor to go back to, but one of the newest
    assert (out.version, out.facts["start"]) == ("v0005", "v0003")
    assert version_names(model) == ["v0003", "v0004", "v0005"]
    assert "versions taken away" not in out.facts
    out = more(4)
    assert (out.version, out.facts["versions taken away"]) == ("v0006", ["v0003", "v0004"])
    assert version_names(model) == ["v0005", "v0006"]
    assert rollback(model).version == "v0005"
    with pytest.raises(ModelError, match="no version before v0005"):
        rollback(model)
    assert len([e for e in swaps(model) if e["what"] == SWAPPED]) == 5  # the history is whole
    # fewer are asked for: at once, also where there is nothing to learn
    assert refitted(model, empty, refit_versions="1").what == NO_REFIT
    assert version_names(model) == ["v0005", "v0006"]  # the one in service and the newest


def test_challengers_kept_aside_do_not_count_and_are_not_taken_away_with_the_old(model: Path, records: Records) -> None:
    worse = {k.replace(".", "_"): v for k, v in WORSE.items()}
    assert refitted(model, records, refit_versions="1", **worse).what == KEPT_ASIDE
    assert refitted(model, records, refit_versions="1").line.startswith("nothing new")
    assert version_names(model) == ["v0001"]
    assert version_names(model / "rejected") == ["v0001"]
    assert contents(model / "rejected").report["refit"]["what"] == KEPT_ASIDE


# what is in it


def test_what_was_hidden_or_only_seen_is_no_history(model: Path, records: Records) -> None:
    at = EVENTS[-1].timestamp + 1
    told = [("hide", None), ("dislike", None), ("impression", None), ("unhide", None), ("rating", 1.0), ("rating", 5.0), ("like", None)]
    odd = [Event(f"odd {n}", "somebody", f"item00{n + 10}", kind, at + n, value) for n, (kind, value) in enumerate(told)]
    records.add_events(odd, 0.0)
    out = refitted(model, records)
    assert out.facts["new"]["events that are no history"] == 5
    mine = held(model).filter(pl.col("user_id") == "somebody")
    assert list(zip(mine["item_id"], mine["event"], strict=True)) == [("item0015", "rating"), ("item0016", "like")]


def test_made_up_profiles_weigh_little_where_the_model_looks_for_them(tmp_path: Path, empty: Records) -> None:
    model, at = tmp_path / "m", EVENTS[-1].timestamp - 10.0
    in_service(model, DATA, **{"data.shilling": "downweight"})
    everyday = DATA.items["item_id"].to_list()[:40]
    made_up = [Event(f"{n}/{i}", f"bot {n}", i, "purchase", at) for n in range(40) for i in [*everyday[n % 3 :: 3], "item0079"]]
    empty.add_events([*EVENTS, *made_up], 0.0)
    out = refitted(model, empty, refit_margin="1")
    new = contents(model)
    assert out.what == SWAPPED
    suspects = new.report["shilling"]
    assert suspects["flagged"] >= 30
    assert {user[:4] for user, _ in suspects["most_suspicious"]} == {"bot "}
    assert new.scorer.counts[79] < 40 <= (held(model)["item_id"] == "item0079").sum()


def test_items_that_came_are_in_and_those_that_went_are_not_available(model: Path, records: Records) -> None:
    row = {
        "item_id": "fresh",
        "category": "Books",
        "title": "classic red books lamp",
        "brand": "Alder",
        "categories": ["Books", "Books lamps"],
    }
    records.put_items([row, {**row, "item_id": "unsold", "category": "New aisle", "categories": "New aisle > Things"}])
    records.put_items([{**row, "item_id": "item0000", "title": "rustic green music tray"}])
    records.delete_item("item0001")
    middle = EVENTS[len(EVENTS) // 2].timestamp
    records.add_events([Event(f"b{n}", e.user_id, "fresh", "purchase", middle + n) for n, e in enumerate(EVENTS[:5])], 0.0)
    records.add_events([Event("x", EVENTS[0].user_id, "nobody put this", "purchase", middle)], 0.0)
    out = refitted(model, records)
    assert out.what == SWAPPED
    said = out.facts["new"]
    assert (said["new items"], said["items that say something else"], said["items gone"]) == (2, 1, 1)
    assert said["events of items that nobody described"] == 1
    old, new = contents(model, "v0001"), contents(model)
    items = new.catalogue.items
    assert items["item_id"].to_list() == [*old.catalogue.items["item_id"].to_list(), "fresh", "unsold"]
    assert items.filter(pl.col("item_id") == "item0001")["available"].to_list() == [False]
    assert items["title"][0] == "rustic green music tray"
    assert items["categories"][-1].to_list() == ["New aisle", "Things"]
    assert int(new.scorer.counts[items["item_id"].to_list().index("fresh")]) == 5
    words_old, words_new = (c.scorer.net.senses["words"].values.toarray() for c in (old, new))
    assert (words_old[0] != words_new[0]).any()
    assert (words_old[1:] == words_new[1 : len(words_old)]).all()
    assert "fresh" not in {e.item_id for e in EVENTS}
    assert np.isfinite(new.scorer.score(new.people.histories[:3])).all()


def test_an_item_that_went_is_back_when_it_is_put_again_after_a_refit(model: Path, records: Records) -> None:
    records.delete_item("item0001")
    assert refitted(model, records).what == SWAPPED
    here, there = (Engine(model, records, LiveSettings(log_lists=False)) for _ in range(2))
    try:
        assert "item0001" not in [item["item_id"] for item in here.recommend([Ask(user_id="x", n=200)])[0].items]
        here.put_items([{"item_id": "item0001", "title": "back again"}])
        for engine in (here, there):
            assert "item0001" in [item["item_id"] for item in engine.recommend([Ask(user_id="x", n=200)])[0].items]
    finally:
        here.close()
        there.close()
    later = [
        dataclasses.replace(
            e, event_id=f"later {e.event_id}", timestamp=e.timestamp + 1e6, item_id=f"item{(int(e.item_id[4:]) + 37) % 80:04}"
        )
        for e in EVENTS
    ]
    records.add_events(later, 0.0)
    assert refitted(model, records, refit_margin="1").what == SWAPPED
    assert contents(model).catalogue.items.filter(pl.col("item_id") == "item0001")["available"].to_list() == [True]


def test_what_was_done_with_an_item_before_anybody_described_it_is_not_lost(model: Path, records: Records) -> None:
    user = EVENTS[0].user_id
    records.add_events([Event("early", user, "new9", "purchase", EVENTS[0].timestamp)], 0.0)
    assert refitted(model, records).facts["new"]["events of items that nobody described"] == 1
    engine = Engine(model, records, LiveSettings(log_lists=False))
    engine.put_items([{"item_id": "new9", "title": "classic red books lamp", "category": "Books"}])
    assert "new9" in [event["item_id"] for event in engine.user(user)["events"]]
    engine.close()
    later = [dataclasses.replace(e, event_id=f"later {e.event_id}", timestamp=e.timestamp + 1e6) for e in EVENTS]
    records.add_events([dataclasses.replace(e, item_id=f"item{(int(e.item_id[4:]) + 37) % 80:04}") for e in later], 0.0)
    assert refitted(model, records, refit_margin="1").what == SWAPPED
    assert (user, "new9") in pairs(held(model))


def test_what_a_fit_had_from_elsewhere_is_not_read_twice(model: Path, empty: Records) -> None:
    user, own = DATA.users[0], DATA.histories[np.array([0])]
    code, kind, when = int(own.items[0]), int(own.events[0]), float(own.times[0])
    empty.add_events([Event("same", user, DATA.items["item_id"][code], DATA.event_names[kind], when)], 0.0)
    engine = Engine(model, empty, LiveSettings(log_lists=False))
    assert engine.user(user)["n_events"] == len(own.items)
    engine.close()


def test_items_added_begin_no_new_line_of_versions(model: Path, records: Records) -> None:
    assert refitted(model, records).version == "v0002"
    note(model, {"what": SWAPPED, "from": "v0001", "to": "v0002", "in service": 0.1, "difference": -0.0995})
    loaded = Recommender.load(model)
    loaded.add_items(pl.DataFrame({"item_id": ["added"], "title": ["classic red books lamp"], "category": ["Books"]}))
    loaded.save(model)
    records.add_events(
        [dataclasses.replace(EVENTS[-1], event_id=f"more {n}", user_id=f"u{n}", item_id=f"item00{n:02}") for n in range(40)], 0.0
    )
    records.add_events(
        [
            dataclasses.replace(EVENTS[-1], event_id=f"then {n}", user_id=f"u{n}", item_id=f"item00{n + 2:02}", timestamp=3e9)
            for n in range(40)
        ],
        0.0,
    )
    out = refitted(model, records, refit_margin="1", **{k.replace(".", "_"): v for k, v in WORSE.items()})
    assert (out.facts["from"], out.facts["lost before"]) == ("v0003", -0.995)


def test_a_model_that_learned_from_another_store_knows_nothing_of_this_one(model: Path, records: Records, tmp_path: Path) -> None:
    refitted(model, records)
    other = opened(tmp_path / "other")
    assert cursor_of(contents(model).report, records) == records.head()
    assert cursor_of(contents(model).report, other) == other.start()
    engine = Engine(model, other, LiveSettings(log_lists=False))
    try:
        other.add_events([Event("first", "somebody", "item0002", "purchase", time.time())], time.time())
        assert [event["item_id"] for event in engine.user("somebody")["events"]] == ["item0002"]
    finally:
        engine.close()
        other.close()


def test_what_an_item_says_anew_is_learned_and_what_it_does_not_say_stays(model: Path, records: Records) -> None:
    before = contents(model).catalogue.items
    records.put_items([{"item_id": "item0000", "title": "rustic green music tray"}])
    records.put_items([{"item_id": "item0000", "price": 7.5}, {"item_id": "item0002", "title": before["title"][2]}])
    records.put_items([{"item_id": "item0003", "category": "New aisle"}, {"item_id": "item0004", "category": before["category"][4]}])
    records.put_items([{"item_id": "item0005", "description": "heavy", "brand": None, "available": False}])
    out = refitted(model, records, refit_margin="1")
    assert (out.what, out.facts["new"]["items that say something else"]) == (SWAPPED, 3)
    items = contents(model).catalogue.items
    changed = {(0, "title"), (0, "price"), (3, "category"), (3, "categories"), (5, "description"), (5, "available")}
    for column in before.columns:
        rows = {row for row in range(before.height) if items[column].to_list()[row] != before[column].to_list()[row]}
        assert rows == {row for row, name in changed if name == column}, column
    assert items.row(0, named=True) == {**before.row(0, named=True), "title": "rustic green music tray", "price": 7.5}
    assert items.row(3, named=True)["categories"] == ["New aisle"]
    old, new = (c.scorer.net.senses["words"].values.toarray() for c in (contents(model, "v0001"), contents(model)))
    assert [int(row) for row in np.flatnonzero((old != new).any(axis=1))] == [0, 3, 5]


def test_items_of_a_shop_that_never_described_any_are_known_by_what_people_do(tmp_path: Path, records: Records) -> None:
    h = DATA.histories
    bare = pl.DataFrame({"user_id": DATA.users.gather(h.owners), "item_id": DATA.items["item_id"].gather(h.items), "timestamp": h.times})
    model = tmp_path / "bare.model"
    from crossaisle import Dataset

    in_service(model, Dataset.from_frames(bare), **{"model.senses": "id"})
    records.add_events([Event(f"n{n}", e.user_id, "brand new", "purchase", e.timestamp) for n, e in enumerate(EVENTS[:5])], 0.0)
    assert refitted(model, records, refit_margin="1").what == SWAPPED
    assert contents(model).catalogue.codes["brand new"] >= 0


# people who asked to be forgotten


def test_a_forgotten_person_is_in_no_later_training_and_leaves_the_older_versions(model: Path, records: Records) -> None:
    gone, back = DATA.users[0], DATA.users[1]
    for person in (gone, back):
        records.forget(person)
    at = EVENTS[-1].timestamp
    records.add_events([Event("again", back, "item0007", "purchase", at)], 0.0)  # who came back is a new person
    out = refitted(model, records)
    assert out.facts["people taken out of versions"] == {"v0001": 2}
    for version in ("v0001", "v0002"):
        table = pl.read_parquet(open_version(model, version) / "histories.parquet")  # the hashes hold
        assert gone not in set(table["user_id"])
    mine = held(model).filter(pl.col("user_id") == back)
    assert mine["item_id"].to_list() == ["item0007"]
    lengths = DATA.histories.lengths
    left = sum(e.user_id not in (gone, back) for e in EVENTS) + 1
    assert int(contents(model).scorer.counts.sum()) == len(DATA.histories.items) - int(lengths[:2].sum()) + left
    # and not in the refit after that
    records.add_events(
        [dataclasses.replace(e, event_id="z" + e.event_id, timestamp=e.timestamp + 9e8, item_id="item0042") for e in EVENTS], 0.0
    )
    assert refitted(model, records).version == "v0003"
    assert gone not in set(held(model)["user_id"])
    assert back in set(held(model)["user_id"])


def test_forgetting_alone_needs_no_training(model: Path, empty: Records) -> None:
    empty.forget(DATA.users[3])
    out = refitted(model, empty)
    assert out.what == NO_REFIT
    assert out.facts["people taken out of versions"] == {"v0001": 1}
    assert out.line.endswith("no refit; v0001 stays; deleted people taken out of the versions: 1 of v0001")
    assert DATA.users[3] not in set(pl.read_parquet(open_version(model) / "histories.parquet")["user_id"])


def files_that_name(folder: Path, person: str) -> set[str]:
    """Files below a folder in whose bytes, or in whose rows where they are packed, a person stands."""
    out = set()
    for file in (f for f in folder.rglob("*") if f.is_file()):
        texts = pl.read_parquet(file).select(pl.col(pl.String)) if file.suffix == ".parquet" else pl.DataFrame()
        if person.encode() in file.read_bytes() or any(person in column.to_list() for column in texts):
            out.add(str(file.relative_to(folder)))
    return out


def test_no_file_of_a_model_folder_names_somebody_who_was_forgotten(model: Path, records: Records) -> None:
    """Neither a version, nor a challenger that was kept aside, nor the swap history."""
    gone = DATA.users[0]
    assert files_that_name(model, gone) == {"v0001/histories.parquet"}
    assert refit(model, records, settings=WORSE, device="cpu").what == KEPT_ASIDE
    assert files_that_name(model, gone) == {"v0001/histories.parquet"}
    records.forget(gone)
    left = [e for e in EVENTS if e.user_id != gone]
    later = [dataclasses.replace(e, event_id="z" + e.event_id, timestamp=e.timestamp + 9e8, item_id="item0042") for e in left]
    records.add_events(later, 0.0)
    assert refit(model, records, settings={"refit.margin": "1"}, device="cpu").what == SWAPPED
    assert files_that_name(model, gone) == set()
    assert files_that_name(model, left[0].user_id) == {"v0001/histories.parquet", "v0002/histories.parquet"}


def test_a_forgotten_person_is_named_nowhere(tmp_path: Path) -> None:
    """Not in what the report says of suspicious people; a version that cannot be read stays as it is."""
    report = {"report": {"shilling": {"most_suspicious": [["ann", 0.9], ["bob", 0.8]]}}}
    write_version(tmp_path, lambda new: (new / "model.json").write_text(json.dumps(report)) and None)
    write_version(tmp_path, lambda new: (new / "histories.parquet").write_text("no table") and None)
    forgotten = [Forgotten(b"s", frozenset({hash_of("ann", b"s")}))]
    assert forget_in_versions(tmp_path, forgotten) == {"v0001": 1}
    assert json.loads((open_version(tmp_path, "v0001") / "model.json").read_text())["report"]["shilling"]["most_suspicious"] == [
        ["bob", 0.8]
    ]
    assert forget_in_versions(tmp_path, forgotten) == {} == forget_in_versions(tmp_path, [])
    assert open_version(tmp_path, "v0002")


# back, and on from elsewhere


def test_rollback_and_what_comes_after_it(model: Path, records: Records) -> None:
    with pytest.raises(ModelError, match="no version before v0001"):
        rollback(model)
    refitted(model, records)
    out = rollback(model)
    assert (out.what, out.version, current_version(model)) == (ROLLED_BACK, "v0001", "v0001")
    assert [e["what"] for e in swaps(model)] == [SWAPPED, ROLLED_BACK]
    assert "nothing new since v0002 was rolled back" in refitted(model, records).line
    with pytest.raises(ModelError, match="no version before v0001"):
        rollback(model)
    records.add_events([dataclasses.replace(EVENTS[-1], event_id="one more", item_id="item0001")], 0.0)
    assert refitted(model, records).version == "v0003"
    assert swaps(model)[-1]["from"] == swaps(model)[-1]["start"] == "v0001"  # not the one that was rolled back
    assert rollback(model).version == "v0001"


def test_a_refit_can_begin_elsewhere_if_asked(model: Path, records: Records) -> None:
    refitted(model, records)
    rollback(model)
    out = refit(model, records, start="v0002", device="cpu")
    assert out.what == SWAPPED
    assert (out.facts["from"], out.facts["start"], out.version) == ("v0001", "v0002", "v0003")
    with pytest.raises(ModelError, match="no version 'v0009'"):
        refit(model, records, start="v0009", device="cpu")


def test_rollback_from_a_damaged_version_works_and_to_one_is_refused(model: Path, records: Records) -> None:
    refitted(model, records)
    (model / "v0002" / "model.json").write_text("half")
    assert rollback(model).version == "v0001"
    refit(model, (records.add_events([dataclasses.replace(EVENTS[-1], event_id="m", item_id="item0001")], 0.0), records)[1], device="cpu")
    (model / "v0001" / "items.parquet").write_bytes(b"half")
    with pytest.raises(ModelError, match=r"items\.parquet was altered"):
        rollback(model)
    assert current_version(model) == "v0003"


# what is refused


def test_a_store_that_goes_away_changes_nothing(model: Path, postgres: Postgres) -> None:
    records = Records.open(postgres.new_store(), RecordsSettings(patience=0.3))
    records.add_events(EVENTS, 0.0)
    postgres.stop()
    try:
        with pytest.raises(StoreAway):
            refitted(model, records)
    finally:
        postgres.start()
    assert (version_names(model), swaps(model)) == (["v0001"], [])
    for _ in range(100):
        with contextlib.suppress(StoreAway):
            assert refitted(model, records).what == SWAPPED
            break
        time.sleep(0.1)
    assert current_version(model) == "v0002"
    records.close()


@pytest.mark.parametrize("key", ["model.dim", "train.objective", "seed", "data.core"])
def test_settings_that_cannot_change_in_a_refit(key: str, model: Path, empty: Records) -> None:
    with pytest.raises(SettingError, match=f"setting '{key}' cannot change in a refit"):
        refit(model, empty, settings={key: "1"}, device="cpu")


def test_no_model_is_one_line_and_makes_no_folder(tmp_path: Path, empty: Records) -> None:
    with pytest.raises(ModelError, match="no model at"):
        refit(tmp_path / "nothing", empty)
    assert not (tmp_path / "nothing").exists()


def test_two_refits_at_once(model: Path, records: Records) -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with folder_lock(model):
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(30)
    try:
        with pytest.raises(OutputError, match="another run is writing"):
            refitted(model, records)
        with pytest.raises(OutputError, match=r"another run is writing.*stop the refit that is running"):
            rollback(model)
    finally:
        leave.set()
        thread.join()


def test_nobody_at_all_is_refused(model: Path, empty: Records) -> None:
    (model / "v0001" / "histories.parquet").unlink()
    with pytest.raises(RequestError, match="neither the model nor the store holds any history"):
        refitted(model, empty)


def test_a_model_of_ratings_is_refused(tmp_path: Path, records: Records) -> None:
    h = DATA.histories
    rated = dataclasses.replace(h, ratings=(h.items % 5 + 1).astype(np.float32))
    in_service(tmp_path / "m", DATA.with_histories(rated), **{"train.objective": "rating"})
    with pytest.raises(RequestError, match="the model has learned ratings"):
        refitted(tmp_path / "m", records)


def test_settings_of_the_refit_stay_with_the_model(tmp_path: Path) -> None:
    assert Recommender.preset("quick", settings={**SETTINGS, "refit.margin": "0.1"}).settings.refit.margin == 0.1
