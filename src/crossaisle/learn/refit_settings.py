"""Settings of refits. Imports: settings."""

from __future__ import annotations

from dataclasses import dataclass

from crossaisle.settings import Settings, setting

__all__ = ["RefitSettings"]


@dataclass(frozen=True)
class RefitSettings(Settings):
    """How a model that is in service learns what came since, and when what it has become takes its place."""

    epochs: int = setting(1, "passes over what is learned, beginning with the weights in service", low=1, high=1000)
    replay: float = setting(
        1.0, "old events that are learned once more beside each new one, drawn by chance, so that nothing is forgotten", low=0.0, high=1e6
    )
    learning_rate: float = setting(0.3, "highest learning rate, as a share of train.learning_rate", low=0.0, high=100.0)
    newest: float = setting(
        0.2, "share of the new events, the newest, that is kept from the challenger and asked of both models", low=0.01, high=0.9
    )
    newest_most: float = setting(
        0.5, "where those ask about fewer than refit.people people, more are kept back until they do, up to this share", low=0.01, high=0.9
    )
    people: int = setting(5_000, "enough people to ask about, and the most; the more there are, the smaller the differences seen", low=1)
    least: int = setting(50, "with fewer people to ask about there is no refit yet", low=2)
    margin: float = setting(
        0.1,
        "the challenger takes over where the lower end of the interval (95 %) of what it gains is not below minus this share of the N@10 "
        "of the model in service, nor what it and the swaps before it have lost together",
        low=0.0,
        high=1.0,
    )
    again: bool = setting(
        True,
        "train the challenger that won once more, by the same recipe, on everything; false: it takes over as it was judged, in half the "
        "time; what was kept from it joins people's histories, and is learned later as far as old events are drawn again (refit.replay)",
    )
    keep: int = setting(3, "of the challengers that were not better, the newest so many are kept aside in MODEL/rejected", low=0)
    versions: int = setting(
        5,
        "the newest so many versions stay in the model folder after a refit, and always the one in service and the one that --rollback "
        "brings back",
        low=1,
    )
