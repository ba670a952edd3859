"""What a search may choose: ranges and lists of values for settings of the network. Imports nothing of its own room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crossaisle.errors import CrossAisleError, MissingExtra, SettingError
from crossaisle.presets import AllSettings

__all__ = ["DEFAULT_SPACE", "Axis", "as_text", "optuna_module", "parse_space", "start_of"]

DEFAULT_SPACE = (
    "train.learning_rate=0.002..0.03:log",
    "train.id_weight_decay=0.3..10:log",
    "model.dropout=0.1..0.6",
    "model.id_dropout=0..0.5",
    "model.dim=64|128|192",
)
"""What the quality of the network hangs on most (dev/LOG.md)."""

_SECTIONS = ("model", "train", "text", "words", "reviews", "media", "tune")
"""Sections that the network's validation figure depends on; the rest belongs to what joins or follows the network."""
_FIXED = {
    "train.refit": "it does not touch the validation figure",
    "train.validation_users": "every trial has to be asked the same questions",
    "reviews.until": "every trial has to read the same data",
}
_FORM = "SECTION.KEY=low..high, low..high:log or a|b|c"


@dataclass(frozen=True)
class Axis:
    """One setting and the values it may take.

    Attributes
    ----------
    key : str
        ``section.key``.
    whole : bool
        Of a range: only whole numbers.
    low, high : float
        Of a range, both ends belong to it.
    log : bool
        Of a range: drawn by its logarithm.
    choices : tuple of str
        Of a list: the values as ``--set`` takes them; empty for a range.
    """

    key: str
    whole: bool = False
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[str, ...] = ()

    def distribution(self) -> Any:
        """The same for Optuna."""
        optuna = optuna_module()
        if self.choices:
            return optuna.distributions.CategoricalDistribution(self.choices)
        if self.whole:
            return optuna.distributions.IntDistribution(int(self.low), int(self.high), log=self.log)
        return optuna.distributions.FloatDistribution(self.low, self.high, log=self.log)

    def holds(self, value: Any) -> bool:
        """Whether a setting's value belongs to it."""
        return as_text(value) in self.choices if self.choices else bool(self.low <= value <= self.high)

    def __str__(self) -> str:
        """As ``--space`` takes it."""
        ends = (int(self.low), int(self.high)) if self.whole else (self.low, self.high)
        return f"{self.key}={'|'.join(self.choices) if self.choices else f'{ends[0]}..{ends[1]}' + (':log' if self.log else '')}"


def optuna_module() -> Any:
    """Optuna, quiet.

    Raises
    ------
    MissingExtra
        If it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise MissingExtra("searches of settings", "pip install 'crossaisle[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def as_text(value: Any) -> str:
    """A value as ``--set`` takes it.

    Examples
    --------
    >>> as_text(0.004), as_text(True), as_text(("id", "text"))
    ('0.004', 'true', 'id,text')
    """
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def parse_space(texts: Sequence[str], settings: AllSettings) -> tuple[Axis, ...]:
    """The axes that ``--space`` names, each once; the default space where none is named.

    Every end of a range and every value of a list is tried on the settings, so that a value which a setting cannot take is refused before
    any training.

    Raises
    ------
    SettingError
        If a text does not parse, a key is unknown, given twice or of no use to the network, a range is empty, or a value does not fit.

    Examples
    --------
    >>> [str(a) for a in parse_space(["train.learning_rate=0.001..0.1:log", "model.blocks=1..3", "model.dim=64|128"], AllSettings())]
    ['train.learning_rate=0.001..0.1:log', 'model.blocks=1..3', 'model.dim=64|128']
    """
    axes = tuple(_axis(text, settings) for text in texts or DEFAULT_SPACE)
    keys = [axis.key for axis in axes]
    for key in keys:
        if keys.count(key) > 1:
            raise SettingError(f"--space names {key} twice", "each setting once", "leave one out")
    return axes


def start_of(space: Sequence[Axis], settings: AllSettings) -> dict[str, Any] | None:
    """The settings' own values on every axis, as Optuna takes them; None where one lies outside."""
    here = {key: value for key, value, *_ in settings.walk()}
    if not all(axis.holds(here[axis.key]) for axis in space):
        return None
    return {axis.key: as_text(here[axis.key]) if axis.choices else here[axis.key] for axis in space}


def _axis(text: str, settings: AllSettings) -> Axis:
    key, equals, rest = (part.strip() for part in text.partition("="))
    if not equals or not key or not rest:
        raise SettingError(f"--space holds {text!r}", _FORM, "see: crossaisle settings")
    known = {name: value for name, value, *_ in settings.walk()}
    if key not in known:
        settings.changed({key: rest})  # raises, naming the nearest
    why = _FIXED.get(key) or ("" if key.partition(".")[0] in _SECTIONS else "the network's validation does not depend on it")
    if why:
        raise SettingError(f"--space names {key}: {why}", f"a setting of {', '.join(_SECTIONS)}", "leave it out")
    value = known[key]
    axis = _list(key, rest) if ".." not in rest or "|" in rest else _range(key, rest, value)
    for tried in axis.choices or [as_text(int(v) if axis.whole else v) for v in (axis.low, axis.high)]:
        try:
            settings.changed({key: tried})
        except CrossAisleError as error:
            raise SettingError(f"--space holds {text!r}: {getattr(error, 'found', error)}", _expected(error), "change that value") from None
    return axis


def _expected(error: CrossAisleError) -> str:
    return str(getattr(error, "expected", "a value that the setting takes"))


def _list(key: str, text: str) -> Axis:
    values = tuple(part.strip() for part in text.split("|"))
    if not all(values) or len(set(values)) < len(values) or len(values) < 2:
        raise SettingError(f"--space gives {key} the values {text!r}", "two or more different ones, such as 64|128", "mend the list")
    return Axis(key, choices=values)


def _range(key: str, text: str, value: Any) -> Axis:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SettingError(f"--space gives {key} the range {text!r}", "values separated by |, as it is no number", f"write {key}=a|b|c")
    ends, colon, scale = text.partition(":")
    kind = type(value)
    try:
        if colon and scale != "log":
            raise ValueError
        low, high = (kind(end) for end in ends.split(".."))
    except ValueError:
        raise SettingError(f"--space holds {f'{key}={text}'!r}", f"{_FORM}, with {kind.__name__} ends", "mend the range") from None
    if not low < high:
        raise SettingError(f"--space gives {key} the range {ends}", "a lower end below the higher", "turn them round, or leave it out")
    if scale and low <= 0:
        raise SettingError(
            f"--space gives {key} the range {text}", "a lower end above 0, as a logarithm is taken", "raise it, or drop :log"
        )
    return Axis(key, kind is int, float(low), float(high), bool(scale))
