"""From a model in service and a grown dataset to the contents of its successor. Imports: people, version."""

from __future__ import annotations

import dataclasses
from typing import Any

from crossaisle import schema
from crossaisle.blend.scorer import BlendScorer
from crossaisle.contracts import Progress
from crossaisle.data.dataset import Dataset
from crossaisle.rank.catalogue import Catalogue
from crossaisle.schema import Bools
from crossaisle.train.fit import NetworkScorer
from crossaisle.train.settings import TrainSettings
from crossaisle.whole.people import People
from crossaisle.whole.version import Contents

__all__ = ["warm_contents"]


def warm_contents(
    start: Contents,
    data: Dataset,
    training: TrainSettings,
    *,
    learn: Bools | None = None,
    stale: frozenset[str] = frozenset(),
    report: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Contents:
    """Train on from a fitted model: its weights, its way of reading items and its choices, on other people and more items.

    Parameters
    ----------
    start : Contents
        Stays as it is.
    data : Dataset
        All that is to be known from now on, old and new.
    training : TrainSettings
        Of this training; the model's own settings stay with the successor.
    learn : bool (E,), optional
        The events that the network learns (default: all); what joins it is counted from everything.
    stale : frozenset of str
        Items that say something else than they did.

    Raises
    ------
    RequestError
        If the model cannot be gone on with, see `crossaisle.train.warm`.
    """
    settings, old = start.settings, start.scorer.net
    net = NetworkScorer(
        old.model,
        old.training,
        old.reader,
        seed=settings.seed,
        device=str(old.device),
        target_events=old.target_events,
        name=old.name,
        tune=old.tune,
    )
    scorer = BlendScorer(net, start.scorer.blend, start.scorer.across)
    warm = old.as_warm(start.catalogue.items[schema.ITEM], start.catalogue.event_names, stale)
    scorer.go_on(data, start.scorer, warm, training, learn=learn, progress=progress)
    scorer.counts = data.item_counts
    people = People(data.users, net.with_reviews(data.histories))
    if start.second is not None:
        start.second.read(data.items)
    return dataclasses.replace(
        start, scorer=scorer, catalogue=Catalogue.of(data), people=people, report=data.report if report is None else report
    )
