r"""Refits every week by the product's own `refit`, on an earlier stretch of weeks (for choosing settings) or the newest: what do they earn?

    python benchmarks/refit_weekly.py TABLES OUT.json [--earlier] [--weeks 104] [--set refit.newest_most=0.5]

TABLES as for benchmarks/prequential.py. A model trained on the weeks before the stretch goes into service. At the end of each week of the
stretch its events come into a store and every arm is refitted; the events of the next week are asked of what then serves, each after all
that its person had done until then (`crossaisle.live.judge`: the first time that a person takes an item). Items that nobody had taken
before are put in the night before the week of the first who does; every arm, ``never`` too, then reads them as the service does. Arms:

never            the model as it was trained
warm             `crossaisle.live.refit.refit`: a challenger trained from the weights in service, which serves if the judge lets it
shuffled         the same, but the challenger learns the new events with their items dealt out anew among them: who did what is lost, what
                 is bought much is not
elsewhere        the same, but the challenger learns the new events of each item as those of another one: all of it is wrong
old              the same, but the challenger learns only old events once more, twice as many: what more training and knowing the new items
                 of the catalogue earn by themselves
..., always      the same without a judge: what each challenger is worth
anew             a full fit on everything known then

A challenger of the placebos serves as it was judged (``refit.again=false``), with everybody's true histories; what `warm` puts into service
was trained on the newest events, too. Differences to ``never``: each person once, with the mean of the questions about them, in weeks that
came after a refit; 95 %, people resampled. Minutes are of one processor core, which may be shared.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from prequential import CHANGES, LEAST, WEEK, dataset, read

from crossaisle import Dataset, Recommender
from crossaisle.blend.scorer import BlendScorer
from crossaisle.contracts import Scorer
from crossaisle.data.histories import Histories
from crossaisle.live import refit as product
from crossaisle.live.judge import Questions, answers, ask, by_person
from crossaisle.live.news import News, gather
from crossaisle.records import Cursor, Event, Records, RecordsSettings
from crossaisle.schema import Bools, Floats, Ints
from crossaisle.stats import bootstrap_interval, paired_test
from crossaisle.store import open_version
from crossaisle.whole.version import Contents

ARMS = ("warm", "warm, always", "shuffled", "shuffled, always", "elsewhere", "elsewhere, always", "old", "old, always")
TOLD = ("what", "version", "found", "in service", "challenger", "difference", "low", "high", "could see", "margin", "people", "questions")


@dataclasses.dataclass(frozen=True, eq=False)
class Dealt(News):
    """News of which a challenger learns something else than is asked and remembered."""

    def before(self, held: Bools) -> Dataset:
        """The data without the events that are held back, other items in the new ones."""
        h = self.data.histories
        return super().before(held).with_histories(dataclasses.replace(h, items=self.wrong(held)).keep(~held))

    def wrong(self, held: Bools) -> Ints:
        """int64 (E,): items, those of the new events dealt out anew among the events that are not held back."""
        items, learned = self.data.histories.items.copy(), self.new & ~held
        items[learned] = np.random.default_rng(0).permutation(items[learned])
        return items


class Elsewhere(Dealt):
    """The new events of each item told of another one."""

    def wrong(self, held: Bools) -> Ints:
        """int64 (E,)"""
        items = self.data.histories.items.copy()
        items[self.new] = np.random.default_rng(0).permutation(self.data.n_items)[items[self.new]]
        return items


class Old(News):
    """The challenger learns nothing of what came, and as many old events as if it did."""

    def before(self, held: Bools) -> Dataset:
        """The data without all that is new."""
        return super().before(self.new)

    def learned(self, replay: float, seed: int, held: Bools | None = None) -> Bools:
        """bool: old events, two for each new one that is not held back."""
        out = np.zeros(int((~self.new).sum()), bool)
        n = round((1 + replay) * int((self.new & ~held).sum())) if held is not None else 0
        out[np.random.default_rng(seed).choice(len(out), min(n, len(out)), replace=False)] = True
        return out


def refitted(folder: Path, records: Records, arm: str, settings: dict[str, str]) -> tuple[dict[str, Any], float]:
    """One refit of an arm: what came of it, and the minutes."""
    kind: type[News] = {"warm": News, "shuffled": Dealt, "elsewhere": Elsewhere, "old": Old}[arm.split(",")[0]]

    def told(start: Contents, records: Records, after: Cursor) -> News:
        news = gather(start, records, after)
        return kind(**{f.name: getattr(news, f.name) for f in dataclasses.fields(news)})

    changes = settings | ({"refit.margin": "1"} if arm.endswith("always") else {}) | ({} if kind is News else {"refit.again": "false"})
    began = time.process_time()
    product.gather = told  # type: ignore[attr-defined]
    out = product.refit(folder, records, settings=changes, device="cpu")
    facts = {"what": out.what, "version": out.version, **out.facts}
    return {k: facts[k] for k in TOLD if k in facts} or {"line": out.line}, (time.process_time() - began) / 60


@dataclasses.dataclass(frozen=True, eq=False)
class Reordered:
    """A scorer with the items in another order: `own` says which of its items each one is."""

    scorer: BlendScorer
    own: Ints
    name = "reordered"

    @property
    def counts(self) -> Ints:
        """int64 (N,)"""
        return self.scorer.counts[self.own]

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """float32 (B, N)"""
        return self.scorer.score(dataclasses.replace(histories, items=self.own[histories.items]))[:, self.own]


class Stretch:
    """The weeks that are played, and their questions.

    Items that training knew come first, those that people first took later after them, as they are put into the store: each in the night
    before the week in which it was first taken.
    """

    def __init__(self, events: pl.DataFrame, items: pl.DataFrame, first: float, start: float, end: float) -> None:
        self.first, self.start, self.end = first, start, end
        played = events.filter(pl.col("timestamp").is_between(first, end, closed="left"))
        taken = played.group_by("item_id").agg(
            known=(pl.col("timestamp") < start).sum(), week=(((pl.col("timestamp") - start) / WEEK).floor()).min().clip(-1)
        )
        chosen = (pl.col("known") >= LEAST) | (pl.col("known") == 0)
        table = items.join(taken.filter(chosen), on="item_id", how="inner", maintain_order="left").sort("week", "item_id")
        self.week = table["week"].to_numpy().astype(np.int64)
        self.items = table.drop("known", "week")
        self.events = played.join(self.items, on="item_id", how="semi", maintain_order="left").with_columns(event=pl.lit("purchase"))
        self.data = dataset(self.events, self.items, first, end)
        assert self.data.items["item_id"].to_list() == self.items["item_id"].to_list()

    def put(self, week: int) -> int:
        """How many items are there when a week begins."""
        return int((self.week <= week).sum())

    def before(self, week: int) -> Dataset:
        """All that is known when a week begins."""
        there = self.items.head(int((self.week < week).sum()))
        return dataset(self.events, there, self.first, self.start + week * WEEK)

    def rows(self, week: int) -> list[dict[str, Any]]:
        """The items that are put before a week."""
        rows = self.items.filter(pl.Series(self.week == week)).to_dicts()
        return [{name: value for name, value in row.items() if value is not None} for row in rows]

    def serving(self, contents: Contents, week: int) -> Scorer:
        """A model as the service has it in a week: with what was put since it was trained."""
        there = self.data.items.head(self.put(week))
        joined = there.join(contents.catalogue.items, on="item_id", how="anti", maintain_order="left")
        scorer = contents.scorer.grown(joined) if joined.height else contents.scorer
        ids = [*contents.catalogue.items["item_id"].to_list(), *joined["item_id"].to_list()]
        places = {item: place for place, item in enumerate(ids)}
        return Reordered(scorer, np.array([places[item] for item in there["item_id"].to_list()]))

    def came(self, week: int) -> list[Event]:
        """The events of a week, oldest first."""
        moment = self.start + week * WEEK
        part = self.events.with_row_index("row").filter(pl.col("timestamp").is_between(moment, moment + WEEK, closed="left"))
        return [
            Event(f"e{r}", u, i, "purchase", float(t)) for r, u, i, t in part.select("row", "user_id", "item_id", "timestamp").iter_rows()
        ]

    def asked(self, week: int) -> tuple[Questions, News]:
        """The questions of a week."""
        moment = self.start + week * WEEK
        times, none = self.data.histories.times, self.data.items.clear()
        new = (times >= moment) & (times < moment + WEEK)
        news = News(self.data, new, none, frozenset(), np.zeros(self.data.n_items, bool), (), Cursor("", 0))
        return ask(news, new, (), self.data.n_users, 0), news


def main() -> None:
    """Play the weeks and write what came of them, after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--earlier", action="store_true", help="the stretch before the newest one")
    parser.add_argument("--people", type=int, default=0)
    parser.add_argument("--weeks", type=int, default=10, help="weeks that the first training sees")
    parser.add_argument("--stretch", type=int, default=4, help="weeks of a stretch")
    parser.add_argument("--arms", default=";".join((*ARMS, "anew")), help="by semicolon, beside never")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    asked = parser.parse_args()
    settings = dict(s.split("=", 1) for s in asked.settings)
    events, items = read(asked.tables, asked.people)
    end = float(events["timestamp"].max()) + 1 - asked.earlier * asked.stretch * WEEK  # type: ignore[arg-type]
    start = end - asked.stretch * WEEK
    part = Stretch(events, items, start - asked.weeks * WEEK, start, end)
    arms = asked.arms.split(";")
    minutes = dict.fromkeys(arms, 0.0)
    values: dict[str, list[Any]] = {name: [] for name in ("never", *arms)}
    people: list[Ints] = []
    verdicts: dict[str, list[Any]] = {name: [] for name in arms if name != "anew"}
    with tempfile.TemporaryDirectory() as scratch:
        began = time.process_time()
        Recommender.preset("quick", seed=0, device="cpu", settings=CHANGES).fit(part.before(0)).save(Path(scratch) / "never")
        first_fit = (time.process_time() - began) / 60
        print(f"fitted in {first_fit:.1f} min; {part.put(-1):,} items, {part.data.n_items:,} at the end", flush=True)
        never = Contents.read(open_version(Path(scratch) / "never"), "cpu")
        folders = {name: Path(shutil.copytree(Path(scratch) / "never", Path(scratch) / name)) for name in verdicts}
        records = Records.open(f"sqlite:///{scratch}/events.db", RecordsSettings(patience=60.0))
        records.put_items(part.rows(0))
        for week in range(1, asked.stretch):
            came = part.came(week - 1)
            for n in range(0, len(came), 2_000):
                records.add_events(came[n : n + 2_000], time.time())
            questions, news = part.asked(week)
            people.append(questions.people)
            values["never"].append(answers(part.serving(never, week), questions, news, 1))
            for arm in arms:
                if arm == "anew":
                    began = time.process_time()
                    made = Recommender.preset("quick", seed=0, device="cpu", settings=CHANGES).fit(part.before(week))._contents()
                    minutes[arm] += (time.process_time() - began) / 60
                else:
                    told, took = refitted(folders[arm], records, arm, settings)
                    minutes[arm] += took
                    verdicts[arm].append(told)
                    made = Contents.read(open_version(folders[arm]), "cpu")
                values[arm].append(answers(part.serving(made, week), questions, news, 1))
                print(week, arm, round(float(values[arm][-1].mean()), 4), verdicts.get(arm, [""])[-1], flush=True)
            records.put_items(part.rows(week))  # known to what serves from now on, and to the next refit
            _write(asked, part, settings, values, people, verdicts, {"fit in service": first_fit, **minutes})
        records.close()


