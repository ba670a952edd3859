"""A review that names what is asked outright, planted at the asked moment or later, is never seen; planted before it, it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from crossaisle import Dataset, Recommender
from crossaisle.data.split import Split
from crossaisle.evaluate.looks import make_split
from crossaisle.presets import AllSettings, preset_settings
from crossaisle.scorers import blend_scorer
from crossaisle.testing import toy_dataset

SMALL = {
    "model.senses": "id,text,reviews",
    "model.dim": "16",
    "model.heads": "2",
    "model.blocks": "1",
    "train.epochs": "1",
    "text.max_tokens": "16",
    "across.on": "false",
}
PROTOCOLS = ("time-split", "next-basket", "leave-one-out", "first-visit", "hidden-aisle", "cold-item", "cold-user", "cold-aisle")
PLANTED = "Next they bought exactly this one, and it is the best thing that anybody ever had"
HOUR = 3600.0


def toy() -> Dataset:
    """The toy shop; two events in three are reviewed an hour later, in the words of the item's brand."""
    data = toy_dataset(n_users=90, n_items=48)
    h = data.histories
    rows = [
        {
            "user_id": data.users[int(u)],
            "item_id": data.items["item_id"][int(i)],
            "timestamp": float(t) + HOUR,
            "rating": float(1 + (e % 5)),
            "helpful": float(e % 3),
            "text": f"A thing of {data.items['brand'][int(i)]}, just as I had hoped",
        }
        for e, (u, i, t) in enumerate(zip(h.owners, h.items, h.times, strict=True))
        if e % 3
    ]
    return dataclasses.replace(data, reviews=pl.DataFrame(rows)).with_own_reviews()


DATA = toy()


def plant(user: str, item: int, time: float | None) -> Dataset:
    """The shop with one review more."""
    row = {"user_id": user, "item_id": DATA.items["item_id"][item], "timestamp": time, "rating": 5.0, "helpful": 99.0, "text": PLANTED}
    assert DATA.reviews is not None
    more = pl.concat([DATA.reviews, pl.DataFrame([row], schema=DATA.reviews.schema)])
    return dataclasses.replace(DATA, reviews=more).with_own_reviews()


def settings(**more: str) -> AllSettings:
    return preset_settings("quick", {**SMALL, **{k.replace("__", "."): v for k, v in more.items()}})


def split_of(data: Dataset, protocol: str) -> Split:
    return make_split(protocol, data, 0, False, (), "Books" if protocol == "cold-aisle" else None)


def learned(data: Dataset, protocol: str, **more: str) -> dict[str, Any]:
    """Everything that a model of this protocol would save, and what it answers."""
    split = split_of(data, protocol)
    scorer = blend_scorer(settings(**more))
    valid = split.valid if len(split.valid) else None
    scorer.fit(split.train, valid, split.full)
    tensors = {name: value.numpy() for name, value in scorer.state()[0].items()}
    return {**tensors, "scores": scorer.score(split.test.histories), "valid scores": scorer.score(split.valid.histories)}


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_protocol_reads_a_review_of_the_target_from_the_asked_moment_on(protocol: str) -> None:
    plain, split = learned(DATA, protocol), split_of(DATA, protocol)
    asked = np.concatenate([split.valid.times, split.test.times])
    first, last = int(np.argmin(split.test.times)), int(np.argmax(split.test.times))
    target = int(split.test.targets.row(first)[0])
    assert same(plain, learned(DATA, protocol)), "two fits on the same data differ, so the test could say nothing"
    for user, item, time in (
        (DATA.users[int(split.test.users[first])], target, float(split.test.times[first])),  # the asked user, at that very moment
        (DATA.users[int(split.test.users[first])], target, float(np.min(asked)) - 1e6),  # even of long ago: it is the asked pair
        ("somebody else", target, float(split.test.times[first])),
        ("somebody else", int(split.test.targets.row(last)[0]), float(split.test.times[last]) + 1e6),
        ("somebody else", target, None),  # nobody knows when
    ):
        assert same(plain, learned(plant(user, item, time), protocol)), (user, item, time)
    assert not same(plain, learned(plant("somebody else", target, float(np.min(asked)) - 1.0), protocol))


