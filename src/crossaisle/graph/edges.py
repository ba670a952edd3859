"""Counts -> edges: lift with shrinkage and interval, direction, confidence. Imports: counts, expected, nodes, settings."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from scipy.special import gammainc
from scipy.stats import chi2

from crossaisle.data.histories import Histories
from crossaisle.graph.counts import Visits, count_pairs, first_visits, median_days, user_weights
from crossaisle.graph.expected import expected_pairs
from crossaisle.graph.nodes import View, related
from crossaisle.graph.settings import GraphSettings
from crossaisle.schema import Bools, Ints, Times

__all__ = ["EDGE_SCHEMA", "ViewCounts", "bought_edges", "beyond_chance", "count_view", "garwood", "wilson"]

EDGE_SCHEMA: dict[str, Any] = {
    "level": pl.Int64,
    "source": pl.String,
    "target": pl.String,
    "kind": pl.String,
    "support": pl.Int64,
    "confidence": pl.Float64,
    "lift": pl.Float64,
    "lift_low": pl.Float64,
    "lift_high": pl.Float64,
    "expected": pl.Float64,
    "together": pl.Int64,
    "n_before": pl.Int64,
    "n_after": pl.Int64,
    "direction": pl.Float64,
    "direction_low": pl.Float64,
    "direction_high": pl.Float64,
    "direction_z": pl.Float64,
    "days": pl.Float64,
    "similarity": pl.Float64,
}
"""Columns of the edges table; what each means stands in `crossaisle.graph.category_graph.CategoryGraph`."""

_Z = 1.959964


class ViewCounts(NamedTuple):
    """All that one view's histories say, before anything is cut off; matrices (C, C)."""

    kept: Ints
    """int64 (C,): the nodes that were counted, as positions in the view's names."""
    visits: Visits
    visitors: Ints
    together: Ints
    first: Ints
    before: Ints
    observed: Times
    effective: Times
    expected: Times

    def log_lift(self, shrink: float) -> Times:
        """float64 (C, C): log[(observed + k) / (expected + k)], methods' shrunk pointwise mutual information."""
        return np.asarray(np.log((self.observed + shrink) / (self.expected + shrink)), dtype=np.float64)


def count_view(histories: Histories, view: View, settings: GraphSettings) -> ViewCounts:
    """Count one view; nodes with too few users to have an edge, and those beyond ``max_nodes``, are left out."""
    n = len(view.names)
    everything = first_visits(histories, view.item_nodes, n)
    users = np.bincount(everything.nodes, minlength=n)
    order = np.lexsort((np.arange(n), -users))[: settings.max_nodes]
    kept = np.sort(order[users[order] >= settings.min_support])
    places = np.full(n + 1, -1, dtype=np.int64)
    places[kept] = np.arange(len(kept))
    visits = first_visits(histories, places[view.item_nodes], len(kept))
    weights = user_weights(visits.degrees, settings.bulk)
    counts = count_pairs(visits, len(kept), settings.window_days, weights)
    visitors = np.bincount(visits.nodes, minlength=len(kept)).astype(np.int64)
    expected = expected_pairs(visits.degrees, counts.user_pairs, weights.astype(np.float64), visitors.astype(np.float64))
    effective = np.divide(counts.weight**2, counts.square, out=np.zeros_like(counts.weight), where=counts.square > 0)
    return ViewCounts(kept, visits, visitors, counts.together, counts.first, counts.before, counts.weight, effective, expected)


def garwood(n: Times) -> tuple[Times, Times]:
    """The exact 95 % interval of a Poisson mean of which n was seen (Garwood 1936).

    Examples
    --------
    >>> low, high = garwood(np.array([0.0, 10.0]))
    >>> low.round(2).tolist(), high.round(2).tolist()
    ([0.0, 4.8], [3.69, 18.39])
    """
    low = np.where(n > 0, chi2.ppf(0.025, 2 * np.maximum(n, 1e-9)) / 2, 0.0)
    return low, np.asarray(chi2.ppf(0.975, 2 * n + 2) / 2)


def wilson(hits: Times, n: Times) -> tuple[Times, Times]:
    """The 95 % interval of a share (Wilson 1927); 0 to 1 where n is 0.

    Examples
    --------
    >>> [float(v.round(3)[0]) for v in wilson(np.array([8.0]), np.array([10.0]))]
    [0.49, 0.943]
    """
    safe = np.maximum(n, 1e-9)
    p = hits / safe
    middle = (p + _Z**2 / (2 * safe)) / (1 + _Z**2 / safe)
    half = _Z * np.sqrt(p * (1 - p) / safe + _Z**2 / (4 * safe**2)) / (1 + _Z**2 / safe)
    return np.where(n > 0, middle - half, 0.0), np.where(n > 0, middle + half, 1.0)


