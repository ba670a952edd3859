"""What a caller asks of a list, and which items and queries that leaves. Imports: catalogue, where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from crossaisle.data.adhoc import MAX_REJECTED, read_candidates
from crossaisle.data.histories import Histories
from crossaisle.errors import RequestError
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.where import where_mask
from crossaisle.schema import Bools, Ints

__all__ = ["LANGUAGES", "Note", "Request", "candidate_rows", "check_beyond_history", "eligible_items", "touched_aisles"]

LANGUAGES = ("en", "zh")
Note = Callable[[str], None]
"""Called with one line that the user should see beside the list."""


@dataclass(frozen=True)
class Request:
    """The options of a recommendation, checked on creation.

    Attributes
    ----------
    k : int
        Items a list, at least 1; a list is shorter where fewer are left.
    categories : sequence of str
        Only these aisles; empty = all.
    beyond_history : bool
        Only named aisles that the query's history does not touch.
    candidates : polars.DataFrame, optional
        ``query_id`` (or ``user_id``) and ``item_id``: rank only these items for that query.
    where : str, optional
        A filter over the items table, see `crossaisle.rank.where`.
    keep_seen : bool
        Also recommend what the history holds.
    max_per_category : int, optional
        At most so many items of one aisle in a list.
    diversity : float
        0 (the best scores) to 1 (as unlike each other as possible).
    explain : bool
        Add ``because``, ``path``, ``reason`` and ``carried_by``.
    lang : str
        ``en`` or ``zh``: the language of reasons and notes.
    rerank : bool
        Take the model's second look at the head of each list. Reasons stay those of the retriever.
    max_rejected : float
        Share of the rows of ``candidates``, and of histories that come as a table, that may be bad.

    Raises
    ------
    RequestError
        If a value cannot be used.

    Examples
    --------
    >>> Request(k=5, categories=["Toys"]).k
    5
    >>> Request(k=0)
    Traceback (most recent call last):
    crossaisle.errors.RequestError: k is 0; expected a whole number of at least 1; next: pass -k 10
    """

    k: int = 10
    categories: Sequence[str] = ()
    beyond_history: bool = False
    candidates: pl.DataFrame | None = None
    where: str | None = None
    keep_seen: bool = False
    max_per_category: int | None = None
    diversity: float = 0.0
    explain: bool = False
    lang: str = "en"
    rerank: bool = False
    max_rejected: float = MAX_REJECTED

    def __post_init__(self) -> None:
        if not _is_count(self.k):
            raise RequestError(f"k is {self.k!r}", "a whole number of at least 1", "pass -k 10")
        if self.max_per_category is not None and not _is_count(self.max_per_category):
            raise RequestError(
                f"max-per-category is {self.max_per_category!r}", "a whole number of at least 1", "pass --max-per-category 2"
            )
        if not 0 <= self.diversity <= 1:
            raise RequestError(f"diversity is {self.diversity!r}", "a number from 0 to 1", "pass --diversity 0.3")
        if not 0 <= self.max_rejected <= 1:
            raise RequestError(f"max-rejected is {self.max_rejected!r}", "a share from 0 to 1", "pass --max-rejected 0.01")
        if self.lang not in LANGUAGES:
            raise RequestError(f"language {self.lang!r}", f"one of {', '.join(LANGUAGES)}", "pass --lang en")
        if isinstance(self.categories, str):
            raise RequestError(f"categories is the text {self.categories!r}", "a list of categories", f"pass [{self.categories!r}]")


def _is_count(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 1)


def eligible_items(request: Request, catalogue: Catalogue) -> Bools:
    """bool (N,): available, in the categories asked for, and passing the filter.

    Raises
    ------
    RequestError
        If a category is unknown or the filter cannot be used.
    """
    mask = catalogue.available.copy()
    if request.categories:
        mask &= np.isin(catalogue.item_aisles, [catalogue.aisle(name) for name in request.categories])
    if request.where is not None:
        mask &= where_mask(request.where, catalogue.items)
    return mask


def touched_aisles(histories: Histories, catalogue: Catalogue) -> Bools:
    """bool (B, C + 1): aisles that each history touches; the last column, unknown aisle, is always True.

    Of an item without a category nobody can say that it lies beyond a history.
    """
    touched = np.zeros((len(histories), len(catalogue.aisles) + 1), dtype=np.bool_)
    touched[histories.owners, catalogue.item_aisles[histories.items]] = True
    touched[:, -1] = True
    return touched


def check_beyond_history(request: Request, catalogue: Catalogue, histories: Histories) -> None:
    """Refuse ``beyond_history`` where a single category is all there is to choose from.

    Raises
    ------
    RequestError
        If the catalogue has one category, or the one category asked for is in every history.
    """
    step = "leave out --beyond-history"
    if len(catalogue.aisles) < 2:
        name = repr(catalogue.aisles[0]) if catalogue.aisles else "none is named"
        found = f"beyond-history with one single category ({name})"
        raise RequestError(found, "a catalogue of at least two categories", step)
    if len(set(request.categories)) == 1 and len(histories):
        name = request.categories[0]
        if touched_aisles(histories, catalogue)[:, catalogue.aisle(name)].all():
            who = "the history touches" if len(histories) == 1 else f"all {len(histories)} histories touch"
            raise RequestError(f"beyond-history with one single category {name!r}, which {who}", "a category beyond the history", step)


def candidate_rows(request: Request, catalogue: Catalogue, query_ids: Sequence[str], note: Note) -> list[Ints] | None:
    """The candidates of each query as item codes, or None where all items may be ranked.

    Items that the model does not know are left out and queries without a row get an empty list; a note says how many.

    Raises
    ------
    TableError
        If a column is missing, ids cannot be read as text, or more rows are bad than ``request.max_rejected`` allows.
    RequestError
        If no candidate is an item of the model.
    """
    if request.candidates is None:
        return None
    table, notes = read_candidates(request.candidates, lang=request.lang, max_rejected=request.max_rejected)
    for line in notes:
        note(line)
    chosen: dict[str, list[int]] = {}
    unknown = 0
    for owner, item in table.iter_rows():
        code = catalogue.codes.get(item)
        if code is None:
            unknown += 1
        else:
            chosen.setdefault(owner, []).append(code)
    if unknown == table.height:
        raise RequestError(f"none of {unknown} candidates is an item of the model", "item ids of the model", "check the candidates table")
    if unknown:
        zh = f"候选商品共 {table.height} 行，其中 {unknown} 行的商品模型不认识，已忽略"
        en = f"{unknown} of {table.height} candidate rows name an item that the model does not know: left out"
        note(zh if request.lang == "zh" else en)
    return [np.unique(np.array(chosen.get(q, ()), dtype=np.int64)) for q in query_ids]
