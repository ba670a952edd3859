"""What the service keeps, in SQLite or PostgreSQL. Imports: kinds, rows, settings; store once asked for: it needs an optional part."""

from typing import TYPE_CHECKING, Any

from crossaisle.errors import MissingExtra
from crossaisle.records.kinds import KINDS, sign
from crossaisle.records.rows import Changes, Cursor, Event, Forgotten, Shown, ShownList
from crossaisle.records.settings import RecordsSettings

if TYPE_CHECKING:
    from crossaisle.records.store import Records

__all__ = ["KINDS", "Changes", "Cursor", "Event", "Forgotten", "Records", "RecordsSettings", "Shown", "ShownList", "sign"]


def __getattr__(name: str) -> Any:
    if name != "Records":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from crossaisle.records.store import Records
    except ImportError:
        raise MissingExtra("the service's records", "pip install 'crossaisle[serve]'") from None
    return Records
