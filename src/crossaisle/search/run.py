"""A search from its first trial to its last, in this process or in several. Imports: space, trials, work."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import torch

from crossaisle.contracts import Progress
from crossaisle.errors import RequestError
from crossaisle.search.space import start_of
from crossaisle.search.trials import best_of, load_study, open_study, put_back, spent
from crossaisle.search.work import Budget, Material, StopWish, work

__all__ = ["search"]

_MATERIAL = ".material.pickle"
"""What the workers of a search that runs read."""
_LOOK = 0.3
"""Seconds between two looks at the workers."""
_GRACE = 60.0
"""Seconds that a worker has to end its step after a stop."""


def search(
    material: Material,
    folder: Path,
    *,
    trials: int = 30,
    minutes: float = math.inf,
    workers: int = 1,
    resume: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Raise the validation N@10 of the network by its settings; every trial is kept in ``folder``.

    The first trial has the settings as they are. The others are chosen by TPE (Bergstra et al. 2011); one whose best figure is below the
    median of earlier ones at the same epoch ends there.

    Parameters
    ----------
    material : Material
        Holds no test questions, so that none can be looked at.
    folder : Path
        Exists, and is held by this run alone.
    trials : int
        How many in all, those of earlier runs included.
    minutes : float
        No trial begins after so long, and a running one ends, unless it is the first.
    workers : int
        Processes that share the storage, each with its share of the threads.
    resume : bool
        Go on with the search in the folder.

    Returns
    -------
    optuna.Study

    Raises
    ------
    RequestError
        A number below 1, a search that is there and not to be resumed, or no trial that gave a figure.
    ModelError
        The search there is of other data, settings or another space.
    MissingExtra
        If Optuna is not installed.
    KeyboardInterrupt
        After Ctrl-C or SIGTERM, when what is finished is kept.
    """
    for name, value in (("--trials", trials), ("--workers", workers)):
        if value < 1:
            raise RequestError(f"{name} is {value}", "a whole number of at least 1", f"write {name} 4")
    if not minutes > 0:
        raise RequestError(f"--minutes is {minutes:g}", "a number above 0", "write --minutes 30")
    until = time.time() + 60 * minutes
    study = open_study(folder, material.fingerprint(), resume, start_of(material.space, material.settings))
    put_back(study)
    (folder / _MATERIAL).unlink(missing_ok=True)  # of a search that was killed
    left = trials - spent(study)

    def told() -> None:
        if progress is not None:
            best = best_of(study)
            note = "" if best is None else f"best N@10 {best.value:.4f} (trial {best.number})"
            progress("trials", min(spent(study), trials), trials, note)

    if left > 0:
        with StopWish() as stop:
            if workers == 1:
                _alone(material, folder, left, until, stop, told, progress)
            else:
                _together(material, folder, left, until, stop, told, workers)
            if stop.asked:
                raise KeyboardInterrupt
    if best_of(study) is None:
        reasons = {t.user_attrs.get("said", "") for t in study.get_trials(deepcopy=False)} - {""}
        raise RequestError(f"no trial gave a figure ({'; '.join(sorted(reasons))})", "settings that can be trained", "change --space")
    return study


class _Count:
    """What `multiprocessing.Value` is to several processes, for one."""

    def __init__(self, value: int) -> None:
        self.value = value

    def get_lock(self) -> Any:
        return contextlib.nullcontext()


def _alone(material: Material, folder: Path, left: int, until: float, stop: StopWish, told: Callable[[], None], progress: Any) -> None:
    told()
    work(material, folder, Budget(_Count(left), until), stop, progress=progress, told=told)


def _together(material: Material, folder: Path, left: int, until: float, stop: StopWish, told: Callable[[], None], workers: int) -> None:
    context = multiprocessing.get_context("spawn")  # a language model that was read with several threads may hang after a fork
    count, study = context.Value("i", left), load_study(folder)
    threads = max(1, torch.get_num_threads() // workers)
    # in a file, not in the pipe to each worker: whoever writes into a full pipe waits for ever for a worker that died before it read
    with (folder / _MATERIAL).open("wb") as file:
        pickle.dump(material, file)
    todo = [(folder, count, until, threads, os.getpid())] * min(workers, left)
    running = [context.Process(target=_worker, args=arguments) for arguments in todo]
    died: dict[int | None, int] = {}
    try:
        _start(running)
        while any(process.is_alive() for process in running) and not stop.asked:
            told()
            time.sleep(_LOOK)
            for process in running:
                if process.exitcode and process.pid not in died:
                    died[process.pid] = process.exitcode
                    with count.get_lock():  # the others take over what it had begun
                        count.value += put_back(study, process.pid)
    finally:
        _end(running)
        put_back(study)
        (folder / _MATERIAL).unlink(missing_ok=True)
    told()
    if len(died) == len(running) and not stop.asked:
        codes = ", ".join(map(str, died.values()))
        raise RequestError(
            f"every worker of the search died (exit codes {codes})", "workers that live", "look at the memory, then --resume"
        )


def _start(running: list[Any]) -> None:
    """Start the workers deaf to Ctrl-C, which reaches every process of a terminal: their parent tells them when to stop.

    They inherit that it is blocked; the parent hears a Ctrl-C of this moment when all are started. Ignored, it would be lost.
    """
    before = None
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        resource_tracker.ensure_running()  # whoever starts it unblocks the signal
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        for process in running:
            process.start()
    finally:
        if before is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(running: list[Any]) -> None:
    """Ask those that still run to stop, wait, and kill whoever does not."""
    started = [process for process in running if process.pid is not None]
    for process in started:
        process.terminate()
    for process in started:
        process.join(_GRACE)
        if process.is_alive():
            process.kill()
            process.join()


def _worker(folder: Path, count: Any, until: float, threads: int, parent: int) -> None:
    torch.set_num_threads(threads)
    with StopWish(interrupt=False) as stop:
        material = pickle.loads((folder / _MATERIAL).read_bytes())
        work(material, folder, Budget(count, until), stop, parent=parent)
