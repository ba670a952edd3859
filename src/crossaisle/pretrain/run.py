"""Domain pretraining from a dataset to a folder. Imports: crossaisle, schema, contracts, data.dataset, data.split_parts, data.times,
encode.cache, encode.fields, encode.text, errors, of its own room language_model, loop, masked,
material, pairs, settings.
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
from crossaisle.pretrain.masked import MaskedHead
from crossaisle.pretrain.material import Material
from crossaisle.pretrain.pairs import Pairs
from crossaisle.pretrain.settings import CONTRASTIVE, READING, PretrainSettings
from crossaisle.schema import Floats

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
    nothing_asked = np.zeros(len(kept), dtype=np.bool_)  # the moment given is the only one: an undated event does not take all reviews away
    return learn(data, np.asarray(kept, dtype=np.bool_), nothing_asked, float(seconds[0]))


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
    if not any(texts):
        raise TableError("no item has any text", "an items table with titles", "give --items")
    place = None if out is None else out / _TRAINING
    stages: list[StageRun] = []
    notes: list[str] = []
    # the data of both stages before any training: what is missing is said at once
    material = Material.of(data, settings, seed, pairs)
    untuned = _untuned(material, reader, texts, cache, progress)
    mark = _fingerprint(settings, reader, seed, texts, material)
    for name, chosen in (("texts", READING), ("contrastive", CONTRASTIVE)):
        objectives = [material.objective(o, model, untuned) for o in settings.objectives if o in chosen]
        if not objectives:
            continue
        notes += [
            f"{model.reader.name} holds no head for masked words: a new one on its word embeddings was trained beside it"
            for o in objectives
            if isinstance(o.head, MaskedHead) and o.head.made_new
        ]
        checkpoint = None if place is None else place / name
        stages.append(
            run_stage(name, model, objectives, settings, checkpoint=checkpoint, fingerprint=mark, resume=resume, progress=progress)
        )
        if stages[-1].best_epoch == 0:
            notes.append(f"stage {name}: no epoch lowered the held-out loss, the weights from before it were kept")
    record = _record(data, settings, model, seed, tuple(stages), {**(facts or {}), "notes": notes}, material.counts())
    if out is not None:
        model.save(out, record)
        shutil.rmtree(out / _TRAINING, ignore_errors=True)
    return Pretrained(model, tuple(stages), record, tuple(notes))


def _untuned(material: Material, reader: TextReader, texts: list[str], cache: Path | None, progress: Progress | None) -> Floats | None:
    """float32 (N, D): vectors before training of the items in pairs, to tell near-duplicates; None where no objective asks."""
    used = material.items_in_pairs()
    if not len(used):
        return None
    out = np.zeros((len(texts), reader.dim), np.float32)
    out[used] = VectorCache(cache).encode(reader, [texts[i] for i in used], progress)
    return out


def _fingerprint(settings: PretrainSettings, reader: TextReader, seed: int, texts: list[str], material: Material) -> str:
    """Of all that decides what a run computes; how often it saves does not."""
    whole = hashlib.blake2b(digest_size=16)
    fixed = {k: v for k, v in settings.to_dict().items() if k != "checkpoint_steps"}
    whole.update(repr((sorted(fixed.items()), reader.fingerprint, seed)).encode())
    for text in (*texts, *(text for _, text in material.reviews)):
        whole.update(text.encode("utf-8", "surrogatepass") + b"\0")
    for pairs in (material.learned, material.held):
        for array in () if pairs is None else (pairs.owners, pairs.first, pairs.second, pairs.baskets.indices, pairs.baskets.indptr):
            whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()


def _record(
    data: Dataset,
    settings: PretrainSettings,
    model: LanguageModel,
    seed: int,
    stages: tuple[StageRun, ...],
    facts: Mapping[str, Any],
    counts: Mapping[str, int],
) -> dict[str, Any]:
    import transformers

    reader = model.reader
    return {
        "made by": f"crossaisle {__version__} pretrain",
        "from": {"name": reader.name, "fingerprint": reader.fingerprint, "pooling": reader.pooling, "prefix": reader.prefix},
        **facts,
        "seed": seed,
        "settings": settings.to_dict(),
        "precision": str(model.dtype).removeprefix("torch."),
        "data": {"users": data.n_users, "items": data.n_items, "events": len(data.histories.items), **counts},
        "stages": [asdict(stage) for stage in stages],
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
