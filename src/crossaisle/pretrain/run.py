"""Domain pretraining from a dataset to a folder. Imports: crossaisle, schema, contracts, data.dataset, data.split_parts, data.times,
encode.cache, encode.fields, encode.text, errors, train.device; of its own room language_model, loop, objective, pairs, settings.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from crossaisle import __version__
from crossaisle.contracts import Progress, TextReader
from crossaisle.data.dataset import Dataset
from crossaisle.data.split_parts import learn
from crossaisle.data.times import parse_times
from crossaisle.encode.cache import VectorCache
from crossaisle.encode.fields import item_texts
from crossaisle.errors import OutputError, RequestError, TableError
from crossaisle.pretrain.language_model import RECORD, LanguageModel, open_language_model
from crossaisle.pretrain.loop import StageRun, run_stage
from crossaisle.pretrain.objective import Objective, PairObjective
from crossaisle.pretrain.pairs import Pairs, bought_together, hold_out_users
from crossaisle.pretrain.settings import PretrainSettings

__all__ = ["Pretrained", "before", "check_folder", "pretrain"]

_TRAINING = ".training"
"""Folder inside the model's that holds the checkpoints of a run that has not ended."""


@dataclass(frozen=True)
class Pretrained:
    """What a run left behind.

    Attributes
    ----------
    model : LanguageModel
        The tuned one, in evaluation mode.
    stages : tuple of StageRun
    record : dict
        What the folder's JSON holds.
    notes : tuple of str
        What the person should know beside it.
    """

    model: LanguageModel
    stages: tuple[StageRun, ...]
    record: dict[str, Any]
    notes: tuple[str, ...] = ()


def before(data: Dataset, moment: str) -> Dataset:
    """Only events and reviews known to be older than a moment.

    Parameters
    ----------
    moment : str
        As in tables: unix seconds or ISO 8601.

    Raises
    ------
    RequestError
        If it is no moment.
    TableError
        If nothing is older.

    Examples
    --------
    >>> from crossaisle.testing import toy_dataset
    >>> data = toy_dataset()
    >>> older = before(data, "2018-01-01")
    >>> 0 < len(older.histories.items) < len(data.histories.items), bool((older.histories.times < 1514764800).all())
    (True, True)
    """
    seconds, _, _ = parse_times(pl.Series([moment]))
    if seconds[0] is None:
        raise RequestError(f"{moment!r} is no moment", "unix seconds or ISO 8601 such as 2018-01-01", "write --before 2018-01-01")
    kept = data.histories.times < float(seconds[0])  # an unknown time is not known to be older
    if not kept.any():
        raise TableError(f"no interaction is older than {moment}", "some dated before it", "choose a later --before")
    return learn(data, np.asarray(kept, dtype=np.bool_), np.asarray(~kept, dtype=np.bool_), float(seconds[0]))


def check_folder(out: Path) -> None:
    """Refuse a folder that holds something else.

    Raises
    ------
    OutputError
        If it is not empty and no earlier run of this made it.
    """
    if not out.is_dir():
        return
    names = {p.name for p in out.iterdir()}
    if names - {".lock"} and not names & {RECORD, _TRAINING, ".writing"}:
        raise OutputError(f"the folder {str(out)!r} holds other files", "a new or empty folder", "choose another --out")


