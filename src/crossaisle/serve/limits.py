"""How often a key may ask: a token bucket, one for all workers. Imports nothing of its own room.

A bucket of ``burst`` tokens that fills at ``rate`` a second is kept as one number, the time at which it will be full again (the
generic cell rate algorithm: ITU-T I.371, annex A). One number a key in a piece of memory that all workers map makes it one limit for
all of them. Reading and writing it is not one step, so two workers that look at the same instant may both let one through; a limit is
a limit to within the number of workers.
"""

from __future__ import annotations

import mmap
import struct
import time

__all__ = ["MAX_KEYS", "Rates"]

MAX_KEYS = 4_096
_NUMBER = struct.Struct("d")


class Rates:
    """The buckets of all keys.

    Parameters
    ----------
    rate : float
        Tokens a second; 0: no limit.
    burst : int
        Tokens of a full bucket.
    shared : int, optional
        Descriptor of a file of at least ``Rates.size()`` bytes, mapped by every worker; without it the buckets are this process's own.

    Examples
    --------
    Two at once, then one every ten seconds:

    >>> rates = Rates(0.1, 2)
    >>> [round(rates.take(7, now=100.0 + t), 1) for t in (0, 0, 0, 9, 10)]
    [0.0, 0.0, 10.0, 1.0, 0.0]
    """

    def __init__(self, rate: float, burst: int, shared: int | None = None) -> None:
        self._gap = 1.0 / rate if rate > 0 else 0.0
        self._slack = self._gap * (burst - 1)
        self._memory: mmap.mmap | bytearray = bytearray(self.size()) if shared is None else mmap.mmap(shared, self.size())

    @staticmethod
    def size() -> int:
        """Bytes of all buckets."""
        return MAX_KEYS * _NUMBER.size

    def take(self, number: int, now: float | None = None) -> float:
        """Take one token of bucket ``number``; 0 where there was one, else the seconds until there is."""
        if self._gap == 0.0:
            return 0.0
        now = time.monotonic() if now is None else now
        at = (number % MAX_KEYS) * _NUMBER.size
        full: float = _NUMBER.unpack_from(self._memory, at)[0]
        if full > now + self._slack + self._gap:  # what another boot's clock left, or damage: start anew
            full = now
        full = max(full, now)
        if full - now > self._slack + 1e-9:
            return full - now - self._slack
        _NUMBER.pack_into(self._memory, at, full + self._gap)
        return 0.0
