"""What a trial under attack found. Imports nothing of its own room."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from crossaisle.metrics import Values

__all__ = ["AttackReport", "AttackRow", "DetectionRow", "Figure", "ShillingRow"]


@dataclass(frozen=True)
class Figure:
    """A mean and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class AttackRow:
    """One attack at one strength, asked of the same people as the clean model.

    Attributes
    ----------
    attack : str
        ``none``, ``vectors, random``, ``vectors, gradient``, ``typos``, ...
    level : float
        Its strength, in the attack's own unit.
    ndcg, hit_rate : Figure
        At 10.
    change : Figure
        Of NDCG@10 against the clean model, paired by person.
    relative : float
        That change as a share of the clean NDCG@10.
    overlap : float
        Mean share of the ten listed items that are listed without the attack too.
    """

    attack: str
    level: float
    ndcg: Figure
    hit_rate: Figure
    change: Figure
    relative: float
    overlap: float


@dataclass(frozen=True)
class ShillingRow:
    """What made-up people did for the items that they push.

    Attributes
    ----------
    filler : str
    share : float
        Made-up people for each genuine one.
    people : int
    clean, copied, pushed : float
        HR@10 of the pushed items, averaged: the share of the people asked in whose ten each stands, fitted without anybody more, with as
        many copied genuine users, with the made-up people.
    gain : Figure
        Difference in differences, (pushed - clean) - (copied - clean); interval over the items.
    climb : Figure
        Doublings by which they stand higher: mean of log2(rank with the copied / rank with the made-up people); interval over the items. It
        tells a push that has not come as far as the ten.
    others, others_climb : Figure
        The same two of as many items like them that nobody pushes: the placebo.
    rank_clean, rank_copied, rank_pushed : float
        Median over the items of their mean rank among what is new to each person.
    accuracy : Figure
        NDCG@10 of the people with the made-up ones less with the copied ones.
    """

    filler: str
    share: float
    people: int
    clean: float
    copied: float
    pushed: float
    gain: Figure
    climb: Figure
    others: Figure
    others_climb: Figure
    rank_clean: float
    rank_copied: float
    rank_pushed: float
    accuracy: Figure


@dataclass(frozen=True)
class DetectionRow:
    """How well made-up people are found in the training data that holds them (``filler`` "none": in clean data).

    ``auc`` is NaN where there are none; ``defended`` says whether the fit of this row weighed flagged people down.
    """

    filler: str
    share: float
    flagged: int
    precision: float
    recall: float
    false_positive_rate: float
    auc: float
    items_found: int
    defended: bool


@dataclass(frozen=True, eq=False)
class AttackReport:
    """All of it, and on what it was measured.

    Attributes
    ----------
    answers : dict of float64 (Q,)
        NDCG@10 of each question under each attack of ``rows``, by "attack level", so that two models can be compared question by question.
    climbs : dict of float64 (M,)
        Doublings by which each pushed item climbs, by "filler share", so that two defences can be compared item by item.
    """

    data_name: str
    questions: int
    rows: tuple[AttackRow, ...]
    shilling: tuple[ShillingRow, ...] = ()
    detection: tuple[DetectionRow, ...] = ()
    pushed_items: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Values] = field(default_factory=dict)
    climbs: dict[str, Values] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; without what is told of each question and item."""
        whole = dataclasses.asdict(self)
        return {name: value for name, value in whole.items() if name not in ("answers", "climbs")}
