"""Does it matter which items people are asked about? Asking played through on real logs, with the same pool for every strategy.

    python benchmarks/ask.py TABLES OUT.json                                                # three seeds, 10 and 50 questions a person
    python benchmarks/ask.py TABLES OUT.json --users 3000 --seeds 0 --budgets 10 --arms none,random,mixed --set train.epochs=2  # a trial

The last two events of each history are the validation and the test item. Of the events before them a share (--hidden, half) is hidden.
A person can be asked about the hidden items, whose answer is yes, and about --others items of which nothing of theirs speaks, whose answer
is no. These are drawn from what is hidden of anybody, each as often as it is hidden: so yes and no are equally popular, and popularity by
itself finds a yes no more often than chance. Every arm, random too, chooses from this pool, so that what differs is the choice and not
whether the logs can answer. Equally cold items are asked in the model's order. The model that asks has learned from the known events alone.
Each yes joins its person's history before the known events (a real asker does not know when it would have happened, and the newest events
stay the newest) and is read there, not predicted, since answers come in no order that means anything; then the network is trained anew
from the same start and asked for the test item, the whole catalogue ranked. ``none`` asks nothing, ``all`` reveals every hidden event in
its order (read and not predicted as well); both say how much there is to gain.

Trials that stand in OUT.json are not run again; each question's N@10 lies in a folder beside it.
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
from crossaisle.data.histories import Histories
from crossaisle.data.split import leave_one_out
from crossaisle.data.split_parts import Queries
from crossaisle.evaluate import facts
from crossaisle.learn.ask import questions
from crossaisle.learn.settings import STRATEGIES
from crossaisle.metrics import ndcg
from crossaisle.presets import AllSettings, preset_settings
from crossaisle.scorers import network_scorer
from crossaisle.stats import paired_test
from crossaisle.train.device import choose_device
from crossaisle.train.fit import NetworkScorer

SMALL = {
    "model.senses": "id,words",
    "model.dim": "64",
    "train.epochs": "8",
    "train.tokens_per_step": "512",
    "data.target_events": "bought",
}
KINDS = ("bought", "answered")
RARE = 5
"""A target with fewer known events is a rare one."""


@dataclasses.dataclass(frozen=True)
class Shop:
    """What one seed hides and what can be asked."""

    data: Dataset
    known: list[list[int]]
    hidden: list[list[int]]
    pools: list[Any]
    valid: Queries
    test: Queries
    newest: dict[int, list[int]]

    def learned(self, answers: list[list[int]]) -> Dataset:
        """The training data with what was answered yes."""
        known = self._histories(answers, self.known)
        return dataclasses.replace(self.data.with_histories(known), event_names=KINDS)

    def asked(self, queries: Queries, answers: list[list[int]], last: bool) -> Queries:
        """The questions, behind the histories as they are known after the answers; with ``last`` the validation item too."""
        users = queries.users.tolist()
        rest = [self.known[u] + (self.newest.get(u, []) if last else []) for u in users]
        return dataclasses.replace(queries, histories=self._histories([answers[u] for u in users], rest))

    @staticmethod
    def _histories(answers: list[list[int]], rest: list[list[int]]) -> Histories:
        """Each person's answers, marked as such, and the rest behind them."""
        h = Histories.from_lists([yes + row for yes, row in zip(answers, rest, strict=True)])
        answered = np.arange(len(h.items)) - h.offsets[:-1][h.owners] < np.array([len(yes) for yes in answers])[h.owners]
        return dataclasses.replace(h, events=answered.astype(np.int64))


def hide(data: Dataset, users: int, share: float, others: int, seed: int) -> Shop:
    """Hide a share of the events before the last two, and draw the pools."""
    rng = np.random.default_rng(seed)
    if users and users < data.n_users:  # the same people whatever the seed, so that seeds can be averaged person by person
        data = data.select_users(np.sort(np.random.default_rng(0).choice(data.n_users, users, replace=False)))
    split = leave_one_out(data)
    known, hidden = [], []
    for row in split.train.histories.rows():
        n = min(len(row) - 1, round(share * len(row))) if len(row) > 1 else 0
        out = np.isin(np.arange(len(row)), rng.choice(len(row), n, replace=False))
        seen = set(row[~out].tolist())
        known.append(row[~out].tolist())
        hidden.append([i for i in dict.fromkeys(row[out].tolist()) if i not in seen])
    anybody = np.array([i for row in hidden for i in row], dtype=np.int64)
    pools = []
    for u, row in enumerate(data.histories.rows()):
        drawn = rng.choice(anybody, 2 * others)
        strange = list(dict.fromkeys(drawn[~np.isin(drawn, row)].tolist()))[:others]
        pools.append(np.array(hidden[u] + strange, dtype=np.int64))
    valid = split.valid
    newest = {u: t.tolist() for u, t in zip(valid.users.tolist(), valid.targets.rows(), strict=True)}
    return Shop(data, known, hidden, pools, valid, split.test, newest)


def trained(shop: Shop, answers: list[list[int]], settings: AllSettings) -> NetworkScorer:
    """The network from the same start, on what is known after the answers."""
    return network_scorer(settings).fit(shop.learned(answers), shop.asked(shop.valid, answers, False))


