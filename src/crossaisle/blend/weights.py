"""Weights of the parts, depending on how often an item was seen, chosen on validation questions. Imports: settings.

    s(u, i) = sum over parts p of (base_p + rare_p g_i + new_p n_i) f_p(u, i)  +  rarity g_i + never n_i + count log(1 + c_i)

with c_i the events of item i, g_i = 1 / (1 + c_i), n_i = [c_i = 0] and f_p(u, i) the part's normalised score. So words can serve the new
and behaviour the known, and an item that nobody has bought yet stands where validation says that such items stand. The weights maximise
the likelihood of the validation targets among the best candidates of every part (conditional logit; McFadden 1974), which is smooth,
unlike N@10, and needs no grid. Where validation hardly asked for rare items, nothing says where they stand, and their weights would be
carried on to where they were never seen: an item with fewer events than the rarest that enough targets tell of counts as having so many.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch

from crossaisle.metrics import Values
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["Asked", "Weights", "choose_weights", "gather", "mean_ndcg", "standard_error"]

_KEPT, _LEAST_NEW = 0.995, 20
_EXTRAS = ("rarity", "never", "count")
_KINDS, _EXTRA = 3, len(_EXTRAS)  # of each part: base, rare, new
_STEPS = 60


@dataclass(frozen=True, eq=False)
class Weights:
    """See the file's first lines.

    Attributes
    ----------
    names : tuple of str
        The P parts; the first one is what the others join.
    values : float32 (3 P + 3,)
        base, rare, new, then rarity, never, count.
    least : int
        Items with fewer events than this count as having so many.
    """

    names: tuple[str, ...]
    values: Floats
    least: int = 0

    @classmethod
    def only_first(cls, names: tuple[str, ...]) -> Self:
        """The first part alone."""
        values = np.zeros(_KINDS * len(names) + _EXTRA, np.float32)
        values[0] = 1.0
        return cls(names, values)

    @classmethod
    def alike(cls, names: tuple[str, ...]) -> Self:
        """Every part with weight 1."""
        values = np.zeros(_KINDS * len(names) + _EXTRA, np.float32)
        values[: len(names)] = 1.0
        return cls(names, values)

    @property
    def alone(self) -> bool:
        """True where nothing joins the first part, which stays as it is."""
        return bool(self.values[0] == 1 and not self.values[1:].any())

    def parts(self, features: Mapping[str, Floats], counts: Ints) -> dict[str, Floats]:
        """What each part adds, (B, C) each, and under "count" what the item's count adds, (C,); ``counts``: int64 (C,)."""
        base, rare, new = self.values[:-_EXTRA].reshape(_KINDS, -1, 1)
        of_count = _of_count(np.maximum(counts, self.least))
        each = (base + rare * of_count[:, 0] + new * of_count[:, 1]).astype(np.float32)
        out = {name: each[k] * features[name] for k, name in enumerate(self.names)}
        out["count"] = (of_count @ self.values[-_EXTRA:]).astype(np.float32)
        return out

    def apply(self, features: Mapping[str, Floats], counts: Ints) -> Floats:
        """float32 (B, C)."""
        if self.alone:
            return features[self.names[0]]
        added = self.parts(features, counts)
        count, total = added.pop("count"), added.pop(self.names[0])
        total += count
        for value in added.values():
            total += value
        return total

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        each = self.values[:-_EXTRA].reshape(_KINDS, -1)
        named = {name: [float(value) for value in each[:, k]] for k, name in enumerate(self.names)}
        extras = {name: float(value) for name, value in zip(_EXTRAS, self.values[-_EXTRA:], strict=True)}
        return {"parts": named, **extras, "least": self.least}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        names = tuple(kept["parts"])
        each = np.array([kept["parts"][name] for name in names], dtype=np.float32)
        extras = np.array([kept[name] for name in _EXTRAS], dtype=np.float32)
        return cls(names, np.concatenate([each.T.ravel(), extras]), int(kept.get("least", 0)))  # models saved before have none


