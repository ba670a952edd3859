"""Blocks as Markdown (GitHub's tables), for terminals and pull requests. Imports: blocks, words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from crossaisle.evaluate.report.blocks import Block, Bullets, Cell, Details, Facts, Figure, Heading, Paragraph, Pre, Side, Table, Verdict
from crossaisle.evaluate.report.words import Words

__all__ = ["render"]


def render(title: str, byline: str, blocks: Iterable[Block], words: Words) -> str:
    """The whole report; figures are named and left to the HTML page."""
    parts = [f"# {_plain(title)}", _plain(byline)]
    for block in blocks:
        parts += _block(block, words)
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """Text that Markdown will not read as markup."""
    return re.sub(r"([\\`*_\[\]<>|#~])", r"\\\1", " ".join(text.split()))


def _cell(cell: Cell) -> str:
    text = f"**{_plain(cell.text)}**" if cell.best else _plain(cell.text)
    text = {"positive": "🟢 ", "negative": "🔴 "}.get(cell.tone, "") + text
    return f"{text} ({_plain(cell.small)})" if cell.small else text


def _table(table: Table) -> str:
    marks = ["---" if i == 0 or i in table.words else "---:" for i in range(len(table.columns))]
    lines = ["| " + " | ".join(_cell(c) for c in table.columns) + " |", "| " + " | ".join(marks) + " |"]
    lines += ["| " + " | ".join(_cell(c) for c in row.cells) + " |" for row in table.rows]
    return f"{_plain(table.caption)}\n\n" + "\n".join(lines)


def _block(block: Block, words: Words) -> Iterator[str]:
    match block:
        case Heading(text, level):
            yield f"{'#' * level} {_plain(text)}"
        case Paragraph(text):
            yield _plain(text)
        case Pre(text):
            yield "\n".join(f"    {line}" for line in text.splitlines())  # indented: no fence to break out of
        case Verdict(title, text, _, more):
            yield f"**{_plain(title)}.** {_plain(text)}" if words.lang == "en" else f"**{_plain(title)}。** {_plain(text)}"
            yield from (_plain(m) for m in more)
        case Facts(pairs):
            yield "\n".join(f"- {_plain(name)}: {_plain(value)}" for name, value in pairs)
        case Bullets(items):
            yield "\n".join(f"- {_plain(item)}" for item in items)
        case Table():
            yield _table(block)
        case Side(inside):
            for one in inside:
                yield f"*{_plain(words('see-figure', caption=one.caption))}*" if isinstance(one, Figure) else _table(one)
        case Details(summary, blocks):
            yield f"<details><summary>{_plain(summary)}</summary>"
            for inner in blocks:
                yield from _block(inner, words)
            yield "</details>"
