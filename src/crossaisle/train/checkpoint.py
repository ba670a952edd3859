"""Checkpoints: written whole or not at all. Imports: errors."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import Any

import torch

from crossaisle.errors import ModelError, OutputError

__all__ = ["load_checkpoint", "save_checkpoint"]


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
