"""Tables that come to a finished model: histories to answer, candidates, items to add.

Imports: build, histories, items, readers.tables, rejected, rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.data.build import NO_EVENT, in_order
from crossaisle.data.histories import Histories
from crossaisle.data.items import typed_items, without_twins
from crossaisle.data.readers.tables import FAULT
from crossaisle.data.rejected import Rejected
from crossaisle.data.rows import REASON, ROW, require_columns, typed_rows
from crossaisle.errors import TableError

__all__ = ["MAX_REJECTED", "read_candidates", "read_histories", "read_new_items"]

MAX_REJECTED = 0.01
"""Share of a table's rows that may be bad where nobody says otherwise."""

_NAMED = 5
_NOTES = {
    "en": {
        "histories": "history",
        "candidates": "candidate",
        "bad": "{n} of {rows} {role} rows were left out, most often: {reason}",
        "lost": "none of the {role} rows of {names} can be used ({n} without a row)",
        "unknown": "{n} of {rows} history rows name an item that the model does not know; left out",
    },
    "zh": {
        "histories": "历史",
        "candidates": "候选",
        "bad": "{role}表共 {rows} 行，其中 {n} 行不能使用，已忽略，最常见的原因：{reason}",
        "lost": "{names} 的{role}行全都不能使用（共 {n} 个查询）",
        "unknown": "历史共 {rows} 行，其中 {n} 行的商品模型不认识，已忽略",
    },
}


def read_histories(
    table: pl.DataFrame,
    item_codes: Mapping[str, int],
    event_names: Sequence[str],
    source: str = "histories",
    *,
    lang: str = "en",
    max_rejected: float = MAX_REJECTED,
) -> tuple[list[str], Histories, list[str]]:
    """Histories of people whom the model need not know.

    Parameters
    ----------
    table : polars.DataFrame
        ``query_id`` (or ``user_id``), ``item_id``; ``timestamp``, ``position``, ``event``, ``weight``.
    item_codes : mapping
        Item id -> item code of the model.
    event_names : sequence of str
        The model's event kinds. A kind that is unknown gets the code -1, and so does a row without one, unless the model has learned from
        rows without one too.
    lang : str
        ``en`` or ``zh``: the language of the notes.
    max_rejected : float
        Share of the rows that may be bad. A row that names an item unknown to the model is not bad; it is left out and noted.

    Returns
    -------
    queries : list of str
        The B query ids, in order of first appearance; one whose items are all unknown has an empty history.
    histories : Histories
    notes : list of str
        What was left out, one line each.

    Raises
    ------
    TableError
        If a column is missing, more rows are bad than allowed, or the table has no usable row.
    """
    good, notes = _query_rows(table, "histories", source, lang, max_rejected)
    queries = good[schema.USER].unique(maintain_order=True)
    kinds = {name: code for code, name in enumerate(event_names)}
    coded = good.select(
        pl.col(schema.USER).replace_strict(queries, range(len(queries)), return_dtype=pl.UInt32).alias("u"),
        pl.col(schema.ITEM).map_elements(lambda i: item_codes.get(i), return_dtype=pl.Int64, skip_nulls=True).alias("i"),
        pl.col(schema.EVENT).map_elements(lambda e: kinds.get(e or NO_EVENT, -1), return_dtype=pl.Int64).alias("e"),
        schema.WEIGHT,
        schema.TIMESTAMP,
        schema.POSITION,
        ROW,
        *([schema.RATING] if good[schema.RATING].count() else []),
    )
    unknown = coded["i"].null_count()
    if unknown:
        notes.append(_NOTES[lang]["unknown"].format(n=unknown, rows=good.height))
    ordered = in_order(coded.filter(pl.col("i").is_not_null()))
    offsets = np.zeros(len(queries) + 1, dtype=np.int64)
    np.cumsum(np.bincount(ordered["u"].to_numpy(), minlength=len(queries)), out=offsets[1:])
    histories = Histories.from_arrays(
        offsets,
        ordered["i"].to_numpy(),
        ordered["e"].to_numpy(),
        ordered[schema.WEIGHT].fill_null(1.0).to_numpy().astype(np.float32),
        ordered[schema.TIMESTAMP].fill_null(float("nan")).to_numpy(),
        ordered[schema.RATING].fill_null(float("nan")).to_numpy() if schema.RATING in ordered.columns else None,
    )
    return queries.to_list(), histories, notes


