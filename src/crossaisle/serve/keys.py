"""Keys with scopes, kept as hashes in a JSON file. Imports: limits.

A key is 32 random bytes, shown once when it is made; the file holds its SHA-256 (a slow hash is for secrets that people choose: nobody
guesses 256 random bits). Scopes: ``read`` (recommendations, what is known), ``write`` (events, items), ``admin`` (everything, also the
operator's overview and the removal of people).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from crossaisle.errors import OutputError, RequestError, TableError
from crossaisle.serve.limits import MAX_KEYS

__all__ = ["SCOPES", "Key", "KeyFile", "add_key", "read_keys", "remove_key"]

SCOPES = ("read", "write", "admin")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Key:
    """One key, as the file holds it."""

    name: str
    number: int
    scopes: tuple[str, ...]
    sha256: str
    created: float

    def may(self, scope: str) -> bool:
        """Whether the key opens what needs ``scope``; admin opens everything.

        Examples
        --------
        >>> Key("shop", 0, ("read",), "", 0.0).may("write")
        False
        """
        return scope in self.scopes or "admin" in self.scopes


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def read_keys(path: Path) -> list[Key]:
    """The keys of a file.

    Raises
    ------
    TableError
        If it is missing or is no file of keys.
    """
    expected, next_step = "a file written by: crossaisle keys add", f"make a key: crossaisle keys add {path} --name NAME --scopes read"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        keys = [Key(**{**row, "scopes": tuple(row["scopes"])}) for row in raw["keys"]]
        for key in keys:
            fits = isinstance(key.name, str) and isinstance(key.number, int) and re.fullmatch("[0-9a-f]{64}", key.sha256)
            if not fits or not 0 <= key.number < MAX_KEYS or not key.scopes or not set(key.scopes) <= set(SCOPES):
                raise ValueError(key.name)
    except OSError as error:
        raise TableError(f"keys file {str(path)!r} cannot be read ({error.strerror})", expected, next_step) from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise TableError(f"keys file {str(path)!r} is no file of keys", expected, next_step) from None
    return keys


def _write(path: Path, keys: list[Key]) -> None:
    content = json.dumps({"keys": [asdict(key) for key in keys]}, indent=1) + "\n"
    try:
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=".crossaisle-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:  # mkstemp makes it readable by its owner alone
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r} ({error.strerror})", "a folder that can be written", "choose another file") from None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One writer at a time, so that two keys made at once are both kept; held on the folder, which outlives the file's replacement."""
    try:
        handle = os.open(path.absolute().parent, os.O_RDONLY)
    except OSError as error:
        found = f"folder {str(path.absolute().parent)!r} cannot be read ({error.strerror})"
        raise OutputError(found, "a folder that can be written", "choose another file") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def add_key(path: Path, name: str, scopes: tuple[str, ...]) -> str:
    """Make a key and write its hash; the key itself is returned, and kept nowhere.

    Raises
    ------
    RequestError
        If the name is taken or unfit, or a scope is unknown.
    """
    if not _NAME.fullmatch(name):
        raise RequestError(f"name {name!r}", "1 to 64 letters, digits, dots, dashes", "choose another --name")
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise RequestError(f"scopes {','.join(scopes) or 'none'}", "some of read, write, admin", "write --scopes read,write")
    with _locked(path):
        keys = read_keys(path) if path.exists() else []
        if any(key.name == name for key in keys):
            raise RequestError(f"a key named {name!r} is there", "a new name", "choose another --name, or remove that one first")
        free = sorted(set(range(MAX_KEYS)) - {key.number for key in keys})
        if not free:
            raise RequestError(f"{len(keys)} keys are there", f"at most {MAX_KEYS}", "remove one: crossaisle keys remove")
        secret = f"ca_{secrets.token_urlsafe(32)}"
        _write(path, [*keys, Key(name, free[0], tuple(dict.fromkeys(scopes)), _hash(secret), round(time.time(), 3))])
    return secret


def remove_key(path: Path, name: str) -> None:
    """Take a key out of the file; a running service refuses it within a second.

    Raises
    ------
    RequestError
        If there is no such key.
    """
    with _locked(path):
        keys = read_keys(path)
        if all(key.name != name for key in keys):
            named = ", ".join(sorted(key.name for key in keys)) or "none"
            raise RequestError(f"no key is named {name!r}", f"one of: {named}", "see: crossaisle keys list")
        _write(path, [key for key in keys if key.name != name])


class KeyFile:
    """The keys of a running service; the file is read again when it changes.

    Parameters
    ----------
    path : Path
        A file of keys.

    Raises
    ------
    TableError
        If it cannot be read when the service starts. Later, the keys read last go on until it can be read again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys = {key.sha256: key for key in read_keys(path)}
        self._stamp = self._look()
        self._next = 0.0

    def _look(self) -> tuple[int, int, int]:
        state = self._path.stat()
        return state.st_mtime_ns, state.st_size, state.st_ino

    def find(self, secret: str, now: float | None = None) -> Key | None:
        """The key that ``secret`` is, or None."""
        now = time.monotonic() if now is None else now
        if now >= self._next:
            self._next = now + 1.0
            with contextlib.suppress(OSError, TableError):
                if (stamp := self._look()) != self._stamp:
                    self._keys = {key.sha256: key for key in read_keys(self._path)}
                    self._stamp = stamp
        # looked up by hash: how long that takes tells nothing of a key that is not known already
        return self._keys.get(_hash(secret))
