"""Graph times popularity against a loop, and what validation chooses."""

from __future__ import annotations

import numpy as np
import pytest

from crossaisle.baselines.graph_popularity import GraphPopularity
from crossaisle.data.histories import Histories
from crossaisle.data.split import hold_out_last
from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.graph.nodes import views
from crossaisle.graph.settings import GraphSettings
from crossaisle.testing import toy_dataset

DATA = toy_dataset(n_users=80)


@pytest.mark.parametrize("level", [1, 2])
def test_the_score_is_the_chance_of_the_category_times_the_share_in_it(level):
    scorer = GraphPopularity(level=level).fit(DATA)
    found = scorer.score(DATA.histories[:3])
    chances = CategoryGraph.of(DATA, GraphSettings(levels=level)).next_nodes(DATA.histories[:3], level)
    nodes, counts = views(DATA.items, level)[-1].item_nodes, DATA.item_counts
    for item in range(DATA.n_items):
        share = counts[item] / counts[nodes == nodes[item]].sum()
        if counts[item]:
            assert found[:, item] == pytest.approx(chances[:, nodes[item]] * share, rel=1e-4)


def test_an_item_without_a_category_has_its_share_of_all():
    import dataclasses

    import polars as pl

    first = pl.int_range(pl.len()) == 0
    bare = DATA.items.with_columns(
        pl.when(first).then(pl.lit("")).otherwise("category").alias("category"),
        pl.when(first).then(pl.lit([], dtype=pl.List(pl.String))).otherwise("categories").alias("categories"),
    )
    data = dataclasses.replace(DATA, items=bare)
    score = GraphPopularity(level=1).fit(data).score(Histories.from_lists([[]]))[0, 0]
    assert score == pytest.approx(data.item_counts[0] / data.item_counts.sum(), rel=1e-4)


def test_validation_chooses_level_and_decay():
    train, valid = hold_out_last(toy_dataset(n_users=300))
    scorer = GraphPopularity().tune(train, valid)
    assert "chosen on validation" in scorer.note
    assert {"level", "decay"} == {part.split()[0] for part in scorer.note.split(" chosen")[0].split(", ")}
    assert np.isfinite(scorer.score(train.histories)).all()
