"""Why an item is in a list: leave one history item out, score again, and say what is so. Imports: catalogue.

The effect of history item j on item i is ``s(history, i) - s(history without j, i)``, exact for the model that is served. Scores of two
histories need not share a zero (a softmax does not care), so each is first taken relative to its own mean over a fixed sample of items.
``because`` is the history item with the largest effect, if that is worth naming. The sentence holds facts only: titles, brands,
categories, counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.contracts import Scorer
from crossaisle.data.histories import Histories
from crossaisle.rank.catalogue import Catalogue
from crossaisle.schema import Ints

__all__ = ["because_items", "explain"]

_NEWEST = 50
"""Only so many different items of a history, the newest, are left out in turn."""
_ROWS = 1024
"""Histories scored at once."""
_SAMPLE = 256
"""Items over which the mean score of a history is taken."""
_SHARE = 0.01
"""An item counts as carried by a history item that makes up more than this share of its lead over the mean item."""

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


def because_items(scorer: Scorer, histories: Histories, queries: Ints, items: Ints, n_items: int) -> Ints:
    """For each listed item the history item that carried it.

    Parameters
    ----------
    scorer : Scorer
        The model that made the lists.
    histories : Histories
        B histories.
    queries, items : int64 (R,)
        Row r says: item ``items[r]`` is in the list of history ``queries[r]``; sorted by ``queries``.
    n_items : int
        Items of the catalogue.

    Returns
    -------
    int64 (R,)
        An item code of that history; -1 where the item scores no higher than the mean item, or no single
        history item makes up more than a hundredth of its lead.
    """
    out = np.full(len(items), -1, dtype=np.int64)
    sample = np.unique(np.linspace(0, n_items - 1, min(n_items, _SAMPLE)).astype(np.int64))
    for rows in _portions(histories, queries):
        variants, removed, starts = _leave_one_out(histories, np.unique(queries[rows]))
        columns = np.union1d(items[rows], sample)
        scores = np.asarray(scorer.score(variants, columns), dtype=np.float64)
        scores -= scores[:, np.searchsorted(columns, sample)].mean(axis=1, keepdims=True)
        places = np.searchsorted(np.unique(queries[rows]), queries[rows])
        for row, place, column in zip(rows, places, np.searchsorted(columns, items[rows]), strict=True):
            first, end = starts[place], starts[place + 1]
            whole = scores[first, column]
            effects = whole - scores[first + 1 : end, column]
            effects[removed[first + 1 : end] == items[row]] = -np.inf  # an item is no reason for itself
            if len(effects) and whole > 0 and effects.max() > _SHARE * whole:
                out[row] = removed[first + 1 + int(effects.argmax())]
    return out


def _distinct_newest_first(history: Ints) -> Ints:
    """Its different items, the one seen last first, at most `_NEWEST`."""
    _, first = np.unique(history[::-1], return_index=True)
    return history[::-1][np.sort(first)][:_NEWEST]


def _portions(histories: Histories, queries: Ints) -> Iterator[Ints]:
    """Row numbers, whole queries together, so that a portion scores about `_ROWS` histories."""
    owners = np.unique(queries)
    costs = np.minimum(histories.lengths[owners], _NEWEST) + 1
    portion_of_owner = (np.cumsum(costs) - costs) // _ROWS
    portions = portion_of_owner[np.searchsorted(owners, queries)]
    return (np.flatnonzero(portions == p) for p in np.unique(portions))


def _leave_one_out(histories: Histories, owners: Ints) -> tuple[Histories, Ints, Ints]:
    """Each history whole, then once without each of its items.

    Returns the V variants, int64 (V,) the item that each lacks (-1: none), and int64 (len(owners) + 1,) where each history's begin.
    """
    left_out = [np.concatenate(([-1], _distinct_newest_first(histories.row(int(b))))) for b in owners]
    removed = np.concatenate(left_out).astype(np.int64)
    sizes = np.array([len(r) for r in left_out], dtype=np.int64)
    repeated = histories[np.repeat(owners, sizes)]
    variants = repeated.keep(repeated.items != removed[repeated.owners])
    return variants, removed, np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)


def explain(scorer: Scorer, catalogue: Catalogue, histories: Histories, queries: Ints, items: Ints, lang: str = "en") -> pl.DataFrame:
    """The three columns of an explanation, one row a listed item.

    Parameters
    ----------
    scorer, histories, queries, items
        As in `because_items`.
    catalogue : Catalogue
        Titles, brands, categories and popularity.
    lang : str
        ``en`` or ``zh``.

    Returns
    -------
    polars.DataFrame
        ``because`` (item id or null), ``path`` (``A > B``: from the aisle of that item to the aisle of the listed one, or between their
        deepest categories where the aisle is the same; one name where both are equal), ``reason`` (one sentence).
    """
    lengths = histories.lengths[queries]
    carried = np.full(len(items), -1, dtype=np.int64)
    known = np.flatnonzero(lengths > 0)
    if len(known):
        carried[known] = because_items(scorer, histories, queries[known], items[known], catalogue.n_items)
    facts = _Facts(catalogue)
    rows: list[tuple[str | None, str | None, str]] = []
    for query, item, cause, length in zip(queries.tolist(), items.tolist(), carried.tolist(), lengths.tolist(), strict=True):
        if cause < 0:
            rows.append((None, facts.aisle(item), facts.popular(item, lang, length == 0)))
        else:
            history = slice(histories.offsets[query], histories.offsets[query + 1])
            kinds = histories.events[history][histories.items[history] == cause]
            rows.append((facts.ids[cause], facts.path(cause, item), facts.because(cause, item, _kind(catalogue, int(kinds[-1])), lang)))
    return pl.DataFrame(rows, schema={schema.BECAUSE: pl.String, schema.PATH: pl.String, schema.REASON: pl.String}, orient="row")


def _kind(catalogue: Catalogue, event: int) -> str:
    name = catalogue.event_names[event].strip().lower() if 0 <= event < len(catalogue.event_names) else ""  # -1: not known
    return next((kind for kind, names in _KINDS.items() if name in names), "")


class _Shared(NamedTuple):
    brand: str
    category: str


class _Facts:
    """Sentences from the items table and nothing else."""

    def __init__(self, catalogue: Catalogue) -> None:
        items = catalogue.items
        blank = [""] * items.height
        self.catalogue = catalogue
        self.ids: list[str] = items[schema.ITEM].to_list()
        self.titles = items[schema.TITLE].to_list() if schema.TITLE in items.columns else blank
        self.brands = items[schema.BRAND].to_list() if schema.BRAND in items.columns else blank
        self.aisles = items[schema.CATEGORY].to_list()
        self.categories = items[schema.CATEGORIES].to_list() if schema.CATEGORIES in items.columns else [None] * items.height
        self.sizes = np.bincount(catalogue.item_aisles, minlength=len(catalogue.aisles) + 1)

    def aisle(self, item: int) -> str | None:
        return self.aisles[item] or None

    def _categories(self, item: int) -> list[str]:
        return [c for c in self.categories[item] or () if c] or [c for c in [self.aisles[item]] if c]

    def path(self, cause: int, item: int) -> str | None:
        ends = (self.aisles[cause], self.aisles[item])
        if ends[0] == ends[1] and ends[0]:
            ends = (self._categories(cause)[-1], self._categories(item)[-1])
        names = [name for name in dict.fromkeys(ends) if name]
        return " > ".join(names) or None

    def _shared(self, cause: int, item: int) -> _Shared:
        brand = self.brands[item] or ""
        same_brand = bool(brand) and brand.casefold() == (self.brands[cause] or "").casefold()
        common = [a for a, b in zip(self._categories(cause), self._categories(item), strict=False) if a == b]
        same_aisle = self.aisles[cause] == self.aisles[item] and bool(self.aisles[item])
        return _Shared(brand if same_brand else "", (common[-1] if common else self.aisles[item]) if same_aisle else "")

    def because(self, cause: int, item: int, kind: str, lang: str) -> str:
        shared, zh = self._shared(cause, item), lang == "zh"
        facts = [] if shared.category else [_spoken(self.aisles[cause])]
        if shared.brand:
            facts.append(f"同为 {shared.brand} 品牌" if zh else f"also by {shared.brand}")
        elif shared.category:
            facts.append(f"同属“{_spoken(shared.category)}”" if zh else f"also in {_spoken(shared.category)}")
        there = self._name(item, "" if shared.category else _spoken(self.aisles[item]), zh)
        deed = _DEEDS[lang][kind].replace("{}", self._name(cause, ("，" if zh else ", ").join(f for f in facts if f), zh))
        return f"推荐{there}，主要因为{deed}。" if zh else f"{there} is suggested mainly because {deed}."

    def popular(self, item: int, lang: str, no_history: bool) -> str:
        name, aisle = self._name(item, "", lang == "zh"), _spoken(self.aisles[item])
        place, size = int(self.catalogue.aisle_places[item]), int(self.sizes[self.catalogue.item_aisles[item]])
        sold = bool(aisle) and self.catalogue.counts[item] > 0
        if lang == "zh":
            start = "尚无您的历史记录" if no_history else "您的历史记录中没有哪一件单独起决定作用"
            rest = f"在“{aisle}”中热度排名第 {place}（共 {size} 件）" if sold else f"来自“{aisle}”" if aisle else "未注明品类"
            return f"{start}；{name}{rest}。"
        start = "There is no history of yours yet" if no_history else "No single item of your history decides here"
        rest = f"no. {place} of {size} in {aisle} by popularity" if sold else f"from {aisle}" if aisle else "in no named category"
        return f"{start}; {name} is {rest}."

    def _name(self, item: int, remark: str, zh: bool) -> str:
        title = _shorten(" ".join((self.titles[item] or self.ids[item]).split()))
        if not remark:
            return f"“{title}”"
        return f"“{title}”（{remark}）" if zh else f"“{title}” ({remark})"


def _spoken(category: str) -> str:
    return category.replace("_", " ")


def _shorten(text: str, longest: int = 60) -> str:
    """Cut at a word's end where there is one near."""
    if len(text) <= longest:
        return text
    cut = text[:longest]
    head = cut.rsplit(" ", 1)[0]
    return (head if len(head) > longest // 2 else cut).rstrip(" ,;:-") + "…"
