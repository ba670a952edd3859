"""The text encoder tuned on items bought together across aisles, against the untuned one, in the hidden aisle.

    python benchmarks/pretrain_hidden_aisle.py TABLES OUT.json                          # the quick judge, all arms
    python benchmarks/pretrain_hidden_aisle.py TABLES OUT.json --models crossaisle-text,crossaisle   # and the network with each encoder
    python benchmarks/pretrain_hidden_aisle.py TABLES OUT.json --set pretrain.negatives=aisle --arms untuned,across

TABLES: benchmarks/prepare_amazon6.py TABLES all --apart (a small setting for trying out adds --users 3000). Protocol hidden-aisle, fold 0.
Arms: ``untuned``; ``across``: tuned on pairs of items from different aisles bought by one user, of the training part of the split alone;
``rewired``: the placebo, partners exchanged within the same two aisles, every item keeps its number of pairs; ``within``: pairs of one
aisle, of the same users. All take the same epochs and keep the last one's weights, so that the placebo is trained too.

The quick judge has no network: the cross-aisle ridge with text alone (ids, factors and borrowed factors off, text 1), its penalty chosen on
the validation questions, fitted again with them, asked for the hidden aisle; beside it the plain likeness to the history's mean, and how
often the partner of a held-out pair (of users that no encoder was tuned on) is among the 10 nearest items of its aisle.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pretrain_arms import item_vectors, pairs_of, summary, tuned

from crossaisle.across.ridge import CrossAisleRidge
from crossaisle.across.settings import AcrossSettings
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries, hidden_aisle
from crossaisle.encode.spread import Spread
from crossaisle.evaluate import facts
from crossaisle.evaluate.protocol import evaluate
from crossaisle.metrics import ndcg, recall
from crossaisle.presets import preset_settings
from crossaisle.pretrain.pairs import Pairs, hold_out_users
from crossaisle.train.device import choose_device

TEXT_ALONE = AcrossSettings(ids=0.0, factors=0.0, borrow=0.0, text=1.0)
PENALTIES = (1.0, 5.0, 15.0, 45.0, 135.0)


def ranked(score: Callable[[Histories, int], Any], queries: Queries, aisle_of: Any) -> dict[str, Any]:
    """N@10 and R@10 of each question, the items of its aisle ranked by ``score(histories, aisle)``, in the order of the questions."""
    tops = np.full((len(queries), 10), -1, dtype=np.int64)
    for aisle in np.unique(queries.aisles).tolist():
        rows, columns = np.flatnonzero(queries.aisles == aisle), np.flatnonzero(aisle_of == aisle)
        for start in range(0, len(rows), 256):
            part = rows[start : start + 256]
            order = np.argsort(-score(queries.histories[part], aisle), axis=1, kind="stable")[:, :10]
            tops[part, : order.shape[1]] = columns[order]
    return {"N@10": ndcg(tops, queries.targets, 10), "R@10": recall(tops, queries.targets, 10)}


def judge(data: Dataset, split: Any, vectors: Any, has_text: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, float]]:
    """Figures a question of the ridge by text alone and of plain likeness, and the ridge's N@10 in validation by penalty."""
    aisle_of = data.item_categories
    text = Spread.fit(vectors[has_text])(vectors, has_text)
    ridge, tried = CrossAisleRidge(TEXT_ALONE, text).fit(split.train), {}
    for penalty in PENALTIES:
        ridge.penalty = penalty
        tried[f"{penalty:g}"] = float(ranked(ridge.inside, split.valid, aisle_of)["N@10"].mean())
    again = CrossAisleRidge(TEXT_ALONE, text).fit(split.full)
    again.penalty = float(max(tried, key=lambda name: tried[name]))

    def likeness(histories: Histories, aisle: int) -> Any:
        sums = np.zeros((len(histories), text.shape[1]), np.float32)
        np.add.at(sums, histories.owners, vectors[histories.items] * has_text[histories.items, None])
        return sums @ vectors[aisle_of == aisle].T

    return ranked(again.inside, split.test, aisle_of), ranked(likeness, split.test, aisle_of), tried


