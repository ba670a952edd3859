"""Every refusal in one shape: ``{"error": {"found", "expected", "next"}}`` and a status. Imports nothing of its own room."""

from __future__ import annotations

from typing import Any

import orjson

from crossaisle.errors import BadInput, CrossAisleError, ModelError, StoreAway, UnknownItem

__all__ = ["Problem", "problem_of"]


class Problem(Exception):
    """A request that is answered with an error.

    Parameters
    ----------
    status : int
        The HTTP status.
    found, expected, next_step : str
        What was found, what would have been right, what to do next.
    retry_after : int, optional
        Seconds after which the same request may work.
    headers : tuple of pairs of bytes
        Further headers.

    Examples
    --------
    >>> Problem(404, "the item is unknown", "an item of the catalogue", "see GET /api/v1/items").body
    b'{"error":{"found":"the item is unknown","expected":"an item of the catalogue","next":"see GET /api/v1/items"}}'
    """

    def __init__(
        self,
        status: int,
        found: str,
        expected: str,
        next_step: str,
        retry_after: int | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(found)
        self.status = status
        self.found, self.expected, self.next_step = found, expected, next_step
        self.headers = headers if retry_after is None else (*headers, (b"retry-after", str(retry_after).encode()))

    @property
    def body(self) -> bytes:
        """The JSON of the answer."""
        content: dict[str, Any] = {"found": self.found, "expected": self.expected, "next": self.next_step}
        return orjson.dumps({"error": content})


_SAID = {
    "add the item with: crossaisle catalog add": "add the item with: PUT /api/v1/items",
    "mend --where": "mend the parameter where",
    "use --candidates for long lists of items": "make the parameter where shorter",
    "leave out --beyond-history": "leave out beyond_history",
    "leave out --other-categories": "leave out other_categories",
    "fit without --no-histories": "ask for what needs no histories",
}
"""What the rooms above advise whoever sits at the command line, and what that is for whoever calls the service."""


def _over_http(step: str) -> str:
    for typed, sent in _SAID.items():
        step = step.replace(typed, sent)
    return step


def problem_of(error: CrossAisleError, store_retry: int = 2) -> Problem:
    """The answer that stands for an error of the rooms above.

    An unknown item is 404, other bad input 422; a store that is away and a model that cannot be used are 503, with Retry-After.

    Examples
    --------
    >>> problem_of(StoreAway("sqlite:///events.db", "the database is locked")).status
    503
    """
    if isinstance(error, StoreAway):
        return Problem(503, "the store of events is away", "a store that answers", "send the same again later", retry_after=store_retry)
    if isinstance(error, ModelError):
        return Problem(503, "the model cannot be used", "a whole model", "try again later", retry_after=store_retry)
    if isinstance(error, BadInput):
        return Problem(404 if isinstance(error, UnknownItem) else 422, error.found, error.expected, _over_http(error.next_step))
    return Problem(
        503, "a part of the service is missing", "a complete installation", "see the log of the service", retry_after=store_retry
    )
