"""Tracking: what the loop tells, and that each sink gives back what it was told."""

import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from crossaisle import Recommender
from crossaisle.errors import MissingExtra, OutputError, RequestError, SettingError
from crossaisle.model.settings import ModelSettings
from crossaisle.store import open_version
from crossaisle.testing import toy_dataset
from crossaisle.train.fit import NetworkScorer
from crossaisle.train.loop import _optimizer
from crossaisle.train.settings import TrackSettings, TrainSettings
from crossaisle.train.tracking import Event, JsonLines, Track, tracking

MODEL = ModelSettings(dim=16, heads=2, window=16, senses=("id",))
TRAINING = TrainSettings(epochs=3, tokens_per_step=128)
EVENTS = [
    Event("step", "choosing when to stop", 1, 50, {"loss": 3.5, "learning_rate": 0.01, "gradient_norm": 1.25, "seconds": 0.5}),
    Event("epoch", "choosing when to stop", 1, 60, {"loss": 3.25, "validation_ndcg@10": 0.125, "seconds": 1.0}),
    Event("epoch", "training on everything", 1, 70, {"loss": 3.0, "seconds": 1.5}),
]


class Kept:
    """A sink that remembers."""

    def __init__(self):
        self.events, self.closed = [], False

    def write(self, event):
        self.events.append(event)

    def close(self):
        self.closed = True


class Broken(Kept):
    """A sink on a full disk."""

    def write(self, event):
        raise OSError(28, "No space left on device")


def _fit(track=None, training=TRAINING):
    scorer = NetworkScorer(MODEL, training, None)
    scorer.track = track
    return scorer.fit(toy_dataset())


def test_the_loop_tells_what_it_does_and_being_heard_changes_nothing():
    sink = Kept()
    scorer, silent = _fit(Track([sink], every=2)), _fit()
    np.testing.assert_array_equal(scorer.item_vectors(), silent.item_vectors())
    epochs = [e for e in sink.events if e.kind == "epoch"]
    choosing, everything = ([e for e in epochs if e.stage == stage] for stage in ("choosing when to stop", "training on everything"))
    assert [e.values["loss"] for e in choosing] == scorer.selection.losses
    assert [e.values["validation_ndcg@10"] for e in choosing] == scorer.selection.scores
    assert [e.values["loss"] for e in everything] == scorer.refitting.losses
    assert "validation_ndcg@10" not in everything[0].values
    steps = [e for e in sink.events if e.kind == "step" and e.stage == "choosing when to stop"]
    assert [e.step for e in steps] == list(range(2, choosing[-1].step + 1, 2))
    rates = [e.values["learning_rate"] for e in steps]
    assert max(rates) <= 0.01
    assert rates[-1] < 0.002
    assert all(e.values["gradient_norm"] > 0 and e.values["loss"] > 0 for e in steps)
    times = [e.values["seconds"] for e in sink.events if e.stage == "choosing when to stop"]
    assert times == sorted(times)


def test_the_gradient_norm_is_that_before_clipping():
    free, held = Kept(), Kept()
    _fit(Track([free], every=1), TrainSettings(epochs=1, tokens_per_step=128, clip=1e9))
    _fit(Track([held], every=1), TrainSettings(epochs=1, tokens_per_step=128, clip=1e-3))
    assert free.events[0].values["gradient_norm"] == held.events[0].values["gradient_norm"] > 1e-3
    none = Kept()
    _fit(Track([none], every=1), TrainSettings(epochs=1, tokens_per_step=128, clip=0))
    assert "gradient_norm" not in none.events[0].values


def test_no_steps_where_none_are_asked_for():
    sink = Kept()
    _fit(Track([sink], every=0))
    assert {e.kind for e in sink.events} == {"epoch"}


def test_a_sink_that_fails_is_left_out_with_a_note_and_training_goes_on():
    broken, sound = Broken(), Kept()
    track = Track([broken, sound], every=1)
    scorer = _fit(track)
    track.close()
    assert scorer.selection.best_epoch
    assert track.notes == ["tracking: Broken was left out, as it could not be written ([Errno 28] No space left on device)"]
    assert sound.closed
    assert not broken.closed


def test_what_a_listener_raises_ends_the_training():
    class Enough(Exception):
        """Raised below."""

    def listen(event):
        if event.kind == "epoch":
            raise Enough

    with pytest.raises(Enough):
        _fit(Track(listen=listen))


