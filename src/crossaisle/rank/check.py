"""Does a sentence say nothing but the facts? Imports nothing of its own room.

A sentence that a language model wrote is split into words of a small vocabulary of its own (function words, and those that the facts
imply) and runs of all other words. Each run must stand, in its order, in a single fact: a word from elsewhere, a brand put before another
item's name or a number of something else then has no place. Chinese has no blanks: every stretch of letters must be covered by vocabulary
and by pieces of two letters or more of a fact. What passes can still be wrong in its grammar; benchmarks/writer.py measures what does.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

__all__ = ["CAUSES", "Facts", "fault"]

CAUSES = ("empty", "sentences", "too long", "foreign word", "number", "swapped", "too little")
"""Why a sentence is discarded; see `fault`."""

_LONGEST = {"en": 320, "zh": 130}
_DEEDS = {
    "en": {
        "purchase": "bought buy purchase purchased",
        "view": "looked viewed browsed",
        "cart": "put added cart",
        "rating": "rated reviewed",
        "like": "liked",
        "wish": "asked wished wanted requested",
        "": "history",
    },
    "zh": {
        "purchase": "购买过 买过 购买了 买了 曾购买",
        "view": "浏览过 看过 浏览了 查看过",
        "cart": "加入购物车 加入了购物车",
        "rating": "评价过 评价了",
        "like": "收藏过 收藏了 喜欢过",
        "wish": "想要 想找 希望要 需要 正在找",
        "": "历史记录中有 历史记录",
    },
}
_WORDS = (
    "a an the this that these those it its is are was be been has have had you your we our i my because since as for of to and with by in "
    "on at from which who also too so here may might could would since after based why into one's there item product suggestion suggest "
    "suggested recommend recommended recommendation mainly want like interested interest enjoy"
)
_IMPLIED = {
    "brand": "same brand both made share",
    "category": "same category both kind type share belong",
    "people": "people shoppers others",
}
_WORDS_ZH = (
    "推荐 为您推荐 向您推荐 给您推荐 推荐给您 这款 这个 此 商品 产品 因为 由于 所以 因此 是因为 主要 您 你 我们 我 的 了 和 与 及 是 在 为 "
    "有 中 也 曾 还 以 来 给 把 过 之前 以前 根据 基于 可能 也许 会 感兴趣 一 件 款 我们为 于是 理由 原因 是 这 那 您的 同时 并且 并"
)
_IMPLIED_ZH = {"brand": "同 品牌 同一 同为 都 相同 同样", "category": "同 品类 类别 同一 同属 都 相同 同类 属于", "people": "人 也 其他"}


def _stem(word: str) -> str:
    word = word.replace("’", "'").replace(",", "") if word[0].isdigit() else word.replace("’", "'").removesuffix("'s")
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


_PASSIVE = frozenset(map(_stem, ("is", "are", "was", "been", "be")))
_SUGGEST = frozenset(("suggest", "suggested", "recommend", "recommended"))
_NEGATIONS = frozenset(("not", "no", "never", "without", "don't", "didn't", "doesn't", "isn't", "wasn't"))
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W_]+(?:['’][^\W_]+)*|[^\w\s]|_", re.UNICODE)
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")
_END = re.compile(r"[.!?。！？…]+[\"'”’」）)]*(?=\s|$)|[。！？]")


@dataclass(frozen=True)
class Facts:
    """All that may be said of one suggestion.

    Attributes
    ----------
    item, cause : str
        Names of the suggested item, and of the history item (or the wish) that carried it.
    deed : str
        What was done with the cause: ``purchase``, ``view``, ``cart``, ``rating``, ``like``, ``wish``, or "" where it is not known.
    statements : tuple of str
        Further facts, one sentence or phrase each.
    implied : tuple of str
        ``brand``, ``category``, ``people``: what the statements are about.
    template : str
        The sentence that is shown where nothing better passes.
    lang : str
        ``en`` or ``zh``.
    """

    item: str
    cause: str
    deed: str
    statements: tuple[str, ...] = ()
    implied: tuple[str, ...] = ()
    template: str = ""
    lang: str = "en"

    @cached_property
    def tokens(self) -> tuple[tuple[str, ...], ...]:
        """Each fact's words: item, cause, statements."""
        return tuple(tuple(_tokens(text)) for text in (self.item, self.cause, *self.statements))

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Each fact as letters to be compared, without blanks and marks."""
        return tuple("".join(_tokens(text)) for text in (self.item, self.cause, *self.statements))

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Words that may stand anywhere."""
        return frozenset(map(_stem, " ".join([_WORDS, *self._of(_DEEDS["en"], _IMPLIED)]).split()))

    @cached_property
    def phrases(self) -> frozenset[str]:
        """Chinese words that may stand anywhere."""
        return frozenset(" ".join([_WORDS_ZH, *self._of(_DEEDS["zh"], _IMPLIED_ZH)]).split())

    def _of(self, deeds: dict[str, str], implied: dict[str, str]) -> list[str]:
        return [deeds[self.deed], *(implied[name] for name in self.implied)]


