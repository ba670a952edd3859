"""Facts about two items as one sentence, in English or Chinese. Imports: associations, catalogue, check.

A sentence holds titles, brands, categories and counts, and nothing that was not looked up for these two items.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from crossaisle import schema
from crossaisle.rank.associations import Associations, Step, Way
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.check import Facts

__all__ = ["Reasons"]

_DEEDS = {
    "en": {
        "purchase": "you bought {}",
        "view": "you looked at {}",
        "cart": "you put {} in your cart",
        "rating": "you rated {}",
        "like": "you liked {}",
        "": "your history holds {}",
    },
    "zh": {
        "purchase": "您购买过{}",
        "view": "您浏览过{}",
        "cart": "您曾把{}加入购物车",
        "rating": "您评价过{}",
        "like": "您收藏过{}",
        "": "您的历史记录中有{}",
    },
}
_KINDS = {
    "purchase": ("purchase", "buy", "bought", "order", "transaction", "sale"),
    "view": ("view", "click", "detail", "pageview", "page_view", "browse"),
    "cart": ("cart", "addtocart", "add_to_cart", "basket"),
    "rating": ("rating", "review", "rate"),
    "like": ("like", "favorite", "favourite", "wishlist"),
}
_NO_BRAND = frozenset({"unknown", "none", "n/a", "na", "null", "generic", "unbranded", "no brand", "other", "未知", "无", "其他", "无品牌"})
"""What stands in the column brand where there is none."""
_TOP = 0.1
"""An item's place in its aisle is worth naming beside another reason when it is among this share of the aisle."""


class _Shared(NamedTuple):
    brand: str
    category: str


