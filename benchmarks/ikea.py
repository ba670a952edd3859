"""IKEA rooms: which furniture completes a room, by what is said of it and by its photo.

    python benchmarks/ikea.py OUT.json [--splits 5] [--items N] [--users ROOMS] [--epochs 6] [--arms A,B] [--without-missing]

Data: the folder ``ikea`` under CROSSAISLE_DATA. A room (all photos of one room group) is a history; whole room groups are held out, so no
room is in training and in the test. The product is fitted on the training rooms, in one random order each, and asked with half of a
held-out room for the rest: among all other items, and among those of furniture types that the shown half lacks. An arm is a table and a
list of senses; the placebos hand the photos, or the texts, to other items. Differences are paired by room, over the splits that hold
it out. Beside each arm of texts, "pairs: ..." is the likeness learned from pairs alone (blend.pairs, the linear pair model), without ids
and network, on the same senses. Then photos and titles are taken away from items at test time, with modality dropout in training and
without.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from crossaisle import Dataset
from crossaisle.blend.pairs import PairModel, dense
from crossaisle.blend.scorer import BlendScorer
from crossaisle.data.histories import Histories
from crossaisle.encode.senses import Sense
from crossaisle.evaluate.facts import hardware, versions
from crossaisle.metrics import mrr, ndcg, recall
from crossaisle.presets import preset_settings
from crossaisle.scorers import blend_scorer
from crossaisle.stats import bootstrap_interval, paired_test

HELD_OUT = 0.3
TEXTS = ("title", "brand", "description", "colour", "size")
WORDED = "id,text,words"
ARMS: dict[str, tuple[str, str]] = {
    "ids": ("text", "id"),
    "type": ("type", WORDED),
    "text": ("text", WORDED),
    "photo": ("photo", "id,image"),
    "type+photo": ("type", f"{WORDED},image"),
    "both": ("text", f"{WORDED},image"),
    "shuffled photos": ("shuffled photos", f"{WORDED},image"),
    "shuffled text": ("shuffled text", f"{WORDED},image"),
}
"""Name -> (which table, which senses)."""
AGAINST = {"text": "type", "both": "text", "type+photo": "type", "shuffled photos": "text", "photo": "ids", "shuffled text": "both"}
AGAINST |= {f"pairs: {arm}": f"pairs: {base}" for arm, base in AGAINST.items()}
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass
class Rooms:
    """Items, and for each room group the codes of its items."""

    items: pl.DataFrame
    rooms: list[list[int]]


def read_rooms(folder: Path, most_items: int, most_rooms: int) -> Rooms:
    """The shop's table and its rooms, those with at least four items."""
    raw = pl.read_csv(folder / "items.csv", infer_schema_length=0)
    edges = pl.read_csv(folder / "item_scene.csv", infer_schema_length=0)
    scenes = pl.read_csv(folder / "rooms.csv", infer_schema_length=0)
    joined = edges.join(scenes, on="scene").select("room_group", "item_id").unique(maintain_order=True)
    if most_items:
        busiest = joined["item_id"].value_counts(sort=True)["item_id"].head(most_items)
        raw = raw.filter(pl.col("item_id").is_in(busiest.implode()))
    items = raw.select(
        "item_id",
        pl.col("type").fill_null("").alias("category"),
        pl.concat_str(pl.col("name").fill_null(""), pl.col("type").fill_null(""), separator=" ").alias("title"),
        pl.col("color").fill_null("").alias("colour"),
        pl.col("size").fill_null(""),
        pl.col("description").fill_null(""),
        "image",
    )
    codes = {item: code for code, item in enumerate(items["item_id"])}
    groups = joined.filter(pl.col("item_id").is_in(items["item_id"].implode())).group_by("room_group").agg("item_id").sort("room_group")
    rooms = [sorted(codes[i] for i in row) for row in groups["item_id"] if len(row) >= 4]
    return Rooms(items, rooms[:most_rooms] if most_rooms else rooms)


def table_of(items: pl.DataFrame, kind: str, rng: np.random.Generator) -> pl.DataFrame:
    """The items table as an arm sees it."""
    order = rng.permutation(items.height)
    texts = [c for c in TEXTS if c in items.columns]
    if kind == "type":
        return items.drop(texts).with_columns(title=pl.col("category"))
    if kind == "photo":
        return items.drop(texts)
    if kind == "shuffled photos":
        return items.with_columns(items["image"].gather(order))
    if kind == "shuffled text":
        return items.with_columns([items[c].gather(order) for c in (*texts, "category")])
    return items


