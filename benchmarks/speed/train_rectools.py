"""Trained interactions per second of RecTools (its own environment).

    python benchmarks/speed/train_rectools.py ARM DATA --out RESULT.json [--seconds 60]

DATA is what prepare.py wrote. Each model trains through its own ``fit``, with its own loader and trainer; a callback looks at the clock.
Warm-up steps first, then whole steps until the time is up. An interaction is a target position that is not padding, counted in each batch.

``sasrec`` and ``unisrec`` are as the library makes them, at the common width, blocks, heads, length and batch, with the full softmax;
``sasrec-bf16`` lets the trainer mix in bfloat16, which the library does only when asked (UniSRecModel cannot be asked).
"""

from __future__ import annotations

import argparse
import json
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as lightning
import torch
from common import BATCH, BLOCKS, DIM, HEADS, LENGTH, Moment, between, write
from rectools import Columns
from rectools.dataset import Dataset
from rectools.fast_transformers import UniSRecModel, build_sequences
from rectools.models import SASRecModel

ARMS = ("sasrec", "unisrec", "sasrec-bf16")
_CHOSEN: dict[str, Any] = {
    "n_factors": DIM,
    "n_blocks": BLOCKS,
    "n_heads": HEADS,
    "session_max_len": LENGTH,
    "batch_size": BATCH,
    "loss": "softmax",
}
_MANY = 1000
"""Epochs that no run gets through: the clock ends it."""


class Watch(lightning.Callback):
    """Counts target positions and stops training when the time is up; at the class, because RecTools copies its trainer."""

    warm_steps, budget = 5, 60.0
    steps = interactions = 0
    start: Moment | None = None
    end: Moment | None = None
    losses: list[float] = []  # noqa: RUF012  one run a process

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: dict[str, torch.Tensor], batch_idx: int) -> None:
        seen = type(self)
        seen.losses.append(float(outputs["loss"]))
        if seen.start is not None:
            seen.steps += 1
            seen.interactions += int((batch["y"] != 0).sum())
            seen.end = Moment.now()
            trainer.should_stop = seen.end.wall - seen.start.wall >= seen.budget
        elif len(seen.losses) >= seen.warm_steps:
            seen.start = Moment.now()


def _trainer(precision: str) -> lightning.Trainer:
    """What RecTools makes by itself, plus the watch."""
    return lightning.Trainer(
        max_epochs=_MANY,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=False,
        enable_checkpointing=False,
        devices=1,
        precision=precision,
        callbacks=[Watch()],
    )


class _Loader:
    """What an epoch of the library's own loader holds, counted after training."""

    users = targets = 0


class _Watched(UniSRecModel):
    """The model with the watch in the trainer that it makes."""

    def _make_trainer(self, max_epochs: int, val_dl: Any = None) -> lightning.Trainer:
        trainer = super()._make_trainer(max_epochs, val_dl)
        trainer.callbacks.append(Watch())
        return trainer


def fit_sasrec(data: Any, precision: str) -> tuple[int, dict[str, Any]]:
    """Train; returns the number of parameters and the settings."""
    table = pd.DataFrame(
        {
            Columns.User: data["users"],
            Columns.Item: data["items"],
            Columns.Weight: 1.0,
            Columns.Datetime: pd.to_datetime(data["places"], unit="s"),
        }
    )
    model = SASRecModel(**_CHOSEN, epochs=_MANY, get_trainer_func=lambda: _trainer(precision))
    model.fit(Dataset.construct(table))
    sessions = model.data_preparator.get_dataloader_train().dataset.sessions
    _Loader.users, _Loader.targets = len(sessions), sum(len(s) - 1 for s in sessions)
    return sum(p.numel() for p in model.torch_model.parameters()), {**_CHOSEN, "trainer precision": precision}


def fit_unisrec(data: Any) -> tuple[int, dict[str, Any]]:
    """Train; returns the number of parameters and the settings. Row 0 of the vectors is padding, so item i is i + 1."""
    vectors = torch.from_numpy(np.concatenate([np.zeros((1, data["vectors"].shape[1]), np.float32), data["vectors"]]))
    model = _Watched(vectors, **_CHOSEN, epochs=_MANY)
    events = [torch.from_numpy(np.ascontiguousarray(a)) for a in (data["users"], data["items"] + 1, data["places"])]
    model.fit(*events)
    _, targets, _, _ = build_sequences(*events, max_len=LENGTH)
    _Loader.users, _Loader.targets = len(targets), int((targets != 0).sum())
    return sum(p.numel() for p in model.net.parameters()), {**_CHOSEN, "adaptor": model.adaptor_type}


def main() -> None:
    """Train one arm and write its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arm", choices=ARMS)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--warm-steps", type=int, default=5)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    lightning.seed_everything(0)
    Watch.budget, Watch.warm_steps = asked.seconds, asked.warm_steps
    described = json.loads((asked.data / "data.json").read_text(encoding="utf-8"))
    with np.load(asked.data / "train.npz") as data:
        if asked.arm == "unisrec":
            parameters, chosen = fit_unisrec(data)
        else:
            parameters, chosen = fit_sasrec(data, "bf16-mixed" if asked.arm.endswith("bf16") else "32-true")
    if Watch.start is None or Watch.end is None or not Watch.steps:
        raise SystemExit(f"no step was timed: training ended after {len(Watch.losses)} steps, {asked.warm_steps} of them warm-up")
    spent = between(Watch.start, Watch.end)
    rate = Watch.interactions / spent["seconds"]
    targets = _Loader.targets
    if targets != described["targets_in_newest_window"]:
        raise SystemExit(
            f"the loader holds {targets} targets, expected {described['targets_in_newest_window']}: another cut of the histories?"
        )
    write(
        asked.out,
        {
            "side": "rectools",
            "arm": f"rectools-{asked.arm}",
            "interactions": Watch.interactions,
            "interactions_per_second": rate,
            "targets_per_epoch": targets,
            "steps": Watch.steps,
            "steps_per_epoch": -(-_Loader.users // BATCH),
            "seconds_per_epoch": targets / rate,
            **spent,
            "loss_first_and_last": [Watch.losses[0], Watch.losses[-1]],
            "precision": "bfloat16" if asked.arm.endswith("bf16") else "float32",
            "parameters": parameters,
            "settings": chosen,
            "versions": {name: version(name) for name in ("RecTools", "pytorch-lightning", "pandas")},
        },
    )
    print(f"rectools-{asked.arm}: {rate:,.0f} interactions/s, {targets / rate:.1f} s an epoch ({Watch.steps} steps timed)")


if __name__ == "__main__":
    main()
