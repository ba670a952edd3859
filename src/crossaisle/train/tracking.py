"""One stream of events from training, and where it can go. Imports: settings.

The loop tells a `Track`; a track tells its sinks (and, in a search, whoever decides whether to go on). An event holds the name of what is
going on and plain numbers, never an id, a text or a path.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import torch

from crossaisle.errors import MissingExtra, OutputError, RequestError
from crossaisle.train.settings import TrackSettings

__all__ = ["Event", "JsonLines", "Sink", "TensorBoard", "Track", "WeightsAndBiases", "curves", "tracking"]

_INSTALL = "pip install 'crossaisle[track]'"


@dataclass(frozen=True)
class Event:
    """What happened in training.

    Attributes
    ----------
    kind : "step" or "epoch"
    stage : str
        Which run: ``choosing when to stop``, ``training on everything`` or ``training``.
    epoch, step : int
        From 1; steps are counted through all epochs of the stage.
    values : mapping of str to float
        A step has ``loss``, ``learning_rate``, ``gradient_norm`` (before clipping; missing where nothing is clipped) and ``seconds``; an
        epoch has ``loss`` (its mean), ``validation_ndcg@10`` where there is validation, and ``seconds`` (since the stage began).

    Raises
    ------
    TypeError
        If a value is no plain number.

    Examples
    --------
    >>> Event("epoch", "training", 1, 40, {"loss": 6.5, "seconds": 2.0}).values["loss"]
    6.5
    """

    kind: Literal["step", "epoch"]
    stage: str
    epoch: int
    step: int
    values: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            if type(value) not in (int, float):
                raise TypeError(f"event value {name} is a {type(value).__name__}; expected a plain number")


class Sink(Protocol):
    """Where events go."""

    def write(self, event: Event) -> None:
        """Keep one event."""
        ...

    def close(self) -> None:
        """Nothing more comes; what was written is whole."""
        ...


@dataclass
class Track:
    """Tells every sink; the loop holds one, or None.

    A sink that fails is left out from then on, with a note: hours of training are not lost for a curve.

    Attributes
    ----------
    sinks : list of Sink
    listen : callable, optional
        Told of every event before the sinks; what it raises ends the training (a search ends a trial so).
    every : int
        Of the steps only each such one is told; 0 = none. Epochs are always told.
    notes : list of str
        What could not be written, and why.
    """

    sinks: list[Sink] = field(default_factory=list)
    listen: Callable[[Event], None] | None = None
    every: int = 50
    notes: list[str] = field(default_factory=list)

    def step(self, stage: str, epoch: int, step: int, loss: float, rate: float, norm: torch.Tensor | None, seconds: float) -> None:
        """After each step of the optimiser."""
        if self.every and step % self.every == 0:
            values = {"loss": loss, "learning_rate": float(rate), "seconds": seconds}
            self.tell(Event("step", stage, epoch, step, values if norm is None else {**values, "gradient_norm": float(norm)}))

    def epoch(self, stage: str, epoch: int, step: int, loss: float, score: float | None, seconds: float) -> None:
        """After each epoch and its validation."""
        values = {"loss": loss, "seconds": seconds}
        self.tell(Event("epoch", stage, epoch, step, values if score is None else {**values, "validation_ndcg@10": score}))

    def tell(self, event: Event) -> None:
        """Hand an event to whoever listens, and to every sink."""
        if self.listen is not None:
            self.listen(event)
        self._each(lambda sink: sink.write(event))

    def close(self) -> None:
        """Close every sink."""
        self._each(lambda sink: sink.close())

    def _each(self, do: Callable[[Sink], None]) -> None:
        for sink in list(self.sinks):
            try:
                do(sink)
            except Exception as error:
                self.sinks.remove(sink)
                self.notes.append(f"tracking: {type(sink).__name__} was left out, as it could not be written ({error})")


class JsonLines:
    """One JSON object a line, flushed event by event: ``events.jsonl`` in the folder.

    Parameters
    ----------
    folder : Path
    resume : bool
        Add to what is there instead of starting anew; a step that is taken twice stands there twice.

    Examples
    --------
    >>> import tempfile
    >>> sink = JsonLines(Path(tempfile.mkdtemp()))
    >>> sink.write(Event("epoch", "training", 1, 4, {"loss": 2.5}))
    >>> sink.close()
    >>> sink.path.read_text()
    '{"kind": "epoch", "stage": "training", "epoch": 1, "step": 4, "values": {"loss": 2.5}}\\n'
    """

    def __init__(self, folder: Path, resume: bool = False) -> None:
        self.path = folder / "events.jsonl"
        self._file = self.path.open("a" if resume else "w", encoding="utf-8")

    def write(self, event: Event) -> None:
        """See `Sink`; a number that JSON lacks becomes null."""
        finite = {name: value if math.isfinite(value) else None for name, value in event.values.items()}
        self._file.write(json.dumps({**asdict(event), "values": finite}) + "\n")
        self._file.flush()

    def close(self) -> None:
        """See `Sink`."""
        self._file.close()


class TensorBoard:
    """Event files for ``tensorboard --logdir FOLDER``; a tag is ``stage/kind/value``, its step the event's step (for an epoch: the epoch).

    Raises
    ------
    MissingExtra
        If tensorboard is not installed.
    """

    def __init__(self, folder: Path, resume: bool = False) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtra("TensorBoard's event files", _INSTALL) from None
        place = folder / "tensorboard"
        if not resume:  # TensorBoard draws every file of a folder as one run
            for old in place.glob("events.out.tfevents.*"):
                old.unlink()
        self._writer = SummaryWriter(str(place))

    def write(self, event: Event) -> None:
        """See `Sink`."""
        at = event.step if event.kind == "step" else event.epoch
        for name, value in event.values.items():
            self._writer.add_scalar(_tag(event, name), value, at)
        if event.kind == "epoch":
            self._writer.flush()

    def close(self) -> None:
        """See `Sink`."""
        self._writer.close()


class WeightsAndBiases:
    """A run of Weights & Biases, files in the folder; ``WANDB_MODE=offline`` keeps it on this machine, ``wandb sync`` sends it later.

    Only events are told: no code, host name, console output or hardware figures.

    Raises
    ------
    MissingExtra
        If wandb is not installed.
    RequestError
        If it refuses, as it does online without a key.
    """

    def __init__(self, folder: Path, project: str, resume: bool = False) -> None:
        try:
            import wandb
        except ImportError:
            raise MissingExtra("Weights & Biases runs", _INSTALL) from None
        quiet = wandb.Settings(
            console="off",
            silent=True,
            save_code=False,
            disable_git=True,
            disable_code=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
        )
        try:
            self._run = wandb.init(project=project, dir=str(folder), settings=quiet, reinit="create_new", config={"resumed": resume})
        except wandb.Error as error:
            raise RequestError(
                f"Weights & Biases refuses ({error})", "WANDB_MODE=offline, or a key in WANDB_API_KEY", "set either, or leave wandb out"
            ) from None

    def write(self, event: Event) -> None:
        """See `Sink`."""
        prefix = _tag(event, "")
        self._run.log(
            {**{prefix + name: v for name, v in event.values.items()}, prefix + "step": event.step, prefix + "epoch": event.epoch}
        )

    def close(self) -> None:
        """See `Sink`."""
        self._run.finish()


def _tag(event: Event, name: str) -> str:
    return f"{event.stage.replace(' ', '-')}/{event.kind}/{name}"


@contextlib.contextmanager
def tracking(settings: TrackSettings, folder: str | Path | None, resume: bool = False) -> Iterator[Track | None]:
    """The track that the settings and a folder ask for, closed at the end; None where neither does.

    A folder without ``track.sinks`` gets JSON lines.

    Raises
    ------
    RequestError
        If sinks are named and there is no folder, or Weights & Biases refuses.
    MissingExtra
        If a sink's package is not installed.
    OutputError
        If the folder cannot be written.
    """
    if folder is None:
        if settings.sinks:
            raise RequestError(
                f"track.sinks names {', '.join(settings.sinks)}, and there is no folder", "a folder for them", "pass --track DIR"
            )
        yield None
        return
    track = Track(every=settings.every)
    try:
        for name in settings.sinks or ("jsonl",):
            track.sinks.append(_open(name, settings, Path(folder), resume))
        yield track
    finally:
        track.close()


def _open(name: str, settings: TrackSettings, folder: Path, resume: bool) -> Sink:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if name == "tensorboard":
            return TensorBoard(folder, resume)
        return WeightsAndBiases(folder, settings.project, resume) if name == "wandb" else JsonLines(folder, resume)
    except OSError as error:
        raise OutputError(
            f"cannot track into {folder} ({error.strerror})", "a folder that can be written", "choose another --track"
        ) from None


def curves(runs: Mapping[str, Any]) -> dict[str, Any]:
    """Learning curves as plain values, for ``curves.json``; a run that did not take place is left out.

    Parameters
    ----------
    runs : mapping of str to TrainingRun
        By the name of their stage.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> run = SimpleNamespace(losses=[3.0, 2.0], scores=[0.1, 0.2], best_epoch=2, seconds=4.04)
    >>> curves({"training": run})
    {'training': {'loss': [3.0, 2.0], 'validation_ndcg@10': [0.1, 0.2], 'best_epoch': 2, 'seconds': 4.0}}
    """
    return {
        stage: {"loss": r.losses, "validation_ndcg@10": r.scores, "best_epoch": r.best_epoch, "seconds": round(r.seconds, 1)}
        for stage, r in runs.items()
        if r.losses
    }
