"""The models that a trial can run, by name, made when asked for. Imports nothing of its own room.

``crossaisle`` is the model as the settings say; ``crossaisle-network`` is its network alone, ``crossaisle-without-ridge`` lacks the
cross-aisle ridge, ``crossaisle-without-counts`` the dependence of the blend's weights on an item's count; ``crossaisle-words``,
``crossaisle-text``, ``crossaisle-ids``, ``crossaisle-reviews``, ``crossaisle-image`` and any of them joined (``crossaisle-ids-words``)
know items by only those senses. Two are placebos: in ``crossaisle-shuffled-text`` every item reads another item's text (and reviews and
photos), in ``crossaisle-shuffled-aisles`` it stands in another item's aisle while the model learns. ``sasrec`` is the network on ids alone
with settings of its own. The rest are baselines.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.contracts import Progress, Scorer
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries
from crossaisle.encode.senses import Sense, select_items
from crossaisle.errors import RequestError
from crossaisle.presets import AllSettings
from crossaisle.schema import Floats, Ints

__all__ = [
    "BASELINE_NAMES",
    "SASREC",
    "MakeScorer",
    "ModelSource",
    "ShuffledAisles",
    "ShuffledReader",
    "check_models",
    "holds_chance",
    "role",
]

MakeScorer = Callable[[str, AllSettings, int, Dataset], Scorer]
"""``make_scorer(name, settings, seed, data)``: an unfitted model."""

BASELINE_NAMES = (
    "popularity",
    "popularity-month",
    "popularity-aisle",
    "item-knn",
    "user-knn",
    "ease",
    "ials",
    "text-knn",
    "word-knn",
    "transition-graph",
    "graph-popularity",
    "word-popularity",
)
SASREC: Mapping[str, str] = {"model.senses": "id", "model.id_dropout": "0", "train.id_weight_decay": "1"}
"""What the ids-only network changes from the settings of ours: the best of three on Beauty's validation questions (dev/LOG.md)."""

_OURS, _PLACEBO = "crossaisle", "crossaisle-shuffled-text"
_SHUFFLED_AISLES = "crossaisle-shuffled-aisles"
_VARIANTS: Mapping[str, Mapping[str, str]] = {
    "crossaisle-network": {"blend.parts": "", "across.on": "false"},
    "crossaisle-without-ridge": {"across.on": "false"},
    "crossaisle-without-counts": {"blend.by_count": "false"},
}
_WITHOUT_IDS: Mapping[str, str] = {
    "blend.parts": "word-knn,text-knn",
    "across.ids": "0",
    "across.factors": "0",
    "across.borrow": "0",
}
"""What knows items by their id, besides the network, is switched off where ids are."""
_SENSES = {"ids": "id", "text": "text", "words": "words", "reviews": "reviews", "image": "image", "video": "video"}


def role(name: str) -> str:
    """``ours``, ``control`` or ``baseline``.

    Examples
    --------
    >>> role("crossaisle"), role("crossaisle-words"), role("sasrec")
    ('ours', 'control', 'baseline')
    """
    return "ours" if name == _OURS else "control" if name.startswith(_OURS) else "baseline"


def holds_chance(name: str) -> bool:
    """True for models that come out differently with another seed, and so run once a seed."""
    return name == "sasrec" or name.startswith(_OURS)


def _senses(name: str) -> tuple[str, ...] | None:
    """The senses of ``crossaisle-ids-words``: ("id", "words"); None for any other kind of name."""
    parts = name.split("-")
    if parts[0] != _OURS or len(parts) < 2 or any(p not in _SENSES for p in parts[1:]) or len(set(parts)) < len(parts):
        return None
    return tuple(_SENSES[p] for p in parts[1:])


def check_models(names: Sequence[str]) -> tuple[str, ...]:
    """The names, each once.

    Raises
    ------
    RequestError
        If a name is unknown (the nearest one is suggested), or there is none.

    Examples
    --------
    >>> check_models(["ease", "crossaisle-ids-words", "ease"])
    ('ease', 'crossaisle-ids-words')
    """
    known = (*BASELINE_NAMES, "sasrec", _OURS, _PLACEBO, _SHUFFLED_AISLES, *_VARIANTS, *(f"{_OURS}-{s}" for s in _SENSES))
    for name in names:
        if name not in known and _senses(name) is None:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise RequestError(f"unknown model {name!r}", f"a known model, the nearest is {near!r}", f"choose from {', '.join(known)}")
    if not names:
        raise RequestError("no model to compare", "at least one", f"choose from {', '.join(known)}")
    return tuple(dict.fromkeys(names))


