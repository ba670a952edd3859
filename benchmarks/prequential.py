"""Learning from feedback between trainings, judged event by event: each event is predicted by what came before it, then learned from.

    python benchmarks/prequential.py TABLES OUT.json [--people 1000] [--weeks 10] [--questions 3000] [--look all|new]

TABLES holds interactions.parquet and items.parquet: the packaged supermarket (`crossaisle import retail`) or Food-Kitchen
(benchmarks/prepare_food_kitchen.py). The last four weeks are the test, the four before them the validation; each is preceded by a training
on the weeks before it. Settings are chosen on validation, item biases first, then those of aisles, then the last layer, and used as they
are on the test.

Arms:

- frozen model, frozen histories: nothing that happened since training is known;
- frozen model, fresh histories: each history holds every event up to the one asked about;
- the same and biases of items, of aisles, of both, learned from every event of everybody (`crossaisle.learn.online`);
- the same by default: the settings as the package has them, whatever validation says here;
- recency: the biases of both as they stand when the test begins, never taught again: what training could have known;
- placebo: the biases of both, each at another item, dealt out by chance;
- last layer: the biases of both, and the network's last layer corrected by every event of everybody (`crossaisle.learn.last_layer`); by
  itself; and two placebos, its corrections dealt to other items, and learned from states that were shuffled among the events;
- refit every week, with fresh histories, and with biases as well, against never.

An item is in the catalogue if it was taken five times or more in the training before the stretch, or first came after it: what later
events say about a known item takes no part. The rank is among all items (``all``), or among those that the person has not taken yet
(``new``, where only first takes are asked about); equal scores share their places. Intervals: 95 %, bootstrap over people.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from crossaisle import Dataset
from crossaisle.blend.scorer import BlendScorer
from crossaisle.data.histories import Histories
from crossaisle.demo import shelves_as_aisles
from crossaisle.learn.last_layer import LastLayer
from crossaisle.learn.online import OnlineBiases
from crossaisle.learn.settings import LastLayerSettings, OnlineSettings
from crossaisle.presets import preset_settings
from crossaisle.scorers import blend_scorer
from crossaisle.stats import bootstrap_means

WEEK = 7 * 86_400.0
STRETCH = 4
SEED = 0
LEAST = 5
CHANGES = {"train.refit": "false", "train.epochs": "3", "train.negatives": "1024", "across.on": "false"}
"""What the trainings here leave out, so that nine of them fit into half an hour on one slow core."""
AT_ONCE = 250
HALF_LIVES, ITEMS, PRIORS = (14.0, 60.0, 365.0), (0.5, 1.0, 1.5), (1.0, 3.0, 10.0)
AISLES, AISLE_PRIORS = (0.25, 0.5, 1.0), (30.0, 300.0)
LAYER_HALF_LIVES, VARIANCES = (14.0, 60.0), (0.03, 0.1, 0.3, 1.0, 3.0)
NOTHING = OnlineSettings(on=True, item=0.0, aisle=0.0, refresh=0.0)


class Stretch(NamedTuple):
    """Weeks to be predicted: every event, which of them are asked about, and what is known of each one's person."""

    data: Dataset
    start: float
    users: np.ndarray
    items: np.ndarray
    times: np.ndarray
    asked: np.ndarray
    frozen: Histories
    fresh: Histories

    @property
    def begin(self) -> int:
        """The first event to be predicted."""
        return int(np.searchsorted(self.times, self.start))


class Layer(NamedTuple):
    """A last layer to be learned.

    Attributes
    ----------
    states : float32 (E, D)
        Before each event of the stretch.
    deal : int (N,), optional
        Which item's correction each item gets: a placebo.
    other : float32 (E, D), optional
        What is learned from in place of ``states``: a placebo.
    """

    settings: LastLayerSettings
    states: np.ndarray
    deal: np.ndarray | None = None
    other: np.ndarray | None = None


