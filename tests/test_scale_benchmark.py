"""The made-up shop of the scale benchmark, and the law read off its table."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from crossaisle.data.build import build_dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from scale_law import law, markdown, memory_law
from scale_shop import Shop, write_shop

SHOP = Shop(interactions=20_000, items=1_000, aisles=6, nodes=4, words=2_000, seed=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("shop")
    write_shop(SHOP, place)
    return place


def test_the_shop_has_the_size_asked_for_and_something_to_clean(folder: Path) -> None:
    data = build_dataset(folder / "interactions.parquet", folder / "items.parquet")
    read = data.report["tables"]["interactions"]
    assert (read["rows"], data.n_items) == (20_000, 1_000)
    assert read["duplicates"] > 0
    assert set(read["rejected"]) == {"missing item_id"}
    assert 10 < data.report["history_lengths"]["mean"] < 13
    assert len(data.categories) == 6
    assert set(data.event_names) == {"view", "cart", "purchase"}
    # several aisles a user, most events in one of them; some titles are Chinese
    assert 0.3 < data.report["users_in_two_aisles"] / data.n_users < 1
    titles = data.items["title"]
    assert 0.05 < titles.str.contains(r"\p{Han}").sum() / 1_000 < 0.2
    assert titles.filter(~titles.str.contains(r"\p{Han}")).str.split(" ").list.len().is_between(4, 8).all()


def test_popularity_inside_an_aisle_follows_zipf(folder: Path) -> None:
    data = build_dataset(folder / "interactions.parquet", folder / "items.parquet")
    largest = np.argmax(np.bincount(data.item_categories))
    counts = np.sort(data.item_counts[data.item_categories == largest])[::-1][:60]
    slope = np.polyfit(np.log(np.arange(1, 61)), np.log(counts), 1)[0]
    assert slope == pytest.approx(-SHOP.zipf, abs=0.12)


def test_the_same_seed_makes_the_same_shop(folder: Path, tmp_path: Path) -> None:
    write_shop(SHOP, tmp_path / "again")
    write_shop(Shop(interactions=20_000, items=1_000, aisles=6, nodes=4, words=2_000, seed=6), tmp_path / "other")
    for name in ("interactions.parquet", "items.parquet"):
        first = pl.read_parquet(folder / name)
        assert first.equals(pl.read_parquet(tmp_path / "again" / name))
        assert not first.equals(pl.read_parquet(tmp_path / "other" / name))


def cell(interactions: int, items: int) -> dict[str, object]:
    seconds = 3e-6 * interactions**0.9 * items**0.2
    step = {"negatives": 0, "ms_a_step": items / 100, "cpu_ms_a_step": items / 100, "epoch_seconds": 9.0, "epoch_cpu_seconds": 9.0}
    return {
        "interactions": interactions,
        "items": items,
        "read": {"seconds": seconds, "cpu_seconds": seconds, "peak_gb": 0.2 + 4e-7 * interactions + 1e-6 * items},
        "epoch": step | {"peak_gb": 1.0, "extrapolated": True},
    }


def test_the_law_is_found_in_cells_that_follow_one() -> None:
    cells = [cell(e, n) for e in (10_000, 100_000) for n in (100, 1_000, 5_000)]
    assert law(cells, lambda c: c["read"]["seconds"]) == {"interactions": 0.9, "items": 0.2, "worst_ratio": 1.0}
    found = memory_law(cells, lambda c: c["read"]["peak_gb"])
    assert found == {"base_gb": 0.2, "gb_a_million_interactions": 0.4, "gb_100_000_items": 0.1}
    page = markdown(cells)
    assert "| 100,000 | 5,000 | " in page
    assert "~9 (~9)" in page
