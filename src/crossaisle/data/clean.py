"""Cleaning: text, category paths, numbers written as text, exact duplicates, k-core. Imports: nothing of its own room.

Ids are never cleaned: they are opaque. Everything here works on whole columns; only distinct values that need Python get it.
"""

from __future__ import annotations

import ast
import html
import json
import re

import polars as pl

from crossaisle import schema

__all__ = ["clean_text", "k_core", "parse_number", "split_paths"]

_TAGS = (
    "a|b|i|u|p|br|hr|li|ul|ol|dl|dt|dd|td|tr|th|em|h[1-6]|div|img|sub|sup|big|pre|font|span|table|tbody|thead|small|strong|center|style|script"
    "|blockquote|section|article|iframe"
)
_SCRIPT = r"(?is)<(script|style)\b[^>]*>.*?(</(script|style)\s*>|$)"
_TAG = rf"(?i)</?(?:{_TAGS})(?:\s[^<>]*)?/?>"
# control characters, zero-width marks and direction marks; the joiner U+200D stays, emoji need it
_INVISIBLE = r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufffe\uffff]"


def clean_text(column: pl.Expr) -> pl.Expr:
    """Text without HTML, control characters and runs of blanks; null becomes "".

    Examples
    --------
    >>> dirty = pl.DataFrame({"t": ["Salt &amp;amp; <b>Pepper</b>\\u200b\\x07  set ", None, "I <3 tea"]})
    >>> dirty.select(clean_text(pl.col("t")))["t"].to_list()
    ['Salt & Pepper set', '', 'I <3 tea']
    """
    text = column.cast(pl.String).fill_null("")
    unescaped = text.map_batches(_unescape, return_dtype=pl.String)
    plain = unescaped.str.replace_all(_SCRIPT, " ").str.replace_all(_TAG, " ").str.replace_all(_INVISIBLE, "")
    return plain.str.normalize("NFC").str.replace_all(r"\s+", " ").str.strip_chars()


def _unescape(values: pl.Series) -> pl.Series:
    hit = values.str.contains("&", literal=True)
    if not hit.any():
        return values
    distinct = values.filter(hit).unique()
    # twice, because catalogues often hold &amp;amp;
    new = pl.Series([html.unescape(html.unescape(v)) for v in distinct.to_list()], dtype=pl.String)
    return values.replace(distinct, new)


def split_paths(values: pl.Series) -> pl.Series:
    """Category paths in any usual form as lists of clean names, outermost first; null becomes an empty list.

    Read are lists, lists of lists (the first is taken), JSON and Python lists as text, and names joined by ``>``, ``›``, ``»`` or ``|``,
    or by ``/`` between blanks. A comma or a bare slash belongs to the name ("Food, Drink", "Cakes/Pies").

    Examples
    --------
    >>> split_paths(pl.Series(["A > B &amp; C", "['A', 'B']", "A|B", "Cakes/Pies", None])).to_list()
    [['A', 'B & C'], ['A', 'B'], ['A', 'B'], ['Cakes/Pies'], []]
    """
    dtype = values.dtype
    if isinstance(dtype, (pl.List, pl.Array)):
        lists = values.arr.to_list() if isinstance(dtype, pl.Array) else values
        while isinstance(lists.dtype, pl.List) and isinstance(lists.dtype.inner, pl.List):
            lists = lists.list.first()
        lists = lists.cast(pl.List(pl.String))
    else:
        distinct = values.cast(pl.String).drop_nulls().unique()
        table = pl.DataFrame({"k": distinct, "v": pl.Series([_split_path(v) for v in distinct.to_list()], dtype=pl.List(pl.String))})
        lists = values.cast(pl.String).to_frame("k").join(table, on="k", how="left", maintain_order="left")["v"]
    # names repeat a thousandfold: clean each once
    nodes = lists.alias("node").to_frame().with_row_index("row").explode("node", empty_as_null=True)
    names = nodes.select(pl.col("node").unique().drop_nulls()).with_columns(clean_text(pl.col("node")).alias("clean"))
    nodes = nodes.join(names, on="node", how="left", maintain_order="left").filter(pl.col("clean") != "")
    # the same name twice in a row, as Amazon writes it
    nodes = nodes.filter((pl.col("clean") != pl.col("clean").shift(1)).over("row").fill_null(True))
    paths = nodes.group_by("row", maintain_order=True).agg("clean")
    whole = pl.DataFrame({"row": pl.arange(0, len(values), dtype=pl.UInt32, eager=True)}).join(
        paths, on="row", how="left", maintain_order="left"
    )
    return whole.select(pl.coalesce("clean", pl.lit([], dtype=pl.List(pl.String))))["clean"].alias(values.name)


def _split_path(text: str) -> list[str]:
    stripped = text.strip()
    if stripped[:1] in "[(" and stripped[-1:] in "])" and stripped:
        for read in (json.loads, ast.literal_eval):
            try:
                value = read(stripped)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                continue
            while isinstance(value, (list, tuple)) and value and isinstance(value[0], (list, tuple)):
                value = value[0]
            if isinstance(value, (list, tuple)):
                return [str(v) for v in value if v is not None]
    # entities first: in "A &gt; B" the separator itself is escaped
    return re.split(r"\s*[>›»|]\s*|\s+/\s+", html.unescape(stripped))


def parse_number(column: pl.Expr) -> pl.Expr:
    """Numbers from prices and the like as float64: currency signs, thousands, a decimal comma; anything else is null.

    Examples
    --------
    >>> texts = pl.DataFrame({"p": ["$1,299.50", "9,99 €", "12", "from 3 to 5", "NaN"]})
    >>> texts.select(parse_number(pl.col("p")))["p"].to_list()
    [1299.5, 9.99, 12.0, None, None]
    """
    bare = (
        column.cast(pl.String).str.strip_chars().str.replace_all(r"^(?:[A-Z]{0,2}[$€£¥￥₹]|[A-Z]{2,3})\s*|\s*(?:[A-Z]{3}|[$€£¥￥元₹])$", "")
    )
    comma = bare.str.contains(r"^-?\d+,\d{1,2}$|^-?\d{1,3}(?:\.\d{3})+,\d{1,2}$")
    point = pl.when(comma).then(bare.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)).otherwise(bare)
    number = point.str.replace_all(r"(\d),(\d{3})\b", "${1}${2}").cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def k_core(events: pl.DataFrame, core: int) -> pl.DataFrame:
    """Only users and items with at least ``core`` events each, repeated until nothing changes; row order is kept.

    Examples
    --------
    >>> e = pl.DataFrame({"user_id": ["a", "a", "b", "b", "c"], "item_id": ["x", "y", "x", "y", "z"]})
    >>> k_core(e, 2)["user_id"].to_list()
    ['a', 'a', 'b', 'b']
    """
    while True:
        enough = (pl.len().over(schema.USER) >= core) & (pl.len().over(schema.ITEM) >= core)
        kept = events.filter(enough)
        if kept.height == events.height:
            return kept
        events = kept
