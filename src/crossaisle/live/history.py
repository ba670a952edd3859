"""The swap history of a model folder: one JSON object a line in ``swaps.jsonl``, oldest first. Imports: store.

What happened is also in the version itself (``report["refit"]``), so that a run that was killed between pointing to a version and writing
the line loses nothing: `mend` adds it later.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crossaisle.errors import ModelError
from crossaisle.store import current_version, version_names

__all__ = ["KEPT_ASIDE", "ROLLED_BACK", "SWAPPED", "before", "lost", "mend", "note", "swaps"]

_FILE = "swaps.jsonl"
SWAPPED, KEPT_ASIDE, ROLLED_BACK = "swapped in", "kept aside", "rolled back"
"""What an entry says under ``what``."""


def swaps(folder: str | Path) -> list[dict[str, Any]]:
    """The swap history, oldest first; a line that a killed run left half-written is passed over.

    Each entry has ``when`` (ISO 8601), ``what`` (`SWAPPED`, `KEPT_ASIDE` or `ROLLED_BACK`), ``from`` and ``to`` (versions), ``why`` (one
    line) and, of a refit, ``in service`` and ``challenger`` (N@10 on the newest events), ``found`` (what the judge makes of them),
    ``difference``, ``low``, ``high``, ``could see``, ``margin``, ``lost before`` (see `lost`), ``people``, ``questions``, ``new``,
    ``minutes`` and ``cursor``.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> note(folder, {"what": SWAPPED, "from": "v0001", "to": "v0002", "why": "it is better"})
    >>> [(entry["what"], entry["to"]) for entry in swaps(folder)]
    [('swapped in', 'v0002')]
    """
    try:
        lines = (Path(folder) / _FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    out = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and {"what", "from", "to"} <= entry.keys():
            out.append(entry)
    return out


def note(folder: str | Path, entry: Mapping[str, Any]) -> None:
    """Add an entry, on the disk when this returns; ``when`` is now unless it is given."""
    path = Path(folder) / _FILE
    line = json.dumps({"when": _now(), **entry}, ensure_ascii=False) + "\n"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":  # the end of a line that a killed run left
            line = "\n" + line
        os.write(descriptor, line.encode("utf-8"))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def mend(folder: str | Path, report: Mapping[str, Any]) -> None:
    """Add the entry of the version in service where a killed run did not get to it; ``report`` is that version's own."""
    entry = report.get("refit")
    now = current_version(folder)
    if isinstance(entry, dict) and entry.get("to") == now and not any(e["what"] == SWAPPED and e["to"] == now for e in swaps(folder)):
        note(folder, entry)


def before(folder: str | Path) -> str:
    """The version that a rollback goes back to: the one that the current version replaced.

    Where the history does not know, as after a fit, it is the newest older version that was not rolled back itself.

    Raises
    ------
    ModelError
        If there is none.
    """
    now, history, names = current_version(folder), swaps(folder), version_names(folder)
    replaced = [entry["from"] for entry in history if entry["what"] == SWAPPED and entry["to"] == now]
    if replaced and replaced[-1] in names:
        return str(replaced[-1])
    if not now[1:].isdigit():
        raise ModelError(
            f"model {folder} points to {now[:40]!r}, which names no version", "v and a number", "write a version's name into current"
        )
    bad = {entry["from"] for entry in history if entry["what"] == ROLLED_BACK}
    older = [name for name in names if int(name[1:]) < int(now[1:]) and name not in bad]
    if not older:
        raise ModelError(
            f"model {folder} has no version before {now}", "one to go back to", f"keep {now}, or write another version's name into current"
        )
    return older[-1]


def lost(folder: str | Path, name: str) -> float:
    """By what share the model in service is below the best that it came from, by the differences seen at the swaps; 0 or less.

    Each of many swaps may lose a little that one judgement cannot see. The differences are of other questions each time, so shares of
    what was in service are added up (a sum that is kept from rising above 0, as CUSUM has it; Page, Biometrika 1954).

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for n, difference in ((2, -0.004), (3, -0.001), (4, 0.02), (5, -0.002)):
    ...     note(folder, {"what": SWAPPED, "from": f"v000{n - 1}", "to": f"v000{n}", "in service": 0.1, "difference": difference})
    >>> [round(lost(folder, f"v000{n}"), 3) for n in range(1, 6)]
    [0.0, -0.04, -0.05, 0.0, -0.02]
    """
    newest, line = {entry["to"]: entry for entry in swaps(folder) if entry["what"] == SWAPPED}, list[dict[str, Any]]()
    while (entry := newest.pop(name, None)) is not None:  # a version that was fitted, or none that is known, begins a line
        line.append(entry)
        name = entry["from"]
    total = 0.0
    for entry in reversed(line):
        before_it, difference = entry.get("in service"), entry.get("difference")
        if before_it and difference is not None:
            total = min(0.0, total + difference / before_it)
    return total


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
