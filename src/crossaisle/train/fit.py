"""The network as a scorer: fit it, score with it, take it apart and put it together again. Imports: settings, base, contrastive, debias,
loop, noise, packing, ratings, tracking, tuning, unlabelled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import polars as pl
import torch
from torch.nn import functional as F

from crossaisle.contracts import Progress
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries, hold_out_last
from crossaisle.data.split_parts import at_most
from crossaisle.encode.senses import Sense, Senses, stack_items
from crossaisle.errors import RequestError, SettingError
from crossaisle.metrics import Values, ndcg
from crossaisle.model.network import Network
from crossaisle.model.popularity import PopularityBias
from crossaisle.model.settings import ModelSettings
from crossaisle.schema import Bools, Floats, Ints
from crossaisle.train.base import Adapted, Base, trunk_parameters
from crossaisle.train.contrastive import Contrast
from crossaisle.train.debias import SERVED, target_weights
from crossaisle.train.loop import Term, TrainingRun, train
from crossaisle.train.noise import NoisyTexts
from crossaisle.train.packing import pack_for_reading
from crossaisle.train.ratings import RatingBiases, rated, rated_targets
from crossaisle.train.settings import TrainSettings
from crossaisle.train.tracking import Track
from crossaisle.train.tuning import TunableReader, Tuning
from crossaisle.train.unlabelled import Unlabelled
from crossaisle.tune.settings import TuneSettings

__all__ = ["NetworkScorer"]

READING_ROWS = 64
NEWER = 0.5
"""Share of a validation's questions that is asked where reviews are read: the rest is older, and would leave no review to read."""
RANKED_AT_ONCE = 1024
MOST_SCORES = 50_000_000
"""Scores of validation questions held at once; fewer questions at a time where the catalogue is large."""


