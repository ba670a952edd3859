"""Models under attack: trained plainly, trained against it, and defended against made-up people, on one table.

    python benchmarks/attack.py TABLES OUT.json                                       # full size: hours on two cores
    python benchmarks/attack.py TABLES OUT.json --seeds 1 --arms detection            # minutes
    python benchmarks/attack.py TABLES OUT.json --seeds 1 --arms longer,fgm --people 3000 --set attack.kinds=vectors

TABLES holds interactions.parquet and items.parquet (benchmarks/prepare_amazon6.py OUT Beauty). Arms:

- ``detection``: made-up people planted among the training events, no model: precision, recall, AUC of the detector by filler, share and
  place, and what it flags in clean data. The detector was built on Beauty's seed 1 and its threshold settled with seeds 1 and 2
  of Beauty and Toys in view: seed 3 and other tables are the check.
- ``plain``, ``longer`` (twice the epochs), ``noise`` (random changes), ``fgm`` and ``typos`` of benchmarks/switches.py, the network alone:
  accuracy under shifts of item vectors (random ones are the control of the gradient's) and, for ``plain``, ``longer`` and ``typos``, noise
  in texts. A remedy is compared under each attack with every other arm, question by question: ``longer`` is plain training of at least
  equal compute.
- ``off`` and ``downweight``: the push of tail items beside as many copied genuine users (the control) and beside items that nobody pushes
  (the placebo), by the whole model without and with ``data.shilling=downweight``; compared item by item.

Every arm runs once a seed; targets, fillers, people asked and the network's start all follow from it. What is compared is the mean over
seeds for each question, and each item of each seed. Runs that OUT holds are kept; figures of each question and item lie in a folder beside
it. Each noise in texts is read anew by the language model for each run, which takes most of their time; --items makes the catalogue small.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from resume import earlier
from switches import settings_of

from crossaisle import Dataset
from crossaisle.attack.shilling import FILLERS, PLACES, fake_profiles, tail_items
from crossaisle.cli.options import parse_settings
from crossaisle.cli.show import plain, print_table
from crossaisle.data.build import DataSettings
from crossaisle.data.split import leave_one_out
from crossaisle.evaluate.attack import under_attack
from crossaisle.evaluate.attack.people import detection, interactions_of, with_people
from crossaisle.presets import preset_settings
from crossaisle.stats import paired_test

SHARES = (0.005, 0.01, 0.03)
TRAINED = {"plain": "vectors,texts", "longer": "vectors,texts", "noise": "vectors", "fgm": "vectors", "typos": "vectors,texts"}
"""Which attacks each meets."""
DEFENDED = ("off", "downweight")
FULL = {"attack.shares": ",".join(map(str, SHARES)), "attack.fillers": ",".join(FILLERS), "attack.questions": "20000"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--arms", default=",".join(("detection", *TRAINED, *DEFENDED)), help="by comma")
    parser.add_argument("--seeds", type=int, default=3, help="so many, from --first on")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--people", type=int, default=0, help="of the table, drawn by chance; 0 takes all")
    parser.add_argument("--items", type=int, default=0, help="so many of most events, and what people did with them; 0 takes all")
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


def attacked(data: Dataset, arm: str, changes: dict[str, str], asked: argparse.Namespace, seed: int, values: Path) -> dict[str, Any]:
    """One trial of an arm that has a model."""
    if arm in DEFENDED:
        settings = preset_settings(asked.preset, {"attack.kinds": "shilling", "data.shilling": arm} | changes, seed=seed)
    else:
        settings = settings_of(asked.preset, arm, {"attack.kinds": TRAINED[arm], "blend.parts": ""} | changes, seed)
    report = under_attack(data, settings, data_name=asked.tables.name)
    each: dict[str, Any] = {f"answers {k}": v for k, v in report.answers.items()} | {f"climbs {k}": v for k, v in report.climbs.items()}
    np.savez(values, **each)
    return report.to_dict()


def compared(folder: Path, runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Of every attack: each arm's mean, and its paired difference from each other arm; answers by question, climbs by item of a seed."""
    kept = {arm: {seed: dict(np.load(folder / f"{arm}-{seed}.npz")) for seed in by_seed} for arm, by_seed in runs.items()}
    out: dict[str, Any] = {}
    for group in (TRAINED, DEFENDED):
        for arm in (a for a in group if kept.get(a)):
            for name in next(iter(kept[arm].values())):  # attacks that it met
                together = np.concatenate if name.startswith("climbs") else lambda values: np.mean(values, axis=0)
                row = out.setdefault(name, {}).setdefault(arm, {})
                row["mean"] = float(together([v[name] for v in kept[arm].values()]).mean())
                for other in (o for o in group if o != arm and kept.get(o)):
                    both = [s for s in kept[arm] if s in kept[other] and name in kept[other][s]]
                    if both:
                        a, b = (together([kept[one][s][name] for s in both]) for one in (arm, other))
                        test = paired_test(a, b, seed=0)._asdict()
                        row[f"minus {other}"] = test | {"relative": test["difference"] / max(float(b.mean()), 1e-12)}
    return out


