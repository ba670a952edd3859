"""Items that are seen, from the tables to a saved model: ``--media`` in check, fit, evaluate and catalog add."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from crossaisle import Dataset, Recommender
from crossaisle.cli.main import app
from crossaisle.errors import ModelError, RequestError, TableError

sys.path.insert(0, str(Path(__file__).parent / "encode"))
from media_cases import picture, saved, write_clip, write_fake_vit

run = CliRunner().invoke
SHORT = {"train.epochs": "1", "model.dim": "16", "across.on": "false"}
TASTES = ("pirate", "forest", "space")


@pytest.fixture
def seen_shop(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shop with a photo of each item but three, and two clips; the image model is a small one of random weights."""
    monkeypatch.setenv("CROSSAISLE_CACHE", str(shop / "cache"))
    media = shop / "media"
    media.mkdir()
    write_fake_vit(shop / "fake-random-vit")
    items = pl.read_csv("items.csv")
    for n, item in enumerate(items["item_id"]):
        if n >= 2:
            (media / f"{item}.png").write_bytes(saved(picture(n)))
    (media / "b2.png").write_bytes(b"")
    write_clip(media / "clip.mp4", [picture(1), picture(2)])
    (media / "bad.mp4").write_bytes(b"nothing")
    (media / "new1.png").write_bytes(saved(picture(77)))
    images = [f"{i}.png" for i in items["item_id"][:-1]] + [None]
    videos = ["clip.mp4", "bad.mp4"] + [None] * (items.height - 2)
    items.with_columns(image=pl.Series(images), video=pl.Series(videos)).write_csv("items.csv")
    pl.read_csv("new_items.csv").with_columns(image=pl.Series(["new1.png", None])).write_csv("new_items.csv")
    return shop


def seen_data(media: str | None = "media") -> Dataset:
    return Dataset.from_files("interactions.csv", "items.csv", media=media)


def recommender(**changes: str) -> Recommender:
    return Recommender.preset("quick", settings={**SHORT, "media.image_model": "fake-random-vit", **changes})


def test_a_model_that_sees(seen_shop: Path) -> None:
    model = recommender().fit(seen_data())
    assert model.settings.model.senses == ("id", "text", "words", "image", "video")
    net = model._fitted()[0].net
    assert {name: int(sense.present.sum()) for name, sense in net.senses.items()} == {"text": 48, "words": 48, "image": 45, "video": 1}
    assert model.report["media"]["image"]["kinds"] == {"absent": 1, "empty": 1}
    assert model.report["media"]["video"]["kinds"] == {"not_media": 1}
    assert "photo: 45 of 47 items that name one can be read" in model.notes
    assert "video: 1 of no known format, treated as missing; first 'bad.mp4'" in model.notes

    version = model.save("model")
    whole = b"".join(p.read_bytes() for p in version.rglob("*") if p.is_file())
    assert str(seen_shop / "media").encode() not in whole
    again = Recommender.load("model")
    assert np.array_equal(again._fitted()[0].item_vectors(), model._fitted()[0].item_vectors())


def test_catalog_add_reads_only_what_is_new(seen_shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crossaisle.encode.photos import TransformersImageReader

    recommender().fit(seen_data()).save("model")
    read, real = [], TransformersImageReader.vectors
    monkeypatch.setattr(TransformersImageReader, "vectors", lambda self, x: (read.append(len(x)), real(self, x))[1])
    model = Recommender.load("model").add_items(pl.read_csv("new_items.csv"), media="media")
    senses = model._fitted()[0].net.senses
    assert read == [1]
    assert senses["image"].present[-2:].tolist() == [True, False]
    assert "photo: 1 of 1 items that name one can be read" in model.notes
    read.clear()
    recommender().fit(seen_data())
    assert read == []  # all photos and the clip were kept by their content

    blind = Recommender.load("model").add_items(pl.read_csv("new_items.csv"))
    assert not blind._fitted()[0].net.senses["image"].present[-2:].any()
    assert "the new items' image files are not read; pass --media to read them" in blind.notes


def test_other_weights_than_those_of_training_are_refused(seen_shop: Path) -> None:
    recommender().fit(seen_data()).save("model")
    write_fake_vit(seen_shop / "fake-random-vit", side=40)
    with pytest.raises(ModelError, match="the image model 'fake-random-vit' is not the one this model was trained with"):
        Recommender.load("model").add_items(pl.read_csv("new_items.csv"), media="media")


def test_senses_without_a_folder_and_a_folder_without_joining(seen_shop: Path) -> None:
    with pytest.raises(RequestError, match=r"model.senses names image, and there is no media folder; .* next: pass --media DIR"):
        recommender(**{"model.senses": "id,image"}).fit(seen_data(None))
    assert recommender(**{"media.join": "false"}).fit(seen_data()).settings.model.senses == ("id", "text", "words")
    for folder in ("nowhere", "items.csv"):
        with pytest.raises(TableError, match=f"the media folder {folder} does not exist or is no folder"):
            seen_data(folder)


def test_photos_alone_make_a_model(seen_shop: Path) -> None:
    model = recommender(**{"model.senses": "image", "media.join": "false"}).fit(seen_data())
    assert set(model._fitted()[0].net.senses) == {"image"}
    assert model.recommend(["u1"], k=3).height == 3


def test_commands(seen_shop: Path) -> None:
    tables = ["--interactions", "interactions.csv", "--items", "items.csv", "--media", "media"]
    small = [part for key, value in {**SHORT, "media.image_model": "fake-random-vit"}.items() for part in ("--set", f"{key}={value}")]
    checked = run(app, ["check", *tables])
    assert checked.exit_code == 0, checked.output
    assert "photo: 45 of 47 items that name one can be read" in checked.output
    assert "photo: 1 of zero bytes, treated as missing; first 'b2.png'" in checked.output
    chinese = run(app, ["check", *tables, "--lang", "zh"])
    assert "图片：47 件商品给出了文件，其中 45 件可读" in chinese.output
    found = json.loads(run(app, ["check", *tables, "--json"]).stdout)["report"]["media"]
    assert found["video"] == {"named": 2, "usable": 1, "kinds": {"not_media": 1}, "first": {"not_media": "bad.mp4"}}

    fitted = run(app, ["fit", *tables, "--preset", "quick", *small, "--out", "model"])
    assert fitted.exit_code == 0, fitted.output
    assert "video: 1 of 2 items that name one can be read" in fitted.output
    added = run(app, ["catalog", "add", "model", "--items", "new_items.csv", "--media", "media"])
    assert added.exit_code == 0, added.output
    assert "photo: 1 of 1 items that name one can be read" in added.output
    bad = run(app, ["fit", *tables[:-1], "nowhere", "--out", "other"])
    assert isinstance(bad.exception, TableError)
    assert not (seen_shop / "other").exists()


def test_evaluate_sees(seen_shop: Path) -> None:
    small = [part for key, value in {**SHORT, "media.image_model": "fake-random-vit"}.items() for part in ("--set", f"{key}={value}")]
    tables = ["--interactions", "interactions.csv", "--items", "items.csv", "--media", "media"]
    done = run(
        app,
        [
            "evaluate",
            *tables,
            *small,
            "--protocol",
            "leave-one-out",
            "--models",
            "popularity,crossaisle,crossaisle-ids-image",
            "--out",
            "e",
        ],
    )
    assert done.exit_code == 0, done.output
    assert "crossaisle-ids-image" in done.output
    assert "photo: 45 of 47 items that name one can be read" in done.output