@pytest.mark.parametrize("protocol", ["time-split", "leave-one-out"])
def test_what_a_user_wrote_of_a_history_item_is_read_only_if_older_than_the_question(protocol: str) -> None:
    split = split_of(DATA, protocol)
    reviewed = set(DATA.reviews.select("user_id", "item_id").iter_rows()) if DATA.reviews is not None else set()
    question, item = next(
        (q, int(i))
        for q, user in enumerate(split.test.users.tolist())
        for i in split.test.histories.row(q)
        if (DATA.users[user], DATA.items["item_id"][int(i)]) not in reviewed
    )
    user, moment = DATA.users[int(split.test.users[question])], float(split.test.times[question])
    if protocol == "time-split":
        moment = float(np.min(split.test.times))
    plain = learned(DATA, protocol)
    assert same(plain, learned(plant(user, item, moment), protocol))
    before = plant(user, item, float(np.nanmin(split.test.histories.times)) + 1.0)
    assert not np.array_equal(plain["scores"][question], learned(before, protocol)["scores"][question])


def test_own_reviews_alone_make_a_difference_only_where_asked_for() -> None:
    split = split_of(DATA, "time-split")
    scorer = blend_scorer(settings()).fit(split.train, split.valid, split.full)
    histories = split.test.histories
    without = dataclasses.replace(histories, own=None)
    assert histories.own is not None
    assert (histories.own.rows >= 0).any()
    assert not np.array_equal(scorer.score(histories), scorer.score(without))
    deaf = blend_scorer(settings(model__own_reviews="false")).fit(split.train, split.valid, split.full)
    assert np.array_equal(deaf.score(histories), deaf.score(without))
    assert not any("encoder.own." in name for name in deaf.state()[0])


def test_every_review_that_training_reads_is_older_than_what_it_predicts() -> None:
    from crossaisle.train.packing import pack_for_training

    scorer = blend_scorer(settings()).fit(DATA)
    read = scorer.net.with_reviews(DATA.histories)
    assert read.own is not None
    rows = pack_for_training(read, 8, 0)
    assert rows.review is not None
    assert rows.rating is not None
    codes, ratings = rows.items.numpy(), rows.rating.numpy()
    h = DATA.histories
    may = {}
    for b in range(len(h)):
        places = range(int(h.offsets[b]), int(h.offsets[b + 1]))
        for p in places:
            late = p + 1 not in places or not read.own.times[p] < h.times[p + 1]
            may.setdefault((int(h.items[p])), []).append(not late)
    seen = ~np.isnan(ratings)
    assert seen.any()
    counts = np.bincount(codes[seen], minlength=DATA.n_items)
    assert all(counts[i] <= sum(flags) for i, flags in may.items())
    assert int(seen.sum()) == sum(sum(flags) for flags in may.values())


@pytest.fixture(scope="module")
def until() -> float:
    return float(np.nanquantile(DATA.histories.times, 0.8))


def fitted(data: Dataset, until: float) -> Recommender:
    return Recommender.preset("quick", settings={**SMALL, "reviews.until": str(until)}).fit(data)


def everything(model: Recommender) -> dict[str, Any]:
    tensors = {name: value.numpy() for name, value in model._fitted()[0].state()[0].items()}
    return {**tensors, "lists": model.recommend(k=5).drop("user_id", "item_id", "category").to_numpy()}


def test_fit_and_recommend_read_nothing_from_the_moment_on(until: float) -> None:
    plain = everything(fitted(DATA, until))
    user, item = DATA.users[3], int(DATA.histories.row(3)[0])
    for who in (user, "somebody else"):
        assert same(plain, everything(fitted(plant(who, item, until), until)))
    assert not same(plain, everything(fitted(plant("somebody else", item, until - 1.0), until)))


