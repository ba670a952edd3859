"""The front door, with the real pretrained reader, on the toy shop."""

import json

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from crossaisle import Dataset, Recommender
from crossaisle.errors import ModelError, OutputError, RequestError, SettingError, TableError
from crossaisle.presets import PRESETS, AllSettings, preset_settings
from crossaisle.store import folder_lock, read_manifest
from crossaisle.testing import toy_dataset

TINY = {"model.dim": "32", "model.heads": "2", "train.epochs": "2"}


@pytest.fixture(scope="module")
def data():
    return toy_dataset()


@pytest.fixture(scope="module")
def model(data):
    return Recommender.preset("quick", settings=TINY).fit(data)


def test_it_says_who_reads_the_items_and_how_good_it_is(model):
    assert 0 < model.quality["ndcg@10"] <= 1
    assert model.notes == ["items are read by minilm: their text is in Latin letters"] or model.quality["epoch"] >= 1
    assert "minilm" in model.info()["reader"]
    json.dumps(model.info())


def test_lists_as_the_contract_says(data, model):
    lists = model.recommend(["user0003", "user0001"], k=4)
    assert lists.columns == ["user_id", "item_id", "category", "score", "rank"]
    assert lists["user_id"].to_list() == ["user0003"] * 4 + ["user0001"] * 4
    assert lists["rank"].to_list() == [1, 2, 3, 4] * 2
    seen = {data.items["item_id"][i] for i in data.histories.row(data.user_codes["user0003"]).tolist()}
    assert not seen & set(lists.filter(pl.col("user_id") == "user0003")["item_id"])
    assert model.recommend(k=2).height == 2 * data.n_users


def test_an_unknown_user_gets_what_is_popular_and_a_note(model):
    lists = model.recommend(["nobody"], k=3)
    assert lists.height == 3
    assert len(model.notes) == 1


def test_users_and_the_same_histories_get_the_same_lists(data, model):
    user = "user0005"
    row = data.histories.row(data.user_codes[user])
    kinds = data.histories[np.array([data.user_codes[user]])].events
    table = pl.DataFrame(
        {
            "query_id": [user] * len(row),
            "item_id": data.items["item_id"].gather(row),
            "position": range(len(row)),
            "event": [data.event_names[e] for e in kinds],
        }
    )
    a, b = model.recommend([user], k=5), model.recommend_histories(table, k=5)
    assert b.columns[0] == "query_id"
    assert_frame_equal(a.drop("user_id"), b.drop("query_id"), abs_tol=1e-4)


def test_saving_and_loading_changes_nothing(data, model, tmp_path):
    version = model.save(tmp_path / "shop.model")
    assert version.name == "v0001"
    assert {"model.safetensors", "model.json", "items.parquet", "histories.parquet"} <= set(read_manifest(version)["files"])
    again = Recommender.load(tmp_path / "shop.model")
    assert_frame_equal(again.recommend(k=5, explain=True), model.recommend(k=5, explain=True))
    assert_frame_equal(again.similar_items("item0004"), model.similar_items("item0004"))
    assert again.info() | {"version": None} == model.info() | {"version": None}


def test_a_model_without_histories_still_answers_histories(model, tmp_path):
    model.save(tmp_path / "m", histories=False)
    again = Recommender.load(tmp_path / "m")
    with pytest.raises(RequestError, match="holds no histories"):
        again.recommend(["user0001"])
    asked = pl.DataFrame({"query_id": ["q"], "item_id": ["item0001"]})
    assert again.recommend_histories(asked, k=3).height == 3
    why = again.recommend_histories(asked, k=3, explain=True)
    assert why.columns[-5:] == ["because", "path", "reason", "carried_by", "senses"]
    assert all("id" in said or "text" in said or "words" in said for said in why["senses"])
    assert not why["reason"].str.contains("people").any()
    assert "not of what other people did" in again.notes[-1]
    again.recommend_histories(asked, k=3, explain=True, lang="zh")
    assert "不涉及其他人的行为" in again.notes[-1]


def test_new_items_can_be_recommended_at_once_and_are_kept(model, tmp_path):
    model.save(tmp_path / "m")
    grown = Recommender.load(tmp_path / "m")
    title = grown.items["title"][10]
    new = pl.DataFrame(
        {"item_id": ["new"], "title": [title], "category": [grown.items["category"][10]], "brand": [grown.items["brand"][10]]}
    )
    grown.recommend(["user0001"], explain=True)
    grown.add_items(new)
    assert grown.recommend(["user0001"], categories=[new["category"][0]], k=99, explain=True)["item_id"].is_in(["new"]).any()
    assert "new" in grown.recommend(k=81)["item_id"].to_list()
    assert grown.save(tmp_path / "m").name == "v0002"
    again = Recommender.load(tmp_path / "m")
    assert again.items.height == grown.items.height
    assert_frame_equal(again.similar_items("new"), grown.similar_items("new"))
    with pytest.raises(TableError, match="already in the model"):
        again.add_items(new)


def test_the_same_seed_gives_the_same_lists(data, model):
    again = Recommender.preset("quick", settings=TINY).fit(data)
    assert_frame_equal(again.recommend(k=5), model.recommend(k=5))


def test_what_cannot_be_asked(model):
    for call, message in [
        (lambda: Recommender(AllSettings()).recommend(), "not fitted"),
        (lambda: model.recommend("user0001"), "users is the text 'user0001'"),
        (lambda: model.recommend(["user0001"], k=0), "k is 0"),
        (lambda: model.recommend(["user0001"], categories=["Gardn"]), "unknown category 'Gardn'"),
        (lambda: model.similar_items("nothing"), "unknown item 'nothing'"),
        (lambda: model.recommend(["user0001"], where="colour = 1"), "colour"),
    ]:
        with pytest.raises(RequestError, match=message):
            call()


