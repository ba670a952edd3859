"""``crossaisle evaluate``: a protocol and models in, a report with intervals and tests out. Imports: options, output, progress, show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossaisle.cli import options
from crossaisle.cli.output import check_writable, kept_rejects
from crossaisle.cli.progress import progress_bar
from crossaisle.cli.show import print_json, print_notes, print_table
from crossaisle.errors import RequestError

if TYPE_CHECKING:
    from crossaisle.evaluate.results import Results

__all__ = ["evaluate", "summary_rows"]

_MODELS = "popularity,popularity-aisle,item-knn,user-knn,ease,ials,text-knn,transition-graph,sasrec,crossaisle"


def evaluate(
    interactions: options.Interactions,
    protocol: Annotated[
        str, typer.Option("--protocol", help="leave-one-out, time-split, first-visit, cold-item, cold-user or next-basket.")
    ],
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Folder for report.html, report.md, report.json and the raw figures.")],
    items: options.Items = None,
    reviews: options.Reviews = None,
    models: Annotated[str, typer.Option("--models", metavar="A,B", help="Models to compare.")] = _MODELS,
    preset: options.Preset = "balanced",
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="Runs of each model that holds chance, with seeds 0 to N-1.")] = 1,
    refit: Annotated[bool, typer.Option("--refit", help="Fit once more on training and validation events before the test.")] = False,
    assignments: options.Set = None,
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
    names, chosen = options.parse_columns(columns), options.parse_settings(assignments, max_rejected)
    check_writable(out, folder=True)
    from crossaisle import Dataset
    from crossaisle.evaluate.protocol import evaluate as trial
    from crossaisle.evaluate.report import write_report
    from crossaisle.presets import preset_settings

    settings = preset_settings(preset, chosen, device=device)
    with kept_rejects(Path(out) / "rejected.jsonl") as rejected:
        data = Dataset.from_files(
            interactions=interactions,
            items=items,
            reviews=reviews,
            settings=settings.data,
            columns=names,
            encoding=encoding,
            rejected_to=rejected,
        )
        with progress_bar(quiet=as_json) as progress:
            results = trial(
                data,
                protocol=protocol,
                models=options.split_names([models]),
                settings=settings,
                seeds=seeds,
                refit=refit,
                data_name=Path(interactions).name,
                progress=progress,
            )
        page = write_report(results, Path(out), lang)
    if as_json:
        print_json({"report": str(page), "summary": results.summary.to_dicts(), "skipped": results.facts.skipped})
        return
    for view in results.views:
        print_table(summary_rows(results, view.name), title=f"{protocol}, {view.name}: {view.note} ({view.n:,} questions)")
    print_notes([f"{model} left out: {reason}" for model, reason in results.facts.skipped.items()])
    print(f"report: {page}")


def summary_rows(results: Results, view: str, measures: tuple[str, ...] = ("recall@10", "ndcg@10", "hit_rate@10")) -> list[dict[str, Any]]:
    """One row a model of one view, best first by the main measure; the interval is that of the main measure."""
    main = results.facts.main_measure
    rows = []
    for model in results.models:
        of_model = {r["measure"]: r for r in results.summary.iter_rows(named=True) if r["view"] == view and r["model"] == model}
        if main in of_model:
            shown = {m: of_model[m]["value"] for m in measures if m in of_model}
            rows.append({"model": model, **shown, f"{main} 95 %": f"{of_model[main]['low']:.4f} - {of_model[main]['high']:.4f}"})
    order = {r["model"]: results.value(view, r["model"], main) for r in rows}
    return sorted(rows, key=lambda r: -order[r["model"]])