def test_the_moment_of_a_fit_is_now() -> None:
    ahead = plant("somebody else", 3, 7e9)  # a review dated in the year 2191
    plain = Recommender.preset("quick", settings=SMALL).fit(DATA)
    assert same(everything(plain), everything(Recommender.preset("quick", settings=SMALL).fit(ahead)))


def test_what_stops_a_fit_is_judged_without_reviews_of_the_held_back_events() -> None:
    # without refitting, the weights are those that the held-back questions chose
    def chosen(data: Dataset) -> dict[str, Any]:
        return everything(Recommender.preset("quick", settings={**SMALL, "train.refit": "false"}).fit(data))

    latest = int(np.nanargmax(DATA.histories.times))
    item, time = int(DATA.histories.items[latest]), float(DATA.histories.times[latest])
    plain = chosen(DATA)
    assert same(plain, chosen(plant("somebody else", item, time)))
    assert not same(plain, chosen(plant("somebody else", item, float(np.nanmin(DATA.histories.times)))))


def texts_in(folder: Path, *needles: str) -> dict[str, list[str]]:
    """Where each text stands: in the bytes of a file, or in a (compressed) Parquet table."""
    out: dict[str, list[str]] = {n: [] for n in needles}
    for path in (p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += pl.read_parquet(path).select(pl.col(pl.String)).write_csv().encode()
        for n in needles:
            out[n] += [path.name] if n.encode() in content else []
    return out


@pytest.mark.parametrize("histories", [True, False])
def test_a_model_folder_holds_no_text_of_a_review(tmp_path: Path, histories: bool) -> None:
    model = Recommender.preset("quick", settings=SMALL).fit(DATA)
    model.save(tmp_path / "shop.model", histories=histories)
    found = texts_in(tmp_path, "just as I had hoped", "user0003")
    assert found["just as I had hoped"] == []
    assert bool(found["user0003"]) == histories
    loaded = Recommender.load(tmp_path / "shop.model")
    assert loaded.info()["items with reviews"] == DATA.reviews["item_id"].n_unique()  # type: ignore[index]
    if histories:
        assert loaded.recommend(k=5).equals(model.recommend(k=5))
    new = DATA.items.head(1).select("category", "title", item_id=pl.lit("brand new"))
    loaded.add_items(new)
    loaded.save(tmp_path / "shop.model")
    again = Recommender.load(tmp_path / "shop.model")
    assert again.info()["items with reviews"] == loaded.info()["items with reviews"]
    assert again.items.height == DATA.n_items + 1


def test_without_the_sense_reviews_change_nothing() -> None:
    plain: Callable[[Dataset], Recommender] = Recommender.preset("quick", settings={**SMALL, "model.senses": "id,text"}).fit
    assert DATA.reviews is not None
    with_reviews = everything(plain(DATA))
    without = everything(Recommender.preset("quick", settings={**SMALL, "model.senses": "id,text"}).fit(DATA.without_reviews()))
    assert same(with_reviews, without)


def test_what_was_written_between_validation_and_test_is_read_only_by_the_refit() -> None:
    split = split_of(DATA, "time-split")
    target, between = int(split.test.targets.row(0)[0]), float(np.min(split.valid.times))
    planted = split_of(plant("somebody else", target, between), "time-split")
    chosen = [blend_scorer(settings()).fit(s.train, s.valid) for s in (split, planted)]
    assert np.array_equal(chosen[0].item_vectors(), chosen[1].item_vectors())
    refitted = [blend_scorer(settings()).fit(s.train, s.valid, s.full) for s in (split, planted)]
    assert not np.array_equal(refitted[0].item_vectors()[target], refitted[1].item_vectors()[target])
