"""Timestamps in every form."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.data.times import parse_times

NEW_YEAR = 1483228800.0  # 2017-01-01 00:00 UTC


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2017-01-01", NEW_YEAR),
        ("2017-01-01T00:00", NEW_YEAR),
        ("2017-01-01 00:00:01", NEW_YEAR + 1),
        ("2017-01-01T00:00:00.250Z", NEW_YEAR + 0.25),
        ("2017-01-01T08:00:00+08:00", NEW_YEAR),
        ("2017-01-01T08:00:00+0800", NEW_YEAR),
        ("2016-12-31 19:00:00 -05", NEW_YEAR),
        ("20170101T000000Z", NEW_YEAR),
        ("2017-01-01 00:00:00 UTC", NEW_YEAR),
        (" 1483228800 ", NEW_YEAR),
        ("1483228800.5", NEW_YEAR + 0.5),
        ("1.4832288e9", NEW_YEAR),
    ],
)
def test_text(value: str, seconds: float) -> None:
    got, bad, _ = parse_times(pl.Series([value]))
    assert got.to_list() == [seconds]
    assert not bad.any()


@pytest.mark.parametrize("value", ["soon", "2017-13-01", "2017-02-30", "01/02/2017", "2017-01-01T25:00", "9e99", "inf", "2017"])
def test_unreadable(value: str) -> None:
    got, bad, _ = parse_times(pl.Series([value, str(int(NEW_YEAR)), str(int(NEW_YEAR))]))
    if value == "2017":  # a number is a number: 33 minutes after the start of 1970
        assert got[0] == 2017
    else:
        assert got[0] is None
        assert bad.to_list() == [True, False, False]


@pytest.mark.parametrize(("scale", "form"), [(1, "seconds"), (1e3, "milliseconds"), (1e6, "microseconds"), (1e9, "nanoseconds")])
@pytest.mark.parametrize("kind", [pl.Int64, pl.Float64, pl.String])
def test_unit_by_size(scale: float, form: str, kind: type[pl.DataType]) -> None:
    numbers = pl.Series([int((NEW_YEAR + i) * scale) for i in (0, 60)])
    got, bad, said = parse_times(numbers.cast(kind))
    assert got.to_list() == [NEW_YEAR, NEW_YEAR + 60]
    assert said == form
    assert not bad.any()


def test_a_stray_millisecond_among_seconds_is_unreadable() -> None:
    got, bad, _ = parse_times(pl.Series([int(NEW_YEAR), int(NEW_YEAR), int(NEW_YEAR) * 1000]))
    assert got.to_list() == [NEW_YEAR, NEW_YEAR, None]
    assert bad.to_list() == [False, False, True]


def test_calendar_days_written_as_numbers() -> None:
    assert parse_times(pl.Series([20170101, 20170131]))[0].to_list() == [NEW_YEAR, NEW_YEAR + 30 * 86400]
    assert parse_times(pl.Series([20170101, 20170199]))[2] == "seconds"


def test_unknown_is_not_unreadable() -> None:
    for values in (pl.Series([None, "", "NaN", "NaT"]), pl.Series([None, float("nan")]), pl.Series([None, None])):
        got, bad, form = parse_times(values)
        assert got.null_count() == len(values)
        assert not bad.any()
        assert form == "none"


def test_native_types() -> None:
    zone = timezone(timedelta(hours=8))
    for values in (
        pl.Series([date(2017, 1, 1)]),
        pl.Series([datetime(2017, 1, 1)]).cast(pl.Datetime("ns")),
        pl.Series([datetime(2017, 1, 1)]).cast(pl.Datetime("ms")),
        pl.Series([datetime(2017, 1, 1, 8, tzinfo=zone).astimezone(UTC)]),
        pl.Series([datetime(2017, 1, 1)]).dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Shanghai"),
    ):
        assert parse_times(values)[0].to_list() == [NEW_YEAR]


def test_types_that_are_no_time() -> None:
    for values in (pl.Series([[1], None]), pl.Series([True, None]), pl.Series([timedelta(1), None])):
        got, bad, _ = parse_times(values)
        assert got.null_count() == 2
        assert bad.to_list() == [True, False]


def test_numbers_and_dates_in_one_column() -> None:
    got, _, form = parse_times(pl.Series([str(int(NEW_YEAR)), "2017-01-01"]))
    assert got.to_list() == [NEW_YEAR, NEW_YEAR]
    assert form == "seconds+ISO 8601"


@settings(deadline=None)
@given(st.datetimes(datetime(1901, 1, 1), datetime(2199, 12, 31)))
def test_iso_agrees_with_the_standard_library(moment: datetime) -> None:
    got, bad, _ = parse_times(pl.Series([moment.isoformat()]))
    assert abs(got[0] - moment.replace(tzinfo=UTC).timestamp()) < 1e-5
    assert not bad.any()
