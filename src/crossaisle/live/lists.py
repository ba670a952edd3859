"""From a person to a list: scores of the items worth listing, feedback, filters, slate.

Imports: asking, learned, person, served, settings.
"""

from __future__ import annotations

import dataclasses
import secrets
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from crossaisle import schema
from crossaisle.learn.explore import Slot
from crossaisle.live.asking import Answer, Ask
from crossaisle.live.learned import Learned
from crossaisle.live.person import Person, together
from crossaisle.live.served import Served
from crossaisle.live.settings import LearnSettings, LiveSettings
from crossaisle.rank.explain import explain
from crossaisle.rank.request import Request, check_beyond_history, touched_aisles
from crossaisle.rank.slate import slate
from crossaisle.rank.wish import WishScorer, append_wish, catalogue_with, checked_wish, wish_notes
from crossaisle.schema import Bools, Floats, Ints
from crossaisle.whole.lists import NO_GRAPH

__all__ = ["Lists", "sunk"]


_TRIED = {"en": "It is shown to learn whether people like it.", "zh": "展示此商品是为了了解大家是否喜欢。"}
"""The reason of a place that explored."""


_HAD = {"en": "Your history holds it already. ", "zh": "您的历史记录里已有此商品。"}
_BOUGHT = {
    "en": ("You bought it within the last day. ", "You bought it a day ago. ", "You bought it {} days ago. ", "You bought it on {}. "),
    "zh": ("您在过去一天内买过此商品。", "您 1 天前买过此商品。", "您 {} 天前买过此商品。", "您于 {} 买过此商品。"),
}
"""What is said before the reason for something that the person has had."""
_LONG = 60
"""Days after which the day is named (ISO 8601)."""


class _Chosen(NamedTuple):
    """A list as codes (n,) and scores (n,), and its places that explored."""

    items: Ints
    scores: Floats
    slots: list[Slot]