def judged(model: NetworkScorer, shop: Shop, answers: list[list[int]]) -> Any:
    """N@10 of each test question."""
    asked, out = shop.asked(shop.test, answers, True), []
    for start in range(0, len(asked), 512):
        part = asked[np.arange(start, min(start + 512, len(asked)))]
        scores = model.score(part.histories)
        scores[part.histories.owners, part.histories.items] = -np.inf
        top = np.argpartition(-scores, 10, axis=1)[:, :10]
        top = np.take_along_axis(top, np.argsort(-np.take_along_axis(scores, top, 1), axis=1, kind="stable"), 1)
        out.append(ndcg(top, part.targets, 10))
    return np.concatenate(out)


def summary(folder: Path, trials: dict[str, Any]) -> dict[str, Any]:
    """Of each budget: N@10 of the arms, mean over seeds and people, and the difference from random on the same people."""
    out: dict[str, Any] = {}
    for budget in sorted({t["budget"] for t in trials.values()}):
        here = {k: t for k, t in trials.items() if t["budget"] in (0, budget)}
        arms: dict[str, dict[int, Any]] = {}
        for key, t in here.items():
            arms.setdefault(t["arm"], {})[t["seed"]] = np.load(folder / f"{key}.npy").astype(np.float64)
        rows: dict[str, dict[str, Any]] = {}
        for arm, values in arms.items():
            yes = [t["yes"] / t["asked"] for t in here.values() if t["arm"] == arm and t["asked"]]
            rare = [t["rare N@10"] for t in here.values() if t["arm"] == arm]
            rows[arm] = {
                "seeds": len(values),
                "N@10": float(np.mean([v.mean() for v in values.values()])),
                "rare N@10": float(np.mean(rare)),
                "yes share": float(np.mean(yes)) if yes else None,
            }
            both = sorted(set(values) & set(arms.get("random", {})))
            if both and arm != "random":
                a, b = (np.mean([x[s] for s in both], axis=0) for x in (values, arms["random"]))
                rows[arm]["against random"] = paired_test(a, b, 0)._asdict()
        if budget:
            out[str(budget)] = rows
    return out


def main() -> None:
    """Every seed, budget and arm that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--budgets", default="10,50")
    parser.add_argument("--arms", default="none,all,random,popular,uncertain,coldest,diverse,mixed")
    parser.add_argument("--users", type=int, default=0, help="so many people drawn by chance; 0 = all")
    parser.add_argument("--hidden", type=float, default=0.5)
    parser.add_argument("--others", type=int, default=200)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    asked = parser.parse_args()
    changes = SMALL | dict(pair.split("=", 1) for pair in asked.set)
    data = Dataset.from_files(asked.tables / "interactions.parquet", asked.tables / "items.parquet").without_reviews()
    facts_of = {
        "tables": asked.tables.name,
        "users": asked.users,
        "hidden": asked.hidden,
        "others": asked.others,
        "settings": preset_settings(asked.preset, changes).to_dict(),
    }
    results: dict[str, Any] = {**facts_of, "versions": facts.versions(), "hardware": facts.hardware(choose_device("auto")), "trials": {}}
    results["trials"] |= earlier(asked.out, facts_of).get("trials", {})
    folder = asked.out.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    arms = asked.arms.split(",")
    for arm in arms:
        if arm not in (*STRATEGIES, "none", "all"):
            parser.error(f"unknown arm {arm}; one of none, all, {', '.join(STRATEGIES)}")
    for seed in map(int, asked.seeds.split(",")):
        wanted = [(0, a) for a in arms if a in ("none", "all")]
        wanted += [(int(b), a) for b in asked.budgets.split(",") for a in arms if a in STRATEGIES]
        wanted = [(b, a) for b, a in wanted if f"{seed}-{b}-{a}" not in results["trials"]]
        if not wanted:
            continue
        shop = hide(data, asked.users, asked.hidden, asked.others, seed)
        settings = preset_settings(asked.preset, changes, seed=seed)
        nothing: list[list[int]] = [[] for _ in shop.known]
        rare = np.bincount([i for row in shop.known for i in row], minlength=data.n_items)[shop.test.targets.items] < RARE
        first = trained(shop, nothing, settings)
        for budget, arm in wanted:
            started, n_asked = time.process_time(), 0
            if arm == "none":
                answers = nothing
            elif arm == "all":
                answers = shop.hidden
            else:
                how = dataclasses.replace(settings.ask, strategy=arm, per_user=budget)
                everything = np.ones(data.n_items, dtype=bool)
                histories = Histories.from_lists(shop.known)
                chosen = questions(first, first.counts, everything, histories, how, seed, shop.pools)
                answers = [[i for i in c.items.tolist() if i in set(hidden)] for c, hidden in zip(chosen, shop.hidden, strict=True)]
                n_asked = sum(len(c.items) for c in chosen)
            model = first if arm == "none" else trained(shop, answers, settings)
            values = judged(model, shop, answers)
            key = f"{seed}-{budget}-{arm}"
            np.save(folder / f"{key}.npy", values.astype(np.float32))
            results["trials"][key] = {
                "seed": seed,
                "budget": budget,
                "arm": arm,
                "asked": n_asked,
                "yes": sum(len(a) for a in answers),
                "hidden": sum(len(h) for h in shop.hidden),
                "N@10": float(values.mean()),
                "rare N@10": float(values[rare].mean()) if rare.any() else 0.0,
                "cpu seconds": time.process_time() - started,
            }
            results["summary"] = summary(folder, results["trials"])
            asked.out.write_text(json.dumps(results, indent=1) + "\n")
            print(key, json.dumps(results["trials"][key]), flush=True)


if __name__ == "__main__":
    main()
