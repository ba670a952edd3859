"""A contrast beside the loss: what belongs together is drawn together against the rest of a batch. Imports: settings, packing.

    - log  exp(cos(a_b, z_b) / T)  /  sum over c not masked of exp(cos(a_b, z_c) / T - log q_c),        both ways, mean over b

(a, z) are, by kind: two changed views of one history (``views``: crop, leave out, reorder; Xie et al. 2022, "CL4SRec", eq. 5 to 8), what
one person did in one aisle and in another (``aisles``), or an item's id vector and what its senses say (``item``). Pairs that may belong
together are masked with minus infinity rather than 0: histories that end at the same item, items with the same senses. q_c corrects for
what the batch draws more often (Yi et al. 2019): items are drawn as often as they are bought, histories alike.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from crossaisle.data.histories import Histories
from crossaisle.errors import SettingError
from crossaisle.model.network import Network, PackedRows
from crossaisle.schema import Ints
from crossaisle.train.packing import pack_for_reading
from crossaisle.train.settings import TrainSettings

__all__ = ["Contrast", "contrast_loss", "reordered"]

_ALIKE = 0.99
"""Items whose senses are this alike (cosine) are not told apart."""
_SHARE = 0.3
"""Of a history that a view crops away, leaves out or reorders; small, because most histories are short."""


def contrast_loss(left: Tensor, right: Tensor, temperature: float, same: Tensor | None = None, log_q: Tensor | None = None) -> Tensor:
    """The loss of the file's first lines.

    Parameters
    ----------
    left, right : float32 (B, D)
        Row b of one belongs to row b of the other; scaled to length 1 here.
    same : bool (B, B), optional
        Pairs that are masked; the diagonal never is.
    log_q : float32 (B,), optional
        Log of how often each row is drawn.

    Examples
    --------
    >>> eye = torch.eye(2)
    >>> round(contrast_loss(eye, eye, 1.0).item(), 4), round(contrast_loss(eye, eye, 1.0, torch.ones(2, 2, dtype=torch.bool)).item(), 4)
    (0.3133, 0.0)
    """
    logits = F.normalize(left, dim=-1) @ F.normalize(right, dim=-1).T / temperature
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    if same is not None:
        logits = logits.masked_fill(same & ~own, -torch.inf)
    correct = 0.0 if log_q is None else log_q
    there = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits - correct, there) + F.cross_entropy(logits.T - correct, there)) / 2


class Contrast:
    """A term of the loss, drawn anew at each step.

    Parameters
    ----------
    settings : TrainSettings
    histories : Histories
        What is trained on.
    item_aisles : int64 (N,)
    network : Network

    Raises
    ------
    SettingError
        If the network or the data have nothing of the kind asked for.
    """

    def __init__(self, settings: TrainSettings, histories: Histories, item_aisles: Ints, network: Network) -> None:
        self.kind, self.weight, self.temperature = settings.contrastive, settings.contrastive_weight, settings.contrastive_temperature
        self.batch, self.histories, self.aisles = settings.contrastive_batch, replace(histories, own=None), item_aisles
        if self.kind == "item" and (network.tower.id_table is None or not len(network.tower.senses)):
            raise SettingError(
                "train.contrastive is item, and items lack ids or senses", "both in model.senses", "set train.contrastive to views"
            )
        self._able = self._who()
        if self.kind in ("views", "aisles") and len(self._able) < 2:
            what = "two aisles" if self.kind == "aisles" else "three events"
            raise SettingError(
                f"train.contrastive is {self.kind}, and {len(self._able)} histories have {what}",
                "at least two",
                "set train.contrastive to none",
            )
        self._counts = np.bincount(histories.items, minlength=network.tower.n_items)

    def _who(self) -> Ints:
        h = self.histories
        if self.kind == "views":
            return np.flatnonzero(h.lengths >= 3)
        if self.kind == "aisles":
            first = np.full(len(h), -1)
            first[h.lengths > 0] = self.aisles[h.items[h.offsets[:-1][h.lengths > 0]]]
            other = np.zeros(len(h), bool)
            np.logical_or.at(other, h.owners, self.aisles[h.items] != first[h.owners])
            return np.flatnonzero(other)
        return np.zeros(0, np.int64)

    def term(self, network: Network, rows: PackedRows, generator: torch.Generator, dtype: torch.dtype, done: float) -> Tensor:
        """float32 (): the weighted contrast of a batch of its own, drawn now; see `loop.Term`."""
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
        if self.kind == "item":
            return self.weight * self._items(network, rng)
        chosen = self.histories[rng.choice(self._able, min(self.batch, len(self._able)), replace=False)]
        views = self._aisles(chosen, rng) if self.kind == "aisles" else [_view(chosen, rng) for _ in range(2)]
        left, right = (self._states(network, view) for view in views)
        last = [torch.from_numpy(view.items[view.offsets[1:] - 1]).to(left.device) for view in views]
        same = last[0][:, None] == last[1][None, :]
        return self.weight * contrast_loss(left, right, self.temperature, same)

    def _states(self, network: Network, histories: Histories) -> Tensor:
        """float32 (B, D) with gradient; only items of these histories are read."""
        packing = pack_for_reading(histories, network.tower.settings.window)
        rows = packing.rows.to(network.log_scale.device)
        codes, places = torch.unique(rows.items, return_inverse=True)
        states = network.states(network.tower(codes), rows, places)
        return states[torch.from_numpy(packing.last_row), torch.from_numpy(packing.last_column)]

    def _aisles(self, chosen: Histories, rng: np.random.Generator) -> list[Histories]:
        """What each did in one of their aisles, drawn by their events, and in all others."""
        drawn = chosen.offsets[:-1] + np.floor(rng.random(len(chosen)) * chosen.lengths).astype(np.int64)
        one = self.aisles[chosen.items] == self.aisles[chosen.items[drawn]][chosen.owners]
        return [chosen.keep(one), chosen.keep(~one)]

    def _items(self, network: Network, rng: np.random.Generator) -> Tensor:
        tower = network.tower
        codes = np.unique(self.histories.items[rng.integers(len(self.histories.items), size=self.batch)])
        rows = torch.from_numpy(codes).to(network.log_scale.device)
        ids, said = tower.parts(rows)
        log_q = torch.from_numpy(np.log(self._counts[codes] / self._counts.sum())).to(ids)
        with torch.no_grad():
            unit = F.normalize(said, dim=-1)
            same = unit @ unit.T > _ALIKE
        return contrast_loss(ids, said, self.temperature, same, log_q)


def reordered(histories: Histories, rng: np.random.Generator, share: float = _SHARE) -> Histories:
    """Each history with a stretch of this share of it, at least two events, in another order.

    Examples
    --------
    >>> h = Histories.from_lists([[1, 2, 3, 4, 5, 6], [7]])
    >>> sorted(reordered(h, np.random.default_rng(0)).row(0).tolist()), reordered(h, np.random.default_rng(0)).row(1).tolist()
    ([1, 2, 3, 4, 5, 6], [7])
    """
    return _in_order(histories, _stretched(histories, rng, share))


def _stretched(histories: Histories, rng: np.random.Generator, share: float) -> Ints:
    """int64 (E,): the event that stands at each place once a stretch of each history is in another order."""
    n = histories.lengths
    size = np.minimum(np.maximum(np.ceil(share * n).astype(np.int64), 2), n)
    start = histories.offsets[:-1] + np.floor(rng.random(len(n)) * (n - size + 1)).astype(np.int64)
    place = np.arange(len(histories.items))
    inside = (place >= start[histories.owners]) & (place < (start + size)[histories.owners])
    key = place.astype(np.float64)
    key[inside] = (start[histories.owners] + rng.random(len(place)) * size[histories.owners])[inside]
    order = np.lexsort((key, histories.owners))
    return np.where(inside[order] | inside, order, place)


def _in_order(histories: Histories, order: Ints) -> Histories:
    """The same histories with their events, kinds and weights in another order."""
    return replace(histories, items=histories.items[order], events=histories.events[order], weights=histories.weights[order])


def _view(histories: Histories, rng: np.random.Generator) -> Histories:
    """One changed view of each history of three or more events: cropped, thinned or reordered, by chance; never empty."""
    kind = rng.integers(3, size=len(histories))[histories.owners]
    n, place = histories.lengths, np.arange(len(histories.items)) - np.repeat(histories.offsets[:-1], histories.lengths)
    kept = np.maximum(np.ceil((1 - _SHARE) * n), 1).astype(np.int64)
    first = np.floor(rng.random(len(n)) * (n - kept + 1)).astype(np.int64)
    cropped = (place >= first[histories.owners]) & (place < (first + kept)[histories.owners])
    thinned = rng.random(len(place)) >= _SHARE
    newest = place == n[histories.owners] - 1
    keep = np.where(kind == 0, cropped, np.where(kind == 1, thinned | newest, True))
    order = np.where(kind == 2, _stretched(histories, rng, _SHARE), np.arange(len(histories.items)))
    return _in_order(histories, order).keep(keep)
