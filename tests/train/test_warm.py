"""Training that goes on from a fitted network: what is taken over, by name, and what starts anew."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import polars as pl
import pytest

from crossaisle import Recommender
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.encode.items import ItemReader
from crossaisle.errors import RequestError
from crossaisle.testing import toy_dataset
from crossaisle.train import fit
from crossaisle.train.base import Adapted
from crossaisle.train.loop import TrainingRun
from crossaisle.whole.version import Contents
from crossaisle.whole.warm import warm_contents

SETTINGS = {"model.dim": "32", "model.heads": "2", "model.window": "16", "train.epochs": "2", "model.senses": "id,words"}
DATA = toy_dataset(n_users=150)


def fitted(data: Dataset = DATA, **changes: str) -> Contents:
    return Recommender.preset("quick", device="cpu", settings={**SETTINGS, **changes}).fit(data)._contents()


@pytest.fixture(scope="module")
def start() -> Contents:
    return fitted()


def standing(contents: Contents, data: Dataset, stale: frozenset[str] = frozenset()) -> Contents:
    """Gone on with at a rate of nothing: all that was learned, and nothing more."""
    return warm_contents(contents, data, dataclasses.replace(contents.settings.train, epochs=1, learning_rate=0.0), stale=stale)


def grown(data: Dataset) -> Dataset:
    """One more item of an aisle that sorts before all others, before the old items' rows, and a kind of event before the old kinds."""
    new = data.items.head(1).with_columns(item_id=pl.lit("first"), category=pl.lit("Aardvarks"), title=pl.lit("a red thing"))
    h = data.histories
    return Dataset(
        pl.concat([new, data.items]),
        data.users,
        dataclasses.replace(h, items=h.items + 1, events=h.events + 1),
        ("cart", *data.event_names),
    )


def test_without_a_step_it_says_what_it_said(start: Contents) -> None:
    asked = DATA.histories[:20]
    assert np.array_equal(standing(start, DATA).scorer.score(asked), start.scorer.score(asked))


@pytest.mark.parametrize("objective", ["catalogue", "factored"])
def test_rows_are_taken_over_by_name_and_not_by_place(objective: str) -> None:
    # as after a visit to every aisle, so that no aisle is one that nobody bought in
    model = fitted(**{"train.objective": objective, "blend.parts": "", "across.on": "false"})
    data, asked = grown(DATA), DATA.histories[:20]
    moved = dataclasses.replace(asked, items=asked.items + 1, events=asked.events + 1)
    new, old = standing(model, data).scorer, model.scorer
    found = new.score(moved)[:, 1:]
    expected = old.score(asked)
    if objective == "factored":  # log P(aisle) is shared with one aisle more that nobody has been in: the order inside an aisle stays
        for aisle in range(len(DATA.categories)):
            here = DATA.item_categories == aisle
            gap = (found - expected)[:, here]
            assert np.abs(gap - gap[:, :1]).max() < 1e-4
    else:
        assert np.abs(found - expected).max() < 1e-4
    assert np.abs(new.item_vectors()[1:] - old.item_vectors()).max() < 1e-6


def test_it_learns_from_there(start: Contents) -> None:
    training = dataclasses.replace(start.settings.train, epochs=1, learning_rate=0.003)
    before = start.scorer.state()[0]
    went_on = warm_contents(start, DATA, training)
    anew = fitted(**{"train.epochs": "1"})
    assert went_on.scorer.selection.losses[0] < anew.scorer.selection.losses[0] - 0.3
    assert all((before[name] == tensor).all() for name, tensor in start.scorer.state()[0].items())  # what it began with stays as it is
    assert went_on.settings.train == start.settings.train
    assert went_on.scorer.near == start.scorer.near


def test_a_part_that_the_old_network_lacked_starts_at_nothing() -> None:
    """Weights and times of events, kinds where there was one: with no step they change no score."""
    h = DATA.histories
    bare = DATA.with_histories(Histories.from_arrays(h.offsets, h.items))
    bare = dataclasses.replace(bare, event_names=("interaction",))
    model = fitted(bare, **{"blend.parts": "", "across.on": "false"})
    told = dataclasses.replace(DATA, event_names=("interaction", "purchase"))
    told = told.with_histories(dataclasses.replace(h, weights=np.where(h.events == 1, 2.0, 1.0).astype(np.float32)))
    found = standing(model, told).scorer.score(told.histories[:10])
    assert np.abs(found - model.scorer.score(bare.histories[:10])).max() < 1e-4


def test_only_new_and_changed_items_are_read(start: Contents, monkeypatch: pytest.MonkeyPatch) -> None:
    read = list[str]()
    reads = ItemReader.read

    def noted(self: ItemReader, items: pl.DataFrame, *rest: Any) -> Any:
        read.extend(items["item_id"])
        return reads(self, items, *rest)

    monkeypatch.setattr(ItemReader, "read", noted)
    standing(start, grown(DATA), frozenset({"item0003"}))
    assert read == ["first", "item0003"]


def test_popularity_kept_apart_is_counted_anew_and_served_as_before() -> None:
    model = fitted(**{"train.debias": "popularity", "train.debias_serve": "0.25"})
    new = standing(model, DATA).scorer
    assert float(new.net.network.popularity.serve) == 0.25  # type: ignore[union-attr]
    assert np.array_equal(new.score(DATA.histories[:5]), model.scorer.score(DATA.histories[:5]))


def test_what_cannot_be_gone_on_with(start: Contents) -> None:
    warm = start.scorer.net.as_warm(DATA.items["item_id"], DATA.event_names)
    with pytest.raises(RequestError, match="learned ratings"):
        dataclasses.replace(warm, rates=True).check()
    with pytest.raises(RequestError, match=r"aisles joined this model with adapters \(Toys\)"):
        dataclasses.replace(warm, adapted=(Adapted("Toys", 4, 3),)).check()


def test_only_what_is_to_be_learned_is_a_target_and_only_its_people_are_read(start: Contents, monkeypatch: pytest.MonkeyPatch) -> None:
    told = dict[str, Any]()

    def noted(network: Any, histories: Histories, *rest: Any, **options: Any) -> TrainingRun:
        told.update(histories=histories, **options)
        return TrainingRun()

    monkeypatch.setattr(fit, "train", noted)
    learn = np.zeros(len(DATA.histories.items), bool)
    learn[[1, 2, int(DATA.histories.offsets[5]) + 1]] = True
    went_on = warm_contents(start, DATA, start.settings.train, learn=learn)
    people = DATA.histories[np.array([0, 5])]
    assert told["histories"].items.tolist() == people.items.tolist()
    assert np.flatnonzero(told["target_mask"]).tolist() == [1, 2, int(people.offsets[1]) + 1]
    assert np.array_equal(went_on.scorer.counts, DATA.item_counts)
