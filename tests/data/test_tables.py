"""Reading one table: every format, odd ids, and files that are not what they should be."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.data.readers.content import decode, normal_encoding
from crossaisle.data.readers.delimited import FAULT, parse_delimited
from crossaisle.data.readers.jsonlines import parse_jsonlines
from crossaisle.data.readers.tables import read_table, read_with_form, scan_table
from crossaisle.errors import SettingError, TableError

ROWS = [("001", 'a"b'), ("x y", "中文 😀"), ("k" * 10_000, "3")]
CHINESE = "user_id,item_id,title\n1,甲,无糖酸奶原味低脂 200克\n2,乙,纯棉男士短袖黑色大码\n3,丙,儿童玩具汽车模型套装\n"


def frame() -> pl.DataFrame:
    return pl.DataFrame(ROWS, schema=["user_id", "item_id"], orient="row")


def write(path: Path) -> Path:
    bare = path.name.removesuffix(".gz")
    if bare.endswith(".parquet"):
        frame().write_parquet(path.with_name(bare))
    elif bare.endswith(".jsonl"):
        path.with_name(bare).write_text("\n".join(json.dumps({"user_id": u, "item_id": i}) for u, i in ROWS), encoding="utf-8")
    else:
        frame().write_csv(path.with_name(bare), separator="\t" if bare.endswith(".tsv") else ",")
    if path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(path.with_name(bare).read_bytes()))
    return path


@pytest.mark.parametrize("ending", ["parquet", "csv", "tsv", "jsonl", "parquet.gz", "csv.gz", "tsv.gz", "jsonl.gz"])
def test_every_format_gives_the_same_rows(tmp_path: Path, ending: str) -> None:
    assert read_table(write(tmp_path / f"t.{ending}")).rows() == ROWS


def test_the_form_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(CHINESE.encode("gb18030"))
    assert read_with_form(path)[1] == "CSV, gb18030"
    assert read_with_form(write(tmp_path / "t.parquet"))[1] == "Parquet"


def test_a_folder_and_a_glob_of_parquet_are_one_table(tmp_path: Path) -> None:
    pl.DataFrame({"user_id": [1], "item_id": ["a"]}).write_parquet(tmp_path / "part-0.parquet")
    pl.DataFrame({"user_id": ["2"], "item_id": ["b"], "weight": [2.0]}).write_parquet(tmp_path / "part-1.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    for place in (tmp_path, tmp_path / "part-*.parquet"):
        assert read_table(place).rows() == [("1", "a", None), ("2", "b", 2.0)]


def test_a_file_whose_name_looks_like_a_glob_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "t[1].csv"
    path.write_text("user_id,item_id\n1,2\n")
    assert read_table(path).rows() == [("1", "2")]


def test_parquet_is_scanned_lazily_and_keeps_its_types(tmp_path: Path) -> None:
    pl.DataFrame({"user_id": [7]}).write_parquet(tmp_path / "t.parquet")
    assert scan_table(tmp_path / "t.parquet").collect_schema() == {"user_id": pl.Int64}


def test_columns_are_renamed_and_an_older_namesake_makes_way(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("uid,user_id,item_id\nreal,old,x\n")
    got = read_table(path, columns={"user_id": "uid", "timestamp": "ts"})
    assert got.to_dicts() == [{"user_id": "real", "item_id": "x"}]


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_the_separator_is_taken_from_the_header(separator: str) -> None:
    text = f"user_id{separator}item_id\n1{separator}2\n"
    assert parse_delimited(text, "t").rows() == [("1", "2")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system(end: str) -> None:
    assert parse_delimited(end.join(["user_id,item_id", "1,a b", "2,"]), "t").rows() == [("1", "a b"), ("2", None)]


def test_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfuser_id,item_id\n1,2\n")
    assert read_table(path).columns == ["user_id", "item_id"]


def test_rows_with_too_many_or_too_few_fields_are_marked() -> None:
    for text in ("user_id,item_id\n1,2,3\n4,5\n", 'user_id,item_id\n1,2,3\n4,"5"\n'):
        got = parse_delimited(text, "t")
        assert got[FAULT].to_list() == ["3 fields where the header has 2", None]
        assert got["item_id"].to_list() == ["2", "5"]


def test_a_quotation_mark_that_never_closes_costs_no_other_row() -> None:
    got = parse_delimited('user_id\titem_id\n"b\t3\n4\t5\n6\t7\n', "t", "\t")
    assert got.rows() == [('"b', "3"), ("4", "5"), ("6", "7")]


def test_text_after_a_closing_quotation_mark_is_kept() -> None:
    got = parse_delimited('item_id,title\n1,"one, two"\n2,"7" screen\n', "t")
    assert got["item_id"].to_list() == ["1", "2"]
    assert got["title"][0] == "one, two"


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)] * 2),
        min_size=1,
        max_size=6,
    )
)
def test_any_ids_that_polars_writes_as_csv_are_read_back(rows: list[tuple[str, str]]) -> None:
    table = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    assert parse_delimited(table.write_csv(quote_style="always"), "t").rows() == rows
    assert parse_delimited(table.write_csv(separator="\t"), "t", "\t").rows() == rows


def test_a_column_twice_in_a_quoted_file() -> None:
    with pytest.raises(TableError, match="has the column 'a' twice"):
        parse_delimited('a,a\n"1",2\n', "t")
    with pytest.raises(TableError, match="has the column 'a' twice"):
        parse_delimited("a,a\n1,2\n", "t")


def test_json_numbers_keep_their_digits_and_bad_lines_are_marked() -> None:
    text = '{"user_id": 12345678901234567890, "price": 1.10, "ok": true}\n\nnot json\n[1]\n{"user_id": null, "c": ["a", "b"]}\n'
    got = parse_jsonlines(text, "t")
    assert got["user_id"].to_list() == ["12345678901234567890", None, None, None]
    assert got["price"][0] == "1.10"
    assert got["ok"][0] == "true"
    assert got["c"][3] == '["a", "b"]'
    assert got[FAULT].to_list()[1:3] == ["no JSON (Expecting value)", "no JSON object"]
    assert parse_jsonlines('{"a": 1}\n' + "[" * 100_000, "t")[FAULT][1] == "no JSON (nested too deep)"


def test_json_that_is_one_list_or_nothing() -> None:
    with pytest.raises(TableError, match="one JSON list; expected JSON lines"):
        parse_jsonlines('[{"user_id": 1}]', "t.json")
    with pytest.raises(TableError, match="holds no JSON object"):
        parse_jsonlines("1\n2\n", "t.json")


def test_blank_lines_and_blanks_in_the_header() -> None:
    for text in ("user_id, item_id\n1,a\n\n\n2,b\n\n", 'user_id, item_id\r\n\r\n1,"a"\r\n2,b\r\n\r\n'):
        got = parse_delimited(text, "t")
        assert got.columns == ["user_id", "item_id"]
        assert got.rows() == [("1", "a"), ("2", "b")]


# bad files ---------------------------------------------------------------------------------------------------------------


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"there is no file .*none\.csv; expected a table file"):
        read_table(tmp_path / "none.csv")


def test_folder_without_parquet(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="holds no Parquet file"):
        read_table(tmp_path)
    with pytest.raises(TableError, match="holds no Parquet file"):
        read_table(tmp_path / "*.parquet")


@pytest.mark.parametrize("content", [b"", b" \n\n", gzip.compress(b"", mtime=0)])
def test_empty_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(TableError, match=r"t\.csv is empty; expected a header"):
        read_table(path)


def test_header_without_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("user_id,item_id\n")
    pl.DataFrame({"user_id": []}).write_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        with pytest.raises(TableError, match="has a header and no row"):
            read_table(tmp_path / name)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t"])
def test_binary_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)))
    with pytest.raises(TableError, match="is a binary file; expected Parquet, CSV, TSV or JSON lines"):
        read_table(tmp_path / name)


def test_a_file_that_only_claims_to_be_parquet(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_text("user_id,item_id\n1,2\n")
    with pytest.raises(TableError, match="is not a Parquet file"):
        read_table(tmp_path / "t.parquet")


def test_a_folder_whose_files_do_not_fit_together(tmp_path: Path) -> None:
    pl.DataFrame({"user_id": [1]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"user_id": [[1]]}).write_parquet(tmp_path / "b.parquet")
    with pytest.raises(TableError, match="do not fit together"):
        read_table(tmp_path)


def test_gzip_cut_short(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TableError, match="gzip file that is cut short or damaged"):
        read_table(path)


def test_parquet_cut_short_or_damaged_inside(tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    pl.DataFrame({"user_id": [str(i * 7919) for i in range(5000)]}).write_parquet(whole)
    raw = whole.read_bytes()
    (tmp_path / "short.parquet").write_bytes(raw[: len(raw) // 2])
    (tmp_path / "spoilt.parquet").write_bytes(raw[:40] + b"\xff" * (len(raw) // 2) + raw[40 + len(raw) // 2 :])
    (tmp_path / "short.parquet.gz").write_bytes(gzip.compress(raw[: len(raw) // 2]))
    for name in ("short.parquet", "spoilt.parquet", "short.parquet.gz"):
        with pytest.raises(TableError, match="Parquet file that is cut short or damaged"):
            read_table(tmp_path / name)


def test_unreadable_place(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(TableError, match=r"cannot be read|there is no file"):
        read_table(tmp_path / "f" / "t.csv")


# encodings -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [None, "gb18030", "GBK", "gb2312"])
def test_gb18030_declared_or_recognised(declared: str | None) -> None:
    assert decode(CHINESE.encode("gb18030"), "t", declared) == (CHINESE, "gb18030")


@pytest.mark.parametrize("declared", [None, "utf-8", "UTF8"])
def test_utf8(declared: str | None) -> None:
    assert decode(CHINESE.encode(), "t", declared) == (CHINESE, "utf-8")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("title\nCrème brûlée\nCafé au lait\n", "latin-1"),
        ("title\nSchöne Grüße aus München\n", "cp1252"),
        ("title\n안녕하세요 초콜릿 우유 과자 세트\n", "euc-kr"),
        ("title\nチョコレート クッキー 詰め合わせ\n", "shift-jis"),
        ("title\n無糖優格原味低脂 男士短袖黑色大碼\n", "big5"),
        ("title\nШоколад молочный набор\n", "cp1251"),
    ],
)
def test_undeclared_other_encodings_are_refused_not_guessed(text: str, encoding: str) -> None:
    with pytest.raises(TableError, match=r"t line 2 holds the byte 0x.. that does not decode; expected UTF-8 text"):
        decode(text.encode(encoding), "t")


def test_declared_encoding_that_is_wrong() -> None:
    with pytest.raises(TableError, match="expected UTF-8, as declared"):
        decode(CHINESE.encode("gb18030"), "t", "utf-8")
    with pytest.raises(TableError, match="expected GB18030, as declared"):
        decode(b"title\n\xff\xff\n", "t", "gb18030")


def test_utf16_is_named() -> None:
    with pytest.raises(TableError, match="is UTF-16 text"):
        decode("user_id,item_id".encode("utf-16"), "t")


@pytest.mark.parametrize("name", ["latin-1", "klingon"])
def test_encodings_that_are_not_read(name: str) -> None:
    with pytest.raises(SettingError, match="expected utf-8 or gb18030"):
        normal_encoding(name)


def test_a_name_with_glob_characters_is_a_name(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1]})
    for name in ("x[1].parquet", "x*.parquet", "x1.parquet"):
        frame.with_columns(name=pl.lit(name)).write_parquet(tmp_path / name)
    for name in ("x[1].parquet", "x*.parquet"):
        assert read_table(tmp_path / name)["name"].to_list() == [name]
    assert read_table(tmp_path).height == 3
