"""Baselines behind `contracts.Scorer`, by the names that the command line and the reports use.

Imports: popularity, linear, user_knn, ease, ials, text_knn, transition_graph, graph_popularity, word_popularity.

>>> sorted(BASELINES)  # doctest: +NORMALIZE_WHITESPACE
['ease', 'graph-popularity', 'ials', 'item-knn', 'popularity', 'popularity-aisle', 'popularity-month', 'text-knn', 'transition-graph',
 'user-knn', 'word-knn', 'word-popularity']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crossaisle.baselines.ease import EASE, too_large
from crossaisle.baselines.graph_popularity import GraphPopularity
from crossaisle.baselines.ials import IALS
from crossaisle.baselines.linear import ItemKNN, Markov
from crossaisle.baselines.popularity import Popularity
from crossaisle.baselines.text_knn import TextKNN, WordKNN
from crossaisle.baselines.transition_graph import TransitionGraph
from crossaisle.baselines.user_knn import UserKNN
from crossaisle.baselines.word_popularity import WordPopularity
from crossaisle.contracts import Scorer
from crossaisle.schema import Floats

__all__ = [
    "BASELINES",
    "EASE",
    "GraphPopularity",
    "IALS",
    "ItemKNN",
    "Markov",
    "Popularity",
    "TextKNN",
    "TransitionGraph",
    "UserKNN",
    "WordPopularity",
    "too_large",
]

BASELINES: Mapping[str, Callable[[Floats | None], Scorer]] = {
    "popularity": lambda text: Popularity(),
    "popularity-aisle": lambda text: Popularity(by_category=True),
    "popularity-month": lambda text: Popularity(last_days=30),
    "item-knn": lambda text: ItemKNN(),
    "user-knn": lambda text: UserKNN(),
    "ease": lambda text: EASE(),
    "ials": lambda text: IALS(),
    "text-knn": TextKNN,
    "word-knn": lambda text: WordKNN(),
    "transition-graph": TransitionGraph,
    "graph-popularity": lambda text: GraphPopularity(),
    "word-popularity": lambda text: WordPopularity(),
}
"""name -> ``factory(text_vectors)``: float32 (N, D), one row an item of the data to be fitted, or None (TF-IDF takes its place)."""
