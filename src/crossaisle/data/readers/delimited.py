"""CSV and TSV to a frame of strings. Imports: nothing of its own room.

Every column stays text, so that an id such as 001 is never read as 1. Polars reads files without quotation marks; files with
them go through Python's csv module, because polars refuses or misreads a quotation mark inside an unquoted field. A row whose number of
fields is wrong does not end the reading: it is marked in the column `FAULT`.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import islice

import polars as pl

from crossaisle.errors import TableError

__all__ = ["FAULT", "parse_delimited"]

FAULT = "__row_fault__"
"""Column that says what is wrong with a row as such; present only where some row has a fault."""

_CHUNK = 100_000


def parse_delimited(text: str, source: str, separator: str | None = None, *, quoted: bool = True) -> pl.DataFrame:
    """A frame of strings; empty fields are null.

    Parameters
    ----------
    text : str
        The whole file, header first.
    source : str
        What to call it in an error.
    separator : str, optional
        Comma, tab or semicolon; taken from the header if not given.
    quoted : bool
        Whether quotation marks hold fields together; without, they are characters like any other.

    Examples
    --------
    >>> parse_delimited('user_id,item_id\\n001,a"b\\n', "toy").rows()
    [('001', 'a"b')]
    """
    header = text[: text.find("\n")] if "\n" in text else text
    if separator is None or separator not in header:
        separator = max(",\t;|", key=lambda s: (header.count(s), s == ","))
    if ('"' not in text or not quoted) and "\r" not in text.replace("\r\n", "\n"):
        names = _names(header.split(separator), source)
        lines = re.sub(r"\n(?:[ \t]*\r?\n)+", "\n", text) if separator != "\t" else re.sub(r"\n(?:\r?\n)+", "\n", text)
        try:
            return pl.read_csv(lines.encode(), separator=separator, infer_schema=False, quote_char=None, new_columns=names)
        except pl.exceptions.PolarsError:
            pass  # a row with too many fields: read it again the patient way, which marks such rows
    limit = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        return _patient(text, source, separator, quoted)
    finally:
        csv.field_size_limit(limit)


def _patient(text: str, source: str, separator: str, quoted: bool) -> pl.DataFrame:
    if not quoted:
        return _frame(csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=csv.QUOTE_NONE), source)
    try:
        return _frame(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), source)
    except csv.Error:
        lenient = _frame(csv.reader(io.StringIO(text, newline=""), delimiter=separator), source)
        unquoted = _frame(csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=csv.QUOTE_NONE), source)
    # a stray quotation mark at the start of a field makes the lenient reading swallow whole rows
    good = [f.height - (f[FAULT].count() if FAULT in f.columns else 0) for f in (lenient, unquoted)]
    return lenient if good[0] >= good[1] else unquoted


def _names(header: list[str], source: str) -> list[str]:
    names = [n.strip() for n in header]
    twice = {n for n in names if names.count(n) > 1}
    if twice:
        raise TableError(f"{source} has the column {min(twice)!r} twice", "each column once", "rename or remove one of them")
    return names


def _frame(rows: Iterator[list[str]], source: str) -> pl.DataFrame:
    names = _names(next(rows), source)
    width = len(names)
    chunks, any_fault = [], False
    full = (row for row in rows if row)
    while chunk := list(islice(full, _CHUNK)):
        faults = [None if len(r) == width else f"{len(r)} fields where the header has {width}" for r in chunk]
        any_fault = any_fault or any(faults)
        if any(faults):
            chunk = [(r + [""] * width)[:width] for r in chunk]
        columns: Iterable[tuple[str, ...]] = zip(*chunk, strict=True)
        data = {n: pl.Series(n, c, dtype=pl.String) for n, c in zip(names, columns, strict=True)}
        data[FAULT] = pl.Series(FAULT, faults, dtype=pl.String)
        chunks.append(pl.DataFrame(data))
    frame = pl.concat(chunks) if chunks else pl.DataFrame({n: pl.Series(n, [], dtype=pl.String) for n in [*names, FAULT]})
    frame = frame.with_columns(pl.col(n).replace("", None) for n in names)
    return frame if any_fault else frame.drop(FAULT)
