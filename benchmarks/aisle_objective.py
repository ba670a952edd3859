"""Objectives beside each other on a catalogue of several aisles, leave-one-out, equal epochs.

    python benchmarks/aisle_objective.py TABLES OUT.json plain:train.objective=catalogue factored:train.objective=factored [--users 20000]

TABLES holds interactions.parquet and items.parquet (benchmarks/prepare_amazon6.py). An arm is NAME:KEY=VALUE,...; all arms have the
settings of preset ``balanced`` but for epochs and what the arm says. For validation and test questions: N@10 over the whole catalogue,
of each aisle's targets and the plain mean of those (macro); the same with only the target's aisle ranked (inside); the share that each
aisle has of the targets and of the lists; processor seconds of an epoch.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crossaisle.contracts import Scorer
from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Queries, leave_one_out
from crossaisle.metrics import ndcg
from crossaisle.presets import preset_settings
from crossaisle.scorers import network_scorer


class StepClock:
    """Processor time at the end of every training step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        if stage == "training":
            self.times.append(time.process_time())

    def epoch(self, epochs: int) -> float:
        """Seconds of the median epoch, without the questions asked after it."""
        steps = len(self.times) // epochs
        spent = [self.times[(e + 1) * steps - 1] - self.times[e * steps] for e in range(epochs)]
        return float(np.median(spent)) * steps / max(1, steps - 1)


def quality(scorer: Scorer, queries: Queries, data: Dataset) -> dict[str, Any]:
    """Over the whole catalogue and inside the target's aisle; items already seen are left out."""
    aisles = data.item_categories
    of_target = aisles[queries.targets.items[queries.targets.offsets[:-1]]]
    shown, values = np.zeros(len(data.categories)), {"whole": np.zeros(len(queries)), "inside": np.zeros(len(queries))}
    for start in range(0, len(queries), 1024):
        rows = np.arange(start, min(start + 1024, len(queries)))
        part = queries[rows]
        scores = np.array(scorer.score(part.histories))
        scores[part.histories.owners, part.histories.items] = -np.inf
        for view in values:
            if view == "inside":
                scores[aisles[None, :] != of_target[rows, None]] = -np.inf
            top = torch.from_numpy(scores).topk(10, dim=1).indices.numpy()
            values[view][rows] = ndcg(top, part.targets, 10)
            if view == "whole":
                shown += np.bincount(aisles[top.ravel()], minlength=len(shown))
    asked = np.bincount(of_target, minlength=len(shown))
    out: dict[str, Any] = {}
    for view, each in values.items():
        by_aisle = np.bincount(of_target, weights=each, minlength=len(shown))[asked > 0] / asked[asked > 0]
        out |= {f"{view} micro": float(each.mean()), f"{view} macro": float(by_aisle.mean())}
        out[f"{view} by aisle"] = dict(zip(np.array(data.categories)[asked > 0].tolist(), by_aisle.tolist(), strict=True))
    out["share of targets"] = dict(zip(data.categories, (asked / asked.sum()).tolist(), strict=True))
    out["share of lists"] = dict(zip(data.categories, (shown / shown.sum()).tolist(), strict=True))
    return out


def main() -> None:
    """Train every arm and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("arms", nargs="+", metavar="NAME:KEY=VALUE,...")
    parser.add_argument("--users", type=int, default=0, help="A random sample of so many users; 0 = all.")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--questions", type=int, default=4000, help="Most questions of validation, and of test.")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    data = Dataset.from_files(asked.tables / "interactions.parquet", asked.tables / "items.parquet")
    rng = np.random.default_rng(0)
    if asked.users:
        data = data.select_users(np.sort(rng.permutation(data.n_users)[: asked.users]))
    split = leave_one_out(data)
    few = {p: q[np.sort(rng.permutation(len(q))[: asked.questions])] for p, q in (("valid", split.valid), ("test", split.test))}
    results: dict[str, Any] = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    print(f"{data.n_users:,} users, {int((data.item_counts > 0).sum()):,} of {data.n_items:,} items with events", flush=True)
    short = {"train.epochs": str(asked.epochs), "train.patience": str(asked.epochs), "train.validation_users": "1000"}
    for arm in asked.arms:
        name, _, rest = arm.partition(":")
        changes = dict(pair.split("=", 1) for pair in rest.split(",") if pair)
        clock = StepClock()
        scorer = network_scorer(preset_settings("balanced", short | changes, seed=asked.seed), name)
        scorer.fit(split.train, split.valid, progress=clock)
        results[name] = {part: quality(scorer, questions, data) for part, questions in few.items()}
        results[name] |= {"epoch": scorer.selection.best_epoch, "scores": scorer.selection.scores}
        results[name]["processor seconds of an epoch"] = clock.epoch(asked.epochs)
        print(name, json.dumps(results[name]), flush=True)
        asked.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
