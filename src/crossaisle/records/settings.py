"""How patient the store is. Imports: settings."""

from __future__ import annotations

from dataclasses import dataclass

from crossaisle.settings import Settings, setting

__all__ = ["RecordsSettings"]


@dataclass(frozen=True)
class RecordsSettings(Settings):
    """Time limits: a call ends within them or says that the store is away."""

    patience: float = setting(
        1.5, "seconds that a call may take before the store counts as away (connecting to PostgreSQL: at least 2)", low=0.05
    )
    long_patience: float = setting(60.0, "the same for calls over much data: migrations, reading everything, deleting old lists", low=0.05)
    rest: float = setting(0.5, "after a call that ran out of time, seconds in which further ones are refused at once", low=0.0)
    connections: int = setting(16, "the most connections of one process to the store", low=1)
