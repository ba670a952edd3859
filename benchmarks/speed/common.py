"""What both sides of the speed benchmark share: the shape, the stopwatch, and what is written. Standard library and torch only.

Both environments import it; neither has the other's packages. The facts about the machine come from `crossaisle.evaluate.facts`, loaded by
its path because the package itself is not installed on RecTools' side.
"""

from __future__ import annotations

import importlib.util
import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DIM, BLOCKS, HEADS, LENGTH, BATCH = 128, 2, 2, 50, 128
"""Equal on both sides; BATCH is RecTools' users a step (ours fills a step with places, see train_ours.py)."""

_FACTS = Path(__file__).resolve().parents[2] / "src" / "crossaisle" / "evaluate" / "facts.py"


def facts() -> Any:
    """The module `crossaisle.evaluate.facts`."""
    spec = importlib.util.spec_from_file_location("facts", _FACTS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _busy_seconds() -> tuple[float, float]:
    """Seconds that all cores together were at work, and seconds that a hypervisor kept from them; NaN where the system does not say."""
    try:
        ticks = [int(x) for x in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return float("nan"), float("nan")
    user, nice, system, _idle, _wait, irq, softirq, steal = ticks
    unit = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) / unit, steal / unit


@dataclass(frozen=True)
class Moment:
    """A reading of the stopwatch: wall time, this process's processor time, everybody's, and stolen time, in seconds."""

    wall: float
    own: float
    busy: float
    stolen: float

    @classmethod
    def now(cls) -> Moment:
        return cls(time.perf_counter(), time.process_time(), *_busy_seconds())


def between(start: Moment, end: Moment) -> dict[str, float]:
    """Seconds between two moments, and how many cores this process, other processes and the hypervisor had meanwhile.

    ``others_cores`` near 0 is what "an idle machine" means here.
    """
    wall = end.wall - start.wall
    own = end.own - start.own
    return {
        "seconds": wall,
        "own_cores": own / wall,
        "others_cores": max(0.0, (end.busy - start.busy - own) / wall),
        "stolen_cores": (end.stolen - start.stolen) / wall,
    }


def write(path: Path, result: dict[str, Any]) -> None:
    """A result with the machine, the threads and the moment, as JSON."""
    known = facts()
    result |= {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": known.hardware("cpu"),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS", "not set"),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "not set"),
        "peak_memory_gb": known.peak_memory_gb(),
        "versions": {k: v for k, v in {**known.versions(), **result.pop("versions", {})}.items() if v != "not installed"},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
