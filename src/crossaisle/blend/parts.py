"""What joins the network: steps between items, likeness of words, of texts, and one learned from pairs. Imports: settings, pairs.

Each gives float32 (B, N) for B histories; what they need of the items they take from the network's own senses, so that only Markov's
counts are kept with the model.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from crossaisle.baselines.ials import IALS
from crossaisle.baselines.linear import Markov
from crossaisle.baselines.matrices import history_matrix
from crossaisle.baselines.text_space import TextSpace
from crossaisle.blend.pairs import PairModel, dense
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.encode.senses import Senses
from crossaisle.encode.spread import Spread
from crossaisle.schema import Bools, Floats
from crossaisle.shared import ALONE, Growing, Shared

__all__ = ["TEXT_DECAY", "Parts", "in_order_of", "stand_as_in", "standardised"]

TEXT_DECAY = 0.8
"""Weight of a history's event against the one after it, where texts are compared."""
_BEYOND = 0.01
"""By half so much an item is put above the first of all, or below the last."""


class Parts:
    """The parts of one blend.

    Parameters
    ----------
    names : tuple of str
        See `blend.settings.PARTS`; a part whose sense no item has is left out.
    senses : Senses
        Of the N items: "words" (csr), "text" and other dense ones.
    spread : Spread, optional
        Of the text; fitted on ``senses`` if not given.
    shared : Shared
        Where `text` may be taken from.

    Attributes
    ----------
    text : float32 (N, D) or None
        What each item says, spread and of length 1; None where none says anything.
    """

    def __init__(self, names: tuple[str, ...], senses: Senses, spread: Spread | None = None, shared: Shared = ALONE) -> None:
        needs = {"word-knn": "words", "text-knn": "text"}
        self.names = tuple(n for n in dict.fromkeys(names) if n not in needs or needs[n] in senses)
        if not dense(senses):
            self.names = tuple(n for n in self.names if n != "pairs")
        self._markov, self._spaces = Markov(), dict[str, TextSpace]()
        self._steps: Any = None
        self._ials: IALS | None = None
        self._pairs: PairModel | None = None
        self.spread = spread
        self._text: Growing | None = None
        self.read(senses, shared)

    @property
    def text(self) -> Floats | None:
        """See the class."""
        return None if self._text is None else self._text.rows

    def read(self, senses: Senses, shared: Shared = ALONE) -> None:
        """Take the senses of the catalogue as it is now; items may have joined."""
        if "word-knn" in self.names:
            words = senses["words"]
            self._spaces["word-knn"] = TextSpace(sp.csr_matrix(sp.diags(words.present.astype(np.float32)) @ words.values), "words")
        if "text" in senses:
            text = senses["text"]
            values = np.asarray(text.values, dtype=np.float32)
            spread = self.spread = self.spread or Spread.fit(values[text.present])
            self._text = shared.rows("text", len(values), lambda: spread(values, text.present))
        if "text-knn" in self.names and self.text is not None:
            self._spaces["text-knn"] = TextSpace(self.text, "text")
        if self._pairs is not None:
            self._pairs.read(senses)

    def read_more(self, senses: Senses) -> None:
        """Take what items that joined say, the last ones of ``senses``; what the others say is as it was."""
        if "word-knn" in self.names:
            n = self._spaces["word-knn"].items.shape[0]
            words = senses["words"]
            more = sp.csr_matrix(sp.diags(words.present[n:].astype(np.float32)) @ words.values[n:])
            self._spaces["word-knn"] = self._spaces["word-knn"].followed_by(more)
        if self._text is not None and self.spread is not None:
            text, n = senses["text"], len(self._text.rows)
            more = self.spread(np.asarray(text.values[n:], dtype=np.float32), text.present[n:])
            self._text = self._text.followed_by(more)
            if "text-knn" in self._spaces:
                self._spaces["text-knn"] = self._spaces["text-knn"].followed_by(more, self._text.rows)
        if self._pairs is not None:
            self._pairs.read(senses)

    def fit(self, data: Dataset, senses: Senses) -> None:
        """Count the steps, and learn what has to be learned; ``senses`` are those of the catalogue."""
        if "markov" in self.names:
            self._steps = self._markov.fit(data).weights
        if "ials" in self.names:
            self._ials = IALS().fit(data)
        if "pairs" in self.names:
            self._pairs = PairModel(senses)
            self._pairs.fit(data)

    def scores(self, histories: Histories, n_items: int) -> dict[str, Floats]:
        """Standardised over the items, history by history: float32 (B, N) each."""
        out = {}
        for name in self.names:
            if name == "markov":
                reached = self.steps_of(histories, n_items)
                raw = np.zeros((len(histories), n_items), np.float32)
                raw[:, : reached.shape[1]] = reached.toarray()
            elif name == "ials":
                raw = self._by_factors(histories, n_items)
            elif name == "pairs":
                assert self._pairs is not None
                raw = self._pairs.likeness(histories, TEXT_DECAY)
            else:
                raw = self._spaces[name].likeness(histories, TEXT_DECAY)
            out[name] = standardised(raw)
        return out

    @property
    def steps(self) -> tuple[Any, float]:
        """csr (M, M): how often people went from one item to another, and how much less an event counts than the one after it."""
        return self._steps, self._markov.decay

    def steps_of(self, histories: Histories, n_items: int) -> Any:
        """csr (B, M): where people went on to from the items of each history; items that joined later, after the first M, have no steps."""
        known = self._steps.shape[0]
        return history_matrix(histories, n_items, self._markov.decay)[:, :known] @ self._steps

    def copied(self) -> Parts:
        """A copy that can take other senses; what was learned is shared."""
        out = copy.copy(self)
        out._spaces = dict(self._spaces)
        out._pairs = copy.copy(self._pairs)
        return out

    def space(self, name: str) -> TextSpace | None:
        """The items as ``word-knn`` or ``text-knn`` compares them."""
        return self._spaces.get(name)

    def _by_factors(self, histories: Histories, n_items: int) -> Floats:
        assert self._ials is not None
        known = len(self._ials.item_factors)
        raw = np.zeros((len(histories), n_items), np.float32)
        raw[:, :known] = self._ials.score(histories.keep(histories.items < known))
        return raw

    def state(self) -> dict[str, torch.Tensor]:
        """Tensors from which `load` restores the parts."""
        out = {}
        if self._steps is not None:
            for part in ("data", "indices", "indptr"):
                out[f"markov.{part}"] = torch.from_numpy(np.ascontiguousarray(getattr(self._steps, part)))
        if self._ials is not None:
            out["ials.factors"], out["ials.popular"] = torch.from_numpy(self._ials.item_factors), torch.from_numpy(self._ials.popular)
        if self._pairs is not None:
            out |= {f"pairs.{name}": value for name, value in self._pairs.state().items()}
        if self.spread is not None:
            out["spread.mean"], out["spread.matrix"] = torch.from_numpy(self.spread.mean), torch.from_numpy(self.spread.matrix)
        return out

    @classmethod
    def load(cls, names: tuple[str, ...], senses: Senses, tensors: Mapping[str, torch.Tensor], shared: Shared = ALONE) -> Parts:
        """The inverse of `state`."""
        spread = Spread(tensors["spread.mean"].numpy(), tensors["spread.matrix"].numpy()) if "spread.mean" in tensors else None
        out = cls(names, senses, spread, shared)
        if "markov.data" in tensors:
            data, indices, indptr = (tensors[f"markov.{part}"].numpy() for part in ("data", "indices", "indptr"))
            n = len(indptr) - 1
            out._steps = sp.csr_matrix((data, indices, indptr), shape=(n, n))
        if "ials.factors" in tensors:
            out._ials = IALS.of_factors(tensors["ials.factors"].numpy(), tensors["ials.popular"].numpy())
        if "pairs.weights" in tensors:
            out._pairs = PairModel(senses, {k.removeprefix("pairs."): v for k, v in tensors.items() if k.startswith("pairs.")})
        return out


