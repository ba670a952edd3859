"""Made-up profiles are found among people with tastes, few others are, and what is flagged is hardly learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from crossaisle.baselines.linear import Markov
from crossaisle.baselines.matrices import history_matrix
from crossaisle.data.build import DataSettings
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.report import notices
from crossaisle.data.shilling import find_shilling, trusted
from crossaisle.train.packing import pack_for_training

N_GENUINE, N_ITEMS, N_FAKE = 2000, 600, 40
PUSHED = [590, 591]


def genuine(seed: int) -> list[list[int]]:
    """People of 30 tastes of 20 items each, which overlap by half; earlier items of a taste are more popular."""
    rng = np.random.default_rng(seed)
    odds = 1 / (np.arange(20) + 2)
    rows = []
    for _ in range(N_GENUINE):
        taste, n = int(rng.integers(30)), int(rng.integers(4, 11))
        pool = (taste * 20 + np.arange(20) * 3 // 2) % N_ITEMS
        rows.append(rng.choice(np.unique(pool), size=min(n, len(np.unique(pool))), replace=False, p=odds / odds.sum()).tolist())
    return rows


def fakes(seed: int, popular: list[int] | None = None) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    pool = np.arange(580) if popular is None else np.array(popular)
    return [[*rng.choice(pool, size=6, replace=False).tolist(), PUSHED[f % 2]] for f in range(N_FAKE)]


def most_popular(rows: list[list[int]]) -> list[int]:
    return np.argsort(-np.bincount([i for r in rows for i in r], minlength=N_ITEMS), kind="stable")[:40].tolist()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("filler", ["random", "popular"])
def test_planted_profiles_are_found(seed: int, filler: str) -> None:
    rows = genuine(seed)
    planted = fakes(seed, most_popular(rows) if filler == "popular" else None)
    found = find_shilling(Histories.from_lists(rows + planted), N_ITEMS)
    assert found.flagged[N_GENUINE:].mean() > 0.9
    assert found.flagged[:N_GENUINE].mean() < 0.03
    assert set(PUSHED) <= set(found.pushed[:4].tolist())
    assert found.suspicion.min() >= 0
    assert found.suspicion.max() <= 1
    assert np.array_equal(found.flagged, found.suspicion >= 0.5)


def test_clean_data_and_placebo_are_left_alone() -> None:
    rows = genuine(3)
    alone = find_shilling(Histories.from_lists(rows), N_ITEMS)
    assert alone.flagged.mean() < 0.02
    copies = [rows[k] for k in np.random.default_rng(0).choice(N_GENUINE, N_FAKE, replace=False)]
    beside = find_shilling(Histories.from_lists(rows + copies), N_ITEMS)
    assert beside.flagged[N_GENUINE:].mean() < 0.1  # as many more people, none made up


def test_farmed_copies_and_haste_raise_the_score() -> None:
    rows = genuine(4)
    farm = [[5, 100, 7, 300, 9, 410]] * 120
    found = find_shilling(Histories.from_lists(rows + farm), N_ITEMS)
    assert found.flagged[N_GENUINE:].all()
    lengths = [len(r) for r in rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    days = np.concatenate([np.arange(n) * 86_400.0 * (1 + b % 7) for b, n in enumerate(lengths)])
    days[offsets[10] : offsets[11]] = np.arange(lengths[10])
    flat = [i for r in rows for i in r]
    slow = find_shilling(Histories.from_arrays(offsets, np.array(flat)), N_ITEMS)
    hasty = find_shilling(Histories.from_arrays(offsets, np.array(flat), times=days), N_ITEMS)
    assert 1.0 < hasty.score[10] - slow.score[10] <= 1.6


def test_order_of_users_and_item_codes_do_not_matter() -> None:
    rows = genuine(5) + fakes(5)
    first = find_shilling(Histories.from_lists(rows), N_ITEMS)
    names = np.random.default_rng(1).permutation(N_ITEMS)
    order = np.random.default_rng(2).permutation(len(rows))
    second = find_shilling(Histories.from_lists([names[rows[k]].tolist() for k in order]), N_ITEMS)
    np.testing.assert_allclose(second.score, first.score[order], atol=1e-6)


def test_little_data_is_no_reason_to_suspect() -> None:
    for rows in ([], [[]], [[0], [1]], [[0, 1], [1, 0]], [[0, 1, 2]], [[0, 1, 2, 0, 0]] * 3):
        found = find_shilling(Histories.from_lists(rows), 3)
        assert not found.flagged.any()
        assert found.suspicion.shape == (len(rows),)


def shop(rows: list[list[int]]) -> pl.DataFrame:
    return pl.DataFrame(
        {"user_id": [f"u{b:04d}" for b, r in enumerate(rows) for _ in r], "item_id": [f"i{i:03d}" for r in rows for i in r]}
    )


def test_import_counts_and_weighs_down_only_where_asked() -> None:
    rows = genuine(6)
    table = shop(rows + fakes(6, most_popular(rows)))
    off = Dataset.from_frames(table)
    assert off.histories.trust is None
    assert "shilling" not in off.report
    assert notices(off.report) == []

    told = Dataset.from_frames(table, settings=DataSettings(shilling="report"))
    assert told.histories.trust is None
    facts = told.report["shilling"]
    assert N_FAKE * 0.9 < facts["flagged"] < N_FAKE * 2.5
    assert facts["events"] >= 7 * N_FAKE * 0.9
    assert {"i590", "i591"} <= set(facts["pushed"])
    assert len(facts["most_suspicious"]) == 20
    assert "look made up" in notices(told.report)[0]
    assert "照常用于学习" in notices(told.report, "zh")[0]

    down = Dataset.from_frames(table, settings=DataSettings(shilling="downweight", shilling_weight=0.1))
    trust = down.histories.trust
    assert trust is not None
    assert "hardly learned from" in notices(down.report)[0]
    assert set(np.unique(trust).round(3)) == {np.float32(0.1), np.float32(1.0)}
    pushed = down.item_codes["i590"]
    assert down.item_counts[pushed] < 0.5 * off.item_counts[pushed]
    assert np.array_equal(off.item_counts == 0, down.item_counts == 0)
    strict = Dataset.from_frames(table, settings=DataSettings(shilling="downweight", shilling_threshold=1000))
    assert strict.histories.trust is None


def test_trust_follows_events_into_what_learns() -> None:
    h = Histories.from_lists([[0, 1, 2], [2, 3], [1, 3]])
    low = replace(h, trust=trusted(h, replace(find_shilling(h, 4), flagged=np.array([False, True, False])), 0.25))
    assert low[np.array([1, 0])].trust.tolist() == [0.25, 0.25, 1, 1, 1]  # type: ignore[union-attr]
    assert low.last(1).trust.tolist() == [1, 0.25, 1]  # type: ignore[union-attr]
    assert history_matrix(low, 4).toarray()[1].tolist() == [0, 0, 0.25, 0.25]

    packed = pack_for_training(low, 4, seed=0)
    weights = {(int(t), float(w)) for t, w in zip(packed.targets.ravel(), packed.target_weights.ravel(), strict=True) if w > 0}
    assert weights == {(1, 1.0), (2, 1.0), (3, 0.25), (3, 1.0)}

    items = pl.DataFrame({"item_id": list("abcd"), "category": ["x"] * 4})
    data = Dataset(items, pl.Series("user_id", ["u", "v", "w"]), h)
    plain, weighed = (Markov().fit(data.with_histories(x)).weights.toarray() for x in (h, low))
    assert 0 < weighed[2, 3] < plain[2, 3]
