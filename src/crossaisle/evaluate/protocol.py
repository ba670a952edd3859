"""A trial: split, fit every model, ask, rank, measure, compare. Imports: balance, facts, groups, looks, models, results, tables.

What is chosen (when to stop, which baseline is best) is chosen on the validation questions; the test questions are asked once, at the end.
"""

from __future__ import annotations

import difflib
import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from crossaisle import metrics, schema
from crossaisle.baselines.tuning import Tunable
from crossaisle.contracts import Progress, Scorer
from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Queries, Split
from crossaisle.data.split_intervened import flattened
from crossaisle.data.split_parts import at_most
from crossaisle.errors import MissingExtra, RequestError
from crossaisle.evaluate import balance, facts, tables
from crossaisle.evaluate.groups import question_table
from crossaisle.evaluate.looks import INTERVENED, PROTOCOLS, Look, flattened_looks, look_at, make_split
from crossaisle.evaluate.models import MakeScorer, ModelSource, check_models, holds_chance, role
from crossaisle.evaluate.results import CURVES_SCHEMA, LOG_POPULARITY, RUNS_SCHEMA, Results, RunFacts
from crossaisle.presets import AllSettings
from crossaisle.rank.topk import top_k
from crossaisle.schema import Floats, Ints
from crossaisle.train.device import choose_device

__all__ = ["evaluate"]

BATCH = 512
MOST_VALID = 5_000
"""Validation questions asked of each model, to choose the best baseline."""
LIST_LENGTH = 10
EXAMPLES = 5


