"""A refit: the model in service learns what came since, and is replaced only by one that is not worse.

Imports: forget, history, judge, news; records, store, whole.

The challenger starts with the weights in service and learns what is new, but for the newest events, beside as many old events drawn by
chance (``refit.replay``); then the newest are asked of both models (`judge`). It has won if the lower end of the interval of what it gains
is not below a small margin, and, where it seems to lose, if that and what the swaps before it have lost (`history.lost`) is not either.
Then training is done once more by the same recipe, from the same weights, with the newest events too (``refit.again``): what goes into
service was not judged itself, but differs from what was judged only by having seen those. That costs the training twice; extending the
judged challenger would be cheaper, and would put a recipe into service that nobody has judged. Otherwise the challenger is kept aside in
``MODEL/rejected``, without anybody's histories.

One run at a time holds the folder; a version is written whole before anything points to it, so a kill at any moment leaves the model that
served before, or the new one. Last of all, old versions are taken away (``refit.versions``), but never the one in service, nor the one that
a rollback would bring back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.contracts import Progress
from crossaisle.data.dataset import media_folder
from crossaisle.data.describe import describe
from crossaisle.encode.items import ItemReader
from crossaisle.encode.media import media_lines
from crossaisle.errors import ModelError, OutputError, RequestError, SettingError
from crossaisle.live.forget import forget_in_versions
from crossaisle.live.history import KEPT_ASIDE, ROLLED_BACK, SWAPPED, before, lost, mend, note, swaps
from crossaisle.live.judge import Verdict, ask, compare, held_back
from crossaisle.live.news import News, gather
from crossaisle.presets import AllSettings
from crossaisle.rank.catalogue import Catalogue
from crossaisle.records.rows import Cursor
from crossaisle.store import current_version, folder_lock, open_version, point_to, prune, version_names, write_version
from crossaisle.train.settings import TrainSettings
from crossaisle.whole.people import People
from crossaisle.whole.version import OPTIONAL, Contents
from crossaisle.whole.warm import warm_contents

if TYPE_CHECKING:
    from crossaisle.records import Records

__all__ = ["NO_REFIT", "Outcome", "cursor_of", "refit", "rollback"]

NO_REFIT = "no refit"
REJECTED = "rejected"
"""Folder inside a model folder, itself a model folder: challengers that did not take over."""
_FIXED = ("objective", "debias", "debias_gamma", "contrastive", "unlabelled")
"""Settings of training that say what the network is, or add parts to its loss that it began without."""


@dataclass(frozen=True)
class Outcome:
    """What a refit or a rollback did.

    Attributes
    ----------
    what : str
        `SWAPPED`, `KEPT_ASIDE`, `ROLLED_BACK` or `NO_REFIT`.
    line : str
        The same for people, in one line.
    version : str
        The version in service afterwards.
    facts : dict
        Figures, ready for JSON: the entry of the swap history, or why there was no refit.
    notes : tuple of str
        What is to be said besides.
    """

    what: str
    line: str
    version: str
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def cursor_of(report: Mapping[str, Any], records: Records) -> Cursor:
    """Up to where a version knows the records, by its report; one of no refit, or of a refit from another store, knows nothing of them."""
    known, start = report.get("records"), records.start()
    cursor = start if known is None else Cursor.from_json(known)
    return cursor if cursor.store == start.store else start


def refit(
    folder: str | Path,
    records: Records,
    *,
    settings: Mapping[str, str] | None = None,
    start: str | None = None,
    device: str = "auto",
    media: str | Path | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Train on from the model in service with what the records hold since, and let the better one serve.

    Parameters
    ----------
    settings : mapping, optional
        ``{"refit.epochs": "1"}``: changes for this refit; sections refit and train.
    start : str, optional
        Begin with the weights of this version (one that was rolled back, say) in place of those in service. The judgement is against the
        model in service all the same.
    media : path, optional
        Folder of the items' photos and videos. Without it those of new items are not read, and those of known ones stay as they were.

    Raises
    ------
    ModelError
        If the model cannot be read, or there is no version ``start``.
    OutputError
        If another run is writing the folder, or it cannot be written.
    RequestError
        If the model cannot be gone on with (`train.warm`), or the store is empty and the model has learned from another one.
    SettingError
        If a setting is unknown, or cannot change in a refit.
    StoreAway
        If the records cannot be read.
    TableError
        If the media folder is none.
    """
    folder, began, files = Path(folder), time.monotonic(), media_folder(media)
    open_version(folder)  # before the lock, which would make the folder of a mistyped path
    with folder_lock(folder):
        version = open_version(folder)
        served = Contents.read(version, device)
        mend(folder, served.report)
        base = served if start is None else Contents.read(open_version(folder, start), device)
        chosen = _chosen(served.settings, settings or {})
        notes = _other_store(folder, served.report, records)
        news = gather(served, records, cursor_of(served.report, records))
        forgotten = forget_in_versions(folder, news.forgotten)
        out = _refit(folder, version.name, served, base, start or version.name, news, chosen, files, progress, began)
        pruned = _prune(folder, chosen.refit.versions)
    notes += _unread(news, base) if out.what != NO_REFIT and files is None else _read_files(base)
    more = {"people taken out of versions": forgotten, "versions taken away": pruned, "notes": notes}
    facts = {**out.facts, **{name: what for name, what in more.items() if what}}
    return dataclasses.replace(out, line=out.line + _taken_out(forgotten), facts=facts, notes=tuple(notes))


