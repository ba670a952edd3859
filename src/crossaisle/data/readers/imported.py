"""What an importer returns, and how its tables are written: all or nothing. Imports: nothing of its own room."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from crossaisle.errors import OutputError

__all__ = ["ImportedTables", "write_tables"]


@dataclass(frozen=True, eq=False)
class ImportedTables:
    """Contract tables made from a foreign source.

    Attributes
    ----------
    interactions : polars.DataFrame
    items, reviews : polars.DataFrame or None
    origin : str
        One sentence: what this data is and where it comes from.
    notes : tuple of str
        What was left out or changed on the way, with counts.
    """

    interactions: pl.DataFrame
    items: pl.DataFrame | None = None
    reviews: pl.DataFrame | None = None
    origin: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """The tables that there are, by name."""
        named = {"interactions": self.interactions, "items": self.items, "reviews": self.reviews}
        return {name: table for name, table in named.items() if table is not None}


def write_tables(imported: ImportedTables, out: Path) -> dict[str, Any]:
    """Write ``interactions.parquet``, ``items.parquet``, ``reviews.parquet`` and ``origin.json`` into a folder.

    Everything is written beside the folder first and moved in at the end, so that a broken run leaves the folder as it was.

    Returns
    -------
    dict
        ``origin``, ``notes``, and ``rows`` and ``columns`` of each table; what ``origin.json`` holds.

    Raises
    ------
    OutputError
        If the folder cannot be written, or is a file.
    """
    tables = imported.tables
    summary = {
        "origin": imported.origin,
        "notes": list(imported.notes),
        "rows": {name: table.height for name, table in tables.items()},
        "columns": {name: table.columns for name, table in tables.items()},
    }
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file", "a folder", "choose another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=out, prefix=".import-"))
        try:
            for name, table in tables.items():
                table.write_parquet(temporary / f"{name}.parquet")
            (temporary / "origin.json").write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
            for name in ("interactions", "items", "reviews"):
                if name not in tables:
                    (out / f"{name}.parquet").unlink(missing_ok=True)
            for file in sorted(temporary.iterdir()):
                os.replace(file, out / file.name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"{out} cannot be written ({error.strerror})", "a folder that can be written, with room left", "choose another --out"
        ) from None
    return summary