def evaluate(
    data: Dataset,
    *,
    protocol: str,
    models: Sequence[str],
    settings: AllSettings,
    seeds: int = 1,
    refit: bool = False,
    ks: Sequence[int] = (1, 5, 10, 20),
    keep_seen: bool = False,
    shuffle_ties: bool = False,
    aisle: str | None = None,
    sampled_negatives: int = 0,
    intervened: bool = False,
    data_name: str = "data",
    split: Split | None = None,
    progress: Progress | None = None,
    make_scorer: MakeScorer | None = None,
    item_vectors: Floats | None = None,
) -> Results:
    """Compare models under one protocol.

    Parameters
    ----------
    data : Dataset
    protocol : str
        leave-one-out, time-split, next-basket, first-visit, hidden-aisle, cold-item, cold-aisle or cold-user.
    models : sequence of str
        Names, see `models`. Where the split is by time, last month's popularity (``popularity-month``) joins them unasked.
    settings : AllSettings
        ``settings.seed`` is the first seed; ``settings.data.target_events`` says which events are targets.
    seeds : int
        Runs of each model that holds chance.
    refit : bool
        Fit once more on training and validation events before the test questions are asked.
    ks : sequence of int
        Lengths of list to measure at.
    keep_seen : bool
        Rank items of the history too. Where they are left out, a target that is one of them does not count.
    shuffle_ties : bool
        Of leave-one-out: events of the same time are put into a random order before splitting.
    aisle : str, optional
        Of cold-aisle, which needs it: the aisle that is new.
    sampled_negatives : int
        Of leave-one-out: above 0, one view more, in which the target stands among so many items of its aisle, drawn by ``settings.seed``.
        For comparison with papers that did so, and with them only.
    intervened : bool
        One view more for each, in which popular targets are asked for no more than rare ones (`data.split_intervened`). What models choose
        by themselves they then choose on validation questions drawn in the same way.
    data_name : str
        For the report.
    split : Split, optional
        A split of ``data`` made elsewhere, to be looked at as ``protocol`` says.
    progress : Progress, optional
    make_scorer : callable, optional
        Makes the models instead of `ModelSource`; then any name goes.
    item_vectors : float32 (N, D), optional
        For the diversity inside lists; the language model's vectors unless ``make_scorer`` is given.

    Raises
    ------
    RequestError
        An unknown protocol, model or aisle, no model, an option that the protocol does not know, a k or a number of seeds below 1, or
        no model that can run on this data.
    TableError
        If the data holds no question of this protocol.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    if protocol not in PROTOCOLS:
        near = difflib.get_close_matches(protocol, PROTOCOLS, n=1, cutoff=0.0)[0]
        raise RequestError(
            f"unknown protocol {protocol!r}", f"a known protocol, the nearest is {near!r}", f"choose from {', '.join(PROTOCOLS)}"
        )
    if seeds < 1:
        raise RequestError(f"{seeds} seeds", "a whole number of at least 1", "ask for 1 or 3")
    if not ks or min(ks) < 1:
        raise RequestError(f"k = {', '.join(map(str, ks)) or 'nothing'}", "whole numbers of at least 1", "leave k out for 1, 5, 10 and 20")
    if sampled_negatives < 0 or (sampled_negatives and protocol != "leave-one-out"):
        raise RequestError(
            f"{sampled_negatives} sampled negatives in {protocol}", "a number above 0, in leave-one-out", "leave --sampled-negatives out"
        )
    if intervened and not PROTOCOLS[protocol].flattens:
        fitting = [name for name, p in PROTOCOLS.items() if p.flattens]
        raise RequestError(
            f"the targets of {protocol} cannot be asked for evenly", f"one of {', '.join(fitting)}", "leave --intervened out"
        )
    names = tuple(dict.fromkeys(models)) if make_scorer is not None else check_models(models)
    if PROTOCOLS[protocol].by_time and make_scorer is None and "popularity-month" not in names:
        names = ("popularity-month", *names)
    if not names:
        raise RequestError("no model to compare", "at least one", "name one")
    split = split or make_split(protocol, data, settings.seed, shuffle_ties, settings.data.target_events, aisle)
    source = ModelSource(data, settings, progress)
    trial = _Trial(
        protocol=protocol,
        data=data,
        split=split,
        settings=settings,
        refit=refit,
        ks=tuple(sorted(set(ks))),
        keep_seen=keep_seen,
        sampled=sampled_negatives,
        intervened=intervened,
        make=make_scorer or source.make,
        vectors=source.text_vectors if make_scorer is None and item_vectors is None else item_vectors,
        progress=progress,
    )
    chosen_seeds = tuple(settings.seed + i for i in range(seeds))
    todo = [(name, seed) for name in names for seed in (chosen_seeds if holds_chance(name) else chosen_seeds[:1])]
    for done, (name, seed) in enumerate(todo):
        trial.tell("comparing models", done, len(todo), name if len(chosen_seeds) == 1 else f"{name}, seed {seed}")
        trial.run(name, seed)
    trial.tell("comparing models", len(todo), len(todo), "")
    if not trial.runs:
        raise RequestError(
            f"no model could run: {'; '.join(trial.skipped.values())}", "a model that fits this data", "ask for popularity or item-knn"
        )
    roles = {name: role(name) for name in names}
    figures, questions = list(trial.figures.values()), question_table(protocol, data, trial.learned, split.test)
    run_facts = RunFacts(
        data_name=data_name,
        data_report=data.report,
        protocol=protocol,
        split_note=split.note,
        choices=tuple(_choices(protocol, trial, shuffle_ties)),
        counts={
            "users": data.n_users,
            "items": data.n_items,
            "aisles": len([c for c in data.categories if c]),
            "events": len(data.histories.items),
            "train_events": len(split.train.histories.items),
            "full_events": len(split.full.histories.items),
            "valid_queries": len(split.valid),
            "test_queries": len(split.test),
        },
        settings=settings.to_dict(),
        seeds=chosen_seeds,
        refit=refit,
        ks=trial.ks,
        main_measure=trial.main,
        hardware=facts.hardware(choose_device(settings.device)),
        versions=facts.versions(),
        started=started.isoformat(timespec="seconds"),
        minutes=(time.perf_counter() - clock) / 60,
        peak_memory_gb=facts.peak_memory_gb(),
        skipped=trial.skipped,
    )
    return Results(
        facts=run_facts,
        views=tuple(look.view for look in trial.looks),
        runs=tables.frame(trial.runs, RUNS_SCHEMA),
        summary=pl.concat(
            [
                tables.summary_table(figures, roles, settings.seed),
                balance.macro_table(figures, questions, roles, trial.main, settings.seed),
            ]
        ),
        lists=tables.lists_table(figures, roles, trial.list_length),
        groups=tables.groups_table(figures, questions, trial.main, settings.seed),
        tests=tables.paired_table(figures, roles, trial.main, settings.seed),
        valid=tables.valid_table(figures, roles, trial.main),
        shares=balance.shares_table(figures, [look.targets for look in trial.looks], data.categories, data.item_categories),
        per_query=tables.per_query_table(figures),
        queries=questions,
        examples=pl.DataFrame(trial.examples, schema=_EXAMPLES_SCHEMA),
        curves=tables.frame(trial.curves, CURVES_SCHEMA),
    )


_EXAMPLES_SCHEMA = {
    "query": pl.Int64(),
    "user_id": pl.String(),
    "view": pl.String(),
    "model": pl.String(),
    "rank": pl.Int64(),
    "item_id": pl.String(),
    "title": pl.String(),
    "hit": pl.Boolean(),
}


@dataclass
class _Trial:
    """The state of one trial: what is asked, and what has been collected so far."""

    protocol: str
    data: Dataset
    split: Split
    settings: AllSettings
    refit: bool
    ks: tuple[int, ...]
    keep_seen: bool
    sampled: int
    intervened: bool
    make: MakeScorer
    vectors: Floats | None
    progress: Progress | None
    runs: list[dict[str, Any]] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.learned = self.split.full if self.refit else self.split.train
        self.main = "ndcg@10" if 10 in self.ks else f"ndcg@{self.ks[-1]}"
        self.depth = max(self.ks)
        self.list_length = min(LIST_LENGTH, self.depth)
        options = (self.keep_seen, self.sampled, self.settings.seed)
        self.looks = look_at(self.protocol, self.data, self.learned, self.split.test, *options)
        valid = self.split.valid
        self.chosen_by = valid
        chosen = at_most(np.arange(len(valid)), MOST_VALID, self.settings.seed)
        self.valid = valid[chosen]
        valid_looks = look_at(self.protocol, self.data, self.split.train, self.valid, *options)
        self.cap = 0.0
        if self.intervened:
            keep_seen, _, seed = options
            test, self.cap = flattened(self.split.test, self.learned.item_counts, seed)
            even, _ = flattened(valid, self.split.train.item_counts, seed)
            self.chosen_by = even[np.flatnonzero(even.targets.lengths > 0)]
            self.looks += flattened_looks(look_at(self.protocol, self.data, self.learned, test, keep_seen))
            valid_looks += flattened_looks(look_at(self.protocol, self.data, self.split.train, even[chosen], keep_seen))
        self.looks = tuple(look for look in self.looks if look.view.n)
        if not self.looks:
            raise RequestError(
                "every target is an item of its own history", "targets that are new to the user", "keep seen items in the ranking"
            )
        self.valid_looks = {v.view.name: v for v in valid_looks}
        measures = tuple(f"{m}@{k}" for k in self.ks for m in ("precision", "recall", "f1", "hit_rate", "ndcg", "mrr"))
        self.figures = {look.view.name: tables.Figures(look.view.name, look.rows, measures) for look in self.looks}
        for name, look in self.valid_looks.items():
            if name in self.figures:
                self.figures[name].n_valid = look.view.n

    def tell(self, stage: str, done: int, total: int, note: str) -> None:
        if self.progress is not None:
            self.progress(stage, done, total, note)

    def run(self, name: str, seed: int) -> None:
        """Fit one model, ask it the validation questions, then the test questions; or note why it cannot run."""
        if name in self.skipped:
            return
        scorer, clock = self.make(name, self.settings, seed, self.data), time.perf_counter()
        stops_by_itself = "valid" in inspect.signature(scorer.fit).parameters
        try:
            self._fit(scorer, stops_by_itself)
        except (RequestError, MissingExtra) as refusal:
            if role(name) != "baseline":
                raise
            self.skipped[name] = getattr(refusal, "found", str(refusal))
            return
        seconds = time.perf_counter() - clock
        self.curves += _curves(name, seed, scorer)
        if self.refit and stops_by_itself:
            self._take_over_validation(name, scorer)
        else:
            self._ask_validation(name, scorer)
        if self.refit and not stops_by_itself:
            clock = time.perf_counter()
            scorer.fit(self.split.full)
            seconds += time.perf_counter() - clock
        clock = time.perf_counter()
        tops = self._answers(scorer, self.split.test, self.looks, name)
        asked = time.perf_counter() - clock
        for look, top in zip(self.looks, tops, strict=True):
            self._measure(name, seed, look, top)
        self.runs.append(
            {
                "model": name,
                "role": role(name),
                "seed": seed,
                "fit_minutes": seconds / 60,
                "score_minutes": asked / 60,
                "queries_per_second": len(self.split.test) / max(asked, 1e-9),
                "note": _note(scorer),
            }
        )

    def _fit(self, scorer: Scorer, stops_by_itself: bool) -> None:
        if not stops_by_itself:
            if isinstance(scorer, Tunable):
                scorer.tune(self.split.train, self.chosen_by)
            else:
                scorer.fit(self.split.train)
            return
        fit: Callable[..., Any] = scorer.fit
        offered = {
            "valid": self.chosen_by if len(self.chosen_by) else None,
            "full": self.split.full if self.refit else None,
            "progress": self.progress,
        }
        accepted = inspect.signature(fit).parameters
        fit(self.split.train, **{k: v for k, v in offered.items() if k in accepted})

    def _ask_validation(self, name: str, scorer: Scorer) -> None:
        looks = [look for look in self.valid_looks.values() if look.view.n and look.view.name in self.figures]
        for look, top in zip(looks, self._answers(scorer, self.valid, looks, name) if looks else (), strict=True):
            value = metrics.evaluate_lists(top, look.targets, [int(self.main.partition("@")[2])])[self.main].mean()
            self.figures[look.view.name].valid.setdefault(name, []).append(float(value))

    def _take_over_validation(self, name: str, scorer: Scorer) -> None:
        """A network fitted again on everything cannot be asked any more: its own figure from choosing when to stop is taken.

        That figure is N@10 with seen items left out, so it stands only for a first view that is looked at in the same way.
        """
        selection, first = getattr(scorer, "selection", None), self.looks[0]
        if self.intervened:  # it was asked the questions of the view that joins the first
            first = next((look for look in self.looks if look.view.name == self.looks[0].view.name + INTERVENED), first)
        if selection is not None and selection.best_epoch and selection.scores and self.main == "ndcg@10" and first.leave_seen:
            self.figures[first.view.name].valid.setdefault(name, []).append(float(selection.scores[selection.best_epoch - 1]))

    def _answers(self, scorer: Scorer, queries: Queries, looks: Sequence[Look], name: str) -> list[Ints]:
        """For each look int64 (R, K): the items ranked first, padded with -1; every question is scored once for all looks."""
        out = [np.full((len(look.rows), self.depth), -1, dtype=np.int64) for look in looks]
        filled = [0] * len(looks)
        for start in range(0, len(queries), BATCH):
            part = queries[start : start + BATCH]
            scores = scorer.score(part.histories)
            for i, look in enumerate(looks):
                here = look.rows[(look.rows >= start) & (look.rows < start + BATCH)] - start
                allowed = look.allowed(part.histories[here], part.aisles[here], slice(filled[i], filled[i] + len(here)))
                top = top_k(scores[here], self.depth, allowed)
                out[i][filled[i] : filled[i] + len(here), : top.shape[1]] = top
                filled[i] += len(here)
            self.tell(f"asking {name}", min(start + BATCH, len(queries)), len(queries), "")
        return out

    def _measure(self, name: str, seed: int, look: Look, top: Ints) -> None:
        figures = self.figures[look.view.name]
        measured = metrics.evaluate_lists(top, look.targets, self.ks)
        figures.values.setdefault(name, {})[seed] = np.column_stack([measured[m] for m in figures.measures])
        shown, n = top[:, : self.list_length], self.data.n_items
        shares = balance.list_shares(shown, self.data.item_categories, len(self.data.categories))
        figures.shares.setdefault(name, []).append(shares)
        of_lists = {"coverage": metrics.coverage(shown, n), "gini": metrics.gini(shown, n)}
        if self.vectors is not None:
            of_lists["intra_list_diversity"] = float(metrics.intra_list_diversity(shown, self.vectors).mean())
        of_lists["category_entropy"] = float(metrics.category_entropy(shown, self.data.item_categories).mean())
        if self.intervened:
            of_lists[LOG_POPULARITY] = metrics.mean_log_popularity(shown, self.learned.item_counts)
        for measure, value in of_lists.items():
            figures.lists.setdefault(name, {}).setdefault(measure, []).append(value)
        if role(name) == "ours" and look is self.looks[0] and not self.examples:
            self._keep_examples(name, look, top)

    def _keep_examples(self, name: str, look: Look, top: Ints) -> None:
        ids, users = self.data.items[schema.ITEM], self.data.users
        titles = self.data.items[schema.TITLE] if schema.TITLE in self.data.items.columns else pl.repeat("", len(ids), eager=True)
        chosen = np.random.default_rng(self.settings.seed).permutation(len(look.rows))[:EXAMPLES]
        for r in np.sort(chosen):
            query = int(look.rows[r])
            for rank, item in enumerate(top[r, : self.list_length].tolist()):
                if item >= 0:
                    row = (
                        query,
                        users[int(self.split.test.users[query])],
                        look.view.name,
                        name,
                        rank + 1,
                        ids[item],
                        titles[item],
                        item in look.targets.row(r),
                    )
                    self.examples.append(dict(zip(_EXAMPLES_SCHEMA, row, strict=True)))


def _note(scorer: Scorer) -> str:
    """What the model says about itself."""
    notes = [str(n) for n in (getattr(scorer, "note", ""), *getattr(scorer, "notes", ())) if n]
    selection: Any = getattr(scorer, "selection", None)
    notes += filter(None, [getattr(getattr(scorer, "reader", None), "note", "")])
    if selection is not None and selection.best_epoch:
        notes.append(f"kept epoch {selection.best_epoch} of {len(selection.losses)}")
    return "; ".join(notes)


def _curves(name: str, seed: int, scorer: Scorer) -> list[dict[str, Any]]:
    """Loss and validation of each epoch, where the model learns by epochs."""
    out = []
    for run, attribute in (("choosing", "selection"), ("everything", "refitting")):
        kept: Any = getattr(scorer, attribute, None)
        scores = [*getattr(kept, "scores", ())]
        for i, loss in enumerate(getattr(kept, "losses", ())):
            valid = scores[i] if i < len(scores) else None
            out.append({"model": name, "seed": seed, "run": run, "epoch": i + 1, "loss": loss, "valid": valid})
    return out


def _choices(protocol: str, trial: _Trial, shuffle_ties: bool) -> list[str]:
    """One sentence for each choice that changes the figures."""
    out = []
    if all(look.leave_seen for look in trial.looks):
        out.append("Items already seen are left out of the ranking.")
    elif not any(look.leave_seen for look in trial.looks):
        out.append("Items already seen are ranked like any other.")
    out += [
        f"Of {look.asked:,} questions, {look.asked - look.view.n:,} are not asked in the view {look.view.name}: the history holds all "
        "their targets."
        for look in trial.looks
        if look.asked > look.view.n
    ]
    out.append("Targets that never occur in training are kept.")
    if trial.sampled:
        out.append(
            f"In the view sampled the target stands among {trial.sampled:,} items of its own aisle that are not in the history, drawn "
            f"uniformly without replacement with seed {trial.settings.seed}, the same for every model."
        )
        out.append("That tells a model the target's aisle and leaves it few rivals, so these figures stand beside papers only.")
        out.append("In the other views no candidates are sampled; items that are unavailable today are ranked too.")
    else:
        out.append("No candidates are sampled; items that are unavailable today are ranked too.")
    if trial.intervened:
        out.append(
            f"In the views that are intervened a question is kept with probability proportional to min(1 / n, {trial.cap:.4g}), n the "
            f"training events of its target, drawn with seed {trial.settings.seed}."
        )
        out.append("What models choose by themselves they choose on validation questions drawn in the same way.")
    if trial.refit:
        out.append("Models are fitted once more on training and validation events before the test questions are asked.")
    else:
        out.append("Models learn from the training events only; the history of a test question holds the validation events too.")
    if protocol == "leave-one-out" and not shuffle_ties:
        out.append("Events of the same time keep the file's order.")
    return out
