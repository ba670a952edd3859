"""Reviews as evidence: what buyers say of an item, what a person wrote of the items of a history.

Imports: settings, errors, schema, data.times, data.own_reviews; of its own room senses, fields.

An item's vector is the weighted mean of the language model's vectors of its newest reviews, drawn towards the mean item where they are few:

    w_r = 2^(-age_r / half-life) * (1 + log(1 + votes_r)),    x_i = m + n / (n + shrink) * (sum_r w_r v_r / sum_r w_r - m)

with m the mean over all items that have reviews, and n how many reviews were read. The age counts from the item's own newest review: a
common factor of all weights of an item changes nothing. Which reviews may be read at all is decided before, by `data.split_reviews`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix

from crossaisle import schema
from crossaisle.data.histories import Histories
from crossaisle.data.own_reviews import ReviewTable
from crossaisle.data.times import parse_times
from crossaisle.encode.fields import CJK, text_width
from crossaisle.encode.senses import Sense
from crossaisle.errors import SettingError
from crossaisle.schema import Floats
from crossaisle.settings import Settings, setting

__all__ = ["Encode", "OwnReviewReader", "ReviewSettings", "chosen_reviews", "moment_of", "review_sense"]

Encode = Callable[[Sequence[str]], Floats]
"""float32 (n, D) of n texts."""
_DAY = 86_400.0


@dataclass(frozen=True)
class ReviewSettings(Settings):
    """What of the reviews is read; whether they are is said by ``model.senses`` (reviews) and ``model.own_reviews``."""

    newest: int = setting(20, "newest reviews of an item that are read", low=1)
    min_chars: int = setting(30, "shorter reviews are left out (a Chinese letter counts double)", low=0)
    half_life_days: float = setting(180.0, "a review so much older than the item's newest one weighs half; 0 = all alike", low=0.0)
    helpful: bool = setting(True, "votes for being helpful raise a review's weight: 1 + log(1 + votes)")
    shrink: float = setting(5.0, "n reviews move an item n / (n + this) of the way from the mean item", low=0.0)
    until: str = setting(
        "", "fit reads reviews written before this moment: a date, ISO 8601 or unix seconds (empty: the moment of the fit)"
    )


def moment_of(settings: ReviewSettings) -> float:
    """Unix seconds: reviews written at or after it are not read by a fit.

    Raises
    ------
    SettingError
        If ``until`` is no moment.

    Examples
    --------
    >>> moment_of(ReviewSettings(until="2014-01-01"))
    1388534400.0
    """
    text = settings.until.strip()
    if not text:
        return time.time()
    seconds, _, _ = parse_times(pl.Series([text]))
    if seconds[0] is None:
        raise SettingError(f"reviews.until is {text!r}", "a date, ISO 8601 or unix seconds", "write --set reviews.until=2014-01-01")
    return float(seconds[0])


def chosen_reviews(reviews: pl.DataFrame, item_ids: pl.Series, settings: ReviewSettings) -> pl.DataFrame:
    """The reviews that speak for the items, with what each weighs.

    Returns
    -------
    polars.DataFrame
        ``code`` (position in ``item_ids``), ``text``, ``weight``; an item's reviews newest first, undated ones last and as old as the
        item's oldest.

    Examples
    --------
    >>> said = pl.DataFrame({"item_id": ["b", "b"], "timestamp": [0.0, 180 * 86400.0], "text": ["a" * 30, "b" * 30]})
    >>> chosen_reviews(said, pl.Series(["a", "b"]), ReviewSettings())["weight"].to_list()
    [1.0, 0.5]
    """
    places = pl.DataFrame({schema.ITEM: item_ids}).with_row_index("code")
    width = pl.col(schema.TEXT).str.len_chars() + pl.col(schema.TEXT).str.count_matches(CJK.pattern)  # as fields.text_width
    told = reviews.filter(width >= max(1, settings.min_chars))
    told = told.join(places, on=schema.ITEM, how="inner", maintain_order="left").unique(
        ["code", schema.TEXT], keep="first", maintain_order=True
    )
    told = told.sort(["code", schema.TIMESTAMP], descending=[False, True], nulls_last=True, maintain_order=True)
    told = told.filter(pl.int_range(pl.len()).over("code") < settings.newest)
    when = pl.col(schema.TIMESTAMP)
    age = (when.max().over("code") - when.fill_null(when.min().over("code"))).fill_null(0.0) / _DAY
    weight = pl.lit(1.0) if settings.half_life_days == 0 else 0.5 ** (age / settings.half_life_days)
    if settings.helpful and schema.HELPFUL in told.columns:
        weight = weight * (1 + pl.col(schema.HELPFUL).fill_nan(None).fill_null(0.0).clip(0.0).log1p())
    return told.select("code", schema.TEXT, weight.alias("weight"))


def review_sense(reviews: pl.DataFrame | None, item_ids: pl.Series, settings: ReviewSettings, encode: Encode, dim: int) -> Sense:
    """What buyers say of each item; see the file's first lines.

    Parameters
    ----------
    reviews : polars.DataFrame or None
        See `Dataset.reviews`; already cut at the moment predicted.
    item_ids : polars.Series
        N ids.
    encode : callable
        Reads texts.
    dim : int
        What it returns is so wide.
    """
    n = len(item_ids)
    values, present = np.zeros((n, dim), np.float32), np.zeros(n, bool)
    if reviews is None:
        return Sense(values, present)
    told = chosen_reviews(reviews, item_ids, settings)
    if told.height == 0:
        return Sense(values, present)
    codes, weights = told["code"].to_numpy().astype(np.int64), told["weight"].to_numpy().astype(np.float64)
    counts, total = np.bincount(codes, minlength=n), np.bincount(codes, weights=weights, minlength=n)
    present = counts > 0
    # an age beyond what float64 can halve leaves the newest review at weight 1, so no total is 0
    mixing = csr_matrix((weights / total[codes], (codes, np.arange(len(codes)))), shape=(n, len(codes)))
    means = np.asarray(mixing @ encode(told[schema.TEXT].to_list()).astype(np.float64))
    middle = means[present].mean(axis=0)
    share = (counts / (counts + settings.shrink))[present, None] if settings.shrink > 0 else 1.0
    values[present] = middle + share * (means[present] - middle)
    return Sense(values, present)


class OwnReviewReader:
    """Gives histories the vectors of the reviews that their events point to; each is read once.

    Parameters
    ----------
    encode : callable
        Reads texts.
    dim : int
    min_chars : int
        The text of a shorter review is not read; its rating is.
    """

    def __init__(self, encode: Encode, dim: int, min_chars: int) -> None:
        self.encode, self.dim, self.min_chars = encode, dim, min_chars
        self._source: ReviewTable | None = None
        self._read: ReviewTable | None = None
        self._looked: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.zeros(0, dtype=np.bool_)

    def read(self, histories: Histories) -> Histories:
        """The same histories, their reviews as vectors; as they are where they have none, or vectors already."""
        own = histories.own
        if own is None or own.table.texts is None:
            return histories
        if self._source is not own.table or self._read is None:
            m = len(own.table.ratings)
            self._source, self._looked = own.table, np.zeros(m, bool)
            self._read = replace(own.table, texts=None, vectors=np.zeros((m, self.dim), np.float32), told=np.zeros(m, bool))
        rows = np.unique(own.rows[own.rows >= 0])
        rows = rows[~self._looked[rows]]
        self._looked[rows] = True
        told = np.array([r for r in rows.tolist() if text_width(own.table.texts[r]) >= max(1, self.min_chars)], dtype=np.int64)
        if len(told):
            assert self._read.vectors is not None
            assert self._read.told is not None
            self._read.vectors[told] = self.encode([own.table.texts[r] for r in told.tolist()])
            self._read.told[told] = True
        return replace(histories, own=replace(own, table=self._read))
