"""Options that several commands share, and how their values are read. Imports nothing of its own room."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from crossaisle.errors import RequestError, SettingError

__all__ = [
    "Columns",
    "Device",
    "Encoding",
    "Interactions",
    "Items",
    "Json",
    "Lang",
    "MaxRejected",
    "Media",
    "Model",
    "Preset",
    "Rejected",
    "Reviews",
    "Seed",
    "Set",
    "SettingsFile",
    "parse_columns",
    "parse_settings",
    "split_names",
    "TableOut",
]

Interactions = Annotated[
    str, typer.Option("--interactions", metavar="FILE", help="Interactions table: user_id, item_id, and timestamp where known.")
]
Items = Annotated[str | None, typer.Option("--items", metavar="FILE", help="Items table: item_id, category, title, brand, ...")]
Reviews = Annotated[str | None, typer.Option("--reviews", metavar="FILE", help="Reviews table: user_id, item_id, text, ...")]
Media = Annotated[
    str | None, typer.Option("--media", metavar="DIR", help="Folder of the files that the columns image and video of the items name.")
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--columns", metavar="NAME=YOURS,...", help="Your column names, for example user_id=uid,item_id=sku,timestamp=ts."),
]
Encoding = Annotated[str | None, typer.Option("--encoding", help="Encoding of text files: utf-8 or gb18030; detected if not given.")]
MaxRejected = Annotated[
    float | None, typer.Option("--max-rejected", metavar="SHARE", help="Stop if a larger share of rows is rejected; 0.01 if not given.")
]
Rejected = Annotated[str, typer.Option("--rejected", metavar="FILE", help="Where rejected rows and reasons go, if any.")]
Preset = Annotated[Literal["quick", "balanced", "best"], typer.Option("--preset", help="How much time to spend.")]
Seed = Annotated[int, typer.Option("--seed", help="Every random choice follows from it.")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option("--device", help="Where to compute.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting; may be repeated; see: crossaisle settings."),
]
SettingsFile = Annotated[
    str | None,
    typer.Option("--settings", metavar="FILE", help='JSON of {"section.key": "value"}, such as tune writes; --set comes after it.'),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text for people.")]
TableOut = Annotated[str | None, typer.Option("--out", metavar="FILE", help="Write .parquet, .csv, .tsv or .jsonl instead of printing.")]
Lang = Annotated[Literal["en", "zh"], typer.Option("--lang", help="Language of sentences and reports.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="Model folder, as written by fit.")]


def parse_columns(texts: Sequence[str] | None) -> dict[str, str] | None:
    """``["user_id=uid,item_id=sku"]`` -> ``{"user_id": "uid", "item_id": "sku"}``; None where nothing was given.

    Examples
    --------
    >>> parse_columns(["user_id=uid, item_id=sku"])
    {'user_id': 'uid', 'item_id': 'sku'}
    """
    if not texts:
        return None
    out: dict[str, str] = {}
    for part in (part for text in texts for part in text.split(",")):
        name, _, yours = part.partition("=")
        if not name.strip() or not yours.strip():
            raise RequestError(
                f"--columns holds {part!r}", "name=yours pairs, separated by commas", "write --columns user_id=uid,item_id=sku"
            )
        out[name.strip()] = yours.strip()
    return out


def parse_settings(texts: Sequence[str] | None, max_rejected: float | None = None, file: str | None = None) -> dict[str, str]:
    """``["train.epochs=3"]`` -> ``{"train.epochs": "3"}``, with ``--max-rejected`` as the setting that it is.

    What ``--settings FILE`` holds comes first, so that ``--set`` can change it.

    Examples
    --------
    >>> parse_settings(["train.epochs=3"], max_rejected=0.05)
    {'data.max_rejected': '0.05', 'train.epochs': '3'}
    """
    out = {} if file is None else _settings_in(file)
    if max_rejected is not None:
        out["data.max_rejected"] = repr(max_rejected)
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise SettingError(f"--set holds {text!r}", "section.key=value", "see: crossaisle settings")
        out[key.strip()] = value.strip()
    return out


def _settings_in(file: str) -> dict[str, str]:
    """What a JSON file of settings holds."""
    try:
        found = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(f"settings {file} cannot be read ({error})", "a JSON file", "give the settings.json that tune wrote") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise SettingError(
            f"settings {file} are of another form", '{"section.key": "value", ...}', "give the settings.json that tune wrote"
        )
    return found


def split_names(texts: Sequence[str] | None, known: Sequence[str] = ()) -> tuple[str, ...]:
    """Names separated by commas; a name that itself holds a comma is found whole among ``known``.

    Examples
    --------
    >>> split_names(["Toys, Games,Books"], known=["Toys, Games", "Books"])
    ('Toys, Games', 'Books')
    """
    out: list[str] = []
    for text in texts or ():
        parts = text.split(",")
        start = 0
        while start < len(parts):
            ends = [end for end in range(len(parts), start, -1) if ",".join(parts[start:end]).strip() in known]
            end = ends[0] if ends else start + 1
            name = ",".join(parts[start:end]).strip()
            if name:
                out.append(name)
            start = end
    return tuple(out)


def store_of(model: str) -> str:
    """Where a service keeps what people do, if nobody says otherwise: a file beside the model folder.

    Examples
    --------
    >>> store_of("/data/shop.model")
    'sqlite:////data/shop.model.events.db'
    """
    return f"sqlite:///{Path(model).absolute()}.events.db"
