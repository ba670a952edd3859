"""What a trial found: frozen facts and tables that `protocol` produces and `report` renders. Imports nothing of its own room.

A trial asks Q questions (`queries`) of several models and looks at the answers in one or more *views*: a view says which items are
ranked and which targets count (for first-visit: ``aisle``, the items of the target's aisle, and ``beyond``, all items of the aisles
that the history does not touch). Every table below is a polars DataFrame with exactly the columns of its schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

__all__ = [
    "CURVES_SCHEMA",
    "GROUPS",
    "GROUPS_SCHEMA",
    "LISTS_SCHEMA",
    "MEASURES",
    "LIST_MEASURES",
    "LOG_POPULARITY",
    "ROLES",
    "RUNS_SCHEMA",
    "SHARES_SCHEMA",
    "SUMMARY_SCHEMA",
    "TESTS_SCHEMA",
    "VALID_SCHEMA",
    "Results",
    "RunFacts",
    "View",
]

MEASURES = ("precision", "recall", "f1", "hit_rate", "ndcg", "mrr")
"""Measures of one answer; each exists at every k, as a column ``ndcg@10``."""

LIST_MEASURES = ("coverage", "gini", "intra_list_diversity", "category_entropy")
"""Measures of all answers of one model together, at the largest k of the trial but at most 10."""

LOG_POPULARITY = "log_popularity"
"""One more of them in an intervened trial: the mean of log(1 + n) over what is recommended, n an item's events in training."""

