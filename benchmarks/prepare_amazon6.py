"""Contract tables of one or several categories of the six-category Amazon data (see benchmarks/README.md for its origin).

    python benchmarks/prepare_amazon6.py OUT Beauty
    python benchmarks/prepare_amazon6.py OUT Grocery_and_Gourmet_Food Home_and_Kitchen
    python benchmarks/prepare_amazon6.py OUT Beauty --dated        # only users all of whose events are dated

Ids, order and text stay as they are in the source. Of an item that stands in several of the categories the first row is taken.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import polars as pl


def main() -> None:
    """Write interactions.parquet and items.parquet into OUT."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("categories", nargs="+")
    parser.add_argument("--dated", action="store_true")
    asked = parser.parse_args()
    source = Path(os.environ.get("CROSSAISLE_DATA", "../shared/data")) / "amazon6"
    events = pl.read_parquet(source / "interactions.parquet").with_columns(pl.col("category").cast(pl.String))
    items = pl.read_parquet(source / "items.parquet").with_columns(pl.col("category").cast(pl.String))
    events = events.filter(pl.col("category").is_in(asked.categories))
    if not events.height:
        parser.error(f"no events in {', '.join(asked.categories)}; categories: {', '.join(sorted(items['category'].unique()))}")
    if asked.dated:
        events = events.filter(pl.col("timestamp").is_not_null().all().over("user_id"))
    asked.out.mkdir(parents=True, exist_ok=True)
    events.select("user_id", "item_id", "timestamp", "position").write_parquet(asked.out / "interactions.parquet")
    seen = events.select("item_id").unique()
    items = items.filter(pl.col("category").is_in(asked.categories)).unique("item_id", keep="first", maintain_order=True)
    items.join(seen, on="item_id", how="semi", maintain_order="left").write_parquet(asked.out / "items.parquet")
    print(f"{events.height:,} events of {events['user_id'].n_unique():,} users in {asked.out}")


if __name__ == "__main__":
    main()
