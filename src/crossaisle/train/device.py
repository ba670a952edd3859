"""The one place where a device is chosen. Imports: nothing of this room."""

from __future__ import annotations

import torch

from crossaisle.errors import SettingError

__all__ = ["choose_device"]


def choose_device(name: str) -> str:
    """``auto`` -> ``cuda`` where there is one, else ``cpu``.

    Raises
    ------
    SettingError
        If ``cuda`` is asked for and there is none.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise SettingError("device cuda, and torch finds none", "a CUDA device", "pass --device cpu")
    return "cuda" if name == "cuda" or (name == "auto" and there) else "cpu"
