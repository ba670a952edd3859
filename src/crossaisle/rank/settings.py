"""Settings of wishes. Imports nothing of its own room."""

from __future__ import annotations

from dataclasses import dataclass

from crossaisle.settings import Settings, setting

__all__ = ["WishSettings"]


@dataclass(frozen=True)
class WishSettings(Settings):
    """How a wish in free text joins a history; see `crossaisle.rank.wish`."""

    weight: float = setting(1.0, "how much a wish counts beside a history; 0 leaves it out", low=0, high=100)
    text: float = setting(1.0, "within the wish: likeness of its text to the items' texts", low=0, high=100)
    words: float = setting(0.2, "within the wish: words that it shares with an item", low=0, high=100)
    network: float = setting(0.2, "within the wish: what the network expects after it", low=0, high=100)
