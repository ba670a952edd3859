"""RecBole atomic files (``ml-1m.inter``, ``ml-1m.item``). Imports: content, delimited, imported."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from crossaisle import schema
from crossaisle.data.readers.content import decode, load
from crossaisle.data.readers.delimited import parse_delimited
from crossaisle.data.readers.imported import ImportedTables
from crossaisle.errors import TableError

__all__ = ["read"]

_NAMES = {
    schema.USER: ("user_id", "session_id", "uid", "user"),
    schema.ITEM: ("item_id", "movie_id", "artist_id", "venue_id", "business_id", "product_id", "asin", "iid", "item"),
    schema.TIMESTAMP: ("timestamp", "time", "ts", "date"),
    schema.RATING: ("rating", "stars", "overall"),
    schema.WEIGHT: ("weight",),
    schema.EVENT: ("event", "behavior", "behaviour", "action"),
    schema.TITLE: ("title", "movie_title", "item_name", "name"),
    schema.BRAND: ("brand", "store"),
    schema.CATEGORIES: ("categories", "category_path", "genre", "genres", "class"),
    schema.CATEGORY: ("category", "main_category", "main_cat", "sales_type"),
    schema.DESCRIPTION: ("description", "text"),
    schema.PRICE: ("price",),
}


def read(source: Path | None) -> ImportedTables:
    """The contract tables from a folder with a ``.inter`` and perhaps a ``.item`` file, or from the ``.inter`` file itself.

    Several ``.inter`` files of one folder (``x.train.inter``, ``x.test.inter``) are read one after the other. A category field is split
    at commas where it has any, otherwise at blanks, as RecBole does; other ``token_seq`` fields are text.

    Raises
    ------
    TableError
        If there is no ``.inter`` file, or a file lacks the typed header or its user and item columns.
    """
    inters, items = _find(source)
    interactions = pl.concat([_fields(p, (schema.USER, schema.ITEM)) for p in inters], how="diagonal")
    kept = (schema.USER, schema.ITEM, schema.TIMESTAMP, schema.RATING, schema.WEIGHT, schema.EVENT)
    interactions = interactions.select(c for c in kept if c in interactions.columns)
    catalogue = pl.concat([_fields(p, (schema.ITEM,)) for p in items], how="diagonal").unique(maintain_order=True) if items else None
    if catalogue is not None and schema.CATEGORIES in catalogue.columns:
        catalogue = catalogue.with_columns(pl.col(schema.CATEGORIES).map_elements(_nodes, return_dtype=pl.List(pl.String)))
    origin = f"RecBole atomic files {', '.join(p.name for p in inters + items)}"
    return ImportedTables(interactions, catalogue, None, origin)


def _find(source: Path | None) -> tuple[list[Path], list[Path]]:
    if source is None or not source.exists():
        raise TableError(f"there is no {source}" if source else "no SOURCE is given", "a folder with a .inter file", "check the path")
    folder = source if source.is_dir() else source.parent
    inters = sorted(folder.glob("*.inter")) if source.is_dir() else [source]
    items = sorted(folder.glob("*.item")) if source.is_dir() else sorted(folder.glob(f"{source.name.split('.')[0]}.item"))
    if not inters or (not source.is_dir() and source.suffix != ".inter"):
        raise TableError(f"{source} holds no .inter file", "RecBole atomic files such as ml-1m.inter", "give the folder that holds them")
    return inters, items


def _fields(path: Path, required: tuple[str, ...]) -> pl.DataFrame:
    text, _ = decode(load(path), str(path))
    raw = parse_delimited(text, str(path), "\t", quoted=False)
    if not all(":" in c for c in raw.columns):
        raise TableError(f"{path} has no typed header", "fields such as user_id:token", "check that it is a RecBole atomic file")
    bare = {c.rsplit(":", 1)[0].strip(): c for c in raw.columns}
    renames = {}
    for ours, names in _NAMES.items():
        theirs = next((bare[n] for n in names if n in bare and bare[n] not in renames), None)
        if theirs is not None:
            renames[theirs] = ours
        elif ours in required:
            raise TableError(f"{path} has no column for {ours!r} (it has: {', '.join(raw.columns)})", f"{ours}:token", "rename its column")
    return raw.rename({c: renames.get(c, c.rsplit(":", 1)[0].strip()) for c in raw.columns})


def _nodes(text: str) -> list[str]:
    quoted = re.findall(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", text)
    if quoted:
        return [a or b for a, b in quoted]
    return [n.strip() for n in text.strip("[]").split(",")] if "," in text else text.split()
