"""Noise: as much as was asked for, the same for the same text, nothing where nothing was asked for."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from crossaisle.attack.characters import KINDS, noisy_text, noisy_texts
from crossaisle.attack.glyphs import CHINESE_LOOK, CHINESE_SOUND, HOMOGLYPHS, NEIGHBOURS
from crossaisle.attack.items import noisy_items, noisy_photos
from crossaisle.attack.pictures import noisy_picture
from crossaisle.attack.settings import AttackSettings, levels
from crossaisle.attack.vectors import random_directions, shifted
from crossaisle.errors import RequestError, SettingError
from crossaisle.testing import toy_dataset

ENGLISH = "Waterproof bicycle bag for the commuter, 20 litres, red and black"
CHINESE = "红色棉质连衣裙防晒帽玻璃茶杯厚款长袖"
TEXTS = [f"{ENGLISH} no {n}" for n in range(400)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [ENGLISH, CHINESE, "x", "中", "  - ", ""])
def test_pure_seeded_and_never_empty(kind: str, text: str) -> None:
    for share in (0.05, 0.5, 1.0):
        once = noisy_text(text, kind, share, seed=3)
        assert once == noisy_text(text, kind, share, seed=3)
        assert bool(once.strip()) == bool(text.strip())
    assert noisy_text(text, kind, 0.0) == text


def test_a_text_gets_the_same_noise_beside_any_other() -> None:
    assert noisy_texts(["b", ENGLISH], "typos", 0.2, 1)[1] == noisy_texts([ENGLISH, "a", "c"], "typos", 0.2, 1)[0]
    assert noisy_text(ENGLISH, "typos", 0.2, 1) != noisy_text(ENGLISH, "typos", 0.2, 2)


def test_as_many_characters_as_asked() -> None:
    letters = sum(c.isalnum() for t in TEXTS for c in t)
    lost = letters - sum(c.isalnum() for t in noisy_texts(TEXTS, "drops", 0.13) for c in t)
    assert abs(lost / letters - 0.13) < 0.002
    alike = noisy_texts(TEXTS, "homoglyphs", 0.5)
    changed = sum(a != b for t, n in zip(TEXTS, alike, strict=True) for a, b in zip(t, n, strict=True))
    can = sum(c in HOMOGLYPHS for t in TEXTS for c in t)
    assert abs(changed / can - 0.5) < 0.02
    assert [len(t) for t in alike] == [len(t) for t in TEXTS]
    words = sum(len(t.split()) for t in TEXTS)
    assert abs(1 - sum(len(t.split()) for t in noisy_texts(TEXTS, "words", 0.2)) / words - 0.2) < 0.01


def test_typing_errors_are_of_four_kinds_and_spare_what_is_no_letter() -> None:
    seen = {noisy_text("ab", "typos", 0.5, seed) for seed in range(300)}
    assert {"ba", "b", "a", "aab", "abb"} <= seen
    assert {"qb", "wb", "sb", "zb", "av", "ag", "ah", "an"} <= seen
    assert all(set(t) - set("ab") <= set(NEIGHBOURS["a"] + NEIGHBOURS["b"]) for t in seen)
    for noisy in noisy_texts(TEXTS, "typos", 1.0):
        assert noisy.count(",") == 2
        assert noisy.count(" ") == TEXTS[0].count(" ")


def test_chinese_slips_keep_the_sound_or_the_look() -> None:
    typed = [noisy_text("红茶杯", "typos", 0.4, seed) for seed in range(100)]
    assert any(len(t) == 2 for t in typed)
    assert any(set(t) & set(CHINESE_SOUND["红"]) for t in typed)
    looks = {noisy_text("茶", "homoglyphs", 1.0, seed) for seed in range(5)}
    assert looks == {"荼"}
    assert noisy_text("品", "homoglyphs", 1.0) == "品"


def test_tables_are_of_single_characters_that_differ() -> None:
    for table in (HOMOGLYPHS, CHINESE_LOOK, CHINESE_SOUND, NEIGHBOURS):
        assert all(len(k) == 1 and v and k not in v for k, v in table.items())
    assert all(k in NEIGHBOURS[n] for k, near in NEIGHBOURS.items() for n in near)


def test_a_catalogue_keeps_what_sellers_do_not_type() -> None:
    items = toy_dataset(n_users=2).items
    noisy = noisy_items(items, "typos", 0.3, seed=1)
    for column in ("item_id", "category", "categories", "price", "known"):
        assert noisy[column].equals(items[column])
    assert noisy.schema == items.schema
    assert all((noisy[c] != items[c]).mean() > 0.5 for c in ("title", "brand"))  # type: ignore[operator]
    cut = noisy_items(items, "cut", 0.5)
    assert cut["description"].equals(items["description"])
    assert all(long.startswith(short) and len(short) < len(long) for short, long in zip(cut["title"], items["title"], strict=True))


def test_shifts_have_the_length_asked_for() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    vectors[0] = 0
    moved = shifted(vectors, random_directions(vectors, 1), 0.2)
    np.testing.assert_allclose(np.linalg.norm(moved - vectors, axis=1), 0.2 * np.linalg.norm(vectors, axis=1), rtol=1e-4)
    assert np.array_equal(shifted(vectors, np.zeros_like(vectors), 0.5), vectors)


def test_photos_get_noise_of_the_strength_asked_for(tmp_path: Path) -> None:
    images = pytest.importorskip("PIL.Image")
    grey = images.new("RGB", (64, 64), (128, 128, 128))
    noise = np.asarray(noisy_picture(grey, "gaussian", 0.1, seed=2), dtype=float) - 128
    assert abs(noise.std() - 25.5) < 0.5
    draft = images.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    loss = [np.abs(np.asarray(noisy_picture(draft, "jpeg", q), dtype=float) - np.asarray(draft, dtype=float)).mean() for q in (90, 20)]
    assert loss[0] < loss[1]

    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "a").mkdir(parents=True)
    draft.save(folder / "a" / "1.png")
    (folder / "broken.png").write_bytes(b"no picture")
    assert noisy_photos(folder, ["a/1.png", None, "broken.png", "../in/a/1.png", "/etc/hostname", "gone.png"], out, "gaussian", 0.1) == 1
    written = images.open(io.BytesIO((out / "a" / "1.png").read_bytes()))
    assert written.size == (64, 64)
    assert [p.name for p in out.rglob("*.*")] == ["1.png"]


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: noisy_text("a", "typo", 0.1), "unknown noise 'typo'"),
        (lambda: noisy_text("a", "typos", 1.5), "the share of noise is 1.5"),
        (lambda: noisy_picture(None, "blur", 0.1), "noise 'blur' at level 0.1"),  # type: ignore[arg-type]
        (lambda: noisy_picture(None, "jpeg", 0), "noise 'jpeg' at level 0"),  # type: ignore[arg-type]
    ],
)
def test_bad_requests(call: object, part: str) -> None:
    pytest.importorskip("PIL.Image")
    with pytest.raises(RequestError, match=part):
        call()  # type: ignore[operator]


def test_settings_are_checked_when_they_are_made() -> None:
    settings = AttackSettings().changed({"typos": "0.3,0.4", "kinds": "texts"})
    assert levels(settings, "typos") == [0.3, 0.4]
    for change, part in (
        ({"kinds": "text"}, "attack.kinds names 'text'"),
        ({"fillers": "average,mean"}, "attack.fillers names 'mean'"),
        ({"vectors": "0.1,big"}, "attack.vectors holds 'big'"),
        ({"shares": "2"}, "attack.shares holds '2'"),
        ({"jpeg": "0.5"}, "attack.jpeg holds '0.5'"),
        ({"place": "first"}, "setting place is 'first'"),
    ):
        with pytest.raises(SettingError, match=part):
            AttackSettings().changed(change)


def test_empty_tables_pass() -> None:
    assert (
        noisy_items(pl.DataFrame({"item_id": [], "title": []}, schema={"item_id": pl.String, "title": pl.String}), "typos", 0.1).height == 0
    )
