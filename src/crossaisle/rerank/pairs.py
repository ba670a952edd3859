"""Candidate and history as one row of tokens, as a model that reads two texts wants it. Imports: settings.

The candidate stands first and the history after it, newest item first, so that what is too long loses the oldest of the history.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
import polars as pl
import torch

from crossaisle import schema
from crossaisle.data.histories import Histories
from crossaisle.encode.fields import item_texts
from crossaisle.encode.fingerprint import sound
from crossaisle.rerank.settings import RerankSettings
from crossaisle.schema import Ints

__all__ = ["CANDIDATE_FIELDS", "PairWriter", "Row"]

CANDIDATE_FIELDS = (schema.TITLE, schema.BRAND, schema.CATEGORIES)
Row = tuple[list[int], list[int]]
"""Tokens of a row and the segment of each."""


class PairWriter:
    """Writes rows of tokens about the items of a catalogue.

    Parameters
    ----------
    tokenizer : a tokenizer of transformers
    items : polars.DataFrame
        The N items; a candidate is its title, brand and category path, a history item its title (the candidate's text without one).
    settings : RerankSettings
    order : int64 (N,), optional
        Candidate i is given the text of item ``order[i]``: for a placebo.
    """

    def __init__(self, tokenizer: Any, items: pl.DataFrame, settings: RerankSettings, order: Ints | None = None) -> None:
        self.settings, self.tokenizer = settings, tokenizer
        self._candidates: list[list[int]] = []
        self._titles: list[list[int]] = []
        self._frame = _frame(tokenizer)
        pad = tokenizer.pad_token_id
        self.pad_id = 0 if pad is None else int(pad)
        self._append(items, order)

    def _append(self, items: pl.DataFrame, order: Ints | None = None) -> None:
        texts = item_texts(items, CANDIDATE_FIELDS)
        titles = [title or text for title, text in zip(item_texts(items, (schema.TITLE,)), texts, strict=True)]
        if order is not None:
            texts = [texts[i] for i in order.tolist()]
        self._candidates = self._candidates + self._tokens(texts, self.settings.candidate_tokens)
        self._titles = self._titles + self._tokens(titles, self.settings.history_tokens)

    @property
    def n_items(self) -> int:
        """How many items it writes about."""
        return len(self._titles)

    def extended(self, items: pl.DataFrame) -> Self:
        """A writer of the same items and of those that ``items`` holds beyond them; this one stays as it is."""
        out = copy.copy(self)
        out._append(items[self.n_items :])
        return out

    def _tokens(self, texts: Sequence[str], most: int) -> list[list[int]]:
        if not texts:
            return []
        found = self.tokenizer([sound(t) for t in texts], add_special_tokens=False, truncation=True, max_length=most)
        out: list[list[int]] = found["input_ids"]
        return out

    def rows(self, histories: Histories, candidates: Ints) -> list[Row]:
        """B C rows, those of a history together.

        Parameters
        ----------
        histories : Histories
            B histories.
        candidates : int64 (B, C)
            Item codes.
        """
        (before, between, after), kinds = self._frame
        out = []
        for history, wanted in zip(histories.rows(), candidates.tolist(), strict=True):
            told = self._told(history)
            for item in wanted:
                candidate = self._candidates[item]
                parts = (before, candidate, between, told, after)
                segments = [k for part, kind in zip(parts, kinds, strict=True) for k in _spread(kind, len(part))]
                out.append(([token for part in parts for token in part], segments))
        return out

    def _told(self, history: Ints) -> list[int]:
        """The history's tokens, newest item first."""
        (_, between, _), _ = self._frame
        out: list[int] = []
        for item in history[::-1][: self.settings.history].tolist():
            out += [*between[-1:], *self._titles[item]] if out else self._titles[item]
        return out[: self.settings.history_tokens]

    def batch(self, rows: Sequence[Row], width: int = 0, device: str = "cpu") -> dict[str, torch.Tensor]:
        """What the model takes, int64 (R, T) each: ``input_ids``, ``attention_mask`` and, where the tokenizer has segments,
        ``token_type_ids``."""
        width = width or max(len(tokens) for tokens, _ in rows)
        ids = np.full((len(rows), width), self.pad_id, dtype=np.int64)
        mask, kinds = np.zeros_like(ids), np.zeros_like(ids)
        for r, (tokens, segments) in enumerate(rows):
            ids[r, : len(tokens)], mask[r, : len(tokens)], kinds[r, : len(tokens)] = tokens, 1, segments
        out = {"input_ids": ids, "attention_mask": mask, "token_type_ids": kinds}
        if "token_type_ids" not in self.tokenizer.model_input_names:
            del out["token_type_ids"]
        return {name: torch.from_numpy(value).to(device) for name, value in out.items()}


def _spread(kind: Sequence[int], length: int) -> list[int]:
    """The segments of a part: its own where it is fixed, the one of a text where that is of any length."""
    return list(kind) if len(kind) == length else list(kind[:1]) * length


def _frame(tokenizer: Any) -> tuple[tuple[list[int], list[int], list[int]], tuple[list[int], ...]]:
    """The special tokens before, between and after two texts, and the segments of the five parts, read off an example."""
    first, second = (tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("first", "second"))
    both = tokenizer("first", "second", return_token_type_ids=True)
    ids, kinds = list(both["input_ids"]), list(both.get("token_type_ids") or [0] * len(both["input_ids"]))
    a = _find(ids, first, 0)
    b = _find(ids, second, a + len(first))
    cuts = [0, a, a + len(first), b, b + len(second), len(ids)]
    parts = [kinds[start:end] for start, end in pairwise(cuts)]
    parts[1], parts[3] = parts[1][:1], parts[3][:1]
    return (ids[:a], ids[a + len(first) : b], ids[b + len(second) :]), tuple(parts)


def _find(ids: list[int], wanted: list[int], start: int) -> int:
    """Where the wanted run of tokens begins."""
    return next(i for i in range(start, len(ids)) if ids[i : i + len(wanted)] == wanted)
