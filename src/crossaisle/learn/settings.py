"""Settings of asking, and of what is learned from feedback in service. Imports: errors, settings."""

from __future__ import annotations

from dataclasses import dataclass

from crossaisle.errors import SettingError
from crossaisle.settings import Settings, setting

__all__ = ["STRATEGIES", "AbnormalSettings", "AskSettings", "ExploreSettings", "LastLayerSettings", "OnlineSettings", "RepeatSettings"]

STRATEGIES = ("mixed", "uncertain", "coldest", "diverse", "popular", "random")
"""How questions can be chosen."""
TAKES = ("view", "click", "cart", "purchase")
"""Kinds of events that can count as taking an item."""


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


@dataclass(frozen=True)
class OnlineSettings(Settings):
    """What is learned from feedback between trainings: item and aisle biases, see `crossaisle.learn.online`."""

    on: bool = setting(True, "add item and aisle biases, learned from feedback since training, to the scores")
    half_life: float = setting(60.0, "days after which an event counts half", low=0.01, high=36_500.0)
    item: float = setting(1.0, "strength of the item biases; 0 = none", low=0.0, high=10.0)
    aisle: float = setting(0.0, "strength of the aisle biases; 0 = none", low=0.0, high=10.0)
    rejection: float = setting(1.0, "how much an item sinks that many dislike or hide; 0 = not at all", low=0.0, high=10.0)
    item_prior: float = setting(3.0, "events' worth of belief that an item is taken as often as in training", low=0.01)
    aisle_prior: float = setting(100.0, "events' worth of belief that an aisle is visited as often as in training", low=0.01)
    limit: float = setting(4.0, "largest bias, up or down", low=0.0, high=100.0)
    leap: float = setting(0.1, "half-lives by which one event may move the clock on", low=0.0001, high=1000.0)
    refresh: float = setting(1.0, "seconds for which biases that were worked out are kept", low=0.0)


@dataclass(frozen=True)
class LastLayerSettings(Settings):
    """What is learned between trainings of who takes what: the network's last layer, see `crossaisle.learn.last_layer`."""

    on: bool = setting(False, "correct the network's last layer by what people take, and add that to the scores")
    half_life: float = setting(60.0, "days after which an event counts half", low=0.01, high=36_500.0)
    variance: float = setting(0.3, "prior variance of each number of a correction; larger learns faster", low=1e-6, high=1000.0)
    others: int = setting(50, "last items of other people that stand against the one taken", low=1, high=10_000)
    limit: float = setting(4.0, "largest change of a score, up or down", low=0.0, high=100.0)
    leap: float = setting(0.1, "half-lives by which one event may move the clock on", low=0.0001, high=1000.0)


@dataclass(frozen=True)
class RepeatSettings(Settings):
    """What is learned between trainings of taking the same item again, see `crossaisle.learn.repeats`; only lists with keep_seen use it."""

    on: bool = setting(True, "learn how long after the last time, and how often, items are taken again; not above live.exact_items items")
    kind: str = setting("purchase", "the kind of event that counts as taking an item", choices=TAKES)
    half_life: float = setting(60.0, "days after which an event counts half", low=0.01, high=36_500.0)
    prior: float = setting(1.0, "precision of the belief that nothing is to be added; larger learns slower", low=0.01)
    kept: float = setting(0.5, "how much of the model's own order among items that a person had is kept at first", low=0.0, high=1.0)
    limit: float = setting(6.0, "largest size of each number that is learned", low=1.0, high=100.0)
    leap: float = setting(0.1, "half-lives by which one event may move the clock on", low=0.0001, high=1000.0)


@dataclass(frozen=True)
class AbnormalSettings(Settings):
    """Which recommendations count as rejected by most people, and what becomes of them; see `crossaisle.learn.abnormal`."""

    far: float = setting(0.5, "an item is abnormal if it is accepted less than this share of what is expected of it", low=0.01, high=1.0)
    nearly_never: float = setting(0.1, "the share that evidence is gathered for; below far", low=0.0, high=0.99)
    often: float = setting(
        3.0, "an item is abnormal, too, if it is disliked or hidden more than so many times as often as expected", low=1.0
    )
    very_often: float = setting(10.0, "the multiple that evidence of that is gathered for; above often", low=1.01)
    alpha: float = setting(0.05, "share of the abnormal items that may be wrongly called so, however often one looks", low=1e-6, high=0.5)
    half_life: float = setting(30.0, "days after which a showing counts half", low=0.01, high=36_500.0)
    positions: int = setting(20, "places with an acceptance rate of their own; those below share the last one", low=1, high=1000)
    prior: float = setting(50.0, "showings' worth of belief that a place is accepted as often as all together", low=0.01)
    demote: float = setting(3.0, "subtracted from the score of an abnormal item; 0 = only listed", low=0.0, high=100.0)
    leap: float = setting(0.1, "half-lives by which one event may move the clock on", low=0.0001, high=1000.0)
    refresh: float = setting(10.0, "seconds for which the list of abnormal items is kept", low=0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nearly_never >= self.far or self.often >= self.very_often:
            raise SettingError(
                f"nearly_never {self.nearly_never:g} and far {self.far:g}, often {self.often:g} and very_often {self.very_often:g}",
                "the first of each pair below the second",
                "change either",
            )


@dataclass(frozen=True)
class ExploreSettings(Settings):
    """Which share of the places goes to items that the model is not sure of, and how they are chosen; see `crossaisle.learn.explore`."""

    share: float = setting(0.0, "share of a list's places that explore; 0 = off", low=0.0, high=1.0)
    method: str = setting(
        "thompson",
        "thompson: as often as an item is the best among draws from what is believed; linucb: the highest upper bound",
        choices=("thompson", "linucb"),
    )
    eps: float = setting(0.2, "share of the choices made evenly among the pool, so that each of it has a chance", low=0.001, high=1.0)
    reach: int = setting(200, "best items of the ranking that may be explored", low=1, high=100_000)
    pool: int = setting(20, "items of these, the least shown ones and aisles first, among which the choice is made", low=1, high=10_000)
    v: float = setting(0.3, "width of thompson's draws, in standard deviations of what is believed", low=0.0, high=100.0)
    alpha: float = setting(1.0, "width of linucb's bound, in standard deviations", low=0.0, high=100.0)
    draws: int = setting(200, "draws by which thompson's probabilities are counted", low=1, high=100_000)
    penalty: float = setting(1.0, "ridge penalty of the shared linear model, an answer's worth of belief in nothing", low=0.001, high=1e6)
    discount: float = setting(0.999, "how much an answer counts after each further one", low=0.5, high=1.0)
    first: int = setting(2, "first place of a list that may explore, counted from 1", low=1, high=1000)