class Lists:
    """Makes answers from what is served and what was learned; several threads may ask at once."""

    def __init__(self, settings: LiveSettings, learn: LearnSettings) -> None:
        self.settings, self.learn = settings, learn
        self._rng, self._drawing = np.random.default_rng(), threading.Lock()  # random numbers are drawn by one thread at a time

    def plain(self, served: Served, learned: Learned, asks: Sequence[Ask], people: Sequence[Person], degraded: bool) -> list[Answer]:
        """Answers to asks that need no more than scores, many at once."""
        self._score([person for person in people if len(person.items) and person.pool is None], served)
        out = []
        for ask, person in zip(asks, people, strict=True):
            items, scores = person.pool or _popular(served, ask.n + len(person.hidden))
            chosen = self._choose(served, learned, ask, person, items, scores, None)
            if len(chosen.items) < ask.n and len(items) < served.catalogue.n_items:  # too few of the pool are left
                chosen = self._choose(served, learned, ask, person, *self._everything(served, person), None)
            out.append(self._answer(served, ask, chosen, degraded))
        return out

    def _score(self, people: Sequence[Person], served: Served) -> None:
        """Give each of these people, who have a history, the items worth listing to them."""
        if not people:
            return
        histories, states = together(people), None
        if self.learn.last_layer.on:  # corrections need the states, too
            states = served.contents.scorer.net.states(histories)
            for person, state in zip(people, states[0], strict=True):
                person.state = state
        if served.quick is not None:
            for person, items, scores in zip(people, *served.quick.best(histories, states), strict=True):
                person.pool = items, scores
            return
        size = min(self.settings.exact_pool, served.catalogue.n_items)
        for person, scores in zip(people, served.contents.scorer.score(histories), strict=True):
            best = np.argpartition(-scores, size - 1)[:size]
            best.sort()  # equal scores are listed in the order of the catalogue
            person.pool = best.astype(np.int32), scores[best]

    def _everything(self, served: Served, person: Person) -> tuple[Ints, Floats]:
        """Every item and its score, by all parts of the model."""
        every = np.arange(served.catalogue.n_items)
        if not len(person.items):
            return every, served.newcomer_scores
        return every, served.contents.scorer.score(together([person]))[0]

    def special(self, served: Served, learned: Learned, ask: Ask, person: Person, degraded: bool) -> Answer:
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
            teller = WishScorer(scorer, looked_at.items, served.contents.settings.wish)
            asked = append_wish(history, looked_at.wish)
            notes += wish_notes(scorer.net.reader, wish, history, [] if ask.user_id is None else [ask.user_id], ask.lang)
            items, scores = np.arange(catalogue.n_items), teller.score(asked)[0, :-1]
        else:
            items, scores = self._everything(served, person)
        chosen = self._choose(served, learned, ask, person, items, scores, allowed)
        answer = self._answer(served, ask, chosen, degraded)
        if ask.explain and len(chosen.items):
            if served.associations is None:
                notes.append(NO_GRAPH[ask.lang])
            first = np.zeros(len(chosen.items), np.int64)
            unlearned = served.unlearned
            why = explain(teller, looked_at, asked, first, chosen.items, ask.lang, served.associations, unlearned=unlearned)
            for item, reason in zip(answer.items, why.iter_rows(named=True), strict=True):
                item.update({name: reason[name] for name in (schema.BECAUSE, schema.PATH, schema.REASON)})
            for item, code in zip(answer.items, chosen.items.tolist(), strict=True):
                if code in person.items:
                    item[schema.REASON] = _had(served, person, code, ask.lang) + item[schema.REASON]
            for slot in chosen.slots:  # chance has put it there
                answer.items[slot.position - 1].update({schema.BECAUSE: None, schema.PATH: None, schema.REASON: _TRIED[ask.lang]})
        return dataclasses.replace(answer, notes=notes)

    def _choose(
        self, served: Served, learned: Learned, ask: Ask, person: Person, items: Ints, scores: Floats, allowed: Bools | None
    ) -> _Chosen:
        """The items of a list, best first.

        Parameters
        ----------
        items : int64 (P,)
        scores : float32 (P,)
        allowed : bool (N,), optional
            What the request allows; by default what is available.
        """
        listable = served.listable if allowed is None else allowed.copy()
        if not ask.keep_seen:
            listable[person.items] = False
        elif ask.context_item is not None:
            listable[served.codes[ask.context_item]] = False
        listable[list(person.hidden)] = False
        free, again = listable[items], learned.again
        if ask.keep_seen and again is not None and ask.wish is None:  # what is wished for in words does not hang on what is bought again
            scores = scores + again.adds(served, person, scores, time.time())  # of all items: such a list is never a quick one
        adjustment = learned.adjustment
        if adjustment is not None and len(adjustment) == served.catalogue.n_items:
            scores = scores + adjustment[items]
        corrections = None if learned.tastes is None else learned.tastes.corrections
        if corrections is not None and len(corrections) >= served.catalogue.n_items and len(person.items):
            if person.state is None:
                person.state = served.contents.scorer.net.states(together([person]))[0][0]
            scores = scores + corrections.scores(person.state, items)
        scores = sunk(served, person, items, scores, self.settings)
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
        if self.learn.explore.share > 0 and len(columns) and ask.max_per_category is None and not ask.keep_seen:
            touched = np.unique(served.catalogue.item_aisles[person.items])
            with self._drawing:
                columns, slots = learned.explore(served, items, scores, free, columns, touched, self._rng)
        return _Chosen(items[columns], scores[columns], slots)

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
        # what it was is nobody's business; that there was something matters to whoever wants to make the list again
        if beside := [name for name in ("history", "wish", "context_item", "keep_seen") if getattr(ask, name)]:
            context["beside"] = beside
        if chosen.slots:
            context["explored"] = [slot.to_json() for slot in chosen.slots]
        return Answer(secrets.token_hex(12), ask.user_id, served.name, degraded, items, context=context)


def sunk(served: Served, person: Person, items: Ints, scores: Floats, settings: LiveSettings) -> Floats:
    """float32 (P,): scores of items (P,), after what is near to something that the person turned down has sunk."""
    refused = [*person.hidden, *person.disliked]
    if not refused:
        return scores
    nearest, s = (served.units[items] @ served.units[np.array(refused)].T).max(axis=1), settings
    return np.asarray(scores - s.sink * np.clip((nearest - s.sink_from) / (1 - s.sink_from), 0.0, 1.0), dtype=np.float32)


def _had(served: Served, person: Person, code: int, lang: str) -> str:
    """A sentence on when a person bought an item last, or that it is in the history at all."""
    bought = person.times[(person.items == code) & (person.kinds == served.kinds["purchase"])]
    if np.isnan(bought).all():
        return _HAD[lang]
    last, said = float(np.nanmax(bought)), _BOUGHT[lang]
    days = max(int((time.time() - last) // 86_400), 0)
    return said[3].format(np.datetime64(int(last), "s").astype("datetime64[D]")) if days > _LONG else said[min(days, 2)].format(days)


def _popular(served: Served, n: int) -> tuple[Ints, Floats]:
    """What somebody without a history is shown: more items than will be listed, best first, and their scores."""
    items = served.by_popularity[: n + 200]
    return items, served.newcomer_scores[items]
