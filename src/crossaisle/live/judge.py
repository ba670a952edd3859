"""Which of two models answers the newest events better? Imports: news; blend, stats, metrics.

Every event that was kept from the challenger is a question: after all that this person had done until then, what comes next? Both models
get the same fresh history (the service is always fresh), rank the same catalogue, and may not name what the history holds. A person counts
once, with the mean of the questions about them, and the interval is that of paired differences between people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crossaisle.blend.scorer import BlendScorer
from crossaisle.contracts import Progress
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split_parts import at_most, target_mask
from crossaisle.live.news import News
from crossaisle.metrics import Values, ndcg
from crossaisle.schema import Bools, Ints
from crossaisle.stats import PairedTest, paired_test

__all__ = ["Questions", "Verdict", "ask", "compare", "held_back"]

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
        Its kinds of events; one that it does not know adds nothing to a history.
    """
    theirs = np.where(asked.histories.events < len(events), asked.histories.events, -1)
    old = Histories(
        asked.histories.offsets, asked.histories.items, theirs, asked.histories.weights, asked.histories.times, asked.histories.own
    )
    values = [
        _answers(scorer, histories, asked, news, name, progress)
        for scorer, histories, name in (
            (in_service, old, "asking the model in service"),
            (challenger, asked.histories, "asking the challenger"),
        )
    ]
    who, place = np.unique(asked.people, return_inverse=True)
    means = [np.bincount(place, weights=v) / np.bincount(place) for v in values]
    return Verdict(float(means[0].mean()), float(means[1].mean()), paired_test(means[1], means[0], seed), len(who), len(asked.targets))


def _answers(scorer: BlendScorer, histories: Histories, asked: Questions, news: News, stage: str, progress: Progress | None) -> Values:
    """float64 (Q,): N@10 of each question."""
    data: Dataset = news.data
    n_known, out = len(scorer.counts), np.zeros(len(asked.targets))
    step = max(1, _SCORES // data.n_items)
    for start in range(0, len(out), step):
        rows = np.arange(start, min(start + step, len(out)))
        part = histories[rows]
        known = part.keep(part.items < n_known) if n_known < data.n_items else part
        scores = np.full((len(rows), data.n_items), -np.inf, np.float32)
        scores[:, :n_known] = scorer.score(known)
        scores[:, news.gone] = -np.inf
        scores[part.owners, part.items] = -np.inf
        k = min(10, data.n_items)
        top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(scores, top, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        top = np.where(np.isfinite(np.take_along_axis(found, order, axis=1)), np.take_along_axis(top, order, axis=1), -1)
        targets = Histories.from_lists(asked.targets[rows][:, None].tolist())
        out[rows] = ndcg(top, targets, 10)
        if progress is not None:
            progress(stage, int(rows[-1]) + 1, len(out), "")
    return out
