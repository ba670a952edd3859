"""Choosing questions: known answers by hand, and properties of a batch."""

from __future__ import annotations

import numpy as np
import pytest

from crossaisle.data.histories import Histories
from crossaisle.errors import SettingError
from crossaisle.learn.ask import ask, questions
from crossaisle.learn.choose import choose, entropy, in_list
from crossaisle.learn.settings import STRATEGIES, AskSettings
from crossaisle.rank.catalogue import Catalogue
from crossaisle.testing import toy_dataset


class FakeModel:
    """Scores that fall with the item's code, and vectors that are corners of a cube unless given."""

    def __init__(self, n: int, vectors=None) -> None:
        self.n = n
        self.vectors = np.eye(n, dtype=np.float32) if vectors is None else np.asarray(vectors, np.float32)

    def score(self, histories, candidates=None):
        out = np.tile(-np.arange(self.n, dtype=np.float32), (len(histories), 1))
        return out if candidates is None else out[:, candidates]

    def item_vectors(self):
        return self.vectors


def chosen(strategy, n=3, *, counts=None, vectors=None, known=(), probability=None, asked=None, seed=0, pool=None):
    size = len(counts) if counts is not None else len(vectors)
    return choose(
        AskSettings(strategy=strategy, per_user=n),
        np.arange(size) if pool is None else np.array(pool),
        np.full(size, 0.5, np.float32) if probability is None else np.asarray(probability, np.float32),
        np.zeros(size, np.int64) if counts is None else np.array(counts),
        np.zeros(size, np.int64) if asked is None else np.array(asked),
        np.eye(size, dtype=np.float32) if vectors is None else np.asarray(vectors, np.float32),
        np.array(known, dtype=np.int64),
        np.random.default_rng(seed),
    )


def test_the_edge_of_the_list_is_where_the_model_is_least_sure() -> None:
    scores = np.array([4, 3, 2, 1, 0], np.float32)
    q = in_list(scores, np.ones(5, bool), edge=3, spread=5)
    assert q[2] == pytest.approx(0.5)
    # one step of the score is 1 / std(0..4) = 1 / sqrt(2) spreads
    assert q[1] == pytest.approx(1 / (1 + np.exp(-1 / np.sqrt(2))), abs=1e-6)
    assert int(np.argmax(entropy(q))) == 2
    # what cannot stand in the list does not move its edge
    assert in_list(scores, np.array([False, True, True, True, True]), edge=3, spread=5)[3] == pytest.approx(0.5)
    assert in_list(scores, np.zeros(5, bool), edge=3, spread=5).tolist() == [0] * 5


def test_entropy_by_hand() -> None:
    assert entropy(np.array([0.25], np.float32))[0] == pytest.approx(2 - 0.75 * np.log2(3), abs=1e-6)


def test_popular_coldest_and_uncertain_sort() -> None:
    assert chosen("popular", counts=[1, 9, 5, 0]).items.tolist() == [1, 2, 0]
    assert chosen("coldest", counts=[1, 9, 5, 0]).items.tolist() == [3, 0, 2]
    assert chosen("uncertain", counts=[0] * 4, probability=[0.9, 0.55, 0.1, 0.01]).items.tolist() == [1, 0, 2]


def test_what_was_asked_already_is_less_cold() -> None:
    assert chosen("coldest", 1, counts=[0, 2], asked=[3, 0]).items.tolist() == [1]
    assert chosen("coldest", 1, counts=[0, 2], asked=[1, 0]).items.tolist() == [0]


def test_diverse_is_the_farthest_point_from_what_is_known() -> None:
    angles = np.radians([0, 10, 90, 170])
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1)
    out = chosen("diverse", 2, vectors=vectors, known=[0], pool=[1, 2, 3])
    assert out.items.tolist() == [3, 2]
    assert out.cosine == pytest.approx([np.cos(angles[3]), np.cos(angles[3] - angles[2])], abs=1e-6)


