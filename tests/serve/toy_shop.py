"""A toy shop in English and Chinese for the page: six interests that reach across eight aisles, and people who have them."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories

AISLES = {
    "en": ("Kitchen", "Garden", "Sports", "Books", "Music", "Office", "Toys", "Pet_Supplies"),
    "zh": ("厨房", "庭院", "运动", "图书", "音乐", "办公", "玩具", "宠物用品"),
}
INTERESTS = ("running", "tea", "camping", "cats", "baby", "study")
_TITLES = Path(__file__).with_name("toy_titles.tsv")


@dataclass(frozen=True)
class ToyItem:
    item_id: str
    title: str
    category: str
    interest: int
    image: str | None = None

    def moved(self, aisle: str) -> ToyItem:
        """The same item in another aisle."""
        return replace(self, category=aisle)


def toy_items(lang: str) -> list[ToyItem]:
    """48 items, one an aisle and interest; four aisles have photos."""
    out = []
    for row in csv.DictReader(_TITLES.read_text(encoding="utf-8").splitlines(), delimiter="\t"):
        a, i = int(row["aisle"]), int(row["interest"])
        image = f"{AISLES['en'][a].lower()}/{INTERESTS[i]}.svg" if a in (0, 1, 2, 6) else None
        out.append(ToyItem(f"p{a}{i}", row[lang], AISLES[lang][a], i, image))
    return out


_HABITS = ((0, 1), (1, 7), (2, 4), (3, 5), (4, 5), (6, 0), (6, 3), (2, 7), (1, 2))
"""Aisles that the same people visit."""


def toy_people(n: int = 1500, seed: int = 7) -> list[list[int]]:
    """For each of n people, positions of items in the order in which they bought them: mostly of one interest and a few aisles."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        first, second = rng.choice(len(INTERESTS), 2, replace=False)
        habit = _HABITS[int(rng.integers(len(_HABITS)))]
        bought: list[int] = []
        for _ in range(int(rng.integers(4, 11))):
            aisle = int(rng.choice(habit)) if rng.random() < 0.85 else int(rng.integers(8))
            interest = first if rng.random() < 0.55 else second if rng.random() < 0.7 else int(rng.integers(6))
            if (item := aisle * len(INTERESTS) + int(interest)) not in bought:
                bought.append(item)
        out.append(bought)
    return out


def toy_shop(lang: str) -> Dataset:
    """The shop as a dataset, for the association graph; level 2 is the interest inside the aisle."""
    items = toy_items(lang)
    frame = pl.DataFrame(
        [
            {
                "item_id": i.item_id,
                "category": i.category,
                "title": i.title,
                "brand": "",
                "description": "",
                "categories": [i.category, f"{i.category} {INTERESTS[i.interest]}"],
                "price": None,
                "available": True,
                "image": None,
                "video": None,
                "known": True,
            }
            for i in items
        ],
        schema_overrides={"price": pl.Float64, "image": pl.String, "video": pl.String},
    )
    people = toy_people()
    flat = np.array([i for p in people for i in p], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in people])]).astype(np.int64)
    times = np.concatenate([1_760_000_000.0 + 86_400.0 * (3 * np.arange(len(p)) + k % 90) for k, p in enumerate(people)])
    histories = Histories.from_arrays(offsets, flat, events=np.zeros(len(flat), dtype=np.int64), times=times)
    users = pl.Series("user_id", [f"u{k:03d}" for k in range(len(people))])
    return Dataset(frame, users, histories, event_names=("purchase",))
