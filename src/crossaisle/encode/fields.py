"""An item's fields -> the one text that a language model reads. Imports: schema; of its own room nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from crossaisle import schema

__all__ = ["CJK", "FIELDS", "cjk_share", "further_columns", "item_paths", "item_texts", "non_latin_share", "text_width"]

FIELDS = ("title", "brand", "categories", "description", "*")
"""What an item's text is made of; ``*`` stands for every further text column of the items table."""

TITLE_LIMIT = 200
"""Characters of a title that are read (a Chinese one counts double): keyword-stuffed titles must not push the rest out."""
SHORT = 160
"""A description or further column of at most this many characters is read before the longer ones."""

_CONTRACT = {
    schema.ITEM,
    schema.CATEGORY,
    schema.CATEGORIES,
    schema.TITLE,
    schema.BRAND,
    schema.DESCRIPTION,
    schema.PRICE,
    schema.AVAILABLE,
    schema.IMAGE,
    schema.VIDEO,
    schema.KNOWN,
}
CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_LETTER = re.compile(r"[^\W\d_]")


def text_width(text: str) -> int:
    """Characters, a Chinese (or Japanese) letter counted double: it says about as much as two of an alphabet.

    Examples
    --------
    >>> text_width("红色 dress")
    10
    """
    return len(text) + len(CJK.findall(text))


def cjk_share(texts: Sequence[str]) -> float:
    """Share of Chinese (or Japanese) letters among all letters of the texts; 0 where there is no letter.

    Examples
    --------
    >>> cjk_share(["红色连衣裙 red"]), cjk_share(["frying pan", "2 x 4"]), cjk_share([])
    (0.625, 0.0, 0.0)
    """
    cjk = letters = 0
    for text in texts:
        found = _LETTER.findall(text)  # what this Python's Unicode tables call a letter
        cjk += sum(1 for letter in found if CJK.match(letter))
        letters += len(found)
    return cjk / letters if letters else 0.0


def non_latin_share(texts: Sequence[str]) -> float:
    """Share of letters of other scripts than Latin among all letters of the texts; 0 where there is no letter.

    Examples
    --------
    >>> non_latin_share(["Жёлтый чай", "crème brûlée"]), non_latin_share(["2 x 4"])
    (0.45, 0.0)
    """
    other = letters = 0
    for text in texts:
        found = _LETTER.findall(text)
        letters += len(found)
        other += sum(letter > "\u024f" for letter in found)
    return other / letters if letters else 0.0


def further_columns(items: pl.DataFrame) -> list[str]:
    """Names of the text columns beyond those of the contract, in table order."""
    return [name for name, kind in items.schema.items() if kind == pl.String and name not in _CONTRACT]


def item_paths(items: pl.DataFrame) -> list[list[str]]:
    """The category path of each item from the aisle down; only the aisle where there is no path, [] where there is neither."""
    n = items.height
    aisles = items[schema.CATEGORY].to_list() if schema.CATEGORY in items.columns else [""] * n
    paths = items[schema.CATEGORIES].to_list() if schema.CATEGORIES in items.columns else [None] * n
    out = []
    for aisle, path in zip(aisles, paths, strict=True):
        nodes = [node for node in path or () if node]
        out.append(nodes or ([aisle] if aisle else []))
    return out


def _clip(text: str, limit: int) -> str:
    """The text cut at a word's end so that its width (Chinese letters count double) stays within the limit."""
    if 2 * len(text) <= limit or text_width(text) <= limit:
        return text
    width = 0
    for place, letter in enumerate(text):
        width += 2 if CJK.match(letter) else 1
        if width > limit:
            head = text[:place]
            return head if CJK.match(letter) or " " not in head else head.rsplit(" ", 1)[0]
    return text  # pragma: no cover - the width is over the limit, so the loop returns


def _column(items: pl.DataFrame, name: str) -> list[str]:
    """A text column as a list of str, "" where it or a value is missing."""
    return items[name].fill_null("").to_list() if name in items.columns else [""] * items.height


def item_texts(items: pl.DataFrame, fields: Sequence[str] = FIELDS) -> list[str]:
    """The text of each item: title, brand, category path, then description and further columns, the short ones first.

    A reader cuts long texts at their end, so what tells items apart comes first: the title is clipped to `TITLE_LIMIT`
    and what is longer than `SHORT` characters comes last.

    Parameters
    ----------
    items : polars.DataFrame
        N rows, as ``Dataset.items`` (or any subset of its columns).
    fields : sequence of str
        Which fields are read, see `FIELDS`; ``"category"`` is the aisle alone.

    Returns
    -------
    list of str
        N texts; "" for an item with no text at all.

    Examples
    --------
    >>> paths = [["Home", "Kitchen"], []]
    >>> items = pl.DataFrame({"title": ["Frying pan", ""], "brand": ["Aro", "Bex"], "categories": paths, "colour": ["red", ""]})
    >>> item_texts(items)
    ['Frying pan. Brand: Aro. Home > Kitchen. red', 'Brand: Bex']
    >>> item_texts(items, ["title"])
    ['Frying pan', '']
    """
    chosen = [f for name in fields for f in (further_columns(items) if name == "*" else [name])]
    columns: list[tuple[str, list[str]]] = []
    for name in dict.fromkeys(chosen):
        if name == schema.CATEGORIES:
            columns.append((name, [" > ".join(path) for path in item_paths(items)]))
        else:
            columns.append((name, _column(items, name)))
    out = []
    for row in range(items.height):
        parts, last = [], []
        for name, values in columns:
            value = values[row].strip()
            if not value:
                continue
            if name == schema.TITLE:
                parts.append(_clip(value, TITLE_LIMIT))
            elif name == schema.BRAND:
                parts.append(f"品牌：{value}" if CJK.search(value) else f"Brand: {value}")
            elif len(value) <= SHORT or name in (schema.CATEGORIES, schema.CATEGORY):
                parts.append(value)
            else:
                last.append(value)
        out.append(". ".join(part.rstrip(". ") if part[-1] == "." else part for part in parts + last))
    return out
