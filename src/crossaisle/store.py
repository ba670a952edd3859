"""The model folder: immutable versions and a pointer to the current one, written whole or not at all. Imports: errors.

::

    shop.model/
      current          the name of the version that loads, for example "v0002"
      v0001/           manifest.json (sha256 and size of every file, the format version) and the files
      v0002/

A writer fills a hidden folder, flushes it to the disk, renames it to the next version and only then moves the pointer; each step
leaves a folder that loads. A writer that was killed leaves a hidden folder, which the next one removes. POSIX file locks: a killed
process holds none. A single file of a version can be replaced later (`replace_file`): what a person asked to have forgotten. Old versions
are taken away by `prune`: first renamed, so that no folder named as a version is ever half there, then removed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crossaisle.errors import ModelError, OutputError

__all__ = [
    "FORMAT_VERSION",
    "current_version",
    "folder_lock",
    "open_version",
    "point_to",
    "prune",
    "read_manifest",
    "refuse_lost_update",
    "replace_file",
    "version_names",
    "write_version",
]

FORMAT_VERSION = 2
"""Raised when a model written from now on could not be read by older code."""

_FORMAT = "crossaisle-model"
_POINTER, _MANIFEST, _LOCK, _HIDDEN = "current", "manifest.json", ".lock", ".writing-"
_VERSION = re.compile(r"v\d{4,}")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_held: dict[str, tuple[int, int]] = {}
"""Folders that this process has locked -> (thread, how many times)."""
_held_guard = threading.Lock()


def version_names(folder: str | Path) -> list[str]:
    """The versions of a model folder, oldest first; an empty list where there is none."""
    folder = Path(folder)
    if not folder.is_dir():
        return []
    names = [entry.name for entry in folder.iterdir() if _VERSION.fullmatch(entry.name) and entry.is_dir()]
    return sorted(names, key=lambda name: int(name[1:]))


def write_version(folder: str | Path, write: Callable[[Path], None], *, optional: Sequence[str] = ()) -> Path:
    """Write the next version of a model folder, then point to it.

    Parameters
    ----------
    folder : path
        The model folder; created, with its parents, if it is not there.
    write : callable
        ``write(empty_folder)`` writes the version's files.
    optional : sequence of str
        Files that a user may delete later, such as ``histories.parquet``.

    Returns
    -------
    Path
        The new version's folder.

    Raises
    ------
    OutputError
        If the folder cannot be written, the disk is full, or another run is writing it. Nothing is left behind, and the version
        that loaded before still loads.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "shop.model"
    >>> def write(new):
    ...     _ = (new / "model.json").write_text("{}")
    >>> write_version(folder, write).name
    'v0001'
    >>> sorted(p.name for p in folder.iterdir()), (open_version(folder) / "model.json").read_text()
    (['current', 'v0001'], '{}')
    """
    folder = Path(folder)
    with folder_lock(folder), _writing_to(folder):
        _remove_hidden(folder)
        names = version_names(folder)
        name = f"v{int(names[-1][1:]) + 1 if names else 1:04d}"
        hidden, pointer = folder / f"{_HIDDEN}{name}", folder / f"{_HIDDEN}{_POINTER}"
        try:
            hidden.mkdir()
            write(hidden)
            _write_manifest(hidden, name, optional)
            _write_flushed(pointer, name + "\n")
            _flush_folder(hidden)
            hidden.rename(folder / name)
            _flush_folder(folder)  # the version is on the disk before anything points to it
            pointer.rename(folder / _POINTER)
            _flush_folder(folder)
        except BaseException:
            _remove(hidden)
            _remove(pointer)
            raise
        return folder / name


def open_version(folder: str | Path, version: str | None = None) -> Path:
    """The folder of the current version (or of a named one), every file checked against its manifest.

    Raises
    ------
    ModelError
        If the folder is not a model, the version is of a newer format, or a file is missing or altered.
    """
    folder = Path(folder)
    if not folder.exists():
        raise ModelError(f"no model at {folder}", "a model folder", "check the path, or make one with: crossaisle fit ... --out MODEL")
    name = version or _pointed_to(folder)
    if not _VERSION.fullmatch(name) or not (folder / name).is_dir():
        known, step = ", ".join(version_names(folder)) or "none", f"write the name of one into {folder / _POINTER}"
        raise ModelError(f"model {folder} has no version {name[:80]!r}", f"one of its versions ({known})", step)
    manifest = read_manifest(folder / name)
    try:
        _check_files(folder / name, manifest)
    except ModelError:
        again = read_manifest(folder / name)  # a file may have been replaced while we read, see `replace_file`
        if again == manifest:
            raise
        _check_files(folder / name, again)
    return folder / name


def point_to(folder: str | Path, version: str) -> None:
    """Let another version of a model folder load from now on, once every file of it has been checked.

    Raises
    ------
    ModelError
        If there is no such version, or it is incomplete or altered.
    OutputError
        If the folder cannot be written, or another run is writing it.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for text in ("old", "new"):
    ...     _ = write_version(folder, lambda new: (new / "model.json").write_text(text))
    >>> point_to(folder, "v0001")
    >>> (open_version(folder) / "model.json").read_text(), current_version(folder)
    ('old', 'v0001')
    """
    folder = Path(folder)
    with folder_lock(folder), _writing_to(folder):
        open_version(folder, version)
        _replace(folder / _POINTER, version + "\n")


def prune(folder: str | Path, keep: int, spared: Collection[str] = ()) -> list[str]:
    """Take old versions away: all but the newest ``keep``, the current one and those that are spared.

    The newest always stays, so that a name is never given twice. Whoever has a version loaded goes on: the files that a process has open or
    mapped stay readable to it. A run that is killed here leaves a hidden folder, which the next one removes. What cannot be removed stays.

    Parameters
    ----------
    keep : int
        At least 1.
    spared : collection of str
        Versions that stay, however old they are.

    Returns
    -------
    list of str
        The versions taken away, oldest first.

    Raises
    ------
    ModelError
        If the folder has no readable pointer: nobody knows then which version serves.
    OutputError
        If another run is writing the folder.
    ValueError
        If ``keep`` is below 1.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for n in range(4):
    ...     _ = write_version(folder, lambda new: (new / "model.json").write_text("{}"))
    >>> prune(folder, 2, spared=["v0001"]), version_names(folder)
    (['v0002'], ['v0001', 'v0003', 'v0004'])
    """
    if keep < 1:
        raise ValueError(f"keep is {keep}, expected at least 1: the newest version stays")
    folder = Path(folder)
    with folder_lock(folder):
        _remove_hidden(folder)
        staying, out = {*version_names(folder)[-keep:], current_version(folder), *spared}, []
        for name in version_names(folder):
            if name in staying:
                continue
            hidden = folder / f"{_HIDDEN}{name}"
            with contextlib.suppress(OSError):
                (folder / name).rename(hidden)
                _flush_folder(folder)
                out.append(name)
            _remove(hidden)
        return out


def replace_file(version: Path, file: str, write: Callable[[Path], None]) -> None:
    """Replace one file of a version that is there already; it loads at every moment, with the old file or the new one.

    The manifest first takes either of the two, then the file is moved into place, then the manifest takes the new one only.

    Parameters
    ----------
    write : callable
        ``write(path)`` writes the new content to a path that does not exist yet.

    Raises
    ------
    ModelError
        If the version's manifest cannot be read, or has no such file.
    OutputError
        If the folder cannot be written, or another run is writing it.
    """
    with folder_lock(version.parent), _writing_to(version):
        manifest = read_manifest(version)
        if file not in manifest["files"] or not (version / file).is_file():
            raise ModelError(f"model {version} has no file {file!r}", "one that its manifest lists", "check the version")
        draft = version / f"{_HIDDEN}{file}"
        _remove(draft)
        try:
            write(draft)
            before = {"sha256": _sha256(version / file), "bytes": (version / file).stat().st_size}
            facts = {**manifest["files"][file], "sha256": _flushed_sha256(draft), "bytes": draft.stat().st_size}
            facts.pop("before", None)
            for step in ({**facts, "before": before}, facts):
                manifest["files"][file] = step
                _replace(version / _MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
                if step is not facts:
                    draft.rename(version / file)
                    _flush_folder(version)
        except BaseException:
            _remove(draft)
            raise


def read_manifest(version: Path) -> dict[str, Any]:
    """What a version says of itself: ``format_version``, ``version``, ``created`` and ``files``; the files are not read.

    Raises
    ------
    ModelError
        If there is no readable manifest, or it is of a newer format.
    """
    path = Path(version) / _MANIFEST
    broken = ModelError(f"{path} is missing or not readable", "the manifest of a model version", "restore the file or fit the model again")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise broken from None
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT or not isinstance(manifest.get("format_version"), int):
        raise broken
    if manifest["format_version"] > FORMAT_VERSION:
        found = f"model {path.parent} has format {manifest['format_version']}"
        raise ModelError(found, f"format {FORMAT_VERSION} or older", "upgrade crossaisle")
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(f, dict) and {"sha256", "bytes"} <= f.keys() for f in files.values()):
        raise broken
    return manifest


@contextlib.contextmanager
def folder_lock(folder: str | Path) -> Iterator[None]:
    """Hold a folder for one run; nests inside the same thread. The folder is created, and removed again if it is left empty.

    Raises
    ------
    OutputError
        If another run holds it, or it cannot be created or written.

    Examples
    --------
    >>> import tempfile
    >>> with folder_lock(tempfile.mkdtemp()):
    ...     pass
    """
    folder = Path(folder)
    key, me = os.path.realpath(folder), threading.get_ident()
    with _held_guard:
        owner, depth = _held.get(key, (me, 0))
        if owner != me:
            raise _busy(folder)
        _held[key] = (me, depth + 1)
    try:
        if depth:
            yield
        else:
            with _process_lock(folder):
                yield
    finally:
        with _held_guard:
            if depth:
                _held[key] = (me, depth)
            else:
                del _held[key]


@contextlib.contextmanager
def _process_lock(folder: Path) -> Iterator[None]:
    with _writing_to(folder):
        created = _make_folders(folder)
        try:
            descriptor = _take_lock(folder)
        except BaseException:
            _remove_if_empty(created)
            raise
    try:
        yield
    finally:
        # removed while it is held, so that nobody can hold a lock that is no longer there
        with contextlib.suppress(OSError):
            (folder / _LOCK).unlink()
        os.close(descriptor)
        _remove_if_empty(created)


def _take_lock(folder: Path) -> int:
    """The descriptor of the locked lock file."""
    import fcntl

    while True:
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # the holder before us may have removed the file between our open and our lock
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(folder / _LOCK)):
                    return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise _busy(folder) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _busy(folder: Path) -> OutputError:
    step = "wait for it to end or choose another folder"
    return OutputError(f"another run is writing {folder}", "a folder that no other run is writing", step)


def _make_folders(folder: Path) -> list[Path]:
    """Create the folder and its parents; returns those created, innermost first."""
    missing = []
    at = folder
    while not at.exists() and at != at.parent:
        missing.append(at)
        at = at.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except BaseException:
        _remove_if_empty(missing)
        raise
    return missing


def _remove_if_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _remove_hidden(folder: Path) -> None:
    """Remove what a run that was killed has left."""
    for stale in folder.glob(_HIDDEN + "*"):
        _remove(stale)


def _remove(path: Path) -> None:
    """Remove a file or a folder if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    """Turns what the system says of a failed write into one clear line."""
    try:
        yield
    except OutputError:
        raise
    except Exception as error:
        code = error.errno if isinstance(error, OSError) else _code_in(str(error))
        if code is None:
            raise
        if code in _FULL:
            found, step = f"no space left while writing {folder}", "free some space or choose another folder; nothing was written"
            raise OutputError(found, "room for a new version", step) from error
        found = f"{folder} cannot be written ({os.strerror(code)})"
        raise OutputError(found, "a folder that this user can write", "choose another folder or change its permissions") from error


