"""``crossaisle replay`` from start to end, and what it refuses."""

import json

import numpy as np
import pytest

from crossaisle.cli.main import run
from crossaisle.learn.explore import Slot
from crossaisle.records import Event, Records, Shown, ShownList


def fill(url, places=900, people=150, p=(0.6, 0.3, 0.1), rate=(0.5, 0.2, 0.1)):
    """A store with explored places whose truth is known: the best score earns the most."""
    rng = np.random.default_rng(0)
    pool, scores = ("a", "b", "c"), (3.0, 2.0, 1.0)
    features = tuple((1.0, s) for s in scores)
    lists, events = [], []
    for k in range(places):
        choice = int(rng.choice(3, p=p))
        user, when = f"u{k % people}", 1000.0 + k
        slot = Slot(2, pool, scores, features, p, choice)
        items = (Shown("top", 1, 9.0, 1.0, False), Shown(pool[choice], 2, scores[choice], p[choice], True))
        lists.append(ShownList(f"r{k}", user, when, "m", items, {"explored": [slot.to_json()]}))
        if rng.random() < rate[choice]:
            events.append(Event(f"e{k}", user, pool[choice], "click", when + 5, None, f"r{k}"))
        events.append(Event(f"v{k}", user, "top", "view", when + 1))
    records = Records.open(url)
    records.add_lists(lists)
    records.add_events(events, 2000.0)
    records.close()


def test_a_store_is_replayed(store_url, capsys):
    fill(store_url)
    assert run(["replay", "--store", store_url, "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert out["places"] == 900
    assert out["people"] == 150
    assert out["notes"] == []
    found = {(r["policy"], r["estimate"]): r for r in out["estimates"]}
    for name, truth in (("greedy", 0.5), ("uniform", 0.8 / 3)):
        for estimate in ("ips", "snips", "dr"):
            assert found[name, estimate]["low"] < truth < found[name, estimate]["high"]
    assert found["greedy", "gain"]["low"] > 0
    assert [w["policy"] for w in out["weights"]] == ["greedy", "uniform", "eps:0.1"]


def test_a_table_for_people_and_only_the_kinds_asked_for(tmp_path, capsys):
    url = f"sqlite:///{tmp_path}/events.db"
    fill(url)
    assert run(["replay", "--store", url, "--policy", "eps:0.2", "--policy", "logged", "--accept", "click,purchase"]) == 0
    shown = capsys.readouterr().out
    assert "900 places explored, seen by 150 people" in shown
    assert "doubly robust" in shown
    assert run(["replay", "--store", url, "--accept", "purchase", "--json"]) == 2
    assert "none of the 900 places that explored was accepted" in capsys.readouterr().err


def test_false_probabilities_are_noticed(tmp_path, capsys):
    url = f"sqlite:///{tmp_path}/events.db"
    fill(url)
    records = Records.open(url)
    wrong = []
    for shown in records.lists():
        (slot,) = shown.context["explored"]
        context = {"explored": [{**slot, "probabilities": [0.3, 0.3, 0.4]}]}
        wrong.append(ShownList(shown.recommendation_id, shown.user_id, shown.timestamp, "m", shown.items, context))
    while records.prune_lists(1e9):
        pass
    records.add_lists(wrong)
    records.close()
    assert run(["replay", "--store", url, "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any("policy 'greedy': the weights have a mean of" in note for note in notes)


@pytest.mark.parametrize(
    ("places", "options", "message"),
    [
        (90, [], "effective sample size); expected 100 or more"),
        (300, ["--policy", "best"], "unknown policy 'best'"),
        (300, ["--accept", "kiss"], "--accept names 'kiss'"),
        (300, ["--days", "1"], "the log has no place that explored"),
    ],
)
def test_one_clear_line(tmp_path, capsys, places, options, message):
    url = f"sqlite:///{tmp_path}/events.db"
    fill(url, places)
    assert run(["replay", "--store", url, *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_one_of_several_may_be_refused(tmp_path, capsys):
    url = f"sqlite:///{tmp_path}/events.db"
    fill(url, 250, p=(0.05, 0.05, 0.9), rate=(0.2, 0.2, 0.2))
    assert run(["replay", "--store", url, "--policy", "greedy", "--policy", "logged", "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert [w["policy"] for w in out["weights"]] == ["logged"]
    assert "policy 'greedy'" in out["notes"][0]


def test_a_store_that_is_not_there(tmp_path, capsys):
    assert run(["replay", "--store", f"sqlite:///{tmp_path}/none.db"]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert not (tmp_path / "none.db").exists()
