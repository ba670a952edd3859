"""On what a trial ran: hardware, versions, memory. Imports nothing of its own room."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["hardware", "peak_memory_gb", "versions"]

_PACKAGES = ("crossaisle", "torch", "transformers", "numpy", "scipy", "scikit-learn", "polars", "implicit")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown"


def _memory_gb() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.1f}"
    except (AttributeError, OSError, ValueError):
        return "unknown"


def hardware(device: str) -> dict[str, str]:
    """Machine, processor, cores, threads of one operation, memory in GB, and the device, named where it is a GPU.

    Examples
    --------
    >>> sorted(hardware("cpu"))
    ['cores', 'device', 'machine', 'memory_gb', 'processor', 'threads']
    """
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    named = f"{device} ({torch.cuda.get_device_name()})" if device.startswith("cuda") and torch.cuda.is_available() else device
    return {
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": str(cores),
        "threads": str(torch.get_num_threads()),
        "memory_gb": _memory_gb(),
        "device": named,
    }


def versions() -> dict[str, str]:
    """Python and the packages that change figures.

    Examples
    --------
    >>> "python" in versions() and "numpy" in versions()
    True
    """
    out = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "not installed"
    return out


def peak_memory_gb() -> float:
    """Highest resident memory of this process so far; NaN where the system does not say.

    Examples
    --------
    >>> 0 < peak_memory_gb() < 10_000
    True
    """
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
