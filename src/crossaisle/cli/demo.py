"""``crossaisle demo``: the main job on packaged real data. Imports: options, output, progress, show."""

from __future__ import annotations

from typing import Annotated

import typer

from crossaisle.cli import options
from crossaisle.cli.output import check_writable
from crossaisle.cli.progress import progress_bar
from crossaisle.cli.show import print_json, print_table

__all__ = ["demo"]


def demo(
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Folder for the tables, the reports and the model.")] = "demo",
    lang: options.Lang = "en",
    as_json: options.Json = False,
) -> None:
    """Do the main job on packaged real data.

    Ten weeks of grocery baskets: compare with baselines, fit, recommend with reasons, report. A few minutes on two cores.
    """
    check_writable(out, folder=True)
    from pathlib import Path

    from crossaisle.demo import run

    with progress_bar(quiet=as_json) as progress:
        told = run(Path(out), lang=lang, progress=progress, say=None if as_json else print, table=None if as_json else print_table)
    if as_json:
        print_json(told)