def read(folder: Path, people: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Dated events of people drawn by chance, in the order of the log, and the items."""
    events = pl.read_parquet(folder / "interactions.parquet").drop_nulls("timestamp")
    items = pl.read_parquet(folder / "items.parquet")
    if "categories" in items.columns and items["category"].n_unique() > 10:
        items = shelves_as_aisles(items)
    if "available" in items.columns:
        events = events.join(items.filter(pl.col("available")).select("item_id"), on="item_id", how="semi", maintain_order="left")
    users = events["user_id"].unique().sort()
    if people and people < len(users):
        events = events.filter(pl.col("user_id").is_in(users.sample(people, seed=SEED).implode()))
    # a basket has no order inside; the tables' own order must not give one
    events = events.select("user_id", "item_id", "timestamp").with_columns(
        pl.Series("by_chance", np.random.default_rng(SEED).permutation(events.height))
    )
    return events.sort("timestamp", "by_chance").with_columns(position=pl.int_range(pl.len())).drop("by_chance"), items


def catalogue(events: pl.DataFrame, items: pl.DataFrame, first: float, start: float, end: float) -> pl.DataFrame:
    """The items in play from a training that begins at ``first`` to the end of the stretch that begins at ``start``."""
    window = events.filter((pl.col("timestamp") >= first) & (pl.col("timestamp") < end))
    counts = window.group_by("item_id").agg(known=(pl.col("timestamp") < start).sum())
    return items.join(counts.filter((pl.col("known") >= LEAST) | (pl.col("known") == 0)), on="item_id", how="semi", maintain_order="left")


def dataset(events: pl.DataFrame, items: pl.DataFrame, first: float, start: float) -> Dataset:
    """What a training at ``start`` sees."""
    past = events.filter((pl.col("timestamp") >= first) & (pl.col("timestamp") < start)).join(items, on="item_id", how="semi")
    return Dataset.from_frames(past.sort("position"), items, settings=preset_settings("quick", CHANGES).data)


def fitted(data: Dataset, clock: dict[str, float], name: str, cache: Path) -> BlendScorer:
    """A model trained on it."""
    began = time.perf_counter()
    model = blend_scorer(preset_settings("quick", CHANGES, seed=SEED), cache=cache).fit(data)
    clock[name] = round(time.perf_counter() - began, 1)
    print(f"{name}: trained in {clock[name]:.0f} s; {getattr(model, 'note', '')}", flush=True)
    return model


def stretch(
    events: pl.DataFrame, items: pl.DataFrame, data: Dataset, first: float, start: float, end: float, questions: int, look: str
) -> Stretch:
    """The events from ``start`` to ``end`` and some of them as questions."""
    window = events.filter((pl.col("timestamp") >= first) & (pl.col("timestamp") < end)).join(
        items, on="item_id", how="semi", maintain_order="left"
    )
    _, users = np.unique(window["user_id"].to_numpy(), return_inverse=True)
    codes = np.array([data.item_codes[i] for i in window["item_id"]], np.int64)
    times = window["timestamp"].to_numpy().astype(np.float64)
    later = np.flatnonzero(times >= start)
    if look == "new":
        seen: set[tuple[int, int]] = set()
        again = np.array([(u, i) in seen or seen.add((u, i)) is not None for u, i in zip(users.tolist(), codes.tolist(), strict=True)])
        later = later[~again[later]]
    asked = np.sort(np.random.default_rng(SEED).choice(later, min(questions, len(later)), replace=False))
    fresh = earlier(users, asked)
    frozen = [mine[times[mine] < start] for mine in fresh]
    return Stretch(data, start, users, codes, times, asked, histories_of(frozen, codes, times), histories_of(fresh, codes, times))


def earlier(users: np.ndarray, which: np.ndarray) -> list[np.ndarray]:
    """Of each of some places in the log (R,), the places of its person's events before it."""
    order = np.argsort(users, kind="stable")
    bounds = np.searchsorted(users[order], np.arange(int(users.max()) + 2))
    mine = [order[bounds[u] : bounds[u + 1]] for u in users[which].tolist()]
    return [rows[: np.searchsorted(rows, q)] for rows, q in zip(mine, which.tolist(), strict=True)]


def histories_of(rows: list[np.ndarray], codes: np.ndarray, times: np.ndarray) -> Histories:
    offsets = np.concatenate([[0], np.cumsum([len(r) for r in rows])])
    flat = np.concatenate(rows).astype(np.int64)
    return Histories.from_arrays(offsets, codes[flat], times=times[flat])


def scored(model: BlendScorer, histories: Histories, seen: Histories | None) -> np.ndarray:
    """float32 (Q, N) scores; what a person has taken is out of the way where ``seen`` is given."""
    out = np.concatenate([model.score(histories[slice(at, at + AT_ONCE)]) for at in range(0, len(histories), AT_ONCE)])
    if seen is not None:
        out[seen.owners, seen.items] = -np.inf
    return out


def states_before(model: BlendScorer, part: Stretch, which: np.ndarray) -> np.ndarray:
    """float32 (R, D): the network's state before some events (places in the log); zeros where nothing came before."""
    histories = histories_of(earlier(part.users, which), part.items, part.times)
    out = np.zeros((len(which), model.item_vectors().shape[1]), np.float32)
    known = np.flatnonzero(histories.lengths > 0)
    for at in range(0, len(known), AT_ONCE):
        rows = known[at : at + AT_ONCE]
        out[rows] = model.net.states(histories[rows])[0]
    return out


def places(scores: np.ndarray, target: int) -> float:
    """The target's place from 0; equal ones share theirs."""
    own = scores[target]
    return float((scores > own).sum() + ((scores == own).sum() - 1) / 2)


def measures(ranks: np.ndarray) -> np.ndarray:
    """float64 (Q, 2): HR@10 and N@10."""
    inside = ranks < 10
    return np.stack([inside, np.where(inside, 1 / np.log2(ranks + 2), 0.0)], axis=1).astype(np.float64)


def judged(base: np.ndarray, part: Stretch) -> np.ndarray:
    """Ranks without any bias."""
    return np.array([places(row, t) for row, t in zip(base, part.items[part.asked], strict=True)])


def learning(
    base: np.ndarray,
    part: Stretch,
    counts: list[tuple[float, np.ndarray]],
    settings: OnlineSettings,
    warm: bool,
    deal: np.ndarray | None = None,
    taught: bool = True,
    layer: Layer | None = None,
) -> np.ndarray:
    """Ranks with biases and a last layer: predict, then learn.

    Parameters
    ----------
    counts : list of (moment, int (N,))
        Each training's moment and what it had seen of each item; biases start anew with it.
    warm : bool
        The biases begin with the events of the training itself, so that they hold how recent ones differ from older ones.
    deal : int (N,), optional
        Which item's bias each item gets: the placebo.
    taught : bool
        Whether the events of the stretch are learned.
    layer : Layer, optional
        By default none is learned.
    """
    out = np.empty(len(part.asked))
    aisles = part.data.item_categories
    at, training = 0, -1
    biases = OnlineBiases(counts[0][1], aisles, settings)
    last, n, first = None, part.data.n_items, part.begin
    every = np.arange(n)
    ones = np.ones(len(part.items), np.int64)
    for place, q in enumerate(part.asked.tolist()):
        while training + 1 < len(counts) and part.times[q] >= counts[training + 1][0]:
            training += 1
            begin = int(np.searchsorted(part.times, counts[training][0]))
            biases = OnlineBiases(counts[training][1], aisles, settings)
            at = 0 if warm else begin
            biases.take(part.items[at:begin], ones[at:begin], part.times[at:begin])
            at = begin
            last = None if layer is None else LastLayer(n, layer.states.shape[1], layer.settings)
        if taught:
            biases.take(part.items[at:q], ones[at:q], part.times[at:q])
            if last is not None and layer is not None:
                told = layer.states if layer.other is None else layer.other
                last.take(part.items[at:q], part.users[at:q], told[at - first : q - first], part.times[at:q])
            at = q
        bias = biases.bias(float(part.times[q]) if taught else counts[training][0])
        scores = base[place] + (bias if deal is None else bias[deal])
        found = None if last is None else last.at(float(part.times[q]))
        if found is not None and layer is not None and (state := layer.states[q - first]).any():
            scores += found.scores(state, every if layer.deal is None else layer.deal)
        out[place] = places(scores, int(part.items[q]))
    return out


def chosen(base: np.ndarray, part: Stretch, counts: np.ndarray) -> tuple[OnlineSettings, bool, list[dict[str, Any]]]:
    """The settings that rank best on validation, whether the biases begin with the events of training, and all that was tried."""
    tried: list[dict[str, Any]] = []

    def worth(settings: OnlineSettings, warm: bool) -> float:
        ranks = learning(base, part, [(part.start, counts)], settings, warm)
        value = float(measures(ranks)[:, 1].mean())
        kept = {k: getattr(settings, k) for k in ("half_life", "item", "item_prior", "aisle", "aisle_prior")}
        tried.append({**kept, "warm": warm, "ndcg@10": round(value, 5)})
        return value

    best, best_warm, top = NOTHING, False, worth(NOTHING, False)
    for half, item, prior, warm in itertools.product(HALF_LIVES, ITEMS, PRIORS, (False, True)):
        settings = dataclasses.replace(NOTHING, half_life=half, item=item, item_prior=prior)
        if (value := worth(settings, warm)) > top:
            best, best_warm, top = settings, warm, value
    items_best = best
    for aisle, prior in itertools.product(AISLES, AISLE_PRIORS):
        settings = dataclasses.replace(items_best, aisle=aisle, aisle_prior=prior)
        if (value := worth(settings, best_warm)) > top:
            best, top = settings, value
    return best, best_warm, tried


def chosen_layer(
    base: np.ndarray, part: Stretch, counts: np.ndarray, states: np.ndarray, biases: OnlineSettings, warm: bool
) -> tuple[LastLayerSettings, list[dict[str, Any]]]:
    """The settings of the last layer that rank best on validation beside these biases, whether or not they gain; and all that was tried."""
    tried: list[dict[str, Any]] = []
    for half, variance in itertools.product(LAYER_HALF_LIVES, VARIANCES):
        settings = LastLayerSettings(on=True, half_life=half, variance=variance)
        ranks = learning(base, part, [(part.start, counts)], biases, warm, layer=Layer(settings, states))
        tried.append({"half_life": half, "variance": variance, "ndcg@10": round(float(measures(ranks)[:, 1].mean()), 5)})
    best = max(tried, key=lambda row: row["ndcg@10"])
    return LastLayerSettings(on=True, half_life=best["half_life"], variance=best["variance"]), tried


def summary(arms: dict[str, np.ndarray], owners: np.ndarray, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Means and differences with intervals, people resampled."""
    _, who = np.unique(owners, return_inverse=True)
    n = np.bincount(who).astype(np.float64)

    def total(values: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(who, weights=column) for column in values.T], axis=1)

    def interval(values: np.ndarray) -> dict[str, list[float]]:
        means = bootstrap_means(np.concatenate([total(values), n[:, None]], axis=1), SEED)
        ratio = means[:, :-1] / means[:, -1:]
        low, high = np.quantile(ratio, (0.025, 0.975), axis=0)
        return {m: [round(float(x), 5) for x in (values[:, i].mean(), low[i], high[i])] for i, m in enumerate(("hr@10", "ndcg@10"))}

    found = {name: measures(ranks) for name, ranks in arms.items()}
    return {
        "arms": {name: interval(values) for name, values in found.items()},
        "differences": {f"{a} - {b}": interval(found[a] - found[b]) for a, b in pairs},
    }


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", help="what to call it")
    parser.add_argument("--people", type=int, default=0)
    parser.add_argument("--weeks", type=int, default=10, help="weeks that each training sees")
    parser.add_argument("--questions", type=int, default=3000)
    parser.add_argument("--tuning", type=int, default=2500, help="questions of validation, at most")
    parser.add_argument("--look", choices=("all", "new"), default="all")
    parser.add_argument("--stretch", type=int, default=STRETCH, help="weeks of validation, and of test")
    parser.add_argument("--every", type=int, default=1, help="weeks between trainings of the arm that refits")
    asked = parser.parse_args()
    began, clock = time.perf_counter(), {}
    events, items = read(asked.tables, asked.people)
    end = float(events["timestamp"].max()) + 1  # type: ignore[arg-type]
    long, window = asked.stretch * WEEK, asked.weeks * WEEK
    cache = asked.tables / "encoded"

    def prepare(
        start: float, until: float, name: str, questions: int
    ) -> tuple[Stretch, BlendScorer, np.ndarray, Histories | None, pl.DataFrame]:
        table = catalogue(events, items, start - window, start, until)
        data = dataset(events, table, start - window, start)
        part = stretch(events, table, data, start - window, start, until, questions, asked.look)
        seen = part.fresh if asked.look == "new" else None
        model = fitted(data, clock, name, cache)
        print(f"{name}: {data.n_items:,} items, {len(data.histories.items):,} events before, {len(part.asked):,} questions", flush=True)
        return part, model, scored(model, part.fresh, seen), seen, table

    part, model, base, _, _ = prepare(end - 2 * long, end - long, "validation", min(asked.tuning, asked.questions))
    settings, warm, tried = chosen(base, part, part.data.item_counts)
    states = states_before(model, part, np.arange(part.begin, len(part.items)))
    layer, tried_layers = chosen_layer(base, part, part.data.item_counts, states, settings, warm)
    print(f"chosen: {settings}, warm {warm}, {layer}; {time.perf_counter() - began:.0f} s", flush=True)
    part, model, base, seen, table = prepare(end - long, end, "test", asked.questions)
    counts = [(part.start, part.data.item_counts)]
    item_only, aisle_only = dataclasses.replace(settings, aisle=0.0), dataclasses.replace(settings, item=0.0)
    deal = np.random.default_rng(SEED + 1).permutation(part.data.n_items)
    states = states_before(model, part, np.arange(part.begin, len(part.items)))
    there = np.flatnonzero(states.any(axis=1))
    shuffled = states.copy()
    shuffled[there] = states[np.random.default_rng(SEED + 2).permutation(there)]
    fresh, both = "fresh histories", "fresh histories, biases of both"
    last = "fresh histories, biases of both, last layer"
    arms = {
        "frozen histories": judged(scored(model, part.frozen, seen), part),
        fresh: judged(base, part),
        "fresh histories, biases of items": learning(base, part, counts, item_only, warm),
        "fresh histories, biases of aisles": learning(base, part, counts, aisle_only, warm),
        both: learning(base, part, counts, settings, warm),
        "fresh histories, biases by default": learning(base, part, counts, OnlineSettings(on=True, refresh=0.0), False),
        "fresh histories, recency": learning(base, part, counts, settings, True, taught=False),
        "fresh histories, placebo": learning(base, part, counts, settings, warm, deal),
        "fresh histories, last layer": learning(base, part, counts, NOTHING, False, layer=Layer(layer, states)),
        last: learning(base, part, counts, settings, warm, layer=Layer(layer, states)),
        f"{last}, other items": learning(base, part, counts, settings, warm, layer=Layer(layer, states, deal)),
        f"{last}, other states": learning(base, part, counts, settings, warm, layer=Layer(layer, states, other=shuffled)),
    }
    print(f"arms without refits: {time.perf_counter() - began:.0f} s", flush=True)
    refits = base.copy()
    for week in range(asked.every, asked.stretch, asked.every):
        start = part.start + week * WEEK
        data = dataset(events, table, start - window, start)
        mine = np.flatnonzero((part.times[part.asked] >= start) & (part.times[part.asked] < start + asked.every * WEEK))
        again = fitted(data, clock, f"refit after {week} weeks", cache)
        refits[mine] = scored(again, part.fresh[mine], None if seen is None else seen[mine])
        now = np.arange(int(np.searchsorted(part.times, start)), len(part.items))
        states[now - part.begin] = states_before(again, part, now)
        counts.append((start, data.item_counts))
    arms["refits, fresh histories"] = judged(refits, part)
    arms["refits, fresh histories, biases of both"] = learning(refits, part, counts, settings, warm)
    arms["refits, fresh histories, biases of both, last layer"] = learning(refits, part, counts, settings, warm, layer=Layer(layer, states))
    pairs = [
        (fresh, "frozen histories"),
        ("fresh histories, biases of items", fresh),
        ("fresh histories, biases of aisles", fresh),
        (both, fresh),
        (both, "frozen histories"),
        ("fresh histories, biases by default", fresh),
        ("fresh histories, recency", fresh),
        (both, "fresh histories, recency"),
        ("fresh histories, placebo", fresh),
        ("fresh histories, last layer", fresh),
        (last, both),
        (f"{last}, other items", both),
        (f"{last}, other states", both),
        (last, f"{last}, other states"),
        ("refits, fresh histories", fresh),
        ("refits, fresh histories", both),
        ("refits, fresh histories, biases of both", "refits, fresh histories"),
        ("refits, fresh histories, biases of both, last layer", "refits, fresh histories, biases of both"),
    ]
    owners = part.users[part.asked]
    since = np.setdiff1d(part.items[part.times >= part.start], part.items[part.times < part.start])
    old = part.data.item_counts[part.items[part.asked]] > 0
    out = {
        "data": asked.data or asked.tables.name,
        "look": asked.look,
        "weeks a training sees": asked.weeks,
        "weeks of test": asked.stretch,
        "weeks between refits": asked.every,
        "seed": SEED,
        "items": part.data.n_items,
        "items that came after training": len(since),
        "events before the test": int((part.times < part.start).sum()),
        "events of the test": int((part.times >= part.start).sum()),
        "questions": len(part.asked),
        "people asked": len(np.unique(owners)),
        "settings chosen on validation": settings.to_dict(),
        "biases begin with the events of training": warm,
        "last layer chosen on validation": layer.to_dict(),
        "training changes": CHANGES,
        **summary(arms, owners, pairs),
        "questions whose item training knew": {
            "questions": int(old.sum()),
            **summary({n: r[old] for n, r in arms.items()}, owners[old], pairs),
        },
        "validation": tried,
        "validation, last layer": tried_layers,
        "seconds": {**clock, "all": round(time.perf_counter() - began, 1)},
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")
    known = out["questions whose item training knew"]
    for name, values in {**out["arms"], **out["differences"], **{f"known: {k}": v for k, v in known["differences"].items()}}.items():
        print(f"{name:70s} " + "  ".join(f"{m} {v[0]:.4f} [{v[1]:.4f}, {v[2]:.4f}]" for m, v in values.items()))


if __name__ == "__main__":
    main()
