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
    lang: options.Lang = "en",
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
    notes = [*report.notes, *notices(data.report, lang)]
    if as_json:
        print_json({"report": str(page), **report.to_dict(), "notes": notes})
        return
    said, heads = _TITLES[lang], _HEADS[lang]
    tables = [(_accuracy(report), said[0].format(n=report.questions))]
    if report.shilling:
        tables += [(_pushed(report), said[1].format(n=len(report.pushed_items))), (_found(report), said[2])]
    for rows, title in tables:
        print_table([{heads.get(name, name): value for name, value in row.items()} for row in rows], title=title)
    print_notes(notes)
    print(f"report: {page}")


_TITLES = {
    "en": (
        "The same model and {n:,} people, ten items each",
        "{n} items pushed by made-up people: HR@10, mean of the items",
        "Made-up people found in the training data",
    ),
    "zh": ("同一模型，{n:,} 人，每人十件商品", "虚假用户推高的 {n} 件商品：HR@10，各商品的平均", "在训练数据中找到的虚假用户"),
}
_HEADS: dict[str, dict[str, str]] = {
    "en": {},
    "zh": {
        "attack": "攻击",
        "strength": "强度",
        "change of N@10": "N@10 变化",
        "relative": "相对变化",
        "same items": "相同商品",
        "filler": "填充方式",
        "share": "占比",
        "people": "人数",
        "clean": "无攻击",
        "copied": "复制真实用户",
        "pushed": "被推高",
        "gain over copied": "比复制多",
        "others' gain": "未被推的商品",
        "rank clean": "原名次",
        "rank pushed": "推高后名次",
        "doublings": "名次翻倍数",
        "flagged": "被标记",
        "precision": "精确率",
        "recall": "召回率",
        "genuine flagged": "误标真实用户",
        "items found": "找到的商品",
        "weighed down": "已降权",
    },
}


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
