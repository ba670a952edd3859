"""Vectors kept on disk, so that a text, a photo or a video is read by a model once.

Imports: schema, contracts; of its own room fingerprint.

One SQLite file a reader: safe when two processes write at once and when one is killed half-way, and a file that is damaged
costs time, never the run.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import platformdirs

from crossaisle.contracts import Progress, TextReader
from crossaisle.encode.fingerprint import text_key
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["Named", "ReadNew", "VectorCache", "cache_folder"]

_PORTION = 512
"""Texts read between two saves: what a killed run loses at most."""
_LOOKUP = 500


def cache_folder() -> Path:
    """Where things that can be made anew are kept: the environment variable CROSSAISLE_CACHE, or the user's cache folder."""
    return Path(os.environ.get("CROSSAISLE_CACHE") or platformdirs.user_cache_dir("crossaisle"))


class Named(Protocol):
    """What the cache needs to know of a reader: see `contracts.TextReader`."""

    name: str
    fingerprint: str
    dim: int


ReadNew = Callable[[list[int], Progress | None], tuple[Floats, Bools]]
"""``read(places, progress)``: float32 (n, dim) of the things at these places, and bool (n,), False for one that cannot be read."""


class VectorCache:
    """Reads things through a model and remembers the vectors by the thing's and the reader's content.

    Parameters
    ----------
    folder : Path, optional
        Where vectors are kept; the environment variable CROSSAISLE_CACHE or the user's cache folder where not given.

    Attributes
    ----------
    notes : list of str
        What went wrong without stopping the run: a damaged file that was made anew, a folder that cannot be written.
    """

    def __init__(self, folder: Path | str | None = None) -> None:
        self.folder = (cache_folder() if folder is None else Path(folder)) / "vectors"
        self.notes: list[str] = []

    def file(self, reader: Named) -> Path:
        """The file that holds this reader's vectors."""
        name = "".join(c if c.isalnum() or c in "-." else "_" for c in reader.name)
        return self.folder / f"{name[:60]}-{reader.fingerprint}.sqlite"

    def encode(self, reader: TextReader, texts: Sequence[str], progress: Progress | None = None) -> Floats:
        """The vectors of the texts, in the order given; only texts never seen before are read, each once.

        Parameters
        ----------
        reader : TextReader
        texts : sequence of str
            n texts, repeats allowed.
        progress : Progress, optional
            Told how many of the new texts have been read.

        Returns
        -------
        float32 (n, reader.dim)

        Raises
        ------
        ValueError
            If the reader returns another shape, or numbers that are not finite.
        """
        distinct = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        known = list(distinct)

        def read(places: list[int], told: Progress | None) -> tuple[Floats, Bools]:
            return reader.encode([known[place] for place in places], told), np.ones(len(places), dtype=bool)

        vectors, _ = self.gather(reader, [text_key(text) for text in known], read, [-len(text) for text in known], progress=progress)
        return vectors[[distinct[text] for text in texts]]

    def gather(
        self,
        reader: Named,
        keys: Sequence[bytes],
        read: ReadNew,
        order: Sequence[int] | None = None,
        portion: int = _PORTION,
        progress: Progress | None = None,
    ) -> tuple[Floats, Bools]:
        """The vectors of things that are known by a key; only what is not kept yet is read.

        Parameters
        ----------
        reader : Named
        keys : sequence of bytes
            n distinct keys, each standing for one thing's content.
        read : callable
            See `ReadNew`; called with at most ``portion`` places at a time.
        order : sequence of int, optional
            Things with small values are read first; in the order given where there is none.
        progress : Progress, optional
            Told how many of the new things have been read.

        Returns
        -------
        vectors : float32 (n, reader.dim)
            Zero where a thing cannot be read.
        found : bool (n,)
            False where a thing cannot be read; nothing is kept of it, so the next run tries again.

        Raises
        ------
        ValueError
            If ``read`` returns another shape, or numbers that are not finite.
        """
        vectors = np.zeros((len(keys), reader.dim), dtype=np.float32)
        found = np.array(self._read(reader, keys, vectors), dtype=bool)
        pending = np.flatnonzero(~found)
        if order is not None:
            pending = pending[np.argsort(np.asarray(order)[pending], kind="stable")]
        for start in range(0, len(pending), portion):
            places: Ints = pending[start : start + portion]
            told = None if progress is None else _shifted(progress, start, len(pending))
            fresh, sound = read(places.tolist(), told)
            if fresh.shape != (len(places), reader.dim) or not np.isfinite(fresh[sound]).all():
                raise ValueError(f"reader {reader.name!r} returned {fresh.shape}, expected finite {(len(places), reader.dim)}")
            good = places[sound]
            vectors[good], found[good] = fresh[sound], True
            self._write(reader, [keys[place] for place in good], vectors[good])
        return vectors, found

    def _read(self, reader: Named, keys: Sequence[bytes], out: Floats) -> list[bool]:
        """Fill the rows of `out` whose key is stored; say which were."""
        found = [False] * len(keys)
        if not keys or not self.file(reader).is_file():
            return found
        places = {key: place for place, key in enumerate(keys)}
        with self._guarded(reader), self._open(reader) as connection:
            for start in range(0, len(keys), _LOOKUP):
                part = keys[start : start + _LOOKUP]
                marks = ",".join("?" * len(part))
                rows = connection.execute(f"SELECT key, vector, checksum FROM vectors WHERE key IN ({marks})", part)
                for key, vector, checksum in rows:
                    if len(vector) == 4 * reader.dim and zlib.crc32(vector) == checksum:
                        out[places[key]] = np.frombuffer(vector, dtype="<f4")
                        found[places[key]] = True
        return found

    def _write(self, reader: Named, keys: Iterable[bytes], vectors: Floats) -> None:
        rows = [(key, row, zlib.crc32(row)) for key, row in zip(keys, (v.astype("<f4").tobytes() for v in vectors), strict=True)]
        with self._guarded(reader):
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._open(reader) as connection, connection:
                connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

    @contextlib.contextmanager
    def _open(self, reader: Named) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.file(reader), timeout=60)
        try:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID"
            )
            yield connection
        finally:
            connection.close()

    @contextlib.contextmanager
    def _guarded(self, reader: Named) -> Iterator[None]:
        """Keeps a cache that cannot be used from stopping the run: it is noted, and a damaged file is removed."""
        path = self.file(reader)
        try:
            yield
        except (OSError, sqlite3.OperationalError) as error:
            self._note(f"vectors could not be kept in {path.parent}: {error}")
        except sqlite3.DatabaseError as error:
            with contextlib.suppress(OSError):
                for rest in path.parent.glob(f"{path.name}*"):
                    rest.unlink()
            self._note(f"the file of vectors {path.name} was damaged ({error}) and is made anew")

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def _shifted(progress: Progress, start: int, total: int) -> Progress:
    """A progress that counts a portion as part of the whole."""

    def told(stage: str, done: int, _: int, note: str) -> None:
        progress(stage, start + done, total, note)

    return told
