"""What it costs to train the language model inside the recommender, and what it brings: one row an arm.

    python benchmarks/tune_cost.py TABLES OUT.json                                  # every arm
    python benchmarks/tune_cost.py TABLES OUT.json --users 2000 --epochs 3 --arms minilm-frozen,minilm-lora --senses id,text

TABLES holds interactions.parquet and items.parquet (benchmarks/prepare_amazon6.py). An arm is MODEL-FORM: minilm (masked) or smollm2
(causal); frozen, last-n, lora, full; and ``random``, MiniLM with random weights, the placebo: what it gains is not due to pretraining.
MODEL-FORM@RATE has another learning rate than the form's own; of several rates of one form the row with the best validation is marked.
``smollm2-full`` is for cost only: give it --items 1000. Each arm runs for each list of senses in a process of its own, so that the peak
of memory is its own, and under two protocols: leave-one-out (known items) and cold-item (new items, and known ones beside them).

After every epoch N@10 of the test questions is taken, whose time does not count, so one run is read at equal epochs (the epoch that
validation prefers) and at equal time (the best epoch by validation among those that ended within the time that the frozen arm took for all
of its epochs, or within --minutes). Time is the processor's, which is that of the clock on an idle machine; the clock's stands beside it.
Paired intervals are against frozen with the same model and senses.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

import crossaisle
from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Queries, cold_item, leave_one_out
from crossaisle.encode.text import TextSettings, choose_reader
from crossaisle.metrics import ndcg
from crossaisle.model.network import Network
from crossaisle.presets import preset_settings
from crossaisle.scorers import network_scorer
from crossaisle.stats import paired_test
from crossaisle.train import fit
from crossaisle.tune.adapt import adapt
from crossaisle.tune.settings import TuneSettings

ARMS = (
    "minilm-frozen", "minilm-last-n", "minilm-lora", "minilm-full", "random-frozen", "random-last-n", "random-lora", "random-full",
    "smollm2-frozen", "smollm2-last-n", "smollm2-lora",
)  # fmt: skip
SENSES = ("id,text,words", "id,text")
PROTOCOLS = {"warm": leave_one_out, "cold": cold_item}


def small(source: Path, out: Path, users: int, items: int) -> Path:
    """A smaller shop: users drawn by chance, then only the ``items`` items with most events."""
    if not users and not items:
        return source
    events, catalogue = pl.read_parquet(source / "interactions.parquet"), pl.read_parquet(source / "items.parquet")
    if users:
        chosen = events["user_id"].unique().sort()
        events = events.filter(pl.col("user_id").is_in(chosen.sample(min(users, len(chosen)), seed=0).implode()))
    if items:
        kept = events.group_by("item_id").len().sort(["len", "item_id"], descending=[True, False])["item_id"].head(items)
        events = events.filter(pl.col("item_id").is_in(kept.implode()))
    out.mkdir(parents=True)
    events.write_parquet(out / "interactions.parquet")
    catalogue.filter(pl.col("item_id").is_in(events["item_id"].unique().implode())).write_parquet(out / "items.parquet")
    return out


def random_model(folder: Path) -> Path:
    """MiniLM's shape and tokenizer with weights drawn by chance."""
    from transformers import AutoConfig, AutoModel

    reader, _ = choose_reader(TextSettings(reader="minilm"), [])
    path = Path(reader.path)  # type: ignore[attr-defined]
    torch.manual_seed(0)
    AutoModel.from_config(AutoConfig.from_pretrained(path)).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(path / name, folder / name)
    return folder


