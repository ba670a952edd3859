"""From settings to scorers that are not yet fitted. Imports: presets, data, encode, train, blend."""

from __future__ import annotations

from pathlib import Path

from crossaisle import schema
from crossaisle.blend.scorer import BlendScorer
from crossaisle.data.dataset import Dataset
from crossaisle.encode.items import ItemReader
from crossaisle.presets import AllSettings
from crossaisle.train.device import choose_device
from crossaisle.train.fit import NetworkScorer

__all__ = ["blend_scorer", "network_scorer", "with_media"]


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
