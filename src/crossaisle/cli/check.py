"""``crossaisle check``: reads the tables and reports; trains nothing. Imports: options, output, progress, reading, show."""

from __future__ import annotations

from crossaisle.cli import options
from crossaisle.cli.output import check_place
from crossaisle.cli.progress import progress_bar
from crossaisle.cli.reading import tables_read
from crossaisle.cli.show import print_json, print_notes, print_table

__all__ = ["check"]

_FORECAST = {"en": "Forecast of fit on this machine", "zh": "本机训练的时间与内存预测"}
_HEADS = {
    "en": {},
    "zh": {
        "preset": "预设",
        "reading_minutes": "读取文本（分钟）",
        "training_minutes": "训练（分钟）",
        "memory_gb": "内存（GB）",
        "cores": "核心数",
    },
}


def check(
    interactions: options.Interactions,
    items: options.Items = None,
    reviews: options.Reviews = None,
    media: options.Media = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    max_rejected: options.MaxRejected = None,
    rejected: options.Rejected = "rejected.jsonl",
    assignments: options.Set = None,
    lang: options.Lang = "en",
    as_json: options.Json = False,
) -> None:
    """Read the tables and report.

    Says what is in them and what was rejected, and forecasts time and memory of each preset. Trains nothing.
    """
    from crossaisle.data.report import render_report
    from crossaisle.encode.media import media_lines
    from crossaisle.encode.survey import survey_media
    from crossaisle.forecast import forecast
    from crossaisle.presets import preset_settings

    names, chosen = options.parse_columns(columns), options.parse_settings(assignments, max_rejected)
    settings = preset_settings("balanced", chosen)
    check_place(rejected)
    with tables_read(rejected, (interactions, items, reviews), settings.data, names, encoding, media) as data:
        expected = forecast(data, chosen)
        if data.media is not None:
            with progress_bar(quiet=as_json) as progress:
                data.report["media"] = survey_media(data.items, data.media, settings.media, progress)
    if as_json:
        print_json({"report": data.report, "forecast": expected})
        return
    print(render_report(data.report, lang=lang))
    print_notes(media_lines(data.report.get("media", {}), lang))
    heads: dict[str, str] = _HEADS[lang]
    print_table([{heads.get(k, k): v for k, v in row.items()} for row in expected], title=_FORECAST[lang])
