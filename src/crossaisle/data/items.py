"""A raw items table to the catalogue of a dataset. Imports: clean, rows."""

from __future__ import annotations

from typing import Any

import polars as pl

from crossaisle import schema
from crossaisle.data.clean import clean_text, parse_number, split_paths
from crossaisle.data.readers.tables import FAULT
from crossaisle.data.rows import REASON, ROW, id_text, require_columns
from crossaisle.errors import TableError

__all__ = ["CATALOGUE", "complete_catalogue", "typed_items", "without_twins"]

CATALOGUE: dict[str, Any] = {
    schema.ITEM: pl.String,
    schema.CATEGORY: pl.String,
    schema.TITLE: pl.String,
    schema.BRAND: pl.String,
    schema.DESCRIPTION: pl.String,
    schema.CATEGORIES: pl.List(pl.String),
    schema.PRICE: pl.Float64,
    schema.AVAILABLE: pl.Boolean,
    schema.IMAGE: pl.String,
    schema.VIDEO: pl.String,
    schema.KNOWN: pl.Boolean,
}
"""The columns that ``Dataset.items`` always has, before any further text columns."""

_NO_BRAND = ["unknown", "n/a", "na", "none", "null", "nan", "-", "--", ".", "unbranded", "no brand"]
_YES, _NO = (
    ["true", "1", "1.0", "yes", "y", "t", "in stock", "available"],
    ["false", "0", "0.0", "no", "n", "f", "out of stock", "unavailable", "sold out"],
)


def typed_items(raw: pl.DataFrame, source: str) -> tuple[pl.DataFrame, dict[str, int], list[str]]:
    """Items as the catalogue has them, with `ROW` and `REASON`.

    A price or an availability that cannot be read does not cost the item: the value is left out and counted. A brand that only says
    "unknown" or the like is no brand.

    Returns
    -------
    items : polars.DataFrame
        The columns of `CATALOGUE`, further text columns, ``propensity`` (null where it is no share above 0) where the table has it, `ROW`
        and `REASON`.
    left_out : dict
        Column -> how many values could not be read.
    ignored : list of str
        Columns of the table that are neither in the contract nor text.
    """
    require_columns(raw.columns, (schema.ITEM,), source)
    raw = _flat(raw, source)
    extras, ignored = _further_text(raw)
    names = raw.columns
    paths = split_paths(raw[schema.CATEGORIES]) if schema.CATEGORIES in names else None
    aisle = pl.lit("")
    if schema.CATEGORY in names:
        own = raw[schema.CATEGORY]
        listed = isinstance(own.dtype, (pl.List, pl.Array))
        if listed or own.cast(pl.String).str.contains(r"\s[>›»]\s|^\[.*\]$").any():
            own_paths = split_paths(own)
            paths = (
                own_paths
                if paths is None
                else paths.to_frame("p").select(pl.when(paths.list.len() > 0).then(pl.col("p")).otherwise(own_paths))["p"]
            )
            aisle = pl.lit(own_paths.list.first()).fill_null("")
        else:
            aisle = clean_text(pl.col(schema.CATEGORY))
    price, available = pl.lit(None, pl.Float64), pl.lit(None, pl.Boolean)
    if schema.PRICE in names:
        price = pl.col(schema.PRICE).cast(pl.Float64) if raw.schema[schema.PRICE].is_numeric() else parse_number(pl.col(schema.PRICE))
        price = pl.when(price.is_finite() & (price >= 0)).then(price)
    if schema.AVAILABLE in names:
        word = pl.col(schema.AVAILABLE).cast(pl.String).str.strip_chars().str.to_lowercase()
        available = pl.when(word.is_in(_YES)).then(True).when(word.is_in(_NO)).then(False)
    seen = []
    if schema.PROPENSITY in names:
        share = pl.col(schema.PROPENSITY).cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
        seen = [pl.when((share > 0) & (share <= 1)).then(share).alias(schema.PROPENSITY)]
    brand = _text(names, schema.BRAND)
    items = raw.select(
        id_text(raw, schema.ITEM, source),
        aisle.alias(schema.CATEGORY),
        _text(names, schema.TITLE).alias(schema.TITLE),
        pl.when(brand.str.to_lowercase().is_in(_NO_BRAND)).then(pl.lit("")).otherwise(brand).alias(schema.BRAND),
        _text(names, schema.DESCRIPTION).alias(schema.DESCRIPTION),
        pl.lit([], dtype=pl.List(pl.String)).alias(schema.CATEGORIES) if paths is None else pl.lit(paths).alias(schema.CATEGORIES),
        price.alias(schema.PRICE),
        available.alias(schema.AVAILABLE),
        *(_media(names, c) for c in (schema.IMAGE, schema.VIDEO)),
        pl.lit(True).alias(schema.KNOWN),
        *(_joined(raw, c) for c in extras),
        *seen,
        (pl.col(FAULT) if FAULT in names else pl.lit(None, pl.String)).alias(FAULT),
    )
    left_out = {}
    for column in (schema.PRICE, schema.AVAILABLE, schema.PROPENSITY):
        if column in names:
            given = raw[column].cast(pl.String).str.strip_chars()
            left_out[column] = int(((given != "").fill_null(False) & items[column].is_null()).sum())
    missing = pl.when(pl.col(schema.ITEM).is_null()).then(pl.lit(f"missing {schema.ITEM}"))
    judged = items.with_row_index(ROW, offset=1).with_columns(
        pl.coalesce(FAULT, missing).alias(REASON), pl.col(schema.AVAILABLE).fill_null(True)
    )
    return _with_aisles(judged.drop(FAULT)), {c: n for c, n in left_out.items() if n}, ignored


