"""Training with typing errors: what an item says is read from a misspelt text in some epochs. Imports: settings.

Embeddings that are shifted do not make typos harmless, because one wrong letter gives other word pieces; misspelt texts do. The catalogue
is read a few times more, once for each set of errors, and not again: in every epoch each item is heard rightly or in one of these ways.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import polars as pl
import scipy.sparse as sp

from crossaisle.attack.items import noisy_items
from crossaisle.contracts import Progress
from crossaisle.encode.senses import Sense, Senses
from crossaisle.model.network import Network
from crossaisle.train.settings import TrainSettings

__all__ = ["NoisyTexts"]


class TextsReader(Protocol):
    """What this needs of ``encode.items.ItemReader``."""

    def read_texts(self, items: pl.DataFrame, progress: Progress | None = None) -> dict[str, Sense]:
        """The senses that are read from texts, kept nowhere."""
        ...


class NoisyTexts:
    """The catalogue as it is, and as it reads misspelt.

    Parameters
    ----------
    reader : TextsReader
    senses : dict
        The catalogue as it is.
    items : polars.DataFrame
        The catalogue, N rows.
    settings : TrainSettings
        ``char_noise`` is the share of letters that are wrong, ``char_noise_sets`` how many sets of errors are drawn.
    """

    def __init__(
        self,
        reader: TextsReader,
        senses: Senses,
        items: pl.DataFrame,
        settings: TrainSettings,
        *,
        seed: int,
        progress: Progress | None = None,
    ) -> None:
        self.senses = senses
        self.misread = [
            reader.read_texts(noisy_items(items, "typos", settings.char_noise, seed * 1009 + k + 1), progress)
            for k in range(settings.char_noise_sets)
        ]

    def begin_epoch(self, network: Network, seed: int) -> None:
        """Each item, by chance, as it is or in one of the misspelt ways, all equally likely."""
        n = len(next(iter(self.senses.values())).present)
        which = np.random.default_rng(seed).integers(len(self.misread) + 1, size=n)
        self._attach(network, {name: self._mixed(name, sense, which) for name, sense in self.senses.items()})

    def end_epoch(self, network: Network) -> None:
        """The catalogue as it is."""
        self._attach(network, self.senses)

    def _mixed(self, name: str, sense: Sense, which: Any) -> Sense:
        if name not in self.misread[0]:
            return sense
        heard = [sense, *(m[name] for m in self.misread)]
        rows = which * len(which) + np.arange(len(which))
        present = np.concatenate([h.present for h in heard])[rows]
        if isinstance(sense.values, np.ndarray):
            return Sense(np.concatenate([h.values for h in heard])[rows], present)
        return Sense(sp.vstack([h.values for h in heard], format="csr")[rows], present)

    @staticmethod
    def _attach(network: Network, senses: Senses) -> None:
        network.tower.attach(senses, network.tower.trained.cpu().numpy())