def questions(rooms: Rooms, held: list[int], rng: np.random.Generator) -> tuple[Histories, Histories]:
    """Half of each held-out room, and the other half."""
    shown, rest = [], []
    for room in held:
        order = rng.permutation(rooms.rooms[room]).tolist()
        shown.append(order[: len(order) // 2])
        rest.append(order[len(order) // 2 :])
    return Histories.from_lists(shown), Histories.from_lists(rest)


def measures(scores: Any, shown: Histories, rest: Histories, types: Any) -> dict[str, Any]:
    """One value a room; NaN where a room has nothing to ask."""
    out: dict[str, Any] = {}
    for name in ("all", "new types"):
        ranked, wanted = scores.copy(), []
        for q in range(len(shown)):
            ranked[q, shown.row(q)] = -np.inf
            targets = rest.row(q)
            if name == "new types":
                seen = np.isin(types, types[shown.row(q)])
                ranked[q, seen] = -np.inf
                targets = targets[~seen[targets]]
            wanted.append(targets.tolist())
        targets = Histories.from_lists(wanted)
        top = np.argsort(-ranked, axis=1, kind="stable")
        asked = targets.lengths > 0
        found = {
            "AUC": np.array([auc(ranked[q], targets.row(q)) for q in range(len(shown))]),
            "R@10": recall(top[:, :10], targets, 10),
            "N@10": ndcg(top[:, :10], targets, 10),
            "MRR": mrr(top, targets, top.shape[1]),
        }
        out |= {f"{key} {name}": np.where(asked, value, np.nan) for key, value in found.items()}
    return out


def auc(scores: Any, targets: Any) -> float:
    """Share of (target, other candidate) pairs in the right order, ties a half."""
    if not len(targets):
        return float("nan")
    others = np.sort(np.delete(scores, targets)[np.isfinite(np.delete(scores, targets))])
    below = np.searchsorted(others, scores[targets], "left") + np.searchsorted(others, scores[targets], "right")
    return float((below / 2 / max(len(others), 1)).mean())


def fitted(
    rooms: Rooms, arm: str, train: list[int], split: int, asked: argparse.Namespace, extra: dict[str, str]
) -> tuple[BlendScorer, Dataset]:
    """The product, trained on the rooms of the training part, and these rooms."""
    kind, senses = ARMS[arm]
    rng = np.random.default_rng([asked.seed, split])
    table = table_of(rooms.items, kind, np.random.default_rng([asked.seed, split, 1]))
    ids, rows = rooms.items["item_id"].to_list(), []
    for room in train:
        rows += [{"user_id": f"room {room}", "item_id": ids[i], "position": p} for p, i in enumerate(rng.permutation(rooms.rooms[room]))]
    data = Dataset.from_frames(pl.DataFrame(rows), table, media=asked.data)
    changes = {"across.on": "false", "media.join": "false", "model.senses": senses, "train.epochs": str(asked.epochs), **asked.set, **extra}
    settings = preset_settings("balanced", changes, seed=asked.seed + split)
    return blend_scorer(settings, media=data.media).fit(data), data


def without(scorer: BlendScorer, share: float, dropped: tuple[str, ...], seed: int) -> None:
    """Take a sense away from a share of the items, as if they had come without it."""
    net = scorer.net
    assert net.network is not None
    gone = np.random.default_rng(seed).permutation(len(net.counts)) < round(share * len(net.counts))
    senses = {n: Sense(s.values, s.present & ~gone) if n in dropped else s for n, s in net.senses.items()}
    net.network.tower.attach(senses, net.network.tower.trained.cpu().numpy())
    net._vectors = None  # the vectors of the whole catalogue are remembered


def gather(table: dict[str, dict[str, list[Any]]], arm: str, found: dict[str, Any]) -> None:
    for name, values in found.items():
        table.setdefault(arm, {}).setdefault(name, []).append(values)


def by_room(parts: list[Any], held: list[list[int]], n_rooms: int) -> Any:
    """The mean of each room over the splits that held it out; NaN for rooms never asked."""
    total, count = np.zeros(n_rooms), np.zeros(n_rooms)
    for values, rooms in zip(parts, held, strict=True):
        good = np.isfinite(values)
        np.add.at(total, np.array(rooms)[good], values[good])
        np.add.at(count, np.array(rooms)[good], 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def told(table: dict[str, dict[str, list[Any]]], held: list[list[int]], n_rooms: int, against: dict[str, str]) -> dict[str, Any]:
    """Means with intervals over rooms, and paired differences; also how many splits point the same way."""
    out: dict[str, Any] = {}
    for arm, found in table.items():
        out[arm] = {}
        for name, parts in found.items():
            mine = by_room(parts, held, n_rooms)
            good = np.isfinite(mine)
            low, high = bootstrap_interval(mine[good], seed=0)
            out[arm][name] = {"mean": float(mine[good].mean()), "low": float(low), "high": float(high)}
            base = against.get(arm)
            if base in table:
                other = by_room(table[base][name], held, n_rooms)
                test = paired_test(mine[good], other[good], seed=0)
                ahead = sum(float(np.nanmean(a) > np.nanmean(b)) for a, b in zip(parts, table[base][name], strict=True))
                level = float(other[good].mean())
                out[arm][name][f"minus {base}"] = {
                    "difference": test.difference,
                    "low": test.low,
                    "high": test.high,
                    "p": test.p,
                    "relative": test.difference / level,
                    "relative low": test.low / level,
                    "splits ahead": int(ahead),
                }
    return out


def main() -> None:
    """Train every arm on every split and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--items", type=int, default=0, help="the N items of most rooms; 0 = all")
    parser.add_argument("--users", type=int, default=0, help="at most this many rooms; 0 = all")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--dropout", default="0.3", help="model.modality_dropout of the second robustness curve")
    parser.add_argument("--without-missing", action="store_true", help="leave out the curves of missing photos and titles")
    asked = parser.parse_args()
    asked.set = dict(pair.split("=", 1) for pair in asked.set)
    asked.data = Path(os.environ["CROSSAISLE_DATA"]) / "ikea"
    rooms = read_rooms(asked.data, asked.items, asked.users)
    types = np.unique(rooms.items["category"].to_numpy().astype(str), return_inverse=True)[1]
    arms = [a for a in asked.arms.split(",") if a]
    table: dict[str, dict[str, list[Any]]] = {}
    missing: dict[str, dict[str, list[Any]]] = {}
    held_out, started = [], time.time()
    for split in range(asked.splits):
        rng = np.random.default_rng([asked.seed, split, 2])
        order = rng.permutation(len(rooms.rooms))
        held, train = sorted(order[: round(HELD_OUT * len(order))].tolist()), sorted(order[round(HELD_OUT * len(order)) :].tolist())
        held_out.append(held)
        shown, rest = questions(rooms, held, rng)
        for arm in arms:
            scorer, data = fitted(rooms, arm, train, split, asked, {})
            gather(table, arm, measures(scorer.score(shown), shown, rest, types))
            if dense(scorer.net.senses):
                pairs = PairModel(scorer.net.senses)
                pairs.fit(data, asked.seed)
                gather(table, f"pairs: {arm}", measures(pairs.likeness(shown, 1.0), shown, rest, types))
            print(f"split {split} {arm}: AUC {np.nanmean(table[arm]['AUC all'][-1]):.4f}, MRR {np.nanmean(table[arm]['MRR all'][-1]):.4f}")
        for dropout in () if asked.without_missing else ("0", asked.dropout):
            scorer, _ = fitted(rooms, "both", train, split, asked, {"model.modality_dropout": dropout})
            for what, dropped in (("photos", ("image",)), ("titles", ("text", "words")), ("photos and titles", ("image", "text", "words"))):
                for share in SHARES:
                    without(scorer, share, dropped, 1000 * asked.seed + split)
                    gather(missing, f"dropout {dropout}: {share:.0%} of {what} gone", measures(scorer.score(shown), shown, rest, types))
    if "ids" in table:
        missing["ids"] = table["ids"]
    results = {
        "what": __doc__.splitlines()[0] if __doc__ else "",
        "rooms": len(rooms.rooms),
        "items": rooms.items.height,
        "splits": asked.splits,
        "epochs": asked.epochs,
        "settings": asked.set,
        "seed": asked.seed,
        "minutes": round((time.time() - started) / 60, 2),
        "hardware": hardware("cpu"),
        "versions": versions(),
        "arms": told(table, held_out, len(rooms.rooms), AGAINST),
        "missing": told(missing, held_out, len(rooms.rooms), dict.fromkeys(missing, "ids")),
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(results, indent=1) + "\n")
    for arm, found in results["arms"].items():
        print(arm, {name: round(v["mean"], 4) for name, v in found.items()})


if __name__ == "__main__":
    main()
