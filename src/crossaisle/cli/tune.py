"""``crossaisle tune``: tables in, better settings out, measured on a test that the search never saw.

Imports: options, output, progress, reading, show.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from crossaisle.cli import options
from crossaisle.cli.output import check_writable
from crossaisle.cli.progress import progress_bar
from crossaisle.cli.reading import tables_read
from crossaisle.cli.show import print_json, print_notes, print_table
from crossaisle.errors import RequestError

__all__ = ["tune"]

_PROTOCOLS = ("leave-one-out", "time-split", "next-basket", "first-visit", "hidden-aisle", "cold-item", "cold-user")


def tune(
    interactions: options.Interactions,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Folder for the trials, result.json, settings.json and search.png.")],
    items: options.Items = None,
    reviews: options.Reviews = None,
    media: options.Media = None,
    space: Annotated[
        list[str] | None,
        typer.Option("--space", metavar="SECTION.KEY=low..high[:log]", help="What to search, or a|b|c; may be repeated."),
    ] = None,
    trials: Annotated[int, typer.Option("--trials", metavar="N", help="How many in all, those before a --resume included.")] = 30,
    minutes: Annotated[
        float, typer.Option("--minutes", metavar="M", help="Begin no trial after so long, and end the running one.")
    ] = math.inf,
    workers: Annotated[int, typer.Option("--workers", metavar="N", help="Processes that search together.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search in --out.")] = False,
    protocol: Annotated[str, typer.Option("--protocol", help="How questions are held back, as in evaluate.")] = "leave-one-out",
    preset: options.Preset = "balanced",
    seed: options.Seed = 0,
    settings_file: options.SettingsFile = None,
    assignments: options.Set = None,
    device: options.Device = "auto",
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    max_rejected: options.MaxRejected = None,
    as_json: options.Json = False,
) -> None:
    """Search for settings of the network that rank better.

    By its validation N@10 alone; the winner is then trained anew and compared with where the search started, on test questions.
    """
    from crossaisle.evaluate.looks import make_split
    from crossaisle.presets import preset_settings
    from crossaisle.search import Material, chosen_settings, compare, described, parse_space, search, write_search
    from crossaisle.search.space import optuna_module
    from crossaisle.search.trials import best_of
    from crossaisle.search.work import sigterm_as_interrupt
    from crossaisle.store import folder_lock

    optuna_module()
    if protocol not in _PROTOCOLS:
        raise RequestError(f"--protocol is {protocol!r}", f"one of {', '.join(_PROTOCOLS)}", "write --protocol leave-one-out")
    names, chosen = options.parse_columns(columns), options.parse_settings(assignments, max_rejected, settings_file)
    settings = preset_settings(preset, chosen, seed=seed, device=device)
    axes = parse_space(space or (), settings)
    check_writable(out, folder=True)
    folder = Path(out)
    with (
        sigterm_as_interrupt(),
        tables_read(folder / "rejected.jsonl", (interactions, items, reviews), settings.data, names, encoding, media) as data,
        folder_lock(folder),
        progress_bar(quiet=as_json) as progress,
    ):
        split = make_split(protocol, data, seed, False, settings.data.target_events)
        if not len(split.valid):
            raise RequestError(f"{protocol} leaves no validation question in this data", "some", "choose another --protocol")
        material = Material(split.train, split.valid, settings, axes)
        study = search(material, folder, trials=trials, minutes=minutes, workers=workers, resume=resume, progress=progress)
        best = best_of(study)
        assert best is not None
        tuned = chosen_settings(material, best.params)
        verdict = compare(data, split, protocol, settings, tuned, progress)
        result = described(study, material, verdict, protocol, split.note, seed)
        write_search(folder, result, tuned)
    if as_json:
        print_json({"settings": str(folder / "settings.json"), **result})
        return
    print_table([_row(trial) for trial in result["trials"]], title=_heading(result))
    print(_sentence(result))
    print(f"settings: {folder / 'settings.json'}")
    print_notes(["fit with them: crossaisle fit ... --settings " + str(folder / "settings.json")])


def _heading(result: dict[str, Any]) -> str:
    counts = ", ".join(f"{n} {state}" for state, n in result["counts"].items() if n)
    return f"Trials: {counts}"


def _row(trial: dict[str, Any]) -> dict[str, Any]:
    return {
        "trial": trial["number"],
        "state": trial["state"],
        "N@10": trial["best"],
        "epochs": trial["epochs"],
        **{key.partition(".")[2]: value for key, value in trial["settings"].items()},
        "note": trial["said"],
    }


def _sentence(result: dict[str, Any]) -> str:
    """What came out, in one sentence."""
    test, best = result["test"], result["best"]
    said = f"Trial {best['trial']} is best on validation (N@10 {best['validation']:.4f}"
    start = result["defaults"]["validation"]
    said += ")" if start is None else f", {start:.4f} where it started)"
    if test["tuned"] == test["defaults"] and test["difference"] == 0:
        return (
            f"{said}: nothing better was found than the settings it started from; N@10 {test['tuned']:.4f} on {test['n']:,} test questions."
        )
    verdict = "better" if test["low"] > 0 else "worse" if test["high"] < 0 else "not told apart from where it started"
    return (
        f"{said}; on {test['n']:,} test questions that the search never saw it is {verdict}: N@10 {test['tuned']:.4f} against "
        f"{test['defaults']:.4f}, a difference of {test['difference']:+.4f} (95 % interval {test['low']:+.4f} to {test['high']:+.4f})."
    )
