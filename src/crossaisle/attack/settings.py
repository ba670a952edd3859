"""Settings of a trial under attack. Imports: settings, errors; of its own room shilling."""

from __future__ import annotations

from dataclasses import dataclass

from crossaisle.attack.shilling import FILLERS, PLACES
from crossaisle.errors import SettingError
from crossaisle.settings import Settings, setting

__all__ = ["ATTACKS", "AttackSettings", "levels"]

ATTACKS = ("vectors", "texts", "photos", "shilling")
"""Kinds of attack."""


@dataclass(frozen=True)
class AttackSettings(Settings):
    """What `crossaisle attack` does to a model, and how strongly."""

    kinds: tuple[str, ...] = setting(ATTACKS, "attacks to measure, by comma: vectors, texts, photos (where there are any), shilling")
    questions: int = setting(2_000, "most people asked, drawn by chance", low=2)
    vectors: tuple[str, ...] = setting(("0.05", "0.1", "0.2", "0.5"), "shifts of item vectors, as shares of each one's length")
    typos: tuple[str, ...] = setting(("0.05", "0.1", "0.2"), "shares of letters mistyped")
    homoglyphs: tuple[str, ...] = setting(("0.1",), "shares of letters exchanged for look-alikes")
    words: tuple[str, ...] = setting(("0.2",), "shares of words lost")
    cut: tuple[str, ...] = setting(("0.5",), "shares of each title cut off at its end")
    gaussian: tuple[str, ...] = setting(("0.1",), "noise in photos, as shares of the range of values")
    jpeg: tuple[str, ...] = setting(("20",), "JPEG qualities at which photos are saved once more")
    shares: tuple[str, ...] = setting(("0.01",), "made-up people for each genuine one")
    fillers: tuple[str, ...] = setting(("bandwagon",), "what made-up profiles are filled with: random, average, bandwagon")
    place: str = setting("last", "where the pushed item stands in a made-up profile", choices=PLACES)
    targets: int = setting(10, "items pushed, drawn from the less popular half", low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in (("kinds", ATTACKS), ("fillers", FILLERS)):
            for value in getattr(self, name):
                if value not in known:
                    raise SettingError(f"attack.{name} names {value!r}", f"some of {', '.join(known)}", "see: crossaisle settings attack")
        for name in ("vectors", "typos", "homoglyphs", "words", "cut", "gaussian", "jpeg", "shares"):
            levels(self, name)


def levels(settings: AttackSettings, name: str) -> list[float]:
    """The strengths of one attack as numbers.

    Raises
    ------
    SettingError
        If one is no number of the right size: above 0, and at most 1 (a quality of JPEG: at most 95).

    Examples
    --------
    >>> levels(AttackSettings(), "typos")
    [0.05, 0.1, 0.2]
    """
    most = 95.0 if name == "jpeg" else 1.0
    out = []
    for text in getattr(settings, name):
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not 0 < value <= most or (name == "jpeg" and value < 1):
            raise SettingError(f"attack.{name} holds {text!r}", f"numbers above 0, at most {most:g}", "see: crossaisle settings attack")
        out.append(value)
    return out
