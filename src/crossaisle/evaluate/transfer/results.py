"""What the transfer trial found: rows that `trial` makes and `content` puts into words. Imports: scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from crossaisle.evaluate.transfer.scores import Change

__all__ = ["AisleRow", "ArmRow", "LeftOut", "PairRow", "TotalRow", "TransferResults"]


@dataclass(frozen=True)
class AisleRow:
    """One aisle: alone against together.

    Attributes
    ----------
    n_test, n_valid : int
        Questions.
    elsewhere : float
        Share of the test questions whose history holds events of other aisles.
    undated : float
        Share of them whose order against events of other aisles is not known, since a time is missing.
    test, valid : Change
        From alone to together. What is chosen, is chosen by ``valid``.
    gate : str
        The arm that the gate takes: ``together``, or ``alone`` where that is better on validation and the interval excludes zero.
    gated : float
        N@10 of that arm on the test questions.
    """

    aisle: str
    n_test: int
    n_valid: int
    elsewhere: float
    undated: float
    test: Change
    valid: Change
    gate: str
    gated: float


@dataclass(frozen=True)
class LeftOut:
    """An aisle that is not in the table: too few questions (``few``), or no history left to learn from alone (``nothing``)."""

    aisle: str
    n_test: int
    n_valid: int
    reason: str


@dataclass(frozen=True)
class PairRow:
    """Source -> target: from the target alone to the target with one other aisle."""

    source: str
    target: str
    test: Change


@dataclass(frozen=True)
class TotalRow:
    """All questions: ``mean`` is ``micro`` (each question counts the same) or ``macro`` (each aisle); ``of`` is what ``test`` compares."""

    mean: str
    of: str
    test: Change


@dataclass(frozen=True)
class ArmRow:
    """What one arm's training was: ``kind`` is ``alone``, ``pair`` or ``together``."""

    kind: str
    aisles: tuple[str, ...]
    events: int
    items: int
    tokens_per_step: int
    negatives: int
    tried: list[tuple[dict[str, str], float]]
    chosen: dict[str, str]
    epochs: list[int]
    minutes: float
    parameters: int


@dataclass(frozen=True, eq=False)
class TransferResults:
    """Everything that the report says.

    Attributes
    ----------
    aisles, pairs, totals, arms, left_out : list of rows
    facts : dict
        Data, counts, settings, seeds, hardware, versions: plain values, ready for JSON.
    per_query : polars.DataFrame
        ``asked`` (test, valid), ``kind``, ``aisles``, ``aisle``, ``seed``, ``query``, ``ndcg@10``: the raw figures, without users.
    """

    aisles: list[AisleRow]
    pairs: list[PairRow]
    totals: list[TotalRow]
    arms: list[ArmRow]
    left_out: list[LeftOut]
    facts: dict[str, Any]
    per_query: pl.DataFrame
