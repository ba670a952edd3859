"""The transfer trial: every aisle alone, all together, on request in pairs; the gate between them.

Imports: arms, questions, results, scores.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from crossaisle.contracts import Progress
from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Split
from crossaisle.data.split_parts import shuffled_ties
from crossaisle.errors import RequestError
from crossaisle.evaluate import facts
from crossaisle.evaluate.transfer.arms import GRID, Arm, Grid, MakeModel, Outcome, cut, learnable, run_arm
from crossaisle.evaluate.transfer.questions import one_aisle_each
from crossaisle.evaluate.transfer.results import AisleRow, ArmRow, LeftOut, PairRow, TotalRow, TransferResults
from crossaisle.evaluate.transfer.scores import compare, macro_weights
from crossaisle.presets import AllSettings
from crossaisle.scorers import network_scorer
from crossaisle.train.device import choose_device

__all__ = ["FEWEST", "transfer"]

FEWEST = 20
"""Test questions below which an aisle is left out: an interval over fewer says nothing."""

Values = npt.NDArray[np.float64]


def transfer(
    data: Dataset,
    *,
    settings: AllSettings,
    seeds: int = 1,
    pairs: bool = False,
    grid: Grid = GRID,
    shuffle_ties: bool = False,
    data_name: str = "data",
    progress: Progress | None = None,
    make: MakeModel = network_scorer,
) -> TransferResults:
    """Measure for each aisle what training with the other aisles changes.

    Parameters
    ----------
    data : Dataset
    settings : AllSettings
        ``settings.seed`` draws the questions and is the first seed of training; ``settings.data.target_events`` says what counts.
    seeds : int
        Runs of each arm; settings are chosen in the first.
    pairs : bool
        Also train each pair of aisles, for source -> target.
    grid : mapping
        Setting -> values; every arm chooses among all combinations by its own validation questions.
    shuffle_ties : bool
        Put events of one user and one time into a random order first.
    data_name : str
        For the report.
    progress : Progress, optional
    make : callable, optional
        Makes the models from settings.

    Raises
    ------
    RequestError
        If seeds is below 1, the grid is empty in some setting, the data has fewer than two aisles, or no aisle gets enough questions.
    TableError
        If nobody can be asked.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    if seeds < 1:
        raise RequestError(f"{seeds} seeds", "a whole number of at least 1", "ask for 1 or 3")
    if empty := [key for key, values in grid.items() if not len(values)]:
        raise RequestError(f"the grid has no value for {empty[0]}", "at least one value a setting", "name one, or leave the setting out")
    if len([name for name in data.categories if name]) < 2:
        raise RequestError(
            "the data has fewer than two aisles", "items of two or more categories", "pass --items with a column category, or check it"
        )
    if shuffle_ties:
        data = data.with_histories(shuffled_ties(data.histories, settings.seed))
    split = one_aisle_each(data, settings.seed, settings.data.target_events)
    asked, left_out = _asked_aisles(data, split)
    if not asked:
        raise RequestError(
            f"no aisle has {FEWEST} test questions and as many for validation", "more users who come back to an aisle", "give more data"
        )
    sets = [("together", data.categories), *(("alone", (name,)) for name in asked)]
    sets += [("pair", pair) for pair in _pairs(data, split, asked)] if pairs else []
    chosen_seeds = tuple(settings.seed + i for i in range(seeds))
    fits = 1
    for values in grid.values():
        fits *= len(values)
    counter, total = itertools.count(), len(sets) * (fits + seeds - 1)

    def tell(note: str) -> None:
        if progress is not None:
            progress("training arms", next(counter), total, note)

    outcomes: list[tuple[str, Outcome]] = []
    for kind, aisles in sets:
        arm = cut(split, aisles)
        outcomes.append((kind, run_arm(arm, settings, split.train, chosen_seeds, grid, make, tell, progress)))
    tell("")
    return _results(
        data,
        split,
        outcomes,
        asked,
        left_out,
        settings.seed,
        {
            "data_name": data_name,
            "split_note": split.note,
            "shuffled_ties": shuffle_ties,
            "counts": {
                "users": data.n_users,
                "items": data.n_items,
                "aisles": len([name for name in data.categories if name]),
                "events": len(data.histories.items),
                "train_events": len(split.train.histories.items),
                "valid_queries": len(split.valid),
                "test_queries": len(split.test),
            },
            "grid": {key: list(values) for key, values in grid.items()},
            "settings": settings.to_dict(),
            "seeds": list(chosen_seeds),
            "hardware": facts.hardware(choose_device(settings.device)),
            "versions": facts.versions(),
            "started": started.isoformat(timespec="seconds"),
        },
        clock,
    )


def _asked_aisles(data: Dataset, split: Split) -> tuple[list[str], list[LeftOut]]:
    """The aisles with enough questions of both kinds and something to learn from; the others with the reason."""
    asked, left_out = [], []
    for place, name in enumerate(data.categories):
        if not name:
            continue
        n_test, n_valid = int((split.test.aisles == place).sum()), int((split.valid.aisles == place).sum())
        if min(n_test, n_valid) < FEWEST:
            left_out.append(LeftOut(name, n_test, n_valid, "few"))
        elif not learnable(cut(split, (name,)).train):
            left_out.append(LeftOut(name, n_test, n_valid, "nothing"))
        else:
            asked.append(name)
    return asked, left_out


