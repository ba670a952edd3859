"""Tables that come to a finished model: histories to answer, items to add. Imports: build, histories, items, rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.data.build import in_order
from crossaisle.data.histories import Histories
from crossaisle.data.items import typed_items, without_twins
from crossaisle.data.rows import REASON, ROW, typed_rows
from crossaisle.errors import TableError

__all__ = ["read_histories", "read_new_items"]


def read_histories(
    table: pl.DataFrame, item_codes: Mapping[str, int], event_names: Sequence[str], source: str = "histories"
) -> tuple[list[str], Histories, list[str]]:
    """Histories of people whom the model need not know.

    Parameters
    ----------
    table : polars.DataFrame
        ``query_id`` (or ``user_id``), ``item_id``; ``timestamp``, ``position``, ``event``, ``weight``.
    item_codes : mapping
        Item id -> item code of the model.
    event_names : sequence of str
        The model's event kinds; an unknown kind is read as the first.

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
        If a column is missing or the table has no usable row.
    """
    query = schema.QUERY if schema.QUERY in table.columns else schema.USER
    if query not in table.columns:
        raise TableError(
            f"{source} has no column {schema.QUERY!r}", f"a column {schema.QUERY!r} (or {schema.USER!r})", "name it with --columns"
        )
    raw = table.drop(schema.USER) if query == schema.QUERY and schema.USER in table.columns else table
    rows, _ = typed_rows(raw.rename({query: schema.USER}), source)
    good = rows.filter(pl.col(REASON).is_null())
    if not good.height:
        raise TableError(f"{source} has no usable row", "at least one row with a query and an item", "check the table")
    notes = []
    if good.height < rows.height:
        reason = rows[REASON].drop_nulls().value_counts(sort=True)[REASON][0]
        notes.append(f"{rows.height - good.height} of {rows.height} history rows were left out, most often: {reason}")
    queries = good[schema.USER].unique(maintain_order=True)
    kinds = {name: code for code, name in enumerate(event_names)}
    coded = good.select(
        pl.col(schema.USER).replace_strict(queries, range(len(queries)), return_dtype=pl.UInt32).alias("u"),
        pl.col(schema.ITEM).map_elements(lambda i: item_codes.get(i), return_dtype=pl.Int64, skip_nulls=True).alias("i"),
        pl.col(schema.EVENT).map_elements(lambda e: kinds.get(e, 0), return_dtype=pl.Int64).alias("e"),
        schema.WEIGHT,
        schema.TIMESTAMP,
        schema.POSITION,
        ROW,
    )
    unknown = coded["i"].null_count()
    if unknown:
        notes.append(f"{unknown} of {good.height} history rows name an item that the model does not know; left out")
    ordered = in_order(coded.filter(pl.col("i").is_not_null()))
    offsets = np.zeros(len(queries) + 1, dtype=np.int64)
    np.cumsum(np.bincount(ordered["u"].to_numpy(), minlength=len(queries)), out=offsets[1:])
    histories = Histories.from_arrays(
        offsets,
        ordered["i"].to_numpy(),
        ordered["e"].to_numpy(),
        ordered[schema.WEIGHT].fill_null(1.0).to_numpy().astype(np.float32),
        ordered[schema.TIMESTAMP].fill_null(float("nan")).to_numpy(),
    )
    return queries.to_list(), histories, notes


def read_new_items(table: pl.DataFrame, known: pl.DataFrame, source: str = "items") -> tuple[pl.DataFrame, list[str]]:
    """Items to add, in the columns of a model's items table.

    Returns
    -------
    items : polars.DataFrame
        Rows with the columns of ``known``; a text column that the model lacks is left out, one that the table lacks is "".
    notes : list of str

    Raises
    ------
    TableError
        If ``item_id`` is missing, an id comes twice with different content, no row can be used, or an id is already in the model.
    """
    typed, _, _ = typed_items(table, source)
    good = typed.filter(pl.col(REASON).is_null())
    if not good.height:
        raise TableError(f"{source} has no usable row", "at least one item", "check the table")
    notes = [] if good.height == typed.height else [f"{typed.height - good.height} of {typed.height} item rows were left out"]
    items = without_twins(good, source).drop(ROW, REASON)
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
