"""An aisle that joins a finished network: what it changes, what it leaves as it was to the last bit, and what cannot be joined."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from crossaisle import Dataset, Recommender
from crossaisle.cli.main import run
from crossaisle.data.histories import Histories
from crossaisle.data.split import hold_out_last
from crossaisle.errors import CrossAisleError, RequestError, SettingError
from crossaisle.presets import preset_settings
from crossaisle.testing import toy_dataset
from crossaisle.train.base import MOST_SHARE, trunk_parameters
from crossaisle.train.loop import _optimizer
from crossaisle.train.settings import TrainSettings
from crossaisle.whole.fit import joining_scorer

SETTINGS = {
    "model.senses": "id,words",
    "model.dim": "32",
    "model.heads": "2",
    "model.window": "16",
    "model.adapter_rank": "4",
    "train.epochs": "3",
    "train.tokens_per_step": "256",
    "across.least_shoppers": "5",
}
ALONE = SETTINGS | {"blend.parts": "", "across.on": "false"}
"""The network alone, so that lists are its own."""


def tables(aisles: tuple[str, ...], kinds: bool = True) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Interactions and items of some aisles of one and the same shop."""
    data = toy_dataset(n_users=200)
    h = data.histories
    events = pl.DataFrame(
        {
            "user_id": data.users.gather(h.owners),
            "item_id": data.items["item_id"].gather(h.items),
            "category": data.items["category"].gather(h.items),
            "timestamp": h.times,
            "position": np.arange(len(h.items)),
            "event": pl.Series(data.event_names).gather(h.events),
        }
    )
    here = events.filter(pl.col("category").is_in(aisles)).drop("category", *([] if kinds else ["event"]))
    return here, data.items.filter(pl.col("category").is_in(aisles)).drop("known")


def shop(*aisles: str, **options: Any) -> Dataset:
    return Dataset.from_frames(*tables(aisles, **options))


def fitted(settings: dict[str, str], data: Dataset, **options: Any) -> Recommender:
    return Recommender.preset("quick", settings=settings).fit(data, **options)


@pytest.fixture(scope="module")
def base() -> Recommender:
    return fitted(ALONE, shop("Books", "Garden"))


@pytest.fixture(scope="module")
def joined(base: Recommender) -> Recommender:
    return fitted(ALONE, shop("Books", "Garden", "Kitchen"), base=base, adapt="Kitchen")


def codes_in(model: Recommender, items: pl.DataFrame) -> np.ndarray:
    place = {item: code for code, item in enumerate(model.items["item_id"].to_list())}
    return np.array([place[item] for item in items["item_id"].to_list()])


def old_scores(model: Recommender, base: Recommender, kinds: bool = True) -> np.ndarray:
    """Scores of the base's items for the histories that the base holds, in its order."""
    histories, codes = base._people.histories, codes_in(model, base.items)
    assert histories is not None
    events = [model._fitted()[1].event_names.index(name) for name in base._fitted()[1].event_names] if kinds else [0]
    moved = dataclasses.replace(histories, items=codes[histories.items], events=np.array(events)[histories.events])
    return model._fitted()[0].score(moved)[:, codes]


def test_old_aisles_are_as_they_were_to_the_last_bit(base: Recommender, joined: Recommender) -> None:
    assert np.array_equal(old_scores(joined, base), base._fitted()[0].score(base._people.histories))
    mine = np.sort(codes_in(joined, base.items))
    assert np.array_equal(joined._fitted()[0].item_vectors()[mine], base._fitted()[0].item_vectors()[codes_in(base, joined.items[mine])])
    asked = tables(("Books", "Garden"))[0].rename({"user_id": "query_id"}).head(60)
    for aisle in ("Books", "Garden"):
        lists = [m.recommend_histories(asked, k=5, categories=(aisle,)).select("query_id", "item_id", "score") for m in (base, joined)]
        assert lists[0].equals(lists[1])


