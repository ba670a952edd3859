"""The graph as one HTML page that needs nothing else. Imports: category_graph, export, picture.

The page itself is ``page.html`` beside this file; the graph is put into it as JSON. Nothing is loaded from anywhere.
"""

from __future__ import annotations

import json
from importlib.resources import files

from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.graph.export import as_dict
from crossaisle.graph.picture import colour_of

__all__ = ["render"]


def render(graph: CategoryGraph, lang: str = "en") -> str:
    """The page: a map to click through, the edges of what was clicked as a table, filters for level and kind.

    Parameters
    ----------
    graph : CategoryGraph
    lang : str
        ``en`` or ``zh``: what the page opens in; it can be changed there.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> render(CategoryGraph.of(toy_dataset()))[:15]
    '<!doctype html>'
    """
    content = {**as_dict(graph), "lang": lang, "colours": {aisle: colour_of(graph, aisle) for aisle in graph.aisles}}
    # inside a script element only "</" and "<!--" would end or change the text
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    page = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    return page.replace("/*GRAPH*/null", text)