def _flat(raw: pl.DataFrame, source: str) -> pl.DataFrame:
    """Lists of text joined to one text, where the contract has a scalar."""
    for column, dtype in raw.schema.items():
        if column not in CATALOGUE or not isinstance(dtype, (pl.List, pl.Array, pl.Struct, pl.Object)):
            continue
        inner = dtype.inner if isinstance(dtype, (pl.List, pl.Array)) else None
        while column == schema.CATEGORIES and isinstance(inner, (pl.List, pl.Array)):
            inner = inner.inner
        plain = inner is not None and not isinstance(inner, (pl.List, pl.Array, pl.Struct, pl.Object))
        if plain and column in (schema.CATEGORY, schema.CATEGORIES):
            continue
        if not plain or column not in (schema.TITLE, schema.BRAND, schema.DESCRIPTION):
            raise TableError(f"{source} has lists or records in {column!r}", "one scalar a row", "flatten the column first")
        raw = raw.with_columns(pl.col(column).cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True))
    return raw


def _text(names: list[str], column: str) -> pl.Expr:
    return clean_text(pl.col(column)) if column in names else pl.lit("")


def _media(names: list[str], column: str) -> pl.Expr:
    if column not in names:
        return pl.lit(None, pl.String).alias(column)
    path = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(path != "").then(path).alias(column)


def _joined(raw: pl.DataFrame, column: str) -> pl.Expr:
    if isinstance(raw.schema[column], pl.List):
        return clean_text(pl.col(column).cast(pl.List(pl.String)).list.join(", ", ignore_nulls=True)).alias(column)
    return clean_text(pl.col(column)).alias(column)


