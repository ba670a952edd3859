"""Noise in texts: typing errors, look-alike letters, lost characters and words, cut titles. Imports: glyphs.

Each function is pure and seeded, and a text gets the same noise whatever stands beside it: the random numbers follow from the seed, the
kind and the text. So noisy copies can be drawn in training (another seed an epoch) as well as read once for a trial.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from crossaisle.attack.glyphs import CHINESE_LOOK, CHINESE_SOUND, HOMOGLYPHS, NEIGHBOURS
from crossaisle.errors import RequestError

__all__ = ["KINDS", "noisy_text", "noisy_texts"]

_CHINESE = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_WORD = re.compile(r"\s*\S+")


def noisy_texts(texts: Sequence[str], kind: str, share: float, seed: int = 0) -> list[str]:
    """Each text with noise, see `noisy_text`."""
    return [noisy_text(text, kind, share, seed) for text in texts]


def noisy_text(text: str, kind: str, share: float, seed: int = 0) -> str:
    """A text with noise.

    Parameters
    ----------
    text : str
        In any language; characters that are no letter or digit stay.
    kind : str
        One of `KINDS`. ``typos``: a letter is exchanged with the next, dropped, doubled or replaced by a neighbour on the keyboard; a
        Chinese character by one of the same sound, or dropped. ``homoglyphs``: a letter becomes one of another alphabet that looks the
        same, a Chinese character one that looks alike; what has none stays. ``drops``: a character is lost. ``words``: a word is lost
        (a Chinese character where there are no spaces). ``cut``: the end is lost.
    share : float
        Of letters and digits (``words``: of words; ``cut``: of the length), 0 to 1: the expected share that is hit.
    seed : int

    Returns
    -------
    str
        Never empty where the text is not.

    Raises
    ------
    RequestError
        If the kind is unknown or the share is not between 0 and 1.

    Examples
    --------
    >>> noisy_text("waterproof bicycle bag", "typos", 0.2, seed=1) != "waterproof bicycle bag"
    True
    >>> noisy_text("waterproof bicycle bag", "cut", 0.5)
    'waterproof'
    >>> noisy_text("bag", "typos", 0.0)
    'bag'
    """
    if kind not in KINDS:
        raise RequestError(f"unknown noise {kind!r}", f"one of {', '.join(KINDS)}", "correct it")
    if not 0 <= share <= 1:
        raise RequestError(f"the share of noise is {share}", "a number from 0 to 1", "write .1 for 10 %")
    if not text or share == 0:
        return text
    out = KINDS[kind](text, share, random.Random(f"{seed} {kind} {text}"))
    return out if out.strip() else text[: max(1, len(text) - len(text.lstrip()) + 1)]


def _hit(places: Sequence[int], share: float, rng: random.Random) -> list[int]:
    """Some of the places, from the last to the first: their number is the share's, rounded by chance so that the mean is exact."""
    wanted = share * len(places)
    n = int(wanted) + (rng.random() < wanted - int(wanted))
    return sorted(rng.sample(places, n), reverse=True)


def _letters(text: str) -> list[int]:
    return [i for i, c in enumerate(text) if c.isalnum()]


def _typos(text: str, share: float, rng: random.Random) -> str:
    out = list(text)
    for i in _hit(_letters(text), share, rng):
        out[i] = _chinese_slip(text[i], rng) if _CHINESE.match(text[i]) else _slip(text, i, out, rng)
    return "".join(out)


def _chinese_slip(letter: str, rng: random.Random) -> str:
    return rng.choice(CHINESE_SOUND[letter]) if letter in CHINESE_SOUND and rng.random() < 0.75 else ""


def _slip(text: str, i: int, out: list[str], rng: random.Random) -> str:
    """What stands at place i after one slip of the finger; the place after it may take the letter over."""
    letter, kind = text[i], rng.randrange(4)
    if kind == 0 and i + 1 < len(text) and text[i + 1].isalnum() and text[i + 1] != letter and out[i + 1] == text[i + 1]:
        out[i + 1] = letter
        return text[i + 1]
    near = NEIGHBOURS.get(letter.lower(), "")
    if kind == 1 and near:
        other = rng.choice(near)
        return other.upper() if letter.isupper() else other
    return letter * 2 if kind == 2 else ""


def _homoglyphs(text: str, share: float, rng: random.Random) -> str:
    out = list(text)
    for i in _hit(_letters(text), share, rng):
        alike = CHINESE_LOOK.get(text[i]) or HOMOGLYPHS.get(text[i])
        if alike:
            out[i] = rng.choice(alike)
    return "".join(out)


def _drops(text: str, share: float, rng: random.Random) -> str:
    out = list(text)
    for i in _hit(_letters(text), share, rng):
        out[i] = ""
    return "".join(out)


def _words(text: str, share: float, rng: random.Random) -> str:
    words = _WORD.findall(text)
    if len(words) < 2 and _CHINESE.search(text):
        return _drops(text, share, rng)
    for i in _hit(range(len(words)), share, rng):
        words[i] = ""
    return "".join(words).strip()


def _cut(text: str, share: float, rng: random.Random) -> str:
    head = text[: max(1, round(len(text) * (1 - share)))]
    whole = head if head == text or _CHINESE.search(head) or " " not in head.strip() else head.rsplit(" ", 1)[0]
    return whole.strip()


KINDS: dict[str, Callable[[str, float, random.Random], str]] = {
    "typos": _typos,
    "homoglyphs": _homoglyphs,
    "drops": _drops,
    "words": _words,
    "cut": _cut,
}
"""Kinds of noise."""
