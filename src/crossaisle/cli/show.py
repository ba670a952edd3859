"""Printing: tables and notes for people, JSON for machines. Imports nothing of its own room."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["plain", "print_facts", "print_json", "print_notes", "print_table", "words"]

_PIPE_WIDTH = 140
"""Columns when stdout is no terminal: wide enough that lists are not cut."""


def plain(value: Any) -> Any:
    """Plain values, ready for JSON; NaN and infinities, which JSON lacks, become None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value.item() if hasattr(value, "item") else value


def print_json(value: Any) -> None:
    """One JSON document on stdout; NaN and infinities, which JSON lacks, become null."""
    json.dump(plain(value), sys.stdout, ensure_ascii=False, allow_nan=False, default=str)
    print()


def words(value: Any) -> str:
    """A value as a person would write it.

    Examples
    --------
    >>> words(0.07214), words(12101), words(["a", "b"]), words(None), words(True)
    ('0.0721', '12,101', 'a, b', '', 'yes')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}" if abs(value) >= 1 else f"{value:.4f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(words(v) for v in value)
    return str(value)


def print_table(rows: Sequence[Mapping[str, Any]], title: str = "") -> None:
    """Rows with the same keys as one table on stdout; numbers to the right, long texts folded."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    if title:  # not the table's own title, which would be folded to the width of a narrow table
        print(f"\n{title}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows[0] if rows else ():
        number = all(isinstance(r[name], (int, float)) and not isinstance(r[name], bool) for r in rows if r[name] is not None)
        table.add_column(Text(name), justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(words(value)) for value in row.values()))
    console.print(table)


def print_facts(facts: Mapping[str, Any], indent: int = 0) -> None:
    """Nested names and values, one a line."""
    width = max((len(str(k)) for k, v in facts.items() if not isinstance(v, Mapping)), default=0)
    for name, value in facts.items():
        if isinstance(value, Mapping):
            print(" " * indent + f"{name}:")
            print_facts(value, indent + 2)
        else:
            print(" " * indent + f"{name:<{width}}  {words(value)}")


def print_notes(notes: Sequence[str]) -> None:
    """What the person should know beside the result: on stderr, so that stdout holds only the result."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