def standardised(raw: Floats) -> Floats:
    """Each row less its mean, over its standard deviation; a row of equal values becomes zeros.

    Examples
    --------
    >>> standardised(np.array([[1.0, 3.0], [2.0, 2.0]], dtype=np.float32)).astype(float).tolist()
    [[-1.0, 1.0], [0.0, 0.0]]
    """
    if not raw.shape[1]:
        return raw
    spread = raw.std(axis=1, keepdims=True)
    return np.asarray((raw - raw.mean(axis=1, keepdims=True)) / np.where(spread > 1e-12, spread, 1.0), dtype=np.float32)


def in_order_of(values: Floats, order: Floats) -> Floats:
    """Each row's values (B, C) dealt out so that they fall as another's do.

    Examples
    --------
    >>> in_order_of(np.array([[5.0, 1.0, 3.0]]), np.array([[0.1, 0.3, 0.2]])).tolist()
    [[1.0, 5.0, 3.0]]
    """
    out = np.empty_like(values)
    np.put_along_axis(out, np.argsort(order, axis=1, kind="stable"), np.sort(values, axis=1), axis=1)
    return out


def stand_as_in(scores: Floats, other: Floats, which: Bools) -> Floats:
    """The scores, with these columns where they stand in ``other``: row by row half-way between the two that they stand between there.

    Parameters
    ----------
    scores, other : float32 (B, C)
    which : bool (C,)

    Examples
    --------
    >>> scores, other = np.array([[9.0, 5.0, 1.0, 0.0]], np.float32), np.array([[3.0, 2.0, 1.0, 2.5]], np.float32)
    >>> stand_as_in(scores, other, np.array([False, False, False, True])).tolist()
    [[9.0, 5.0, 1.0, 7.0]]
    """
    if not which.any() or which.all():
        return scores
    out = scores.copy()
    falling = -np.sort(-scores[:, ~which], axis=1)
    ends = np.pad(falling, ((0, 0), (1, 1)), mode="edge")
    ends[:, 0] += _BEYOND
    ends[:, -1] -= _BEYOND
    for row, here, there in zip(out, other, ends, strict=True):
        before = np.searchsorted(np.sort(-here[~which]), -here[which], side="right")
        row[which] = (there[before] + there[before + 1]) / 2
    return out