def _pairs(data: Dataset, split: Split, asked: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of aisles of which one is asked and the other has events; one model of a pair serves both directions."""
    bought = set(np.unique(data.item_categories[split.train.histories.items]).tolist())
    sources = [name for place, name in enumerate(data.categories) if name and place in bought]
    return [pair for pair in itertools.combinations(sources, 2) if pair[0] in asked or pair[1] in asked]


def _results(
    data: Dataset,
    split: Split,
    outcomes: list[tuple[str, Outcome]],
    asked: list[str],
    left_out: list[LeftOut],
    seed: int,
    known: dict[str, Any],
    clock: float,
) -> TransferResults:
    together = next(o for kind, o in outcomes if kind == "together")
    alone = {o.arm.aisles[0]: o for kind, o in outcomes if kind == "alone"}
    elsewhere, undated = _other_aisles(data, split)
    aisles = []
    for name in asked:
        rows = alone[name].arm.test_rows
        test = compare(alone[name].test, _at(together, name, data), seed)
        valid = compare(alone[name].valid, _at(together, name, data, valid=True), seed)
        gate = "alone" if valid.outcome == "negative" else "together"
        gated = test.before if gate == "alone" else test.after
        shares = float(elsewhere[rows].mean()), float(undated[rows].mean())
        aisles.append(AisleRow(name, len(rows), len(alone[name].arm.valid_rows), *shares, test, valid, gate, gated))
    pairs = []
    for outcome in (o for kind, o in outcomes if kind == "pair"):
        for source, target in itertools.permutations(outcome.arm.aisles):
            if target in alone:
                pairs.append(PairRow(source, target, compare(alone[target].test, _at(outcome, target, data), seed)))
    return TransferResults(
        aisles=aisles,
        pairs=sorted(pairs, key=lambda p: (p.target, p.source)),
        totals=_totals(aisles, alone, together, data, seed),
        arms=[_arm_row(kind, o) for kind, o in outcomes],
        left_out=left_out,
        facts=known | {"minutes": (time.perf_counter() - clock) / 60, "peak_memory_gb": facts.peak_memory_gb()},
        per_query=_per_query(outcomes, known["seeds"]),
    )


def _at(outcome: Outcome, aisle: str, data: Dataset, valid: bool = False) -> Values:
    """float64 (S, Q): the arm's figures on the questions of one aisle."""
    queries = outcome.arm.valid if valid else outcome.arm.test
    here = queries.aisles == outcome.arm.train.categories.index(aisle)
    return (outcome.valid if valid else outcome.test)[:, here]


def _totals(rows: list[AisleRow], alone: dict[str, Outcome], together: Outcome, data: Dataset, seed: int) -> list[TotalRow]:
    """Alone -> together, and together -> gate, over all questions of the aisles in the table."""
    singles = np.hstack([alone[r.aisle].test for r in rows])
    joint = np.hstack([_at(together, r.aisle, data) for r in rows])
    gated = np.hstack([alone[r.aisle].test if r.gate == "alone" else _at(together, r.aisle, data) for r in rows])
    weights = macro_weights(np.repeat(np.arange(len(rows)), [r.n_test for r in rows]).tolist())
    return [
        TotalRow(mean, of, compare(before, after, seed, weights=w))
        for mean, w in (("micro", None), ("macro", weights))
        for of, before, after in (("together against alone", singles, joint), ("gate against together", joint, gated))
    ]


def _other_aisles(data: Dataset, split: Split) -> tuple[Values, Values]:
    """float64 (Q,) each: 1 where a test history holds other aisles; and where the order against them is not known."""
    q = split.test
    h = q.histories
    other = data.item_categories[h.items] != q.aisles[h.owners]
    elsewhere = np.bincount(h.owners[other], minlength=len(q)) > 0
    lost = np.isnan(h.times) | np.isnan(q.times)[h.owners]
    undated = np.bincount(h.owners[other & lost], minlength=len(q)) > 0
    return elsewhere.astype(np.float64), undated.astype(np.float64)


def _arm_row(kind: str, o: Outcome) -> ArmRow:
    arm: Arm = o.arm
    return ArmRow(
        kind,
        tuple(name for name in arm.aisles if name),
        learnable(arm.train),
        arm.train.n_items,
        o.tokens_per_step,
        o.negatives,
        o.tried,
        o.chosen,
        o.epochs,
        o.minutes,
        o.parameters,
    )


def _per_query(outcomes: list[tuple[str, Outcome]], seeds: Sequence[int]) -> pl.DataFrame:
    parts = []
    for kind, o in outcomes:
        for asked, queries, rows, values in (
            ("test", o.arm.test, o.arm.test_rows, o.test),
            ("valid", o.arm.valid, o.arm.valid_rows, o.valid),
        ):
            names = pl.Series(o.arm.train.categories).gather(queries.aisles)
            for seed, of_seed in zip(seeds, values, strict=True):
                parts.append(
                    pl.DataFrame(
                        {
                            "asked": pl.repeat(asked, len(rows), eager=True),
                            "kind": pl.repeat(kind, len(rows), eager=True),
                            "aisles": pl.repeat(" + ".join(n for n in o.arm.aisles if n), len(rows), eager=True),
                            "aisle": names,
                            "seed": pl.repeat(seed, len(rows), dtype=pl.Int64, eager=True),
                            "query": pl.Series(rows),
                            "ndcg@10": of_seed.astype(np.float32),
                        }
                    )
                )
    return pl.concat(parts)
