"""New items may not push known ones out of the lists: what `choose_weights` promises."""

from __future__ import annotations

import numpy as np

from crossaisle.blend.weights import Weights, choose_weights, gather, mean_ndcg


def planted(n: int = 600, items: int = 60, seed: int = 0):
    """Half the items are new. The network knows known targets; words find new targets, and many a new item that nobody wants."""
    rng = np.random.default_rng(seed)
    counts = np.where(np.arange(items) < items // 2, 20, 0)
    targets = np.where(rng.random(n) < 0.2, rng.integers(0, items // 2, n), rng.integers(items // 2, items, n))
    network = rng.normal(0, 1, (n, items)).astype(np.float32)
    words = rng.normal(0, 1, (n, items)).astype(np.float32)
    known = np.flatnonzero(targets < items // 2)
    network[known, targets[known]] += 1.5
    words[np.arange(n), targets] += 2.0
    asked = gather({"network": network, "words": words}, counts, np.ones((n, items), bool), [np.array([t]) for t in targets], 20)
    return asked, known


def test_known_items_keep_nearly_all_that_weights_blind_to_counts_give_them():
    asked, known = planted()
    weights, _ = choose_weights(asked, ("network", "words"), 1e-4)
    blind_features = asked.features.copy()
    blind_features[:, :, 2:] = 0.0
    blind, _ = choose_weights(type(asked)(blind_features, asked.there, asked.hits, asked.n_targets), ("network", "words"), 1e-4)
    here = asked.rows(known)
    assert mean_ndcg(here, weights.values) >= 0.985 * mean_ndcg(here, blind.values)
    new = asked.rows(np.setdiff1d(np.arange(len(asked.n_targets)), known))
    assert mean_ndcg(new, weights.values) > mean_ndcg(new, Weights.only_first(("network", "words")).values)