def test_mixed_never_draws_what_has_no_weight() -> None:
    """A certain item, and one like what is known, are drawn only where nothing else is left."""
    vectors = [[1, 0], [1, 0], [0, 1], [0, -1]]
    for seed in range(20):
        out = chosen("mixed", 1, vectors=vectors, known=[0], pool=[1, 2, 3], probability=[0.5, 0.5, 0.5, 1.0], seed=seed)
        assert out.items.tolist() == [2]
    assert sorted(chosen("mixed", 3, vectors=vectors, known=[0], pool=[1, 2, 3]).items.tolist()) == [1, 2, 3]


def test_mixed_draws_by_the_product() -> None:
    """Two items alike but for their counts, 0 and 3 events: coldness 1 against 1/2, so two draws in three are the cold one."""
    vectors = np.eye(3)
    first = [chosen("mixed", 1, vectors=vectors, known=[2], pool=[0, 1], counts=[0, 3, 0], seed=s).items[0] for s in range(600)]
    assert np.mean(np.array(first) == 0) == pytest.approx(2 / 3, abs=0.06)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_questions_are_new_available_and_asked_once(strategy: str) -> None:
    n, histories = 30, Histories.from_lists([[0, 1], [], list(range(30)), [5]])
    available = np.arange(n) != 7
    out = questions(FakeModel(n), np.ones(n, np.int64), available, histories, AskSettings(strategy=strategy, per_user=4, pool=12), seed=1)
    assert [len(c.items) for c in out] == [4, 4, 0, 4]
    for b, c in enumerate(out):
        assert len(set(c.items.tolist())) == len(c.items)
        assert not set(c.items.tolist()) & {7, *histories.row(b).tolist()}
        assert (c.items < 16).all()  # the best twelve that are left
    again = questions(FakeModel(n), np.ones(n, np.int64), available, histories, AskSettings(strategy=strategy, per_user=4, pool=12), seed=1)
    assert [c.items.tolist() for c in again] == [c.items.tolist() for c in out]


def test_a_batch_does_not_ask_everybody_the_same_cold_item() -> None:
    n, people = 20, Histories.from_lists([[0]] * 10)
    counts = np.where(np.arange(n) == 5, 0, 2)
    out = questions(FakeModel(n), counts, np.ones(n, bool), people, AskSettings(strategy="coldest", per_user=1, pool=0), seed=0)
    assert np.sum([c.items[0] == 5 for c in out]) == 3  # as cold as the others once it has been asked twice, and it stands behind them then


def test_pools_are_kept_to() -> None:
    pools = [np.array([3, 9, 3]), np.array([1])]
    out = questions(FakeModel(12), np.ones(12, int), np.ones(12, bool), Histories.from_lists([[0], [1]]), AskSettings(), 0, pools)
    assert [sorted(c.items.tolist()) for c in out] == [[3, 9], []]


def test_coverage_spreads_a_batch_more_than_chance() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 8)) + 4 * np.eye(8)[rng.integers(8, size=200)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    counts, probability = np.ones(200, int), np.full(200, 0.5)

    def likeness(strategy: str) -> float:
        out = [chosen(strategy, 8, vectors=vectors, counts=counts, probability=probability, seed=s).items for s in range(30)]
        return float(np.mean([(vectors[i] @ vectors[i].T)[np.triu_indices(8, 1)].mean() for i in out]))

    assert likeness("mixed") < likeness("random")


def test_the_table() -> None:
    data = toy_dataset(n_users=4)
    out = ask(FakeModel(data.n_items), Catalogue.of(data), data.histories, data.users.to_list(), AskSettings(per_user=2), seed=0)
    assert out.columns == ["user_id", "item_id", "title", "strategy", "score", "why"]
    assert out["user_id"].to_list() == [u for u in data.users for _ in range(2)]
    assert out["title"].to_list() == data.items["title"].gather([data.item_codes[i] for i in out["item_id"]]).to_list()
    assert all("in the list of 10 with probability" in w and "so far" in w for w in out["why"])
    none = ask(FakeModel(data.n_items), Catalogue.of(data), data.histories[:0], [], AskSettings(), seed=0)
    assert none.height == 0


def test_settings_are_checked() -> None:
    with pytest.raises(SettingError, match="setting strategy is 'best'; expected one of mixed"):
        AskSettings(strategy="best")
    with pytest.raises(SettingError, match="per_user is 0"):
        AskSettings(per_user=0)
