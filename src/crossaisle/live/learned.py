"""What a service learns from feedback between two trainings. Imports: again, outages, served, settings, tastes.

One thread reads lists shown and events in the order of the store and keeps four things from them: item and aisle biases (`learn.online`),
items that most people reject (`learn.abnormal`), what exploring has taught (`learn.explore`) and how often each item was shown lately.
What follows from that for the scores is one array, `Learned.adjustment`, replaced about once a second; what one person did counts for
that person at once and is not this file's business. What people take again is learned for lists that hold what somebody had
(`live.again`). Where the setting asks for it, the network's last layer is corrected, too (`live.tastes`).

Biases are of what the training does not know; rejections and exploring are of lists shown and of the answers to these lists, whenever the
model was trained, so that another version goes on where the one before it stood.

A list counts as shown when it was made. Lists are read with a delay of `LAG` seconds, because they are written in the background and by
several processes; every worker that reads the same store comes to the same state (`live.again` apart: nearly to the same). Lists that may
hold what a person had teach nothing of what is rejected.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from crossaisle.errors import StoreAway
from crossaisle.learn.abnormal import Feedback, person_key
from crossaisle.learn.explore import Explorer, Outcomes, Slot, base_features, places_to_explore, pool_of
from crossaisle.learn.online import OnlineBiases
from crossaisle.live.again import AT_ONCE, Again
from crossaisle.live.outages import Outages
from crossaisle.live.served import Served
from crossaisle.live.settings import LearnSettings
from crossaisle.live.tastes import Tastes
from crossaisle.records import Cursor, Event, Forgotten, Records, ShownList, sign
from crossaisle.schema import Bools, Floats, Ints, Times

__all__ = ["LAG", "Learned"]

LAG = 3.0
_BREATH = 16
"""Lists that are read in one go."""
_FEW = 2_000
"""Up to so many lists, a seventh of the time is spent on them and the rest left to others."""
_UNDONE = "undone"
"""Key of the store's value with what was undone: item id -> unix seconds."""
_AT_ONCE = 10_000
"""Listed items that are worked in together."""
_RECENT = 50_000
"""Lists whose places are held ready for the events that follow."""
_ANSWERED = 100_000
"""Answers that are remembered, so that what follows one to the same showing is no second answer."""

_UNKNOWN = 10_000
"""Events of unknown items that wait, the newest."""
_DAYS = 1_000
"""Days that are counted, the newest."""

_Places = dict[str, tuple[int, bool]]


@lru_cache(maxsize=64)
def _day(days: int) -> str:
    """ISO 8601 of so many days after the first of 1970."""
    return str(np.datetime64(days, "D"))


def _counts(shown: ShownList) -> bool:
    """Whether a list says what its places are worth: what somebody has had is taken so much more often that the others seem rejected."""
    return "keep_seen" not in shown.context.get("beside", ())


