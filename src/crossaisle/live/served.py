"""A version of a model, made ready to answer: items by name, people's rows, the quick look. Imports: person, settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.blend.quick import QuickBlend, supported
from crossaisle.data.adhoc import read_new_items
from crossaisle.data.build import NO_EVENT
from crossaisle.data.rejected import Rejected
from crossaisle.errors import RequestError, TableError
from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.graph.export import as_dict
from crossaisle.live.person import Person
from crossaisle.live.settings import LiveSettings
from crossaisle.rank.associations import Associations
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.index import choose_index
from crossaisle.rank.request import Request, eligible_items
from crossaisle.rank.slate import unit_rows
from crossaisle.records import KINDS, Cursor, Event
from crossaisle.schema import Bools, Floats, Ints
from crossaisle.shared import ALONE, Growing, Shared
from crossaisle.whole.account import facts_of
from crossaisle.whole.version import Contents

__all__ = ["Served"]

_CHANGEABLE = (schema.TITLE, schema.BRAND, schema.DESCRIPTION, schema.PRICE, schema.AVAILABLE, schema.IMAGE, schema.VIDEO)
"""What of a known item is taken over from a row that is put again; its category and its vectors stay until the next training."""
_OF_PEOPLE = ("rows", "kinds", "kind_names", "counted", "graph", "facts", "_newest")
"""What a version has made of people, what they did and what it learned: still right where items join."""
_SHOWN = ("ids", "titles", "aisle_names", "images", "folded")
"""Lists of what a page shows of the items, in their order."""
_OF_IDS = ("codes", "aisles", "item_aisles", "aisle_places", "popularity")
"""What a catalogue has made of ids, categories and counts: still right where none of them has changed."""


@dataclass(eq=False)
class Served:
    """One version in service. Everything but ``gone`` is as it was when this was made; items that join make another one (`grown`).

    Attributes
    ----------
    name : str
        The version, such as ``v0002``.
    contents : Contents
    trained_to : Cursor
        Up to where in the store's order training has read.
    gone : bool (N,)
        Items taken out of the catalogue since.
    shared : Shared
        Where what is made of the version may be taken from; of no use once items have joined.
    tabulate : callable
        Writes out what makes lists faster where every part scores everything; takes seconds, and lists go on meanwhile. It works on the
        version as it was loaded, and helps those to which items have joined as well.
    n_trained : int
        Items that the version had when it was loaded.
    """

    name: str
    contents: Contents
    settings: LiveSettings
    trained_to: Cursor
    gone: Bools
    shared: Shared = ALONE
    tabulate: Callable[[], None] = lambda: None
    n_trained: int = 0

    @classmethod
    def of(cls, name: str, contents: Contents, settings: LiveSettings, trained_to: Cursor, shared: Shared = ALONE) -> Served:
        """A version as it was loaded, warmed up."""
        n = contents.catalogue.n_items
        out = cls(name, contents, settings, trained_to, np.zeros(n, bool), shared, n_trained=n)
        contents.scorer.settle(shared)
        out.warm()
        if out.quick is None:
            out.tabulate = partial(contents.scorer.tabulate, shared, settings.table_mb * 1_000_000)
        return out

    def warm(self) -> None:
        """Make now what the first request would wait for."""
        for thing in ("codes", "ids", "titles", "aisle_names", "images", "rows", "by_popularity", "units", "quick"):
            getattr(self, thing)

    # items

    @property
    def catalogue(self) -> Catalogue:
        return self.contents.catalogue

    @property
    def codes(self) -> dict[str, int]:
        """Item id -> code."""
        return self.catalogue.codes

    @cached_property
    def ids(self) -> list[str]:
        out: list[str] = self.catalogue.items[schema.ITEM].to_list()
        return out

    @cached_property
    def titles(self) -> list[str]:
        out: list[str] = self.catalogue.items[schema.TITLE].to_list()
        return out

    @cached_property
    def aisle_names(self) -> list[str]:
        out: list[str] = self.catalogue.items[schema.CATEGORY].to_list()
        return out

    @cached_property
    def folded(self) -> list[str]:
        """Title and id of each item, case folded: what is searched by hand."""
        return [_folded(title, item) for title, item in zip(self.titles, self.ids, strict=True)]

    @cached_property
    def images(self) -> list[str | None]:
        items = self.catalogue.items
        out: list[str | None] = items[schema.IMAGE].to_list() if schema.IMAGE in items.columns else [None] * items.height
        return out

    @cached_property
    def newcomer_scores(self) -> Floats:
        """float32 (N,): the log of popularity, what somebody without a history is shown by: what is learned of items, and what sinks, is
        added to scores on the scale of the model's, which are log-probabilities."""
        popularity = self.catalogue.popularity
        least = popularity[popularity > 0].min(initial=1.0) / 2  # of what was never bought
        out: Floats = np.log(np.maximum(popularity, least)).astype(np.float32)
        return out

    @cached_property
    def by_popularity(self) -> Ints:
        """int64 (N,): item codes, what somebody without a history is shown first."""
        return np.argsort(-self.catalogue.popularity, kind="stable")

    @property
    def units(self) -> Floats:
        """float32 (N, D): item vectors less their mean, of length 1: what near neighbours and diversity are measured by."""
        return self.units_held.rows

    @cached_property
    def mean(self) -> Floats:
        """float32 (1, D): of the item vectors, those that joined apart."""
        out: Floats = self.contents.scorer.item_vectors().mean(axis=0, keepdims=True)
        return out

    @cached_property
    def units_held(self) -> Growing:
        """`units`, and room for more."""
        vectors = self.contents.scorer.item_vectors()
        return self.shared.rows("units", len(vectors), lambda: unit_rows(vectors - self.mean))

    @cached_property
    def quick(self) -> QuickBlend | None:
        """The quick look, where the catalogue is large enough to need one and the blend allows it."""
        scorer = self.contents.scorer
        if self.catalogue.n_items <= self.settings.exact_items or not supported(scorer):
            scorer.item_vectors()
            return None
        return QuickBlend(scorer, choose_index(scorer.item_vectors(), shared=self.shared), self.settings.pool)

    @property
    def listable(self) -> Bools:
        """bool (N,), to be written to: available and still there."""
        return np.asarray(self.catalogue.available & ~self.gone)

    def eligible(self, request: Request) -> Bools:
        """bool (N,): available, still there, in the categories asked for and passing the filter."""
        return eligible_items(request, self.catalogue) & ~self.gone

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What `crossaisle info` says of the version."""
        return facts_of(self.contents)

    @cached_property
    def counted(self) -> CategoryGraph | None:
        """The association graph of the model's histories, without the items that joined since; None where there are no histories."""
        people = self.contents.people
        if people is None or not self.catalogue.aisles:
            return None
        return CategoryGraph.of(people.dataset(self.catalogue), self.contents.settings.graph, self.contents.scorer.item_vectors())

    @cached_property
    def graph(self) -> dict[str, Any]:
        """The association graph, as ``crossaisle graph`` writes it.

        Raises
        ------
        RequestError
            If the model holds no histories, or no item has a category.
        """
        if self.counted is None:
            raise RequestError("this model holds nothing to count a graph from", "histories and categories", "fit without --no-histories")
        return as_dict(self.counted)

    @cached_property
    def associations(self) -> Associations | None:
        """What the histories say of pairs of items, for reasons."""
        people = self.contents.people
        if self.counted is None or people is None:
            return None
        return Associations(self.counted, people.histories).grown(self.catalogue.n_items)

    def looks(self, code: int) -> dict[str, Any]:
        """What a page shows of an item: ``item_id``, ``category``, ``title``, ``image``."""
        return {
            schema.ITEM: self.ids[code],
            schema.CATEGORY: self.aisle_names[code],
            schema.TITLE: self.titles[code],
            schema.IMAGE: self.images[code],
        }

    def take_out(self, item_id: str) -> bool:
        """List an item no more; False where there is none of that id."""
        code = self.codes.get(item_id)
        if code is not None:
            self.gone[code] = True
        return code is not None

    # people

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """User id -> row of the histories that the model holds."""
        people = self.contents.people
        return {} if people is None else {user: row for row, user in enumerate(people.users.to_list())}

    def known_person(self, user_id: str) -> Person:
        """What the model's own histories tell of a person; nothing of one that it does not know."""
        row, people = self.rows.get(user_id), self.contents.people
        if row is None or people is None:
            return Person.of_items([])
        h = people.histories
        part = slice(int(h.offsets[row]), int(h.offsets[row + 1]))
        return Person(h.items[part], h.events[part], h.weights[part], h.times[part])

    def not_held(self, trained: Person, events: Sequence[tuple[int, Event]], since: int) -> list[bool]:
        """Which events a person's history as the model holds it has not.

        Parameters
        ----------
        trained : Person
            That history.
        events : sequence of (int, Event)
            All of the person's, each with its sequence number in the store.
        since : int
            The number up to which that history is made of the store.
        """
        if self.contents.people is None:  # a version that keeps no histories
            return [True] * len(events)
        # what was done with an item before anybody described it is in no history
        return [
            (seq > since or self.codes.get(event.item_id, -1) >= self.n_trained) and not self.holds(event, trained) for seq, event in events
        ]

    def holds(self, event: Event, trained: Person | None = None) -> bool:
        """Whether the model's own histories have an event of the store from elsewhere: from the tables that it was fitted on.

        Parameters
        ----------
        trained : Person, optional
            What they are taken to tell of its person; by default what they do.
        """
        if self.trained_to.seq or event.timestamp > self._newest:
            return False
        trained = self.known_person(event.user_id) if trained is None else trained
        there = (trained.times == event.timestamp) & (trained.items == self.codes.get(event.item_id, -1))
        kinds = [self.kinds[name] for name in (event.event, NO_EVENT) if name in self.kinds]  # tables need not say what was done
        return bool((there & np.isin(trained.kinds, kinds)).any())

    @cached_property
    def _newest(self) -> float:
        """The newest time of the model's histories, unix seconds."""
        times = np.empty(0) if self.contents.people is None else self.contents.people.histories.times
        return float(np.nanmax(times)) if np.isfinite(times).any() else -np.inf

    @property
    def unlearned(self) -> tuple[str, ...]:
        """Kinds of events that the store takes and the model has not learned."""
        return tuple(kind for kind in KINDS if kind not in self.catalogue.event_names)

    @cached_property
    def kinds(self) -> dict[str, int]:
        """Kind of event -> its code: as the model counts them, and -2, -3, ... for the `unlearned`.

        The network takes every code below 0 for a kind that it does not know; which it was is for those who read of it.
        """
        learned = {name: code for code, name in enumerate(self.catalogue.event_names)}
        return learned | {kind: -2 - n for n, kind in enumerate(self.unlearned)}

    @cached_property
    def kind_names(self) -> dict[int, str]:
        """The inverse of `kinds`."""
        return {code: kind for kind, code in self.kinds.items()}

    # what changes

    def put(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Served, int, list[dict[str, str]]]:
        """The same version with items that joined, or were put again; how many were taken, and why others were not.

        An item that is known takes over title, price, availability, photo and the like at once; its vectors are what training made of it.
        """
        told = self.not_so(rows)
        known = [dict(row) for row in told if str(row.get(schema.ITEM)) in self.codes]
        new = [dict(row) for row in told if str(row.get(schema.ITEM)) not in self.codes]
        out, refused = self, list[dict[str, str]]()
        if new:
            out, refused = out._grown(new)
        if known:
            out = out._changed(known)
        return out, len(rows) - len(refused), refused

    def not_so(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """The rows that say something which is not so already: new items, and known ones that change or are gone."""
        return [row for row in rows if str(row.get(schema.ITEM)) not in self.codes or not self._says(row)]

    def _says(self, row: Mapping[str, Any]) -> bool:
        """Whether a row says nothing of a known item that is not so already."""
        code, items = self.codes[str(row[schema.ITEM])], self.catalogue.items
        told = [name for name in _CHANGEABLE if name in items.columns and row.get(name) is not None]
        return not self.gone[code] and all(items[name][code] == row[name] for name in told)

    def _with(self, contents: Contents, gone: Bools, same: Iterable[str], made: Mapping[str, Any] | None = None) -> Served:
        """The same version with other items; of what was made of those before, the ``same`` is taken over; ``made``: what is new."""
        out = Served(self.name, contents, self.settings, self.trained_to, gone, tabulate=self.tabulate, n_trained=self.n_trained)
        out.__dict__.update({name: self.__dict__[name] for name in same if name in self.__dict__} | dict(made or {}))
        out.warm()
        return out

    def _grown(self, rows: list[dict[str, Any]]) -> tuple[Served, list[dict[str, str]]]:
        if self.contents.scorer.net.reader is None:
            why = "this model knows items by id only; fit it again with model.senses=id,text,words, or wait for a fit that has the item"
            return self, [{schema.ITEM: str(row.get(schema.ITEM)), "reason": why} for row in rows]
        joined, refused = _readable(rows, self.catalogue.items)
        if joined is None:
            return self, refused
        contents = dataclasses.replace(self.contents, scorer=self.contents.scorer.grown(joined), catalogue=self.catalogue.grown(joined))
        gone = np.append(self.gone, np.zeros(joined.height, bool))
        return self._with(contents, gone, (*_OF_PEOPLE, "mean"), self._more(joined, contents)), refused

    def _more(self, joined: pl.DataFrame, contents: Contents) -> dict[str, Any]:
        """What this version has made, with the items that join; ``contents`` has them already."""
        n, vectors = self.catalogue.n_items, contents.scorer.item_vectors()
        made: dict[str, Any] = {"units_held": self.units_held.followed_by(unit_rows(vectors[n:] - self.mean))}
        shown = {"ids": joined[schema.ITEM], "titles": joined[schema.TITLE], "aisle_names": joined[schema.CATEGORY]}
        told: dict[str, list[Any]] = {name: values.to_list() for name, values in shown.items()}
        told["images"] = joined[schema.IMAGE].to_list() if schema.IMAGE in joined.columns else [None] * joined.height
        told["folded"] = [_folded(title, item) for title, item in zip(told["titles"], told["ids"], strict=True)]
        made |= {name: self.__dict__[name] + told[name] for name in _SHOWN if name in self.__dict__}
        if self.quick is not None:
            made["quick"] = self.quick.grown(contents.scorer, self.quick.index.grown(vectors))
        if self.__dict__.get("associations") is not None:
            made["associations"] = self.associations.grown(n + joined.height)  # type: ignore[union-attr]
        return made

    def _changed(self, rows: list[dict[str, Any]]) -> Served:
        """With what these rows say of known items; they are back if they were gone."""
        catalogue = self.catalogue
        places = [catalogue.codes[str(row[schema.ITEM])] for row in rows]
        # a refit may have learned of an item that was gone that it was not to be had
        back = [{schema.AVAILABLE: True} if self.gone[place] else {} for place in places]
        rows = [before | {name: value for name, value in row.items() if value is not None} for before, row in zip(back, rows, strict=True)]
        columns = {}
        for name in _CHANGEABLE:
            told = [(p, row[name]) for p, row in zip(places, rows, strict=True) if row.get(name) is not None]
            if name in catalogue.items.columns and told:
                column = catalogue.items[name]
                where = pl.Series([p for p, _ in told], dtype=pl.UInt32)
                columns[name] = column.clone().scatter(where, pl.Series([v for _, v in told], dtype=column.dtype, strict=False))
        items = catalogue.items.with_columns(**columns)
        changed = Catalogue(items, catalogue.counts, catalogue.event_names)
        changed.__dict__.update({k: catalogue.__dict__[k] for k in _OF_IDS if k in catalogue.__dict__})
        contents = dataclasses.replace(self.contents, catalogue=changed)
        gone = self.gone.copy()
        gone[places] = False
        return self._with(contents, gone, (*_OF_PEOPLE, "associations", "quick", "mean", "units_held", "by_popularity"))


def _folded(title: str, item: str) -> str:
    """What is searched by hand of an item."""
    return f"{title} {item}".casefold()


def _readable(rows: list[dict[str, Any]], known: pl.DataFrame) -> tuple[pl.DataFrame | None, list[dict[str, str]]]:
    """The rows as new items, all at once where all are good, and otherwise one by one, with what is wrong with the others."""
    try:
        return read_new_items(pl.from_dicts(rows, infer_schema_length=None, strict=False), known, rejected=Rejected(0.0))[0], []
    except (TableError, pl.exceptions.PolarsError) as error:  # the other: columns of one name and several types
        if len(rows) == 1:
            return None, [{schema.ITEM: str(rows[0].get(schema.ITEM)), "reason": str(error)}]
    good, refused = list[pl.DataFrame](), list[dict[str, str]]()
    for row in rows:
        frame, why = _readable([row], pl.concat([known, *good]))
        good += [] if frame is None else [frame]
        refused += why
    return pl.concat(good) if good else None, refused
