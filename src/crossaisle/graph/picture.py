"""The strongest edges as a picture: categories in two columns, aisle by aisle, arrows between them. Imports: category_graph, nodes."""

from __future__ import annotations

import io
import math
import warnings
from typing import Any

import polars as pl

from crossaisle.graph.category_graph import CategoryGraph, aisle_of
from crossaisle.graph.nodes import SEPARATOR

__all__ = ["PALETTE", "colour_of", "draw"]

PALETTE = (
    "#2563a8",
    "#c2571a",
    "#2f7d4f",
    "#8a3d8f",
    "#a8860f",
    "#b0304a",
    "#1b7f8c",
    "#5b5f97",
    "#7a5230",
    "#5d7a1f",
    "#c0408a",
    "#4d4d4d",
)
"""Colours of the aisles, in their order; used again from the start where there are more."""

_CJK = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei", "Microsoft YaHei", "PingFang SC", "SimHei")
_EDGES, _NODES = 40, 40
_HEAD, _FOOT = 1.0, 0.4
"""Inches for the title with the note under it, and for the note below."""
_TITLES = {
    "en": (
        "What leads to what: the {n} strongest edges between aisles",
        "arrow: to what most people come later, line: no sure order; width: lift ({low:.1f} to {high:.1f})",
    ),
    "zh": ("品类之间的关联：最强的 {n} 条", "箭头：多数人较晚光顾的一方，无箭头：先后不明确；线宽：提升度（{low:.1f} 至 {high:.1f}）"),
}
_TWINS = {
    "en": "{first} and {second} have the same users: the data was picked so, and their own edge is left out here",
    "zh": "{first} 与 {second} 的用户是同一批人：数据就是这样选取的，二者之间的关联此处从略",
}
_EMPTY = {
    "en": "No two categories of different aisles go together more often than chance.",
    "zh": "没有分属不同大类的品类共同出现多于偶然。",
}


def colour_of(graph: CategoryGraph, aisle: str) -> str:
    """An aisle's colour."""
    return PALETTE[graph.aisles.index(aisle) % len(PALETTE)]


