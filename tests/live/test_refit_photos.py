"""A refit of a model that sees: photos that came or changed are read where there is a media folder, and kept as they were otherwise."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from refit_shop import SETTINGS, opened, shop

from crossaisle import Recommender
from crossaisle.cli.main import run
from crossaisle.live.refit import SWAPPED, Outcome, refit
from crossaisle.schema import Bools, Floats
from crossaisle.store import open_version
from crossaisle.whole.version import Contents

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "encode"))
from media_cases import picture, saved, write_fake_vit

DATA, EVENTS = shop()


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model that has read a photo of every other item; the image model is a small one of random weights."""
    folder = tmp_path_factory.mktemp("photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CROSSAISLE_CACHE", str(folder / "cache"))
        write_fake_vit(folder / "fake-random-vit")
        (folder / "media").mkdir()
        names = [f"{n}.png" if n % 2 == 0 else None for n in range(DATA.n_items)]
        for n in range(0, DATA.n_items, 2):
            (folder / "media" / f"{n}.png").write_bytes(saved(picture(n)))
        data = dataclasses.replace(DATA, items=DATA.items.with_columns(image=pl.Series(names)), media=folder / "media")
        told = {**SETTINGS, "media.image_model": "fake-random-vit"}
        Recommender.preset("quick", device="cpu", settings=told).fit(data).save("shop.model")
    return folder


@pytest.fixture
def here(seen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder, in which there are two photos more, and a store where items were put that name them."""
    shutil.copytree(seen, tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    monkeypatch.setenv("CROSSAISLE_CACHE", str(tmp_path / "shop" / "cache"))
    for n in (1000, 1001):
        Path(f"media/{n}.png").write_bytes(saved(picture(n)))
    records = opened(tmp_path / "shop")
    records.add_events(EVENTS, 0.0)
    records.put_items(
        [
            {"item_id": "item0000", "image": "1000.png"},
            {"item_id": "item0002", "title": "rustic green music tray"},
            {"item_id": "item0004", "image": ""},
            {"item_id": "fresh", "category": "Books", "title": "classic red books lamp", "image": "1001.png"},
        ]
    )
    records.close()
    return tmp_path / "shop"


def refitted(here: Path, media: str | None = None) -> Outcome:
    records = opened(here)
    try:
        return refit("shop.model", records, settings={"refit.margin": "1", "refit.epochs": "1"}, device="cpu", media=media)
    finally:
        records.close()


def photos(version: str) -> tuple[Floats, Bools]:
    sense = Contents.read(open_version(Path("shop.model"), version), "cpu").scorer.net.senses["image"]
    return np.asarray(sense.values), sense.present


def test_with_the_folder_new_photos_are_read(here: Path) -> None:
    out = refitted(here, "media")
    assert out.what == SWAPPED
    (old, had), (new, has) = photos("v0001"), photos("v0002")
    assert [int(n) for n in np.flatnonzero((old != new[: len(old)]).any(axis=1) | (had != has[: len(had)]))] == [0, 4]
    assert (has[0], has[2], has[4], has[-1]) == (True, True, False, True)
    assert not [note for note in out.notes if "not read" in note]
    assert b"media" not in (here / "shop.model" / "v0002" / "items.parquet").read_bytes()


def test_without_it_photos_stay_as_they_were_and_a_note_says_so(here: Path) -> None:
    out = refitted(here)
    assert out.what == SWAPPED
    (old, had), (new, has) = photos("v0001"), photos("v0002")
    assert np.array_equal(old, new[: len(old)])
    assert np.array_equal(had, has[: len(had)])
    assert not has[-1]
    assert out.notes == ("the photos or videos of 2 items that came or changed are not read; pass --media to read them",)
    words = [
        Contents.read(open_version(Path("shop.model"), v), "cpu").scorer.net.senses["words"].values.toarray() for v in ("v0001", "v0002")
    ]
    assert (words[0][2] != words[1][2]).any(), "its text is read all the same"


def test_the_command_takes_the_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = ["refit", "shop.model", "--store", f"sqlite:///{here}/events.db", "--set", "refit.margin=1", "--set", "refit.epochs=1"]
    assert run([*told, "--media", "nowhere"]) == 2
    assert "the media folder nowhere does not exist" in capsys.readouterr().err
    assert run(told) == 0
    shown = capsys.readouterr()
    assert "v0002 serves in place of v0001" in shown.out
    assert "note: the photos or videos of 2 items that came or changed are not read" in shown.err
    assert run([*told[:2], "--rollback", "--media", "media"]) == 2
    assert "--rollback alone" in capsys.readouterr().err
