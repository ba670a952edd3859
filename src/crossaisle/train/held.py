"""Arrays of items behind which other items can follow. Imports nothing of its own room."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crossaisle.encode.senses import Sense, Senses, stack_items
from crossaisle.schema import Floats
from crossaisle.shared import Growing, Shared

__all__ = ["Held"]

_SENSE = "sense-"


def _dense(senses: Senses) -> dict[str, Floats]:
    """The values of the dense senses."""
    return {name: sense.values for name, sense in senses.items() if isinstance(sense.values, np.ndarray)}


class Held:
    """By name, what stands behind arrays that are used as they are: room for more rows, or a file that processes share.

    Examples
    --------
    >>> held = Held()
    >>> one = held.followed("vectors", np.zeros((2, 3), np.float32), np.ones((1, 3), np.float32))
    >>> two = held.followed("vectors", one, np.ones((1, 3), np.float32))
    >>> two.shape, np.shares_memory(one, two)
    ((4, 3), True)
    """

    def __init__(self, rows: dict[str, Growing] | None = None) -> None:
        self._rows = dict(rows or {})

    def copied(self) -> Held:
        """The same arrays; what follows behind one is not behind the other."""
        return Held(self._rows)

    def take(self, name: str, n: int, make: Callable[[], Floats], shared: Shared) -> Floats:
        """An array of n rows, made here or by another process."""
        self._rows[name] = shared.rows(name, n, make)
        return self._rows[name].rows

    def take_senses(self, senses: Senses, shared: Shared) -> dict[str, Sense]:
        """The same senses, the dense ones where processes share them."""
        held = {name: self.take(_SENSE + name, len(x), lambda x=x: x, shared) for name, x in _dense(senses).items()}  # type: ignore[misc]
        return {name: Sense(held[name], sense.present) if name in held else sense for name, sense in senses.items()}

    def followed(self, name: str, rows: Floats, more: Floats) -> Floats:
        """``rows`` (N, ...) and ``more`` (M, ...); without a copy of the first, where they are what is held under this name."""
        held = self._rows.get(name)
        if held is None or held.rows.ctypes.data != rows.ctypes.data or len(held.rows) != len(rows):
            held = Growing(rows)
        self._rows[name] = held.followed_by(more)
        return self._rows[name].rows

    def stacked(self, first: Senses, second: Senses) -> dict[str, Sense]:
        """As `encode.senses.stack_items`; dense senses as `followed` has it."""
        values = {name: self.followed(_SENSE + name, x, np.asarray(second[name].values, np.float32)) for name, x in _dense(first).items()}
        others = stack_items(*({n: s for n, s in senses.items() if n not in values} for senses in (first, second)))
        present = {name: np.concatenate([first[name].present, second[name].present]) for name in values}
        return {n: Sense(values[n], present[n]) if n in values else others[n] for n in first}
