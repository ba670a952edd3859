"""What a search found, measured on questions that it never saw, and written down. Imports: picture, space, trials, work."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from crossaisle.contracts import Progress, Scorer
from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Split
from crossaisle.evaluate.facts import versions
from crossaisle.evaluate.protocol import evaluate
from crossaisle.evaluate.report.files import write_folder
from crossaisle.presets import AllSettings
from crossaisle.scorers import network_scorer, with_media
from crossaisle.search.picture import draw
from crossaisle.search.space import as_text
from crossaisle.search.trials import best_of, importance, table
from crossaisle.search.work import Material, chosen_settings
from crossaisle.stats import paired_test

__all__ = ["Verdict", "changes", "compare", "described", "write_search"]

FORMAT = 1
"""Raised when a name or meaning in ``result.json`` changes."""

_TUNED, _DEFAULTS = "crossaisle-tuned", "crossaisle-defaults"


@dataclass(frozen=True)
class Verdict:
    """The winner beside the settings that the search started from, on the test questions.

    Attributes
    ----------
    view : str
        Which items are ranked, see the protocol.
    n : int
        Questions.
    tuned, defaults : float
        N@10.
    difference, low, high, p : float
        tuned - defaults with its 95 % interval and two-sided p, paired by question.
    """

    view: str
    n: int
    tuned: float
    defaults: float
    difference: float
    low: float
    high: float
    p: float


def compare(
    data: Dataset, split: Split, protocol: str, settings: AllSettings, tuned: AllSettings, progress: Progress | None = None
) -> Verdict:
    """Train both anew, each stopping by validation and then (``train.refit``) on all but the test, and ask both the test questions once.

    Where the winner is what the search started from, one is trained, and the difference is nothing.
    """

    def make(name: str, base: AllSettings, seed: int, data: Dataset) -> Scorer:
        chosen = (tuned if name == _TUNED else settings).changed({"seed": str(seed)})
        return network_scorer(with_media(chosen, data), name, media=data.media)

    results = evaluate(
        data,
        protocol=protocol,
        models=(_TUNED,) if tuned == settings else (_TUNED, _DEFAULTS),
        settings=settings,
        refit=settings.train.refit,
        ks=(10,),
        split=split,
        progress=progress,
        make_scorer=make,
    )
    view = results.views[0].name
    asked = results.per_query.filter(pl.col("view") == view).sort("query")
    a, b = (asked.filter(pl.col("model") == m)["ndcg@10"].to_numpy().astype(np.float64) for m in (_TUNED, results.models[-1]))
    return Verdict(view, len(a), float(a.mean()), float(b.mean()), *paired_test(a, b, settings.seed))


def changes(settings: AllSettings) -> dict[str, str]:
    """What differs from the program's own defaults, as ``--set`` and ``--settings`` take it; seed and device are the caller's.

    Examples
    --------
    >>> changes(AllSettings().changed({"model.dim": "64", "seed": "3"}))
    {'model.dim': '64'}
    """
    differing = {key: as_text(value) for key, value, _, default in settings.walk() if value != default}
    return {key: text for key, text in differing.items() if key not in ("seed", "device")}


def described(study: Any, material: Material, verdict: Verdict, protocol: str, split_note: str, seed: int) -> dict[str, Any]:
    """Everything of ``result.json``: plain values."""
    rows, best = table(study), best_of(study)
    assert best is not None
    counts = {state: sum(row["state"] == state for row in rows) for state in ("finished", "pruned", "failed", "stopped")}
    start = rows[0] if rows and chosen_settings(material, rows[0]["settings"]) == material.settings else None
    return {
        "format": FORMAT,
        "objective": "N@10 of the network alone on the validation questions, the best epoch",
        "protocol": protocol,
        "split": split_note,
        "space": [str(axis) for axis in material.space],
        "seed": seed,
        "counts": counts,
        "minutes": round(sum(row["minutes"] or 0.0 for row in rows), 2),
        "best": {"trial": best.number, "validation": best.value, "settings": dict(best.params)},
        "defaults": {"validation": None if start is None else start["value"]},
        "test": dataclasses.asdict(verdict),
        "importance": importance(study, seed),
        "trials": rows,
        "versions": versions(),
    }


def write_search(folder: Path, result: dict[str, Any], tuned: AllSettings) -> None:
    """``result.json``, ``settings.json`` and ``search.png``, whole or not at all.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    picture = draw(result)

    def text(value: Any) -> Callable[[Path], object]:
        return lambda path: path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    write_folder(
        folder,
        {"result.json": text(result), "settings.json": text(changes(tuned)), "search.png": lambda path: path.write_bytes(picture)},
    )
