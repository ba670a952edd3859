"""Weights that a package ships in a format of its own, written once as a folder that transformers opens.

Imports: errors; of its own room fingerprint and cache (where the user's cache folder is).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from crossaisle.encode.cache import cache_folder
from crossaisle.encode.fingerprint import fingerprint
from crossaisle.errors import OutputError

__all__ = ["converted"]


def converted(name: str, sources: Sequence[Path], version: int, build: Callable[[Path], None]) -> Path:
    """The folder of these weights in the user's cache, built now if it is not there.

    It is written beside its place and renamed when whole: a killed run leaves nothing that loads, and of two runs at once the
    quicker one's folder stays.

    Parameters
    ----------
    name : str
        Start of the folder's name.
    sources : sequence of Path
        What is converted; other bytes get another folder.
    version : int
        Raised when the conversion itself changes.
    build : callable
        ``build(empty_folder)`` writes the files.

    Raises
    ------
    OutputError
        If the cache cannot be written or the disk is full.
    """
    place = cache_folder() / "models" / f"{name}-{fingerprint(sources, conversion=version)[:16]}"
    if place.is_dir():
        return place
    working: Path | None = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        working = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=place.parent))
        build(working)
        working.chmod(0o755)
        working.rename(place)
    except OSError as error:
        if not place.is_dir():
            raise OutputError(
                f"the weights of {name} could not be unpacked into {place.parent}: {error.strerror or error}",
                "a cache folder that can be written, with 600 MB free",
                "free some space, or set the environment variable CROSSAISLE_CACHE to another folder",
            ) from error
    finally:
        if working is not None:
            shutil.rmtree(working, ignore_errors=True)
    return place