def _write(
    asked: argparse.Namespace,
    part: Stretch,
    settings: dict[str, str],
    values: dict[str, list[Any]],
    people: list[Ints],
    verdicts: dict[str, list[Any]],
    minutes: dict[str, float],
) -> None:
    questions = Questions(part.data.histories[:0], np.concatenate(people), np.concatenate(people))
    each = {name: by_person(np.concatenate(found), questions) for name, found in values.items()}
    out: dict[str, Any] = {
        "data": asked.tables.name,
        "stretch": "earlier" if asked.earlier else "newest",
        "settings": CHANGES | settings,
        "items": part.put(-1),
        "items put later": part.data.n_items - part.put(-1),
        "events before": int((part.data.histories.times < part.start).sum()),
        "events of the stretch": int((part.data.histories.times >= part.start).sum()),
        "weeks asked": len(people),
        "questions": sum(map(len, people)),
        "people": questions.n_people,
        "arms": {},
        "verdicts": verdicts,
        "minutes": {name: round(m, 2) for name, m in minutes.items()},
    }
    for name, found in each.items():
        low, high = bootstrap_interval(found, seed=0)
        out["arms"][name] = {"ndcg@10": round(float(found.mean()), 5), "interval": [round(float(low), 5), round(float(high), 5)]}
        if name != "never":
            test = paired_test(found, each["never"], seed=0)
            out["arms"][name]["against never"] = [round(float(v), 5) for v in test]
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
