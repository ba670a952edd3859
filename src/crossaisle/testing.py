"""A toy shop and the contract suites that every implementation passes, for tests and for plug-in authors. Imports: schema, contracts, data.

`toy_dataset` makes a small shop whose behaviour can be learned: tastes that reach across aisles, and steps from one item to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from crossaisle.contracts import Index, Scorer
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.schema import Floats

__all__ = ["index_contract", "scorer_contract", "toy_dataset"]

_AISLES = ("Books", "Garden", "Kitchen", "Music", "Office", "Pets", "Sports", "Toys")
_BRANDS = ("Alder", "Birch", "Cedar", "Dogwood")
_TASTES = ("classic red", "modern blue", "rustic green", "minimal white")
_THINGS = ("lamp", "box", "mat", "stand", "kit", "bag", "frame", "tray")
_DAY = 86_400.0


def _toy_items(n_items: int, n_aisles: int) -> pl.DataFrame:
    """Item i stands in aisle ``i % n_aisles``; its taste (and brand) is ``(i // n_aisles) % 4``."""
    rows = []
    for i in range(n_items):
        aisle, taste = _AISLES[i % n_aisles], (i // n_aisles) % len(_TASTES)
        thing = _THINGS[(i // (n_aisles * len(_TASTES))) % len(_THINGS)]
        rows.append(
            {
                "item_id": f"item{i:04d}",
                "category": aisle,
                "title": f"{_TASTES[taste]} {aisle.lower()} {thing} no {i}",
                "brand": _BRANDS[taste],
                "description": f"A {_TASTES[taste]} {thing} for your {aisle.lower()}." if i % 3 else "",
                "categories": [aisle, f"{aisle} {thing}s"],
                "price": None if i % 17 == 5 else round(2.0 + (i * 37 % 100) / 2, 2),
                "available": i % 29 != 11,
                "image": None,
                "video": None,
                "known": True,
            }
        )
    nullable = {"price": pl.Float64, "image": pl.String, "video": pl.String}
    return pl.DataFrame(rows, schema_overrides=nullable)


def toy_dataset(seed: int = 0, n_users: int = 120, n_items: int = 80, n_aisles: int = 4) -> Dataset:
    """A small shop with learnable behaviour; the same arguments give the same shop.

    Each user has one of four tastes, which is also a brand and two words of the title, so that it can be carried from one aisle to
    another. Four steps in five stay with the taste; half of the steps go to the next item of that taste in the same aisle (a chain), the
    rest to any of its items, the aisle often changing. Histories have 3 to 12 events without repeats, several a day at times, of the
    kinds ``view`` and ``purchase``; some items are unavailable, some have no price or no description.

    Parameters
    ----------
    seed : int
        Of the behaviour; the items are the same for every seed.
    n_users, n_items : int
        At least 1 user; at least 16 items.
    n_aisles : int
        1 to 8.

    Examples
    --------
    >>> data = toy_dataset(n_users=5)
    >>> data.n_users, data.n_items, data.categories, int(data.histories.lengths.min()) >= 3
    (5, 80, ('Books', 'Garden', 'Kitchen', 'Music'), True)
    """
    if not 1 <= n_aisles <= len(_AISLES) or n_items < 16 or n_users < 1:
        raise ValueError(f"{n_users} users, {n_items} items, {n_aisles} aisles; expected at least 1, at least 16, and 1 to 8")
    rng = np.random.default_rng(seed)
    aisle = np.arange(n_items) % n_aisles
    taste = (np.arange(n_items) // n_aisles) % len(_TASTES)
    stride = n_aisles * len(_TASTES)  # from an item to the next of its aisle and taste
    items: list[int] = []
    times: list[float] = []
    lengths = rng.integers(3, min(12, n_items // 2) + 1, size=n_users)
    for length in lengths:
        own_taste = int(rng.integers(len(_TASTES)))
        seen: list[int] = []
        now = 1_500_000_000.0 + _DAY * int(rng.integers(300))
        while len(seen) < length:
            chain = seen[-1] + stride if seen else n_items
            if chain < n_items and chain not in seen and rng.random() < 0.5:
                item = chain
            else:
                pool = np.arange(n_items)
                if rng.random() < 0.8:
                    pool = pool[taste == own_taste]
                if seen and rng.random() < 0.4:
                    pool = pool[aisle[pool] == aisle[seen[-1]]]
                pool = pool[~np.isin(pool, seen)]
                if not len(pool):
                    pool = np.setdiff1d(np.arange(n_items), seen)
                # earlier items of a pool are more popular
                popular = 1.0 / np.arange(1, len(pool) + 1)
                item = int(rng.choice(pool, p=popular / popular.sum()))
            seen.append(item)
            times.append(now)
            now += _DAY * int(rng.integers(0, 4))
        items.extend(seen)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    events = rng.integers(0, 2, size=len(items)).astype(np.int64)
    histories = Histories.from_arrays(offsets, np.array(items, dtype=np.int64), events=events, times=np.array(times))
    users = pl.Series("user_id", [f"user{u:04d}" for u in range(n_users)])
    return Dataset(_toy_items(n_items, n_aisles), users, histories, event_names=("view", "purchase"))


def scorer_contract(factory: Callable[[], Scorer], data: Dataset, tolerance: float = 1e-4) -> Scorer:
    """Check all that `contracts.Scorer` promises.

    Finite float32 scores of the right shape; a single call equals the same row of a batch; candidates are columns of all scores, in
    the order asked for; unknown users, empty histories, repeated items and no histories at all are fine; fitting twice gives the same
    numbers; neither `fit` nor `score` changes what it is given.

    Parameters
    ----------
    factory : callable
        Makes a scorer that is not fitted.
    data : Dataset
        At least 10 users.
    tolerance : float
        Relative to the largest score of a row.

    Returns
    -------
    Scorer
        The fitted one, for further checks.

    Raises
    ------
    AssertionError
        Naming the promise that is broken.

    Examples
    --------
    >>> from crossaisle.baselines import Popularity
    >>> scorer_contract(Popularity, toy_dataset(n_users=20)).name
    'popularity'
    """
    before = _fingerprint(data)
    scorer = factory()
    _promise(isinstance(scorer, Scorer) and bool(scorer.name), "it has a name, fit and score")
    _promise(scorer.fit(data) is scorer, "fit returns the scorer itself")
    _promise(_fingerprint(data) == before, "fit leaves the data as it is")

    asked = data.histories[:10]
    scores = scorer.score(asked)
    _promise(_fingerprint(data) == before, "score leaves the histories as they are")
    _sound(scores, 10, data.n_items)
    _promise(np.array_equal(scores, scorer.score(asked)), "scoring twice gives the same numbers")
    for b in (0, 4, 9):
        _same(scorer.score(asked[np.array([b])])[0], scores[b], tolerance, "a single call equals the same row of a batch")
    _same(scorer.score(asked[::-1])[::-1], scores, tolerance, "the order of the batch does not matter")

    candidates = np.random.default_rng(0).permutation(data.n_items)[: data.n_items // 2]
    _same(scorer.score(asked, candidates), scores[:, candidates], tolerance, "candidates are columns of all scores")

    odd = Histories.from_lists([[], [0], [1, 1, 1], [data.n_items - 1, 0], list(range(data.n_items))])
    _sound(scorer.score(odd), 5, data.n_items)
    _sound(scorer.score(Histories.from_lists([])), 0, data.n_items)
    _promise(np.array_equal(factory().fit(data).score(asked), scores), "fitting again gives the same numbers")
    return scorer


def _promise(kept: bool, what: str) -> None:
    if not kept:
        raise AssertionError(f"broken promise: {what}")


def _same(found: Floats, expected: Floats, tolerance: float, what: str) -> None:
    scale = np.maximum(np.abs(expected).max(axis=-1, keepdims=True), 1e-12)
    _promise(found.shape == expected.shape and bool((np.abs(found - expected) <= tolerance * scale).all()), what)


def _sound(scores: Floats, n_histories: int, n_items: int) -> None:
    _promise(scores.shape == (n_histories, n_items) and scores.dtype == np.float32, "scores are float32 (B, N)")
    _promise(bool(np.isfinite(scores).all()), "scores are finite")


def _fingerprint(data: Dataset) -> tuple[object, ...]:
    h = data.histories
    arrays = (h.offsets, h.items, h.events, h.weights, h.times)
    return (*(a.tobytes() for a in arrays), data.items.write_json(), tuple(data.users))


def index_contract(make: Callable[[Floats], Index], vectors: Floats, folder: Path) -> None:
    """Check all that `contracts.Index` promises.

    The right items of a small catalogue in the right order; a single call equals a batch; equal vectors in item order; more items wanted
    than there are; some items only; removed items never come, added ones at once, codes stay; saved and loaded it answers alike; bad input
    is refused.

    Parameters
    ----------
    make : callable
        Gives an index over some vectors; its class has ``load(folder, vectors)``.
    vectors : float32 (N, D)
        All different, at least 100.
    folder : Path
        An empty one.

    Raises
    ------
    AssertionError
        Naming the promise that is broken.
    """
    n = len(vectors)
    index, queries = make(vectors), vectors[[0, n // 2, n - 1, 5]]
    _promise(isinstance(index, Index) and len(index) == index.n_items == n, "it has search, add, remove, save and its size")
    scores, items = index.search(queries, 10)
    _promise(scores.shape == items.shape == (4, 10) and scores.dtype == np.float32 and items.dtype == np.int64, "(B, k) of both")
    _promise(items[:, 0].tolist() == [0, n // 2, n - 1, 5], "an item is the first that its own vector of length 1 finds")
    _promise(bool((np.diff(scores) <= 0).all()), "best first")
    _promise(np.allclose(scores, (queries[:, None] * vectors[items]).sum(-1), atol=1e-5), "scores are inner products")
    for b in range(4):
        alone = index.search(queries[b : b + 1], 10)
        _promise(np.array_equal(alone[0][0], scores[b]) and np.array_equal(alone[1][0], items[b]), "a single call equals a batch")
    _promise(index.search(queries[:0], 3)[1].shape == (0, 3), "no queries, no answers")

    few, few_items = index.search(queries, n + 7)
    _promise(bool((few_items[:, n:] == -1).all() and np.isneginf(few[:, n:]).all()), "-1 and minus infinity where there are no more")
    _promise(all(sorted(row[:n]) == list(range(n)) for row in few_items.tolist()), "all items where all are wanted")
    among = np.zeros(n, dtype=bool)
    among[::3] = True
    _promise(set(index.search(queries, n, among)[1].ravel().tolist()) == {*np.flatnonzero(among).tolist(), -1}, "only the items wanted")
    each = np.stack([among, ~among, among, ~among])
    for b, row in enumerate(index.search(queries, 10, each)[1]):
        _promise(np.array_equal(row, index.search(queries[b : b + 1], 10, each[b])[1][0]), "each query its own items")

    index.remove(np.array([0, 5, 5, n - 1]))
    index.remove(np.array([5], dtype=np.int64))
    left = np.setdiff1d(np.arange(n), [0, 5, n - 1])
    _promise(len(index) == n - 3 and index.n_items == n, "removed items leave the others their codes")
    _promise(set(index.search(queries, n)[1].ravel().tolist()) == {*left.tolist(), -1}, "removed items never come")
    new = index.add(vectors[[0, 7, 7]])
    _promise(new.tolist() == [n, n + 1, n + 2] and len(index) == n, "added items get the codes that follow")
    _promise(index.search(vectors[[0]], 1)[1].item() == n, "an added item is found at the next search")
    _promise(index.search(vectors[[7]], 3)[1][0].tolist() == [7, n + 1, n + 2], "equal vectors in item order")
    index.remove(new[1:2])
    _promise(index.search(vectors[[7]], 2)[1][0].tolist() == [7, n + 2], "an added item can be removed")

    index.save(folder)
    loaded: Any = type(index)
    again: Index = loaded.load(folder, np.concatenate([vectors, vectors[[0, 7, 7]]]))
    mine, its = index.search(queries, 10), again.search(queries, 10)
    same = np.array_equal(mine[0], its[0]) and np.array_equal(mine[1], its[1])
    _promise(same and len(again) == len(index), "saving and loading changes nothing")
    _promise(again.add(vectors[:1]).tolist() == [n + 3], "a loaded index goes on where it stopped")
    for broken in (lambda: index.search(queries, 0), lambda: index.search(queries[:, :-1], 1), lambda: index.add(vectors[:1] * np.nan)):
        _refuses(broken, ValueError)
    _refuses(lambda: index.search(queries, 1, among[:5]), ValueError)
    _refuses(lambda: index.remove(np.array([n + 4])), IndexError)
    _refuses(lambda: index.remove(np.array([-1])), IndexError)
    index.remove(np.arange(index.n_items))
    _promise(len(index) == 0 and index.search(queries, 2)[1].tolist() == [[-1, -1]] * 4, "an empty index finds nothing")


def _refuses(call: Callable[[], object], error: type[Exception]) -> None:
    try:
        call()
    except error:
        return
    raise AssertionError(f"broken promise: bad input is refused with {error.__name__}")
