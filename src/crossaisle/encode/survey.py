"""What lies under a media folder, looked at without any model. Imports: schema, contracts; of its own room media, photos, video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from crossaisle import schema
from crossaisle.contracts import Progress
from crossaisle.encode.media import MediaCounts, MediaError, MediaSettings, distinct_files
from crossaisle.encode.photos import open_photo
from crossaisle.encode.video import read_clip

__all__ = ["survey_media"]

_SIDE = 224


def survey_media(items: pl.DataFrame, folder: Path, settings: MediaSettings, progress: Progress | None = None) -> dict[str, dict[str, Any]]:
    """Open every photo and video that the items name and count what is found, see `media.MediaCounts`.

    Returns
    -------
    dict
        ``image`` and ``video`` -> plain values; only the columns that name some file.
    """

    def photo(path: Path) -> list[str]:
        return open_photo(path.read_bytes(), settings, _SIDE)[1]

    def video(path: Path) -> list[str]:
        read_clip(path, settings)
        return []

    kinds: dict[str, Callable[[Path], list[str]]] = {schema.IMAGE: photo, schema.VIDEO: video}
    out = {}
    for column, look in kinds.items():
        if column not in items.columns or not items[column].count():
            continue
        counts = MediaCounts()
        files = distinct_files(folder, items[column].to_list(), counts)
        for place, file in enumerate(files):
            try:
                found = look(file.path)
            except (MediaError, OSError) as error:
                found = [getattr(error, "kind", "broken")]
            for kind in found:
                file.count(kind)
            if progress is not None:
                progress(f"looking at {column} files", place + 1, len(files), "")
        out[column] = counts.to_dict()
    return out
