"""``crossaisle fit``: tables in, a measured model folder out. Imports: options, output, progress, reading, show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from crossaisle.cli import options
from crossaisle.cli.output import check_writable
from crossaisle.cli.progress import progress_bar
from crossaisle.cli.reading import tables_read
from crossaisle.cli.show import print_facts, print_json, print_notes

__all__ = ["fit"]


def fit(
    interactions: options.Interactions,
    out: Annotated[str, typer.Option("--out", metavar="MODEL", help="Model folder to write; a new version is added where one exists.")],
    items: options.Items = None,
    reviews: options.Reviews = None,
    media: options.Media = None,
    preset: options.Preset = "balanced",
    seed: options.Seed = 0,
    assignments: options.Set = None,
    settings_file: options.SettingsFile = None,
    device: options.Device = "auto",
    track: Annotated[
        str | None,
        typer.Option("--track", metavar="DIR", help="Write training's figures here as it runs; see: crossaisle settings track."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a stopped run with the same data and settings left off.")] = False,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    max_rejected: options.MaxRejected = None,
    base: Annotated[
        str | None, typer.Option("--base", metavar="MODEL", help="A fitted model that stays as it is and that the aisle of --adapt joins.")
    ] = None,
    adapt: Annotated[
        str | None, typer.Option("--adapt", metavar="AISLE", help="With --base: the new aisle; the tables hold it and those of the base.")
    ] = None,
    histories: Annotated[bool, typer.Option("--histories/--no-histories", help="Keep the histories beside the model, for --user.")] = True,
    as_json: options.Json = False,
) -> None:
    """Fit a model on your tables and save it.

    Its quality on the newest, held-back event of each history is printed and kept in the model.
    """
    from crossaisle import Recommender
    from crossaisle.store import folder_lock

    names, chosen = options.parse_columns(columns), options.parse_settings(assignments, max_rejected, settings_file)
    check_writable(out, folder=True)
    model = Recommender.preset(preset, seed=seed, device=device, settings=chosen)
    tables = (interactions, items, reviews)
    with tables_read(Path(out) / "rejected.jsonl", tables, model.settings.data, names, encoding, media) as data, folder_lock(out):
        with progress_bar(quiet=as_json) as progress:
            model.fit(data, out=out, resume=resume, progress=progress, track=track, base=base, adapt=adapt)
        version = model.save(out, histories=histories)
    result: dict[str, Any] = {"model": str(version), "users": data.n_users, "items": data.n_items, "quality": model.quality}
    if as_json:
        print_json({**result, "notes": model.notes})
    else:
        print_facts(result)
        print_notes(model.notes)