def read_candidates(
    table: pl.DataFrame, source: str = "candidates", *, lang: str = "en", max_rejected: float = MAX_REJECTED
) -> tuple[pl.DataFrame, list[str]]:
    """The usable rows of a candidates table, ids as text: ``user_id`` (the query) and ``item_id``; and notes, as in `read_histories`.

    Raises
    ------
    TableError
        If a column is missing, ids are lists or the like, more rows are bad than allowed, or the table has no usable row.
    """
    ids = [c for c in (schema.QUERY, schema.USER, schema.ITEM, FAULT) if c in table.columns]
    good, notes = _query_rows(table.select(ids), "candidates", source, lang, max_rejected)
    return good.select(schema.USER, schema.ITEM), notes


def _query_rows(table: pl.DataFrame, role: str, source: str, lang: str, max_rejected: float) -> tuple[pl.DataFrame, list[str]]:
    """Good rows as `typed_rows` has them, the query under the name ``user_id``, and notes on the others."""
    query = schema.QUERY if schema.QUERY in table.columns else schema.USER
    if query not in table.columns:
        raise TableError(
            f"{source} has no column {schema.QUERY!r}", f"a column {schema.QUERY!r} (or {schema.USER!r})", "name it with --columns"
        )
    require_columns(table.columns, (schema.ITEM,), source)
    raw = table.drop(schema.USER) if query == schema.QUERY and schema.USER in table.columns else table
    rows, _ = typed_rows(raw.rename({query: schema.USER}), source)
    rows = rows.with_columns(pl.col(REASON).replace(f"missing {schema.USER}", f"missing {query}"))
    Rejected(max_rejected).add(role, source, raw, rows)
    good = rows.filter(pl.col(REASON).is_null())
    if not good.height:
        raise TableError(f"{source} has no usable row", "at least one row with a query and an item", "check the table")
    say, notes = _NOTES[lang], []
    if good.height < rows.height:
        reason = rows[REASON].drop_nulls().value_counts().sort(["count", REASON], descending=[True, False])[REASON][0]
        notes.append(say["bad"].format(n=rows.height - good.height, rows=rows.height, role=say[role], reason=reason))
        lost = rows[schema.USER].drop_nulls().unique(maintain_order=True)
        lost = lost.filter(~lost.is_in(good[schema.USER].implode()))
        if len(lost):
            names = ", ".join(repr(name[:80]) for name in lost.head(_NAMED)) + (", ..." if len(lost) > _NAMED else "")
            notes.append(say["lost"].format(n=len(lost), role=say[role], names=names))
    return good, notes


def read_new_items(
    table: pl.DataFrame, known: pl.DataFrame, source: str = "items", *, rejected: Rejected | None = None
) -> tuple[pl.DataFrame, list[str]]:
    """Items to add, in the columns of a model's items table.

    Parameters
    ----------
    table : polars.DataFrame
        An items table.
    known : polars.DataFrame
        The model's items.
    rejected : Rejected, optional
        Takes the bad rows and says how many there may be; by default one in a hundred.

    Returns
    -------
    items : polars.DataFrame
        Rows with the columns of ``known``; a text column that the model lacks is left out and noted, one that the table lacks is "".
    notes : list of str

    Raises
    ------
    TableError
        If ``item_id`` is missing, more rows are bad than allowed, an id comes twice with different content, no row can be used, or an id
        is already in the model.
    """
    typed, left_out, _ = typed_items(table, source)
    (Rejected(MAX_REJECTED) if rejected is None else rejected).add("items", source, table, typed)
    good = typed.filter(pl.col(REASON).is_null())
    if not good.height:
        raise TableError(f"{source} has no usable row", "at least one item", "check the table")
    notes = [] if good.height == typed.height else [f"{typed.height - good.height} of {typed.height} item rows were left out"]
    notes += [f"{n} values of {column} could not be read and were left out" for column, n in left_out.items()]
    items = without_twins(good, source).drop(ROW, REASON).drop(schema.PROPENSITY, strict=False)  # of use in training only
    new = [name for name in items.columns if name not in known.columns]
    if new:
        notes.append(f"text columns that the model has not read in training are not used: {', '.join(new)}")
    twice = items.join(known, on=schema.ITEM, how="semi")[schema.ITEM]
    if len(twice):
        found = f"{len(twice)} of {items.height} items are already in the model, first {twice[0][:80]!r}"
        raise TableError(found, "new item ids", "leave them out, or fit again to change what they say")
    missing = [
        (pl.lit("") if dtype == pl.String and name not in (schema.IMAGE, schema.VIDEO) else pl.lit(None, dtype)).alias(name)
        for name, dtype in known.schema.items()
        if name not in items.columns
    ]
    return items.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in known.schema.items()), notes
