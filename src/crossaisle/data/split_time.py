"""Splits by one moment for everybody, as in a shop. Imports: dataset, split_parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from crossaisle.data.dataset import Dataset
from crossaisle.data.split_parts import Split, ask, at_places, check_share, has_before, learn, moments, target_mask
from crossaisle.errors import SettingError, TableError
from crossaisle.schema import Bools

__all__ = ["next_basket", "time_split"]


def time_split(
    data: Dataset,
    test_share: float = 0.1,
    valid_share: float = 0.1,
    cut: float | None = None,
    targets: Literal["first", "all", "basket"] = "first",
    target_events: Sequence[str] = (),
) -> Split:
    """One moment for everybody: learn from what came before, predict what came after, as in a shop.

    Users without an event before the cut are not asked; events of unknown time are left out.

    Parameters
    ----------
    data : Dataset
    test_share : float
        The newest share of the dated events lies after the cut (less where events of one time would be torn apart).
    valid_share : float
        The same again among the events before the cut, for validation.
    cut : float, optional
        Unix seconds; instead of `test_share`.
    targets : "first", "all" or "basket"
        The user's first target event after the cut; all of them; or all at the time of the first one.
    target_events : sequence of str
        The kinds of event that count as targets; all if empty.

    Raises
    ------
    TableError
        If nothing is dated, or no user has an event on both sides of the cut.
    SettingError
        If a share is not between 0 and 1, or the cut is no moment.
    """
    check_share("test_share", test_share)
    check_share("valid_share", valid_share)
    if cut is not None and not np.isfinite(cut):
        raise SettingError(f"cut is {cut}", "a moment in unix seconds", "leave it out to cut by share")
    times = data.histories.times
    dated = np.sort(times[~np.isnan(times)])
    if not len(dated):
        raise TableError("no interaction has a timestamp", "timestamps, to split by time", "add the column timestamp or use leave-one-out")
    wanted = target_mask(data, target_events)
    test_cut = float(dated[min(int(len(dated) * (1 - test_share)), len(dated) - 1)]) if cut is None else cut
    earlier = dated[dated < test_cut]
    # with nothing before the cut there is no question, and the error below says so
    valid_cut = float(earlier[min(int(len(earlier) * (1 - valid_share)), len(earlier) - 1)]) if len(earlier) else test_cut
    parts = {}
    for name, start, end in (("valid", valid_cut, test_cut), ("test", test_cut, np.inf)):
        known = times < start  # False where the time is unknown
        after = wanted & (times >= start) & (times < end) & has_before(data, known)
        parts[name] = ask(data, known, after & _which(data, after, targets), until=start)
    if not len(parts["test"]):
        raise TableError(
            f"no user has interactions on both sides of the cut at {_day(test_cut)}",
            "users who came back after it",
            "choose another cut or use leave-one-out",
        )
    what = {"first": "the first item", "all": "all items", "basket": "all items of the first basket"}[targets]
    newcomers = len(np.unique(data.histories.owners[wanted & (times >= test_cut)])) - len(parts["test"])
    note = (
        f"Learned from the time before {_day(test_cut)}, asked for {what} of each known user after it; validation from {_day(valid_cut)}."
    )
    note += f" {newcomers:,} users who first came later were not asked." if newcomers else ""
    note += f" {len(times) - len(dated):,} interactions without a time were left out." if len(dated) < len(times) else ""
    return Split(
        "time-split",
        note,
        learn(data, times < valid_cut, times >= valid_cut, valid_cut),
        learn(data, times < test_cut, times >= test_cut, test_cut),
        parts["valid"],
        parts["test"],
    )


def next_basket(
    data: Dataset, test_share: float = 0.1, valid_share: float = 0.1, cut: float | None = None, target_events: Sequence[str] = ()
) -> Split:
    """`time_split` whose targets are all items of the user's next basket: the target events of one and the same time.

    Items bought before are among the targets; leaving them out is a matter of how the answers are looked at.
    """
    split = time_split(data, test_share, valid_share, cut, "basket", target_events)
    return replace(split, name="next-basket")


def _which(data: Dataset, after: Bools, targets: str) -> Bools:
    """bool (E,): of the events after a cut, all, each user's first, or all at the time of the first."""
    if targets == "all":
        return after
    places = np.flatnonzero(after)
    first = np.full(data.n_users, len(after), dtype=np.int64)
    first[data.histories.owners[places[::-1]]] = places[::-1]  # descending, so the oldest is written last
    if targets == "first":
        return at_places(data, first)
    when = np.append(moments(data.histories), -1)
    return np.asarray(when[:-1] == when[first[data.histories.owners]], dtype=np.bool_)


def _day(seconds: float) -> str:
    return str(np.datetime64(int(seconds), "s"))[:10]
