"""Noise in pictures: Gaussian noise, and a JPEG saved once more at a low quality. Imports: errors."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from crossaisle.errors import RequestError

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PICTURE_KINDS", "noisy_picture"]

PICTURE_KINDS = ("gaussian", "jpeg")


def noisy_picture(picture: Image, kind: str, level: float, seed: int = 0) -> Image:
    """An RGB picture with noise, of the same size.

    Parameters
    ----------
    picture : PIL.Image.Image
        RGB.
    kind : str
        ``gaussian``: independent noise on each value; ``jpeg``: saved as JPEG and opened again.
    level : float
        Of ``gaussian`` the standard deviation as a share of the whole range (.05 to .2); of ``jpeg`` the quality, 1 (worst) to 95.
    seed : int

    Raises
    ------
    RequestError
        If the kind is unknown or the level out of range.

    Examples
    --------
    >>> from PIL import Image
    >>> noisy_picture(Image.new("RGB", (8, 8), "grey"), "jpeg", 20).size
    (8, 8)
    """
    from PIL import Image as Images

    if kind == "gaussian" and 0 <= level <= 1:
        values = np.asarray(picture, dtype=np.float64)
        noisy = values + np.random.default_rng(seed).normal(0.0, 255.0 * level, values.shape)
        return Images.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    if kind == "jpeg" and 1 <= level <= 95:
        packed = io.BytesIO()
        picture.save(packed, format="JPEG", quality=int(level))
        packed.seek(0)
        opened: Image = Images.open(packed)
        opened.load()
        return opened
    raise RequestError(f"noise {kind!r} at level {level:g}", "gaussian at 0 to 1, or jpeg at 1 to 95", "correct it")
