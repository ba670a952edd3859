"""The trials of a search, kept in SQLite: asked, told, and taken up again after a stop. Imports: space.

A trial that was stopped (Ctrl-C, a time limit, a killed process) counts as failed, and its settings wait to be asked again; one that failed
by itself stays failed, with the reason.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crossaisle.errors import ModelError, RequestError
from crossaisle.search.space import Axis, optuna_module

__all__ = ["DATABASE", "PROCESS", "ask", "best_of", "end", "importance", "load_study", "open_study", "put_back", "spent", "table"]

DATABASE = "search.db"
_NAME = "crossaisle"
_STARTUP, _WARMUP = 4, 2
"""Trials that are never pruned, and the first epoch after which a later one may be."""
PROCESS, _AGAIN, _SAID, _FINGERPRINT = "process", "again", "said", "fingerprint"
"""Marks: of a trial, who runs it, the number of the one whose settings it asks again, why it ended; of the study, what it is for."""


def _storage(folder: Path) -> Any:
    optuna = optuna_module()
    # several processes write: each waits for the others instead of giving up
    return optuna.storages.RDBStorage(f"sqlite:///{folder.resolve() / DATABASE}", engine_kwargs={"connect_args": {"timeout": 120}})


def load_study(folder: Path) -> Any:
    """The study in a folder, with median pruning."""
    optuna = optuna_module()
    pruner = optuna.pruners.MedianPruner(n_startup_trials=_STARTUP, n_warmup_steps=_WARMUP)
    return optuna.load_study(study_name=_NAME, storage=_storage(folder), pruner=pruner)


def open_study(folder: Path, fingerprint: str, resume: bool, first: dict[str, Any] | None) -> Any:
    """The study of a folder: new, with ``first`` as its first trial, or the one that is there.

    Raises
    ------
    RequestError
        If there is one and it is not to be resumed.
    ModelError
        If the one there is of other data, settings or another space, or cannot be read.
    """
    optuna = optuna_module()
    path = folder / DATABASE
    if path.exists() and not resume:
        raise RequestError(f"{folder} already holds a search", "an empty folder, or --resume", "pass --resume, or choose another --out")
    fresh = not path.exists()
    try:
        study = optuna.create_study(study_name=_NAME, storage=_storage(folder), direction="maximize", load_if_exists=True)
        kept = study.user_attrs.get(_FINGERPRINT)
    except Exception as error:
        if fresh:
            raise
        found = f"search {path} cannot be read ({error})"
        raise ModelError(found, "one that this command wrote", "choose another --out") from None
    if kept is None:  # new, or killed before it knew what it was for
        study.set_user_attr(_FINGERPRINT, fingerprint)
        if first is not None:
            study.enqueue_trial(first)
    elif kept != fingerprint:
        raise ModelError(
            f"search {path} was made from other data, settings or another space",
            "the same tables, settings, seed and space",
            "choose another --out",
        )
    return load_study(folder)


def ask(study: Any, space: Sequence[Axis], seed: int) -> Any:
    """The next trial, its settings chosen.

    The sampler is made anew from the seed and what is finished, so that a search that was stopped and resumed goes on as if it had not.
    """
    optuna = optuna_module()
    study.sampler = optuna.samplers.TPESampler(seed=(seed * 1_000_003 + spent(study)) % 2**32, n_startup_trials=2 * _STARTUP)
    trial = study.ask({axis.key: axis.distribution() for axis in space})
    trial.set_user_attr(PROCESS, os.getpid())
    return trial


def spent(study: Any) -> int:
    """Trials that count: finished, pruned, or failed by themselves."""
    trials = study.get_trials(deepcopy=False)
    stopped = _stopped(trials)
    return sum(t.state.is_finished() and t.number not in stopped for t in trials)


def _stopped(trials: Sequence[Any]) -> set[int]:
    """Trials that say nothing of their settings: they failed without a reason of their own."""
    return {t.number for t in trials if t.state.name == "FAIL" and _SAID not in t.user_attrs}


def put_back(study: Any, process: int | None = None) -> int:
    """Fail the trials that are said to be running (all, or those of a process) and let their settings wait to be asked again; how many.

    First they are put into the queue, then failed: a kill in between loses nothing, and the mark keeps it from being put there twice. A
    trial that was killed while its settings were being chosen had begun nothing: what the sampler would choose, it chooses again.
    """
    optuna = optuna_module()
    trials = study.get_trials(deepcopy=False)
    waiting = {t.user_attrs.get(_AGAIN) for t in trials}
    running = [t for t in trials if t.state.name == "RUNNING" and process in (None, t.user_attrs.get(PROCESS))]
    for trial in running:
        params = trial.params if PROCESS in trial.user_attrs else trial.system_attrs.get("fixed_params")
        if params and _SAID not in trial.user_attrs and trial.number not in waiting:
            study.enqueue_trial(params, user_attrs={_AGAIN: trial.number})
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return len(running)


def end(study: Any, trial: Any, state: str, said: str) -> None:
    """End a trial without a value: ``PRUNED`` or ``FAIL``, with the reason."""
    trial.set_user_attr(_SAID, said)
    study.tell(trial, state=optuna_module().trial.TrialState[state])


def best_of(study: Any) -> Any | None:
    """The best finished trial; None where there is none."""
    state = optuna_module().trial.TrialState.COMPLETE
    done = study.get_trials(deepcopy=False, states=(state,))
    return max(done, key=lambda t: (t.value, -t.number), default=None)


def table(study: Any) -> list[dict[str, Any]]:
    """Every trial that was begun, in order: ``number``, ``state``, ``value``, ``epochs``, ``minutes``, ``said``, ``settings``."""
    names = {"COMPLETE": "finished", "PRUNED": "pruned", "RUNNING": "running", "FAIL": "failed"}
    out, trials = [], study.get_trials(deepcopy=False)
    ended_early = _stopped(trials)
    for t in trials:
        if t.state.name not in names:
            continue
        stopped = t.number in ended_early
        seconds = (t.datetime_complete - t.datetime_start).total_seconds() if t.datetime_complete and t.datetime_start else math.nan
        out.append(
            {
                "number": t.number,
                "state": "stopped" if stopped else names[t.state.name],
                "value": t.value if t.state.name == "COMPLETE" else None,
                "best": max(t.intermediate_values.values(), default=None),
                "epochs": len(t.intermediate_values),
                "minutes": None if math.isnan(seconds) else round(seconds / 60, 2),
                "said": "its settings are asked again" if stopped else t.user_attrs.get(_SAID, ""),
                "settings": dict(t.params),
            }
        )
    return out


def importance(study: Any, seed: int) -> dict[str, float]:
    """How much each setting explains of the differences between finished trials (fANOVA, Hutter et al. 2014); empty where that cannot be
    told: below four trials, or where all gave the same."""
    optuna = optuna_module()
    done = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(done) < 4 or len({t.value for t in done}) < 2:
        return {}
    found = optuna.importance.get_param_importances(study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=seed))
    return {name: float(share) for name, share in found.items()}
