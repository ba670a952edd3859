"""``crossaisle pretrain``: a shop's tables in, a language model tuned to them out. Imports: options, output, progress, reading, show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossaisle.cli import options
from crossaisle.cli.output import check_writable
from crossaisle.cli.progress import progress_bar
from crossaisle.cli.reading import tables_read
from crossaisle.cli.show import print_facts, print_json, print_notes

if TYPE_CHECKING:
    from crossaisle import Dataset
    from crossaisle.presets import AllSettings

__all__ = ["pretrain"]


def pretrain(
    interactions: options.Interactions,
    out: Annotated[str, typer.Option("--out", metavar="FOLDER", help="Folder of the tuned model, for text.reader=FOLDER.")],
    items: options.Items = None,
    reviews: options.Reviews = None,
    base: Annotated[
        str, typer.Option("--base", metavar="MODEL", help="Start from minilm, a Hugging Face name or a local folder.")
    ] = "minilm",
    protocol: Annotated[
        str | None, typer.Option("--protocol", help="Learn only from what this protocol of evaluate trains on, with the same --seed.")
    ] = None,
    aisle: Annotated[str | None, typer.Option("--aisle", metavar="NAME", help="Cold-aisle: the aisle that is to be new.")] = None,
    before: Annotated[
        str | None, typer.Option("--before", metavar="TIME", help="Learn only from events and reviews older than this, such as 2018-01-01.")
    ] = None,
    seed: options.Seed = 0,
    assignments: options.Set = None,
    device: options.Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a stopped run with the same data and settings left off.")] = False,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    max_rejected: options.MaxRejected = None,
    as_json: options.Json = False,
) -> None:
    """Continue a language model on your own texts and baskets.

    The folder loads in any Transformers program; fit with --set text.reader=FOLDER reads items with it.
    """
    from crossaisle.encode.text import choose_reader
    from crossaisle.presets import preset_settings
    from crossaisle.pretrain import run
    from crossaisle.store import folder_lock
    from crossaisle.train.device import choose_device

    names, chosen = options.parse_columns(columns), options.parse_settings(assignments, max_rejected)
    folder = check_writable(out, folder=True)
    settings = preset_settings("balanced", chosen, seed=seed, device=device)
    run.check_folder(folder)
    reader, _ = choose_reader(settings.text.changed({"reader": base}), [], choose_device(device))
    with tables_read(folder / "rejected.jsonl", (interactions, items, reviews), settings.data, names, encoding) as whole:
        data = _training_part(whole, protocol, aisle, before, settings)
        with folder_lock(folder), progress_bar(quiet=as_json) as progress:
            done = run.pretrain(
                data,
                settings.pretrain,
                reader,
                out=folder,
                seed=seed,
                resume=resume,
                facts={"protocol": protocol, "aisle": aisle, "before": before},
                progress=progress,
            )
    result: dict[str, Any] = {"model": str(folder), "read": done.record["data"]}
    for stage in done.stages:
        result[stage.name] = {
            "best epoch": stage.best_epoch,
            "steps": stage.steps,
            "minutes": round(stage.seconds / 60, 2),
            "held-out loss before": stage.held_out[0],
            "held-out loss after": stage.held_out[stage.best_epoch],
        }
    if as_json:
        print_json({**result, "notes": done.notes})
    else:
        print_facts(result)
        print_notes(done.notes)


def _training_part(data: Dataset, protocol: str | None, aisle: str | None, before: str | None, settings: AllSettings) -> Dataset:
    """What may be learned from: older than ``before``, and of that what the protocol trains on while it validates."""
    from crossaisle.errors import RequestError
    from crossaisle.evaluate.looks import PROTOCOLS, make_split
    from crossaisle.pretrain.run import before as older

    if protocol is None and aisle is not None:
        raise RequestError("--aisle without --protocol", "--protocol cold-aisle", "add it, or leave --aisle out")
    if protocol is not None and protocol not in PROTOCOLS:
        raise RequestError(f"unknown protocol {protocol!r}", f"one of {', '.join(PROTOCOLS)}", "write --protocol leave-one-out")
    if before is not None:
        data = older(data, before)
    if protocol is None:
        return data
    return make_split(protocol, data, settings.seed, False, settings.data.target_events, aisle).train
