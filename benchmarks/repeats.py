"""What a person had before, and how long ago: a number for each span of time, learned event by event.

    python benchmarks/repeats.py TABLES OUT.json [--people 700] [--questions 8000]

The test of `prequential.py` with all events, repeats included, on the last four weeks and on the four before them; only what was taken is
asked. Items that the person asked about has had are put into spans by the time since the person took them last; those never had are the
seventh. With t_s how often an item of span s was taken so far and e_s how often the model expected that (the sum of its probabilities),

    log (t_s + 10) / (e_s + 10)

is added to the log-scores of the items of span s: the logarithm of a gamma-Poisson posterior mean. Each question is judged, then learned.
The placebo gives the spans of the person's own items to as many others, drawn by chance. Nothing is chosen.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from prequential import SEED, STRETCH, WEEK, Stretch, catalogue, dataset, fitted, judged, places, read, scored, stretch, summary
from scipy.special import softmax

SPANS = {"an hour": 1 / 24, "a day": 1, "a week": 7, "two weeks": 14, "four weeks": 28, "longer": np.inf}
PRIOR = 10.0


def learning(base: np.ndarray, part: Stretch, placebo: bool = False) -> tuple[np.ndarray, dict[str, list[float]]]:
    """Ranks, and of each span how often it was taken, how often that was expected, and what is added at the end."""
    ends = np.array(list(SPANS.values())) * 86_400.0
    taken, expected = np.zeros(len(ends) + 1), np.zeros(len(ends) + 1)
    ranks, rng, n = np.empty(len(part.asked)), np.random.default_rng(SEED), base.shape[1]
    for row, q in enumerate(part.asked.tolist()):
        here = slice(int(part.fresh.offsets[row]), int(part.fresh.offsets[row + 1]))
        span = np.full(n, len(ends))
        span[part.fresh.items[here]] = np.searchsorted(ends, part.times[q] - part.fresh.times[here], side="right")  # the last take stays
        if placebo:
            own = np.unique(part.fresh.items[here])
            others = rng.choice(n, len(own), replace=False)
            told = span[own]
            span[own] = len(ends)
            span[others] = told
        target = int(part.items[q])
        ranks[row] = places(base[row] + np.log((taken + PRIOR) / (expected + PRIOR))[span], target)
        expected += np.bincount(span, softmax(base[row].astype(np.float64)), minlength=len(expected))
        taken[span[target]] += 1
    found = np.stack([taken, expected, np.log((taken + PRIOR) / (expected + PRIOR))], axis=1).round(3)
    return ranks, dict(zip([*SPANS, "never"], found.tolist(), strict=True))


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, default=700)
    parser.add_argument("--weeks", type=int, default=10, help="weeks that each training sees")
    parser.add_argument("--questions", type=int, default=8000)
    asked = parser.parse_args()
    events, items = read(asked.tables, asked.people)
    last = float(events["timestamp"].max()) + 1  # type: ignore[arg-type]
    out: dict[str, Any] = {"data": asked.tables.name, "seed": SEED, "prior": PRIOR}
    for name, end in (("four weeks before", last - STRETCH * WEEK), ("last four weeks", last)):
        start = end - STRETCH * WEEK
        first = start - asked.weeks * WEEK
        table = catalogue(events, items, first, start, end)
        data = dataset(events, table, first, start)
        part = stretch(events, table, data, first, start, end, asked.questions, "all")
        base = scored(fitted(data, {}, name, asked.tables / "encoded"), part.fresh, None)
        ranks, spans = learning(base, part)
        arms = {"fresh histories": judged(base, part), "spans": ranks, "placebo": learning(base, part, placebo=True)[0]}
        owners = part.users[part.asked]
        found = summary(arms, owners, [("spans", "fresh histories"), ("placebo", "fresh histories"), ("spans", "placebo")])
        out[name] = {"questions": len(ranks), "people": len(np.unique(owners)), **found, "taken, expected, added": spans}
        for what, values in {**found["arms"], **found["differences"]}.items():
            print(f"{name}: {what:30s} " + "  ".join(f"{m} {v[0]:.4f} [{v[1]:.4f}, {v[2]:.4f}]" for m, v in values.items()), flush=True)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
