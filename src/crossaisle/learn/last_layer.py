"""What people of one taste have taken lately: the network's last layer, corrected between trainings. Imports: clock, settings.

A network ends in one product, the state of a history (length 1) with an item's vector. The network stays as it is; each item i that
somebody took, or that stood against it, has a correction d_i of its vector, and x . d_i is added to the log-scores, with
x = (u - m) / |u - m| what the state u has beyond the mean m of the log: what all people share is the business of the biases
(`learn.online`), and where a short training leaves all states close together their directions still tell people apart.

An event says that i was taken rather than the last K items that other people took: a softmax over these K + 1 whose weights are Gaussian,
d ~ N(0, v) in each of D numbers, updated by one step of an online Laplace approximation (Jaakkola & Jordan 2000; Chapelle & Li 2011,
alg. 3; Ritter et al. 2018), diagonal, with p_j the softmax of x . d_j and y_j 1 for the item taken:

    b_j += w ((y_j - p_j) x + h_j x^2 d_j),    H_j += w h_j x^2,    h_j = p_j (1 - p_j),    d_j = b_j / (1 / v + H_j)

Others' purchases as the alternatives are drawn in proportion to popularity, so that d holds how tastes differ and not what is popular
(sampled softmax without correction). w is what an event counts by the log's clock (`learn.clock`): b and H fade and d goes back to 0.

The state follows from the events in the order of the log and from nothing else. Memory is 2 D numbers for each item touched.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crossaisle.learn.clock import DAY, LogClock
from crossaisle.learn.settings import LastLayerSettings
from crossaisle.schema import Floats, Ints

__all__ = ["Corrections", "LastLayer"]

_REACH = 8
"""The alternatives are looked for among so many times as many events."""
_TINY = 1e-6


class Corrections:
    """What was learned, as it was at a moment; see `LastLayer.at`. Never altered, so any thread may ask.

    Parameters
    ----------
    rows : int32 (N,)
        The row of each item in ``vectors``; -1 where nothing was learned.
    vectors : float32 (T, D)
    mean : float32 (D,)
        What is taken off a state.
    limit : float
        Largest score, up or down.
    """

    def __init__(self, rows: npt.NDArray[np.int32], vectors: Floats, mean: Floats, limit: float) -> None:
        self._rows, self._vectors, self._mean, self._limit = rows, vectors, mean, limit

    def __len__(self) -> int:
        return len(self._rows)

    def scores(self, state: Floats, items: Ints) -> Floats:
        """float32 (P,): what is added to the log-scores of P items, for a person's state (D,)."""
        rows = self._rows[items]
        out = np.zeros(len(rows), np.float32)
        known = rows >= 0
        out[known] = np.clip(self._vectors[rows[known]] @ _beyond(state, self._mean), -self._limit, self._limit)
        return out

    def grown(self, n: int) -> Corrections:
        """The same with n items more, of which nothing was learned."""
        return Corrections(np.append(self._rows, np.full(n, -1, np.int32)), self._vectors, self._mean, self._limit)