def test_the_new_aisle_was_learned_and_begins_as_the_base(base: Recommender, joined: Recommender) -> None:
    new = joined._fitted()[0].net
    adapter = new.network.tower.adapters[0]  # type: ignore[union-attr]
    assert adapter.up.any()  # type: ignore[operator, union-attr]
    assert adapter.bias.item() != 0  # type: ignore[operator]
    assert new.selection.losses[-1] < new.selection.losses[0]
    still = fitted(
        ALONE | {"train.learning_rate": "0", "model.id_dropout": "0"}, shop("Books", "Garden", "Kitchen"), base=base, adapt="Kitchen"
    )
    shown = base._fitted()[0].net
    kitchen = shop("Books", "Garden", "Kitchen").items.filter(pl.col("category") == "Kitchen")
    words = shown.reader.read(kitchen)["words"]  # type: ignore[union-attr]
    told = words.values @ shown.network.tower.senses["words"].table.detach().numpy()  # type: ignore[union-attr]
    ids = still._fitted()[0].net.network.tower.id_table.detach().numpy()[codes_in(still, kitchen)]  # type: ignore[union-attr]
    untrained = told + ids
    untrained /= np.linalg.norm(untrained, axis=1, keepdims=True)
    np.testing.assert_allclose(still._fitted()[0].item_vectors()[codes_in(still, kitchen)], untrained, atol=1e-6)


def test_nothing_else_is_trained_and_the_numbers_are_told(base: Recommender, joined: Recommender) -> None:
    net, old = joined._fitted()[0].net.network, base._fitted()[0].net.network
    assert net is not None
    assert old is not None
    kept, now = old.state_dict(), net.state_dict()
    for name in kept:
        if name not in ("tower.id_table", "tower.trained", "encoder.event"):
            assert torch.equal(kept[name], now[name]), name
    told = joined.info()["adaptation"]
    assert told["trunk parameters"] == trunk_parameters(old) == sum(p.numel() for p in old.parameters()) - 40 * 32
    new = told["adapters"][0]
    assert new == {
        "aisle": "Kitchen",
        "rank": 4,
        "parameters": 2 * 4 * 32 + 1,
        "share of the trunk": round(257 / told["trunk parameters"], 5),
        "id rows": 20,
        "parameters of id rows": 640,
    }
    assert new["share of the trunk"] < MOST_SHARE
    assert joined.quality["adaptation"] == told
    assert "adaptation" not in base.info()


def test_the_optimiser_leaves_out_what_is_frozen(base: Recommender) -> None:
    data = shop("Books", "Garden", "Kitchen")
    scorer = joining_scorer(preset_settings("quick", ALONE), base._contents(), "Kitchen", data)[1].net
    scorer.senses = scorer.reader.read(data.items)  # type: ignore[union-attr]
    network = scorer._new_network(data)
    groups = _optimizer(network, TrainSettings(), None).param_groups
    adapter = network.tower.adapters[0]
    assert [[id(p) for p in g["params"]] for g in groups] == [
        [id(adapter.down), id(adapter.up)],
        [id(adapter.bias)],
        [id(network.tower.fresh_ids)],
    ]
    assert network.tower.fresh_ids.shape == (20, 32)
    assert groups[2]["weight_decay"] == TrainSettings().id_weight_decay


def test_the_bias_calibrates_the_new_aisle(joined: Recommender) -> None:
    net = joined._fitted()[0].net
    assert net.network is not None
    asked = Histories.from_lists([[0, 5], [3]])
    before, inside = net.score(asked), np.array([c == "Kitchen" for c in joined.items["category"].to_list()])
    adapter = net.network.tower.adapters[0]
    with torch.no_grad():
        adapter.bias += 1.5  # type: ignore[operator]
    try:
        after = net.score(asked)
        some = net.score(asked, np.array([70 % len(inside), 1]))
    finally:
        with torch.no_grad():
            adapter.bias -= 1.5  # type: ignore[operator]
    np.testing.assert_allclose(after[:, inside] - before[:, inside], 1.5, atol=1e-5)
    assert np.array_equal(after[:, ~inside], before[:, ~inside])
    np.testing.assert_allclose(some, after[:, [70 % len(inside), 1]], atol=1e-5)


def test_shares_of_senses_still_add_up(joined: Recommender) -> None:
    shares = joined._fitted()[0].sense_shares()
    np.testing.assert_allclose(sum(shares.values()), 1.0, atol=1e-5)