def _code_in(message: str) -> int | None:
    """The system's error number, which libraries written in Rust put into their message."""
    found = re.search(r"\(os error (\d+)\)", message)
    return int(found.group(1)) if found else None


def _write_manifest(version: Path, name: str, optional: Sequence[str]) -> None:
    files = {}
    for path in sorted(p for p in version.rglob("*") if p.is_file()):
        inner = path.relative_to(version).as_posix()
        files[inner] = {"sha256": _flushed_sha256(path), "bytes": path.stat().st_size, "optional": inner in optional}
    for inner_folder in (p for p in version.rglob("*") if p.is_dir()):
        _flush_folder(inner_folder)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    manifest = {"format": _FORMAT, "format_version": FORMAT_VERSION, "version": name, "created": created, "files": files}
    _write_flushed(version / _MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def current_version(folder: str | Path) -> str:
    """The name of the version in use, such as ``v0002``; its files are not looked at.

    Raises
    ------
    ModelError
        If the folder has no readable pointer.
    """
    return _pointed_to(Path(folder))


def refuse_lost_update(folder: Path, loaded: Path | None) -> None:
    """A model that was loaded from this folder may only follow the version it was loaded from; ``loaded`` is that version's folder.

    Raises
    ------
    OutputError
        If there is a newer version meanwhile.
    """
    if loaded is None or loaded.parent.resolve() != folder.resolve():
        return
    now = current_version(folder)
    if now != loaded.name:
        raise OutputError(
            f"{folder} moved from {loaded.name} to {now} since this model was loaded",
            "no other change in between",
            "load it again and repeat the change",
        )


def _pointed_to(folder: Path) -> str:
    pointer = folder / _POINTER
    try:
        return pointer.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        names = version_names(folder)
        step = f"write {names[-1]} into it" if names else "check the path, or make a model with: crossaisle fit ... --out MODEL"
        raise ModelError(f"{pointer} is missing or not readable", "the pointer of a model folder", step) from None


def _replace(path: Path, text: str) -> None:
    """Write a small file whole or not at all, and see it on the disk."""
    draft = path.with_name(_HIDDEN + path.name)
    _write_flushed(draft, text)
    draft.rename(path)
    _flush_folder(path.parent)


def _check_files(version: Path, manifest: dict[str, Any]) -> None:
    for file, facts in manifest["files"].items():
        _check_file(version / file, facts)


def _check_file(path: Path, facts: dict[str, Any]) -> None:
    step = "restore the file or fit the model again"
    if not path.is_file():
        if facts.get("optional"):
            return
        raise ModelError(f"model file {path} is missing", "every file that the manifest lists", step)
    size = path.stat().st_size
    allowed = [f for f in (facts, facts.get("before")) if f is not None and f["bytes"] == size]
    if not allowed or _sha256(path) not in {f["sha256"] for f in allowed}:
        raise ModelError(f"model file {path} was altered", "the content that the manifest lists", step)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flushed_sha256(path: Path) -> str:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_flushed(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
