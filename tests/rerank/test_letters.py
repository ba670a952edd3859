"""Letters of a causal model, with a fake one made here."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rerank_fakes import fake_llama, shop

from crossaisle.data.histories import Histories
from crossaisle.rerank.letters import LetterRanker


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return fake_llama(tmp_path_factory.mktemp("models") / "fake-llama")


def asked(n=40):
    """Histories of one colour, six candidates of mixed colours, the right one white: a rule of the candidate alone."""
    rng = np.random.default_rng(0)
    histories = Histories.from_lists([[4 * int(rng.integers(12)) + int(rng.integers(3))] for _ in range(n)])
    wrong = [4 * rng.permutation(12)[:5] + rng.integers(3, size=5) for _ in range(n)]
    right = 4 * rng.integers(12, size=n) + 3
    return histories, np.concatenate([np.array(wrong), right[:, None]], axis=1), right


def test_scores_are_log_probabilities_averaged_over_orders(folder):
    ranker, (histories, candidates, _) = LetterRanker(shop().items, folder), asked(5)
    one = ranker.score(histories, candidates, orders=1)
    np.testing.assert_allclose(np.exp(one).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(one, ranker.score(histories, candidates, orders=1))
    assert not np.allclose(one, ranker.score(histories, candidates, orders=2))
    before = ranker.tokens
    ranker.score(histories, candidates, orders=3)
    assert ranker.tokens > before


def test_empty_places_score_nothing(folder):
    ranker, (histories, candidates, _) = LetterRanker(shop().items, folder), asked(2)
    candidates[0, 3:] = -1
    candidates[1] = -1
    scores = ranker.score(histories, candidates)
    assert (scores[0, 3:] == 0).all()
    assert (scores[1] == 0).all()
    assert (scores[0, :3] < 0).all()


def test_training_learns_which_letter_is_right_and_moves_queries_and_values_only(folder):
    """Lists of one and the same item: whatever their order, the right letter is the first."""
    pytest.importorskip("peft")
    ranker, (histories, _, right) = LetterRanker(shop().items, folder), asked(60)
    before = {k: v.clone() for k, v in ranker.model.state_dict().items()}
    losses = ranker.train(histories, np.repeat(right[:, None], 4, axis=1), right, rate=3e-3)
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])
    after = ranker.model.state_dict()
    assert {k.split(".")[-2] for k in after if not torch.equal(after[k], before[k])} == {"q_proj", "v_proj"}


def test_lists_without_the_right_item_teach_nothing(folder):
    pytest.importorskip("peft")
    ranker, (histories, candidates, _) = LetterRanker(shop().items, folder), asked(5)
    assert ranker.train(histories, candidates, np.full(5, 47_000)) == []


def test_a_placebo_shows_the_title_of_another_item(folder):
    items, (histories, candidates, _) = shop().items, asked(3)
    order = np.roll(np.arange(items.height), 1)
    plain, permuted = LetterRanker(items, folder), LetterRanker(items, folder, order=order)
    assert permuted._shown[5] == plain._titles[4]
    assert not np.allclose(plain.score(histories, candidates), permuted.score(histories, candidates))


def test_more_candidates_than_letters(folder):
    ranker = LetterRanker(shop().items, folder)
    with pytest.raises(ValueError, match="27 candidates; expected at most 26, one for each letter"):
        ranker.score(Histories.from_lists([[0]]), np.zeros((1, 27), np.int64))
