"""Senses: what an item says and shows, as arrays, before any learning. Imports: schema.

A catalogue is read into a mapping from the name of a sense ("text", "words", later "image", "reviews") to one `Sense`. The item
tower fuses whatever is present, so a new sense joins by adding an entry here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, vstack

from crossaisle.schema import Bools, Floats, Ints

__all__ = ["Sense", "Senses", "select_items", "stack_items"]


@dataclass(frozen=True, eq=False)
class Sense:
    """One sense of N items.

    Attributes
    ----------
    values : float32 (N, D) or scipy CSR float32 (N, V)
        Dense vectors from a pretrained reader, or sparse bags over a vocabulary whose vectors are learned.
    present : bool (N,)
        False where the item lacks this sense; its row of ``values`` is then never read.
    """

    values: Floats | csr_matrix
    present: Bools

    def __post_init__(self) -> None:
        if self.values.shape[0] != len(self.present):
            raise ValueError(f"{self.values.shape[0]} rows of values for {len(self.present)} presence marks; expected as many")

    @property
    def dim(self) -> int:
        """Width of ``values``: D, or V for bags."""
        return int(self.values.shape[1])


Senses = Mapping[str, Sense]


def select_items(senses: Senses, rows: Ints) -> dict[str, Sense]:
    """The senses of the chosen items, in the order asked for."""
    return {name: Sense(s.values[rows], s.present[rows]) for name, s in senses.items()}


def stack_items(first: Senses, second: Senses) -> dict[str, Sense]:
    """The senses of two catalogues, one after the other; both must have the same senses."""
    if set(first) != set(second):
        raise ValueError(f"senses {sorted(first)} and {sorted(second)} differ; expected the same")
    out: dict[str, Sense] = {}
    for name, a in first.items():
        b = second[name]
        values = np.concatenate([a.values, b.values]) if isinstance(a.values, np.ndarray) else vstack([a.values, b.values], format="csr")
        out[name] = Sense(values, np.concatenate([a.present, b.present]))
    return out
