"""Baselines choose their settings by the validation questions they are given."""

from __future__ import annotations

import numpy as np
import pytest

from crossaisle.baselines import BASELINES, IALS, ItemKNN, TextKNN
from crossaisle.baselines.tuning import Tunable, mean_ndcg
from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries, hold_out_last
from crossaisle.testing import toy_dataset

TRAIN, VALID = hold_out_last(toy_dataset(n_users=150))


class Fixed(Tunable):
    """A fake whose score is one row for all, scaled by the settings."""

    name = "fixed"
    learning_options = ({"learned": 1}, {"learned": 2})
    scoring_options = ({"sign": -1}, {"sign": 1})

    def __init__(self, row):
        self.row, self.learned, self.sign, self.fits = np.asarray(row, dtype=np.float32), 0, 1, 0

    def fit(self, data):
        self.fits += 1
        self.fitted_with = self.learned
        return self

    def score(self, histories, candidates=None):
        row = self.row if self.fitted_with == 2 else np.zeros_like(self.row)
        return np.tile(row * self.sign, (len(histories), 1))


def ask(history, targets, aisle=-1):
    return Queries(np.array([0]), Histories.from_lists([history]), Histories.from_lists([targets]), np.array([aisle]), np.array([np.nan]))


def test_mean_ndcg_leaves_seen_items_out_and_stays_in_the_aisle():
    data = toy_dataset(n_users=1, n_items=16, n_aisles=4)
    scorer = Fixed(np.arange(16, 0, -1))  # item 0 first, 1 second, ...
    scorer.fitted_with = 2
    assert mean_ndcg(scorer, data, ask([9], [2])) == pytest.approx(1 / np.log2(4))
    assert mean_ndcg(scorer, data, ask([0, 1], [2])) == pytest.approx(1.0)
    assert mean_ndcg(scorer, data, ask([0], [6], aisle=2)) == pytest.approx(1 / np.log2(3))  # the aisle holds 2, 6, 10, 14
    assert mean_ndcg(scorer, data, ask([0], [5], aisle=2)) == 0.0
    assert mean_ndcg(scorer, data, ask([9], [3]), k=3) == 0.0
    assert mean_ndcg(scorer, data, VALID[np.arange(0)]) == 0.0


def test_mean_ndcg_does_not_ask_for_what_was_seen():
    data = toy_dataset(n_users=1, n_items=16, n_aisles=4)
    scorer = Fixed(np.arange(16, 0, -1))
    scorer.fitted_with = 2
    histories, targets = Histories.from_lists([[9], [4, 2], [5]]), Histories.from_lists([[2], [2], [5, 0]])
    both = Queries(np.arange(3), histories, targets, np.full(3, -1), np.full(3, np.nan))
    # the second question falls away, the third keeps the target that is new
    assert mean_ndcg(scorer, data, both) == pytest.approx((1 / np.log2(4) + 1.0) / 2)
    assert mean_ndcg(scorer, data, both[np.array([1])]) == 0.0


def test_tune_stays_with_the_best_of_all_combinations():
    data = toy_dataset(n_users=1, n_items=16)
    scorer = Fixed(np.arange(16)).tune(data, ask([3], [15]))
    assert (scorer.learned, scorer.fitted_with, scorer.sign, scorer.fits) == (2, 2, 1, 2)
    assert scorer.note == "learned 2, sign 1 chosen on validation (N@10 1.0000)"
    scorer.fit(data)
    assert (scorer.fitted_with, scorer.sign) == (2, 1)


def test_tune_without_questions_is_fit():
    scorer = ItemKNN().tune(TRAIN, VALID[np.arange(0)])
    assert scorer.note == ""
    assert (scorer.score(TRAIN.histories[:3]) == ItemKNN().fit(TRAIN).score(TRAIN.histories[:3])).all()


@pytest.mark.parametrize("name", ["item-knn", "user-knn", "ials", "text-knn"])
def test_tuned_is_at_least_as_good_there_and_scores_as_if_made_so(name):
    plain, tuned = BASELINES[name](None).fit(TRAIN), BASELINES[name](None).tune(TRAIN, VALID)
    value = mean_ndcg(tuned, TRAIN, VALID)
    assert value >= mean_ndcg(plain, TRAIN, VALID)
    assert f"decay {tuned.decay} chosen on validation (N@10 {value:.4f})" in tuned.note
    again = BASELINES[name](None)
    for setting in ("decay", "factors", "regularisation"):
        if hasattr(again, setting):
            setattr(again, setting, getattr(tuned, setting))
    assert (again.fit(TRAIN).score(VALID.histories) == tuned.score(VALID.histories)).all()


def test_ials_weighs_more_than_one_fit():
    tuned = IALS().tune(TRAIN, VALID)
    assert {"factors": tuned.factors, "regularisation": tuned.regularisation} in IALS.learning_options
    assert tuned.item_factors.shape == (80, tuned.factors)


def test_text_knn_keeps_what_tuning_chose():
    together = np.zeros((150, 80), dtype=np.float32)
    together[TRAIN.histories.owners, TRAIN.histories.items] = 1
    text = TextKNN(together.T @ together)
    chosen = text.tune(TRAIN, VALID).chosen
    other = {"language-model vectors": "TF-IDF of words", "TF-IDF of words": "language-model vectors"}[chosen]
    assert f"chosen {chosen}" in text.note
    text.chosen = other
    assert text.fit(TRAIN).chosen == other  # fit does not choose again
    assert TextKNN(together.T @ together).fit(TRAIN).trial.keys() == {chosen, other}
