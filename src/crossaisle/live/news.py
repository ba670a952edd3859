"""What came since a model was made, joined to what it knows: the data of its successor. Imports: records, the rooms of data and whole.

What a row says of an item that is known is taken over, what it does not say stays as it was.

An event is history if its kind says so (`records.kinds`); what was hidden or disliked, and what was only shown, is not. Items that were
put join the catalogue, items that went away stay in it for what people did with them, marked as not available. What the model itself
holds of people who asked to be forgotten since is left out; what they did afterwards, if they came back, is all that the records have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from crossaisle import schema
from crossaisle.data.adhoc import read_new_items
from crossaisle.data.build import in_order, without_shilling
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.items import complete_catalogue
from crossaisle.data.rejected import Rejected
from crossaisle.data.rows import ROW
from crossaisle.errors import RequestError
from crossaisle.records.kinds import sign
from crossaisle.records.rows import Cursor, Event, Forgotten
from crossaisle.schema import Bools
from crossaisle.whole.version import Contents

if TYPE_CHECKING:
    from crossaisle.records import Records

__all__ = ["News", "among", "gather"]

_PIECE = 2_000
"""Changes that are read at once: few enough that a busy store gives them in its time."""
_NEW = "new"
_EVENTS: dict[str, Any] = {
    schema.USER: pl.String,
    schema.ITEM: pl.String,
    schema.EVENT: pl.String,
    schema.TIMESTAMP: pl.Float64,
    _NEW: pl.Boolean,
}
_SAYS_NOTHING = (schema.AVAILABLE, schema.PRICE, schema.KNOWN)
"""Columns that no reader of items reads."""


@dataclass(frozen=True, eq=False)
class News:
    """The data of a successor.

    Attributes
    ----------
    data : Dataset
        All that is known: codes of items and kinds of events that the model has are the same here, new ones come after them.
    new : bool (E,)
        Events that came since.
    joined : polars.DataFrame
        Items that the model does not have, the last rows of ``data.items``.
    stale : frozenset of str
        Items that the model has and that say something else now.
    gone : bool (N,)
        Items that went away.
    forgotten : tuple of Forgotten
        People who asked to be forgotten since.
    cursor : Cursor
        Up to where the records have been read.
    facts : dict
        How much of what came, in figures.
    suspects : dict
        What is to be reported of profiles that look made up, where ``data.shilling`` looks for some.
    """

    data: Dataset
    new: Bools
    joined: pl.DataFrame
    stale: frozenset[str]
    gone: Bools
    forgotten: tuple[Forgotten, ...]
    cursor: Cursor
    facts: dict[str, int] = field(default_factory=dict)
    suspects: dict[str, Any] = field(default_factory=dict)

    def before(self, held: Bools) -> Dataset:
        """The data without the events that are held back (E,)."""
        return self.data.with_histories(self.data.histories.keep(~held))

    def learned(self, replay: float, seed: int, held: Bools | None = None) -> Bools:
        """bool: the new events and, for each of them, ``replay`` old ones drawn by chance; of `before` where some are held back (E,).

        Old ones are learned again so that they are not forgotten, and no more of them than that: the network has learned them all before,
        and passes over all of them would make it know them by heart.
        """
        new = self.new if held is None else self.new[~held]
        old = np.flatnonzero(~new)
        n = min(len(old), round(replay * int(new.sum())))
        out = new.copy()
        out[np.random.default_rng(seed).choice(old, n, replace=False)] = True
        return out


@dataclass
class _Came:
    """What the records hold since a cursor."""

    events: pl.DataFrame
    cursor: Cursor
    forgotten: tuple[Forgotten, ...]
    other: int


def gather(start: Contents, records: Records, after: Cursor) -> News:
    """What came since a cursor, joined to a model's own histories and items.

    Parameters
    ----------
    after : Cursor
        Where the model's own knowledge ends; where it holds no histories, everything in the records is taken.

    Raises
    ------
    RequestError
        If nobody has any history.
    StoreAway
        If the records cannot be read.
    """
    people = start.people
    came = _read(records, records.start() if people is None else after)
    known: list[str] = [] if people is None else people.users.to_list()
    forgotten = among(came.forgotten, known)
    events = came.events
    items, joined, stale, gone = _catalogue(start.catalogue.items, *records.items(), events)
    if joined.height and people is not None:
        events = pl.concat([_early(records, after, set(joined[schema.ITEM].to_list())), events])
    described = events.join(items.select(schema.ITEM), on=schema.ITEM, how="semi", maintain_order="left")
    names = start.catalogue.event_names
    names = (*names, *sorted(set(described[schema.EVENT].unique().to_list()) - set(names)))
    data, new, doubled = _joined(start, described, items, names, forgotten)
    data, suspects = without_shilling(data, start.settings.data)
    facts = {
        "events": int(new.sum()),
        "events that are no history": came.other,
        "events of items that nobody described": events.height - described.height,
        "events that the model had": doubled,
        "new items": joined.height,
        "items that say something else": len(stale),
        "items gone": int(gone.sum()),
        "new people": len(set(described[schema.USER].unique().to_list()) - set(known)),
        "people forgotten": len(forgotten),
    }
    return News(data, new, joined, stale, gone, came.forgotten, came.cursor, facts, suspects)


def among(forgotten: Sequence[Forgotten], users: Sequence[str]) -> frozenset[str]:
    """Those of some people who asked to be forgotten."""
    return frozenset(user for some in forgotten for user in some.among(users))


def _read(records: Records, after: Cursor) -> _Came:
    """Everything since a cursor, piece by piece; events as a table of what is history."""
    pieces, forgotten, other, cursor, more = [pl.DataFrame(schema=_EVENTS)], list[Forgotten](), 0, after, True
    while more:
        part = records.changes(cursor, _PIECE)
        kept = [event for _, event in part.events if sign(event.event, event.value) > 0]
        other += len(part.events) - len(kept)
        pieces.append(_table(kept))
        if part.forgotten:
            forgotten.append(part.forgotten)
        cursor, more = part.cursor, part.more
    return _Came(pl.concat(pieces), cursor, tuple(forgotten), other)


def _early(records: Records, after: Cursor, items: set[str]) -> pl.DataFrame:
    """What was done before a cursor with items that have only now joined: nobody had described them, so no training has read of it."""
    if after.store != records.start().store or not after.seq:
        return pl.DataFrame(schema=_EVENTS)
    pieces = records.events(0, after.seq)
    return _table([e for piece in pieces for _, e in piece if e.item_id in items and sign(e.event, e.value) > 0])


def _table(events: Sequence[Event]) -> pl.DataFrame:
    rows = [(e.user_id, e.item_id, e.event, float(e.timestamp), True) for e in events]
    return pl.DataFrame(rows, schema=_EVENTS, orient="row")


def _catalogue(
    old: pl.DataFrame, put: list[dict[str, Any]], ids_gone: set[str], events: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, frozenset[str], Bools]:
    """The catalogue as it is now: the old items in their order, then the new ones; and what of it changed."""
    typed = _typed(put, old)
    known = _completed(typed.join(old, on=schema.ITEM, how="semi", maintain_order="left"), old, put)
    joined = typed.join(old, on=schema.ITEM, how="anti", maintain_order="left")
    if not old[schema.KNOWN].all():  # a shop whose items are known from what people did with them
        whole = complete_catalogue(pl.concat([old, joined]), events)
        joined = whole.tail(whole.height - old.height)
    said = [c for c in old.columns if c not in _SAYS_NOTHING]
    same = known.select(said).join(old.select(said), on=said, how="semi", nulls_equal=True)
    stale = frozenset(known[schema.ITEM].to_list()) - frozenset(same[schema.ITEM].to_list())
    kept = old.select(schema.ITEM).join(
        pl.concat([old.join(known, on=schema.ITEM, how="anti"), known]), on=schema.ITEM, how="left", maintain_order="left"
    )
    items = pl.concat([kept.select(old.columns), joined])
    gone = items[schema.ITEM].is_in(list(ids_gone))
    items = items.with_columns(pl.when(gone).then(pl.lit(False)).otherwise(pl.col(schema.AVAILABLE)).alias(schema.AVAILABLE))
    return items, items.tail(joined.height), stale, gone.to_numpy()


def _typed(put: list[dict[str, Any]], old: pl.DataFrame) -> pl.DataFrame:
    """Rows as they were put, as a catalogue has them; rows of another form (a list here, a text there) are read apart."""
    forms: dict[tuple[tuple[str, bool], ...], list[dict[str, Any]]] = {}
    for row in put:
        form = tuple(sorted((name, isinstance(value, (list, tuple))) for name, value in row.items() if value is not None))
        forms.setdefault(form, []).append({name: row[name] for name, _ in form})
    parts = [old.clear()]
    for rows in forms.values():
        frame = pl.DataFrame(rows, infer_schema_length=None, strict=False)
        parts.append(read_new_items(frame, old.clear(), rejected=Rejected(1.0))[0])
    return pl.concat(parts).unique(schema.ITEM, keep="last", maintain_order=True)


def _completed(known: pl.DataFrame, old: pl.DataFrame, put: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of known items, what they do not say taken from the old ones; a new aisle begins a new path, and a new path says the aisle."""
    before = known.select(schema.ITEM).join(old, on=schema.ITEM, how="left", maintain_order="left")
    said = {str(row[schema.ITEM]): {name for name, value in row.items() if value is not None} for row in put}
    told = {name: pl.Series([name in said.get(item, ()) for item in known[schema.ITEM]], dtype=pl.Boolean) for name in known.columns}
    moved = told[schema.CATEGORY] & (known[schema.CATEGORY] != before[schema.CATEGORY])
    told[schema.CATEGORY], told[schema.CATEGORIES] = (
        told[schema.CATEGORY] | told[schema.CATEGORIES],
        told[schema.CATEGORIES] | moved,
    )
    kept = {name: known[name].zip_with(told[name], before[name]) for name in known.columns if name not in (schema.ITEM, schema.KNOWN)}
    return known.with_columns(**kept)


