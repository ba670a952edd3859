"""Luma: a shop without a single interaction; do texts and photos find what its authors put beside an item?

    python benchmarks/luma.py OUT.json [--items N]

Data: the folder ``magento_luma`` under CROSSAISLE_DATA. The truth are the cross-sell links that the shop's authors wrote, those to another
category; links and reviews are read by no arm. Each item is compared with all others by the cosine of our readers' vectors, spread as in
text-kNN; recall@10 of its links, among all items, among those of other categories (``similar --other-categories``), and, to see whether the
links tell items apart at all, among the few items of other categories that any link names. Beside them: a
random order (its expectation), the same category first, and two placebos with photos, or texts, dealt to other items. Intervals are over
the items asked; differences are paired with the random order and with text.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from crossaisle.data.histories import Histories
from crossaisle.encode.items import ItemReader
from crossaisle.encode.media import MediaSettings
from crossaisle.encode.spread import Spread
from crossaisle.encode.text import TextSettings
from crossaisle.encode.words import WordSettings
from crossaisle.evaluate.facts import hardware, versions
from crossaisle.metrics import recall
from crossaisle.stats import bootstrap_interval, paired_test

K, DEALS = 10, 20
GEAR = ("gear_bags", "gear_fitness_equipment", "gear_fitness_equipment_ball", "gear_fitness_equipment_strap", "gear_watches")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html or "").split())


def read_items(folder: Path) -> pl.DataFrame:
    """Clothing, gear, sets and video downloads: ``item_id``, ``category``, ``title``, ``description``, ``image``."""
    table = folder / "csv"
    photos: dict[str, str] = {}
    for path in sorted(table.glob("*images*.csv")):
        for row in rows_of(path):
            photos.setdefault(row["sku"], Path(row["image"]).name)
    out: dict[str, dict[str, Any]] = {}
    for row in rows_of(table / "ConfigurableSampleData__products.csv"):
        if row["product_type"] == "configurable":
            path = [part for part in row["categories"].split(",") if part.count("/") >= 3]
            kind = "/".join((path or [row["categories"].split(",")[0]])[0].split("/")[1:4])
            photos.setdefault(row["sku"], Path(row["base_image"]).name)
            out[row["sku"]] = {"category": kind, "title": row["name"], "description": plain(row["description"])}
    others = [f"CatalogSampleData__SimpleProduct__products_{part}" for part in GEAR]
    others += [
        "DownloadableSampleData__products_training_video_download",
        "BundleSampleData__yoga_bundle",
        "GroupedProductSampleData__yoga_grouped",
    ]
    for name in others:
        for row in rows_of(table / f"{name}.csv"):
            kind = "/".join(row["category"].split("\n")[:2])
            out.setdefault(row["sku"], {"category": kind, "title": row["name"], "description": plain(row["description"])})
    return pl.DataFrame([{"item_id": sku, **said, "image": photos.get(sku)} for sku, said in out.items() if said["title"]])


def read_links(folder: Path, codes: dict[str, int]) -> set[tuple[int, int]]:
    """Pairs of items that the shop's authors put side by side as cross-sell."""
    found = set()
    for path in sorted((folder / "csv").glob("*rosssell.csv")):
        for row in rows_of(path):
            for other in row["linked_sku"].split("\n"):
                if row["sku"] in codes and other.strip() in codes:
                    found.add((codes[row["sku"]], codes[other.strip()]))
    return found


def main() -> None:
    """Read the shop, rank by every arm, and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--items", type=int, default=0, help="only the first N items; 0 = all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="media.KEY=VALUE", help="for example media.image_model=FOLDER")
    asked = parser.parse_args()
    folder, started = Path(os.environ["CROSSAISLE_DATA"]) / "magento_luma", time.time()
    items = read_items(folder)
    items = items.head(asked.items) if asked.items else items
    kinds = np.unique(items["category"].to_numpy().astype(str), return_inverse=True)[1]
    links = read_links(folder, {item: code for code, item in enumerate(items["item_id"])})
    across = sorted((a, b) for a, b in links if kinds[a] != kinds[b])
    queries = sorted({a for a, _ in across})
    targets = Histories.from_lists([[b for a, b in across if a == q] for q in queries])

    media = MediaSettings().changed(dict(pair.removeprefix("media.").split("=", 1) for pair in asked.set))
    reader = ItemReader(("text", "image"), TextSettings(), WordSettings(), media=media, folder=folder / "images")
    senses = reader.fit(items).read(items)
    likeness, seen = {}, {}
    for name, sense in senses.items():
        values = np.asarray(sense.values, dtype=np.float32)
        vectors = Spread.fit(values[sense.present])(values, sense.present)
        likeness[name], seen[name] = vectors @ vectors.T, sense.present
    n, rng = len(kinds), np.random.default_rng(asked.seed)
    deals = [rng.permutation(n) for _ in range(DEALS)]
    text, photo = likeness["text"], likeness["image"]
    arms: dict[str, list[Any]] = {
        "same category": [(kinds[:, None] == kinds).astype(np.float32) + 1e-3 * text],
        "text": [text],
        "photo": [photo],
        "both": [text + photo],
        "shuffled photos": [text + photo[np.ix_(d, d)] for d in deals],
        "shuffled text": [text[np.ix_(d, d)] + photo for d in deals],
    }
    linked = np.isin(np.arange(n), [b for _, b in across])
    apart = kinds[:, None] != kinds
    views = {"all items": np.ones((n, n), bool), "other categories": apart, "linked items": apart & linked}
    results: dict[str, Any] = {
        "what": __doc__.splitlines()[0] if __doc__ else "",
        "items": n,
        "categories": int(kinds.max()) + 1,
        "items asked": len(queries),
        "links across categories": len(across),
        "distinct linked items": len({b for _, b in across}),
        "media": reader.found,
        "seed": asked.seed,
    }
    for view, allowed in views.items():
        values = {"random": K / (allowed[queries].sum(axis=1) - (view == "all items"))}
        for name, scores in arms.items():
            parts = []
            for s in scores:
                ranked = np.where(allowed, s, -np.inf)
                np.fill_diagonal(ranked, -np.inf)
                parts.append(recall(np.argsort(-ranked[queries], axis=1, kind="stable")[:, :K], targets, K))
            values[name] = np.mean(parts, axis=0)
        results[view] = {name: told(v, {"random": values["random"], "text": values["text"]}) for name, v in values.items()}
    results |= {"minutes": round((time.time() - started) / 60, 2), "hardware": hardware("cpu"), "versions": versions()}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(results, indent=1) + "\n")
    for view in views:
        print(view, {name: round(found["recall@10"], 4) for name, found in results[view].items()})


def told(values: Any, others: dict[str, Any]) -> dict[str, Any]:
    low, high = bootstrap_interval(values, seed=0)
    out: dict[str, Any] = {"recall@10": float(values.mean()), "low": float(low), "high": float(high)}
    return out | {f"minus {name}": paired_test(values, other, seed=0)._asdict() for name, other in others.items()}


if __name__ == "__main__":
    main()