def draw(graph: CategoryGraph, level: int, lang: str = "en") -> bytes:
    """A PNG of the strongest edges between aisles on one level, at most 40 edges and 40 nodes.

    Parameters
    ----------
    graph : CategoryGraph
    level : int
    lang : str
        ``en`` or ``zh``, for the title; names stay as they are.
    """
    import matplotlib
    from matplotlib.figure import Figure

    edges = _fitting(_without_twins(graph, graph.strongest_edges(graph.edges.height, level)).head(_EDGES))
    fonts = _fonts()
    with matplotlib.rc_context({"font.family": fonts, "text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        warnings.filterwarnings("ignore", message=".*findfont.*")
        rows = max(6, (len(set(edges["source"]) | set(edges["target"])) + 1) // 2)
        foot = _FOOT if graph.twins else 0.0
        height = _HEAD + foot + 0.3 + 0.45 * rows  # inches: the title needs as much room above few edges as above many
        figure = Figure(figsize=(15, height), dpi=130, facecolor="white")
        axes = figure.add_axes((0.0, foot / height, 1.0, 1.0 - (_HEAD + foot) / height))
        axes.set_axis_off()
        axes.set_xlim(-2.05, 2.05)
        if edges.height:
            _nodes_and_arrows(axes, graph, edges)
            title, note = _TITLES[lang]
            low, high = float(edges["lift"].min()), float(edges["lift"].max())  # type: ignore[arg-type]
            figure.text(0.5, 1.0 - 0.5 / height, title.format(n=edges.height), ha="center", size=19, weight="bold")
            figure.text(0.5, 1.0 - 0.8 / height, note.format(low=low, high=high), ha="center", size=12, color="#555555")
        else:
            axes.text(0, 0, _EMPTY[lang], ha="center", size=18)
        if graph.twins:
            twins = "; ".join(_TWINS[lang].format(**twin._asdict()) for twin in graph.twins[:2])
            figure.text(0.5, 0.15 / height, twins, ha="center", size=10.5, color="#555555")
        out = io.BytesIO()
        figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _fonts() -> list[str]:
    """A Latin font and, where one is installed, a Chinese one to fall back to."""
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *[name for name in _CJK if name in known][:1]]


def _without_twins(graph: CategoryGraph, edges: pl.DataFrame) -> pl.DataFrame:
    """Without the edges between two aisles of the same people, beside which all others would be thin."""
    twins = {frozenset((twin.first, twin.second)) for twin in graph.twins}
    ends = edges.select(aisle_of("source").alias("a"), aisle_of("target").alias("b")).iter_rows()
    return edges.filter(pl.Series([frozenset(pair) not in twins for pair in ends], dtype=pl.Boolean))


def _fitting(edges: pl.DataFrame) -> pl.DataFrame:
    """The first edges that touch no more nodes than have room."""
    nodes: set[str] = set()
    kept = []
    for place, (a, b) in enumerate(edges.select("source", "target").iter_rows()):
        if len(nodes | {a, b}) <= _NODES:
            nodes |= {a, b}
            kept.append(place)
    return edges[kept]


def _nodes_and_arrows(axes: Any, graph: CategoryGraph, edges: pl.DataFrame) -> None:
    from matplotlib.patches import FancyArrowPatch

    names = _in_order(edges)
    place = _places(names)
    axes.set_ylim(-1.0 - 2.0 / len(names), 1.0 + 2.0 / len(names))
    lifts = [math.log(v) for v in edges["lift"]]
    low, span = min(lifts), max(max(lifts) - min(lifts), 1e-9)
    for row, lift in sorted(zip(edges.iter_rows(named=True), lifts, strict=True), key=lambda pair: pair[1]):
        a, b = row["source"], row["target"]
        if row["direction"] is not None and row["direction"] < 0.5:
            a, b = b, a
        strong = (lift - low) / span
        axes.add_patch(
            FancyArrowPatch(
                path=_curve(place[a], place[b]),
                arrowstyle="-|>" if _sure(row) else "-",
                mutation_scale=10 + 8 * strong,
                linewidth=1.0 + 5.0 * strong,
                color=colour_of(graph, a.split(SEPARATOR)[0]),
                alpha=0.5 + 0.35 * strong,
            )
        )
    for name, (x, y) in place.items():
        aisle, _, rest = name.partition(SEPARATOR)
        colour = colour_of(graph, aisle)
        axes.plot([x], [y], "o", color=colour, markersize=8, markeredgecolor="white", zorder=5)
        label = f"{_short(rest, 34)} · {_short(aisle, 22)}" if rest else _short(aisle, 48)
        axes.text(x + 0.045 * (1 if x > 0 else -1), y, label, ha="left" if x > 0 else "right", va="center", size=10.5, color=colour)


def _sure(row: dict[str, Any]) -> bool:
    """Whether the interval of the direction leaves out one half."""
    return row["direction"] is not None and not row["direction_low"] <= 0.5 <= row["direction_high"]


def _in_order(edges: pl.DataFrame) -> list[str]:
    """Nodes, aisle by aisle; after each aisle comes the one most strongly tied to those already there, so that arrows stay short."""
    tie: dict[tuple[str, str], float] = {}
    for a, b, lift in edges.select("source", "target", "lift_low").iter_rows():
        for pair in ((a, b), (b, a)):
            ends = (pair[0].split(SEPARATOR)[0], pair[1].split(SEPARATOR)[0])
            tie[ends] = tie.get(ends, 0.0) + lift
    aisles = sorted({a for a, _ in tie})
    out: list[str] = []
    while len(out) < len(aisles):
        left = [a for a in aisles if a not in out]
        newest = out[-3:]
        out.append(max(left, key=lambda a: (sum(tie.get((a, o), 0.0) for o in newest), -aisles.index(a))))
    names = set(edges["source"]) | set(edges["target"])
    return [name for aisle in out for name in sorted(names) if name.split(SEPARATOR)[0] == aisle]


def _places(names: list[str]) -> dict[str, tuple[float, float]]:
    """Two columns, down the right one and up the left one."""
    half = (len(names) + 1) // 2
    step = 2.0 / max(half - 1, 1)
    right = {name: (0.62, 1.0 - i * step) for i, name in enumerate(names[:half])}
    left = {name: (-0.62, -1.0 + (i + 2 * half - len(names)) * step) for i, name in enumerate(names[half:])}
    return {**right, **left}


def _curve(a: tuple[float, float], b: tuple[float, float]) -> Any:
    """From a to just before b: level at both ends, through the middle, or a bow inside where both stand in one column."""
    from matplotlib.path import Path

    (x1, y1), (x2, y2) = a, b
    bow = 0.12 + 0.3 * abs(y1 - y2)
    if x1 == x2:
        m1 = m2 = x1 - math.copysign(bow, x1)
    else:
        m1 = m2 = 0.0
    end = x2 - math.copysign(0.02, x2)
    start = x1 - math.copysign(0.02, x1)
    return Path([(start, y1), (m1, y1), (m2, y2), (end, y2)], [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])


def _short(text: str, most: int) -> str:
    text = text.replace(SEPARATOR, " › ")
    return text if len(text) <= most else text[: most - 1] + "…"
