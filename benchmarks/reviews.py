"""What reviews add: on items, in histories, and their placebos, on three small sets of raw Amazon reviews, split by time.

    python benchmarks/reviews.py OUT.json [--folder FOLDER] [--seeds 2] [--each] [--users N] [--items N] [--set section.key=value ...]

FOLDER (default: amazon_raw_reviews of CROSSAISLE_DATA) holds the Amazon 2018 files of All_Beauty, AMAZON_FASHION and Gift_Cards with texts;
``--each`` looks at every aisle alone too. One moment leaves few questions, so there are five: after 50, 60, 70, 80 and 90 % of the events.
For each, learned from the events and the reviews before the moment, asked for all that each known user took after it and before the next
one, the whole catalogue ranked without what the history holds. The model is the network alone, fitted again on all before the moment; every
arm has the same settings and the same questions:

- ``none``: ids, titles and learned words. ``items``: what buyers say, too. ``both``: and what the user wrote of the history's items.
- ``items shuffled`` (placebo): each item with reviews is handed another item's. ``own shuffled`` (placebo of the step from items to both):
  each event is handed the text and the rating of somebody's review of something.
- ``count``: in place of the reviews how many were read, log(1 + n): popularity hides in them.

N@10 is the mean over seeds of each question and over the questions of each user; intervals are paired bootstraps over users. No text and no
user id is written.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from crossaisle.data.dataset import Dataset
from crossaisle.data.readers import amazon2018
from crossaisle.data.split import Queries, Split, time_split
from crossaisle.data.split_reviews import review_note
from crossaisle.encode.reviews import chosen_reviews
from crossaisle.encode.senses import Sense
from crossaisle.evaluate import facts
from crossaisle.metrics import ndcg
from crossaisle.presets import AllSettings, preset_settings
from crossaisle.rank.topk import top_k
from crossaisle.scorers import network_scorer
from crossaisle.stats import bootstrap_interval, paired_test

Values = npt.NDArray[np.float64]
WITH = {"model.senses": "id,text,words,reviews"}
ARMS: dict[str, dict[str, str]] = {
    "none": {},
    "items": {**WITH, "model.own_reviews": "false"},
    "both": WITH,
    "items shuffled": {**WITH, "model.own_reviews": "false"},
    "own shuffled": WITH,
    "count": {**WITH, "model.own_reviews": "false"},
}
PAIRS = [("items", "none"), ("both", "none"), ("both", "items"), ("items shuffled", "none"), ("count", "none")]
PAIRS += [("items", "items shuffled"), ("items", "count"), ("both", "own shuffled")]
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9)
SMALL_DATA = {"train.tokens_per_step": "512"}
"""About 10,000 events: the default step would hold a quarter of them."""


class ChangedReviews:
    """A reader whose sense "reviews" is changed: handed to other items that have one, or only counted."""

    def __init__(self, inner: Any, how: str, seed: int) -> None:
        self.inner, self.how, self.seed, self.note = inner, how, seed, how

    def fit(self, items: pl.DataFrame) -> ChangedReviews:
        """Fit the reader underneath."""
        self.inner.fit(items)
        return self

    def read(self, items: pl.DataFrame, progress: Any = None, reviews: pl.DataFrame | None = None) -> dict[str, Sense]:
        """The senses of the items, that of the reviews changed."""
        senses: dict[str, Sense] = self.inner.read(items, progress, reviews)
        return {**senses, "reviews": self._changed(senses["reviews"], items, reviews)}

    def read_reviews(self, items: pl.DataFrame, progress: Any = None, reviews: pl.DataFrame | None = None) -> Sense:
        """The sense of the reviews, changed."""
        return self._changed(self.inner.read_reviews(items, progress, reviews), items, reviews)

    def _changed(self, sense: Sense, items: pl.DataFrame, reviews: pl.DataFrame | None) -> Sense:
        if self.how == "count":
            assert reviews is not None
            read = chosen_reviews(reviews, items["item_id"], self.inner.review_settings)["code"].to_numpy()
            counts = np.bincount(read, minlength=items.height)
            return Sense(np.log1p(counts).astype(np.float32)[:, None], sense.present)
        have = np.flatnonzero(sense.present)
        values = np.array(sense.values)
        values[have] = values[np.random.default_rng(self.seed).permutation(have)]
        return Sense(values, sense.present)


def shuffled_own(data: Dataset, seed: int) -> Dataset:
    """Each review that an event points to keeps its time and gets another's text and rating."""
    own = data.histories.own
    assert own is not None
    assert own.table.texts is not None
    order = np.random.default_rng(seed).permutation(len(own.table.ratings))
    texts = [own.table.texts[i] for i in order.tolist()]
    table = dataclasses.replace(own.table, texts=texts, ratings=own.table.ratings[order])
    return data.with_histories(dataclasses.replace(data.histories, own=dataclasses.replace(own, table=table)))


