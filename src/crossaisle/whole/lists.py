"""Lists from the contents of a model: for histories, for a wish, with reasons. Imports: version."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import polars as pl

from crossaisle import schema
from crossaisle.contracts import Progress, Scorer
from crossaisle.data.histories import Histories
from crossaisle.errors import RequestError
from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.rank.associations import Associations
from crossaisle.rank.recommend import recommend
from crossaisle.rank.request import Request
from crossaisle.rank.settings import WishSettings
from crossaisle.rank.wish import WishScorer, append_wish, catalogue_with, checked_wish, wish_notes, with_weight
from crossaisle.rank.writer import Writer, choose_writer
from crossaisle.rerank.second import SecondLook
from crossaisle.train.device import choose_device
from crossaisle.whole.version import Contents

__all__ = ["NO_GRAPH", "ListMaker", "checked"]

NO_GRAPH = {
    "en": "this model holds no histories: reasons speak of the items and the model, not of what other people did",
    "zh": "此模型不含历史记录：推荐理由只说商品和模型本身，不涉及其他人的行为",
}


def checked(wish: str | None, weight: float | None, settings: WishSettings) -> tuple[str, WishSettings] | None:
    """The wish and how it is weighed; None where there is none.

    Raises
    ------
    RequestError
        If there is a weight and no wish, or either cannot be used.
    """
    if wish is None and weight is not None:
        raise RequestError("wish-weight without a wish", "a wish to weigh", 'add --wish "..."')
    return None if wish is None else (checked_wish(wish), with_weight(settings, weight))


class ListMaker:
    """Makes lists; what their reasons need is counted or opened at the first call and kept."""

    def __init__(self) -> None:
        self._associations: Associations | None = None
        self._writers: dict[str, Writer] = {}

    def forget(self) -> None:
        """Count anew at the next call: the items or the histories are others now."""
        self._associations = None

    def lists(
        self,
        model: Contents,
        histories: Histories,
        ids: Sequence[str],
        column: str,
        request: Request,
        *,
        asked: tuple[str, WishSettings] | None = None,
        writer: str | None = None,
        note: Callable[[str], None],
        progress: Progress | None = None,
    ) -> pl.DataFrame:
        """One list a history; see `crossaisle.rank.recommend.recommend`.

        Parameters
        ----------
        ids : sequence of str
            One a history: its name in the ``column`` of the result.
        asked : (str, WishSettings), optional
            What `checked` gave.
        writer : str, optional
            Who words the reasons, in place of the model's setting.
        note : callable
            Takes what is to be said beside the lists.
        """
        fitted, catalogue = model.scorer, model.catalogue
        scorer: Scorer = fitted
        vectors = fitted.item_vectors() if request.diversity > 0 else None
        if asked:
            wish, settings = asked
            for line in wish_notes(fitted.net.reader, wish, histories, ids if column == schema.USER else [], request.lang):
                note(line)
            catalogue = catalogue_with(catalogue, wish)
            scorer = WishScorer(fitted, catalogue.items, settings)
            histories = append_wish(histories, catalogue.wish)
        return recommend(
            scorer,
            catalogue,
            histories,
            ids,
            request,
            query_column=column,
            vectors=vectors,
            second=_second_look(model).reading(catalogue.items) if request.rerank else None,
            associations=self.associations(model, request.lang, note) if request.explain else None,
            writer=self._writer(model, writer) if request.explain else None,
            note=note,
            progress=progress,
        )

    def _writer(self, model: Contents, name: str | None) -> Writer | None:
        """Who words the reasons; a model is opened once and kept."""
        settings = model.settings.writer if name is None else dataclasses.replace(model.settings.writer, model=name)
        if settings.model not in self._writers:
            found = choose_writer(settings, choose_device(model.settings.device))
            if found is None:
                return None
            self._writers[settings.model] = found
        return self._writers[settings.model]

    def associations(self, model: Contents, lang: str, note: Callable[[str], None]) -> Associations | None:
        """What the histories say of pairs of items, for reasons; None, and a note, where there is nothing to count."""
        if model.people is None:
            note(NO_GRAPH[lang])
            return None
        if self._associations is None and model.catalogue.aisles:
            settings = dataclasses.replace(model.settings.graph, text_edges=0)  # reasons tell what people did, not what words say
            graph = CategoryGraph.of(model.people.dataset(model.catalogue), settings, model.scorer.item_vectors())
            self._associations = Associations(graph, model.people.histories)
        return self._associations


def _second_look(model: Contents) -> SecondLook:
    """The model's second look, if there is one to take."""
    if model.second is None or not model.second.on:
        found = "this model has no second look" if model.second is None else model.second.note
        raise RequestError(found, "a model whose second look is on", "leave out rerank, or fit with --set rerank.model=minilm")
    return model.second
