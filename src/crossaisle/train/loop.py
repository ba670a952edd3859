"""The training loop. Imports: settings, packing, objective, adversarial, conflict, noise, checkpoint, tracking, tuning.

Order is meaning here: an epoch seeds its own random numbers from (seed, epoch), so a run that was killed and resumed takes the same steps
as an unbroken one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from crossaisle.contracts import Progress
from crossaisle.data.histories import Histories
from crossaisle.errors import SettingError
from crossaisle.model.losses import fast_dtype
from crossaisle.model.network import Network, PackedRows
from crossaisle.schema import Bools, Floats, Ints
from crossaisle.train.adversarial import Adversary
from crossaisle.train.checkpoint import load_checkpoint, save_checkpoint
from crossaisle.train.conflict import Conflict
from crossaisle.train.noise import NoisyTexts
from crossaisle.train.objective import step_loss
from crossaisle.train.packing import pack_for_training
from crossaisle.train.settings import TrainSettings
from crossaisle.train.tracking import Track
from crossaisle.train.tuning import Tuning

__all__ = ["Term", "TrainingRun", "large_product_dtype", "train"]


class Term(Protocol):
    """Something that is added to the objective."""

    def term(self, network: Network, rows: PackedRows, generator: torch.Generator, dtype: torch.dtype, done: float) -> torch.Tensor | None:
        """float32 (): what is added for the step ``rows``, None for nothing; ``done`` is the share of all steps before it."""
        ...


@dataclass
class TrainingRun:
    """What a training run left behind.

    Attributes
    ----------
    losses, scores : list of float
        Training loss and validation N@10 of each epoch (scores are empty without validation).
    best_epoch : int
        The epoch (from 1) whose weights were kept.
    seconds : float
    """

    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    best_epoch: int = 0
    seconds: float = 0.0


def large_product_dtype(settings: TrainSettings, device: torch.device) -> torch.dtype:
    """Precision of the products with the whole catalogue."""
    if settings.precision == "auto":
        return torch.bfloat16 if device.type == "cuda" else fast_dtype()
    return torch.bfloat16 if settings.precision == "bfloat16" else torch.float32


def _optimizer(network: Network, settings: TrainSettings, tuning: Tuning | None) -> torch.optim.Optimizer:
    """Over what is not frozen."""
    named = [(n, p) for n, p in network.named_parameters() if p.requires_grad]
    ids = {id(p) for p in (network.tower.id_table, network.tower.fresh_ids) if p is not None}
    plain = {id(p) for n, p in named if p.ndim < 2 or n.endswith(("position", "bias", "event", "gap"))}
    groups = [
        {"params": [p for _, p in named if id(p) not in plain | ids], "weight_decay": settings.weight_decay},
        {"params": [p for _, p in named if id(p) in plain], "weight_decay": 0.0},
        {"params": [p for _, p in named if id(p) in ids], "weight_decay": settings.id_weight_decay},
    ]
    groups += [] if tuning is None else tuning.parameter_groups()
    optimizer: torch.optim.Optimizer
    if settings.optimizer == "sgd":
        optimizer = torch.optim.SGD(groups, lr=settings.learning_rate, momentum=0.9)
    else:
        kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
        optimizer = kind(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)
    for group in optimizer.param_groups:
        group["highest"] = group["lr"]
    return optimizer


def _rate(step: int, steps: int, settings: TrainSettings) -> float:
    """Learning rate of a step, as a share of the highest: linear up, cosine down to the floor."""
    warm = max(1, round(settings.warmup * steps))
    if step < warm:
        return (step + 1) / warm
    done = min(1.0, (step - warm) / max(1, steps - warm))
    return settings.floor + (1 - settings.floor) * 0.5 * (1 + math.cos(math.pi * done))


def train(
    network: Network,
    histories: Histories,
    settings: TrainSettings,
    *,
    seed: int,
    epochs: int,
    target_mask: Bools | None = None,
    item_weights: Floats | None = None,
    item_aisles: Ints | None = None,
    validate: Callable[[Network], float] | None = None,
    stage: str = "train",
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    fingerprint: str = "",
    resume: bool = False,
    tuning: Tuning | None = None,
    noise: NoisyTexts | None = None,
    terms: Sequence[Term] = (),
    track: Track | None = None,
) -> TrainingRun:
    """Train ``network`` in place; with ``validate`` it ends with the weights of the best epoch.

    Parameters
    ----------
    epochs : int
        How many of ``settings.epochs`` to run; the schedule is always that of the whole.
    target_mask : bool (E,), optional
        Which events may be targets (default: all).
    item_weights : float32 (N,), optional
        What an item weighs as a target (default: all 1).
    item_aisles : int64 (N,), optional
        The aisle of each item, where gradients of aisles are projected (default: one).
    validate : callable, optional
        Gives the validation N@10 of the network, higher is better.
    checkpoint : Path, optional
        Where to save after each epoch; with ``resume`` training goes on from there.
    tuning : Tuning, optional
        A language model that is trained along; it ends as that of the same epoch as the network.
    noise : NoisyTexts, optional
        The catalogue misspelt.
    terms : sequence of Term
        What is added to the objective.
    track : Track, optional
        Told of steps and epochs; what it raises ends the training.
    """
    device = next(network.parameters()).device
    dtype = large_product_dtype(settings, device)
    width = network.tower.settings.window
    per_step = max(1, settings.tokens_per_step // width)
    negatives = settings.negatives_of(network.tower.n_items)
    optimizer, adversary = _optimizer(network, settings, tuning), Adversary(settings, network)
    conflict = None
    if settings.conflict != "none":
        if tuning is not None:
            raise SettingError(
                f"train.conflict is {settings.conflict} and the language model is tuned", "one of the two", "set train.conflict to none"
            )
        aisles = np.zeros(network.tower.n_items, np.int64) if item_aisles is None else item_aisles
        conflict = Conflict(settings, histories.items, aisles, device)
    run, best, first = TrainingRun(), None, 0
    best_tuned: dict[str, torch.Tensor] | None = None
    if checkpoint is not None and resume and (saved := load_checkpoint(checkpoint, fingerprint)) is not None:
        network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        run = TrainingRun(**saved["run"])
        best, first = saved["best"], saved["epoch"]
        if tuning is not None:
            tuning.load_state(network, saved["tuning"])
            best_tuned = saved["best_tuning"]
    started = time.monotonic() - run.seconds

    for epoch in range(first, epochs):
        if validate is not None and epoch - run.best_epoch >= settings.patience and run.scores:
            break
        rows = pack_for_training(histories, width, seed * 100_003 + epoch, target_mask)
        if item_weights is not None:
            rows.target_weights.mul_(torch.from_numpy(item_weights)[rows.targets])
        steps = -(-len(rows) // per_step)
        total, loss_sum, clock = steps * settings.epochs, 0.0, time.monotonic()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed * 100_003 + epoch)
            generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
            network.train()
            if tuning is not None:
                tuning.begin_epoch(seed * 100_003 + epoch)
            if noise is not None:
                noise.begin_epoch(network, seed * 100_003 + epoch)
            for step in range(steps):
                part = rows.rows(slice(step * per_step, (step + 1) * per_step)).to(device)
                for group in optimizer.param_groups:
                    group["lr"] = group["highest"] * _rate(epoch * steps + step, total, settings)
                if tuning is not None:
                    tuning.read_step(network, part)
                loss_of = partial(_loss, network, part, negatives, generator, dtype, terms, (epoch * steps + step) / total)
                optimizer.zero_grad(set_to_none=True)
                if adversary.active(epoch):
                    loss = adversary.backward(network, loss_of, part, generator, again=tuning is not None)
                elif conflict is not None:
                    loss = conflict.backward(network, part, partial(_plain, network, negatives, generator, dtype), generator)
                    beside = _beside(network, part, generator, dtype, terms, (epoch * steps + step) / total)
                    if beside is not None:
                        beside.backward()  # type: ignore[no-untyped-call]
                else:
                    loss = loss_of()
                    loss.backward()  # type: ignore[no-untyped-call]
                norm = None
                if settings.clip > 0:
                    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
                    if tuning is not None:
                        torch.nn.utils.clip_grad_norm_(tuning.parameters(), settings.clip)
                optimizer.step()
                loss_sum += (value := float(loss.detach()))
                if track is not None:
                    rate = optimizer.param_groups[0]["lr"]
                    track.step(stage, epoch + 1, epoch * steps + step + 1, value, rate, norm, time.monotonic() - started)
                if progress is not None:
                    rate = (step + 1) * per_step * width / max(1e-9, time.monotonic() - clock)
                    progress(
                        stage,
                        epoch * steps + step + 1,
                        epochs * steps,
                        f"epoch {epoch + 1}/{epochs}, loss {loss_sum / (step + 1):.3f}, {rate:,.0f} places/s",
                    )
        run.losses.append(loss_sum / max(1, steps))
        network.eval()
        if noise is not None:
            noise.end_epoch(network)
        if tuning is not None:
            tuning.end_epoch(network, progress)
        if validate is not None:
            run.scores.append(validate(network))
            if best is None or run.scores[-1] > max(run.scores[:-1], default=-np.inf):
                run.best_epoch, best = epoch + 1, _copy(network)
                best_tuned = None if tuning is None else tuning.state()
        else:
            run.best_epoch = epoch + 1
        run.seconds = time.monotonic() - started
        if track is not None:
            track.epoch(stage, epoch + 1, (epoch + 1) * steps, run.losses[-1], run.scores[-1] if run.scores else None, run.seconds)
        if checkpoint is not None:
            save_checkpoint(
                checkpoint,
                {
                    "fingerprint": fingerprint,
                    "epoch": epoch + 1,
                    "network": network.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "best": best,
                    "run": vars(run),
                    **({} if tuning is None else {"tuning": tuning.state(), "best_tuning": best_tuned}),
                },
            )
    if best is not None:
        network.load_state_dict(best)
    if tuning is not None and best_tuned is not None:
        tuning.load_state(network, best_tuned)
    network.eval()
    run.seconds = time.monotonic() - started
    return run


def _loss(
    network: Network,
    rows: PackedRows,
    negatives: int,
    generator: torch.Generator,
    dtype: torch.dtype,
    terms: Sequence[Term],
    done: float,
) -> torch.Tensor:
    """The objective and the terms beside it."""
    loss = step_loss(network, rows, negatives, generator, dtype)
    for term in terms:
        more = term.term(network, rows, generator, dtype, done)
        loss = loss if more is None else loss + more
    return loss


def _beside(
    network: Network, rows: PackedRows, generator: torch.Generator, dtype: torch.dtype, terms: Sequence[Term], done: float
) -> torch.Tensor | None:
    """The terms beside the objective alone; None where there is none."""
    found = [more for term in terms if (more := term.term(network, rows, generator, dtype, done)) is not None]
    return torch.stack(found).sum() if found else None


def _plain(network: Network, negatives: int, generator: torch.Generator, dtype: torch.dtype, rows: PackedRows) -> torch.Tensor:
    return step_loss(network, rows, negatives, generator, dtype)


def _copy(network: Network) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
