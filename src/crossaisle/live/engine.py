"""The model in service. Imports: asking, history, learned, person, refit, repeated, served, settings, shown,
swap.

One request's way: `recommend` -> `_catch_up` (what the store took since) -> `_person` (history and refusals) -> `_score` or `_everything`
(scores of the items worth listing) -> `_choose` (feedback, filters, slate) -> answer; lists shown go to the store in the background.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from crossaisle import schema
from crossaisle.errors import CrossAisleError, ModelError, RequestError, StoreAway
from crossaisle.learn.explore import Slot
from crossaisle.live.asking import Answer, Ask
from crossaisle.live.history import swaps
from crossaisle.live.learned import Learned
from crossaisle.live.person import Person, together
from crossaisle.live.refit import cursor_of
from crossaisle.live.served import Served
from crossaisle.live.repeated import Repeated
from crossaisle.live.settings import LearnSettings, LiveSettings
from crossaisle.live.shown import ListLog
from crossaisle.live.swap import VersionWatcher
from crossaisle.rank.explain import explain
from crossaisle.rank.request import Request, check_beyond_history, touched_aisles
from crossaisle.rank.similar import similar_items
from crossaisle.rank.slate import slate
from crossaisle.rank.wish import WishScorer, append_wish, catalogue_with, checked_wish
from crossaisle.records import Changes, Event, Records, sign
from crossaisle.schema import Bools, Floats, Ints
from crossaisle.store import read_manifest, version_names
from crossaisle.whole.account import facts_of
from crossaisle.whole.lists import ListMaker
from crossaisle.whole.version import CURVES, Contents

__all__ = ["Engine"]

_NEW, _TRAININGS, _DAYS = 50, 10, 60
"""Rows of the overview."""


class _Chosen(NamedTuple):
    """A list as codes (n,) and scores (n,), and its places that explored."""

    items: Ints
    scores: Floats
    slots: list[Slot]


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

    Raises
    ------
    ModelError
        If the folder holds no version that loads.
    StoreAway
        If the store cannot be reached: what a person has turned down has to be known before the first list.
    """

    def __init__(
        self, folder: str | Path, records: Records, settings: LiveSettings | None = None, learn: LearnSettings | None = None
    ) -> None:
        self.settings, self.learn = settings or LiveSettings(), learn or LearnSettings()
        self.records = records
        self._watcher = VersionWatcher(folder)
        self._lock = threading.RLock()  # held while what is served changes, and while it is read for a batch
        self._drawing = threading.Lock()  # random numbers are drawn by one thread at a time
        self._changing = threading.Lock()  # held by whoever makes another set of items
        self._people: OrderedDict[str, Person] = OrderedDict()
        self._lists = ListMaker()
        self._away_until = 0.0
        self._served = self._made(*self._watcher.load())
        self._cursor = self._served.trained_to
        self._log = ListLog(records, self.settings)
        self._learned = self._learning(self._served)
        self._rng = np.random.default_rng()
        self._catch_up(must=True)
        self._learner = Repeated(self._learn, "learning", self.settings.learn_seconds)

    def _learning(self, served: Served) -> Learned:
        """Nothing learned yet about a version."""
        return Learned(served, self.records, self.learn, time.time() - self.settings.learn_days * 86_400.0)

    def _learn(self) -> None:
        """Work in what came since; called again and again by a thread of its own."""
        with contextlib.suppress(StoreAway):
            self._learned.step(time.time())

    def _made(self, name: str, contents: Contents) -> Served:
        """A version ready to answer, with the items that the store has besides."""
        served = Served.of(name, contents, self.settings, cursor_of(contents.report, self.records))
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
        for user in changes.forgotten.among(list(self._people)):
            self._people.pop(user, None)
        if changes.items:
            self._serve(self._served.put(changes.items)[0])
        for item in changes.gone:
            self._served.take_out(item)

    # people

    def _person(self, user_id: str) -> tuple[Person, bool]:
        """What is known of a person, and whether the store was there to ask."""
        found = self._people.get(user_id)
        if found is not None:
            self._people.move_to_end(user_id)
            return found, True
        served = self._served
        if time.monotonic() < self._away_until:
            return served.known_person(user_id), False
        try:
            forgotten = user_id in served.rows and self.records.is_forgotten(user_id)
            events = self.records.events_of(user_id)
            since = self.records.events_of(user_id, served.trained_to.seq) if served.trained_to.seq and not forgotten else events
        except StoreAway:
            self._away_until = time.monotonic() + self.settings.away_seconds
            return served.known_person(user_id), False
        person = Person.of_items([]) if forgotten else served.known_person(user_id)
        person = _after(person, events, since, served)
        self._people[user_id] = person
        while len(self._people) > self.settings.people:
            self._people.popitem(last=False)
        return person, True

    # lists

    def recommend(self, asks: Sequence[Ask]) -> list[Answer | CrossAisleError]:
        """One answer an ask, in their order; what is wrong with one does not keep the others waiting."""
        with self._lock:
            here = self._catch_up()
            served = self._served
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
        for p, answer in zip(plain, self._plain(served, [asks[p] for p in plain], [people[p] for p in plain], not here), strict=True):
            out[p] = answer
        for p, ask in enumerate(asks):
            if out[p] is None:
                try:
                    out[p] = self._special(served, ask, people[p], not here)
                except CrossAisleError as error:
                    out[p] = error
        answers = [answer for answer in out if answer is not None]
        if self.settings.log_lists:
            self._log.add([answer for answer in answers if isinstance(answer, Answer)])
        return answers

    def _asking(self, ask: Ask, served: Served) -> tuple[Person, bool]:
        there = True
        if ask.history is not None:
            codes = [served.codes[item] for item in ask.history if item in served.codes]
            person = Person.of_items(codes)
        elif ask.user_id is not None:
            person, there = self._person(ask.user_id)
        else:
            person = Person.of_items([])
        if ask.context_item is not None:
            person = person.then([served.catalogue.code(ask.context_item)], [-1], [np.nan])
        return person, there

    def _plain(self, served: Served, asks: Sequence[Ask], people: Sequence[Person], degraded: bool) -> list[Answer]:
        """Answers to asks that need no more than scores, many at once."""
        self._score([person for person in people if len(person.items) and person.pool is None], served)
        out = []
        for ask, person in zip(asks, people, strict=True):
            items, scores = person.pool or _popular(served, ask.n + len(person.hidden))
            chosen = self._choose(served, ask, person, items, scores, None)
            if len(chosen.items) < ask.n and len(items) < served.catalogue.n_items:  # too few of the pool are left
                chosen = self._choose(served, ask, person, *self._everything(served, person), None)
            out.append(self._answer(served, ask, chosen, degraded))
        return out

    def _score(self, people: Sequence[Person], served: Served) -> None:
        """Give each of these people, who have a history, the items worth listing to them."""
        if not people:
            return
        histories = together(people)
        if served.quick is not None:
            for person, items, scores in zip(people, *served.quick.best(histories), strict=True):
                person.pool = items, scores
            return
        size = min(self.settings.exact_pool, served.catalogue.n_items)
        for person, scores in zip(people, served.contents.scorer.score(histories), strict=True):
            best = np.argpartition(-scores, size - 1)[:size]
            best.sort()  # equal scores are listed in the order of the catalogue
            person.pool = best, scores[best]

    def _everything(self, served: Served, person: Person) -> tuple[Ints, Floats]:
        """Every item and its score, by all parts of the model."""
        every = np.arange(served.catalogue.n_items)
        if not len(person.items):
            return every, served.catalogue.popularity
        return every, served.contents.scorer.score(together([person]))[0]

    def _special(self, served: Served, ask: Ask, person: Person, degraded: bool) -> Answer:
        """The answer to an ask that filters the catalogue, wishes for something or wants reasons: every item is scored by every part."""
        request = Request(
            k=ask.n,
            categories=ask.categories,
            beyond_history=ask.beyond_history,
            where=ask.where,
            max_per_category=ask.max_per_category,
            diversity=ask.diversity,
            lang=ask.lang,
        )
        allowed = served.eligible(request)
        history, scorer, catalogue = together([person]), served.contents.scorer, served.catalogue
        if ask.beyond_history:
            check_beyond_history(request, catalogue, history)
            allowed &= ~touched_aisles(history, catalogue)[0][catalogue.item_aisles]
        notes: list[str] = []
        asked, looked_at = history, catalogue
        teller: Any = scorer
        if ask.wish is not None:
            wish = checked_wish(ask.wish)
            looked_at = catalogue_with(catalogue, wish)
            teller = WishScorer(scorer, looked_at.items.tail(1), served.contents.settings.wish)
            asked = append_wish(history, looked_at.wish)
            items, scores = np.arange(catalogue.n_items), teller.score(asked)[0, :-1]
        else:
            items, scores = self._everything(served, person)
        chosen = self._choose(served, ask, person, items, scores, allowed)
        answer = self._answer(served, ask, chosen, degraded)
        if ask.explain and len(chosen.items):
            associations = self._lists.associations(served.contents, ask.lang, notes.append)
            first = np.zeros(len(chosen.items), np.int64)
            why = explain(teller, looked_at, asked, first, chosen.items, ask.lang, associations)
            for item, reason in zip(answer.items, why.iter_rows(named=True), strict=True):
                item.update({name: reason[name] for name in (schema.BECAUSE, schema.PATH, schema.REASON)})
        return dataclasses.replace(answer, notes=notes)

    def _choose(self, served: Served, ask: Ask, person: Person, items: Ints, scores: Floats, allowed: Bools | None) -> _Chosen:
        """The items of a list, best first.

        Parameters
        ----------
        items : int64 (P,)
        scores : float32 (P,)
        allowed : bool (N,), optional
            What the request allows; by default what is available.
        """
        free = (served.catalogue.available & ~served.gone if allowed is None else allowed)[items]
        free &= ~np.isin(items, np.array([*person.items.tolist(), *person.hidden], np.int64))
        adjustment = self._learned.adjustment
        if adjustment is not None and len(adjustment) == served.catalogue.n_items:
            scores = scores + adjustment[items]
        scores = self._sunk(served, person, items, scores)
        columns = slate(
            scores[None],
            ask.n,
            groups=served.catalogue.item_aisles[items],
            allowed=free[None],
            max_per_group=ask.max_per_category,
            diversity=ask.diversity,
            vectors=served.units[items] if ask.diversity > 0 else None,
        )[0]
        columns, slots = columns[columns >= 0], list[Slot]()
        if self.learn.explore.share > 0 and len(columns) and ask.max_per_category is None:
            touched = np.unique(served.catalogue.item_aisles[person.items])
            with self._drawing:
                columns, slots = self._learned.explore(served, items, scores, free, columns, touched, self._rng)
        return _Chosen(items[columns], scores[columns], slots)

    def _sunk(self, served: Served, person: Person, items: Ints, scores: Floats) -> Floats:
        """Scores after what is near to something that the person turned down has sunk."""
        refused = [*person.hidden, *person.disliked]
        if not refused:
            return scores
        nearest = (served.units[items] @ served.units[np.array(refused)].T).max(axis=1)
        s = self.settings
        return np.asarray(scores - s.sink * np.clip((nearest - s.sink_from) / (1 - s.sink_from), 0.0, 1.0), dtype=np.float32)

    def _answer(self, served: Served, ask: Ask, chosen: _Chosen, degraded: bool) -> Answer:
        explored = {slot.position: slot.probabilities[slot.choice] for slot in chosen.slots}
        items = [
            {
                **served.looks(code),
                schema.SCORE: score,
                schema.RANK: place,
                "propensity": explored.get(place, 1.0),
                schema.BECAUSE: None,
                schema.PATH: None,
                schema.REASON: None,
            }
            for place, (code, score) in enumerate(zip(chosen.items.tolist(), chosen.scores.tolist(), strict=True), 1)
        ]
        context: dict[str, Any] = {"n": ask.n, "policy": "explore" if chosen.slots else "greedy"}
        if chosen.slots:
            context["explored"] = [slot.to_json() for slot in chosen.slots]
        return Answer(secrets.token_hex(12), ask.user_id, served.name, degraded, items, context=context)

    # another version

    def look_for_new_version(self) -> bool:
        """Serve the version that the folder points to, if it is another one and loads; True where that happened.

        What serves goes on serving meanwhile. A version that cannot be used is refused, and `model` says why.
        """
        with self._changing:
            name = self._watcher.poll()
            if name is None:
                return False
            try:
                served = self._made(*self._watcher.load(name))
            except ModelError:
                return False
            except StoreAway:  # what it needs of the store cannot be had: another time
                self._watcher.again()
                return False
            learned = self._learning(served)
            with contextlib.suppress(StoreAway):  # what was learned before the exchange is not to be missed after it
                learned.step(time.time())
            with self._lock:
                self._learned = learned
                self._serve(served)
                self._cursor = served.trained_to
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
        self._learner.close()
        self._log.close()

    # beside lists

    def similar(self, item_id: str, n: int = 10, other_categories: bool = False) -> list[dict[str, Any]]:
        """The items most like one: dicts of ``item_id``, ``category``, ``title``, ``score``, ``rank``, ``image``.

        Raises
        ------
        RequestError
            If the item is unknown or was taken out, or other categories are asked for and there are none.
        """
        with self._lock:
            self._catch_up()
            served = self._served
        code = served.catalogue.code(item_id)
        if served.gone[code]:
            raise RequestError(f"item {item_id[:80]!r} was taken out", "an item of the catalogue", "put it again, or ask for another one")
        table = similar_items(served.contents.scorer.item_vectors(), served.catalogue, code, n, other_categories, ~served.gone)
        return [{**row, **served.looks(served.codes[row[schema.ITEM]])} for row in table.iter_rows(named=True)]

    def user(self, user_id: str, last: int = 200) -> dict[str, Any]:
        """What is known of a person: ``known``, ``events`` (newest first, at most ``last``), ``hidden``, ``disliked``, ``degraded``."""
        with self._lock:
            here = self._catch_up()
            person, there = self._person(user_id)
            served = self._served
        names = served.catalogue.event_names
        events = [
            {
                **served.looks(code),
                "event": names[kind] if 0 <= kind < len(names) else None,
                "timestamp": None if np.isnan(when) else when,
            }
            for code, kind, when in zip(person.items.tolist(), person.kinds.tolist(), person.times.tolist(), strict=True)
        ]
        return {
            "user_id": user_id,
            "known": bool(events or person.hidden or person.disliked),
            "events": events[::-1][:last],
            "n_events": len(events),
            "hidden": [served.looks(code) for code in sorted(person.hidden)],
            "disliked": [served.looks(code) for code in sorted(person.disliked)],
            "degraded": not (here and there),
        }

    def find_items(self, text: str, n: int = 20) -> list[dict[str, Any]]:
        """Items whose title or id holds a text, in the order of the catalogue; for whoever invents a shopper."""
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
            "version": served.name,
            "items": int(served.catalogue.n_items - served.gone.sum()),
            "two_looks": served.quick is not None,
            "refused": self._watcher.refused,
            "lists_lost": self._log.lost,
            **facts_of(served.contents),
        }

    def overview(self) -> dict[str, Any]:
        """What whoever runs the service looks at: quality, trainings with their curves, feedback by day, what is abnormal, new, exchanged."""
        served, learned, folder = self._served, self._learned, self._watcher.folder
        undone = learned.undone()
        shown = learned.shown_lately()
        new = np.flatnonzero((served.contents.scorer.counts == 0) & ~served.gone)
        new = new[np.argsort(-shown[new], kind="stable")][:_NEW]
        told = {
            "version": served.name,
            "created": read_manifest(folder / served.name).get("created"),
            "items": int(served.catalogue.n_items - served.gone.sum()),
            "people": len(served.rows),
            "quality": served.contents.quality,
            "trainings": [_training(folder, name) for name in version_names(folder)[-_TRAININGS:]],
            "feedback": [{"day": day, **of_day} for day, of_day in sorted(learned.days.items())[-_DAYS:]],
            "abnormal": [
                {**served.looks(row["item"]), **{k: v for k, v in row.items() if k != "item"}, "undone": undone.get(served.ids[row["item"]])}
                for row in learned.abnormal()
            ],
            "undone": [{**served.looks(served.codes[item]), "when": when} for item, when in undone.items() if item in served.codes],
            "new_items": [{**served.looks(code), "shown": int(shown[code])} for code in new.tolist()],
            "n_new_items": int(((served.contents.scorer.counts == 0) & ~served.gone).sum()),
            "swaps": swaps(folder),
            "refused": self._watcher.refused,
            "lists_lost": self._log.lost,
        }
        return told

    def undo_abnormal(self, item_id: str) -> None:
        """Say that an item is all right, although most people rejected it: it is not demoted until evidence from now on says so.

        Raises
        ------
        RequestError
            If the item is unknown.
        StoreAway
            If the store cannot be reached; nothing is changed.
        """
        self._served.catalogue.code(item_id)
        self._learned.undo(item_id, time.time())
        self._learn()

    # items

    def put_items(self, rows: Sequence[Mapping[str, Any]]) -> tuple[int, list[dict[str, str]]]:
        """Keep rows of an items table and list them from the next request on; how many were taken, and what is wrong with the others.

        Raises
        ------
        StoreAway
            If the store cannot be reached; nothing is changed.
        """
        with self._changing:
            served, taken, refused = self._served.put(rows)
            bad = {row[schema.ITEM] for row in refused}
            good = [dict(row) for row in rows if str(row.get(schema.ITEM)) not in bad]
            if good:
                self.records.put_items(good)
                with self._lock:
                    self._serve(served)
        return taken, refused

    def delete_item(self, item_id: str) -> None:
        """List an item no more, from the next request on.

        Raises
        ------
        RequestError
            If the item is unknown.
        StoreAway
            If the store cannot be reached; nothing is changed.
        """
        with self._changing:
            code = self._served.catalogue.code(item_id)
            self.records.delete_item(item_id)
            self._served.gone[code] = True

    def _serve(self, served: Served) -> None:
        """Answer from these items from now on."""
        self._served = served
        self._learned.follow(served)
        self._people.clear()  # somebody may have bought what has only now become an item
        self._lists.forget()


