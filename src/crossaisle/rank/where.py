"""The filter language of ``--where``: comparisons over the columns of the items table, and nothing else. Imports: nothing of its own room.

::

    filter     = and_term (OR and_term)*
    and_term   = not_term (AND not_term)*
    not_term   = NOT not_term | "(" filter ")" | test
    test       = column [= | == | != | <> | < | <= | > | >=] value | column [NOT] IN "(" value ("," value)* ")"
               | column [NOT] LIKE text | column [NOT] BETWEEN value AND value | column IS [NOT] NULL | column
    value      = number | 'text' | TRUE | FALSE

The text is parsed here and every test is answered as it is read, with true, false or null for each item. It can call nothing and
read nothing else.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from crossaisle.errors import RequestError
from crossaisle.schema import Bools

__all__ = ["where_mask"]

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?!\w))
      | (?P<text>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*"|`[^`]*`)
      | (?P<sign><=|>=|<>|!=|==|[=<>(),])
      | (?P<word>\w+)""",
    re.VERBOSE,
)
_KEYWORDS = {"and", "or", "not", "in", "like", "between", "is", "null", "true", "false"}
_DEEPEST = 50
_LONGEST = 10_000
_LONGEST_PATTERN = 500
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_Value = float | str | bool
_Test = Callable[[Any, pl.DataType], Any]
"""From a column (or the element of a list column) and its type to true, false or null."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: int


def where_mask(where: str, items: pl.DataFrame) -> Bools:
    """Which items a filter keeps.

    A comparison with a missing value keeps nothing, as in SQL; ``IS NULL`` also means an empty text. A text column whose values are
    numbers compares with numbers. A list column such as ``categories`` passes if one of its values does.

    Parameters
    ----------
    where : str
        For example ``price < 50 AND available`` or ``brand IN ('Alder', 'Birch') AND NOT title LIKE '%red%'``. Column names with
        spaces stand in double quotes, texts in single quotes. LIKE ignores case; ``%`` stands for any text, ``_`` for one character.
    items : polars.DataFrame
        The items table, N rows.

    Returns
    -------
    bool (N,)

    Raises
    ------
    RequestError
        If the filter does not parse, names no column of the table, or compares a column with what it cannot hold.

    Examples
    --------
    >>> items = pl.DataFrame({"price": [10.0, 60.0, None], "available": [True, True, True]})
    >>> where_mask("price < 50 AND available", items).tolist()
    [True, False, False]
    """
    mask: Bools = _Parser(where, items).parse().fill_null(False).to_numpy().astype(np.bool_)
    return mask


class _Parser:
    """Recursive descent over the tokens; each method reads one rule of the grammar above."""

    def __init__(self, where: str, items: pl.DataFrame) -> None:
        self.where, self.items = where, items
        if len(where) > _LONGEST:
            raise RequestError(f"a filter of {len(where)} characters", f"at most {_LONGEST}", "use --candidates for long lists of items")
        self.tokens = self._tokens()
        self.at = 0
        self.depth = 0

    def _tokens(self) -> list[_Token]:
        out, place = [], 0
        while place < len(self.where):
            found = _TOKEN.match(self.where, place)
            if found is None:
                raise self._wrong(_Token("stray", self.where[place], place), "a column, a sign or a value")
            kind, text = str(found.lastgroup), found.group()
            if kind != "space":
                if kind == "word" and text.lower() in _KEYWORDS:
                    kind, text = "keyword", text.lower()
                out.append(_Token(kind, text, place))
            place = found.end()
        return [*out, _Token("end", "", len(self.where))]

    def parse(self) -> pl.Series:
        out = self._or()
        if self._now.kind != "end":
            raise self._wrong(self._now, "AND, OR or the end")
        return out

    @property
    def _now(self) -> _Token:
        return self.tokens[self.at]

    def _take(self, *texts: str) -> str | None:
        """The token's text if it is one of these keywords or signs; moves on."""
        token = self._now
        if token.kind in ("keyword", "sign") and token.text in texts:
            self.at += 1
            return token.text
        return None

    def _need(self, text: str) -> None:
        if self._take(text) is None:
            raise self._wrong(self._now, f"{text.upper()!r}")

    def _or(self) -> pl.Series:
        out = self._and()
        while self._take("or"):
            out = out | self._and()
        return out

    def _and(self) -> pl.Series:
        out = self._not()
        while self._take("and"):
            out = out & self._not()
        return out

    def _not(self) -> pl.Series:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._wrong(self._now, f"at most {_DEEPEST} nested brackets and NOTs")
        if self._take("not"):
            out = ~self._not()
        elif self._take("("):
            out = self._or()
            self._need(")")
        else:
            out = self._test()
        self.depth -= 1
        return out

    def _test(self) -> pl.Series:
        column = self._column()
        sign = self._take(*_COMPARE)
        if sign:
            return self._compare(column, sign, self._now)
        if self._take("is"):
            negative = self._take("not") is not None
            self._need("null")
            missing = self._missing(column)
            return ~missing if negative else missing
        negative = self._take("not") is not None
        if self._take("in"):
            out = self._in(column)
        elif self._take("like"):
            out = self._like(column)
        elif self._take("between"):
            low = self._compare(column, ">=", self._now)
            self._need("and")
            out = low & self._compare(column, "<=", self._now)
        elif negative:
            raise self._wrong(self._now, "IN, LIKE or BETWEEN")
        elif self.items.schema[column] == pl.Boolean:
            out = self.items[column]
        else:
            raise self._wrong(self._now, f"a comparison after {column!r}, such as = or <")
        return ~out if negative else out

    def _column(self) -> str:
        token = self._now
        if token.kind not in ("word", "quoted"):
            raise self._wrong(token, "a column")
        self.at += 1
        name = _unquoted(token) if token.kind == "quoted" else token.text
        if name in self.items.columns:
            return name
        same = [c for c in self.items.columns if c.casefold() == name.casefold()]
        if len(same) == 1:
            return same[0]
        step = f"use one of {', '.join(self.items.columns[:30])}"
        raise RequestError(f"filter {_short(self.where)!r} names no column: {_short(name)!r}", "a column of the items table", step)

    def _value(self, token: _Token) -> _Value:
        self.at += 1
        if token.kind == "number":
            return float(token.text)
        if token.kind in ("text", "quoted"):
            return _unquoted(token)
        if token.kind == "keyword" and token.text in ("true", "false"):
            return token.text == "true"
        hint = " (texts stand in single quotes)" if token.kind == "word" else ""
        raise self._wrong(token, f"a number, a text or TRUE or FALSE{hint}")

    def _compare(self, column: str, sign: str, token: _Token) -> pl.Series:
        value = self._value(token)
        return self._any(column, lambda values, kind: _COMPARE[sign](self._as(values, column, kind, value, sign, token), value))

    def _in(self, column: str) -> pl.Series:
        self._need("(")
        out = self._compare(column, "=", self._now)
        while self._take(","):
            out = out | self._compare(column, "=", self._now)
        self._need(")")
        return out

    def _like(self, column: str) -> pl.Series:
        token = self._now
        pattern = self._value(token)
        if not isinstance(pattern, str):
            raise self._wrong(token, "a text after LIKE, such as '%red%'")
        if len(pattern) > _LONGEST_PATTERN:
            raise self._wrong(token, f"a pattern of at most {_LONGEST_PATTERN} characters")
        parts = {"%": ".*", "_": "."}
        regex = "(?is)^" + "".join(parts.get(c, re.escape(c)) for c in pattern) + "$"

        def like(values: Any, kind: pl.DataType) -> Any:
            if kind != pl.String:
                raise self._mismatch(column, kind, "LIKE", "a text column")
            return values.str.contains(regex)

        return self._any(column, like)

    def _missing(self, column: str) -> pl.Series:
        kind, missing = self.items.schema[column], self.items[column].is_null()
        if kind == pl.String:
            return missing | (self.items[column] == "")
        return missing | (self.items[column].list.len() == 0) if isinstance(kind, pl.List) else missing

    def _any(self, column: str, test: _Test) -> pl.Series:
        """The test on the column, or on any element of a list column."""
        kind = self.items.schema[column]
        if isinstance(kind, pl.List):
            inner = kind.inner() if isinstance(kind.inner, type) else kind.inner
            return self.items[column].list.eval(test(pl.element(), inner)).list.any()
        out: pl.Series = test(self.items[column], kind)
        return out

    def _as(self, values: Any, column: str, kind: pl.DataType, value: _Value, sign: str, token: _Token) -> Any:
        """The column as something that compares with the value."""
        if isinstance(value, bool):
            if kind != pl.Boolean or sign not in ("=", "==", "!=", "<>"):
                raise self._mismatch(column, kind, token.text, "a yes-or-no column with = or !=")
            return values
        if isinstance(value, str):
            if kind != pl.String:
                raise self._mismatch(column, kind, token.text, "a number" if kind.is_numeric() else "TRUE or FALSE")
            return values
        if kind.is_numeric():
            return values
        if kind == pl.String:
            numbers = values.str.strip_chars().cast(pl.Float64, strict=False)
            if self._holds_numbers(column):
                return numbers
        raise self._mismatch(column, kind, token.text, "a text in single quotes" if kind == pl.String else "TRUE or FALSE")

    def _holds_numbers(self, column: str) -> bool:
        texts = self.items[column]
        if texts.dtype == pl.String:
            return texts.str.strip_chars().cast(pl.Float64, strict=False).is_not_null().any()
        return False

    def _mismatch(self, column: str, kind: pl.DataType, found: str, expected: str) -> RequestError:
        return RequestError(
            f"filter {_short(self.where)!r} compares column {column!r} ({_kind_name(kind)}) with {_short(found)}", expected, "mend --where"
        )

    def _wrong(self, token: _Token, expected: str) -> RequestError:
        found = "the end" if token.kind == "end" else repr(_short(token.text))
        return RequestError(
            f"filter {_short(self.where)!r} does not parse: {found} at character {token.place + 1}", expected, "mend --where"
        )


def _unquoted(token: _Token) -> str:
    mark = token.text[0]
    return token.text[1:-1].replace(mark * 2, mark) if mark != "`" else token.text[1:-1]


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."


def _kind_name(kind: pl.DataType) -> str:
    if isinstance(kind, pl.List):
        return "list"
    return "number" if kind.is_numeric() else {pl.String(): "text", pl.Boolean(): "yes or no"}.get(kind, str(kind))
