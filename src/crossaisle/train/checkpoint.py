"""Checkpoints: written whole or not at all, and what they belong to. Imports: settings, base."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crossaisle.data.dataset import Dataset
from crossaisle.encode.senses import Senses
from crossaisle.errors import ModelError, OutputError
from crossaisle.model.settings import ModelSettings
from crossaisle.train.base import Base
from crossaisle.train.settings import TrainSettings
from crossaisle.tune.settings import TuneSettings

__all__ = ["fingerprint", "load_checkpoint", "save_checkpoint"]


def save_checkpoint(path: Path, payload: dict[str, Any]) -> None:
    """Write to a file beside it, flush to disk, then rename: a kill at any moment leaves the old checkpoint or the new one.

    Raises
    ------
    OutputError
        If the folder cannot be written or is full; nothing is left behind.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    whole = io.BytesIO()  # torch's own writer turns a full disk into a RuntimeError of its own
    torch.save(payload, whole)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as f:
            f.write(whole.getbuffer())
            f.flush()
            os.fsync(f.fileno())
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # what an earlier epoch left stays
            path.parent.rmdir()
        raise OutputError(
            f"checkpoint {path} cannot be written ({error.strerror})",
            "a folder that can be written and has room",
            "free some space or choose another --out",
        ) from None
    finally:
        draft.unlink(missing_ok=True)


def load_checkpoint(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """What `save_checkpoint` wrote, or None where there is nothing.

    Raises
    ------
    ModelError
        If it belongs to other data or settings, or cannot be read.
    """
    if not path.exists():
        return None
    try:
        payload: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(f"checkpoint {path} cannot be read ({error})", "a whole checkpoint", "start again without --resume") from None
    if payload["fingerprint"] != fingerprint:
        raise ModelError(
            f"checkpoint {path} was made from other data or settings", "the same tables, settings and seed", "start again without --resume"
        )
    return payload


def fingerprint(
    data: Dataset,
    full: Dataset | None,
    senses: Senses,
    *,
    model: ModelSettings,
    training: TrainSettings,
    tune: TuneSettings,
    seed: int,
    target_events: tuple[str, ...],
    base: Base | None = None,
) -> str:
    """A hash of all that decides what training gives, so that a checkpoint of other data or settings is not taken up."""
    learning = training.to_dict()
    if learning["optimizer"] == "adamw":  # checkpoints of before there was a choice stay good
        del learning["optimizer"]
    digest = hashlib.sha256(json.dumps([model.to_dict(), learning, seed, target_events]).encode())
    if tune.active:
        digest.update(json.dumps(tune.to_dict()).encode())
    if training.debias == "ips" and data.propensities is not None:
        digest.update(data.propensities.tobytes())
    if base is not None:
        digest.update(base.aisle.encode())
        for name, value in base.network.state_dict().items():
            digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
    for d in (data, full):
        if d is not None:
            for array in (d.histories.offsets, d.histories.items, d.histories.events, d.histories.weights, d.histories.times):
                digest.update(array.tobytes())
            if d.histories.trust is not None:
                digest.update(d.histories.trust.tobytes())
            if d.reviews is not None:
                digest.update(d.reviews.hash_rows().to_numpy().tobytes())
            if d.histories.own is not None:
                digest.update(d.histories.own.times.tobytes())
            if training.objective == "rating" and d.histories.ratings is not None:
                digest.update(d.histories.ratings.tobytes())
    for column in ("item_id", "category"):
        digest.update("\x00".join(data.items[column].to_list()).encode())
    for name, sense in sorted(senses.items()):
        v = sense.values
        for part in (v,) if isinstance(v, np.ndarray) else (v.data, v.indices, v.indptr):
            digest.update(name.encode() + np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
