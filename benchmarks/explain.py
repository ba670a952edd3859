"""Do reasons name what the model went by? Run: python benchmarks/explain.py

The deletion test: take the named history item out of the history, score again, and see how far the listed item falls. Beside it the same
with the newest item, with the one most alike in text, with the one that the association graph would name, and with any (the mean over
all). The model is trained on people of two or more of four aisles of the Amazon data (``CROSSAISLE_DATA``, see benchmarks/README.md);
200 of them get a list from everywhere and one from aisles that are new to them. Items are kept by what people who are not drawn bought:
a count over the drawn ones would tell which items are held back. Also: how often a reason across aisles tells a way through the graph,
how often the graph would have named the same history item, and what explaining costs. Written are figures only.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from crossaisle import Dataset, Recommender
from crossaisle.data.build import DataSettings
from crossaisle.encode.spread import Spread
from crossaisle.rank.associations import Associations
from crossaisle.rank.explain import because_items
from crossaisle.stats import bootstrap_interval, paired_test

ROOT = Path(__file__).resolve().parents[1]
AISLES = ("Beauty", "Toys_and_Games", "Grocery_and_Gourmet_Food", "Home_and_Kitchen")
SETTINGS = {"train.epochs": "3", "train.refit": "false"}
SEED, LONGEST = 0, 50


def shop(people: int, least: int) -> Dataset:
    """`people` drawn from those of two aisles or more; the items that at least `least` of the others have."""
    source = Path(os.environ.get("CROSSAISLE_DATA", "../shared/data")) / "amazon6"
    events, items = (pl.read_parquet(source / f"{name}.parquet") for name in ("interactions", "items"))
    several = items.group_by("item_id").agg(pl.col("category").n_unique()).filter(pl.col("category") > 1).select("item_id")
    items = items.join(several, on="item_id", how="anti", maintain_order="left")
    items = items.filter(pl.col("category").cast(pl.String).is_in(AISLES))
    events = events.join(items.select("item_id"), on="item_id", how="semi", maintain_order="left")
    both = events.group_by("user_id").agg(pl.col("category").n_unique()).filter(pl.col("category") > 1)["user_id"].sort()
    drawn = pl.DataFrame({"user_id": both.sample(min(people, len(both)), seed=SEED, shuffle=True)})
    others = events.join(drawn, on="user_id", how="anti").group_by("item_id").len().filter(pl.col("len") >= least)
    events = events.join(drawn, on="user_id", how="semi", maintain_order="left").join(
        others, on="item_id", how="semi", maintain_order="left"
    )
    items = items.join(others, on="item_id", how="semi", maintain_order="left")
    return Dataset.from_frames(events, items, settings=DataSettings(same_id="first"))


def fitted(folder: Path | None, people: int, least: int) -> Recommender:
    """The model of the folder, or a new one, which is saved there."""
    if folder is not None and folder.exists():
        return Recommender.load(folder)
    model = Recommender.preset("quick", seed=SEED, settings=SETTINGS).fit(shop(people, least))
    if folder is not None:
        model.save(folder)
    return model


def unit_texts(model: Recommender) -> Any:
    """float32 (N, D): the items' texts as the model compares them; zeros where an item says nothing."""
    text = model._fitted()[0].net.senses["text"]
    values = np.asarray(text.values, dtype=np.float32)
    return Spread.fit(values[text.present])(values, text.present)


def distinct_newest_first(history: Any) -> Any:
    """The different items of a history, at most `LONGEST`."""
    _, first = np.unique(history[::-1], return_index=True)
    return history[::-1][np.sort(first)][:LONGEST]


def falls(model: Recommender, user: int, listed: Any, allowed: Any, k: int) -> tuple[Any, Any, Any]:
    """Each listed item's fall without each item of the user's history: float (R, V) ranks on a log scale, bool (R, V) out of the first k.

    Ranks are among the `allowed` (N,) items; the history items (V,) come newest first.
    """
    scorer, _ = model._fitted()
    past = model._people.histories[np.array([user])]
    named = distinct_newest_first(past.items)
    repeated = past[0 * np.arange(len(named) + 1)]
    variants = repeated.keep(repeated.items != np.concatenate([[-1], named])[repeated.owners])
    scores = np.where(allowed[None, :], scorer.score(variants), -np.inf)
    ranks = 1 + (scores[:, :, None].transpose(0, 2, 1) > scores[:, listed][:, :, None]).sum(axis=2)
    return np.log2(ranks[1:] / ranks[:1]).T, (ranks[1:] > k).T, named


def one_list(model: Recommender, known: Associations, texts: Any, user: int, table: pl.DataFrame, beyond: bool) -> list[dict[str, Any]]:
    """What each way of naming a history item does to each row of one person's list."""
    _, catalogue = model._fitted()
    past = model._people.histories[np.array([user])].items
    allowed = catalogue.available.copy()
    allowed[past] = False
    if beyond:
        allowed &= ~np.isin(catalogue.item_aisles, catalogue.item_aisles[past])
    rows = table.filter(pl.col("because").is_not_null())
    listed = np.array([catalogue.code(i) for i in rows["item_id"]], dtype=np.int64)
    if not len(listed):
        return []
    fall, out, named = falls(model, user, listed, allowed, table.height)
    out_rows = []
    for r, (item, cause) in enumerate(zip(listed.tolist(), rows["because"].to_list(), strict=True)):
        graph = known.favourite(named[::-1], item)
        choice = {
            "because": int(np.flatnonzero(named == catalogue.code(cause))[0]),
            "most alike in text": int((texts[named] @ texts[item]).argmax()),
            "newest": 0,
        }
        row = {f"{name}: fall": fall[r, v] for name, v in choice.items()} | {f"{name}: out": float(out[r, v]) for name, v in choice.items()}
        row |= {"any: fall": fall[r].mean(), "any: out": out[r].mean(), "user": user, "history": len(named)}
        at = int(np.flatnonzero(named == graph)[0]) if graph >= 0 else -1
        row |= {"graph: fall": fall[r, at] if at >= 0 else None, "graph: out": float(out[r, at]) if at >= 0 else None}
        code = catalogue.code(cause)
        across = bool(catalogue.item_aisles[code] != catalogue.item_aisles[item])
        row |= {"across": across, "way": known.way(code, item) is not None, "graph's": at, "agrees": at >= 0 and graph == code}
        out_rows.append(row | {"carried_by": rows["carried_by"][r]})
    return out_rows


