"""Made-up profiles: as long, as many and as filled as was asked for; copies are copies."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from crossaisle.attack.shilling import FILLERS, copied_users, fake_profiles, tail_items
from crossaisle.errors import RequestError, TableError


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """300 users of 4 to 8 items; item k of 200 is taken about in proportion to 1 / (k + 1)."""
    rng = np.random.default_rng(0)
    odds = 1 / np.arange(1, 201)
    users, items, times = [], [], []
    for u in range(300):
        n = int(rng.integers(4, 9))
        users += [f"u{u}"] * n
        items += [f"i{k:03d}" for k in rng.choice(200, size=n, replace=False, p=odds / odds.sum())]
        times += sorted(rng.integers(0, 10**6, size=n).tolist())
    return pl.DataFrame({"user_id": users, "item_id": items, "timestamp": times})


@pytest.mark.parametrize("filler", FILLERS)
@pytest.mark.parametrize("place", ["last", "random"])
def test_profiles_are_as_asked(rows: pl.DataFrame, filler: str, place: str) -> None:
    targets = tail_items(rows, 5, seed=1)
    fakes = fake_profiles(rows, targets, share=0.1, filler=filler, place=place, seed=2)
    profiles = fakes.group_by("user_id", maintain_order=True).agg("item_id", "timestamp")
    length = int(rows.group_by("user_id").len()["len"].median())  # type: ignore[arg-type]
    assert fakes.schema == rows.schema
    assert profiles.height == 30
    assert profiles["item_id"].list.len().unique().to_list() == [length]
    assert not set(fakes["user_id"]) & set(rows["user_id"])
    pushed = [[i for i in p if i in targets] for p in profiles["item_id"]]
    assert [p[0] for p in pushed] == [targets[k % 5] for k in range(30)]
    assert {len(p) for p in pushed} == {1}
    assert all(len(set(p)) == len(p) for p in profiles["item_id"])
    assert all(t == sorted(t) for t in profiles["timestamp"].to_list())
    places = {p.index(t[0]) for p, t in zip(profiles["item_id"].to_list(), pushed, strict=True)}
    assert places == {length - 1} if place == "last" else len(places) > 2
    assert fakes.equals(fake_profiles(rows, targets, share=0.1, filler=filler, place=place, seed=2))


def test_fillers_differ_in_popularity(rows: pl.DataFrame) -> None:
    counts = dict(rows.group_by("item_id").len().iter_rows())
    targets = tail_items(rows, 2)

    def mean(filler: str) -> float:
        fakes = fake_profiles(rows, targets, share=0.5, filler=filler)
        return float(np.mean([counts[i] for i in fakes["item_id"] if i not in targets]))

    random, average, bandwagon = (mean(f) for f in FILLERS)
    genuine = float(np.mean([counts[i] for i in rows["item_id"]]))
    assert random < 0.5 * genuine
    assert abs(average / genuine - 1) < 0.25
    assert bandwagon > 1.15 * genuine
    assert bandwagon > average > random


def test_tail_is_the_less_popular_half(rows: pl.DataFrame) -> None:
    counts = dict(rows.group_by("item_id").len().iter_rows())
    median = np.median(list(counts.values()))
    assert all(counts[i] <= median for i in tail_items(rows, 20, seed=3))
    assert len(tail_items(rows, 10_000)) == len(counts) // 2


def test_copies_are_copies(rows: pl.DataFrame) -> None:
    copies = copied_users(rows, share=0.05, seed=4)
    columns = ["item_id", "timestamp"]
    known = {tuple(map(tuple, g.select(columns).rows())) for _, g in rows.group_by("user_id", maintain_order=True)}
    mine = [tuple(map(tuple, g.select(columns).rows())) for _, g in copies.group_by("user_id", maintain_order=True)]
    assert len(mine) == 15
    assert set(mine) <= known
    assert not set(copies["user_id"]) & set(rows["user_id"])


def test_times_may_be_missing_in_part_or_whole(rows: pl.DataFrame) -> None:
    bare = rows.drop("timestamp")
    assert fake_profiles(bare, ["i000"], share=0.1).columns == ["user_id", "item_id"]
    assert copied_users(bare, share=0.1).columns == ["user_id", "item_id"]
    none = rows.with_columns(pl.lit(None, dtype=pl.Int64).alias("timestamp"))
    assert fake_profiles(none, ["i000"], share=0.1)["timestamp"].null_count() == len(fake_profiles(none, ["i000"], share=0.1))
    half = rows.with_columns(pl.when(pl.col("user_id") < "u2").then("timestamp").alias("timestamp"))
    dated = fake_profiles(half, ["i000"], share=0.5).group_by("user_id").agg(pl.col("timestamp").is_null().mean())["timestamp"]
    assert set(dated.to_list()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("change", "error", "part"),
    [
        ({"targets": []}, RequestError, "no item to push"),
        ({"filler": "mean"}, RequestError, "unknown filler 'mean'"),
        ({"place": "first"}, RequestError, "unknown place 'first'"),
        ({"share": 0.0}, RequestError, "share of made-up people is 0"),
        ({"interactions": pl.DataFrame({"user_id": ["u"]})}, TableError, "no column item_id"),
        (
            {"interactions": pl.DataFrame({"user_id": ["u"], "item_id": ["a"], "timestamp": ["2020"]})},
            TableError,
            "timestamps are of type String",
        ),
        ({"interactions": pl.DataFrame({"user_id": ["u", "v"], "item_id": ["a", "a"]}), "targets": ["a"]}, RequestError, "no item beside"),
    ],
)
def test_bad_requests(rows: pl.DataFrame, change: dict[str, object], error: type[Exception], part: str) -> None:
    asked = {"interactions": rows, "targets": ["i000"], "share": 0.1} | change
    with pytest.raises(error, match=part):
        fake_profiles(asked.pop("interactions"), asked.pop("targets"), **asked)  # type: ignore[arg-type]
