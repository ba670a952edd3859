"""A search: it finds what is better, tells what it ended, survives being killed, and never sees a test."""

import dataclasses
import json
import math
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("optuna")

from crossaisle.data.split import leave_one_out
from crossaisle.errors import ModelError, OutputError, RequestError
from crossaisle.presets import AllSettings, preset_settings
from crossaisle.scorers import network_scorer
from crossaisle.search import Material, compare, parse_space, search, write_search
from crossaisle.search.run import _start
from crossaisle.search.trials import ask, importance, load_study, open_study, put_back, spent, table
from crossaisle.search.verdict import changes
from crossaisle.search.work import Stopped, StopWish, sigterm_as_interrupt
from crossaisle.testing import toy_dataset

SMALL = {
    "model.senses": "id",
    "model.dim": "16",
    "model.window": "16",
    "train.epochs": "3",
    "train.tokens_per_step": "128",
    "train.id_weight_decay": "0.3",
    "device": "cpu",
}
SPACE = ["train.learning_rate=0.001..0.05:log", "model.dropout=0..0.6"]


@pytest.fixture(scope="module")
def split():
    return leave_one_out(toy_dataset())


def _material(split, space=SPACE, **changes):
    settings = AllSettings().changed({**SMALL, **{k.replace("__", "."): v for k, v in changes.items()}})
    return Material(split.train, split.valid, settings, parse_space(space, settings))


def _told(study):
    """What counts of a study: settings and figure of each trial that was not stopped."""
    return [(row["settings"], row["state"], row["value"]) for row in table(study) if row["state"] != "stopped"]


@pytest.fixture(scope="module")
def whole(split, tmp_path_factory):
    """A search that nobody disturbed."""
    return search(_material(split), tmp_path_factory.mktemp("whole"), trials=8)


def test_the_first_trial_is_where_it_started_and_its_figure_is_the_networks(split, whole):
    material = _material(split)
    first = table(whole)[0]
    assert first["settings"] == {"train.learning_rate": 0.01, "model.dropout": 0.4}
    scorer = network_scorer(material.settings).fit(split.train, split.valid)
    assert first["value"] == max(scorer.selection.scores)
    assert first["epochs"] == 3


def test_pruned_trials_are_below_the_median_and_told(split, tmp_path):
    study = search(_material(split, ["train.learning_rate=0|0.01|0.02", "model.dropout=0.1..0.5"]), tmp_path, trials=14)
    pruned = [t for t in study.get_trials() if t.state.name == "PRUNED"]
    assert pruned
    for trial in pruned:
        at = max(trial.intermediate_values)
        others = [t for t in study.get_trials() if t.state.name == "COMPLETE" and t.number < trial.number]
        assert max(trial.intermediate_values.values()) < np.median([t.intermediate_values[at] for t in others])
    said = {row["number"]: row for row in table(study)}
    for trial in pruned:
        row = said[trial.number]
        assert row["state"] == "pruned"
        assert row["said"] == f"ended after epoch {row['epochs']}: N@10 so far is below the median of the trials before it"
    assert study.best_trial.params["train.learning_rate"] != "0"  # a network that learns nothing never wins


def test_what_matters_is_told_and_what_does_not_is_not(split, tmp_path):
    study = search(_material(split, ["train.learning_rate=0|0.02", "train.patience=5|6"]), tmp_path, trials=8)
    shares = importance(study, 0)
    assert shares["train.learning_rate"] > 0.75
    assert sum(shares.values()) == pytest.approx(1.0)


def test_few_trials_have_no_importance(split, tmp_path):
    assert importance(search(_material(split), tmp_path, trials=2), 0) == {}


_RUN = """
import pickle, sys
from pathlib import Path
from crossaisle.search import search
if __name__ == "__main__":
    material = pickle.loads(Path(sys.argv[1]).read_bytes())
    search(material, Path(sys.argv[2]), trials=int(sys.argv[3]), workers=int(sys.argv[4]))
"""


