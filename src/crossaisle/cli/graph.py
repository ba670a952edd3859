"""``crossaisle graph``: which categories lead to which. Imports: options, output, show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossaisle.cli import options
from crossaisle.cli.output import check_home, write_bytes
from crossaisle.cli.show import print_json, print_notes, print_table
from crossaisle.errors import OutputError, RequestError, SettingError

if TYPE_CHECKING:
    import polars as pl

    from crossaisle.graph.category_graph import CategoryGraph

__all__ = ["graph"]

_ENDINGS = (".json", ".graphml", ".png", ".html")
_SAYS = {
    "en": {
        "columns": ("from", "to", "users", "share of from", "lift", "95 %", "first", "days"),
        "title": "strongest edges between aisles, level {level} of {levels}",
        "legend": "lift: how many times as often as chance, given how much people and categories have (shrunk, with its 95 % interval); "
        "first: share of the people with a clear order who came to the left one earlier; days: median between the first visits",
        "none": "no two categories of different aisles are found together more often than chance explains",
        "path": ("strength", "path"),
        "paths": "strongest paths from {source} to {target}, level {level}",
        "text": "no path is made by users; these follow likeness of words where users say nothing (marked ~)",
        "no path": "no path of three steps or fewer leads from {source} to {target}",
        "twins": "{first} and {second} have the same users ({share:.0%} of all who have either), while most people have neither: the "
        "data was most likely picked so. Their own edge says how, and what goes with one goes with the other alike",
        "permuted": "level {level}: {edges:,} edges; with permuted baskets {permuted:,}, of these {both:,} the same",
        "written": "{nodes:,} categories and {edges:,} edges written to {path}",
    },
    "zh": {
        "columns": ("来自", "通向", "用户数", "占来源", "提升度", "95% 区间", "在先", "天数"),
        "title": "品类之间最强的关联，第 {level} 层（共 {levels} 层）",
        "legend": "提升度：实际共同出现为偶然情形（按用户与品类各自的多少推算）的几倍，已做收缩，并附 95% 区间；"
        "在先：先后明确的用户中先到左侧品类者的比例；天数：两次首次光顾相隔天数的中位数",
        "none": "没有两个分属不同大类的品类，其共同出现多于偶然",
        "path": ("强度", "路径"),
        "paths": "从 {source} 到 {target} 最强的路径，第 {level} 层",
        "text": "用户行为没有形成路径；以下路径在用户无数据处依据文字相似（以 ~ 标出）",
        "no path": "从 {source} 到 {target} 没有三步以内的路径",
        "twins": "{first} 与 {second} 的用户几乎是同一批人（占两者全部用户的 {share:.0%}），而多数人两者皆无：数据很可能就是这样选取的。"
        "二者之间的关联只反映选取方式，与其中一个相关的品类也同样与另一个相关",
        "permuted": "第 {level} 层：{edges:,} 条关联；打乱购物篮后 {permuted:,} 条，其中 {both:,} 条相同",
        "written": "已将 {nodes:,} 个品类和 {edges:,} 条关联写入 {path}",
    },
}


def graph(
    model: options.Model,
    out: Annotated[str | None, typer.Option("--out", metavar="FILE", help="Also write it: .json, .graphml, .png or .html.")] = None,
    level: Annotated[int | None, typer.Option("--level", metavar="N", help="Level of the category path: 1 aisles, 2 A > B, ...")] = None,
    source: Annotated[str | None, typer.Option("--from", metavar="A", help="With --to: the strongest paths from this aisle.")] = None,
    target: Annotated[str | None, typer.Option("--to", metavar="B", help="With --from: the strongest paths to this aisle.")] = None,
    k: Annotated[int, typer.Option("-k", help="How many edges or paths.")] = 10,
    permuted: Annotated[
        bool, typer.Option("--permuted", help="Also the placebo: how many edges are left when baskets are permuted, level by level.")
    ] = False,
    assignments: options.Set = None,
    lang: options.Lang = "en",
    as_json: options.Json = False,
) -> None:
    """Show which categories lead to which.

    Edges with support, lift and direction, and the strongest paths between two aisles.
    """
    if k < 1:
        raise RequestError(f"-k is {k}", "a whole number of at least 1", "write -k 10")
    if (source is None) != (target is None):
        raise RequestError("only one of --from and --to", "both, or neither", "give the other one too")
    place = None if out is None else _check_out(out)
    from crossaisle import Recommender

    changes = _of_the_graph(options.parse_settings(assignments))
    loaded = Recommender.load(model)
    settings = loaded.settings.changed(changes).graph
    found = loaded.graph(settings)
    chosen = found.check_level(min(2, found.levels) if level is None else level)
    told = _edges(found, chosen, k, lang) if source is None or target is None else _paths(found, chosen, source, target, k, lang)
    told["notes"] += [_SAYS[lang]["twins"].format(**twin._asdict()) for twin in found.twins]  # type: ignore[attr-defined]
    if permuted:
        told["permuted"] = [row._asdict() for row in loaded.permuted_graph(settings)]
        told["notes"] += [_SAYS[lang]["permuted"].format(**row) for row in told["permuted"]]  # type: ignore[attr-defined]
    if place is not None:
        write_bytes(_content(found, place, chosen, lang), place)
        told["out"] = str(place)
    if as_json:
        print_json({key: value for key, value in told.items() if key not in ("table", "title")})
        return
    if told["table"]:
        print_table(told["table"], title=told["title"])
    else:
        print(told["notes"].pop(0))
    if place is not None:
        print(_SAYS[lang]["written"].format(nodes=found.nodes.height, edges=found.edges.height, path=place))  # type: ignore[attr-defined]
    print_notes(told["notes"])


def _of_the_graph(changes: dict[str, str]) -> dict[str, str]:
    """The changes, unless one of them would change nothing here."""
    for key in changes:
        if not key.startswith("graph."):
            raise SettingError(f"--set changes {key!r}, which the graph does not read", "graph.key=value", "see: crossaisle settings graph")
    return changes


def _check_out(out: str) -> Path:
    path = Path(out)
    if path.suffix.lower() not in _ENDINGS:
        raise OutputError(f"output file {out!r}", f"a name that ends in {', '.join(_ENDINGS)}", "rename it")
    return check_home(path)


def _content(found: CategoryGraph, place: Path, level: int, lang: str) -> bytes:
    ending = place.suffix.lower()
    if ending == ".png":
        from crossaisle.graph.picture import draw

        return draw(found, level, lang)
    if ending == ".html":
        from crossaisle.graph.page import render

        return render(found, lang).encode("utf-8")
    from crossaisle.graph.export import as_graphml, as_json

    return (as_json(found) if ending == ".json" else as_graphml(found)).encode("utf-8")


def _edges(found: CategoryGraph, level: int, k: int, lang: str) -> dict[str, Any]:
    words: dict[str, Any] = _SAYS[lang]
    rows = found.strongest_edges(k, level)
    notes = [words["legend"]] if rows.height else [words["none"]]
    title = words["title"].format(level=level, levels=found.levels)
    return {"level": level, "edges": rows.to_dicts(), "notes": notes, "title": title, "table": _table(rows, words["columns"])}


def _table(rows: pl.DataFrame, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    out = []
    for r in rows.iter_rows(named=True):
        first = "" if r["direction"] is None else f"{r['direction']:.0%} ({r['direction_low']:.0%} .. {r['direction_high']:.0%})"
        days = None if r["days"] is None else round(r["days"])
        interval = f"{r['lift_low']:.2f} .. {r['lift_high']:.2f}"
        values = (r["source"], r["target"], r["support"], f"{r['confidence']:.0%}", f"{r['lift']:.2f}", interval, first, days)
        out.append(dict(zip(columns, values, strict=True)))
    return out


def _paths(found: CategoryGraph, level: int, source: str, target: str, k: int, lang: str) -> dict[str, Any]:
    words: dict[str, Any] = _SAYS[lang]
    ways, notes = found.strongest_paths(source, target, k, level), []
    if not ways:
        ways = found.strongest_paths(source, target, k, level, kinds=("bought", "text"))
        notes = [words["text"] if ways else words["no path"].format(source=source, target=target)]
    kinds = [found.kinds(way, level) for way in ways]
    described = [{"strength": way.strength, "nodes": list(way.nodes), "kinds": kind} for way, kind in zip(ways, kinds, strict=True)]
    rows = [(f"{way.strength:.3f}", _arrows(way.nodes, kind)) for way, kind in zip(ways, kinds, strict=True)]
    table = [dict(zip(words["path"], row, strict=True)) for row in rows]
    title = words["paths"].format(source=source, target=target, level=level)
    return {"level": level, "paths": described, "notes": notes, "title": title, "table": table}


def _arrows(nodes: Sequence[str], kinds: Sequence[str]) -> str:
    steps = [f" {'~>' if kind == 'text' else '->'} {node}" for kind, node in zip(kinds, nodes[1:], strict=True)]
    return nodes[0] + "".join(steps)
