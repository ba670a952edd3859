"""The network as a scorer: fit it, score with it, take it apart and put it together again. Imports: settings, base, checkpoint, debias,
held, loop, material, ratings, saved, scoring, shape, tracking, tuning, warm."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import torch
from torch.nn import functional as F

from crossaisle.contracts import Progress
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries, hold_out_last
from crossaisle.data.split_parts import at_most
from crossaisle.encode.senses import Sense, Senses
from crossaisle.errors import RequestError
from crossaisle.model.history_reader import HistoryReader
from crossaisle.model.item_tower import copied
from crossaisle.model.network import Network
from crossaisle.model.settings import ModelSettings
from crossaisle.schema import Bools, Floats, Ints
from crossaisle.shared import ALONE, Shared
from crossaisle.train.base import Adapted, Base, adaptation
from crossaisle.train.checkpoint import fingerprint
from crossaisle.train.debias import choose_served, kept_apart, target_weights
from crossaisle.train.held import Held
from crossaisle.train.loop import TrainingRun, train
from crossaisle.train.material import (
    SenseReader,
    fitted_biases,
    misspelt,
    new_targets,
    opened_for_tuning,
    read_reviews_anew,
    read_senses,
    target_mask,
    terms,
)
from crossaisle.train.ratings import RatingBiases, rated_targets
from crossaisle.train.saved import fill_network, network_tensors, sense_tensors, senses_of
from crossaisle.train.scoring import predicted_ratings, ranking_score, rating_score, states_after
from crossaisle.train.settings import TrainSettings
from crossaisle.train.shape import Shape, new_network
from crossaisle.train.tracking import Track
from crossaisle.train.tuning import Tuning
from crossaisle.train.warm import Warm
from crossaisle.tune.settings import TuneSettings

__all__ = ["NetworkScorer"]

_RAW, _UNIT = "item-vectors", "item-vectors-of-length-1"
NEWER = 0.5
"""Share of a validation's questions that is asked where reviews are read: the rest is older, and would leave no review to read."""


