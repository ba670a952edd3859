"""The second look as the product uses it: trained after the recommender, kept where it gains. Imports: settings, mine, pairs, cross, mix,
answers.
"""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from crossaisle.contracts import Progress
from crossaisle.data.histories import Histories
from crossaisle.rerank.answers import answers, best_threshold
from crossaisle.rerank.cross import CrossEncoder
from crossaisle.rerank.mine import Mined, draw_lists, parted
from crossaisle.rerank.mix import choose_mix, control_features, standardised
from crossaisle.rerank.pairs import PairWriter
from crossaisle.rerank.settings import RerankSettings
from crossaisle.schema import Bools, Floats, Ints

__all__ = ["SecondLook"]

_LEAST = 20
"""Fewer people to train on, or to choose by, teach nothing."""
_NAMES = ("retriever", "second look")


class SecondLook:
    """Reads the head of a list again; made by `fit` or `load`.

    Attributes
    ----------
    cross : CrossEncoder or None
        None where the second look is off.
    weights : float32 (2,)
        Of the retriever and of the second look.
    report : dict
        How it was trained, chosen and judged: plain values, ready for JSON.
    """

    def __init__(self, cross: CrossEncoder | None, weights: Floats, settings: RerankSettings, report: dict[str, Any]) -> None:
        self.cross, self.weights, self.settings, self.report = cross, weights, settings, report
        self._items: pl.DataFrame | None = None
        self._writer: PairWriter | None = None

    @property
    def on(self) -> bool:
        """Whether there is anything to look with."""
        return self.cross is not None

    @property
    def note(self) -> str:
        """One line for whoever asked for it."""
        if "reason" in self.report:
            return f"the second look is off: {self.report['reason']}"
        r = self.report["mix"]
        what = f"N@10 {r['ndcg@10']:.4f} with it, {r['alone']:.4f} without, standard error {r['standard_error']:.4f}, on validation"
        return f"the second look is {'on' if self.on else 'off, as it does not gain more than that error'}: {what}"

    @classmethod
    def fit(
        cls,
        mined: Mined,
        items: pl.DataFrame,
        item_aisles: Ints,
        settings: RerankSettings,
        *,
        counts: Ints | None = None,
        vectors: Floats | None = None,
        seed: int = 0,
        device: str = "cpu",
        progress: Progress | None = None,
    ) -> Self:
        """Train on one part of the people, choose the weights by a second, report by a third.

        Parameters
        ----------
        mined : Mined
            By a retriever that was not trained on the targets.
        items : polars.DataFrame
            The N items.
        item_aisles : int64 (N,)
        counts, vectors : int64 (N,), float32 (N, T), optional
            For the control that needs no language model, see `mix.control_features`; both of the time when ``mined`` was made.

        Raises
        ------
        SettingError, BadInput
            If the model cannot be had or trained.
        """
        started = time.perf_counter()
        cross = CrossEncoder.new(settings, seed, device)
        train, judges, kept_back = parted(mined, settings, seed)
        if min(len(train), len(judges)) < _LEAST:
            why = f"{len(mined)} people with a newest event to predict are too few to train on and to choose by"
            return cls(None, np.array([1, 0], np.float32), settings, {"on": False, "model": settings.model, "reason": why})
        writer = PairWriter(cross.tokenizer, items, settings)
        people = mined[train]
        cross.train(writer, people.histories, draw_lists(people, item_aisles, settings.negatives, seed), seed, progress)
        judging = mined[judges]
        looked = cross.score(writer, judging.histories, judging.top, progress)
        features = np.stack([standardised(v, judging.there) for v in (judging.scores, looked)], axis=2)
        weights, facts = choose_mix(features, judging.there, judging.hits, seed)
        report: dict[str, Any] = {
            "on": facts["kept"],
            "model": settings.model,
            "trained_on": len(train),
            "losses": cross.losses,
            "mix": facts,
            "recall_of_the_head": float(judging.hits.any(axis=1).mean()),
            "answers": _answers(cross, writer, judging, mined[kept_back], item_aisles, settings, seed),
        }
        if counts is not None:
            control = control_features(judging, counts, vectors)
            report["control"] = choose_mix(control, judging.there, judging.hits, seed)[1]
        report["minutes"] = round((time.perf_counter() - started) / 60, 2)
        out = cls(cross if facts["kept"] else None, weights, settings, report)
        out.read(items)
        return out

    def read(self, items: pl.DataFrame) -> None:
        """Take over the catalogue, N items; their texts are read when the first list is."""
        self._items, self._writer = items, None

    def reading(self, items: pl.DataFrame) -> Self:
        """The same second look at a catalogue to which items were appended, such as a wish; this one stays as it is."""
        if self._items is None or items.height == self._items.height:
            return self
        _, writer = self._written()
        out = copy.copy(self)
        out._items, out._writer = items, writer.extended(items)
        return out

    def _written(self) -> tuple[CrossEncoder, PairWriter]:
        if self.cross is None or self._items is None:
            raise RuntimeError("there is no second look; expected one that is on, and a catalogue")
        if self._writer is None:
            self._writer = PairWriter(self.cross.tokenizer, self._items, self.settings)
        return self.cross, self._writer

    def rescore(self, histories: Histories, codes: Ints, scores: Floats, allowed: Bools, progress: Progress | None = None) -> Floats:
        """Scores of the same items after a second look at the head of each list.

        Parameters
        ----------
        histories : Histories
            B histories; one that is empty keeps its scores.
        codes : int64 (C,)
            The item of each column.
        scores : float32 (B, C)
            Of the retriever.
        allowed : bool (B, C)
            What may be listed: the head is made of it.

        Returns
        -------
        float32 (B, C)
            In the head the mixed score, below it the retriever's order.
        """
        cross, writer = self._written()
        out = scores.astype(np.float32, copy=True)
        known = np.flatnonzero(histories.lengths > 0)
        depth = min(self.settings.depth, scores.shape[1])
        if not len(known) or not depth:
            return out
        masked = np.where(allowed[known], scores[known], -np.inf)
        head = np.sort(np.argpartition(-masked, depth - 1, axis=1)[:, :depth], axis=1)
        found = np.take_along_axis(masked, head, axis=1)
        there = np.isfinite(found)
        looked = cross.score(writer, histories[known], np.where(there, codes[head], -1), progress)
        first = np.where(there, found, 0).astype(np.float32)
        mixed = np.stack([standardised(v, there) for v in (first, looked)], axis=2) @ self.weights
        out[known] = _above(scores[known], head, there, mixed)
        return out

    # saving and loading

    def save(self, folder: Path) -> None:
        """``rerank.json`` and, where it is on, a folder that transformers opens."""
        folder.mkdir()
        if self.cross is not None:
            self.cross.save(folder)
        said = {"settings": self.settings.to_dict(), "weights": [float(w) for w in self.weights], "report": self.report}
        if self.cross is not None:
            said["precision"] = self.cross.precision
        (folder / "rerank.json").write_text(json.dumps(said, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, items: pl.DataFrame, device: str = "cpu") -> Self:
        """The inverse of `save`."""
        said = json.loads((folder / "rerank.json").read_text(encoding="utf-8"))
        settings = RerankSettings.from_dict(said["settings"])
        cross = None
        if "precision" in said:
            cross = CrossEncoder.load(folder, settings.changed({"precision": said["precision"]}), device)
        out = cls(cross, np.array(said["weights"], dtype=np.float32), settings, said["report"])
        out.read(items)
        return out


def _answers(
    cross: CrossEncoder, writer: PairWriter, judging: Mined, kept_back: Mined, item_aisles: Ints, settings: RerankSettings, seed: int
) -> dict[str, Any]:
    """Yes or no: the threshold by the judges, the measures on people that neither training nor choosing saw."""
    lists = draw_lists(judging, item_aisles, settings.negatives, seed + 1)
    logits = cross.score(writer, judging.histories, lists)
    threshold = best_threshold(logits.ravel(), (np.arange(logits.shape[1]) == 0)[None, :].repeat(len(logits), 0).ravel())
    lists = draw_lists(kept_back, item_aisles, settings.negatives, seed + 2)
    return answers(cross.score(writer, kept_back.histories, lists), threshold)


def _above(scores: Floats, head: Ints, there: Bools, mixed: Floats) -> Floats:
    """The mixed scores at the head; everything else below them, in the retriever's order and on its scale."""
    lowest = np.where(there, mixed, np.inf).min(axis=1, keepdims=True)
    edge = np.where(there, np.take_along_axis(scores, head, axis=1), np.inf).min(axis=1, keepdims=True)
    some = there.any(axis=1)
    out = scores.astype(np.float32, copy=True)
    rest = np.minimum(scores[some] - edge[some], 0) + lowest[some] - 1e-3
    np.put_along_axis(rest, head[some], np.where(there[some], mixed[some], np.take_along_axis(rest, head[some], axis=1)), axis=1)
    out[some] = rest
    return out.astype(np.float32)
