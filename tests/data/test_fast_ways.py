"""What is fast at size equals the plain way: exact duplicates, distinct pairs."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.data.build import DataSettings, build_dataset

EVENT = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from(["u", "v", "w"]),
        "item_id": st.sampled_from(["a", "b", "c"]),
        "timestamp": st.sampled_from([None, 1, 2]),
        "rating": st.sampled_from([None, 1.0, 5.0]),
        "event": st.sampled_from(["", "view"]),
    }
)
TYPES = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64, "rating": pl.Float64, "event": pl.String}


@settings(max_examples=60, deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=30), st.sets(st.sampled_from(["timestamp", "rating", "event"])))
def test_duplicates_are_what_unique_calls_so(rows: list[dict[str, object]], absent: set[str]) -> None:
    # two events of one user that differ, so that there is something to learn from
    rows = [*rows, *({"user_id": "x", "item_id": i, "timestamp": 3, "rating": None, "event": "view"} for i in "ab")]
    table = pl.DataFrame(rows, schema=TYPES).drop(absent)
    plain = table.unique(keep="first", maintain_order=True)
    ours = build_dataset(table)
    wanted = build_dataset(plain, settings=DataSettings(drop_duplicates=False))
    assert ours.report["tables"]["interactions"]["duplicates"] == table.height - plain.height
    for name in ("offsets", "items", "events", "weights", "times"):
        np.testing.assert_array_equal(getattr(ours.histories, name), getattr(wanted.histories, name))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=40))
def test_repeats_and_visitors_are_those_counted_one_by_one(pairs: list[tuple[int, int]]) -> None:
    pairs = [*pairs, (9, 0), (9, 1)]
    table = pl.DataFrame({"user_id": [f"u{u}" for u, _ in pairs], "item_id": [f"i{i}" for _, i in pairs]})
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(6)], "category": ["X", "X", "Y", "Y", "Z", "Z"]})
    report = build_dataset(table, items, settings=DataSettings(drop_duplicates=False)).report
    visits = {(u, "XXYYZZ"[i]) for u, i in pairs}
    assert report["order"]["repeats"] == len(pairs) - len(set(pairs))
    assert {a["aisle"]: a["users"] for a in report["aisles"]} == {x: sum(1 for _, y in visits if y == x) for x in "XYZ"}
    assert report["users_in_two_aisles"] == sum(1 for u in {u for u, _ in pairs} if sum(1 for v, _ in visits if v == u) > 1)
