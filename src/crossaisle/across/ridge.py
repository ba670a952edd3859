"""Kernel ridge regression from what a shopper has elsewhere to what is bought in an aisle. Imports: settings, shoppers, table.

For each aisle a, over the n shoppers who have items of a and of other aisles:

    score(history, i in a) = k (K + penalty I)^-1 (Y + borrow U V_a')  at i

K (n, n) is the likeness of two shoppers by what they have outside a, k (n,) that of the history asked for, Y (n, N_a) what they have in
a, V_a the iALS factors of its items and U = alpha Y V_a (V'V + reg I)^-1 the shoppers' factors by that, to first order. It is the
cross-category question itself (items of other aisles -> items of this one, for this aisle alone), solved exactly under squared loss. Of
(K + penalty I)^-1 the leading eigenvectors are kept, and a constant for the rest.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
import torch

from crossaisle.across.settings import AcrossSettings
from crossaisle.across.shoppers import Blocks, Knowledge, levelled, likeness, rows_of, scaled, scales, turned, typical_lengths
from crossaisle.across.table import Table
from crossaisle.baselines.ials import IALS
from crossaisle.contracts import Progress
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split_parts import at_most
from crossaisle.schema import Bools, Floats, Ints
from crossaisle.shared import Growing, Shared

__all__ = ["CrossAisleRidge"]

_BATCH = 512
_PAUSE = 1.0
"""How many times as long as an aisle took to be written out nothing is done: lists are made meanwhile."""
_LEAST_PENALTY = 1e-6
"""Where no weight is above 0, nobody is like anybody; without a penalty the inverse would not exist."""


@dataclass(eq=False)
class _Aisle:
    """One aisle's regression.

    Attributes
    ----------
    code : int
        Its position in ``Dataset.categories``.
    rows : int64 (n,)
        Its shoppers, as rows of the table of all shoppers.
    vectors : float32 (n, R)
        Leading eigenvectors of K.
    values : float32 (R,)
        Their eigenvalues.
    left : float
        Mean of the other eigenvalues.
    share : float
        Share of all shoppers of two or more aisles who have this one.
    typical : dict
        Root mean square length of each block.
    blocks, bought
        The shoppers' features, `turned`, and Y; made again after loading, and after items joined.
    """

    code: int
    rows: Ints
    vectors: Floats
    values: Floats
    left: float
    share: float
    typical: dict[str, float]
    blocks: Blocks | None = None
    bought: Any = None


class CrossAisleRidge:
    """What somebody wants in an aisle, from what they have in the others.

    Parameters
    ----------
    settings : AcrossSettings
    text : float32 (N, D), optional
        What each item says, scaled as it is to count (zero rows: nothing).
    seed : int
        Of the iALS start, the eigenvectors and the draw of shoppers where there are too many.

    Attributes
    ----------
    penalty : float
        Starts as ``settings.penalty``; may be changed after fitting.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset()
    >>> ridge = CrossAisleRidge(AcrossSettings(dim=8, regularisation=1.0, least_shoppers=5)).fit(data)
    >>> ridge.score(data.histories[:2]).shape, ridge.aisles
    ((2, 80), (0, 1, 2, 3))
    """

    name = "cross-ridge"

    def __init__(self, settings: AcrossSettings | None = None, text: Floats | None = None, seed: int = 0) -> None:
        self.settings, self.text, self.seed = settings or AcrossSettings(), text, seed
        self.penalty = self.settings.penalty
        self._aisles: dict[int, _Aisle] = {}
        self._shoppers: Any = None
        self._factors: Floats = np.zeros((0, 0), np.float32)
        self._rows: Growing | None = None
        """What stands behind the factors, where items joined or processes share them."""
        self._idf: Floats = np.zeros(0, np.float32)
        self._popular: Floats = np.zeros(0, np.float32)
        self._item_aisles: Ints = np.zeros(0, np.int64)
        self._tables: list[Table] = []  # none or one; what is written out for one copy is there for all

    # fitting

    def fit(self, data: Dataset, progress: Progress | None = None) -> Self:
        """Learn from the shoppers of two or more aisles; items without an aisle are read, never predicted."""
        s = self.settings
        self._item_aisles = data.item_categories
        trust = data.histories.trust  # people flagged as made up are no shoppers to compare with
        x = _owned(data.histories if trust is None else data.histories.keep(trust >= 1), data.n_items)
        df = np.asarray(x.sum(axis=0)).ravel()
        # what nobody has bought yet says nothing by its id, just like an item that joins later
        self._idf = np.where(df > 0, np.log(max(1, x.shape[0]) / np.maximum(df, 1)), 0.0).astype(np.float32)
        self._popular = (df / max(1, x.shape[0])).astype(np.float32)
        named = np.array([name != "" for name in data.categories], dtype=bool)
        self._shoppers = _shoppers_of_several(x, self._item_aisles, len(named))
        self._aisles, self._factors, self._rows, self._tables = {}, np.zeros((data.n_items, 0), np.float32), None, []
        if not self._shoppers.shape[0]:
            return self
        ials = IALS(s.dim, s.alpha, s.regularisation, s.iterations, 1.0, self.seed)
        self._factors = ials.fit(data).item_factors
        self._forget()
        for a in np.flatnonzero(named).tolist():
            if progress is not None:
                progress("comparing shoppers", a, len(named), data.categories[a])
            self._fit_aisle(a)
        return self

    def _fit_aisle(self, a: int) -> None:
        s, here = self.settings, self._item_aisles == a
        inside, outside = _columns(self._shoppers, here), _columns(self._shoppers, ~here)
        both = (np.diff(inside.indptr) > 0) & (np.diff(outside.indptr) > 0)
        rows = np.flatnonzero(both)
        if len(rows) < s.least_shoppers:
            return
        rows = at_most(rows, s.most_shoppers, self.seed)
        raw = self._knowledge.blocks(outside[rows])
        typical = typical_lengths(raw)
        features = scaled(raw, typical)
        blocks = turned(features)
        k = likeness(features, blocks, s, len(rows), len(rows))
        self._aisles[a] = _Aisle(a, rows, *_leading(k, s.components, self.seed), float(both.mean()), typical, blocks)

    @cached_property
    def _knowledge(self) -> Knowledge:
        lengths = np.linalg.norm(self._factors, axis=1, keepdims=True)
        return Knowledge(self._idf, self._factors / np.maximum(lengths, 1e-12), self.text, self.settings)

    def _forget(self) -> None:
        """Drop what was made from the items as they were."""
        for name in ("_knowledge", "_inverse_gram"):
            self.__dict__.pop(name, None)
        for aisle in self._aisles.values():
            aisle.blocks = aisle.bought = None

    # scoring

    @property
    def aisles(self) -> tuple[int, ...]:
        """The aisles in which there were shoppers enough to learn from."""
        return tuple(self._aisles)

    def features(self, histories: Histories) -> Blocks:
        """What is known of the people of B histories, for `inside` of aisles that none of them touches: made once for all of these."""
        return levelled(self._knowledge.blocks(_owned(histories, len(self._popular))))

    def inside(self, histories: Histories, aisle: int, features: Blocks | None = None) -> Floats:
        """float32 (B, N_a): scores of the items of an aisle (ascending codes) by what each history holds elsewhere.

        A history with nothing elsewhere gets what sells there. With ``features`` no history may hold anything of the aisle.
        """
        columns = np.flatnonzero(self._item_aisles == aisle)
        if aisle not in self._aisles:
            return np.repeat(self._popular[columns][None, :], len(histories), axis=0)
        if features is None:
            x = _columns(_owned(histories, len(self._popular)), self._item_aisles != aisle)
            features = levelled(self._knowledge.blocks(x))
        parts = []
        for b in range(0, len(histories), _BATCH):
            n = min(_BATCH, len(histories) - b)
            parts.append(self._inside(rows_of(features, slice(b, b + n)), n, self._aisles[aisle], columns))
        return np.concatenate(parts) if parts else np.zeros((0, len(columns)), np.float32)

    def _inside(self, features: Blocks, n: int, aisle: _Aisle, columns: Ints) -> Floats:
        s = self.settings
        blocks, bought = self._shoppers_of(aisle, columns)
        k = likeness(features, blocks, s, n, len(aisle.rows), scales(aisle.typical))
        rest, gains = self._inverse(aisle, blocks)
        p = rest * k + ((k @ aisle.vectors) * gains) @ aisle.vectors.T
        return self._with_borrowed(np.asarray((bought.T @ p.T).T, dtype=np.float32), columns)

    def _inverse(self, aisle: _Aisle, blocks: Blocks) -> tuple[float, Floats]:
        """(K + penalty)^-1 as ``rest I + V diag(gains) V'``."""
        s = self.settings
        penalty = max(self.penalty * (s.constant + sum(getattr(s, name) for name in blocks)), _LEAST_PENALTY)
        rest = 1.0 / (penalty + aisle.left)
        return rest, 1.0 / (penalty + aisle.values) - rest

    def _with_borrowed(self, scores: Floats, columns: Ints) -> Floats:
        """Scores (B, N_a), with what the factors inside the aisle make of them."""
        s = self.settings
        if s.borrow > 0:
            here = self._factors[columns]
            scores += s.borrow * s.alpha * (scores @ here @ self._inverse_gram) @ here.T
        return scores

    def tabulate(self, shared: Shared, most_bytes: int) -> None:
        """Write the ridge out (`across.table`), so that `everywhere` answers; takes seconds, and nothing changes meanwhile.

        Parameters
        ----------
        shared : Shared
            Where the table is kept.
        most_bytes : int
            No table that is larger is made.
        """
        n, s = len(self._popular), self.settings
        columns = self._served_items()
        widths = {name: block.shape[1] for name, block in self.features(Histories.from_lists([])).items()}
        dense = sum(width for name, width in widths.items() if name != "ids") + 1
        if not len(columns) or len(columns) * (4 * dense + (2 * n if s.ids > 0 else 0)) > most_bytes:
            return
        made: list[tuple[Floats, Floats]] = []

        def make(which: int) -> Floats:
            if not made:
                made.append(self._written_out(dense))
            return made[0][which]

        items = shared.rows("ridge-items", n, lambda: make(0)).rows if s.ids > 0 else None
        self._tables[:] = [Table(self.penalty, columns, shared.rows("ridge-dense", dense, lambda: make(1)).rows, items)]
        for aisle in self._aisles.values():
            aisle.blocks = aisle.bought = None  # hardly needed any more

    def _written_out(self, width: int) -> tuple[Floats, Floats]:
        """The rows of the items, float16 (N, C), and the others, float32 (W, C)."""
        s, n, end = self.settings, len(self._served_items()), 0
        items: Floats = np.zeros((len(self._popular) if s.ids > 0 else 0, n), np.float16)
        dense: Floats = np.zeros((width, n), np.float32)
        whole = self._knowledge.blocks(self._shoppers)
        for aisle in self._aisles.values():
            began = time.monotonic()
            columns = np.flatnonzero(self._item_aisles == aisle.code)
            inside = _columns(self._shoppers[aisle.rows], self._item_aisles == aisle.code)
            bought = inside[:, columns]
            own = self._knowledge.blocks(inside)
            blocks = turned(scaled({name: block[aisle.rows] - own[name] for name, block in whole.items()}, aisle.typical))
            by, rest, gains = scales(aisle.typical), *self._inverse(aisle, blocks)
            h = rest * bought.toarray() + aisle.vectors @ (gains[:, None] * (bought.T @ aisle.vectors).T)
            h = self._with_borrowed(np.asarray(h, np.float32), columns)
            found = {name: np.asarray(getattr(s, name) * by[name] * (block @ h)) for name, block in blocks.items()}
            others = [found[name] for name in sorted(found) if name != "ids"]
            others.append(s.constant * h.sum(axis=0, keepdims=True))
            most = max((float(np.abs(part).max(initial=0.0)) for part in [*found.values(), others[-1]]), default=0.0) or 1.0
            start, end = end, end + len(columns)
            dense[:, start:end] = np.concatenate(others) / most
            if s.ids > 0:
                items[:, start:end] = found["ids"] / most
            time.sleep(_PAUSE * (time.monotonic() - began))
        return items, dense

    def everywhere(self, histories: Histories) -> Floats | None:
        """float32 (B, N): scores of the items of every aisle that a history does not touch, to be compared inside an aisle only.

        None where nothing is written out (`tabulate`). In touched aisles, and in those without a ridge, they say nothing.
        """
        if not self._tables or self._tables[0].penalty != self.penalty:
            return None
        table, out = self._tables[0], np.zeros((len(histories), len(self._popular)), np.float32)
        out[:, table.columns] = table.scores(self.features(histories), len(histories))
        return out

    def _served_items(self) -> Ints:
        """int64 (C,): the items of the aisles with a ridge, aisle after aisle."""
        return np.concatenate([np.zeros(0, np.int64), *(np.flatnonzero(self._item_aisles == code) for code in self._aisles)])

    def _shoppers_of(self, aisle: _Aisle, columns: Ints) -> tuple[Blocks, Any]:
        """The features of an aisle's shoppers outside it, and csr (n, N_a) what they have inside."""
        blocks, bought = aisle.blocks, aisle.bought
        if blocks is None:
            outside = _columns(self._shoppers[aisle.rows], self._item_aisles != aisle.code)
            blocks = turned(scaled(self._knowledge.blocks(outside), aisle.typical))
        if bought is None:
            bought = self._shoppers[aisle.rows][:, columns]
        aisle.blocks, aisle.bought = blocks, bought
        return blocks, bought

    @cached_property
    def _inverse_gram(self) -> Floats:
        """float32 (F, F): (V'V + reg I)^-1."""
        v = self._factors.astype(np.float64)
        return np.linalg.inv(v.T @ v + max(self.settings.regularisation, 1e-6) * np.eye(v.shape[1])).astype(np.float32)

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """float32 (B, N) or (B, C), see `contracts.Scorer`: `inside` of each aisle times the share of shoppers who come there."""
        n = len(self._popular)
        out = np.repeat(self._popular[None, :], len(histories), axis=0)
        wanted = range(n) if candidates is None else candidates
        for a in np.unique(self._item_aisles[np.asarray(wanted, dtype=np.int64)]).tolist():
            if a in self._aisles:
                out[:, self._item_aisles == a] = self._aisles[a].share * self.inside(histories, a)
        return out if candidates is None else out[:, candidates]

    # new items, saving

    def settle(self, shared: Shared) -> None:
        """Let processes share what would be each one's own as soon as an item joins."""
        self._rows = shared.rows("ridge-factors", len(self._factors), lambda: self._factors)
        self._factors = self._rows.rows

    def copied(self) -> Self:
        """A copy to which items can be added; what was learned is shared, and so is what is written out of it."""
        out = copy.copy(self)
        out._aisles = {code: copy.copy(aisle) for code, aisle in self._aisles.items()}
        return out

    def use_text(self, text: Floats | None) -> None:
        """Take what the items say now."""
        self.text, self._tables = text, []
        self._forget()

    def add_items(self, aisles: Ints, text: Floats | None) -> None:
        """Append items that came later: they are read in histories by what they say, and wait for their first buyers to be predicted.

        Parameters
        ----------
        aisles : int64 (M,)
        text : float32 (N + M, D), optional
            What all items say, those that were there before first.
        """
        m = len(aisles)
        self._forget()
        self._item_aisles = np.concatenate([self._item_aisles, aisles])
        self._idf = np.concatenate([self._idf, np.zeros(m, np.float32)])
        self._popular = np.concatenate([self._popular, np.zeros(m, np.float32)])
        self._rows = (self._rows or Growing(self._factors)).followed_by(np.zeros((m, self._factors.shape[1]), np.float32))
        self._factors = self._rows.rows
        if self.text is not None and text is not None:
            self.text = text
        if self._shoppers is not None:
            self._shoppers = sp.csr_matrix(
                (self._shoppers.data, self._shoppers.indices, self._shoppers.indptr), shape=(self._shoppers.shape[0], len(self._popular))
            )

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Tensors and a JSON-ready description, from which `from_state` builds the same scorer; ``text`` is kept by its owner."""
        tensors: dict[str, torch.Tensor] = {
            "factors": torch.from_numpy(self._factors),
            "idf": torch.from_numpy(self._idf),
            "popular": torch.from_numpy(self._popular),
            "item_aisles": torch.from_numpy(self._item_aisles),
            "shoppers.offsets": torch.from_numpy(self._shoppers.indptr.astype(np.int64)),
            "shoppers.items": torch.from_numpy(self._shoppers.indices.astype(np.int64)),
        }
        aisles = {}
        for a, aisle in self._aisles.items():
            for part in ("rows", "vectors", "values"):
                tensors[f"aisle.{a}.{part}"] = torch.from_numpy(np.ascontiguousarray(getattr(aisle, part)))
            aisles[str(a)] = {"left": aisle.left, "share": aisle.share, "typical": aisle.typical}
        return tensors, {"settings": self.settings.to_dict(), "seed": self.seed, "penalty": self.penalty, "aisles": aisles}

    @classmethod
    def from_state(cls, tensors: Mapping[str, torch.Tensor], config: dict[str, Any], text: Floats | None) -> Self:
        """The inverse of `state`."""
        out = cls(AcrossSettings.from_dict(config["settings"]), text, config["seed"])
        out.penalty = config["penalty"]
        out._factors, out._idf = tensors["factors"].numpy(), tensors["idf"].numpy()
        out._popular, out._item_aisles = tensors["popular"].numpy(), tensors["item_aisles"].numpy()
        indptr, indices = tensors["shoppers.offsets"].numpy(), tensors["shoppers.items"].numpy()
        ones = np.ones(len(indices), np.float32)
        out._shoppers = sp.csr_matrix((ones, indices, indptr), shape=(len(indptr) - 1, len(out._popular)))
        for a, kept in config["aisles"].items():
            part: dict[str, Any] = {name: tensors[f"aisle.{a}.{name}"].numpy() for name in ("rows", "vectors", "values")}
            out._aisles[int(a)] = _Aisle(code=int(a), left=kept["left"], share=kept["share"], typical=kept["typical"], **part)
        return out


def _owned(histories: Histories, n_items: int) -> Any:
    """csr float32 (B, N) of zeros and ones: which items each history holds."""
    x = sp.csr_matrix((np.ones(len(histories.items), np.float32), (histories.owners, histories.items)), shape=(len(histories), n_items))
    x.sum_duplicates()
    x.data[:] = 1.0
    return x


def _columns(x: Any, keep: Bools) -> Any:
    """x with the other columns emptied."""
    kept = keep[x.indices]
    if kept.all():
        return x
    ends = np.concatenate(([0], np.cumsum(kept)))[x.indptr]
    return sp.csr_matrix((x.data[kept], x.indices[kept], ends), shape=x.shape)


def _shoppers_of_several(x: Any, item_aisles: Ints, n_aisles: int) -> Any:
    """The rows of x with items of two or more aisles."""
    to_aisle = sp.csr_matrix(
        (np.ones(len(item_aisles), np.float32), (np.arange(len(item_aisles)), item_aisles)), shape=(len(item_aisles), n_aisles)
    )
    return x[np.flatnonzero(np.diff((x @ to_aisle).tocsr().indptr) > 1)]


def _leading(k: Floats, components: int, seed: int) -> tuple[Floats, Floats, float]:
    """Leading eigenvectors (n, R) and eigenvalues (R,) of K, and the mean of the others.

    By randomised subspace iteration (Halko, Martinsson, Tropp 2011, algorithm 5.3).
    """
    n = len(k)
    r = min(components, n)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vectors, singular, _ = torch.svd_lowrank(torch.from_numpy(k), q=r, niter=4)
    values = singular.numpy()
    left = max(0.0, float(np.trace(k, dtype=np.float64) - values.sum(dtype=np.float64))) / max(1, n - r)
    return vectors.numpy().copy(), values.copy(), left
