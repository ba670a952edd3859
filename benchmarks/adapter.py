"""A new aisle on a finished network: an adapter of it, against training everything and against the aisle alone; leave-one-out.

    python benchmarks/adapter.py TABLES OUT.json [--aisle Toys_and_Games] [--users 6000] [--epochs 8] [--set model.adapter_rank=4]

TABLES holds interactions.parquet and items.parquet of several aisles (benchmarks/prepare_amazon6.py OUT Toys_and_Games Sports_and_Outdoors
Beauty --apart). Arms: ``trunk`` (the other aisles alone, the new one's items read but not trained), ``adapter`` (that trunk frozen, an
adapter and id rows trained), ``no-adapter`` (the control: rank 0, so id rows and a bias), ``placebo`` (an adapter as large on a trunk that
was not trained), ``everything`` (all aisles from scratch) and ``alone`` (the new aisle from scratch). All learn from the same training
events and choose when to stop by the same validation questions, the joined ones by those of items that their base did not know.

Reported of the test questions: N@10 inside the new aisle and inside the others, each question ranked in its target's aisle; N@10 of the
whole catalogue, and of the new aisle's and the other targets in it; the share of the lists and of the targets that is the new aisle's;
minutes of training, validation included; trained parameters, id rows apart; and how many lists inside the other aisles the joined model
changed, for histories without an item of the new one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crossaisle.contracts import Scorer
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries, leave_one_out
from crossaisle.metrics import ndcg
from crossaisle.presets import AllSettings, preset_settings
from crossaisle.schema import Bools, Floats, Ints
from crossaisle.scorers import network_scorer
from crossaisle.train.fit import NetworkScorer


class Part:
    """Some items of a dataset, as a dataset of their own."""

    def __init__(self, data: Dataset, keep: Bools) -> None:
        self.codes: Ints = np.flatnonzero(keep)
        self.place = np.full(data.n_items, -1, np.int64)
        self.place[self.codes] = np.arange(len(self.codes))
        self.items = data.items[self.codes]

    def of(self, histories: Histories) -> Histories:
        """The events of these items, in their codes."""
        kept = histories.keep(self.place[histories.items] >= 0)
        return dataclasses.replace(kept, items=self.place[kept.items])

    def data(self, whole: Dataset) -> Dataset:
        """The people who have an event here."""
        histories = self.of(whole.histories)
        some = np.flatnonzero(histories.lengths > 0)
        return Dataset(self.items, whole.users.gather(some), histories[some], whole.event_names)

    def asked(self, queries: Queries) -> Queries:
        """The questions whose target is here and whose history has something here."""
        histories, targets = self.of(queries.histories), self.of(queries.targets)
        some = np.flatnonzero((histories.lengths > 0) & (targets.lengths > 0))
        return Queries(queries.users[some], histories[some], targets[some], np.full(len(some), -1, np.int64), queries.times[some])


class Seen:
    """A scorer of some items as one of all, whose other items are never listed."""

    def __init__(self, scorer: Scorer, part: Part, order: Ints) -> None:
        self.scorer, self.part, self.order = scorer, part, order

    def score(self, histories: Histories) -> Floats:
        """float32 (B, N)."""
        out = np.full((len(histories), len(self.part.place)), -np.inf, np.float32)
        out[:, self.order] = self.scorer.score(self.part.of(histories))
        return out


def lists(scorer: Any, queries: Queries, aisles: Ints) -> dict[str, Ints]:
    """int64 (Q, 10) of the whole catalogue, and inside the target's aisle; items already seen are left out."""
    of_target, out = aisles[queries.targets.items[queries.targets.offsets[:-1]]], {"whole": [], "inside": []}
    for start in range(0, len(queries), 512):
        rows = np.arange(start, min(start + 512, len(queries)))
        part = queries[rows]
        scores = np.array(scorer.score(part.histories))
        scores[part.histories.owners, part.histories.items] = -np.inf
        for view in out:
            if view == "inside":
                scores[aisles[None, :] != of_target[rows, None]] = -np.inf
            best = torch.from_numpy(scores).topk(10, dim=1)
            out[view].append(torch.where(best.values.isfinite(), best.indices, -1).numpy())
    return {view: np.concatenate(found) for view, found in out.items()}


def measures(found: dict[str, Ints], queries: Queries, aisles: Ints, new: int) -> dict[str, float]:
    """N@10 as the file's first lines say."""
    theirs = aisles[queries.targets.items[queries.targets.offsets[:-1]]] == new
    whole, inside = (ndcg(found[view], queries.targets, 10) for view in ("whole", "inside"))
    shown = found["whole"]
    return {
        "inside the new aisle": float(inside[theirs].mean()),
        "inside the others": float(inside[~theirs].mean()),
        "union": float(whole.mean()),
        "union, new aisle's targets": float(whole[theirs].mean()),
        "union, other targets": float(whole[~theirs].mean()),
        "new aisle's share of lists": float((aisles[shown[shown >= 0]] == new).mean()),
        "new aisle's share of targets": float(theirs.mean()),
    }


