"""Which of two models answers the newest events better? Imports: news; blend, stats.

Every event that was kept from the challenger is a question: after all that this person had done until then, what comes next? Both models
get the same fresh history (the service is always fresh), rank the same catalogue, and may not name what the history holds. A person counts
once, with the mean of the questions about them, and the interval is that of paired differences, people resampled (`stats.paired_test`).

Few people tell nothing apart, so as many of the newest events are kept back as are needed to ask about enough of them, and a verdict says
how small a difference it could have seen. The margin is a share of what the model in service does: a non-inferiority margin, as trials have
it (Piaggio et al., JAMA 2012), from which "not worse" means that the whole interval lies above it.
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

__all__ = ["BETTER", "NO_DIFFERENCE", "WORSE", "Questions", "Verdict", "answers", "ask", "by_person", "compare", "held_back"]

BETTER, NO_DIFFERENCE, WORSE = "better", "no difference seen", "worse"
"""Where 0 lies: below the interval, in it, above it."""

_SCORES = 20_000_000
"""Scores held at once."""
_SEEN = (1.959964 + 0.841621) / (2 * 1.959964)
"""The smallest difference seen four times in five, per width of a 95 % interval (Cohen 1988): (z.975 + z.80) standard errors, of which the
interval is 2 z.975 wide."""


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

    @property
    def found(self) -> str:
        """`BETTER`, `NO_DIFFERENCE` or `WORSE`: of the challenger, whatever the margin is."""
        return BETTER if self.test.low > 0 else WORSE if self.test.high < 0 else NO_DIFFERENCE

    @property
    def could_see(self) -> float:
        """The difference that, were it true, would have been told from 0 four times in five.

        Examples
        --------
        >>> round(Verdict(0.02, 0.021, PairedTest(0.001, -0.0006, 0.0026, 0.3), 300, 900).could_see, 5)
        0.00229
        """
        return _SEEN * (self.test.high - self.test.low)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        t = self.test
        return {
            "found": self.found,
            "in service": round(self.in_service, 6),
            "challenger": round(self.challenger, 6),
            "difference": round(t.difference, 6),
            "low": round(t.low, 6),
            "high": round(t.high, 6),
            "could see": round(self.could_see, 6),
            "people": self.people,
            "questions": self.questions,
        }


def held_back(news: News, share: float, most: float, people: int, target_events: tuple[str, ...] = ()) -> Bools:
    """bool (E,): the newest of the new events, by time; all of one moment are on the same side.

    Parameters
    ----------
    share : float
        So many of the new events at least.
    most : float
        And, where those ask about too few, so many at most.
    people : int
        Enough people to ask about.
    """
    h = news.data.histories
    times = np.sort(h.times[news.new])
    if not len(times):
        return np.zeros_like(news.new)
    least, cap = (times[min(int(len(times) * (1 - part)), len(times) - 1)] for part in (share, max(share, most)))
    asked = np.flatnonzero(news.new & _answered(news, target_events))
    newest = np.full(news.data.n_users, -np.inf)  # of each person, what they can be asked about
    np.maximum.at(newest, h.owners[asked], h.times[asked])
    newest = np.sort(newest)[::-1]
    enough = newest[people - 1] if people <= len(newest) else -np.inf
    return np.asarray(news.new & (h.times >= min(least, max(enough, cap))))


def _answered(news: News, target_events: tuple[str, ...]) -> Bools:
    """bool (E,): events that could be asked for: of a kind that counts, after a history, an item that is new to the person and is there."""
    h, n = news.data.histories, news.data.n_items
    pairs = h.owners * n + h.items
    out = np.zeros(len(pairs), dtype=bool)
    out[np.unique(pairs, return_index=True)[1]] = True  # only what was never done before has an answer
    out &= (_places(h) > 0) & ~news.gone[h.items]
    known = [name for name in target_events if name in news.data.event_names]
    return np.asarray(out & target_mask(news.data, known)) if known else out


def _places(h: Histories) -> Ints:
    """int64 (E,): which of its person's events each one is, from 0."""
    return np.asarray(np.arange(len(h.items)) - h.offsets[h.owners])


def ask(news: News, held: Bools, target_events: tuple[str, ...], people: int, seed: int) -> Questions:
    """One question for each held-back event that has an answer: of a kind that counts, after a history, an item that is new to the person
    and can be recommended.

    Parameters
    ----------
    people : int
        Most people who are asked about; more are drawn from by chance.
    """
    h = news.data.histories
    wanted = np.flatnonzero(held & _answered(news, target_events))
    chosen = at_most(np.unique(h.owners[wanted]), people, seed)
    wanted = wanted[np.isin(h.owners[wanted], chosen)]
    lengths = _places(h)[wanted]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    take = np.arange(int(offsets[-1])) + np.repeat(wanted - lengths - offsets[:-1], lengths)
    return Questions(h._take(offsets, take), h.items[wanted], h.owners[wanted])


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
