"""What a dataset offers to each objective: texts, pieces of texts, pairs of items, reviews; learned from and held out.

Imports: schema, data.dataset, encode.fields, errors; of its own room language_model, masked, objective, pairs, reviews, settings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.data.dataset import Dataset
from crossaisle.encode.fields import item_paths, item_texts, text_width
from crossaisle.errors import TableError
from crossaisle.pretrain.language_model import LanguageModel
from crossaisle.pretrain.masked import MaskedWords, NextToken, SentencePairs
from crossaisle.pretrain.objective import Objective, PairObjective
from crossaisle.pretrain.pairs import Pairs, bought_together, hold_out_users
from crossaisle.pretrain.reviews import ReviewObjective
from crossaisle.pretrain.settings import PretrainSettings
from crossaisle.schema import Floats, Ints

__all__ = ["Material", "halves", "pieces"]


def halves(text: str) -> tuple[str, str] | None:
    """A text cut in two between words, about in the middle; None for fewer than four words.

    Examples
    --------
    >>> halves("a red frying pan"), halves("red pan")
    (('a red', 'frying pan'), None)
    """
    words = text.split()
    middle = len(words) // 2
    return (" ".join(words[:middle]), " ".join(words[middle:])) if len(words) >= 4 else None


def pieces(items: pl.DataFrame) -> list[tuple[str, str, str]]:
    """(kind, first, second) of every item: title with brand, path and description, and the halves of its text.

    Examples
    --------
    >>> table = {"title": ["Deep red frying pan"], "brand": ["Aro"], "category": ["Home"], "categories": [["Home", "Kitchen"]]}
    >>> [piece[::2] for piece in pieces(pl.DataFrame(table))]
    [('brand', 'Aro'), ('path', 'Home > Kitchen'), ('half', 'Brand: Aro. Home > Kitchen')]
    """
    out: list[tuple[str, str, str]] = []
    columns: dict[str, list[str]] = {"path": [" > ".join(path) for path in item_paths(items)]}
    for name in (schema.BRAND, schema.DESCRIPTION):
        columns[name] = items[name].fill_null("").to_list() if name in items.columns else [""] * items.height
    titles = items[schema.TITLE].fill_null("").to_list() if schema.TITLE in items.columns else [""] * items.height
    for row, (title, text) in enumerate(zip(titles, item_texts(items), strict=True)):
        kinds = (schema.BRAND, "path", schema.DESCRIPTION) if title else ()
        out += [(kind, title, columns[kind][row]) for kind in kinds if columns[kind][row]]
        if (cut := halves(text)) is not None:
            out.append(("half", *cut))
    return out


@dataclass(eq=False)
class Material:
    """Of one run; everything that a held-out part holds is never learned from.

    Attributes
    ----------
    learned, held : Pairs or None
    reviews : list of (item, text)
    texts : list of str
        Of every item.
    """

    data: Dataset
    settings: PretrainSettings
    seed: int
    texts: list[str]
    learned: Pairs | None
    held: Pairs | None
    reviews: list[tuple[int, str]]

    @classmethod
    def of(cls, data: Dataset, settings: PretrainSettings, seed: int, pairs: Pairs | None = None) -> Material:
        """Look into the data for what the objectives need.

        Raises
        ------
        TableError
            If it lacks pairs or reviews, or holds too few to learn from and to hold out.
        """
        texts = item_texts(data.items)
        learned = held = None
        if "pairs" in settings.objectives:
            whole = bought_together(data, settings, np.array([bool(t) for t in texts], dtype=bool)) if pairs is None else pairs
            learned, held = hold_out_users(whole, settings.held_out, settings.most_held_out, seed)
            _enough("pairs of items", len(learned), len(held))
        reviews = _reviews(data, texts, settings.review_chars) if "reviews" in settings.objectives else []
        return cls(data, settings, seed, texts, learned, held, reviews)

    def objective(self, name: str, model: LanguageModel, untuned: Floats | None) -> Objective:
        """One objective on a model."""
        common = (self.settings, self.seed)
        if name == "pairs":
            assert self.learned is not None
            assert self.held is not None
            return PairObjective(model, self.learned, self.held, model.tokens(self.texts), untuned, *common)
        if name == "reviews":
            learned, held = self._parted(self.reviews, "reviews", key=lambda review: review[0])
            return ReviewObjective(model, learned, held, self.texts, *common)
        if name == "sentence-pair":
            # by item text, so that no piece of a held-out one is learned from
            learned, held = self._parted(pieces(self.data.items), "pieces of item texts", key=lambda piece: piece[1])
            return SentencePairs(model, learned, held, *common)
        distinct = sorted({t for t in self.texts if t} | {text for _, text in self.reviews})
        learned, held = self._parted(distinct, "distinct texts", key=_shape)
        made: type[MaskedWords | NextToken] = MaskedWords if name == "masked" else NextToken
        return made(model, model.tokens(learned), model.tokens(held), *common)

    def _parted(self, whole: Sequence[Any], what: str, key: Any) -> tuple[list[Any], list[Any]]:
        """Learned and held out, by key: all with one key are on the same side."""
        keys = sorted({key(one) for one in whole})
        rng = np.random.default_rng((self.seed, 4))
        out = {keys[p] for p in rng.permutation(len(keys))[: round(self.settings.held_out * len(keys))]}
        learned, held = ([one for one in whole if (key(one) in out) == side] for side in (False, True))
        held = [held[p] for p in np.sort(rng.permutation(len(held))[: self.settings.most_held_out])]
        _enough(what, len(learned), len(held))
        return learned, held

    def items_in_pairs(self) -> Ints:
        """Items in any pair, ascending."""
        if self.learned is None or self.held is None:
            return np.zeros(0, np.int64)
        return np.unique(np.concatenate([self.learned.first, self.learned.second, self.held.first, self.held.second]))

    def counts(self) -> dict[str, int]:
        """For the record."""
        out = {"texts": len({t for t in self.texts if t})}
        if self.learned is not None and self.held is not None:
            out |= {"pairs": len(self.learned), "held-out pairs": len(self.held)}
        return out | ({"reviews": len(self.reviews)} if self.reviews else {})


def _shape(text: str) -> str:
    """Texts that differ in digits and case alone count as one: listings of one product would leak what is held out."""
    return re.sub(r"\W|\d", "", text.lower())


def _enough(what: str, learned: int, held: int) -> None:
    if learned < 2 or held < 2:
        raise TableError(f"{learned} {what} to learn from and {held} held out", "at least 2 of each", "give more data")


def _reviews(data: Dataset, texts: list[str], least: int) -> list[tuple[int, str]]:
    """Reviews of items with text, each text of an item once."""
    if data.reviews is None:
        raise TableError("pretrain.objectives names reviews, and there are none", "a reviews table", "give --reviews")
    out: dict[tuple[int, str], None] = {}
    for item, text in data.reviews.select(schema.ITEM, schema.TEXT).iter_rows():
        code = data.item_codes.get(item)
        if code is not None and texts[code] and text and text_width(text.strip()) >= least:
            out[(code, text.strip())] = None
    if not out:
        raise TableError(
            f"none of {data.reviews.height} reviews is of an item with text and has {least} characters",
            "reviews from before what is predicted",
            "give more reviews, or choose a later --before",
        )
    return list(out)
