"""Settings of wishes and of who words the reasons. Imports nothing of its own room."""

from __future__ import annotations

from dataclasses import dataclass

from crossaisle.settings import Settings, setting

__all__ = ["WishSettings", "WriterSettings"]


@dataclass(frozen=True)
class WishSettings(Settings):
    """How a wish in free text joins a history; see `crossaisle.rank.wish`."""

    weight: float = setting(0.75, "how much a wish counts beside a history, in spreads of its scores; 0 leaves it out", low=0, high=100)
    text: float = setting(1.0, "within the wish: likeness of its text to the items' texts", low=0, high=100)
    words: float = setting(0.2, "within the wish: words that it shares with an item", low=0, high=100)
    network: float = setting(0.2, "within the wish: what the network expects after it", low=0, high=100)


@dataclass(frozen=True)
class WriterSettings(Settings):
    """Who words the reasons; see `crossaisle.rank.writer`."""

    model: str = setting("", "empty: templates; smollm2, a folder, a Hugging Face name, or an OpenAI-compatible address that ends in /v1")
    remote_name: str = setting("default", "what the model is called at that address")
    max_tokens: int = setting(60, "a reason has at most this many tokens", low=8, high=500)
    timeout: float = setting(30.0, "seconds to wait for an answer from the address", low=1, high=600)
