"""Settings of the model in service. Imports: errors, settings, learn."""

from __future__ import annotations

from dataclasses import dataclass, field

from crossaisle.errors import SettingError
from crossaisle.learn.settings import AbnormalSettings, ExploreSettings, LastLayerSettings, OnlineSettings, RepeatSettings
from crossaisle.settings import Settings, setting

__all__ = ["LearnSettings", "LiveSettings"]


@dataclass(frozen=True)
class LiveSettings(Settings):
    """How lists are made in service, and what is remembered."""

    exact_items: int = setting(20_000, "catalogues of up to so many items are scored by every part; larger ones in two looks", low=0)
    pool: int = setting(
        200, "of a larger catalogue, about so many of the network's best are looked at by the other parts", low=50, high=10_000
    )
    exact_pool: int = setting(2_000, "of a smaller catalogue, so many of a person's best items are held ready until more is known", low=100)
    table_mb: int = setting(
        512,
        "megabytes that the cross-aisle ridge of a smaller catalogue may take, once for all workers, to score all aisles at once (it needs "
        "twice the square of the items, in bytes); otherwise it scores one after the other",
        low=0,
    )
    people: int = setting(
        50_000,
        "people whose histories are held ready, with some 4 kB each, or 16 kB (live.exact_pool) where every part scores everything; others "
        "are read from the store when they ask",
        low=1,
    )
    sink: float = setting(4.0, "by how much (in log-odds) what is just like a hidden or disliked item sinks for that person", low=0.0)
    sink_from: float = setting(
        0.5, "cosine of two item vectors from which they are near; at 1 the whole of live.sink applies", low=0.0, high=0.99
    )
    log_lists: bool = setting(True, "keep every list that was shown, so that events can be credited to it; needed by replay")
    keep_lists_days: float = setting(90.0, "lists that were shown longer ago are deleted; 0 = kept for good", low=0.0)
    log_seconds: float = setting(0.25, "lists shown are written together, so many seconds apart", low=0.01, high=60.0)
    away_seconds: float = setting(
        30.0,
        "after the store was away, lists ask it again so many seconds later, or as soon as it answered elsewhere",
        low=0.05,
    )
    learn_seconds: float = setting(1.0, "how often what people did is worked into what everybody is shown", low=0.05, high=3600.0)
    learn_days: float = setting(30.0, "lists of so many days are read when the service starts, to find what people reject", low=0.0)
    poll_seconds: float = setting(1.0, "how often the model folder is looked at for a new version", low=0.05, high=3600.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.keep_lists_days < self.learn_days:
            raise SettingError(
                f"lists are to be kept for keep_lists_days {self.keep_lists_days:g} and read for learn_days {self.learn_days:g}",
                "keep_lists_days of at least learn_days, or 0: for good",
                "change either",
            )


@dataclass(frozen=True)
class LearnSettings(Settings):
    """What is learned from feedback between two trainings."""

    online: OnlineSettings = field(default_factory=OnlineSettings)
    abnormal: AbnormalSettings = field(default_factory=AbnormalSettings)
    explore: ExploreSettings = field(default_factory=ExploreSettings)
    last_layer: LastLayerSettings = field(default_factory=LastLayerSettings)
    repeats: RepeatSettings = field(default_factory=RepeatSettings)
