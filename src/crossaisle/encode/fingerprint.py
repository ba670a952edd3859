"""Hashes that say whether the same text would get the same vector, and hashes of texts. Imports nothing of this package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

__all__ = ["fingerprint", "sound", "text_key"]


def sound(text: str) -> str:
    """The text without what tokenizers choke on: lone surrogates and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ")


def text_key(text: str) -> bytes:
    """16 bytes that stand for a text.

    Examples
    --------
    >>> len(text_key("red pan")), text_key("red pan") == text_key("red pan "), text_key("a") == text_key("a")
    (16, False, True)
    """
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@lru_cache(maxsize=64)
def _file_hash(path: str, size: int, changed_ns: int) -> str:
    """Hash of a file's bytes, remembered for as long as its size and time stay the same."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def fingerprint(files: Sequence[Path], **choices: object) -> str:
    """32 hex digits over the bytes of files (weights, tokenizer) and the choices made (pooling, length, prefix, dtype)."""
    hashes = []
    for path in files:
        stat = path.stat()
        hashes.append(f"{path.name} {_file_hash(str(path), stat.st_size, stat.st_mtime_ns)}")
    written = json.dumps({"files": sorted(hashes), **choices}, sort_keys=True)
    return hashlib.blake2b(written.encode(), digest_size=16).hexdigest()
