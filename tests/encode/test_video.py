"""Clips of every kind, good and bad; what is seen of them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from media_cases import ColourReader, picture, write_clip, write_sound
from PIL import Image

from crossaisle.encode.cache import VectorCache
from crossaisle.encode.media import MediaCounts, MediaError, MediaSettings
from crossaisle.encode.photos import EfficientNetReader
from crossaisle.encode.video import VideoReader, distinct_frames, read_clip, read_videos
from crossaisle.errors import MissingExtra

SETTINGS = MediaSettings()
CLIPS = Path(os.environ.get("CROSSAISLE_DATA", "data")) / "video_clips"
needs_clips = pytest.mark.skipif(not CLIPS.is_dir(), reason="the shared clips are not here: set CROSSAISLE_DATA")


def test_frames_come_from_the_whole_length(tmp_path: Path) -> None:
    """Six pictures of one second each: each of six frames shows another one, in order."""
    shown = [picture(n) for n in range(6)]
    clip = read_clip(write_clip(tmp_path / "six.mp4", shown), SETTINGS)
    assert clip.seconds == pytest.approx(6.0, abs=0.15)
    assert len(clip.frames) == 6
    assert clip.times == pytest.approx([0.5, 1.5, 2.5, 3.5, 4.5, 5.5], abs=0.11)
    small = [np.asarray(p.resize((8, 8)), float) for p in clip.frames]
    for place, frame in enumerate(small):
        distance = [np.abs(frame - np.asarray(p.resize((8, 8)), float)).mean() for p in shown]
        assert int(np.argmin(distance)) == place


def test_the_still_is_a_jpeg_of_the_richest_frame(tmp_path: Path) -> None:
    plain, rich = Image.new("RGB", (64, 48), (90, 90, 90)), picture(3)
    clip = read_clip(write_clip(tmp_path / "a.mp4", [plain, rich, plain], size=(640, 480)), SETTINGS)
    with Image.open(io.BytesIO(clip.still())) as still:
        assert (still.format, still.size) == ("JPEG", (480, 360))
        assert np.asarray(still.convert("L")).std() > 10


def test_black_frames_are_skipped(tmp_path: Path) -> None:
    black = Image.new("RGB", (64, 48))
    half = read_clip(write_clip(tmp_path / "half.mp4", [black, black, picture(1), picture(2)]), MediaSettings(frames=4))
    assert len(half.frames) == 2
    assert half.times[0] > 2
    with pytest.raises(MediaError, match=r"^no_frame"):
        read_clip(write_clip(tmp_path / "black.mp4", [black, black]), SETTINGS)
    assert len(read_clip(tmp_path / "black.mp4", MediaSettings(dark_frame=0.0)).frames) == 6


def test_frames_that_show_the_same_count_once(tmp_path: Path) -> None:
    a, b = picture(1), picture(5)
    reader = VideoReader(ColourReader(), MediaSettings(frames=4))
    long_a = reader.vector(read_clip(write_clip(tmp_path / "aaab.mp4", [a, a, a, b]), reader.settings))
    even = reader.vector(read_clip(write_clip(tmp_path / "ab.mp4", [a, b]), reader.settings))
    assert np.abs(long_a - even).max() < 0.03
    every = VideoReader(ColourReader(), MediaSettings(frames=4, same_frame=1.0))
    assert np.abs(every.vector(read_clip(tmp_path / "aaab.mp4", every.settings)) - even).max() > 0.03
    assert distinct_frames(np.eye(3, dtype=np.float32), 0.98) == [0, 1, 2]


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    out = path.with_stem(path.stem + "-cut")
    out.write_bytes(data[: int(len(data) * share)])
    return out


def test_bad_clips_have_a_kind(tmp_path: Path) -> None:
    good = write_clip(tmp_path / "good.mp4", [picture(1), picture(2)])
    (tmp_path / "page.mp4").write_bytes(b"<html>" * 50)
    (tmp_path / "zero.mp4").touch()
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:2,\n{good}\n#EXT-X-ENDLIST\n")
    write_sound(tmp_path / "sound.m4a")
    for name, kind in [("page.mp4", "not_media"), ("sound.m4a", "no_video"), ("zero.mp4", "not_media|broken")]:
        with pytest.raises(MediaError, match=f"^({kind})"):
            read_clip(tmp_path / name, SETTINGS)
    with pytest.raises(MediaError, match=r"^(broken|not_media|no_video)"):  # the index stands at an MP4's end
        read_clip(cut(good, 0.7), SETTINGS)
    with pytest.raises(MediaError, match=r"^huge: 128 x 96"):
        read_clip(good, MediaSettings(max_megapixels=0.01))


def test_a_clip_cut_off_gives_what_is_there(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", [picture(n) for n in range(4)])
    clip = read_clip(cut(whole, 0.6), MediaSettings(frames=4))
    assert 1 <= len(clip.frames) < 4


def test_a_clip_of_one_frame(tmp_path: Path) -> None:
    clip = read_clip(write_clip(tmp_path / "one.mp4", [picture(1)], repeat=1), SETTINGS)
    assert len(clip.frames) == 1


def test_zero_length_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import crossaisle.encode.video as video

    good = write_clip(tmp_path / "good.mp4", [picture(1)])
    monkeypatch.setattr(video, "_length", lambda container, stream: (0.0, 0.0))
    with pytest.raises(MediaError, match=r"^no_length"):
        read_clip(good, SETTINGS)


def test_a_playlist_reads_no_other_file(tmp_path: Path) -> None:
    """A file that is only a list of other files may not bring them in."""
    good = write_clip(tmp_path / "secret.ts", [picture(1)], codec="mpeg2video")
    (tmp_path / "list.mp4").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{good}\n#EXT-X-ENDLIST\n")
    (tmp_path / "concat.mp4").write_text(f"ffconcat version 1.0\nfile {good.name}\n")
    for name in ("list.mp4", "concat.mp4"):
        with pytest.raises(MediaError):
            read_clip(tmp_path / name, SETTINGS)


def test_a_column_of_videos(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    write_clip(media / "a.mp4", [picture(1), picture(2)])
    (media / "copy.mp4").write_bytes((media / "a.mp4").read_bytes())
    write_clip(media / "b.mp4", [picture(3), picture(4)])
    (media / "zero.mp4").touch()
    (media / "page.mp4").write_bytes(b"<html>")
    write_sound(media / "sound.m4a")
    names = ["a.mp4", None, "copy.mp4", "b.mp4", "zero.mp4", "page.mp4", "sound.m4a", "gone.mp4"]
    images = ColourReader()
    for _ in range(2):
        counts = MediaCounts()
        sense = read_videos(media, names, VideoReader(images, SETTINGS), VectorCache(tmp_path), counts)
        assert sense.present.tolist() == [True, False, True, True] + [False] * 4
        assert counts.kinds == {"empty": 1, "absent": 1, "not_media": 1, "no_video": 1}
        assert images.read == 12  # six frames of two clips, once
    assert np.array_equal(sense.values[0], sense.values[2])
    other = VideoReader(images, MediaSettings(frames=3))
    read_videos(media, names, other, VectorCache(tmp_path), MediaCounts())
    assert images.read == 18  # another number of frames is another reading


def test_the_package_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import crossaisle.encode.video as video

    monkeypatch.setattr(video, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"videos need an optional part .* pip install 'crossaisle\[media\]'"):
        read_clip(tmp_path / "a.mp4", SETTINGS)


@needs_clips
def test_real_clips_are_read() -> None:
    reader = VideoReader(EfficientNetReader(), SETTINGS)
    vectors = []
    for path in sorted(CLIPS.glob("*.mp4")):
        clip = read_clip(path, SETTINGS)
        assert 1 <= len(clip.frames) <= 6
        assert clip.seconds > 1
        vectors.append(reader.vector(clip))
    assert len(vectors) == 3
    assert np.isfinite(vectors).all()
