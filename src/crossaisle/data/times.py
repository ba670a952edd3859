"""Timestamps to unix seconds. Imports: nothing of its own room."""

from __future__ import annotations

import polars as pl

__all__ = ["parse_times"]

_ISO = r"^(\d{4})-?(\d{2})-?(\d{2})(?:[T ](\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?)?\s*(Z|z|UTC|[+-]\d{2}:?(?:\d{2})?)?$"
_EARLIEST, _LATEST = -2208988800.0, 7258118400.0  # the years 1900 and 2200
_UNITS = ((1e17, "nanoseconds", 1e9), (1e14, "microseconds", 1e6), (1e11, "milliseconds", 1e3))


def parse_times(values: pl.Series) -> tuple[pl.Series, pl.Series, str]:
    """Unix seconds, which values could not be read, and how they were read.

    Numbers are unix seconds; where the median of the column is too large for that, milliseconds, microseconds or nanoseconds; where every
    one of them is a calendar day such as 20170131, days. Text is ISO 8601: a date, or a date and a time, with or without seconds,
    fraction and zone; without a zone it is UTC. Null, NaN and "" are unknown times, which is allowed.

    Returns
    -------
    seconds : Series of float64
        Null where unknown or unreadable.
    unreadable : Series of bool
    form : str
        ``seconds``, ``milliseconds``, ..., ``calendar days``, ``ISO 8601``, ``datetime``, ``none`` or two of them joined by ``+``.

    Examples
    --------
    >>> s, bad, form = parse_times(pl.Series(["2017-01-01T12:00:00+02:00", "2017-01-01", "soon", None]))
    >>> s.to_list(), bad.to_list(), form
    ([1483264800.0, 1483228800.0, None, None], [False, False, True, False], 'ISO 8601')
    >>> parse_times(pl.Series([1483228800000]))[0].to_list()
    [1483228800.0]
    """
    dtype = values.dtype
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        seconds = values.cast(pl.Datetime("us", getattr(dtype, "time_zone", None))).dt.timestamp("us").cast(pl.Float64) / 1e6
        return _checked(seconds, pl.Series([False]).new_from_index(0, len(values)), "datetime")
    if dtype.is_numeric():
        numbers = values.cast(pl.Float64).fill_nan(None)
        seconds, form = _scaled(numbers)
        return _checked(seconds, numbers.is_not_null() & seconds.is_null(), form)
    if dtype == pl.Null:
        return values.cast(pl.Float64), values.is_not_null(), "none"
    if not isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        return values.is_null().replace_strict({True: None, False: None}, return_dtype=pl.Float64), values.is_not_null(), "none"
    text = values.cast(pl.String).str.strip_chars()
    text = text.to_frame("t").select(pl.when(~pl.col("t").str.to_lowercase().is_in(["", "nan", "null", "none", "nat"])).then(pl.col("t")))[
        "t"
    ]
    numbers = text.cast(pl.Float64, strict=False).fill_nan(None)
    scaled, form = _scaled(numbers)
    words = text.to_frame("t").select(pl.when(numbers.is_null()).then(pl.col("t")))["t"]
    iso = _iso(words)
    forms = [f for f, s in ((form, scaled), ("ISO 8601", iso)) if s.count()]
    seconds = scaled.fill_null(iso) if iso.count() else scaled
    return _checked(seconds, text.is_not_null() & seconds.is_null(), "+".join(forms) or "none")


def _checked(seconds: pl.Series, unreadable: pl.Series, form: str) -> tuple[pl.Series, pl.Series, str]:
    outside = ~seconds.is_between(_EARLIEST, _LATEST).fill_null(True)
    kept = seconds.to_frame("s").select(pl.when(~outside).then(pl.col("s")))["s"]
    return kept, unreadable | outside, form if kept.count() else "none"


def _scaled(numbers: pl.Series) -> tuple[pl.Series, str]:
    median = numbers.abs().median()
    if not isinstance(median, float):
        return numbers, "none"
    if numbers.drop_nulls().is_between(19000101, 22001231).all():
        days = numbers.cast(pl.Int64).cast(pl.String).str.to_date("%Y%m%d", strict=False)
        if days.null_count() == numbers.null_count():
            return days.cast(pl.Datetime("us")).dt.timestamp("us").cast(pl.Float64) / 1e6, "calendar days"
    for floor, name, scale in _UNITS:
        if median >= floor:
            return numbers / scale, name
    return numbers, "seconds"


def _iso(text: pl.Series) -> pl.Series:
    if text.count() == 0:
        return text.cast(pl.Float64, strict=False)
    parts = text.str.extract_groups(_ISO).struct.unnest()
    year, month, day, hour, minute, second, fraction, zone = (pl.col(c) for c in parts.columns)
    pieces = [year, month, day, *(p.fill_null("00") for p in (hour, minute, second))]
    moment = pl.concat_str(pieces).str.to_datetime("%Y%m%d%H%M%S", strict=False, time_unit="us").dt.timestamp("us").cast(pl.Float64) / 1e6
    fractional = pl.concat_str(pl.lit("0."), fraction).cast(pl.Float64, strict=False).fill_null(0.0)
    digits = zone.str.replace(":", "").str.extract_groups(r"^([+-])(\d{2})(\d{2})?$")
    sign = pl.when(digits.struct[0] == "-").then(-1.0).otherwise(1.0)
    shift = sign * (digits.struct[1].cast(pl.Float64) * 3600 + digits.struct[2].cast(pl.Float64).fill_null(0.0) * 60)
    return parts.select((moment + fractional - shift.fill_null(0.0)).alias("s"))["s"]
