"""What replayed policies are worth, where the truth is known: coverage and error of the estimates over 1,000 logs.

    python benchmarks/replay.py OUT.json [--draws 1000]

A shop of 500 people; each log has four explored places of each, a pool of 15 candidates a place. A person takes what is shown with a
probability that follows the model's score, whether the item is new, an interaction that the regression's features do not hold, and the
person (so that places of one person are not independent). The places are filled as `crossaisle.learn.explore` does: Thompson's choice,
counted from draws of a belief about the features that is somewhat wrong, mixed with eps = .2 spread evenly, and the item drawn from
exactly that.

Asked are the model's order (greedy), the same with half the choices spread evenly, and uniform. The truth is the mean over the people, the
pools and the answers. Beside the estimates stand the placebo: the logged probabilities dealt out among the places at random.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from crossaisle.errors import RequestError
from crossaisle.learn.replay import ExploredLog, chances, replay

PEOPLE, PLACES, POOL, EPS, DRAWS, SEED = 500, 4, 15, 0.2, 60, 100_000  # the interval was chosen on seeds from 0
ASKED = ("greedy", "eps:0.5", "uniform")
BELIEF, WIDTH = np.array([0.1, 0.06, 0.1]), 0.06


def world(rng: np.random.Generator, people: int, places: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, features and chances of being taken, (n, POOL), (n, POOL, 3), (n, POOL); n places, those of one person together."""
    n = people * places
    scores = rng.normal(size=(n, POOL))
    new = (rng.random((n, POOL)) < 0.4).astype(float)
    person = np.repeat(rng.normal(size=people), places)[:, None]
    earned = expit(-2.2 + 0.6 * scores + 0.7 * new - 0.5 * scores * new + 0.6 * person)
    return scores, np.stack([np.ones_like(scores), scores, new], axis=2), earned


def log_of(rng: np.random.Generator) -> tuple[ExploredLog, np.ndarray]:
    """A log, and what each candidate would have earned."""
    scores, features, earned = world(rng, PEOPLE, PLACES)
    n = len(scores)
    believed = BELIEF + WIDTH * rng.standard_normal((n, DRAWS, 3))
    best = np.einsum("nkd,npd->nkp", believed, features).argmax(axis=2)
    p = np.full((n, POOL), EPS / POOL)
    np.add.at(p, (np.arange(n)[:, None], best), (1 - EPS) / DRAWS)
    choice = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, POOL - 1)
    rewards = (rng.random(n) < earned[np.arange(n), choice]).astype(float)
    offsets = np.arange(n + 1, dtype=np.int64) * POOL
    who = np.repeat(np.arange(PEOPLE), PLACES)
    log = ExploredLog(
        offsets,
        offsets[:-1] + choice,
        scores.ravel(),
        p.ravel(),
        features.reshape(-1, 3),
        rewards,
        who,
        [None] * n,
        np.zeros(n),
        [""] * (n * POOL),
    )
    return log, earned.ravel()


def dealt(log: ExploredLog, rng: np.random.Generator) -> ExploredLog:
    """The same log with whole rows of probabilities at other places."""
    rows = log.probabilities.reshape(-1, POOL)[rng.permutation(len(log))]
    return ExploredLog(**{**log.__dict__, "probabilities": rows.ravel()})


def truths() -> dict[str, float]:
    """What each policy earns a place, by its own chances in many places."""
    rng = np.random.default_rng(SEED + 10**6)
    sums = dict.fromkeys(ASKED, 0.0)
    for _ in range(40):
        scores, _, earned = world(rng, 10_000, 1)
        best = np.take_along_axis(earned, scores.argmax(axis=1)[:, None], axis=1).mean()
        even = earned.mean()
        for name, value in (("greedy", best), ("uniform", even), ("eps:0.5", (best + even) / 2)):
            sums[name] += float(value) / 40
    return sums


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--draws", type=int, default=1000)
    asked = parser.parse_args()
    clock = time.perf_counter()
    truth = truths()
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    effective: dict[str, list[float]] = {name: [] for name in ASKED}
    weights: dict[str, list[float]] = {name: [] for name in ASKED}
    refused = dict.fromkeys(ASKED, 0)
    for draw in range(asked.draws):
        rng = np.random.default_rng(SEED + draw)
        log, _ = log_of(rng)
        placebo = dealt(log, rng)
        for name in ASKED:
            try:
                answer = replay(log, chances(name, log), name)
            except RequestError:
                refused[name] += 1
                continue
            effective[name].append(answer.effective)
            weights[name].append(answer.mean_weight)
            for estimate, e in answer.estimates.items():
                if estimate != "gain":
                    found.setdefault((name, estimate), []).append((float(e.value), float(e.low), float(e.high)))
            w = (chances(name, placebo) / placebo.probabilities)[log.chosen]
            value = float((w * log.rewards).sum() / w.sum())
            found.setdefault((name, "snips, placebo"), []).append((value, np.nan, np.nan))
    policies: dict[str, Any] = {}
    for name in ASKED:
        rows = {}
        for (policy, estimate), values in found.items():
            if policy != name:
                continue
            value, low, high = np.array(values).T
            rows[estimate] = {
                "coverage": None if np.isnan(low).all() else round(float(((low <= truth[name]) & (truth[name] <= high)).mean()), 4),
                "bias": round(float(value.mean() - truth[name]), 5),
                "root mean squared error": round(float(np.sqrt(((value - truth[name]) ** 2).mean())), 5),
                "median width": None if np.isnan(low).all() else round(float(np.median(high - low)), 5),
            }
        policies[name] = {
            "truth": round(truth[name], 5),
            "refused": refused[name],
            "effective sample size, 5 % to 95 %": [round(float(x), 1) for x in np.quantile(effective[name], (0.05, 0.5, 0.95))],
            "mean weight": [round(float(np.mean(weights[name])), 4), round(float(np.std(weights[name]) / np.sqrt(len(weights[name]))), 4)],
            "estimates": rows,
        }
    out = {
        "draws": asked.draws,
        "people": PEOPLE,
        "places a draw": PEOPLE * PLACES,
        "pool": POOL,
        "eps": EPS,
        "policies": policies,
        "seconds": round(time.perf_counter() - clock, 1),
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")
    for name, policy in policies.items():
        print(f"{name}: truth {policy['truth']:.4f}, effective {policy['effective sample size, 5 % to 95 %']}, refused {policy['refused']}")
        for estimate, row in policy["estimates"].items():
            print(f"  {estimate:16s} " + "  ".join(f"{k} {v}" for k, v in row.items()))


if __name__ == "__main__":
    main()