def fault(sentence: str, facts: Facts) -> str:
    """What is wrong with the sentence, "" if nothing is found.

    Returns
    -------
    str
        ``empty``; ``sentences`` (none that ends, or several); ``too long``; ``foreign word`` (one that is in no fact, or words that no fact
        holds together); ``number`` (in no fact, or in another order than the facts have them); ``swapped`` (the item for the cause);
        ``too little`` (item and cause are not both named).

    Examples
    --------
    >>> facts = Facts("Burr grinder", "Espresso machine", "purchase", ("both are by Lava",), ("brand",))
    >>> fault("You bought the Espresso machine, so we suggest the Burr grinder, also by Lava.", facts)
    ''
    >>> fault("You bought the Espresso machine, so we suggest the best Burr grinder.", facts)
    'foreign word'
    >>> fault("You bought the Burr grinder, so we suggest the Espresso machine.", facts)
    'swapped'
    """
    text = unicodedata.normalize("NFKC", sentence).strip()
    if not text:
        return "empty"
    if len(_END.findall(_without_names(text, facts))) != 1 or not _END.search(text[-3:]) or "\n" in text:
        return "sentences"
    if len(text) > _LONGEST[facts.lang]:
        return "too long"
    runs = _runs(text, facts)
    if any(n not in _numbers(facts) for n in re.findall(r"\d+(?:\.\d+)?", text.replace(",", ""))) or not _ordered(text, facts):
        return "number"
    if any(not _stands(run, facts) for run, _ in runs):
        return "foreign word"
    if facts.lang == "zh":
        return _named_zh(text, facts)
    return _named(runs, facts)


def _tokens(text: str) -> list[str]:
    """Words and numbers, folded, a plural's and a possessive's ending taken off."""
    found = _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())
    return [_stem(t) for t in found if t[0].isalnum()]


def _without_names(text: str, facts: Facts) -> str:
    """Titles may hold marks that look like the end of a sentence."""
    for name in sorted((facts.item, facts.cause, *facts.statements), key=len, reverse=True):
        if name:
            text = text.replace(unicodedata.normalize("NFKC", name), "#")
    return text


def _runs(text: str, facts: Facts) -> list[tuple[list[str], list[str]]]:
    """Runs of words that are not in the vocabulary, each with the words of the vocabulary between it and the run before."""
    out: list[tuple[list[str], list[str]]] = []
    run: list[str] = []
    between: list[str] = []
    for token in [*_TOKEN.findall(text.casefold()), "."]:
        word = _stem(token) if token[0].isalnum() else token
        if (facts.lang == "zh" and _CJK.search(word)) or not word[0].isalnum() or word in facts.vocabulary:
            if run:
                out.append((run, between))
                run, between = [], []
            between.append(word)
        else:
            run.append(word)
    return out


