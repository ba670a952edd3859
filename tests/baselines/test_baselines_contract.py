"""Every baseline keeps the contract of a scorer, and the contract suite notices whoever breaks it."""

from __future__ import annotations

import numpy as np
import pytest

from crossaisle.baselines import BASELINES, IALS, Markov, TextKNN, TransitionGraph
from crossaisle.data.histories import Histories
from crossaisle.testing import scorer_contract, toy_dataset

DATA = toy_dataset(n_users=60, n_items=64)
TEXT = np.random.default_rng(3).standard_normal((64, 12)).astype(np.float32)


@pytest.mark.parametrize("name", sorted(BASELINES))
@pytest.mark.parametrize("text", [None, TEXT], ids=["no vectors", "vectors"])
def test_contract(name, text):
    scorer = scorer_contract(lambda: BASELINES[name](text), DATA)
    assert scorer.name == name


def test_contract_of_those_without_a_name_of_their_own():
    scorer_contract(Markov, DATA)
    scorer_contract(lambda: IALS(factors=8, threads=2), DATA)


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_scores_before_fit_are_refused(name):
    with pytest.raises(RuntimeError, match=r"was asked for scores before it was fitted; call fit\(data\) first"):
        BASELINES[name](None).score(DATA.histories[:1])


@pytest.mark.parametrize("name", [n for n in sorted(BASELINES) if not n.startswith("popularity-")])
def test_an_empty_history_gets_popularity(name):
    scores = BASELINES[name](None).fit(DATA).score(Histories.from_lists([[]]))[0]
    counts = DATA.item_counts
    order = np.argsort(-scores, kind="stable")
    assert (np.diff(counts[order]) <= 0).all()


@pytest.mark.parametrize("name", ["item-knn", "user-knn", "ease", "ials", "text-knn", "transition-graph"])
def test_learns_what_the_toy_shop_teaches(name):
    """Newest events are found well above chance (k = 10 of 160 items: .0625 at random)."""
    data = toy_dataset(seed=1, n_users=400, n_items=160)
    h = data.histories
    newest = np.isin(np.arange(len(h.items)), h.offsets[1:] - 1)
    known, target = h.keep(~newest), h.items[newest]
    scores = BASELINES[name](None).fit(data.with_histories(known)).score(known)
    scores[known.owners, known.items] = -np.inf
    rank = (scores > scores[np.arange(400), target][:, None]).sum(axis=1)
    assert (rank < 10).mean() > 0.25


def test_vectors_of_another_catalogue_are_refused():
    for factory in (TextKNN, TransitionGraph):
        with pytest.raises(ValueError, match="3 text vectors for 64 items; expected one an item"):
            factory(TEXT[:3]).fit(DATA)


class _Fake:
    """A fake scorer that keeps every promise until told to break one."""

    name = "fake"
    fits = 0

    def __init__(self, breaks=""):
        self.breaks = breaks

    def fit(self, data):
        self.n = data.n_items
        _Fake.fits += 1
        self.level = _Fake.fits if self.breaks == "fitting again" else 1
        if self.breaks == "fit leaves the data":
            data.histories.weights[0] += 1
        return None if self.breaks == "fit returns" else self

    def score(self, histories, candidates=None):
        if self.breaks == "score leaves":
            histories.items[:] = 0
        out = np.tile(np.arange(self.n, dtype=np.float32), (len(histories), 1)) + histories.lengths[:, None].astype(np.float32) * self.level
        if self.breaks == "a single call":
            out += len(histories)
        if self.breaks == "finite":
            out[histories.lengths == 0] = np.nan
        if self.breaks == "float32":
            return out.astype(np.float64)
        if self.breaks == "scoring twice":
            _Fake.fits += 1
            out += _Fake.fits
        if candidates is None:
            return out
        return out[:, np.sort(candidates)] if self.breaks == "candidates" else out[:, candidates]


def test_the_suite_passes_an_honest_scorer():
    scorer_contract(_Fake, DATA)


@pytest.mark.parametrize(
    "promise",
    ["fit returns", "fit leaves the data", "scoring twice", "a single call", "candidates", "finite", "float32", "fitting again"],
)
def test_the_suite_notices(promise):
    data = toy_dataset(n_users=20)
    with pytest.raises(AssertionError, match=f"broken promise: .*{promise}"):
        scorer_contract(lambda: _Fake(promise), data)


def test_the_suite_notices_changed_histories():
    class Changes(_Fake):
        def __init__(self, data):
            super().__init__()
            self.data = data

        def score(self, histories, candidates=None):
            self.data.histories.items[0] += 1
            return super().score(histories, candidates)

    data = toy_dataset(n_users=20)
    with pytest.raises(AssertionError, match="score leaves the histories as they are"):
        scorer_contract(lambda: Changes(data), data)


def test_the_suite_notices_a_thing_that_does_not_score():
    with pytest.raises(AssertionError, match="it has a name, fit and score"):
        scorer_contract(lambda: object(), DATA)


def test_the_suite_notices_who_looks_at_the_order_of_the_batch():
    class Ordered(_Fake):
        def score(self, histories, candidates=None):
            out = super().score(histories, candidates)
            turned = histories.items[0] != DATA.histories.items[0]
            return out + (np.arange(len(out), dtype=np.float32) * turned)[:, None]

    with pytest.raises(AssertionError, match="the order of the batch does not matter"):
        scorer_contract(Ordered, DATA)
