"""Blocks as one HTML page that needs nothing else: style and plots are inside, no script, nothing is loaded. Imports: blocks, words.

The style is written in ``style.css`` beside this file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files

from crossaisle.evaluate.report.blocks import (
    Block,
    Bullets,
    Cell,
    Details,
    Facts,
    Figure,
    Heading,
    Paragraph,
    Pre,
    Row,
    Side,
    Table,
    Verdict,
)
from crossaisle.evaluate.report.words import Words, em

__all__ = ["render"]

_SHAPES = {
    "ours": '<circle cx="6" cy="6" r="5" fill="var(--ours)"/>',
    "best": '<rect x="1.5" y="1.5" width="9" height="9" fill="var(--best)"/>',
    "baseline": '<path d="M6 1 11 6 6 11 1 6Z" fill="var(--baseline)"/>',
    "control": '<path d="M6 1.5 11 10.5H1Z" fill="none" stroke="var(--control)" stroke-width="1.5"/>',
    "positive": '<rect x="1" y="1" width="10" height="10" fill="var(--positive)"/>',
    "negative": '<rect x="1" y="1" width="10" height="10" fill="var(--negative)"/>',
    "unclear": '<rect x="1" y="1" width="10" height="10" fill="var(--baseline)"/>',
}
_LONG = 22.0
"""Facts wider than this, in ems, take a whole line."""


def render(title: str, byline: str, blocks: Iterable[Block], words: Words) -> str:
    """The whole page."""
    page = _Page(words)
    body = [page.block(block) for block in blocks]
    style = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    links = "".join(f'<li><a href="#{anchor}">{escape(text)}</a></li>' for anchor, text in page.sections)
    lang = {"en": "en", "zh": "zh-Hans"}[words.lang]
    return (
        f'<!doctype html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f'<a class="skip" href="#results">{escape(words("skip"))}</a>\n'
        f'<header><h1>{escape(title)}</h1>\n<p class="byline">{escape(byline)}</p></header>\n'
        f'<nav aria-label="{escape(words("sections"))}"><ul>{links}</ul></nav>\n'
        f'<main id="results">\n{"".join(body)}</main>\n<footer></footer>\n</body>\n</html>\n'
    )


class _Page:
    """Renders blocks and remembers the sections for the links on top."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.sections: list[tuple[str, str]] = []

    def block(self, block: Block) -> str:
        match block:
            case Heading(text, 2):
                anchor = f"s{len(self.sections) + 1}"
                self.sections.append((anchor, text))
                return f'<h2 id="{anchor}">{escape(text)}</h2>\n'
            case Heading(text, level):
                return f"<h{level}>{escape(text)}</h{level}>\n"
            case Paragraph(text, muted):
                return f"<p{_class('muted', muted)}>{escape(text)}</p>\n"
            case Pre(text):
                return f'<pre tabindex="0">{escape(text)}</pre>\n'
            case Verdict(title, text, outcome, more):
                rest = "".join(f'<p class="more">{escape(m)}</p>' for m in more)
                tone = f'<div class="verdict" style="--tone: var(--{outcome})">'
                return f"{tone}<strong>{escape(title)}</strong><p>{escape(text)}</p>{rest}</div>\n"
            case Facts(pairs):
                return f'<dl class="facts">{"".join(_fact(*p) for p in pairs)}</dl>\n'
            case Bullets(items):
                return f'<ul class="plain">{"".join(f"<li>{escape(i)}</li>" for i in items)}</ul>\n'
            case Table():
                return _table(block, self.words)
            case Side(inside):
                parts = (_figure(one) if isinstance(one, Figure) else _table(one, self.words) for one in inside)
                return f'<div class="side">{"".join(parts)}</div>\n'
            case Details(summary, blocks):
                return f"<details><summary>{escape(summary)}</summary>\n{''.join(self.block(b) for b in blocks)}</details>\n"


def _class(name: str, given: bool) -> str:
    return f' class="{name}"' if given and name else ""


def _kinds(cell: Cell, words: bool) -> str:
    return " ".join(kind for kind in ("words" if words else "", cell.tone) if kind)


def _fact(name: str, value: str) -> str:
    return f"<div{_class('long', em(value) > _LONG)}><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"


def _inside(cell: Cell) -> str:
    text = f"<b>{escape(cell.text)}</b>" if cell.best else escape(cell.text)
    return f"{text}<small>{escape(cell.small)}</small>" if cell.small else text


def _rows(rows: Sequence[Row], words: Sequence[int], control: str) -> Iterator[str]:
    split = False
    for row in rows:
        if row.kind == "control" and not split and any(r.kind != "control" for r in rows):
            split = True
            yield f'<tr class="split"><th scope="rowgroup" colspan="{len(row.cells)}">{escape(control)}</th></tr>\n'
        cells = "".join(f"<td{_class(_kinds(c, i in words), True)}>{_inside(c)}</td>" for i, c in enumerate(row.cells[1:], 1))
        yield f'<tr class="{row.kind or "plain"}"><th scope="row">{_inside(row.cells[0])}</th>{cells}</tr>\n'


def _table(table: Table, words: Words) -> str:
    heads = "".join(f'<th scope="col"{_class("words", i in table.words)}>{_inside(c)}</th>' for i, c in enumerate(table.columns))
    body = "".join(_rows(table.rows, table.words, words("controls")))
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(table.caption)}"><table>\n'
        f"<caption><span>{escape(table.caption)}</span></caption>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n"
    )


def _figure(figure: Figure) -> str:
    marks = "".join(
        f'<span><svg viewBox="0 0 12 12" aria-hidden="true">{_SHAPES[kind]}</svg>{escape(name)}</span>' for kind, name in figure.legend
    )
    svg = figure.svg.replace("<svg ", f'<svg role="img" aria-label="{escape(figure.caption)}" ', 1)
    return f'<figure><figcaption>{escape(figure.caption)}</figcaption><div class="legend">{marks}</div>{svg}</figure>\n'