def _inside(run: list[str], fact: tuple[str, ...]) -> bool:
    """Do the words stand in the fact in this order?"""
    rest = iter(fact)
    return all(word in rest for word in run)


def _stands(run: list[str], facts: Facts) -> bool:
    if len(run) == 1 and run[0] in _NEGATIONS:
        return False
    return any(_inside(run, fact) for fact in facts.tokens)


def _numbers(facts: Facts) -> set[str]:
    text = " ".join((facts.item, facts.cause, *facts.statements)).replace(",", "")
    return set(re.findall(r"\d+(?:\.\d+)?", unicodedata.normalize("NFKC", text)))


def _ordered(text: str, facts: Facts) -> bool:
    """Numbers of the statements keep the statements' order, so that "3 of 10" does not become "10 of 3"."""
    names = set(re.findall(r"\d+(?:\.\d+)?", f"{facts.item} {facts.cause}".replace(",", "")))
    stated = tuple(n for s in facts.statements for n in re.findall(r"\d+(?:\.\d+)?", s.replace(",", "")))
    said = [n for n in re.findall(r"\d+(?:\.\d+)?", text.replace(",", "")) if n in stated and n not in names]
    return _inside(said, stated)


def _named(runs: list[tuple[list[str], list[str]]], facts: Facts) -> str:
    """Are item and cause both named, and neither in the other's place?

    After the deed ("you bought") comes the cause; before "is suggested" and after "we suggest" the item.
    """
    item, cause = facts.tokens[:2]
    if not any(_inside(run, item) for run, _ in runs) or not any(_inside(run, cause) for run, _ in runs):
        return "too little"
    deeds = {_stem(word) for word in _DEEDS["en"][facts.deed].split()}
    expected = latest = ""
    for run, between in runs:
        for place, word in enumerate(between):
            if word in deeds:
                expected = "cause"
            elif word in _SUGGEST and _PASSIVE.isdisjoint(between[:place]):
                expected = "item"
            elif word in _SUGGEST and latest == "cause":
                return "swapped"
        who = "item" if _only(run, item, cause) else "cause" if _only(run, cause, item) else ""
        if who and expected and who != expected:
            return "swapped"
        if who:
            expected, latest = "", who
    return ""


def _only(run: list[str], fact: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return _inside(run, fact) and not _inside(run, other)


def _named_zh(text: str, facts: Facts) -> str:
    """Chinese: every stretch is covered, item and cause are named, and after the deed comes the cause."""
    for stretch in _CJK.findall(text):
        if not _covered(stretch, facts):
            return "foreign word"
    item, cause = facts.texts[:2]
    plain = "".join(_tokens(text))
    own, others = _piece(plain, item, cause), _piece(plain, cause, item)
    if own < 0 or others < 0:
        return "too little"
    for deed in _DEEDS["zh"][facts.deed].split():
        at = plain.find(deed)
        if at >= 0 and facts.deed != "cart":
            here = [(_piece(plain[at:], item, cause), "item"), (_piece(plain[at:], cause, item), "cause")]
            nearest = min((pair for pair in here if pair[0] >= 0), default=(0, ""))
            if nearest[1] == "item":
                return "swapped"
    return ""


def _covered(stretch: str, facts: Facts) -> bool:
    """Can the letters be laid out with the vocabulary and pieces of two letters or more of one fact each?"""
    reach = [True] + [False] * len(stretch)
    for start in range(len(stretch)):
        if reach[start]:
            for end in range(start + 1, len(stretch) + 1):
                piece = stretch[start:end]
                known = piece in facts.phrases or (len(piece) > 1 and any(piece in text for text in facts.texts))
                reach[end] = reach[end] or known
    return reach[-1]


def _piece(text: str, name: str, other: str) -> int:
    """Where the text first holds two letters of ``name`` that ``other`` has not, -1 where it does not; a name of one letter as it is."""
    size = min(2, len(name))
    places = [text.find(name[n : n + size]) for n in range(len(name) - size + 1) if name[n : n + size] not in other]
    return min((p for p in places if p >= 0), default=-1)
