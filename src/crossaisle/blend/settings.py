"""Settings of the blend. Imports: settings."""

from __future__ import annotations

from dataclasses import dataclass

from crossaisle.errors import SettingError
from crossaisle.settings import Settings, setting

__all__ = ["PARTS", "BlendSettings"]

PARTS = ("markov", "word-knn", "text-knn", "ials", "pairs")
"""What can be blended with the network."""


@dataclass(frozen=True)
class BlendSettings(Settings):
    """What is blended with the network, and how the weights are chosen."""

    parts: tuple[str, ...] = setting(
        PARTS[:3],
        "what joins the network: markov (steps between items), word-knn, text-knn, ials, pairs (a likeness of texts and photos learned "
        "from what is bought together); empty: nothing",
    )
    by_count: bool = setting(True, "weights depend on how often an item was seen, so that words serve new items and behaviour known ones")
    questions: int = setting(20_000, "most validation questions by which the weights are chosen", low=50)
    candidates: int = setting(50, "best items of each part that are weighed in a question", low=10)
    shrink: float = setting(1e-4, "pull of the weights towards the network alone", low=0.0)
    hidden: float = setting(0.1, "share of the shoppers of several aisles who lose one while weights are chosen", low=0.0, high=0.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.parts:
            if name not in PARTS:
                raise SettingError(f"blend.parts names {name!r}", f"any of {', '.join(PARTS)}", "see: crossaisle settings blend")
