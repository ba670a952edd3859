"""Results of a benchmark that were begun before and are gone on with."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def earlier(out: Path, of: Mapping[str, Any]) -> dict[str, Any]:
    """What ``out`` holds, nothing if it is not there; ``of`` says by name what its figures depend on.

    Raises
    ------
    SystemExit
        With exit code 2 and one line, if they were made of something else.
    """
    if not out.is_file():
        return {}
    before: dict[str, Any] = json.loads(out.read_text())
    other = [name for name, value in of.items() if before[name] != json.loads(json.dumps(value))]
    if other:
        print(f"error: {out} was made with other {', '.join(other)}; give another OUT.json", file=sys.stderr)
        raise SystemExit(2)
    return before