class NetworkScorer:
    """P(next item | history, text), trained on a dataset.

    Parameters
    ----------
    model, training : ModelSettings, TrainSettings
    reader : SenseReader or None
        Reads the catalogue; not needed where ``model.senses`` is only "id" (SASRec).
    target_events : tuple of str
        Event kinds that count as targets (default: all).
    tune : TuneSettings, optional
        What of the language model is trained along (default: nothing); the reader then reads with it, new items too.

    Attributes
    ----------
    debias : dict
        What was done about popularity, in figures: effective sample size, gamma, gamma'. Empty where ``train.debias`` is none.
    """

    def __init__(
        self,
        model: ModelSettings,
        training: TrainSettings,
        reader: SenseReader | None,
        *,
        seed: int = 0,
        device: str = "cpu",
        target_events: tuple[str, ...] = (),
        name: str = "crossaisle",
        tune: TuneSettings | None = None,
    ) -> None:
        self.tune = tune or TuneSettings()
        self.name, self.model, self.training, self.reader = name, model, training, reader
        self.seed, self.device, self.target_events = seed, torch.device(device), target_events
        self.selection, self.refitting = TrainingRun(), TrainingRun()
        self.track: Track | None = None  # told of every step and epoch, where somebody listens
        self.senses: Senses = {}
        self.network: Network | None = None
        self.base: Base | None = None
        self.adapted: tuple[Adapted, ...] = ()
        self.counts: Ints = np.zeros(0, np.int64)
        self.categories: tuple[str, ...] = ()
        self.item_categories: Ints = np.zeros(0, np.int64)
        self._vectors: tuple[torch.Tensor, torch.Tensor] | None = None
        self._held = Held()
        self._history_reader: HistoryReader | None = None
        self._own: Any = None
        self.biases: RatingBiases | None = None
        self.debias: dict[str, float] = {}

    @property
    def note(self) -> str:
        """What was done about popularity; empty where nothing was."""
        return ", ".join(f"{what} {figure:,.0f}" if figure >= 1000 else f"{what} {figure:.4g}" for what, figure in self.debias.items())

    # fitting

    def as_base(self, items: pl.Series, event_names: tuple[str, ...], aisle: str) -> Base:
        """This fitted scorer as what an aisle may join; ``items`` are the ids of its catalogue, ``event_names`` its kinds of events."""
        network = self._fitted()[0]
        aisles = tuple(self.categories[c] for c in self.item_categories.tolist())
        return Base(network, self.reader, self.model, self.senses, items, aisles, event_names, self.adapted, aisle, self.biases is not None)

    def join(self, base: Base) -> Self:
        """From now on `fit` trains what ``base.aisle`` adds to a base, which stays as it is; see `train.base`."""
        self.base, self.reader = base, base.reader
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
        selected: Callable[[], None] | None = None,
    ) -> Self:
        """Train on ``data``, stopping by ``valid``; then once more on ``full`` for as long, where given.

        ``selected`` is called between the two, when this scorer is the one that ``valid`` chose. Without ``valid`` the newest item of each
        history is held out, and ``full`` is ``data`` where the setting ``train.refit`` says so.
        """
        if valid is None:
            full = full if full is not None else data if self.training.refit else None
            data, valid = hold_out_last(data, self.target_events, self.newer(data))
        if self.base is not None:
            self.base.check(data, self.model, self.training, self.tune)
            valid = self.base.answerable(data.items["item_id"], valid)
        if not self.reads_reviews:
            data, full = data.without_reviews(), None if full is None else full.without_reviews()
        if self.reader is not None:
            self.senses = read_senses(self.reader, self.base, data, self.model, self.reads_reviews, progress)
        self.biases = fitted_biases(data, self.training)
        mark = fingerprint(
            data,
            full,
            self.senses,
            model=self.model,
            training=self.training,
            tune=self.tune,
            seed=self.seed,
            target_events=self.target_events,
            base=self.base,
        )
        untuned, tune, seed = self.senses, self.tune, self.seed
        tuning = opened_for_tuning(self.reader, tune, self.senses, data.items, self.reads_reviews, seed=seed, progress=progress)
        noise = misspelt(self.reader, tune, self.senses, data.items, self.training, seed=seed, progress=progress)
        asked = new_targets(valid)
        chosen = asked[at_most(np.arange(len(asked)), self.training.validation_users, self.seed)]
        first = None if checkpoint is None else checkpoint.with_name(checkpoint.name + ".select")

        def learn(network: Network, data: Dataset, epochs: int, stage: str, checkpoint: Path | None, asked: Queries | None) -> TrainingRun:
            targets = target_mask(data, self.target_events)
            return train(
                network,
                self._learned_from(data.histories, network),
                self.training,
                seed=seed,
                epochs=epochs,
                target_mask=targets,
                item_weights=self._target_weights(data, targets),
                item_aisles=data.item_categories,
                validate=None if asked is None else self._validation(data, asked),
                stage=stage,
                progress=progress,
                checkpoint=checkpoint,
                fingerprint=mark,
                resume=resume,
                tuning=tuning,
                noise=noise,
                track=self.track,
                terms=terms(network, data, targets, self.senses, self.training, self.model, seed),
            )

        network = self._new_network(data)
        stage = "choosing when to stop" if full is not None else "training"
        self.selection = learn(network, data, self.training.epochs, stage, first, chosen)
        self._use(network, data, tuning)
        self._choose_served(network, data, chosen)
        if selected is not None:
            selected()
        if full is not None:
            self.senses = untuned  # also the fixed whitening is that of the untuned language model
            if self.reads_reviews:
                self.senses = read_reviews_anew(self.reader, self.base, self.senses, full, progress)
            served = network.popularity
            self.biases = fitted_biases(full, self.training)
            network = self._new_network(full)
            if served is not None and network.popularity is not None:
                network.popularity.serve.copy_(served.serve)
            if tuning is not None:
                tuning.start_over()
            if noise is not None:
                noise.senses = self.senses
            self.refitting = learn(network, full, self.selection.best_epoch, "training on everything", checkpoint, None)
            self._use(network, full, tuning)
        if tuning is not None:
            tuning.hand_over()
        return self

    def as_warm(self, items: pl.Series, event_names: tuple[str, ...], stale: frozenset[str] = frozenset()) -> Warm:
        """This fitted scorer as what training can go on from, see `go_on`; ``items`` are the ids of its catalogue."""
        network = self._fitted()[0]
        rates = self.biases is not None
        return Warm(network, self.reader, self.senses, items, event_names, self.categories, stale, self.adapted, rates)

    def go_on(
        self, data: Dataset, warm: Warm, training: TrainSettings, *, learn: Bools | None = None, progress: Progress | None = None
    ) -> Self:
        """Train on from a fitted network, for ``training.epochs`` passes over a dataset; nothing is chosen, nothing is held back.

        Parameters
        ----------
        warm : Warm
            What `as_warm` gave; it stays as it is. Items are read as it reads them, a language model that was tuned stays as tuned.
        training : TrainSettings
            In place of this scorer's own, which stay with it.
        learn : bool (E,), optional
            The events that are learned, each after all that came before it; default: all. People without one cost no time.

        Raises
        ------
        RequestError
            If the network learns ratings, or aisles joined it.
        """
        warm.check()
        if not self.reads_reviews:
            data = data.without_reviews()
        self.reader, self.senses = warm.reader, warm.told(data.items, progress)
        self.categories, self.item_categories = data.categories, data.item_categories
        network = self._build(warm.shape(data, Shape.of_data(data, self.model, training)), data.n_items).to(self.device)
        whole, targets = data, target_mask(data, self.target_events)
        if training.debias == "popularity":
            items = data.histories.items if targets is None else data.histories.items[targets]
            kept = kept_apart(np.bincount(items, minlength=data.n_items), data.item_counts > 0, training)
            network.popularity = kept.to(self.device)
        self._attach(network, data.item_counts > 0)
        warm.fill(network, data)
        self._attach(network, data.item_counts > 0)  # once more: how senses are read is that of the old network now
        weights = self._target_weights(data, targets)
        if learn is not None:
            targets = learn if targets is None else learn & targets
            busy = np.bincount(data.histories.owners[targets], minlength=data.n_users) > 0
            targets, data = targets[busy[data.histories.owners]], data.select_users(busy)
        self.selection, self.refitting = (
            train(
                network,
                self._learned_from(data.histories, network),
                training,
                seed=self.seed,
                epochs=training.epochs,
                target_mask=targets,
                item_weights=weights,
                item_aisles=data.item_categories,
                stage="training on",
                progress=progress,
                track=self.track,
                terms=terms(network, data, targets, self.senses, training, self.model, self.seed),
            ),
            TrainingRun(),
        )
        self._use(network, whole, None)
        return self

    @property
    def reads_reviews(self) -> bool:
        """Whether the settings ask for reviews."""
        return self.reader is not None and "reviews" in self.model.senses

    def newer(self, data: Dataset) -> float:
        """Which share of the questions of a validation of one's own is asked, see `data.split_reviews.newer_questions`."""
        return NEWER if self.reads_reviews and data.reviews is not None else 1.0

    def with_reviews(self, histories: Histories, network: Network | None = None) -> Histories:
        """The histories with the vectors of what their people wrote, where the network reads that; otherwise without any."""
        network = network or self.network
        if histories.own is None or network is None or network.encoder.own is None:
            return histories if histories.own is None else replace(histories, own=None)
        return histories if histories.own.table.texts is None else self._own_reader().read(histories)

    def _own_reader(self) -> Any:
        if self._own is None:
            assert self.reader is not None
            self._own = self.reader.own_reviews()  # type: ignore[attr-defined]
        return self._own

    def _own_reviews(self, data: Dataset) -> tuple[Floats, Floats] | None:
        """float32 (n, W) vectors of what the people wrote and (m,) their ratings; None where nothing is, or is to be read."""
        own = data.histories.own
        if own is None or not (self.reads_reviews and self.model.own_reviews) or not (own.rows >= 0).any():
            return None
        table = self._own_reader().read(data.histories).own.table
        rows = np.unique(own.rows[own.rows >= 0])
        return table.vectors[rows[table.told[rows]]], table.ratings[rows]

    def _new_network(self, data: Dataset) -> Network:
        """A network to be trained on a dataset, attached to its catalogue."""
        self.categories, self.item_categories = data.categories, data.item_categories
        if self.base is not None:
            return self._grown(self.base, data)
        wrote = self._own_reviews(data)
        network = self._build(Shape.of_data(data, self.model, self.training, 0 if wrote is None else wrote[0].shape[1]), data.n_items)
        network.tower.fit_whitening(self.senses)
        network.to(self.device)
        self._attach(network, data.item_counts > 0)
        if wrote is not None and network.encoder.own is not None:
            network.encoder.own.fit(*wrote)
        if self.training.debias == "popularity":
            mask, known = target_mask(data, self.target_events), data.item_counts > 0
            items = data.histories.items if mask is None else data.histories.items[mask]
            network.popularity = kept_apart(np.bincount(items, minlength=data.n_items), known, self.training).to(self.device)
        if self.biases is not None:
            torch.nn.init.zeros_(network.log_scale)  # a cosine is worth one step of the rating at first, not a logit
        return network

    def _grown(self, base: Base, data: Dataset) -> Network:
        """The network of a base with an adapter more; the rest of it is frozen."""
        shape = Shape.of_network(base.network)
        shape = replace(shape, n_events=1 if base.network.encoder.event is None else max(2, len(data.event_names)), n_aisles=0)
        self.adapted = (*base.adapted, Adapted(base.aisle, self.model.adapter_rank, 0))
        network = self._build(shape, data.n_items).to(self.device)
        self._attach(network, data.item_counts > 0)
        fresh = base.grow(network, data)
        self.adapted = (*base.adapted, Adapted(base.aisle, self.model.adapter_rank, len(fresh)))
        # attached once more: the whitening of the senses is the base's now
        self._attach(network, (data.item_counts > 0) | (base.rows(data.items["item_id"]) >= 0))
        return network

    def _build(self, shape: Shape, n_items: int) -> Network:
        rates, ranks = self.biases is not None, tuple(a.rank for a in self.adapted)
        return new_network(self.model, shape, self.senses, n_items, seed=self.seed, rates=rates, adapter_ranks=ranks)

    def _target_weights(self, data: Dataset, targets: Bools | None) -> Floats | None:
        """float32 (N,): what each item weighs as a target, and the facts about it kept; None where all weigh alike."""
        weights, facts = target_weights(data, self.training, targets)
        self.debias |= facts
        return weights

    def _choose_served(self, network: Network, data: Dataset, asked: Queries) -> None:
        if network.popularity is not None:
            ask = (lambda: self._validation_score(network, data, asked)) if len(asked) else None
            self.debias |= choose_served(network.popularity, self.training, ask)

    def _attach(self, network: Network, trained: Bools) -> None:
        """Set the catalogue of a network; ``trained`` (N,) marks the items that its training knew."""
        network.tower.attach(self.senses, trained)
        if self.adapted:
            places = {a.aisle: k for k, a in enumerate(self.adapted)}
            of_aisle = np.array([places.get(name, -1) for name in self.categories], dtype=np.int64)
            network.tower.place_adapters(of_aisle[self.item_categories[: len(trained)]])
        if network.head is not None:
            network.head.attach(self.item_categories[: len(trained)], network.tower.trained)

    def _learned_from(self, histories: Histories, network: Network) -> Histories:
        """The histories as training reads them; ratings only where they are what is learned."""
        read = self.with_reviews(histories, network)
        return replace(read, ratings=None) if self.biases is None else self.biases.targets(read)

    def _read(self, histories: Histories, network: Network | None = None) -> Histories:
        """The histories as the network reads them."""
        read = self.with_reviews(histories, network)
        return read if self.biases is None else self.biases.tokens(read)

    def _validation(self, data: Dataset, asked: Queries) -> Callable[[Network], float] | None:
        """N@10 or, where ratings are learned, minus the root of the mean squared error; None where nothing can be asked."""
        if self.biases is None:
            return (lambda net: self._validation_score(net, data, asked)) if len(asked) else None
        biases = self.biases
        histories, items, given = rated_targets(asked)
        if not len(items):
            return None

        return lambda net: rating_score(net, biases, histories, self._read(histories, net), items, given)

    def _validation_score(self, network: Network, data: Dataset, queries: Queries) -> float:
        return ranking_score(network, data, queries, lambda histories: self.with_reviews(histories, network))

    def _use(self, network: Network, data: Dataset, tuning: Tuning | None) -> None:
        self.network, self.counts, self._vectors = network, data.item_counts, None
        if self.base is not None:
            network.tower.settle_ids()
        if tuning is not None:
            self.senses = {**self.senses, "text": tuning.sense}

    def adaptation(self) -> dict[str, Any] | None:
        """Parameters of the trunk and of each aisle that joined it, id rows apart; None where none did."""
        return adaptation(self._fitted()[0], self.adapted) if self.adapted else None

    # scoring

    def _fitted(self) -> tuple[Network, torch.Tensor, torch.Tensor]:
        """The network, and the item vectors as its history encoder reads them and as they are scored (of length 1)."""
        if self.network is None:
            raise RuntimeError("this model is not fitted; expected fit() before scoring")
        if self._vectors is None:
            with torch.inference_mode():
                self.network.eval()
                raw = self.network.tower()
                self._vectors = raw, F.normalize(raw, dim=-1)
            self._history_reader = None  # whatever made the vectors old may have changed the encoder too
        return self.network, *self._vectors

    def _states(self, vectors: torch.Tensor, histories: Histories) -> torch.Tensor:
        """float32 (B, D): `states_after` by a reader that is kept, for histories as `score` takes them."""
        network = self._fitted()[0]
        if self._history_reader is None or self._history_reader.network is not network:
            self._history_reader = HistoryReader(network)
        return states_after(network, vectors, self._read(histories), self._history_reader)

    @property
    def plain(self) -> bool:
        """Whether a score is no more than a factor times the cosine of a history's state and an item's vector."""
        network = self._fitted()[0]
        return self.biases is None and network.head is None and network.popularity is None and network.tower.item_bias() is None

    def states(self, histories: Histories) -> tuple[Floats, float]:
        """float32 (B, D), each of length 1: the state after each history, none of them empty; and the factor of `plain`."""
        network, raw, _ = self._fitted()
        with torch.inference_mode():
            states: Floats = self._states(raw, histories).cpu().numpy()
            return states, float(network.scale)

    def item_vectors(self) -> Floats:
        """float32 (N, D), each of length 1."""
        out: Floats = self._fitted()[2].cpu().numpy()
        return out

    def sense_shares(self, items: Ints | None = None) -> dict[str, Floats]:
        """float32 (R,) for "id" and each sense: how much it weighs in the vector of each item; see `ItemTower.shares`."""
        network = self._fitted()[0]
        with torch.inference_mode():
            found = network.tower.shares(None if items is None else torch.from_numpy(items).to(self.device))
        return {name: share.cpu().numpy() for name, share in found.items()}

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """Logits, with the factored objective log-probabilities; see `contracts.Scorer`. An empty history is answered by popularity."""
        network, raw, vectors = self._fitted()
        with torch.inference_mode():
            columns = None if candidates is None else torch.from_numpy(candidates).to(vectors.device)
            out: Floats = network.scores(self._states(raw, histories), vectors, columns).cpu().numpy()
        if self.biases is not None:
            out += self.biases.items if candidates is None else self.biases.items[candidates]
        empty = histories.lengths == 0
        if empty.any():
            popularity = np.log1p(self.counts).astype(np.float32)
            out[empty] = popularity if candidates is None else popularity[candidates]
        return out

    def score_tokens(self, histories: Histories, tokens: torch.Tensor) -> Floats:
        """float32 (B, N): as `score`, for histories of tokens that are no items of the catalogue.

        Parameters
        ----------
        histories : Histories
            None empty; item code c stands for row c of ``tokens``.
        tokens : float32 (M, D)
            Vectors as the item tower gives them.
        """
        network, _, vectors = self._fitted()
        with torch.inference_mode():
            out: Floats = network.scores(self._states(tokens, histories), vectors).cpu().numpy()
        return out if self.biases is None else out + self.biases.items

    def predict_ratings(self, histories: Histories, items: Ints) -> Floats:
        """float32 (B,): the rating that the person of each history gives one item.

            mean + b_person + b_item + scale * cos(state(history), vector(item))

        b_person is the shrunk mean of what the history's ratings are above their items' average (`RatingBiases`), so a person whom training
        did not see has one too; a history without ratings has 0.

        Parameters
        ----------
        items : int64 (B,)

        Raises
        ------
        RequestError
            If the model has not learned ratings.
        """
        network, raw, vectors = self._fitted()
        if self.biases is None:
            raise RequestError("this model has not learned ratings", "one that has", "fit with --set train.objective=rating")
        return predicted_ratings(network, raw, vectors, self.biases, histories, self._read(histories), items)

    def settle(self, shared: Shared = ALONE) -> None:
        """Make the item vectors now, or take them from what processes share, and let go of what they are made from."""
        if self.network is None:
            raise RuntimeError("this model is not fitted; expected fit() before scoring")
        if self._vectors is None:
            tower, n = self.network.tower, len(self.counts)
            with torch.inference_mode():
                self.network.eval()
                raw = self._held.take(_RAW, n, lambda: tower().cpu().numpy(), shared)
                unit = self._held.take(_UNIT, n, lambda: F.normalize(torch.from_numpy(raw), dim=-1).numpy(), shared)
            self._score_by(raw, unit)
        if shared.folder is not None:  # items that join are then a few rows more, and not a copy of all in every process
            self.senses = self._held.take_senses(self.senses, shared)
        self._attach(self.network, self.network.tower.trained.cpu().numpy())

    def _score_by(self, raw: Floats, unit: Floats) -> None:
        """Take these as the item vectors, as the history encoder reads them and as they are scored."""
        self._vectors = torch.from_numpy(raw).to(self.device), torch.from_numpy(unit).to(self.device)
        self._history_reader = None

    def raw_vectors(self) -> torch.Tensor:
        """float32 (N, D): item vectors as the item tower gives them, before any normalisation."""
        return self._fitted()[1]

    def use_vectors(self, raw: torch.Tensor | None) -> None:
        """Score with these item vectors (N, D) in place of the tower's, until the next call; None puts the tower's back."""
        self._vectors = None if raw is None else (raw, F.normalize(raw, dim=-1))

    def use_senses(self, senses: Senses) -> None:
        """Score by what the items say now, with nothing trained anew; the same items and kinds of sense as before."""
        network = self._fitted()[0]
        self.senses = {name: senses[name] for name in self.senses}
        self._attach(network, network.tower.trained.cpu().numpy())
        self._vectors = None

    def copied(self) -> Self:
        """A copy to which items can be added; what was learned is shared."""
        network = self._fitted()[0]
        out = copy.copy(self)
        out.network, out._held = copied(network), self._held.copied()
        return out

    def add_items(self, items: pl.DataFrame, progress: Progress | None = None, anew: bool = True) -> None:
        """Append items that came after training: they are read, not trained.

        Parameters
        ----------
        anew : bool
            Make all item vectors once more, as a model that is loaded does, so that both agree to the last bit; otherwise only those of the
            new items.
        """
        if self.network is None or self.reader is None:
            raise RuntimeError("items cannot be added to a model without a reader; expected a fitted model that reads text")
        read = self.reader.read(items, progress)
        before = len(self.counts)
        self.senses = self._held.stacked(self.senses, {name: read[name] for name in self.senses})
        self.counts = np.concatenate([self.counts, np.zeros(items.height, np.int64)])
        if self.biases is not None:
            self.biases = self.biases.with_new(items.height)
        self._add_categories(items["category"].to_list())
        trained = np.zeros(len(self.counts), bool)
        trained[: len(self.network.tower.trained)] = self.network.tower.trained.cpu().numpy()
        self._attach(self.network, trained)
        if anew:
            self._vectors = None
        if self._vectors is not None:
            with torch.inference_mode():
                raw = self.network.tower(torch.arange(before, len(trained), device=self.device))
                more = {_RAW: raw.cpu().numpy(), _UNIT: F.normalize(raw, dim=-1).cpu().numpy()}
            old = {_RAW: self._vectors[0].cpu().numpy(), _UNIT: self._vectors[1].cpu().numpy()}
            self._score_by(*(self._held.followed(name, old[name], more[name]) for name in (_RAW, _UNIT)))

    def _add_categories(self, names: list[str]) -> None:
        """The aisles of new items; an aisle of a new name comes after the old ones."""
        self.categories = tuple(dict.fromkeys([*self.categories, *names]))
        codes = {name: code for code, name in enumerate(self.categories)}
        self.item_categories = np.concatenate([self.item_categories, np.array([codes[name] for name in names], dtype=np.int64)])

    # taking apart and putting together

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Tensors (parameters, senses, item vectors) and a JSON-ready description, from which `from_state` builds the same scorer."""
        network, _, vectors = self._fitted()
        shape = Shape.of_network(network)
        tensors = network_tensors(network) | sense_tensors(self.senses)
        tensors["item_vectors"] = vectors.cpu().clone()
        tensors["item_counts"] = torch.from_numpy(self.counts)
        tensors["item_categories"] = torch.from_numpy(self.item_categories)
        if self.biases is not None:
            tensors["rating_biases"] = torch.from_numpy(self.biases.items)
        config = {
            "name": self.name,
            "seed": self.seed,
            "target_events": list(self.target_events),
            "model": self.model.to_dict(),
            "train": self.training.to_dict(),
            "tune": self.tune.to_dict(),
            "n_events": shape.n_events,
            "with_weights": shape.weighted,
            "with_times": shape.timed,
            **({} if self.biases is None else {"rating_mean": self.biases.mean}),
            "n_aisles": shape.n_aisles,
            "review_width": shape.review_width,
            "categories": list(self.categories),
            "adapted": [vars(a) for a in self.adapted],
            "n_trained_items": 0 if network.tower.id_table is None else len(network.tower.id_table),
            "sense_widths": {name: s.dim for name, s in self.senses.items()},
            "selection": vars(self.selection),
            "refitting": vars(self.refitting),
            **({"debias": self.debias} if self.debias else {}),
        }
        return tensors, config

    @classmethod
    def from_state(cls, tensors: dict[str, torch.Tensor], config: dict[str, Any], reader: SenseReader | None, device: str = "cpu") -> Self:
        """The inverse of `state`."""
        out = cls(
            ModelSettings.from_dict(config["model"]),
            TrainSettings.from_dict(config["train"]),
            reader,
            seed=config["seed"],
            device=device,
            target_events=tuple(config["target_events"]),
            name=config["name"],
            tune=TuneSettings.from_dict(config.get("tune", {})),
        )
        senses = senses_of(tensors, config["sense_widths"])
        out.counts = tensors["item_counts"].numpy()
        # a model saved before aisles were kept has none to tell apart
        out.categories = tuple(config.get("categories", ("",)))
        out.item_categories = tensors["item_categories"].numpy() if "item_categories" in tensors else np.zeros(len(out.counts), np.int64)
        if "rating_biases" in tensors:
            out.biases = RatingBiases(config["rating_mean"], tensors["rating_biases"].numpy(), out.training.rating_shrink)
        out.adapted = tuple(Adapted(**a) for a in config.get("adapted", ()))
        trained_items = int(config["n_trained_items"]) or len(out.counts)
        first = {n: Sense(s.values[:trained_items], s.present[:trained_items]) for n, s in senses.items()}
        shape = Shape(
            config["n_events"], config["with_weights"], config["with_times"], config.get("n_aisles", 0), config.get("review_width", 0)
        )
        out.senses = first
        network = out._build(shape, trained_items).to(out.device)
        out._attach(network, out.counts[:trained_items] > 0)
        fill_network(network, tensors, out.training)
        out.senses = senses
        out._attach(network, tensors["network.tower.trained"].numpy())
        network.eval()
        out.network = network
        out.debias = dict(config.get("debias", {}))
        out.selection, out.refitting = TrainingRun(**config["selection"]), TrainingRun(**config["refitting"])
        return out