def test_saved_loaded_added_to_and_adapted_again(base: Recommender, joined: Recommender, tmp_path: Any) -> None:
    joined.save(tmp_path / "three.model")
    loaded = Recommender.load(tmp_path / "three.model")
    assert loaded.info()["adaptation"] == joined.info()["adaptation"]
    assert loaded.recommend(k=5).equals(joined.recommend(k=5))

    first = joined.items.filter(pl.col("category") == "Kitchen").drop("known").head(1)
    loaded.add_items(first.with_columns(item_id=pl.lit("kettle")))
    net = loaded._fitted()[0].net
    assert net.network is not None
    with torch.inference_mode():  # the kettle says what the first item says, so it is the same but for its id
        plain = net.network.tower._fused(None)[0]
        said = net.network.tower._adapted(plain, None)
    np.testing.assert_allclose(said[-1], said[codes_in(joined, first)[0]], atol=1e-6)
    assert not torch.allclose(said[-1], plain[-1], atol=1e-4)
    loaded.save(tmp_path / "more.model")
    assert Recommender.load(tmp_path / "more.model").recommend(k=5).equals(loaded.recommend(k=5))

    four = fitted(
        ALONE | {"model.adapter_rank": "2"}, shop("Books", "Garden", "Kitchen", "Music"), base=tmp_path / "three.model", adapt="Music"
    )
    assert [(a["aisle"], a["rank"], a["id rows"]) for a in four.info()["adaptation"]["adapters"]] == [("Kitchen", 4, 20), ("Music", 2, 20)]
    assert np.array_equal(old_scores(four, base), base._fitted()[0].score(base._people.histories))
    assert np.array_equal(old_scores(four, joined), joined._fitted()[0].score(joined._people.histories))
    four.save(tmp_path / "four.model")
    assert Recommender.load(tmp_path / "four.model").recommend(k=5).equals(four.recommend(k=5))


def test_an_aisle_whose_items_were_added_without_training_may_join(base: Recommender, tmp_path: Any) -> None:
    base.save(tmp_path / "base.model")
    wider = Recommender.load(tmp_path / "base.model")
    wider.add_items(tables(("Kitchen",))[1])
    data = shop("Books", "Garden", "Kitchen")
    one, other = (fitted(ALONE, data, base=b, adapt="Kitchen") for b in (base, wider))
    assert one.recommend(k=5).equals(other.recommend(k=5))


def test_kinds_of_events_are_known_by_name(base: Recommender) -> None:
    data = shop("Books", "Garden", "Kitchen")
    swapped = dataclasses.replace(
        data, event_names=("sight", *data.event_names), histories=dataclasses.replace(data.histories, events=data.histories.events + 1)
    )
    model = fitted(ALONE, swapped, base=base, adapt="Kitchen")
    assert np.array_equal(old_scores(model, base), base._fitted()[0].score(base._people.histories))
    event = model._fitted()[0].net.network.encoder.event  # type: ignore[union-attr]
    assert event is not None
    assert not event[0].any()


def test_only_questions_that_the_base_cannot_know_choose(base: Recommender) -> None:
    data = shop("Books", "Garden", "Kitchen")
    model = fitted(SETTINGS, data, base=base, adapt="Kitchen")
    assert "only items that the base did not know" in model.quality["what"]
    asked = model._fitted()[0].net.base
    assert asked is not None
    known = asked.rows(data.items["item_id"]) >= 0
    assert known.sum() == 40
    _, valid = hold_out_last(data)
    left = asked.answerable(data.items["item_id"], valid)
    assert 0 < len(left) < len(valid)
    assert not known[left.targets.items].any()


def test_weights_of_the_base_stay_where_too_few_can_be_asked(base: Recommender) -> None:
    known = fitted(SETTINGS, shop("Books", "Garden"))
    events, items = tables(("Books", "Garden", "Kitchen"))
    kitchen = set(items.filter(pl.col("category") == "Kitchen")["item_id"].to_list())
    of_kitchen = events.filter(pl.col("item_id").is_in(kitchen)).head(20)
    data = Dataset.from_frames(pl.concat([events.filter(~pl.col("item_id").is_in(kitchen)), of_kitchen]), items)
    model = fitted(SETTINGS, data, base=known, adapt="Kitchen")
    scorer, before = model._fitted()[0], known._fitted()[0]
    assert "in known aisles" not in scorer.choice
    assert scorer.near.to_dict() == before.near.to_dict()
    assert (scorer.ridge is None) == (before.ridge is None)
    assert scorer.far.to_dict() == before.far.to_dict()


