"""Rows that cannot be used: counted, judged against the allowed share, written out with their reasons. Imports: rows."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from crossaisle import schema
from crossaisle.data.rows import REASON, ROW
from crossaisle.errors import OutputError, TableError

__all__ = ["REASON", "ROW", "Rejected"]

_LONGEST = 300
_NO_PROSE = (schema.USER, schema.ITEM, schema.TIMESTAMP, schema.RATING, schema.HELPFUL)


class Rejected:
    """The rejected rows of all tables of one run.

    Parameters
    ----------
    allowed : float
        Share of a table's rows that may be rejected.
    """

    def __init__(self, allowed: float) -> None:
        self._allowed = allowed
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, table: str, source: str, raw: pl.DataFrame, judged: pl.DataFrame) -> None:
        """Note the rows of ``judged`` that have a reason, with the values they have in ``raw``; of a text that a person wrote, its length.

        Raises
        ------
        TableError
            If they are more than the allowed share of the table.
        """
        bad = judged.filter(pl.col(REASON).is_not_null()).select(ROW, REASON)
        if bad.height > self._allowed * raw.height:
            counts = bad[REASON].value_counts().sort(["count", REASON], descending=[True, False])
            said = "; ".join(f"{n} x {reason}" for reason, n in counts.head(4).iter_rows()) + ("; ..." if counts.height > 4 else "")
            raise TableError(
                f"{source}: {bad.height} of {raw.height} rows cannot be used ({said}; first: row {bad[ROW][0]})",
                f"at most {self._allowed:.2%} of them",
                "mend the table, name its columns with --columns, or allow more with --max-rejected",
            )
        columns = [c for c in raw.columns if not c.startswith("__")]
        values = raw[(bad[ROW].cast(pl.Int64) - 1).to_list()].select(columns)
        for (row, reason), value in zip(bad.iter_rows(), values.iter_rows(named=True), strict=True):
            shown = {k: _plain(v) for k, v in value.items() if v is not None}
            if table == "reviews":
                shown = {
                    k: f"({len(str(value[k]))} characters)" if isinstance(v, str) and k not in _NO_PROSE else v for k, v in shown.items()
                }
            self._rows.append({"table": table, "row": row, "reason": reason, "values": shown})

    def write(self, path: Path) -> None:
        """Write ``rejected.jsonl`` whole or not at all; with nothing to write, an older file at this place goes.

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        try:
            if not self._rows:
                path.unlink(missing_ok=True)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in self._rows)
                os.replace(temporary, path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise OutputError(
                f"{path} cannot be written ({error.strerror})", "a folder that can be written", "choose another place"
            ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
