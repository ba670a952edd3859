"""One table from a file, a folder or a glob. Imports: content, delimited, jsonlines.

Parquet is scanned lazily; CSV, TSV and JSON lines are read as text, every column a string. The format is told by the content
first and by the name second, so a gzip file or a Parquet file with another ending is read all the same.
"""

from __future__ import annotations

import glob as globbing
import io
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from crossaisle.data.readers.content import decode, load, normal_encoding
from crossaisle.data.readers.delimited import FAULT, parse_delimited
from crossaisle.data.readers.jsonlines import parse_jsonlines
from crossaisle.errors import TableError

TAB = "\t"

__all__ = ["FAULT", "read_table", "read_with_form", "rename_columns", "scan_table"]


def scan_table(path: str | Path, *, columns: Mapping[str, str] | None = None, encoding: str | None = None) -> pl.LazyFrame:
    """A table as a lazy frame; Parquet keeps its types, text formats give strings.

    Parameters
    ----------
    path : str or Path
        A Parquet, CSV, TSV or JSON-lines file (gzip allowed), or a folder or a glob of Parquet files.
    columns : mapping, optional
        Contract name -> name in the file; names that this file lacks are left alone.
    encoding : str, optional
        ``utf-8`` or ``gb18030``, for text formats; recognised if not given.

    Returns
    -------
    polars.LazyFrame
        A row that could not be split into fields carries the reason in the column ``__row_fault__``.

    Raises
    ------
    TableError
        If the file is missing, empty, binary, cut short, or in another encoding.
    """
    normal_encoding(encoding)
    return rename_columns(_scan(Path(path), encoding)[0], columns or {})


def read_table(path: str | Path, *, columns: Mapping[str, str] | None = None, encoding: str | None = None) -> pl.DataFrame:
    """`scan_table`, read whole.

    Raises
    ------
    TableError
        As `scan_table`; also if a Parquet file is damaged inside, or the table has no row.
    """
    return rename_columns(read_with_form(path, encoding=encoding)[0].lazy(), columns or {}).collect()


def read_with_form(path: str | Path, *, encoding: str | None = None) -> tuple[pl.DataFrame, str]:
    """A table read whole, and what it was: ``Parquet``, ``CSV, utf-8``, ``TSV, gb18030``, ``JSON lines, utf-8``; errors as `read_table`."""
    normal_encoding(encoding)
    frame, form = _scan(Path(path), encoding)
    try:
        table = frame.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _damaged(path, error) from None
    if table.height == 0:
        raise TableError(f"{path} has a header and no row", "at least one row", "check how the file was written")
    return table, form


def rename_columns(frame: pl.LazyFrame, columns: Mapping[str, str]) -> pl.LazyFrame:
    """The frame with contract names; a column that already had such a name makes way."""
    names = frame.collect_schema().names()
    renames = {theirs: ours for ours, theirs in columns.items() if theirs in names and ours != theirs}
    return frame.drop([ours for ours in renames.values() if ours in names and ours not in renames]).rename(renames)


def _scan(path: Path, encoding: str | None) -> tuple[pl.LazyFrame, str]:
    if path.is_dir():
        return _scan_many(path, sorted(p for p in path.rglob("*.parquet") if p.is_file()))
    if not path.exists() and globbing.has_magic(str(path)):
        return _scan_many(path, sorted(Path(p) for p in globbing.glob(str(path), recursive=True) if Path(p).is_file()))
    return _scan_one(path, encoding)


def _scan_one(path: Path, encoding: str | None) -> tuple[pl.LazyFrame, str]:
    if path.is_file() and _starts_with(path, b"PAR1"):
        return _scan_parquet(path), "Parquet"
    raw = load(path)
    if raw[:4] == b"PAR1":
        return _scan_parquet(path, raw), "Parquet"
    ending = "".join(path.suffixes[-2:]).lower().removesuffix(".gz")
    if ending.endswith((".parquet", ".pq")):
        raise TableError(
            f"{path} is not a Parquet file", "a file that starts with PAR1", "give it the ending of what it is, or export it again"
        )
    text, used = decode(raw, str(path), encoding)
    if text.lstrip()[:1] in ("{", "[") or ending.endswith((".jsonl", ".ndjson", ".json")):
        return parse_jsonlines(text, str(path)).lazy(), f"JSON lines, {used}"
    separator = TAB if ending.endswith((".tsv", ".tab")) else "," if ending.endswith(".csv") else None
    return parse_delimited(text, str(path), separator).lazy(), f"{'TSV' if separator == TAB else 'CSV'}, {used}"


def _starts_with(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False


def _scan_parquet(path: Path, raw: bytes | None = None) -> pl.LazyFrame:
    try:
        frame = pl.scan_parquet(path, glob=False) if raw is None else pl.read_parquet(io.BytesIO(raw)).lazy()
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _damaged(path, error) from None
    return frame


def _scan_many(place: Path, files: list[Path]) -> tuple[pl.LazyFrame, str]:
    if not files:
        raise TableError(f"{place} holds no Parquet file", "a folder or a glob of Parquet files", "give the file itself for other formats")
    whole = pl.concat([_scan_one(p, None)[0] for p in files], how="diagonal_relaxed")
    try:
        whole.collect_schema()
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0][:120]
        raise TableError(f"the Parquet files of {place} do not fit together ({reason})", "the same columns", "give one file") from None
    return whole, f"{len(files)} Parquet files"


def _damaged(path: str | Path, error: Exception) -> TableError:
    reason = str(error).splitlines()[0][:120]
    return TableError(f"{path} is a Parquet file that is cut short or damaged ({reason})", "a whole Parquet file", "copy or write it again")
