"""``crossaisle attack``: how much a model loses to noise and shifts, and how far made-up people push an item.

Imports: options, output, progress, reading, show.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossaisle.cli import options
from crossaisle.cli.output import check_writable, write_bytes
from crossaisle.cli.progress import progress_bar
from crossaisle.cli.reading import tables_read
from crossaisle.cli.show import plain, print_json, print_notes, print_table

if TYPE_CHECKING:
    from crossaisle.evaluate.attack.results import AttackReport, Figure

__all__ = ["attack"]


def attack(
    interactions: options.Interactions,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Folder for report.json.")],
    items: options.Items = None,
    media: options.Media = None,
    attacks: Annotated[
        str | None, typer.Option("--attacks", metavar="A,B", help="vectors, texts, photos, shilling; all if not given.")
    ] = None,
    preset: options.Preset = "quick",
    seed: options.Seed = 0,
    assignments: options.Set = None,
    device: options.Device = "auto",
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    max_rejected: options.MaxRejected = None,
    as_json: options.Json = False,
) -> None:
    """Measure a model under attack.

    Fits on all but the last two items of each person and asks for the last: clean, with shifted item vectors, with typing errors and
    other noise in texts and photos, and with made-up people who push items, beside as many copied genuine ones. Strengths stand in
    crossaisle settings attack; the defence is --set data.shilling=downweight.
    """
    check_writable(out, folder=True)
    names, chosen = options.parse_columns(columns), options.parse_settings(assignments, max_rejected)
    if attacks is not None:
        chosen["attack.kinds"] = attacks
    from crossaisle.data.report import notices
    from crossaisle.evaluate.attack import under_attack
    from crossaisle.presets import preset_settings

    settings = preset_settings(preset, chosen, seed=seed, device=device)
    with tables_read(Path(out) / "rejected.jsonl", (interactions, items, None), settings.data, names, encoding, media) as data:
        with progress_bar(quiet=as_json) as progress:
            report = under_attack(data, settings, data_name="/".join(Path(interactions).parts[-2:]), progress=progress)
        Path(out).mkdir(parents=True, exist_ok=True)
        page = Path(out) / "report.json"
        write_bytes(json.dumps(plain(report.to_dict()), ensure_ascii=False, indent=1, allow_nan=False).encode(), page)
    notes = [*report.notes, *notices(data.report)]
    if as_json:
        print_json({"report": str(page), **report.to_dict(), "notes": notes})
        return
    print_table(_accuracy(report), title=f"The same model and {report.questions:,} people, ten items each")
    if report.shilling:
        print_table(_pushed(report), title=f"{len(report.pushed_items)} items pushed by made-up people: HR@10, mean of the items")
        print_table(_found(report), title="Made-up people found in the training data")
    print_notes(notes)
    print(f"report: {page}")


def _span(figure: Figure, digits: int = 4) -> str:
    return f"{figure.value:+.{digits}f} ({figure.low:+.{digits}f} to {figure.high:+.{digits}f})"


def _accuracy(report: AttackReport) -> list[dict[str, Any]]:
    return [
        {
            "attack": r.attack,
            "strength": f"{r.level:g}" if r.level else "",
            "N@10": r.ndcg.value,
            "HR@10": r.hit_rate.value,
            "change of N@10": _span(r.change) if r.level else "",
            "relative": f"{r.relative:+.1%}" if r.level else "",
            "same items": f"{r.overlap:.0%}",
        }
        for r in report.rows
    ]


def _pushed(report: AttackReport) -> list[dict[str, Any]]:
    return [
        {
            "filler": r.filler,
            "share": f"{r.share:.1%}",
            "people": r.people,
            "clean": r.clean,
            "copied": r.copied,
            "pushed": r.pushed,
            "gain over copied": _span(r.gain),
            "others' gain": _span(r.others),
            "rank clean": round(r.rank_clean),
            "rank pushed": round(r.rank_pushed),
            "doublings": _span(r.climb, 2),
        }
        for r in report.shilling
    ]


def _found(report: AttackReport) -> list[dict[str, Any]]:
    return [
        {
            "filler": r.filler,
            "share": f"{r.share:.1%}",
            "flagged": r.flagged,
            "precision": r.precision,
            "recall": r.recall,
            "genuine flagged": f"{r.false_positive_rate:.2%}",
            "AUC": r.auc,
            "items found": r.items_found,
            "weighed down": r.defended,
        }
        for r in report.detection
    ]
