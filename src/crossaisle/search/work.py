"""One worker of a search: it asks for settings, trains the network, tells the validation figure. Imports: space, trials.

All that a worker is given is a `Material`: what is learned from and the validation questions. There is no test in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Self

import polars as pl

from crossaisle.contracts import Progress
from crossaisle.data.dataset import Dataset
from crossaisle.data.split import Queries
from crossaisle.encode.senses import Sense
from crossaisle.errors import BadInput
from crossaisle.presets import AllSettings
from crossaisle.scorers import network_scorer, with_media
from crossaisle.search.space import Axis, as_text
from crossaisle.search.trials import ask, best_of, end, load_study, put_back
from crossaisle.train.tracking import Event, Track

__all__ = ["Budget", "Material", "StopWish", "Stopped", "chosen_settings", "sigterm_as_interrupt", "work"]


class Stopped(Exception):
    """A trial is to end at once, and its settings are to be asked again."""


class _Pruned(Exception):
    """A trial is below the median of those before it."""


@dataclass(frozen=True, eq=False)
class Material:
    """All that a search sees.

    Attributes
    ----------
    train : Dataset
        What is learned from.
    valid : Queries
        The questions whose N@10 is to be raised.
    settings : AllSettings
        Where the search starts; what the space does not name stays.
    space : tuple of Axis
    """

    train: Dataset
    valid: Queries
    settings: AllSettings
    space: tuple[Axis, ...]

    def fingerprint(self) -> str:
        """Changes whenever the same trial would give another figure."""
        digest = hashlib.sha256(repr([self.settings.to_dict(), *map(str, self.space)]).encode())
        for h in (self.train.histories, self.valid.histories, self.valid.targets):
            for array in (h.offsets, h.items, h.events, h.weights, h.times):
                digest.update(array.tobytes())
        for table in (self.train.items, self.train.reviews):
            if table is not None:
                digest.update(table.hash_rows().to_numpy().tobytes())
        if self.train.propensities is not None:
            digest.update(self.train.propensities.tobytes())
        return digest.hexdigest()


class Budget:
    """How many trials are left, and until when; shared by the workers where ``lock`` and ``left`` are.

    Parameters
    ----------
    left : object
        With an int ``value``, such as ``multiprocessing.Value``.
    until : float
        ``time.time()`` at which no trial may begin and a running one ends, unless none is finished yet.
    """

    def __init__(self, left: Any, until: float = math.inf) -> None:
        self.left, self.until = left, until

    def take(self, whenever: bool) -> bool:
        """Whether one more trial may begin; ``whenever``: also after the time."""
        with self.left.get_lock():
            if self.left.value <= 0 or (time.time() >= self.until and not whenever):
                return False
            self.left.value -= 1
            return True

    def give_back(self) -> None:
        """A trial that was begun did not count."""
        with self.left.get_lock():
            self.left.value += 1


class StopWish:
    """Ctrl-C and SIGTERM as a wish that is granted at the next step of training; a second one is obeyed at once.

    Parameters
    ----------
    interrupt : bool
        False: only SIGTERM is heard, because the process that started this one decides about Ctrl-C.
    """

    def __init__(self, interrupt: bool = True) -> None:
        self.asked, self.interrupt = False, interrupt
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():  # only there can signals be heard
            return self
        self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._hear)
        self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._hear if self.interrupt else signal.SIG_IGN)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def check(self) -> None:
        """Raise `Stopped` where somebody asked."""
        if self.asked:
            raise Stopped


@contextlib.contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Inside, SIGTERM ends the program as Ctrl-C does: files whole or not at all, locks and temporary folders gone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def chosen_settings(material: Material, params: dict[str, Any]) -> AllSettings:
    """The material's settings with a trial's values."""
    return material.settings.changed({key: as_text(value) for key, value in params.items()})


def work(
    material: Material,
    folder: Path,
    budget: Budget,
    stop: StopWish,
    *,
    parent: int | None = None,
    progress: Progress | None = None,
    told: Callable[[], None] | None = None,
) -> None:
    """Run trials until the budget is spent or somebody asks to stop.

    Parameters
    ----------
    parent : int, optional
        The process that started this one; where it is gone, this one goes too, and tells nothing.
    told : callable, optional
        Called after each trial.
    """
    study, memory = load_study(folder), dict[str, dict[str, Sense]]()
    while not stop.asked and budget.take(whenever=best_of(study) is None):
        trial = ask(study, material.space, material.settings.seed)
        try:
            _one(material, study, trial, memory, _Checks(stop, budget, study, parent), progress)
        except BaseException as error:
            put_back(study, os.getpid())
            budget.give_back()
            if isinstance(error, Stopped):
                return
            raise
        if told is not None:
            told()


class _Checks:
    """What may end a trial from outside, looked at in each step."""

    def __init__(self, stop: StopWish, budget: Budget, study: Any, parent: int | None) -> None:
        self.stop, self.study, self.parent, self.until = stop, study, parent, budget.until

    def __call__(self) -> None:
        if self.parent is not None and os.getppid() != self.parent:
            os._exit(1)  # whoever resumes the search puts the trial back
        self.stop.check()
        if time.time() >= self.until:
            if best_of(self.study) is not None:
                raise Stopped
            self.until = time.time() + 1.0  # nothing is finished yet: go on, and look again


def _one(
    material: Material, study: Any, trial: Any, memory: dict[str, dict[str, Sense]], checks: _Checks, progress: Progress | None
) -> None:
    """One trial, told whatever comes of it."""

    def listen(event: Event) -> None:
        checks()
        if event.kind == "epoch":
            trial.report(event.values["validation_ndcg@10"], event.epoch)
            if trial.should_prune():
                raise _Pruned(f"ended after epoch {event.epoch}: N@10 so far is below the median of the trials before it")

    def tell(stage: str, done: int, total: int, note: str) -> None:
        checks()
        if progress is not None:
            progress(stage, done, total, note)

    try:
        run = _train(chosen_settings(material, trial.params), material, memory, listen, tell)
    except _Pruned as reason:
        end(study, trial, "PRUNED", str(reason))
    except BadInput as error:
        end(study, trial, "FAIL", str(error))
    else:
        value = max(run.scores, default=math.nan)
        if not all(map(math.isfinite, [value, *run.losses])):
            end(study, trial, "FAIL", "training diverged: the loss is no number any more")
        else:
            study.tell(trial, value)


def _train(
    settings: AllSettings, material: Material, memory: dict[str, dict[str, Sense]], listen: Callable[[Event], None], progress: Progress
) -> Any:
    settings = with_media(settings, material.train)
    scorer = network_scorer(settings, media=material.train.media)
    scorer.track = Track(listen=listen, every=1)
    if scorer.reader is not None and not settings.tune.active and "reviews" not in settings.model.senses:
        parts = (settings.model.senses, settings.text, settings.words, settings.media)
        scorer.reader = _Remembered(scorer.reader, memory, repr(parts))
    return scorer.fit(material.train, material.valid, progress=progress).selection


class _Remembered:
    """A reader of a catalogue that is read once for all trials whose settings of reading are the same."""

    def __init__(self, reader: Any, memory: dict[str, dict[str, Sense]], key: str) -> None:
        self.reader, self.memory, self.key = reader, memory, key

    def fit(self, items: pl.DataFrame) -> Self:
        return self

    def read(self, items: pl.DataFrame, progress: Progress | None = None) -> dict[str, Sense]:
        if self.key not in self.memory:
            self.memory[self.key] = self.reader.fit(items).read(items, progress)
        return dict(self.memory[self.key])
