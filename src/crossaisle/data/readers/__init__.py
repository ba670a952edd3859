"""Readers: contract tables from files, and importers of foreign sources. Imports: amazon2018, imported, recbole, retail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from crossaisle.data.readers import amazon2018, recbole, retail
from crossaisle.data.readers.imported import ImportedTables, write_tables
from crossaisle.errors import RequestError

__all__ = ["IMPORTERS", "ImportedTables", "import_tables"]

IMPORTERS: dict[str, Callable[[Path | None], ImportedTables]] = {
    "amazon2018": amazon2018.read,
    "recbole": recbole.read,
    "retail": retail.read,
}
"""What ``crossaisle import`` can read, by name."""


def import_tables(kind: str, source: str | Path | None, out: str | Path) -> dict[str, Any]:
    """Read a foreign source and write the contract tables as Parquet, all or nothing.

    Parameters
    ----------
    kind : str
        One of `IMPORTERS`.
    source : path or None
        Where the source lies; ``retail`` needs none.
    out : path
        The folder to write.

    Returns
    -------
    dict
        ``origin``, ``notes``, ``rows`` and ``columns`` by table; also written as ``origin.json``.
    """
    if kind not in IMPORTERS:
        raise RequestError(f"unknown source {kind!r}", f"one of {', '.join(IMPORTERS)}", "see: crossaisle import --help")
    return write_tables(IMPORTERS[kind](None if source is None else Path(source)), Path(out))
