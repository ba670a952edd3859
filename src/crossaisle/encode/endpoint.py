"""An embeddings server that speaks OpenAI's protocol (``POST URL/embeddings``), as a reader.

Imports: contracts, errors, schema; of its own room fingerprint.

The key comes from the environment variable CROSSAISLE_EMBEDDINGS_KEY; it is sent to that server alone (redirects are not
followed) and stands in no message, fingerprint or saved setting.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from crossaisle.contracts import Progress
from crossaisle.encode.fingerprint import fingerprint, sound
from crossaisle.errors import BadInput
from crossaisle.schema import Floats

__all__ = ["KEY", "EndpointReader"]

KEY = "CROSSAISLE_EMBEDDINGS_KEY"
"""The environment variable that holds the server's key."""

_PORTION = 64
_TRIES = 6
_LONGEST_WAIT = 30.0
_BUSY = {408, 429, 500, 502, 503, 504}


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the key would go along."""

    def redirect_request(self, *_: Any) -> None:
        return None


class EndpointReader:
    """Texts read by a server; the width of its vectors is asked for when the reader is made.

    Parameters
    ----------
    url : str
        Up to and without ``/embeddings``, for example ``http://localhost:8000/v1``.
    model : str
        The name that the server knows the model by.
    prefix : str
        Put before every text.
    max_tokens : int
        The server's tokens are not known here: a text is cut at 4 characters a token.
    timeout : float
        Seconds that one answer may take.

    Raises
    ------
    BadInput
        If the address is not one, the server cannot be reached, refuses, or answers with something else than one finite vector of
        the same width for each text.
    """

    def __init__(self, url: str, model: str, prefix: str = "", max_tokens: int = 128, timeout: float = 60.0) -> None:
        self.name = self.url = url.rstrip("/")
        if not _plain(self.url):
            raise BadInput(
                "text.reader is no address of an embeddings server",
                "http://HOST:PORT/v1 without user, password or query",
                f"put a key into the environment variable {KEY}",
            )
        if not model:
            raise BadInput(f"no model is named for the server {self.url}", "the name the server knows it by", "set text.endpoint_model")
        self.model, self.prefix, self.max_tokens, self.timeout = model, prefix, max_tokens, timeout
        self.wait = 0.5
        self._open = urllib.request.build_opener(_Stay()).open
        self.dim = 0
        self.dim = self._vectors(["a"]).shape[1]
        self.fingerprint = fingerprint([], url=self.url, model=model, dim=self.dim, prefix=prefix, max_tokens=max_tokens)

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Floats:
        """float32 (len(texts), dim), unit length, in the order given."""
        out = np.empty((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), _PORTION):
            part = [self.prefix + sound(text)[: 4 * self.max_tokens] for text in texts[start : start + _PORTION]]
            out[start : start + len(part)] = self._vectors(part)
            if progress is not None:
                progress("reading texts", start + len(part), len(texts), self.name)
        return out

    def _vectors(self, texts: list[str]) -> Floats:
        """One request for B texts: float32 (B, D), unit length, rows put in order by the ``index`` of each."""
        sent = [text if text.strip() else "." for text in texts]  # many servers refuse an empty text
        answer = self._ask({"model": self.model, "input": sent, "encoding_format": "float"})
        try:
            rows = {int(row["index"]): row["embedding"] for row in answer["data"]}
            vectors = np.array([rows[place] for place in range(len(texts))], dtype=np.float32)
            whole = vectors.ndim == 2 and len(answer["data"]) == len(texts)
        except (KeyError, TypeError, ValueError):
            raise self._refused("answered without one vector of the same width for each text") from None
        if not whole or vectors.shape[1] == 0:
            raise self._refused("answered without one vector of the same width for each text")
        if self.dim and vectors.shape[1] != self.dim:
            raise self._refused(f"answered with vectors of {vectors.shape[1]} numbers after {self.dim}")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            raise self._refused("answered with a vector that is not finite or all zeros")
        unit: Floats = vectors / lengths
        return unit

    def _ask(self, body: dict[str, Any]) -> Any:
        """The answer as parsed JSON; a busy or unreachable server is asked again, with doubling pauses or as it says."""
        key = os.environ.get(KEY, "").strip()
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        request = urllib.request.Request(f"{self.url}/embeddings", json.dumps(body).encode(), headers)
        for attempt in range(_TRIES):
            pause = min(self.wait * 2**attempt, _LONGEST_WAIT)
            try:
                with self._open(request, timeout=self.timeout) as response:
                    return json.loads(response.read())
            except urllib.error.HTTPError as error:
                trouble = f"answered {error.code}{_said(error, key)}"
                if error.code in (401, 403):
                    raise self._refused(trouble, f"set the environment variable {KEY} to a key it takes") from None
                if error.code not in _BUSY:
                    raise self._refused(trouble) from None
                pause = _asked_for(error, pause)
            except (OSError, http.client.HTTPException) as error:  # no connection, a timeout, an answer that broke off
                reason = getattr(error, "reason", None) or error
                trouble = f"could not be reached ({type(reason).__name__}: {reason})"
            except ValueError:
                raise self._refused("answered with something that is not JSON") from None
            if attempt + 1 < _TRIES:
                time.sleep(pause)
        raise self._refused(f"{trouble}, {_TRIES} times", "see that the server runs and try again: texts already read are kept")

    def _refused(self, found: str, step: str = "check text.reader and text.endpoint_model") -> BadInput:
        return BadInput(f"the embeddings server {self.url} {found}", "an answer as OpenAI's embeddings protocol has it", step)


def _plain(url: str) -> bool:
    """Whether it is the address of a server and nothing else: settings are saved, so no secret may stand in it."""
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return named and not (parts.username or parts.password or parts.query or parts.fragment)


def _said(error: urllib.error.HTTPError, key: str) -> str:
    """The server's own words, shortened, without the key should it repeat it; "" where it has none."""
    try:
        told = json.loads(error.read(10_000))
        told = told.get("error", told.get("detail", ""))
        words = str(told.get("message", "") if isinstance(told, dict) else told)
    except (OSError, ValueError, AttributeError, http.client.HTTPException):
        return ""
    words = " ".join((words.replace(key, "***") if key else words).split())
    return f" ({words[:160]})" if words else ""


def _asked_for(error: urllib.error.HTTPError, pause: float) -> float:
    """Seconds to wait: what the server's Retry-After says, within bounds, otherwise ``pause``."""
    try:
        return min(max(float(error.headers.get("Retry-After", "")), 0.0), _LONGEST_WAIT)
    except ValueError:
        return pause
