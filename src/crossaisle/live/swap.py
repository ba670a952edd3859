"""Look for a new version of a model folder, and load it beside the one that serves. Imports: shared, store, whole.

    watcher = VersionWatcher(folder)
    name, contents = watcher.load()                  # at start
    ...
    if name := watcher.poll():                       # every second or so: one look at one small file
        try:
            name, contents = watcher.load(name)      # takes its time; what serves goes on serving
        except ModelError: ...                       # refused, and remembered in watcher.refused

A poll costs one ``stat``. A version that does not load is refused with the reason and not tried again until the pointer is written anew
(pointing to the same version once more, after it was mended, is enough).
"""

from __future__ import annotations

import os
from pathlib import Path

from crossaisle.errors import ModelError
from crossaisle.shared import ALONE, Shared
from crossaisle.store import current_version, open_version, read_manifest, version_names
from crossaisle.whole.version import TENSORS, Contents

__all__ = ["VersionWatcher"]

_Mark = tuple[int, int, int]


class VersionWatcher:
    """What serves, what could, and what was refused. For one thread at a time.

    Parameters
    ----------
    folder : path
        The model folder.
    device : str
        Where the model is to work.
    shared : Shared
        Where processes that serve the same folder keep what they make of its files.

    Attributes
    ----------
    shared : Shared
        Of the version that was loaded last.
    serving : str
        The version that was loaded last; "" before the first.
    refused : dict
        Version -> why it does not serve; a version that loads after all leaves it.
    """

    def __init__(self, folder: str | Path, device: str = "auto", shared: Shared = ALONE) -> None:
        self.folder, self.device = Path(folder), device
        self._all_shared, self.shared = shared, shared
        self.serving = ""
        self.refused: dict[str, str] = {}
        self._mark: _Mark | None = None
        """Of the pointer that has been dealt with."""

    def poll(self) -> str | None:
        """The version that the folder points to, where it is to be loaded; None where nothing changed or the pointer cannot be read."""
        mark = self._pointer()
        if mark is None or mark == self._mark:
            return None
        try:
            name = current_version(self.folder)
        except ModelError:
            return None
        if name == self.serving:
            self._mark = mark
            return None
        return name

    def again(self) -> None:
        """Let the next `poll` name the version once more: it loaded, but could not be made use of."""
        self._mark, self.serving = None, ""

    def load(self, name: str | None = None) -> tuple[str, Contents]:
        """Load a version, every file checked; what was loaded before is not touched.

        Parameters
        ----------
        name : str, optional
            What `poll` gave. Without it the current version, and where that does not load the newest older one that does.

        Returns
        -------
        str, Contents
            Which version it is, and what it holds.

        Raises
        ------
        ModelError
            If it is incomplete, altered or unreadable, or no version loads. Nothing else is ever raised for what the files hold.
        """
        mark = self._pointer()
        if name is not None:
            self._mark = mark  # one try for each time that the pointer is written
            return name, self._load(name)
        current = current_version(self.folder) if self.folder.exists() else open_version(self.folder).name
        known = version_names(self.folder)
        place = known.index(current) if current in known else len(known)
        failed: ModelError | None = None
        for name in [current, *reversed(known[:place])]:
            try:
                contents = self._load(name)
            except ModelError as error:
                failed = failed or error
            else:
                self._mark = mark
                return name, contents
        assert failed is not None
        raise failed

    def _load(self, name: str) -> Contents:
        try:
            version = open_version(self.folder, name)
            # by content: a version of the same name may be another one
            shared = self._all_shared.of(read_manifest(version)["files"][TENSORS]["sha256"][:16])
            contents = Contents.read(version, self.device, shared)
        except ModelError as error:
            self.refused[name] = str(error)
            raise
        except Exception as error:  # whatever a damaged file makes of a library, the service goes on
            self.refused[name] = f"{type(error).__name__}: {error}"
            raise ModelError(
                f"version {name} of {self.folder} cannot be read ({type(error).__name__}: {error})",
                "a version written by crossaisle",
                "roll it back, or fit the model again",
            ) from error
        self.refused.pop(name, None)
        self.serving, self.shared = name, shared
        return contents

    def _pointer(self) -> _Mark | None:
        """Changes whenever the pointer is written, whatever it says."""
        try:
            found = os.stat(self.folder / "current")
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
