"""Items like one item, by the cosine of their vectors. Imports: catalogue, slate, topk."""

from __future__ import annotations

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.errors import RequestError
from crossaisle.graph.item_lift import Companions
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.slate import unit_rows
from crossaisle.rank.topk import top_k
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["RELATIONS", "complements", "similar_items"]

RELATIONS = {
    "similar": "similar: alike to the model and in the same category, so a likely substitute; no record says that people compared them",
    "complement": "complement: bought together beyond chance and of another kind; purchases alone do not tell what completes an item from "
    "what the same people like, so it is a weak label. Few shared buyers: the lift is mostly that of the two categories",
}
"""Relations between items, and what each means on data without records of what was viewed together."""


def similar_items(
    vectors: Floats, catalogue: Catalogue, item: int, k: int = 10, other_categories: bool = False, among: Bools | None = None
) -> pl.DataFrame:
    """The k available items whose vectors are closest to an item's.

    Parameters
    ----------
    vectors : float32 (N, D)
        Item vectors; they need not have unit length.
    catalogue : Catalogue
        The items, N rows.
    item : int
        An item code; `Catalogue.code` maps an id to it.
    k : int
        How many, at least 1.
    other_categories : bool
        Only items of named aisles other than the item's own.
    among : bool (N,), optional
        Only these items.

    Returns
    -------
    polars.DataFrame
        ``item_id``, ``category``, ``score`` (cosine, float32), ``rank`` from 1; equal cosines in item order.

    Raises
    ------
    RequestError
        If k is below 1, or other categories are asked for and there are none.

    Examples
    --------
    >>> items = pl.DataFrame({"item_id": ["a", "b", "c"], "category": ["Toys", "Toys", "Pets"]})
    >>> vectors = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32)
    >>> similar_items(vectors, Catalogue(items, np.ones(3, dtype=np.int64)), 0, k=1)["item_id"].to_list()
    ['c']
    """
    if k < 1:
        raise RequestError(f"k is {k}", "a whole number of at least 1", "pass -k 10")
    allowed = _allowed(catalogue, item, other_categories)
    if among is not None:
        allowed &= among
    units = unit_rows(vectors)
    cosines = (units @ units[item]).astype(np.float32)
    best = top_k(cosines[None], k, allowed[None])[0]
    return _table(catalogue, best[best >= 0], cosines)


def complements(
    companions: Companions, unlike: Bools, catalogue: Catalogue, item: int, k: int = 10, other_categories: bool = False
) -> pl.DataFrame:
    """The k available items of another kind that are bought with an item most beyond chance.

    Parameters
    ----------
    companions : Companions
        Lift and support of each item, see `crossaisle.graph.item_lift.companions`.
    unlike : bool (N,)
        The items of another kind.

    Returns
    -------
    polars.DataFrame
        As `similar_items`, with ``score`` the logarithm of the lift, and ``lift`` and ``support`` (users who have both); only items with
        a lift above 1, equal ones by support, then popularity.

    Raises
    ------
    RequestError
        If k is below 1, or other categories are asked for and there are none.
    """
    if k < 1:
        raise RequestError(f"k is {k}", "a whole number of at least 1", "pass -k 10")
    allowed = _allowed(catalogue, item, other_categories) & unlike & (companions.lift > 1.0)
    order = np.lexsort((np.arange(catalogue.n_items), -catalogue.counts, -companions.support, -companions.lift))
    best = order[allowed[order]][:k]
    table = _table(catalogue, best, np.log(np.maximum(companions.lift, 1e-12)).astype(np.float32))
    return table.with_columns(lift=pl.Series(companions.lift[best]), support=pl.Series(companions.support[best]))


def _allowed(catalogue: Catalogue, item: int, other_categories: bool) -> Bools:
    aisles = catalogue.item_aisles
    allowed = catalogue.available.copy()
    allowed[item] = False
    if other_categories:
        elsewhere = (aisles != aisles[item]) & (aisles < len(catalogue.aisles))
        if not elsewhere.any():
            raise RequestError("the catalogue has one single category", "a second one for other categories", "leave out --other-categories")
        allowed &= elsewhere
    return allowed


def _table(catalogue: Catalogue, best: Ints, scores: Floats) -> pl.DataFrame:
    return pl.DataFrame(
        {
            schema.ITEM: catalogue.items[schema.ITEM].gather(best),
            schema.CATEGORY: catalogue.items[schema.CATEGORY].gather(best),
            schema.SCORE: scores[best],
            schema.RANK: np.arange(1, len(best) + 1, dtype=np.int64),
        }
    )
