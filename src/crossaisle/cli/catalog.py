"""``crossaisle catalog``: changes to the items that a model can recommend. Imports: options, progress, show."""

from __future__ import annotations

from typing import Annotated

import typer

from crossaisle.cli import options
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
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    as_json: options.Json = False,
) -> None:
    """Add items to a model, without training.

    They can be recommended at once. Writes a new version of the model.
    """
    from crossaisle import Recommender
    from crossaisle.data.readers.tables import read_table

    names = options.parse_columns(columns)
    loaded = Recommender.load(model)
    before = loaded.items.height
    new = read_table(items, columns=names, encoding=encoding)
    with progress_bar(quiet=as_json) as progress:
        loaded.add_items(new, progress=progress)
    version = loaded.save(model)
    added = loaded.items.height - before
    if as_json:
        print_json({"model": str(version), "added": added, "items": loaded.items.height, "notes": loaded.notes})
    else:
        print(f"{added:,} items added, {loaded.items.height:,} in {version}")
        print_notes(loaded.notes)
