"""What can be learned beside the next item: soft labels for histories without one, and the same prediction without ids.

Imports: packing, settings.

**Soft labels** (``train.unlabelled=pseudo``). A history of one event has nothing to predict, and training leaves it out. A teacher, made
from the same training data and nothing else, says what may come next: steps between items (`baselines.linear.Markov`) and likeness of
words and texts, each as a distribution over its 50 best items, averaged; p^(1 / temperature). Soft labels amplify what is popular (a step
leads to what many took), so no item may have more of them than its natural share: with c_i the labels of item i over all U such histories
and s_i its share of all events, they are multiplied by min(1, U s_i / c_i). The loss is the cross-entropy with these labels, over the items
that have events.

**Consistency** (``train.consistency``). Half the sum of KL(p, p') and KL(p', p) at the places of a step, p predicted from the history and
p' from the same history whose items come without their id vectors, both over the items of the step: what ids know, text is to know too.

Both weights rise from 0 over the first fifth of the steps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional as F

from crossaisle.baselines.linear import Markov
from crossaisle.baselines.matrices import history_matrix
from crossaisle.baselines.text_space import TextSpace
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split_parts import at_most
from crossaisle.encode.senses import Senses
from crossaisle.encode.spread import Spread
from crossaisle.errors import SettingError
from crossaisle.model.network import Network, PackedRows
from crossaisle.model.settings import ModelSettings
from crossaisle.schema import Bools, Floats, Ints
from crossaisle.train.packing import pack_for_reading
from crossaisle.train.settings import TrainSettings

__all__ = ["Unlabelled", "capped", "soft_labels", "without_target"]

TOP = 50
"""Items of a history that get a soft label."""
RAMP = 0.2
"""Share of the steps over which the weights rise."""
MOST_CELLS = 2_000_000_000
"""Histories times items that the teacher scores; where there are more histories, so many by chance."""
PLACES = 512
"""Places of a step at which the two views are compared."""
_TEXT_DECAY = 0.8
_CELLS = 20_000_000


def without_target(histories: Histories, target_mask: Bools | None) -> Ints:
    """The histories with an event and nothing to predict after it.

    Examples
    --------
    >>> without_target(Histories.from_lists([[0, 1], [2], []]), None).tolist()
    [1]
    """
    first = np.zeros(len(histories.items), dtype=bool)
    first[histories.offsets[:-1][histories.lengths > 0]] = True
    may = ~first if target_mask is None else ~first & target_mask
    targets = np.bincount(histories.owners, weights=may, minlength=len(histories))
    return np.flatnonzero((histories.lengths > 0) & (targets == 0))


def soft_labels(data: Dataset, histories: Histories, senses: Senses, temperature: float) -> tuple[Ints, Floats]:
    """What may come next, by steps, words and texts: item codes int64 (U, 50) and their shares float32 (U, 50), each row of sum 1 or 0.

    Items of the history, and items without any event in ``data``, have no label.
    """
    spaces = []
    if "words" in senses:
        words = senses["words"]
        spaces.append(TextSpace(sp.csr_matrix(sp.diags(words.present.astype(np.float32)) @ words.values), "words"))
    if "text" in senses:
        values, present = np.asarray(senses["text"].values, dtype=np.float32), senses["text"].present
        spaces.append(TextSpace(Spread.fit(values[present])(values, present), "text"))
    markov = Markov().fit(data)
    top = min(TOP, data.n_items)
    codes, shares = np.zeros((len(histories), top), np.int64), np.zeros((len(histories), top), np.float32)
    step = max(1, _CELLS // data.n_items)
    for start in range(0, len(histories), step):
        part = histories[start : start + step]
        parts = [np.asarray((history_matrix(part, data.n_items, markov.decay) @ markov.weights).toarray(), dtype=np.float32)]
        parts += [space.likeness(part, _TEXT_DECAY) for space in spaces]
        mixed = np.zeros((len(part), data.n_items), np.float32)
        for raw in parts:
            raw[:, data.item_counts == 0] = 0
            raw[part.owners, part.items] = 0
            best = _best(raw, top)
            p = _normal(np.maximum(np.take_along_axis(raw, best, 1), 0) ** (1 / temperature))
            np.put_along_axis(mixed, best, np.take_along_axis(mixed, best, 1) + p, 1)
        best = _best(mixed, top)
        codes[start : start + step] = best
        shares[start : start + step] = _normal(np.take_along_axis(mixed, best, 1))
    return codes, shares


def capped(codes: Ints, shares: Floats, counts: Ints) -> Floats:
    """The shares, those of an item lowered until their sum is at most its share of all events times the number of histories.

    Examples
    --------
    >>> codes, shares = np.array([[0, 1], [0, 1]]), np.array([[0.9, 0.1], [0.9, 0.1]], dtype=np.float32)
    >>> capped(codes, shares, np.array([1, 1])).round(2).tolist()  # 1.8 of two histories, of which 1 is allowed
    [[0.5, 0.10000000149011612], [0.5, 0.10000000149011612]]
    """
    given = np.bincount(codes.ravel(), weights=shares.ravel(), minlength=len(counts))
    allowed = len(codes) * counts / max(1, counts.sum())
    factor = np.minimum(1, allowed / np.maximum(given, 1e-12))
    return np.asarray(shares * factor[codes], dtype=np.float32)


class Unlabelled:
    """What the two add to the loss of a step.

    Parameters
    ----------
    data : Dataset
        What is learned from.
    target_mask : bool (E,), optional
        Which events may be targets (default: all).
    senses : Senses
        Of the N items.
    settings : TrainSettings
    window : int
        Newest events of a history that are read.
    """

    def __init__(self, data: Dataset, target_mask: Bools | None, senses: Senses, settings: TrainSettings, window: int, seed: int) -> None:
        self.settings, self.window = settings, window
        self.histories = Histories.from_lists([])
        self.codes, self.shares = np.zeros((0, 0), np.int64), np.zeros((0, 0), np.float32)
        if settings.unlabelled == "none":
            return
        chosen = at_most(without_target(data.histories, target_mask), max(1, MOST_CELLS // data.n_items), seed)
        histories = data.histories[chosen]
        codes, shares = soft_labels(data, histories, senses, settings.pseudo_temperature)
        if settings.unlabelled == "shuffled":
            order = np.random.default_rng(seed).permutation(len(codes))
            codes, shares = codes[order], shares[order]
        shares = capped(codes, shares, data.item_counts)
        some = np.flatnonzero(shares.sum(1) > 0)
        self.histories, self.codes, self.shares = histories[some], codes[some], shares[some]

    @classmethod
    def wanted(cls, settings: TrainSettings, model: ModelSettings) -> bool:
        """Whether the settings ask for any of it.

        Raises
        ------
        SettingError
            If what is learned is not the next item of the catalogue, or there are no two views to compare.
        """
        asked = [name for name, on in (("unlabelled", settings.unlabelled != "none"), ("consistency", settings.consistency > 0)) if on]
        if not asked:
            return False
        if settings.objective != "catalogue":
            found = f"train.{asked[0]} beside train.objective={settings.objective}"
            raise SettingError(found, "train.objective=catalogue", "change either")
        if settings.debias == "popularity":
            raise SettingError(f"train.{asked[0]} beside train.debias=popularity", "one of the two", "set train.debias to none or ips")
        if settings.consistency > 0 and ("id" not in model.senses or len(model.senses) < 2):
            found = f"train.consistency with model.senses={','.join(model.senses)}"
            raise SettingError(found, "id and at least one other sense, so that there are two views", "change either")
        return True

    def term(self, network: Network, rows: PackedRows, generator: torch.Generator, dtype: torch.dtype, done: float) -> Tensor | None:
        """float32 (): what is added to the loss of the step ``rows``; None where it is nothing.

        Parameters
        ----------
        generator : torch.Generator
            Draws the histories, the places and the sampled items.
        dtype : torch.dtype
            Of the large products.
        done : float
            Share of all steps before this one: the terms grow over the first of them.
        """
        ramp = min(1.0, done / RAMP)
        if ramp == 0:
            return None
        out = None
        if len(self.histories) and self.settings.pseudo_weight > 0:
            out = ramp * self.settings.pseudo_weight * self.pseudo_loss(network, generator, dtype)
        if self.settings.consistency > 0:
            more = ramp * self.settings.consistency * consistency_loss(network, rows, generator, dtype)
            out = more if out is None else out + more
        return out

    def pseudo_loss(self, network: Network, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        """Cross-entropy with the soft labels of some histories, weighted by what the cap has left of them; float32 ()."""
        n = min(self.settings.pseudo_histories, len(self.histories))
        drawn = torch.randperm(len(self.histories), generator=generator)[:n].numpy()
        device = network.log_scale.device
        packing = pack_for_reading(self.histories[drawn], self.window)
        codes, shares = torch.from_numpy(self.codes[drawn]).to(device), torch.from_numpy(self.shares[drawn]).to(device)
        rows = packing.rows.to(device)
        columns, bias = _columns(network, codes, self.settings, generator)
        place = torch.arange(network.tower.n_items, device=device)
        if self.settings.negatives_of(network.tower.n_items):  # no other item is read
            read = torch.unique(torch.cat([columns, rows.items.flatten()]))
            place[read] = torch.arange(len(read), device=device)
            vectors = network.tower(read)
        else:
            vectors = network.tower()
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            states = network.states(vectors, rows, place[rows.items])
        states = states[torch.from_numpy(packing.last_row), torch.from_numpy(packing.last_column)]
        logits = network.scale * (states @ F.normalize(vectors[place[columns]], dim=-1).T) + bias
        column = torch.zeros(network.tower.n_items, dtype=torch.int64, device=device)
        column[columns] = torch.arange(len(columns), device=device)
        likely = torch.log_softmax(logits, 1).gather(1, column[codes])
        return -(shares * likely).sum() / shares.sum().clamp_min(1e-12)


def _columns(network: Network, codes: Tensor, settings: TrainSettings, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """int64 (K,) the items that labels are ranked against, and float32 (K,) what corrects a sample of them, as in `objective`."""
    trained = torch.nonzero(network.tower.trained)[:, 0]
    negatives = settings.negatives_of(network.tower.n_items)
    if not negatives:
        return trained, torch.zeros(len(trained), device=trained.device)
    labelled = torch.unique(codes)
    labelled = labelled[network.tower.trained[labelled]]
    drawn = trained[torch.unique(torch.randint(len(trained), (negatives,), generator=generator)).to(trained.device)]
    drawn = drawn[~torch.isin(drawn, labelled)]
    bias = torch.zeros(len(labelled) + len(drawn), device=trained.device)
    bias[len(labelled) :] = math.log(max(1.0, (len(trained) - len(labelled)) / max(1, len(drawn))))
    return torch.cat([labelled, drawn]), bias


def consistency_loss(network: Network, rows: PackedRows, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Half the symmetric KL between what a history predicts with and without its ids, over the items of the step; float32 ()."""
    places = torch.nonzero(rows.target_weights.flatten() > 0)[:, 0]
    order = torch.randperm(len(places), generator=generator)[:PLACES].to(places.device)
    places = places[order]
    used = torch.cat([rows.items[rows.segment >= 0], rows.targets[rows.target_weights > 0]])
    codes = torch.unique(torch.cat([used, rows.items.new_zeros(1)]))  # padding reads item 0
    row = torch.empty(network.tower.n_items, dtype=torch.int64, device=codes.device)
    row[codes] = torch.arange(len(codes), device=codes.device)
    whole, without = network.tower(codes), network.tower.parts(codes)[1]
    columns = F.normalize(whole[row[torch.unique(used)]], dim=-1)
    logs = []
    for vectors in (whole, without):
        with torch.autocast(codes.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            states = network.states(vectors, rows, row[rows.items])
        logits = network.scale * (states.flatten(0, 1)[places] @ columns.T)
        logs.append(torch.log_softmax(logits, 1))
    a, b = logs
    # sum of p (log p - log q) + q (log q - log p)
    return ((a.exp() - b.exp()) * (a - b)).sum(1).mean() / 2 if len(places) else (a * 0).sum()


def _best(scores: Floats, k: int) -> Ints:
    """int64 (B, k): the columns of the highest scores, best first, ties to the lower column."""
    top = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(top, order, axis=1), dtype=np.int64)


def _normal(p: Any) -> Any:
    """float32 (B, k): each row over its sum; a row of zeros stays one."""
    return np.asarray(p / np.maximum(p.sum(1, keepdims=True), 1e-12), dtype=np.float32)
