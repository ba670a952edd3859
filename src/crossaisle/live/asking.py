"""What is asked of the model in service, and its answer. Imports: errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Answer", "Ask"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One list wanted: for a person, for a history that comes along, for a wish, or for any of these together.

    Attributes
    ----------
    user_id : str, optional
        Who asks; not known is as good as without a history.
    history : tuple of str, optional
        Item ids, oldest first: what somebody did besides. It comes after what is known of the person, if one is named.
    wish : str, optional
        What is looked for, in words; the newest event of all.
    context_item : str, optional
        The item that is looked at right now: it counts as the newest event, and is not listed.
    n, categories, beyond_history, keep_seen, max_per_category, diversity, where, explain, lang
        As in `crossaisle.rank.request.Request`.
    """

    user_id: str | None = None
    history: tuple[str, ...] | None = None
    wish: str | None = None
    n: int = 10
    categories: tuple[str, ...] = ()
    beyond_history: bool = False
    keep_seen: bool = False
    context_item: str | None = None
    max_per_category: int | None = None
    diversity: float = 0.0
    where: str | None = None
    explain: bool = False
    lang: str = "en"

    @property
    def plain(self) -> bool:
        """Whether it is answered without reading a text, filtering the catalogue or giving reasons: in milliseconds."""
        return not (self.wish or self.categories or self.beyond_history or self.keep_seen or self.diversity or self.where or self.explain)


@dataclass(frozen=True, slots=True)
class Answer:
    """A list, as the service gives it.

    Attributes
    ----------
    items : list of dict
        ``item_id``, ``category``, ``title``, ``score``, ``rank`` (from 1), ``propensity`` (the chance with which this item took this
        place), ``image``; ``because``, ``path``, ``reason``: None unless asked for.
    degraded : bool
        The store could not be reached: events of the last moments may be missing.
    context : dict
        How the list came about, for the log: the policy, of explored places the pool with its scores and probabilities, and under
        ``beside`` the names of what came along with the request (history, wish, context_item, keep_seen), without saying what it was.
    """

    recommendation_id: str
    user_id: str | None
    model: str
    degraded: bool
    items: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    context: dict[str, Any] = field(default_factory=dict)
