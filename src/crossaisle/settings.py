"""The base of all settings dataclasses: one place where a setting's default and meaning are written. Imports: errors.

A component declares ``@dataclass(frozen=True) class ThingSettings(Settings)`` whose fields are made by `setting`; the
command line's ``--set section.key=value``, the saved JSON and ``crossaisle settings`` all come from it.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, get_type_hints

from crossaisle.errors import SettingError

__all__ = ["Settings", "setting"]


def setting(default: Any, meaning: str, *, choices: tuple[str, ...] = (), low: float | None = None, high: float | None = None) -> Any:
    """A dataclass field with its meaning and, where it has one, its range.

    Parameters
    ----------
    default : object
        A bool, int, float, str or tuple of str.
    meaning : str
        One sentence, shown by ``crossaisle settings``.
    choices : tuple of str
        The only values allowed, for a string.
    low, high : float
        Inclusive bounds, for a number.
    """
    return dataclasses.field(default=default, metadata={"meaning": meaning, "choices": choices, "low": low, "high": high})


def _parse(text: str, kind: Any) -> Any:
    if kind is bool:
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.strip().lower()]
    if kind is int:
        return int(text)
    if kind is float:
        return float(text)
    if kind is str:
        return text
    return tuple(part.strip() for part in text.split(",") if part.strip())


@dataclass(frozen=True)
class Settings:
    """Base class: checked on creation, changed only by copy, written to and read from JSON."""

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):
            self._check(f, getattr(self, f.name))

    def _check(self, f: dataclasses.Field[Any], value: Any) -> None:
        meta = f.metadata
        low, high, choices = meta.get("low"), meta.get("high"), meta.get("choices")
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
        if numeric and value != value:
            raise SettingError(f"setting {f.name} is NaN", "a number", "give a number")
        if numeric and ((low is not None and value < low) or (high is not None and value > high)):
            span = f"{'' if low is None else f'at least {low:g}'}{' and ' if low is not None and high is not None else ''}"
            span += "" if high is None else f"at most {high:g}"
            raise SettingError(f"setting {f.name} is {value}", f"a number of {span}", "see: crossaisle settings")
        if choices and value not in choices:
            raise SettingError(f"setting {f.name} is {value!r}", f"one of {', '.join(choices)}", "see: crossaisle settings")

    def changed(self, assignments: Mapping[str, str]) -> Self:
        """A copy with ``{"section.key": "value"}`` applied; values are parsed by the field's type.

        Raises
        ------
        SettingError
            If a key is unknown (the nearest one is suggested) or a value does not fit.
        """
        return self._changed(assignments, self, "")

    def _changed(self, assignments: Mapping[str, str], root: Settings, prefix: str) -> Self:
        """All changes at once, so that a check across settings sees the result and not the order."""
        names = {f.name: f for f in dataclasses.fields(self)}
        new: dict[str, Any] = {}
        nested: dict[str, dict[str, str]] = {}
        for key, text in assignments.items():
            head, _, rest = key.partition(".")
            if head not in names or isinstance(getattr(self, head), Settings) != bool(rest):
                raise SettingError(f"unknown setting {prefix + key!r}", root._nearest(prefix + key), "see: crossaisle settings")
            if rest:
                nested.setdefault(head, {})[rest] = text
                continue
            kind = get_type_hints(type(self))[head]
            try:
                new[head] = _parse(text, kind)
            except (ValueError, KeyError):
                wanted = f"a value of type {getattr(kind, '__name__', kind)}"
                raise SettingError(f"setting {prefix + key} is {text!r}", wanted, "see: crossaisle settings") from None
        for head, parts in nested.items():
            new[head] = getattr(self, head)._changed(parts, root, f"{prefix}{head}.")
        return dataclasses.replace(self, **new)

    def _nearest(self, key: str) -> str:
        known = [name for name, *_ in self.walk()]
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.3)
        if not near:
            tails = {name.rsplit(".", 1)[-1]: name for name in known}
            near = [tails[t] for t in difflib.get_close_matches(key.rsplit(".", 1)[-1], tails, n=1, cutoff=0.3)]
        return f"a known setting, the nearest is {near[0]!r}" if near else "a known setting"

    def walk(self, prefix: str = "") -> Iterator[tuple[str, Any, str, Any]]:
        """Every setting as (dotted name, value, meaning, default)."""
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Settings):
                yield from value.walk(f"{prefix}{f.name}.")
            else:
                yield f"{prefix}{f.name}", value, f.metadata.get("meaning", ""), f.default

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionaries, ready for JSON."""
        out: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return out

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; keys that this version does not know are refused."""
        hints = get_type_hints(cls)
        out: dict[str, Any] = {}
        for name, value in values.items():
            if name not in hints:
                raise SettingError(f"unknown setting {name!r}", cls()._nearest(name), "see: crossaisle settings")
            kind = hints[name]
            if isinstance(kind, type) and issubclass(kind, Settings):
                value = kind.from_dict(value)
            elif isinstance(value, list):
                value = tuple(value)
            out[name] = value
        return cls(**out)