def _joined(
    start: Contents, events: pl.DataFrame, items: pl.DataFrame, names: tuple[str, ...], forgotten: frozenset[str]
) -> tuple[Dataset, Bools, int]:
    """The model's own histories and the events that came, as one dataset; which of its events are new; how many the model had already."""
    own = _own(start, forgotten)
    codes = {item: code for code, item in enumerate(items[schema.ITEM].to_list())}
    kinds = {name: code for code, name in enumerate(names)}
    came = events.select(
        schema.USER,
        pl.col(schema.ITEM).replace_strict(codes, return_dtype=pl.Int64).alias("i"),
        pl.col(schema.EVENT).replace_strict(kinds, return_dtype=pl.Int64).alias("e"),
        pl.lit(1.0, dtype=pl.Float32).alias(schema.WEIGHT),
        schema.TIMESTAMP,
        _NEW,
    )
    both = pl.concat([own, came])
    if start.settings.data.drop_duplicates:
        same = pl.struct(schema.USER, "i", "e", schema.TIMESTAMP)
        both = both.filter(same.is_first_distinct() | (pl.int_range(pl.len()) < own.height))
    doubled = own.height + came.height - both.height
    if not both.height:
        raise RequestError("neither the model nor the store holds any history", "events to learn from", "send events first")
    users = both[schema.USER].unique(maintain_order=True)
    coded = both.with_columns(
        pl.col(schema.USER).replace_strict(users, range(len(users)), return_dtype=pl.UInt32).alias("u"),
        pl.int_range(pl.len()).alias(schema.POSITION),
        pl.lit(0).alias(ROW),
    )
    ordered = in_order(coded)
    offsets = np.zeros(len(users) + 1, dtype=np.int64)
    np.cumsum(np.bincount(ordered["u"].to_numpy(), minlength=len(users)), out=offsets[1:])
    histories = Histories.from_arrays(
        offsets,
        ordered["i"].to_numpy(),
        ordered["e"].to_numpy(),
        ordered[schema.WEIGHT].to_numpy(),
        ordered[schema.TIMESTAMP].fill_null(float("nan")).to_numpy(),
    )
    histories = _with_own_reviews(start, histories, forgotten, ordered[schema.POSITION].to_numpy())
    return Dataset(items, users, histories, names), ordered[_NEW].to_numpy().astype(np.bool_), doubled