ROLES = ("ours", "control", "baseline")
"""``ours`` is crossaisle itself, ``control`` a variant of it (shuffled texts, words only, ...), ``baseline`` the rest, sasrec too."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "aisle": (),
    "history": ("1", "2-4", "5-9", "10-19", "20+"),
    "target-count": ("0", "1-5", "6-20", "21+"),
    "target-popularity": ("head", "middle", "tail", "never seen"),
    "graph-step": ("one step", "farther"),
    "id-order": ("above", "below", "same"),
    "same-day": ("same day", "another day", "unknown"),
}
"""Groups of questions and their levels in the order to print (for ``aisle`` the levels are the data's aisles).

``history``: events in the history. ``target-count``: events of the first target in the training data. ``target-popularity``: the first
target is among the most popular items that make up the first third of the training events, the next third, the last, or none.
``graph-step``: the first target follows the last history item somewhere in the training histories, or not. ``id-order``: the target's
id compared as text with the id of the item before it. ``same-day``: the target lies on the same UTC day as the item before it.
"""

_TEXT, _INT, _FLOAT = pl.String(), pl.Int64(), pl.Float64()

RUNS_SCHEMA: Mapping[str, pl.DataType] = {
    "model": _TEXT,
    "role": _TEXT,  # one of ROLES
    "seed": _INT,
    "fit_minutes": _FLOAT,
    "score_minutes": _FLOAT,
    "queries_per_second": _FLOAT,
    "note": _TEXT,  # "" or what the model said about itself, for example which text vectors it chose
}
SUMMARY_SCHEMA: Mapping[str, pl.DataType] = {
    "view": _TEXT,
    "model": _TEXT,
    "role": _TEXT,
    "measure": _TEXT,  # "ndcg@10"; "macro_ndcg@10" is the mean over aisles, where there are two or more
    "value": _FLOAT,  # mean over questions and seeds
    "low": _FLOAT,  # 95 % bootstrap interval over questions
    "high": _FLOAT,
    "seed_spread": _FLOAT,  # standard deviation of the seeds' means, null with one seed
    "n": _INT,  # questions
}
LISTS_SCHEMA: Mapping[str, pl.DataType] = {"view": _TEXT, "model": _TEXT, "role": _TEXT, "measure": _TEXT, "k": _INT, "value": _FLOAT}
GROUPS_SCHEMA: Mapping[str, pl.DataType] = {
    "view": _TEXT,
    "group": _TEXT,  # a key of GROUPS
    "level": _TEXT,
    "order": _INT,  # print levels in this order
    "n": _INT,
    "model": _TEXT,
    "measure": _TEXT,
    "value": _FLOAT,
    "low": _FLOAT,
    "high": _FLOAT,
}
TESTS_SCHEMA: Mapping[str, pl.DataType] = {
    "view": _TEXT,
    "measure": _TEXT,
    "model": _TEXT,  # ours or a control
    "baseline": _TEXT,
    "best": pl.Boolean(),  # this baseline is the best of the view, chosen on the validation questions
    "difference": _FLOAT,  # model - baseline, mean over questions, seeds averaged first
    "low": _FLOAT,  # 95 % paired bootstrap interval
    "high": _FLOAT,
    "p": _FLOAT,  # two-sided, of the same bootstrap
    "n": _INT,
}
SHARES_SCHEMA: Mapping[str, pl.DataType] = {
    "view": _TEXT,
    "aisle": _TEXT,
    "model": _TEXT,
    "lists": _FLOAT,  # share of the places in the model's lists, at the k of the list measures
    "targets": _FLOAT,  # share of the targets that count
}
CURVES_SCHEMA: Mapping[str, pl.DataType] = {
    "model": _TEXT,
    "seed": _INT,
    "run": _TEXT,  # "choosing" (when to stop) or "everything" (trained once more on all but the test)
    "epoch": _INT,  # from 1
    "loss": _FLOAT,
    "valid": _FLOAT,  # N@10 on the validation questions, null where there is none
}
VALID_SCHEMA: Mapping[str, pl.DataType] = {"view": _TEXT, "model": _TEXT, "role": _TEXT, "measure": _TEXT, "value": _FLOAT, "n": _INT}


@dataclass(frozen=True)
class View:
    """One way of looking at the answers.

    Attributes
    ----------
    name : str
        ``all`` (the whole catalogue), ``aisle``, ``beyond``, ``new`` (for next-basket: only items not bought before); for cold-item
        ``new-items``, ``known-items`` and ``among-new``; with ``-intervened`` at the end where popular targets are asked for no more than
        rare ones.
    note : str
        One sentence: what is ranked and which targets count.
    n : int
        Questions in this view (a question whose targets all drop out is not asked in it).
    """

    name: str
    note: str
    n: int


@dataclass(frozen=True)
class RunFacts:
    """Everything needed to judge and repeat the trial.

    Attributes
    ----------
    data_name : str
        What the user called the data.
    data_report : dict
        ``Dataset.report``.
    protocol, split_note : str
        The split's name and its sentence.
    choices : tuple of str
        One sentence for each choice that changes the figures: seen items, targets never seen in training, refitting, ties, ...
    counts : dict
        ``users``, ``items``, ``aisles``, ``events``, ``train_events``, ``full_events``, ``valid_queries``, ``test_queries``.
    settings : dict
        All settings, nested, as plain values.
    seeds : tuple of int
    refit : bool
        Fitted on training and validation events together before the test.
    ks : tuple of int
    main_measure : str
        The measure that chooses the best baseline and orders tables, for example ``ndcg@10``.
    hardware : dict
        ``machine``, ``processor``, ``cores``, ``threads``, ``memory_gb``, ``device``.
    versions : dict
        ``crossaisle``, ``python``, ``torch``, ``numpy``, ...
    started : str
        ISO 8601, UTC.
    minutes : float
        The whole trial.
    peak_memory_gb : float
        Highest resident memory of the process, up to the end of the trial.
    skipped : dict
        Model that was asked for but did not run -> the reason.
    """

    data_name: str
    data_report: dict[str, Any]
    protocol: str
    split_note: str
    choices: tuple[str, ...]
    counts: dict[str, int]
    settings: dict[str, Any]
    seeds: tuple[int, ...]
    refit: bool
    ks: tuple[int, ...]
    main_measure: str
    hardware: dict[str, str]
    versions: dict[str, str]
    started: str
    minutes: float
    peak_memory_gb: float
    skipped: dict[str, str]


@dataclass(frozen=True, eq=False)
class Results:
    """A whole trial.

    Attributes
    ----------
    facts : RunFacts
    views : tuple of View
        The first is the one to show first.
    runs : DataFrame
        One row a model and seed (`RUNS_SCHEMA`). Baselines that hold no chance run once.
    summary : DataFrame
        One row a view, model and measure (`SUMMARY_SCHEMA`).
    lists : DataFrame
        One row a view, model and list measure (`LISTS_SCHEMA`), seeds averaged.
    groups : DataFrame
        One row a view, group, level, model, for the main measure and the hit rate at the same k (`GROUPS_SCHEMA`).
    tests : DataFrame
        One row a view, our model or control, baseline, for the main measure (`TESTS_SCHEMA`).
    valid : DataFrame
        The main measure on the validation questions (`VALID_SCHEMA`); empty if there were none.
    shares : DataFrame
        One row a view, aisle and model (`SHARES_SCHEMA`); empty where the data has one aisle.
    per_query : DataFrame
        The raw figures: ``view``, ``model`` (str), ``seed``, ``query`` (int64), then one float32 column a measure at k.
    queries : DataFrame
        One row a question: ``query``, ``user_id``, ``targets`` (list of item ids), ``aisle`` (of the first target), ``history_length``,
        ``time`` (float seconds or null), then the level of each other group that applies, named as in `GROUPS`.
    examples : DataFrame
        Answers of our model to a few questions, for people to look at: ``query``, ``user_id``, ``view``, ``model``, ``rank`` (int64),
        ``item_id``, ``title``, ``hit`` (bool).
    curves : DataFrame
        One row a model, seed, run and epoch of what learns by epochs (`CURVES_SCHEMA`).
    """

    facts: RunFacts
    views: tuple[View, ...]
    runs: pl.DataFrame
    summary: pl.DataFrame
    lists: pl.DataFrame
    groups: pl.DataFrame
    tests: pl.DataFrame
    valid: pl.DataFrame
    shares: pl.DataFrame
    per_query: pl.DataFrame
    queries: pl.DataFrame
    examples: pl.DataFrame
    curves: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CURVES_SCHEMA))

    def __post_init__(self) -> None:
        for name, schema in (
            ("runs", RUNS_SCHEMA),
            ("summary", SUMMARY_SCHEMA),
            ("lists", LISTS_SCHEMA),
            ("groups", GROUPS_SCHEMA),
            ("tests", TESTS_SCHEMA),
            ("valid", VALID_SCHEMA),
            ("curves", CURVES_SCHEMA),
            ("shares", SHARES_SCHEMA),
        ):
            if dict(getattr(self, name).schema) != dict(schema):
                raise ValueError(f"results table {name} has the columns {dict(getattr(self, name).schema)}, expected {dict(schema)}")

    @property
    def models(self) -> tuple[str, ...]:
        """Model names in the order they ran, each once."""
        return tuple(self.runs["model"].unique(maintain_order=True).to_list())

    def best_baseline(self, view: str) -> str | None:
        """The baseline that did best on the validation questions of a view; None if there was nothing to choose by."""
        rows = self.valid.filter((pl.col("view") == view) & (pl.col("role") == "baseline") & (pl.col("measure") == self.facts.main_measure))
        if rows.is_empty():
            return None
        # ties go to the model that ran first
        return str(rows.sort("value", descending=True, maintain_order=True)["model"][0])

    def value(self, view: str, model: str, measure: str) -> float:
        """One figure of the summary.

        Raises
        ------
        KeyError
            If that view, model or measure is not in it.
        """
        row = self.summary.filter((pl.col("view") == view) & (pl.col("model") == model) & (pl.col("measure") == measure))
        if row.height != 1:
            raise KeyError(f"{row.height} figures for {view}, {model}, {measure}")
        return float(row["value"][0])