def _of_count(counts: Ints) -> Floats:
    """float32 (C, 3): 1 / (1 + c), whether c is 0, log(1 + c)."""
    return np.stack([1.0 / (1.0 + counts), counts == 0, np.log1p(counts)], axis=1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Asked:
    """Q questions, each with up to M candidates.

    Attributes
    ----------
    features : float32 (Q, M, 3 P + 3)
    there, hits : bool (Q, M)
        Which places hold a candidate, which of those are targets.
    n_targets : int64 (Q,)
        Targets of each question that may be recommended, candidates or not.
    """

    features: Floats
    there: Bools
    hits: Bools
    n_targets: Ints

    def rows(self, which: Ints) -> Asked:
        """Some of the questions."""
        return Asked(self.features[which], self.there[which], self.hits[which], self.n_targets[which])

    @classmethod
    def join(cls, parts: Iterable[Asked]) -> Asked:
        """Several as one."""
        several = list(parts)
        widest = max(p.there.shape[1] for p in several)

        def widened(a: Any) -> Any:
            return np.pad(a, [(0, 0), (0, widest - a.shape[1])] + [(0, 0)] * (a.ndim - 2))

        features, there, hits = (np.concatenate([widened(getattr(p, f)) for p in several]) for f in ("features", "there", "hits"))
        return cls(features, there, hits, np.concatenate([p.n_targets for p in several]))


def gather(features: Mapping[str, Floats], counts: Ints, allowed: Bools, targets: list[Ints], most: int) -> Asked:
    """The best candidates of each part, for B questions.

    Parameters
    ----------
    features : mapping
        float32 (B, C) of each part.
    counts : int64 (C,)
    allowed : bool (B, C)
        What may be recommended.
    targets : list of int64 arrays
        The columns of each question's targets. One that no part ranks among its best is no candidate: alternatives that are chosen by
        their features and one that is there because it is the answer would make those features look like reasons against it.
    most : int
        Candidates taken from each part.
    """
    n = len(targets)
    chosen = np.zeros_like(allowed)
    k = min(most, allowed.shape[1])
    for values in features.values():
        masked = np.where(allowed, values, -np.inf)
        np.put_along_axis(chosen, np.argpartition(-masked, k - 1, axis=1)[:, :k], True, axis=1)
    wanted = np.zeros_like(allowed)
    for row, columns in enumerate(targets):
        wanted[row, columns] = True
    chosen, wanted = chosen & allowed, wanted & allowed
    widest = max(1, int(chosen.sum(axis=1).max(initial=0)))
    rows, columns = np.nonzero(chosen)
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    p = len(features)
    out = np.zeros((n, widest, _KINDS * p + _EXTRA), np.float32)
    there, hits = np.zeros((n, widest), bool), np.zeros((n, widest), bool)
    there[rows, place], hits[rows, place] = True, wanted[rows, columns]
    of_count = _of_count(counts[columns])
    scores = np.stack([values[rows, columns] for values in features.values()], axis=1)
    out[rows, place] = np.concatenate([scores, scores * of_count[:, :1], scores * of_count[:, 1:2], of_count], axis=1)
    return Asked(out, there, hits, wanted.sum(axis=1).astype(np.int64))


def mean_ndcg(asked: Asked, values: Floats, k: int = 10) -> float:
    """Mean N@k of the candidates under these weights; 0 where nothing is asked."""
    return float(_ndcgs(asked, values, k).mean()) if len(asked.n_targets) else 0.0


def standard_error(asked: Asked, one: Floats, other: Floats, k: int = 10) -> float:
    """Of the mean paired difference in N@k between two weightings of the same questions; 0 where nothing is asked."""
    difference = _ndcgs(asked, one, k) - _ndcgs(asked, other, k)
    return float(difference.std() / np.sqrt(len(difference))) if len(difference) else 0.0


def _ndcgs(asked: Asked, values: Floats, k: int = 10) -> Values:
    """float64 (Q,): N@k of each question."""
    return _ndcgs_of(asked.features @ values.astype(np.float32), asked, k)


def _ndcgs_of(scores: Floats, asked: Asked, k: int = 10) -> Values:
    """float64 (Q,): N@k of each question, by the candidates' scores, (Q, M)."""
    scores = np.where(asked.there, scores, -np.inf)
    best = scores.shape[1] > k
    columns = np.argpartition(-scores, k - 1, axis=1)[:, :k] if best else np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    order = np.argsort(-np.take_along_axis(scores, columns, axis=1), axis=1, kind="stable")
    top = np.take_along_axis(columns, order, axis=1)
    gains = 1.0 / np.log2(np.arange(2, k + 2))
    got = (np.take_along_axis(asked.hits, top, axis=1) * gains[: top.shape[1]]).sum(axis=1)
    most = np.cumsum(gains)[np.minimum(np.maximum(asked.n_targets, 1), k) - 1]
    return np.asarray(got / most, dtype=np.float64)


def choose_weights(
    asked: Asked, names: tuple[str, ...], shrink: float, seed: int = 0, scaled: bool = False, new_share: float = 0.0
) -> tuple[Weights, dict[str, float]]:
    """The weights that make the targets likeliest, if they also rank better than the first part alone on questions they were not fitted on:
    by more than one standard error of the paired difference (Breiman et al. 1984), so that noise does not join by luck.

    Parameters
    ----------
    asked : Asked
    names : tuple of str
        The P parts, in the order of the features.
    shrink : float
        Pull towards the first part alone.
    seed : int
        Of the halves.
    scaled : bool
        Where nothing joins the first part, give it the scale that makes the targets likeliest: it is no log-probability yet.
    new_share : float
        Share of the items that nobody has bought yet; see `_chance_of_the_new`.

    Returns
    -------
    Weights
        The first part alone where blending does not help.
    dict
        ``ndcg@10`` (each half judged by weights fitted on the other), ``alone`` (of the first part), ``questions``.
    """
    first = Weights.only_first(names)
    n = len(asked.n_targets)
    order = np.random.default_rng(seed).permutation(n)
    halves = (np.sort(order[: n // 2]), np.sort(order[n // 2 :]))
    alone = mean_ndcg(asked, first.values)
    if n < 20 or not asked.hits.any():
        return first, {"ndcg@10": alone, "alone": alone, "questions": n}
    gain = -_ndcgs(asked, first.values)
    for mine, others in (halves, halves[::-1]):
        gain[others] += _ndcgs(asked.rows(others), _fit(asked.rows(mine), first.values, shrink))
    if gain.mean() <= gain.std() / np.sqrt(n):
        kept = Weights(names, _fit(asked, first.values, shrink, most=1)) if scaled else first
        return kept, {"ndcg@10": alone, "alone": alone, "questions": n}
    blind = _fit(asked, first.values, shrink, most=len(names))
    chosen = _chance_of_the_new(asked, _fit(asked, first.values, shrink), blind, new_share)
    return Weights(names, chosen, _least(asked)), {"ndcg@10": alone + float(gain.mean()), "alone": alone, "questions": n}


def _least(asked: Asked) -> int:
    """The fewest events of which enough targets tell: `_LEAST_NEW` of them have as many or fewer. 0 where there is nothing to tell.

    Below that a few targets, or none, decide what rarity is worth, and one over the count grows fastest there.
    """
    rarest = np.sort(asked.features[:, :, -_EXTRA][asked.hits & asked.there])[::-1]
    enough = float(rarest[min(_LEAST_NEW, len(rarest)) - 1]) if len(rarest) else 0.0
    return round(1 / enough) - 1 if enough > 0 else 0


def _chance_of_the_new(asked: Asked, values: Floats, blind: Floats, new_share: float) -> Floats:
    """The weights with ``never`` set so that new items get their chance and known ones keep theirs.

    Validation asks for few new items, because they had little time to be bought; the likelihood then places them for so few questions. So
    ``never`` maximises the mean N@10 of questions for known and for new items as if the latter were ``new_share`` of all, as long as
    questions for known items keep 99.5 % of the N@10 that weights blind to counts give them.
    """
    new = asked.features[:, :, -2] > 0
    for_new = (asked.hits & new).any(axis=1)
    if not new.any() or for_new.all():
        return values
    share = new_share if for_new.sum() >= _LEAST_NEW else for_new.mean()
    wanted = _KEPT * _ndcgs(asked, blind)[~for_new].mean()
    out = values.copy()
    out[-2] = 0.0
    scores = asked.features @ out

    def worth(never: float) -> tuple[bool, float]:
        each = _ndcgs_of((scores + never * new).astype(np.float32), asked)
        known = float(each[~for_new].mean())
        of_new = float(each[for_new].mean()) if for_new.any() else 0.0
        return known >= wanted, known if known < wanted else (1 - share) * known + share * of_new

    best = float(values[-2]) - 1.5
    for reach, step in ((4.5, 0.5), (0.4, 0.1), (0.08, 0.02)):  # ever finer around the best
        best = max((best + d for d in np.arange(-reach, reach + step / 2, step)), key=worth)
    out[-2] = best
    return out


def _fit(asked: Asked, start: Floats, shrink: float, most: int | None = None) -> Floats:
    """Weights that maximise the mean log-likelihood of a question's targets among its candidates, less ``shrink * |w - start|^2``.

    ``most``: only so many of the first weights may differ from ``start``.
    """
    found = asked.hits.any(axis=1)
    if not found.any():
        return start
    x, there = torch.from_numpy(asked.features[found]), torch.from_numpy(asked.there[found])
    hits = torch.from_numpy(asked.hits[found].astype(np.float32))
    hits = hits / hits.sum(1, keepdim=True)
    start_t = torch.from_numpy(start.astype(np.float32))
    free = torch.arange(len(start_t)) < (len(start_t) if most is None else most)
    w = start_t.clone().requires_grad_()
    solver = torch.optim.LBFGS([w], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        log_p = torch.log_softmax((x @ w).masked_fill(~there, -torch.inf), dim=1).masked_fill(~there, 0.0)
        value: torch.Tensor = -(hits * log_p).sum(1).mean() + shrink * ((w - start_t) ** 2).sum()
        value.backward()  # type: ignore[no-untyped-call]
        assert w.grad is not None
        w.grad *= free
        return value

    solver.step(loss)  # type: ignore[no-untyped-call]
    found_w: Floats = w.detach().numpy()
    return found_w if np.isfinite(found_w).all() else start
