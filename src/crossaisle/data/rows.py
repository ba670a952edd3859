"""Raw event and review tables to typed rows, each with the reason it is rejected for, if any. Imports: times."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from crossaisle import schema
from crossaisle.data.readers.tables import FAULT
from crossaisle.data.times import parse_times
from crossaisle.errors import TableError

__all__ = ["REASON", "ROW", "id_text", "require_columns", "source_name", "typed_rows"]

ROW, REASON = "__row__", "__reason__"
"""Place of a row in its table (from 1, header not counted), and why it is rejected (null: it is good)."""

_ALIASES = {
    schema.USER: (
        "uid",
        "user",
        "userid",
        "user_id:token",
        "reviewerid",
        "customer_id",
        "customerid",
        "visitorid",
        "household_id",
        "session_id",
    ),
    schema.ITEM: (
        "iid",
        "sku",
        "item",
        "itemid",
        "item_id:token",
        "asin",
        "parent_asin",
        "product_id",
        "productid",
        "article_id",
        "movieid",
    ),
}


def require_columns(names: list[str], required: tuple[str, ...], source: str) -> None:
    """Raise TableError, with the likely column named, where a required column is missing."""
    for column in required:
        if column in names:
            continue
        folded = {n.lower().replace(" ", "_"): n for n in names}
        guess = next((folded[a] for a in (column, *_ALIASES[column]) if a in folded), None)
        shown = ", ".join(n for n in names[:12] if n not in (FAULT, ROW)) + (", ..." if len(names) > 12 else "")
        step = "pass --columns " + (f"{column}={guess}" if guess else f"{column}=ITS_NAME")
        if any(":token" in n for n in names):
            step += ", or read the folder with: crossaisle import recbole"
        raise TableError(f"{source} has no column {column!r} (it has: {shown})", f"a column {column!r}", step)


def id_text(frame: pl.DataFrame, column: str, source: str) -> pl.Expr:
    """The ids of a column as strings: any scalar is read as one, a float that is whole as a whole number; blank ids, and bytes that are no
    UTF-8, are null."""
    dtype = frame.schema[column]
    raw = pl.col(column)
    if isinstance(dtype, (pl.List, pl.Array, pl.Struct, pl.Object)):
        raise TableError(f"{source} has lists or records in {column!r}", "one scalar an id", "flatten the column first")
    text: pl.Expr
    if dtype.is_float():
        whole = raw.is_finite() & (raw == raw.round(0)) & (raw.abs() < 2**63)
        text = pl.when(whole).then(raw.cast(pl.Int64, strict=False).cast(pl.String)).when(raw.is_not_nan()).then(raw.cast(pl.String))
    elif dtype == pl.Binary:
        text = pl.lit(pl.Series(column, [_decoded(value) for value in frame[column]], dtype=pl.String))
    else:
        text = raw.cast(pl.String)
    return pl.when(text.str.contains(r"\S")).then(text).alias(column)


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def typed_rows(raw: pl.DataFrame, source: str, *, text: bool = False) -> tuple[pl.DataFrame, str]:
    """Rows of an interactions table (or of a reviews table, with ``text``), typed and judged.

    Parameters
    ----------
    raw : polars.DataFrame
        As read, contract names already in place.
    source : str
        What to call the table in an error.
    text : bool
        Keep the column ``text``; a reviews table.

    Returns
    -------
    rows : polars.DataFrame
        ``user_id``, ``item_id``, ``timestamp`` (float64, null unknown), ``position``, ``weight``, ``rating`` (float64), ``event`` (str),
        `ROW` and `REASON`; for reviews ``rating``, ``helpful`` and ``text`` instead of the last four.
    form : str
        How the timestamps were read.
    """
    require_columns(raw.columns, (schema.USER, schema.ITEM), source)
    columns = [id_text(raw, c, source) for c in (schema.USER, schema.ITEM)]
    reasons: list[pl.Expr] = [pl.col(FAULT)] if FAULT in raw.columns else []
    reasons += [pl.when(pl.col(c).is_null()).then(pl.lit(f"missing {c}")) for c in (schema.USER, schema.ITEM)]
    form = "none"
    if schema.TIMESTAMP in raw.columns:
        seconds, unreadable, form = parse_times(raw[schema.TIMESTAMP])
        columns += [seconds.alias(schema.TIMESTAMP), unreadable.alias("__bad_time__")]  # type: ignore[list-item]
        reasons.append(pl.when(pl.col("__bad_time__")).then(pl.lit("unreadable timestamp")))
    else:
        columns.append(pl.lit(None, pl.Float64).alias(schema.TIMESTAMP))
    for name in (schema.RATING, schema.HELPFUL) if text else (schema.POSITION, schema.WEIGHT, schema.RATING):
        value, bad = _number(raw, name)
        columns += [value.alias(name), bad.alias(f"__bad_{name}__")]
        reasons.append(pl.when(pl.col(f"__bad_{name}__")).then(pl.lit(f"{name} is not a number")))
    if not text:
        reasons += [
            pl.when(pl.col(schema.WEIGHT).is_nan() | pl.col(schema.WEIGHT).is_infinite()).then(pl.lit("weight is NaN or infinite")),
            pl.when(pl.col(schema.WEIGHT) < 0).then(pl.lit("weight is negative")),
        ]
    columns.append(_plain_text(raw, schema.TEXT if text else schema.EVENT))
    if FAULT in raw.columns:
        columns.append(pl.col(FAULT))
    rows = raw.select(columns).with_row_index(ROW, offset=1).with_columns(pl.coalesce(reasons).alias(REASON))
    return rows.drop([c for c in rows.columns if c.startswith("__bad_") or c == FAULT]), form


def _number(raw: pl.DataFrame, name: str) -> tuple[pl.Expr, pl.Expr]:
    """A column as float64, and where it holds something that is no number."""
    if name not in raw.columns:
        return pl.lit(None, pl.Float64), pl.lit(False)
    column, dtype = pl.col(name), raw.schema[name]
    if isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        text = column.cast(pl.String).str.strip_chars()
        value = text.cast(pl.Float64, strict=False)
        return value, (text != "").fill_null(False) & value.is_null()
    if dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
        return column.cast(pl.Float64), pl.lit(False)
    return pl.lit(None, pl.Float64), column.is_not_null()


def _plain_text(raw: pl.DataFrame, name: str) -> pl.Expr:
    if name not in raw.columns or isinstance(raw.schema[name], (pl.List, pl.Array, pl.Struct, pl.Object)):
        return pl.lit("").alias(name)
    return pl.col(name).cast(pl.String).fill_null("").str.strip_chars().alias(name)


def source_name(table: object, role: str) -> str:
    """What errors call a table: the file's path, or its role where it is a frame."""
    return str(table) if isinstance(table, (str, Path)) else f"the {role} frame"
