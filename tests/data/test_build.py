"""From tables to a dataset: order, codes, odd ids, bad rows, bad tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle import Dataset
from crossaisle.data.build import DataSettings, build_dataset
from crossaisle.errors import OutputError, SettingError, TableError

LOOSE = DataSettings(max_rejected=1.0)


def ids(data: Dataset, user: str) -> list[str]:
    return data.items["item_id"].gather(data.histories.row(data.user_codes[user])).to_list()


def csv(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# order -------------------------------------------------------------------------------------------------------------------


def test_order_is_timestamp_then_position_then_file() -> None:
    rows = [("u", "late", 9, 0), ("u", "b", 5, 2), ("u", "a", 5, 1), ("u", "c", 5, 2), ("u", "early", 1, 7)]
    data = build_dataset(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "position"], orient="row"))
    assert ids(data, "u") == ["early", "a", "b", "c", "late"]


def test_without_time_or_position_the_file_decides() -> None:
    data = build_dataset(pl.DataFrame({"user_id": ["u", "v", "u", "u"], "item_id": ["z", "z", "a", "m"]}))
    assert ids(data, "u") == ["z", "a", "m"]
    assert np.isnan(data.histories.times).all()


def test_undated_events_keep_their_place_by_position() -> None:
    rows = [("u", "c", 50, 2), ("u", "d", None, 3), ("u", "a", None, 0), ("u", "b", 10, 1), ("u", "e", 60, 4)]
    data = build_dataset(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "position"], orient="row"))
    assert ids(data, "u") == ["a", "b", "c", "d", "e"]
    assert np.isnan(data.histories.times).tolist() == [True, False, False, True, False]


def test_a_missing_position_comes_after_known_ones_of_the_same_moment() -> None:
    rows = [("u", "x", None), ("u", "b", 2), ("u", "a", 1)]
    data = build_dataset(pl.DataFrame(rows, schema=["user_id", "item_id", "position"], orient="row"))
    assert ids(data, "u") == ["a", "b", "x"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("abcdef"), st.integers(0, 5)), min_size=1, max_size=30))
def test_histories_are_the_rows_sorted_in_plain_python(rows: list[tuple[str, str, int]]) -> None:
    table = pl.DataFrame([("u", "a", 0), ("u", "b", 1), *rows], schema=["user_id", "item_id", "timestamp"], orient="row")
    data = build_dataset(table, settings=DataSettings(drop_duplicates=False))
    for user in table["user_id"].unique():
        expected = sorted((r for r in table.rows() if r[0] == user), key=lambda r: r[2])
        assert ids(data, user) == [r[1] for r in expected]
    assert data.users.is_sorted()
    assert data.item_counts.sum() == table.height


# ids ----------------------------------------------------------------------------------------------------------------------


def test_odd_ids_stay_what_they_are(tmp_path: Path) -> None:
    odd = ["001", "1", "1.0", " a b ", 'q"uo"te', "it's", "😀👨‍👩‍👧", "中文 商品", "a,b", "k" * 10_000, "NaN", "null", "-1", "\u200b"]
    table = pl.DataFrame({"user_id": [o for o in odd for _ in range(2)], "item_id": odd * 2})
    table.write_csv(tmp_path / "t.csv")
    table.write_csv(tmp_path / "t.tsv", separator="\t")
    table.write_parquet(tmp_path / "t.parquet")
    table.write_ndjson(tmp_path / "t.jsonl")
    for name in ("t.csv", "t.tsv", "t.parquet", "t.jsonl"):
        data = Dataset.from_files(tmp_path / name)
        assert set(data.users) == set(odd) == set(data.items["item_id"]), name


def test_any_scalar_is_an_id() -> None:
    for values, expected in (
        ([1, 2], ["1", "2"]),
        ([1.0, 2.5], ["1", "2.5"]),
        ([True, False], ["true", "false"]),
        ([b"x", b"y"], ["x", "y"]),
    ):
        data = build_dataset(pl.DataFrame({"user_id": [values[0]] * 2, "item_id": values}))
        assert set(data.items["item_id"]) == set(expected)
    categorical = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"]}, schema_overrides={"item_id": pl.Categorical})
    assert ids(build_dataset(categorical), "u") == ["a", "b"]


def test_lists_are_no_ids() -> None:
    with pytest.raises(TableError, match="has lists or records in 'item_id'"):
        build_dataset(pl.DataFrame({"user_id": ["u"], "item_id": [["a"]]}))


# events -------------------------------------------------------------------------------------------------------------------


def test_weights_kinds_and_times_reach_the_histories() -> None:
    table = pl.DataFrame(
        {
            "user_id": ["u"] * 3,
            "item_id": ["a", "b", "c"],
            "event": ["view", None, "cart"],
            "weight": [2.5, None, 0],
            "timestamp": [1, 2, 3],
        }
    )
    data = build_dataset(table, settings=DataSettings(target_events=("cart",)))
    assert data.event_names == ("cart", "interaction", "view")
    assert [data.event_names[e] for e in data.histories.events] == ["view", "interaction", "cart"]
    assert data.histories.weights.tolist() == [2.5, 1.0, 0.0]
    assert data.histories.times.tolist() == [1.0, 2.0, 3.0]
    assert data.report["events"] == {"cart": 1, "interaction": 1, "view": 1}
    with pytest.raises(SettingError, match="target event 'buy'; expected one of cart, interaction, view"):
        build_dataset(table, settings=DataSettings(target_events=("buy",)))


def test_exact_duplicates_are_dropped_once_and_only_if_exact() -> None:
    table = pl.DataFrame({"user_id": ["u"] * 4, "item_id": ["a", "a", "a", "b"], "timestamp": [1, 1, 2, 3]})
    assert ids(build_dataset(table), "u") == ["a", "a", "b"]
    assert build_dataset(table).report["tables"]["interactions"]["duplicates"] == 1
    assert ids(build_dataset(table, settings=DataSettings(drop_duplicates=False)), "u") == ["a", "a", "a", "b"]


def test_core() -> None:
    table = pl.DataFrame({"user_id": ["u", "u", "v", "v", "w"], "item_id": ["a", "b", "a", "b", "c"]})
    items = pl.DataFrame({"item_id": ["c", "b", "a", "new"]})
    data = build_dataset(table, items, settings=DataSettings(core=2))
    assert data.users.to_list() == ["u", "v"]
    assert data.items["item_id"].to_list() == ["b", "a"]
    assert data.report["tables"]["interactions"]["outside_core"] == 1
    with pytest.raises(TableError, match="no user has two interactions in the 3-core"):
        build_dataset(table, settings=DataSettings(core=3))


# items that only interactions know ----------------------------------------------------------------------------------------


def test_items_that_the_catalogue_lacks_are_ids_only() -> None:
    events = pl.DataFrame({"user_id": ["u"] * 3, "item_id": ["z", "a", "y"]})
    items = pl.DataFrame({"item_id": ["b", "a"], "title": ["B", "A"], "category": ["X", "X"], "note": ["n", "m"]})
    data = build_dataset(events, items)
    assert data.items["item_id"].to_list() == ["b", "a", "y", "z"]
    assert data.items["known"].to_list() == [True, True, False, False]
    assert data.items.row(3, named=True) | {"categories": []} == {
        "item_id": "z", "category": "", "title": "", "brand": "", "description": "", "categories": [], "price": None, "available": True,
        "image": None, "video": None, "known": False, "note": "",
    }  # fmt: skip
    assert data.report["unknown_items"] == {"items": 2, "interactions": 2}


def test_the_aisle_comes_from_the_interactions_only_where_items_lack_it() -> None:
    events = pl.DataFrame(
        {"user_id": ["u"] * 5, "item_id": ["a", "b", "c", "c", "c"], "category": ["E1", "E2", "E4", "E3", "E3"], "timestamp": range(5)}
    )
    items = pl.DataFrame({"item_id": ["a", "b"], "category": ["I1", None]})
    data = build_dataset(events, items)
    assert data.items["category"].to_list() == ["I1", "E2", "E3"]
    assert data.items["categories"].to_list() == [["I1"], ["E2"], ["E3"]]
    assert build_dataset(events).items["category"].to_list() == ["E1", "E2", "E3"]


# bad rows -----------------------------------------------------------------------------------------------------------------

BAD = """user_id,item_id,timestamp,weight,position,rating
u,a,1,1,1,5
,a,2,1,1,5
u,,3,1,1,5
u,b,soon,1,1,5
u,b,5,NaN,1,5
u,b,6,-1,1,5
u,b,7,heavy,1,5
u,b,8,inf,1,5
u,b,9,1,first,5
u,b,10,1,1,good
u,b,11,1,1,5,extra
u,c,12,1,2,4
"""
REASONS = [
    "missing user_id",
    "missing item_id",
    "unreadable timestamp",
    "weight is NaN or infinite",
    "weight is negative",
    "weight is not a number",
    "weight is NaN or infinite",
    "position is not a number",
    "rating is not a number",
    "7 fields where the header has 6",
]


def test_bad_rows_are_counted_and_written_with_reasons(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", BAD)
    data = build_dataset(path, settings=LOOSE, rejected_to=tmp_path / "out" / "rejected.jsonl")
    written = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()]
    assert [w["reason"] for w in written] == REASONS
    assert [w["row"] for w in written] == list(range(2, 12))
    assert written[2] == {
        "table": "interactions",
        "row": 4,
        "reason": "unreadable timestamp",
        "values": {"user_id": "u", "item_id": "b", "timestamp": "soon", "weight": "1", "position": "1", "rating": "5"},
    }
    assert ids(data, "u") == ["a", "c"]
    facts = data.report["tables"]["interactions"]
    assert facts["rows"] == 12
    assert sum(facts["rejected"].values()) == 10
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["rejected.jsonl"]


def test_native_types_are_judged_alike() -> None:
    table = pl.DataFrame({"user_id": ["u"] * 5, "item_id": list("abcde"), "weight": [1.0, float("nan"), -0.5, float("inf"), None]})
    data = build_dataset(table, settings=LOOSE)
    assert ids(data, "u") == ["a", "e"]
    wrong = pl.DataFrame({"user_id": ["u"] * 2, "item_id": ["a", "b"], "weight": [[1], [2]]})
    with pytest.raises(TableError, match="2 x weight is not a number"):
        build_dataset(wrong)


def test_more_rejected_rows_than_allowed_stops_and_writes_nothing(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", BAD)
    with pytest.raises(
        TableError, match=r"10 of 12 rows cannot be used \(2 x weight is NaN or infinite; .*first: row 2\); expected at most 1\.00%"
    ):
        build_dataset(path, rejected_to=tmp_path / "rejected.jsonl")
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


def test_the_allowed_share_is_inclusive() -> None:
    table = pl.DataFrame({"user_id": ["u"] * 99 + [None], "item_id": [str(i) for i in range(100)]})
    assert build_dataset(table).report["tables"]["interactions"]["rejected"] == {"missing user_id": 1}
    with pytest.raises(TableError, match="1 of 100 rows cannot be used"):
        build_dataset(table, settings=DataSettings(max_rejected=0.009))


def test_a_run_without_rejected_rows_leaves_no_old_list(tmp_path: Path) -> None:
    old = csv(tmp_path / "rejected.jsonl", "{}\n")
    build_dataset(pl.DataFrame({"user_id": [1, 1], "item_id": [1, 2]}), rejected_to=old)
    assert not old.exists()


def test_rejected_rows_that_cannot_be_written(tmp_path: Path) -> None:
    csv(tmp_path / "file", "x")
    with pytest.raises(OutputError, match=r"rejected\.jsonl cannot be written"):
        build_dataset(csv(tmp_path / "t.csv", BAD), settings=LOOSE, rejected_to=tmp_path / "file" / "rejected.jsonl")


def test_long_values_are_shortened_in_the_list(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {"user_id": ["u", "u", None], "item_id": ["a", "b", "k" * 10_000], "weight": [1.0, 1.0, float("nan")], "n": [1, 2, 3]}
    )
    build_dataset(table, settings=LOOSE, rejected_to=tmp_path / "r.jsonl")
    values = json.loads((tmp_path / "r.jsonl").read_text())["values"]
    assert values == {"item_id": "k" * 300 + "...", "weight": "nan", "n": 3}


# bad tables ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["uid", "item_id"], r"has no column 'user_id' \(it has: uid, item_id\).*--columns user_id=uid"),
        (["user_id", "asin"], "has no column 'item_id' .*--columns item_id=asin"),
        (["User_ID", "item_id"], "--columns user_id=User_ID"),
        (["foo", "item_id"], "--columns user_id=ITS_NAME"),
        (["user_id:token", "item_id:token"], "crossaisle import recbole"),
    ],
)
def test_missing_required_column(names: list[str], message: str) -> None:
    with pytest.raises(TableError, match=message):
        build_dataset(pl.DataFrame({n: ["1", "1"] for n in names}))


def test_columns_of_other_names() -> None:
    events = pl.DataFrame({"uid": [1, 1], "sku": ["a", "b"], "ts": [2, 1]})
    items = pl.DataFrame({"sku": ["a"], "name": ["A"]})
    data = build_dataset(events, items, columns={"user_id": "uid", "item_id": "sku", "timestamp": "ts", "title": "name"})
    assert ids(data, "1") == ["b", "a"]
    assert data.items["title"].to_list() == ["A", ""]
    with pytest.raises(TableError, match="--columns user_id=usr: no table has a column 'usr'; expected one of: sku, ts, uid"):
        build_dataset(events, columns={"user_id": "usr"})


def test_one_column_under_two_names() -> None:
    with pytest.raises(TableError, match="--columns takes the column 'uid' twice"):
        build_dataset(pl.DataFrame({"uid": [1]}), columns={"user_id": "uid", "timestamp": "uid"})


def test_frames_of_other_libraries() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"user_id": ["u", "u", "u"], "item_id": [1.0, 2.0, None], "weight": [1.0, 2.0, float("nan")]})
    data = build_dataset(frame, settings=LOOSE)
    assert ids(data, "u") == ["1", "2"]
    with pytest.raises(TableError, match="interactions is of type dict; expected a path, a polars frame or a pandas frame"):
        build_dataset({"user_id": ["u"]})  # type: ignore[arg-type]


def test_no_user_with_two_interactions() -> None:
    with pytest.raises(TableError, match="no user has two interactions; expected users with histories"):
        build_dataset(pl.DataFrame({"user_id": [1, 2], "item_id": [1, 1]}))
    with pytest.raises(TableError, match="no user has two interactions"):
        build_dataset(pl.DataFrame({"user_id": [1, 1], "item_id": [1, 1]}))


def test_frames_without_rows() -> None:
    good = pl.DataFrame({"user_id": [1, 1], "item_id": [1, 2]})
    with pytest.raises(TableError, match="the interactions frame has no row"):
        build_dataset(good.clear())
    with pytest.raises(TableError, match="the items frame has no row"):
        build_dataset(good, good.clear())


def test_duplicated_item_ids_with_different_content(tmp_path: Path) -> None:
    events = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"]})
    items = pl.DataFrame({"item_id": ["a", "b", "a"], "title": ["One", "B", "Two"]})
    with pytest.raises(TableError, match=r"1 item ids twice with different content, first 'a' \(rows 1 and 3: title 'One' and 'Two'\)"):
        build_dataset(events, items)
    kept = build_dataset(events, items, settings=DataSettings(same_id="first")).items
    assert kept["title"].to_list() == ["One", "B"]
    same = build_dataset(events, items.with_columns(title=pl.lit("same ")))
    assert same.items["item_id"].to_list() == ["a", "b"]
    assert same.report["tables"]["items"]["duplicates"] == 1


def test_duplicated_item_ids_that_differ_in_their_path_or_price() -> None:
    events = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"]})
    for column, values in (("categories", [["A", "B"], ["A", "C"]]), ("price", [None, 3.0])):
        with pytest.raises(TableError, match=f"rows 1 and 2: {column}"):
            build_dataset(events, pl.DataFrame({"item_id": ["a", "a"], column: values}))


# reviews ------------------------------------------------------------------------------------------------------------------


def test_reviews() -> None:
    events = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"]})
    rows = [("u", "a", "2017-01-01", 5, "fine &amp; dandy"), ("u", "a", "2017-01-01", 5, "fine &amp; dandy"), (None, "a", None, 1, "x")]
    reviews = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "rating", "text"], orient="row")
    data = build_dataset(events, None, reviews, settings=LOOSE)
    assert data.reviews is not None
    assert data.reviews.rows() == [("u", "a", 1483228800.0, 5.0, None, "fine & dandy")]
    assert data.report["tables"]["reviews"]["rejected"] == {"missing user_id": 1}
    with pytest.raises(TableError, match="the reviews frame has no column 'user_id'"):
        build_dataset(events, None, reviews.drop("user_id"))


# everything together ------------------------------------------------------------------------------------------------------


def test_the_same_tables_as_files_of_every_format_give_the_same_dataset(tmp_path: Path) -> None:
    events = pl.DataFrame({"user_id": ["u", "v", "u"], "item_id": ["a", "b", "b"], "timestamp": [3, 1, 2], "weight": [1.0, 2.0, 3.0]})
    items = pl.DataFrame({"item_id": ["a", "b"], "title": ['7" disc, new', "中文"], "categories": ["A > B", "C"], "price": [1.5, None]})
    expected = Dataset.from_frames(events, items)
    for ending, save in {"parquet": "write_parquet", "csv": "write_csv", "jsonl": "write_ndjson"}.items():
        getattr(events, save)(tmp_path / f"e.{ending}")
        getattr(items, save)(tmp_path / f"i.{ending}")
        data = Dataset.from_files(tmp_path / f"e.{ending}", tmp_path / f"i.{ending}")
        assert data.items.equals(expected.items)
        assert data.histories.items.tolist() == expected.histories.items.tolist()
        assert data.histories.times.tolist() == expected.histories.times.tolist()
        assert data.histories.weights.tolist() == expected.histories.weights.tolist()


def test_chinese_tables_in_gb18030(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_bytes("item_id,title,category\n甲,无糖酸奶原味,食品\n乙,纯棉短袖男,服装\n".encode("gb18030"))
    (tmp_path / "e.csv").write_bytes("user_id,item_id\n张三,甲\n张三,乙\n".encode("gb18030"))
    data = Dataset.from_files(tmp_path / "e.csv", tmp_path / "i.csv", encoding="gb18030")
    assert data.users.to_list() == ["张三"]
    assert data.items["title"].to_list() == ["无糖酸奶原味", "纯棉短袖男"]
    assert data.report["tables"]["items"]["form"] == "CSV, gb18030"


def test_the_report_is_plain_json() -> None:
    data = build_dataset(pl.DataFrame({"user_id": [1, 1], "item_id": [1, 2], "timestamp": [1, None]}), pl.DataFrame({"item_id": [1]}))
    assert json.loads(json.dumps(data.report)) == data.report