def load(folder: Path, aisle: str | None, users: int | None, items: int | None) -> Dataset:
    """The raw files as a dataset: all of them, or one aisle; for trying out, of so many users or items only."""
    tables = amazon2018.read(folder)
    events = tables.interactions
    for column, most in (("item_id", items), ("user_id", users)):
        if most is not None:
            events = events.filter(pl.col(column).is_in(events[column].unique().sort().head(most).to_list()))
    if aisle is not None:
        events = events.filter(pl.col("category") == aisle)
    assert tables.items is not None
    items_table = tables.items.join(events, on="item_id", how="semi")  # the metadata's other items would be an easy crowd
    reviews = tables.reviews
    assert reviews is not None
    return Dataset.from_frames(events, items_table if items_table.height else None, reviews.join(events, on="item_id", how="semi"))


def measure(scorer: Any, queries: Queries) -> Values:
    """float64 (Q,): N@10 of each question."""
    scores = scorer.score(queries.histories)
    allowed = np.ones(scores.shape, dtype=bool)
    allowed[queries.histories.owners, queries.histories.items] = False
    return ndcg(top_k(scores, 10, allowed), queries.targets, 10)


def run_arm(arm: str, split: Split, settings: AllSettings, seed: int) -> dict[str, Any]:
    """Fit one arm with one seed; what it answers."""
    scorer, started = network_scorer(settings.changed({**ARMS[arm], "seed": str(seed)})), time.process_time()
    if arm in ("items shuffled", "count"):
        scorer.reader = ChangedReviews(scorer.reader, arm, seed)
    scorer.fit(split.train, split.valid.unseen(), split.full)
    run = scorer.selection
    found = {"test": measure(scorer, split.test.unseen()), "valid": max(run.scores), "epoch": run.best_epoch}
    reviews = scorer.senses.get("reviews")
    told = 0 if reviews is None else int(reviews.present.sum())
    return {**found, "seconds": time.process_time() - started, "items with reviews": told}


def windows(data: Dataset) -> list[tuple[Dataset, float]]:
    """The moments, each with the data as it was until the next one."""
    times = data.histories.times
    cuts = [*np.quantile(times, SHARES, method="lower").tolist(), np.inf]
    return [(data.with_histories(data.histories.keep(times < end)), start) for start, end in itertools.pairwise(cuts)]


def groups(split: Split, data: Dataset) -> dict[str, npt.NDArray[np.bool_]]:
    """Which questions ask for what: for an item that was never bought before the moment, for one that has a title."""
    asked = split.test.unseen()
    first = asked.targets.items[asked.targets.offsets[:-1]]
    new = split.full.item_counts[first] == 0
    named = (data.items["title"] != "").to_numpy()[first]
    own = asked.histories.own
    linked = np.zeros(len(asked), dtype=bool)
    if own is not None:
        linked[asked.histories.owners[own.rows >= 0]] = True
    every = np.ones(len(asked), dtype=bool)
    return {"all": every, "new item": new, "known item": ~new, "item with title": named, "item without title": ~named, "wrote": linked}


