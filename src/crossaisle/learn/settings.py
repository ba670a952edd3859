"""Settings of asking. Imports: settings."""

from __future__ import annotations

from dataclasses import dataclass

from crossaisle.settings import Settings, setting

__all__ = ["STRATEGIES", "AskSettings"]

STRATEGIES = ("mixed", "uncertain", "coldest", "diverse", "popular", "random")
"""How questions can be chosen."""


@dataclass(frozen=True)
class AskSettings(Settings):
    """Which items are put before which people, so that their answers teach the model most."""

    strategy: str = setting(
        "mixed",
        "how questions are chosen: uncertain (at the edge of the list), coldest (fewest events), diverse (unlike what is known), "
        "mixed (all three), popular, random",
        choices=STRATEGIES,
    )
    per_user: int = setting(5, "questions a person", low=1, high=1000)
    pool: int = setting(200, "best items of a person's ranking among which questions are chosen; 0 = all", low=0)
    edge: int = setting(10, "length of the list at whose edge the model is asked to be sure", low=1)
    spread: int = setting(50, "best items whose scores say what a large difference of scores is", low=2)
    history: int = setting(50, "newest items of a history from which questions keep their distance", low=1)
