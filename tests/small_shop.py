"""A small shop as tables and as files, and a look at what lies in a folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import polars as pl

AISLES = {"Books": "b", "Toys": "t", "Garden": "g", "Kitchen": "k"}
TASTES = ("pirate", "forest", "space")


def shop_items() -> pl.DataFrame:
    """48 items: in each of four aisles, twelve, four of each taste."""
    rows = []
    for aisle, letter in AISLES.items():
        for n in range(1, 13):
            taste = TASTES[n % 3]
            rows.append(
                {
                    "item_id": f"{letter}{n}",
                    "category": aisle,
                    "title": f"{taste} {aisle.lower()} thing no {n}",
                    "brand": f"brand {n % 4}",
                    "categories": f"{aisle} > {taste} {aisle.lower()}",
                    "price": 3.0 * n,
                    "available": True,
                }
            )
    return pl.DataFrame(rows)


def shop_interactions(n_users: int = 40) -> pl.DataFrame:
    """Each user keeps to one taste and leaves out one aisle, so that some aisle is always new to them."""
    rng = np.random.default_rng(0)
    items = shop_items()
    rows = []
    for u in range(1, n_users + 1):
        left_out = list(AISLES)[u % 4]
        mine = items.filter((pl.col("category") != left_out) & pl.col("title").str.starts_with(TASTES[u % 3]))["item_id"].to_list()
        times = np.sort(rng.integers(1_700_000_000, 1_710_000_000, size=6))
        # every third user meets the aisle that was left out at last
        chosen = list(rng.choice(mine, size=6, replace=False))
        if u % 3 == 0:
            chosen[-1] = items.filter(pl.col("category") == left_out)["item_id"].to_list()[u % 12]
        rows += [{"user_id": f"u{u}", "item_id": i, "timestamp": int(t)} for i, t in zip(chosen, times, strict=True)]
    return pl.DataFrame(rows)


def write_shop(folder: Path) -> Path:
    """interactions.csv, items.csv, new_items.csv, histories.csv and candidates.csv."""
    shop_interactions().write_csv(folder / "interactions.csv")
    shop_items().write_csv(folder / "items.csv")
    shop_items().head(2).with_columns(item_id=pl.Series(["new1", "new2"]), title=pl.Series(["pirate flag", "space lamp"])).write_csv(
        folder / "new_items.csv"
    )
    pl.DataFrame({"query_id": ["q1", "q1", "q2"], "item_id": ["b1", "t4", "g2"]}).write_csv(folder / "histories.csv")
    pl.DataFrame({"query_id": ["q1"] * 3 + ["q2"] * 3, "item_id": ["k1", "k2", "g5"] * 2}).write_csv(folder / "candidates.csv")
    return folder


def everything_in(folder: Path) -> dict[str, str]:
    """Every file and folder below, with the hash of its content: to see that nothing was written."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "folder"
        for p in sorted(folder.rglob("*"))
    }
