"""Packing histories into rows of equal length, so that padding costs nothing; or side by side, where only the newest state is wanted.

Imports: data.histories, data.own_reviews, model.network, model.history_reader.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from crossaisle.data.histories import Histories
from crossaisle.data.own_reviews import OwnReviews
from crossaisle.model.history_reader import HistoryReader
from crossaisle.model.network import PackedRows
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["Packing", "pack_for_reading", "pack_for_training", "side_by_side"]


@dataclass(frozen=True, eq=False)
class Packing:
    """Packed rows, and for reading the place of each history's newest token.

    Attributes
    ----------
    rows : PackedRows
    last_row, last_column : int64 (B,)
        Where the state after the whole history stands; -1 for an empty history.
    """

    rows: PackedRows
    last_row: Ints
    last_column: Ints


def _fill(lengths: Ints, width: int) -> tuple[Ints, Ints, int]:
    """Best fit: the row and first column of each segment, in the order given, and the number of rows."""
    row, column = np.zeros(len(lengths), np.int64), np.zeros(len(lengths), np.int64)
    open_rows: list[list[int]] = [[] for _ in range(width + 1)]  # by room left
    n_rows = 0
    for s, length in enumerate(lengths.tolist()):
        for room in range(length, width + 1):
            if open_rows[room]:
                r = open_rows[room].pop()
                break
        else:
            r, room = n_rows, width
            n_rows += 1
        row[s], column[s] = r, width - room
        open_rows[room - length].append(r)
    return row, column, n_rows


def _gaps(h: Histories) -> Floats:
    """float32 (E,): seconds since the event before in the same history, NaN for the first and where unknown."""
    gaps = np.full(len(h.items), np.nan, np.float32)
    if len(h.items):
        gaps[1:] = np.diff(h.times).astype(np.float32)
        starts = h.offsets[:-1][h.lengths > 0]
        gaps[starts] = np.nan
    return gaps


def _written(own: OwnReviews, told: Bools, source: Ints) -> tuple[Ints, Floats]:
    """Of events: the row of what was written about the item, -1 where nothing was, and the rating, NaN where none was given.

    ``told`` (M,) says which rows of the vectors hold something.
    """
    linked = own.rows[source]
    some = linked >= 0
    ratings = np.full(linked.shape, np.nan, np.float32)
    ratings[some] = own.table.ratings[linked[some]]
    return np.where(some & told[np.maximum(linked, 0)], linked, -1) if len(told) else linked, ratings


def _lay_out(h: Histories, starts: Ints, lengths: Ints, width: int, target_mask: Bools | None) -> tuple[PackedRows, Ints, Ints]:
    """Rows holding the segments ``starts[s] : starts[s] + lengths[s]`` of the events of h; targets are the events after."""
    row, column, n_rows = _fill(lengths, width)
    ends = np.cumsum(lengths)
    inside = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    source = np.repeat(starts, lengths) + inside
    where = np.repeat(row * width + column, lengths) + inside
    size = n_rows * width

    def spread(values: npt.NDArray[np.generic], empty: float, dtype: type) -> torch.Tensor:
        out: npt.NDArray[np.generic] = np.full(size, empty, dtype=dtype)
        out[where] = values
        return torch.from_numpy(out.reshape(n_rows, width))

    if target_mask is None:
        targets, weights = np.zeros(len(source), np.int64), np.zeros(len(source), np.float32)
    else:
        targets, weights = h.items[source + 1], target_mask[source + 1].astype(np.float32)
        if h.trust is not None:
            weights = weights * h.trust[source + 1]
    wrote: dict[str, torch.Tensor] = {}
    own = h.own
    if own is not None and own.table.vectors is not None and own.table.told is not None:
        told, ratings = _written(own, own.table.told, source)
        wrote = {
            "review": spread(told, -1, np.int64),
            "rating": spread(ratings, np.nan, np.float32),
            "reviews": torch.from_numpy(own.table.vectors),
        }
    if h.ratings is not None and target_mask is not None:
        wrote["target_ratings"] = spread(h.ratings[source + 1], np.nan, np.float32)
    rows = PackedRows(
        items=spread(h.items[source], 0, np.int64),
        segment=spread(np.repeat(np.arange(len(lengths)), lengths), -1, np.int64),
        place=spread(inside, 0, np.int64),
        event=spread(h.events[source], 0, np.int64),
        weight=spread(h.weights[source], 0, np.float32),
        gap=spread(_gaps(h)[source], np.nan, np.float32),
        targets=spread(targets, 0, np.int64),
        target_weights=spread(weights, 0, np.float32),
        **wrote,
    )
    return rows, row, column


def pack_for_training(histories: Histories, width: int, seed: int, target_mask: Bools | None = None) -> PackedRows:
    """Every event but the first of each history is a target once; rows come in random order.

    Histories longer than ``width`` are cut into windows from the newest end, so the newest window is full. A token carries its user's
    review only where that was written before the event that follows, the first that is predicted from the token: so no prediction reads
    a review as new as what it predicts.

    Parameters
    ----------
    target_mask : bool (E,), optional
        Which events may be targets (default: all).
    """
    rng = np.random.default_rng(seed)
    if histories.own is not None:
        following = np.append(histories.times[1:], np.nan)
        following[histories.offsets[1:][histories.lengths > 0] - 1] = np.nan
        histories = replace(histories, own=histories.own.before(following))
    mask = np.ones(len(histories.items), bool) if target_mask is None else target_mask
    inputs = np.maximum(histories.lengths - 1, 0)
    pieces = -(-inputs // width)
    owner = np.repeat(np.arange(len(histories)), pieces)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    end = histories.offsets[:-1][owner] + inputs[owner] - nth * width
    start = np.maximum(end - width, histories.offsets[:-1][owner])
    order = rng.permutation(len(owner))
    rows, _, _ = _lay_out(histories, start[order], (end - start)[order], width, mask)
    return rows.rows(torch.from_numpy(rng.permutation(len(rows))))


def pack_for_reading(histories: Histories, width: int) -> Packing:
    """The newest ``width`` events of each history, packed; tells where each one's last token stands."""
    newest = histories.last(width)
    lengths = newest.lengths
    full = np.flatnonzero(lengths)
    # long ones first: they leave less room unused
    full = full[np.argsort(-lengths[full], kind="stable")]
    rows, row, column = _lay_out(newest, newest.offsets[:-1][full], lengths[full], width, None)
    last_row, last_column = np.full(len(histories), -1, np.int64), np.full(len(histories), -1, np.int64)
    last_row[full], last_column[full] = row, column + lengths[full] - 1
    return Packing(rows, last_row, last_column)


def side_by_side(histories: Histories, which: Ints, reader: HistoryReader) -> dict[str, torch.Tensor]:
    """What `HistoryReader.states` asks for of some histories, none of them empty or longer than the window."""
    lengths = histories.lengths[which]
    # behind a history's end stand events of others, which nobody looks at
    source = np.minimum(histories.offsets[which][:, None] + np.arange(lengths.max()), len(histories.items) - 1)
    out: dict[str, Any] = {"items": histories.items[source], "lengths": lengths}
    if reader.reads_events:
        out["event"] = histories.events[source]
    if reader.reads_weights:
        out["weight"] = histories.weights[source]
    if reader.reads_times:
        out["gap"] = _gaps(histories)[source]
    rows = {name: torch.from_numpy(values).to(reader.device) for name, values in out.items()}
    own = histories.own
    if reader.reads_reviews and own is not None and own.table.vectors is not None and own.table.told is not None:
        told, ratings = (torch.from_numpy(x).to(reader.device) for x in _written(own, own.table.told, source))
        wrote = reader.network.wrote(told, ratings, torch.from_numpy(own.table.vectors).to(reader.device))
        assert wrote is not None
        rows["wrote"] = wrote
    return rows
