"""Amazon reviews and metadata of 2018 (``Gift_Cards_5.json.gz``, ``meta_Gift_Cards.json.gz``). Imports: content, imported, jsonlines."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from crossaisle import schema
from crossaisle.data.clean import parse_number
from crossaisle.data.readers.content import decode, load
from crossaisle.data.readers.imported import ImportedTables
from crossaisle.data.readers.jsonlines import parse_jsonlines
from crossaisle.errors import TableError

__all__ = ["aisle_of", "read"]

_ORIGIN = (
    "Amazon review data (2018), collected by Jianmo Ni, Jiacheng Li and Julian McAuley at UCSD; for research. "
    "One interaction is one review; an aisle is one of their files."
)
_REVIEW = ("reviewerID", "asin", "unixReviewTime", "overall", "summary", "reviewText", "vote")
_META = ("asin", "title", "brand", "category", "description", "feature", "price", "imageURLHighRes", "imageURL")


def aisle_of(path: Path) -> str:
    """The aisle that a file's name stands for.

    Examples
    --------
    >>> aisle_of(Path("AMAZON_FASHION_5.json.gz")), aisle_of(Path("meta_Toys_and_Games.json"))
    ('Amazon Fashion', 'Toys & Games')
    """
    stem = re.sub(r"_5$", "", re.sub(r"\.(json|jsonl|ndjson)(\.gz)?$", "", path.name).removeprefix("meta_"))
    words = [w.capitalize() if w.isupper() and len(w) > 3 else w for w in stem.split("_") if w]
    return " ".join("&" if w == "and" else w for w in words)


def read(source: Path | None) -> ImportedTables:
    """The contract tables from a folder of such files, or from one review file and the metadata file beside it.

    Items that only reviews name get no row; their aisle is carried by the column ``category`` of the interactions. Of metadata that comes
    twice, the row with the longest text is kept.

    Raises
    ------
    TableError
        If there is no review file, or a file is not what it should be.
    """
    reviews, metas = _find(source)
    events = pl.concat([_reviews(p) for p in reviews])
    notes = []
    items = None
    if metas:
        whole = pl.concat([_items(p) for p in metas])
        items = (
            whole.with_row_index("row")
            .with_columns(
                sum((pl.col(c).str.len_chars().fill_null(0) for c in ("title", "description", "features")), pl.lit(0)).alias("length")
            )
            .sort(["length", "row"], descending=[True, False])
            .unique(schema.ITEM, keep="first", maintain_order=True)
            .sort("row")
            .drop("row", "length")
        )
        if whole.height > items.height:
            notes.append(f"{whole.height - items.height} repeated metadata rows left out")
    lacking = (
        events.select(pl.col(schema.ITEM).unique()).height
        if items is None
        else events.join(items, on=schema.ITEM, how="anti")[schema.ITEM].n_unique()
    )
    if lacking:
        notes.append(f"{lacking} reviewed items have no metadata")
    interactions = events.select(schema.USER, schema.ITEM, schema.TIMESTAMP, schema.RATING, schema.CATEGORY).with_columns(
        pl.lit("review").alias(schema.EVENT)
    )
    texts = events.select(schema.USER, schema.ITEM, schema.TIMESTAMP, schema.RATING, schema.HELPFUL, schema.TEXT)
    return ImportedTables(interactions, items, texts, _ORIGIN, tuple(notes))


def _find(source: Path | None) -> tuple[list[Path], list[Path]]:
    if source is None or not source.exists():
        raise TableError(
            f"there is no {source}" if source else "no SOURCE is given", "a folder with *_5.json.gz and meta_*.json.gz", "check the path"
        )
    if source.is_dir():
        files = sorted(p for p in source.iterdir() if re.search(r"\.(json|jsonl|ndjson)(\.gz)?$", p.name))
    else:
        files = [source, *(p for p in sorted(source.parent.glob("meta_*")) if p != source and aisle_of(p) == aisle_of(source))]
    reviews, metas = [p for p in files if not p.name.startswith("meta_")], [p for p in files if p.name.startswith("meta_")]
    if not reviews:
        raise TableError(f"{source} holds no review file", "files such as Gift_Cards_5.json.gz", "give the folder that holds them")
    return reviews, metas


def _parse(path: Path, wanted: tuple[str, ...], required: tuple[str, ...]) -> pl.DataFrame:
    text, _ = decode(load(path), str(path))
    frame = parse_jsonlines(text, str(path), keep=wanted)
    lacking = [c for c in required if c not in frame.columns]
    if lacking:
        raise TableError(
            f"{path} has no field {lacking[0]!r}", "Amazon 2018 reviews or metadata, JSON lines", "check that it is such a file"
        )
    return frame.with_columns(pl.lit(None, pl.String).alias(c) for c in wanted if c not in frame.columns)


def _reviews(path: Path) -> pl.DataFrame:
    raw = _parse(path, _REVIEW, ("reviewerID", "asin", "unixReviewTime"))
    summary, body = pl.col("summary").fill_null(""), pl.col("reviewText").fill_null("")
    joined = (
        pl.when((summary == "") | body.str.starts_with(summary)).then(body).when(body == "").then(summary).otherwise(summary + ". " + body)
    )
    return raw.select(
        pl.col("reviewerID").alias(schema.USER),
        pl.col("asin").alias(schema.ITEM),
        pl.col("unixReviewTime").cast(pl.Int64, strict=False).alias(schema.TIMESTAMP),
        pl.col("overall").cast(pl.Float64, strict=False).alias(schema.RATING),
        pl.lit(aisle_of(path)).alias(schema.CATEGORY),
        parse_number(pl.col("vote")).fill_null(0.0).alias(schema.HELPFUL),  # the source writes "1,234", and nothing for none
        joined.alias(schema.TEXT),
    )


def _items(path: Path) -> pl.DataFrame:
    raw = _parse(path, _META, ("asin", "title"))
    listed = [pl.col(c).str.json_decode(pl.List(pl.String)) for c in ("category", "description", "feature", "imageURLHighRes", "imageURL")]
    category, description, feature, large, small = listed
    # the source holds, here and there, a page's script instead of a title, and markup or selling points among the categories
    title = pl.when(pl.col("title").str.contains("getTime()", literal=True)).then(pl.lit("")).otherwise(pl.col("title"))
    nodes = category.list.eval(pl.element().filter(~pl.element().str.contains(r"</|^\s*$|\n|\.\s*$|.{60}")))
    return raw.select(
        pl.col("asin").alias(schema.ITEM),
        pl.lit(aisle_of(path)).alias(schema.CATEGORY),
        title.alias(schema.TITLE),
        pl.col("brand").str.replace(r"^by\s+", "").alias(schema.BRAND),
        description.list.join(" ", ignore_nulls=True).alias(schema.DESCRIPTION),
        nodes.alias(schema.CATEGORIES),
        parse_number(pl.col("price")).alias(schema.PRICE),
        feature.list.join(". ", ignore_nulls=True).alias("features"),
        pl.coalesce(large.list.first(), small.list.first()).alias("image_url"),
    )