def _popular(served: Served, n: int) -> tuple[Ints, Floats]:
    """What somebody without a history is shown: more items than will be listed, best first, and their scores."""
    items = served.by_popularity[: n + 200]
    return items, served.catalogue.popularity[items]


def _after(person: Person, turned_down: Sequence[Event], done: Sequence[Event], served: Served) -> Person:
    """A person after events: of all kinds for what was turned down, of those that the model does not know yet for the history."""
    hidden, disliked = set[int](), set[int]()
    for event in turned_down:
        code = served.codes.get(event.item_id)
        if code is None:
            continue
        said = sign(event.event, event.value)
        if said < 0:
            (hidden if event.event == "hide" else disliked).add(code)
        elif event.event == "unhide":
            hidden.discard(code)
            disliked.discard(code)
        elif event.event in ("like", "rating") and said > 0:
            disliked.discard(code)
    new = [event for event in done if sign(event.event, event.value) > 0 and event.item_id in served.codes]
    codes, kinds = [served.codes[e.item_id] for e in new], [served.kinds.get(e.event, -1) for e in new]
    out = person.then(codes, kinds, [e.timestamp for e in new]) if new else person
    return dataclasses.replace(out, hidden=frozenset(hidden), disliked=frozenset(disliked))


def _training(folder: Path, name: str) -> dict[str, Any]:
    """A version's name, age and curves; without what cannot be read."""
    try:
        created = read_manifest(folder / name).get("created")
        curves = json.loads((folder / name / CURVES).read_text(encoding="utf-8"))
    except (ModelError, OSError, ValueError):
        created, curves = None, {}
    return {"version": name, "created": created, "curves": curves}
