"""Tables to a dataset: read, judge, clean, order, number.

Imports: clean, dataset, describe, histories, items, rejected, rows, shilling, readers.tables.

The order inside a user is timestamp, then position, then file order. An event without a time, among events that have one, stands
right after the event that precedes it by position (then file order), so a sequence that is dated only in part keeps its order; such
an event before any dated one comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.data.clean import clean_text, k_core
from crossaisle.data.dataset import Dataset
from crossaisle.data.describe import describe
from crossaisle.data.histories import Histories
from crossaisle.data.items import complete_catalogue, typed_items, without_twins
from crossaisle.data.readers.tables import read_with_form, rename_columns
from crossaisle.data.rejected import Rejected
from crossaisle.data.rows import REASON, ROW, source_name, typed_rows
from crossaisle.errors import SettingError, TableError
from crossaisle.settings import Settings, setting

__all__ = ["NO_EVENT", "DataSettings", "Table", "as_frame", "build_dataset", "in_order", "without_shilling"]

Table = str | Path | pl.DataFrame | pl.LazyFrame
"""A contract table: where it lies, or the frame itself (a pandas frame is taken too)."""

_SHOWN = 20
"""Users and items named in the report."""
NO_EVENT = "interaction"
"""The kind of an event whose table names none."""


@dataclass(frozen=True)
class DataSettings(Settings):
    """How tables become a dataset."""

    max_rejected: float = setting(0.01, "share of a table's rows that may be rejected before the run stops", low=0, high=1)
    core: int = setting(0, "keep only users and items with at least this many interactions, repeatedly (0 keeps all)", low=0)
    drop_duplicates: bool = setting(True, "drop interactions that equal an earlier one in every column of the contract")
    same_id: str = setting(
        "refuse", "an item id that comes twice with different content: refuse the table, or take its first row", choices=("refuse", "first")
    )
    target_events: tuple[str, ...] = setting((), "event kinds that count as targets, by comma (empty: all)")
    shilling: str = setting(
        "off",
        "profiles that look made up to push an item: not looked for (off), counted (report), counted and hardly learned from (downweight)",
        choices=("off", "report", "downweight"),
    )
    shilling_threshold: float = setting(4.5, "robust deviations from people with as many items from which a user is flagged", low=0.0)
    shilling_weight: float = setting(0.02, "what an event of a flagged user counts in training, with downweight", low=0.0, high=1.0)


def build_dataset(
    interactions: Table,
    items: Table | None = None,
    reviews: Table | None = None,
    *,
    settings: DataSettings | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str | None = None,
    rejected_to: Path | None = None,
) -> Dataset:
    """A dataset from the contract's tables.

    Parameters
    ----------
    interactions, items, reviews : path or polars frame
        The tables; a path may be a file, a folder or a glob, see `crossaisle.data.readers.tables.scan_table`.
    settings : DataSettings, optional
    columns : mapping, optional
        Contract name -> name in the tables, for whichever table has it.
    encoding : str, optional
        Of text files; UTF-8 and GB18030 are recognised if not given.
    rejected_to : Path, optional
        Where rejected rows are written, one JSON object a line with ``table``, ``row``, ``reason`` and ``values``. Nothing is written
        if there are none.

    Raises
    ------
    TableError
        If a table cannot be read, lacks a required column, has more rejected rows than allowed, names an item twice with different
        content, or no user has two interactions.

    Examples
    --------
    >>> import polars as pl
    >>> data = build_dataset(pl.DataFrame({"user_id": [1, 1, 2], "item_id": ["b", "a", "b"], "timestamp": [20, 10, None]}))
    >>> data.users.to_list(), data.items["item_id"].to_list(), [r.tolist() for r in data.histories.rows()]
    (['1', '2'], ['a', 'b'], [[0, 1], [1]])
    """
    settings = settings or DataSettings()
    raw, forms = _read_all({"interactions": interactions, "items": items, "reviews": reviews}, columns or {}, encoding)
    rejected = Rejected(settings.max_rejected)
    facts: dict[str, Any] = {}
    source = source_name(interactions, "interactions")
    rows, facts["interactions"] = _events(raw["interactions"], source, rejected)
    catalogue = None
    if "items" in raw:
        catalogue, facts["items"] = _items(raw["items"], source_name(items, "items"), rejected, settings)
    texts = None
    if "reviews" in raw:
        texts, facts["reviews"] = _reviews(raw["reviews"], source_name(reviews, "reviews"), rejected)

    for role, form in forms.items():
        facts[role]["form"] = form
    rows, dropped = _without_duplicates(rows) if settings.drop_duplicates else (rows, 0)
    before = rows.height
    if settings.core > 0:
        rows = k_core(rows, settings.core)
        catalogue = (
            None
            if catalogue is None
            else catalogue.join(rows.select(schema.ITEM).unique(), on=schema.ITEM, how="semi", maintain_order="left")
        )
    facts["interactions"] |= {"duplicates": dropped, "outside_core": before - rows.height, "kept": rows.height}
    if not rows.select(pl.col(schema.USER).is_duplicated().any()).item():
        core = f" in the {settings.core}-core" if settings.core else ""
        raise TableError(
            f"{source}: no user has two interactions{core}",
            "users with histories to learn from",
            "check that user_id names people, not visits",
        )
    data = _assemble(rows, complete_catalogue(catalogue, rows), texts)
    _check_targets(settings.target_events, data.event_names)
    data, suspects = without_shilling(data, settings)
    data.report.update(describe(data, facts) | suspects)
    if rejected_to is not None:
        rejected.write(Path(rejected_to))
    return data


def without_shilling(data: Dataset, settings: DataSettings) -> tuple[Dataset, dict[str, Any]]:
    """The dataset with what flagged users did weighed down, where the setting says so, and what to report; see `data.shilling`.

    Examples
    --------
    >>> data = build_dataset(pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"]}))
    >>> without_shilling(data, DataSettings(shilling="report"))[1]["shilling"]["flagged"]
    0
    """
    if settings.shilling == "off":
        return data, {}
    from crossaisle.data.shilling import find_shilling, trusted  # only where it is asked for: it needs more of scipy

    found = find_shilling(data.histories, data.n_items, settings.shilling_threshold)
    order = np.argsort(-found.score, kind="stable")[: min(int(found.flagged.sum()), _SHOWN)]
    facts = {
        "mode": settings.shilling,
        "threshold": settings.shilling_threshold,
        **found.facts(),
        "events": int(data.histories.lengths[found.flagged].sum()),
        "most_suspicious": [[data.users[int(u)], round(float(found.suspicion[u]), 4)] for u in order],
        "pushed": data.items[schema.ITEM].gather(found.pushed[:_SHOWN]).to_list(),
    }
    if settings.shilling == "downweight" and found.flagged.any():
        trust = trusted(data.histories, found, settings.shilling_weight)
        data = data.with_histories(replace(data.histories, trust=trust))
    return data, {"shilling": facts}


def _read_all(
    tables: Mapping[str, Table | None], columns: Mapping[str, str], encoding: str | None
) -> tuple[dict[str, pl.DataFrame], dict[str, str]]:
    twice = sorted(t for t in columns.values() if list(columns.values()).count(t) > 1)
    if twice:
        raise TableError(f"--columns takes the column {twice[0]!r} twice", "each column once", "correct --columns")
    raw: dict[str, pl.DataFrame] = {}
    forms: dict[str, str] = {}
    seen: set[str] = set()
    for role, table in tables.items():
        if table is None:
            continue
        if isinstance(table, (str, Path)):
            frame, forms[role] = read_with_form(table, encoding=encoding)
        else:
            frame, forms[role] = as_frame(table, role), "frame"
        if frame.height == 0:
            raise TableError(f"{source_name(table, role)} has no row", "at least one row", "check where it comes from")
        seen |= set(frame.columns)
        raw[role] = rename_columns(frame.lazy(), columns).collect()
    for ours, theirs in columns.items():
        if theirs not in seen:
            shown = ", ".join(sorted(c for c in seen if not c.startswith("__"))[:20])
            raise TableError(f"--columns {ours}={theirs}: no table has a column {theirs!r}", f"one of: {shown}", "correct the name")
    return raw, forms


def as_frame(table: object, role: str) -> pl.DataFrame:
    """A polars or pandas frame as a polars one; anything else is a TableError."""
    if isinstance(table, (pl.DataFrame, pl.LazyFrame)):
        return table.lazy().collect()
    if type(table).__module__.split(".")[0] == "pandas":
        return pl.from_pandas(table, nan_to_null=False)
    raise TableError(f"{role} is of type {type(table).__name__}", "a path, a polars frame or a pandas frame", "convert it first")


def _facts(raw: pl.DataFrame, rows: pl.DataFrame, source: str) -> dict[str, Any]:
    reasons = rows[REASON].drop_nulls().value_counts().sort(["count", REASON], descending=[True, False])
    return {"source": source, "rows": raw.height, "rejected": dict(reasons.iter_rows())}


def _events(raw: pl.DataFrame, source: str, rejected: Rejected) -> tuple[pl.DataFrame, dict[str, Any]]:
    rows, form = typed_rows(raw, source)
    facts = _facts(raw, rows, source) | {"time_form": form, "positions": int(rows[schema.POSITION].count())}
    rejected.add("interactions", source, raw, rows)
    if schema.CATEGORY in raw.columns and not raw.schema[schema.CATEGORY].is_nested():
        rows = rows.with_columns(raw.select(clean_text(pl.col(schema.CATEGORY))).to_series())
    event = pl.when(pl.col(schema.EVENT) == "").then(pl.lit(NO_EVENT)).otherwise(pl.col(schema.EVENT))
    return rows.filter(pl.col(REASON).is_null()).with_columns(event.alias(schema.EVENT)), facts


def _items(raw: pl.DataFrame, source: str, rejected: Rejected, settings: DataSettings) -> tuple[pl.DataFrame, dict[str, Any]]:
    rows, left_out, ignored = typed_items(raw, source)
    facts = _facts(raw, rows, source) | {"left_out": left_out, "ignored_columns": ignored}
    rejected.add("items", source, raw, rows)
    good = rows.filter(pl.col(REASON).is_null())
    distinct = without_twins(good, source, keep_first=settings.same_id == "first")
    return distinct.drop(ROW, REASON), facts | {"duplicates": good.height - distinct.height, "kept": distinct.height}


def _reviews(raw: pl.DataFrame, source: str, rejected: Rejected) -> tuple[pl.DataFrame, dict[str, Any]]:
    rows, _ = typed_rows(raw, source, text=True)
    facts = _facts(raw, rows, source)
    rejected.add("reviews", source, raw, rows)
    good = rows.filter(pl.col(REASON).is_null()).drop(ROW, REASON)
    good = good.select(schema.USER, schema.ITEM, schema.TIMESTAMP, schema.RATING, schema.HELPFUL, clean_text(pl.col(schema.TEXT)))
    distinct = good.unique(maintain_order=True)
    return distinct, facts | {"duplicates": good.height - distinct.height, "kept": distinct.height}


def _without_duplicates(rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    # a column without values tells no rows apart, and a mask needs less memory than the rows that `unique` puts together
    content = [c for c in rows.columns if c not in (ROW, REASON) and (c in (schema.USER, schema.ITEM) or rows[c].count())]
    kept = rows.filter(pl.struct(content).is_first_distinct())
    return kept, rows.height - kept.height


def _assemble(rows: pl.DataFrame, items: pl.DataFrame, reviews: pl.DataFrame | None) -> Dataset:
    users = rows[schema.USER].unique().sort()
    names = rows[schema.EVENT].unique().sort().to_list()
    rated = rows[schema.RATING].count() > 0
    coded = (
        rows.join(pl.DataFrame({schema.USER: users}).with_row_index("u"), on=schema.USER, how="left")
        .join(items.select(schema.ITEM).with_row_index("i"), on=schema.ITEM, how="left")
        .select("u", "i", schema.EVENT, schema.WEIGHT, schema.TIMESTAMP, schema.POSITION, ROW, *([schema.RATING] if rated else []))
    )
    ordered = in_order(coded)
    offsets = np.zeros(len(users) + 1, dtype=np.int64)
    np.cumsum(np.bincount(ordered["u"].to_numpy(), minlength=len(users)), out=offsets[1:])
    histories = Histories.from_arrays(
        offsets,
        ordered["i"].to_numpy().astype(np.int64),
        ordered[schema.EVENT].replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy(),
        ordered[schema.WEIGHT].fill_null(1.0).to_numpy().astype(np.float32),
        ordered[schema.TIMESTAMP].fill_null(float("nan")).to_numpy(),
        ordered[schema.RATING].fill_null(float("nan")).to_numpy() if rated else None,
    )
    seen = None
    if schema.PROPENSITY in items.columns:
        seen = items[schema.PROPENSITY].fill_null(float("nan")).to_numpy()
        items = items.drop(schema.PROPENSITY)
    return Dataset(items, users, histories, tuple(names), reviews, propensities=seen).with_own_reviews()


def in_order(coded: pl.DataFrame) -> pl.DataFrame:
    """Events (``u``, ``timestamp``, ``position``, `ROW`, ...) sorted by user, then in the order described at the top of this file."""
    place = [pl.col(schema.POSITION), pl.col(ROW)]
    time = coded[schema.TIMESTAMP]
    if 0 < time.null_count() < len(time):
        coded = coded.sort(["u", *place], nulls_last=True).with_columns(pl.col(schema.TIMESTAMP).forward_fill().over("u").alias("t"))
    else:
        coded = coded.with_columns(pl.col(schema.TIMESTAMP).alias("t"))
    return coded.sort(["u", "t", *place], nulls_last=[False, False, True, True])


def _check_targets(wanted: tuple[str, ...], names: tuple[str, ...]) -> None:
    for name in wanted:
        if name not in names:
            raise SettingError(f"target event {name!r}", f"one of {', '.join(names)}", "correct --set data.target_events=...")
