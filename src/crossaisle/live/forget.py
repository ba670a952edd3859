"""Take people who asked to be forgotten out of versions that are there already. Imports: news; store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from crossaisle import schema
from crossaisle.live.news import among
from crossaisle.records.rows import Forgotten
from crossaisle.store import replace_file, version_names

__all__ = ["forget_in_versions"]

_HISTORIES, _DESCRIPTION = "histories.parquet", "model.json"


def forget_in_versions(folder: str | Path, forgotten: Sequence[Forgotten]) -> dict[str, int]:
    """Rewrite what each version of a model folder holds of people by name, without those who asked to be forgotten.

    That is ``histories.parquet``, and the users that ``model.json`` names as suspicious where ``data.shilling`` looked for some. A version
    loads at every moment meanwhile. What training made of people's behaviour stays: weights, counts, and ``baskets.safetensors``, which
    holds what shoppers of several aisles bought and not who they are; the next training is done without these people.

    Returns
    -------
    dict
        Version -> how many people were taken out of it; only versions that held some. A version that cannot be read is left as it is.

    Raises
    ------
    OutputError
        If a version cannot be written, or another run is writing the folder.
    """
    out = {}
    for name in version_names(folder) if forgotten else ():
        version = Path(folder) / name
        people = _histories_without(version, forgotten) | _suspects_without(version, forgotten)
        if people:
            out[name] = len(people)
    return out


def _histories_without(version: Path, forgotten: Sequence[Forgotten]) -> frozenset[str]:
    path = version / _HISTORIES
    try:
        users = pl.scan_parquet(path).select(pl.col(schema.USER).unique()).collect()[schema.USER].to_list()
    except (OSError, pl.exceptions.PolarsError):
        return frozenset()
    gone = among(forgotten, users)
    if gone:
        kept = pl.read_parquet(path).filter(~pl.col(schema.USER).is_in(list(gone)))
        replace_file(version, _HISTORIES, lambda draft: kept.write_parquet(draft))
    return gone


def _suspects_without(version: Path, forgotten: Sequence[Forgotten]) -> frozenset[str]:
    try:
        described: dict[str, Any] = json.loads((version / _DESCRIPTION).read_text(encoding="utf-8"))
        named = described["report"]["shilling"]["most_suspicious"]
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
    gone = among(forgotten, [user for user, _ in named])
    if gone:
        described["report"]["shilling"]["most_suspicious"] = [pair for pair in named if pair[0] not in gone]
        text = json.dumps(described, ensure_ascii=False, indent=1)
        replace_file(version, _DESCRIPTION, lambda draft: _write(draft, text))
    return gone


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
