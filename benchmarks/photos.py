"""Memory and speed of reading many photos: 10,000 made-up ones of the size that shops keep.

    python benchmarks/photos.py OUT.json [--photos 10000] [--side 640]

The photos are written to a temporary folder (1 GB at most), all of one picture and each of another content. The peak of memory after the
first 200 stands beside the peak at the end: between them only the vectors themselves may be added.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from crossaisle.encode.cache import VectorCache
from crossaisle.encode.media import MediaCounts, MediaSettings
from crossaisle.encode.photos import EfficientNetReader, read_photos
from crossaisle.evaluate.facts import hardware, peak_memory_gb, versions


def main() -> None:
    """Write the photos, read them, and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=640)
    asked = parser.parse_args()
    out, rng = io.BytesIO(), np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, size=(12, 12, 3), dtype=np.uint8))
    small.resize((asked.side, asked.side), Image.Resampling.BICUBIC).save(out, "JPEG", quality=85)
    settings, reader = MediaSettings(), EfficientNetReader()
    peaks, seconds = [], []
    with tempfile.TemporaryDirectory() as place:
        folder, names = Path(place) / "media", [f"{n}.jpg" for n in range(asked.photos)]
        folder.mkdir()
        for n, name in enumerate(names):  # bytes after a JPEG's end make another content of the same picture
            (folder / name).write_bytes(out.getvalue() + n.to_bytes(4, "big"))
        for many in (names[:200], names):
            started = time.perf_counter()
            counts = MediaCounts()
            sense = read_photos(folder, many, reader, settings, VectorCache(place), counts)
            assert sense.present.all()
            peaks.append(round(peak_memory_gb(), 3))
            seconds.append(round(time.perf_counter() - started, 2))
    new = asked.photos - 200
    results = {
        "what": __doc__.splitlines()[0] if __doc__ else "",
        "photos": asked.photos,
        "side": asked.side,
        "bytes each": len(out.getvalue()),
        "peak GB after 200": peaks[0],
        "peak GB at the end": peaks[1],
        "GB of vectors": round(asked.photos * reader.dim * 4 / 1e9, 3),
        "seconds": seconds,
        "photos a second": round(new / seconds[1], 1),
        "hardware": hardware("cpu"),
        "versions": versions(),
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
