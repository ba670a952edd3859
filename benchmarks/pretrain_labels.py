"""How many interactions domain pretraining saves: a share of the users to learn from, with and without it, the same test questions.

    python benchmarks/pretrain_labels.py TABLES OUT.json                                             # 1, 5, 20, 100 % of the users
    python benchmarks/pretrain_labels.py TABLES OUT.json --protocol cold-aisle --aisle Toys_and_Games --shares 1    # an aisle never seen

TABLES: benchmarks/prepare_amazon6.py (a small setting adds --users). Nested shares: who is in 1 % is in 5 %. Users outside a share keep
their test question; nothing of theirs is learned from, neither by the recommender, nor by pretraining, nor for choosing when to stop.
Arms: ``untuned``; ``tuned``: masked words on the items' texts, then pairs bought together by the users of the share; ``rewired``: the
placebo, the same with partners exchanged. In each, the recommender is fitted on the same events; only ``text.reader`` differs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from pretrain_arms import pairs_of, summary, tuned

from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Split
from crossaisle.data.split_parts import at_most
from crossaisle.evaluate import facts
from crossaisle.evaluate.looks import PROTOCOLS, make_split
from crossaisle.evaluate.protocol import evaluate
from crossaisle.presets import preset_settings
from crossaisle.train.device import choose_device

FAST = {"pretrain.objectives": "masked,pairs", "pretrain.days": "1e6"}


def only(split: Split, users: Any, questions: int, seed: int) -> Split:
    """The split with training and validation of these users (bool (B,)) alone; at most so many of all test questions."""
    kept = users[split.train.histories.owners]
    train = split.train.with_histories(split.train.histories.keep(kept))
    full = split.full.with_histories(split.full.histories.keep(users[split.full.histories.owners]))
    test = split.test[at_most(np.arange(len(split.test)), questions, seed)]
    return dataclasses.replace(split, train=train, full=full, valid=split.valid[np.flatnonzero(users[split.valid.users])], test=test)


def main() -> None:
    """Tune, fit and ask each arm at each share and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--protocol", default="leave-one-out")
    parser.add_argument("--aisle")
    parser.add_argument("--shares", default="0.01,0.05,0.2,1")
    parser.add_argument("--arms", default="untuned,tuned,rewired")
    parser.add_argument("--models", default="crossaisle-text,crossaisle")
    parser.add_argument("--questions", type=int, default=5000)
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("benchmarks/tables/pretrained"), help="folder of the tuned models")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    asked = parser.parse_args()
    chosen = preset_settings(asked.preset, FAST | dict(pair.split("=", 1) for pair in asked.set), seed=asked.seed)
    data = Dataset.from_files(asked.tables / "interactions.parquet", asked.tables / "items.parquet")
    whole = make_split(asked.protocol, data, asked.seed, False, (), asked.aisle)
    view = PROTOCOLS[asked.protocol].views[0].name
    order = np.random.default_rng(asked.seed).permutation(data.n_users)
    results: dict[str, Any] = {
        "tables": asked.tables.name,
        "protocol": asked.protocol,
        "aisle": asked.aisle,
        "seed": asked.seed,
        "base": asked.base,
        "settings": chosen.to_dict(),
        "hardware": facts.hardware(choose_device(chosen.device)),
        "versions": facts.versions(),
        "shares": {},
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    for share in map(float, asked.shares.split(",")):
        users = np.zeros(data.n_users, dtype=bool)
        users[order[: max(2, round(share * data.n_users))]] = True
        split = only(whole, users, asked.questions, asked.seed)
        values: dict[str, dict[str, Any]] = {}
        made: dict[str, Any] = {}
        for arm in asked.arms.split(","):
            reader, started = asked.base, time.process_time()
            if arm != "untuned":
                reader = str(asked.work / f"{asked.out.stem}-{share:g}-{arm}")
                pairs = pairs_of(arm, split.train, chosen.pretrain, asked.seed)
                made[arm] = tuned(arm, split.train, chosen.pretrain, asked.seed, Path(reader), asked.base, pairs)
            for model in asked.models.split(","):
                settings = chosen.changed({"text.reader": reader})
                found = evaluate(data, protocol=asked.protocol, models=[model], settings=settings, split=split, aisle=asked.aisle)
                rows = found.per_query.filter((found.per_query["view"] == view) & (found.per_query["model"] == model)).sort("query")
                values.setdefault(model, {})[arm] = {"N@10": rows["ndcg@10"].to_numpy(), "R@10": rows["recall@10"].to_numpy()}
            made[arm] = made.get(arm, {}) | {"all_cpu_seconds": time.process_time() - started}
            means = {model: {name: round(float(v.mean()), 5) for name, v in table[arm].items()} for model, table in values.items()}
            print(f"{share:g}", arm, json.dumps(means), flush=True)
            results["shares"][f"{share:g}"] = {
                "users": int(users.sum()),
                "events": len(split.train.histories.items),
                "arms": made,
                "figures": {model: summary(table, "untuned", asked.seed) for model, table in values.items()},
                "against the placebo": {m: summary(table, "rewired", asked.seed) for m, table in values.items() if "rewired" in table},
            }
            asked.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
