"""Faults planted in a shop: are recommendations that most people reject found, and is nothing else?

    python benchmarks/abnormal.py OUT.json [--draws 100]

A shop of 2,000 items, shown 120,000 times in two weeks in lists of ten, some far more often than others (Zipf). Items differ in how
readily they are taken (a factor with a standard deviation of .4 on the log scale), and so do places. In each draw 20 of the 100 most
shown items get a fault, which multiplies their acceptance by 0 (a broken page), .05, .1, .25, .4 or, the placebo, 1. The service looks
every 6,000 showings, twenty times, and is held to all that it ever calls abnormal (`crossaisle.learn.abnormal`, settings as they stand).

Measured: recall (by how many acceptances were expected of the item), false alarms a draw, and after how many showings of its own a faulty
item was found. Beside it stands a plain rule that a shop might write: 95 % Wilson interval of the item's acceptance below half of the mean.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from crossaisle.learn.abnormal import Feedback

ITEMS, SHOWN, LOOKS, BAD = 2000, 120_000, 20, 20
RATIOS = (0.0, 0.05, 0.1, 0.25, 0.4, 1.0)
NOW, SPAN = 1.7e9, 14 * 86_400.0


def wilson_high(taken: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The upper end of Wilson's 95 % interval."""
    z, n = 1.96, np.maximum(shown, 1)
    p = taken / n
    return np.asarray((p + z * z / (2 * n) + z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n))


def draw(ratio: float, seed: int) -> dict[str, Any]:
    """One shop: the planted items, when each was found, and what was found beside them."""
    rng = np.random.default_rng(seed)
    appeal = np.exp(rng.normal(0, 0.4, ITEMS))
    share = 1 / (np.arange(ITEMS) + 20.0)
    bad = rng.choice(100, BAD, replace=False)
    appeal[bad] *= ratio
    items = rng.choice(ITEMS, SHOWN, p=share / share.sum())
    places = rng.integers(1, 11, SHOWN)
    taken = rng.random(SHOWN) < np.minimum(0.2 * appeal[items] / (1 + 0.15 * places), 1)
    times = NOW + np.arange(SHOWN) * (SPAN / SHOWN)
    log = Feedback(ITEMS)
    found: dict[int, int] = {}
    plain: set[int] = set()
    seen, accepted = np.zeros(ITEMS), np.zeros(ITEMS)
    for look in range(LOOKS):
        cut = slice(look * SHOWN // LOOKS, (look + 1) * SHOWN // LOOKS)
        hit = taken[cut]
        log.shown(items[cut], places[cut], times[cut])
        log.accepted(items[cut][hit], places[cut][hit], times[cut][hit])
        seen += np.bincount(items[cut], minlength=ITEMS)
        accepted += np.bincount(items[cut][hit], minlength=ITEMS)
        for row in log.abnormal():
            found.setdefault(row.item, int(seen[row.item]))
        plain |= set(np.flatnonzero((wilson_high(accepted, seen) < 0.5 * accepted.sum() / seen.sum()) & (seen > 0)).tolist())
    due = log._expected()[1] * log._clock.present(log._clock.now)
    return {"bad": bad.tolist(), "found": found, "plain": plain, "due": due}


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--draws", type=int, default=100)
    asked = parser.parse_args()
    clock = time.perf_counter()
    out: dict[str, Any] = {"draws": asked.draws, "items": ITEMS, "showings": SHOWN, "looks": LOOKS, "planted": BAD, "ratios": {}}
    for ratio in RATIOS:
        draws = [draw(ratio, seed) for seed in range(asked.draws)]
        row: dict[str, Any] = {}
        for low, high in ((20, 30), (30, 50), (50, np.inf)):
            inside = [(d, i) for d in draws for i in d["bad"] if low <= d["due"][i] < high]
            share = None if not inside else round(float(np.mean([i in d["found"] for d, i in inside])), 4)
            row[f"recall, {low} to {high:g} expected"] = [share, len(inside)]
        row["recall, all planted"] = round(float(np.mean([i in d["found"] for d in draws for i in d["bad"]])), 4)
        after = [d["found"][i] for d in draws for i in d["bad"] if i in d["found"]]
        row["showings until found, median"] = None if not after else float(np.median(after))
        row["false alarms a draw"] = round(float(np.mean([len(set(d["found"]) - set(d["bad"])) for d in draws])), 4)
        row["draws with a false alarm"] = int(sum(bool(set(d["found"]) - set(d["bad"])) for d in draws))
        row["plain rule: recall, all planted"] = round(float(np.mean([i in d["plain"] for d in draws for i in d["bad"]])), 4)
        row["plain rule: false alarms a draw"] = round(float(np.mean([len(d["plain"] - set(d["bad"])) for d in draws])), 4)
        out["ratios"][str(ratio)] = row
        print(ratio, row, flush=True)
    out["seconds"] = round(time.perf_counter() - clock, 1)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
