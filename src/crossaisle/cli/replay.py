"""``crossaisle replay``: what another policy would have earned in the places that explored. Imports: options, show."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from crossaisle.cli import options
from crossaisle.cli.show import print_json, print_notes, print_table
from crossaisle.errors import RequestError

__all__ = ["replay"]

_DAY = 86_400.0
_DEFAULT = ("greedy", "uniform", "eps:0.1")
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
    """
    from crossaisle.learn.replay import ExploredLog, chances
    from crossaisle.learn.replay import replay as replayed
    from crossaisle.records import KINDS, Event, Records

    kinds = options.split_names([accept]) if accept else ()
    for kind in kinds:
        if kind not in KINDS:
            raise RequestError(f"--accept names {kind[:40]!r}", f"any of {', '.join(KINDS)}", "correct it")
    _refuse_missing(store)
    records = Records.open(store)
    try:
        since = 0.0 if days is None else time.time() - days * _DAY

        def credited() -> Iterator[Event]:
            for piece in records.events():
                yield from (event for _, event in piece if event.recommendation_id)

        log = ExploredLog.read(records.lists(since), credited(), within=within * _DAY, accepted=kinds)
    finally:
        records.close()
    answers, refused = [], []
    for name in policy or _DEFAULT:
        try:
            answers.append(replayed(log, chances(name, log), name, seed))
        except RequestError as error:
            if policy is not None and len(policy) == 1:
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
    if as_json:
        print_json({**facts, "weights": weights, "estimates": rows, "notes": notes})
        return
    print(f"{facts['places']:,} places explored, seen by {facts['people']:,} people, {facts['rewarded']:,} of them accepted")
    print_table(weights)
    print_table([{**row, "meaning": _MEANINGS[str(row["estimate"])]} for row in rows])
    print_notes(notes)


def _refuse_missing(url: str) -> None:
    """A file that is not there would be created, empty, and answer nothing."""
    scheme, _, place = url.partition(":///")
    if scheme.startswith("sqlite") and place and not Path(place).exists():
        raise RequestError(f"the store {place!r} does not exist", "the store that the service writes", "correct --store")


def _doubts(answer: Any, places: int) -> list[str]:
    """What the weights say about the log: their mean is 1 where the logged probabilities are true."""
    spread = math.sqrt(max(places / answer.effective - 1, 0.0) / places) * answer.mean_weight
    if abs(answer.mean_weight - 1) <= 4 * spread + 1e-9:
        return []
    found = f"policy {answer.policy!r}: the weights have a mean of {answer.mean_weight:.3f} where 1 is expected"
    return [f"{found}; the logged probabilities may not be true"]
