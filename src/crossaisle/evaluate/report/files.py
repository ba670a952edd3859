"""Writing a folder of files whole or not at all. Imports nothing of its own room."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from crossaisle.errors import OutputError

__all__ = ["write_folder"]


def _failed(out: Path, error: OSError) -> OutputError:
    return OutputError(
        f"folder {out} cannot be written ({error.strerror or error})",
        "a folder with room that may be written",
        "choose another --out or make room",
    )


def write_folder(out: Path, write: Mapping[str, Callable[[Path], object]]) -> None:
    """Write each file of ``write`` (name -> function that writes to a path).

    All files are written to a hidden folder beside their place first. A new folder then appears whole, by one rename; in a folder that
    exists, the files replace those of the same name one by one, and whatever else lies there is left alone.

    Raises
    ------
    OutputError
        If the folder cannot be written; nothing is left behind.
    """
    stage = out / f".{os.getpid()}.tmp" if out.is_dir() else out.with_name(f".{out.name}.{os.getpid()}.tmp")
    made = [p for p in out.parents if not p.exists()]
    done = False
    try:
        stage.mkdir(parents=True)
        for name, put in write.items():
            put(stage / name)
            with (stage / name).open("rb") as file:
                os.fsync(file.fileno())
        if out.is_dir():
            for name in write:
                (stage / name).replace(out / name)
        else:
            stage.rename(out)
        done = True
    except OSError as error:
        raise _failed(out, error) from None
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        for folder in made if not done else ():
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