REFUSED = [
    ({"train.debias": "popularity"}, "Kitchen", ("Books", "Garden", "Kitchen"), "an aisle cannot join a model of train.debias=popularity"),
    ({"train.char_noise": "0.1"}, "Kitchen", ("Books", "Garden", "Kitchen"), "train.char_noise is 0.1, and the base stays as it is"),
    ({}, "Toys", ("Books", "Garden", "Kitchen"), "the tables have no aisle 'Toys'; expected one of theirs (Books, Garden, Kitchen)"),
    ({}, "Books", ("Books", "Garden", "Kitchen"), "the base was trained on 20 items of 'Books' already; expected an aisle that is new"),
    ({}, "Kitchen", ("Kitchen", "Music"), "the tables hold no item that the base was trained on"),
    (
        {"train.objective": "factored"},
        "Kitchen",
        ("Books", "Garden", "Kitchen"),
        "an aisle cannot join a model of train.objective=factored",
    ),
    (
        {"model.dim": "16"},
        "Kitchen",
        ("Books", "Garden", "Kitchen"),
        "model.dim is 16; expected that of the base, 32; next: set model.dim=32",
    ),
    ({"model.senses": "id"}, "Kitchen", ("Books", "Garden", "Kitchen"), "model.senses is id; expected those of the base, id,words"),
    ({"tune.form": "lora"}, "Kitchen", ("Books", "Garden", "Kitchen"), "tune.form is lora, and the base stays as it is"),
    ({"model.adapter_rank": "8"}, "Kitchen", ("Books", "Garden", "Kitchen"), "an adapter of rank 8 has 513 parameters"),
]


@pytest.mark.parametrize(("changes", "aisle", "aisles", "line"), REFUSED, ids=[r[3][:40] for r in REFUSED])
def test_what_cannot_be_joined_is_one_clear_line(
    base: Recommender, changes: dict[str, str], aisle: str, aisles: tuple[str, ...], line: str
) -> None:
    with pytest.raises((RequestError, SettingError), match=re.escape(line)):
        fitted(ALONE | changes, shop(*aisles), base=base, adapt=aisle)


def test_a_base_of_another_objective_is_refused() -> None:
    data = shop("Books", "Garden", "Kitchen")
    factored = fitted(ALONE | {"train.objective": "factored", "train.epochs": "1"}, shop("Books", "Garden"))
    with pytest.raises(RequestError, match=r"an aisle cannot join a model of train.objective=factored"):
        fitted(ALONE, data, base=factored, adapt="Kitchen")
    debiased = fitted(ALONE | {"train.debias": "popularity", "train.epochs": "1"}, shop("Books", "Garden"))
    with pytest.raises(RequestError, match=r"an aisle cannot join a model of train.debias=popularity"):
        fitted(ALONE, data, base=debiased, adapt="Kitchen")
    events, items = tables(("Books", "Garden"))
    rated = Dataset.from_frames(events.with_columns(rating=pl.lit(4.0)), items)
    rating = fitted(ALONE | {"train.objective": "rating", "train.epochs": "1"}, rated)
    with pytest.raises(RequestError, match=r"an aisle cannot join a model of train.objective=rating"):
        fitted(ALONE, data, base=rating, adapt="Kitchen")


def test_a_base_without_ids_is_refused_where_the_settings_have_them() -> None:
    without = fitted(ALONE | {"model.senses": "words"}, shop("Books", "Garden"))
    data = shop("Books", "Garden", "Kitchen")
    with pytest.raises(SettingError, match=r"the base has no id vectors, and model.senses names id; expected model.senses=words"):
        fitted(ALONE, data, base=without, adapt="Kitchen")
    model = fitted(ALONE | {"model.senses": "words"}, data, base=without, adapt="Kitchen")
    assert model.info()["adaptation"]["adapters"][0]["id rows"] == 0
    assert np.array_equal(old_scores(model, without), without._fitted()[0].score(without._people.histories))


def test_what_the_base_knows_of_its_items_stays(tmp_path: Any) -> None:
    """What buyers say is weighed against the mean of the catalogue, which the new aisle moves; and a title may have changed."""
    settings = ALONE | {"model.senses": "id,words,reviews", "train.epochs": "1", "reviews.until": "2030-01-01"}

    def told(*aisles: str, title: str = "") -> Dataset:
        events, items = tables(aisles)
        said = pl.concat_str(pl.lit("a very fine thing, and this is what I say of "), "item_id")
        reviews = events.select("user_id", "item_id", "timestamp", text=said)
        return Dataset.from_frames(events, items.with_columns(pl.col("title") + pl.lit(title)), reviews=reviews)

    known = fitted(settings, told("Books", "Garden"))
    model = fitted(settings, told("Books", "Garden", "Kitchen", title=" lamp"), base=known, adapt="Kitchen")
    assert model._fitted()[0].net.senses["reviews"].present.all()
    assert np.array_equal(old_scores(model, known), known._fitted()[0].score(known._people.histories))
    model.save(tmp_path / "m")
    assert Recommender.load(tmp_path / "m").recommend(k=5).equals(model.recommend(k=5))


