"""Explicit ratings on raw Amazon reviews: the mean, biases, the network, and the network on ratings dealt out anew (the placebo).

    python benchmarks/ratings.py OUT.json [--folder FOLDER] [--seeds 0,1,2] [--set section.key=value ...]

FOLDER (default: amazon_raw_reviews of CROSSAISLE_DATA) holds Amazon 2018 files as ``crossaisle import amazon2018`` reads them. See
`crossaisle.evaluate.ratings` for what is asked. Seeds that stand in OUT.json are not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from resume import earlier

from crossaisle.data.dataset import Dataset
from crossaisle.data.readers import amazon2018
from crossaisle.evaluate import facts
from crossaisle.evaluate.ratings import evaluate_ratings
from crossaisle.presets import preset_settings
from crossaisle.train.device import choose_device

SMALL = {"model.senses": "id,words", "model.dim": "32", "train.tokens_per_step": "512", "train.learning_rate": "0.003"}
"""About 10,000 events: the default step would hold a quarter of them."""


def main() -> None:
    """Every seed that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--folder", type=Path, default=Path(os.environ.get("CROSSAISLE_DATA", ".")) / "amazon_raw_reviews")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    asked = parser.parse_args()
    changes = SMALL | dict(pair.split("=", 1) for pair in asked.set)
    tables = amazon2018.read(asked.folder)
    data = Dataset.from_frames(tables.interactions, tables.items)
    ratings = data.histories.ratings
    assert ratings is not None
    results: dict[str, Any] = {
        "users": data.n_users,
        "items": data.n_items,
        "ratings": int(np.isfinite(ratings).sum()),
        "share of the highest rating": float((ratings == np.nanmax(ratings)).mean()),
        "settings": preset_settings(asked.preset, changes).to_dict(),
        "versions": facts.versions(),
        "hardware": facts.hardware(choose_device("auto")),
        "seeds": {},
    }
    results["seeds"] |= earlier(asked.out, {"settings": results["settings"]}).get("seeds", {})
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    for seed in map(int, asked.seeds.split(",")):
        if str(seed) in results["seeds"]:
            continue
        started = time.process_time()
        found = evaluate_ratings(data, preset_settings(asked.preset, changes, seed=seed))
        results["seeds"][str(seed)] = {**found, "cpu seconds": time.process_time() - started}
        asked.out.write_text(json.dumps(results, indent=1) + "\n")
        print(seed, found["shrink"], {arm: {m: round(v[m], 4) for m in ("rmse", "mae")} for arm, v in found["arms"].items()}, flush=True)


if __name__ == "__main__":
    main()
