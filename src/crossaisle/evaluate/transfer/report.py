"""The pages of the transfer scoreboard: HTML, Markdown, JSON, raw figures. Imports: content, results, wording."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from crossaisle.evaluate.report import html, markdown
from crossaisle.evaluate.report.asjson import strict
from crossaisle.evaluate.report.files import write_folder
from crossaisle.evaluate.report.words import Words
from crossaisle.evaluate.transfer import content
from crossaisle.evaluate.transfer.results import TransferResults
from crossaisle.evaluate.transfer.wording import TEXTS

__all__ = ["FORMAT", "as_json", "write_transfer"]

FORMAT = 1
"""Raised when a name or meaning changes."""


def as_json(results: TransferResults) -> str:
    """One JSON object: ``format``, ``facts`` and the rows of every table; a figure that does not exist is null."""
    rows = {name: [dataclasses.asdict(row) for row in getattr(results, name)] for name in ("aisles", "pairs", "totals", "arms", "left_out")}
    return json.dumps(strict({"format": FORMAT, "facts": results.facts, **rows}), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def write_transfer(results: TransferResults, out: str | Path, lang: str = "en") -> Path:
    """Write ``transfer.html``, ``transfer.md``, ``transfer.json`` and ``transfer.parquet``.

    Parameters
    ----------
    results : TransferResults
    out : path
        The folder; made if it does not exist, other files in it are left alone.
    lang : str
        ``en`` or ``zh``; JSON and Parquet are the same in both.

    Returns
    -------
    Path
        ``transfer.html``.

    Raises
    ------
    RequestError
        If the language is not known.
    OutputError
        If the folder cannot be written; then nothing is.
    """
    folder, words = Path(out), Words(lang, TEXTS)
    title, byline, blocks = content.title(results, words), content.byline(results, words), tuple(content.make(results, words))
    texts = {
        "transfer.json": as_json(results),
        "transfer.md": markdown.render(title, byline, blocks, words).replace("report.html", "transfer.html"),
        "transfer.html": html.render(title, byline, blocks, words),
    }

    def text(name: str) -> Callable[[Path], object]:
        return lambda path: path.write_text(texts[name], encoding="utf-8", errors="replace")

    write_folder(folder, {"transfer.parquet": results.per_query.write_parquet, **{name: text(name) for name in texts}})
    return folder / "transfer.html"
