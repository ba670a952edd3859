"""``crossaisle replay``: what another policy would have earned in the places that explored. Imports: options, show."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossaisle.cli import options
from crossaisle.cli.show import print_json, print_notes, print_table
from crossaisle.errors import RequestError

if TYPE_CHECKING:
    from crossaisle.learn.replay import ExploredLog
    from crossaisle.live.replayed import Rescored

__all__ = ["replay"]

_DAY = 86_400.0
_DEFAULT = ("greedy", "uniform", "eps:0.1")
_ONLY = "another model is asked about the places that explored alone: of others the log does not hold what else could have stood there"
_MEANINGS = {
    "logged": "what was earned",
    "ips": "inverse propensities",
    "snips": "the same, self-normalised",
    "dr": "doubly robust",
    "switch-dr": "doubly robust without large weights",
    "gain": "doubly robust, less what was earned",
}


def replay(
    store: Annotated[
        str, typer.Option("--store", metavar="URL", help="The service's store: sqlite:///events.db or postgresql+psycopg://...")
    ],
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", help="greedy (the model's order), uniform, eps:SHARE, softmax:T or logged; may be repeated."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="FOLDER", help="Ask also what this saved model would have earned in place of the one that served."),
    ] = None,
    days: Annotated[float | None, typer.Option("--days", min=0.0, help="Only lists of so many days; all if not given.")] = None,
    within: Annotated[float, typer.Option("--within", min=0.0, help="Days after a list in which an event counts as its answer.")] = 3.0,
    accept: Annotated[
        str, typer.Option("--accept", metavar="KIND,...", help="Kinds of event that are a reward; all that count as history if not given.")
    ] = "",
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Say what another policy would have earned, from the log alone.

    Looked at are the places that explored, whose probabilities were logged: serve with --set explore.share=0.1. Shown are the mean rewards
    a place with 95 % intervals, and the effective sample size; below 100 there is no answer.

    With --model another saved model is asked too, knowing of each person what was known at that moment: greedy is what it earns if it
    serves in place of the other (the best of the pool by its scores, the rest of the list as it was shown), eps:SHARE if it explores too.
    """
    from crossaisle.learn.replay import chances
    from crossaisle.learn.replay import replay as replayed
    from crossaisle.records import KINDS

    kinds = options.split_names([accept]) if accept else ()
    for kind in kinds:
        if kind not in KINDS:
            raise RequestError(f"--accept names {kind[:40]!r}", f"any of {', '.join(KINDS)}", "correct it")
    log, other, left_out = _read(store, 0.0 if days is None else time.time() - days * _DAY, within * _DAY, kinds, model)
    asked: list[tuple[str, Any]] = [(name, None) for name in policy or _DEFAULT]
    if other is not None:
        asked += [(name, other.scores) for name, _ in asked if name not in ("logged", "uniform")]
    answers, refused = [], []
    for name, scores in asked:
        try:
            label = name if scores is None else f"{name} of {Path(str(model)).resolve().name}"
            answers.append(replayed(log, chances(name, log, scores), label, seed))
        except RequestError as error:
            if len(asked) == 1:
                raise
            refused.append(error)
    if not answers:
        raise refused[0]
    rows = [
        {
            "policy": answer.policy,
            "estimate": name,
            "value": float(e.value),
            "low": float(e.low),
            "high": float(e.high),
        }
        for answer in answers
        for name, e in answer.estimates.items()
    ]
    weights = [
        {
            "policy": a.policy,
            "effective sample size": round(a.effective, 1),
            "mean weight": round(a.mean_weight, 3),
            "largest weight": round(a.largest_weight, 2),
        }
        for a in answers
    ]
    notes = [str(error) for error in refused] + [note for a in answers for note in _doubts(a, len(log))]
    facts: dict[str, Any] = {"places": len(log), "people": answers[0].people, "rewarded": int(log.rewards.sum())}
    if other is not None:
        facts["model"] = f"{model} {other.version}"
        notes += [_ONLY, *other.notes]
        if left_out:
            notes.append(f"{left_out:,} lists that explored are left out: for nobody in particular, or for more than a history")
    if as_json:
        print_json({**facts, "weights": weights, "estimates": rows, "notes": notes})
        return
    print(f"{facts['places']:,} places explored, seen by {facts['people']:,} people, {facts['rewarded']:,} of them accepted")
    print_table(weights)
    print_table([{**row, "meaning": _MEANINGS[str(row["estimate"])]} for row in rows])
    print_notes(notes)


def _read(store: str, since: float, within: float, kinds: Sequence[str], model: str | None) -> tuple[ExploredLog, Rescored | None, int]:
    """The places that explored, what another model thinks of them, and how many lists it could not be asked about."""
    from crossaisle.learn.replay import ExploredLog
    from crossaisle.records import Event, Records, ShownList

    left_out = 0
    records = Records.open(store, create=False)
    try:

        def credited() -> Iterator[Event]:
            for piece in records.events():
                yield from (event for _, event in piece if event.recommendation_id)

        if model is None:
            return ExploredLog.read(records.lists(since), credited(), within=within, accepted=kinds), None, 0
        from crossaisle.live.replayed import by_history_alone, pool_scores

        def repeatable() -> Iterator[ShownList]:
            nonlocal left_out
            for shown in records.lists(since):
                if by_history_alone(shown):
                    yield shown
                else:
                    left_out += bool(shown.context.get("explored"))

        try:
            log = ExploredLog.read(repeatable(), credited(), within=within, accepted=kinds)
        except RequestError:
            if not left_out:
                raise
            found = f"all {left_out:,} lists that explored were for nobody in particular, or for more than a person's history"
            raise RequestError(found, "lists of people whose history is known", "replay without --model") from None
        other = pool_scores(model, records, log)
        return other.log, other, left_out
    finally:
        records.close()


def _doubts(answer: Any, places: int) -> list[str]:
    """What the weights say about the log: their mean is 1 where the logged probabilities are true."""
    spread = math.sqrt(max(places / answer.effective - 1, 0.0) / places) * answer.mean_weight
    if abs(answer.mean_weight - 1) <= 4 * spread + 1e-9:
        return []
    found = f"policy {answer.policy!r}: the weights have a mean of {answer.mean_weight:.3f} where 1 is expected"
    return [f"{found}; the logged probabilities may not be true"]