def test_a_base_of_ids_alone_can_be_joined() -> None:
    ids = ALONE | {"model.senses": "id", "model.adapter_rank": "2"}
    known = fitted(ids, shop("Books", "Garden", kinds=False))
    model = fitted(ids, shop("Books", "Garden", "Kitchen", kinds=False), base=known, adapt="Kitchen")
    assert np.array_equal(old_scores(model, known, kinds=False), known._fitted()[0].score(known._people.histories))


def test_items_of_the_base_that_the_tables_lack_are_told(base: Recommender) -> None:
    events, items = tables(("Books", "Garden", "Kitchen"))
    fewer = items.filter(pl.col("item_id") != items.filter(pl.col("category") == "Books")["item_id"][0])
    model = fitted(ALONE, Dataset.from_frames(events.join(fewer.select("item_id"), on="item_id"), fewer), base=base, adapt="Kitchen")
    assert model.notes[-1] == "1 items of the base are not in these tables: they are left out"


@pytest.mark.parametrize(
    ("given", "line"), [({"base": "x"}, "a base and no aisle to adapt"), ({"adapt": "Music"}, "an aisle to adapt and no base")]
)
def test_base_and_adapt_go_together(given: dict[str, str], line: str) -> None:
    with pytest.raises(RequestError, match=line):
        fitted(ALONE, shop("Books", "Garden"), **given)


def test_sampled_negatives_and_a_run_that_was_stopped(base: Recommender, tmp_path: Any) -> None:
    data, sampled = shop("Books", "Garden", "Kitchen"), ALONE | {"train.negatives": "16"}
    whole = fitted(sampled, data, base=base, adapt="Kitchen")
    assert np.array_equal(old_scores(whole, base), base._fitted()[0].score(base._people.histories))

    def stop(stage: str, done: int, total: int, note: str) -> None:
        if stage == "training on everything" and done > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(sampled, data, base=base, adapt="Kitchen", out=tmp_path / "m", progress=stop)
    again = fitted(sampled, data, base=base, adapt="Kitchen", out=tmp_path / "m", resume=True)
    assert again.recommend(k=5).equals(whole.recommend(k=5))
    with pytest.raises(CrossAisleError, match=r"other data or settings"):
        fitted(
            sampled,
            data,
            base=fitted(ALONE | {"train.epochs": "1"}, shop("Books", "Garden")),
            adapt="Kitchen",
            out=tmp_path / "m",
            resume=True,
        )


def test_the_command(tmp_path: Any, capfd: pytest.CaptureFixture[str]) -> None:
    for name, aisles in (("two", ("Books", "Garden")), ("three", ("Books", "Garden", "Kitchen"))):
        events, items = tables(aisles)
        events.write_csv(tmp_path / f"{name}.csv")
        items.with_columns(pl.col("categories").list.join(" > ")).write_csv(tmp_path / f"{name}_items.csv")
    sets = [word for key, value in ALONE.items() for word in ("--set", f"{key}={value}")]

    def fit(name: str, *more: str) -> int:
        files = ["--interactions", str(tmp_path / f"{name}.csv"), "--items", str(tmp_path / f"{name}_items.csv")]
        return run(["fit", *files, *sets, *more])

    model = str(tmp_path / "shop.model")
    assert fit("two", "--out", model) == 0
    assert fit("three", "--out", model, "--base", model, "--adapt", "Kitchen") == 0
    said = capfd.readouterr().err
    assert "Kitchen joined a base that stays as it is: an adapter of 257 parameters, 1.29% of the trunk's 19,905, and 20 id rows" in said
    assert run(["info", model, "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["version"] == "v0002"
    assert told["adaptation"]["adapters"][0]["aisle"] == "Kitchen"
    assert fit("three", "--out", model, "--adapt", "Kitchen") == 2
    assert "an aisle to adapt and no base" in capfd.readouterr().err
    assert fit("three", "--out", model, "--base", str(tmp_path / "nothing"), "--adapt", "Kitchen") == 2
    assert "no model at" in capfd.readouterr().err
