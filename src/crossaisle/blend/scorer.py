"""The network and what joins it, as one scorer. Imports: aisles, settings, holdout, parts, weights.

Items of aisles that the history touches are scored by ``near``: the network's log-probability, steps between items and likeness of texts,
weighed by `weights.Weights`. Inside an aisle that it does not touch the order is that of ``far``: the cross-aisle ridge and near, weighed
the same way. The aisle as a whole keeps the probability that near gives it:

    s(u, i) = log sum over j in a(i) of exp near(u, j)  +  log softmax over a(i) of far(u, .) at i

In an aisle where nobody has bought anything yet near's parts count alike, each standardised inside the aisle, because weights that serve
one new aisle did not serve another (dev/LOG.md). That sum is an order and no probability: near's scores of the aisle are dealt out in it,
so that every place of the aisle is worth what near says. As probabilities they gave a few items all of an aisle's chance, and where there
are many such aisles these filled the lists.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import torch
from scipy.special import log_softmax, logsumexp

from crossaisle.across.ridge import CrossAisleRidge
from crossaisle.across.settings import AcrossSettings
from crossaisle.across.shoppers import Blocks, rows_of
from crossaisle.blend.aisles import Aisles
from crossaisle.blend.holdout import hold_out, kinds
from crossaisle.blend.parts import Parts, in_order_of, stand_as_in, standardised
from crossaisle.blend.settings import BlendSettings
from crossaisle.blend.weights import Asked, Weights, choose_weights, gather, mean_ndcg, standard_error
from crossaisle.contracts import Progress
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries
from crossaisle.data.split_parts import at_most
from crossaisle.encode.senses import Senses
from crossaisle.encode.spread import Spread
from crossaisle.errors import ModelError
from crossaisle.metrics import ndcg
from crossaisle.schema import Bools, Floats, Ints
from crossaisle.shared import ALONE, Shared
from crossaisle.train.fit import NetworkScorer
from crossaisle.train.loop import TrainingRun
from crossaisle.train.settings import TrainSettings
from crossaisle.train.warm import Warm

__all__ = ["BlendScorer"]

_CELLS = 40_000_000
"""Most numbers held at once while scoring; fewer histories at a time where the catalogue is large."""
_NEAR, _FAR = "network", ("cross-ridge", "near")
_LEAST_QUESTIONS, _PENALTY_QUESTIONS = 50, 2_000


class BlendScorer:
    """See the file's first lines.

    Parameters
    ----------
    net : NetworkScorer
        Not yet fitted.
    blend, across : BlendSettings, AcrossSettings
    """

    def __init__(self, net: NetworkScorer, blend: BlendSettings, across: AcrossSettings) -> None:
        self.net, self.blend, self.across = net, blend, across
        self.name = net.name
        self.parts: Parts | None = None
        self.ridge: CrossAisleRidge | None = None
        self.near, self.far = Weights.only_first((_NEAR,)), Weights.only_first(_FAR)
        self.choice: dict[str, dict[str, float]] = {}
        self._penalty = across.penalty  # chosen with the weights
        self._base: BlendScorer | None = None
        self._lacks_ridge = False
        self._sorted: tuple[Ints, tuple[int, ...], Aisles] | None = None  # item aisles, those of the ridge, and the items sorted by them

    @property
    def lacks_ridge(self) -> bool:
        """True where the ridge was left out when the model was saved: it needs what people bought."""
        return self._lacks_ridge

    # what others read of the network

    @property
    def selection(self) -> TrainingRun:
        """The network's run that chose when to stop."""
        return self.net.selection

    @property
    def refitting(self) -> TrainingRun:
        """The network's run on everything."""
        return self.net.refitting

    @property
    def counts(self) -> Ints:
        """int64 (N,): events of each item."""
        return self.net.counts

    @counts.setter
    def counts(self, counts: Ints) -> None:
        self.net.counts = counts

    @property
    def _item_aisles(self) -> Ints:
        """int64 (N,): the aisle of each item."""
        return self.net.item_categories

    @property
    def note(self) -> str:
        """How the weights were chosen, for the report."""
        said = [f"{kind}: N@10 {c['ndcg@10']:.4f} on validation, {c['alone']:.4f} without blending" for kind, c in self.choice.items()]
        return "; ".join([*said, *([self.net.note] if self.net.note else [])])

    # fitting

    def join(self, base: BlendScorer, items: pl.Series, event_names: tuple[str, ...], aisle: str) -> Self:
        """From now on `fit` lets an aisle join a fitted scorer, whose network stays as it is; see `train.base`.

        What joins the network is fitted anew. Its weights are chosen by questions whose targets the base did not know, because it may have
        been trained on the others; where there are too few of those, the base's weights stay.
        """
        self._base = base
        self.net.join(base.net.as_base(items, event_names, aisle))
        return self

    def fit(
        self,
        data: Dataset,
        valid: Queries | None = None,
        full: Dataset | None = None,
        *,
        progress: Progress | None = None,
        checkpoint: Path | None = None,
        resume: bool = False,
        selected: Callable[[Dataset, Queries], None] | None = None,
    ) -> Self:
        """Train the network, fit what joins it, choose the weights by ``valid``; then all but the weights once more on ``full``.

        Without ``valid`` the newest item of most histories and one aisle of some are held out, and ``full`` is ``data`` where the setting
        ``train.refit`` says so. ``selected(data, valid)`` is called in between, when nothing of this scorer has been trained on ``valid``.
        """
        if valid is None:
            full = full if full is not None else data if self.net.training.refit else None
            data, valid = hold_out(data, self.net.target_events, self.blend.hidden, self.net.seed, self.net.newer(data))
        if self.net.base is not None:
            valid = self.net.base.answerable(data.items["item_id"], valid)
        near, far = kinds(data, valid)
        stop_by = valid[np.flatnonzero(near)] if near.any() else valid

        def between() -> None:
            self._fit_rest(data, self.across.on, progress)
            self._choose(data, valid, near, far, progress)
            if selected is not None:
                selected(data, valid)

        self.net.fit(data, stop_by, full, progress=progress, checkpoint=checkpoint, resume=resume, selected=between)
        if full is not None:
            self._fit_rest(full, self.ridge is not None, progress)
        return self

    def go_on(
        self,
        data: Dataset,
        base: BlendScorer,
        warm: Warm,
        training: TrainSettings,
        *,
        learn: Bools | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train on from a fitted scorer; ``warm`` is what its network gave, see `train.fit.NetworkScorer.go_on`.

        What joins the network is fitted anew on ``data``; the weights, the penalty and whether there is a ridge stay as they were chosen.
        """
        self.net.go_on(data, warm, training, learn=learn, progress=progress)
        self.near, self.far, self.choice = base.near, base.far, base.choice
        self._penalty = base._penalty if base.ridge is None else base.ridge.penalty
        self._fit_rest(data, base.ridge is not None, progress, base.parts_of().spread)
        self._lacks_ridge = base.lacks_ridge
        return self

    def _fit_rest(self, data: Dataset, with_ridge: bool, progress: Progress | None, spread: Spread | None = None) -> None:
        """What joins the network; the ridge only where nothing has spoken against it."""
        self.parts = Parts(self.blend.parts, self.net.senses, spread)
        self.parts.fit(data, self.net.senses)
        self.ridge = None
        if with_ridge and len(data.categories) > 1:
            ridge = CrossAisleRidge(self.across, self.parts.text, self.net.seed).fit(data, progress)
            ridge.penalty = self._penalty
            self.ridge = ridge if ridge.aisles else None

    def _choose(self, data: Dataset, valid: Queries, near: Bools, far: Ints, progress: Progress | None) -> None:
        self.near, self.far, self.choice = Weights.only_first((_NEAR, *self.parts_of().names)), Weights.only_first(_FAR), {}
        if self._base is not None and self._base.near.names == self.near.names:
            self.near = self._base.near
        rows = at_most(np.flatnonzero(near), self.blend.questions, self.net.seed)
        if self.parts_of().names and len(rows) >= _LEAST_QUESTIONS:
            asked = self._ask_near(data, valid, rows, progress)
            if not self.blend.by_count:
                asked.features[:, :, len(self.near.names) :] = 0.0  # what depends on the count is then nothing to choose
            new = float((self.counts == 0).mean())
            self.near, said = choose_weights(asked, self.near.names, self.blend.shrink, self.net.seed, new_share=new)
            self.choice["in known aisles"] = said
        if self.ridge is None:
            return
        rows = at_most(np.flatnonzero((far >= 0) & np.isin(far, list(self.ridge.aisles))), self.blend.questions, self.net.seed)
        if len(rows) < _LEAST_QUESTIONS:
            if self._base is None or self._base.ridge is None:  # its scores are no probabilities until they are weighed
                self.ridge = None
                return
            self.far, self._penalty = self._base.far, self._base.ridge.penalty
            self.ridge.penalty = self._penalty
            return
        self._penalty = self.ridge.penalty = self._choose_penalty(valid, at_most(rows, _PENALTY_QUESTIONS, self.net.seed), far)
        asked = self._ask_far(valid, rows, far, progress)
        self.far, choice = choose_weights(asked, _FAR, self.blend.shrink, self.net.seed, scaled=True)
        near_alone = np.eye(len(self.far.values), dtype=np.float32)[1]
        without = mean_ndcg(asked, near_alone)
        self.choice["in new aisles"] = {**choice, "without the ridge": without}
        if without - choice["ndcg@10"] > standard_error(asked, near_alone, self.far.values):
            self.ridge = None  # a smaller lead is a coin that a few hundred questions toss

    def _choose_penalty(self, valid: Queries, rows: Ints, far: Ints) -> float:
        """The penalty, of three, with which the ridge alone ranks best inside the aisle asked about."""
        assert self.ridge is not None
        tried = {}
        for penalty in (self.across.penalty / 3, self.across.penalty, self.across.penalty * 3):
            self.ridge.penalty = penalty
            gained = []
            for aisle in np.unique(far[rows]).tolist():
                asked = valid[rows[far[rows] == aisle]]
                columns = np.flatnonzero(self._item_aisles == aisle)
                gained.append(ndcg(columns[_best(self.ridge.inside(asked.histories, aisle), 10)], asked.targets, 10))
            tried[penalty] = float(np.concatenate(gained).mean())
        return max(tried, key=lambda penalty: tried[penalty])

    def _ask_near(self, data: Dataset, valid: Queries, rows: Ints, progress: Progress | None) -> Asked:
        out = []
        for part in self._portions(rows):
            asked = valid[part]
            allowed = np.ones((len(asked), data.n_items), dtype=bool)
            inside = asked.aisles >= 0
            allowed[inside] = data.item_categories[None, :] == asked.aisles[inside][:, None]
            allowed[asked.histories.owners, asked.histories.items] = False
            features = self._near_features(asked.histories)
            out.append(gather(features, self.counts, allowed, list(asked.targets.rows()), self.blend.candidates))
            _tell(progress, "weighing the parts", sum(len(a.n_targets) for a in out), len(rows))
        return _with_a_target(Asked.join(out))

    def _ask_far(self, valid: Queries, rows: Ints, aisles: Ints, progress: Progress | None) -> Asked:
        """Questions inside one aisle each."""
        out = []
        place = np.zeros(len(self.counts), dtype=np.int64)
        for aisle in np.unique(aisles[rows]).tolist():
            columns = np.flatnonzero(self._item_aisles == aisle)
            place[columns] = np.arange(len(columns))
            for part in self._portions(rows[aisles[rows] == aisle]):
                asked = valid[part]
                near = self.near.apply(self._near_features(asked.histories), self.counts)[:, columns]
                assert self.ridge is not None
                found = _far_features(self.ridge.inside(asked.histories, aisle), near)
                targets = [place[t] for t in asked.targets.rows()]
                allowed = np.ones((len(part), len(columns)), dtype=bool)
                out.append(gather(found, self.counts[columns], allowed, targets, self.blend.candidates))
                _tell(progress, "weighing the aisles", sum(len(a.n_targets) for a in out), len(rows))
        return Asked.join(out)

    def _unbought(self) -> Bools:
        """bool (A,): named aisles with items, none of which has an event."""
        items = np.bincount(self._item_aisles, minlength=len(self.net.categories))
        events = np.bincount(self._item_aisles, weights=self.counts, minlength=len(self.net.categories))
        return np.asarray((items > 0) & (events == 0) & np.array([name != "" for name in self.net.categories]))

    def parts_of(self) -> Parts:
        """What joins the network."""
        if self.parts is None:
            raise RuntimeError("this model is not fitted; expected fit() before scoring")
        return self.parts

    def _portions(self, rows: Ints) -> list[Ints]:
        """The rows, so many at a time that their scores fit."""
        size = max(1, _CELLS // max(1, len(self.counts) * (len(self.parts_of().names) + 4)))
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    # scoring

    def _near_features(self, histories: Histories) -> dict[str, Floats]:
        scores = self.net.score(histories)
        return {_NEAR: log_softmax(scores, axis=1).astype(np.float32), **self.parts_of().scores(histories, len(self.counts))}

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """Log-probabilities up to a constant of the history; see `contracts.Scorer`. An empty history is answered by popularity."""
        self.parts_of()
        if self.near.alone and self.ridge is None and not (self.parts_of().names and self._unbought().any()):
            return self.net.score(histories, candidates)
        wanted = len(self.counts) if candidates is None else len(candidates)
        out = np.zeros((len(histories), wanted), np.float32)
        for rows in self._portions(np.arange(len(histories))):
            scores = self._score(histories[rows], candidates)
            out[rows] = scores if candidates is None else scores[:, candidates]
        return out

    def _score(self, histories: Histories, candidates: Ints | None) -> Floats:
        features = self._near_features(histories)
        out = self.near.apply(features, self.counts)
        ridge = self.ridge
        everywhere = None if ridge is None else ridge.everywhere(histories)
        if everywhere is not None:
            self._order_untouched(out, histories, everywhere)
        untouched = self._untouched(histories, candidates, with_ridge=everywhere is None)
        known = None if ridge is None or everywhere is not None or not untouched else ridge.features(histories)
        for aisle, rows, columns in untouched:
            near = out[np.ix_(rows, columns)]
            cross = self._cross(histories[rows], aisle, None if known is None else rows_of(known, rows))
            weights, found = self._inside(cross, near, features, np.ix_(rows, columns))
            inside = weights.apply(found, self.counts[columns])
            if weights is not self.far:
                out[np.ix_(rows, columns)] = in_order_of(near, inside)
                continue
            if weights.least:  # no target of the kind was ever seen, and nobody's purchases speak of them
                inside = stand_as_in(inside, near, self.counts[columns] == 0)
            out[np.ix_(rows, columns)] = logsumexp(near, axis=1, keepdims=True) + log_softmax(inside, axis=1)
        empty = np.flatnonzero(histories.lengths == 0)
        if len(empty):
            out[empty] = self.net.score(histories[empty])
        return out

    def _order_untouched(self, out: Floats, histories: Histories, ridge: Floats) -> None:
        """What `_score` does aisle by aisle with ``far``, in all aisles of the ridge at once; changes near's scores ``out`` (B, N).

        Parameters
        ----------
        ridge : float32 (B, N)
            What `CrossAisleRidge.everywhere` says.
        """
        shelves = self._shelves()
        near, counts = out[:, shelves.items], self.counts[shelves.items]
        whole = shelves.log_sum_exp(near)[:, shelves.of]
        inside = self.far.apply({"cross-ridge": shelves.standardised(ridge[:, shelves.items]), "near": near - whole}, counts)
        if self.far.least:
            new = counts == 0
            for aisle in np.unique(shelves.of[new]).tolist():
                part = slice(int(shelves.starts[aisle]), int(shelves.starts[aisle] + shelves.lengths[aisle]))
                inside[:, part] = stand_as_in(inside[:, part], near[:, part], new[part])
        inside += whole - shelves.log_sum_exp(inside)[:, shelves.of]
        out[:, shelves.items] = np.where(self._touched(histories)[:, shelves.codes][:, shelves.of], near, inside)

    def _shelves(self) -> Aisles:
        """The items of the ridge's aisles, sorted by them; made again where items joined."""
        assert self.ridge is not None
        kept, of, served = self._sorted, self._item_aisles, self.ridge.aisles
        if kept is None or kept[0] is not of or kept[1] != served:
            kept = self._sorted = of, served, Aisles(of, np.array(served, np.int64))
        return kept[2]

    def _cross(self, histories: Histories, aisle: int, known: Blocks | None = None, everywhere: Floats | None = None) -> Floats | None:
        """float32 (B, C): the ridge's scores in an aisle that no history touches, None where it has none there.

        ``known`` and ``everywhere``: what `CrossAisleRidge.features` and `CrossAisleRidge.everywhere` gave for these histories.
        """
        if self.ridge is None or aisle not in self.ridge.aisles:
            return None
        return self.ridge.inside(histories, aisle, known) if everywhere is None else everywhere[:, self._item_aisles == aisle]

    def _inside(self, cross: Floats | None, near: Floats, features: dict[str, Floats], where: Any) -> tuple[Weights, dict[str, Floats]]:
        """The weights that order an aisle that no history touches, and (B, C) of what they weigh; ``features[where]`` are near's parts."""
        if cross is not None:
            return self.far, _far_features(cross, near)
        return Weights.alike(self.near.names), {name: standardised(values[where]) for name, values in features.items()}

    def _touched(self, histories: Histories) -> Bools:
        """bool (B, A)."""
        out = np.zeros((len(histories), int(self._item_aisles.max(initial=0)) + 1), dtype=bool)
        out[histories.owners, self._item_aisles[histories.items]] = True
        return out

    def _untouched(self, histories: Histories, candidates: Ints | None, with_ridge: bool = True) -> list[tuple[int, Ints, Ints]]:
        """(aisle, rows of the histories that do not touch it, its items) for each aisle with an order of its own that somebody asks for;
        ``with_ridge``: those of the ridge, too."""
        served = [] if self.ridge is None or not with_ridge else sorted(self.ridge.aisles)
        if self.parts_of().names:
            served += np.flatnonzero(self._unbought()).tolist()
        if not served:
            return []
        touched = self._touched(histories)
        asked = self._item_aisles if candidates is None else self._item_aisles[candidates]
        out = []
        for aisle in np.intersect1d(np.array(served, dtype=np.int64), asked).tolist():
            rows = np.flatnonzero(~touched[:, aisle] & (histories.lengths > 0))
            if len(rows):
                out.append((aisle, rows, np.flatnonzero(self._item_aisles == aisle)))
        return out

    def carried_by(self, histories: Histories, queries: Ints, items: Ints) -> list[str]:
        """For each listed item the part that lifts it most above the history's mean item: a part's name, or ``popularity``.

        Parameters
        ----------
        queries, items : int64 (R,)
            Row r says: item ``items[r]`` is in the list of history ``queries[r]``.
        """
        out = [""] * len(items)
        for b in np.unique(queries).tolist():
            if histories.lengths[b] == 0:
                for r in np.flatnonzero(queries == b).tolist():
                    out[r] = "popularity"
                continue
            one, rows = histories[np.array([b])], np.flatnonzero(queries == b)
            near = self._near_features(one)
            lifts = _lifts(self.near, near, self.counts, items[rows])
            for r, lift in zip(rows.tolist(), lifts, strict=True):
                out[r] = max(lift, key=lambda name: lift[name])
            everywhere = None if self.ridge is None else self.ridge.everywhere(one)
            for aisle, _, columns in self._untouched(one, items[rows]):
                here = rows[self._item_aisles[items[rows]] == aisle]
                before = self.near.apply(near, self.counts)[:, columns]
                cross = self._cross(one, aisle, everywhere=everywhere)
                weights, inside = self._inside(cross, before, near, np.ix_(np.zeros(1, np.int64), columns))
                lifts = _lifts(weights, inside, self.counts[columns], np.searchsorted(columns, items[here]))
                for r, lift in zip(here.tolist(), lifts, strict=True):
                    best = max(lift, key=lambda name: lift[name])
                    out[r] = out[r] if best == "near" else best
        return out

    def sense_shares(self, items: Ints | None = None) -> dict[str, Floats]:
        """float32 (R,) for "id" and each sense: how much it weighs in the network's vector of each item."""
        return self.net.sense_shares(items)

    def item_vectors(self) -> Floats:
        """float32 (N, D), each of length 1: the network's."""
        return self.net.item_vectors()

    def settle(self, shared: Shared = ALONE) -> None:
        """Make now what a first list would wait for, and let go of what it is made from."""
        self.net.settle(shared)
        if self.ridge is not None and shared.folder is not None:
            self.ridge.settle(shared)

    def tabulate(self, shared: Shared, most_bytes: int) -> None:
        """Write out what scores all items many times as fast, see `CrossAisleRidge.tabulate`; takes seconds, and lists go on meanwhile."""
        if self.ridge is not None:
            self.ridge.tabulate(shared, most_bytes)

    def use_senses(self, senses: Senses) -> None:
        """Score by what the items say now, with nothing trained anew."""
        self.net.use_senses(senses)
        self.parts_of().read(self.net.senses)
        if self.ridge is not None:
            self.ridge.use_text(self.parts_of().text)

    def add_items(self, items: pl.DataFrame, progress: Progress | None = None, anew: bool = True) -> None:
        """Append items that came after training: they are read, not trained; ``anew`` as in `NetworkScorer.add_items`."""
        before = len(self.counts)
        self.net.add_items(items, progress, anew)
        parts = self.parts_of()
        (parts.read if anew else parts.read_more)(self.net.senses)
        if self.ridge is not None:
            self.ridge.add_items(self._item_aisles[before:], self.parts_of().text)

    def grown(self, items: pl.DataFrame) -> Self:
        """A copy to which items were added; this scorer stays as it is, and may be answering meanwhile."""
        out = copy.copy(self)
        out.net, out.parts = self.net.copied(), self.parts_of().copied()
        out.ridge = None if self.ridge is None else self.ridge.copied()
        out.add_items(items, anew=False)
        return out

    # taking apart and putting together

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Tensors and a JSON-ready description, from which `from_state` builds the same scorer.

        Those that hold what people bought, without saying who, have names that begin with ``across.``; without them the scorer does
        without the ridge.
        """
        tensors, network = self.net.state()
        tensors |= {f"blend.{k}": v for k, v in self.parts_of().state().items()}
        config: dict[str, Any] = {
            "network": network,
            "blend": self.blend.to_dict(),
            "across": self.across.to_dict(),
            "near": self.near.to_dict(),
            "far": self.far.to_dict(),
            "choice": self.choice,
            "ridge": None,
            "lacks_ridge": self._lacks_ridge,
        }
        if self.ridge is not None:
            more, config["ridge"] = self.ridge.state()
            tensors |= {f"across.{k}": v for k, v in more.items()}
        return tensors, config

    @classmethod
    def from_state(
        cls, tensors: Mapping[str, torch.Tensor], config: dict[str, Any], reader: Any, device: str = "cpu", shared: Shared = ALONE
    ) -> Self:
        """The inverse of `state`; ``shared``: where what is made of the tensors may be taken from.

        Raises
        ------
        ModelError
            If the description is that of a network alone, as models were once saved.
        """
        if "network" not in config:
            raise ModelError(
                "this model was saved before other parts joined the network", "one that this version wrote", "fit the model again"
            )
        net = NetworkScorer.from_state(dict(tensors), config["network"], reader, device)
        out = cls(net, BlendSettings.from_dict(config["blend"]), AcrossSettings.from_dict(config["across"]))
        out.parts = Parts.load(out.blend.parts, net.senses, _under(tensors, "blend."), shared)
        out.near, out.far, out.choice = Weights.from_dict(config["near"]), Weights.from_dict(config["far"]), config["choice"]
        out._lacks_ridge = bool(config["lacks_ridge"]) or (config["ridge"] is not None and "across.factors" not in tensors)
        if config["ridge"] is not None and not out._lacks_ridge:
            out.ridge = CrossAisleRidge.from_state(_under(tensors, "across."), config["ridge"], out.parts.text)
        return out


def _far_features(cross: Floats, near: Floats) -> dict[str, Floats]:
    """(B, C) each."""
    return {"cross-ridge": standardised(cross), "near": log_softmax(near, axis=1)}


def _best(scores: Floats, k: int) -> Ints:
    """int64 (B, min(k, C)): the columns of the highest scores, best first."""
    k = min(k, scores.shape[1])
    top = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
    return np.take_along_axis(top, order, axis=1)


def _with_a_target(asked: Asked) -> Asked:
    """Without the questions whose targets were all seen before: they cannot be answered."""
    return asked.rows(np.flatnonzero(asked.n_targets > 0))


def _tell(progress: Progress | None, stage: str, done: int, total: int) -> None:
    if progress is not None:
        progress(stage, done, total, "")


def _under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _lifts(weights: Weights, features: Mapping[str, Floats], counts: Ints, columns: Ints) -> list[dict[str, float]]:
    """For each column, by how much each part lifts it above the mean item."""
    added = weights.parts(features, counts)
    count = added.pop("count")
    out = []
    for c in columns.tolist():
        lift = {name: float(value[0, c] - value[0].mean()) for name, value in added.items()}
        out.append({**lift, "popularity": float(count[c] - count.mean())})
    return out