def _other_store(folder: Path, report: Mapping[str, Any], records: Records) -> list[str]:
    """Whether these records may be others than the service writes: what to say of that, if it is not sure.

    A service may move to another store, and its events are taken from the beginning then. But if that one is empty, there is nothing to
    learn from it, and much to miss in the one before: a mistake, and not a quiet night.
    """
    cursors = [report.get("records"), *(entry.get("cursor") for entry in reversed(swaps(folder)))]
    before = next((Cursor.from_json(cursor).store for cursor in cursors if cursor), None)
    head = records.head()
    if before is None or before == head.store:
        return [] if head.seq else [f"the store {records.where} is empty: is it the one that the service writes?"]
    if not head.seq:
        found = f"the store {records.where} is empty, and the model has learned from another one"
        raise RequestError(found, "the store that the service writes", "name that one with --store")
    found = f"the store {records.where} is not the one that the model has learned from before, and is read from its beginning"
    return [f"{found}; who was deleted in the other one since is not known here"]


def _taken_out(forgotten: Mapping[str, int]) -> str:
    """What is to be said of people who asked to be forgotten, behind what came of the refit."""
    if not forgotten:
        return ""
    return "; deleted people taken out of the versions: " + ", ".join(f"{n:,} of {name}" for name, n in forgotten.items())


def _prune(folder: Path, keep: int) -> list[str]:
    try:
        spared = [before(folder)]
    except ModelError:  # there is none to go back to
        spared = []
    return prune(folder, keep, spared)


