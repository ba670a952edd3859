"""The model folder: whole or not at all, whatever happens to the writer."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file

from crossaisle import store
from crossaisle.errors import ModelError, OutputError
from crossaisle.store import (
    FORMAT_VERSION,
    folder_lock,
    open_version,
    point_to,
    prune,
    read_manifest,
    replace_file,
    version_names,
    write_version,
)


def writer(text):
    def write(folder):
        (folder / "model.json").write_text(text)
        (folder / "histories.parquet").write_bytes(b"histories of " + text.encode())
        (folder / "more").mkdir()
        (folder / "more" / "words.json").write_text(text)

    return write


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "shop.model"
    write_version(folder, writer("one"), optional=["histories.parquet"])
    return folder


def names_in(folder):
    return sorted(p.name for p in folder.iterdir())


def text_of(folder, version=None):
    return (open_version(folder, version) / "model.json").read_text()


def test_versions_are_kept_and_the_newest_loads(model):
    assert write_version(model, writer("two")) == model / "v0002"
    assert names_in(model) == ["current", "v0001", "v0002"]
    assert (model / "current").read_text() == "v0002\n"
    assert (text_of(model), text_of(model, "v0001")) == ("two", "one")


def test_the_pointer_decides(model):
    write_version(model, writer("two"))
    (model / "current").write_text("v0001")
    assert text_of(model) == "one"
    assert write_version(model, writer("three")).name == "v0003"


def test_versions_count_past_9999(model):
    (model / "v0001").rename(model / "v9999")
    (model / "current").write_text("v9999")
    assert write_version(model, writer("x")).name == "v10000"
    assert version_names(model) == ["v9999", "v10000"]


def test_the_manifest_says_what_is_there(model):
    manifest = read_manifest(model / "v0001")
    assert (manifest["format_version"], manifest["version"]) == (FORMAT_VERSION, "v0001")
    assert sorted(manifest["files"]) == ["histories.parquet", "model.json", "more/words.json"]
    assert manifest["files"]["histories.parquet"]["optional"] is True
    assert manifest["files"]["model.json"]["bytes"] == 3


def test_a_new_version_has_the_usual_permissions(model):
    (model / "usual").mkdir()
    assert (model / "v0001").stat().st_mode == (model / "usual").stat().st_mode


# what cannot be loaded


def test_no_model(tmp_path):
    with pytest.raises(ModelError, match=r"no model at .*nowhere; expected a model folder; next: .*crossaisle fit"):
        open_version(tmp_path / "nowhere")
    assert version_names(tmp_path / "nowhere") == []


def test_a_folder_without_a_pointer(tmp_path, model):
    with pytest.raises(ModelError, match=r"current is missing or not readable; expected the pointer of a model folder; .*crossaisle fit"):
        open_version(tmp_path)
    (model / "current").unlink()
    with pytest.raises(ModelError, match=r"current is missing or not readable; .*write v0001 into it"):
        open_version(model)
    (model / "current").write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match=r"current is missing or not readable"):
        open_version(model)


def test_a_file_is_no_model(tmp_path):
    (tmp_path / "model.csv").write_text("a,b")
    with pytest.raises(ModelError, match=r"model.csv/current is missing or not readable"):
        open_version(tmp_path / "model.csv")


@pytest.mark.parametrize("pointer", ["v0007", "", "../shop.model/v0001", "/etc", "v1"])
def test_a_pointer_to_no_version(model, pointer):
    (model / "current").write_text(pointer)
    with pytest.raises(
        ModelError, match=r"has no version .*; expected one of its versions \(v0001\); next: write the name of one into .*current"
    ):
        open_version(model)


@pytest.mark.parametrize("name", ["model.json", "more/words.json", "histories.parquet"])
def test_an_altered_file_is_named(model, name):
    path = model / "v0001" / name
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    with pytest.raises(ModelError, match=rf"model file .*v0001/{name} was altered; expected the content that the manifest lists"):
        open_version(model)
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="was altered"):
        open_version(model)


def test_a_missing_file_is_named(model):
    (model / "v0001" / "more" / "words.json").unlink()
    with pytest.raises(ModelError, match=r"model file .*v0001/more/words.json is missing; expected every file that the manifest lists"):
        open_version(model)


def test_an_optional_file_can_be_deleted(model):
    (model / "v0001" / "histories.parquet").unlink()
    assert text_of(model) == "one"


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "{",
        "[]",
        '{"format": "other", "format_version": 1, "files": {}}',
        '{"format": "crossaisle-model", "format_version": "1", "files": {}}',
        '{"format": "crossaisle-model", "format_version": 1, "files": []}',
        '{"format": "crossaisle-model", "format_version": 1, "files": {"a": {"bytes": 1}}}',
    ],
)
def test_a_manifest_that_cannot_be_read(model, broken):
    (model / "v0001" / "manifest.json").write_text(broken)
    with pytest.raises(ModelError, match=r"manifest.json is missing or not readable; expected the manifest of a model version"):
        open_version(model)


def test_no_manifest(model):
    (model / "v0001" / "manifest.json").unlink()
    with pytest.raises(ModelError, match=r"manifest.json is missing or not readable"):
        open_version(model)


def test_a_newer_format_is_refused(model):
    path = model / "v0001" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": FORMAT_VERSION + 1, "files": "told in a new way"}))
    with pytest.raises(
        ModelError, match=rf"has format {FORMAT_VERSION + 1}; expected format {FORMAT_VERSION} or older; next: upgrade crossaisle"
    ):
        open_version(model)


# what cannot be written


@pytest.mark.parametrize("error", [RuntimeError("a defect"), KeyboardInterrupt()])
def test_a_writer_that_fails_leaves_nothing(tmp_path, model, error):
    def write(folder):
        writer("half")(folder)
        raise error

    with pytest.raises(type(error)):
        write_version(model, write)
    assert (names_in(model), text_of(model)) == (["current", "v0001"], "one")
    with pytest.raises(type(error)):
        write_version(tmp_path / "new" / "deep.model", write)
    assert names_in(tmp_path) == ["shop.model"]


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError, match=r"file.* cannot be written \(.*\); expected a folder that this user can write"):
            write_version(folder, writer("x"))
    assert names_in(tmp_path) == ["file"]


@pytest.fixture
def as_a_plain_user():
    """Root may write anywhere; lay that aside for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def closed_folder():
    parent = Path(tempfile.mkdtemp())
    parent.chmod(0o755)
    folder = parent / "closed.model"
    folder.mkdir(mode=0o555)
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(parent)


