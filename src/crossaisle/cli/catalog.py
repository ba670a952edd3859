"""``crossaisle catalog``: changes to the items that a model can recommend. Imports: options, output, progress, show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossaisle.cli import options
from crossaisle.cli.output import check_place, check_writable
from crossaisle.cli.progress import progress_bar
from crossaisle.cli.show import print_json, print_notes

__all__ = ["app"]

app = typer.Typer(help="Change the items that a model can recommend.", rich_markup_mode=None)


@app.callback()
def _root() -> None:
    """Change the items that a model can recommend."""


@app.command("add")
def add(
    model: options.Model,
    items: Annotated[str, typer.Option("--items", metavar="FILE", help="Items table of the new items.")],
    media: options.Media = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    max_rejected: options.MaxRejected = None,
    rejected: options.Rejected = "rejected.jsonl",
    as_json: options.Json = False,
) -> None:
    """Add items to a model, without training.

    They can be recommended at once. Writes a new version of the model.
    """
    from crossaisle import Recommender
    from crossaisle.data.build import DataSettings
    from crossaisle.data.readers.tables import read_table
    from crossaisle.data.rejected import Rejected

    names = options.parse_columns(columns)
    settings = DataSettings() if max_rejected is None else DataSettings(max_rejected=max_rejected)
    check_place(rejected)
    bad = Rejected(settings.max_rejected)
    loaded = Recommender.load(model)
    before = loaded.items.height
    new = read_table(items, columns=names, encoding=encoding)
    with progress_bar(quiet=as_json) as progress:
        loaded.add_items(new, progress=progress, media=media, rejected=bad)
    if len(bad):
        check_writable(rejected)
    version = loaded.save(model)
    bad.write(Path(rejected))
    added = loaded.items.height - before
    if as_json:
        print_json({"model": str(version), "added": added, "items": loaded.items.height, "notes": loaded.notes})
    else:
        print(f"{added:,} items added, {loaded.items.height:,} in {version}")
        print_notes(loaded.notes)