def _refit(
    folder: Path,
    name: str,
    served: Contents,
    base: Contents,
    start: str,
    news: News,
    settings: AllSettings,
    files: Path | None,
    progress: Progress | None,
    began: float,
) -> Outcome:
    chosen, facts = settings.refit, {"new": news.facts}
    idle = _idle(folder, name, news)
    if idle and start == name:
        return Outcome(NO_REFIT, f"{idle}: no refit; {name} stays", name, facts)
    held = held_back(news, chosen.newest, chosen.newest_most, chosen.people, settings.data.target_events)
    asked = ask(news, held, settings.data.target_events, chosen.people, settings.seed)
    if asked.n_people < chosen.least:
        found = f"{news.facts['events']:,} new events hold back answers of {asked.n_people} people, {chosen.least} are needed to judge by"
        codes, targets = np.unique(news.data.histories.events[news.new]), settings.data.target_events
        kinds = [news.data.event_names[code] for code in codes[codes >= 0].tolist()]
        if targets and not set(targets) & set(kinds):
            found += f" (data.target_events is {', '.join(targets)}, and the new events are {', '.join(kinds)})"
        return Outcome(NO_REFIT, f"{found}: no refit yet; {name} stays", name, facts)
    training = dataclasses.replace(settings.train, epochs=chosen.epochs, learning_rate=chosen.learning_rate * settings.train.learning_rate)
    learn = news.learned(chosen.replay, settings.seed, held)
    now = served.scorer
    if news.joined.height and now.net.reader is not None:
        now = now.grown(news.joined)  # as the service does when an item is put
    if isinstance(base.scorer.net.reader, ItemReader):
        base.scorer.net.reader.folder = files
    challenger = warm_contents(base, news.before(held), training, learn=learn, stale=news.stale, progress=progress)
    verdict = compare(now, challenger.scorer, asked, news, settings.seed, served.catalogue.event_names, progress)
    own = served.report.get("refit", {})  # a version to which items were added says what it was before that
    gone = lost(folder, str(own.get("to", name)))
    together = verdict.test.difference + gone * verdict.in_service
    least = -chosen.margin * verdict.in_service
    won = verdict.test.low >= least and (verdict.test.difference >= 0 or together >= least)
    entry: dict[str, Any] = {
        "what": SWAPPED if won else KEPT_ASIDE,
        "from": name,
        "to": _next(folder if won else folder / REJECTED),
        "start": start,
        "why": _why(verdict, chosen.margin, gone, won),
        **verdict.to_dict(),
        "lost before": round(gone, 6),
        "margin": round(least, 6),
        "new": news.facts,
        "settings": chosen.to_dict(),
        "cursor": news.cursor.to_json(),
    }
    if not won:
        return _keep_aside(folder, challenger, news, entry, chosen.keep, began)
    kept = served.people is not None
    if chosen.again:
        del challenger
        learn = news.learned(chosen.replay, settings.seed)
        final = warm_contents(base, news.data, training, learn=learn, stale=news.stale, progress=progress)
    else:
        final = _grown(challenger, news)
    return _swap_in(folder, final, news, entry, verdict, training, kept, began)


def _swap_in(
    folder: Path, final: Contents, news: News, entry: dict[str, Any], verdict: Verdict, training: TrainSettings, kept: bool, began: float
) -> Outcome:
    entry |= {"minutes": _minutes(began)}
    what = f"the newest {verdict.questions:,} events of {verdict.people:,} people, held back at the refit and asked one by one"
    quality = {
        "ndcg@10": verdict.challenger,
        "what": what,
        "epoch": training.epochs,
        "minutes": entry["minutes"],
        "blend": final.scorer.choice,
        "refit": {k: entry[k] for k in ("from", "start", *verdict.to_dict())},
    }
    report = {**describe(news.data, final.report.get("tables", {})), **news.suspects, "records": news.cursor.to_json(), "refit": entry}
    final = dataclasses.replace(final, quality=quality, report=report)
    version = write_version(folder, lambda new: final.write(new, kept), optional=OPTIONAL)
    note(folder, entry)
    return Outcome(SWAPPED, f"{version.name} serves in place of {entry['from']}: {entry['why']}", version.name, entry)


def _keep_aside(folder: Path, challenger: Contents, news: News, entry: dict[str, Any], keep: int, began: float) -> Outcome:
    entry |= {"minutes": _minutes(began)}
    aside, name = folder / REJECTED, entry["from"]
    if keep:
        held = dataclasses.replace(challenger, report={"records": news.cursor.to_json(), "refit": entry})
        write_version(aside, lambda new: held.write(new, False), optional=OPTIONAL)
        prune(aside, keep)
        where = f"kept aside as {REJECTED}/{entry['to']}"
    else:
        entry["to"], where = "", "thrown away"
    note(folder, entry)
    return Outcome(KEPT_ASIDE, f"{name} stays, the challenger is {where}: {entry['why']}", name, entry)


def rollback(folder: str | Path) -> Outcome:
    """Let the version before serve again; the one that served stays in the folder, and no refit begins with it unless asked.

    Raises
    ------
    ModelError
        If there is no version before, or it is incomplete or altered.
    OutputError
        If another run is writing the folder, or it cannot be written.
    """
    folder = Path(folder)
    current_version(folder)  # before the lock, which would make the folder of a mistyped path
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(folder_lock(folder))
        except OutputError as error:
            next_step = "stop the refit that is running, which leaves the model as it is, and roll back"
            raise OutputError(error.found, error.expected, next_step) from None
        name = current_version(folder)
        report = _report(folder / name)
        mend(folder, report)
        to = before(folder)
        point_to(folder, to)
        entry = {"what": ROLLED_BACK, "from": name, "to": to, "why": f"{name} was rolled back", "cursor": report.get("records")}
        note(folder, entry)
    return Outcome(ROLLED_BACK, f"{to} serves again in place of {name}", to, entry)