class Watched(fit.NetworkScorer):
    """A network that also answers the test questions after each epoch; what that takes is taken off its time."""

    def watch(self, test: Queries, new: Any) -> None:
        """Which questions; ``new`` marks those for items without events."""
        self.test, self.new = test, new
        self.trail: list[dict[str, Any]] = []
        self.started, self.spent = time.monotonic(), 0.0
        self.started_cpu, self.spent_cpu = time.process_time(), 0.0

    def _validation_score(self, network: Network, data: Dataset, queries: Queries) -> float:
        score = super()._validation_score(network, data, queries)
        validated = time.monotonic()
        seconds = validated - self.started - self.spent
        cpu, cpu_seconds = time.process_time(), time.process_time() - self.started_cpu - self.spent_cpu
        self._use(network, data, None)
        top = []
        for start in range(0, len(self.test), 1024):
            part = self.test[np.arange(start, min(start + 1024, len(self.test)))]
            scores = torch.from_numpy(np.array(self.score(part.histories)))
            scores[part.histories.owners, part.histories.items] = -torch.inf
            top.append(scores.topk(10, dim=1).indices.numpy())
        values = ndcg(np.concatenate(top), self.test.targets, 10)
        self.network = self._vectors = None
        self.trail.append(
            {"seconds": seconds, "cpu_seconds": cpu_seconds, "validation": score, "values": [round(float(v), 6) for v in values]}
        )
        self.spent += time.monotonic() - validated
        self.spent_cpu += time.process_time() - cpu
        print(
            f"  epoch {len(self.trail)}: {seconds:.0f} s ({cpu_seconds:.0f} s of the processor), validation {score:.4f}",
            flush=True,
        )
        return score


def run(tables: Path, arm: str, senses: str, protocol: str, changes: dict[str, str], seed: int) -> dict[str, Any]:
    """Train one arm under one protocol."""
    model, _, form = arm.partition("-")
    form, _, rate = form.partition("@")
    if rate:
        changes = {**changes, "tune.learning_rate": rate}
    with tempfile.TemporaryDirectory() as folder:
        reader = str(random_model(Path(folder))) if model == "random" else model
        settings = preset_settings(
            "balanced", {"model.senses": senses, "text.reader": reader, "tune.form": form, "train.patience": "1000", **changes}, seed=seed
        )
        data = Dataset.from_files(tables / "interactions.parquet", tables / "items.parquet")
        split = PROTOCOLS[protocol](data)
        scorer = network_scorer(settings, arm)
        scorer.__class__ = Watched
        assert isinstance(scorer, Watched)
        assert scorer.reader is not None
        warmed = time.monotonic()
        scorer.reader.fit(data.items).read(data.items)  # into the cache: reading once is every arm's, and has its own line
        reading = time.monotonic() - warmed
        test = split.test.unseen()
        new = split.train.item_counts[test.targets.items[test.targets.offsets[:-1]]] == 0
        scorer.watch(test, new)
        before = scorer.reader.text_model()  # type: ignore[attr-defined]
        trained = adapt(before.load()[1], TuneSettings.from_dict(settings.tune.to_dict())).n_trained
        scorer.fit(split.train, split.valid)
    return {
        "arm": arm,
        "senses": senses,
        "protocol": protocol,
        "items": data.n_items,
        "users": data.n_users,
        "seconds_to_read_once": reading,
        "trained_parameters_of_language_model": trained,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "new": new.astype(int).tolist(),
        "epochs": scorer.trail,
    }


def picked(epochs: list[dict[str, Any]], seconds: float = np.inf) -> dict[str, Any] | None:
    """The epoch that validation prefers among those that ended in time."""
    within = [e for e in epochs if e["cpu_seconds"] <= seconds]
    return max(within, key=lambda e: e["validation"]) if within else None