def _further_text(raw: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Columns beyond the contract that hold text, and those that do not: numbers, dates, links."""
    extras: list[str] = []
    ignored: list[str] = []
    for name, dtype in raw.schema.items():
        if name in CATALOGUE or name in (ROW, REASON, FAULT, schema.PROPENSITY):
            continue
        texts = isinstance(dtype, pl.List) and dtype.inner == pl.String
        if isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
            values = raw[name].cast(pl.String).str.strip_chars()
            values = values.filter(values != "")
            numeric = values.cast(pl.Float64, strict=False).is_not_null() | values.str.contains(r"^(?i:true|false|https?://\S+)$")
            texts = len(values) > 0 and not numeric.all()
        (extras if texts else ignored).append(name)
    return extras, ignored


def _folded(text: pl.Expr) -> pl.Expr:
    """One spelling for "Toys_and_Games", "Toys & Games" and "toys and games"."""
    return text.str.to_lowercase().str.replace_all("&", "and", literal=True).str.replace_all(r"[^\p{L}\p{N}]", "")


def _with_aisles(items: pl.DataFrame) -> pl.DataFrame:
    """Aisle and path completed from each other: the path starts with the aisle unless it holds it already."""
    aisle, path = pl.col(schema.CATEGORY), pl.col(schema.CATEGORIES)
    folded = items.with_columns(_folded(aisle).alias("__aisle__"), path.list.eval(_folded(pl.element())).alias("__path__"))
    holds = folded.select(pl.col("__path__").list.contains(pl.col("__aisle__")))["__path__"]
    completed = (
        pl.when(aisle == "").then(path).when(pl.lit(holds)).then(path).otherwise(pl.concat_list(aisle, path)).alias(schema.CATEGORIES)
    )
    named = pl.when(aisle == "").then(path.list.first().fill_null("")).otherwise(aisle).alias(schema.CATEGORY)
    return items.with_columns(named, completed)


def without_twins(items: pl.DataFrame, source: str, *, keep_first: bool = False) -> pl.DataFrame:
    """One row an item.

    Raises
    ------
    TableError
        If an id comes twice with different content, unless the first is to be kept.
    """
    if keep_first:
        return items.unique(subset=schema.ITEM, keep="first", maintain_order=True)
    content = [c for c in items.columns if c not in (ROW, REASON)]
    distinct = items.unique(subset=content, keep="first", maintain_order=True)
    twins = distinct.filter(pl.col(schema.ITEM).is_duplicated())
    if twins.height:
        pair = twins.filter(pl.col(schema.ITEM) == twins[schema.ITEM][0])
        column = next(c for c in content if pair[c][0] is None or pair[c][1] is None or not _same(pair[c][0], pair[c][1]))
        shown = [_short(pair[column][i]) for i in (0, 1)]
        raise TableError(
            f"{source} has {twins[schema.ITEM].n_unique()} item ids twice with different content, first {_short(pair[schema.ITEM][0])} "
            f"(rows {pair[ROW][0]} and {pair[ROW][1]}: {column} {shown[0]} and {shown[1]})",
            "one row an item",
            "keep the right row of each, or take the first: --set data.same_id=first",
        )
    return distinct


def _same(a: Any, b: Any) -> bool:
    return bool((a == b).all()) if isinstance(a, pl.Series) else bool(a == b)


def _short(value: Any) -> str:
    text = repr(value.to_list() if isinstance(value, pl.Series) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def complete_catalogue(items: pl.DataFrame | None, events: pl.DataFrame) -> pl.DataFrame:
    """The catalogue and, after it in order of id, the items that only events mention.

    Where an item has no aisle and the events table carries a column ``category``, the most frequent one there is taken.
    """
    base = pl.DataFrame(schema=CATALOGUE) if items is None else items
    seen = events.select(pl.col(schema.ITEM).unique().sort())
    new = seen.join(base.select(schema.ITEM), on=schema.ITEM, how="anti", maintain_order="left").with_columns(
        pl.lit(False).alias(schema.KNOWN),
        pl.lit(True).alias(schema.AVAILABLE),
        *(pl.lit("").alias(c) for c, t in base.schema.items() if t == pl.String and c not in (schema.ITEM, schema.IMAGE, schema.VIDEO)),
        pl.lit([], dtype=pl.List(pl.String)).alias(schema.CATEGORIES),
    )
    whole = pl.concat([base, new], how="diagonal").select(base.columns)
    if schema.CATEGORY not in events.columns:
        return whole
    counts = events.filter(pl.col(schema.CATEGORY) != "").group_by(schema.ITEM, schema.CATEGORY).len()
    said = (
        counts.sort(["len", schema.CATEGORY], descending=[True, False])
        .unique(schema.ITEM, keep="first", maintain_order=True)
        .select(schema.ITEM, pl.col(schema.CATEGORY).alias("__said__"))
    )
    joined = whole.join(said, on=schema.ITEM, how="left", maintain_order="left")
    aisle = pl.when(pl.col(schema.CATEGORY) == "").then(pl.col("__said__").fill_null("")).otherwise(pl.col(schema.CATEGORY))
    return _with_aisles(joined.with_columns(aisle.alias(schema.CATEGORY)).drop("__said__"))