def test_a_model_of_ids_only_cannot_take_new_items(data):
    ids = Recommender.preset("quick", settings={**TINY, "model.senses": "id"}).fit(data)
    assert ids.notes == []
    with pytest.raises(RequestError, match="by id only"):
        ids.add_items(pl.DataFrame({"item_id": ["new"]}))


def test_a_fit_holds_its_folder_against_other_runs(data, tmp_path):
    from threading import Thread

    errors = []

    def other():
        try:
            Recommender.preset("quick", settings=TINY).fit(data, out=tmp_path / "m")
        except OutputError as error:
            errors.append(str(error))

    with folder_lock(tmp_path / "m"):
        thread = Thread(target=other)
        thread.start()
        thread.join()
    assert "another run is writing" in errors[0]


def test_an_interrupted_fit_goes_on_and_leaves_no_checkpoint_behind(data, model, tmp_path):
    folder = tmp_path / "m"

    class Stop(Exception):
        """The fake interruption."""

    def stop(stage, done, total, note):
        if stage == "training on everything":
            raise Stop

    with pytest.raises(Stop):
        Recommender.preset("quick", settings=TINY).fit(data, out=folder, progress=stop)
    assert (folder / ".training").is_dir()
    with pytest.raises(ModelError, match="current is missing"):
        Recommender.load(folder)
    resumed = Recommender.preset("quick", settings=TINY).fit(data, out=folder, resume=True)
    resumed.save(folder)
    assert not (folder / ".training").exists()
    assert_frame_equal(Recommender.load(folder).recommend(k=5), model.recommend(k=5))


def test_presets_and_settings():
    for name in PRESETS:
        assert AllSettings.from_dict(preset_settings(name).to_dict()) == preset_settings(name)
    for call, message in [
        (lambda: preset_settings("slow"), "unknown preset 'slow'"),
        (lambda: preset_settings(changes={"train.epoch": "3"}), "the nearest is 'train.epochs'"),
        (lambda: preset_settings(changes={"train.epochs": "many"}), "train.epochs is 'many'"),
        (lambda: preset_settings(changes={"model.heads": "3"}), "no multiple"),
        (lambda: preset_settings(changes={"model.senses": "smell"}), "names 'smell'"),
        (lambda: preset_settings(changes={"model.senses": ""}), "is empty"),
    ]:
        with pytest.raises(SettingError, match=message):
            call()


def test_a_version_that_cannot_be_read_is_one_clear_line(model, tmp_path):
    version = model.save(tmp_path / "m")
    manifest = json.loads((version / "manifest.json").read_text())
    broken = b"not a model"
    import hashlib

    (version / "model.json").write_bytes(broken)
    manifest["files"]["model.json"] = {"sha256": hashlib.sha256(broken).hexdigest(), "bytes": len(broken)}
    (version / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="cannot be read"):
        Recommender.load(tmp_path / "m")


def test_interactions_alone_are_enough(data, tmp_path):
    h = data.histories
    events = pl.DataFrame({"user_id": data.users.gather(h.owners), "item_id": data.items["item_id"].gather(h.items), "timestamp": h.times})
    bare = Recommender.preset("quick", settings=TINY).fit(Dataset.from_frames(events))
    assert bare.notes == ["no item has anything for text and words: items are known by what remains (id)"]
    lists = bare.recommend(k=3)
    assert lists["score"].is_finite().all()
    bare.save(tmp_path / "m")
    assert_frame_equal(Recommender.load(tmp_path / "m").recommend(k=3), lists)
    with pytest.raises(RequestError, match="no item says anything"):
        Recommender.preset("quick", settings={**TINY, "model.senses": "text,words"}).fit(Dataset.from_frames(events))


def test_a_change_made_meanwhile_is_not_lost(model, tmp_path):
    model.save(tmp_path / "m")
    one, other = Recommender.load(tmp_path / "m"), Recommender.load(tmp_path / "m")
    one.add_items(pl.DataFrame({"item_id": ["one"], "title": ["A red box"]})).save(tmp_path / "m")
    other.add_items(pl.DataFrame({"item_id": ["other"], "title": ["A blue box"]}))
    with pytest.raises(OutputError, match="moved from v0001 to v0002 since this model was loaded"):
        other.save(tmp_path / "m")
    assert Recommender.load(tmp_path / "m").items["item_id"][-1] == "one"


def test_ids_of_any_scalar_and_frames_of_pandas(model):
    pandas = pytest.importorskip("pandas")
    assert model.recommend([1], k=2)["user_id"].to_list() == ["1", "1"]
    assert model.recommend_histories(pandas.DataFrame({"query_id": [7], "item_id": ["item0001"]}), k=2)["query_id"].to_list() == ["7", "7"]


def test_settings_are_checked_together_not_in_order():
    for order in (("model.heads", "model.dim"), ("model.dim", "model.heads")):
        changed = preset_settings(changes={name: {"model.heads": "3", "model.dim": "96"}[name] for name in order})
        assert (changed.model.heads, changed.model.dim) == (3, 96)


def test_without_refit_the_saved_model_answers_strangers_alike(data, tmp_path):
    plain = Recommender.preset("quick", settings={**TINY, "train.refit": "false"}).fit(data)
    plain.save(tmp_path / "m")
    assert_frame_equal(Recommender.load(tmp_path / "m").recommend(["stranger"], k=9), plain.recommend(["stranger"], k=9))