def table(runs: list[dict[str, Any]], minutes: float, seed: int) -> list[dict[str, Any]]:
    """A row for each run: cost, N@10 of known and of new items at equal epochs and in equal time, intervals against frozen."""
    rows = []
    for r in runs:
        base = next(
            (
                b
                for b in runs
                if b["arm"] == r["arm"].partition("-")[0] + "-frozen" and (b["senses"], b["protocol"]) == (r["senses"], r["protocol"])
            ),
            None,
        )
        row: dict[str, Any] = {k: r[k] for k in ("arm", "senses", "protocol", "peak_memory_mb", "trained_parameters_of_language_model")}
        row["minutes"], row["processor_minutes"] = r["epochs"][-1]["seconds"] / 60, r["epochs"][-1]["cpu_seconds"] / 60
        limit = minutes * 60 if minutes else base["epochs"][-1]["cpu_seconds"] if base else np.inf
        new = np.array(r["new"], dtype=bool)
        for reading, seconds in (("equal epochs", np.inf), ("equal time", limit)):
            mine, theirs = picked(r["epochs"], seconds), None if base is None else picked(base["epochs"], seconds)
            row[reading] = {"epoch": None} if mine is None else {"epoch": r["epochs"].index(mine) + 1, "validation": mine["validation"]}
            for name, mask in (("known", ~new), ("new", new)):
                if mine is None or not mask.any():
                    continue
                values = np.array(mine["values"])[mask]
                row[reading][name] = {"ndcg@10": float(values.mean())}
                if theirs is not None and base is not r:
                    row[reading][name]["against frozen"] = paired_test(values, np.array(theirs["values"])[mask], seed)._asdict()
        rows.append(row)
    for row in rows:  # the rate of a form that validation prefers
        same = [r for r in rows if all(r[k].partition("@")[0] == row[k].partition("@")[0] for k in ("arm", "senses", "protocol"))]
        row["best rate by validation"] = row is max(same, key=lambda r: r["equal epochs"]["validation"])
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """The table, as text."""
    for row in rows:
        mark = "*" if row["best rate by validation"] else " "
        what = f"{mark}{row['arm']:20} {row['senses']:14} {row['protocol']:5}"
        print(f"{what} {row['processor_minutes']:6.1f} min {row['peak_memory_mb']:6.0f} MB "
              f"{row['trained_parameters_of_language_model']:>11,}", end="")  # fmt: skip
        for reading in ("equal epochs", "equal time"):
            for name in ("known", "new"):
                if name in row[reading]:
                    v = row[reading][name]
                    d = v.get("against frozen")
                    print(f" | {reading} {name} {v['ndcg@10']:.4f}" + ("" if d is None else f" ({d['low']:+.4f} {d['high']:+.4f})"), end="")
        print()


def main() -> None:
    """Run every arm in a process of its own and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--senses", nargs="+", default=list(SENSES))
    parser.add_argument("--protocols", default="warm,cold")
    parser.add_argument("--users", type=int, default=0, help="so many users drawn by chance (default: all)")
    parser.add_argument("--items", type=int, default=0, help="only so many items, those with most events (default: all)")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=0, help="the equal time (default: what frozen takes for its epochs)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of every arm")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    changes = {"train.epochs": str(asked.epochs), **dict(pair.split("=", 1) for pair in asked.set)}
    if asked.one:
        arm, senses, protocol = asked.one.split("/")
        asked.out.write_text(json.dumps(run(asked.tables, arm, senses, protocol, changes, asked.seed)))
        return
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        tables, runs = small(asked.tables, Path(folder) / "tables", asked.users, asked.items), []
        for protocol in asked.protocols.split(","):
            for senses in asked.senses:
                for arm in asked.arms.split(","):
                    print(f"== {arm} {senses} {protocol}", flush=True)
                    part = Path(folder) / "one.json"
                    options = [o for pair in asked.set for o in ("--set", pair)]
                    same = ["--epochs", str(asked.epochs), "--seed", str(asked.seed)]
                    one = [str(tables), str(part), "--one", f"{arm}/{senses}/{protocol}"]
                    subprocess.run([sys.executable, __file__, *one, *same, *options], check=True)
                    runs.append(json.loads(part.read_text()))
                    rows = table(runs, asked.minutes, asked.seed)
                    made = {"processor": platform.processor() or platform.machine(), "threads": torch.get_num_threads(),
                            "cores": os.cpu_count(), "python": platform.python_version(), "torch": torch.__version__,
                            "crossaisle": crossaisle.__version__}  # fmt: skip
                    kept = [
                        {k: v for k, v in r.items() if k != "new"}
                        | {"epochs": [{k: v for k, v in e.items() if k != "values"} for e in r["epochs"]]}
                        for r in runs
                    ]
                    content = {
                        "settings": {**changes, "users": asked.users, "items": asked.items, "seed": asked.seed},
                        "made_on": made,
                        "rows": rows,
                        "runs": kept,
                    }
                    asked.out.write_text(json.dumps(content, indent=1) + "\n")
        show(rows)


if __name__ == "__main__":
    main()