class LastLayer:
    """See the file's first lines.

    Parameters
    ----------
    n_items, dim : int
        N, and D of the states.
    settings : LastLayerSettings, optional

    Examples
    --------
    >>> layer = LastLayer(3, 2, LastLayerSettings(on=True))
    >>> ann, bob = np.eye(2, dtype=np.float32)
    >>> layer.take([0, 1] * 20, [7, 8] * 20, np.array([ann, bob] * 20), np.full(40, 1e6))
    >>> found = layer.at(1e6)
    >>> [bool(found.scores(who, np.array([mine]))[0] > 0.5) for who, mine in ((ann, 0), (bob, 1))]
    [True, True]
    """

    def __init__(self, n_items: int, dim: int, settings: LastLayerSettings | None = None) -> None:
        self.settings = settings or LastLayerSettings()
        self.events = 0
        """How many events were taken."""
        self._rows = np.full(n_items, -1, np.int32)
        self._touched = 0
        self._pull, self._precision = np.zeros((64, dim), np.float32), np.zeros((64, dim), np.float32)
        self._sum, self._weight = np.zeros(dim), 0.0
        self._clock = LogClock(self.settings.half_life * DAY, self.settings.leap)
        reach = _REACH * self.settings.others
        self._last_items, self._last_people = np.full(reach, -1, np.int64), np.zeros(reach, np.int64)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def dim(self) -> int:
        """D."""
        return self._pull.shape[1]

    def add_items(self, n: int) -> None:
        """Make room for n new items."""
        self._rows = np.append(self._rows, np.full(n, -1, np.int32))

    # learning

    def take(self, item_codes: npt.ArrayLike, people: npt.ArrayLike, states: npt.ArrayLike, times: npt.ArrayLike) -> None:
        """Learn from events that count as history, in the order of the log.

        Parameters
        ----------
        item_codes : int (E,)
        people : int (E,)
            A number for each person, such as `learn.abnormal.person_key` gives.
        states : float (E, D)
            Each person's state before the event; zeros where there was no history: others then stand against this item, and no more.
        times : float (E,)
            Unix seconds; one that is not finite counts as the moment of the event before it.

        Raises
        ------
        ValueError
            If lengths differ, or an item is unknown.
        """
        items, who = np.asarray(item_codes, np.int64), np.asarray(people, np.int64)
        seen, when = np.asarray(states, np.float32), np.asarray(times, np.float64)
        if not items.ndim == 1 or not items.shape == who.shape == when.shape or seen.shape != (len(items), self.dim):
            raise ValueError(f"items {items.shape}, people {who.shape}, states {seen.shape}; expected one of each an event")
        if not len(items):
            return
        if items.min() < 0 or items.max() >= len(self):
            raise ValueError(f"item code {items.min() if items.min() < 0 else items.max()}; expected 0 to {len(self) - 1}")
        worth, shrink = self._clock.take(when)
        if shrink != 1.0:
            for kept in (self._pull, self._precision, self._sum):
                kept *= shrink
            self._weight *= shrink
        for item, person, state, w in zip(items.tolist(), who.tolist(), seen, worth.tolist(), strict=True):
            if state.any():
                others = self._others(person)
                if len(others):
                    self._learn(item, others, _beyond(state, self._mean()), w)
                self._sum += w * state
                self._weight += w
            self._last_items[1:], self._last_people[1:] = self._last_items[:-1].copy(), self._last_people[:-1].copy()
            self._last_items[0], self._last_people[0] = item, person
        self.events += len(items)

    def _others(self, person: int) -> Ints:
        """int64 (at most K,): what other people took last, newest first."""
        free = (self._last_people != person) & (self._last_items >= 0)
        return np.asarray(self._last_items[free][: self.settings.others], dtype=np.int64)

    def _mean(self) -> Floats:
        return np.asarray(self._sum / self._weight if self._weight else self._sum, dtype=np.float32)

    def _learn(self, item: int, others: Ints, x: Floats, worth: float) -> None:
        """One event: the item taken rather than the others, by somebody of taste x."""
        codes, places = np.unique(np.append(others, item), return_inverse=True)
        rows = self._rows_of(codes)
        d = self._vectors(rows, 1.0 / worth)
        logits = (d @ x)[places]
        p = np.exp(logits - logits.max())
        p /= p.sum()
        p_item = np.bincount(places, p, minlength=len(codes))
        gap = -p_item
        gap[places[-1]] += 1.0
        seen = (p_item * (1.0 - p_item)).astype(np.float32)[:, None] * np.square(x)[None]
        self._pull[rows] += np.float32(worth) * (gap.astype(np.float32)[:, None] * x[None] + seen * d)
        self._precision[rows] += np.float32(worth) * seen

    def _rows_of(self, codes: Ints) -> Ints:
        """The rows of some items, new ones where they have none."""
        fresh = codes[self._rows[codes] < 0]
        wanted = self._touched + len(fresh)
        if wanted > len(self._pull):
            more = ((0, max(wanted, 2 * len(self._pull)) - len(self._pull)), (0, 0))
            self._pull, self._precision = np.pad(self._pull, more), np.pad(self._precision, more)
        self._rows[fresh] = np.arange(self._touched, wanted)
        self._touched = wanted
        return np.asarray(self._rows[codes], dtype=np.int64)

    def _vectors(self, rows: Any, present: float) -> Floats:
        """float32 (R, D): the corrections, where a stored count of 1 is worth ``present``."""
        now = np.float32(present)
        return np.asarray(now * self._pull[rows] / (np.float32(1.0 / self.settings.variance) + now * self._precision[rows]))

    # what was learned

    def at(self, now: float) -> Corrections | None:
        """What was learned, as it stands at a moment, unix seconds; None where it is nothing."""
        if not self._touched:
            return None
        vectors = self._vectors(slice(0, self._touched), self._clock.present(now))
        return Corrections(self._rows.copy(), vectors, self._mean(), self.settings.limit)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The state, for `from_arrays`."""
        return {
            "rows": self._rows.copy(),
            "pull": self._pull[: self._touched].copy(),
            "precision": self._precision[: self._touched].copy(),
            "sum": self._sum.copy(),
            "weight": np.array([self._weight]),
            "clock": self._clock.state(),
            "last": np.stack([self._last_items, self._last_people]),
            "events": np.array([self.events], np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, npt.NDArray[Any]], settings: LastLayerSettings | None = None) -> LastLayer:
        """The inverse of `to_arrays`; going on from here equals having read the whole log."""
        out = cls(len(arrays["rows"]), arrays["pull"].shape[1], settings)
        out._rows, out._touched = arrays["rows"].copy(), len(arrays["pull"])
        out._pull, out._precision = arrays["pull"].copy(), arrays["precision"].copy()
        out._sum, out._weight = arrays["sum"].copy(), float(arrays["weight"][0])
        out._last_items, out._last_people = (row.copy() for row in arrays["last"])
        out._clock.resume(arrays["clock"])
        out.events = int(arrays["events"][0])
        return out


def _beyond(state: Floats, mean: Floats) -> Floats:
    """float32 (D,): the state less the mean, of length 1; zeros where nothing is left."""
    rest = state - mean
    length = float(np.linalg.norm(rest))
    return np.asarray(rest / length if length > _TINY else np.zeros_like(rest), dtype=np.float32)
