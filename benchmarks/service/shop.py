"""An items table of a given size: the items of a table and, to fill it up, copies of some under new ids, which nobody has bought.

python benchmarks/service/shop.py TABLES/six TABLES/six100k 100000
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl


def main() -> None:
    """Write OUT/items.parquet and OUT/interactions.parquet."""
    source, out, wanted = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    items = pl.read_parquet(source / "items.parquet")
    more = items.sample(wanted - items.height, seed=0).with_columns(pl.col("item_id") + "-copy")
    out.mkdir(parents=True, exist_ok=True)
    pl.concat([items, more]).write_parquet(out / "items.parquet")
    pl.read_parquet(source / "interactions.parquet").write_parquet(out / "interactions.parquet")


if __name__ == "__main__":
    main()
