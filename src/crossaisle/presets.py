"""Every setting in one tree, and the three presets. Imports: settings of each room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from crossaisle.across.settings import AcrossSettings
from crossaisle.attack.settings import AttackSettings
from crossaisle.blend.settings import BlendSettings
from crossaisle.data.build import DataSettings
from crossaisle.encode.media import MediaSettings
from crossaisle.encode.reviews import ReviewSettings
from crossaisle.encode.text import TextSettings
from crossaisle.encode.words import WordSettings
from crossaisle.errors import SettingError
from crossaisle.graph.settings import GraphSettings
from crossaisle.learn.settings import AskSettings
from crossaisle.model.settings import ModelSettings
from crossaisle.pretrain.settings import PretrainSettings
from crossaisle.rank.settings import WishSettings, WriterSettings
from crossaisle.rerank.settings import RerankSettings
from crossaisle.settings import Settings, setting
from crossaisle.train.settings import TrackSettings, TrainSettings
from crossaisle.tune.settings import TuneSettings

__all__ = ["PRESETS", "AllSettings", "preset_settings"]

SENSES = ("id", "text", "words", "reviews", "image", "video")
"""What an item can be made of."""


@dataclass(frozen=True)
class AllSettings(Settings):
    """The settings of every room, by section."""

    seed: int = setting(0, "every random choice follows from it", low=0, high=2**31)
    device: str = setting("auto", "where to compute", choices=("auto", "cpu", "cuda"))
    data: DataSettings = field(default_factory=DataSettings)
    text: TextSettings = field(default_factory=TextSettings)
    words: WordSettings = field(default_factory=WordSettings)
    reviews: ReviewSettings = field(default_factory=ReviewSettings)
    media: MediaSettings = field(default_factory=MediaSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    track: TrackSettings = field(default_factory=TrackSettings)
    tune: TuneSettings = field(default_factory=TuneSettings)
    across: AcrossSettings = field(default_factory=AcrossSettings)
    blend: BlendSettings = field(default_factory=BlendSettings)
    rerank: RerankSettings = field(default_factory=RerankSettings)
    graph: GraphSettings = field(default_factory=GraphSettings)
    wish: WishSettings = field(default_factory=WishSettings)
    writer: WriterSettings = field(default_factory=WriterSettings)
    pretrain: PretrainSettings = field(default_factory=PretrainSettings)
    attack: AttackSettings = field(default_factory=AttackSettings)
    ask: AskSettings = field(default_factory=AskSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model.dim % self.model.heads:
            raise SettingError(
                f"model.dim {self.model.dim} is no multiple of model.heads {self.model.heads}", "a multiple", "change either"
            )
        for name in self.model.senses:
            if name not in SENSES:
                raise SettingError(f"model.senses names {name!r}", ", ".join(SENSES), "see: crossaisle settings model")
        if not self.model.senses:
            raise SettingError("model.senses is empty", f"at least one of {', '.join(SENSES)}", "see: crossaisle settings model")


PRESETS: dict[str, dict[str, str]] = {
    "quick": {"train.epochs": "4"},
    "balanced": {},
    "best": {"blend.parts": "markov,word-knn,text-knn,ials"},
}
"""What each preset changes from the defaults."""


def preset_settings(
    name: str = "balanced", changes: Mapping[str, str] | None = None, *, seed: int = 0, device: str = "auto"
) -> AllSettings:
    """The settings of a preset with ``{"section.key": "value"}`` applied.

    Raises
    ------
    SettingError
        If the preset or a setting is unknown.

    Examples
    --------
    >>> preset_settings("quick", {"train.epochs": "2"}).train.epochs
    2
    """
    if name not in PRESETS:
        raise SettingError(f"unknown preset {name!r}", f"one of {', '.join(PRESETS)}", "pass --preset balanced")
    return AllSettings().changed({"seed": str(seed), "device": device, **PRESETS[name], **(changes or {})})
