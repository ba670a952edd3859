"""JSON lines to a frame of strings. Imports: delimited.

Numbers keep the digits that the file has; lists and objects stay JSON text, which `crossaisle.data.clean` can read. A line that is not a
JSON object does not end the reading: it is marked in the column `FAULT`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any

import polars as pl

from crossaisle.data.readers.delimited import FAULT
from crossaisle.errors import TableError

__all__ = ["parse_jsonlines"]

_CHUNK = 50_000


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)


def _objects(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    # parse_float=str and parse_int=str: 12345678901234567890 and 1.10 keep their digits
    decoder = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
    for line in lines:
        if not line.strip():
            continue
        try:
            value = decoder.decode(line)
        except (json.JSONDecodeError, RecursionError) as error:
            yield {FAULT: f"no JSON ({getattr(error, 'msg', 'nested too deep')})"}
            continue
        yield value if isinstance(value, dict) else {FAULT: "no JSON object"}


def parse_jsonlines(text: str, source: str, keep: Collection[str] | None = None) -> pl.DataFrame:
    """A frame of strings, one column for every key that some line has (or for those of ``keep`` that some line has).

    Examples
    --------
    >>> parse_jsonlines('{"user_id": 7, "tags": ["a", "b"]}\\n', "toy").rows()
    [('7', '["a", "b"]')]
    """
    if text.lstrip()[:1] == "[":
        raise TableError(
            f"{source} is one JSON list", "JSON lines: one object a line", "convert it, for example: jq -c '.[]' FILE > NEW.jsonl"
        )
    rows = _objects(iter(text.split("\n")))
    names: dict[str, None] = {}
    chunks = []
    while chunk := list(islice(rows, _CHUNK)):
        keys = dict.fromkeys(k for row in chunk for k in row if keep is None or k in keep or k == FAULT)
        names.update(keys)
        chunks.append(pl.DataFrame({k: pl.Series(k, [_text(row.get(k)) for row in chunk], dtype=pl.String) for k in keys}))
    if set(names) <= {FAULT} and keep is None:
        raise TableError(f"{source} holds no JSON object", "JSON lines: one object a line", "check the file's format and ending")
    return pl.concat(chunks, how="diagonal")