NAMES = ("because", "most alike in text", "newest", "any", "graph")


def interval(values: Any, users: Any) -> list[float]:
    """Mean and its 95 % interval over people, each person's rows taken together."""
    people = np.array([values[users == u].mean() for u in np.unique(users)])
    low, high = bootstrap_interval(people, seed=SEED)
    return [round(float(v), 4) for v in (people.mean(), low, high)]


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over people, with intervals and the differences to what the reason names."""
    frame = pl.DataFrame(rows, infer_schema_length=None)
    out: dict[str, Any] = {
        "reasons": frame.height,
        "people": frame["user"].n_unique(),
        "different items a history": frame["history"].mean(),
    }
    for name in NAMES:
        some = frame.filter(pl.col(f"{name}: fall").is_not_null())
        if not some.height:
            continue
        users = some["user"].to_numpy()
        fall, left = (some[f"{name}: {what}"].cast(pl.Float64).to_numpy() for what in ("fall", "out"))
        best = some["because: fall"].to_numpy()
        people = [np.array([v[users == u].mean() for u in np.unique(users)]) for v in (best, fall)]
        test = paired_test(*people, seed=SEED)
        out[name] = {
            "reasons": some.height,
            "fall of the rank, log2": interval(fall, users),
            "out of the list, share": interval(left, users),
            "because falls further by": [round(float(v), 4) for v in (people[0].mean() - people[1].mean(), test.low, test.high)],
        }
    across = frame.filter("across")
    if across.height:
        told = across.filter("way")
        named = across.filter(pl.col("graph's") >= 0)
        out["across aisles"] = {
            "reasons": across.height,
            "with a way through the graph, share": round(told.height / across.height, 4),
            "the graph has a favourite": named.height,
            "graph and model agree, share": round(float(named["agrees"].mean() or 0.0), 4) if named.height else None,
            "agreement by chance": round(float((1 / named["history"]).mean() or 0.0), 4) if named.height else None,
        }
    out["carried_by"] = dict(frame["carried_by"].value_counts(sort=True).iter_rows())
    return out


def cost(model: Recommender, ids: list[str]) -> dict[str, float]:
    """Processor seconds a list, plain and explained, and of the graph."""
    model._lists.forget()
    out = {}
    for name, call in (
        ("graph", lambda: model.recommend(ids[:1], explain=True)),
        ("plain, a list", lambda: model.recommend(ids)),
        ("explained, a list", lambda: model.recommend(ids, explain=True)),
        ("leave-one-out alone, a list", lambda: reasons_alone(model, ids)),
    ):
        start = time.process_time()
        call()
        out[name] = round((time.process_time() - start) / (1 if name == "graph" else len(ids)), 4)
    return out


def reasons_alone(model: Recommender, ids: list[str]) -> Any:
    """`because_items` for the lists' first ten items of the catalogue's best sellers: as many scores as a list needs."""
    scorer, catalogue = model._fitted()
    rows = np.array([model.users.index(u) for u in ids])
    best = np.argsort(-catalogue.counts, kind="stable")[:10]
    return because_items(
        scorer, model._people.histories[rows], np.repeat(np.arange(len(rows)), 10), np.tile(best, len(rows)), catalogue.n_items
    )


def main() -> None:
    """Fit or load, list, delete, count, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/explain.json")
    parser.add_argument("--model", type=Path, help="folder of the model: read if it is there, else written")
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--least", type=int, default=25, help="others who have an item that is kept")
    parser.add_argument("--users", type=int, default=200)
    asked = parser.parse_args()
    model = fitted(asked.model, asked.people, asked.least)
    lengths = np.array([len(np.unique(row)) for row in model._people.histories.rows()])
    rows = np.random.default_rng(SEED).permutation(np.flatnonzero(lengths >= 5))[: asked.users]
    ids = [model.users[r] for r in rows]
    known, texts = model._known_associations("en"), unit_texts(model)
    result: dict[str, Any] = {
        "what": __doc__.strip().splitlines()[0],
        "command": f"python benchmarks/explain.py --people {asked.people} --least {asked.least} --users {asked.users}",
        "seed": SEED,
        "settings": SETTINGS,
        "data": {"people": len(model.users), "items": model.items.height, "events": len(model._people.histories.items)},
        "quality": model.quality["blend"],
        "fall": "log2 of the rank without the history item over the rank with it: 1 is twice as far down",
    }
    for name, beyond in (("lists from everywhere", False), ("lists from new aisles", True)):
        table = model.recommend(ids, k=10, explain=True, beyond_history=beyond)
        found = [
            row
            for user, one in zip(rows, ids, strict=True)
            for row in one_list(model, known, texts, int(user), table.filter(pl.col("user_id") == one), beyond)
        ]
        result[name] = summary(found) | {"listed": table.height}
    result["processor seconds"] = cost(model, ids[:30])
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
