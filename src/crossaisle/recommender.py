"""The front door: fit, recommend, save, load. Imports: the rooms above; checks and maps ids, leaves computing to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.blend.scorer import BlendScorer
from crossaisle.contracts import Progress
from crossaisle.data.adhoc import read_histories, read_new_items
from crossaisle.data.build import as_frame
from crossaisle.data.dataset import Dataset, media_folder
from crossaisle.data.histories import Histories
from crossaisle.data.rejected import Rejected
from crossaisle.encode.items import ItemReader
from crossaisle.encode.media import media_lines
from crossaisle.errors import RequestError
from crossaisle.graph.category_graph import CategoryGraph
from crossaisle.graph.item_lift import companions, same_kind, unlike_kind
from crossaisle.graph.permuted import Survivors, survivors
from crossaisle.graph.settings import GraphSettings
from crossaisle.learn.ask import ask
from crossaisle.presets import AllSettings, preset_settings
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.request import Request
from crossaisle.rank.settings import WishSettings
from crossaisle.rank.similar import RELATIONS, complements, similar_items
from crossaisle.rerank.second import SecondLook
from crossaisle.store import folder_lock, open_version, refuse_lost_update, write_version
from crossaisle.whole.account import facts_of
from crossaisle.whole.fit import fit_contents
from crossaisle.whole.lists import ListMaker, checked
from crossaisle.whole.people import People
from crossaisle.whole.version import OPTIONAL, WITHOUT_BASKETS, Contents, remove_training

__all__ = ["Recommender"]


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
        self._people: People | None = None
        self._second: SecondLook | None = None
        self._lists = ListMaker()
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
        known = None if base is None and adapt is None else self._base(base, adapt)
        folder = None if out is None else Path(out)
        held, notes = fit_contents(self.settings, data, base=known, folder=folder, resume=resume, progress=progress, track=track)
        self._hold(held)
        self._folder, self.notes = folder, notes
        return self

    def _base(self, base: str | Path | Recommender | None, adapt: str | None) -> tuple[Contents, str]:
        if base is None or adapt is None:
            found = "an aisle to adapt and no base" if base is None else "a base and no aisle to adapt"
            raise RequestError(found, "both or none", "pass --base MODEL and --adapt AISLE")
        known = base if isinstance(base, Recommender) else Recommender.load(base, device=self.settings.device)
        return known._contents(), adapt

    def _hold(self, held: Contents) -> None:
        """Be the model with these contents from now on."""
        self.settings, self._scorer, self._catalogue = held.settings, held.scorer, held.catalogue
        self._people, self._second, self.quality, self.report = held.people, held.second, held.quality, held.report
        self._lists.forget()

    def _contents(self) -> Contents:
        scorer, catalogue = self._fitted()
        return Contents(self.settings, scorer, catalogue, self._people, self._second, self.quality, self.report)

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
        out: list[str] = [] if self._people is None else self._people.users.to_list()
        return out

    def info(self) -> dict[str, Any]:
        """Data, settings, scores, size, seed and versions: plain values, ready for JSON."""
        return {"version": None if self._version is None else self._version.name, **facts_of(self._contents())}

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
        request, asked = Request(k=k, **options), checked(wish, wish_weight, self.settings.wish)
        if asked and users is None:
            return self._recommend(Histories.from_lists([[]]), ["wish"], schema.QUERY, request, progress, asked=asked, writer=writer)
        ids, histories = self._of_users(users)
        return self._recommend(histories, ids, schema.USER, request, progress, asked=asked, writer=writer)

    def _of_users(self, users: Sequence[str] | str | None) -> tuple[Sequence[str], Histories]:
        if self._people is None:
            raise RequestError("this model holds no histories", "a model saved with them", "pass histories instead of users")
        return self._people.of(users)

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
        request, asked = Request(k=k, **options), checked(wish, wish_weight, self.settings.wish)
        ids, coded, notes = read_histories(
            as_frame(histories, "histories"),
            catalogue.codes,
            catalogue.event_names,
            lang=request.lang,
            max_rejected=request.max_rejected,
        )
        return self._recommend(coded, ids, schema.QUERY, request, progress, notes, asked, writer)

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
        model, self.notes = self._contents(), list(notes)
        said = self.notes.append
        return self._lists.lists(model, histories, ids, column, request, asked=asked, writer=writer, note=said, progress=progress)

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
        if self._people is None:
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
        graph, people = self.graph(), self._holding()
        self.notes = [RELATIONS[relation]]
        if relation == "similar":
            return similar_items(scorer.item_vectors(), catalogue, item, k, among=same_kind(graph, item))
        found = companions(graph, people.histories, item)
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
        return self._holding().dataset(catalogue)

    def _holding(self) -> People:
        if self._people is None:
            raise RequestError(
                "this model holds no histories, from which the graph is counted", "a model saved with them", "fit without --no-histories"
            )
        return self._people

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
        self._lists.forget()
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
        contents, folder = self._contents(), Path(folder)
        with folder_lock(folder):
            refuse_lost_update(folder, self._version)
            self._version = write_version(folder, lambda new: contents.write(new, histories), optional=OPTIONAL)
            if self._folder is not None and self._folder.resolve() == folder.resolve():
                remove_training(folder)
        return self._version

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto") -> Recommender:
        """The current version of a model folder, every file checked.

        Raises
        ------
        ModelError
            If the folder is no model, a file is missing or altered, or its format is newer than this program.
        """
        version = open_version(folder)
        held = Contents.read(version, device)
        out = cls(held.settings)
        out._hold(held)
        out._version = version
        out.notes = [WITHOUT_BASKETS] if held.scorer.lacks_ridge else []
        return out
