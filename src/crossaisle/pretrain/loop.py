"""The loop of a stage. Imports: contracts, train.checkpoint; of its own room language_model, objective, settings.

Every step seeds its own random numbers from (seed, epoch, step) and every epoch draws its data from (seed, epoch), so a run that was
killed and goes on from its last checkpoint takes the same steps as an unbroken one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from crossaisle.contracts import Progress
from crossaisle.pretrain.language_model import LanguageModel
from crossaisle.pretrain.objective import Objective
from crossaisle.pretrain.settings import PretrainSettings
from crossaisle.train.checkpoint import load_checkpoint, save_checkpoint

__all__ = ["StageRun", "run_stage"]


@dataclass
class StageRun:
    """What a stage left behind.

    Attributes
    ----------
    name : str
    losses : list of dict
        Mean training loss of each epoch, by objective.
    held_out : list of dict
        Held-out loss by objective; the first entry is that of the model before the stage.
    best_epoch : int
        Whose weights were kept; 0: those from before the stage, since nothing was better.
    steps : int
    seconds : float
    """

    name: str
    losses: list[dict[str, float]] = field(default_factory=list)
    held_out: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    steps: int = 0
    seconds: float = 0.0


def run_stage(
    name: str,
    model: LanguageModel,
    objectives: Sequence[Objective],
    settings: PretrainSettings,
    *,
    checkpoint: Path | None = None,
    fingerprint: str = "",
    resume: bool = False,
    progress: Progress | None = None,
) -> StageRun:
    """Train ``model`` in place on the sum of the objectives; it ends with the weights of the lowest held-out loss.

    Parameters
    ----------
    name : str
        For the record and the progress.
    checkpoint : Path, optional
        Where to save after each epoch and every ``settings.checkpoint_steps`` steps; with ``resume`` the stage goes on from there.
    fingerprint : str
        Of data, settings and seed; a checkpoint of others is refused.

    Raises
    ------
    ModelError, OutputError
        If the checkpoint belongs to other data or settings, or cannot be written.
    """
    heads = torch.nn.ModuleList([o.head for o in objectives if o.head is not None])
    optimizer = _optimizer([*model.adapted.named_parameters().values(), *heads.parameters()], settings)
    run, best = StageRun(name), model.adapted.state()
    epoch, step, sums, ended = 0, 0, [0.0] * len(objectives), False
    if checkpoint is not None and resume and (saved := load_checkpoint(checkpoint, fingerprint)) is not None:
        run, best, ended = StageRun(**saved["run"]), saved["best"], saved["ended"]
        if not ended:
            model.adapted.load_state(saved["module"])
            heads.load_state_dict(saved["heads"])
            optimizer.load_state_dict(saved["optimizer"])
            epoch, step, sums = saved["epoch"], saved["step"], saved["sums"]
    started = time.monotonic() - run.seconds

    def keep(ended: bool = False) -> None:
        if checkpoint is None:
            return
        run.seconds = time.monotonic() - started
        state = {"fingerprint": fingerprint, "run": asdict(run), "best": best, "ended": ended}
        if not ended:
            state |= {"module": model.adapted.state(), "heads": heads.state_dict(), "optimizer": optimizer.state_dict()}
            state |= {"epoch": epoch, "step": step, "sums": sums}
        save_checkpoint(checkpoint, state)

    if not ended and not run.held_out:
        run.held_out.append({o.name: o.held_out() for o in objectives})
    while not ended and epoch < settings.epochs and (epoch - run.best_epoch < settings.patience or not settings.early_stopping):
        lengths = [o.begin(epoch) for o in objectives]
        steps = max(lengths)
        model.module.train()
        while step < steps:
            rate = _rate(epoch * steps + step, settings.epochs * steps, settings.warmup)
            for group in optimizer.param_groups:
                group["lr"] = settings.rate * rate
            optimizer.zero_grad(set_to_none=True)
            for place, (objective, length) in enumerate(zip(objectives, lengths, strict=True)):
                sums[place] += objective.backward(step % length) if length else 0.0
            if settings.clip > 0:
                torch.nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], settings.clip)
            optimizer.step()
            step, run.steps = step + 1, run.steps + 1
            if progress is not None:
                loss = sum(sums) / step
                progress(f"pretraining, {name}", epoch * steps + step, settings.epochs * steps, f"epoch {epoch + 1}, loss {loss:.3f}")
            if step % settings.checkpoint_steps == 0 and step < steps:
                keep()
        run.losses.append({o.name: total / max(1, steps) for o, total in zip(objectives, sums, strict=True)})
        run.held_out.append({o.name: o.held_out() for o in objectives})
        epoch, step, sums = epoch + 1, 0, [0.0] * len(objectives)
        totals = [sum(losses.values()) for losses in run.held_out]
        if totals[-1] < min(totals[:-1]) or not settings.early_stopping:
            run.best_epoch, best = epoch, model.adapted.state()
        keep()
    model.adapted.load_state(best)
    model.module.eval()
    if not ended:
        keep(ended=True)
        run.seconds = time.monotonic() - started
    return run


def _optimizer(parameters: Sequence[torch.nn.Parameter], settings: PretrainSettings) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only."""
    trained = [p for p in parameters if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.rate, fused=True)


def _rate(step: int, steps: int, warmup: float) -> float:
    """Learning rate as a share of the highest: linear up, then linear down to 0.

    Examples
    --------
    >>> [round(_rate(s, 10, 0.2), 3) for s in (0, 1, 2, 9)]
    [0.5, 1.0, 1.0, 0.125]
    """
    warm = max(1, round(warmup * steps))
    return (step + 1) / warm if step < warm else max(0.0, (steps - step) / max(1, steps - warm))
