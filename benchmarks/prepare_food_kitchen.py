"""Contract tables of the Food-Kitchen data that ABXI (WWW 2025) reports on (see benchmarks/README.md for its origin).

    python benchmarks/prepare_food_kitchen.py OUT
    crossaisle evaluate --interactions OUT/interactions.parquet --items OUT/items.parquet \\
        --protocol leave-one-out --sampled-negatives 999 --out REPORT

The sequences are taken as they are: 10 to 50 events a user, events of one time in the file's order, Food and Kitchen in one history. The
aisle of an item is its domain in the source. Title, brand, path and keywords come from the six-category data, joined by item id; an
item that it does not name keeps its id and aisle only.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
from pathlib import Path

import polars as pl

AISLES = ("Food", "Kitchen")
"""Domain 0 and domain 1 of the source."""


def main() -> None:
    """Write interactions.parquet and items.parquet into OUT."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    data = Path(os.environ.get("CROSSAISLE_DATA", "../shared/data"))
    source = data / "food_kitchen"
    with gzip.open(source / "afk_map_item_50.txt.gz", "rt", encoding="utf-8") as file:
        domains = {asin: (int(number), int(domain)) for asin, (number, domain) in json.load(file).items()}
    with gzip.open(source / "afk_map_user_50.txt.gz", "rt", encoding="utf-8") as file:
        users = {int(number): name for name, number in json.load(file).items()}
    asins = {number: asin for asin, (number, _) in domains.items()}
    rows = []
    with gzip.open(source / "afk_50_preprocessed.txt.gz", "rt", encoding="utf-8") as file:
        for line in file:
            user, *events = line.split()
            for position, event in enumerate(events):
                item, _, moment = event.partition("|")
                rows.append((users[int(user)], asins[int(item)], int(moment), position))
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "position"], orient="row")
    items = pl.DataFrame({"item_id": list(domains), "category": [AISLES[domain] for _, domain in domains.values()]})
    known = pl.read_parquet(data / "amazon6" / "items.parquet").unique("item_id", keep="first", maintain_order=True).drop("category")
    items = items.join(known, on="item_id", how="left", maintain_order="left")
    out.mkdir(parents=True, exist_ok=True)
    events.write_parquet(out / "interactions.parquet")
    items.write_parquet(out / "items.parquet")
    titled = items.group_by("category").agg((pl.col("title").fill_null("") != "").mean()).sort("category")
    shares = ", ".join(f"{aisle} {share:.0%}" for aisle, share in titled.iter_rows())
    print(f"{events.height:,} events of {len(users):,} users in {out}; items with a title: {shares}")


if __name__ == "__main__":
    main()
