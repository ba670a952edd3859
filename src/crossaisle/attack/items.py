"""Noise in a whole catalogue: its texts, and the photos in its media folder. Imports: schema, encode.fields, encode.media, encode.photos;
of its own room characters, pictures."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from crossaisle import schema
from crossaisle.attack.characters import noisy_texts
from crossaisle.attack.pictures import noisy_picture
from crossaisle.encode.fields import further_columns
from crossaisle.encode.media import MediaError, MediaSettings

__all__ = ["noisy_items", "noisy_photos"]


def noisy_items(items: pl.DataFrame, kind: str, share: float, seed: int = 0) -> pl.DataFrame:
    """The items table with noise in title, brand, description and further text columns; ``cut`` cuts titles only.

    Ids, categories and prices stay: sellers choose categories from a list.

    Examples
    --------
    >>> items = pl.DataFrame({"item_id": ["a"], "title": ["red bicycle bag"], "category": ["Sports"]})
    >>> noisy_items(items, "cut", 0.5).row(0)
    ('a', 'red', 'Sports')
    """
    names = [schema.TITLE] if kind == "cut" else [schema.TITLE, schema.BRAND, schema.DESCRIPTION, *further_columns(items)]
    chosen = [name for name in dict.fromkeys(names) if name in items.columns]
    return items.with_columns(
        pl.Series(name, noisy_texts(items[name].fill_null("").to_list(), kind, share, seed), dtype=pl.String) for name in chosen
    )


def noisy_photos(
    folder: Path, paths: list[str | None], out: Path, kind: str, level: float, seed: int = 0, settings: MediaSettings | None = None
) -> int:
    """Write a copy of the photos with noise under ``out``, by the same relative paths; how many were written.

    What is missing, broken or outside the folder is passed over: the reader counts it as missing, as it does without noise. For ``kind``
    and ``level`` see `pictures.noisy_picture`.
    """
    from crossaisle.encode.photos import open_photo

    settings, written, home = settings or MediaSettings(), 0, folder.resolve()
    for place, name in enumerate(paths):
        source = None if name is None else (home / name).resolve()
        if source is None or not source.is_relative_to(home) or not source.is_file():
            continue
        target = out / source.relative_to(home)
        if target.exists():
            continue
        try:
            picture, _ = open_photo(source.read_bytes(), settings)
        except MediaError:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            noisy_picture(picture, kind, level, seed + place).save(file, format="PNG")
        written += 1
    return written
