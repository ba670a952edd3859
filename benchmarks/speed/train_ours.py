"""Trained interactions per second of CrossAisle (our environment).

    python benchmarks/speed/train_ours.py ARM TABLES --out RESULT.json [--epochs 3]

Trains through the front door (`NetworkScorer.fit`): preset `balanced` at the common width, blocks, heads and length. The first epoch is
the warm-up; what is timed is every later one, whole, with its packing, copying of weights and asking of one validation question. An
interaction is a target position: every event of a history but the first, once an epoch.

``ids`` is the network as SASRec; ``id-text`` adds the language model's vectors, ``all`` also learned words, brands and categories (the
preset as shipped). ``-float32`` takes the matrix units' bfloat16 away, ``-float32-750`` also makes a step as many targets as a step of
RecTools has on average, so that both take equally many steps an epoch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import BLOCKS, DIM, HEADS, LENGTH, Moment, between, write

from crossaisle import Dataset
from crossaisle.data.split import leave_one_out
from crossaisle.evaluate.models import SASREC
from crossaisle.presets import preset_settings
from crossaisle.scorers import network_scorer
from crossaisle.train.loop import large_product_dtype
from crossaisle.train.packing import pack_for_training

_IDS, _TEXT = dict(SASREC), {"model.senses": "id,text"}
_FLOAT32 = {"train.precision": "float32"}
_STEP = {"train.tokens_per_step": "750"}
ARMS: dict[str, dict[str, str]] = {
    "ids": _IDS,
    "id-text": _TEXT,
    "all": {},
    "ids-float32": _IDS | _FLOAT32,
    "id-text-float32": _TEXT | _FLOAT32,
    "ids-float32-750": _IDS | _FLOAT32 | _STEP,
    "id-text-float32-750": _TEXT | _FLOAT32 | _STEP,
}
_SHAPE = {"model.dim": str(DIM), "model.blocks": str(BLOCKS), "model.heads": str(HEADS), "model.window": str(LENGTH)}


def main() -> None:
    """Train one arm and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arm", choices=ARMS)
    parser.add_argument("tables", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=3, help="epochs, of which the first is the warm-up")
    asked = parser.parse_args()
    if asked.epochs < 2:
        parser.error(f"--epochs is {asked.epochs}; expected at least 2, as the first is the warm-up")
    changes = {**_SHAPE, **ARMS[asked.arm], "train.epochs": str(asked.epochs), "train.patience": "1000"}
    settings = preset_settings("balanced", changes, device="cpu")
    data = Dataset.from_files(asked.tables / "interactions.parquet", asked.tables / "items.parquet", settings=settings.data)
    split = leave_one_out(data)
    ends: dict[int, Moment] = {}
    steps: dict[int, int] = {}

    def watch(stage: str, done: int, total: int, note: str) -> None:
        if stage == "training":
            a_epoch = total // asked.epochs
            epoch = (done - 1) // a_epoch
            steps[epoch] = a_epoch
            if done == (epoch + 1) * a_epoch:
                ends[epoch] = Moment.now()

    scorer = network_scorer(settings, asked.arm)
    scorer.fit(split.train, valid=split.valid[:1], progress=watch)
    if len(ends) != asked.epochs:
        raise SystemExit(f"saw the end of {len(ends)} epochs, expected {asked.epochs}: the training loop no longer tells of every step")
    targets = int((pack_for_training(split.train.histories, LENGTH, 0).target_weights > 0).sum())
    spent = between(ends[0], ends[asked.epochs - 1])
    interactions = targets * (asked.epochs - 1)
    write(
        asked.out,
        {
            "side": "ours",
            "arm": f"ours-{asked.arm}",
            "interactions": interactions,
            "interactions_per_second": interactions / spent["seconds"],
            "targets_per_epoch": targets,
            "steps": sum(n for epoch, n in steps.items() if epoch > 0),
            "steps_per_epoch": steps[asked.epochs - 1],
            "seconds_per_epoch": spent["seconds"] / (asked.epochs - 1),
            **spent,
            "loss_first_and_last": [scorer.selection.losses[0], scorer.selection.losses[-1]],
            "precision": str(large_product_dtype(settings.train, scorer.device)).removeprefix("torch."),
            "parameters": sum(p.numel() for p in scorer.network.parameters()) if scorer.network is not None else 0,
            "settings": {"model": settings.model.to_dict(), "train": settings.train.to_dict()},
        },
    )
    print(
        f"ours-{asked.arm}: {interactions / spent['seconds']:,.0f} interactions/s, {spent['seconds'] / (asked.epochs - 1):.1f} s an epoch"
    )


if __name__ == "__main__":
    main()
