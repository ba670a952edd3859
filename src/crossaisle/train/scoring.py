"""Histories through a network: states, predicted ratings, and how good a network is on validation. Imports: packing, ratings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.data.split import Queries
from crossaisle.metrics import Values, ndcg
from crossaisle.model.history_reader import HistoryReader
from crossaisle.model.network import Network
from crossaisle.schema import Floats, Ints
from crossaisle.train.packing import side_by_side
from crossaisle.train.ratings import RatingBiases

__all__ = ["predicted_ratings", "ranking_score", "rating_score", "states_after"]

READING_PLACES = 4096
"""Places of histories read at once."""
RANKED_AT_ONCE = 1024
MOST_SCORES = 50_000_000
"""Scores of validation questions held at once; fewer questions at a time where the catalogue is large."""


def states_after(network: Network, vectors: torch.Tensor, histories: Histories, reader: HistoryReader | None = None) -> torch.Tensor:
    """float32 (B, D): the state after each history, of length 1, without dropout; zero where the history is empty.

    Parameters
    ----------
    vectors : float32 (N, D)
        As the item tower gives them.
    reader : HistoryReader, optional
        Of this network as it is now: who asks often keeps one.
    """
    reader = reader or HistoryReader(network)
    newest = histories if histories.lengths.max(initial=0) <= reader.window else histories.last(reader.window)
    lengths = newest.lengths
    left = np.flatnonzero(lengths)
    left = left[np.argsort(-lengths[left], kind="stable")]  # alike in length, so that little is padded
    with torch.inference_mode():
        out = torch.zeros(len(histories), reader.dim, device=reader.device)
        while len(left):
            count = max(1, READING_PLACES // int(lengths[left[0]]))
            here, left = left[:count], left[count:]
            states = reader.states(vectors, **side_by_side(newest, here, reader))
            out.index_copy_(0, torch.from_numpy(here).to(reader.device), states)
    return out


def predicted_ratings(
    network: Network, raw: torch.Tensor, vectors: torch.Tensor, biases: RatingBiases, histories: Histories, tokens: Histories, items: Ints
) -> Floats:
    """float32 (B,): mean + b_person + b_item + scale * cos(state(history), vector(item)), one item a history.

    Parameters
    ----------
    raw, vectors : float32 (N, D)
        Of the items, as the tower gives them and of length 1.
    tokens : Histories
        The histories as the network reads them; ``histories`` have the ratings.
    items : int64 (B,)
    """
    with torch.inference_mode():
        states = states_after(network, raw, tokens)
        taste = network.scale * (states * vectors[torch.from_numpy(items).to(vectors.device)]).sum(1)
    out: Floats = biases.predict(histories, items) + taste.cpu().numpy()
    return out


def rating_score(network: Network, biases: RatingBiases, histories: Histories, tokens: Histories, items: Ints, given: Floats) -> float:
    """Minus the root of the mean squared error, so that more is better; see `predicted_ratings`.

    Parameters
    ----------
    given : float32 (B,)
        What the person of each history gave the item.
    """
    with torch.inference_mode():
        raw = network.tower()
    found = predicted_ratings(network, raw, F.normalize(raw, dim=-1), biases, histories, tokens, items)
    return -float(np.sqrt(np.mean((found - given) ** 2)))


def ranking_score(network: Network, data: Dataset, queries: Queries, read: Callable[[Histories], Histories]) -> float:
    """Mean N@10 of the questions over the catalogue, or the aisle asked about; items already seen left out.

    Parameters
    ----------
    read : callable
        Gives histories as the network reads them.
    """
    with torch.inference_mode():
        raw = network.tower()
        vectors = F.normalize(raw, dim=-1)
        values: list[Values] = []
        at_once = max(1, min(RANKED_AT_ONCE, MOST_SCORES // len(vectors)))
        for start in range(0, len(queries), at_once):
            part = queries[np.arange(start, min(start + at_once, len(queries)))]
            scores = network.scores(states_after(network, raw, read(part.histories)), vectors)
            scores[part.histories.owners, part.histories.items] = -torch.inf
            aisle = part.aisles >= 0
            if aisle.any():
                scores[torch.from_numpy(aisle[:, None] & (data.item_categories[None, :] != part.aisles[:, None]))] = -torch.inf
            best = scores.topk(min(10, scores.shape[1]), dim=1)
            top = torch.where(best.values.isfinite(), best.indices, -1)
            values.append(ndcg(top.cpu().numpy(), part.targets, 10))
    return float(np.concatenate(values).mean())