def _begin(material, folder, trials, workers=1):
    """The same search in a process of its own."""
    (folder / "material").write_bytes(pickle.dumps(material))
    (folder / "run.py").write_text(_RUN)
    argv = [sys.executable, folder / "run.py", folder / "material", folder, str(trials), str(workers)]
    return subprocess.Popen([str(a) for a in argv], stderr=subprocess.PIPE, text=True, start_new_session=True)


def _wait_for(folder, n_finished, seconds=180):
    """Until so many trials are finished and another is running."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)
        try:
            with sqlite3.connect(f"file:{folder / 'search.db'}?mode=ro", uri=True) as db:
                states = [state for (state,) in db.execute("SELECT state FROM trials")]
        except sqlite3.OperationalError:
            continue
        if states.count("COMPLETE") + states.count("PRUNED") >= n_finished and "RUNNING" in states:
            return
    raise AssertionError("the search did not get so far")


def test_a_killed_search_keeps_what_is_finished_and_goes_on_as_if_it_had_not_been(split, whole, tmp_path):
    process = _begin(_material(split), tmp_path, 8)
    _wait_for(tmp_path, 3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = [row for row in table(load_study(tmp_path)) if row["state"] in ("finished", "pruned")]
    running = [row for row in table(load_study(tmp_path)) if row["state"] == "running"]
    study = search(_material(split), tmp_path, trials=8, resume=True)
    after = table(study)
    assert [row for row in after if row["number"] in {b["number"] for b in before}] == before
    assert [row["settings"] for row in after if row["state"] == "stopped"] == [row["settings"] for row in running]
    assert all(row["said"] == "its settings are asked again" for row in after if row["state"] == "stopped")
    assert spent(study) == 8
    assert _told(study) == _told(whole)


@pytest.mark.parametrize("wish", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_stop_marks_its_trial_and_the_rest_goes_on(split, whole, tmp_path, wish):
    def stop(stage, done, total, note):
        if stage == "training" and done == 7 and len(load_study(tmp_path).get_trials()) == 3:
            os.kill(os.getpid(), wish)

    with pytest.raises(KeyboardInterrupt):
        search(_material(split), tmp_path, trials=8, progress=stop)
    assert [row["state"] for row in table(load_study(tmp_path))] == ["finished", "finished", "stopped"]
    stages = []
    study = search(_material(split), tmp_path, trials=8, resume=True, progress=lambda *told: stages.append(told))
    assert _told(study) == _told(whole)
    assert ("trials", 8, 8, f"best N@10 {study.best_value:.4f} (trial {study.best_trial.number})") in stages


@pytest.mark.slow
def test_workers_share_one_search_and_a_killed_one_costs_no_trial(split, tmp_path):
    process = _begin(_material(split, train__epochs="12"), tmp_path, 6, workers=2)
    _wait_for(tmp_path, 1)
    end, running = time.monotonic() + 60, []
    while not running and time.monotonic() < end:  # both may be between two trials
        running = [
            t.user_attrs["process"] for t in load_study(tmp_path).get_trials() if t.state.name == "RUNNING" and "process" in t.user_attrs
        ]
    os.kill(running[0], signal.SIGKILL)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    study = load_study(tmp_path)
    assert spent(study) == 6
    rows = table(study)
    assert {row["state"] for row in rows} <= {"finished", "pruned", "stopped"}
    stopped = [row["settings"] for row in rows if row["state"] == "stopped"]
    assert len(stopped) == 1
    assert stopped[0] in [row["settings"] for row in rows if row["state"] != "stopped"]
    assert len({t.user_attrs["process"] for t in study.get_trials()}) == 2


@pytest.mark.slow
def test_workers_whose_parent_is_killed_go_too(split, tmp_path):
    process = _begin(_material(split, train__epochs="60", train__patience="60"), tmp_path, 50, workers=2)
    _wait_for(tmp_path, 0)
    pids = {t.user_attrs["process"] for t in load_study(tmp_path).get_trials() if "process" in t.user_attrs}
    process.kill()
    process.communicate()
    end = time.monotonic() + 90
    while time.monotonic() < end and any(os.path.exists(f"/proc/{pid}/status") and _alive(pid) for pid in pids):
        time.sleep(0.1)
    assert not any(_alive(pid) for pid in pids)


class _FakeProcess:
    """A worker in whose start Ctrl-C is pressed."""

    def start(self):
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_while_the_workers_start_is_not_lost():
    with StopWish() as stop:
        _start([_FakeProcess()])
    assert stop.asked


@pytest.mark.slow
@pytest.mark.parametrize("early", [True, False])
def test_ctrl_c_stops_every_worker_whenever_it_comes(split, tmp_path, early):
    process = _begin(_material(split, train__epochs="60", train__patience="60"), tmp_path, 50, workers=2)
    end = time.monotonic() + 60
    while early and not (tmp_path / ".material.pickle").exists() and time.monotonic() < end:
        time.sleep(0.01)
    if not early:
        _wait_for(tmp_path, 0)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    _, err = process.communicate(timeout=180)
    assert err.strip().endswith("KeyboardInterrupt")
    assert err.count("Traceback") == 1, err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["material", "run.py", "search.db"]
    assert not [row for row in table(load_study(tmp_path)) if row["state"] == "running"]


def _alive(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            return "zombie" not in file.read()
    except OSError:
        return False


def test_a_time_limit_lets_the_first_trial_end_and_begins_no_other(split, tmp_path):
    study = search(_material(split), tmp_path, trials=5, minutes=0.02 / 60)
    assert [row["state"] for row in table(study)] == ["finished"]
    assert spent(search(_material(split), tmp_path, trials=3, resume=True)) == 3


def test_a_combination_that_cannot_be_had_is_told_and_the_rest_goes_on(split, tmp_path):
    study = search(_material(split, ["model.dim=16|18", "model.heads=2|4"]), tmp_path, trials=8)
    failed = [row for row in table(study) if row["state"] == "failed"]
    assert failed
    assert all(row["settings"] == {"model.dim": "18", "model.heads": "4"} for row in failed)
    assert all(row["said"].startswith("model.dim 18 is no multiple of model.heads 4") for row in failed)
    assert spent(study) == 8


def test_training_that_diverges_is_a_failed_trial(split, tmp_path):
    material = _material(split, ["model.dropout=0.1|0.2"], train__learning_rate="1e1", train__clip="0", train__optimizer="sgd")
    material = dataclasses.replace(material, settings=material.settings.changed({"model.temperature": "100"}))
    with pytest.raises(RequestError, match=r"no trial gave a figure \(training diverged: the loss is no number any more\)"):
        search(material, tmp_path, trials=2)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"trials": 0}, "--trials is 0; expected a whole number of at least 1"),
        ({"workers": 0}, "--workers is 0"),
        ({"minutes": 0}, "--minutes is 0; expected a number above 0"),
        ({"minutes": math.nan}, "--minutes is nan"),
    ],
)
def test_bad_numbers_are_refused(split, tmp_path, options, line):
    with pytest.raises(RequestError, match=line):
        search(_material(split), tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_search_that_is_there_is_not_overwritten_and_of_other_data_not_resumed(split, tmp_path):
    search(_material(split), tmp_path, trials=1)
    with pytest.raises(RequestError, match="already holds a search; expected an empty folder, or --resume"):
        search(_material(split), tmp_path, trials=1)
    other = leave_one_out(toy_dataset(seed=1))
    reworded = dataclasses.replace(split.train, items=split.train.items.with_columns(title=split.train.items["title"].reverse()))
    seen = dataclasses.replace(split.train, propensities=np.ones(split.train.n_items))
    for material in (
        _material(other),
        _material(split, SPACE[:1]),
        _material(split, model__dim="32"),
        *(dataclasses.replace(_material(split), train=train) for train in (reworded, seen)),
    ):
        with pytest.raises(ModelError, match="made from other data, settings or another space"):
            search(material, tmp_path, trials=1, resume=True)
    (tmp_path / "search.db").write_bytes(b"no database")
    with pytest.raises(ModelError, match="cannot be read"):
        search(_material(split), tmp_path, trials=1, resume=True)


def test_a_kill_between_queue_and_mark_asks_the_settings_once(split, tmp_path):
    material = _material(split)
    study = open_study(tmp_path, material.fingerprint(), False, None)
    trial = ask(study, material.space, 0)
    study.enqueue_trial(trial.params, user_attrs={"again": trial.number})  # killed here, before the trial was failed
    assert put_back(study) == 1
    assert [t.state.name for t in study.get_trials()] == ["FAIL", "WAITING"]
    assert ask(study, material.space, 0).params == trial.params


def test_a_kill_while_settings_are_chosen_loses_nothing(split, tmp_path):
    material = _material(split)
    study = open_study(tmp_path, material.fingerprint(), False, {"train.learning_rate": 0.01, "model.dropout": 0.4})
    study.ask()  # killed here: no settings yet, but what the first trial is to be is known
    study.ask()
    assert put_back(study) == 2
    assert spent(study) == 0
    again = ask(study, material.space, 0)
    assert again.params == {"train.learning_rate": 0.01, "model.dropout": 0.4}
    study.tell(again, 0.1)
    half = study.ask({"train.learning_rate": material.space[0].distribution()})
    assert put_back(study) == 1
    assert "WAITING" not in {t.state.name for t in study.get_trials()}
    assert half.number in {row["number"] for row in table(study) if row["state"] == "stopped"}


def test_a_second_wish_to_stop_is_obeyed_at_once():
    before = signal.getsignal(signal.SIGINT)  # a run in the background may ignore it
    with StopWish() as stop:
        stop.check()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            stop.check()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


def test_sigterm_after_the_search_is_ctrl_c():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), sigterm_as_interrupt():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


# the test that it never saw


class Sealed:
    """A split whose test and whose training data with the validation events cannot be opened before the seal is broken."""

    def __init__(self, split):
        self.inner, self.sealed = split, True
        self.name, self.note, self.train, self.valid = split.name, split.note, split.train, split.valid

    @property
    def test(self):
        assert not self.sealed, "the test was opened during the search"
        return self.inner.test

    @property
    def full(self):
        assert not self.sealed, "events after the validation were opened during the search"
        return self.inner.full


def test_the_command_opens_the_test_only_after_the_search(shop, monkeypatch, capsys):
    from crossaisle import search as room
    from crossaisle.cli.main import run
    from crossaisle.evaluate import looks

    made, make, real = [], looks.make_split, room.compare

    def seal(*arguments):
        made.append(Sealed(make(*arguments)))
        return made[-1]

    def measured(data, split, *more):
        split.sealed = False
        return real(data, split, *more)

    monkeypatch.setattr(looks, "make_split", seal)
    monkeypatch.setattr(room, "compare", measured)
    argv = ["tune", "--interactions", "interactions.csv", "--items", "items.csv", "--out", "found", "--trials", "2"]
    for key, value in {**SMALL, "train.refit": "false"}.items():
        argv += [] if key == "device" else ["--set", f"{key}={value}"]
    argv += ["--space", "model.dropout=0.1..0.5"]
    assert run(argv) == 0, capsys.readouterr().err
    assert not made[0].sealed
    assert sorted(p.name for p in (shop / "found").iterdir()) == ["result.json", "search.db", "search.png", "settings.json"]
    assert (shop / "found" / "search.png").read_bytes().startswith(b"\x89PNG")
    result = json.loads((shop / "found" / "result.json").read_text())
    assert result["counts"] == {"finished": 2, "pruned": 0, "failed": 0, "stopped": 0}
    assert result["defaults"]["validation"] == result["trials"][0]["value"]
    assert result["best"]["validation"] == max(t["value"] for t in result["trials"])
    assert result["test"]["n"] == 40
    assert result["test"]["low"] <= result["test"]["difference"] <= result["test"]["high"]
    out = capsys.readouterr().out
    assert "Trials: 2 finished" in out
    assert "test questions" in out
    # what it found can be fitted with
    found = json.loads((shop / "found" / "settings.json").read_text())
    assert found["model.dropout"] == str(result["best"]["settings"]["model.dropout"])
    base = ["fit", "--interactions", "interactions.csv", "--items", "items.csv", "--settings", "found/settings.json"]
    assert run([*base, "--out", "m", "--set", "train.epochs=1"]) == 0
    from crossaisle import Recommender

    assert changes(Recommender.load("m").settings) == {**found, "train.epochs": "1"}
    assert run([*argv, "--resume"]) == 0  # nothing is left to search; the verdict is the same
    assert json.loads((shop / "found" / "result.json").read_text())["test"] == result["test"]


def test_the_verdict_is_that_of_two_networks_trained_by_hand(split):
    from crossaisle.metrics import ndcg
    from crossaisle.stats import paired_test

    base = AllSettings().changed({**SMALL, "train.refit": "false"})
    tuned = base.changed({"train.learning_rate": "0.03"})
    verdict = compare(toy_dataset(), split, "leave-one-out", base, tuned)
    figures = []
    for settings in (tuned, base):
        scores = network_scorer(settings).fit(split.train, split.valid).score(split.test.histories)
        scores[split.test.histories.owners, split.test.histories.items] = -np.inf
        figures.append(ndcg(np.argsort(-scores, axis=1, kind="stable")[:, :10], split.test.targets, 10))
    assert (verdict.tuned, verdict.defaults) == (pytest.approx(figures[0].mean()), pytest.approx(figures[1].mean()))
    by_hand = paired_test(*figures, 0)
    assert (verdict.low, verdict.high) == (pytest.approx(by_hand.low, abs=1e-6), pytest.approx(by_hand.high, abs=1e-6))
    same = compare(toy_dataset(), split, "leave-one-out", base, base)
    assert (same.difference, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    assert same.tuned == pytest.approx(verdict.defaults)


def test_settings_are_written_without_the_preset(tmp_path):
    assert changes(preset_settings("best")) == {"blend.parts": "markov,word-knn,text-knn,ials"}
    (tmp_path / "file").write_text("")
    result = {"trials": [{"number": 0, "value": 0.1, "state": "finished", "best": 0.1}], "defaults": {"validation": None}, "importance": {}}
    with pytest.raises(OutputError, match="cannot be written"):
        write_search(tmp_path / "file", result, AllSettings())


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "settings s.json cannot be read"),
        ("{", "settings s.json cannot be read"),
        ("[1]", "settings s.json are of another form"),
        ('{"model": {"dim": 64}}', "settings s.json are of another form"),
        ('{"model.dims": "64"}', "unknown setting 'model.dims'; expected a known setting, the nearest is 'model.dim'"),
    ],
)
def test_a_bad_settings_file_is_one_line(shop, content, line, capfd):
    from crossaisle.cli.main import run

    if content is not None:
        (shop / "s.json").write_text(content)
    assert run(["fit", "--interactions", "interactions.csv", "--out", "m", "--settings", "s.json"]) == 2
    err = capfd.readouterr().err
    assert line in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["--protocol", "cold-aisle"], "--protocol is 'cold-aisle'; expected one of leave-one-out"),
        (["--space", "model.dim=1..2"], "--space holds 'model.dim=1..2': setting dim is 1; expected a number of at least 8"),
        (["--trials", "0"], "--trials is 0"),
    ],
)
def test_bad_requests_are_one_line_and_write_nothing(shop, more, line, capfd):
    from crossaisle.cli.main import run

    before = sorted(p.name for p in shop.iterdir())
    assert run(["tune", "--interactions", "interactions.csv", "--items", "items.csv", "--out", "found", *more]) == 2
    err = capfd.readouterr().err
    assert line in err
    assert err.count("\n") == 1
    assert sorted(p.name for p in shop.iterdir()) == before