def beyond_chance(counts: ViewCounts, settings: GraphSettings) -> Bools:
    """bool (C, C), symmetric: pairs seen so much more often than ``1 + margin`` times chance that few of them are chance.

    One-sided Poisson tests of all pairs, at the threshold of Benjamini and Hochberg 1995 for a share `false_share` of wrong ones.
    """
    c = len(counts.kept)
    a, b = np.triu_indices(c, 1)
    out = np.zeros((c, c), dtype=np.bool_)
    seen = counts.effective[a, b]
    ratio = counts.observed[a, b] / np.maximum(seen, 1e-12)
    p = np.where(
        seen > 0, gammainc(np.maximum(seen, 1e-12), (1.0 + settings.margin) * counts.expected[a, b] / np.maximum(ratio, 1e-12)), 1.0
    )
    order = np.argsort(p, kind="stable")
    passed = np.flatnonzero(p[order] <= settings.false_share * np.arange(1, len(p) + 1) / max(len(p), 1))
    if len(passed):
        chosen = order[: passed[-1] + 1]
        out[a[chosen], b[chosen]] = out[b[chosen], a[chosen]] = True
    return out


def bought_edges(counts: ViewCounts, view: View, settings: GraphSettings, similarity: Times) -> pl.DataFrame:
    """The edges that users make, of one view: `EDGE_SCHEMA`, kind ``bought``.

    Kept are pairs beyond chance that share no line of the tree, with enough users in the edge's direction; of each source the surest, by
    the lower end of the lift's interval.

    Parameters
    ----------
    similarity : float64 (n, n)
        Cosine between all nodes of the view.
    """
    support = counts.together - counts.first.T
    lift = np.exp(counts.log_lift(settings.shrink))
    allowed = (support >= settings.min_support) & beyond_chance(counts, settings) & ~_on_one_line(counts, view)
    a, b = np.nonzero(allowed)
    seen, ratio = counts.effective[a, b], counts.observed[a, b] / np.maximum(counts.effective[a, b], 1e-12)
    low, high = (ratio * end for end in garwood(seen))
    expected = counts.expected[a, b] + settings.shrink
    lift_low, lift_high = (low + settings.shrink) / expected, (high + settings.shrink) / expected
    order = np.lexsort((b, -lift_low, a))
    place = np.arange(len(a)) - np.searchsorted(a[order], a[order])
    take = order[place < settings.edges_a_node]
    a, b, lift_low, lift_high = a[take], b[take], lift_low[take], lift_high[take]
    n_before, n_after = counts.before[a, b], counts.before[b, a]
    known = (n_before + n_after).astype(np.float64)
    d_low, d_high = wilson(n_before.astype(np.float64), known)
    names = np.array(view.names, dtype=object)[counts.kept]
    return pl.DataFrame(
        {
            "level": np.full(len(a), view.level),
            "source": names[a].tolist(),
            "target": names[b].tolist(),
            "kind": ["bought"] * len(a),
            "support": support[a, b],
            "confidence": support[a, b] / counts.visitors[a],
            "lift": lift[a, b],
            "lift_low": lift_low,
            "lift_high": lift_high,
            "expected": counts.expected[a, b],
            "together": counts.together[a, b],
            "n_before": n_before,
            "n_after": n_after,
            "direction": np.where(known > 0, n_before / np.maximum(known, 1), np.nan),
            "direction_low": d_low,
            "direction_high": d_high,
            "direction_z": (n_before - n_after) / np.sqrt(np.maximum(known, 1.0)),
            "days": _days(counts, settings, a, b),
            "similarity": similarity[counts.kept[a], counts.kept[b]],
        },
        schema=EDGE_SCHEMA,
    ).with_columns(pl.col("direction", "days").fill_nan(None))


def _on_one_line(counts: ViewCounts, view: View) -> Bools:
    """bool (C, C): True for a node with itself, its ancestors and its descendants."""
    names = [view.names[k] for k in counts.kept]
    out = np.eye(len(names), dtype=np.bool_)
    places = {name: place for place, name in enumerate(names)}
    for place, name in enumerate(names):
        parts = name.split(" > ")
        for cut in range(1, len(parts)):
            above = places.get(" > ".join(parts[:cut]))
            if above is not None and related(names[above], name):
                out[above, place] = out[place, above] = True
    return out


def _days(counts: ViewCounts, settings: GraphSettings, a: Ints, b: Ints) -> Times:
    n = len(counts.kept)
    cells = np.minimum(a, b) * n + np.maximum(a, b)
    wanted = np.unique(cells)
    medians = median_days(counts.visits, n, settings.window_days, wanted)
    return medians[np.searchsorted(wanted, cells)] if len(wanted) else np.zeros(0)