def main() -> None:
    asked = arguments()
    data = Dataset.from_files(asked.tables / "interactions.parquet", asked.tables / "items.parquet")
    if asked.people:
        data = data.select_users(np.sort(np.random.default_rng(0).choice(data.n_users, min(asked.people, data.n_users), replace=False)))
    if asked.items:
        most = np.isin(np.arange(data.n_items), np.argsort(-data.item_counts, kind="stable")[: asked.items])
        data = data.select_items(most)
        data = data.select_users(np.flatnonzero(data.histories.lengths > 2))
    changes = FULL | parse_settings(asked.set)
    of = {"tables": asked.tables.name, "people": data.n_users, "items": data.n_items, "preset": asked.preset, "settings": changes}
    out: dict[str, Any] = of | {"detection": [], "runs": {}} | earlier(asked.out, of)
    folder = asked.out.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(asked.first, asked.first + asked.seeds):
        for arm in asked.arms.split(","):
            if arm == "detection":
                if all(row["seed"] != seed for row in out[arm]):
                    out[arm] += detected(data, seed, preset_settings(asked.preset, changes).data)
            elif str(seed) not in out["runs"].setdefault(arm, {}):
                out["runs"][arm][str(seed)] = plain(attacked(data, arm, changes, asked, seed, folder / f"{arm}-{seed}.npz"))
                out["compared"] = compared(folder, out["runs"])
            asked.out.write_text(json.dumps(plain(out), indent=1) + "\n")
            print(f"seed {seed} {arm}", flush=True)
    show(out)


def show(out: dict[str, Any]) -> None:
    """Means over seeds, and each arm beside the others."""
    if out["detection"]:
        print_table(means(out["detection"], ("filler", "share", "place"), ("precision", "recall", "false_positive_rate", "auc")))
    for name, arms in out.get("compared", {}).items():
        rows = [
            {"arm": arm, "mean": row["mean"]}
            | {k: f"{v['difference']:+.4f} ({v['low']:+.4f} to {v['high']:+.4f})" for k, v in row.items() if k.startswith("minus")}
            for arm, row in arms.items()
        ]
        print_table(rows, title=name)
    pushed = [
        {"arm": arm, **row} | {k: row[k]["value"] for k in ("gain", "others", "climb", "others_climb")}
        for arm in DEFENDED
        for run in out["runs"].get(arm, {}).values()
        for row in run["shilling"]
    ]
    if pushed:
        columns = ("clean", "copied", "pushed", "gain", "others", "climb", "others_climb", "rank_copied", "rank_pushed")
        print_table(means(pushed, ("arm", "filler", "share"), columns), title="HR@10 pushed; doublings of the rank; ranks")


def means(rows: list[dict[str, Any]], keys: tuple[str, ...], values: tuple[str, ...]) -> list[dict[str, Any]]:
    """One row for each combination of the keys."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[k] for k in keys), []).append(row)
    return [dict(zip(keys, key, strict=True)) | {v: float(np.mean([r[v] for r in some])) for v in values} for key, some in groups.items()]


if __name__ == "__main__":
    main()