def _own(start: Contents, forgotten: frozenset[str]) -> pl.DataFrame:
    """The model's own histories, one row an event, in their order, without people who asked to be forgotten."""
    people = start.people
    if people is None:
        return pl.DataFrame(
            schema={
                schema.USER: pl.String,
                "i": pl.Int64,
                "e": pl.Int64,
                schema.WEIGHT: pl.Float32,
                schema.TIMESTAMP: pl.Float64,
                _NEW: pl.Boolean,
            }
        )
    h = _kept(start, forgotten)
    users = people.users.filter(~people.users.is_in(list(forgotten)))
    return pl.DataFrame(
        {
            schema.USER: users.cast(pl.String).gather(h.owners),
            "i": h.items,
            "e": h.events,
            schema.WEIGHT: h.weights,
            schema.TIMESTAMP: pl.Series(h.times).fill_nan(None),
            _NEW: pl.repeat(False, len(h.items), eager=True),
        }
    )


def _kept(start: Contents, forgotten: frozenset[str]) -> Histories:
    assert start.people is not None
    staying = ~start.people.users.is_in(list(forgotten)).to_numpy()
    return start.people.histories[np.flatnonzero(staying)]


def _with_own_reviews(start: Contents, histories: Histories, forgotten: frozenset[str], places: Any) -> Histories:
    """The vectors of what people wrote of the model's own events; of what came since nothing was written."""
    if start.people is None or start.people.histories.own is None:
        return histories
    own = _kept(start, forgotten).own
    assert own is not None
    rows = np.concatenate([own.rows, np.full(len(histories.items), -1)])  # longer than needed: new events come after the model's own
    return replace(histories, own=replace(own, rows=rows[places]))
