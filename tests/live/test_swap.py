"""Looking for a new version: what is loaded, what is refused and remembered, and the swap history beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from refit_shop import in_service, shop

from crossaisle.errors import ModelError
from crossaisle.live.history import KEPT_ASIDE, ROLLED_BACK, SWAPPED, before, mend, note, swaps
from crossaisle.live.swap import VersionWatcher
from crossaisle.store import point_to, version_names, write_version


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swap") / "shop.model"
    in_service(folder, shop(n_users=60)[0], **{"train.epochs": "1"})
    return folder


@pytest.fixture
def model(fitted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted, tmp_path / "shop.model"))


def another(model: Path) -> str:
    """Write the newest version once more, as the next."""
    files = model / version_names(model)[-1]
    return write_version(model, lambda new: [shutil.copy(p, new) for p in files.iterdir() if p.name != "manifest.json"] and None).name


def test_a_new_version_is_seen_once_and_loaded(model: Path) -> None:
    watcher = VersionWatcher(model, "cpu")
    assert watcher.poll() == "v0001"
    name, contents = watcher.load()
    assert (name, watcher.serving, watcher.poll()) == ("v0001", "v0001", None)
    assert contents.people is not None
    assert another(model) == watcher.poll() == "v0002"
    assert watcher.poll() == "v0002"  # until somebody loads it
    assert watcher.load("v0002")[0] == watcher.serving == "v0002"
    assert watcher.poll() is None
    point_to(model, "v0001")
    assert watcher.poll() == "v0001"
    point_to(model, "v0002")  # back before anybody looked
    assert watcher.poll() is None


@pytest.mark.parametrize("damage", ["half", "missing", "manifest", "content"])
def test_a_damaged_version_is_refused_until_the_pointer_is_written_again(model: Path, damage: str) -> None:
    watcher = VersionWatcher(model, "cpu")
    watcher.load()
    name = another(model)
    path = model / name / {"manifest": "manifest.json"}.get(damage, "model.safetensors")
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "content":
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    else:
        path.write_bytes(whole[: len(whole) // 2])
    assert watcher.poll() == name
    with pytest.raises(ModelError, match=r"manifest\.json is missing or not readable|model\.safetensors (was altered|is missing)"):
        watcher.load(name)
    assert list(watcher.refused) == [name]
    assert path.name in watcher.refused[name]
    assert (watcher.serving, watcher.poll()) == ("v0001", None)
    path.write_bytes(whole)
    assert watcher.poll() is None
    point_to(model, name)
    assert watcher.poll() == name
    watcher.load(name)
    assert (watcher.refused, watcher.serving) == ({}, name)


def test_files_that_agree_with_the_manifest_and_say_nonsense(model: Path) -> None:
    watcher = VersionWatcher(model, "cpu")
    watcher.load()

    def nonsense(new: Path) -> None:
        for file in (model / "v0001").iterdir():
            if file.name not in ("manifest.json", "model.json"):
                shutil.copy(file, new)
        (new / "model.json").write_text(json.dumps({"settings": 5, "reader": None, "scorer": {}}))

    write_version(model, nonsense)
    with pytest.raises(ModelError, match=r"version v0002 of .* cannot be read \(AttributeError"):
        watcher.load("v0002")
    assert "v0002" in watcher.refused
    assert watcher.poll() is None


def test_at_start_the_newest_version_that_loads_serves(model: Path) -> None:
    another(model), another(model)
    (model / "v0003" / "model.json").write_text("{")
    watcher = VersionWatcher(model, "cpu")
    assert watcher.load()[0] == "v0002"
    assert list(watcher.refused) == ["v0003"]
    assert watcher.poll() is None
    for name in ("v0001", "v0002"):
        (model / name / "manifest.json").unlink()
    with pytest.raises(ModelError, match=r"v0003/model\.json was altered"):
        VersionWatcher(model, "cpu").load()
    with pytest.raises(ModelError, match="no model at"):
        VersionWatcher(model / "nothing", "cpu").load()


def test_a_pointer_that_cannot_be_read_changes_nothing(model: Path) -> None:
    watcher = VersionWatcher(model, "cpu")
    watcher.load()
    (model / "current").unlink()
    assert watcher.poll() is None
    (model / "current").mkdir()
    assert watcher.poll() is None
    assert watcher.serving == "v0001"
    watcher.again()
    (model / "current").rmdir()
    (model / "current").write_text("v0001\n")
    assert watcher.poll() == "v0001"


# the swap history


def versions(folder: Path, n: int) -> None:
    for k in range(n):
        write_version(folder, lambda new, k=k: (new / "model.json").write_text(str(k)) and None)


def test_a_line_left_half_written_is_passed_over(tmp_path: Path) -> None:
    assert swaps(tmp_path) == []
    note(tmp_path, {"what": SWAPPED, "from": "v0001", "to": "v0002", "when": "then"})
    with (tmp_path / "swaps.jsonl").open("a") as file:
        file.write('{"what": "swapped in", "fr')
    assert len(swaps(tmp_path)) == 1
    note(tmp_path, {"what": ROLLED_BACK, "from": "v0002", "to": "v0001"})
    with (tmp_path / "swaps.jsonl").open("a") as file:
        file.write('[1]\n{"what": 1}\n')
    assert [e["what"] for e in swaps(tmp_path)] == [SWAPPED, ROLLED_BACK]
    assert swaps(tmp_path)[0]["when"] == "then"
    assert swaps(tmp_path)[1]["when"] > "2026"


def test_an_entry_that_a_killed_run_did_not_write_is_added_from_the_version(tmp_path: Path) -> None:
    versions(tmp_path, 2)
    entry = {"what": SWAPPED, "from": "v0001", "to": "v0002", "why": "it is better"}
    for _ in range(2):
        mend(tmp_path, {"refit": entry})
    assert [e["why"] for e in swaps(tmp_path)] == ["it is better"]
    point_to(tmp_path, "v0001")
    mend(tmp_path, {"refit": {**entry, "to": "v0007"}})
    mend(tmp_path, {})
    assert len(swaps(tmp_path)) == 1


def test_what_a_rollback_goes_back_to(tmp_path: Path) -> None:
    versions(tmp_path, 4)
    assert before(tmp_path) == "v0003"  # nothing is known: the one before
    note(tmp_path, {"what": ROLLED_BACK, "from": "v0003", "to": "v0002"})
    assert before(tmp_path) == "v0002"  # that one was rolled back itself
    note(tmp_path, {"what": KEPT_ASIDE, "from": "v0001", "to": "v0004"})
    note(tmp_path, {"what": SWAPPED, "from": "v0001", "to": "v0004"})
    assert before(tmp_path) == "v0001"  # what it replaced
    shutil.rmtree(tmp_path / "v0001")
    assert before(tmp_path) == "v0002"
    point_to(tmp_path, "v0002")
    with pytest.raises(ModelError, match="no version before v0002"):
        before(tmp_path)
