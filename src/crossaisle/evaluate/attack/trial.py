"""A model on held-back answers, clean and under each attack. Imports: asking, gradient, people, results.

The last event of each person is the answer and the last but one chooses when to stop, so the model is fitted here and not taken from a
folder: a saved one has learned from the answers. Attacks on vectors, texts and photos meet the fitted model; made-up people need
fits of their own, with and without them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from crossaisle import schema
from crossaisle.attack.items import noisy_items, noisy_photos
from crossaisle.attack.settings import levels
from crossaisle.attack.shilling import copied_users, fake_profiles, tail_items
from crossaisle.attack.vectors import random_directions, shifted
from crossaisle.blend.scorer import BlendScorer
from crossaisle.contracts import Progress
from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Queries, Split, leave_one_out
from crossaisle.data.split_parts import at_most
from crossaisle.encode.items import ItemReader
from crossaisle.evaluate import facts
from crossaisle.evaluate.attack.asking import Answers, ask, compared, figure
from crossaisle.evaluate.attack.gradient import worst_directions
from crossaisle.evaluate.attack.people import checked, detection, interactions_of, with_people
from crossaisle.evaluate.attack.results import AttackReport, AttackRow, DetectionRow, Figure, ShillingRow
from crossaisle.metrics import Values
from crossaisle.presets import AllSettings
from crossaisle.scorers import blend_scorer, with_media
from crossaisle.stats import paired_test
from crossaisle.train.device import choose_device

__all__ = ["under_attack"]

_TEXT_ATTACKS = ("typos", "homoglyphs", "words", "cut")
_PHOTO_ATTACKS = ("gaussian", "jpeg")


def under_attack(data: Dataset, settings: AllSettings, *, data_name: str = "data", progress: Progress | None = None) -> AttackReport:
    """Fit, ask, attack, ask again.

    Parameters
    ----------
    data : Dataset
        With a media folder where photos are to be attacked. Reviews are not read.
    settings : AllSettings
        ``settings.attack`` says what is done; ``settings.data.shilling`` is the defence of every fit.
    data_name : str
        For the report.
    progress : Progress, optional

    Raises
    ------
    TableError
        If nobody has two interactions.
    """
    clock = time.perf_counter()
    trial = _Trial(data, settings, progress)
    rows = [trial.row("none", 0.0, trial.clean)]
    kinds = settings.attack.kinds
    if "vectors" in kinds:
        rows += trial.vectors()
    if "texts" in kinds:
        rows += trial.texts()
    if "photos" in kinds:
        rows += trial.photos()
    if "shilling" in kinds:
        trial.shill()
    return AttackReport(
        data_name=data_name,
        questions=len(trial.asked),
        rows=tuple(rows),
        shilling=tuple(trial.shilling),
        detection=tuple(trial.detections),
        pushed_items=tuple(trial.targets) if "shilling" in kinds else (),
        notes=tuple(trial.notes),
        facts={
            "split": trial.split.note,
            "settings": settings.to_dict(),
            "hardware": facts.hardware(choose_device(settings.device)),
            "versions": facts.versions(),
            "minutes": (time.perf_counter() - clock) / 60,
        },
        answers=trial.answers,
        climbs=trial.climbs,
    )


class _Trial:
    """The clean model and what is asked of it; each method is one kind of attack."""

    def __init__(self, data: Dataset, settings: AllSettings, progress: Progress | None) -> None:
        self.settings, self.progress = with_media(settings, data), progress
        # each fit checks its own training data, so that all are treated alike
        bare = data.without_reviews().with_histories(replace(data.histories, trust=None, own=None))
        self.split: Split = leave_one_out(bare, settings.seed, target_events=settings.data.target_events)
        answerable = self.split.test.unseen()
        asked = answerable if len(answerable) else self.split.test
        self.asked: Queries = asked[at_most(np.arange(len(asked)), settings.attack.questions, settings.seed)]
        self.notes: list[str] = []
        self.shilling: list[ShillingRow] = []
        self.detections: list[DetectionRow] = []
        self.answers: dict[str, Values] = {}
        self.climbs: dict[str, Values] = {}
        self.events = interactions_of(self.split.train)
        tail = tail_items(self.events, 2 * settings.attack.targets, seed=settings.seed)
        self.targets, self.others = tail[: (len(tail) + 1) // 2], tail[(len(tail) + 1) // 2 :]
        codes = self.split.train.item_codes
        self.watched = [codes[i] for i in (*self.targets, *self.others)]
        self.scorer = self._fit(self.split.train)
        self.clean = self._ask(self.scorer, "clean")

    def _fit(self, train: Dataset) -> BlendScorer:
        valid = self.split.valid if len(self.split.valid) else None
        data = checked(train, self.settings.data)
        return blend_scorer(self.settings, media=data.media).fit(data, valid, progress=self.progress)

    def _ask(self, scorer: BlendScorer, what: str) -> Answers:
        self._tell(f"asking, {what}", 0)
        out = ask(scorer, self.asked, self.split.train.n_items, self.watched)
        self._tell(f"asking, {what}", 1)
        return out

    def _tell(self, stage: str, done: int) -> None:
        if self.progress is not None:
            self.progress(stage, done, 1, "")

    def row(self, attack: str, level: float, answers: Answers) -> AttackRow:
        """The row of what was answered under an attack; each answer is kept."""
        self.answers[f"{attack} {level:g}"] = answers.ndcg
        return compared(attack, level, self.clean, answers, self.settings.seed)

    def _row(self, attack: str, level: float) -> AttackRow:
        return self.row(attack, level, self._ask(self.scorer, f"{attack} {level:g}"))

    def vectors(self) -> Iterator[AttackRow]:
        """Shifts of the network's item vectors."""
        net = self.scorer.net
        raw = net.raw_vectors().cpu().numpy().copy()
        ways = {"random": random_directions(raw, self.settings.seed), "gradient": worst_directions(net, self.asked)}
        for way, directions in ways.items():
            for size in levels(self.settings.attack, "vectors"):
                net.use_vectors(torch.from_numpy(shifted(raw, directions, size)).to(net.device))
                yield self._row(f"vectors, {way}", size)
        net.use_vectors(None)

    def texts(self) -> Iterator[AttackRow]:
        """The catalogue read again with noise in its texts, by the reader and vocabulary of the fit."""
        yield from self._read_again(_TEXT_ATTACKS, self._with_noise, "text", "words", missing="no item has a text")

    def photos(self) -> Iterator[AttackRow]:
        """The catalogue read again with noise in its photos."""
        yield from self._read_again(_PHOTO_ATTACKS, self._with_noisy_photos, schema.IMAGE, missing="no item has a photo")

    def _read_again(self, attacks: tuple[str, ...], read: Any, *needs: str, missing: str) -> Iterator[AttackRow]:
        before = self.scorer.net.senses
        if not any(name in before for name in needs):
            self.notes.append(f"{missing} that the model reads: {' and '.join(attacks)} were not measured")
            return
        for kind in attacks:
            for level in levels(self.settings.attack, kind):
                self._tell(f"reading, {kind} {level:g}", 0)
                self.scorer.use_senses({**before, **read(kind, level)})
                yield self._row(kind, level)
        self.scorer.use_senses(before)

    def _with_noise(self, kind: str, level: float) -> Any:
        reader: Any = self.scorer.net.reader
        return reader.read_texts(noisy_items(self.split.train.items, kind, level, self.settings.seed), self.progress)

    def _with_noisy_photos(self, kind: str, level: float) -> Any:
        train, device = self.split.train, choose_device(self.settings.device)
        assert train.media is not None
        with TemporaryDirectory(prefix="crossaisle-") as folder:
            paths, media = train.items[schema.IMAGE].to_list(), self.settings.media
            home, cache = Path(folder) / "media", Path(folder) / "cache"
            home.mkdir()
            noisy_photos(train.media, paths, home, kind, level, self.settings.seed, media)
            reader = ItemReader((schema.IMAGE,), self.settings.text, self.settings.words, device, cache, media=media, folder=home)
            return reader.fit(train.items).read(train.items, self.progress)

    def shill(self) -> None:
        """Fit with made-up people, and with as many copied ones."""
        train, attack, seed = self.split.train, self.settings.attack, self.settings.seed
        codes = [train.item_codes[i] for i in self.targets]
        self.detections.append(detection(train, train.n_users, "none", 0.0, [], self.settings.data))
        for share in levels(attack, "shares"):
            genuine = self.events[schema.USER].n_unique()
            people = max(len(self.targets), round(share * genuine))  # at least one an item
            exact = people / genuine
            copied = self._ask(self._fit(with_people(train, copied_users(self.events, share=exact, seed=seed))), "copied people")
            for filler in attack.fillers:
                rows = fake_profiles(self.events, self.targets, share=exact, filler=filler, place=attack.place, seed=seed)
                poisoned = with_people(train, rows)
                self.detections.append(detection(poisoned, train.n_users, filler, exact, codes, self.settings.data))
                pushed = self._ask(self._fit(poisoned), f"{filler} profiles")
                self.shilling.append(self._shilled(filler, exact, people, copied, pushed))

    def _shilled(self, filler: str, share: float, people: int, copied: Answers, pushed: Answers) -> ShillingRow:
        n, seed = len(self.targets), self.settings.seed
        hits = [answers.hits() for answers in (self.clean, copied, pushed)]
        places = [np.maximum(answers.mean_ranks(), 1.0) for answers in (self.clean, copied, pushed)]
        ranks = [float(np.median(some[:n])) for some in places]
        climbs = np.log2(places[1] / places[2])
        self.climbs[f"{filler} {share:g}"] = climbs[:n]
        gains = (hits[2] - hits[0]) - (hits[1] - hits[0])
        test = paired_test(pushed.ndcg, copied.ndcg, seed)
        nobody = Figure(float("nan"), float("nan"), float("nan"))
        return ShillingRow(
            filler=filler,
            share=share,
            people=people,
            clean=float(hits[0][:n].mean()),
            copied=float(hits[1][:n].mean()),
            pushed=float(hits[2][:n].mean()),
            gain=figure(gains[:n], seed),
            climb=figure(climbs[:n], seed),
            others=figure(gains[n:], seed) if len(gains) > n else nobody,
            others_climb=figure(climbs[n:], seed) if len(gains) > n else nobody,
            rank_clean=ranks[0],
            rank_copied=ranks[1],
            rank_pushed=ranks[2],
            accuracy=Figure(test.difference, test.low, test.high),
        )
