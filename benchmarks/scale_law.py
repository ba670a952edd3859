"""The cost law in the cells of a table: exponents of time, slopes of memory, and the table for reading. Imports: numpy.

seconds ~ c interactions^a items^b        (least squares in logarithms)
memory  ~ m0 + m1 interactions + m2 items (least squares)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["law", "markdown", "write_table"]

Cell = dict[str, Any]


def law(cells: Sequence[Cell], value: Callable[[Cell], float]) -> dict[str, float]:
    """Exponents of interactions and items, with the worst ratio between a cell and the law.

    Examples
    --------
    >>> cells = [{"interactions": e, "items": n, "t": 2e-6 * e * n**0.5} for e in (10, 100) for n in (4, 9, 16)]
    >>> law(cells, lambda cell: cell["t"])
    {'interactions': 1.0, 'items': 0.5, 'worst_ratio': 1.0}
    """
    known = np.log([[cell["interactions"], cell["items"]] for cell in cells])
    design = np.column_stack([known[:, np.ptp(known, axis=0) > 0], np.ones(len(cells))])
    target = np.log([value(cell) for cell in cells])
    found = np.linalg.lstsq(design, target, rcond=None)[0]
    names = [name for name, varies in zip(("interactions", "items"), np.ptp(known, axis=0) > 0, strict=True) if varies]
    worst = float(np.exp(np.abs(design @ found - target).max()))
    return {name: round(float(a), 2) for name, a in zip(names, found, strict=False)} | {"worst_ratio": round(worst, 2)}


def memory_law(cells: Sequence[Cell], value: Callable[[Cell], float]) -> dict[str, float]:
    """GB at no size, for a million interactions more, and for 100,000 items more."""
    design = np.array([[1.0, cell["interactions"] / 1e6, cell["items"] / 1e5] for cell in cells])
    found = np.linalg.lstsq(design, np.array([value(cell) for cell in cells]), rcond=None)[0]
    return dict(zip(("base_gb", "gb_a_million_interactions", "gb_100_000_items"), (round(float(v), 2) for v in found), strict=True))


def laws(cells: Sequence[Cell]) -> dict[str, dict[str, float]]:
    """What the cells say; a step of the full softmax and of sampled negatives are two laws."""
    full = [c for c in cells if not c["epoch"]["negatives"]]
    return {
        "read, clean, split, count: processor seconds": law(cells, lambda c: c["read"]["cpu_seconds"]),
        "read, clean, split, count: peak memory": memory_law(cells, lambda c: c["read"]["peak_gb"]),
        "one step, whole catalogue ranked: processor milliseconds": law(full, lambda c: c["epoch"]["cpu_ms_a_step"]),
        "one epoch, whole catalogue ranked: processor seconds": law(full, lambda c: c["epoch"]["epoch_cpu_seconds"]),
        "one epoch, all cells: processor seconds": law(cells, lambda c: c["epoch"]["epoch_cpu_seconds"]),
        "fit: peak memory": memory_law(cells, lambda c: c["epoch"]["peak_gb"]),
    }


def markdown(cells: Sequence[Cell]) -> str:
    """The table; an epoch that was cut short and extrapolated is marked with a tilde."""
    heads = ["interactions", "items", "read, clean, split, count: processor s (clock)", "GB", "negatives", "processor ms a step (clock)"]
    heads += ["an epoch: processor s (clock)", "GB with training"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for cell in cells:
        read, epoch = cell["read"], cell["epoch"]
        mark = "~" if epoch["extrapolated"] else ""
        row = [
            f"{cell['interactions']:,}",
            f"{cell['items']:,}",
            f"{read['cpu_seconds']:.1f} ({read['seconds']:.1f})",
            f"{read['peak_gb']:.2f}",
            f"{epoch['negatives'] or 'all'}",
            f"{epoch['cpu_ms_a_step']:.0f} ({epoch['ms_a_step']:.0f})",
            f"{mark}{epoch['epoch_cpu_seconds']:,.0f} ({mark}{epoch['epoch_seconds']:,.0f})",
            f"{epoch['peak_gb']:.2f}",
        ]
        lines.append("| " + " | ".join(row) + " |")
    said = [f"- {name}: " + ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in found.items()) for name, found in laws(cells).items()]
    note = "~ extrapolated from the steps that were timed. Exponents are fitted by least squares in logarithms, memory linearly. The clock"
    note += " also counts what a busy machine did meanwhile; processor seconds do not."
    return "\n".join([*lines, "", note, "", *said]) + "\n"


def write_table(folder: Path) -> None:
    """``table.md`` beside ``table.json``, and the laws in both."""
    found = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    found["laws"] = laws(found["cells"])
    (folder / "table.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (folder / "table.md").write_text(f"# What size costs\n\n`{found['command']}`\n\n" + markdown(found["cells"]), encoding="utf-8")
