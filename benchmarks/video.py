"""Clips: decoded, pooled, and found again after being trimmed, re-encoded, scaled, mirrored.

    python benchmarks/video.py OUT.json [--frames 6]

Data: ``video_clips`` and ``magento_luma/video`` under CROSSAISLE_DATA. Of each clip near-identical copies are made in a temporary folder:
re-encoded, trimmed to its middle, scaled to half its size, mirrored; and clips of its three parts in time stand beside them as a harder
question. Each copy's nearest neighbour (cosine of centred vectors) among the original clips should be the one it was made of. Placebo: the
same with the vectors dealt to other clips. K frames spread over the length stand beside K copies of the frame in the middle.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import av
import numpy as np

from crossaisle.encode.media import MediaSettings
from crossaisle.encode.photos import EfficientNetReader
from crossaisle.encode.video import VideoReader, read_clip
from crossaisle.evaluate.facts import hardware, versions

COPIES: dict[str, dict[str, Any]] = {
    "re-encoded": {"codec": "mpeg4", "rate": 200_000},
    "trimmed": {"first": 0.1, "last": 0.9},
    "half size": {"scale": 0.5},
    "mirrored": {"mirror": True},
    "first third": {"first": 0.0, "last": 1 / 3},
    "last third": {"first": 2 / 3, "last": 1.0},
}
MOST = 240
"""Frames written into a copy at most: a long clip's copy is thinned."""


def copy(source: Path, to: Path, *, codec: str = "mpeg4", rate: int = 2_000_000, first: float = 0.0, last: float = 1.0, **how: Any) -> Path:
    """Another clip of the same frames."""
    with av.open(str(source)) as clip, av.open(str(to), "w") as out:
        stream = clip.streams.video[0]
        n = stream.frames or sum(1 for _ in av.open(str(source)).decode(video=0))
        step = max(1, round((last - first) * n / MOST))
        scale = how.get("scale", 1.0)
        width, height = (int(side * scale) // 2 * 2 for side in (stream.width, stream.height))
        made = out.add_stream(codec, rate=max(1, round(float(stream.average_rate or 25) / step)))
        made.width, made.height, made.pix_fmt, made.bit_rate = width, height, "yuv420p", rate
        for place, frame in enumerate(clip.decode(stream)):
            if not first * n <= place < last * n or place % step:
                continue
            pixels = frame.to_ndarray(format="rgb24")
            shown = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:, ::-1]) if how.get("mirror") else pixels, format="rgb24")
            for packet in made.encode(shown.reformat(width, height, "yuv420p")):
                out.mux(packet)
        for packet in made.encode():
            out.mux(packet)
    return to


def main() -> None:
    """Make the copies, read everything, and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames", type=int, default=6)
    asked = parser.parse_args()
    data = Path(os.environ["CROSSAISLE_DATA"])
    clips = sorted([*(data / "video_clips").glob("*.mp4"), *(data / "magento_luma" / "video").glob("*.mp4")])
    images = EfficientNetReader()
    spread = VideoReader(images, MediaSettings(frames=asked.frames))
    one = VideoReader(images, MediaSettings(frames=1))
    vectors: dict[str, dict[str, list[Any]]] = {"spread": {}, "middle frame": {}}
    originals: dict[str, list[Any]] = {"spread": [], "middle frame": []}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for place, path in enumerate(clips):
            started = time.perf_counter()
            clip = read_clip(path, spread.settings)
            decoded = time.perf_counter()
            originals["spread"].append(spread.vector(clip))
            rows.append(
                {
                    "clip": place,
                    "seconds": round(clip.seconds, 2),
                    "frames kept": len(clip.frames),
                    "still bytes": len(clip.still()),
                    "decode_s": round(decoded - started, 3),
                    "read_s": round(time.perf_counter() - decoded, 3),
                }
            )
            originals["middle frame"].append(one.vector(read_clip(path, one.settings)))
            for name, how in COPIES.items():
                made = copy(path, Path(folder) / f"{place}-{name.replace(' ', '-')}.mp4", **how)
                for kind, reader in (("spread", spread), ("middle frame", one)):
                    vectors[kind].setdefault(name, []).append(reader.vector(read_clip(made, reader.settings)))
    found = {kind: nearest(np.array(originals[kind]), {n: np.array(v) for n, v in vectors[kind].items()}) for kind in vectors}
    dealt = np.roll(np.array(originals["spread"]), 1, axis=0)
    results = {
        "what": __doc__.splitlines()[0] if __doc__ else "",
        "clips": rows,
        "frames": asked.frames,
        "nearest": found,
        "placebo": nearest(dealt, {n: np.array(v) for n, v in vectors["spread"].items()}),
        "settings": dataclasses.asdict(spread.settings),
        "hardware": hardware("cpu"),
        "versions": versions(),
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps({k: results[k] for k in ("clips", "nearest", "placebo")}, indent=1))


def nearest(originals: Any, copies: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Share of copies whose nearest original is their own, and the smallest lead of its cosine over the next."""
    centre = originals.mean(axis=0)
    unit = (originals - centre) / np.linalg.norm(originals - centre, axis=1, keepdims=True)
    out = {}
    for name, values in copies.items():
        like = (values - centre) / np.linalg.norm(values - centre, axis=1, keepdims=True) @ unit.T
        own = np.diag(like)
        other = np.where(np.eye(len(like), dtype=bool), -np.inf, like).max(axis=1)
        out[name] = {"found": float((own > other).mean()), "smallest lead": round(float((own - other).min()), 4)}
    return out


if __name__ == "__main__":
    main()
