"""What the benchmarks of domain pretraining share: the arms' pairs, the folders of tuned models, and paired figures."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

from crossaisle.data.dataset import Dataset
from crossaisle.encode.cache import VectorCache
from crossaisle.encode.fields import item_texts
from crossaisle.encode.text import TextSettings, choose_reader
from crossaisle.pretrain.pairs import Pairs, bought_together, rewired
from crossaisle.pretrain.run import pretrain
from crossaisle.pretrain.settings import PretrainSettings
from crossaisle.stats import bootstrap_interval, paired_test

MEASURES = ("N@10", "R@10")


def pairs_of(arm: str, data: Dataset, settings: PretrainSettings, seed: int) -> Pairs:
    """The pairs of an arm, all of the same users, so that every arm takes about as many steps.

    ``across``: from different aisles; ``within``: of one aisle, by the users who have pairs across; ``rewired``: those of ``across``
    with partners exchanged. With ``settings.across`` off, ``together`` is whatever was bought together and ``rewired`` is made of that.
    """
    has_text = np.array([bool(text) for text in item_texts(data.items)])
    base = bought_together(data, settings, has_text)
    if arm == "rewired":
        return rewired(base, seed)
    if arm == "within":
        every = bought_together(data, dataclasses.replace(settings, across=False), has_text)
        same = every.aisles[every.first] == every.aisles[every.second]
        return every.select(same & np.isin(every.owners, base.owners))
    return base


def tuned(
    arm: str, data: Dataset, settings: PretrainSettings, seed: int, folder: Path, base: str, pairs: Pairs | None = None
) -> dict[str, Any]:
    """Tune ``base`` on the arm's pairs into ``folder``, unless it is there; what came out."""
    reader, _ = choose_reader(TextSettings(reader=base), [])
    started = time.process_time()
    done = pretrain(data, settings, reader, out=folder, seed=seed, resume=True, pairs=pairs, facts={"arm": arm})
    return {
        "stages": [dataclasses.asdict(stage) for stage in done.stages],
        "data": done.record["data"],
        "cpu_seconds": time.process_time() - started,
    }


def item_vectors(reader: str, data: Dataset) -> tuple[Any, Any, float]:
    """float32 (N, D) of every item, bool (N,) which have text, and the seconds it took."""
    texts, started = item_texts(data.items), time.monotonic()
    vectors = VectorCache().encode(choose_reader(TextSettings(reader=reader), [])[0], texts)
    return vectors, np.array([bool(text) for text in texts]), time.monotonic() - started


def summary(values: dict[str, Any], against: str, seed: int) -> dict[str, Any]:
    """Of each arm's figures a question: means with their interval, and the paired difference from one arm."""
    out: dict[str, Any] = {}
    for arm, table in values.items():
        row: dict[str, Any] = {"questions": len(next(iter(table.values())))}
        for name, v in table.items():
            low, high = bootstrap_interval(v, seed)
            row[name] = {"mean": float(np.mean(v)), "low": float(low), "high": float(high)}
            if arm != against and against in values:
                row[name][f"minus {against}"] = paired_test(v, values[against][name], seed)._asdict()
        out[arm] = row
    return out
