"""Choosing a baseline's settings on validation questions, so that nobody can call it weak. Imports nothing of this room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from crossaisle import metrics
from crossaisle.contracts import Scorer
from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Queries

__all__ = ["Tunable", "mean_ndcg"]

MOST_QUESTIONS = 2_000
_BATCH = 256


def mean_ndcg(scorer: Scorer, data: Dataset, questions: Queries, k: int = 10) -> float:
    """Mean N@k, seen items left out, inside the aisle that a question names; 0 where there is no question.

    A question whose targets were all seen cannot be answered so and is not asked, as in a trial (`Queries.unseen`).

    Examples
    --------
    >>> from crossaisle.baselines.popularity import Popularity
    >>> from crossaisle.data.split import hold_out_last
    >>> from crossaisle.testing import toy_dataset
    >>> train, valid = hold_out_last(toy_dataset())
    >>> 0.0 < mean_ndcg(Popularity().fit(train), train, valid) < 0.2
    True
    """
    values, questions = [], questions.unseen()
    for start in range(0, len(questions), _BATCH):
        asked = questions[slice(start, start + _BATCH)]
        scores = scorer.score(asked.histories)
        scores[asked.histories.owners, asked.histories.items] = -np.inf
        elsewhere = (asked.aisles[:, None] >= 0) & (asked.aisles[:, None] != data.item_categories)
        scores[elsewhere] = -np.inf
        best = np.argpartition(-scores, min(k, scores.shape[1]) - 1, axis=1)[:, :k]
        places = np.take_along_axis(scores, best, axis=1)
        order = np.lexsort((best, -places), axis=1)
        top = np.where(np.isfinite(places), best, -1)
        values.append(metrics.ndcg(np.take_along_axis(top, order, axis=1), asked.targets, k))
    return float(np.concatenate(values).mean()) if values else 0.0


class Tunable:
    """Mixin of a scorer whose settings depend on the question: the next item wants recent events, a first visit wants all of them.

    Attributes
    ----------
    learning_options : tuple of mappings
        Settings that need another fit, as attribute values to try.
    scoring_options : tuple of mappings
        Settings that only `score` reads, tried after each fit.
    note : str
        What was chosen, for the report; "" before `tune`.
    """

    learning_options: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    scoring_options: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    note: str = ""

    def tune(self, data: Dataset, valid: Queries) -> Self:
        """Fit on `data` with every combination of options and stay with the best N@10 on up to 2,000 of the questions.

        What was chosen stays for later calls of `fit`. Without questions this is `fit`.
        """
        scorer: Any = self  # the class that mixes this in is a Scorer
        if not len(valid):
            scorer.fit(data)
            return self
        sample = valid[np.unique(np.linspace(0, len(valid) - 1, min(MOST_QUESTIONS, len(valid))).astype(np.int64))]
        best, best_value, best_options = None, -1.0, {}
        for learning in self.learning_options:
            self.__dict__.update(learning)
            scorer.fit(data)
            for scoring in self._scoring_options():
                self.__dict__.update(scoring)
                value = mean_ndcg(scorer, data, sample)
                if value > best_value:  # the first of equals stays
                    best, best_value, best_options = dict(self.__dict__), value, {**learning, **scoring}
        self.__dict__.update(best or {})
        self.note = f"{', '.join(f'{k} {v}' for k, v in best_options.items())} chosen on validation (N@10 {best_value:.4f})"
        return self

    def _scoring_options(self) -> Iterable[Mapping[str, Any]]:
        return self.scoring_options
