"""A model under attack, and its defence against made-up people, on one table.

    python benchmarks/attack.py TABLES OUT.json                                       # full size: hours on two cores
    python benchmarks/attack.py TABLES OUT.json --seeds 1 --arms detection            # minutes
    python benchmarks/attack.py TABLES OUT.json --seeds 1 --arms off --people 3000 --set train.epochs=1 --set attack.kinds=shilling

TABLES holds interactions.parquet and items.parquet (benchmarks/prepare_amazon6.py OUT Beauty). Arms:

- ``detection``: made-up people planted among the training events, no model: precision, recall, AUC of the detector by filler, share and
  place, and what it flags in clean data. The detector was built on Beauty's seed 1 and its threshold settled with seeds 1 and 2
  of Beauty and Toys in view: seed 3 and other tables are the check.
- ``off``: accuracy under shifts of item vectors (random ones are the control of the gradient's), noise in texts, and the push of tail
  items beside as many copied genuine users (the control) and beside items that nobody pushes (the placebo).
- ``downweight``: the push once more with ``data.shilling=downweight``, its own clean fit included: what the defence costs without attack.

Every arm runs once a seed; targets, fillers, people asked and the network's start all follow from it. Intervals over people or items
stand in the raw result. Each noise in texts is read anew by the language model, which takes most of the time of ``off``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from crossaisle import Dataset
from crossaisle.attack.shilling import FILLERS, PLACES, fake_profiles, tail_items
from crossaisle.cli.options import parse_settings
from crossaisle.cli.show import plain, print_table
from crossaisle.data.build import DataSettings
from crossaisle.data.split import leave_one_out
from crossaisle.evaluate.attack import under_attack
from crossaisle.evaluate.attack.people import detection, interactions_of, with_people
from crossaisle.presets import preset_settings

SHARES = (0.005, 0.01, 0.03)
ARMS = ("detection", "off", "downweight")
FULL = {"attack.shares": ",".join(map(str, SHARES)), "attack.fillers": ",".join(FILLERS), "attack.questions": "20000"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--arms", default=",".join(ARMS), help="by comma")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--people", type=int, default=0, help="of the table, drawn by chance; 0 takes all")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="as of crossaisle fit")
    return parser.parse_args()


def detected(data: Dataset, seed: int, settings: DataSettings) -> list[dict[str, Any]]:
    """One row a filler, share and place, the clean data first."""
    train = leave_one_out(data.without_reviews()).train
    events = interactions_of(train)
    targets = tail_items(events, 10, seed=seed)
    codes = [train.item_codes[i] for i in targets]
    out = [{"place": "", **dataclasses.asdict(detection(train, train.n_users, "none", 0.0, [], settings))}]
    for share in SHARES:
        for place in PLACES:
            for filler in FILLERS:
                fakes = fake_profiles(events, targets, share=share, filler=filler, place=place, seed=seed)
                row = detection(with_people(train, fakes), train.n_users, filler, share, codes, settings)
                out.append({"place": place, **dataclasses.asdict(row)})
    return [{"seed": seed, **row} for row in out]


def main() -> None:
    asked = arguments()
    data = Dataset.from_files(asked.tables / "interactions.parquet", asked.tables / "items.parquet")
    if asked.people:
        data = data.select_users(np.sort(np.random.default_rng(0).choice(data.n_users, min(asked.people, data.n_users), replace=False)))
    changes, out = FULL | parse_settings(asked.set), dict[str, Any]()
    for arm in asked.arms.split(","):
        for seed in range(1, asked.seeds + 1):
            if arm == "detection":
                out.setdefault(arm, []).extend(detected(data, seed, preset_settings(asked.preset, changes).data))
                continue
            only = {"attack.kinds": "shilling"} if arm == "downweight" else {}
            settings = preset_settings(asked.preset, changes | only | {"data.shilling": arm}, seed=seed)
            report = under_attack(data, settings, data_name=asked.tables.name)
            out.setdefault(arm, []).append(report.to_dict())
            asked.out.parent.mkdir(parents=True, exist_ok=True)
            asked.out.write_text(json.dumps(plain(out), indent=1))  # what is complete stays if the rest is stopped
        show(arm, out[arm])
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(plain(out), indent=1))


def show(arm: str, found: list[dict[str, Any]]) -> None:
    """The arm's tables, each figure the mean over seeds."""
    if arm == "detection":
        print_table(means(found, ("filler", "share", "place"), ("precision", "recall", "false_positive_rate", "auc")), title=arm)
        return
    rows = [
        {"attack": r["attack"], "level": r["level"], "N@10": r["ndcg"]["value"], "relative": r["relative"]}
        for f in found
        for r in f["rows"]
    ]
    print_table(means(rows, ("attack", "level"), ("N@10", "relative")), title=f"{arm}: accuracy")
    names = ("gain", "others", "climb", "others_climb")
    pushed = [r | {name: r[name]["value"] for name in names} for f in found for r in f["shilling"]]
    print_table(means(pushed, ("filler", "share"), ("clean", "copied", "pushed", *names)), title=f"{arm}: HR@10 pushed")


def means(rows: list[dict[str, Any]], keys: tuple[str, ...], values: tuple[str, ...]) -> list[dict[str, Any]]:
    """One row for each combination of the keys."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[k] for k in keys), []).append(row)
    return [dict(zip(keys, key, strict=True)) | {v: float(np.mean([r[v] for r in some])) for v in values} for key, some in groups.items()]


if __name__ == "__main__":
    main()
