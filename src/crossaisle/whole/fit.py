"""From settings and a dataset to the contents of a model. Imports: account, people, version."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import numpy as np

from crossaisle import schema
from crossaisle.blend.scorer import BlendScorer
from crossaisle.contracts import Progress
from crossaisle.data.dataset import Dataset
from crossaisle.data.split_parts import Queries
from crossaisle.data.split_reviews import reviews_before
from crossaisle.encode.items import ItemReader
from crossaisle.encode.reviews import moment_of
from crossaisle.presets import AllSettings
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rerank.mine import Mined, mine
from crossaisle.rerank.second import SecondLook
from crossaisle.schema import Ints
from crossaisle.scorers import blend_scorer, with_media
from crossaisle.store import folder_lock
from crossaisle.train.tracking import tracking
from crossaisle.whole.account import notes_of, quality_of
from crossaisle.whole.people import People
from crossaisle.whole.version import TRAINING, Contents

__all__ = ["fit_contents", "joining_scorer"]


def fit_contents(
    settings: AllSettings,
    data: Dataset,
    *,
    base: tuple[Contents, str] | None = None,
    folder: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    track: str | Path | None = None,
) -> tuple[Contents, list[str]]:
    """Train all that the settings ask for; the contents and what a user should know of the fit.

    Parameters
    ----------
    base : (Contents, str), optional
        A fitted model, and the aisle that is to join it.
    folder : Path, optional
        The model folder that is locked meanwhile and holds the checkpoints; those that are there are taken up with ``resume``.
    track : path, optional
        Where the figures of training go.
    """
    settings = with_media(settings, data)
    if base is None:
        scorer = blend_scorer(settings, media=data.media)
    else:
        settings, scorer = joining_scorer(settings, *base, data)
    data = reviews_before(data, moment_of(settings.reviews)) if scorer.net.reads_reviews else data.without_reviews()
    mined: list[tuple[Mined, Ints]] = []

    def look(train: Dataset, asked: Queries) -> None:
        mined.append((mine(scorer, asked, settings.rerank, settings.seed, progress), train.item_counts))

    lock = contextlib.nullcontext() if folder is None else folder_lock(folder)
    with lock, tracking(settings.track, track, resume) as scorer.net.track:
        scorer.fit(
            data,
            progress=progress,
            checkpoint=None if folder is None else folder / TRAINING / "fit",
            resume=resume,
            selected=look if settings.rerank.active else None,
        )
        second = _second_look(*mined[0], scorer, data, settings, progress) if mined else None
    scorer.counts = data.item_counts  # popularity counts every event, also where the newest were held back from training
    people = People(data.users, scorer.net.with_reviews(data.histories))
    found = getattr(scorer.net.reader, "found", {})
    report = {**data.report, **({"media": found} if found else {})}
    notes = notes_of(scorer, data, second, settings.model.senses)
    scorer.net.track = None
    return Contents(settings, scorer, Catalogue.of(data), people, second, quality_of(scorer, data, second), report), notes


def joining_scorer(settings: AllSettings, base: Contents, aisle: str, data: Dataset) -> tuple[AllSettings, BlendScorer]:
    """A scorer that lets an aisle join a base, not yet fitted, and its settings: items are read as the base reads them."""
    reading = {name: getattr(base.settings, name) for name in ("text", "words", "reviews", "media")}
    settings = dataclasses.replace(settings, **reading)
    known = base.catalogue
    scorer = blend_scorer(settings, media=data.media).join(base.scorer, known.items[schema.ITEM], known.event_names, aisle)
    if isinstance(scorer.net.reader, ItemReader):
        scorer.net.reader.folder = data.media
    return settings, scorer


def _second_look(
    mined: Mined, counts: Ints, scorer: BlendScorer, data: Dataset, settings: AllSettings, progress: Progress | None
) -> SecondLook:
    text = scorer.net.senses.get("text")
    return SecondLook.fit(
        mined,
        data.items,
        data.item_categories,
        settings.rerank,
        counts=counts,
        vectors=None if text is None else np.asarray(text.values, dtype=np.float32),
        seed=settings.seed,
        device=str(scorer.net.device),
        progress=progress,
    )
