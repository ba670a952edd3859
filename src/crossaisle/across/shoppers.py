"""What is known of a shopper as vectors, and how alike two shoppers are. Imports: settings.

A shopper outside one aisle is three blocks of features: the items (idf-weighted), the sum of their iALS factors (each of length 1), and
the sum of what they say (language model's vectors). The likeness of two shoppers is a weighted sum of the blocks' dot products and a
constant: a positive definite kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from crossaisle.across.settings import AcrossSettings
from crossaisle.schema import Floats

__all__ = ["Blocks", "Knowledge", "levelled", "likeness", "rows_of", "scaled", "scales", "turned", "typical_lengths"]

_LENGTHS = {"ids": 0.75, "factors": 0.75, "text": 1.0}
"""Power of its length that a block is divided by: 1 forgets how much somebody bought, 0 lets bulk buyers rule."""

Blocks = dict[str, Any]
"""name -> (B, width) array or csr."""


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What items bring to a shopper's features.

    Attributes
    ----------
    idf : float32 (N,)
    factors : float32 (N, F)
        Rows of length 1.
    text : float32 (N, D) or None
        Zero rows where an item says nothing.
    settings : AcrossSettings
    """

    idf: Floats
    factors: Floats
    text: Floats | None
    settings: AcrossSettings

    def blocks(self, x: Any) -> Blocks:
        """The features of B shoppers, csr (B, N) of zeros and ones, before any scaling."""
        s = self.settings
        out: Blocks = {}
        if s.ids > 0:
            out["ids"] = (x @ sp.diags(self.idf)).tocsr()
        if s.factors > 0:
            out["factors"] = np.asarray(x @ self.factors, dtype=np.float32)
        if s.text > 0 and self.text is not None:
            out["text"] = np.asarray(x @ self.text, dtype=np.float32)
        return out


def _lengths(block: Any) -> Floats:
    """float64 (B,): the Euclidean length of each row."""
    squares = block.multiply(block).sum(axis=1) if sp.issparse(block) else (np.asarray(block, dtype=np.float64) ** 2).sum(axis=1)
    return np.sqrt(np.asarray(squares, dtype=np.float64)).ravel()


def levelled(blocks: Blocks) -> Blocks:
    """Each row over ``length^p``."""
    out: Blocks = {}
    for name, block in blocks.items():
        by = (1.0 / np.maximum(_lengths(block), 1e-9) ** _LENGTHS[name]).astype(np.float32)
        out[name] = (sp.diags(by) @ block).tocsr() if sp.issparse(block) else block * by[:, None]
    return out


def scales(typical: dict[str, float]) -> dict[str, float]:
    """What each levelled block is multiplied by, ``typical^-(1 - p)``, so that a shopper of typical length has length 1."""
    return {name: float(max(length, 1e-9) ** (_LENGTHS[name] - 1)) for name, length in typical.items()}


def scaled(blocks: Blocks, typical: dict[str, float]) -> Blocks:
    """Each row over ``length^p * typical^(1 - p)``."""
    by = scales(typical)
    return {name: block * np.float32(by[name]) for name, block in levelled(blocks).items()}


def typical_lengths(blocks: Blocks) -> dict[str, float]:
    """Root mean square length of each block's rows."""
    return {name: float(np.sqrt(np.mean(_lengths(block) ** 2))) for name, block in blocks.items()}


def turned(blocks: Blocks) -> Blocks:
    """Each block transposed, ready to be multiplied with again and again: ``likeness(a, turned(b), ...)``."""
    return {name: block.T.tocsr() if sp.issparse(block) else block.T for name, block in blocks.items()}


def rows_of(blocks: Blocks, rows: Any) -> Blocks:
    """Some of the shoppers."""
    return {name: block[rows] for name, block in blocks.items()}


def likeness(a: Blocks, b: Blocks, settings: AcrossSettings, n_a: int, n_b: int, by: Mapping[str, float] | None = None) -> Floats:
    """float32 (n_a, n_b): sum over blocks of weight * a b' + constant; b is `scaled` and `turned`, and a scaled, or levelled and ``by`` its
    `scales`."""
    out = np.full((n_a, n_b), settings.constant, dtype=np.float32)
    for name, block in a.items():
        product = block @ b[name]
        weight = getattr(settings, name) * (1.0 if by is None else by[name])
        out += np.float32(weight) * (product.toarray() if sp.issparse(product) else product)
    return out
