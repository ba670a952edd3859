"""Made-up people who push an item (shilling), and copies of real ones as the control. Imports: schema, errors.

A profile is as long as the median genuine one: fillers that make it look like somebody, and one target. Fillers are drawn without
replacement inside a profile (Lam and Riedl 2004, "Shilling Recommender Systems for Fun and Profit"; Burke et al. 2005 for bandwagon):

- ``random``: every item alike;
- ``average``: by popularity, so that the profiles' items are as popular as genuine ones;
- ``bandwagon``: by popularity among the most popular hundredth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.errors import RequestError, TableError
from crossaisle.schema import Ints, Times

__all__ = ["FILLERS", "copied_users", "fake_profiles", "tail_items"]

FILLERS = ("random", "average", "bandwagon")
PLACES = ("last", "random")
_LEAST_POPULAR = 30
"""A bandwagon takes at least so many of the most popular items, where the catalogue has them."""


def fake_profiles(
    interactions: pl.DataFrame,
    targets: Sequence[str],
    *,
    share: float,
    filler: str = "bandwagon",
    place: str = "last",
    seed: int = 0,
) -> pl.DataFrame:
    """Events of made-up people who push the targets, each of them one, in turn.

    Times, where the table has them, are those of a genuine user drawn for each profile, stretched to its length (none where that user
    lacks one): the moments alone do not give a profile away.

    Parameters
    ----------
    interactions : polars.DataFrame
        Genuine events: ``user_id``, ``item_id``, and ``timestamp`` (a number) where known; a user's rows in their order.
    targets : sequence of str
        Items to push.
    share : float
        Made-up people for each genuine one: .01 adds 1 %, at least one a target.
    filler : str
        One of `FILLERS`.
    place : str
        Where the target stands: ``last`` (a sequential model learns the step to it) or ``random``.
    seed : int

    Returns
    -------
    polars.DataFrame
        ``user_id`` (new ids), ``item_id``, ``timestamp`` where the table has it: to be put below the genuine rows.

    Raises
    ------
    TableError
        If a column is missing or a timestamp is no number.
    RequestError
        If there is no target, an unknown filler or place, or a share that is not above 0.

    Examples
    --------
    >>> rows = pl.DataFrame({"user_id": ["u", "u", "v", "v"], "item_id": ["a", "b", "b", "c"]})
    >>> fake_profiles(rows, ["c"], share=0.5, seed=0)["item_id"].to_list()[-1]
    'c'
    """
    _check(interactions, share)
    for value, known, what in ((filler, FILLERS, "filler"), (place, PLACES, "place")):
        if value not in known:
            raise RequestError(f"unknown {what} {value!r}", f"one of {', '.join(known)}", "correct it")
    if not targets:
        raise RequestError("no item to push", "at least one item id", "name the targets")
    rng = np.random.default_rng(seed)
    lengths = _lengths(interactions)
    n_fakes, length = max(len(targets), round(share * len(lengths))), max(2, round(float(np.median(lengths))))
    counts = interactions.group_by(schema.ITEM).len().sort(["len", schema.ITEM], descending=[True, False])
    ids, popular = counts[schema.ITEM].to_list(), counts["len"].to_numpy().astype(np.float64)
    odds = _odds(popular, filler, length)
    pushed = set(targets)
    odds[[i for i, item in enumerate(ids) if item in pushed]] = 0.0
    length = min(length, int((odds > 0).sum()) + 1)
    if length < 2:
        raise RequestError("there is no item beside the targets", "items to fill profiles with", "name fewer targets")
    odds /= odds.sum()
    items: list[str] = []
    for f in range(n_fakes):
        chosen = [ids[i] for i in rng.choice(len(ids), size=length - 1, replace=False, p=odds)]
        at = length - 1 if place == "last" else int(rng.integers(length))
        items += [*chosen[:at], targets[f % len(targets)], *chosen[at:]]
    return _table(interactions, "made-up", np.full(n_fakes, length), items, _times(interactions, n_fakes, length, rng))


def copied_users(interactions: pl.DataFrame, *, share: float, seed: int = 0) -> pl.DataFrame:
    """The control: as many copies of genuine users, drawn by chance, under new ids; see `fake_profiles` for the arguments and errors.

    What an attack changes beyond what these change is the attack's; the rest is that there are more events, and chance.
    """
    _check(interactions, share)
    users = interactions[schema.USER].unique(maintain_order=True)
    n = max(1, round(share * len(users)))
    drawn = np.random.default_rng(seed).choice(len(users), size=n, replace=n > len(users))
    copies = pl.DataFrame({schema.USER: users.gather(drawn), "copy": _names(interactions, "copied", n)})
    columns = [schema.ITEM, *([schema.TIMESTAMP] if schema.TIMESTAMP in interactions.columns else [])]
    rows = copies.join(interactions, on=schema.USER, how="left", maintain_order="left_right")
    return rows.select(pl.col("copy").alias(schema.USER), *columns)


def tail_items(interactions: pl.DataFrame, n: int, *, seed: int = 0) -> list[str]:
    """Ids of n items that few have, drawn by chance from the less popular half: what an attacker would push.

    Examples
    --------
    >>> rows = pl.DataFrame({"user_id": ["u", "v", "w", "w"], "item_id": ["a", "a", "a", "b"]})
    >>> tail_items(rows, 1)
    ['b']
    """
    counts = interactions.group_by(schema.ITEM).len().sort(["len", schema.ITEM])
    half = counts[schema.ITEM].to_list()[: max(1, len(counts) // 2)]
    drawn = np.random.default_rng(seed).choice(len(half), size=min(n, len(half)), replace=False)
    return [half[i] for i in drawn.tolist()]


def _check(interactions: pl.DataFrame, share: float) -> None:
    for column in (schema.USER, schema.ITEM):
        if column not in interactions.columns:
            raise TableError(f"interactions have no column {column}", "user_id and item_id", "name the columns")
    kind = interactions.schema.get(schema.TIMESTAMP)
    if kind is not None and not kind.is_numeric() and kind != pl.Null:
        raise TableError(f"timestamps are of type {kind}", "unix seconds", "convert them")
    if not share > 0:
        raise RequestError(f"the share of made-up people is {share}", "a number above 0", "write .01 for 1 %")


def _lengths(interactions: pl.DataFrame) -> Ints:
    return np.asarray(interactions.group_by(schema.USER).len()["len"].to_numpy(), dtype=np.int64)


def _odds(popular: Times, filler: str, length: int) -> Times:
    """float64 (N,) for items in falling popularity."""
    if filler == "random":
        return np.ones(len(popular))
    odds = popular.copy()
    if filler == "bandwagon":
        odds[max(_LEAST_POPULAR, 3 * length, len(popular) // 100) :] = 0.0
    return odds


def _times(interactions: pl.DataFrame, n: int, length: int, rng: np.random.Generator) -> Times | None:
    """float64 (n * length,), or None where the table has no times."""
    if schema.TIMESTAMP not in interactions.columns or interactions[schema.TIMESTAMP].null_count() == len(interactions):
        return None
    rows = interactions.group_by(schema.USER, maintain_order=True).agg(schema.TIMESTAMP)[schema.TIMESTAMP].to_list()
    places, unknown = np.linspace(0.0, 1.0, length), np.full(length, np.nan)
    return np.concatenate([unknown if None in rows[u] else np.quantile(rows[u], places) for u in rng.integers(len(rows), size=n)])


def _names(interactions: pl.DataFrame, word: str, n: int) -> list[str]:
    """n user ids that the table does not have."""
    taken = set(interactions[schema.USER].unique().to_list())
    out: list[str] = []
    number = 0
    while len(out) < n:
        number += 1
        name = f"{word} {number}"
        if name not in taken:
            out.append(name)
    return out


def _table(interactions: pl.DataFrame, word: str, lengths: Ints, items: list[str], times: Times | None) -> pl.DataFrame:
    users = np.repeat(np.array(_names(interactions, word, len(lengths)), dtype=object), lengths)
    out = pl.DataFrame({schema.USER: users.tolist(), schema.ITEM: items})
    if schema.TIMESTAMP not in interactions.columns:
        return out
    kind = interactions.schema[schema.TIMESTAMP]
    if times is None:
        return out.with_columns(pl.lit(None, dtype=kind).alias(schema.TIMESTAMP))
    column = pl.Series(schema.TIMESTAMP, times).fill_nan(None)
    return out.with_columns((column.round(0) if kind.is_integer() else column).cast(kind))