class Reasons:
    """Sentences from the items table and, where there are any, the associations.

    Parameters
    ----------
    catalogue : Catalogue
    associations : Associations, optional
        Without them nothing is said of other people.
    lang : str
        ``en`` or ``zh``.
    unlearned : sequence of str
        Kinds of events that the model has not learned: event -2, -3, ...
    """

    def __init__(
        self, catalogue: Catalogue, associations: Associations | None = None, lang: str = "en", unlearned: Sequence[str] = ()
    ) -> None:
        items = catalogue.items
        blank = [""] * items.height
        self.catalogue, self.associations = catalogue, associations
        self.lang, self.zh = lang, lang == "zh"
        kinds = [*enumerate(catalogue.event_names), *((-2 - n, name) for n, name in enumerate(unlearned))]
        self.kinds = {event: _kind(name) for event, name in kinds}
        # columns as they are: a few rows of them are looked at, and lists of a whole catalogue cost more than everything else here
        self.ids = items[schema.ITEM]
        self.titles = items[schema.TITLE] if schema.TITLE in items.columns else blank
        self.brands = items[schema.BRAND] if schema.BRAND in items.columns else blank
        self.aisles = items[schema.CATEGORY]
        self.categories = items[schema.CATEGORIES] if schema.CATEGORIES in items.columns else None
        self.sizes = np.bincount(catalogue.item_aisles, minlength=len(catalogue.aisles) + 1)
        self.bought = {_kind(name) for name in catalogue.event_names} == {"purchase"}

    def aisle(self, item: int) -> str | None:
        """The aisle of an item, None where it is unknown."""
        return self.aisles[item] or None

    def path(self, cause: int, item: int) -> str | None:
        """The graph's way from the category of ``cause`` to that of ``item``; else the deepest category that holds both; else None."""
        way = self._way(cause, item)
        return " > ".join(way.names) if way else self._common(cause, item) or None

    def because(self, cause: int, item: int, event: int, carrier: str = "") -> str:
        """Why ``item``: ``cause``.

        Parameters
        ----------
        cause, item : int
            Item codes.
        event : int
            What was done with ``cause``, as a position in the catalogue's event names; -2, -3, ...: in ``unlearned``; -1: not known.
        carrier : str
            The scorer that carried the item, where known.
        """
        shared = self._shared(cause, item)
        facts = [] if shared.category else [_spoken(self.aisles[cause])]
        if shared.brand:
            facts.append(f"同为 {shared.brand} 品牌" if self.zh else f"also by {shared.brand}")
        elif shared.category:
            facts.append(f"同属“{_spoken(shared.category)}”" if self.zh else f"also in {_spoken(shared.category)}")
        there = self._name(item, self._joined(["" if shared.category else _spoken(self.aisles[item]), self._standing(item, carrier)]))
        here = self._name(cause, self._joined(facts))
        said = self._said(cause, item, carrier, across=not shared.category)
        if self.associations is not None and not (said or shared.brand or shared.category):  # looked for a link, and found none
            if self.zh:
                return f"综合您的历史记录推荐{there}，其中影响最大的是{here}。"
            return f"{there} is suggested by your history as a whole, of which {here} counts most."
        kind = self.kinds.get(event, "")
        deed = _DEEDS[self.lang][kind].replace("{}", here)
        return f"推荐{there}，主要因为{deed}{said}。" if self.zh else f"{there} is suggested mainly because {deed}{said}."

    def asked(self, item: int) -> str:
        """Why ``item``: the wish."""
        there, wish = self._name(item, _spoken(self.aisles[item])), self._name(self.catalogue.wish, "")
        return f"推荐{there}，因为您想要{wish}。" if self.zh else f"{there} is suggested because you asked for {wish}."

    def facts(self, cause: int, item: int, event: int, carrier: str = "") -> Facts | None:
        """What `because` says, apart; None where it only says that the history as a whole speaks."""
        shared, aisles = self._shared(cause, item), [_spoken(self.aisles[i]) for i in (item, cause)]
        people, way = self._people(cause, item, carrier, across=not shared.category), self._way(cause, item)
        if self.associations is not None and not (people or way or shared.brand or shared.category):
            return None
        said, about = [], []
        if shared.brand:
            said.append(f"同为 {shared.brand} 品牌" if self.zh else f"both are by the brand {shared.brand}")
            about.append("brand")
        if shared.category:
            said.append(f"同属“{_spoken(shared.category)}”" if self.zh else f"both are in {_spoken(shared.category)}")
            about.append("category")
        elif all(aisles):
            said.append("，".join(aisles) if self.zh else f"from {aisles[1]} to {aisles[0]}")
        said += [part for part in (people, "" if way is None else self._walked(way), self._standing(item, carrier)) if part]
        about += ["people"] if people or way else []
        kind = self.kinds.get(event, "")
        return self._facts(item, cause, kind, said, about, self.because(cause, item, event, carrier))

    def facts_of_wish(self, item: int) -> Facts:
        """What `asked` says, apart."""
        aisle = _spoken(self.aisles[item])
        said = [f"来自“{aisle}”" if self.zh else f"it is in {aisle}"] if aisle else []
        return self._facts(item, self.catalogue.wish, "wish", said, ["category"] if aisle else [], self.asked(item))

    def _facts(self, item: int, cause: int, deed: str, said: list[str], about: list[str], template: str) -> Facts:
        names = [self._name(i, "").strip("“”").rstrip("…") for i in (item, cause)]
        return Facts(names[0], names[1], deed, tuple(said), tuple(about), template, self.lang)

    def popular(self, item: int, no_history: bool) -> str:
        """What is so of an item that no single history item carries."""
        name, aisle = self._name(item, ""), _spoken(self.aisles[item])
        place, size = self._place(item)
        sold = bool(aisle) and self.catalogue.counts[item] > 0
        if self.zh:
            start = "尚无您的历史记录" if no_history else "您的历史记录中没有哪一件单独起决定作用"
            rest = f"在“{aisle}”中热度排名第 {place}（共 {size} 件）" if sold else f"来自“{aisle}”" if aisle else "未注明品类"
            return f"{start}；{name}{rest}。"
        start = "There is no history of yours yet" if no_history else "No single item of your history decides here"
        rest = f"no. {place} of {size} in {aisle} by popularity" if sold else f"from {aisle}" if aisle else "in no named category"
        return f"{start}; {name} is {rest}."

    # what the items have in common

    def _categories(self, item: int) -> list[str]:
        told = None if self.categories is None else self.categories[item]
        return [c for c in ([] if told is None else told) if c] or [c for c in [self.aisles[item]] if c]

    def _common(self, cause: int, item: int) -> str:
        """The deepest category of both, "" where their aisles differ or are unknown."""
        if self.aisles[cause] != self.aisles[item] or not self.aisles[item]:
            return ""
        common = [a for a, b in zip(self._categories(cause), self._categories(item), strict=False) if a == b]
        return str(common[-1] if common else self.aisles[item])

    def _shared(self, cause: int, item: int) -> _Shared:
        brand = (self.brands[item] or "").strip()
        same = bool(brand) and brand.casefold() == (self.brands[cause] or "").strip().casefold() not in _NO_BRAND
        return _Shared(brand if same else "", self._common(cause, item))

    # what other people did

    def _way(self, cause: int, item: int) -> Way | None:
        """The way that is worth telling: any between aisles; inside an aisle an edge between items that share no deeper category."""
        if self.associations is None:
            return None
        common = self._common(cause, item)
        if common and common != self._categories(item)[0]:
            return None
        way = self.associations.way(cause, item)
        return None if way and common and len(way.steps) > 1 else way

    def _said(self, cause: int, item: int, carrier: str, across: bool) -> str:
        """The rest of the sentence: people with both items where that is what carried the item, then the way through the graph."""
        way = self._way(cause, item)
        said = [self._people(cause, item, carrier, across), "" if way is None else self._walked(way)]
        return "".join(f"；{part}" if self.zh else f"; {part}" for part in said if part)

    def _people(self, cause: int, item: int, carrier: str, across: bool) -> str:
        """How many of those with one item have the other, where steps or the aisles' shoppers carried the item."""
        known = self.associations
        if known is None or not (carrier == "markov" or (carrier == "cross-ridge" and across)):
            return ""
        n, of = (known.later if carrier == "markov" else known.both)(cause, item), known.people(cause)
        if n < known.least:
            return ""
        if self.zh:
            return f"有前者的 {of:,} 人中，{n:,} 人{'后来选了' if carrier == 'markov' else '也有'}后者"
        return f"{n:,} of the {of:,} people with that {'went on to this' if carrier == 'markov' else 'have this too'}"

    def _walked(self, way: Way) -> str:
        names = dict(zip((way.steps[0].source, *(s.target for s in way.steps)), map(_spoken, way.names), strict=True))
        first, *more = way.steps
        if self.zh:
            return "，".join([self._step_zh(first, names), *(self._more_zh(step, names) for step in more)])
        return ", ".join([self._step(first, names), *(self._more(step, names) for step in more)])

    def _step(self, step: Step, names: dict[str, str]) -> str:
        days = self.associations.days if self.associations else 0
        deed = "bought from both" if self.bought else "have something from both"
        within = f" within {days:.0f} days" if days else ""
        pair = f"“{names[step.source]}” and “{names[step.target]}”"
        return f"{step.people:,} people {deed} {pair}{within}, {step.lift:.1f} times as many as by chance"

    def _more(self, step: Step, names: dict[str, str]) -> str:
        return f"and {step.people:,} from both “{names[step.source]}” and “{names[step.target]}” ({step.lift:.1f} times)"

    def _step_zh(self, step: Step, names: dict[str, str]) -> str:
        days = self.associations.days if self.associations else 0
        within = f" {days:.0f} 天内" if days else ""
        deed = "都买过商品" if self.bought else "都有记录"
        return f"有 {step.people:,} 人{within}在{self._pair_zh(step, names)}中{deed}，是随机情况的 {step.lift:.1f} 倍"

    def _more_zh(self, step: Step, names: dict[str, str]) -> str:
        return f"又有 {step.people:,} 人在{self._pair_zh(step, names)}中亦然（{step.lift:.1f} 倍）"

    def _pair_zh(self, step: Step, names: dict[str, str]) -> str:
        return f"“{names[step.source]}”和“{names[step.target]}”"

    # words

    def _place(self, item: int) -> tuple[int, int]:
        return int(self.catalogue.aisle_places[item]), int(self.sizes[self.catalogue.item_aisles[item]])

    def _standing(self, item: int, carrier: str) -> str:
        """The item's place in its aisle, where popularity carried it and it is popular."""
        place, size = self._place(item)
        aisle = _spoken(self.aisles[item])
        if carrier != "popularity" or not aisle or place > max(1, _TOP * size) or not self.catalogue.counts[item]:
            return ""
        return f"热度排名第 {place}，共 {size} 件" if self.zh else f"no. {place} of {size} in {aisle} by popularity"

    def _joined(self, remarks: list[str]) -> str:
        return ("，" if self.zh else ", ").join(remark for remark in remarks if remark)

    def _name(self, item: int, remark: str) -> str:
        title = _shorten(" ".join((self.titles[item] or self.ids[item]).split()))
        if not remark:
            return f"“{title}”"
        return f"“{title}”（{remark}）" if self.zh else f"“{title}” ({remark})"


def _kind(event_name: str) -> str:
    """The key of `_DEEDS` for the name of an event kind."""
    name = event_name.strip().lower()
    return next((kind for kind, names in _KINDS.items() if name in names), "")


def _spoken(category: str) -> str:
    return category.replace("_", " ")


def _shorten(text: str, longest: int = 60) -> str:
    """Cut at a word's end where there is one near."""
    if len(text) <= longest:
        return text
    cut = text[:longest]
    head = cut.rsplit(" ", 1)[0]
    return (head if len(head) > longest // 2 else cut).rstrip(" ,;:-") + "…"
