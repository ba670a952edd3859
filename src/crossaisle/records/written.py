"""How ids and facts are written, so that SQLite and PostgreSQL keep any of them. Imports: errors.

PostgreSQL's text holds no null byte, neither database holds half a surrogate pair, and PostgreSQL indexes no 10,000 characters. So a text
is written with its odd characters escaped, and found by a hash of fixed length.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from crossaisle.errors import RequestError

__all__ = ["hash_of", "read_json", "read_text", "write_json", "write_text"]

_ESCAPE = "\x1b"
_ODD = re.compile("[\x00\x1b\ud800-\udfff]")
_ESCAPED = re.compile("\x1b([0-9a-f]{4})")


def write_text(text: str) -> str:
    r"""The text without null bytes and lone surrogates; `read_text` brings them back.

    Examples
    --------
    >>> write_text("a\0b"), read_text(write_text("a\0b")), write_text("贝果")
    ('a\x1b0000b', 'a\x00b', '贝果')
    """
    return _ODD.sub(lambda odd: f"{_ESCAPE}{ord(odd[0]):04x}", text) if _ODD.search(text) else text


def read_text(written: str) -> str:
    """The inverse of `write_text`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), written) if _ESCAPE in written else written


def hash_of(text: str, salt: bytes = b"") -> bytes:
    """16 bytes that stand for a text in an index; with a salt (at most 64 bytes), for a person who is to be forgotten."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=salt).digest()


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return value.tolist()
    raise TypeError(f"a value of type {type(value).__name__}")


def write_json(value: Any, what: str) -> str:
    """JSON in ASCII alone, which any database keeps as it is.

    Raises
    ------
    RequestError
        For NaN, infinity, and what JSON has no form for; `what` names the thing in the message.
    """
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain)
    except (ValueError, TypeError, RecursionError) as error:
        raise RequestError(
            f"{what} holds what JSON cannot: {error}", "finite numbers, texts, lists and objects", "correct it and send it again"
        ) from None


def read_json(text: str) -> Any:
    """The inverse of `write_json`."""
    return json.loads(text)
