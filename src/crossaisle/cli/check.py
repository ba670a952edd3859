"""``crossaisle check``: reads the tables and reports; trains nothing. Imports: options, output, show."""

from __future__ import annotations

from typing import Annotated

import typer

from crossaisle.cli import options
from crossaisle.cli.output import check_writable, kept_rejects
from crossaisle.cli.show import print_json, print_table

__all__ = ["check"]

_FORECAST = {"en": "Forecast of fit on this machine", "zh": "本机训练的时间与内存预测"}


def check(
    interactions: options.Interactions,
    items: options.Items = None,
    reviews: options.Reviews = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    max_rejected: options.MaxRejected = None,
    rejected: Annotated[
        str, typer.Option("--rejected", metavar="FILE", help="Where rejected rows and reasons go, if any.")
    ] = "rejected.jsonl",
    assignments: options.Set = None,
    lang: options.Lang = "en",
    as_json: options.Json = False,
) -> None:
    """Read the tables and report.

    Says what is in them and what was rejected, and forecasts time and memory of each preset. Trains nothing.
    """
    from crossaisle import Dataset
    from crossaisle.data.report import render_report
    from crossaisle.forecast import forecast
    from crossaisle.presets import preset_settings

    names, chosen = options.parse_columns(columns), options.parse_settings(assignments, max_rejected)
    settings = preset_settings("balanced", chosen)
    check_writable(rejected)
    with kept_rejects(rejected) as kept:
        data = Dataset.from_files(
            interactions=interactions,
            items=items,
            reviews=reviews,
            settings=settings.data,
            columns=names,
            encoding=encoding,
            rejected_to=kept,
        )
    expected = forecast(data, chosen)
    if as_json:
        print_json({"report": data.report, "forecast": expected})
        return
    print(render_report(data.report, lang=lang))
    print_table(expected, title=_FORECAST[lang])