def pretrain(
    data: Dataset,
    settings: PretrainSettings,
    reader: TextReader,
    *,
    out: Path | None = None,
    seed: int = 0,
    resume: bool = False,
    pairs: Pairs | None = None,
    facts: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    cache: Path | None = None,
) -> Pretrained:
    """Continue a language model on a shop's own data.

    Parameters
    ----------
    data : Dataset
        Training events only: everything in it is learned from, save what is held out to choose when to stop.
    settings : PretrainSettings
    reader : TextReader
        The language model to start from, see `crossaisle.encode.text.choose_reader`.
    out : Path, optional
        Folder of the tuned model; it also holds the checkpoints meanwhile.
    seed : int
    resume : bool
        Go on from the checkpoints in ``out``, if there are any.
    pairs : Pairs, optional
        Instead of those that ``settings`` describe, for placebos.
    facts : mapping, optional
        Further entries of the record, such as the protocol.
    cache : Path, optional
        Folder of the vector cache.

    Raises
    ------
    BadInput
        A model that cannot be trained, data without what an objective needs, or a folder that cannot be written.
    """
    model = open_language_model(reader, settings, seed=seed)
    texts = item_texts(data.items)
    has_text = np.array([bool(text) for text in texts], dtype=bool)
    if not has_text.any():
        raise TableError("no item has any text", "an items table with titles", "give --items")
    if pairs is None:
        pairs = bought_together(data, settings, has_text)
    learned, held = hold_out_users(pairs, settings.held_out, settings.most_held_out, seed)
    if len(learned) < 2 or len(held) < 2:
        raise TableError(f"{len(learned)} pairs of items to learn from and {len(held)} held out", "at least 2 of each", "give more users")
    untuned = np.zeros((data.n_items, reader.dim), np.float32)
    used = np.unique(np.concatenate([pairs.first, pairs.second]))
    untuned[used] = VectorCache(cache).encode(reader, [texts[i] for i in used], progress)
    objectives: list[Objective] = [PairObjective(model, learned, held, model.tokens(texts), untuned, settings, seed)]
    print_ = _fingerprint(settings, reader, seed, texts, pairs)
    place = None if out is None else out / _TRAINING
    stage = run_stage(
        "contrastive",
        model,
        objectives,
        settings,
        checkpoint=None if place is None else place / "contrastive",
        fingerprint=print_,
        resume=resume,
        progress=progress,
    )
    record = _record(data, settings, reader, seed, (stage,), model, facts or {}, {"pairs": len(learned), "held-out pairs": len(held)})
    if out is not None:
        model.save(out, record)
        shutil.rmtree(out / _TRAINING, ignore_errors=True)
    return Pretrained(model, (stage,), record, _notes((stage,)))


def _notes(stages: tuple[StageRun, ...]) -> tuple[str, ...]:
    return tuple(
        f"stage {stage.name}: no epoch lowered the held-out loss, the weights from before it were kept"
        for stage in stages
        if stage.best_epoch == 0
    )


def _fingerprint(settings: PretrainSettings, reader: TextReader, seed: int, texts: list[str], pairs: Pairs) -> str:
    """Of all that decides what a run computes; how often it saves does not."""
    whole = hashlib.blake2b(digest_size=16)
    fixed = {k: v for k, v in settings.to_dict().items() if k != "checkpoint_steps"}
    whole.update(repr((sorted(fixed.items()), reader.fingerprint, seed)).encode())
    for text in texts:
        whole.update(text.encode("utf-8", "surrogatepass") + b"\0")
    for array in (pairs.owners, pairs.first, pairs.second, pairs.baskets.indices, pairs.baskets.indptr):
        whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()


def _record(
    data: Dataset,
    settings: PretrainSettings,
    reader: TextReader,
    seed: int,
    stages: tuple[StageRun, ...],
    model: LanguageModel,
    facts: Mapping[str, Any],
    counts: Mapping[str, int],
) -> dict[str, Any]:
    import transformers

    return {
        "made by": f"crossaisle {__version__} pretrain",
        "from": {"name": reader.name, "fingerprint": reader.fingerprint, "pooling": model.reader.pooling, "prefix": model.reader.prefix},
        **facts,
        "seed": seed,
        "settings": settings.to_dict(),
        "precision": str(model.dtype).removeprefix("torch."),
        "data": {"users": data.n_users, "items": data.n_items, "events": len(data.histories.items), **counts},
        "stages": [asdict(stage) for stage in stages],
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