def test_a_folder_that_is_not_writable(closed_folder, as_a_plain_user):
    for folder in (closed_folder, closed_folder / "below"):
        with pytest.raises(OutputError, match=r"closed.model.* cannot be written \(Permission denied\); .*change its permissions"):
            write_version(folder, writer("x"))
        assert names_in(closed_folder) == []


def test_disk_full_by_a_limit_on_file_size(model):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OutputError, match=r"no space left while writing .*shop.model; expected room .*nothing was written"):
            write_version(model, lambda folder: (folder / "big").write_bytes(b"x" * 20_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (names_in(model), text_of(model)) == (["current", "v0001"], "one")


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("a small disk can only be mounted by root")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: (folder / "big").write_bytes(b"x" * 500_000),
        lambda folder: save_file({"w": np.ones(200_000, dtype=np.float32)}, folder / "model.safetensors"),
        lambda folder: pl.DataFrame({"a": np.random.default_rng(0).random(100_000)}).write_parquet(folder / "items.parquet"),
    ],
    ids=["file", "safetensors", "parquet"],
)
def test_a_disk_that_is_really_full(small_disk, write):
    folder = small_disk / "shop.model"
    with pytest.raises(OutputError, match=r"no space left while writing"):
        write_version(folder, write)
    assert names_in(small_disk) == []
    write_version(folder, writer("one"))
    with pytest.raises(OutputError, match=r"no space left while writing"):
        write_version(folder, write)
    assert (names_in(folder), text_of(folder)) == (["current", "v0001"], "one")


# two writers, killed writers


