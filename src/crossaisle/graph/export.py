"""The graph as JSON and as GraphML. Imports: category_graph."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import polars as pl

from crossaisle.graph.category_graph import CategoryGraph

__all__ = ["as_dict", "as_graphml", "as_json"]

_XMLNS = "http://graphml.graphdrawing.org/xmlns"


def as_dict(graph: CategoryGraph) -> dict[str, Any]:
    """Settings, twins, nodes and edges as plain values; a value that is not known is None.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> sorted(as_dict(CategoryGraph.of(toy_dataset())))
    ['edges', 'levels', 'nodes', 'settings', 'twins']
    """
    return {
        "settings": graph.settings.to_dict(),
        "levels": graph.levels,
        "twins": [twin._asdict() for twin in graph.twins],
        "nodes": [_plain(row) for row in graph.nodes.iter_rows(named=True)],
        "edges": [_plain(row) for row in graph.edges.iter_rows(named=True)],
    }


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _number(v) if isinstance(v, float) else v for k, v in row.items()}


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def as_json(graph: CategoryGraph) -> str:
    """`as_dict` as text."""
    return json.dumps(as_dict(graph), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def as_graphml(graph: CategoryGraph) -> str:
    """GraphML, which networkx, Gephi and yEd read: a node is named ``level/name``, an edge lies inside its level.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> as_graphml(CategoryGraph.of(toy_dataset()))[:38]
    "<?xml version='1.0' encoding='utf-8'?>"
    """
    root = ElementTree.Element("graphml", xmlns=_XMLNS)
    kinds = {pl.String: "string", pl.Int64: "long", pl.Float64: "double"}
    for domain, frame in (("node", graph.nodes), ("edge", graph.edges)):
        for name, dtype in frame.schema.items():
            if name not in ("source", "target"):
                attributes = {"id": f"{domain}.{name}", "for": domain, "attr.name": name, "attr.type": kinds[type(dtype)]}
                ElementTree.SubElement(root, "key", attributes)
    inside = ElementTree.SubElement(root, "graph", edgedefault="directed")
    for row in graph.nodes.iter_rows(named=True):
        _data(ElementTree.SubElement(inside, "node", id=f"{row['level']}/{_legal(row['name'])}"), "node", row)
    for row in graph.edges.iter_rows(named=True):
        ends = {end: f"{row['level']}/{_legal(row[end])}" for end in ("source", "target")}
        _data(ElementTree.SubElement(inside, "edge", ends), "edge", row)
    ElementTree.indent(root, " ")
    text: str = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True).decode()
    return text + "\n"


def _data(element: ElementTree.Element, domain: str, row: Mapping[str, Any]) -> None:
    for name, value in _plain(row).items():
        if value is not None and name not in ("source", "target"):
            ElementTree.SubElement(element, "data", key=f"{domain}.{name}").text = _legal(str(value))


def _legal(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(c for c in text if c in "\t\n\r" or (c >= " " and not 0xD800 <= ord(c) <= 0xDFFF and c not in "\ufffe\uffff"))
