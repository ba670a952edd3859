"""The popularity of the nearest words against a loop, and a new item that takes after its neighbours."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from crossaisle import Dataset
from crossaisle.baselines.text_space import TextSpace
from crossaisle.baselines.word_popularity import WordPopularity
from crossaisle.data.histories import Histories
from crossaisle.testing import toy_dataset

DATA = toy_dataset(n_users=80)


def test_the_score_is_the_weighted_mean_of_the_neighbours_events():
    found = WordPopularity(neighbours=7).fit(DATA).score(DATA.histories[:1])[0]
    space, counts = TextSpace.of_words(DATA), DATA.item_counts
    checked = 0
    for item in range(DATA.n_items):
        cosines = np.where(counts > 0, space.cosines(np.array([item]))[0], -1)
        near = np.argsort(-cosines, kind="stable")[:8]
        if cosines[near[6]] > cosines[near[7]]:  # otherwise it is nobody's business which of equals is taken
            checked += 1
            assert found[item] == pytest.approx((cosines[near[:7]] * counts[near[:7]]).sum() / cosines[near[:7]].sum(), rel=1e-4)
    assert checked > 20


def test_a_new_item_takes_after_items_of_its_words():
    titles = {
        "a": "red wool scarf",
        "b": "red wool hat",
        "c": "steel pan",
        "d": "steel pot",
        "new wool": "red wool mitten",
        "new steel": "steel lid",
    }
    events = pl.DataFrame({"user_id": [*"uvwxyuvw"], "item_id": [*"aaaabcdb"]})
    items = pl.DataFrame({"item_id": list(titles), "title": list(titles.values()), "category": ["x"] * len(titles)})
    data = Dataset.from_frames(interactions=events, items=items)
    scores = dict(zip(data.items["item_id"], WordPopularity(neighbours=2).fit(data).score(Histories.from_lists([[0]]))[0], strict=True))
    assert scores["new wool"] > scores["new steel"] > 0
