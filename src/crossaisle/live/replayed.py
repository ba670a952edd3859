"""What another saved model makes of the places that explored, for ``crossaisle replay --model``. Imports: known, lists, person, refit,
served, settings.

Of a place that explored the log holds the pool, the probability of what was shown, who saw it and when, so another model can be put in
the place of the one that served: it scores the same pool, knowing of the person what was known at that moment (its own histories, and the
store's events, as far as they are older than the list) and sinking what is near to something turned down, as the service does. What the
policy is, given the scores, is `learn.replay.chances`. The one that answers "and if this model served?" is ``greedy``, all probability on
the best of the pool: a place that explored is decided alone, with the rest of its list as it was shown, so the model's top k is here its
top one, and a model that only serves draws nothing. ``eps:SHARE`` gives the same model a share of even choices, as exploring has; its
weights are smaller and its intervals narrower. With the scores and the share of what filled the log, the answer is what was earned.

Left out are lists that the log cannot repeat: asked for by nobody in particular, with a history, a wish or an item beside, of which only
the name is logged, or with what the person had before; and places of whose pool the other model knows no item. An item that it does not
know is one that it would not show. Not in its scores is what the service learns between two trainings (`live.learned`), which belongs to
the model that served. Every part of the model scores, as for a list with reasons; the quick look that the service takes at a large
catalogue may put items of aisles that are new to a person in another order.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from crossaisle.errors import RequestError
from crossaisle.learn.replay import ExploredLog
from crossaisle.live.known import Known
from crossaisle.live.lists import sunk
from crossaisle.live.person import Person, together
from crossaisle.live.refit import cursor_of
from crossaisle.live.served import Served
from crossaisle.live.settings import LiveSettings
from crossaisle.records import Records, ShownList
from crossaisle.schema import Ints, Times
from crossaisle.store import open_version
from crossaisle.whole.version import Contents

__all__ = ["Rescored", "by_history_alone", "pool_scores"]

_AT_ONCE = 32
"""Histories that are scored together, each against every item."""


class Rescored(NamedTuple):
    """A log of places and another model's scores.

    Attributes
    ----------
    log : ExploredLog
        The E places of whose pool the model knows an item.
    scores : float64 (P,)
        Minus infinity where it does not know the item.
    version : str
        Which version of the model it is.
    notes : list of str
        What is to be said about the answer.
    """

    log: ExploredLog
    scores: Times
    version: str
    notes: list[str]


def by_history_alone(shown: ShownList) -> bool:
    """Whether a list followed from what was known of a person, and from nothing that came along with the request."""
    return shown.user_id is not None and not shown.context.get("beside")


def pool_scores(
    folder: str | Path, records: Records, log: ExploredLog, settings: LiveSettings | None = None, device: str = "auto"
) -> Rescored:
    """What a saved model would have thought of the pools, each at its time.

    Parameters
    ----------
    folder : path
        A model folder; its version in service is asked.
    records : Records
        The store that the log is from.
    log : ExploredLog
        Of lists that are `by_history_alone`.
    settings : LiveSettings, optional
        How what was turned down sinks.

    Raises
    ------
    ModelError
        If the model cannot be read.
    RequestError
        If it knows no item of any pool.
    StoreAway
        If the store cannot be read.
    """
    settings, version = settings or LiveSettings(), open_version(folder)
    contents = Contents.read(version, device)
    whole = dataclasses.replace(settings, exact_items=sys.maxsize)  # no index is made for a quick look that nobody takes
    served = Served.of(version.name, contents, whole, cursor_of(contents.report, records))
    served = served.put(records.items()[0])[0]
    codes = np.array([served.codes.get(item, -1) for item in log.ids], np.int64)
    keep = log.summed((codes >= 0).astype(np.float64)) > 0
    if not keep.any():
        found = f"the model {folder} knows none of the items among which {len(log):,} places explored"
        raise RequestError(found, "a model of the same items", "fit it on this shop's items, or correct --model")
    notes = _notes(str(folder), contents, log, int((codes < 0).sum()), int((~keep).sum()))
    known, log = codes[np.repeat(keep, np.diff(log.offsets))], log.keep(keep)
    return Rescored(log, _scores(served, records, log, known, settings), version.name, notes)


def _scores(served: Served, records: Records, log: ExploredLog, codes: Ints, settings: LiveSettings) -> Times:
    """float64 (P,)"""
    out, places = np.full(len(codes), -np.inf), dict[tuple[str, float], list[int]]()
    for place, (user, when) in enumerate(zip(log.users, log.times.tolist(), strict=True)):
        places.setdefault((str(user), when), []).append(place)
    for some in _parts(sorted(places)):
        people = list(_people(served, records, some))
        rows = served.contents.scorer.score(together(people))
        for moment, person, row in zip(some, people, rows, strict=True):
            scores = row if len(person.items) else served.newcomer_scores
            for place in places[moment]:
                part = np.arange(log.offsets[place], log.offsets[place + 1])
                part = part[codes[part] >= 0]
                out[part] = sunk(served, person, codes[part], scores[codes[part]], settings)
    return out


def _parts(moments: list[tuple[str, float]]) -> Iterator[list[tuple[str, float]]]:
    for at in range(0, len(moments), _AT_ONCE):
        yield moments[at : at + _AT_ONCE]


def _people(served: Served, records: Records, moments: list[tuple[str, float]]) -> Iterator[Person]:
    """Each of these people as they were known then, as `engine.Engine` knows them now."""
    told: dict[str, Known] = {}
    for user, when in moments:
        if user not in told:
            told[user] = Known.of(served, records, user)
        yield told[user].before(served, when)


def _notes(name: str, contents: Contents, log: ExploredLog, unknown: int, dropped: int) -> list[str]:
    """What may make the answer untrue, or another one than was asked for."""
    times = np.array([]) if contents.people is None else contents.people.histories.times
    out, newest = list[str](), float(np.nanmax(times)) if (~np.isnan(times)).any() else np.nan
    if np.isnan(newest):
        why = "holds no histories: of a person it knows what the store has" if contents.people is None else "knows no times"
        out.append(f"{name} {why}, and does not say up to when it has learned: an answer that it was trained on flatters it")
    elif (n := int((log.times <= newest).sum())) > 0:
        found = f"{n:,} of {len(log):,} places are not newer than the newest event that {name} has learned"
        out.append(f"{found}: it may know the answers; a fair question is about later lists (--days)")
    if unknown:
        out.append(f"{unknown:,} of {len(log.ids):,} candidates are unknown to {name}, which would not show them")
    if dropped:
        out.append(f"{dropped:,} of {len(log):,} places are left out, because {name} knows nothing of their pool")
    return out
