"""Plots as inline SVG: matplotlib draws, the page colours (light or dark) and chooses the font. Imports: words.

Text stays text (``svg.fonttype: none``), so Chinese and any other script show in the browser's font. Colours are drawn as placeholders and
become CSS variables of the page. Labels come from users' data: they are never read as formulas and never measured with a font that
may lack them.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crossaisle.evaluate.report.words import em, shorten

__all__ = ["Dot", "Pair", "bars", "curves", "dots", "pairs"]

WIDTH = 4.6
"""Inches at 72 points each: 331 points, 442 pixels; two stand side by side on a desktop, one fills a phone."""

_INK, _MUTED, _GRID, _BACK = "#010203", "#040506", "#070809", "#0a0b0c"
_KINDS = {"ours": "#0d0e0f", "best": "#101112", "baseline": "#131415", "control": "#161718"}
_TONES = {"positive": "#191a1b", "negative": "#1c1d1e", "unclear": _KINDS["baseline"]}
_VARIABLES = {
    _INK: "ink",
    _MUTED: "muted",
    _GRID: "line",
    _BACK: "back",
    **{colour: kind for kind, colour in _KINDS.items()},
    **{_TONES[tone]: tone for tone in ("positive", "negative")},
}
_MARKS = {"ours": "o", "best": "s", "baseline": "D", "control": "^"}
_SIZE = 10


@dataclass(frozen=True)
class Dot:
    """A value with its interval; ``kind`` is one of ours, best, baseline, control."""

    label: str
    value: float
    low: float
    high: float
    kind: str


@dataclass(frozen=True)
class Pair:
    """Ours beside another model at one level; either may be missing."""

    label: str
    ours: Dot | None
    other: Dot | None


def _figure(height: float) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=0, labelsize=_SIZE, labelcolor=_MUTED, pad=4)
    return figure, axes


def _place(axes: Any, height: float, left: float, top: float = 0.08, bottom: float = 0.46) -> None:
    """Set the axes by margins in inches, so that nothing depends on measured text."""
    axes.set_position((left / WIDTH, bottom / height, (WIDTH - left - 0.16) / WIDTH, (height - top - bottom) / height))


def _svg(figure: Any, name: str) -> str:
    """One ``<svg>`` element: ids made unique by ``name``, colours as CSS variables, no font named, nothing referred to outside."""
    import matplotlib

    raw = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "text.parse_math": False}), warnings.catch_warnings():
        # the font that matplotlib measures with need not hold the glyphs: the browser's will
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(raw, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}, transparent=True)
    svg = raw.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.S)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    # older releases write the shorthand "font: bold 10px names", newer ones each property: keep size and weight, drop the names
    svg = re.sub(r"font: (?:(\w+) )?([\d.]+px) [^;\"]*", lambda m: f"font-size: {m[2]}" + (f"; font-weight: {m[1]}" if m[1] else ""), svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return re.sub(r"\s*\n\s*", "\n", svg).strip()


def _dot(axes: Any, y: float, dot: Dot) -> None:
    colour = _KINDS[dot.kind]
    axes.plot([dot.low, dot.high], [y, y], color=colour, linewidth=2.2 if dot.kind == "ours" else 1.5, solid_capstyle="round", zorder=3)
    face = _BACK if dot.kind == "control" else colour
    axes.plot(
        [dot.value],
        [y],
        _MARKS[dot.kind],
        markersize=6.5 if dot.kind == "ours" else 5,
        markerfacecolor=face,
        markeredgecolor=colour,
        zorder=4,
    )


def _values(axes: Any, label: str, zero: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.grid(axis="x", color=_GRID, linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(label, fontsize=_SIZE, color=_MUTED, labelpad=5)
    if zero:
        axes.axvline(0, color=_INK, linewidth=1, zorder=2)
    else:
        axes.set_xlim(left=0)


def _names(axes: Any, places: Sequence[float], names: Sequence[tuple[str, bool]]) -> None:
    """Row names, right-aligned beside the axes; the second value says whether to print one strongly."""
    axes.set_yticks([])
    for place, (label, strong) in zip(places, names, strict=True):
        axes.annotate(
            label,
            (0, place),
            xycoords=("axes fraction", "data"),
            xytext=(-7, 0),
            textcoords="offset points",
            ha="right",
            va="center_baseline",
            fontsize=_SIZE,
            fontweight="bold" if strong else "normal",
            color=_INK,
            annotation_clip=False,
            parse_math=False,
        )


def _left(labels: Sequence[str]) -> float:
    """Inches that the longest label takes, with its gap."""
    return max((em(label) for label in labels), default=1.0) * _SIZE / 72 + 0.22


def dots(rows: Sequence[Dot], label: str, name: str, *, zero: bool = False) -> str:
    """One row a model: its value and interval.

    Parameters
    ----------
    rows : sequence of Dot
        From top to bottom.
    label : str
        What the horizontal axis measures.
    name : str
        Unique in the page; prefixes every id.
    zero : bool
        Draw a line at zero (for differences) instead of starting the axis there.
    """
    height = 0.27 * len(rows) + 0.6
    figure, axes = _figure(height)
    labels = [shorten(r.label) for r in rows]
    left = _left(labels)
    _place(axes, height, left)
    places = [float(-i) for i in range(len(rows))]
    for place, row in zip(places, rows, strict=True):
        _dot(axes, place, row)
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    _values(axes, label, zero)
    _names(axes, places, [(text, row.kind == "ours") for text, row in zip(labels, rows, strict=True)])
    return _svg(figure, name)


def bars(rows: Sequence[Dot], label: str, name: str) -> str:
    """One bar a row from zero to its value, with its interval; ``kind`` is ``positive``, ``negative`` or ``unclear``. See `dots`."""
    height = 0.3 * len(rows) + 0.6
    figure, axes = _figure(height)
    labels = [shorten(r.label) for r in rows]
    _place(axes, height, _left(labels))
    places = [float(-i) for i in range(len(rows))]
    for place, row in zip(places, rows, strict=True):
        axes.barh(place, row.value, height=0.62, color=_TONES[row.kind], alpha=0.55, zorder=2)
        axes.plot([row.low, row.high], [place, place], color=_INK, linewidth=1.3, solid_capstyle="butt", zorder=4)
        for end in (row.low, row.high):
            axes.plot([end, end], [place - 0.13, place + 0.13], color=_INK, linewidth=1.3, zorder=4)
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    _values(axes, label, zero=True)
    _names(axes, places, [(text, False) for text in labels])
    return _svg(figure, name)


def pairs(parts: Sequence[tuple[str, Sequence[Pair]]], label: str, name: str) -> str:
    """Ours above another model, level by level; each part has a title ("" for none)."""
    step, title_step = 1.0, 1.15
    height_units = sum(len(rows) * step + (title_step if title else 0.0) for title, rows in parts)
    height = 0.3 * height_units + 0.6
    figure, axes = _figure(height)
    left = _left([shorten(text) for title, rows in parts for text in (title, *(p.label for p in rows))])
    _place(axes, height, left)
    y, places, names = 0.0, [], []
    for title, rows in parts:
        if title:
            places.append(y - 0.1)
            names.append((shorten(title), True))
            y -= title_step
        for pair in rows:
            for dot, shift in ((pair.ours, 0.17), (pair.other, -0.17)):
                if dot is not None and dot.value == dot.value:
                    _dot(axes, y + shift, dot)
            places.append(y)
            names.append((shorten(pair.label), False))
            y -= step
    axes.set_ylim(y + 0.4, 0.6)
    _values(axes, label, zero=False)
    _names(axes, places, names)
    return _svg(figure, name)


def curves(ks: Sequence[int], rows: Sequence[tuple[str, str, Sequence[float]]], label: str, name: str) -> str:
    """One line a model over k (or epochs); ``rows`` holds (label, kind, one value a k), the last drawn on top."""
    height = 2.7
    figure, axes = _figure(height)
    _place(axes, height, 0.55)
    style = {"ours": ("-", 2.2), "best": ("--", 1.6), "baseline": ("-", 0.9), "control": (":", 1.2)}
    steps = list(range(len(ks)))
    for _, kind, values in rows:
        line, width = style[kind]
        mark = _MARKS[kind] if kind in ("ours", "best") else ""
        axes.plot(steps, values, line, color=_KINDS[kind], linewidth=width, marker=mark, markersize=5)
    every = -(-len(ks) // 12)  # more labels than that would run into each other
    axes.set_xticks(steps[::every], [str(k) for k in ks[::every]])
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel(label, fontsize=_SIZE, color=_MUTED, labelpad=5)
    return _svg(figure, name)
