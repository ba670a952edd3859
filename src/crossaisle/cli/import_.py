"""``crossaisle import``: a known source in, the three contract tables out. Imports: options, output, show."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from crossaisle.cli import options
from crossaisle.cli.output import check_writable
from crossaisle.cli.show import print_facts, print_json
from crossaisle.errors import RequestError

__all__ = ["import_"]


def import_(
    kind: Annotated[Literal["amazon2018", "recbole", "retail"], typer.Argument(help="What the source is.")],
    source: Annotated[
        str | None, typer.Argument(metavar="[SOURCE]", help="File or folder of the source; retail is a package and needs none.")
    ] = None,
    out: Annotated[str, typer.Option("--out", metavar="FOLDER", help="Folder for interactions, items and reviews as Parquet.")] = "",
    as_json: options.Json = False,
) -> None:
    """Turn a known source into the three tables.

    Writes interactions.parquet, items.parquet and reviews.parquet from Amazon 2018 files, RecBole atomic files, or the retail package.
    """
    if not out:
        raise RequestError("--out is missing", "a folder for the tables", "write --out tables")
    check_writable(out, folder=True)
    from pathlib import Path

    from crossaisle.data.readers import import_tables

    written = import_tables(kind, None if source is None else Path(source), Path(out))
    print_json(written) if as_json else print_facts(written)