def test_an_event_holds_plain_numbers_only():
    for value in ("u17", torch.ones(1), True, None, np.float32(1)):
        with pytest.raises(TypeError, match="expected a plain number"):
            Event("step", "training", 1, 1, {"loss": value})


def test_json_lines_come_back_also_after_a_resume(tmp_path):
    for resume, events in ((False, EVENTS), (False, EVENTS[:2]), (True, EVENTS[2:])):
        sink = JsonLines(tmp_path, resume)
        for event in events:
            sink.write(event)
        sink.close()
    assert [Event(**json.loads(line)) for line in sink.path.read_text().splitlines()] == EVENTS
    sink = JsonLines(tmp_path)
    sink.write(Event("step", "training", 1, 1, {"loss": float("nan")}))
    assert json.loads(sink.path.read_text())["values"] == {"loss": None}
    sink.close()


def test_tensorboards_files_come_back(tmp_path):
    pytest.importorskip("tensorboard")
    for _ in range(2):  # the second run replaces the first
        with tracking(TrackSettings(sinks=("tensorboard",)), tmp_path) as track:
            for event in EVENTS:
                track.tell(event)
    assert track.notes == []
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(tmp_path / "tensorboard"))
    read.Reload()
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    found = {tag: [(s.step, s.value) for s in read.Scalars(tag)] for tag in read.Tags()["scalars"]}
    assert found == {
        "choosing-when-to-stop/step/loss": [(50, 3.5)],
        "choosing-when-to-stop/step/learning_rate": [(50, pytest.approx(0.01))],
        "choosing-when-to-stop/step/gradient_norm": [(50, 1.25)],
        "choosing-when-to-stop/step/seconds": [(50, 0.5)],
        "choosing-when-to-stop/epoch/loss": [(1, 3.25)],
        "choosing-when-to-stop/epoch/validation_ndcg@10": [(1, 0.125)],
        "choosing-when-to-stop/epoch/seconds": [(1, 1.0)],
        "training-on-everything/epoch/loss": [(1, 3.0)],
        "training-on-everything/epoch/seconds": [(1, 1.5)],
    }


def _records(data: bytes) -> list[bytes]:
    """The records of a LevelDB log with a header of 7 bytes: blocks of 32 KiB; checksum, length, and whether the record goes on."""
    out, at, whole = [], 7, b""
    while at + 7 <= len(data):
        if (left := 32_768 - at % 32_768) < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            out.append(whole)
            whole = b""
    return out


def _offline(folder: Path) -> list[dict[str, object]]:
    """The rows of history that Weights & Biases' offline file holds, once its own process has written the last record."""
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        records = [wandb_internal_pb2.Record.FromString(data) for data in _records(path.read_bytes())]
        if records and records[-1].WhichOneof("record_type") == "exit":
            rows = [r.history.item for r in records if r.WhichOneof("record_type") == "history"]
            return [{i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in row} for row in rows]
        time.sleep(0.05)
    raise AssertionError(f"{path} has no last record")


