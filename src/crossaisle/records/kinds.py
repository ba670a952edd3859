"""The kinds of events, and what each says of a person's taste. The one place where that is written. Imports: nothing of this package."""

from __future__ import annotations

__all__ = ["KINDS", "sign"]

KINDS: dict[str, int | None] = {
    "view": 1,
    "click": 1,
    "cart": 1,
    "purchase": 1,
    "like": 1,
    "rating": None,
    "dislike": -1,
    "hide": -1,
    "unhide": 0,
    "impression": 0,
}
"""1: part of the history that the model reads; -1: negative feedback; 0: neither; None: the value decides. ``unhide`` takes back a
``hide``, an ``impression`` says only that something was seen."""

GOOD_RATING = 4.0
BAD_RATING = 2.0


def sign(event: str, value: float | None = None) -> int:
    """What an event says: 1 history, -1 negative, 0 neither (a middling rating, one without a value, an impression).

    Examples
    --------
    >>> [sign("purchase"), sign("rating", 4), sign("rating", 3), sign("rating", 2), sign("hide"), sign("impression")]
    [1, 1, 0, -1, -1, 0]
    """
    fixed = KINDS[event]
    if fixed is not None:
        return fixed
    if value is None:
        return 0
    return 1 if value >= GOOD_RATING else -1 if value <= BAD_RATING else 0