OTHER_RUNS = """
import json, os, signal, sys
from crossaisle.store import folder_lock, prune, write_version

def say(word):
    print(word, os.getpid(), flush=True)

def hold(folder):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with folder_lock(folder):
        say("holding")
        signal.sigwait({signal.SIGTERM})

def keep_writing(folder):
    def write(new):
        token = os.urandom(8).hex()
        for name in ("model.bin", "items.bin", "histories.bin"):
            (new / name).write_text(token * 20_000)
    say("writing")
    while True:
        write_version(folder, write)

def dying(step):
    left = [step]
    def count(event, args):
        if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)

def die_before_step(folder, step):
    def write(new):
        for name in ("model.bin", "items.bin"):
            (new / name).write_text("new")
    say("writing")
    dying(step)
    write_version(folder, write)

def die_before_step_of_prune(folder, step):
    say("pruning")
    dying(step)
    prune(folder, 2)

for line in sys.stdin:
    task, *args = json.loads(line)
    if os.fork() == 0:
        globals()[task](*args)
        os._exit(0)
    _, status = os.wait()
    print("ended", status, flush=True)
"""


class OtherRuns:
    """A second process, imported once, that forks a run for each task; one run at a time."""

    def __init__(self, process):
        self.process = process

    def start(self, task, folder, *args):
        self.process.stdin.write(json.dumps([task, str(folder), *args]) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline().split()[1])

    def end(self, pid, by=None):
        if by is not None:
            os.kill(pid, by)
        return int(self.process.stdout.readline().split()[1])


