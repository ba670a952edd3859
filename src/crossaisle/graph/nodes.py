"""Items -> category nodes, level by level. Imports: schema, encode.fields; of its own room nothing.

The view at level l puts each item at its path cut to l names, so each view is a partition of the items: an item whose path is shorter
than l stays at its own end, and an aisle without deeper names takes part in every view.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.encode.fields import item_paths
from crossaisle.schema import Ints

__all__ = ["SEPARATOR", "View", "aisle_paths", "related", "views"]

SEPARATOR = " > "


@dataclass(frozen=True, eq=False)
class View:
    """The nodes of one level.

    Attributes
    ----------
    level : int
        From 1, the aisles.
    names : tuple of str
        C names such as ``Books > Crime``, sorted.
    item_nodes : int64 (N,)
        The node of each item; -1 where its aisle is unknown.
    """

    level: int
    names: tuple[str, ...]
    item_nodes: Ints

    @cached_property
    def aisles(self) -> tuple[str, ...]:
        """The aisle of each node: its name up to the first ``>``."""
        return tuple(name.split(SEPARATOR, 1)[0] for name in self.names)

    @cached_property
    def item_counts(self) -> Ints:
        """int64 (C,): items of each node."""
        return np.bincount(self.item_nodes[self.item_nodes >= 0], minlength=len(self.names)).astype(np.int64)


def aisle_paths(items: pl.DataFrame) -> list[list[str]]:
    """The path of each item with the aisle, as the column ``category`` spells it, in front; [] where it is unknown.

    Spellings that differ in case, punctuation or an "and" are one node, named by the most frequent of them.

    Examples
    --------
    >>> items = pl.DataFrame({"category": ["Toys_Games", "Pets"], "categories": [["Toys & Games", "Dolls"], ["Home", "Pets", "Cats"]]})
    >>> aisle_paths(items)
    [['Toys_Games', 'Dolls'], ['Pets', 'Cats']]
    """
    aisles = items[schema.CATEGORY].to_list() if schema.CATEGORY in items.columns else [""] * items.height
    cuts = {key: _below(*key) for key in {(a, tuple(p)) for a, p in zip(aisles, item_paths(items), strict=True)}}
    paths = [cuts[aisle, tuple(path)] for aisle, path in zip(aisles, item_paths(items), strict=True)]
    spellings: dict[str, Counter[str]] = {}
    folds = {name: _folded(name) or name for path in cuts.values() for name in path}
    for path in paths:
        for name in path[1:]:
            spellings.setdefault(folds[name], Counter())[name] += 1
    named = {fold: min(found, key=lambda name: (-found[name], name)) for fold, found in spellings.items()}
    return [[path[0], *(named[folds[name]] for name in path[1:])] if path else [] for path in paths]


def _folded(text: str) -> str:
    """One key for "Toys_and_Games", "Toys & Games" and "Toys; games"."""
    return "".join(word for word in re.split(r"[\W_]+", text.casefold()) if word != "and")


def _below(aisle: str, path: tuple[str, ...]) -> list[str]:
    if not aisle:
        return []
    wanted = _folded(aisle)
    for place, name in enumerate(path):
        if name == aisle or (wanted and _folded(name) == wanted):
            return [_plain(n) for n in (aisle, *path[place + 1 :])]
    return [_plain(n) for n in (aisle, *path)]


def _plain(name: str) -> str:
    """A name that cannot be taken for a path."""
    return name.replace(SEPARATOR, " / ")


def views(items: pl.DataFrame, levels: int) -> list[View]:
    """The views of levels 1, 2, ... as long as each adds something new.

    Examples
    --------
    >>> items = pl.DataFrame({"category": ["A", "A", "B"], "categories": [["A", "x"], ["A", "y"], ["B"]]})
    >>> [(v.names, v.item_nodes.tolist()) for v in views(items, 3)]
    [(('A', 'B'), [0, 0, 1]), (('A > x', 'A > y', 'B'), [0, 1, 2])]
    """
    paths = aisle_paths(items)
    out: list[View] = []
    for level in range(1, levels + 1):
        if level > 1 and not any(len(path) >= level for path in paths):
            break
        labels = [SEPARATOR.join(path[:level]) for path in paths]
        names = tuple(sorted({label for label in labels if label}))
        places = {name: place for place, name in enumerate(names)}
        codes = np.fromiter((places.get(label, -1) for label in labels), dtype=np.int64, count=len(labels))
        out.append(View(level, names, codes))
    return out


def related(a: str, b: str) -> bool:
    """True where one node is the other or stands above it.

    Examples
    --------
    >>> related("A", "A > x"), related("A > x", "A > y"), related("A", "AB")
    (True, False, False)
    """
    return a == b or b.startswith(a + SEPARATOR) or a.startswith(b + SEPARATOR)
