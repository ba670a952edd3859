"""The report of a trial: one HTML page, Markdown, JSON, raw figures. Imports: asjson, content, files, html, lens, markdown, words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from crossaisle.evaluate.report import asjson, content, html, markdown
from crossaisle.evaluate.report.files import write_folder
from crossaisle.evaluate.report.lens import Lens
from crossaisle.evaluate.report.words import LANGUAGES, Words
from crossaisle.evaluate.results import Results

__all__ = ["LANGUAGES", "headline", "write_report"]


def headline(results: Results, lang: str = "en") -> str:
    """The report's first sentence: whether ours beats the best baseline, with the paired difference and its interval.

    Raises
    ------
    RequestError
        If the language is not one of `LANGUAGES`.
    """
    lens = Lens(results, Words(lang))
    return content.headline(lens, lens.judgements[results.views[0].name])


def write_report(results: Results, out: str | Path, lang: str = "en") -> Path:
    """Write ``report.html``, ``report.md``, ``report.json``, ``per_query.parquet`` and ``queries.parquet``.

    Parameters
    ----------
    results : Results
    out : path
        The folder; made if it does not exist. Files of an earlier report in it are replaced, other files are left alone.
    lang : str
        ``en`` or ``zh``; JSON and Parquet are the same in both.

    Returns
    -------
    Path
        ``report.html``.

    Raises
    ------
    RequestError
        If the language is not one of `LANGUAGES`.
    OutputError
        If the folder cannot be written; then nothing is.
    """
    folder, words = Path(out), Words(lang)
    lens = Lens(results, words)
    title, byline, blocks = content.title(lens), content.byline(lens), tuple(content.make(lens))
    texts = {
        "report.json": asjson.render(results),
        "report.md": markdown.render(title, byline, blocks, words),
        "report.html": html.render(title, byline, blocks, words),
    }

    def text(name: str) -> Callable[[Path], object]:
        return lambda path: path.write_text(texts[name], encoding="utf-8", errors="replace")

    write_folder(
        folder,
        {
            "per_query.parquet": results.per_query.write_parquet,
            "queries.parquet": results.queries.write_parquet,
            **{name: text(name) for name in texts},
        },
    )
    return folder / "report.html"