class SenseReader(Protocol):
    """What the network needs of ``encode.items.ItemReader``."""

    def fit(self, items: pl.DataFrame) -> Any:
        """Choose readers and vocabulary."""

    def read(self, items: pl.DataFrame, progress: Progress | None = None) -> dict[str, Sense]:
        """The senses of each row; where reviews are one of them, with ``reviews`` as a third argument."""
        ...


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
            reviews = {"reviews": data.reviews} if self.reads_reviews else {}
            reader = self.reader
            if self.base is None:
                read = reader.fit(data.items).read(data.items, progress, **reviews)
                self.senses = {name: sense for name, sense in read.items() if sense.present.any()}
            else:
                self.senses = self.base.told(data.items, lambda items: reader.read(items, progress, **reviews))
            if not self.senses and "id" not in self.model.senses:
                raise RequestError(
                    "no item says anything, and the model is to read no ids", "items with text", "pass --items, or add id to model.senses"
                )
        self._fit_biases(data)
        fingerprint = self._fingerprint(data, full)
        untuned, tuning, noise = self.senses, self._tuning(data, progress), self._noise(data, progress)
        asked = _new_targets(valid)
        chosen = asked[at_most(np.arange(len(asked)), self.training.validation_users, self.seed)]
        first = None if checkpoint is None else checkpoint.with_name(checkpoint.name + ".select")
        network = self._new_network(data)
        self.selection = train(
            network,
            self._learned_from(data.histories, network),
            self.training,
            seed=self.seed,
            epochs=self.training.epochs,
            target_mask=self._targets(data),
            item_weights=self._target_weights(data),
            item_aisles=data.item_categories,
            validate=self._validation(data, chosen),
            stage="choosing when to stop" if full is not None else "training",
            progress=progress,
            checkpoint=first,
            fingerprint=fingerprint,
            resume=resume,
            tuning=tuning,
            noise=noise,
            track=self.track,
            terms=self._terms(network, data),
        )
        self._use(network, data, tuning)
        self._choose_served(network, data, chosen)
        if selected is not None:
            selected()
        if full is not None:
            self.senses = untuned  # also the fixed whitening is that of the untuned language model
            self._read_reviews(full, progress)
            served = network.popularity
            self._fit_biases(full)
            network = self._new_network(full)
            if served is not None and network.popularity is not None:
                network.popularity.serve.copy_(served.serve)
            if tuning is not None:
                tuning.start_over()
            if noise is not None:
                noise.senses = self.senses
            self.refitting = train(
                network,
                self._learned_from(full.histories, network),
                self.training,
                seed=self.seed,
                epochs=self.selection.best_epoch,
                target_mask=self._targets(full),
                item_weights=self._target_weights(full),
                item_aisles=full.item_categories,
                stage="training on everything",
                progress=progress,
                checkpoint=checkpoint,
                fingerprint=fingerprint,
                resume=resume,
                tuning=tuning,
                noise=noise,
                track=self.track,
                terms=self._terms(network, full),
            )
            self._use(network, full, tuning)
        if tuning is not None:
            tuning.hand_over()
        return self

    def _tuning(self, data: Dataset, progress: Progress | None) -> Tuning | None:
        """The language model, ready to be trained; None where it is to stay frozen or no item has text."""
        if not self.tune.active or "text" not in self.senses:
            return None
        if not isinstance(self.reader, TunableReader):
            raise SettingError(
                f"tune.form is {self.tune.form}, and items are read in another way", "a reader of texts", "set tune.form to frozen"
            )
        if self.reads_reviews:  # they are read by the language model as it was
            raise SettingError(
                f"tune.form is {self.tune.form} beside the sense reviews", "one of the two", "set tune.form to frozen, or leave reviews out"
            )
        return Tuning(self.reader, self.tune, data.items, self.senses["text"], seed=self.seed, progress=progress)

    def _noise(self, data: Dataset, progress: Progress | None) -> NoisyTexts | None:
        """The catalogue misspelt; None where it is not asked for."""
        if not self.training.char_noise:
            return None
        if self.tune.active or not any(name in self.senses for name in ("text", "words")):
            found = f"tune.form is {self.tune.form}" if self.tune.active else "no item's text is read"
            raise SettingError(
                f"train.char_noise is {self.training.char_noise}, and {found}",
                "texts read by a model that stays as it is",
                "set train.char_noise to 0, or tune.form to frozen and text or words among model.senses",
            )
        return NoisyTexts(self.reader, self.senses, data.items, self.training, seed=self.seed, progress=progress)  # type: ignore[arg-type]

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

    def _read_reviews(self, data: Dataset, progress: Progress | None) -> None:
        """The reviews that may be read beside another part of the data; all other senses stay."""
        if not self.reads_reviews:
            return
        if self.base is not None:
            self.senses = dict(self.senses) | self._reviews_beside(self.base, data, progress)
            return
        sense = self.reader.read_reviews(data.items, progress, data.reviews)  # type: ignore[union-attr]
        rest = {name: s for name, s in self.senses.items() if name != "reviews"}
        self.senses = rest | ({"reviews": sense} if sense.present.any() else {})

    def _reviews_beside(self, base: Base, data: Dataset, progress: Progress | None) -> dict[str, Sense]:
        if "reviews" not in base.senses:
            return {}
        read: Any = self.reader
        return base.told(data.items, lambda items: {"reviews": read.read_reviews(items, progress, data.reviews)}, ("reviews",))

    def _own_reviews(self, data: Dataset) -> tuple[Floats, Floats] | None:
        """float32 (n, W) vectors of what the people wrote and (m,) their ratings; None where nothing is, or is to be read."""
        own = data.histories.own
        if own is None or not (self.reads_reviews and self.model.own_reviews) or not (own.rows >= 0).any():
            return None
        table = self._own_reader().read(data.histories).own.table
        rows = np.unique(own.rows[own.rows >= 0])
        return table.vectors[rows[table.told[rows]]], table.ratings[rows]

    def _new_network(self, data: Dataset) -> Network:
        n_events = len(data.event_names) if self.model.use_events else 1
        weighted = self.model.use_weights and self.biases is None and bool((data.histories.weights != 1).any())
        timed = self.model.use_times and bool(np.isfinite(data.histories.times).any())
        apart = self.training.objective == "factored" and len(np.unique(data.item_categories[data.item_counts > 0])) > 1
        self.categories, self.item_categories = data.categories, data.item_categories
        if self.base is not None:
            return self._grown(self.base, data)
        n_aisles = len(data.categories) if apart else 0
        wrote = self._own_reviews(data)
        width = 0 if wrote is None else wrote[0].shape[1]
        network = self._build(data.item_counts, n_events, weighted, timed, n_aisles, width, fit_whitening=True)
        if wrote is not None and network.encoder.own is not None:
            network.encoder.own.fit(*wrote)
        if self.training.debias == "popularity":
            mask, known = self._targets(data), data.item_counts > 0
            items = data.histories.items if mask is None else data.histories.items[mask]
            network.popularity = self._popularity(np.bincount(items, minlength=data.n_items), known)
        if self.biases is not None:
            torch.nn.init.zeros_(network.log_scale)  # a cosine is worth one step of the rating at first, not a logit
        return network

    def _popularity(self, counts: Ints, known: Bools) -> PopularityBias:
        gamma, served = self.training.debias_gamma, self.training.served_gamma
        return PopularityBias(counts, known, gamma, gamma if served is None else served).to(self.device)

    def _grown(self, base: Base, data: Dataset) -> Network:
        """The network of a base with an adapter more; the rest of it is frozen."""
        encoder = base.network.encoder
        n_events = 1 if encoder.event is None else max(2, len(data.event_names))
        width = 0 if encoder.own is None else len(encoder.own.whiten.mean)
        self.adapted = (*base.adapted, Adapted(base.aisle, self.model.adapter_rank, 0))
        network = self._build(
            data.item_counts, n_events, encoder.weight is not None, encoder.gap is not None, 0, width, fit_whitening=False
        )
        fresh = base.grow(network, data)
        self.adapted = (*base.adapted, Adapted(base.aisle, self.model.adapter_rank, len(fresh)))
        # attached once more: the whitening of the senses is the base's now
        self._attach(network, (data.item_counts > 0) | (base.rows(data.items["item_id"]) >= 0))
        return network

    def _widths(self) -> dict[str, tuple[int, bool]]:
        return {name: (s.dim, isinstance(s.values, np.ndarray)) for name, s in self.senses.items()}

    def _build(
        self, counts: Ints, n_events: int, weighted: bool, timed: bool, n_aisles: int, review_width: int, fit_whitening: bool
    ) -> Network:
        widths, ranks = self._widths(), tuple(a.rank for a in self.adapted)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            n_ids = len(counts) if "id" in self.model.senses else 0
            network = Network(self.model, widths, n_ids, n_events, weighted, timed, n_aisles, review_width, self.biases is not None, ranks)
        if fit_whitening:
            network.tower.fit_whitening(self.senses)
        network.to(self.device)
        self._attach(network, counts > 0)
        return network

    def _target_weights(self, data: Dataset) -> Floats | None:
        """float32 (N,): what each item weighs as a target, and the facts about it kept; None where all weigh alike."""
        weights, facts = target_weights(data, self.training, self._targets(data))
        self.debias |= facts
        return weights

    def _choose_served(self, network: Network, data: Dataset, asked: Queries) -> None:
        """Where gamma' is to be chosen, the one that ranks best on validation, of a grid; the nearest to 0 of equals."""
        if network.popularity is None:
            return
        if self.training.served_gamma is None and len(asked):
            found: dict[float, float] = {}
            for served in sorted({*SERVED, self.training.debias_gamma}, key=abs):
                network.popularity.serve.fill_(served)
                found[served] = self._validation_score(network, data, asked)
            network.popularity.serve.fill_(max(found, key=lambda served: found[served]))
        self.debias |= {
            "popularity learned beside, gamma": network.popularity.gamma,
            "served, gamma'": round(float(network.popularity.serve), 6),
        }

    def _attach(self, network: Network, trained: Bools) -> None:
        """Set the catalogue of a network; ``trained`` (N,) marks the items that its training knew."""
        network.tower.attach(self.senses, trained)
        if self.adapted:
            places = {a.aisle: k for k, a in enumerate(self.adapted)}
            of_aisle = np.array([places.get(name, -1) for name in self.categories], dtype=np.int64)
            network.tower.place_adapters(of_aisle[self.item_categories[: len(trained)]])
        if network.head is not None:
            network.head.attach(self.item_categories[: len(trained)], network.tower.trained)

    def _targets(self, data: Dataset) -> Bools | None:
        if not self.target_events:
            return None
        wanted = np.isin(np.array(data.event_names), self.target_events)
        mask: Bools = wanted[data.histories.events]
        return mask

    def _terms(self, network: Network, data: Dataset) -> list[Term]:
        """What is added to the objective."""
        out: list[Term] = []
        if self.training.contrastive != "none":
            out.append(Contrast(self.training, data.histories, data.item_categories, network))
        if Unlabelled.wanted(self.training, self.model):
            out.append(Unlabelled(data, self._targets(data), self.senses, self.training, self.model.window, self.seed))
        return out

    def _fit_biases(self, data: Dataset) -> None:
        self.biases = None
        if self.training.objective == "rating":
            if self.training.debias == "popularity":
                found = "train.objective is rating, beside train.debias=popularity"
                raise SettingError(found, "one of the two", "set train.debias to none or ips")
            if not rated(data.histories).any():
                raise RequestError(
                    "train.objective is rating, and no event has a rating",
                    "a column rating in the interactions",
                    "add it, or set train.objective=catalogue",
                )
            self.biases = RatingBiases.fit(data.histories, data.n_items, self.training.rating_shrink)

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

        def score(network: Network) -> float:
            with torch.inference_mode():
                raw = network.tower()
            found = self._predicted(network, raw, F.normalize(raw, dim=-1), biases, histories, items)
            return -float(np.sqrt(np.mean((found - given) ** 2)))

        return score

    def _validation_score(self, network: Network, data: Dataset, queries: Queries) -> float:
        with torch.inference_mode():
            raw = network.tower()
            vectors = F.normalize(raw, dim=-1)
            values: list[Values] = []
            at_once = max(1, min(RANKED_AT_ONCE, MOST_SCORES // len(vectors)))
            for start in range(0, len(queries), at_once):
                part = queries[np.arange(start, min(start + at_once, len(queries)))]
                scores = network.scores(_states(network, raw, self.with_reviews(part.histories, network)), vectors)
                scores[part.histories.owners, part.histories.items] = -torch.inf
                aisle = part.aisles >= 0
                if aisle.any():
                    scores[torch.from_numpy(aisle[:, None] & (data.item_categories[None, :] != part.aisles[:, None]))] = -torch.inf
                best = scores.topk(min(10, scores.shape[1]), dim=1)
                top = torch.where(best.values.isfinite(), best.indices, -1)
                values.append(ndcg(top.cpu().numpy(), part.targets, 10))
        return float(np.concatenate(values).mean())

    def _use(self, network: Network, data: Dataset, tuning: Tuning | None) -> None:
        self.network, self.counts, self._vectors = network, data.item_counts, None
        if self.base is not None:
            network.tower.settle_ids()
        if tuning is not None:
            self.senses = {**self.senses, "text": tuning.sense}

    def _fingerprint(self, data: Dataset, full: Dataset | None) -> str:
        training = self.training.to_dict()
        if training["optimizer"] == "adamw":  # checkpoints of before there was a choice stay good
            del training["optimizer"]
        digest = hashlib.sha256(json.dumps([self.model.to_dict(), training, self.seed, self.target_events]).encode())
        if self.tune.active:
            digest.update(json.dumps(self.tune.to_dict()).encode())
        if self.training.debias == "ips" and data.propensities is not None:
            digest.update(data.propensities.tobytes())
        if self.base is not None:
            digest.update(self.base.aisle.encode())
            for name, value in self.base.network.state_dict().items():
                digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
        for d in (data, full):
            if d is not None:
                for array in (d.histories.offsets, d.histories.items, d.histories.events, d.histories.weights, d.histories.times):
                    digest.update(array.tobytes())
                if d.histories.trust is not None:
                    digest.update(d.histories.trust.tobytes())
                if d.reviews is not None:
                    digest.update(d.reviews.hash_rows().to_numpy().tobytes())
                if d.histories.own is not None:
                    digest.update(d.histories.own.times.tobytes())
                if self.biases is not None and d.histories.ratings is not None:
                    digest.update(d.histories.ratings.tobytes())
        for column in ("item_id", "category"):
            digest.update("\x00".join(data.items[column].to_list()).encode())
        for name, sense in sorted(self.senses.items()):
            v = sense.values
            for part in (v,) if isinstance(v, np.ndarray) else (v.data, v.indices, v.indptr):
                digest.update(name.encode() + np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def adaptation(self) -> dict[str, Any] | None:
        """Parameters of the trunk and of each aisle that joined it, id rows apart; None where none did."""
        if not self.adapted:
            return None
        network = self._fitted()[0]
        trunk, joined = trunk_parameters(network), []
        for known, adapter in zip(self.adapted, network.tower.adapters, strict=True):
            n = sum(p.numel() for p in adapter.parameters())
            joined.append(
                {
                    "aisle": known.aisle,
                    "rank": known.rank,
                    "parameters": n,
                    "share of the trunk": round(n / trunk, 5),
                    "id rows": known.id_rows,
                    "parameters of id rows": known.id_rows * self.model.dim,
                }
            )
        return {"trunk parameters": trunk, "adapters": joined}

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
        return self.network, *self._vectors

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
            out: Floats = network.scores(_states(network, raw, self._read(histories)), vectors, columns).cpu().numpy()
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
            out: Floats = network.scores(_states(network, tokens, self._read(histories)), vectors).cpu().numpy()
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
        return self._predicted(network, raw, vectors, self.biases, histories, items)

    def _predicted(
        self, network: Network, raw: torch.Tensor, vectors: torch.Tensor, biases: RatingBiases, histories: Histories, items: Ints
    ) -> Floats:
        with torch.inference_mode():
            states = _states(network, raw, self._read(histories, network))
            taste = network.scale * (states * vectors[torch.from_numpy(items).to(vectors.device)]).sum(1)
        out: Floats = biases.predict(histories, items) + taste.cpu().numpy()
        return out

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

    def add_items(self, items: pl.DataFrame, progress: Progress | None = None) -> None:
        """Append items that came after training: they are read, not trained."""
        if self.network is None or self.reader is None:
            raise RuntimeError("items cannot be added to a model without a reader; expected a fitted model that reads text")
        read = self.reader.read(items, progress)
        self.senses = stack_items(self.senses, {name: read[name] for name in self.senses})
        self.counts = np.concatenate([self.counts, np.zeros(items.height, np.int64)])
        if self.biases is not None:
            self.biases = self.biases.with_new(items.height)
        self._add_categories(items["category"].to_list())
        trained = np.zeros(len(self.counts), bool)
        trained[: len(self.network.tower.trained)] = self.network.tower.trained.cpu().numpy()
        self._attach(self.network, trained)
        self._vectors = None

    def _add_categories(self, names: list[str]) -> None:
        """The aisles of new items; an aisle of a new name comes after the old ones."""
        self.categories = tuple(dict.fromkeys([*self.categories, *names]))
        codes = {name: code for code, name in enumerate(self.categories)}
        self.item_categories = np.concatenate([self.item_categories, np.array([codes[name] for name in names], dtype=np.int64)])

    # taking apart and putting together

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Tensors (parameters, senses, item vectors) and a JSON-ready description, from which `from_state` builds the same scorer."""
        network, _, vectors = self._fitted()
        tensors = {f"network.{k}": v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
        tensors["item_vectors"] = vectors.cpu().clone()
        tensors["item_counts"] = torch.from_numpy(self.counts)
        tensors["item_categories"] = torch.from_numpy(self.item_categories)
        if self.biases is not None:
            tensors["rating_biases"] = torch.from_numpy(self.biases.items)
        for name, sense in self.senses.items():
            tensors[f"sense.{name}.present"] = torch.from_numpy(sense.present)
            if isinstance(sense.values, np.ndarray):
                tensors[f"sense.{name}.values"] = torch.from_numpy(sense.values)
            else:
                for part in ("data", "indices", "indptr"):
                    tensors[f"sense.{name}.{part}"] = torch.from_numpy(np.ascontiguousarray(getattr(sense.values, part)))
        encoder = network.encoder
        config = {
            "name": self.name,
            "seed": self.seed,
            "target_events": list(self.target_events),
            "model": self.model.to_dict(),
            "train": self.training.to_dict(),
            "tune": self.tune.to_dict(),
            "n_events": 1 if encoder.event is None else len(encoder.event),
            "with_weights": encoder.weight is not None,
            "with_times": encoder.gap is not None,
            **({} if self.biases is None else {"rating_mean": self.biases.mean}),
            "n_aisles": 0 if network.head is None else network.head.n_aisles,
            "review_width": 0 if encoder.own is None else len(encoder.own.whiten.mean),
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
        from scipy.sparse import csr_matrix

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
        senses: dict[str, Sense] = {}
        for name, width in config["sense_widths"].items():
            present = tensors[f"sense.{name}.present"].numpy()
            if f"sense.{name}.values" in tensors:
                senses[name] = Sense(tensors[f"sense.{name}.values"].numpy(), present)
            else:
                parts = tuple(tensors[f"sense.{name}.{p}"].numpy() for p in ("data", "indices", "indptr"))
                senses[name] = Sense(csr_matrix(parts, shape=(len(present), width)), present)
        out.senses, out.counts = senses, tensors["item_counts"].numpy()
        # a model saved before aisles were kept has none to tell apart
        out.categories = tuple(config.get("categories", ("",)))
        out.item_categories = tensors["item_categories"].numpy() if "item_categories" in tensors else np.zeros(len(out.counts), np.int64)
        if "rating_biases" in tensors:
            out.biases = RatingBiases(config["rating_mean"], tensors["rating_biases"].numpy(), out.training.rating_shrink)
        out.adapted = tuple(Adapted(**a) for a in config.get("adapted", ()))
        trained_items = int(config["n_trained_items"]) or len(out.counts)
        first = {n: Sense(s.values[:trained_items], s.present[:trained_items]) for n, s in senses.items()}
        out.senses = first
        network = out._build(
            out.counts[:trained_items],
            config["n_events"],
            config["with_weights"],
            config["with_times"],
            config.get("n_aisles", 0),
            config.get("review_width", 0),
            fit_whitening=False,
        )
        trained = tensors["network.tower.trained"].numpy()
        network.tower.trained = torch.zeros(len(trained), dtype=torch.bool, device=network.tower.trained.device)
        if out.training.debias == "popularity":
            n = len(tensors["network.popularity.log_m"])
            network.popularity = out._popularity(np.zeros(n, np.int64), np.zeros(n, bool))
        network.load_state_dict({k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")})
        out.senses = senses
        out._attach(network, trained)
        network.eval()
        out.network = network
        out.debias = dict(config.get("debias", {}))
        out.selection, out.refitting = TrainingRun(**config["selection"]), TrainingRun(**config["refitting"])
        return out


def _states(network: Network, vectors: torch.Tensor, histories: Histories) -> torch.Tensor:
    """float32 (B, D): the state after each history, of length 1; zero where the history is empty."""
    packing = pack_for_reading(histories, network.tower.settings.window)
    device = network.log_scale.device
    with torch.inference_mode():
        out = torch.zeros(len(histories), network.tower.settings.dim, device=device)
        for start in range(0, len(packing.rows), READING_ROWS):
            here = np.flatnonzero((packing.last_row >= start) & (packing.last_row < start + READING_ROWS))
            states = network.states(vectors, packing.rows.rows(slice(start, start + READING_ROWS)).to(device))
            out[torch.from_numpy(here)] = states[
                torch.from_numpy(packing.last_row[here] - start), torch.from_numpy(packing.last_column[here])
            ]
    return out


def _new_targets(queries: Queries) -> Queries:
    """The questions whose targets are not all in the history already: seen items are left out of the ranking, so they have no answer.

    Where all of them are (people who buy nothing but the same things), the questions stay as they are.
    """
    fresh = queries.unseen()
    return fresh if len(fresh) else queries
