"""What a person had before, how long ago and how often: what is added to the scores of such items, learned event by event.

    python benchmarks/repeats.py TABLES OUT.json [--people 700] [--questions 8000]

The test of `prequential.py` with all events, repeats included, on the last four weeks; only what was taken is asked. What is learned is
`crossaisle.learn.repeats` as the package has it. Its features and its prior were chosen on the four weeks before, which are reported
beside. Arms, each question judged, then learned:

- fresh histories: the frozen model, told every event up to the one asked about;
- biases: the item biases of `crossaisle.learn.online`, by default;
- again: learned from every question, from nothing at first;
- from histories on: first from the newest 512 events before the training's end, as the model's own histories have them, then from fewer
  and fewer questions (`learn.repeats.is_asked`); as in service: with biases beside, by default;
- never taught: as it stands after those 512 events;
- placebo: what is known of the person's own items goes to as many others, drawn by chance;
- own items by count: what the person had most often but for the last hour, then what everybody had most often, no model at all: the
  control that is hard to beat where baskets repeat (GP-TopFreq; Li et al. 2023, "A Next Basket Recommendation Reality Check").
"""

from __future__ import annotations

import argparse
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from prequential import (
    SEED,
    STRETCH,
    WEEK,
    Stretch,
    catalogue,
    dataset,
    earlier,
    fitted,
    histories_of,
    judged,
    places,
    read,
    scored,
    stretch,
    summary,
)

from crossaisle.learn.online import OnlineBiases
from crossaisle.learn.repeats import Repeats, had, is_asked
from crossaisle.learn.settings import OnlineSettings
from crossaisle.live.again import FIRST


def before(part: Stretch, row: int) -> tuple[np.ndarray, np.ndarray]:
    """int (E,), float (E,): the items that the person of a question has had, and when."""
    here = slice(int(part.fresh.offsets[row]), int(part.fresh.offsets[row + 1]))
    return part.fresh.items[here], part.fresh.times[here]


def learning(
    base: np.ndarray,
    part: Stretch,
    repeats: Repeats | None = None,
    placebo: bool = False,
    thinned: bool = False,
    taught: bool = True,
    trained: bool = False,
    bias: np.ndarray | None = None,
) -> tuple[np.ndarray, Repeats]:
    """Ranks, and what was learned.

    Parameters
    ----------
    repeats : Repeats, optional
        Learned before; changed where it is ``taught``.
    trained : bool
        The model was trained on the questions.
    bias : float32 (Q, N), optional
        What is added to the scores besides, and not expected.
    """
    repeats = repeats or Repeats()
    ranks, rng, n = np.empty(len(part.asked)), np.random.default_rng(SEED), base.shape[1]
    for row, q in enumerate(part.asked.tolist()):
        own, known, chances = had(*before(part, row), float(part.times[q]), base[row])
        if placebo:
            own = rng.choice(n, len(own), replace=False)
        target = int(part.items[q])
        scores = base[row] + (0.0 if bias is None else bias[row])
        scores[own] += repeats.adds(known)
        ranks[row] = places(scores, target)
        if taught and len(own) and (not thinned or is_asked(row)):
            here = np.flatnonzero(own == target)
            repeats.take(known, chances, int(here[0]) if len(here) else -1, float(part.times[q]), trained)
    return ranks, repeats


def by_count(part: Stretch, n: int) -> np.ndarray:
    """Ranks of own items by how often they were had, then of all by how often everybody has had them in training.

    What was taken within the hour comes last: it is in the same basket already.
    """
    ranks, everybody = np.empty(len(part.asked)), part.data.item_counts / (part.data.item_counts.max() + 1.0)
    for row, q in enumerate(part.asked.tolist()):
        mine, when = before(part, row)
        own = np.bincount(mine, minlength=n).astype(np.float64)
        own[mine[part.times[q] - when < 3600]] = -1.0
        ranks[row] = places(own + everybody, int(part.items[q]))
    return ranks


def newest(part: Stretch) -> Stretch:
    """The newest events before the stretch as questions."""
    asked = np.arange(part.begin - FIRST, part.begin)
    return part._replace(asked=asked, fresh=histories_of(earlier(part.users, asked), part.items, part.times))


def biases_at(part: Stretch, n: int) -> np.ndarray:
    """float32 (Q, N): the item biases before each question, by the package's defaults."""
    out = np.empty((len(part.asked), n), np.float32)
    biases, at = OnlineBiases(part.data.item_counts, part.data.item_categories, OnlineSettings(refresh=0.0)), part.begin
    for row, q in enumerate(part.asked.tolist()):
        biases.take(part.items[at:q], np.ones(q - at, np.int64), part.times[at:q])
        out[row], at = biases.bias(float(part.times[q])), q
    return out


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
    out: dict[str, Any] = {"data": asked.tables.name, "seed": SEED, "settings": Repeats().settings.to_dict(), "events at first": FIRST}
    for name, end in (("four weeks before", last - STRETCH * WEEK), ("last four weeks", last)):
        start = end - STRETCH * WEEK
        first = start - asked.weeks * WEEK
        table = catalogue(events, items, first, start, end)
        data = dataset(events, table, first, start)
        part = stretch(events, table, data, first, start, end, asked.questions, "all")
        model = fitted(data, {}, name, asked.tables / "encoded")
        base = scored(model, part.fresh, None)
        held = newest(part)
        _, at_first = learning(scored(model, held.fresh, None), held, trained=True)
        bias = biases_at(part, data.n_items)
        fresh, service = "fresh histories", "again, as in service"
        ranks, learned = learning(base, part)
        arms = {
            fresh: judged(base, part),
            "biases": judged(base + bias, part),
            "again": ranks,
            "again and biases": learning(base, part, bias=bias)[0],
            service: learning(base, part, deepcopy(at_first), thinned=True, bias=bias)[0],
            "again, from histories on": learning(base, part, deepcopy(at_first), thinned=True)[0],
            "again, never taught": learning(base, part, deepcopy(at_first), taught=False)[0],
            "placebo": learning(base, part, placebo=True)[0],
            "own items by count": by_count(part, data.n_items),
        }
        pairs = [
            ("biases", fresh),
            ("again", fresh),
            ("again and biases", "again"),
            (service, fresh),
            (service, "biases"),
            ("again, from histories on", "again, never taught"),
            ("again, never taught", fresh),
            ("placebo", fresh),
            ("again", "placebo"),
            ("again", "own items by count"),
            (service, "own items by count"),
            (fresh, "own items by count"),
        ]
        owners = part.users[part.asked]
        found = summary(arms, owners, pairs)
        added = {what: round(value, 3) for what, value in learned.weights().items()}
        out[name] = {"questions": len(ranks), "people": len(np.unique(owners)), **found, "added in the end": added}
        for what, values in {**found["arms"], **found["differences"]}.items():
            print(f"{name}: {what:45s} " + "  ".join(f"{m} {v[0]:.4f} [{v[1]:.4f}, {v[2]:.4f}]" for m, v in values.items()), flush=True)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