def _chosen(settings: AllSettings, changes: Mapping[str, str]) -> AllSettings:
    for key in changes:
        section, _, rest = key.partition(".")
        if section not in ("refit", "train") or (section == "train" and rest in _FIXED):
            raise SettingError(
                f"setting {key[:80]!r} cannot change in a refit", "a setting of refit or train", "fit the model again to change it"
            )
    return settings.changed(changes)


def _idle(folder: Path, name: str, news: News) -> str:
    """Why there is nothing to do; empty where there is."""
    if not news.facts["events"]:
        return f"nothing new since {name}"
    of = {KEPT_ASIDE: "from", ROLLED_BACK: "to"}
    tried = [e for e in swaps(folder) if e["what"] in of and e[of[e["what"]]] == name and e.get("cursor") == news.cursor.to_json()]
    if not tried:
        return ""
    what = "a challenger was kept aside" if tried[-1]["what"] == KEPT_ASIDE else f"{tried[-1]['from']} was rolled back"
    return f"nothing new since {what} ({tried[-1]['when']})"


def _why(verdict: Verdict, margin: float, gone: float, won: bool) -> str:
    t, share = verdict.test, f" ({verdict.could_see / verdict.in_service:.0%})" if verdict.in_service > 0 else ""
    least = -margin * verdict.in_service
    told = f"N@10 {verdict.challenger:.4f} against {verdict.in_service:.4f}, difference {t.difference:+.4f} [{t.low:+.4f}, {t.high:+.4f}]"
    seen = (
        f"{verdict.questions:,} questions about {verdict.people:,} people could have shown a difference of {verdict.could_see:.4f}{share}"
    )
    sign = "not below" if won or t.low >= least else "below"
    if not won and t.low >= least:
        seen = (
            f"but the swaps before it have lost {-gone:.1%} since the best model, and with it that would be more than {margin:.0%}; {seen}"
        )
    return f"{verdict.found}: {told}; its lower end is {sign} the margin {least:+.4f}; {seen}"


def _grown(contents: Contents, news: News) -> Contents:
    """The judged challenger with everybody's newest events in its histories; its weights have not seen those."""
    contents.scorer.counts = news.data.item_counts
    people = People(news.data.users, contents.scorer.net.with_reviews(news.data.histories))
    return dataclasses.replace(contents, catalogue=Catalogue.of(news.data), people=people)


def _next(folder: Path) -> str:
    names = version_names(folder)
    return f"v{int(names[-1][1:]) + 1 if names else 1:04d}"


def _report(version: Path) -> dict[str, Any]:
    """The report of a version, which need not be whole: a rollback has to work where the version in service is damaged."""
    try:
        found = json.loads((version / "model.json").read_text(encoding="utf-8"))["report"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _unread(news: News, base: Contents) -> list[str]:
    """That there are files of items that came or changed which nobody has read, where the model sees at all."""
    seen = [c for c in (schema.IMAGE, schema.VIDEO) if c in base.scorer.net.senses]
    changed = news.data.items.filter(pl.col(schema.ITEM).is_in([*news.stale, *news.joined[schema.ITEM].to_list()]))
    before = base.catalogue.items.select(schema.ITEM, *(pl.col(c).alias(f"{c} before") for c in seen))
    both = changed.join(before, on=schema.ITEM, how="left")
    n = both.filter(pl.any_horizontal(False, *(pl.col(c).is_not_null() & pl.col(c).ne_missing(pl.col(f"{c} before")) for c in seen))).height
    return [f"the photos or videos of {n} items that came or changed are not read; pass --media to read them"] if n else []


def _read_files(base: Contents) -> list[str]:
    """What became of the files that were read."""
    return media_lines(getattr(base.scorer.net.reader, "found", {}))


def _minutes(began: float) -> float:
    return round((time.monotonic() - began) / 60, 2)
