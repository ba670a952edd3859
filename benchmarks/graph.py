"""The association graph: do its edges make sense, and do they vanish where they must? Run: python benchmarks/graph.py

On the six aisles of the Amazon data (``CROSSAISLE_DATA``, see benchmarks/README.md) and on the packaged supermarket data, level by level:

- the ten surest edges between aisles, with support and interval;
- the placebo: who has which item is rewired at random, so that each user keeps the number of their items and each item the number of its
  users (swaps of two user-item pairs, more than ten done for each pair on average); times stay with the user. A lift of 1 is right there;
- the same placebo under plain independence, n_a n_b / N, for comparison;
- time reversed, where every direction must turn round, and each user's order shuffled, where no direction may be left.

An item that the source lists in several aisles is left out of the Amazon data: its events would make an edge of one purchase. Written are
names of categories and figures only.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from crossaisle import Dataset
from crossaisle.data.build import DataSettings
from crossaisle.data.histories import Histories
from crossaisle.data.readers import import_tables
from crossaisle.demo import newest_weeks, shelves_as_aisles
from crossaisle.graph.category_graph import CategoryGraph, aisle_of
from crossaisle.graph.edges import ViewCounts, beyond_chance, count_view, garwood
from crossaisle.graph.nodes import View
from crossaisle.graph.permuted import distinct, rewired
from crossaisle.graph.settings import GraphSettings

ROOT = Path(__file__).resolve().parents[1]
SEED = 0


def amazon6() -> tuple[Dataset, dict[str, Any]]:
    """The six aisles, without the items that stand in several of them."""
    source = Path(os.environ.get("CROSSAISLE_DATA", "../shared/data")) / "amazon6"
    events, items = (pl.read_parquet(source / f"{name}.parquet") for name in ("interactions", "items"))
    several = items.group_by("item_id").agg(pl.col("category").n_unique()).filter(pl.col("category") > 1).select("item_id")
    facts = {"items in several aisles, left out": several.height}
    events, items = (frame.join(several, on="item_id", how="anti", maintain_order="left") for frame in (events, items))
    return Dataset.from_frames(events, items, settings=DataSettings(same_id="first")), facts


def supermarket() -> tuple[Dataset, dict[str, Any]]:
    """The demo's ten weeks: product families as aisles."""
    with tempfile.TemporaryDirectory() as folder:
        import_tables("retail", None, Path(folder))
        events, items = (pl.read_parquet(Path(folder) / f"{name}.parquet") for name in ("interactions", "items"))
    return Dataset.from_frames(newest_weeks(events, items), shelves_as_aisles(items), settings=DataSettings(core=5)), {}


def reversed_time(histories: Histories) -> Histories:
    """Every history backwards, its times with the sign turned."""
    places = np.repeat(histories.offsets[:-1] + histories.offsets[1:], histories.lengths) - np.arange(len(histories.items)) - 1
    return Histories.from_arrays(
        histories.offsets, histories.items[places], histories.events[places], histories.weights[places], -histories.times[places]
    )


def lifts(counts: ViewCounts, settings: GraphSettings, expected: np.ndarray | None = None) -> dict[str, Any]:
    """How the lifts of all pairs with at least `min_support` users or expected users lie; by plain independence if `expected` is given."""
    expected = counts.expected if expected is None else expected
    a, b = np.triu_indices(len(counts.kept), 1)
    enough = np.maximum(counts.together, expected)[a, b] >= settings.min_support
    a, b = a[enough], b[enough]
    k = settings.shrink
    ratio = counts.observed[a, b] / np.maximum(counts.effective[a, b], 1e-12)
    low, high = (ratio * end for end in garwood(counts.effective[a, b]))
    base = expected[a, b] + k
    lift = (counts.observed[a, b] + k) / base
    return {
        "pairs": len(a),
        "mean |log lift|": round(float(np.abs(np.log(lift)).mean()), 4) if len(a) else None,
        "median lift": round(float(np.median(lift)), 4) if len(a) else None,
        "edges beyond chance": int((beyond_chance(counts._replace(expected=expected), settings)[a, b]).sum()),
        "highest lift": round(float(lift.max(initial=0)), 3),
        "interval above 1, share": round(float(((low + k) / base > 1).mean()), 4) if len(a) else None,
        "interval below 1, share": round(float(((high + k) / base < 1).mean()), 4) if len(a) else None,
    }