class ShuffledReader:
    """A reader whose items are handed each other's senses: what is read stays, whose it is changes."""

    def __init__(self, inner: Any, seed: int) -> None:
        self.inner, self.seed = inner, seed

    @property
    def note(self) -> str:
        """What the reader underneath says about itself."""
        return f"{self.inner.note}; texts shuffled among the items"

    def fit(self, items: pl.DataFrame) -> ShuffledReader:
        """Fit the reader underneath."""
        self.inner.fit(items)
        return self

    def read(self, items: pl.DataFrame, progress: Progress | None = None, **more: Any) -> dict[str, Sense]:
        """The senses of the items, their rows permuted, all senses alike."""
        return select_items(self.inner.read(items, progress, **more), self._order(items))

    def read_reviews(self, items: pl.DataFrame, progress: Progress | None = None, reviews: pl.DataFrame | None = None) -> Sense:
        """What buyers say, permuted likewise."""
        return select_items({"reviews": self.inner.read_reviews(items, progress, reviews)}, self._order(items))["reviews"]

    def own_reviews(self) -> Any:
        """What people wrote themselves is about no item of the catalogue in particular, and stays."""
        return self.inner.own_reviews()

    def _order(self, items: pl.DataFrame) -> Ints:
        return np.random.default_rng(self.seed).permutation(items.height)

    def texts(self, items: pl.DataFrame) -> list[str]:
        """What the language model reads of each row, permuted in the same way."""
        texts = self.inner.texts(items)
        return [texts[row] for row in np.random.default_rng(self.seed).permutation(items.height).tolist()]

    def text_model(self) -> Any:
        """The language model underneath."""
        return self.inner.text_model()

    def use_text_model(self, reader: Any, note: str) -> None:
        """Hand a tuned language model to the reader underneath."""
        self.inner.use_text_model(reader, note)


class ShuffledAisles:
    """A scorer that learns while every item stands in another item's aisle.

    Parameters
    ----------
    inner : BlendScorer
    seed : int
        Of the permutation.
    """

    def __init__(self, inner: Any, seed: int) -> None:
        self.inner, self.seed, self.name = inner, seed, inner.name

    @property
    def selection(self) -> Any:
        """Of the network underneath."""
        return self.inner.selection

    @property
    def refitting(self) -> Any:
        """Of the network underneath."""
        return self.inner.refitting

    def fit(
        self, data: Dataset, valid: Queries | None = None, full: Dataset | None = None, progress: Progress | None = None
    ) -> ShuffledAisles:
        """Fit the scorer underneath; questions about an aisle become questions about everything, as their aisle is no longer one."""
        if valid is not None:
            valid = dataclasses.replace(valid, aisles=np.full(len(valid), -1, dtype=np.int64))
        self.inner.fit(self._shuffled(data), valid, None if full is None else self._shuffled(full), progress=progress)
        return self

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """See `contracts.Scorer`."""
        scores: Floats = self.inner.score(histories, candidates)
        return scores

    def _shuffled(self, data: Dataset) -> Dataset:
        order = np.random.default_rng(self.seed).permutation(data.n_items)
        return dataclasses.replace(data, items=data.items.with_columns(data.items[schema.CATEGORY].gather(order)))


class ModelSource:
    """Makes models of one dataset; the items' text is read once for all baselines.

    Parameters
    ----------
    data : Dataset
    settings : AllSettings
    progress : Progress, optional
        Told about the reading of texts.
    """

    def __init__(self, data: Dataset, settings: AllSettings, progress: Progress | None = None) -> None:
        self.data, self.settings, self.progress = data, settings, progress
        self.notes: list[str] = []

    @cached_property
    def text_vectors(self) -> Floats | None:
        """float32 (N, D): the language model's vectors of the items; None where no item has any text."""
        from crossaisle.encode.items import ItemReader
        from crossaisle.train.device import choose_device

        if not any(
            self.data.items[c].str.len_chars().sum() for c, kind in self.data.items.schema.items() if kind == pl.String and c != "item_id"
        ):
            return None
        reader = ItemReader(("text",), self.settings.text, self.settings.words, choose_device(self.settings.device)).fit(self.data.items)
        sense = reader.read(self.data.items, self.progress)["text"]
        self.notes.append(reader.note)
        return np.where(sense.present[:, None], sense.values, 0.0).astype(np.float32)

    def make(self, name: str, settings: AllSettings, seed: int, data: Dataset) -> Scorer:
        """An unfitted model; see the file's first lines for the names."""
        if role(name) == "baseline" and name != "sasrec":
            return self._baseline(name)
        from crossaisle.scorers import blend_scorer, network_scorer, with_media

        settings, senses = settings.changed({"seed": str(seed)}), _senses(name)
        if name == "sasrec":
            return network_scorer(settings.changed(SASREC), name)
        if senses is None:
            settings = with_media(settings, data)
        else:
            settings = settings.changed({"model.senses": ",".join(senses), **({} if "id" in senses else _WITHOUT_IDS)})
        scorer = blend_scorer(settings.changed(_VARIANTS.get(name, {})), name, media=data.media)
        if name == _PLACEBO and scorer.net.reader is not None:
            scorer.net.reader = ShuffledReader(scorer.net.reader, seed)
        return ShuffledAisles(scorer, seed) if name == _SHUFFLED_AISLES else scorer

    def _baseline(self, name: str) -> Scorer:
        if name == "popularity-month":
            from crossaisle.baselines.popularity import Popularity

            return Popularity(last_days=30)
        from crossaisle.baselines import BASELINES

        scorer: Scorer = BASELINES[name](self.text_vectors if name in ("text-knn", "transition-graph") else None)
        return scorer
