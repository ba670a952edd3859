"""When a store was away, and up to when lists that were shown may be read. Imports nothing of this room."""

from __future__ import annotations

import numpy as np

__all__ = ["Outages"]

_LATE = 20.0
"""Seconds after the store was away until lists are read on: by then all that waited in every process is written."""
_LONGEST = 300.0
"""So many seconds after the store came back, lists are read on in any case, such as where it is away now and then."""


class Outages:
    """What is known of one store; all times are unix seconds.

    Attributes
    ----------
    is_well : bool
        Whether the store was there the last time that it was asked.

    Examples
    --------
    >>> outages = Outages()
    >>> outages.well(100.0)
    >>> outages.away(110.0)
    >>> outages.well(120.0)
    >>> outages.read_until(121.0), outages.read_until(131.0)
    (100.0, 131.0)
    """

    def __init__(self) -> None:
        self._well_at = self._away_from = self._away_until = -np.inf
        """When the store was last there, when so before it was away the last time, and when it was last found away."""
        self._back_at, self.is_well = np.inf, False
        """When it was first there again since then."""

    def well(self, now: float) -> None:
        """It was there."""
        self._well_at, self._back_at, self.is_well = now, min(self._back_at, now), True

    def away(self, now: float) -> None:
        """It could not be reached."""
        if now - self._away_until > _LATE:
            self._away_from = self._well_at if np.isfinite(self._well_at) else now - _LONGEST
            self._back_at = np.inf
        self._away_until, self.is_well = now, False

    def read_until(self, now: float) -> float:
        """Up to when lists are there: those that were made while the store was away are written once it is back, and waited for."""
        if now - self._away_until > _LATE:
            return now
        return max(self._away_from, now - _LONGEST) if now - self._back_at > _LONGEST else self._away_from
