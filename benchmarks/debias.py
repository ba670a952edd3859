"""What estimates from biased exposures are worth, where the truth is known: coverage, width and error over 1,000 draws.

    python benchmarks/debias.py TABLES OUT.json [--draws 1000]         (and OUT.md)

TABLES holds interactions.parquet and items.parquet (benchmarks/prepare_amazon6.py, Beauty in the results here). On 2,000 people and 400
items of them two teachers say what is relevant: popularity x likeness of words, and EASE. The shop shows 15 items to each of 500 people by
a known policy that follows taste and popularity (`crossaisle.exposure.simulate`), and people take what is relevant with its probability.
Wanted is the mean reward of an item shown uniformly at random; then that of another policy, the ten best of the other teacher mixed with a
third shown at random. Beside the right weights stand:

- wrong ones: popularity to the power .5 in place of the propensity, as a shop without a log of what it showed would have to take it;
- the placebo: the right weights dealt out to the exposures at random;
- a shop that follows neither taste nor popularity, where nothing is to be corrected.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from crossaisle import Dataset
from crossaisle.baselines.ease import EASE
from crossaisle.baselines.text_knn import WordKNN
from crossaisle.exposure.estimators import Estimate, clipped_ips, ips, naive, snips
from crossaisle.exposure.simulate import LoggingSettings, Simulation

PEOPLE, ITEMS, ASKED, SHOWN, SEED = 2000, 400, 500, 15, 0
AT_ONCE = 50
MOST_WEIGHT = 3.0
LOGGING = LoggingSettings(beta=1.0, g=0.5, epsilon=0.1)


def teachers(data: Dataset) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Scores (people, items) of each teacher, and the items' events; items and people are drawn by `SEED`."""
    rng = np.random.default_rng(SEED)
    items = np.sort(rng.choice(np.flatnonzero(data.item_counts > 0), ITEMS, replace=False))
    people = data.histories[np.sort(rng.choice(np.flatnonzero(data.histories.lengths >= 3), PEOPLE, replace=False))]
    counts = data.item_counts[items]
    words = standardised(WordKNN().fit(data).score(people, items))
    return {
        "popularity x words": words + standardised(np.log1p(counts)[None, :]),
        "EASE": standardised(EASE().fit(data).score(people, items)),
    }, counts


def standardised(scores: np.ndarray) -> np.ndarray:
    """Each row by its ranks' normal quantiles, ties in order of chance: likeness and EASE are 0 for most items and large for a few."""
    from scipy.special import ndtri

    noise = np.random.default_rng(SEED).random(scores.shape)
    ranks = np.argsort(np.lexsort((noise, scores), axis=1), axis=1)
    return np.asarray(ndtri((ranks + 0.5) / scores.shape[1]))


def mixed(scores: np.ndarray, share: float = 1 / 3) -> np.ndarray:
    """Another policy: the ten best of some scores evenly, and a share uniformly at random."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    policy = np.full(scores.shape, share / scores.shape[1])
    np.put_along_axis(policy, best, np.take_along_axis(policy, best, axis=1) + (1 - share) / 10, axis=1)
    return policy


def trial(shop: Simulation, counts: np.ndarray, wanted: np.ndarray | None, draws: int) -> dict[str, Any]:
    """All estimates over the draws, set against the truth."""
    truth = shop.truth(wanted)
    proxy = np.maximum(counts, 1).astype(np.float64) ** 0.5
    proxy /= proxy.sum()
    found: dict[str, list[Estimate]] = {}
    for start in range(0, draws, AT_ONCE):
        log = shop.draw(ASKED, SHOWN, seed=SEED + start, draws=min(AT_ONCE, draws - start))
        w, y = shop.weights(log, wanted), log.rewards
        wrong = w * log.propensities / proxy[log.items]
        dealt = np.random.default_rng(start).permutation(ASKED * SHOWN)
        placebo = w.reshape(len(w), -1)[:, dealt].reshape(w.shape)
        for name, estimate in (
            ("naive", naive(y)),
            ("ips", ips(w, y)),
            ("clipped ips", clipped_ips(w, y, MOST_WEIGHT)),
            ("snips", snips(w, y)),
            ("ips, wrong propensities", ips(wrong, y)),
            ("snips, wrong propensities", snips(wrong, y)),
            ("ips, placebo", ips(placebo, y)),
            ("snips, placebo", snips(placebo, y)),
        ):
            found.setdefault(name, []).append(estimate)
    joined = {name: Estimate(*(np.concatenate(x) for x in zip(*parts, strict=True))) for name, parts in found.items()}
    error = {name: float(np.abs(e.value - truth).mean()) for name, e in joined.items()}
    rows = {
        name: {
            "coverage": round(float(e.covers(truth).mean()), 4),
            "mean": round(float(e.value.mean()), 5),
            "bias": round(float(e.value.mean() - truth), 5),
            "median width": round(float(np.median(e.high - e.low)), 5),
            "mean error": round(error[name], 5),
            "error / naive": round(error[name] / error["naive"], 3),
            "effective exposures": round(float(np.median(e.effective)), 1),
        }
        for name, e in joined.items()
    }
    return {"truth": round(truth, 5), "exposures a draw": ASKED * SHOWN, "estimates": rows}


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--draws", type=int, default=1000)
    asked = parser.parse_args()
    clock = time.perf_counter()
    data = Dataset.from_frames(*(pl.read_parquet(asked.tables / f"{name}.parquet") for name in ("interactions", "items")))
    scores, counts = teachers(data)
    out: dict[str, Any] = {
        "data": asked.tables.name,
        "draws": asked.draws,
        "seed": SEED,
        "people": PEOPLE,
        "items": ITEMS,
        "people a draw": ASKED,
        "shown to each": SHOWN,
        "logging": LOGGING.to_dict(),
        "clipped at": MOST_WEIGHT,
        "teachers": {},
    }
    for name, f in scores.items():
        other = next(g for n, g in scores.items() if n != name)
        shop, fair = Simulation(f, counts, LOGGING), Simulation(f, counts, LoggingSettings(beta=0.0, g=0.0))
        out["teachers"][name] = {
            "shown evenly": trial(shop, counts, None, asked.draws),
            "another policy": trial(shop, counts, mixed(other), asked.draws),
            "shown evenly, by a shop without taste or popularity": trial(fair, counts, None, asked.draws),
        }
    out["seconds"] = round(time.perf_counter() - clock, 1)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")
    asked.out.with_suffix(".md").write_text(f"# {__doc__.strip().splitlines()[0]}\n{table(out)}\n", encoding="utf-8")
    print(table(out))


def table(out: dict[str, Any]) -> str:
    """The result as Markdown."""
    lines = []
    for teacher, trials in out["teachers"].items():
        for what, result in trials.items():
            lines += [f"\n**{teacher}, {what}** (truth {result['truth']:.4f})\n"]
            lines += ["| estimate | coverage | mean | median width | mean error | error / naive | effective exposures |"]
            lines += ["|---|---|---|---|---|---|---|"]
            for name, r in result["estimates"].items():
                lines += [
                    f"| {name} | {r['coverage']:.3f} | {r['mean']:.4f} | {r['median width']:.4f} | {r['mean error']:.4f} | "
                    f"{r['error / naive']:.2f} | {r['effective exposures']:,.0f} |"
                ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
