r"""A refit on real data: does a short training from the weights in service do as well as a full one, and how much is lost by doing nothing?

    python benchmarks/refit.py --weeks 4 --recipes 1:0.3:1,1:0.3:1000000,2:0.3:1 --set blend.questions=2000 --set refit.people=1000 \
        --out benchmarks/results/refit/supermarket-4-weeks.json

Data: the newest weeks of the packaged supermarket (`crossaisle.demo`), or with ``--tables FOLDER`` dated tables of the contract. A model is
fitted on the oldest events and goes into service; the newest fifth of all events then arrives in a store. Of these, again the newest (a
fifth to a half, as many as ask about enough people) are kept from every arm and asked one by one, each after all that the person had done
until then (`crossaisle.live.judge`):

never        the model in service, which reads the fresh histories but learns nothing
warm P:R:O   what ``crossaisle refit`` trains, from the weights in service: P passes at R times the learning rate over the new events
             and O old ones for each of them (1000000: all old ones)
shuffled     the first of these, the new events' items dealt out anew among them, the placebo
anew         a full fit on the same events, weights drawn anew and all choices made anew

Each with the minutes of one processor core that it took (the machine may be shared), the paired interval of its difference to ``never`` and
to ``anew``, people resampled, and what the judge of ``crossaisle refit`` makes of it. Weeks on end: benchmarks/refit_weekly.py.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from crossaisle import Dataset, Recommender
from crossaisle.data.histories import Histories
from crossaisle.data.readers import import_tables
from crossaisle.demo import newest_weeks, shelves_as_aisles
from crossaisle.live.judge import Verdict, answers, ask, by_person, held_back
from crossaisle.live.news import News, gather
from crossaisle.records import Event, Records, RecordsSettings
from crossaisle.stats import bootstrap_interval, paired_test
from crossaisle.whole.version import Contents
from crossaisle.whole.warm import warm_contents

SUPERMARKET = {"data.core": "5", "train.epochs": "5", "train.refit": "false"}
"""As the demo has it."""


def supermarket(weeks: int, settings: dict[str, str]) -> Dataset:
    """The newest weeks of the packaged supermarket, aisles by shelf."""
    with tempfile.TemporaryDirectory() as scratch:
        import_tables("retail", None, Path(scratch))
        interactions, items = (pl.read_parquet(Path(scratch) / f"{name}.parquet") for name in ("interactions", "items"))
    chosen = Recommender.preset("quick", settings=settings).settings.data
    return Dataset.from_frames(newest_weeks(interactions, items, weeks), shelves_as_aisles(items), settings=chosen)


def cut(data: Dataset, share: float) -> tuple[Dataset, list[Event]]:
    """The data before the newest share of the events, and those as events of a store, oldest first."""
    h = data.histories
    moment = float(np.quantile(h.times, 1 - share))
    later = np.flatnonzero(h.times >= moment)
    later = later[np.argsort(h.times[later], kind="stable")]
    users, items = data.users.gather(h.owners), data.items["item_id"].gather(h.items)
    events = [Event(f"e{e}", users[e], items[e], "purchase", float(h.times[e])) for e in later.tolist()]
    before = data.with_histories(h.keep(h.times < moment))
    return before.select_users(before.histories.lengths > 0), events


def shuffled(news: News, seed: int) -> News:
    """The same news, the items of the new events dealt out anew among them."""
    h = news.data.histories
    items = h.items.copy()
    items[news.new] = np.random.default_rng(seed).permutation(items[news.new])
    return dataclasses.replace(news, data=news.data.with_histories(dataclasses.replace(h, items=items)))


def main() -> None:
    """Run every arm and write what came of it, after each of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tables", type=Path)
    parser.add_argument("--weeks", type=int, default=10)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument(
        "--recipes", default="1:0.3:1,2:0.3:1,1:0.3:1000000", help="passes:rate:replay, by comma; the first one for the placebo"
    )
    parser.add_argument("--set", dest="settings", action="append", default=[])
    asked = parser.parse_args()
    settings = (SUPERMARKET if asked.tables is None else {}) | dict(s.split("=", 1) for s in asked.settings)
    chosen = Recommender.preset("quick", seed=0, settings=settings).settings
    if asked.tables is None:
        data = supermarket(asked.weeks, settings)
    else:
        data = Dataset.from_files(asked.tables / "interactions.parquet", asked.tables / "items.parquet", settings=chosen.data)
    before, events = cut(data, asked.share)
    result: dict[str, Any] = {
        "data": {
            "events": len(data.histories.items),
            "items": data.n_items,
            "people": data.n_users,
            "in service": len(before.histories.items),
        },
        "settings": settings,
        "arms": {},
    }

    def timed(work: Callable[[], Any]) -> tuple[Any, float]:
        began = time.process_time()
        return work(), round((time.process_time() - began) / 60, 3)

    with tempfile.TemporaryDirectory() as scratch:
        served, minutes = timed(lambda: Recommender.preset("quick", seed=0, settings=settings).fit(before))
        result["minutes of the fit in service"] = minutes
        version = served.save(Path(scratch) / "model")
        start = Contents.read(version, "auto")
        records = Records.open(f"sqlite:///{scratch}/events.db", RecordsSettings(patience=60.0))
        for n in range(0, len(events), 2_000):
            records.add_events(events[n : n + 2_000], time.time())
        news = gather(start, records, records.start())
        records.close()
    judge = chosen.refit
    held = held_back(news, judge.newest, judge.newest_most, judge.people, chosen.data.target_events)
    questions = ask(news, held, chosen.data.target_events, chosen.refit.people, 0)
    result["asked"] = {"held back": int(held.sum()), "questions": len(questions.targets), "people": questions.n_people, "new": news.facts}
    values: dict[str, Any] = {}

    def tell(name: str, scorer: Any, minutes: float, n_events: int) -> None:
        values[name] = by_person(answers(scorer, questions, news, n_events), questions)
        low, high = bootstrap_interval(values[name], seed=0)
        result["arms"][name] = {"ndcg@10": float(values[name].mean()), "interval": [float(low), float(high)], "minutes": minutes}
        for arm, other in itertools.product(values, ("never", "anew")):
            if other in values and other != arm:
                result["arms"][arm][f"against {other}"] = list(paired_test(values[arm], values[other], seed=0))
        if name != "never":
            now, test = float(values["never"].mean()), paired_test(values[name], values["never"], seed=0)
            verdict = Verdict(now, float(values[name].mean()), test, questions.n_people, len(questions.targets))
            takes_over = test.low >= -judge.margin * now
            result["arms"][name]["judge"] = {"found": verdict.found, "could see": verdict.could_see, "would take over": takes_over}
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(result, indent=1) + "\n")
        print(name, json.dumps(result["arms"][name]), flush=True)

    def warm(what: News, held: Any, passes: int, rate: float, replay: float) -> Contents:
        training = dataclasses.replace(chosen.train, epochs=passes, learning_rate=rate * chosen.train.learning_rate)
        return warm_contents(start, what.before(held), training, learn=what.learned(replay, 0, held))

    known, n_events = start.catalogue.event_names, len(news.data.event_names)
    tell("never", start.scorer, 0.0, len(known))
    for recipe in asked.recipes.split(","):
        passes, rate, replay = (float(part) for part in recipe.split(":"))
        made, minutes = timed(lambda: warm(news, held, int(passes), rate, replay))  # noqa: B023  (called at once)
        tell(f"warm {recipe}", made.scorer, minutes, n_events)
    passes, rate, replay = (float(part) for part in asked.recipes.split(",")[0].split(":"))
    made, minutes = timed(lambda: warm(shuffled(news, 0), held, int(passes), rate, replay))
    tell("shuffled", made.scorer, minutes, n_events)
    anew, minutes = timed(lambda: Recommender.preset("quick", seed=0, settings=settings).fit(_lived(news.before(held))))
    tell("anew", anew._contents().scorer, minutes, n_events)


def _lived(data: Dataset) -> Dataset:
    """The people who have a history; with nothing else a fit would fail on."""
    h: Histories = data.histories
    return data.select_users(h.lengths > 0)


if __name__ == "__main__":
    main()
