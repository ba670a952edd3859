"""The likeness that is learned from pairs: it finds the direction that ties things together, and nothing where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossaisle.blend.pairs import PairModel, dense, drawn_pairs
from crossaisle.blend.parts import Parts
from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.encode.senses import Sense
from crossaisle.encode.words import Vocabulary
from crossaisle.testing import toy_dataset

N, STYLES = 120, 6


def planted(seed: int = 0) -> tuple[Dataset, np.ndarray]:
    """Histories whose items share a style; an item's photo shows its style in one direction and anything in two others."""
    rng = np.random.default_rng(seed)
    style = rng.permutation(N) % STYLES
    shown = np.stack([style - style.mean(), rng.normal(size=N) * 3, rng.normal(size=N) * 3], axis=1).astype(np.float32)
    rows = [rng.choice(np.flatnonzero(style == rng.integers(STYLES)), 5, replace=False).tolist() for _ in range(300)]
    return _FakeData(Histories.from_lists(rows), N), shown  # type: ignore[return-value]


class _FakeData:
    """A fake of Dataset: what the pair model reads of one."""

    def __init__(self, histories: Histories, n: int) -> None:
        self.histories, self.n_items = histories, n
        self.item_counts = np.bincount(histories.items, minlength=n)


def whole(values: np.ndarray) -> dict[str, Sense]:
    return {"image": Sense(values, np.ones(len(values), bool))}


def test_the_direction_that_ties_things_together_is_found_and_a_shuffled_one_is_not() -> None:
    data, shown = planted()
    model = PairModel(whole(shown))
    model.fit(data)
    along = np.abs((shown[:, :1] - shown[:, :1].mean(0)).T @ model._items)[0]
    tied = along.argmax()
    assert model.weights[tied] > 5 * np.abs(np.delete(model.weights, tied)).max()
    shuffled = PairModel(whole(shown[np.random.default_rng(1).permutation(N)]))
    shuffled.fit(data)
    assert np.abs(shuffled.weights).max() < model.weights[tied] / 5


def test_weights_are_those_that_another_optimiser_finds() -> None:
    _data, shown = planted(1)
    model = PairModel(whole(shown))
    rng = np.random.default_rng(3)
    left, right = rng.integers(N, size=400), rng.integers(N, size=400)
    true, weight = rng.random(400) < 0.3, np.full(400, 1 / 400)
    found = model._logistic(left, right, true, weight)

    def loss(w: np.ndarray) -> float:
        z = (model._items[left] * model._items[right]) @ w[:-1] + w[-1]
        return float((weight * (np.logaddexp(0, z) - true * z)).sum() + 0.05 * (w[:-1] ** 2).sum())

    other = scipy.optimize.minimize(loss, np.zeros(4), tol=1e-12).x[:-1]
    np.testing.assert_allclose(found, other, atol=1e-4)


def test_a_missing_photo_says_nothing_and_saving_changes_nothing() -> None:
    data, shown = planted()
    text = np.random.default_rng(2).normal(size=(N, 4)).astype(np.float32)
    senses = {"image": Sense(shown, np.arange(N) != 7), "text": Sense(text, np.ones(N, bool))}
    model = PairModel(senses)
    model.fit(data)
    asked = Histories.from_lists([[7], [], [1, 2]])
    scores = model.likeness(asked, 0.8)
    assert np.all(scores[1] == 0)
    again = PairModel(senses, {k: v.clone() for k, v in model.state().items()})
    np.testing.assert_array_equal(again.likeness(asked, 0.8), scores)
    blind = {**senses, "image": Sense(np.where(senses["image"].present[:, None], shown, 99.0).astype(np.float32), senses["image"].present)}
    np.testing.assert_allclose(PairModel(blind, model.state()).likeness(asked, 0.8), scores, atol=1e-6)
    grown = {name: Sense(np.vstack([s.values, s.values[:1]]), np.append(s.present, True)) for name, s in senses.items()}
    again.read(grown)
    np.testing.assert_allclose(again.likeness(asked, 0.8)[:, -1], scores[:, 0], atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=12), st.integers(1, 20), st.integers(0, 5))
def test_drawn_pairs_are_different_items_of_one_history(rows: list[list[int]], most: int, seed: int) -> None:
    first, second = drawn_pairs(Histories.from_lists(rows), most, np.random.default_rng(seed))
    assert len(first) <= min(most, 5 * sum(max(len(r) - 1, 0) for r in rows))
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        assert a != b
        assert any(a in r and b in r for r in rows)


def test_nothing_to_learn_from_leaves_plain_likeness() -> None:
    _, shown = planted()
    model = PairModel(whole(shown))
    model.fit(_FakeData(Histories.from_lists([[3], []]), N))  # type: ignore[arg-type]
    assert np.all(model.weights == 1)


def test_the_part_is_left_out_where_no_item_has_a_vector() -> None:
    data = toy_dataset(n_users=50)
    bags = Vocabulary.fit(data.items).bags(data.items)
    words = {"words": Sense(bags, np.ones(data.n_items, bool))}
    assert Parts(("markov", "pairs"), words).names == ("markov",)
    none = {**words, "text": Sense(np.zeros((data.n_items, 3), np.float32), np.zeros(data.n_items, bool))}
    assert dense(none) == {}


def test_it_is_kept_with_the_other_parts() -> None:
    data = toy_dataset(n_users=200)
    text = np.random.default_rng(0).normal(size=(data.n_items, 5)).astype(np.float32)
    senses = {"text": Sense(text, np.ones(data.n_items, bool))}
    parts = Parts(("markov", "pairs"), senses)
    parts.fit(data, senses)
    asked = data.histories[np.arange(5)]
    scores = parts.scores(asked, data.n_items)
    loaded = Parts.load(("markov", "pairs"), senses, {k: torch.clone(v) for k, v in parts.state().items()})
    for name, values in loaded.scores(asked, data.n_items).items():
        assert values == pytest.approx(scores[name], abs=1e-6)
