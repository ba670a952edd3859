"""Contract tables of one or several categories of the six-category Amazon data (see benchmarks/README.md for its origin).

    python benchmarks/prepare_amazon6.py OUT Beauty
    python benchmarks/prepare_amazon6.py OUT Grocery_and_Gourmet_Food Home_and_Kitchen
    python benchmarks/prepare_amazon6.py OUT Beauty --dated        # only users all of whose events are dated
    python benchmarks/prepare_amazon6.py OUT all --apart           # all six, every event in the category it came from
    python benchmarks/prepare_amazon6.py OUT all --apart --users 4000    # of these, users of two categories or more, drawn by chance
    python benchmarks/prepare_amazon6.py OUT all --shuffle-items   # the items table in an order by chance

Ids, order and text stay as they are in the source. Of an item that stands in several of the categories (among all six: 34 ids with
4,343 events) the first row is taken, and its events follow it, whichever category they came from. With --apart it is one item in each of
its categories: the further rows and their events get the id ``ITEM@CATEGORY``. Otherwise 612 users of one category would seem to
shop in two, and hidden-aisle would ask 2,888 users in place of 2,276.

The source lists items roughly in the order in which they were first bought, often bought ones early. Equal scores are ranked in table
order, so that where nobody has bought anything yet a baseline that knows nothing would look clever; --shuffle-items takes that away.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import polars as pl


def apart(events: pl.DataFrame, items: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same tables with an id of its own for an item's second and further category."""
    named = pl.concat_str("item_id", "category", separator="@")
    first = pl.int_range(pl.len()).over("item_id") == 0
    own = items.select("item_id", "category", pl.when(first).then("item_id").otherwise(named).alias("own"))
    out = []
    for table in (events, items):
        joined = table.join(own, on=["item_id", "category"], how="left", maintain_order="left")
        out.append(joined.with_columns(pl.col("own").fill_null(pl.col("item_id")).alias("item_id")).drop("own"))
    return out[0], out[1]


def main() -> None:
    """Write interactions.parquet and items.parquet into OUT."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("categories", nargs="+")
    parser.add_argument("--dated", action="store_true")
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--shuffle-items", action="store_true")
    parser.add_argument("--users", type=int, metavar="N")
    asked = parser.parse_args()
    source = Path(os.environ.get("CROSSAISLE_DATA", "../shared/data")) / "amazon6"
    events = pl.read_parquet(source / "interactions.parquet").with_columns(pl.col("category").cast(pl.String))
    items = pl.read_parquet(source / "items.parquet").with_columns(pl.col("category").cast(pl.String))
    categories = sorted(items["category"].unique()) if asked.categories == ["all"] else asked.categories
    if unknown := sorted({*categories} - {*items["category"]}):
        parser.error(f"no category {', '.join(unknown)}; there are: all, {', '.join(sorted(items['category'].unique()))}")
    events, items = (table.filter(pl.col("category").is_in(categories)) for table in (events, items))
    if asked.dated:
        events = events.filter(pl.col("timestamp").is_not_null().all().over("user_id"))
    if asked.users:
        several = events.group_by("user_id").agg(pl.col("category").n_unique()).filter(pl.col("category") > 1).sort("user_id")
        events = events.join(several.sample(min(asked.users, several.height), seed=0), on="user_id", how="semi", maintain_order="left")
    if asked.apart:
        events, items = apart(events, items)
    asked.out.mkdir(parents=True, exist_ok=True)
    events.select("user_id", "item_id", "timestamp", "position").write_parquet(asked.out / "interactions.parquet")
    seen = events.select("item_id").unique()
    items = items.unique("item_id", keep="first", maintain_order=True)
    items = items.join(seen, on="item_id", how="semi", maintain_order="left")
    if asked.shuffle_items:
        items = items.sample(fraction=1.0, shuffle=True, seed=0)
    items.write_parquet(asked.out / "items.parquet")
    print(f"{events.height:,} events of {events['user_id'].n_unique():,} users in {asked.out}")


if __name__ == "__main__":
    main()
