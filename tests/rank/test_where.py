import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.errors import RequestError
from crossaisle.rank.where import where_mask

ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "category": ["Toys", "Toys", "Pets", ""],
        "title": ["Red car", "blue car", "Cat's bed", ""],
        "brand": ["Alder", "", "Birch", "Alder"],
        "price": [10.0, 60.0, None, 50.0],
        "available": [True, False, True, True],
        "categories": [["Toys", "Cars"], ["Toys", "Cars"], ["Pets"], []],
        "weight kg": ["1.5", " 20 ", "", "heavy"],
        "价格": [1.0, 2.0, 3.0, 4.0],
    }
)


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("price < 50 AND available", "a"),
        ("price<=50", "ad"),
        ("price = 50 or price == 10", "ad"),
        ("price <> 50", "ab"),
        ("price != 5e1", "ab"),
        ("price > -1", "abd"),
        ("NOT available", "b"),
        ("available = false", "b"),
        ("available != TRUE", "b"),
        ("not price < 50", "bd"),
        ("price BETWEEN 10 AND 50", "ad"),
        ("price NOT BETWEEN 10 AND 50", "b"),
        ("price IS NULL", "c"),
        ("price is not null", "abd"),
        ("brand IS NULL", "b"),
        ("brand IS NOT NULL", "acd"),
        ("categories IS NULL", "d"),
        ("brand = 'Alder'", "ad"),
        ('brand = "Alder"', "ad"),
        ("brand IN ('Alder', 'Birch')", "acd"),
        ("brand NOT IN ('Alder')", "bc"),
        ("price IN (10, 50)", "ad"),
        ("title = 'Cat''s bed'", "c"),
        ("title LIKE '%CAR'", "ab"),
        ("title LIKE 'r_d%'", "a"),
        ("title NOT LIKE '%car%'", "cd"),
        ("title LIKE '%.%'", ""),
        ("categories = 'Cars'", "ab"),
        ("categories IN ('Pets', 'Cars')", "abc"),
        ("categories LIKE 'pet%'", "c"),
        ("NOT categories = 'Cars'", "cd"),
        ('"weight kg" < 10', "a"),
        ("`weight kg` >= 1.5", "ab"),
        ("价格 > 2", "cd"),
        ("PRICE < 50", "a"),
        ("available AND (brand = 'Alder' OR brand = 'Birch') AND NOT price > 20", "a"),
        ("available OR available AND NOT available", "acd"),
        ("brand > 'Alder'", "c"),
        ("(((price < 50)))", "a"),
    ],
)
def test_what_a_filter_keeps(where, kept):
    mask = where_mask(where, ITEMS)
    assert "".join(ITEMS["item_id"].filter(pl.Series(mask))) == kept


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("", r"does not parse: the end at character 1; expected a column"),
        ("price <", r"does not parse: the end at character 8; expected a number, a text or TRUE or FALSE"),
        ("price < 50 AND", r"the end at character 15; expected a column"),
        ("price < 50 available", r"'available' at character 12; expected AND, OR or the end"),
        ("price", r"the end at character 6; expected a comparison after 'price'"),
        ("price ; 3", r"';' at character 7; expected a column, a sign or a value"),
        ("(price < 50", r"the end at character 12; expected '\)'"),
        ("price BETWEEN 1 OR 2", r"'or' at character 17; expected 'AND'"),
        ("price IS 3", r"'3' at character 10; expected 'NULL'"),
        ("price NOT 3", r"'3' at character 11; expected IN, LIKE or BETWEEN"),
        ("brand IN 'Alder'", r"\"'Alder'\" at character 10; expected '\('"),
        ("brand = Alder", r"'Alder' at character 9; .*texts stand in single quotes"),
        ("title LIKE 3", r"'3' at character 12; expected a text after LIKE"),
        (f"title LIKE '{'%' * 501}'", r"expected a pattern of at most 500 characters"),
        ("brand = 'Alder", r"at character 9; expected a column, a sign or a value"),
        ("50 > price", r"'50' at character 1; expected a column"),
        ("price < 5x", r"'5x' at character 9"),
        ("prize < 50", r"names no column: 'prize'; expected a column of the items table; next: use one of item_id, category"),
        ('"no such" = 1', r"names no column: 'no such'"),
        ("price = 'cheap'", r"compares column 'price' \(number\) with 'cheap'; expected a number"),
        ("price LIKE '1%'", r"compares column 'price' \(number\) with LIKE; expected a text column"),
        ("available = 'yes'", r"compares column 'available' \(yes or no\) with 'yes'; expected TRUE or FALSE"),
        ("available < 3", r"compares column 'available' \(yes or no\) with 3; expected TRUE or FALSE"),
        ("available < true", r"expected a yes-or-no column with = or !="),
        ("brand = true", r"compares column 'brand' \(text\) with true"),
        ("brand < 5", r"compares column 'brand' \(text\) with 5; expected a text in single quotes"),
        ("categories > 5", r"compares column 'categories'.* with 5; expected a text in single quotes"),
        ("(" * 51 + "price < 5" + ")" * 51, r"expected at most 50 nested brackets and NOTs"),
        ("NOT " * 5000, r"a filter of 20000 characters; expected at most 10000"),
        ("read_csv('/etc/passwd')", r"names no column: 'read_csv'"),
        ("price < 50; DROP TABLE items", r"';' at character 11"),
    ],
)
def test_a_filter_that_cannot_be_used(where, message):
    with pytest.raises(RequestError, match=message) as caught:
        where_mask(where, ITEMS)
    assert "\n" not in str(caught.value)


@settings(deadline=None)
@given(st.text(alphabet="price brandtleavo()<>=!'\"`,0159.%_ \n\tANDORNOTINLIKEBETWEENISNULL;*-价", max_size=60))
def test_any_text_gives_a_mask_or_a_clear_line(where):
    try:
        found = where_mask(where, ITEMS)
    except RequestError as error:
        found = str(error)
    assert "\n" not in found if isinstance(found, str) else found.shape == (4,)


@settings(deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_any_quoted_text_finds_itself(text):
    items = pl.DataFrame({"brand": [text, text + "x"]})
    quoted = text.replace("'", "''")
    assert where_mask(f"brand = '{quoted}'", items).tolist() == [True, False]


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("brand IN (" + ", ".join(f"'x{i}'" for i in range(900)) + ", 'Birch')", "c"),
        (" OR ".join(["brand = 'x'"] * 600 + ["price = 10"]), "a"),
        (" AND ".join(["price >= 10"] * 600), "abd"),
        (f"title LIKE '{'%' * 499}r'", "ab"),
        (f"title LIKE '{'_' * 500}'", ""),
        (f"title LIKE '{'_%' * 250}'", ""),
    ],
)
def test_long_filters(where, kept):
    assert "".join(ITEMS["item_id"].filter(pl.Series(where_mask(where, ITEMS)))) == kept


def test_a_filter_on_no_items():
    assert where_mask("price < 5 AND categories = 'x'", ITEMS.clear()).tolist() == []