def rounded(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows with four places."""
    return [{c: round(v, 4) if isinstance(v, float) else v for c, v in row.items()} for row in rows.to_dicts()]


def independent(counts: ViewCounts, users: int) -> np.ndarray:
    """n_a n_b / N, over the users with any category."""
    n = counts.visitors.astype(np.float64)
    return np.outer(n, n) / users


def one_view(data: Dataset, graph: CategoryGraph, view: View, random: Histories, settings: GraphSettings) -> dict[str, Any]:
    """All figures of one level."""
    real = count_view(data.histories, view, settings)
    placebo = count_view(random, view, settings)
    back = count_view(reversed_time(data.histories), view, settings)
    shuffled = count_view(shuffled_order(data.histories), view, settings)
    users = int((real.visits.degrees > 0).sum())
    columns = [c for c in graph.edges.columns if c not in ("level", "kind")]
    top = graph.strongest_edges(graph.edges.height, view.level)
    second = [twin.second for twin in graph.twins]
    once = top.filter(~aisle_of("source").is_in(second) & ~aisle_of("target").is_in(second))
    return {
        "level": view.level,
        "nodes": len(view.names),
        "ten surest edges between aisles": rounded(top.head(10).select(columns)),
        "the same without the second of two aisles that have the same users": rounded(once.head(10).select(columns)) if second else None,
        "real": lifts(real, settings),
        "placebo": lifts(placebo, settings),
        "real, plain independence": lifts(real, settings, independent(real, users)),
        "placebo, plain independence": lifts(placebo, settings, independent(placebo, users)),
        "direction": order_of(real, back, shuffled),
    }


def directions(counts: ViewCounts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """bool (P,): pairs of at least 20 users with a clear order; float (P,): share of the first node first less one half, and its z."""
    a, b = np.triu_indices(len(counts.kept), 1)
    there, back = counts.before[a, b], counts.before[b, a]
    n = np.maximum(there + back, 1)
    return there + back >= 20, there / n - 0.5, (there - back) / np.sqrt(n)


def order_of(real: ViewCounts, back: ViewCounts, shuffled: ViewCounts) -> dict[str, Any]:
    """Directions as they are, with time reversed, and with each user's events dealt out anew to the user's moments."""
    some, excess, z = directions(real)
    if some.sum() < 3:
        return {"pairs": int(some.sum())}
    _, excess_back, _ = directions(back)
    some_shuffled, _, z_shuffled = directions(shuffled)
    return {
        "pairs": int(some.sum()),
        "|z| above 1.96, share": round(float((np.abs(z[some]) > 1.96).mean()), 4),
        "time reversed: largest difference from the negative": round(float(np.abs(excess + excess_back)[some].max()), 6),
        "time reversed: correlation": round(float(np.corrcoef(excess[some], excess_back[some])[0, 1]), 4),
        "order shuffled: |z| above 1.96, share": round(float((np.abs(z_shuffled[some_shuffled]) > 1.96).mean()), 4),
        "order shuffled: spread of z": round(float(z_shuffled[some_shuffled].std()), 3),
    }


def shuffled_order(histories: Histories, seed: int = SEED) -> Histories:
    """Each user's items in random order; the moments stay. Undated events stay undated."""
    rng = np.random.default_rng(seed)
    dated = np.isfinite(histories.times) | ~np.isfinite(histories.times).any()
    items = histories.items.copy()
    places = np.flatnonzero(dated)
    order = np.lexsort((rng.random(len(places)), histories.owners[places]))
    items[places] = items[places[order]]
    return dataclasses.replace(histories, items=items)


def measure(name: str, data: Dataset, facts: dict[str, Any]) -> dict[str, Any]:
    """One data set: build the graph, then all levels."""
    settings = GraphSettings()
    start = time.perf_counter()
    graph = CategoryGraph.of(data, settings)
    seconds = time.perf_counter() - start
    random, swaps = rewired(distinct(data.histories), SEED)
    print(f"{name}: {len(data.histories.items):,} events, graph in {seconds:.1f} s, {swaps:.1f} swaps a pair")
    views = [one_view(data, graph, view, random, settings) for view in graph.views]
    for view in views:
        print(json.dumps({k: v for k, v in view.items() if not k.startswith(("ten", "the same"))}, indent=1))
        with pl.Config(tbl_rows=10, fmt_str_lengths=60, tbl_width_chars=200):
            print(
                graph.strongest_edges(10, view["level"]).select("source", "target", "support", "lift", "lift_low", "lift_high", "direction")
            )
    return {
        "data": {"users": data.n_users, "items": data.n_items, "events": len(data.histories.items), **facts},
        "swaps a pair": round(swaps, 1),
        "seconds": round(seconds, 1),
        "aisles with the same users": [twin._asdict() for twin in graph.twins],
        "levels": views,
    }


def main() -> None:
    """Measure both data sets and write a JSON file each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/graph")
    parser.add_argument("--data", choices=("amazon6", "supermarket"), nargs="+", default=["amazon6", "supermarket"])
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in asked.data:
        data, facts = amazon6() if name == "amazon6" else supermarket()
        result = {
            "what": __doc__.strip().splitlines()[0],
            "command": f"python benchmarks/graph.py --data {name}",
            "settings": GraphSettings().to_dict(),
            "seed": SEED,
            **measure(name, data, facts),
        }
        (asked.out / f"{name}.json").write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