def test_weights_and_biases_offline_file_comes_back(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    with tracking(TrackSettings(sinks=("wandb",), project="shop"), tmp_path) as track:
        for event in EVENTS:
            track.tell(event)
    assert track.notes == []
    told = [{k: v for k, v in row.items() if not k.startswith("_")} for row in _offline(tmp_path)]
    prefixes = ("choosing-when-to-stop/step/", "choosing-when-to-stop/epoch/", "training-on-everything/epoch/")
    assert told == [
        {**{p + name: v for name, v in e.values.items()}, p + "step": e.step, p + "epoch": e.epoch}
        for p, e in zip(prefixes, EVENTS, strict=True)
    ]


def test_weights_and_biases_without_a_key_is_one_line(tmp_path):
    pytest.importorskip("wandb")
    code = (
        "from crossaisle.train.settings import TrackSettings; from crossaisle.train.tracking import tracking\n"
        f"with tracking(TrackSettings(sinks=('wandb',)), {str(tmp_path)!r}): pass"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")} | {"HOME": str(tmp_path), "NETRC": str(tmp_path / "none")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert "RequestError: Weights & Biases refuses" in done.stderr
    assert "WANDB_MODE=offline" in done.stderr


@pytest.mark.parametrize(("sink", "module"), [("tensorboard", "tensorboard"), ("wandb", "wandb")])
def test_a_missing_package_names_its_install_command(sink, module, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with (
        pytest.raises(MissingExtra, match=r"not installed; next: pip install 'crossaisle\[track\]'"),
        tracking(TrackSettings(sinks=(sink,)), tmp_path),
    ):
        pass


def test_bad_sinks_and_places_are_refused(tmp_path):
    with pytest.raises(SettingError, match=r"track\.sinks names 'csv'; expected some of jsonl, tensorboard, wandb"):
        TrackSettings(sinks=("csv",))
    with pytest.raises(RequestError, match="and there is no folder"), tracking(TrackSettings(sinks=("jsonl",)), None):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot track into"), tracking(TrackSettings(), tmp_path / "file"):
        pass
    with tracking(TrackSettings(), None) as track:
        assert track is None


def test_the_front_door_tracks_and_the_model_keeps_its_curves(tmp_path):
    model = Recommender.preset("quick", settings={"model.dim": "16", "train.epochs": "2", "model.senses": "id", "track.every": "1"})
    model.fit(toy_dataset(), track=tmp_path / "events")
    events = [json.loads(line) for line in (tmp_path / "events" / "events.jsonl").read_text().splitlines()]
    model.save(tmp_path / "m")
    drawn = json.loads((open_version(tmp_path / "m") / "curves.json").read_text())
    assert list(drawn) == ["choosing when to stop", "training on everything"]
    for stage, curve in drawn.items():
        assert curve["loss"] == [e["values"]["loss"] for e in events if e["kind"] == "epoch" and e["stage"] == stage]
    assert drawn["choosing when to stop"]["validation_ndcg@10"] == model.info()["epochs"]["scores"]
    again = Recommender.load(tmp_path / "m")
    again.save(tmp_path / "again")
    assert json.loads((open_version(tmp_path / "again") / "curves.json").read_text()) == drawn


# optimisers


def _stepped(**changes):
    """Parameters of a small network before and after one step along a gradient of ones at rate .1."""
    scorer = NetworkScorer(MODEL, TRAINING, None)
    network = scorer._new_network(toy_dataset())
    optimizer = _optimizer(network, TrainSettings(learning_rate=0.1, **changes), None)
    before = [p.detach().clone() for p in network.parameters()]
    for p in network.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    return before, [p.detach() for p in network.parameters()], optimizer


def test_one_step_of_each_optimiser_by_hand():
    free = {"weight_decay": 0.0, "id_weight_decay": 0.0}
    for name in ("sgd", "adam", "adamw"):  # Adam's first step is the rate, whatever the gradient's length
        before, after, optimizer = _stepped(optimizer=name, **free)
        for a, b in zip(before, after, strict=True):
            torch.testing.assert_close(b, a - 0.1)
    for p in (p for group in optimizer.param_groups for p in group["params"]):
        p.grad = torch.ones_like(p)
    before, after, optimizer = _stepped(optimizer="sgd", **free)
    optimizer.step()
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(b, a - 0.1 - 0.1 * 1.9)  # momentum .9


def test_weight_decay_stands_apart_in_adamw_only():
    held = {"weight_decay": 0.5, "id_weight_decay": 0.5}
    scorer = NetworkScorer(MODEL, TRAINING, None)
    place = next(i for i, (n, _) in enumerate(scorer._new_network(toy_dataset()).named_parameters()) if n.endswith("id_table"))
    for name, expected in (
        ("adamw", lambda w: w * (1 - 0.1 * 0.5) - 0.1),
        ("sgd", lambda w: w - 0.1 * (1 + 0.5 * w)),
        ("adam", lambda w: w - 0.1),  # the decay is part of a gradient whose length does not count
    ):
        before, after, _ = _stepped(optimizer=name, **held)
        torch.testing.assert_close(after[place], expected(before[place]))


@pytest.mark.parametrize(("name", "changes"), [("adam", {"id_weight_decay": 0.0}), ("sgd", {"learning_rate": 0.5, "id_weight_decay": 0.0})])
def test_the_other_optimisers_learn(name, changes):
    run = _fit(training=TrainSettings(epochs=6, tokens_per_step=128, optimizer=name, **changes)).selection
    assert run.losses[-1] < run.losses[0] - 0.1


def test_an_unknown_optimiser_is_refused():
    with pytest.raises(SettingError, match="setting optimizer is 'lion'; expected one of adamw, adam, sgd"):
        TrainSettings(optimizer="lion")
