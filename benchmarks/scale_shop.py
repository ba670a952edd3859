"""A made-up shop of any size: Zipf popularity, aisles with paths, titles from a Zipf vocabulary, dated histories.

Every draw follows from the seed. What is made is meant to be as laborious as a real log, not as learnable: rows of all users lie mixed
in order of time, ids are strings, a few rows are written twice and a few lack an id, so that cleaning has something to do.
Imports: numpy, polars.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

__all__ = ["Shop", "write_shop"]

LATIN = ("ba", "co", "di", "fe", "gu", "ka", "lo", "mi", "ne", "pu", "ra", "so", "ti", "ve", "wo", "zan", "tel", "ris", "mon", "dar")
HANZI = "红色连衣裙白茶具木椅子手机壳儿童玩具毛巾被枕头香薰水杯保温碗盘刀灯床桌柜纸本球拍跑步鞋衣袜棉布皮油米面粉糖果酒肉菜鱼蛋饼干"
DAY = 86_400


@dataclass(frozen=True)
class Shop:
    """What to make.

    Attributes
    ----------
    interactions, items : int
    mean_length : float
        Events of a user: 2 + a geometric number, so that the mean is this.
    aisles, nodes : int
        Aisles, and sub-categories of each (every one of which has again as many below it).
    zipf : float
        Popularity of the item of rank r inside its aisle falls as r ** -zipf.
    loyalty : float
        Share of a user's events in the user's own aisle; the rest go to aisles by their popularity.
    words : int
        Words that titles are made of.
    chinese : float
        Share of items with a Chinese title.
    seed : int
    """

    interactions: int
    items: int
    mean_length: float = 12.0
    aisles: int = 20
    nodes: int = 8
    zipf: float = 0.8
    loyalty: float = 0.7
    words: int = 30_000
    chinese: float = 0.1
    seed: int = 0


def write_shop(shop: Shop, folder: Path) -> None:
    """``interactions.parquet`` and ``items.parquet`` in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(shop.seed)
    aisle = np.sort(_zipf(rng, shop.aisles, shop.items, 0.7))
    items = _items(shop, aisle, rng)
    items.write_parquet(folder / "items.parquet")
    _interactions(shop, aisle, items["item_id"], rng).write_parquet(folder / "interactions.parquet")


def _zipf(rng: np.random.Generator, n: int, size: int, exponent: float) -> np.ndarray:
    """``size`` numbers below n, of which r comes up as often as (r + 1) ** -exponent."""
    reach = np.cumsum(np.arange(1, n + 1, dtype=np.float64) ** -exponent)
    return np.searchsorted(reach, rng.random(size) * reach[-1], side="right").clip(max=n - 1)


def _spelled(parts: tuple[str, ...] | str, n: int, least: int) -> pl.Series:
    """n different words: the numbers 0, 1, ... written with the parts as digits, at least ``least`` of them."""
    left, words = np.arange(n), pl.Series([""] * n)
    digits = pl.Series(list(dict.fromkeys(parts)))
    for place in range(8):
        more = (left > 0) | (place < least)
        if not more.any():
            break
        words = words + pl.select(pl.when(pl.Series(more)).then(digits.gather(left % len(digits))).otherwise(pl.lit(""))).to_series()
        left = left // len(digits)
    return words


def _items(shop: Shop, aisle: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    n = shop.items
    node = _zipf(rng, shop.nodes**2, n, 0.7)
    chinese = rng.random(n) < shop.chinese
    lengths = rng.integers(4, 9, n)
    owner = np.repeat(np.arange(n), lengths)
    # half of the words belong to the category: the same Zipf law from another place of the vocabulary
    rank = _zipf(rng, shop.words, len(owner), 1.0)
    shift = (aisle * shop.nodes**2 + node)[owner] * 7 * (rng.random(len(owner)) < 0.5)
    latin, hanzi = _spelled(LATIN, shop.words, 2), _spelled(HANZI, shop.words, 2)
    codes = (rank + shift) % shop.words
    words = pl.DataFrame({"owner": owner, "latin": latin.gather(codes), "hanzi": hanzi.gather(codes)})
    titles = words.group_by("owner", maintain_order=True).agg(pl.col("latin").str.join(" "), pl.col("hanzi").str.join(""))
    brands = _spelled(LATIN, max(2, n // 40), 3).str.to_titlecase()
    path = pl.DataFrame({"a": aisle, "m": node // shop.nodes, "f": node % shop.nodes})
    numbers = np.arange(n)
    rng.shuffle(numbers)  # ids say nothing about aisle or popularity
    made = titles.select(
        pl.format("I{}", pl.Series(numbers).cast(pl.String).str.zfill(8)).alias("item_id"),
        pl.when(pl.Series(chinese)).then("hanzi").otherwise("latin").alias("title"),
        brands.gather(_zipf(rng, len(brands), n, 0.9)).alias("brand"),
        path.select(pl.format("Aisle {} > Room {}.{} > Shelf {}.{}.{}", "a", "a", "m", "a", "m", "f")).to_series().alias("categories"),
        pl.Series("price", np.exp(rng.normal(3, 1, n)).round(2)),
    )
    return made.with_columns(pl.col("categories").str.split(" > ").list.first().alias("category"))


def _interactions(shop: Shop, aisle: np.ndarray, ids: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
    users = max(2, round(shop.interactions / shop.mean_length))
    lengths = 1 + rng.geometric(1 / max(1.0, shop.mean_length - 1), users)
    owner = np.repeat(np.arange(users), lengths)[: shop.interactions]
    owner = np.concatenate([owner, rng.integers(users, size=shop.interactions - len(owner))])
    own = _zipf(rng, shop.aisles, users, 0.7)
    here = np.where(rng.random(len(owner)) < shop.loyalty, own[owner], _zipf(rng, shop.aisles, len(owner), 0.7))
    starts = np.searchsorted(aisle, np.arange(shop.aisles + 1))
    here = np.where(np.diff(starts)[here] > 0, here, aisle[0])
    reach = np.concatenate([[0.0], np.cumsum((np.arange(len(aisle)) - starts[aisle] + 1.0) ** -shop.zipf)])
    drawn = reach[starts[here]] + rng.random(len(owner)) * (reach[starts[here + 1]] - reach[starts[here]])
    item = (np.searchsorted(reach, drawn, side="right") - 1).clip(starts[here], starts[here + 1] - 1)
    # a user comes for the first time at some moment of three years, and then every few days, several events a visit
    first = rng.integers(1_600_000_000, 1_600_000_000 + 1000 * DAY, users)
    time = first[owner] + (rng.exponential(60 * DAY, len(owner)) // DAY * DAY).astype(np.int64) + rng.integers(0, 3600, len(owner))
    again = rng.integers(len(owner), size=len(owner) // 1000)
    order = np.argsort(time, kind="stable")
    order[again] = order[(again + 1) % len(order)]  # one row in a thousand is its neighbour's twin
    kinds, kind = pl.Series(["view", "cart", "purchase"]), rng.choice(3, len(order), p=(0.7, 0.1, 0.2))
    blank = rng.random(len(order)) < 0.0002
    return pl.DataFrame(
        {
            "user_id": pl.select(
                pl.format("u{}", pl.Series(rng.permutation(users)[owner[order]]).cast(pl.String).str.zfill(8))
            ).to_series(),
            "item_id": pl.select(pl.when(~pl.Series(blank)).then(ids.gather(item[order]))).to_series(),
            "timestamp": time[order],
            "event": kinds.gather(kind[order]),
        }
    )