def trained(scorer: NetworkScorer) -> dict[str, int]:
    """Parameters that the fit trained; id rows apart."""
    assert scorer.network is not None
    adaptation = scorer.adaptation()
    if adaptation is not None:
        new = adaptation["adapters"][-1]
        return {"trained": new["parameters"], "trained id rows": new["parameters of id rows"], "trunk": adaptation["trunk parameters"]}
    ids = scorer.network.tower.id_table
    n, rows = sum(p.numel() for p in scorer.network.parameters()), 0 if ids is None else ids.numel()
    return {"trained": n - rows, "trained id rows": rows, "trunk": n - rows}


def main() -> None:
    """Fit every arm and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--aisle", default="Toys_and_Games", help="The aisle that is new.")
    parser.add_argument("--users", type=int, default=0, help="A random sample of so many users and their items; 0 = all.")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--questions", type=int, default=10_000, help="Most test questions.")
    parser.add_argument("--arms", default="adapter,no-adapter,placebo,everything,alone", help="Of those; trunk is always fitted.")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="For every arm.")
    parser.add_argument("--set-adapter", action="append", default=[], metavar="SECTION.KEY=VALUE", help="For the joined arms only.")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    data = Dataset.from_files(asked.tables / "interactions.parquet", asked.tables / "items.parquet")
    rng = np.random.default_rng(0)
    if asked.users:
        data = data.select_users(np.sort(rng.permutation(data.n_users)[: asked.users]))
        data = Part(data, data.item_counts > 0).data(data)
    split = leave_one_out(data)
    test = split.test.unseen()
    test = test[np.sort(rng.permutation(len(test))[: asked.questions])]
    aisles, new = data.item_categories, data.categories.index(asked.aisle)
    parts = {"trunk": Part(data, aisles != new), "alone": Part(data, aisles == new)}
    short = {"train.epochs": str(asked.epochs), "train.refit": "false"} | dict(pair.split("=", 1) for pair in asked.set)
    settings = preset_settings("balanced", short, seed=asked.seed)
    joined = settings.changed(dict(pair.split("=", 1) for pair in asked.set_adapter))
    print(f"{data.n_users:,} users, {data.n_items:,} items, {len(test):,} questions", flush=True)
    results: dict[str, Any] = {
        "users": data.n_users,
        "questions": len(test),
        "settings": asked.set,
        "settings of joined": asked.set_adapter,
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)

    def fit(name: str, scorer: NetworkScorer, learn: Dataset, valid: Queries) -> NetworkScorer:
        scorer.fit(learn, valid)
        run = scorer.selection
        results[name] = {"minutes": run.seconds / 60, "epoch": run.best_epoch, "scores": run.scores} | trained(scorer)
        return scorer

    def tell(name: str, found: dict[str, Ints], queries: Queries) -> None:
        results[name] |= measures(found, queries, aisles, new)
        print(name, json.dumps(results[name]), flush=True)
        asked.out.write_text(json.dumps(results, indent=1) + "\n")

    def join(chosen: AllSettings, base: NetworkScorer) -> NetworkScorer:
        return network_scorer(chosen).join(base.as_base(parts["trunk"].items["item_id"], data.event_names, asked.aisle))

    part = parts["trunk"]
    trunk = fit("trunk", network_scorer(settings), part.data(split.train), part.asked(split.valid))
    arms, kept = asked.arms.split(","), {}
    if "adapter" in arms:
        kept["adapter"] = fit("adapter", join(joined, trunk), split.train, split.valid)
    if "no-adapter" in arms:
        bare = joined.changed({"model.adapter_rank": "0"})
        kept["no-adapter"] = fit("no-adapter", join(bare, trunk), split.train, split.valid)
    if "placebo" in arms:
        untrained = network_scorer(settings.changed({"train.epochs": "1", "train.learning_rate": "0"}))
        untrained.fit(part.data(split.train), part.asked(split.valid))
        kept["placebo"] = fit("placebo", join(joined, untrained), split.train, split.valid)
    if "everything" in arms:
        kept["everything"] = fit("everything", network_scorer(settings), split.train, split.valid)

    before = Seen(trunk, part, part.codes)
    without = np.bincount(test.histories.owners, weights=aisles[test.histories.items] == new, minlength=len(test)) == 0
    others = aisles[test.targets.items[test.targets.offsets[:-1]]] != new
    rows = np.flatnonzero(without & others)
    old = lists(before, test[rows], aisles)["inside"]
    for name, scorer in kept.items():
        found = lists(scorer, test, aisles)
        if name in ("adapter", "no-adapter"):
            results[name]["lists of the others that changed"] = int((found["inside"][rows] != old).any(axis=1).sum())
            results[name]["of so many"] = len(rows)
        tell(name, found, test)
    trunk.add_items(parts["alone"].items)
    everything = Part(data, np.ones(data.n_items, dtype=bool))
    everything.codes = np.concatenate([part.codes, parts["alone"].codes])
    everything.place[everything.codes] = np.arange(data.n_items)
    tell("trunk", lists(Seen(trunk, everything, everything.codes), test, aisles), test)
    if "alone" in arms:
        own = parts["alone"]
        alone = fit("alone", network_scorer(settings), own.data(split.train), own.asked(split.valid))
        theirs = test[np.flatnonzero(~others)]
        inside = ndcg(lists(Seen(alone, own, own.codes), theirs, aisles)["inside"], theirs.targets, 10)
        results["alone"]["inside the new aisle"] = float(inside.mean())
        print("alone", json.dumps(results["alone"]), flush=True)
        asked.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