def partners(held: Pairs, learned: Pairs, vectors: Any) -> dict[str, Any]:
    """Of held-out pairs that no user of the training has: is the second among the 10 of its aisle nearest to the first, R@10 a pair."""
    new = ~np.array([bool(learned.together(held.first[m : m + 1], held.second[m : m + 1])[0, 0]) for m in range(len(held))])
    first, second = held.first[new], held.second[new]
    found = np.zeros(len(first))
    for aisle in np.unique(held.aisles[second]).tolist():
        columns, rows = np.flatnonzero(held.aisles == aisle), np.flatnonzero(held.aisles[second] == aisle)
        scores = vectors[first[rows]] @ vectors[columns].T
        own = np.take_along_axis(scores, np.searchsorted(columns, second[rows])[:, None], axis=1)
        found[rows] = (scores > own).sum(axis=1) < 10
    return {"R@10": found}


def without_held_out(pairs: Pairs, held: Pairs) -> Pairs:
    """Baskets without those of held-out users, so that their pairs are new to `partners`."""
    import dataclasses

    import scipy.sparse as sp

    keep = np.ones(pairs.baskets.shape[0], np.float32)
    keep[held.owners] = 0
    baskets = sp.csc_matrix(sp.diags(keep) @ pairs.baskets)
    baskets.eliminate_zeros()
    return dataclasses.replace(pairs, baskets=baskets)


def main() -> None:
    """Tune and judge every arm and write what came out; arms that OUT holds already are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--arms", default="untuned,across,rewired,within")
    parser.add_argument("--models", default="", help="also evaluate these models with each encoder")
    parser.add_argument("--base", default="minilm")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("benchmarks/tables/pretrained"), help="folder of the tuned models")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    asked = parser.parse_args()
    changes = {"pretrain.across": "true", "pretrain.days": "1e6", "pretrain.window": "50", "pretrain.early_stopping": "false"}
    chosen = preset_settings("balanced", changes | dict(pair.split("=", 1) for pair in asked.set), seed=asked.seed)
    data = Dataset.from_files(asked.tables / "interactions.parquet", asked.tables / "items.parquet")
    split = hidden_aisle(data)
    whole = pairs_of("across", split.train, chosen.pretrain, asked.seed)
    _, held = hold_out_users(whole, chosen.pretrain.held_out, chosen.pretrain.most_held_out, asked.seed)
    seen = without_held_out(whole, held)
    values: dict[str, dict[str, Any]] = {"ridge, text alone": {}, "likeness": {}, "held-out partners": {}}
    made: dict[str, Any] = {}
    for arm in asked.arms.split(","):
        folder = asked.work / f"{asked.out.stem}-{arm}"
        if arm != "untuned":
            pairs = pairs_of(arm, split.train, chosen.pretrain, asked.seed)
            made[arm] = tuned(arm, split.train, chosen.pretrain, asked.seed, folder, asked.base, pairs)
        reader = asked.base if arm == "untuned" else str(folder)
        vectors, has_text, seconds = item_vectors(reader, data)
        values["ridge, text alone"][arm], values["likeness"][arm], tried = judge(data, split, vectors, has_text)
        values["held-out partners"][arm] = partners(held, seen, vectors)
        made[arm] = made.get(arm, {}) | {"reading_seconds": seconds, "validation N@10 by penalty": tried}
        for model in filter(None, asked.models.split(",")):
            settings = chosen.changed({"text.reader": reader})
            result = evaluate(data, protocol="hidden-aisle", models=[model], settings=settings, refit=True, split=split)
            rows = result.per_query.filter((result.per_query["view"] == "aisle") & (result.per_query["model"] == model)).sort("query")
            values.setdefault(model, {})[arm] = {"N@10": rows["ndcg@10"].to_numpy(), "R@10": rows["recall@10"].to_numpy()}
        results = {
            "tables": asked.tables.name,
            "items": data.n_items,
            "users": data.n_users,
            "questions": len(split.test),
            "seed": asked.seed,
            "base": asked.base,
            "settings": chosen.pretrain.to_dict(),
            "arms": made,
            "figures": {judge_: summary(table, "untuned", asked.seed) for judge_, table in values.items()},
            "against the placebo": {
                judge_: summary(table, "rewired", asked.seed) for judge_, table in values.items() if "rewired" in table
            },
            "hardware": facts.hardware(choose_device(chosen.device)),
            "versions": facts.versions(),
        }
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(results, indent=1) + "\n")
        shown = {judge_: {name: round(float(v.mean()), 5) for name, v in table[arm].items()} for judge_, table in values.items()}
        print(arm, json.dumps(shown), flush=True)


if __name__ == "__main__":
    main()