class Learned:
    """See the file's first lines. `step` is for one thread; the rest may be called from others.

    Parameters
    ----------
    served : Served
        The version in service, with the items that joined.
    records : Records
    settings : LearnSettings
    since : float
        Unix seconds; lists shown before it are not read.
    outages : Outages, optional
        What is known of the store, by whoever else reads it too.

    Attributes
    ----------
    adjustment : float32 (N,) or None
        Added to every score; None where nothing has been learned.
    tastes : Tastes or None
        The corrections of the last layer; None where they are off.
    again : Again or None
        What people take again; None where that is off, or there are too many items.
    outdated : bool
        Somebody has been forgotten after something may have been learned from them: only learning anew is without them.
    days : dict
        Day (ISO 8601) -> kind of event -> how many, ``lists`` among them.
    """

    def __init__(self, served: Served, records: Records, settings: LearnSettings, since: float, outages: Outages | None = None) -> None:
        self.records, self.settings, self.outages = records, settings, outages or Outages()
        self._served, self._codes, self._n = served, served.codes, served.catalogue.n_items
        aisles, counts = served.catalogue.item_aisles, served.contents.scorer.counts
        self._aisles, self._counts = aisles, counts
        self.biases = OnlineBiases(counts, aisles, settings.online)
        self.tastes = Tastes(served, records, settings.last_layer) if settings.last_layer.on else None
        self.again = Again(served, records, settings.repeats) if settings.repeats.on and Again.possible(served) else None
        self.feedback = Feedback(self._n, settings.abnormal)
        self.explorer = Explorer(settings.explore)
        self._outcomes = Outcomes()
        self._shown_lately = np.zeros(self._n)
        self._cursor: Cursor = served.trained_to
        self._trained, self._since = served.trained_to.seq, since
        self._unknown: deque[tuple[int, Event]] = deque(maxlen=_UNKNOWN)
        """Events of items that nobody has put as far as this version knows: they are taken once it does."""
        self._known = self._n
        """So many items there were when `_unknown` was last looked at."""
        self._past: int | None = None
        """Up to where the events of before the training are read, which may answer lists shown since; None: not begun."""
        self._read_to, self._read_at = since, set[str]()
        """Lists before this moment are read, and of this moment itself these."""
        self._recent: OrderedDict[str, tuple[tuple[str, int, bool], ...] | _Places] = OrderedDict()
        """Item, place and whether it explored; plain tuples, which the garbage collector does not go through again and again."""
        self._answered: OrderedDict[int, None] = OrderedDict()
        """Showings that somebody has answered, the latest; their list need not be among the recent ones."""
        self._rows: tuple[list[int], list[int], list[float], list[int]] = [], [], [], []
        """Places shown that did not explore, and are not worked in yet: codes, positions, times, who."""
        self._listed: list[int] = []
        """Codes of what was listed, exploring places among them, and is not worked in yet."""
        self._undone: dict[str, float] = {}
        self._lock = threading.Lock()
        self.adjustment: Floats | None = None
        self.outdated = False
        self._caught_up = False
        self._first_head: Cursor | None = None
        self.days: dict[str, dict[str, int]] = {}

    def follow(self, served: Served) -> None:
        """Items joined: go on with them."""
        if self.tastes is not None:
            self.tastes.follow(served)
        if self.again is not None:
            self.again.follow(served)
            if not Again.possible(served):
                self.again = None
        with self._lock:
            more = served.catalogue.n_items - self._n
            self._served, self._codes = served, served.codes
            if more <= 0:
                return
            self._aisles, self._counts = served.catalogue.item_aisles, served.contents.scorer.counts
            self.biases.add_items(more, self._aisles[self._n :])
            self.feedback.add_items(more)
            self._shown_lately = np.append(self._shown_lately, np.zeros(more))
            if self.adjustment is not None:
                self.adjustment = np.append(self.adjustment, np.zeros(more, np.float32))
            self._n += more

    # reading the log

    def step(self, now: float, ended: threading.Event | None = None) -> bool:
        """Read what came, and work out what follows; False where there was nothing.

        Parameters
        ----------
        now : float
            Unix seconds.
        ended : threading.Event, optional
            Once set, what is left to read is left to the next call.

        Raises
        ------
        StoreAway
            If the store cannot be reached; the next call goes on.
        """
        began = time.monotonic()
        try:
            read = self._step(now, ended or threading.Event())
        except StoreAway:
            self.outages.away(now + time.monotonic() - began)
            raise
        self.outages.well(now)
        return read

    def learn_again(self, ended: threading.Event, n: int = AT_ONCE) -> None:
        """Work in up to n events of what people take again, where the log has been read; nobody waits for it."""
        again = self.again
        if again is None or not (self._caught_up and self.outages.is_well):  # who was forgotten since is known from there on
            return
        try:
            again.work(ended, n)
        except StoreAway:
            self.outages.away(time.time())

    def _step(self, now: float, ended: threading.Event) -> bool:
        until = self.outages.read_until(now) - LAG
        read = False
        if not self._caught_up:  # a call that found the store away may have read of somebody who was forgotten since
            self._first_head = self._first_head or self.records.head()
        undone = self.records.get_value(_UNDONE) or {}
        with self._lock:  # first, so that of what is read now only what came after it counts
            for item, when in undone.items():
                if self._undone.get(item) != when and item in self._codes:
                    self.feedback.undo(self._codes[item], when)
                    self.biases.forgive(self._codes[item], when)
                    self._undone[item] = when
                    read = True
        began = time.monotonic()
        for n, shown in enumerate(self.records.lists(self._read_to, until), 1):
            if shown.timestamp > self._read_to:
                self._read_to, self._read_at = shown.timestamp, set()
            elif shown.recommendation_id in self._read_at:
                continue
            self._read_at.add(shown.recommendation_id)  # as soon as it is read: a store that goes away meanwhile is gone on with here
            with self._lock:
                self._take_list(shown)
                if len(self._listed) >= _AT_ONCE:
                    self._take_rows()
            if n % _BREATH == 0:
                # lists that are made meanwhile do not wait for many that were; whoever has very many to read goes on faster
                if ended.wait(max(0.002, 6 * (time.monotonic() - began)) if n < _FEW else 0.002):
                    return True
                began = time.monotonic()
            read = True
        with self._lock:
            self._take_rows()
        if until > self._read_to:
            self._read_to, self._read_at = until, set()
        if not self._read_past(ended):
            return True
        self._take_unknown()
        while True:
            changes = self.records.changes(self._cursor)
            places = self._places_of(changes.events)
            self.outdated |= self._caught_up and bool(changes.forgotten)
            if self.tastes is not None and (changes.events or changes.forgotten):  # the last that may find the store away
                self.tastes.take([event for _, event in changes.events if not self._served.holds(event)], changes.forgotten)
            if changes.events:
                with self._lock:
                    self._take_events(changes.events, places)
                read = True
            self._cursor = changes.cursor
            if not changes.more:
                break
            if ended.is_set():
                return True
        if not self._caught_up and self._first_head is not None:  # of who was forgotten before reading began nothing was left to read
            self.outdated, self._caught_up = bool(self.records.forgotten_since(self._first_head)[1]), True
        if self.tastes is not None:
            self.tastes.renew(now)
        with self._lock:
            if self.settings.explore.share > 0:
                known = self._outcomes.known(now)
                if known:
                    self.explorer.take([features for features, _ in known], [reward for _, reward in known])
            # both are kept for a while by themselves, so that what was left for later is worked in without another event
            bias, demotion = self.biases.bias(now), self.feedback.demotion(now)
            self.adjustment = np.asarray(bias - demotion, np.float32) if bias.any() or demotion.any() else None
        return read

    def _read_past(self, ended: threading.Event) -> bool:
        """Read the answers that the training knows already, to lists that were shown not too long ago; False where that was broken off."""
        if self._past is None:
            self._past = self.records.received_before(self._since)
        if self._past < self._trained:
            began = time.monotonic()
            for piece in self.records.events(self._past, self._trained):
                places = self._places_of(piece)
                with self._lock:
                    self._take_events(piece, places)
                self._past = piece[-1][0]
                if ended.wait(2 * (time.monotonic() - began)):  # lists go on between two pieces of a long log
                    return False
                began = time.monotonic()
            self._past = self._trained
        return True

    def _take_unknown(self) -> None:
        """Take events that came before their item did."""
        n = self._n
        if n == self._known:
            return
        waited = list(self._unknown)
        places = self._places_of(waited)
        if self.tastes is not None:
            self.tastes.take([e for seq, e in waited if seq > self._trained and e.item_id in self._codes], Forgotten())
        self._unknown.clear()
        with self._lock:
            self._take_events(waited, places, counted=True)
        self._known = n

    def _take_list(self, shown: ShownList) -> None:
        counts = _counts(shown)
        self._recent[shown.recommendation_id] = tuple([(i.item_id, i.position, i.explored) for i in shown.items]) if counts else ()
        while len(self._recent) > _RECENT:
            self._recent.popitem(last=False)
        self._count(shown.timestamp, "lists")
        known = [(code, i) for i in shown.items if (code := self._codes.get(i.item_id)) is not None]
        self._listed += [code for code, _ in known]
        plain = [(code, i.position) for code, i in known if counts and not i.explored]
        codes, positions, when, who = self._rows
        codes += [code for code, _ in plain]
        positions += [position for _, position in plain]
        when += [shown.timestamp] * len(plain)
        who += [person_key(shown.user_id if shown.user_id is not None else shown.recommendation_id)] * len(plain)
        for told in shown.context.get("explored", ()) if self.settings.explore.share > 0 else ():
            slot = Slot.from_json(told)
            self._outcomes.shown(shown.recommendation_id, slot.pool[slot.choice], slot.features[slot.choice], shown.timestamp)

    def _take_rows(self) -> None:
        """Places shown, of many lists at once: a call costs as much as a thousand rows."""
        if self._listed:
            np.add.at(self._shown_lately, self._listed, 1.0)
            self.feedback.shown(*self._rows)
            self._listed, self._rows = [], ([], [], [], [])

    def _places_of(self, events: Sequence[tuple[int, Event]]) -> dict[str, _Places]:
        return {e.recommendation_id: self._places(e.recommendation_id) for _, e in events if e.recommendation_id}

    def _places(self, recommendation_id: str) -> _Places:
        """Item id -> place and whether it explored, of a list that was shown; of one that is not counted any more, nothing."""
        found = self._recent.get(recommendation_id)
        if isinstance(found, dict):
            return found
        if found is not None:
            self._recent[recommendation_id] = known = {item: (position, explored) for item, position, explored in found}
            return known
        shown = self.records.list_of(recommendation_id)
        return (
            {}
            if shown is None or shown.timestamp < self._since or not _counts(shown)
            else {i.item_id: (i.position, i.explored) for i in shown.items}
        )

    def _take_events(self, events: Sequence[tuple[int, Event]], places: dict[str, _Places], counted: bool = False) -> None:
        self._unknown.extend(one for one in events if one[1].item_id not in self._codes)
        came = [(seq, e) for seq, e in events if seq > self._trained and not self._served.holds(e)]
        known = [(self._codes[e.item_id], sign(e.event, e.value), e.timestamp) for _, e in came if e.item_id in self._codes]
        if known:
            codes, signs, times = (np.array(x) for x in zip(*known, strict=True))
            self.biases.take(codes, signs, times)
        again = self.again
        if again is not None:
            again.take([(self._codes.get(e.item_id), e) for _, e in came], counted)
        answers: dict[int, list[tuple[int, int, float]]] = {1: [], -1: []}
        for _, e in events:
            if not counted:
                self._count(e.timestamp, e.event)
            said = sign(e.event, e.value)
            if not said or not e.recommendation_id or e.item_id not in self._codes:
                continue
            place, showing = places.get(e.recommendation_id, {}).get(e.item_id), hash((e.recommendation_id, e.item_id))
            if place is None or showing in self._answered:  # once a showing, whatever followed
                continue
            self._answered[showing] = None
            while len(self._answered) > _ANSWERED:
                self._answered.popitem(last=False)
            if place[1] and self.settings.explore.share > 0:
                self._outcomes.answered(e.recommendation_id, e.item_id, said > 0, e.timestamp)
            elif not place[1]:
                answers[said].append((self._codes[e.item_id], place[0], e.timestamp))
        for said, take in ((1, self.feedback.accepted), (-1, self.feedback.rejected)):
            if answers[said]:
                codes, positions, times = (np.array(x) for x in zip(*answers[said], strict=True))
                take(codes, positions, times)

    def _count(self, when: float, kind: str) -> None:
        day = _day(int(when // 86_400)) if 0 <= when < time.time() + 86_400 else "unknown"  # a sender's clock may say anything
        of_day = self.days.setdefault(day, {})
        of_day[kind] = of_day.get(kind, 0) + 1
        if len(self.days) > _DAYS:
            del self.days[min(self.days)]

    # what follows

    def abnormal(self) -> list[dict[str, Any]]:
        """Items that most people reject, with their figures; and those that a person has taken back."""
        with self._lock:
            rows = [row._asdict() for row in self.feedback.abnormal()]
        return [{**row, "demoted": self.settings.abnormal.demote > 0} for row in rows]

    def undo(self, item_id: str, now: float) -> None:
        """Say that an item is all right: only what happens from now on counts, in every process.

        Raises
        ------
        StoreAway
            If the store cannot be reached; nothing is changed.
        """
        self.records.change_value(_UNDONE, lambda undone: {**(undone or {}), item_id: now})

    def undone(self) -> dict[str, float]:
        """Item id -> when a person said that it is all right."""
        return dict(self._undone)

    def shown_lately(self) -> Times:
        """float64 (N,): in how many lists each item was, of those that were read."""
        return self._shown_lately

    def explore(
        self, served: Served, items: Ints, scores: Floats, allowed: Bools, chosen: Ints, touched: Ints, rng: np.random.Generator
    ) -> tuple[Ints, list[Slot]]:
        """The list with some places given to items that the model is not sure of.

        Parameters
        ----------
        items : int64 (P,)
        scores : float32 (P,)
            Of the items that could be listed.
        allowed : bool (P,)
            Which may be.
        chosen : int64 (n,)
            Places in ``items``: the list as the model would have it.
        touched : int64
            Aisles where the person has been.

        Returns
        -------
        chosen : int64 (n,)
        slots : list of Slot
            The places that explored.
        """
        out, slots, s = chosen.copy(), list[Slot](), self.settings.explore
        aisles = served.catalogue.item_aisles
        with self._lock:
            shown = self._shown_lately
            per_aisle = np.bincount(self._aisles, weights=shown, minlength=int(aisles.max(initial=0)) + 1)
            free = allowed.copy()
            free[out] = False
            for place in places_to_explore(len(out), s, rng):
                free[out[place - 1]] = True  # the item that the model would have there may be chosen like any other
                pool = pool_of(np.where(free, scores, -np.inf), shown[items], per_aisle[aisles[items]], s)
                codes = items[pool]
                features = base_features(
                    scores[pool], self._counts[codes], shown[codes], per_aisle[aisles[codes]], np.isin(aisles[codes], touched)
                )
                choice, p = self.explorer.explore(scores[pool], features, rng)
                out[place - 1] = pool[choice]
                free[pool[choice]] = False
                slots.append(
                    Slot(
                        place,
                        tuple(served.ids[c] for c in codes.tolist()),
                        tuple(scores[pool].tolist()),
                        tuple(tuple(row) for row in features.tolist()),
                        tuple(p.tolist()),
                        choice,
                    )
                )
        return out, slots
