"""The model in service. Imports: again, asking, known, learned, lists, outages, overview, person, refit, repeated, served,
settings, shown, swap.

One request's way: `recommend` -> `_catch_up` (what the store took since) -> `_person` (history and refusals) -> `Lists.plain` or
`Lists.special` -> answer; lists shown go to the store in the background.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossaisle import schema
from crossaisle.errors import CrossAisleError, ModelError, StoreAway, UnknownItem
from crossaisle.live.again import FIRST
from crossaisle.live.asking import Answer, Ask
from crossaisle.live.known import Known
from crossaisle.live.learned import Learned
from crossaisle.live.lists import Lists
from crossaisle.live.outages import Outages
from crossaisle.live.overview import overview
from crossaisle.live.person import Person
from crossaisle.live.refit import cursor_of
from crossaisle.live.repeated import Repeated
from crossaisle.live.served import Served
from crossaisle.live.settings import LearnSettings, LiveSettings
from crossaisle.live.shown import ListLog, ListPruner
from crossaisle.live.swap import VersionWatcher
from crossaisle.rank.similar import similar_items
from crossaisle.records import Changes, Cursor, Forgotten, Records
from crossaisle.shared import ALONE, Shared
from crossaisle.whole.version import Contents

__all__ = ["Engine"]

log = logging.getLogger("crossaisle.live")

_AT_ONCE = 16
"""Up to so many items that another process put are read before the next list; more are read beside the lists, which do not wait for it."""

_EASE = 10
"""How many times as long as learning anew takes is waited before it is done once more."""
_PATIENCE = 1.0
"""Seconds that somebody who undoes something waits for a log that is being read: a long one takes minutes."""


class Engine:
    """Answers from a model folder and what a store has kept since that model was trained.

    Its methods may be called from several threads; they compute, so none of them belongs into an event loop.

    Parameters
    ----------
    folder : path
        A model folder.
    records : Records
        What people did since, items that came and went; shared with other processes.
    settings : LiveSettings, optional
    learn : LearnSettings, optional
        What is learned from feedback between two trainings.
    shared : Shared
        Where processes that serve the same folder keep what they make of its files, so that it is in memory once.

    Raises
    ------
    ModelError
        If the folder holds no version that loads.
    StoreAway
        If the store cannot be reached: what a person has turned down has to be known before the first list.
    """

    def __init__(
        self,
        folder: str | Path,
        records: Records,
        settings: LiveSettings | None = None,
        learn: LearnSettings | None = None,
        shared: Shared = ALONE,
    ) -> None:
        self.settings, self.learn = settings or LiveSettings(), learn or LearnSettings()
        self.records = records
        self._watcher = VersionWatcher(folder, shared=shared)
        self._lock = threading.RLock()  # held while what is served changes, and while it is read for a batch
        self._stepping = threading.Lock()  # held by whoever reads the log: what is read twice would be learned twice
        self._ended = threading.Event()  # set once what is long is to be left
        self._swapping = threading.Lock()  # held by whoever makes another version ready, which may take minutes
        self._changing = threading.Lock()  # held by whoever makes another set of items
        self._people: OrderedDict[str, Person] = OrderedDict()
        self._unread: dict[str, int] = {}  # item ids that another process put or took out, many at once; by when they came
        self._forgotten = Forgotten()  # since the version was trained: what it holds of them is not used, store or no store
        self._lists = Lists(self.settings, self.learn)
        self._away_until, self._outages = 0.0, Outages()
        self._served = self._made(*self._watcher.load())
        self._cursor = self._served.trained_to
        self._log = ListLog(records, self.settings)
        self._learned = self._learning(self._served)
        self._catch_up(must=True)
        self._learn_anew_from = 0.0
        self._learner = Repeated(self._learn_on, "learning", self.settings.learn_seconds)
        self._pruner = ListPruner(records, self.settings)
        self._prepare(self._served)

    def _prepare(self, served: Served) -> None:
        """Make in the background what makes lists faster, and count what reasons and the graph need, so that nobody has to wait for it."""

        def make() -> None:
            try:
                served.tabulate()
            except Exception as error:  # such as too little memory: lists are as they are without
                log.error("fault in making the table of the ridge: %s", type(error).__name__)
            _ = served.associations

        threading.Thread(target=make, name="preparing", daemon=True).start()

    def _learning(self, served: Served) -> Learned:
        """Nothing learned yet about a version."""
        return Learned(served, self.records, self.learn, time.time() - self.settings.learn_days * 86_400.0, self._outages)

    def _learn(self, patience: float = -1) -> None:
        """Work in what came since.

        Parameters
        ----------
        patience : float
            So many seconds are waited for another who does so already and will see what is there now at the latest the next time.
        """
        if not self._stepping.acquire(timeout=patience):
            return
        try:
            with contextlib.suppress(StoreAway):
                self._learned.step(time.time(), self._ended)
                self.records.finish_forgetting()
                self._away_until = 0.0  # it answers: lists may ask it again
        finally:
            self._stepping.release()

    def _learn_on(self) -> None:
        """`_learn`, again and again; and anew from the beginning where somebody it was learned from has been forgotten."""
        self._learn()
        self._learned.learn_again(self._ended)
        old, began = self._learned, time.monotonic()
        if not old.outdated or began < self._learn_anew_from:
            return
        with contextlib.suppress(StoreAway), self._stepping:
            anew = self._learning(self._served)
            anew.step(time.time(), self._ended)
            anew.learn_again(self._ended, FIRST)
            with self._lock:
                if self._learned is old and not self._ended.is_set():  # and not what another version has learned, or only a part
                    anew.follow(self._served)
                    self._learned = anew
        self._learn_anew_from = time.monotonic() + _EASE * (time.monotonic() - began)

    def _made(self, name: str, contents: Contents) -> Served:
        """A version ready to answer, with the items that the store has besides."""
        served = Served.of(name, contents, self.settings, cursor_of(contents.report, self.records), self._watcher.shared)
        return self._with_items(served)

    def _with_items(self, served: Served) -> Served:
        """With the items as the store has them by now."""
        rows, gone = self.records.items()
        if rows:
            served, _, _ = served.put(rows)
        for item in gone:
            served.take_out(item)
        return served

    # what came since

    def _catch_up(self, must: bool = False) -> bool:
        """Take what the store has since the last call; False where it cannot be reached, which is not tried again for a moment."""
        if not must and time.monotonic() < self._away_until:
            return False
        try:
            changes = self.records.changes(self._cursor)
            while True:
                self._take(changes)
                self._cursor = changes.cursor
                if not changes.more:
                    return True
                changes = self.records.changes(self._cursor)
        except StoreAway:
            if must:
                raise
            self._away_until = time.monotonic() + self.settings.away_seconds
            return False

    def _take(self, changes: Changes) -> None:
        for _, event in changes.events:
            self._people.pop(event.user_id, None)
        self._forgotten |= changes.forgotten
        for user in changes.forgotten.among(list(self._people)):
            self._people.pop(user, None)
        rows = self._served.not_so(changes.items)  # the one who put them here has them already
        if self._unread or len(rows) > _AT_ONCE:
            nobody, came = not self._unread, changes.cursor.seq
            self._unread |= {str(row[schema.ITEM]): came for row in rows} | dict.fromkeys(changes.gone, came)
            if nobody:
                threading.Thread(target=self._read_unread, name="reading items", daemon=True).start()
            return
        if rows:
            self._serve(self._served.put(rows)[0])
        for item in changes.gone:
            self._served.take_out(item)

    def _read_unread(self) -> None:
        """Take the items that wait, as the store has them by now, until none does."""
        while self._unread:
            try:
                with self._changing:
                    self._read_some()
            except Exception as error:  # the store is away, or a fault: they wait on, and the lists go on without them
                if not isinstance(error, StoreAway):
                    log.error("fault in reading items: %s", type(error).__name__)
                time.sleep(self.settings.away_seconds)

    def _read_some(self) -> None:
        unread, before = dict(self._unread), self._served
        rows, gone = self.records.items()
        served = before.put([row for row in rows if row[schema.ITEM] in unread])[0]
        with self._lock:
            if served is not before:
                self._serve(served)
            for item in gone & unread.keys():
                served.take_out(item)
            # what came again meanwhile waits on
            self._unread = {item: came for item, came in self._unread.items() if unread.get(item) != came}

    # people

    def _person(self, user_id: str) -> tuple[Person, bool]:
        """What is known of a person, and whether the store was there to ask."""
        found = self._people.get(user_id)
        if found is not None:
            self._people.move_to_end(user_id)
            return found, True
        served = self._served
        if time.monotonic() >= self._away_until:
            try:
                person = Known.of(served, self.records, user_id).now(served)
            except StoreAway:
                self._away_until = time.monotonic() + self.settings.away_seconds
            else:
                self._people[user_id] = person
                while len(self._people) > self.settings.people:
                    self._people.popitem(last=False)
                return person, True
        return Person.of_items([]) if user_id in self._forgotten else served.known_person(user_id), False

    # lists

    def recommend(self, asks: Sequence[Ask]) -> list[Answer | CrossAisleError]:
        """One answer an ask, in their order; what is wrong with one does not keep the others waiting."""
        with self._lock:
            here = self._catch_up()
            served, learned, known = self._served, self._learned, self._cursor
            out: list[Answer | CrossAisleError | None] = [None] * len(asks)
            people: list[Person] = []
            for place, ask in enumerate(asks):
                try:
                    person, there = self._asking(ask, served)
                    here &= there
                    people.append(person)
                except CrossAisleError as error:
                    out[place] = error
                    people.append(Person.of_items([]))
        # from here on only what does not change is read: `served` is replaced, never altered, but for items that are gone
        plain = [p for p, ask in enumerate(asks) if out[p] is None and ask.plain]
        quick = self._lists.plain(served, learned, [asks[p] for p in plain], [people[p] for p in plain], not here)
        for p, answer in zip(plain, quick, strict=True):
            out[p] = answer
        for p, ask in enumerate(asks):
            if out[p] is None:
                try:
                    out[p] = self._lists.special(served, learned, ask, people[p], not here)
                except CrossAisleError as error:
                    out[p] = error
        answers = [answer for answer in out if answer is not None]
        if self.settings.log_lists:
            self._log.add([answer for answer in answers if isinstance(answer, Answer)], known)
        return answers

    def _asking(self, ask: Ask, served: Served) -> tuple[Person, bool]:
        person, there = (Person.of_items([]), True) if ask.user_id is None else self._person(ask.user_id)
        codes = [served.codes[item] for item in ask.history or () if item in served.codes]
        if codes:
            person = person.then(codes, [-1] * len(codes), [np.nan] * len(codes))
        if ask.context_item is not None:
            person = person.then([served.catalogue.code(ask.context_item)], [served.kinds["view"]], [np.nan])
        return person, there

    # another version

    def look_for_new_version(self) -> bool:
        """Serve the version that the folder points to, if it is another one and loads; True where that happened.

        What serves goes on serving meanwhile. A version that cannot be used is refused, and `model` says why.
        """
        with self._swapping:
            name = self._watcher.poll()
            if name is None:
                return False
            try:
                served = self._made(*self._watcher.load(name))
            except ModelError:
                return False
            except StoreAway:  # what it needs of the store cannot be had: another time
                self._outages.away(time.time())
                self._watcher.again()
                return False
            except Exception as error:  # whatever is wrong with it, the version in service goes on, and `model` says why
                self._watcher.refused[name] = f"{type(error).__name__}: {error}"
                log.error("version %s cannot be served: %s", name, type(error).__name__)
                return False
            learned = self._learning(served)
            with contextlib.suppress(StoreAway):  # what was learned before the exchange is not to be missed after it
                learned.step(time.time(), self._ended)
            learned.learn_again(self._ended, FIRST)
            try:
                known, forgotten = self.records.forgotten_since(served.trained_to)
            except StoreAway:
                self._watcher.again()
                return False
            with self._changing:  # not before: who puts items does not wait while a long log is read
                try:
                    served = self._with_items(served)
                except StoreAway:
                    self._watcher.again()
                    return False
                with self._lock:
                    self._learned = learned
                    self._serve(served)
                    self._cursor, self._forgotten = known, self._forgotten | forgotten
            self._prepare(served)
            return True

    def flush(self) -> None:
        """Write the lists that were shown, now.

        Raises
        ------
        StoreAway
            If the store cannot be reached; they wait on.
        """
        self._log.flush()

    def close(self) -> None:
        """Write what waits and end."""
        self._ended.set()
        self._learner.close()
        self._pruner.close()
        self._log.close()

    # beside lists

    def similar(self, item_id: str, n: int = 10, other_categories: bool = False) -> list[dict[str, Any]]:
        """The items most like one: dicts of ``item_id``, ``category``, ``title``, ``score``, ``rank``, ``image``.

        Raises
        ------
        UnknownItem
            If the item is unknown or was taken out.
        RequestError
            If other categories are asked for and there are none.
        """
        with self._lock:
            self._catch_up()
            served = self._served
        code = served.catalogue.code(item_id)
        if served.gone[code]:
            raise UnknownItem(f"item {item_id[:80]!r} was taken out", "an item of the catalogue", "put it again, or ask for another one")
        table = similar_items(served.contents.scorer.item_vectors(), served.catalogue, code, n, other_categories, ~served.gone)
        return [{**row, **served.looks(served.codes[row[schema.ITEM]])} for row in table.iter_rows(named=True)]

    def user(self, user_id: str, last: int = 200) -> dict[str, Any]:
        """What is known of a person: ``known``, ``events`` (newest first, at most ``last``), ``categories`` (of all events), ...

        And ``n_events``, ``n_categories``, ``hidden``, ``disliked``, ``degraded``.
        """
        with self._lock:
            here = self._catch_up()
            person, there = self._person(user_id)
            served = self._served
        events = [
            {
                **served.looks(code),
                "event": served.kind_names.get(kind),
                "timestamp": None if np.isnan(when) else when,
            }
            for code, kind, when in zip(person.items.tolist(), person.kinds.tolist(), person.times.tolist(), strict=True)
        ]
        categories = list(dict.fromkeys(event[schema.CATEGORY] for event in reversed(events)))
        return {
            "user_id": user_id,
            "known": bool(events or person.hidden or person.disliked),
            "events": events[::-1][:last],
            "n_events": len(events),
            "categories": categories,
            "n_categories": len(categories),
            "hidden": [served.looks(code) for code in sorted(person.hidden)],
            "disliked": [served.looks(code) for code in sorted(person.disliked)],
            "degraded": not (here and there),
        }

    def find_items(self, text: str, n: int = 20) -> list[dict[str, Any]]:
        """Items whose title or id holds a text, in the order of the catalogue; for whoever invents a shopper."""
        with self._lock:
            self._catch_up()
            served = self._served
        wanted = text.casefold()
        found = (c for c, folded in enumerate(served.folded) if wanted in folded and not served.gone[c])
        return [served.looks(code) for code, _ in zip(found, range(n), strict=False)]

    def shoppers(self, n: int = 20) -> list[dict[str, Any]]:
        """People of the model to look at: those with the most aisles first among a fixed draw, ``user_id``, ``events``, ``categories``."""
        served, people = self._served, self._served.contents.people
        if people is None or not len(people.users):
            return []
        drawn = np.random.default_rng(0).permutation(len(people.users))[: max(200, 10 * n)]
        aisles = [list(dict.fromkeys(served.aisle_names[i] for i in people.histories.row(int(b)).tolist())) for b in drawn]
        order = sorted(range(len(drawn)), key=lambda k: (-len(aisles[k]), k))[:n]
        gone = [self.records.is_forgotten(people.users[int(drawn[k])]) for k in order]
        return [
            {"user_id": people.users[int(drawn[k])], "events": int(people.histories.lengths[drawn[k]]), "categories": aisles[k]}
            for k, away in zip(order, gone, strict=True)
            if not away
        ]

    def graph(self) -> dict[str, Any]:
        """The association graph of the model's histories, as ``crossaisle graph`` writes it.

        Raises
        ------
        RequestError
            If the model holds no histories.
        """
        return self._served.graph

    def model(self) -> dict[str, Any]:
        """Which version is served, what it is, and why the newest one is not, if it could not be used."""
        served = self._served
        return {
            **served.facts,
            "version": served.name,
            "items": int(served.catalogue.n_items - served.gone.sum()),
            "two_looks": served.quick is not None,
            "refused": self._watcher.refused,
            "lists_lost": self._log.lost,
        }

    def overview(self) -> dict[str, Any]:
        """What whoever runs the service looks at, see `crossaisle.live.overview`; and what was refused or lost."""
        told = overview(self._served, self._learned, self._watcher.folder)
        return {**told, "refused": self._watcher.refused, "lists_lost": self._log.lost}

    def undo_abnormal(self, item_id: str) -> None:
        """Say that an item is all right, although most people rejected it: it is not demoted until evidence from now on says so.

        Raises
        ------
        UnknownItem
            If the item is unknown.
        StoreAway
            If the store cannot be reached; nothing is changed.
        """
        self._served.catalogue.code(item_id)
        self._learned.undo(item_id, time.time())
        self._learn(_PATIENCE)

    # items

    def put_items(self, rows: Sequence[Mapping[str, Any]]) -> tuple[int, list[dict[str, str]]]:
        """Keep rows of an items table and list them from the next request on; how many were taken, and what is wrong with the others.

        Raises
        ------
        StoreAway
            If the store cannot be reached; nothing is changed.
        """
        told = _once_each(rows)
        with self._changing:
            with self._lock:
                before, known = self._served, self._cursor
            served, _, refused = before.put(told)
            bad = {row[schema.ITEM] for row in refused}
            good = [row for row in told if str(row.get(schema.ITEM)) not in bad]
            if good:
                self.records.put_items(good)
                with self._lock:  # items of another process may have joined meanwhile
                    self._serve(served if self._served is before else self._served.put(good)[0])
                    self._take_again(known)
        return sum(str(row.get(schema.ITEM)) not in bad for row in rows), refused

    def delete_item(self, item_id: str) -> None:
        """List an item no more, from the next request on.

        Raises
        ------
        UnknownItem
            If the item is unknown.
        StoreAway
            If the store cannot be reached; nothing is changed.
        """
        with self._changing:
            self._served.catalogue.code(item_id)
            known = self._cursor
            self.records.delete_item(item_id)
            with self._lock:
                self._served.take_out(item_id)
                self._take_again(known)

    def _take_again(self, known: Cursor) -> None:
        """Take what lists took since a cursor once more: the store's order counts, and what another process took out may be back by now."""
        if self._cursor != known:
            self._cursor = known
            self._catch_up()

    def _serve(self, served: Served) -> None:
        """Answer from these items from now on."""
        self._served = served
        self._learned.follow(served)
        self._people.clear()  # somebody may have bought what has only now become an item


def _once_each(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows, those of one item as one: what a later one does not say stays as an earlier one says it."""
    out, places = list[dict[str, Any]](), dict[Any, int]()
    for row in rows:
        place = places.setdefault(row.get(schema.ITEM), len(out))
        if place == len(out):
            out.append(dict(row))
        else:
            out[place] |= {name: value for name, value in row.items() if value is not None}
    return out