@pytest.fixture(scope="module")
def other_runs():
    with subprocess.Popen([sys.executable, "-c", OTHER_RUNS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield OtherRuns(process)
        process.stdin.close()


def test_two_runs_writing_the_same_folder(model, other_runs):
    other = other_runs.start("hold", model)
    with pytest.raises(OutputError, match=r"another run is writing .*shop.model; expected a folder that no other run is writing"):
        write_version(model, writer("two"))
    assert text_of(model) == "one"
    assert other_runs.end(other, signal.SIGTERM) == 0
    assert write_version(model, writer("two")).name == "v0002"
    assert names_in(model) == ["current", "v0001", "v0002"]


def test_a_killed_run_holds_no_lock(model, other_runs):
    assert other_runs.end(other_runs.start("hold", model), signal.SIGKILL) == signal.SIGKILL
    assert names_in(model) == [".lock", "current", "v0001"]
    write_version(model, writer("two"))
    assert names_in(model) == ["current", "v0001", "v0002"]


def test_the_lock_nests_in_one_thread_only(model):
    refused = []

    def try_it():
        try:
            write_version(model, writer("other thread"))
        except OutputError as error:
            refused.append(str(error))

    with folder_lock(model), folder_lock(model):
        assert write_version(model, writer("two")).name == "v0002"
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
        assert (model / ".lock").exists()
    assert len(refused) == 1
    assert refused[0].startswith("another run is writing")
    assert names_in(model) == ["current", "v0001", "v0002"]


def test_a_lock_on_a_new_folder_leaves_nothing(tmp_path):
    with folder_lock(tmp_path / "a" / "b"):
        assert names_in(tmp_path / "a" / "b") == [".lock"]
    assert names_in(tmp_path) == []


def test_what_a_killed_writer_left_is_removed(model):
    (model / ".writing-v0002").mkdir()
    (model / ".writing-v0002" / "half").write_text("x")
    (model / ".writing-current").write_text("v00")
    assert write_version(model, writer("two")).name == "v0002"
    assert names_in(model) == ["current", "v0001", "v0002"]


def test_kill_9_at_any_moment_of_a_save(tmp_path, other_runs):
    folder, dice = tmp_path / "shop.model", random.Random(0)
    caught_in_the_middle = 0
    for _ in range(20):
        before = (folder / "current").read_text() if (folder / "current").exists() else None
        other = other_runs.start("keep_writing", folder)
        deadline = time.monotonic() + 20
        while not (folder / "current").exists() and time.monotonic() < deadline:
            time.sleep(0.001)  # only before the very first version is nothing there to load
        time.sleep(dice.uniform(0, 0.03))
        assert other_runs.end(other, signal.SIGKILL) == signal.SIGKILL
        caught_in_the_middle += any(n.startswith(".writing-") for n in names_in(folder))
        version = open_version(folder)
        contents = {(version / name).read_text() for name in ("model.bin", "items.bin", "histories.bin")}
        assert len(contents) == 1
        assert before is None or int(version.name[1:]) >= int(before[1:])
    assert caught_in_the_middle > 0
    last = write_version(folder, writer("after"))
    assert open_version(folder) == last
    assert all(n == "current" or n.startswith("v") for n in names_in(folder))
    for name in version_names(folder):
        assert open_version(folder, name).name == name


def test_kill_9_before_each_step_of_a_save(tmp_path, model, other_runs):
    loads = []
    for step in range(1, 100):
        folder = shutil.copytree(model, tmp_path / f"{step}.model")
        if other_runs.end(other_runs.start("die_before_step", folder, step)) == 0:
            break
        version = open_version(folder)
        loads.append(version.name)
        assert (version / ("model.json" if version.name == "v0001" else "model.bin")).read_text() in ("one", "new")
        for name in version_names(folder):
            assert open_version(folder, name).name == name
        assert open_version(folder) != write_version(folder, writer("after")) == open_version(folder)
        assert all(n == "current" or n.startswith("v") for n in names_in(folder))
    assert loads == sorted(loads)
    assert loads.count("v0001") > 8  # the lock, the folder, each file, the manifest, the pointer, the renames
    assert loads.count("v0002") > 0
    assert set(loads) == {"v0001", "v0002"}


def test_tensors_come_back(model):
    version = write_version(model, lambda folder: save_file({"w": np.arange(3.0)}, folder / "model.safetensors"))
    assert load_file(open_version(model) / "model.safetensors")["w"].tolist() == [0, 1, 2]
    assert open_version(model) == version


# another version, another file


def test_pointing_to_another_version(model):
    write_version(model, lambda new: (new / "model.json").write_text("2"))
    point_to(model, "v0001")
    assert open_version(model).name == "v0001"
    (model / "v0002" / "model.json").write_text("altered")
    with pytest.raises(ModelError, match=r"v0002/model\.json was altered"):
        point_to(model, "v0002")
    with pytest.raises(ModelError, match="no version 'v0009'"):
        point_to(model, "v0009")
    assert open_version(model).name == "v0001"
    assert not list(model.glob(".writing-*"))


def test_a_file_is_replaced_and_the_version_loads_at_every_step(tmp_path, monkeypatch):
    write_version(tmp_path, lambda new: [(new / name).write_text(name) for name in ("a.txt", "b.txt")], optional=["a.txt"])
    version, steps, seen = tmp_path / "v0001", [], set()

    def watched(own):
        def step(*args):
            own(*args)
            steps.append(open_version(tmp_path))
            seen.add((version / "a.txt").read_text())

        return step

    for name in ("_replace", "_flush_folder"):
        monkeypatch.setattr(store, name, watched(getattr(store, name)))
    replace_file(version, "a.txt", lambda path: path.write_text("other"))
    assert seen == {"a.txt", "other"}
    assert len(steps) >= 4
    facts = read_manifest(version)["files"]["a.txt"]
    assert facts["optional"]
    assert facts["bytes"] == 5
    assert "before" not in facts
    assert sorted(p.name for p in version.iterdir()) == ["a.txt", "b.txt", "manifest.json"]


@pytest.mark.parametrize("after", [0, 1], ids=["before anything", "between the file and the last manifest"])
def test_a_replacement_that_was_stopped_loads_and_can_be_done_again(tmp_path, monkeypatch, after):
    write_version(tmp_path, lambda new: (new / "a.txt").write_text("a"))
    version, own, done = tmp_path / "v0001", store._replace, []

    def stopped(path, text):
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(path)
        own(path, text)

    monkeypatch.setattr(store, "_replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        replace_file(version, "a.txt", lambda path: path.write_text("bb"))
    monkeypatch.setattr(store, "_replace", own)
    assert (open_version(tmp_path) / "a.txt").read_text() == ("bb" if after else "a")
    replace_file(version, "a.txt", lambda path: path.write_text("ccc"))
    assert (open_version(tmp_path) / "a.txt").read_text() == "ccc"
    assert "before" not in read_manifest(version)["files"]["a.txt"]


def test_a_reader_that_meets_a_replacement_looks_again(tmp_path, monkeypatch):
    write_version(tmp_path, lambda new: (new / "a.txt").write_text("a"))
    own, calls = store._check_files, []

    def slow(version, manifest):
        if not calls:
            calls.append(1)
            replace_file(version, "a.txt", lambda path: path.write_text("other"))
        own(version, manifest)

    monkeypatch.setattr(store, "_check_files", slow)
    assert open_version(tmp_path).name == "v0001"


def test_what_cannot_be_replaced(tmp_path):
    write_version(tmp_path, lambda new: (new / "a.txt").write_text("a"))
    with pytest.raises(ModelError, match=r"v0001 has no file 'b\.txt'"):
        replace_file(tmp_path / "v0001", "b.txt", lambda path: path.write_text("b"))

    def fails(path):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="no space left"):
        replace_file(tmp_path / "v0001", "a.txt", fails)
    assert sorted(p.name for p in (tmp_path / "v0001").iterdir()) == ["a.txt", "manifest.json"]
    assert (open_version(tmp_path) / "a.txt").read_text() == "a"


# old versions


@pytest.mark.parametrize("keep", [1, 2, 4, 9])
@pytest.mark.parametrize("current", ["v0001", "v0002", "v0005"])
@pytest.mark.parametrize("spared", [(), ("v0002",), ("v0001", "v0003", "v0009")])
def test_pruning_leaves_the_newest_the_one_in_service_and_what_is_spared(tmp_path, keep, current, spared):
    for n in range(5):
        write_version(tmp_path, writer(str(n)))
    point_to(tmp_path, current)
    names = version_names(tmp_path)
    staying = [n for n in names if n in names[-keep:] or n == current or n in spared]
    assert prune(tmp_path, keep, spared) == [n for n in names if n not in staying]
    assert names_in(tmp_path) == ["current", *staying]
    assert [open_version(tmp_path, n).name for n in staying] == staying
    assert open_version(tmp_path).name == current
    assert prune(tmp_path, keep, spared) == []
    assert write_version(tmp_path, writer("next")).name == "v0006"  # no name is given twice


def test_a_pruned_version_can_still_be_read_by_who_has_it_mapped(tmp_path):
    values = np.arange(100_000, dtype=np.float32)
    write_version(tmp_path, lambda new: np.save(new / "vectors.npy", values))
    mapped = np.load(open_version(tmp_path) / "vectors.npy", mmap_mode="r")
    write_version(tmp_path, writer("new"))
    assert prune(tmp_path, 1) == ["v0001"]
    assert (mapped == values).all()


def test_kill_9_before_each_step_of_pruning(tmp_path, model, other_runs):
    for n in range(2, 6):
        write_version(model, writer(str(n)))
    point_to(model, "v0002")
    left = []
    for step in range(1, 100):
        folder = shutil.copytree(model, tmp_path / f"{step}.model")
        if other_runs.end(other_runs.start("die_before_step_of_prune", folder, step)) == 0:
            break
        left.append(version_names(folder))
        assert {"v0002", "v0004", "v0005"} <= set(left[-1])
        assert open_version(folder).name == "v0002"
        for name in left[-1]:  # what has the name of a version is one
            assert open_version(folder, name).name == name
        assert prune(folder, 2) == [n for n in ("v0001", "v0003") if n in left[-1]]
        assert names_in(folder) == ["current", "v0002", "v0004", "v0005"]
    assert {len(names) for names in left} == {5, 4, 3}
    assert len(left) > 12  # two versions of five files and folders each


def test_what_cannot_be_pruned(model, other_runs):
    with pytest.raises(ValueError, match="keep is 0, expected at least 1"):
        prune(model, 0)
    other = other_runs.start("hold", model)
    try:
        with pytest.raises(OutputError, match="another run is writing"):
            prune(model, 1)
    finally:
        other_runs.end(other, signal.SIGTERM)
    write_version(model, writer("two"))
    (model / "current").unlink()
    with pytest.raises(ModelError, match="current is missing or not readable"):
        prune(model, 1)
    assert version_names(model) == ["v0001", "v0002"]


def test_what_the_system_does_not_let_go_stays(model, monkeypatch):
    write_version(model, writer("two"))

    def refused(*_):
        raise PermissionError(13, "not yours")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refused)
        assert prune(model, 1) == []
    assert version_names(model) == ["v0001", "v0002"]
    assert prune(model, 1) == ["v0001"]
