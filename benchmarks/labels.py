"""Do histories without labels help where labels are few? Soft labels for them, against none and against the same ones dealt out anew.

    python benchmarks/labels.py TABLES OUT.json                                                    # 1, 5, 20 % of the users, three seeds
    python benchmarks/labels.py TABLES OUT.json --shares 0.05 --seeds 0 --questions 2000 --set train.epochs=2    # a trial

A share of the users keep their training histories; of all others only the first event is known, which has nothing to predict. Every arm
learns from the same table, so that only the use of those events differs: ``supervised`` leaves them out (train.unlabelled=none), ``pseudo``
gives them soft labels of a teacher that has seen this table alone, ``shuffled`` is the placebo, ``consistency`` compares the views with and
without ids, ``both`` does both. Shares are nested, seeds draw other users and other starts. Everybody's test question is the same: the last
event after all before it. The number of steps is that of the labelled histories, the same for all arms; when to stop is chosen by the
validation of the share alone. Trials that stand in OUT.json are not run again; each question's N@10 lies in a folder beside it.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from resume import earlier

from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Split, leave_one_out
from crossaisle.data.split_parts import at_most
from crossaisle.evaluate import facts
from crossaisle.evaluate.protocol import evaluate
from crossaisle.presets import preset_settings
from crossaisle.stats import paired_test
from crossaisle.train.device import choose_device

SMALL = {"model.senses": "id,words", "model.dim": "64", "train.epochs": "8", "train.tokens_per_step": "512", "train.refit": "false"}
ARMS = {
    "supervised": {},
    "pseudo": {"train.unlabelled": "pseudo"},
    "shuffled": {"train.unlabelled": "shuffled"},
    "consistency": {"train.consistency": "0.2"},
    "both": {"train.unlabelled": "pseudo", "train.consistency": "0.2"},
}
MODEL = "crossaisle-network"


def few(split: Split, labelled: Any, questions: int) -> Split:
    """The split with whole training histories and validation of these users (bool (B,)) alone, and the first event of all others."""
    h = split.train.histories
    first = np.arange(len(h.items)) == h.offsets[:-1][h.owners]
    train = split.train.with_histories(h.keep(labelled[h.owners] | first))
    test = split.test[at_most(np.arange(len(split.test)), questions, 0)]
    return dataclasses.replace(split, train=train, full=train, valid=split.valid[np.flatnonzero(labelled[split.valid.users])], test=test)


def summary(folder: Path, trials: dict[str, Any]) -> dict[str, Any]:
    """Of each share: N@10 of the arms, mean over seeds, and differences on the same questions."""
    out: dict[str, Any] = {}
    for share in sorted({t["share"] for t in trials.values()}):
        values: dict[str, dict[int, Any]] = {}
        for key, t in trials.items():
            if t["share"] == share:
                values.setdefault(t["arm"], {})[t["seed"]] = np.load(folder / f"{key}.npy").astype(np.float64)
        rows: dict[str, Any] = {a: {"seeds": len(v), "N@10": float(np.mean([x.mean() for x in v.values()]))} for a, v in values.items()}
        for arm, other in [(a, o) for a in values for o in ("supervised", "shuffled") if o in values and a not in (o, "supervised")]:
            both = sorted(set(values[arm]) & set(values[other]))
            if both:
                a, b = (np.mean([values[x][s] for s in both], axis=0) for x in (arm, other))
                rows[arm][f"against {other}"] = paired_test(a, b, 0)._asdict()
        out[f"{share:g}"] = rows
    return out


def main() -> None:
    """Every seed, share and arm that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shares", default="0.01,0.05,0.2")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    asked = parser.parse_args()
    changes = SMALL | dict(pair.split("=", 1) for pair in asked.set)
    arms = asked.arms.split(",")
    for arm in arms:
        if arm not in ARMS:
            parser.error(f"unknown arm {arm}; one of {', '.join(ARMS)}")
    data = Dataset.from_files(asked.tables / "interactions.parquet", asked.tables / "items.parquet").without_reviews()
    of = {"tables": asked.tables.name, "questions": asked.questions, "settings": preset_settings(asked.preset, changes).to_dict()}
    results: dict[str, Any] = {**of, "versions": facts.versions(), "hardware": facts.hardware(choose_device("auto")), "trials": {}}
    results["trials"] |= earlier(asked.out, of).get("trials", {})
    folder = asked.out.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    whole = leave_one_out(data)
    for seed in map(int, asked.seeds.split(",")):
        order = np.random.default_rng(seed).permutation(data.n_users)
        for share in map(float, asked.shares.split(",")):
            labelled = np.zeros(data.n_users, dtype=bool)
            labelled[order[: max(2, round(share * data.n_users))]] = True
            split = few(whole, labelled, asked.questions)
            for arm in arms:
                key = f"{seed}-{share:g}-{arm}"
                if key in results["trials"]:
                    continue
                started = time.process_time()
                settings = preset_settings(asked.preset, {**changes, **ARMS[arm]}, seed=seed)
                found = evaluate(data, protocol="leave-one-out", models=[MODEL], settings=settings, split=split)
                rows = found.per_query.filter(found.per_query["model"] == MODEL)
                rows = rows.filter(rows["view"] == rows["view"][0]).sort("query")
                values = rows["ndcg@10"].to_numpy()
                np.save(folder / f"{key}.npy", values.astype(np.float32))
                results["trials"][key] = {
                    "seed": seed,
                    "share": share,
                    "arm": arm,
                    "labelled users": int(labelled.sum()),
                    "N@10": float(values.mean()),
                    "cpu seconds": time.process_time() - started,
                }
                results["summary"] = summary(folder, results["trials"])
                asked.out.write_text(json.dumps(results, indent=1) + "\n")
                print(key, json.dumps(results["trials"][key]), flush=True)


if __name__ == "__main__":
    main()
