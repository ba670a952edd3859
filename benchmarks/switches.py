"""Each switch of training alone, and together: what it brings, what it costs, and whether plain training for as long brings as much.

    python benchmarks/switches.py TABLES OUT.json                                          # leave-one-out, the network alone, 3 seeds
    python benchmarks/switches.py TABLES OUT.json --protocol hidden-aisle --models crossaisle
    python benchmarks/switches.py TABLES OUT.json --arms plain,fgm,noise --seeds 1 --users 2000 --set train.epochs=2     # to try it out

TABLES: benchmarks/prepare_amazon6.py. Preset ``quick``. Arms change settings and nothing else; ``longer`` is plain training for twice the
epochs, the control of equal compute for whatever takes twice the time; ``dropout`` has more of it, the plain remedy for overfitting;
``noise`` changes vectors at random by the size that ``fgm`` changes them for the worse. ``A+B`` are two arms together. Every arm is asked
the same questions; a question's value is its mean over the seeds, differences are paired over questions. Arms that OUT holds are kept.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from crossaisle.data.dataset import Dataset
from crossaisle.evaluate import facts
from crossaisle.evaluate.looks import PROTOCOLS, make_split
from crossaisle.evaluate.protocol import evaluate
from crossaisle.presets import preset_settings
from crossaisle.stats import bootstrap_interval, paired_test
from crossaisle.train.device import choose_device

ARMS: dict[str, dict[str, str]] = {
    "plain": {},
    "longer": {"train.epochs": "8"},
    "dropout": {"model.dropout": ".5"},
    "noise": {"train.adversarial": "noise"},
    "fgm": {"train.adversarial": "fgm"},
    "fgm-text": {"train.adversarial": "fgm", "train.adversarial_on": "text"},
    "pgd": {"train.adversarial": "pgd"},
    "vat": {"train.adversarial": "vat"},
    "typos": {"train.char_noise": ".1"},
    "views": {"train.contrastive": "views"},
    "item": {"train.contrastive": "item"},
    "aisles": {"train.contrastive": "aisles"},
    "ips": {"train.debias": "ips"},
    "popularity": {"train.debias": "popularity", "train.debias_serve": "auto"},
    "pairs": {"blend.parts": "markov,word-knn,text-knn,pairs"},
    "factored": {"train.objective": "factored"},
}
CONTROL = {"fgm": "noise", "fgm-text": "noise", "pgd": "noise"}
"""Which arm has the same cost and lacks the idea; ``longer`` for the rest."""


def changes_of(arm: str) -> dict[str, str]:
    """The settings of an arm, or of several joined by +."""
    out: dict[str, str] = {}
    for one in arm.split("+"):
        out |= ARMS[one]
    return out


def run(data: Dataset, split: Any, arm: str, asked: argparse.Namespace, seed: int) -> dict[str, Any]:
    """One fit: N@10 of each question, and what it cost."""
    changes = dict(pair.split("=", 1) for pair in asked.set) | changes_of(arm)
    settings = preset_settings(asked.preset, changes, seed=seed)
    view = PROTOCOLS[asked.protocol].views[0].name
    clock, cpu = time.monotonic(), time.process_time()
    found = evaluate(data, protocol=asked.protocol, models=[asked.models], settings=settings, split=split)
    rows = found.per_query.filter((found.per_query["view"] == view) & (found.per_query["model"] == asked.models)).sort("query")
    return {
        "values": [round(float(v), 6) for v in rows["ndcg@10"].to_numpy()],
        "seconds": time.monotonic() - clock,
        "cpu_seconds": time.process_time() - cpu,
    }


def table(runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Means, intervals, and paired differences from plain training and from the control of the same cost."""
    means = {arm: np.mean([r["values"] for r in by_seed.values()], axis=0) for arm, by_seed in runs.items() if by_seed}
    rows: dict[str, Any] = {}
    for arm, values in means.items():
        low, high = bootstrap_interval(values, seed=0)
        rows[arm] = {
            "N@10": float(values.mean()),
            "interval": [float(low), float(high)],
            "by seed": [float(np.mean(r["values"])) for r in runs[arm].values()],
            "cpu_seconds": float(np.mean([r["cpu_seconds"] for r in runs[arm].values()])),
        }
        for other in dict.fromkeys(("plain", CONTROL.get(arm, "longer"))):
            if other in means and other != arm:
                rows[arm][f"minus {other}"] = paired_test(values, means[other], seed=0)._asdict()
    return rows


def main() -> None:
    """Fit every arm with every seed, write after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--models", default="crossaisle-network", help="the model that is asked")
    parser.add_argument("--protocol", default="leave-one-out")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--users", type=int, default=0, help="so many users drawn by chance (default: all)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of every arm")
    asked = parser.parse_args()
    data = Dataset.from_files(asked.tables / "interactions.parquet", asked.tables / "items.parquet")
    if asked.users:
        data = data.select_users(np.sort(np.random.default_rng(0).permutation(data.n_users)[: asked.users]))
    split = make_split(asked.protocol, data, 0, False, (), None)
    kept = json.loads(asked.out.read_text()) if asked.out.is_file() else {"runs": {}}
    runs: dict[str, dict[str, Any]] = kept["runs"]
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    for seed in range(asked.seeds):
        for arm in asked.arms.split(","):
            if str(seed) in runs.setdefault(arm, {}):
                continue
            runs[arm][str(seed)] = run(data, split, arm, asked, seed)
            content = {
                "tables": asked.tables.name,
                "protocol": asked.protocol,
                "model": asked.models,
                "preset": asked.preset,
                "settings": asked.set,
                "users": data.n_users,
                "items": data.n_items,
                "arms": {name: changes_of(name) for name in runs},
                "table": table(runs),
                "hardware": facts.hardware(choose_device("auto")),
                "versions": facts.versions(),
                "runs": runs,
            }
            asked.out.write_text(json.dumps(content) + "\n")
            row = content["table"][arm]
            told = {
                k: (round(v["difference"], 4), round(v["low"], 4), round(v["high"], 4)) for k, v in row.items() if k.startswith("minus")
            }
            print(f"seed {seed} {arm:12} N@10 {row['N@10']:.4f}, {row['cpu_seconds']:.0f} s of the processor {told}", flush=True)


if __name__ == "__main__":
    main()
