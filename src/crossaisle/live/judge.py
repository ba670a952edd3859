"""Which of two models answers the newest events better? Imports: news; blend, stats.

Every event that was kept from the challenger is a question: after all that this person had done until then, what comes next? Both models
get the same fresh history (the service is always fresh), rank the same catalogue, and may not name what the history holds. A person counts
once, with the mean of the questions about them, and the interval is that of paired differences between people.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crossaisle.blend.scorer import BlendScorer
from crossaisle.contracts import Progress, Scorer
from crossaisle.data.histories import Histories
from crossaisle.data.split_parts import at_most, target_mask
from crossaisle.live.news import News
from crossaisle.schema import Bools, Floats, Ints
from crossaisle.stats import PairedTest, Values, paired_test

__all__ = ["Questions", "Verdict", "answers", "ask", "by_person", "compare", "held_back"]

_SCORES = 20_000_000
"""Scores held at once."""


@dataclass(frozen=True, eq=False)
class Questions:
    """Q questions about P people.

    Attributes
    ----------
    histories : Histories
        Q rows: what the person had done until then.
    targets : int64 (Q,)
        The item that came next.
    people : int64 (Q,)
        Who is asked about, user codes.
    """

    histories: Histories
    targets: Ints
    people: Ints

    @property
    def n_people(self) -> int:
        return len(np.unique(self.people))


@dataclass(frozen=True)
class Verdict:
    """How two models did, N@10 as the mean over people, and the interval of the paired difference."""

    in_service: float
    challenger: float
    test: PairedTest
    people: int
    questions: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        t = self.test
        return {
            "in service": round(self.in_service, 6),
            "challenger": round(self.challenger, 6),
            "difference": round(t.difference, 6),
            "low": round(t.low, 6),
            "high": round(t.high, 6),
            "people": self.people,
            "questions": self.questions,
        }


def held_back(news: News, share: float) -> Bools:
    """bool (E,): the newest share of the new events, by time; all of one moment are on the same side."""
    times = np.sort(news.data.histories.times[news.new])
    if not len(times):
        return np.zeros_like(news.new)
    cut = times[min(int(len(times) * (1 - share)), len(times) - 1)]
    return np.asarray(news.new & (news.data.histories.times >= cut))


def ask(news: News, held: Bools, target_events: tuple[str, ...], people: int, seed: int) -> Questions:
    """One question for each held-back event that has an answer: of a kind that counts, after a history, an item that is new to the person
    and can be recommended.

    Parameters
    ----------
    people : int
        Most people who are asked about; more are drawn from by chance.
    """
    h, n = news.data.histories, news.data.n_items
    known = [name for name in target_events if name in news.data.event_names]
    if known:
        held = held & target_mask(news.data, known)
    owners = h.owners
    pairs = owners * n + h.items
    first = np.zeros(len(pairs), dtype=bool)
    first[np.unique(pairs, return_index=True)[1]] = True  # only what was never done before has an answer
    place = np.arange(len(pairs)) - h.offsets[owners]
    wanted = np.flatnonzero(held & first & (place > 0) & ~news.gone[h.items])
    chosen = at_most(np.unique(owners[wanted]), people, seed)
    wanted = wanted[np.isin(owners[wanted], chosen)]
    lengths = place[wanted]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    take = np.arange(int(offsets[-1])) + np.repeat(wanted - lengths - offsets[:-1], lengths)
    return Questions(h._take(offsets, take), h.items[wanted], owners[wanted])


def compare(
    in_service: BlendScorer,
    challenger: BlendScorer,
    asked: Questions,
    news: News,
    seed: int,
    events: tuple[str, ...],
    progress: Progress | None = None,
) -> Verdict:
    """N@10 of both models on the same questions.

    Parameters
    ----------
    in_service : BlendScorer
        Its first items are those of ``news.data``; of items that it does not know it can name none.
    events : tuple of str
        Its kinds of events, the first of ``news.data``; one that it does not know adds nothing to a history.
    """
    old = by_person(answers(in_service, asked, news, len(events), "asking the model in service", progress), asked)
    new = by_person(answers(challenger, asked, news, len(news.data.event_names), "asking the challenger", progress), asked)
    return Verdict(float(old.mean()), float(new.mean()), paired_test(new, old, seed), len(old), len(asked.targets))


def by_person(values: Values, asked: Questions) -> Values:
    """float64 (P,): the mean of the questions (Q,) about each person.

    Examples
    --------
    >>> asked = Questions(Histories.from_lists([[0], [0], [1]]), np.array([1, 2, 2]), np.array([7, 7, 9]))
    >>> by_person(np.array([1.0, 0.5, 0.0]), asked).tolist()
    [0.75, 0.0]
    """
    place = np.unique(asked.people, return_inverse=True)[1]
    return np.bincount(place, weights=values) / np.bincount(place)


def answers(scorer: Scorer, asked: Questions, news: News, n_events: int, stage: str = "asking", progress: Progress | None = None) -> Values:
    """float64 (Q,): N@10 of each question, 1 / log2(rank + 1) of its target where that is among the first ten.

    Parameters
    ----------
    n_events : int
        So many kinds of events are known to the scorer, the first ones.
    """
    data, out = news.data, np.zeros(len(asked.targets))
    step = max(1, _SCORES // data.n_items)
    for start in range(0, len(out), step):
        rows = np.arange(start, min(start + step, len(out)))
        part = asked.histories[rows]
        scores = _scores(scorer, replace(part, events=np.where(part.events < n_events, part.events, -1)), data.n_items)
        scores[:, news.gone] = -np.inf
        scores[part.owners, part.items] = -np.inf
        own = scores[np.arange(len(rows)), asked.targets[rows]]
        # of equal scores the target is taken to stand last, so that a model that cannot tell items apart gains nothing by it
        rank = (scores >= own[:, None]).sum(axis=1)
        out[rows] = np.where(np.isfinite(own) & (rank <= 10), 1.0 / np.log2(rank + 1.0), 0.0)
        if progress is not None:
            progress(stage, int(rows[-1]) + 1, len(out), "")
    return out


def _scores(scorer: Scorer, histories: Histories, n_items: int) -> Floats:
    """float32 (B, N): -inf for items that the scorer does not know."""
    counts = getattr(scorer, "counts", None)
    known = n_items if counts is None else len(counts)
    if known == n_items:
        return scorer.score(histories)
    out = np.full((len(histories), n_items), -np.inf, np.float32)
    out[:, :known] = scorer.score(histories.keep(histories.items < known))
    return out
