"""The results as JSON for machines: facts, judgements and every table, always in the program's own names. Imports: verdict."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from crossaisle.evaluate.report.verdict import judge
from crossaisle.evaluate.results import Results

__all__ = ["FORMAT", "render", "strict"]

FORMAT = 1
"""Raised when a name or meaning changes."""


def render(results: Results) -> str:
    """One JSON object: ``format``, ``facts``, ``views``, ``judgements`` and the tables as lists of rows;
    a figure that does not exist is null, never NaN."""
    names = ("runs", "summary", "tests", "lists", "groups", "valid", "shares", "examples", "curves")
    tables = {name: getattr(results, name).to_dicts() for name in names}
    whole = {
        "format": FORMAT,
        "facts": dataclasses.asdict(results.facts),
        "views": [dataclasses.asdict(v) for v in results.views],
        "judgements": [dataclasses.asdict(judge(results, v.name)) for v in results.views],
        **tables,
    }
    return json.dumps(strict(whole), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def strict(value: Any) -> Any:
    """The same with NaN and infinity as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(k): strict(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(v) for v in value]
    return value
