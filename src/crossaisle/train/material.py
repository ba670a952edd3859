"""What training reads: what is said of the items, which events are targets, biases of ratings, what joins the loss.

Imports: settings, base, contrastive, loop, noise, ratings, tuning, unlabelled.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import polars as pl

from crossaisle.contracts import Progress
from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Queries
from crossaisle.encode.senses import Sense, Senses
from crossaisle.errors import RequestError, SettingError
from crossaisle.model.network import Network
from crossaisle.model.settings import ModelSettings
from crossaisle.schema import Bools
from crossaisle.train.base import Base
from crossaisle.train.contrastive import Contrast
from crossaisle.train.loop import Term
from crossaisle.train.noise import NoisyTexts
from crossaisle.train.ratings import RatingBiases, rated
from crossaisle.train.settings import TrainSettings
from crossaisle.train.tuning import TunableReader, Tuning
from crossaisle.train.unlabelled import Unlabelled
from crossaisle.tune.settings import TuneSettings

__all__ = [
    "SenseReader",
    "fitted_biases",
    "misspelt",
    "new_targets",
    "opened_for_tuning",
    "read_reviews_anew",
    "read_senses",
    "target_mask",
    "terms",
]


class SenseReader(Protocol):
    """What the network needs of ``encode.items.ItemReader``."""

    def fit(self, items: pl.DataFrame) -> Any:
        """Choose readers and vocabulary."""

    def read(self, items: pl.DataFrame, progress: Progress | None = None) -> dict[str, Sense]:
        """The senses of each row; where reviews are one of them, with ``reviews`` as a third argument."""
        ...


# what is said of the items


def read_senses(
    reader: SenseReader, base: Base | None, data: Dataset, model: ModelSettings, with_reviews: bool, progress: Progress | None = None
) -> Senses:
    """The senses of the catalogue, those that any item has; beside a base only its new items are read, as the base reads.

    Parameters
    ----------
    with_reviews : bool
        Read the reviews of ``data`` too.

    Raises
    ------
    RequestError
        If nothing would be known of any item.
    """
    reviews = {"reviews": data.reviews} if with_reviews else {}
    senses: Senses
    if base is None:
        read = reader.fit(data.items).read(data.items, progress, **reviews)
        senses = {name: sense for name, sense in read.items() if sense.present.any()}
    else:
        senses = base.told(data.items, lambda items: reader.read(items, progress, **reviews))
    if not senses and "id" not in model.senses:
        raise RequestError(
            "no item says anything, and the model is to read no ids", "items with text", "pass --items, or add id to model.senses"
        )
    return senses


def read_reviews_anew(reader: Any, base: Base | None, senses: Senses, data: Dataset, progress: Progress | None = None) -> Senses:
    """The senses with the reviews that may be read beside another part of the data; all other senses stay."""
    if base is not None:
        if "reviews" not in base.senses:
            return dict(senses)
        return {
            **senses,
            **base.told(data.items, lambda items: {"reviews": reader.read_reviews(items, progress, data.reviews)}, ("reviews",)),
        }
    sense = reader.read_reviews(data.items, progress, data.reviews)
    rest = {name: s for name, s in senses.items() if name != "reviews"}
    return rest | ({"reviews": sense} if sense.present.any() else {})


def opened_for_tuning(
    reader: SenseReader | None,
    tune: TuneSettings,
    senses: Senses,
    items: pl.DataFrame,
    with_reviews: bool,
    *,
    seed: int,
    progress: Progress | None = None,
) -> Tuning | None:
    """The language model, ready to be trained; None where it is to stay frozen or no item has text.

    Raises
    ------
    SettingError
        If the items are not read by a language model, or reviews are, by the model as it was.
    """
    if not tune.active or "text" not in senses:
        return None
    if not isinstance(reader, TunableReader):
        raise SettingError(f"tune.form is {tune.form}, and items are read in another way", "a reader of texts", "set tune.form to frozen")
    if with_reviews:  # they are read by the language model as it was
        raise SettingError(
            f"tune.form is {tune.form} beside the sense reviews", "one of the two", "set tune.form to frozen, or leave reviews out"
        )
    return Tuning(reader, tune, items, senses["text"], seed=seed, progress=progress)


def misspelt(
    reader: Any,
    tune: TuneSettings,
    senses: Senses,
    items: pl.DataFrame,
    training: TrainSettings,
    *,
    seed: int,
    progress: Progress | None = None,
) -> NoisyTexts | None:
    """The catalogue misspelt; None where it is not asked for.

    Raises
    ------
    SettingError
        If the language model is trained along, or no text is read.
    """
    if not training.char_noise:
        return None
    if tune.active or not any(name in senses for name in ("text", "words")):
        found = f"tune.form is {tune.form}" if tune.active else "no item's text is read"
        raise SettingError(
            f"train.char_noise is {training.char_noise}, and {found}",
            "texts read by a model that stays as it is",
            "set train.char_noise to 0, or tune.form to frozen and text or words among model.senses",
        )
    return NoisyTexts(reader, senses, items, training, seed=seed, progress=progress)


# what people did


def target_mask(data: Dataset, target_events: tuple[str, ...]) -> Bools | None:
    """bool (E,): events of a kind that counts as a target; None where all kinds do."""
    if not target_events:
        return None
    wanted = np.isin(np.array(data.event_names), target_events)
    mask: Bools = wanted[data.histories.events]
    return mask


def new_targets(queries: Queries) -> Queries:
    """The questions whose targets are not all in the history already: seen items are left out of the ranking, so they have no answer.

    Where all of them are (people who buy nothing but the same things), the questions stay as they are.
    """
    fresh = queries.unseen()
    return fresh if len(fresh) else queries


def fitted_biases(data: Dataset, training: TrainSettings) -> RatingBiases | None:
    """The biases of ratings; None where they are not what is learned.

    Raises
    ------
    SettingError
        If popularity is to be kept apart beside them.
    RequestError
        If no event has a rating.
    """
    if training.objective != "rating":
        return None
    if training.debias == "popularity":
        found = "train.objective is rating, beside train.debias=popularity"
        raise SettingError(found, "one of the two", "set train.debias to none or ips")
    if not rated(data.histories).any():
        raise RequestError(
            "train.objective is rating, and no event has a rating",
            "a column rating in the interactions",
            "add it, or set train.objective=catalogue",
        )
    return RatingBiases.fit(data.histories, data.n_items, training.rating_shrink)


def terms(
    network: Network, data: Dataset, targets: Bools | None, senses: Senses, training: TrainSettings, model: ModelSettings, seed: int
) -> list[Term]:
    """What is added to the objective; ``targets`` bool (E,) marks the events that may be targets (None: all)."""
    out: list[Term] = []
    if training.contrastive != "none":
        out.append(Contrast(training, data.histories, data.item_categories, network))
    if Unlabelled.wanted(training, model):
        out.append(Unlabelled(data, targets, senses, training, model.window, seed))
    return out
