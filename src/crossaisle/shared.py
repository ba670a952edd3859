"""Arrays that one of several processes makes and all of them map, and arrays with room for more rows. Imports schema.

What a model's files hold is mapped as it is; what a process makes of them (whitened vectors, vectors of length 1) would be its own.
Here the first process that needs such an array writes it to a folder, and every process maps the file. Without a folder, or where it cannot
be written, each makes its own: nothing depends on it but memory and the time of a start.
"""

from __future__ import annotations

import contextlib
import copy
import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from crossaisle.schema import Floats

__all__ = ["ALONE", "Growing", "Shared", "claim"]

_CLAIMING = threading.Lock()


def claim(taken: list[int], n: int, end: int) -> bool:
    """Take the rows from n to end for oneself, if n are taken so far; of several threads that want the same rows one gets them.

    Examples
    --------
    >>> taken = [3]
    >>> claim(taken, 3, 5), claim(taken, 3, 4), taken
    (True, False, [5])
    """
    with _CLAIMING:
        if taken[0] != n:
            return False
        taken[0] = end
        return True


class Growing:
    """Rows (N, ...) behind which others can follow without a copy of those before: there is room for them in memory.

    Parameters
    ----------
    rows : array (N, ...)
        Kept as they are, not copied.
    whole : array, optional
        Begins with ``rows``; what stands behind them is room.

    Attributes
    ----------
    rows, whole : array

    Examples
    --------
    >>> one = Growing(np.zeros((2, 3), np.float32)).followed_by(np.ones((1, 3), np.float32))  # copied here, for there was no room
    >>> two = one.followed_by(np.ones((4, 3), np.float32))
    >>> one.rows.shape, two.rows.shape, np.shares_memory(one.rows, two.rows)
    ((3, 3), (7, 3), True)
    """

    def __init__(self, rows: Floats, whole: Floats | None = None) -> None:
        self.rows, self.whole = rows, rows if whole is None else whole
        self._taken = [len(rows)]  # of the whole; known to all who share it, so that no two write to the same place

    def followed_by(self, more: Floats) -> Growing:
        """These rows and others (M, ...); what was made of these rows before stays as it is."""
        n, end = len(self.rows), len(self.rows) + len(more)
        out = self
        if end > len(self.whole) or not claim(self._taken, n, end):
            whole = np.empty((_with_room(end), *self.rows.shape[1:]), self.rows.dtype)
            whole[:n] = self.rows
            out = Growing(whole[:n], whole)
            out._taken[0] = end
        out.whole[n:end] = more
        grown = copy.copy(out)
        grown.rows = out.whole[:end]
        return grown


def _with_room(n: int) -> int:
    """How many rows there is room for where there are n."""
    return n + n // 8 + 1_024


class Shared:
    """Files that belong to one state of one model.

    Parameters
    ----------
    folder : path, optional
        Where the files are; None: nothing is shared.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     one = Shared(folder).rows("twos", 3, lambda: np.full(3, 2.0, np.float32))
    ...     other = Shared(folder).rows("twos", 3, lambda: 1 / 0)
    ...     one.rows.tolist(), other.rows.tolist()
    ([2.0, 2.0, 2.0], [2.0, 2.0, 2.0])
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)

    def of(self, key: str) -> Shared:
        """What belongs to another state, such as another version of a model; what belonged to older ones is removed.

        Who has mapped a removed file keeps it; who comes too late makes its own.
        """
        if self.folder is None:
            return self
        with contextlib.suppress(OSError):
            for old in [p for p in self.folder.iterdir() if p.name != key]:
                shutil.rmtree(old, ignore_errors=True)
        return Shared(self.folder / key)

    def rows(self, name: str, n: int, make: Callable[[], Floats]) -> Growing:
        """An array of n rows, mapped, with room for more; writing to it changes this process's copy only.

        Parameters
        ----------
        make : callable
            Makes it, where no process has yet.
        """
        if self.folder is None:
            return Growing(make())
        file = self.folder / f"{name}.npy"
        made: Floats | None = None
        try:
            with self._lock(name):
                if not file.exists():
                    made = make()
                    draft = file.with_suffix(".draft")
                    with draft.open("wb") as out:
                        np.save(out, made)
                        room = (_with_room(n) - n) * made[:1].nbytes
                        out.truncate(out.tell() + room)  # a hole: takes no place until it is written to
                    draft.rename(file)
                made = None
                with file.open("rb") as header:
                    np.lib.format.read_magic(header)
                    shape, _, dtype = np.lib.format.read_array_header_1_0(header)
                    start = header.tell()
                whole = np.memmap(file, dtype, "c", start, (_with_room(n), *shape[1:]))
                return Growing(np.asarray(whole)[:n], np.asarray(whole))
        except OSError:  # no room, or the files of another version have taken the place of these
            return Growing(make() if made is None else made)

    @contextlib.contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        assert self.folder is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


ALONE = Shared()
"""Nothing is shared."""
