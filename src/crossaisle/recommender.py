"""The front door: fit, recommend, save, load. Imports: the rooms above; checks and maps ids, leaves computing to them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import torch
from safetensors.torch import load_file, save_file

import crossaisle
from crossaisle import schema
from crossaisle.blend.scorer import BlendScorer
from crossaisle.contracts import Progress, Scorer
from crossaisle.data.adhoc import read_histories, read_new_items
from crossaisle.data.build import as_frame
from crossaisle.data.dataset import Dataset, media_folder
from crossaisle.data.histories import Histories
from crossaisle.data.own_reviews import OwnReviews, ReviewTable
from crossaisle.data.rejected import Rejected
from crossaisle.data.report import notices
from crossaisle.data.split_parts import Queries
from crossaisle.data.split_reviews import reviews_before
from crossaisle.encode.items import ItemReader
from crossaisle.encode.media import media_lines
from crossaisle.encode.reviews import moment_of
from crossaisle.errors import ModelError, OutputError, RequestError
from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.graph.item_lift import companions, same_kind, unlike_kind
from crossaisle.graph.permuted import Survivors, survivors
from crossaisle.graph.settings import GraphSettings
from crossaisle.learn.ask import ask
from crossaisle.presets import AllSettings, preset_settings
from crossaisle.rank.associations import Associations
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.recommend import recommend
from crossaisle.rank.request import Request
from crossaisle.rank.settings import WishSettings
from crossaisle.rank.similar import complements, similar_items
from crossaisle.rank.wish import WishScorer, append_wish, catalogue_with, checked_wish, wish_notes, with_weight
from crossaisle.rank.writer import Writer, choose_writer
from crossaisle.rerank.mine import Mined, mine
from crossaisle.rerank.second import SecondLook
from crossaisle.schema import Ints
from crossaisle.store import current_version, folder_lock, open_version, write_version
from crossaisle.train.device import choose_device
from crossaisle.train.fit import NetworkScorer
from crossaisle.train.tracking import curves, tracking

__all__ = ["Recommender", "blend_scorer", "network_scorer", "with_media"]

_BASKETS = "baskets.safetensors"
"""What people of several aisles bought, without saying who: the cross-aisle ridge compares with them. Left out with the histories."""
_CURVES = "curves.json"
"""Loss and validation by epoch of both training runs, for whoever wants to draw them; what loads is in ``model.json``."""
_ENCODER = "encoder"
"""Folder inside a version that holds the language model, where it was tuned."""
RELATIONS = {
    "similar": "similar: alike to the model and in the same category, so a likely substitute; no record says that people compared them",
    "complement": "complement: bought together beyond chance and of another kind; purchases alone do not tell what completes an item from "
    "what the same people like, so it is a weak label. Few shared buyers: the lift is mostly that of the two categories",
}
"""Relations between items, and what each means on data without records of what was viewed together."""

_SECOND = "rerank"
"""Folder of a version that holds the second look."""
_WITHOUT_BASKETS = f"{_BASKETS} was left out with the histories: aisles that a history does not touch are ranked as the others are"
_NO_GRAPH = {
    "en": "this model holds no histories: reasons speak of the items and the model, not of what other people did",
    "zh": "此模型不含历史记录：推荐理由只说商品和模型本身，不涉及其他人的行为",
}

_REVIEW, _REVIEWED = "review", "reviewed"
_RATED = "rated"
"""Column of the histories with what people gave, where the model has learned ratings."""
_TRAINING = ".training"
"""Folder inside a model folder that holds the checkpoints of a fit that has not ended."""


def with_media(settings: AllSettings, data: Dataset) -> AllSettings:
    """The settings with "image" and "video" among ``model.senses``, where the dataset has a media folder and some item names a file.

    ``media.join = false`` leaves ``model.senses`` as it is.
    """
    if data.media is None or not settings.media.join:
        return settings
    names = [c for c in (schema.IMAGE, schema.VIDEO) if c in data.items.columns and data.items[c].count()]
    return settings.changed({"model.senses": ",".join(dict.fromkeys([*settings.model.senses, *names]))})


def network_scorer(
    settings: AllSettings, name: str = "crossaisle", cache: Path | None = None, *, media: Path | None = None
) -> NetworkScorer:
    """The network that the settings describe, not yet fitted; ``media`` is the folder of photos and videos."""
    device = choose_device(settings.device)
    reads = any(s != "id" for s in settings.model.senses)
    senses, kept = settings.model.senses, settings.reviews
    reader = ItemReader(senses, settings.text, settings.words, device, cache, kept, media=settings.media, folder=media) if reads else None
    return NetworkScorer(
        settings.model,
        settings.train,
        reader,
        seed=settings.seed,
        device=device,
        target_events=settings.data.target_events,
        name=name,
        tune=settings.tune,
    )


def blend_scorer(settings: AllSettings, name: str = "crossaisle", cache: Path | None = None, *, media: Path | None = None) -> BlendScorer:
    """The network and all that joins it, not yet fitted."""
    return BlendScorer(network_scorer(settings, name, cache, media=media), settings.blend, settings.across)


class Recommender:
    """A model of a catalogue and the people who use it.

    Attributes
    ----------
    settings : AllSettings
    quality : dict
        Of the newest, held-back target of each history, from before the last training on everything.
    notes : list of str
        What the last call has to say beside its result.
    """

    def __init__(self, settings: AllSettings) -> None:
        self.settings = settings
        self.quality: dict[str, Any] = {}
        self.notes: list[str] = []
        self.report: dict[str, Any] = {}
        self._scorer: BlendScorer | None = None
        self._catalogue: Catalogue | None = None
        self._users: pl.Series = pl.Series(schema.USER, [], dtype=pl.String)
        self._histories: Histories | None = None
        self._associations: Associations | None = None
        self._second: SecondLook | None = None
        self._writers: dict[str, Writer | None] = {}
        self._folder: Path | None = None
        self._version: Path | None = None

    @classmethod
    def preset(
        cls, name: str = "balanced", *, seed: int = 0, device: str = "auto", settings: Mapping[str, str] | None = None
    ) -> Recommender:
        """A recommender with the settings of a preset and ``{"section.key": "value"}`` changes.

        Raises
        ------
        SettingError
            If the preset or a setting is unknown, or a value does not fit.
        """
        return cls(preset_settings(name, settings, seed=seed, device=device))

    # fitting

    def fit(
        self,
        data: Dataset,
        *,
        out: str | Path | None = None,
        resume: bool = False,
        progress: Progress | None = None,
        track: str | Path | None = None,
        base: str | Path | Recommender | None = None,
        adapt: str | None = None,
    ) -> Self:
        """Train on a dataset; with ``base`` only what a new aisle adds to a model that is there already.

        Parameters
        ----------
        out : path, optional
            The model folder that `save` will write: it holds a checkpoint after each epoch, and is locked against other runs meanwhile.
        resume : bool
            Go on from the checkpoint in ``out``, if there is one.
        track : path, optional
            Folder for the figures of training, written while it runs; see the settings ``track``.
        base : path or Recommender, optional
            A fitted model, whose network and readers are taken over and stay as they are; goes with ``adapt``.
        adapt : str, optional
            The aisle that joins ``base``. The dataset holds it and the base's aisles; trained are an adapter of its items' vectors and the
            id rows of items that the base did not know.

        Raises
        ------
        TableError
            If no user has two interactions, the newer of a target kind.
        RequestError, SettingError
            If one of ``base`` and ``adapt`` is missing, or the aisle cannot join the base; see `crossaisle.train.base`.
        OutputError, ModelError
            If ``out`` is held by another run or cannot be written, or its checkpoint belongs to other data or settings.
        """
        self.settings = with_media(self.settings, data)
        scorer = self._joined(base, adapt, data) if base is not None or adapt is not None else blend_scorer(self.settings, media=data.media)
        data = reviews_before(data, moment_of(self.settings.reviews)) if scorer.net.reads_reviews else data.without_reviews()
        folder, mined = None if out is None else Path(out), list[Mined]()

        def look(train: Dataset, asked: Queries) -> None:
            mined.append(mine(scorer, asked, self.settings.rerank, self.settings.seed, progress))
            counts.append(train.item_counts)

        counts: list[Ints] = []
        lock = contextlib.nullcontext() if folder is None else folder_lock(folder)
        with lock, tracking(self.settings.track, track, resume) as scorer.net.track:
            scorer.fit(
                data,
                progress=progress,
                checkpoint=None if folder is None else folder / _TRAINING / "fit",
                resume=resume,
                selected=look if self.settings.rerank.active else None,
            )
            self._second = self._fit_second(mined[0], counts[0], scorer, data, progress) if mined else None
        self._associations = None
        scorer.counts = data.item_counts  # popularity counts every event, also where the newest were held back from training
        self._scorer, self._catalogue = scorer, Catalogue.of(data)
        self._users, self._histories = data.users, scorer.net.with_reviews(data.histories)
        self.report, self._folder = data.report, folder
        run = scorer.selection
        whose = "each history" if scorer.net.newer(data) == 1 else "the newer half of the histories"
        asked = f"the newest item of {whose}, held back"
        best = max(run.scores, default=None)
        measured = {"ndcg@10": best, "what": f"{asked}; the whole catalogue ranked, items already seen left out"}
        if scorer.net.biases is not None:
            measured = {"rmse": None if best is None else -best, "what": f"ratings of {asked}"}
        self.quality = {
            **measured,
            "epoch": run.best_epoch,
            "minutes": round((run.seconds + scorer.net.refitting.seconds) / 60, 2),
            "blend": scorer.choice,
            **({"debias": scorer.net.debias} if scorer.net.debias else {}),
        }
        adaptation = scorer.net.adaptation()
        if adaptation is not None:
            self.quality["what"] += "; only items that the base did not know are asked about"
            self.quality["adaptation"] = adaptation
        note = getattr(scorer.net.reader, "note", "")
        found = getattr(scorer.net.reader, "found", {})
        if found:
            self.report = {**self.report, "media": found}
        self.notes = [*([note] if note and "text" in scorer.net.senses else []), *media_lines(found), *notices(data.report)]
        if adaptation is not None:
            self.notes.append(_said_of(adaptation))
            gone = 0 if scorer.net.base is None else scorer.net.base.missing(data.items[schema.ITEM])
            if gone:
                self.notes.append(f"{gone:,} items of the base are not in these tables: they are left out")
        if self._second is not None:
            self.notes.append(self._second.note)
            self.quality["rerank"] = self._second.report
        if scorer.net.track is not None:
            self.notes += scorer.net.track.notes
            scorer.net.track = None
        silent = [s for s in self.settings.model.senses if s != "id" and s not in scorer.net.senses]
        if silent:
            self.notes.append(
                f"no item has anything for {' and '.join(silent)}: items are known by what remains ({', '.join(scorer.net.senses) or 'id'})"
            )
        return self

    def _joined(self, base: str | Path | Recommender | None, adapt: str | None, data: Dataset) -> BlendScorer:
        """A scorer that lets an aisle join a base, not yet fitted; its items are read as the base reads them."""
        if base is None or adapt is None:
            found = "an aisle to adapt and no base" if base is None else "a base and no aisle to adapt"
            raise RequestError(found, "both or none", "pass --base MODEL and --adapt AISLE")
        known = base if isinstance(base, Recommender) else Recommender.load(base, device=self.settings.device)
        fitted, catalogue = known._fitted()
        reading = {name: getattr(known.settings, name) for name in ("text", "words", "reviews", "media")}
        self.settings = dataclasses.replace(self.settings, **reading)
        scorer = blend_scorer(self.settings, media=data.media).join(fitted, catalogue.items[schema.ITEM], catalogue.event_names, adapt)
        if isinstance(scorer.net.reader, ItemReader):
            scorer.net.reader.folder = data.media
        return scorer

    def _fit_second(self, mined: Mined, counts: Ints, scorer: BlendScorer, data: Dataset, progress: Progress | None) -> SecondLook:
        text = scorer.net.senses.get("text")
        return SecondLook.fit(
            mined,
            data.items,
            data.item_categories,
            self.settings.rerank,
            counts=counts,
            vectors=None if text is None else np.asarray(text.values, dtype=np.float32),
            seed=self.settings.seed,
            device=str(scorer.net.device),
            progress=progress,
        )

    def _fitted(self) -> tuple[BlendScorer, Catalogue]:
        if self._scorer is None or self._catalogue is None:
            raise RequestError("this recommender is not fitted", "a fitted or loaded one", "call fit(data) or Recommender.load(folder)")
        return self._scorer, self._catalogue

    # what it knows

    @property
    def items(self) -> pl.DataFrame:
        """The items table, one row an item; see `Dataset.items`."""
        return self._fitted()[1].items

    @property
    def categories(self) -> tuple[str, ...]:
        """The aisles, in alphabetical order."""
        return self._fitted()[1].aisles

    @property
    def users(self) -> list[str]:
        """The users whose histories the model holds."""
        out: list[str] = self._users.to_list()
        return out

    def info(self) -> dict[str, Any]:
        """Data, settings, scores, size, seed and versions: plain values, ready for JSON."""
        scorer, catalogue = self._fitted()
        assert scorer.net.network is not None
        reviews, adaptation = scorer.net.senses.get("reviews"), scorer.net.adaptation()
        return {
            "version": None if self._version is None else self._version.name,
            "crossaisle": crossaisle.__version__,
            "users": len(self._users),
            "items": catalogue.n_items,
            "categories": len(catalogue.aisles),
            **({"items with reviews": int(reviews.present.sum())} if reviews is not None else {}),
            "parameters": sum(p.numel() for p in scorer.net.network.parameters()),
            **({"adaptation": adaptation} if adaptation is not None else {}),
            "senses": _senses(scorer),
            "reader": getattr(scorer.net.reader, "note", "") or "none",
            "seed": self.settings.seed,
            "quality": self.quality,
            "epochs": {"scores": scorer.selection.scores, "losses": scorer.selection.losses},
            "without": _WITHOUT_BASKETS if scorer.lacks_ridge else "",
            "weights": {"in known aisles": scorer.near.to_dict(), "in new aisles": scorer.far.to_dict() if scorer.ridge else None},
            "settings": self.settings.to_dict(),
            "data": self.report,
        }

    # recommending

    def recommend(
        self,
        users: Sequence[str] | str | None = None,
        *,
        k: int = 10,
        wish: str | None = None,
        wish_weight: float | None = None,
        writer: str | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> pl.DataFrame:
        """Lists for users whose histories the model holds, for a wish in free text, or for both.

        Parameters
        ----------
        users : sequence of str, or "all"
            User ids; one that the model does not know gets what is popular, with a note. Give a list even for a single user. Not given:
            all, or where there is a wish nobody.
        k : int
            Items a list.
        wish : str, optional
            What is looked for, in a few words; it joins each history as its newest event. Without users there is one list, whose
            ``query_id`` is ``wish``.
        wish_weight : float, optional
            How much the wish counts beside a history, in place of the setting ``wish.weight``.
        writer : str, optional
            Who words the reasons of ``explain``, in place of the setting ``writer.model``: see `crossaisle.rank.writer`.
        **options
            ``categories``, ``beyond_history``, ``candidates``, ``where``, ``keep_seen``, ``max_per_category``, ``diversity``,
            ``explain``, ``lang``, ``rerank`` (a second look at the head of each list): see `crossaisle.rank.request.Request`.

        Returns
        -------
        polars.DataFrame
            ``user_id``, ``item_id``, ``category``, ``score``, ``rank``; with ``explain`` also ``because``, ``path``, ``reason``,
            ``carried_by``.

        Raises
        ------
        RequestError
            If the model holds no histories, or an option or the wish cannot be used.
        """
        self._fitted()
        request, asked = Request(k=k, **options), self._asked(wish, wish_weight)
        if asked and users is None:
            return self._recommend(Histories.from_lists([[]]), ["wish"], schema.QUERY, request, progress, asked=asked, writer=writer)
        ids, histories = self._of_users(users)
        return self._recommend(histories, ids, schema.USER, request, progress, asked=asked, writer=writer)

    def _of_users(self, users: Sequence[str] | str | None) -> tuple[Sequence[str], Histories]:
        """Ids and histories of users, all if None; one that the model does not know has an empty history."""
        if self._histories is None:
            raise RequestError("this model holds no histories", "a model saved with them", "pass histories instead of users")
        if isinstance(users, str) and users != "all":
            raise RequestError(f"users is the text {users!r}", "a list of user ids, or 'all'", f"pass [{users!r}]")
        if users is None or isinstance(users, str):
            return self.users, self._histories
        ids = [str(u) for u in users]
        places = {u: p for p, u in enumerate(self.users)}
        rows = np.array([places.get(u, len(places)) for u in ids], dtype=np.int64)
        return ids, _with_empty(self._histories)[rows]

    def recommend_histories(
        self,
        histories: pl.DataFrame,
        *,
        k: int = 10,
        wish: str | None = None,
        wish_weight: float | None = None,
        writer: str | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> pl.DataFrame:
        """Lists for histories that you give.

        Their columns: ``query_id`` (or ``user_id``), ``item_id``; ``timestamp``, ``position``, ``event``, ``weight``. See `recommend`
        for the options and the result, whose first column is ``query_id``.
        """
        _, catalogue = self._fitted()
        request, asked = Request(k=k, **options), self._asked(wish, wish_weight)
        ids, coded, notes = read_histories(
            as_frame(histories, "histories"),
            catalogue.codes,
            catalogue.event_names,
            lang=request.lang,
            max_rejected=request.max_rejected,
        )
        return self._recommend(coded, ids, schema.QUERY, request, progress, notes, asked, writer)

    def _asked(self, wish: str | None, weight: float | None) -> tuple[str, WishSettings] | None:
        """The wish and how it is weighed, checked; None where there is none."""
        if wish is None and weight is not None:
            raise RequestError("wish-weight without a wish", "a wish to weigh", 'add --wish "..."')
        return None if wish is None else (checked_wish(wish), with_weight(self.settings.wish, weight))

    def _recommend(
        self,
        histories: Histories,
        ids: Sequence[str],
        column: str,
        request: Request,
        progress: Progress | None,
        notes: Sequence[str] = (),
        asked: tuple[str, WishSettings] | None = None,
        writer: str | None = None,
    ) -> pl.DataFrame:
        fitted, catalogue = self._fitted()
        scorer: Scorer = fitted
        self.notes = list(notes)
        vectors = fitted.item_vectors() if request.diversity > 0 else None
        if asked:
            wish, settings = asked
            self.notes += wish_notes(fitted.net.reader, wish, histories, ids if column == schema.USER else [], request.lang)
            catalogue = catalogue_with(catalogue, wish)
            scorer = WishScorer(fitted, catalogue.items.tail(1), settings)
            histories = append_wish(histories, catalogue.wish)
        second = self._second_look().reading(catalogue.items) if request.rerank else None
        return recommend(
            scorer,
            catalogue,
            histories,
            ids,
            request,
            query_column=column,
            vectors=vectors,
            associations=self._known_associations(request.lang) if request.explain else None,
            second=second,
            writer=self._writer(writer) if request.explain else None,
            note=self.notes.append,
            progress=progress,
        )

    def _second_look(self) -> SecondLook:
        """The model's second look, if there is one to take."""
        if self._second is None or not self._second.on:
            found = "this model has no second look" if self._second is None else self._second.note
            raise RequestError(found, "a model whose second look is on", "leave out rerank, or fit with --set rerank.model=minilm")
        return self._second

    def _writer(self, model: str | None) -> Writer | None:
        """Who words the reasons; a model is opened once and kept."""
        settings = self.settings.writer if model is None else dataclasses.replace(self.settings.writer, model=model)
        if self._writers.get(settings.model) is None:
            self._writers[settings.model] = choose_writer(settings, choose_device(self.settings.device))
        return self._writers[settings.model]

    def _known_associations(self, lang: str) -> Associations | None:
        """What the histories say of pairs of items; counted at the first call, None where there is nothing to count."""
        scorer, catalogue = self._fitted()
        if self._histories is None:
            self.notes.append(_NO_GRAPH[lang])
            return None
        if self._associations is None and catalogue.aisles:
            data = Dataset(catalogue.items, self._users, self._histories, catalogue.event_names)
            settings = dataclasses.replace(self.settings.graph, text_edges=0)  # reasons tell what people did, not what words say
            graph = CategoryGraph.of(data, settings, scorer.item_vectors())
            self._associations = Associations(graph, self._histories)
        return self._associations

    def ask(
        self,
        users: Sequence[str] | str | None = None,
        *,
        per_user: int | None = None,
        strategy: str | None = None,
        seed: int | None = None,
        progress: Progress | None = None,
    ) -> pl.DataFrame:
        """Which items to put before which users next, so that their answers teach the model most.

        Parameters
        ----------
        users : sequence of str, or "all"
            User ids (default: all); one that the model does not know is asked as somebody without a history, with a note.
        per_user, strategy, seed
            In place of the settings ``ask.per_user``, ``ask.strategy`` (see `crossaisle.learn.settings`) and ``seed``.

        Returns
        -------
        polars.DataFrame
            See `crossaisle.learn.ask.ask`; answers come back through `crossaisle.learn.answers.read_answers`.

        Raises
        ------
        RequestError
            If the model holds no histories, or ``users`` is a text.
        SettingError
            If the strategy is unknown or ``per_user`` is below 1.
        """
        scorer, catalogue = self._fitted()
        if self._histories is None:
            raise RequestError("this model holds no histories", "a model saved with them", "fit without --no-histories")
        ids, histories = self._of_users(users)
        changes = {k: v for k, v in {"per_user": per_user, "strategy": strategy}.items() if v is not None}
        settings = dataclasses.replace(self.settings.ask, **changes)  # type: ignore[arg-type]
        new = int((histories.lengths == 0).sum())
        self.notes = [f"{new} of {len(ids)} users are unknown to the model: it asks them as it would anybody"] if new else []
        return ask(scorer, catalogue, histories, ids, settings, self.settings.seed if seed is None else seed, progress)

    def predict_ratings(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The rating that each user is expected to give an item; of a model that was fitted with ``train.objective=rating``.

        Parameters
        ----------
        pairs : polars.DataFrame
            ``user_id``, ``item_id``; a user whom the model does not know is taken as one without a history.

        Returns
        -------
        polars.DataFrame
            ``user_id``, ``item_id``, ``rating``: one row a pair, in the order given.

        Raises
        ------
        RequestError
            If a column is missing, an item is unknown, the model holds no histories or has not learned ratings.
        """
        scorer, catalogue = self._fitted()
        for column in (schema.USER, schema.ITEM):
            if column not in pairs.columns:
                raise RequestError(f"the pairs have no column {column!r}", f"columns {schema.USER!r} and {schema.ITEM!r}", "rename them")
        asked = pairs.select(pl.col(schema.USER, schema.ITEM).cast(pl.String))
        items = np.array([catalogue.code(i) for i in asked[schema.ITEM]], dtype=np.int64)
        _, histories = self._of_users(asked[schema.USER].to_list())
        return asked.with_columns(pl.Series(schema.RATING, scorer.net.predict_ratings(histories, items)))

    def similar_items(self, item_id: str, k: int = 10, other_categories: bool = False, relation: str | None = None) -> pl.DataFrame:
        """The items closest to one item: ``item_id``, ``category``, ``score`` (cosine), ``rank``.

        Parameters
        ----------
        relation : str, optional
            ``similar``: only items of the same kind (the deepest category of the graph). ``complement``: items of another kind that are
            bought with it beyond chance, with ``lift`` and ``support``; the score is then the logarithm of the lift.

        Raises
        ------
        RequestError
            If the item or the relation is unknown, k is below 1, both the same kind and other categories are asked for, or a relation
            is asked of a model without histories.
        """
        scorer, catalogue = self._fitted()
        item, self.notes = catalogue.code(item_id), []
        if relation is None:
            return similar_items(scorer.item_vectors(), catalogue, item, k, other_categories)
        if relation not in RELATIONS:
            raise RequestError(f"unknown relation {relation[:40]!r}", f"one of {', '.join(RELATIONS)}", "choose one of them")
        if relation == "similar" and other_categories:
            raise RequestError("items of the same kind, of other categories", "one of the two", "leave out either of them")
        graph = self.graph()
        self.notes = [RELATIONS[relation]]
        if relation == "similar":
            return similar_items(scorer.item_vectors(), catalogue, item, k, among=same_kind(graph, item))
        assert self._histories is not None  # or `graph` had refused
        found = companions(graph, self._histories, item)
        return complements(found, unlike_kind(graph, item), catalogue, item, k, other_categories)

    def graph(self, settings: GraphSettings | None = None) -> CategoryGraph:
        """The association graph of the model's histories: which categories lead to which.

        Parameters
        ----------
        settings : GraphSettings, optional
            In place of the model's own, ``self.settings.graph``.

        Raises
        ------
        RequestError
            If the model holds no histories, or no item has a category.
        """
        return CategoryGraph.of(self._counted(), settings or self.settings.graph)

    def permuted_graph(self, settings: GraphSettings | None = None) -> list[Survivors]:
        """The placebo of `graph`: for each level, how many edges there are, and how many are left with permuted baskets.

        Raises
        ------
        RequestError
            If the model holds no histories.
        """
        data = self._counted()
        return survivors(data.items, data.histories, settings or self.settings.graph, self.settings.seed)

    def _counted(self) -> Dataset:
        """What the graph is counted from."""
        _, catalogue = self._fitted()
        if self._histories is None:
            raise RequestError(
                "this model holds no histories, from which the graph is counted", "a model saved with them", "fit without --no-histories"
            )
        return Dataset(catalogue.items, self._users, self._histories, catalogue.event_names)

    def add_items(
        self,
        items: pl.DataFrame,
        progress: Progress | None = None,
        *,
        media: str | Path | None = None,
        rejected: Rejected | None = None,
    ) -> Self:
        """Add new items; they can be recommended at once, from what is said and shown of them.

        Parameters
        ----------
        media : path, optional
            Folder of the new items' photos and videos.
        rejected : Rejected, optional
            Collects the rows that cannot be used, and says how large a share of them is too many.

        Raises
        ------
        TableError
            If the table cannot be used, or an item is already there.
        RequestError
            If the model reads ids only.
        """
        scorer, catalogue = self._fitted()
        if scorer.net.reader is None:
            raise RequestError(
                "this model knows items by id only", "a model that reads text or words", "fit again with model.senses=id,text,words"
            )
        new, self.notes = read_new_items(as_frame(items, "items"), catalogue.items, rejected=rejected)
        if isinstance(scorer.net.reader, ItemReader):
            scorer.net.reader.folder = media_folder(media)
        scorer.add_items(new, progress)
        self.notes += media_lines(getattr(scorer.net.reader, "found", {}))
        unread = [c for c in (schema.IMAGE, schema.VIDEO) if media is None and c in scorer.net.senses and new[c].count()]
        self.notes += [f"the new items' {column} files are not read; pass --media to read them" for column in unread]
        self._catalogue = Catalogue(pl.concat([catalogue.items, new]), scorer.counts, catalogue.event_names)
        self._associations = None
        if self._second is not None:
            self._second.read(self._catalogue.items)
        return self

    # saving and loading

    def save(self, folder: str | Path, histories: bool = True) -> Path:
        """Write a new version into a model folder and point to it; whole or not at all.

        Parameters
        ----------
        histories : bool
            Keep the histories beside the model, for `recommend`.

        Returns
        -------
        Path
            The version's folder.

        Raises
        ------
        OutputError
            If the folder cannot be written, or has a newer version than the one this model was loaded from.
        """
        self._fitted()
        folder = Path(folder)
        with folder_lock(folder):
            self._refuse_lost_update(folder)
            self._version = write_version(folder, lambda new: self._write(new, histories), optional=("histories.parquet", _BASKETS))
            if self._folder is not None and self._folder.resolve() == folder.resolve():
                _remove_training(folder)
        return self._version

    def _refuse_lost_update(self, folder: Path) -> None:
        """A model that was loaded from this folder may only follow the version it was loaded from."""
        if self._version is None or self._version.parent.resolve() != folder.resolve():
            return
        now = current_version(folder)
        if now != self._version.name:
            raise OutputError(
                f"{folder} moved from {self._version.name} to {now} since this model was loaded",
                "no other change in between",
                "load it again and repeat the change",
            )

    def _write(self, folder: Path, histories: bool) -> None:
        scorer, catalogue = self._fitted()
        tensors, config = scorer.state()
        baskets = {name: tensors.pop(name) for name in list(tensors) if name.startswith("across.")}
        save_file(tensors, folder / "model.safetensors")
        if histories and baskets:
            save_file(baskets, folder / _BASKETS)
        described = {
            "scorer": config,
            "reader": None if scorer.net.reader is None else scorer.net.reader.to_dict(),  # type: ignore[attr-defined]
            "settings": self.settings.to_dict(),
            "event_names": list(catalogue.event_names),
            "quality": self.quality,
            "report": self.report,
            "versions": {"crossaisle": crossaisle.__version__, "torch": torch.__version__, "python": platform.python_version()},
        }
        first = "choosing when to stop" if scorer.net.refitting.losses else "training"
        drawn = curves({first: scorer.selection, "training on everything": scorer.net.refitting})
        (folder / _CURVES).write_text(json.dumps(drawn, indent=1), encoding="utf-8")
        (folder / "model.json").write_text(json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8")
        if scorer.net.reader is not None:
            scorer.net.reader.save_tuned(folder / _ENCODER)  # type: ignore[attr-defined]
        catalogue.items.write_parquet(folder / "items.parquet")
        if self._second is not None:
            self._second.save(folder / _SECOND)
        if histories and self._histories is not None:
            h = self._histories
            pl.DataFrame(
                {
                    schema.USER: self._users.gather(h.owners),
                    schema.ITEM: catalogue.items[schema.ITEM].gather(h.items),
                    schema.EVENT: pl.Series(catalogue.event_names, dtype=pl.String).gather(h.events),
                    schema.WEIGHT: h.weights,
                    schema.TIMESTAMP: pl.Series(h.times).fill_nan(None),
                    **_review_columns(h.own),
                    **({} if h.ratings is None or scorer.net.biases is None else {_RATED: pl.Series(h.ratings).fill_nan(None)}),
                }
            ).write_parquet(folder / "histories.parquet")

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> Recommender:
        """The current version of a model folder, every file checked.

        Raises
        ------
        ModelError
            If the folder is no model, a file is missing or altered, or its format is newer than this program.
        """
        version = open_version(folder)
        try:
            described = json.loads((version / "model.json").read_text(encoding="utf-8"))
            tensors = load_file(version / "model.safetensors")
            if (version / _BASKETS).exists():
                tensors |= load_file(version / _BASKETS)
            items = pl.read_parquet(version / "items.parquet")
            out = cls(dataclasses.replace(AllSettings.from_dict(described["settings"]), device=device))
            where = choose_device(device)
            reader = None if described["reader"] is None else ItemReader.from_dict(described["reader"], where, encoder=version / _ENCODER)
            out._scorer = BlendScorer.from_state(tensors, described["scorer"], reader, where)
        except (OSError, KeyError, ValueError, pl.exceptions.PolarsError) as error:
            raise ModelError(
                f"model {version} cannot be read ({error})", "a version written by crossaisle", "fit the model again"
            ) from None
        out._catalogue = Catalogue(items, out._scorer.counts, tuple(described["event_names"]))
        if (version / _SECOND).is_dir():
            out._second = SecondLook.load(version / _SECOND, items, where)
        out.quality, out.report, out._version = described["quality"], described["report"], version
        if (version / "histories.parquet").exists():
            out._users, out._histories = _read_histories(version / "histories.parquet", out._catalogue)
        out.notes = [_WITHOUT_BASKETS] if out._scorer.lacks_ridge else []
        return out


def _said_of(adaptation: dict[str, Any]) -> str:
    """One line about the aisle that joined last."""
    trunk, new = adaptation["trunk parameters"], adaptation["adapters"][-1]
    share = new["share of the trunk"]
    return (
        f"{new['aisle']} joined a base that stays as it is: an adapter of {new['parameters']:,} parameters, {share:.2%} of the trunk's "
        f"{trunk:,}, and {new['id rows']:,} id rows of items that the base did not know"
    )


def _senses(scorer: BlendScorer) -> dict[str, Any]:
    """How many items have each sense, and how much it weighs in the vectors of those that have it, on average."""
    shares, out = scorer.sense_shares(), {}
    for name, share in shares.items():
        has = scorer.counts > 0 if name == "id" else scorer.net.senses[name].present
        out[name] = {"items": int(has.sum()), "share": float(share[has].mean()) if has.any() else 0.0}
    return out


def _with_empty(histories: Histories) -> Histories:
    """The same histories and, at the end, an empty one."""
    return dataclasses.replace(histories, offsets=np.append(histories.offsets, histories.offsets[-1]))


def _read_histories(path: Path, catalogue: Catalogue) -> tuple[pl.Series, Histories]:
    table = pl.read_parquet(path)
    lengths = table.group_by(schema.USER, maintain_order=True).len()
    offsets = np.zeros(lengths.height + 1, dtype=np.int64)
    np.cumsum(lengths["len"].to_numpy(), out=offsets[1:])
    kinds = {name: code for code, name in enumerate(catalogue.event_names)}
    histories = Histories.from_arrays(
        offsets,
        np.fromiter((catalogue.codes[i] for i in table[schema.ITEM]), dtype=np.int64, count=table.height),
        np.fromiter((kinds[e] for e in table[schema.EVENT]), dtype=np.int64, count=table.height),
        table[schema.WEIGHT].to_numpy(),
        table[schema.TIMESTAMP].fill_null(float("nan")).to_numpy(),
        table[_RATED].fill_null(float("nan")).to_numpy() if _RATED in table.columns else None,
    )
    if _REVIEW in table.columns:
        histories = dataclasses.replace(histories, own=_read_own(table))
    return lengths[schema.USER], histories


def _review_columns(own: OwnReviews | None) -> dict[str, pl.Series]:
    """What is kept of the reviews that people wrote of their items: vectors, ratings and times, one an event; no text."""
    if own is None or own.table.vectors is None or own.table.told is None:
        return {}
    linked = own.rows >= 0
    rows = np.maximum(own.rows, 0)
    some = linked & own.table.told[rows] if len(own.table.told) else linked
    vectors = [own.table.vectors[r].tolist() if there else None for r, there in zip(rows.tolist(), some.tolist(), strict=True)]
    rating = [float(own.table.ratings[r]) if there else None for r, there in zip(rows.tolist(), linked.tolist(), strict=True)]
    return {
        _REVIEW: pl.Series(vectors, dtype=pl.List(pl.Float32)),
        schema.RATING: pl.Series(rating, dtype=pl.Float32).fill_nan(None),
        _REVIEWED: pl.Series(own.times).fill_nan(None),
    }


def _read_own(table: pl.DataFrame) -> OwnReviews:
    """The inverse of `_review_columns`."""
    linked = table[_REVIEWED].is_not_null().to_numpy()
    kept = table.filter(pl.Series(linked))
    told = kept[_REVIEW].is_not_null().to_numpy()
    width = len(kept[_REVIEW].drop_nulls()[0]) if told.any() else 0
    vectors = np.zeros((kept.height, width), np.float32)
    if told.any():
        vectors[told] = np.array(kept[_REVIEW].drop_nulls().to_list(), dtype=np.float32)
    ratings, times = (kept[c].fill_null(float("nan")).to_numpy() for c in (schema.RATING, _REVIEWED))
    read = ReviewTable(None, ratings.astype(np.float32), times.astype(np.float64), vectors, told)
    return OwnReviews(np.where(linked, np.cumsum(linked) - 1, -1).astype(np.int64), read)


def _remove_training(folder: Path) -> None:
    for file in (folder / _TRAINING).glob("*"):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        (folder / _TRAINING).rmdir()
