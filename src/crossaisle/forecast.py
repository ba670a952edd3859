"""How long a fit will take and how much memory it needs, before anything is trained. Imports: presets, data, encode.fields,
encode.reviews, model.losses.

Time goes into reading the distinct item texts with the language model, and into training: the products with the whole catalogue and the
transformer, counted in floating-point operations. `measure_speed` times this machine for a moment; `RATES` holds which part of that speed
a real fit was seen to reach, and everything else that was measured.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossaisle.data.dataset import Dataset
from crossaisle.encode.fields import item_texts, non_latin_share
from crossaisle.encode.reviews import chosen_reviews
from crossaisle.presets import PRESETS, AllSettings, preset_settings

__all__ = ["RATES", "Rates", "Speed", "Work", "forecast", "measure_speed", "predict", "work_of"]


@dataclass(frozen=True)
class Rates:
    """What was measured on real fits.

    Attributes
    ----------
    training_share : float
        Operations a second of the products of a training step, as a share of `Speed.fast`.
    operations_a_score : float
        Softmax, its gradient and all else that is no product, for each place and item ranked, in operations at `Speed.plain`.
    operations_a_vector_value : float
        Gradient, clipping and optimiser of a learned vector, for each number of it and each step, in operations at `Speed.plain`.
    reading_share, fast_reading_share : float
        Operations a second of the language model reading texts, as a share of `Speed.plain`, or of `Speed.fast` where that is another.
    multilingual_letters : float
        Letters a second that the multilingual reader reads; its package uses one core.
    letters_per_token : float
    tables_gb, event_bytes : float
        Memory while tables are read and cleaned: the program, and bytes an interaction.
    base_gb, vector_copies, chunk_bytes : float
        Memory of training: the program itself; how many float32 copies of the learned and composed vectors are alive in a step (values,
        gradients, moments, composed items); bytes an item of the products that are held at a time.
    """

    training_share: float
    operations_a_score: float
    operations_a_vector_value: float
    reading_share: float
    fast_reading_share: float
    multilingual_letters: float
    letters_per_token: float
    tables_gb: float
    event_bytes: float
    base_gb: float
    vector_copies: float
    chunk_bytes: float


RATES = Rates(
    training_share=0.5,
    operations_a_score=1100.0,
    operations_a_vector_value=400.0,
    reading_share=0.6,
    fast_reading_share=0.27,
    multilingual_letters=1500.0,
    letters_per_token=4.0,
    tables_gb=0.2,
    event_bytes=360.0,
    base_gb=0.9,
    vector_copies=9.0,
    chunk_bytes=8192.0,
)

READER_FLOPS_PER_TOKEN = 2 * 12 * 384**2 * 6
"""Six layers of width 384: two operations a weight."""


@dataclass(frozen=True)
class Speed:
    """Operations a second of this machine: ``plain`` in float32, ``fast`` in the precision that training multiplies in."""

    plain: float
    fast: float


@dataclass(frozen=True)
class Work:
    """What there is to do.

    Attributes
    ----------
    positions : int
        Places of the histories that training reads, in one pass.
    items : int
    letters : int
        Letters of the distinct texts of items, and of reviews where they are read, as far as the reader reads them.
    multilingual : bool
        The multilingual reader will be chosen.
    words : int
        Learned word, brand and category vectors, about.
    """

    positions: int
    items: int
    letters: int
    multilingual: bool
    words: int


def measure_speed(seconds: float = 0.1) -> Speed:
    """Time products of the shape that training multiplies, for about twice ``seconds``."""
    import torch

    from crossaisle.model.losses import fast_dtype

    def rate(dtype: torch.dtype) -> float:
        left, right = torch.ones(1024, 256, dtype=dtype), torch.ones(256, 4096, dtype=dtype)
        left @ right  # the first product sets up
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            left @ right
            done += 1
        return done * 2 * 1024 * 256 * 4096 / (time.perf_counter() - start)

    plain = rate(torch.float32)
    return Speed(plain, plain if fast_dtype() == torch.float32 else rate(fast_dtype()))


def work_of(data: Dataset, settings: AllSettings) -> Work:
    """Count what a fit with these settings has to do."""
    texts = sorted(set(item_texts(data.items)))
    said = _reviews_read(data, settings)
    limit = int(settings.text.max_tokens * RATES.letters_per_token)
    # a word vector is learned for what at least two items share: on shop catalogues, about one for each item (words, pairs, brands, nodes)
    return Work(
        positions=len(data.histories.items),
        items=data.n_items,
        letters=sum(min(len(t), limit) for t in (*(texts if "text" in settings.model.senses else ()), *said)),
        multilingual=settings.text.reader == "auto" and non_latin_share(texts[:5000]) >= settings.text.multilingual_share,
        words=data.n_items,
    )


def _reviews_read(data: Dataset, settings: AllSettings) -> set[str]:
    """The texts of the reviews that a fit reads, where it reads them."""
    if data.reviews is None or "reviews" not in settings.model.senses:
        return set()
    said = set(chosen_reviews(data.reviews, data.items["item_id"], settings.reviews)["text"])
    own = data.histories.own
    if own is not None and own.table.texts is not None and settings.model.own_reviews:
        said |= {own.table.texts[r] for r in np.unique(own.rows[own.rows >= 0]).tolist()}
    return said


def predict(work: Work, settings: AllSettings, speed: Speed, rates: Rates = RATES) -> dict[str, float]:
    """Minutes and memory of one fit.

    Returns
    -------
    dict
        ``reading_minutes`` (nothing where the texts were read before), ``training_minutes`` (all epochs; twice where ``train.refit``
        is on), ``memory_gb``.

    Examples
    --------
    >>> work = Work(positions=200_000, items=12_000, letters=1_500_000, multilingual=False, words=12_000)
    >>> slow, quick = (predict(work, preset_settings(name), Speed(1e11, 3e11)) for name in ("balanced", "quick"))
    >>> slow["training_minutes"] > quick["training_minutes"] > 0
    True
    """
    model, train = settings.model, settings.train
    sampled = train.negatives_of(work.items)
    ranked = sampled + train.tokens_per_step if sampled else work.items  # a sample holds the step's targets too
    reads_text = "text" in model.senses or "reviews" in model.senses
    steps = work.positions / train.tokens_per_step
    products = 6 * ranked * model.dim
    body = 6 * (4 + 2 * model.feedforward) * model.dim**2 * model.blocks
    tower = 6 * ranked * model.text_dim * model.dim if reads_text else 0
    upkeep = steps * (work.items + work.words) * model.dim * rates.operations_a_vector_value / speed.plain
    an_epoch = work.positions * (products + body) + steps * tower
    rounds = 2 if train.refit else 1
    scores = work.positions * ranked * rates.operations_a_score / speed.plain
    training = rounds * train.epochs * (an_epoch / (rates.training_share * speed.fast) + scores + upkeep)
    tokens = work.letters / rates.letters_per_token
    fast_reading = rates.fast_reading_share * speed.fast if speed.fast > speed.plain else 0.0
    reading = (
        work.letters / rates.multilingual_letters
        if work.multilingual
        else tokens * READER_FLOPS_PER_TOKEN / max(rates.reading_share * speed.plain, fast_reading)
    )
    vectors = 4 * model.dim * (work.items + work.words) * rates.vector_copies
    tables = rates.tables_gb + work.positions * rates.event_bytes / 1e9
    memory = max(tables, rates.base_gb + (vectors + ranked * rates.chunk_bytes) / 1e9)
    return {"reading_minutes": reading / 60 if reads_text else 0.0, "training_minutes": training / 60, "memory_gb": memory}


def forecast(data: Dataset, changes: Mapping[str, str] | None = None, speed: Speed | None = None) -> list[dict[str, Any]]:
    """Minutes and memory of each preset on this machine, with ``{"section.key": "value"}`` changes.

    Returns
    -------
    list of dict
        ``preset``, ``reading_minutes``, ``training_minutes``, ``memory_gb``, ``cores``; rounded to what a forecast can promise.
    """
    speed = speed or measure_speed()
    out: list[dict[str, Any]] = []
    for name in PRESETS:
        settings = preset_settings(name, changes)
        numbers = predict(work_of(data, settings), settings, speed)
        out.append({"preset": name, **{k: round(v, 1) for k, v in numbers.items()}, "cores": os.cpu_count() or 1})
    return out
