"""EASE and popularity on Amazon Beauty, leave-one-out, against figures measured by another program."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from crossaisle.baselines import EASE, Popularity
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(os.environ.get("CROSSAISLE_DATA", ROOT.parent / "shared/data")) / "amazon6/interactions.parquet"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not TABLE.exists(), reason="needs amazon6/interactions.parquet under CROSSAISLE_DATA")]


@pytest.fixture(scope="module")
def beauty():
    """All but the last event of each user, and the last one: the test target."""
    table = pl.read_parquet(TABLE).filter(pl.col("category").cast(pl.String) == "Beauty").sort("user_id", "position")
    ids = table["item_id"].unique().sort()
    items = pl.DataFrame({"item_id": ids, "category": "Beauty"})
    codes = dict(zip(ids, range(len(ids)), strict=True))
    users = table.group_by("user_id", maintain_order=True).agg("item_id")
    h = Histories.from_lists([[codes[i] for i in row] for row in users["item_id"]])
    last = np.isin(np.arange(len(h.items)), h.offsets[1:] - 1)
    return Dataset(items, users["user_id"], h.keep(~last)), h.items[last]


def recall_and_ndcg(scorer, data, targets, ties):
    ranks = []
    for start in range(0, data.n_users, 512):
        asked, aim = data.histories[slice(start, start + 512)], targets[start : start + 512, None]
        scores = scorer.score(asked)
        own = np.take_along_axis(scores, aim, axis=1)
        scores[asked.owners, asked.items] = -np.inf
        level = {"order": np.arange(data.n_items) < aim, "lucky": False}[ties]
        ranks.append(((scores > own) | ((scores == own) & level)).sum(axis=1))
    rank = np.concatenate(ranks)
    return (rank < 10).mean(), np.where(rank < 10, 1 / np.log2(rank + 2), 0).mean()


def test_ease(beauty):
    data, targets = beauty
    assert (data.n_users, data.n_items) == (22_363, 12_101)
    assert recall_and_ndcg(EASE(lam=200).fit(data), data, targets, "order") == pytest.approx((0.0764, 0.0418), abs=5e-5)


def test_popularity(beauty):
    """The figure published for it counts items level with the target as ranked behind it; in catalogue order it is a little lower."""
    data, targets = beauty
    model = Popularity().fit(data)
    assert recall_and_ndcg(model, data, targets, "lucky") == pytest.approx((0.0141, 0.0063), abs=5e-5)
    assert recall_and_ndcg(model, data, targets, "order") == pytest.approx((0.0141, 0.0063), abs=5e-4)
