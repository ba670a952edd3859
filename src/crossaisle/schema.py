"""Column names of the contract tables and the array types used everywhere. Imports nothing of this package.

Shape letters used in all docstrings: B users or queries, T steps of a history, N items, C categories, D dimensions,
E events, V words.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = [
    "Bools",
    "Floats",
    "Ints",
    "Times",
    "USER",
    "ITEM",
    "TIMESTAMP",
    "POSITION",
    "WEIGHT",
    "EVENT",
    "RATING",
    "HELPFUL",
    "QUERY",
    "CATEGORY",
    "CATEGORIES",
    "TITLE",
    "BRAND",
    "DESCRIPTION",
    "PRICE",
    "AVAILABLE",
    "PROPENSITY",
    "IMAGE",
    "VIDEO",
    "TEXT",
    "SCORE",
    "RANK",
    "BECAUSE",
    "PATH",
    "REASON",
    "CARRIED_BY",
    "KNOWN",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Times = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

USER, ITEM, QUERY = "user_id", "item_id", "query_id"
TIMESTAMP, POSITION, WEIGHT, EVENT, RATING = "timestamp", "position", "weight", "event", "rating"
CATEGORY, CATEGORIES, TITLE, BRAND, DESCRIPTION = "category", "categories", "title", "brand", "description"
HELPFUL = "helpful"
"""Votes that a review was helpful."""
PRICE, AVAILABLE, IMAGE, VIDEO, TEXT = "price", "available", "image", "video", "text"
PROPENSITY = "propensity"
"""How likely an item was seen by the people whose events are in the data; only where the items table has it."""
SCORE, RANK, BECAUSE, PATH, REASON, CARRIED_BY = "score", "rank", "because", "path", "reason", "carried_by"
SENSES = "senses"
WRITTEN_BY = "written_by"
KNOWN = "known"
"""True for an item that the items table describes, False for one that only interactions mention."""
