"""The OpenAPI description and a page of it that needs no script and no other site. Imports: route."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from crossaisle import __version__
from crossaisle.serve.route import Route

__all__ = ["STYLE", "docs_page", "openapi"]

STYLE = b"""body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
h2{margin-top:2.5rem;border-bottom:1px solid #ccc}
h3 code{background:#eef;padding:.1rem .4rem}
table{border-collapse:collapse;width:100%}
td{text-align:left;vertical-align:top;padding:.2rem .6rem .2rem 0;border-bottom:1px solid #eee}
"""
_INTRO = """Recommendations over HTTP from the model in service. Every error has one shape: what was found, what was expected, what to do
next. 429 and 503 say in Retry-After when to ask again."""


def openapi(app: FastAPI, routes: Sequence[Route]) -> bytes:
    """The description of the API as JSON (OpenAPI 3.1)."""
    content = get_openapi(title="CrossAisle", version=__version__, summary=None, description=" ".join(_INTRO.split()), routes=app.routes)
    bodies = [(route.body_model, "validation") for route in routes if route.body_model is not None]
    _, definitions = models_json_schema(bodies, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    parts = content.setdefault("components", {})
    parts.setdefault("schemas", {}).update(definitions.get("$defs", {}))
    if any(route.keyed for route in routes):
        parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return orjson.dumps(content)


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{html.escape(name)}">{html.escape(name)}</a>'
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(_kind(one) for one in schema[several])
    if "enum" in schema:
        return html.escape(", ".join(map(str, schema["enum"])))
    if "const" in schema:
        return html.escape(str(schema["const"]).lower())
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    bounds = {"minimum": "from", "maximum": "to", "minLength": "at least", "maxLength": "at most", "default": "default"}
    said = ", ".join(f"{word} {schema[key]}" for key, word in bounds.items() if schema.get(key) not in (None, ""))
    return html.escape(f"{schema.get('type', 'any')}{f' ({said})' if said else ''}")


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _operation(path: str, method: str, of: dict[str, Any]) -> str:
    said = f"{of['summary']}. {of.get('description', '')}"
    out = f"<h3><code>{method.upper()} {html.escape(path)}</code></h3><p>{html.escape(said)}</p>"
    rows = [
        _row(f"<code>{html.escape(p['name'])}</code>", p["in"], _kind(p["schema"]), html.escape(p.get("description", "")))
        for p in of.get("parameters", [])
    ]
    if body := of.get("requestBody"):
        rows.append(_row("body", "JSON", _kind(body["content"]["application/json"]["schema"]), ""))
    if rows:
        out += f"<table>{''.join(rows)}</table>"
    answers = [
        _row(code, html.escape(one["description"]), _kind(one.get("content", {}).get("application/json", {}).get("schema", {})))
        for code, one in of["responses"].items()
    ]
    return f"{out}<table>{''.join(answers)}</table>"


def docs_page(description: bytes) -> bytes:
    """The description as a page to read."""
    content = orjson.loads(description)
    calls = "".join(_operation(path, method, of) for path, methods in content["paths"].items() for method, of in methods.items())
    shapes = ""
    for name, schema in sorted(content["components"]["schemas"].items()):
        rows = [
            _row(
                f"<code>{html.escape(field)}</code>",
                _kind(one),
                "" if field in schema.get("required", ()) else "optional",
                html.escape(one.get("description", "")),
            )
            for field, one in schema.get("properties", {}).items()
        ]
        said = html.escape(schema.get("description", ""))
        shapes += f'<h3 id="{html.escape(name)}">{html.escape(name)}</h3><p>{said}</p><table>{"".join(rows)}</table>'
    page = f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>CrossAisle: the API</title><link rel="stylesheet" href="/docs.css"></head><body><main><h1>CrossAisle: the API</h1>
<p>{html.escape(content["info"]["description"])} For machines: <a href="/openapi.json">openapi.json</a>.</p>
<h2>Calls</h2>{calls}<h2>Shapes</h2>{shapes}</main></body></html>"""
    return page.encode()
