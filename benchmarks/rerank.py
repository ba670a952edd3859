"""A second look at the head of the list, end to end on one table: what does it gain over the retriever's order?

    python benchmarks/rerank.py TABLES OUT.json                                 # full size
    python benchmarks/rerank.py TABLES OUT.json --fit train.epochs=1 --people 100 --judges 60 --test 60 --causal 0   # to try it out

TABLES holds interactions.parquet and items.parquet (benchmarks/prepare_amazon6.py OUT Beauty). Leave-one-out: the retriever learns without
the last two items of each person. The last but one is the slice: its people are parted into those whom the cross-encoder is trained on, the
judges, who choose every weight, and as many whose yes/no answers are reported. The last item is the test, looked at once, by --test people
drawn by chance. Arms, all on the same head of 50: the retriever's order; the cross-encoder's order alone; the two mixed, as chosen on the
judges (and only where these gain more than a standard error; "mixed whatever the judges say" is the same without this condition); the
control without a language model (retriever, log count, text cosine); the placebo, trained and asked with candidate texts permuted among the
items; a causal model's letters on the first 20 of a few people, plain or with --lora people to train on. Intervals are of paired bootstrap.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

import crossaisle
from crossaisle.data.dataset import Dataset
from crossaisle.data.split import leave_one_out
from crossaisle.presets import preset_settings
from crossaisle.rerank.answers import answers, best_threshold
from crossaisle.rerank.cross import CrossEncoder
from crossaisle.rerank.letters import LetterRanker
from crossaisle.rerank.mine import Mined, draw_lists, mine, parted
from crossaisle.rerank.mix import choose_mix, control_features, order_ndcg, standardised
from crossaisle.rerank.pairs import PairWriter
from crossaisle.scorers import blend_scorer
from crossaisle.stats import bootstrap_interval, paired_test

FEW = 5
"""A target with fewer events than this in training has a low count."""


def features(mined: Mined, looked: Any) -> Any:
    """float32 (Q, D, 2)."""
    return np.stack([standardised(v, mined.there) for v in (mined.scores, looked)], axis=2)


class Table:
    """N@10 of every arm, compared on the same questions."""

    def __init__(self, test: Mined, counts: Any, seed: int) -> None:
        self.test, self.seed = test, seed
        low = counts[test.targets] < FEW
        self.parts = {"all": np.ones(len(test), bool), "warm": ~low, "low count": low}
        self.values: dict[str, Any] = {}

    def add(self, name: str, scores: Any) -> None:
        self.values[name] = order_ndcg(scores, self.test.there, self.test.hits)

    def read(self) -> dict[str, Any]:
        first = self.values["retriever"]
        out: dict[str, Any] = {}
        for part, rows in self.parts.items():
            if not rows.any():
                continue
            ceiling = self.test.hits[rows].any(axis=1)
            out[part] = {"people": int(rows.sum()), "ceiling (recall of the head)": float(ceiling.mean())}
            for name, values in self.values.items():
                low, high = bootstrap_interval(values[rows], self.seed)
                gain = paired_test(values[rows], first[rows], self.seed)
                out[part][name] = {"N@10": float(values[rows].mean()), "interval": [float(low), float(high)], "gain": gain._asdict()}
        return out


def trained(mined: Mined, data: Dataset, settings: Any, seed: int, order: Any = None) -> dict[str, Any]:
    """A cross-encoder, its mix as the judges choose it, and what both cost."""
    started = time.perf_counter()
    cross = CrossEncoder.new(settings, seed)
    writer = PairWriter(cross.tokenizer, data.items, settings, order)
    train, judges, rest = (mined[rows] for rows in parted(mined, settings, seed))
    cross.train(writer, train.histories, draw_lists(train, data.item_categories, settings.negatives, seed), seed)
    minutes = (time.perf_counter() - started) / 60
    started = time.perf_counter()
    looked = cross.score(writer, judges.histories, judges.top)
    rate = judges.there.sum() / (time.perf_counter() - started)
    weights, facts = choose_mix(features(judges, looked), judges.there, judges.hits, seed)
    logits = [
        cross.score(writer, part.histories, draw_lists(part, data.item_categories, settings.negatives, seed + k + 1))
        for k, part in enumerate((judges, rest))
    ]
    truth = np.zeros(logits[0].shape, bool)
    truth[:, 0] = True
    said = answers(logits[1], best_threshold(logits[0].ravel(), truth.ravel()))
    report = {"trained_on": len(train), "training_minutes": minutes, "pairs_per_second": float(rate), "losses": cross.losses}
    return {"cross": cross, "writer": writer, "weights": weights, "report": {**report, "judges": facts, "answers": said}}


def by_letters(mined: Mined, test: Mined, data: Dataset, counts: Any, asked: Any, settings: Any) -> dict[str, Any]:
    """The causal model on the first ``--letters`` of a few people; its own table, since its head is shorter."""
    started = time.perf_counter()
    ranker = LetterRanker(data.items, history=settings.history)
    train, judges, _ = (mined[rows] for rows in parted(mined, settings, asked.seed))
    taught = _cut(train[np.arange(min(len(train), asked.lora))], asked.letters)
    judging = _cut(judges[np.arange(min(len(judges), asked.causal))], asked.letters)
    few = _cut(test[np.arange(min(len(test), asked.causal))], asked.letters)
    losses = ranker.train(taught.histories, taught.top, taught.targets, seed=asked.seed) if asked.lora else []
    scored = features(judging, ranker.score(judging.histories, judging.top))
    weights, facts = choose_mix(scored, judging.there, judging.hits, asked.seed)
    looked, table = ranker.score(few.histories, few.top), Table(few, counts, asked.seed)
    table.add("retriever", few.scores)
    table.add("letters alone", looked)
    table.add("letters mixed", features(few, looked) @ weights)
    table.add("letters mixed whatever the judges say", features(few, looked) @ np.array(facts["weights"], np.float32))
    seconds = time.perf_counter() - started
    cost = {"minutes": seconds / 60, "tokens_per_second": ranker.tokens / seconds, "trained_on": len(losses)}
    return {
        **cost,
        "losses": [float(np.mean(p)) for p in np.array_split(losses, 5)] if losses else [],
        "judges": facts,
        "table": table.read(),
    }


def _cut(mined: Mined, depth: int) -> Mined:
    return Mined(mined.histories, mined.targets, mined.top[:, :depth], mined.scores[:, :depth])


def main() -> None:
    """Fit the retriever, train what joins it, ask the test, write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--fit", nargs="*", default=[], metavar="KEY=VALUE", help="changes to the retriever's settings")
    parser.add_argument("--rerank", nargs="*", default=[], metavar="KEY=VALUE", help="changes to the section rerank, without its name")
    parser.add_argument("--users", type=int, default=0, help="only so many people of the table; 0: all")
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--judges", type=int, default=500)
    parser.add_argument("--test", type=int, default=2000)
    parser.add_argument("--causal", type=int, default=200, help="people of the causal model's test, and of its judges; 0: without it")
    parser.add_argument("--letters", type=int, default=20)
    parser.add_argument("--lora", type=int, default=0, help="people that the causal model is trained on")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    started = time.perf_counter()
    data = Dataset.from_files(asked.tables / "interactions.parquet", asked.tables / "items.parquet")
    if asked.users:
        rng = np.random.default_rng(asked.seed)
        data = data.select_users(np.sort(rng.permutation(data.n_users)[: asked.users]))
    own = {"people": str(asked.people), "judges": str(asked.judges), "model": "minilm", **dict(pair.split("=", 1) for pair in asked.rerank)}
    changes = {**dict(pair.split("=", 1) for pair in asked.fit), **{f"rerank.{key}": value for key, value in own.items()}}
    everything = preset_settings("balanced", changes, seed=asked.seed)
    settings = everything.rerank
    split = leave_one_out(data)
    scorer = blend_scorer(everything).fit(split.train, split.valid)
    minutes = {"retriever": (time.perf_counter() - started) / 60}
    mined = mine(scorer, split.valid, settings, asked.seed)
    test = mine(scorer, split.test, settings, asked.seed, most=asked.test)
    counts = split.train.item_counts
    sense = scorer.net.senses.get("text")
    vectors = None if sense is None else np.asarray(sense.values, np.float32)
    out: dict[str, Any] = {"settings": settings.to_dict(), "fit": asked.fit, "seed": asked.seed, "people": data.n_users}
    out["machine"] = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    out["versions"] = {"crossaisle": crossaisle.__version__, "torch": torch.__version__, "transformers": transformers.__version__}
    table = Table(test, counts, asked.seed)
    table.add("retriever", test.scores)
    judges = mined[parted(mined, settings, asked.seed)[1]]
    control, out["control"] = choose_mix(control_features(judges, counts, vectors), judges.there, judges.hits, asked.seed)
    table.add("control", control_features(test, counts, vectors) @ control)
    every = np.array(out["control"]["weights"], np.float32)
    table.add("control whatever the judges say", control_features(test, counts, vectors) @ every)
    permuted = np.random.default_rng([asked.seed, 6]).permutation(data.n_items)
    for name, order in (("cross-encoder", None), ("placebo", permuted)):
        look = trained(mined, data, settings, asked.seed, order)
        looked = look["cross"].score(look["writer"], test.histories, test.top)
        table.add(f"{name} alone", looked)
        table.add(f"{name} mixed", features(test, looked) @ look["weights"])
        table.add(
            f"{name} mixed whatever the judges say", features(test, looked) @ np.array(look["report"]["judges"]["weights"], np.float32)
        )
        out[name], out["table"] = look["report"], table.read()
        minutes[name] = (time.perf_counter() - started) / 60 - sum(minutes.values())
        out["minutes"] = minutes
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(out, indent=1) + "\n")
        print(name, json.dumps({k: v for k, v in look["report"].items() if k != "losses"}), flush=True)
    if asked.causal:
        out["causal"] = by_letters(mined, test, data, counts, asked, settings)
        asked.out.write_text(json.dumps(out, indent=1) + "\n")
    for name, row in out["table"]["all"].items():
        print(f"{name:45} {row if not isinstance(row, dict) else (round(row['N@10'], 4), row['gain'])}")


if __name__ == "__main__":
    main()
