"""The cache of vectors: each text read once, whatever happens to the file."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from crossaisle.contracts import Progress, TextReader
from crossaisle.encode.cache import VectorCache
from crossaisle.schema import Floats


class FakeReader:
    """A fake language model: eight numbers from the text's hash; remembers what it was asked."""

    dim = 8

    def __init__(self, name: str = "fake", fingerprint: str = "f1") -> None:
        self.name, self.fingerprint = name, fingerprint
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Floats:
        self.asked += texts
        if progress is not None:
            progress("reading texts", len(texts), len(texts), self.name)
        rows = [hashlib.sha256((self.fingerprint + t).encode("utf-8", "surrogatepass")).digest()[:8] for t in texts]
        return np.array([list(row) for row in rows], dtype=np.float32).reshape(len(texts), self.dim)


def test_it_is_a_reader() -> None:
    assert isinstance(FakeReader(), TextReader)


def test_each_text_is_read_once_and_only_new_ones_later(tmp_path: Path) -> None:
    first, second = FakeReader(), FakeReader()
    vectors = VectorCache(tmp_path).encode(first, ["a", "b", "a", ""])
    assert sorted(first.asked) == ["", "a", "b"]
    again = VectorCache(tmp_path).encode(second, ["c", "a", "", "b"])
    assert second.asked == ["c"]
    np.testing.assert_array_equal(again[[1, 3, 1, 2]], vectors)
    np.testing.assert_array_equal(again, FakeReader().encode(["c", "a", "", "b"]))
    assert again.dtype == np.float32


def test_another_fingerprint_is_another_file(tmp_path: Path) -> None:
    one, two = FakeReader(), FakeReader(name="fake/two words", fingerprint="f2")
    cache = VectorCache(tmp_path)
    assert not np.array_equal(cache.encode(one, ["a"]), cache.encode(two, ["a"]))
    assert len(list((tmp_path / "vectors").glob("*.sqlite"))) == 2


def test_no_texts(tmp_path: Path) -> None:
    assert VectorCache(tmp_path).encode(FakeReader(), []).shape == (0, 8)
    assert not list(tmp_path.iterdir())


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(texts=st.lists(st.text(max_size=6) | st.sampled_from(["a", "\ud800", "\0"]), max_size=12))
def test_cached_equals_read(tmp_path: Path, texts: list[str]) -> None:
    expected = FakeReader().encode(texts)
    for _ in range(2):
        np.testing.assert_array_equal(VectorCache(tmp_path).encode(FakeReader(), texts), expected)


def test_progress_counts_new_texts_over_all_portions(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    VectorCache(tmp_path).encode(FakeReader(), [str(i) for i in range(1_200)], lambda _, done, total, __: told.append((done, total)))
    assert told == [(512, 1_200), (1_024, 1_200), (1_200, 1_200)]


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSAISLE_CACHE", str(tmp_path / "here"))
    cache = VectorCache()
    cache.encode(FakeReader(), ["a"])
    assert cache.file(FakeReader()).is_file()
    assert cache.file(FakeReader()).is_relative_to(tmp_path / "here")


@pytest.mark.parametrize("damage", ["garbage", "cut", "empty"])
def test_a_damaged_file_is_made_anew_with_a_note(tmp_path: Path, damage: str) -> None:
    texts = [str(i) for i in range(600)]
    cache = VectorCache(tmp_path)
    vectors = cache.encode(FakeReader(), texts)
    path = cache.file(FakeReader())
    if damage == "garbage":
        path.write_bytes(os.urandom(5_000))
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:9_000])
    else:
        path.write_bytes(b"")
    after = VectorCache(tmp_path)
    np.testing.assert_array_equal(after.encode(FakeReader(), texts), vectors)
    if damage != "empty":  # to SQLite an empty file is a new one
        assert any("was damaged" in note and "made anew" in note for note in after.notes)
    last = FakeReader()
    np.testing.assert_array_equal(VectorCache(tmp_path).encode(last, texts), vectors)
    assert last.asked == []


def test_an_altered_vector_is_read_again(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    vectors = cache.encode(FakeReader(), ["a", "b"])
    connection = sqlite3.connect(cache.file(FakeReader()))
    with connection:
        connection.execute("UPDATE vectors SET vector = zeroblob(32) WHERE key = (SELECT min(key) FROM vectors)")
    connection.close()
    reader = FakeReader()
    np.testing.assert_array_equal(VectorCache(tmp_path).encode(reader, ["a", "b"]), vectors)
    assert len(reader.asked) == 1


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "vectors").write_text("a file where the folder should be")
    cache = VectorCache(tmp_path)
    np.testing.assert_array_equal(cache.encode(FakeReader(), ["a"]), FakeReader().encode(["a"]))
    assert len(cache.notes) == 1
    assert "vectors could not be kept" in cache.notes[0]


def test_a_reader_that_breaks_its_contract_is_named(tmp_path: Path) -> None:
    class Wrong(FakeReader):
        def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Floats:
            return np.full((len(texts), self.dim), np.nan, dtype=np.float32)

    with pytest.raises(ValueError, match=r"reader 'fake' returned \(1, 8\), expected finite \(1, 8\)"):
        VectorCache(tmp_path).encode(Wrong(), ["a"])


SLOW = """
    import sys, time
    sys.path.insert(0, sys.argv[1])
    from test_vector_cache import FakeReader
    from crossaisle.encode.cache import VectorCache

    class Slow(FakeReader):
        def encode(self, texts, progress=None):
            time.sleep(float(sys.argv[3]))
            return super().encode(texts, progress)

    VectorCache(sys.argv[2]).encode(Slow(), [str(i) for i in range(4_000)])
"""


def start(tmp_path: Path, pause: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(SLOW), str(Path(__file__).parent), str(tmp_path), str(pause)])


def test_two_processes_at_once(tmp_path: Path) -> None:
    running = [start(tmp_path, 0.01) for _ in range(2)]
    assert [process.wait(60) for process in running] == [0, 0]
    reader = FakeReader()
    texts = [str(i) for i in range(4_000)]
    np.testing.assert_array_equal(VectorCache(tmp_path).encode(reader, texts), FakeReader().encode(texts))
    assert reader.asked == []


def test_killed_half_way_keeps_what_was_saved(tmp_path: Path) -> None:
    process = start(tmp_path, 0.15)
    path = VectorCache(tmp_path).file(FakeReader())
    deadline = time.monotonic() + 60
    while (not path.exists() or path.stat().st_size < 60_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    reader, cache = FakeReader(), VectorCache(tmp_path)
    texts = [str(i) for i in range(4_000)]
    np.testing.assert_array_equal(cache.encode(reader, texts), FakeReader().encode(texts))
    assert 0 < len(reader.asked) < 4_000
    assert cache.notes == []
