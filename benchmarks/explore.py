"""What exploring earns in a shop where new items come in, against the model's own order and against plain chance.

    python benchmarks/explore.py OUT.json [--seeds 30]

A shop of 200 known items and, every 150 answers, ten new ones. People differ in what they like; the model's score knows a known item's
appeal well and a new one's not at all: it takes a new item for one below the average, as a model does that has never seen it taken, while
in truth new items differ as much as others and are liked a little more. One place a list is filled by each arm, and its answer is known at
once. When an item was shown ten times its score moves to its mean of answers (as online biases or a refit would have it). Arms:

- greedy: the best item by score;
- eps-greedy: the same, but in a share of .2 of the lists one of the pool by chance, the 20 least shown of the 150 best by score;
- uniform: one of the pool by chance;
- Thompson and LinUCB over the pool (`crossaisle.learn.explore`), and both with shuffled rewards, which is the control: each answer learned
  is one drawn from those before it.

Measured over 3,000 answers, by seed: the share accepted in that place, new items accepted a thousand answers, how many of the 200 new
items came to be known, and what the model's own five best items would earn at the end, by the truth, over all people: what the rest of the
list has of it. Intervals: 95 %, over seeds, by Student's t.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit
from scipy.stats import t as student

from crossaisle.learn.explore import Explorer, base_features, pool_of
from crossaisle.learn.settings import ExploreSettings

KNOWN, BATCH, EVERY, ANSWERS, ENOUGH, AISLES = 200, 10, 150, 3000, 10, 8
ARMS = ("greedy", "eps-greedy", "uniform", "thompson", "linucb", "thompson, shuffled", "linucb, shuffled")
POOL = ExploreSettings(reach=150, draws=50)


def run(arm: str, seed: int) -> dict[str, float]:
    """One shop, one way to fill the place; the shop's own chances depend on the seed alone."""
    shop, rng = np.random.default_rng(seed), np.random.default_rng([seed, ARMS.index(arm)])
    n = KNOWN + BATCH * (ANSWERS // EVERY)
    new = np.arange(n) >= KNOWN
    appeal = shop.normal(0, 0.8, n) + 0.3 * new
    aisle, liking = shop.integers(0, AISLES, n), shop.normal(0, 0.6, (400, AISLES))
    guess = np.where(new, -0.4, appeal + shop.normal(0, 0.3, n))
    counts, shown, taken = np.where(new, 0, 100), np.where(new, 0.0, 50.0), np.zeros(n)
    method = arm.split(",")[0]
    explorer = Explorer(ExploreSettings(method=method, draws=50) if method in ("thompson", "linucb") else POOL)
    rewards: list[float] = []
    hits = {"all": 0.0, "new": 0.0, "new shown": 0.0}
    for k in range(ANSWERS):
        here = KNOWN + BATCH * (k // EVERY + 1)
        person = shop.integers(400)
        fate = shop.random()
        scores = guess[:here] + liking[person, aisle[:here]]
        per_aisle = np.bincount(aisle[:here], weights=shown[:here], minlength=AISLES)
        alone = arm == "greedy" or (arm == "eps-greedy" and rng.random() >= POOL.eps)
        pool = np.array([int(np.argmax(scores))]) if alone else pool_of(scores, shown[:here], per_aisle[aisle[:here]], POOL)
        phi = base_features(scores[pool], counts[pool], shown[pool], per_aisle[aisle[pool]], liking[person, aisle[pool]] > 0)
        if method in ("thompson", "linucb"):
            choice, _ = explorer.explore(scores[pool], phi, rng)
        else:
            choice = int(rng.integers(len(pool)))
        item = int(pool[choice])
        reward = float(fate < expit(-2.0 + appeal[item] + liking[person, aisle[item]]))
        rewards.append(reward)
        if method in ("thompson", "linucb"):
            explorer.take([phi[choice]], [rewards[int(rng.integers(len(rewards)))] if "shuffled" in arm else reward])
        shown[item] += 1
        taken[item] += reward
        counts[item] += int(reward)
        if new[item] and shown[item] >= ENOUGH:
            rate = (taken[item] + 0.6) / (shown[item] + 4)
            guess[item] = np.log(rate / (1 - rate)) + 2.0
        hits["all"] += reward
        hits["new"] += reward * new[item]
        hits["new shown"] += new[item]
    liked = liking[:, aisle]
    best = np.argsort(-(guess + liked), axis=1)[:, :5]
    return {
        "accepted": hits["all"] / ANSWERS,
        "accepted of new items shown": hits["new"] / max(hits["new shown"], 1.0),
        "new items accepted, in 1,000": 1000 * hits["new"] / ANSWERS,
        "new items that came to be known": float((shown[new] >= ENOUGH).sum()),
        "what the model's best five earn at the end": float(np.take_along_axis(expit(-2.0 + appeal + liked), best, axis=1).mean()),
    }


def interval(values: np.ndarray) -> list[float]:
    """Mean and 95 % interval over seeds."""
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [round(float(x), 4) for x in (values.mean(), values.mean() - half, values.mean() + half)]


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=30)
    asked = parser.parse_args()
    clock = time.perf_counter()
    found = {arm: [run(arm, seed) for seed in range(asked.seeds)] for arm in ARMS}
    columns = {arm: {k: np.array([row[k] for row in rows]) for k in rows[0]} for arm, rows in found.items()}
    out: dict[str, Any] = {
        "seeds": asked.seeds,
        "answers": ANSWERS,
        "settings": POOL.to_dict(),
        "arms": {arm: {k: interval(v) for k, v in of.items()} for arm, of in columns.items()},
        "less greedy": {
            arm: {k: interval(v - columns["greedy"][k]) for k, v in of.items()} for arm, of in columns.items() if arm != "greedy"
        },
        "seconds": round(time.perf_counter() - clock, 1),
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")
    for part in ("arms", "less greedy"):
        print(part)
        for arm, of in out[part].items():
            print(f"  {arm:20s} " + "  ".join(f"{k} {v[0]:.3f} [{v[1]:.3f}, {v[2]:.3f}]" for k, v in of.items()))


if __name__ == "__main__":
    main()
