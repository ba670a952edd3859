"""What whoever runs the service looks at. Imports: history, learned, served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from crossaisle.errors import ModelError
from crossaisle.live.history import swaps
from crossaisle.live.learned import Learned
from crossaisle.live.served import Served
from crossaisle.store import read_manifest, version_names
from crossaisle.whole.version import CURVES

__all__ = ["overview"]

_NEW, _TRAININGS, _DAYS = 50, 10, 60
"""Rows of each kind, at most."""


def overview(served: Served, learned: Learned, folder: Path) -> dict[str, Any]:
    """What whoever runs the service looks at: quality, trainings with their curves, feedback by day, what is abnormal, new, exchanged."""
    undone = learned.undone()
    shown = learned.shown_lately()
    new = np.flatnonzero((served.contents.scorer.counts == 0) & ~served.gone)
    new = new[np.argsort(-shown[new], kind="stable")][:_NEW]
    return {
        "version": served.name,
        "created": _created(folder / served.name),
        "items": int(served.catalogue.n_items - served.gone.sum()),
        "people": len(served.rows),
        "quality": served.contents.quality,
        "trainings": [_training(folder, name) for name in version_names(folder)[-_TRAININGS:]],
        "feedback": [{"day": day, **of_day} for day, of_day in sorted(learned.days.items())[-_DAYS:]],
        "abnormal": [{**served.looks(row.pop("item")), **row, "undone": None} for row in learned.abnormal()],
        "undone": [{**served.looks(served.codes[item]), "when": when} for item, when in undone.items() if item in served.codes],
        "new_items": [{**served.looks(code), "shown": int(shown[code])} for code in new.tolist()],
        "n_new_items": int(((served.contents.scorer.counts == 0) & ~served.gone).sum()),
        "swaps": swaps(folder),
    }


def _training(folder: Path, name: str) -> dict[str, Any]:
    """A version's name, age and curves; without what cannot be read."""
    try:
        curves = json.loads((folder / name / CURVES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        curves = {}
    return {"version": name, "created": _created(folder / name), "curves": curves}


def _created(version: Path) -> str | None:
    """When a version was written; None where it cannot be read: what serves may have been taken away from the folder since."""
    try:
        created = read_manifest(version).get("created")
    except ModelError:
        return None
    return None if created is None else str(created)
