"""Saying things in the report's language, and writing figures. Imports: sentences, wording."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping

from crossaisle.errors import RequestError
from crossaisle.evaluate.report.sentences import SENTENCES
from crossaisle.evaluate.report.wording import MESSAGES, NAMES

__all__ = ["LANGUAGES", "Words", "em", "figure", "shorten", "signed", "whole"]

LANGUAGES = ("en", "zh")


def figure(value: float | None, digits: int = 4) -> str:
    """A figure with a fixed number of digits; a dash where there is none.

    Examples
    --------
    >>> figure(0.07213), figure(None), figure(float("nan"))
    ('0.0721', '–', '–')
    """
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}".replace("-", "−")


def signed(value: float | None, digits: int = 4) -> str:
    """A difference with its sign.

    Examples
    --------
    >>> signed(0.0303), signed(-0.002), signed(0.0)
    ('+0.0303', '−0.0020', '0.0000')
    """
    text = figure(value, digits)
    return f"+{text}" if value is not None and value > 0 and float(f"{value:.{digits}f}") > 0 else text


def whole(value: int) -> str:
    """A count with thousands set apart.

    Examples
    --------
    >>> whole(22363)
    '22,363'
    """
    return f"{value:,}"


def em(text: str) -> float:
    """Width in units of the font size: 1 for Chinese and emoji, about half for Latin."""
    return sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.56 for c in text)


def shorten(text: str, width: float = 15.0) -> str:
    """The text cut to a width in ems, control characters dropped.

    Examples
    --------
    >>> shorten("Musical Instruments, Stage & Studio", 10)
    'Musical Instrume…'
    >>> shorten("厨房用品", 3)
    '厨房…'
    """
    most = int(2 * width) + 2  # more characters than fit; an id may have 10,000
    clean = "".join(c for c in " ".join(text[: 4 * most].split()) if unicodedata.category(c) not in ("Cc", "Cs", "Cn"))
    if em(clean) <= width:
        return clean
    clean = clean[:most]
    while clean and em(clean) + 0.8 > width:
        clean = clean[:-1]
    return clean.rstrip() + "…"


def _chinese(sentence: str) -> str:
    for pattern, chinese in SENTENCES:
        if found := pattern.fullmatch(sentence):
            return found.expand(chinese)
    return sentence


class Words:
    """The report's wording in one language.

    Parameters
    ----------
    lang : str
        ``en`` or ``zh``.
    more : mapping, optional
        Further sentences, (English, Chinese) by key, beside those of `wording`.

    Raises
    ------
    RequestError
        For any other language.

    Examples
    --------
    >>> Words("en").measure("ndcg@10"), Words("zh").name("item-knn")
    ('NDCG@10', '商品近邻')
    """

    def __init__(self, lang: str = "en", more: Mapping[str, tuple[str, str]] | None = None) -> None:
        if lang not in LANGUAGES:
            raise RequestError(f"report language {lang!r}", f"one of {', '.join(LANGUAGES)}", "pass --lang en or --lang zh")
        self.lang = lang
        self._messages = {**MESSAGES, **(more or {})}
        self._place = LANGUAGES.index(lang)

    def __call__(self, key: str, **blanks: str) -> str:
        text = self._messages[key][self._place].format(**blanks).replace(" %", "\u00a0%")
        # a blank between words is right beside Latin letters only
        return re.sub(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])", "", text) if self.lang == "zh" else text

    def has(self, key: str) -> bool:
        """Whether there is wording for a key."""
        return key in self._messages

    def sentence(self, text: str) -> str:
        """Sentences that another room wrote in English; each translated where a translation is known.

        Examples
        --------
        >>> Words("zh").sentence("All items are ranked. Nobody translated this.")
        '对全部商品排序。 Nobody translated this.'
        """
        parts = re.split(r"(?<=\.) (?=[A-Z\d])", text)
        said = parts if self.lang == "en" else [_chinese(part) for part in parts]
        return re.sub(r"(?<=。) (?=[\u3400-\u9fff])", "", " ".join(said))

    def name(self, name: str, default: str | None = None) -> str:
        """What a reader sees for a name of the program; a name that is not known stays as it is."""
        if name in NAMES:
            return NAMES[name][self._place]
        senses = [MESSAGES.get(f"sense-{part}") for part in name.removeprefix("crossaisle-").split("-")]
        if name.startswith("crossaisle-") and all(senses):
            return self("only", senses=" + ".join(pair[self._place] for pair in senses if pair))
        return name if default is None else default

    def level(self, group: str, level: str) -> str:
        """A level of a group: an aisle keeps its own name, except that no name is said in words."""
        return level if group == "aisle" and level else self.name(f"level-{level}", level)

    def measure(self, measure: str) -> str:
        """``ndcg@10`` -> NDCG@10."""
        stem, _, k = measure.partition("@")
        return self.name(stem) + (f"@{k}" if k else "")

    def p(self, p: float) -> str:
        """A p value as a reader expects it."""
        return f"p\u00a0{self.p_only(p)}" if p < 0.001 else f"p\u00a0=\u00a0{self.p_only(p)}"

    def p_only(self, p: float) -> str:
        """The same without its name."""
        return "–" if math.isnan(p) else ("<\u00a00.001" if p < 0.001 else f"{p:.3f}")

    def percent(self, share: float) -> str:
        """A share as a percentage."""
        return f"{100 * share:.{0 if share >= 0.01 or share == 0 else 1}f}{'%' if self.lang == 'zh' else ' %'}"

    def list(self, parts: list[str]) -> str:
        """Parts in a row."""
        return ("、" if self.lang == "zh" else ", ").join(parts)
