"""Learning between trainings: item and aisle biases from feedback, added to the model's log-scores. Imports: clock, settings.

The network stays as it is, so nothing that it knows is forgotten; what drifts is how often an item is taken, and that is one number an
item. With n_i and n_a the time-decayed events of item i and of aisle a, T their sum, and shares from training, c_i + 1 of C_a + N_a inside
the aisle and C_a + N_a of all,

    aisle bias   log (n_a + K) / (T share_a + K)
    item bias    log (n_i + k) / (n_a share_i + k)
    rejections   - log (1 + m_i / (n_i + k)),     m_i the time-decayed dislikes and hides

each times its strength. Both logarithms are those of a gamma-Poisson posterior mean: without evidence they are 0, and with little of it
they are small. What was expected is the training share, so an item that is taken as often as ever has no bias, however popular it is.

The state follows from the events in the order of the log and from nothing else (`learn.clock`): workers that read the same log agree.
Memory is two numbers an item and one an aisle, whatever the number of events.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crossaisle.learn.clock import DAY, LogClock
from crossaisle.learn.settings import OnlineSettings
from crossaisle.schema import Floats

__all__ = ["OnlineBiases"]


class OnlineBiases:
    """See the file's first lines.

    Parameters
    ----------
    counts : int (N,)
        Events of each item in training.
    item_aisles : int (N,)
        The aisle of each item, from 0.
    settings : OnlineSettings, optional

    Examples
    --------
    >>> now = 1_000_000.0
    >>> biases = OnlineBiases(np.array([50, 50]), np.array([0, 0]), OnlineSettings(on=True, refresh=0.0))
    >>> biases.bias(now).tolist()
    [0.0, 0.0]
    >>> biases.take(np.zeros(40, int), np.ones(40, int), np.full(40, now))
    >>> up, down = biases.bias(now)
    >>> bool(up > 0 > down)
    True
    """

    def __init__(self, counts: npt.ArrayLike, item_aisles: npt.ArrayLike, settings: OnlineSettings | None = None) -> None:
        trained, aisles = np.asarray(counts, dtype=np.float64), np.asarray(item_aisles, dtype=np.int64)
        if trained.ndim != 1 or trained.shape != aisles.shape or (trained < 0).any() or (aisles < 0).any():
            raise ValueError(f"counts {trained.shape} and aisles {aisles.shape}; expected one of each an item, none below 0")
        self.settings = settings or OnlineSettings()
        self.events = 0
        """How many events were taken."""
        self._half = self.settings.half_life * DAY
        self._trained, self._aisles = trained, aisles
        self._taken, self._refused = np.zeros(len(trained)), np.zeros(len(trained))
        self._clock = LogClock(self._half, self.settings.leap)
        self._bias: Floats = np.zeros(len(trained), np.float32)
        self._made, self._stale = -np.inf, True
        self._forgiven: dict[int, float] = {}
        self._shares()

    def __len__(self) -> int:
        return len(self._trained)

    def _shares(self) -> None:
        size = int(self._aisles.max(initial=-1)) + 1
        self._aisle_items = np.bincount(self._aisles, minlength=size).astype(np.float64)
        mass = np.bincount(self._aisles, weights=self._trained, minlength=size) + self._aisle_items
        self._item_share = (self._trained + 1.0) / mass[self._aisles] if len(self) else np.zeros(0)
        self._aisle_share = mass / max(mass.sum(), 1.0)

    # learning

    def take(self, item_codes: npt.ArrayLike, kinds: npt.ArrayLike, times: npt.ArrayLike) -> None:
        """Learn from events, in the order of the log.

        Parameters
        ----------
        item_codes : int (E,)
        kinds : int (E,)
            1 an event that counts as history, -1 a rejection, 0 neither (it moves the clock only).
        times : float (E,)
            Unix seconds; one that is not finite counts as the moment of the event before it.

        Raises
        ------
        ValueError
            If lengths differ, or an item is unknown.
        """
        items, signs, when = np.asarray(item_codes, np.int64), np.asarray(kinds, np.int64), np.asarray(times, np.float64)
        if not items.ndim == 1 or not items.shape == signs.shape == when.shape:
            raise ValueError(f"items {items.shape}, kinds {signs.shape}, times {when.shape}; expected one of each an event")
        if len(items) and (items.min() < 0 or items.max() >= len(self)):
            raise ValueError(f"item code {items.min() if items.min() < 0 else items.max()}; expected 0 to {len(self) - 1}")
        if not len(items):
            return
        worth, shrink = self._clock.take(when)
        for counts, sign in ((self._taken, 1), (self._refused, -1)):
            which = signs == sign
            if sign < 0 and self._forgiven:
                which &= ~(when < np.array([self._forgiven.get(item, -np.inf) for item in items.tolist()]))
            if shrink != 1.0:
                counts *= shrink
            np.add.at(counts, items[which], worth[which])
        self.events += len(items)
        self._stale = True

    def forgive(self, item: int, time: float) -> None:
        """A person says that an item is all right: rejections of before a moment no longer count, those read until now nor those to come.

        Raises
        ------
        ValueError
            If the item is unknown.
        """
        if not 0 <= item < len(self):
            raise ValueError(f"item code {item}; expected 0 to {len(self) - 1}")
        self._refused[item] = 0.0
        self._forgiven[item] = time
        self._stale, self._made = True, -np.inf

    def add_items(self, n: int, aisles: npt.ArrayLike) -> None:
        """Make room for n new items, which training has not seen.

        Raises
        ------
        ValueError
            If there is not one aisle a new item.
        """
        new = np.asarray(aisles, dtype=np.int64)
        if new.shape != (n,) or (new < 0).any():
            raise ValueError(f"aisles {new.shape} of {n} new items; expected one of each, none below 0")
        self._aisles = np.concatenate([self._aisles, new])
        self._trained, self._taken, self._refused = (np.concatenate([x, np.zeros(n)]) for x in (self._trained, self._taken, self._refused))
        self._shares()
        self._bias = np.concatenate([self._bias, np.zeros(n, np.float32)])
        self._stale = True

    # what was learned

    def bias(self, now: float) -> Floats:
        """float32 (N,): what is added to the log-scores at a moment, unix seconds.

        Kept for ``refresh`` seconds of ``now`` after it was made; the array is not to be written to.
        """
        if not self.settings.on:
            return self._bias
        passed = now - self._made
        if (self._stale and not 0 <= passed < self.settings.refresh) or abs(passed) > self._half / 100:
            self._bias = self._make(now)
            self._bias.setflags(write=False)
            self._made, self._stale = now, False
        return self._bias

    def _make(self, now: float) -> Floats:
        s = self.settings
        present = self._clock.present(now)
        taken, refused = self._taken * present, self._refused * present
        in_aisle = np.bincount(self._aisles, weights=taken, minlength=len(self._aisle_share))
        out = np.zeros(len(self))
        if s.item:
            out += s.item * np.log((taken + s.item_prior) / (in_aisle[self._aisles] * self._item_share + s.item_prior))
        if s.aisle:
            drift = np.log((in_aisle + s.aisle_prior) / (in_aisle.sum() * self._aisle_share + s.aisle_prior))
            out += s.aisle * drift[self._aisles]
        if s.rejection:
            out -= s.rejection * np.log1p(refused / (taken + s.item_prior))
        return np.clip(out, -s.limit, s.limit).astype(np.float32)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The state, for `from_arrays`."""
        return {
            "trained": self._trained.copy(),
            "aisles": self._aisles.copy(),
            "taken": self._taken.copy(),
            "refused": self._refused.copy(),
            "clock": self._clock.state(),
            "events": np.array([self.events], np.int64),
            "forgiven": np.array(sorted(self._forgiven.items()), np.float64).reshape(-1, 2),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[Any]], settings: OnlineSettings | None = None) -> OnlineBiases:
        """The inverse of `to_arrays`; going on from here equals having read the whole log."""
        out = cls(arrays["trained"], arrays["aisles"], settings)
        out._taken, out._refused = arrays["taken"].copy(), arrays["refused"].copy()
        out._clock.resume(arrays["clock"])
        out.events = int(arrays["events"][0])
        out._forgiven = {int(item): float(time) for item, time in arrays["forgiven"]}
        return out
