"""Files that commands write: whole or not at all. Imports nothing of its own room."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from crossaisle.errors import OutputError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["check_home", "check_place", "check_writable", "kept_rejects", "write_bytes", "write_frame"]

_KINDS = (".parquet", ".csv", ".tsv", ".jsonl")


def _kind(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    for kind in _KINDS:
        if name.endswith(kind) and not (kind == ".parquet" and path.name.lower().endswith(".gz")):
            return kind
    raise OutputError(
        f"output file {str(path)!r}", "a name that ends in .parquet, .csv, .tsv or .jsonl (the last three may add .gz)", "rename it"
    )


def check_place(out: str | Path) -> Path:
    """Fail where ``out`` could be no file of a table, whatever may be written there.

    Raises
    ------
    OutputError
        If the ending is unknown, ``out`` is a folder, or its own folder is missing.
    """
    path = Path(out)
    _kind(path)
    if path.is_dir():
        raise OutputError(f"output file {str(path)!r} is a folder", "a file", "give another name")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"folder {str(path.parent)!r} does not exist", "a folder to write into", f"mkdir -p {path.parent}")
    return path


def check_writable(out: str | Path, folder: bool = False) -> Path:
    """Fail before any work where ``out`` could not be written at the end.

    Parameters
    ----------
    out : str or Path
        A file to be written, or with ``folder`` a folder to be made or added to.

    Raises
    ------
    OutputError
        If its folder is missing (for a file) or cannot be written, or if the file's ending is unknown.
    """
    path = Path(out) if folder else check_place(out)
    # what is there already must be a folder that takes a new entry; permission bits alone do not tell (read-only mounts, root)
    home = path.absolute() if folder else path.absolute().parent
    home = next(p for p in [home, *home.parents] if p.exists())
    if not home.is_dir():
        raise OutputError(f"{str(home)!r} is a file", "a folder to write into", "choose another --out")
    try:
        with tempfile.NamedTemporaryFile(dir=home, prefix=".crossaisle-"):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write into {str(home)!r} ({error.strerror})", "a folder that can be written", "choose another --out"
        ) from None
    return path


def check_home(path: Path) -> Path:
    """As `check_writable`, for a file of whatever ending."""
    if path.is_dir():
        raise OutputError(f"output file {str(path)!r} is a folder", "a file", "give another name")
    if not path.absolute().parent.is_dir():
        raise OutputError(f"folder {str(path.parent)!r} does not exist", "a folder to write into", f"mkdir -p {path.parent}")
    check_writable(path.absolute().parent, folder=True)
    return path


def write_bytes(content: bytes, path: Path) -> None:
    """Write a file: to a temporary one beside it, then moved into place."""
    handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=".crossaisle-")
    try:
        with os.fdopen(handle, "wb") as raw:
            raw.write(content)
            raw.flush()
            os.fsync(raw.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise OutputError(
            f"cannot write {str(path)!r} ({error.strerror})", "a folder that can be written and has room", "choose another --out"
        ) from None
    finally:
        Path(name).unlink(missing_ok=True)


def write_frame(frame: pl.DataFrame, out: str | Path) -> Path:
    """Write a table in the format that the name asks for: to a temporary file beside it, then moved into place."""
    path = check_writable(out)
    kind = _kind(path)
    handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=".crossaisle-")
    try:
        with os.fdopen(handle, "wb") as raw:
            if kind == ".parquet":
                frame.write_parquet(raw)
            elif path.name.lower().endswith(".gz"):
                with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed:
                    packed.write(_text(frame, kind))
            else:
                raw.write(_text(frame, kind))
            raw.flush()
            os.fsync(raw.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise OutputError(
            f"cannot write {str(path)!r} ({error.strerror})", "a folder that can be written and has room", "choose another --out"
        ) from None
    finally:
        Path(name).unlink(missing_ok=True)
    return path


def _text(frame: pl.DataFrame, kind: str) -> bytes:
    text = frame.write_ndjson() if kind == ".jsonl" else frame.write_csv(separator="\t" if kind == ".tsv" else ",")
    return text.encode("utf-8")


@contextmanager
def kept_rejects(target: str | Path) -> Iterator[Path]:
    """A place for rejected rows that reaches ``target`` only if the block succeeds, so that a refused run writes nothing.

    Where nothing was rejected, a file of an earlier run at ``target`` goes: it would speak of other tables.

    Raises
    ------
    OutputError
        If ``target`` cannot be written, or not be removed.
    """
    target = Path(target).absolute()
    with tempfile.TemporaryDirectory(prefix="crossaisle-") as scratch:
        path = Path(scratch) / "rejected.jsonl"
        yield path
        try:
            if path.exists() and path.stat().st_size:
                _move_into_place(path, target)
            elif target.is_file():
                target.unlink()
        except OSError as error:
            found = f"rejected rows cannot be kept in {str(target)!r} ({error.strerror})"
            raise OutputError(found, "a file that can be written or removed", "choose another place, or mend the rows") from None


def _move_into_place(path: Path, target: Path) -> None:
    """Whole or not at all, also from one file system to another."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".crossaisle-")
    os.close(handle)
    try:
        shutil.copyfile(path, name)
        os.chmod(name, 0o644)
        os.replace(name, target)
    finally:
        Path(name).unlink(missing_ok=True)
