"""Reading a catalogue into senses. Imports: senses, fields, text, cache, words, reviews."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from crossaisle.contracts import Progress, TextReader
from crossaisle.encode.cache import VectorCache
from crossaisle.encode.fields import item_texts
from crossaisle.encode.reviews import OwnReviewReader, ReviewSettings, review_sense
from crossaisle.encode.senses import Sense
from crossaisle.encode.text import TextSettings, choose_reader
from crossaisle.encode.words import Vocabulary, WordSettings
from crossaisle.errors import ModelError
from crossaisle.schema import Floats

__all__ = ["ItemReader"]


class ItemReader:
    """Items table -> senses: the language model's vectors ("text") and bags of learned words ("words"), what buyers say ("reviews").

    Parameters
    ----------
    senses : tuple of str
        Which to read; "id" is the item tower's own and is passed over.
    text, words : TextSettings, WordSettings
    device : str
        Where the language model runs.
    cache : Path, optional
        Folder of the vector cache; default: the user's cache folder.
    reviews : ReviewSettings, optional
    """

    def __init__(
        self,
        senses: tuple[str, ...],
        text: TextSettings,
        words: WordSettings,
        device: str = "cpu",
        cache: Path | None = None,
        reviews: ReviewSettings | None = None,
    ) -> None:
        self.senses, self.text_settings, self.word_settings, self.device = senses, text, words, device
        self.review_settings = reviews or ReviewSettings()
        self.cache = VectorCache(cache)
        self.reader: TextReader | None = None
        self.vocabulary: Vocabulary | None = None
        self.note = ""
        self._saved: dict[str, Any] | None = None

    def fit(self, items: pl.DataFrame) -> Self:
        """Choose the language model and the vocabulary by what the catalogue says."""
        if "text" in self.senses or "reviews" in self.senses:
            self.reader, self.note = choose_reader(self.text_settings, item_texts(items), self.device)
        if "words" in self.senses:
            self.vocabulary = Vocabulary.fit(items, self.word_settings)
        return self

    def read(self, items: pl.DataFrame, progress: Progress | None = None, reviews: pl.DataFrame | None = None) -> dict[str, Sense]:
        """The senses of each row; an item of which nothing is known has none. ``reviews``: those that may be read."""
        out: dict[str, Sense] = {}
        if "text" in self.senses:
            texts = item_texts(items)
            out["text"] = Sense(self.cache.encode(self._reader(), texts, progress), np.array([bool(t) for t in texts], dtype=bool))
        if self.vocabulary is not None:
            bags = self.vocabulary.bags(items)
            out["words"] = Sense(bags, np.diff(bags.indptr) > 0)
        if "reviews" in self.senses:
            out["reviews"] = self.read_reviews(items, progress, reviews)
        return out

    def read_reviews(self, items: pl.DataFrame, progress: Progress | None = None, reviews: pl.DataFrame | None = None) -> Sense:
        """What buyers say of each row; absent where no review says anything."""
        if reviews is None:  # as for items that are added later: the language model is not even opened
            dim = self.reader.dim if self.reader is not None else int((self._saved or {})["dim"])
            return review_sense(None, items["item_id"], self.review_settings, lambda _: np.zeros((0, dim), np.float32), dim)

        def encode(texts: Sequence[str]) -> Floats:
            return self.cache.encode(self._reader(), texts, progress)

        return review_sense(reviews, items["item_id"], self.review_settings, encode, self._reader().dim)

    def own_reviews(self) -> OwnReviewReader:
        """Reads what people wrote of the items of their histories."""
        reader = self._reader()
        return OwnReviewReader(lambda texts: self.cache.encode(reader, texts), reader.dim, self.review_settings.min_chars)

    def _reader(self) -> TextReader:
        """The language model; after loading it is opened only when something has to be read, and must be the one of training."""
        if self.reader is None:
            assert self._saved is not None
            chosen = self.text_settings
            if chosen.reader == "auto":
                chosen = chosen.changed({"reader": self._saved["name"]})
            if self._saved.get("precision"):  # "auto" would differ on a machine with other matrix units
                chosen = chosen.changed({"precision": self._saved["precision"]})
            reader, _ = choose_reader(chosen, [], self.device)
            if reader.fingerprint != self._saved["fingerprint"]:
                raise ModelError(
                    f"the text reader {reader.name!r} is not the one this model was trained with",
                    f"fingerprint {self._saved['fingerprint'][:16]}, found {reader.fingerprint[:16]}",
                    "install the version the model was trained with, or fit again",
                )
            self.reader = reader
        return self.reader

    def to_dict(self) -> dict[str, Any]:
        """Plain values from which `from_dict` makes the same reader."""
        described = (
            self._saved
            if self.reader is None
            else {
                "name": self.reader.name,
                "fingerprint": self.reader.fingerprint,
                "dim": self.reader.dim,
                "precision": getattr(self.reader, "precision", ""),
            }
        )
        return {
            "senses": list(self.senses),
            "text": self.text_settings.to_dict(),
            "words": self.word_settings.to_dict(),
            "reviews": self.review_settings.to_dict(),
            "reader": described,
            "note": self.note,
            "vocabulary": None if self.vocabulary is None else self.vocabulary.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any], device: str = "cpu", cache: Path | None = None) -> Self:
        """The inverse of `to_dict`; the language model itself is opened only when a new item has to be read."""
        text, words = TextSettings.from_dict(values["text"]), WordSettings.from_dict(values["words"])
        out = cls(tuple(values["senses"]), text, words, device, cache, ReviewSettings.from_dict(values.get("reviews", {})))
        out._saved, out.note = values["reader"], values["note"]
        out.vocabulary = None if values["vocabulary"] is None else Vocabulary.from_dict(values["vocabulary"])
        return out
