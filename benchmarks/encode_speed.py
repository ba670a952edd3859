"""Encoding throughput of the default text reader against sentence-transformers: same model, texts, length limit and machine.

    python benchmarks/encode_speed.py --out benchmarks/results/encode_speed
    python benchmarks/encode_speed.py --items 300 --rounds 2        # a small one to try out

Texts of Beauty, as `crossaisle fit` reads them. The arms take turns, several rounds; each round's order is drawn by chance and the
ratio is taken within a round, so that what else the machine does falls on all alike. Wall clock and CPU seconds are both kept: on a
machine that is shared the CPU seconds are the steadier ones. ``float32`` against ``sentence-transformers`` is equal precision;
``auto`` is what users get (most feed-forward layers in bfloat16 where the CPU has units for it, float32 elsewhere).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from sentence_transformers import SentenceTransformer

from crossaisle.encode.fields import item_texts
from crossaisle.encode.text import MiniLMReader
from crossaisle.encode.transformer import has_bfloat16_units

LIMIT = 128


def beauty(count: int, seed: int) -> list[str]:
    """Texts of ``count`` items drawn by chance."""
    items = pl.read_parquet(Path(os.environ.get("CROSSAISLE_DATA", "../shared/data")) / "amazon6" / "items.parquet")
    return item_texts(items.filter(pl.col("category").cast(pl.String) == "Beauty").sample(count, seed=seed))


def summary(rounds: list[dict[str, Any]], arm: str, clock: str) -> dict[str, float]:
    """Median ratio of sentence-transformers' seconds to the arm's within a round, and the least and largest."""
    ratios = [r["sentence-transformers"][clock] / r[arm][clock] for r in rounds]
    return {"median": float(np.median(ratios)), "least": min(ratios), "largest": max(ratios)}


def main() -> None:
    """Measure, print and, with --out, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    texts = beauty(asked.items, asked.seed)
    default, plain = MiniLMReader(LIMIT), MiniLMReader(LIMIT, precision="float32")
    theirs = SentenceTransformer(str(plain.path), device="cpu")  # the package's folder has its modules.json
    theirs.max_seq_length = LIMIT
    arms: dict[str, Any] = {
        "sentence-transformers": lambda t: theirs.encode(t, normalize_embeddings=True, show_progress_bar=False),
        "float32": plain.encode,
        "auto": default.encode,
    }
    for encode in arms.values():
        encode(texts[:64])
    draw = np.random.default_rng(asked.seed)
    rounds, vectors = [], {}
    for _ in range(asked.rounds):
        taken = {}
        for name in draw.permutation(list(arms)).tolist():
            wall, cpu = time.perf_counter(), time.process_time()
            vectors[name] = arms[name](texts)
            taken[name] = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        rounds.append(taken)
        print({name: {clock: round(s, 2) for clock, s in both.items()} for name, both in taken.items()}, flush=True)
    reference = vectors["sentence-transformers"]
    result = {
        "command": f"python benchmarks/encode_speed.py --items {asked.items} --rounds {asked.rounds} --seed {asked.seed}",
        "texts": len(texts),
        "tokens_mean": float(np.mean([len(ids) for ids in plain.tokenise(texts)])),
        "precision": {"sentence-transformers": "float32", "float32": "float32", "auto": default.precision},
        "times_as_fast": {arm: {clock: summary(rounds, arm, clock) for clock in ("wall", "cpu")} for arm in ("float32", "auto")},
        "largest_difference": {arm: float(abs(vectors[arm] - reference).max()) for arm in ("float32", "auto")},
        "least_cosine": {arm: float((vectors[arm] * reference).sum(1).min()) for arm in ("float32", "auto")},
        "seconds": rounds,
        "threads": torch.get_num_threads(),
        "machine": platform.processor() or platform.machine(),
        "bfloat16_units": has_bfloat16_units(),
        "versions": {name: version(name) for name in ("torch", "transformers", "sentence-transformers", "numpy")},
    }
    print(json.dumps({k: v for k, v in result.items() if k != "seconds"}, indent=1))
    if asked.out:
        asked.out.mkdir(parents=True, exist_ok=True)
        (asked.out / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
