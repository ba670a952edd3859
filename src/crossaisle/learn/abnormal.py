"""Recommendations that most people reject: found by what they are expected to earn, listed, demoted, undone. Imports: clock, settings.

What a showing is expected to earn is the acceptance at its place in the list, over all items: r_p = accepted / shown at place p, drawn
towards the mean of all places. Item i was expected to be accepted E_i = sum of r_p over its showings, and was A_i times; R_i and its
expectation are the same of dislikes and hides. An item is a little worse than others somewhere in any shop; abnormal is one below ``far``
of its expectation. Evidence against "at least far" is the likelihood ratio of "nearly never" (q) against it (f), for Poisson counts

    e_i = (q / f)^A_i  exp((f - q) E_i)

and for rejections above ``often`` the same; the mean of the two is one e-value (Vovk and Wang 2021, "E-values: calibration, combination and
applications"). An e-value stays below 1 / a with probability 1 - a however often one looks at it while it grows (Ville), so that a
service may look after every event. Called abnormal are, by e-BH (Wang and Ramdas 2022, "False discovery rate control with e-values"), the
k items with the largest ones where the k-th is at least N / (k alpha); N is the number of items ever shown, and dependence between items
does not matter. (Counts fade, so that an item may recover; for the guarantee they are taken as they stand.)

One person who turns the same page five hundred times is one opinion: of each person a showing of an item counts once, until many others
have seen it. The intervals listed are those of Garwood (1936) for a Poisson count, over the expectation.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv

from crossaisle.learn.clock import DAY, LogClock
from crossaisle.learn.settings import AbnormalSettings
from crossaisle.schema import Bools, Floats, Ints, Times

__all__ = ["Abnormal", "Feedback", "person_key"]

_BITS = 256
_FULL = 128


class Abnormal(NamedTuple):
    """An item that most people reject, with its figures, fading counts included.

    ``ratio`` is accepted / expected, ``low`` and ``high`` its 95 % interval; ``times`` is rejected / expected rejections.
    """

    item: int
    shown: float
    accepted: float
    expected: float
    ratio: float
    low: float
    high: float
    rejected: float
    times: float
    evidence: float


def person_key(user_id: str) -> int:
    """A number that stands for a person in `Feedback.shown`; the same in every process.

    Examples
    --------
    >>> person_key("u1")
    1112514422
    """
    return zlib.crc32(user_id.encode("utf-8", "surrogatepass"))


class Feedback:
    """What was shown and what became of it, item by item.

    The state follows from the calls in the order of the log; a worker that reads the log from its start reaches the same. Memory: a row of
    ``positions`` numbers an item, and up to 32 bytes of who has seen it.

    Parameters
    ----------
    n_items : int
    settings : AbnormalSettings, optional

    Examples
    --------
    >>> log = Feedback(3)
    >>> for day in range(200):
    ...     when = np.full(3, 86_400.0 * day / 100)
    ...     log.shown([0, 1, 2], [1, 2, 3], when)
    ...     if day % 2:
    ...         log.accepted([0, 1], [1, 2], when[:2])
    >>> [(row.item, round(row.ratio, 2)) for row in log.abnormal()]
    [(2, 0.0)]
    >>> log.demotion().tolist()
    [0.0, 0.0, 3.0]
    >>> log.undo(2, 86_400.0 * 2)
    >>> log.abnormal()
    []
    """

    def __init__(self, n_items: int, settings: AbnormalSettings | None = None) -> None:
        if n_items < 0:
            raise ValueError(f"{n_items} items; expected 0 or more")
        self.settings = settings or AbnormalSettings()
        self._clock = LogClock(self.settings.half_life * DAY, self.settings.leap)
        places = self.settings.positions
        self._shown = np.zeros((n_items, places), np.float64)
        self._taken, self._refused = np.zeros(n_items), np.zeros(n_items)
        self._at: dict[str, Times] = {kind: np.zeros(places) for kind in ("shown", "accepted", "rejected")}
        self._since: Times = np.full(n_items, -np.inf)
        self._seen: dict[int, int] = {}
        self._found: tuple[list[Abnormal], Floats] = [], np.zeros(n_items, np.float32)
        self._stale, self._made = False, -np.inf

    def __len__(self) -> int:
        return len(self._taken)

    def add_items(self, n: int) -> None:
        """Make room for n new items."""
        self._shown = np.concatenate([self._shown, np.zeros((n, self._shown.shape[1]))])
        self._taken, self._refused = (np.concatenate([x, np.zeros(n)]) for x in (self._taken, self._refused))
        self._since = np.concatenate([self._since, np.full(n, -np.inf)])
        self._found = self._found[0], np.concatenate([self._found[1], np.zeros(n, np.float32)])

    # what happened

    def shown(self, items: npt.ArrayLike, positions: npt.ArrayLike, times: npt.ArrayLike, people: npt.ArrayLike | None = None) -> None:
        """Items were shown. Leave out places that explored: less is expected of them than of their neighbours.

        Parameters
        ----------
        items, positions : int (E,)
            Codes, and places in the list from 1.
        times : float (E,)
            Unix seconds.
        people : int (E,), optional
            Who saw it, as a `person_key`; everybody is somebody else if not given.

        Raises
        ------
        ValueError
            If lengths differ, an item is unknown or a position is below 1.
        """
        codes, places, when = self._checked(items, positions, times)
        if not len(codes):
            return
        worth = self._move(when)
        if people is not None:
            worth = np.where(self._first_time(codes, np.asarray(people, np.int64)), worth, 0.0)
        np.add.at(self._at["shown"], places, worth)
        np.add.at(self._shown, (codes, places), np.where(when >= self._since[codes], worth, 0.0))

    def accepted(self, items: npt.ArrayLike, positions: npt.ArrayLike, times: npt.ArrayLike) -> None:
        """Items that were shown at these places were taken: once a showing, whatever followed it (click, cart, purchase)."""
        self._answer("accepted", self._taken, items, positions, times)

    def rejected(self, items: npt.ArrayLike, positions: npt.ArrayLike, times: npt.ArrayLike) -> None:
        """Items that were shown at these places were disliked or hidden."""
        self._answer("rejected", self._refused, items, positions, times)

    def undo(self, item: int, time: float) -> None:
        """A person says that an item is all right: what was known of it is dropped, and only what happens from now on counts.

        May come later than events of after ``time`` were read: what was counted for the item until now is dropped, those included.

        Raises
        ------
        ValueError
            If the item is unknown.
        """
        self._checked([item], [1], [time])
        self._shown[item] = 0.0
        self._taken[item] = self._refused[item] = 0.0
        self._since[item] = max(self._since[item], time)
        self._stale, self._made = True, -np.inf

    def _answer(self, kind: str, counts: Times, items: npt.ArrayLike, positions: npt.ArrayLike, times: npt.ArrayLike) -> None:
        codes, places, when = self._checked(items, positions, times)
        if not len(codes):
            return
        worth = self._move(when)
        np.add.at(self._at[kind], places, worth)
        np.add.at(counts, codes, np.where(when >= self._since[codes], worth, 0.0))

    def _checked(self, items: npt.ArrayLike, positions: npt.ArrayLike, times: npt.ArrayLike) -> tuple[Ints, Ints, Times]:
        codes, places, when = np.asarray(items, np.int64), np.asarray(positions, np.int64), np.asarray(times, np.float64)
        if not codes.ndim == 1 or not codes.shape == places.shape == when.shape:
            raise ValueError(f"items {codes.shape}, positions {places.shape}, times {when.shape}; expected one of each a showing")
        if len(codes) and (codes.min() < 0 or codes.max() >= len(self)):
            raise ValueError(f"item code {codes.min() if codes.min() < 0 else codes.max()}; expected 0 to {len(self) - 1}")
        if len(places) and places.min() < 1:
            raise ValueError(f"position {places.min()}; expected places from 1")
        return codes, np.minimum(places, self.settings.positions) - 1, when

    def _move(self, when: Times) -> Times:
        worth, shrink = self._clock.take(when)
        if shrink != 1.0:
            for array in (self._shown, self._taken, self._refused, *self._at.values()):
                array *= shrink
        self._stale = True
        return worth

    def _first_time(self, codes: Ints, people: Ints) -> Bools:
        """bool (E,): whether somebody sees an item for the first time since many others did.

        Of each item 256 bits are kept, one set by each person; when half are set it begins anew.
        """
        out = np.empty(len(codes), np.bool_)
        for row, (code, person) in enumerate(zip(codes.tolist(), people.tolist(), strict=True)):
            mask, bit = self._seen.get(code, 0), 1 << (person % _BITS)
            out[row] = not mask & bit
            if out[row]:
                self._seen[code] = bit if mask.bit_count() >= _FULL else mask | bit
        return out

    # what follows from it

    def _expected(self) -> tuple[Times, Times, Times]:
        """Shown, expected acceptances and expected rejections of each item, float64 (N,), in the clock's units."""
        shown = self._at["shown"]
        present = self._clock.present(self._clock.now)
        prior = self.settings.prior / present
        out = []
        for kind in ("accepted", "rejected"):
            mean = self._at[kind].sum() / max(shown.sum(), 1e-300)
            out.append(self._shown @ ((self._at[kind] + prior * mean) / (shown + prior)))
        return self._shown.sum(axis=1), out[0], out[1]

    def evidence(self) -> Times:
        """float64 (N,): the e-value of each item, see the file's first lines; 1 says nothing."""
        s, present = self.settings, self._clock.present(self._clock.now)
        _, expected, unwanted = (present * x for x in self._expected())
        low = present * self._taken * np.log(s.nearly_never / s.far) if s.nearly_never else np.where(self._taken > 0, -np.inf, 0.0)
        low = low + (s.far - s.nearly_never) * expected
        high = present * self._refused * np.log(s.very_often / s.often) - (s.very_often - s.often) * unwanted
        return np.asarray((np.exp(np.minimum(low, 600.0)) + np.exp(np.minimum(high, 600.0))) / 2)

    def abnormal(self, now: float | None = None) -> list[Abnormal]:
        """The items that most people reject, the surest first.

        Parameters
        ----------
        now : float, optional
            Unix seconds: what was worked out less than ``refresh`` seconds before is taken again. Without it everything counts.
        """
        return list(self._judged(now)[0])

    def demotion(self, now: float | None = None) -> Floats:
        """float32 (N,): what is subtracted from each item's score, see `abnormal`; not to be written to."""
        return self._judged(now)[1]

    def _judged(self, now: float | None) -> tuple[list[Abnormal], Floats]:
        if self._stale and (now is None or not 0 <= now - self._made < self.settings.refresh):
            rows = self._rows()
            demotion = np.zeros(len(self), np.float32)
            demotion[[row.item for row in rows]] = self.settings.demote
            demotion.setflags(write=False)
            self._found = rows, demotion
            self._stale, self._made = False, -np.inf if now is None else now
        return self._found

    def _rows(self) -> list[Abnormal]:
        present = self._clock.present(self._clock.now)
        shown, expected, unwanted = (present * x for x in self._expected())
        tested = int((shown > 0).sum())
        if not tested:
            return []
        evidence = self.evidence()
        order = np.argsort(-evidence, kind="stable")[:tested]
        enough = np.flatnonzero(evidence[order] * np.arange(1, tested + 1) * self.settings.alpha >= tested)
        out = []
        for item in order[: int(enough[-1]) + 1 if len(enough) else 0].tolist():
            taken, refused, due = present * self._taken[item], present * self._refused[item], max(expected[item], 1e-12)
            low = gammaincinv(taken, 0.025) / due if taken > 0 else 0.0
            figures = (shown[item], taken, expected[item], taken / due, low, gammaincinv(taken + 1, 0.975) / due)
            times = refused / max(unwanted[item], 1e-12)
            out.append(Abnormal(item, *(float(x) for x in (*figures, refused, times, evidence[item]))))
        return out
