"""Answers to questions, as interactions and as dislikes. Imports: ask."""

from __future__ import annotations

import polars as pl

from crossaisle import schema
from crossaisle.data.adhoc import MAX_REJECTED
from crossaisle.data.rejected import Rejected
from crossaisle.data.rows import REASON, typed_rows
from crossaisle.errors import TableError
from crossaisle.learn.ask import ANSWER

__all__ = ["LIKE_FROM", "read_answers"]

LIKE_FROM = 4.0
"""The least rating that counts as a yes where nobody says otherwise: four of five."""
EVENT = "answer"
"""The kind of event that a yes becomes."""

_YES = ("yes", "y", "true", "like", "liked", "1", "1.0", "是", "喜欢", "要")
_NO = ("no", "n", "false", "dislike", "disliked", "0", "0.0", "否", "不", "不喜欢", "不要")


def read_answers(
    table: pl.DataFrame, source: str = "answers", *, like_from: float = LIKE_FROM, max_rejected: float = MAX_REJECTED
) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    """What was liked, as rows of an interactions table, and what was not, apart.

    Parameters
    ----------
    table : polars.DataFrame
        ``user_id``, ``item_id``, ``answer``: yes or no (also y, n, true, false, 1, 0, 是, 否), or a rating; ``timestamp`` where known. An
        empty answer is none. Other columns, such as those of the questions, are left alone.
    like_from : float
        The least rating that is a yes.
    max_rejected : float
        Share of the rows that may be bad.

    Returns
    -------
    likes, dislikes : polars.DataFrame
        ``user_id``, ``item_id``, ``event`` (answer), then ``timestamp`` and ``rating`` where there are any.
    notes : list of str

    Raises
    ------
    TableError
        If a column is missing, some answers are yes or no and others ratings, more rows are bad than allowed, nothing was answered, or
        somebody says both yes and no to an item.

    Examples
    --------
    >>> said = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["a", "b"], "answer": ["yes", "no"]})
    >>> likes, dislikes, _ = read_answers(said)
    >>> likes["item_id"].to_list(), dislikes["item_id"].to_list()
    (['a'], ['b'])
    """
    if ANSWER not in table.columns:
        raise TableError(
            f"{source} has no column {ANSWER!r}",
            "the questions with what people answered",
            f"name it with --columns {ANSWER}=YOURS",
        )
    if table.schema[ANSWER].is_nested():
        raise TableError(f"{source} has lists or records in {ANSWER!r}", "yes, no or a rating an answer", "flatten the column first")
    rows, _ = typed_rows(table.drop(schema.RATING, schema.WEIGHT, schema.EVENT, schema.POSITION, strict=False), source)
    said = table[ANSWER].cast(pl.String).fill_null("").str.strip_chars().str.to_lowercase()
    number = said.cast(pl.Float64, strict=False)
    number = pl.select(pl.when(number.is_finite()).then(number)).to_series()
    word = said.is_in(_YES) | said.is_in(_NO)
    rated = number.is_not_null() & ~number.is_in([0.0, 1.0])
    if rated.any() and (word & number.is_null()).any():
        found = f"{source}: some answers are yes or no, others ratings such as {said.filter(rated)[0]!r}"
        raise TableError(found, "one kind of answer a table", "split the table in two")
    ratings = bool(rated.any())
    yes = number >= like_from if ratings else said.is_in(_YES)
    read = number.is_not_null() if ratings else word
    silent = said == ""
    wanted = "is no rating" if ratings else "is neither yes nor no nor a rating"
    rows = rows.with_columns(
        said.alias(ANSWER),
        yes.fill_null(False).alias("__yes__"),
        number.alias(schema.RATING),
        silent.alias("__silent__"),
        pl.coalesce(pl.col(REASON), pl.when(~(read | silent)).then(pl.lit(f"answer {wanted}"))).alias(REASON),
    )
    Rejected(max_rejected).add("answers", source, table, rows)
    good = rows.filter(pl.col(REASON).is_null() & ~pl.col("__silent__"))
    if not good.height:
        raise TableError(f"{source} has no answer", f"yes, no or a rating in the column {ANSWER!r}", "fill it in")
    bad, unanswered = int(rows[REASON].count()), int((rows[REASON].is_null() & rows["__silent__"]).sum())
    notes = [f"{bad} of {rows.height} answers were left out, most often: {rows[REASON].drop_nulls().mode()[0]}"] if bad else []
    notes += [f"{unanswered} of {rows.height} questions have no answer"] if unanswered else []
    _refuse_both(good, source)
    good = good.unique([schema.USER, schema.ITEM], keep="last", maintain_order=True)
    columns = [schema.USER, schema.ITEM, pl.lit(EVENT).alias(schema.EVENT)]
    columns += [schema.TIMESTAMP] if good[schema.TIMESTAMP].count() else []
    columns += [schema.RATING] if ratings else []
    likes, dislikes = (good.filter(pl.col("__yes__") == kind).select(columns) for kind in (True, False))
    return likes, dislikes, notes


def _refuse_both(good: pl.DataFrame, source: str) -> None:
    kinds = good.group_by(schema.USER, schema.ITEM, maintain_order=True).agg(pl.col("__yes__").n_unique())
    both = kinds.filter(pl.col("__yes__") > 1)
    if both.height:
        user, item = both[schema.USER][0], both[schema.ITEM][0]
        found = f"{source}: user {user[:80]!r} says both yes and no to item {item[:80]!r}" + (
            f", and {both.height - 1} more like that" if both.height > 1 else ""
        )
        raise TableError(found, "one answer a user and item", "keep the one that holds")
