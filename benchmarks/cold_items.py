"""New items beside known ones on one table: what serves the new without costing the known.

    python benchmarks/cold_items.py TABLES OUT.json before:columns=all now: dropout:model.id_dropout=.3

TABLES holds interactions.parquet and items.parquet (benchmarks/prepare_amazon6.py). Protocol cold-item: a tenth of the items is new in the
test, another twentieth in validation; all rank among the whole catalogue, items already seen left out. An arm is NAME:KEY=VALUE,...;
``columns=all`` lets items without events stand in the softmax, as before they were left out. Each arm is trained once, and then asked
with a constant added to the scores of items without events. Text-kNN, tuned on the validation questions, stands beside them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crossaisle.baselines.text_knn import TextKNN
from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Queries, cold_item
from crossaisle.evaluate.models import ModelSource
from crossaisle.metrics import ndcg, recall
from crossaisle.presets import preset_settings
from crossaisle.scorers import network_scorer
from crossaisle.train import objective

OFFSETS = (-4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0)
SHORT = {"train.patience": "100", "train.validation_users": "1000"}
MOST = 4000
"""Questions of each kind, new and known, in validation and in test."""

ranked_whole = objective._whole


def sample(queries: Queries, counts: Any) -> Queries:
    """At most `MOST` questions for new and for known targets."""
    new = counts[queries.targets.items[queries.targets.offsets[:-1]]] == 0
    rng = np.random.default_rng(0)
    return queries[np.sort(np.concatenate([rng.permutation(np.flatnonzero(kind))[:MOST] for kind in (new, ~new)]))]


def quality(score: Callable[[Any], Any], queries: Queries, counts: Any, offsets: tuple[float, ...] = (0.0,)) -> list[dict[str, float]]:
    """R@10 and N@10 of new and of known targets, for each constant that is added to the scores of new items."""
    tops: list[list[Any]] = [[] for _ in offsets]
    for start in range(0, len(queries), 1024):
        part = queries[np.arange(start, min(start + 1024, len(queries)))]
        scores = torch.from_numpy(np.array(score(part.histories)))
        scores[part.histories.owners, part.histories.items] = -torch.inf
        for o, top in zip(offsets, tops, strict=True):
            top.append((scores + torch.from_numpy((counts == 0) * np.float32(o))).topk(10, dim=1).indices.numpy())
    new = counts[queries.targets.items[queries.targets.offsets[:-1]]] == 0
    out = []
    for top in tops:
        values = {"R@10": recall(np.concatenate(top), queries.targets, 10), "N@10": ndcg(np.concatenate(top), queries.targets, 10)}
        out.append(
            {f"{kind} {name}": float(v[mask].mean()) for kind, mask in (("new", new), ("known", ~new)) for name, v in values.items()}
        )
    return out


def main() -> None:
    """Train every arm and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("arms", nargs="*", metavar="NAME:KEY=VALUE,...")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without-text-knn", action="store_true")
    asked = parser.parse_args()
    data = Dataset.from_files(asked.tables / "interactions.parquet", asked.tables / "items.parquet")
    split = cold_item(data)
    counts = split.train.item_counts
    few = {"valid": sample(split.valid, counts), "test": sample(split.test, counts)}
    results: dict[str, Any] = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    if not asked.without_text_knn:
        settings = preset_settings("balanced", SHORT, seed=asked.seed)
        knn = TextKNN(ModelSource(data, settings).text_vectors).fit(split.train)
        knn.tune(split.train, split.valid)
        results["text-knn"] = {part: quality(knn.score, questions, counts)[0] for part, questions in few.items()}
        asked.out.write_text(json.dumps(results, indent=1) + "\n")
        print("text-knn", knn.chosen, json.dumps(results["text-knn"]), flush=True)
    for arm in asked.arms:
        name, _, rest = arm.partition(":")
        changes = dict(pair.split("=", 1) for pair in rest.split(",") if pair)
        every = changes.pop("columns", "") == "all"
        objective._whole = (lambda net, _: ranked_whole(net, [torch.arange(net.tower.n_items)])) if every else ranked_whole
        started = time.process_time()
        scorer = network_scorer(
            preset_settings("balanced", SHORT | {"train.epochs": str(asked.epochs)} | changes, seed=asked.seed), name
        ).fit(split.train, split.valid)
        by_offset = {part: dict(zip(OFFSETS, quality(scorer.score, q, counts, OFFSETS), strict=True)) for part, q in few.items()}
        results[name] = {part: values[0.0] for part, values in by_offset.items()}
        results[name] |= {"epoch": scorer.selection.best_epoch, "by what is added to the scores of new items": by_offset}
        results[name]["cpu_seconds"] = time.process_time() - started
        print(name, json.dumps({k: v for k, v in results[name].items() if "added" not in k}), flush=True)
        asked.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
