"""Words, word pairs, brands and category nodes of items, as weighted bags. Imports: schema, settings; of its own room fields.

Every key carries its kind, so that a brand and a word never meet: ``w:`` word, ``p:`` pair of adjacent words, ``b:``
brand, ``c:`` category node (the path from the aisle down). Scripts written without spaces (Chinese, Japanese, Thai) give
character pairs as words and character triples as word pairs.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl
import scipy.sparse as sp

from crossaisle import schema
from crossaisle.encode.fields import further_columns, item_paths
from crossaisle.schema import Floats
from crossaisle.settings import Settings, setting

__all__ = ["Vocabulary", "WordSettings", "words_and_pairs"]

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_MARKS = "\u0300-\u036f\u0900-\u0dff"
_RUN = re.compile(rf"([{_UNSPACED}]+)|((?:[^\W_{_UNSPACED}]|[{_MARKS}])+(?:['’][^\W_{_UNSPACED}]+)*)")
_BRAND_WEIGHT = _PATH_WEIGHT = 1.5
_PAIR_WEIGHT = 0.5


@dataclass(frozen=True)
class WordSettings(Settings):
    """Which words, pairs, brands and category nodes get a learned vector."""

    min_items: int = setting(2, "a word, brand or category node needs at least this many items", low=1)
    pair_min_items: int = setting(5, "a pair of adjacent words needs at least this many items", low=1)
    description_words: int = setting(32, "words of the description that are read, 0 for none", low=0)
    max_entries: int = setting(200_000, "at most this many entries, the most frequent first", low=1)


def words_and_pairs(text: str) -> tuple[list[str], list[str]]:
    """The words of a text and its pairs of adjacent words, in order of appearance, with repeats.

    Examples
    --------
    >>> words_and_pairs("Men's RED shoes")
    (["men's", 'red', 'shoes'], ["men's red", 'red shoes'])
    >>> words_and_pairs("连衣裙 A字")
    (['连衣', '衣裙', 'a', '字'], ['连衣裙'])
    """
    words: list[str] = []
    pairs: list[str] = []
    previous = ""
    for match in _RUN.finditer(unicodedata.normalize("NFKC", text).casefold()):
        run = match.group(0)
        if match.group(1):
            words += [run[i : i + 2] for i in range(max(len(run) - 1, 1))]
            pairs += [run[i : i + 3] for i in range(len(run) - 2)]
            previous = ""
        else:
            run = run.replace("’", "'")
            words.append(run)
            if previous:
                pairs.append(f"{previous} {run}")
            previous = run
    return words, pairs


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The V keys that got a place, how many items have each, and how an item becomes a bag of them.

    Attributes
    ----------
    keys : tuple of str
        V keys, sorted.
    counts : tuple of int
        How many of the ``n_items`` items have each key.
    n_items : int
    settings : WordSettings

    Examples
    --------
    >>> items = pl.DataFrame({"title": ["red pan", "red pot", "blue pot"], "brand": ["Aro", "Aro", "Bex"]})
    >>> words = Vocabulary.fit(items, WordSettings(pair_min_items=9))
    >>> words.keys
    ('b:aro', 'w:pot', 'w:red')
    >>> print(words.bags(items).toarray().round(2))
    [[0.83 0.   0.55]
     [0.73 0.49 0.49]
     [0.   1.   0.  ]]
    """

    keys: tuple[str, ...]
    counts: tuple[int, ...]
    n_items: int
    settings: WordSettings

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def fit(cls, items: pl.DataFrame, settings: WordSettings | None = None) -> Self:
        """Count the keys of N items and keep those that enough items share; the same items give the same vocabulary."""
        settings = settings or WordSettings()
        counts: Counter[str] = Counter()
        for weights in _item_keys(items, settings):
            counts.update(weights.keys())
        least = {"p": settings.pair_min_items}
        kept = [key for key, n in counts.items() if n >= least.get(key[0], settings.min_items)]
        if len(kept) > settings.max_entries:
            kept = sorted(kept, key=lambda key: (-counts[key], key))[: settings.max_entries]
        kept.sort()
        return cls(tuple(kept), tuple(counts[key] for key in kept), items.height, settings)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {key: place for place, key in enumerate(self.keys)}

    @cached_property
    def idf(self) -> Floats:
        """float32 (V,): log(1 + N / items that have the key); never 0."""
        counts = np.maximum(np.asarray(self.counts, dtype=np.float64), 1.0)
        return np.log1p(self.n_items / counts).astype(np.float32)

    def bags(self, items: pl.DataFrame) -> sp.csr_matrix:
        """The bag of each item: weight x idf, scaled to unit length.

        Parameters
        ----------
        items : polars.DataFrame
            N rows with the columns that `fit` saw; new items are fine, unknown words are left out.

        Returns
        -------
        scipy.sparse.csr_matrix, float32 (N, V)
            Rows of length 1, or empty where an item has no known key; column numbers ascend inside a row.
        """
        places, offsets, columns, values = self._places, [0], [], []
        for weights in _item_keys(items, self.settings):
            row = sorted((places[key], weight) for key, weight in weights.items() if key in places)
            columns += [place for place, _ in row]
            values += [weight for _, weight in row]
            offsets.append(len(columns))
        where = np.asarray(columns, dtype=np.int64)
        data = np.asarray(values, dtype=np.float32) * (self.idf[where] if len(where) else np.float32(1))
        indptr = np.asarray(offsets, dtype=np.int64)
        rows = np.repeat(np.arange(items.height), np.diff(indptr))
        norms = np.sqrt(np.bincount(rows, weights=data.astype(np.float64) ** 2, minlength=items.height))
        data = (data / np.maximum(norms, 1e-12)[rows]).astype(np.float32)
        return sp.csr_matrix((data, where, indptr), shape=(items.height, len(self)), dtype=np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {"keys": list(self.keys), "counts": list(self.counts), "n_items": self.n_items, "settings": self.settings.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        settings = WordSettings.from_dict(values["settings"])
        return cls(tuple(values["keys"]), tuple(values["counts"]), int(values["n_items"]), settings)


def _item_keys(items: pl.DataFrame, settings: WordSettings) -> Iterable[dict[str, float]]:
    """For each item its keys with their weights before idf; the order of the keys is that of their first appearance."""
    texts = [items[name].to_list() for name in [schema.TITLE, *further_columns(items)] if name in items.columns]
    blank: list[str | None] = [None] * items.height
    brands = items[schema.BRAND].to_list() if schema.BRAND in items.columns else blank
    described = settings.description_words > 0 and schema.DESCRIPTION in items.columns
    descriptions = items[schema.DESCRIPTION].to_list() if described else blank
    for row, path in enumerate(item_paths(items)):
        weights: dict[str, float] = {}
        for column in texts:
            _add_words(weights, column[row] or "", None)
        _add_words(weights, descriptions[row] or "", settings.description_words)
        brand = _plain(brands[row] or "")
        if brand:
            weights[f"b:{brand}"] = _BRAND_WEIGHT
        nodes = [_plain(node) for node in path]
        for depth in range(1, len(nodes) + 1):
            weights["c:" + " > ".join(nodes[:depth])] = _PATH_WEIGHT if depth == len(nodes) else 1.0
        yield weights


def _add_words(weights: dict[str, float], text: str, limit: int | None) -> None:
    words, pairs = words_and_pairs(text if limit is None else text[: limit * 20])
    for word in words[:limit]:
        weights[f"w:{word}"] = 1.0
    for pair in pairs[: None if limit is None else max(limit - 1, 0)]:
        weights[f"p:{pair}"] = _PAIR_WEIGHT


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
