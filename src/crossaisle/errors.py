"""The exception tree. Imports nothing of this package.

CrossAisleError
├── BadInput            the user can mend it; the command line prints it as one line and exits with 2
│   ├── TableError      a table that cannot be read or breaks the contract
│   ├── SettingError    an unknown setting, or a value it cannot take
│   ├── RequestError    an unknown user or category, a filter that does not parse, k below 1
│   │   └── UnknownItem an item that is not in the catalogue
│   ├── ModelError      a model folder that is missing, incomplete, altered or of a newer format
│   └── OutputError     a folder that cannot be written, is full, or is being written by another run
├── StoreAway           the service's store cannot be reached, or is locked, full or too slow; trying again later may work
└── MissingExtra        an optional part that is not installed; the message holds the install command
"""

from __future__ import annotations

__all__ = [
    "BadInput",
    "CrossAisleError",
    "MissingExtra",
    "ModelError",
    "OutputError",
    "RequestError",
    "SettingError",
    "StoreAway",
    "TableError",
    "UnknownItem",
]


def _one_line(text: str) -> str:
    return " ".join(text.split())


class CrossAisleError(Exception):
    """Base of every error that CrossAisle raises on purpose."""


class BadInput(CrossAisleError):
    """Something the user gave that cannot be used.

    Parameters
    ----------
    found : str
        What was found, with the file, column or value named.
    expected : str
        What would have been right.
    next_step : str
        What to do next.

    Examples
    --------
    >>> print(BadInput("k is 0", "a whole number of at least 1", "pass -k 10"))
    k is 0; expected a whole number of at least 1; next: pass -k 10
    """

    def __init__(self, found: str, expected: str, next_step: str) -> None:
        self.found, self.expected, self.next_step = (
            _one_line(found),
            _one_line(expected),
            _one_line(next_step),
        )
        super().__init__(f"{self.found}; expected {self.expected}; next: {self.next_step}")


class TableError(BadInput):
    """A table that cannot be read or breaks the contract."""


class SettingError(BadInput):
    """An unknown setting, or a value that the setting cannot take."""


class RequestError(BadInput):
    """A request that names something unknown or asks for something impossible."""


class UnknownItem(RequestError):
    """A request that names an item that is not in the catalogue, or not any more; over HTTP a 404."""


class ModelError(BadInput):
    """A model folder that is missing, incomplete, altered or of a newer format."""


class OutputError(BadInput):
    """A folder that cannot be written, is full, or is being written by another run."""


class StoreAway(CrossAisleError):
    """The service's store cannot be reached, or is locked, full or too slow. What was asked is not known to be kept: ask again later.

    Examples
    --------
    >>> print(StoreAway("sqlite:///events.db", "database is locked"))
    the store sqlite:///events.db is away: database is locked; next: try again
    """

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"the store {where} is away: {_one_line(why)}; next: try again")


class MissingExtra(CrossAisleError):
    """An optional part that is not installed.

    Examples
    --------
    >>> print(MissingExtra("photos", "pip install 'crossaisle[image]'"))
    photos need an optional part that is not installed; next: pip install 'crossaisle[image]'
    """

    def __init__(self, what: str, install: str) -> None:
        super().__init__(f"{what} need an optional part that is not installed; next: {install}")
