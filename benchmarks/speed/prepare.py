"""One set of training events and one set of text vectors, for both sides (our environment).

    python benchmarks/speed/prepare.py TABLES OUT

Reads TABLES (see benchmarks/prepare_amazon6.py), leaves the last two events of each user out, and writes into OUT
``train.npz`` (user, item and place of each event, and the text vectors, row i for item i) and ``data.json`` (what it holds).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
from common import LENGTH

from crossaisle import Dataset
from crossaisle.data.split import leave_one_out
from crossaisle.encode.items import ItemReader
from crossaisle.presets import preset_settings


def main() -> None:
    """Write train.npz and data.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    settings = preset_settings("balanced", device="cpu")
    data = Dataset.from_files(asked.tables / "interactions.parquet", asked.tables / "items.parquet", settings=settings.data)
    h = leave_one_out(data).train.histories
    place = np.arange(len(h.items)) - h.offsets[h.owners]
    reader = ItemReader(("text",), settings.text, settings.words, "cpu").fit(data.items)
    sense = reader.read(data.items)["text"]
    vectors = np.where(sense.present[:, None], sense.values, 0.0).astype(np.float32)
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in (h.owners, h.items, place))).hexdigest()
    asked.out.mkdir(parents=True, exist_ok=True)
    np.savez(asked.out / "train.npz", users=h.owners, items=h.items, places=place, vectors=vectors)
    described = {
        "data": asked.tables.name,
        "users": len(h),
        "items": data.n_items,
        "train_events": len(h.items),
        "targets": int(np.maximum(h.lengths - 1, 0).sum()),
        "targets_in_newest_window": int(np.clip(h.lengths - 1, 0, LENGTH).sum()),
        "longest_history": int(h.lengths.max()),
        "text_reader": reader.note,
        "text_width": vectors.shape[1],
        "sha256_of_events": digest,
    }
    (asked.out / "data.json").write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{described['targets']:,} targets of {described['users']:,} users, {described['items']:,} items in {asked.out}")


if __name__ == "__main__":
    main()
