"""Each switch of training alone, and together: what it brings, what it costs, and whether plain training for as long brings as much.

    python benchmarks/switches.py TABLES OUT.json                                          # leave-one-out, the network alone, 3 seeds
    python benchmarks/switches.py TABLES OUT.json --protocol hidden-aisle --models crossaisle
    python benchmarks/switches.py TABLES OUT.json --arms plain,fgm,noise --seeds 1 --users 2000 --set train.epochs=2     # to try it out

TABLES: benchmarks/prepare_amazon6.py. Preset ``quick``. Arms change settings and nothing else; ``longer`` is plain training for twice the
epochs, the control of equal compute for whatever takes twice the time; ``dropout`` has more of it, the plain remedy for overfitting;
``noise`` changes vectors at random by the size that ``fgm`` changes them for the worse. ``A+B`` are two arms together. Every arm is asked
the same questions; a question's value is its mean over the seeds, differences are paired over questions. Beside them stand the validation
N@10, by which a combination may be chosen (``better on validation``: above plain training and above the arm's control with every seed), and
N@10 of training: the newest event that was learned from, asked after those before it, so that training less test is how far it is
overfitted. Arms that OUT holds are kept; N@10 of each question lies in a .npz beside it.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from resume import earlier

from crossaisle.cli.options import parse_settings
from crossaisle.contracts import Scorer
from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Split, hold_out_last
from crossaisle.data.split_parts import at_most
from crossaisle.evaluate import facts
from crossaisle.evaluate.attack.asking import ask
from crossaisle.evaluate.looks import make_split
from crossaisle.evaluate.models import ModelSource
from crossaisle.evaluate.protocol import evaluate
from crossaisle.presets import AllSettings, preset_settings
from crossaisle.stats import bootstrap_interval, paired_test
from crossaisle.train.device import choose_device

ARMS: dict[str, dict[str, str]] = {
    "plain": {},
    "longer": {},  # twice the epochs
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
CONTROL = {"fgm": ("noise",), "fgm-text": ("noise",), "pgd": ("noise",)}
"""Which arm has the same cost and lacks the idea, beside ``longer``."""


TRAINED = 5_000
"""Most questions about what was learned from."""


def changes_of(arm: str) -> dict[str, str]:
    """The settings of an arm, or of several joined by +."""
    out: dict[str, str] = {}
    for one in arm.split("+"):
        out |= ARMS[one]
    return out


def settings_of(preset: str, arm: str, changes: dict[str, str], seed: int) -> AllSettings:
    """The preset, what every arm changes, and what this one does."""
    settings = preset_settings(preset, changes | changes_of(arm), seed=seed)
    return settings.changed({"train.epochs": str(2 * settings.train.epochs)}) if "longer" in arm.split("+") else settings


def run(data: Dataset, split: Split, arm: str, asked: argparse.Namespace, seed: int) -> dict[str, Any]:
    """One fit: N@10 of each question, on validation and on training, and what it cost."""
    settings = settings_of(asked.preset, arm, parse_settings(asked.set), seed)
    source = ModelSource(data, settings)
    made: list[Any] = []

    def make(name: str, settings: AllSettings, seed: int, data: Dataset) -> Scorer:
        scorer = source.make(name, settings, seed, data)
        made.append(scorer)
        return scorer

    clock, cpu = time.monotonic(), time.process_time()
    found = evaluate(data, protocol=asked.protocol, models=[asked.models], settings=settings, split=split, make_scorer=make)
    seconds = time.monotonic() - clock, time.process_time() - cpu
    (scorer,) = made
    view = found.views[0].name
    rows = found.per_query.filter(found.per_query["view"] == view).sort("query")
    learned = hold_out_last(split.train)[1].unseen()
    learned = learned[at_most(np.arange(len(learned)), TRAINED, 0)]
    return {
        "values": rows["ndcg@10"].to_numpy(),
        "valid": max(scorer.selection.scores),
        "train": float(ask(scorer, learned, data.n_items).ndcg.mean()),
        "fit_minutes": float(found.runs["fit_minutes"][0]),
        "seconds": seconds[0],
        "cpu_seconds": seconds[1],
    }


def table(runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Means, intervals, and paired differences from plain training and from the control of the same cost."""
    runs = {arm: by_seed for arm, by_seed in runs.items() if by_seed}
    rows: dict[str, Any] = {}

    def mean(arm: str, name: str, seeds: Any) -> Any:
        return np.mean([runs[arm][seed][name] for seed in seeds], axis=0)

    for arm, by_seed in runs.items():
        values = mean(arm, "values", by_seed)
        low, high = bootstrap_interval(values, seed=0)
        rows[arm] = {
            "N@10": float(values.mean()),
            "interval": [float(low), float(high)],
            "by seed": [float(np.mean(r["values"])) for r in by_seed.values()],
            **{name: float(mean(arm, name, by_seed)) for name in ("valid", "train", "fit_minutes", "cpu_seconds")},
        }
        rows[arm]["training less test"] = rows[arm]["train"] - rows[arm]["N@10"]
        others = [other for other in ("plain", "longer", *CONTROL.get(arm, ())) if other in runs and other != arm]
        for other in others:
            both = [seed for seed in by_seed if seed in runs[other]]
            if both:
                rows[arm][f"minus {other}"] = paired_test(mean(arm, "values", both), mean(other, "values", both), seed=0)._asdict()
        rows[arm]["better on validation"] = bool(others) and all(
            by_seed[seed]["valid"] > runs[other][seed]["valid"] for other in others for seed in by_seed if seed in runs[other]
        )
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
    of = {"tables": asked.tables.name, "protocol": asked.protocol, "model": asked.models, "preset": asked.preset, "settings": asked.set}
    of |= {"users": data.n_users, "items": data.n_items}
    runs: dict[str, dict[str, Any]] = earlier(asked.out, of).get("runs", {})
    each = asked.out.with_suffix(".npz")  # N@10 of every question
    for name, values in (np.load(each) if each.is_file() else {}).items():
        arm, _, seed = name.rpartition(" ")
        runs[arm][seed]["values"] = values.astype(np.float64)
    asked.out.parent.mkdir(parents=True, exist_ok=True)

    def write() -> dict[str, Any]:
        rows = table(runs)
        content = of | {
            "arms": {name: changes_of(name) for name in runs},
            "table": rows,
            "questions": len(split.test),
            "hardware": facts.hardware(choose_device("auto")),
            "versions": facts.versions(),
            "runs": {
                arm: {seed: {k: v for k, v in r.items() if k != "values"} for seed, r in by_seed.items()} for arm, by_seed in runs.items()
            },
        }
        values = {f"{arm} {seed}": np.asarray(r["values"], np.float32) for arm, by_seed in runs.items() for seed, r in by_seed.items()}
        np.savez_compressed(each, **values)  # type: ignore[arg-type]
        asked.out.write_text(json.dumps(content, indent=1) + "\n")
        return rows

    for seed in range(asked.seeds):
        for arm in asked.arms.split(","):
            if str(seed) in runs.setdefault(arm, {}):
                continue
            runs[arm][str(seed)] = run(data, split, arm, asked, seed)
            row = write()[arm]
            told = {
                k: (round(v["difference"], 4), round(v["low"], 4), round(v["high"], 4)) for k, v in row.items() if k.startswith("minus")
            }
            figures = ", ".join(f"{name} {row[name]:.4f}" for name in ("valid", "train", "N@10"))
            print(f"seed {seed} {arm:12} {figures}, {row['cpu_seconds']:.0f} s of the processor {told}", flush=True)
    write()


if __name__ == "__main__":
    main()
