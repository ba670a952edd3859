"""The contents of a version of a model folder: all files written, all files read. Imports: people."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from safetensors.torch import load_file, save_file

import crossaisle
from crossaisle.blend.scorer import BlendScorer
from crossaisle.encode.items import ItemReader
from crossaisle.errors import ModelError
from crossaisle.presets import AllSettings
from crossaisle.rank.catalogue import Catalogue
from crossaisle.rerank.second import SecondLook
from crossaisle.shared import ALONE, Shared
from crossaisle.train.device import choose_device
from crossaisle.train.tracking import curves
from crossaisle.whole.people import People

__all__ = ["CURVES", "OPTIONAL", "TENSORS", "TRAINING", "WITHOUT_BASKETS", "Contents", "remove_training"]

_BASKETS = "baskets.safetensors"
"""What people of several aisles bought, without saying who: the cross-aisle ridge compares with them. Left out with the histories."""
CURVES = "curves.json"
"""Loss and validation by epoch of both training runs, for whoever wants to draw them; what loads is in ``model.json``."""
_ENCODER = "encoder"
"""Folder inside a version that holds the language model, where it was tuned."""
_HISTORIES = "histories.parquet"
_SECOND = "rerank"
"""Folder of a version that holds the second look."""
TENSORS = "model.safetensors"
"""The network, and what the items say."""
OPTIONAL = (_HISTORIES, _BASKETS)
"""Files that may be left out of a version, or taken away later."""
TRAINING = ".training"
"""Folder inside a model folder that holds the checkpoints of a fit that has not ended."""
WITHOUT_BASKETS = f"{_BASKETS} was left out with the histories: aisles that a history does not touch are ranked as the others are"


@dataclass(frozen=True, eq=False)
class Contents:
    """All that a version holds.

    Attributes
    ----------
    people : People or None
        None where the histories are not kept.
    second : SecondLook or None
        The second look at the head of a list, where the model has one.
    quality, report : dict
        How good the model is, and what was found in the tables.
    """

    settings: AllSettings
    scorer: BlendScorer
    catalogue: Catalogue
    people: People | None
    second: SecondLook | None
    quality: dict[str, Any]
    report: dict[str, Any]

    def write(self, folder: Path, histories: bool) -> None:
        """Write every file into a new, empty version; ``histories``: those of `OPTIONAL` too."""
        scorer, catalogue = self.scorer, self.catalogue
        tensors, config = scorer.state()
        baskets = {name: tensors.pop(name) for name in list(tensors) if name.startswith("across.")}
        save_file(tensors, folder / TENSORS)
        if histories and baskets:
            save_file(baskets, folder / _BASKETS)
        described = {
            "scorer": config,
            "reader": None if scorer.net.reader is None else scorer.net.reader.to_dict(),  # type: ignore[attr-defined]
            "settings": self.settings.to_dict(),
            "event_names": list(catalogue.event_names),
            "quality": self.quality,
            "report": self.report,
            "versions": {"crossaisle": crossaisle.__version__, "torch": torch.__version__, "python": platform.python_version()},
        }
        first = "choosing when to stop" if scorer.net.refitting.losses else "training"
        drawn = curves({first: scorer.selection, "training on everything": scorer.net.refitting})
        (folder / CURVES).write_text(json.dumps(drawn, indent=1), encoding="utf-8")
        (folder / "model.json").write_text(json.dumps(described, ensure_ascii=False, indent=1), encoding="utf-8")
        if scorer.net.reader is not None:
            scorer.net.reader.save_tuned(folder / _ENCODER)  # type: ignore[attr-defined]
        catalogue.items.write_parquet(folder / "items.parquet")
        if self.second is not None:
            self.second.save(folder / _SECOND)
        if histories and self.people is not None:
            self.people.write(folder / _HISTORIES, catalogue, with_ratings=scorer.net.biases is not None)

    @classmethod
    def read(cls, version: Path, device: str, shared: Shared = ALONE) -> Contents:
        """The inverse of `write`, ready to work on a device ("auto": the best there is).

        Parameters
        ----------
        shared : Shared
            Where what is made of this version's files may be taken from.

        Raises
        ------
        ModelError
            If a file cannot be read.
        """
        try:
            described = json.loads((version / "model.json").read_text(encoding="utf-8"))
            tensors = load_file(version / TENSORS)
            if (version / _BASKETS).exists():
                tensors |= load_file(version / _BASKETS)
            items = pl.read_parquet(version / "items.parquet")
            settings = dataclasses.replace(AllSettings.from_dict(described["settings"]), device=device)
            where = choose_device(device)
            reader = None if described["reader"] is None else ItemReader.from_dict(described["reader"], where, encoder=version / _ENCODER)
            scorer = BlendScorer.from_state(tensors, described["scorer"], reader, where, shared)
        except (OSError, KeyError, ValueError, pl.exceptions.PolarsError) as error:
            raise ModelError(
                f"model {version} cannot be read ({error})", "a version written by crossaisle", "fit the model again"
            ) from None
        catalogue = Catalogue(items, scorer.counts, tuple(described["event_names"]))
        second = SecondLook.load(version / _SECOND, items, where) if (version / _SECOND).is_dir() else None
        people = People.read(version / _HISTORIES, catalogue) if (version / _HISTORIES).exists() else None
        return cls(settings, scorer, catalogue, people, second, described["quality"], described["report"])


def remove_training(folder: Path) -> None:
    """Take the checkpoints of a fit away from a model folder, once the model is written."""
    for file in (folder / TRAINING).glob("*"):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        (folder / TRAINING).rmdir()