def trial(data: Dataset, settings: AllSettings, seeds: int) -> dict[str, Any]:
    """All arms on one dataset."""
    values: dict[str, list[Values]] = {arm: [] for arm in ARMS}
    rows, notes, users, which = [], [], [], []
    for until, cut in windows(data):
        split = time_split(until, cut=cut, targets="all")
        notes.append(split.note + review_note(data, split.full))
        users.append(split.test.unseen().users)
        which.append(groups(split, data))
        shuffled = [time_split(shuffled_own(until, seed), cut=cut, targets="all") for seed in range(seeds)]
        for arm in ARMS:
            found = [run_arm(arm, shuffled[s] if arm == "own shuffled" else split, settings, s) for s in range(seeds)]
            tests = [f.pop("test") for f in found]
            values[arm].append(np.mean(tests, axis=0))
            rows += [{"arm": arm, "cut": len(notes), "seed": s, "ndcg@10": float(tests[s].mean()), **f} for s, f in enumerate(found)]
    each = {arm: np.concatenate(v) for arm, v in values.items()}
    _, owner, asked = np.unique(np.concatenate(users), return_inverse=True, return_counts=True)
    means = {arm: np.bincount(owner, weights=v) / asked for arm, v in each.items()}
    masks = {name: np.concatenate([w[name] for w in which]) for name in which[0]}
    return {
        "notes": notes,
        "counts": {"users": data.n_users, "items": data.n_items, "events": len(data.histories.items)}
        | {"questions": len(owner), "asked users": len(asked)},
        "arms": {arm: _mean(v) for arm, v in means.items()},
        "paired": {f"{a} - {b}": paired_test(means[a], means[b], 0)._asdict() for a, b in PAIRS},
        "groups": {
            name: {"questions": int(mask.sum()), **{arm: float(v[mask].mean()) for arm, v in each.items()}}
            for name, mask in masks.items()
            if mask.any()
        },
        "valid": {arm: float(np.mean([r["valid"] for r in rows if r["arm"] == arm])) for arm in ARMS},
        "runs": rows,
    }


def _mean(values: Values) -> dict[str, float]:
    low, high = bootstrap_interval(values, 0)
    return {"ndcg@10": float(values.mean()), "low": float(low), "high": float(high)}


def main() -> None:
    """Run the trial on all aisles together, with ``--each`` on each alone too, and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--folder", type=Path, default=Path(os.environ.get("CROSSAISLE_DATA", ".")) / "amazon_raw_reviews")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--users", type=int)
    parser.add_argument("--items", type=int)
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="SECTION.KEY=VALUE")
    asked = parser.parse_args()
    changes = {**SMALL_DATA, **dict(pair.split("=", 1) for pair in asked.changes)}
    settings, clock = preset_settings("balanced", changes), time.perf_counter()
    results: dict[str, Any] = {"settings": changes, "seeds": asked.seeds, "hardware": facts.hardware("cpu"), "versions": facts.versions()}
    whole = load(asked.folder, None, asked.users, asked.items)
    results["together"] = trial(whole, settings, asked.seeds)
    for aisle in [name for name in whole.categories if name] if asked.each else []:
        results[aisle] = trial(load(asked.folder, aisle, asked.users, asked.items), settings, asked.seeds)
    results["minutes"] = (time.perf_counter() - clock) / 60
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, found in results.items():
        if isinstance(found, dict) and "arms" in found:
            print(name, found["counts"], *(f"{arm} {m['ndcg@10']:.4f}" for arm, m in found["arms"].items()), sep="  ")
            print(
                *(f"  {pair}: {t['difference']:+.4f} [{t['low']:+.4f}, {t['high']:+.4f}]" for pair, t in found["paired"].items()), sep="\n"
            )


if __name__ == "__main__":
    main()
