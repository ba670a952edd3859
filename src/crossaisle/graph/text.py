"""How alike nodes are in words: what links categories that share no users. Imports: schema, encode.words; of its own room edges, nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp

from crossaisle.encode.words import Vocabulary, WordSettings
from crossaisle.graph.edges import EDGE_SCHEMA
from crossaisle.graph.nodes import View, related
from crossaisle.schema import Floats, Times

__all__ = ["item_words", "node_similarity", "text_edges"]

_FEW = 20
"""Different words at which a node's likeness counts half."""


def item_words(items: pl.DataFrame) -> Any:
    """csr float32 (N, V): the words of each item's title, description and further text, each once; no brands, numbers or category names.

    Category names would make the task circular: two nodes of one aisle share the aisle's name.
    """
    vocabulary = Vocabulary.fit(items, WordSettings())
    words = np.array([key.startswith("w:") and not any(c.isdigit() for c in key) for key in vocabulary.keys], dtype=bool)
    bags = vocabulary.bags(items)[:, np.flatnonzero(words)].tocsr()
    bags.data = np.ones_like(bags.data)
    return bags


def node_similarity(view: View, words: Any, vectors: Floats | None = None) -> Times:
    """float64 (C, C): cosine between nodes, from language-model vectors where they are given, else from words.

    By vectors: the mean vector of a node's items less the mean over all nodes. By words: each node is one document; a word weighs
    log(1 + share of the node's items that have it, in hundreds) times log(C / nodes that have it). A node of few different words is
    drawn towards 0: two nodes that share their only word are not the same thing.
    """
    c = len(view.names)
    known = np.flatnonzero(view.item_nodes >= 0)
    deal = sp.csr_matrix((np.ones(len(known)), (view.item_nodes[known], known)), shape=(c, len(view.item_nodes)))
    size = np.maximum(view.item_counts, 1)[:, None]
    if vectors is not None:
        centres = (deal @ vectors) / size
        centres = centres - centres.mean(axis=0)
        return _cosines(sp.csr_matrix(centres))
    counts = (deal @ words).tocsr()
    rate = sp.diags(1.0 / size.ravel()) @ counts
    rate.data = np.log1p(100.0 * rate.data)
    frequent = np.bincount(counts.indices, minlength=counts.shape[1])
    different = np.diff(counts.indptr)
    return _cosines(rate @ sp.diags(np.log(max(c, 1) / np.maximum(frequent, 1))), np.sqrt(different / (different + _FEW)))


def _cosines(matrix: Any, trust: Times | None = None) -> Times:
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = 1.0 / np.maximum(norms, 1e-12)
    unit = sp.diags(scale if trust is None else scale * trust) @ matrix
    return np.asarray((unit @ unit.T).toarray(), dtype=np.float64)


def text_edges(view: View, similarity: Times, bought: pl.DataFrame, most: int, least: float) -> pl.DataFrame:
    """Edges of kind ``text``: for each node the nodes of other aisles most like it in words, where users give no edge.

    They say what may go together, not what does: support is 0, and lift, direction and days are unknown.
    """
    has = set(zip(bought["source"].to_list(), bought["target"].to_list(), strict=True))
    aisles = np.array(view.aisles, dtype=object)
    rows = []
    for a, source in enumerate(view.names):
        likeness = np.where(aisles == aisles[a], -1.0, similarity[a])
        for b in np.argsort(-likeness, kind="stable")[:most]:
            target = view.names[int(b)]
            if likeness[b] >= least and (source, target) not in has and not related(source, target):
                rows.append((view.level, source, target, "text", 0, float(likeness[b])))
    columns = ("level", "source", "target", "kind", "support", "similarity")
    frame = pl.DataFrame(rows, schema={c: EDGE_SCHEMA[c] for c in columns}, orient="row")
    return frame.select(
        *(pl.col(c) if c in columns else pl.lit(None, dtype=kind).alias(c) for c, kind in EDGE_SCHEMA.items()),
    )
