"""``crossaisle evaluate``: a protocol and models in, a report with intervals and tests out.

Imports: options, output, progress, reading, show, transfer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossaisle.cli import options
from crossaisle.cli.output import check_writable
from crossaisle.cli.progress import progress_bar
from crossaisle.cli.reading import tables_read
from crossaisle.cli.show import print_json, print_notes, print_table
from crossaisle.cli.transfer import run_transfer
from crossaisle.errors import RequestError

__all__ = ["evaluate"]

_MODELS = "popularity,popularity-aisle,item-knn,user-knn,ease,ials,text-knn,transition-graph,sasrec,crossaisle"

_PROTOCOLS = "leave-one-out, time-split, next-basket, first-visit, hidden-aisle, cold-item, cold-aisle or cold-user."


def evaluate(
    interactions: options.Interactions,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Folder for report.html, report.md, report.json and the raw figures.")],
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", help=_PROTOCOLS),
    ] = None,
    items: options.Items = None,
    reviews: options.Reviews = None,
    media: options.Media = None,
    models: Annotated[str, typer.Option("--models", metavar="A,B", help="Models to compare.")] = _MODELS,
    preset: options.Preset = "balanced",
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="Runs of each model that holds chance, with seeds 0 to N-1.")] = 1,
    refit: Annotated[bool, typer.Option("--refit", help="Fit once more on training and validation events before the test.")] = False,
    keep_seen: Annotated[bool, typer.Option("--keep-seen", help="Rank items of the history too.")] = False,
    shuffle_ties: Annotated[bool, typer.Option("--shuffle-ties", help="Leave-one-out: events of one time in a random order.")] = False,
    transfer: Annotated[
        bool, typer.Option("--transfer", help="Instead of a protocol: each aisle trained alone against all together.")
    ] = False,
    pairs: Annotated[bool, typer.Option("--pairs", help="With --transfer: each aisle with each other one too.")] = False,
    aisle: Annotated[str | None, typer.Option("--aisle", metavar="NAME", help="Cold-aisle: the aisle that is to be new.")] = None,
    sampled_negatives: Annotated[
        int,
        typer.Option(
            "--sampled-negatives", metavar="N", help="Leave-one-out: one view more, among N sampled items, for comparison with papers only."
        ),
    ] = 0,
    intervened: Annotated[
        bool,
        typer.Option("--intervened", help="Views more, in which popular targets are asked for no more than rare ones."),
    ] = False,
    assignments: options.Set = None,
    settings_file: options.SettingsFile = None,
    device: options.Device = "auto",
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    max_rejected: options.MaxRejected = None,
    lang: options.Lang = "en",
    as_json: options.Json = False,
) -> None:
    """Compare models on held-back events.

    With intervals, groups and a paired test against the best baseline, as a page, as Markdown and as JSON.
    """
    if seeds < 1:
        raise RequestError(f"--seeds is {seeds}", "a whole number of at least 1", "write --seeds 3")
    names, chosen = options.parse_columns(columns), options.parse_settings(assignments, max_rejected, settings_file)
    if transfer:
        run_transfer(
            interactions,
            items,
            out,
            pairs=pairs,
            seeds=seeds,
            shuffle_ties=shuffle_ties,
            preset=preset,
            chosen=chosen,
            device=device,
            columns=names,
            encoding=encoding,
            lang=lang,
            as_json=as_json,
            unused={
                "--protocol": protocol is not None,
                "--models": models != _MODELS,
                "--refit": refit,
                "--keep-seen": keep_seen,
                "--aisle": aisle is not None,
                "--sampled-negatives": sampled_negatives != 0,
                "--intervened": intervened,
                "--reviews": reviews is not None,
                "--media": media is not None,
            },
        )
        return
    if pairs:
        raise RequestError("--pairs without --transfer", "both", "add --transfer")
    if protocol is None:
        raise RequestError("neither --protocol nor --transfer is given", "one of them", "write --protocol leave-one-out")
    check_writable(out, folder=True)
    from crossaisle.data.report import notices
    from crossaisle.encode.media import media_lines
    from crossaisle.encode.survey import survey_media
    from crossaisle.evaluate.protocol import evaluate as trial
    from crossaisle.evaluate.report import write_report
    from crossaisle.evaluate.summary import against, heading, left_out, summary_rows
    from crossaisle.presets import preset_settings

    settings = preset_settings(preset, chosen, device=device)
    with tables_read(Path(out) / "rejected.jsonl", (interactions, items, reviews), settings.data, names, encoding, media) as data:
        with progress_bar(quiet=as_json) as progress:
            if data.media is not None:
                data.report["media"] = survey_media(data.items, data.media, settings.media, progress)
            results = trial(
                data,
                protocol=protocol,
                models=options.split_names([models]),
                settings=settings,
                seeds=seeds,
                refit=refit,
                keep_seen=keep_seen,
                shuffle_ties=shuffle_ties,
                aisle=aisle,
                sampled_negatives=sampled_negatives,
                intervened=intervened,
                data_name="/".join(Path(interactions).parts[-2:]),
                progress=progress,
            )
        page = write_report(results, Path(out), lang)
    if as_json:
        print_json(
            {
                "report": str(page),
                "summary": results.summary.to_dicts(),
                "skipped": results.facts.skipped,
                "notes": [*media_lines(data.report.get("media", {}), lang), *notices(data.report, lang)],
            }
        )
        return
    for view in results.views:
        print_table(summary_rows(results, view.name), title=heading(results, view, lang))
        print(against(results, view.name, lang) + "\n")
    print_notes([*left_out(results, lang), *media_lines(data.report.get("media", {}), lang), *notices(data.report, lang)])
    print(f"report: {page}")
