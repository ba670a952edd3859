"""How evenly aisles are served: against plain Python, and as a trial and its report show it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from test_protocol import SETTINGS, Fake, repeated_toy, run

from crossaisle.evaluate.balance import list_shares, macro_interval
from crossaisle.evaluate.protocol import evaluate
from crossaisle.evaluate.report import write_report
from crossaisle.evaluate.summary import summary_rows
from crossaisle.testing import toy_dataset


def test_macro_interval_holds_the_spread_of_each_aisle() -> None:
    rng = np.random.default_rng(0)
    aisles = np.repeat([0, 1], [900, 100])
    values = np.where(aisles == 0, rng.random(1000) * 0.2, rng.random(1000))[:, None]
    value, low, high = macro_interval(values, aisles, seed=0)
    parts = [values[aisles == a, 0] for a in (0, 1)]
    assert value[0] == pytest.approx(np.mean([p.mean() for p in parts]))
    # the aisles are resampled apart: the variances of their means add up, halved twice
    error = np.sqrt(sum(p.var() / len(p) for p in parts)) / 2
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert value[0] > 2 * parts[0].mean()  # the large aisle does not carry it


def test_a_trial_counts_every_aisle_alike() -> None:
    results = run(repeated_toy(), "leave-one-out", Fake("popularity"), Fake("ease", seed=5))
    raw = results.per_query.join(results.queries.select("query", "aisle"), on="query").filter(pl.col("aisle") != "")
    assert results.queries["aisle"].n_unique() > raw["aisle"].n_unique() > 1  # one of the aisles is unknown
    for model in ("popularity", "ease"):
        by_aisle = raw.filter(pl.col("model") == model).group_by("aisle").agg(pl.col("ndcg@10").cast(pl.Float64).mean())
        assert results.value("all", model, "macro_ndcg@10") == pytest.approx(by_aisle["ndcg@10"].mean(), abs=1e-6)
    row = results.summary.filter(pl.col("measure") == "macro_ndcg@10").row(0, named=True)
    assert row["low"] < row["value"] < row["high"]
    assert (row["n"], row["seed_spread"]) == (raw["query"].n_unique(), None)


def test_seeds_spread_over_the_macro_measure() -> None:
    made = lambda name, settings, seed, data: Fake(name, seed)  # noqa: E731
    results = evaluate(toy_dataset(), protocol="leave-one-out", models=["crossaisle"], settings=SETTINGS, seeds=3, make_scorer=made)
    raw = results.per_query.join(results.queries.select("query", "aisle"), on="query")
    each = raw.group_by("seed", "aisle").agg(pl.col("ndcg@10").cast(pl.Float64).mean()).group_by("seed").agg(pl.col("ndcg@10").mean())
    row = results.summary.filter(pl.col("measure") == "macro_ndcg@10").row(0, named=True)
    assert row["seed_spread"] == pytest.approx(each["ndcg@10"].std(), abs=1e-6)


def test_shares_of_lists_and_targets_add_up() -> None:
    data = toy_dataset()
    results = run(data, "leave-one-out", Fake("popularity"))
    assert results.shares["lists"].sum() == pytest.approx(1.0)
    assert results.shares["targets"].sum() == pytest.approx(1.0)
    counted = results.queries["aisle"].value_counts(normalize=True).sort("aisle")
    shown = results.shares.filter(pl.col("targets") > 0).sort("aisle")
    assert shown["aisle"].to_list() == counted["aisle"].to_list()
    np.testing.assert_allclose(shown["targets"], counted["proportion"])
    assert list_shares(np.full((2, 3), -1), np.array([0]), 2).tolist() == [0.0, 0.0]


def test_one_aisle_has_neither() -> None:
    data = toy_dataset()
    items = data.items.with_columns(pl.lit("Garden").alias("category"))
    results = run(type(data)(items, data.users, data.histories), "leave-one-out", Fake("popularity"))
    assert results.shares.is_empty()
    assert "macro_ndcg@10" not in results.summary["measure"].to_list()


@pytest.mark.parametrize(
    ("lang", "macro", "shares"), [("en", "NDCG by aisle@10", "What each aisle gets"), ("zh", "按品类平均的 NDCG@10", "各品类所占份额")]
)
def test_the_report_shows_both(lang: str, macro: str, shares: str, tmp_path: Path) -> None:
    results = run(toy_dataset(), "first-visit", Fake("popularity"))
    write_report(results, tmp_path, lang)
    told = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert macro in told
    assert told.count(f"# {shares}\n") == 1  # in the view beyond only
    held = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert {row["view"] for row in held["shares"]} == {"aisle", "beyond"}
    assert any(row["measure"] == "macro_ndcg@10" for row in held["summary"])
    row = summary_rows(results, "aisle")[0]
    assert {"macro_ndcg@10", "hit_rate@10", "ndcg@10 95 %", "hit_rate@10 95 %"} <= set(row)
