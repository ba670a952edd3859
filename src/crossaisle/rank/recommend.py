"""From histories to the lists that people see. Imports: associations, catalogue, explain, request, slate, writer.

One history's way: `recommend` -> `_Run.batch` (who may see what) -> `Scorer.score` -> a second look where asked for -> `slate` -> table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.contracts import Progress, Scorer
from crossaisle.data.histories import Histories
from crossaisle.rank.associations import Associations
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.explain import explain
from crossaisle.rank.request import Note, Request, candidate_rows, check_beyond_history, eligible_items, touched_aisles
from crossaisle.rank.slate import slate, unit_rows
from crossaisle.rank.writer import Rewriting, Writer
from crossaisle.rerank.second import SecondLook
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["Request", "recommend"]

_BATCH = 512
_CELLS = 16_000_000
"""Most scores held at once; a batch shrinks where the catalogue is large."""


def recommend(
    scorer: Scorer,
    catalogue: Catalogue,
    histories: Histories,
    query_ids: Sequence[str],
    request: Request | None = None,
    *,
    query_column: str = schema.USER,
    vectors: Floats | None = None,
    associations: Associations | None = None,
    second: SecondLook | None = None,
    writer: Writer | None = None,
    note: Note | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Recommendations for B histories.

    Items that are unavailable are never listed, seen ones only with ``keep_seen``. A query whose history is empty (an unknown user)
    gets `Catalogue.popularity` under the same options, and a note.

    Parameters
    ----------
    scorer : Scorer
        A fitted model of the catalogue's N items.
    catalogue : Catalogue
        The items.
    histories : Histories
        B histories of item codes.
    query_ids : sequence of str
        B ids, written to the query column.
    request : Request, optional
        The options; the defaults if not given.
    query_column : str
        ``user_id`` or ``query_id``.
    vectors : float32 (N, D), optional
        Item vectors; needed for ``diversity > 0``.
    associations : Associations, optional
        For ``explain``: see `crossaisle.rank.explain.explain`.
    second : SecondLook, optional
        Puts the head of each list into another order; scores are then its own.
    writer : Writer, optional
        Words the reasons of ``explain``; a note says how many passed the check.
    note : callable, optional
        Called with each line that the user should see.
    progress : Progress, optional
        Called after each batch.

    Returns
    -------
    polars.DataFrame
        The query column, ``item_id``, ``category``, ``score`` (float32, the model's own), ``rank`` from 1; with ``explain`` also
        ``because``, ``path``, ``reason`` and, if the scorer can tell, ``carried_by``. Queries in the order given; a query with nothing
        left has no row and is named in a note.

    Raises
    ------
    RequestError
        If a category is unknown, a filter cannot be used, no candidate is known, or ``beyond_history`` leaves one single category.

    Examples
    --------
    >>> from crossaisle.baselines.popularity import Popularity
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset()
    >>> scorer = Popularity().fit(data)
    >>> table = recommend(scorer, Catalogue.of(data), data.histories, data.users.to_list(), Request(k=3))
    >>> table.columns, table.height
    (['user_id', 'item_id', 'category', 'score', 'rank'], 360)
    """
    request = request or Request()
    run = _Run(scorer, catalogue, request, query_ids, vectors, note or (lambda line: None), associations, second)
    if request.explain and writer is not None:
        run.rewriting = Rewriting(writer, progress)
    if request.beyond_history:
        check_beyond_history(request, catalogue, histories)
    size = max(1, min(_BATCH, _CELLS // max(1, len(run.codes))))
    tables = []
    for start in range(0, len(histories), size):
        tables.append(run.batch(histories[start : start + size], start))
        if progress is not None:
            progress("recommend", min(start + size, len(histories)), len(histories), "")
    run.tell(histories, tables)
    table = pl.concat(tables) if tables else run.table(histories, _NOBODY, _NOBODY, np.zeros(0, dtype=np.float32), _NOBODY, 0)
    return table.rename({schema.QUERY: query_column})


_NOBODY: Ints = np.zeros(0, dtype=np.int64)


class _Run:
    """What all batches of one call share."""

    def __init__(
        self,
        scorer: Scorer,
        catalogue: Catalogue,
        request: Request,
        query_ids: Sequence[str],
        vectors: Floats | None,
        note: Note,
        associations: Associations | None,
        second: SecondLook | None,
    ) -> None:
        self.associations, self.second = associations, second
        self.rewriting: Rewriting | None = None
        self.scorer, self.catalogue, self.request, self.note = scorer, catalogue, request, note
        self.query_ids = pl.Series(schema.QUERY, list(query_ids), dtype=pl.String)
        self.candidates = candidate_rows(request, catalogue, self.query_ids.to_list(), note)
        self.codes: Ints = np.flatnonzero(eligible_items(request, catalogue))
        self.units = None
        if request.diversity > 0 and vectors is not None:
            # vectors of one model share a common direction that says nothing about two items
            self.units = unit_rows(vectors - vectors.mean(axis=0, keepdims=True))

    def batch(self, histories: Histories, start: int) -> pl.DataFrame:
        """The lists of one batch, whose first query is number ``start``."""
        codes = self.codes
        if self.candidates is not None:
            own = self.candidates[start : start + len(histories)]
            codes = np.intersect1d(codes, np.unique(np.concatenate(own)))
        scores, allowed = self._scores(histories, codes), self._allowed(histories, codes, start)
        if self.second is not None:
            scores = self.second.rescore(histories, codes, scores, allowed)
        columns = slate(
            scores,
            self.request.k,
            groups=self.catalogue.item_aisles[codes],
            allowed=allowed,
            max_per_group=self.request.max_per_category,
            diversity=self.request.diversity,
            vectors=None if self.units is None else self.units[codes],
        )
        queries, places = np.nonzero(columns >= 0)
        chosen = columns[queries, places]
        return self.table(histories, queries, codes[chosen], scores[queries, chosen], places + 1, start)

    def _scores(self, histories: Histories, codes: Ints) -> Floats:
        """float32 (b, C): the model's scores, popularity where the history is empty."""
        known = np.flatnonzero(histories.lengths > 0)
        scores = np.empty((len(histories), len(codes)), dtype=np.float32)
        scores[:] = self.catalogue.popularity[codes]
        if len(known) and len(codes):
            every = len(codes) == self.catalogue.n_items
            scores[known] = self.scorer.score(histories[known], None if every else codes)
        return scores

    def _allowed(self, histories: Histories, codes: Ints, start: int) -> Bools:
        """bool (b, C): not seen, in the query's candidates, in an aisle it may see."""
        allowed = np.ones((len(histories), len(codes)), dtype=np.bool_)
        if not len(codes):
            return allowed
        column = np.full(self.catalogue.n_items, -1, dtype=np.int64)
        column[codes] = np.arange(len(codes))
        if self.request.beyond_history:
            allowed = ~touched_aisles(histories, self.catalogue)[:, self.catalogue.item_aisles[codes]]
        if self.candidates is not None:
            own = self.candidates[start : start + len(histories)]
            listed = np.zeros_like(allowed)
            owners, places = np.repeat(np.arange(len(own)), [len(o) for o in own]), column[np.concatenate(own)]
            listed[owners[places >= 0], places[places >= 0]] = True
            allowed &= listed
        if not self.request.keep_seen:
            places = column[histories.items]
            allowed[histories.owners[places >= 0], places[places >= 0]] = False
        return allowed

    def table(self, histories: Histories, queries: Ints, items: Ints, scores: Floats, ranks: Ints, start: int) -> pl.DataFrame:
        """R listed items as rows of the contract's table."""
        table = pl.DataFrame(
            {
                schema.QUERY: self.query_ids.gather(queries + start),
                schema.ITEM: self.catalogue.items[schema.ITEM].gather(items),
                schema.CATEGORY: self.catalogue.items[schema.CATEGORY].gather(items),
                schema.SCORE: scores,
                schema.RANK: ranks,
            }
        )
        if not self.request.explain:
            return table
        why = explain(self.scorer, self.catalogue, histories, queries, items, self.request.lang, self.associations, self.rewriting)
        return table.hstack(why)

    def tell(self, histories: Histories, tables: list[pl.DataFrame]) -> None:
        """Notes on queries without a history and on queries without a list."""
        zh = self.request.lang == "zh"
        if self.rewriting is not None and self.rewriting.written:
            self.note(self.rewriting.note(self.request.lang))
        unknown = np.flatnonzero(histories.lengths == 0)
        if len(unknown):
            who = self._who(unknown)
            if zh:
                self.note(f"没有 {who} 的历史记录：按各品类热度推荐")
            else:
                self.note(f"no history of {who}: the list follows the popularity of categories and of items inside them")
        served = pl.concat([t[schema.QUERY] for t in tables]).unique() if tables else self.query_ids.clear()
        nothing = np.flatnonzero(~self.query_ids.is_in(served.implode()).to_numpy()) if len(self.query_ids) else unknown
        if len(nothing):
            who = self._who(nothing)
            self.note(f"没有商品可推荐给 {who}：{self._why(zh)}" if zh else f"no item is left for {who}: {self._why(zh)}")

    def _who(self, which: Ints) -> str:
        names = [f"{n[:40]}..." if len(n) > 40 else n for n in self.query_ids.gather(which[:3]).to_list()]
        shown = ", ".join(repr(n) for n in names)
        return shown if len(which) <= 3 else f"{shown}, ... ({len(which)})"

    def _why(self, zh: bool) -> str:
        if not len(self.codes):
            return "没有可售商品符合筛选条件" if zh else "no available item passes the filter"
        if self.candidates is not None:
            return "没有可用的候选商品" if zh else "no candidate can be recommended"
        if self.request.beyond_history:
            return "历史记录已涉及所有品类" if zh else "the history touches every category that has items to offer"
        return "所有商品都已看过" if zh else "every item has been seen"
