"""The data report as a page of text, in English or Chinese. Imports: report_words.

The report itself is the dict that `crossaisle.data.describe.describe` makes; here it is only put into words, together with what a data
scientist would remark.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from crossaisle.data.report_words import REMARKS, TIME_FORMS, WORDS

__all__ = ["notices", "remarks", "render_report"]

_MOST_AISLES = 25


def remarks(report: dict[str, Any], lang: str = "en") -> list[str]:
    """What stands out in a report, one sentence each."""
    say = REMARKS[lang]
    out: list[str] = []
    tables, time, order, n = report["tables"], report["time"], report["order"], max(report["interactions"], 1)
    if "items" not in tables:
        out.append(say["no_items"])
    elif report["unknown_items"]["items"]:
        out.append(say["unknown"].format(**report["unknown_items"]))
    bare = [(round(a["items"] * (1 - a["titled"])), a["aisle"]) for a in report["aisles"]]
    missing = sum(count for count, _ in bare)
    if "items" in tables and missing > 0.05 * report["items"]:
        count, aisle = max(bare)
        out.append(say["untitled"].format(share=missing / report["items"], aisle=aisle or WORDS[lang]["unnamed"], n=count))
    if len(report["aisles"]) == 1:
        out.append(say["one_aisle"])
    else:
        out.append(say["few_cross"].format(share=report["users_in_two_aisles"] / max(report["users"], 1)))
    if time["undated"] == report["interactions"]:
        if not tables["interactions"].get("positions"):
            out.append(say["no_order"])
    elif time["undated"]:
        out.append(say["part_time"].format(share=time["undated"] / n))
    if order["same_time"] > 0.02 * max(order["pairs"], 1):
        rising = order["same_time_rising_id"] / order["same_time"]
        line = say["ties"].format(share=order["same_time"] / order["pairs"])
        out.append(line + ((" " if lang == "en" else "") + say["sorted"].format(share=rising) if rising > 0.7 else ""))
    if order["repeats"] > 0.01 * n:
        out.append(say["repeats"].format(share=order["repeats"] / n))
    for key, value in (("never", report["never_used"]), ("unavailable", report["unavailable"])):
        if value:
            out.append(say[key].format(n=value))
    facts = tables.get("items", {})
    out += [say["left_out"].format(column=c, n=k) for c, k in facts.get("left_out", {}).items()]
    if facts.get("ignored_columns"):
        out.append(say["ignored"].format(columns=", ".join(facts["ignored_columns"])))
    return out + notices(report, lang)


def notices(report: dict[str, Any], lang: str = "en") -> list[str]:
    """The remarks that have to be heard whenever the data is used, not only when it is checked."""
    say, out = REMARKS[lang], []
    reviews, shilling = report.get("tables", {}).get("reviews"), report.get("shilling")
    if reviews is not None:
        out.append(say["reviews"].format(n=reviews["kept"]))
    if shilling is not None:
        out.append(say["shilling"].format(**shilling, what=say[f"shilling_{shilling['mode']}"]))
    return out


def render_report(report: dict[str, Any], lang: str = "en") -> str:
    """The report as text for a terminal: tables in columns, then the remarks.

    Parameters
    ----------
    report : dict
        ``Dataset.report``.
    lang : str
        ``en`` or ``zh``.
    """
    w = WORDS[lang]
    n = report["interactions"]
    density = n / max(report["users"] * report["items"], 1)
    blocks = [
        w["size"].format(users=report["users"], items=report["items"], aisles=len(report["aisles"]), interactions=n, density=density)
        + "\n"
        + w["history"].format(**report["history_lengths"])
        + "\n"
        + (
            w["time"].format(**report["time"] | {"read_as": _time_form(report["time"]["read_as"], lang)})
            if report["time"]["first"]
            else w["no_time"]
        )
    ]
    head = [w[k] for k in ("table", "rows", "rejected", "duplicates", "core", "kept")]
    rows = [
        [name, f["rows"], sum(f["rejected"].values()), f.get("duplicates", 0), f.get("outside_core", 0), f["kept"]]
        for name, f in report["tables"].items()
    ]
    blocks.append(_grid(head, rows))
    reasons = [[name, reason, count] for name, f in report["tables"].items() for reason, count in f["rejected"].items()]
    if reasons:
        blocks.append(_grid([w["table"], w["reason"], w["rows"]], reasons))
    blocks.append(_aisle_grid(report, w))
    blocks.append(_grid([w["event"], w["interactions"], w["share"]], [[e, c, f"{c / max(n, 1):.1%}"] for e, c in report["events"].items()]))
    if report["text"]:
        blocks.append(_grid([w["column"], w["share"]], [[c, f"{s:.1%}"] for c, s in report["text"].items() if s]))
    said = remarks(report, lang)
    if said:
        blocks.append("\n".join([w["remarks"], *(f"- {line}" for line in said)]))
    return "\n\n".join(blocks) + "\n"


def _time_form(form: str, lang: str) -> str:
    return form if lang == "en" else "+".join(TIME_FORMS.get(part, part) for part in form.split("+"))


def _aisle_grid(report: dict[str, Any], w: dict[str, str]) -> str:
    shown, rest = report["aisles"][:_MOST_AISLES], report["aisles"][_MOST_AISLES:]
    rows: list[Sequence[Any]] = [
        [a["aisle"] or w["unnamed"], a["items"], a["interactions"], a["users"], f"{a['titled']:.1%}"] for a in shown
    ]
    if rest:
        rows.append([w["others"].format(n=len(rest)), sum(a["items"] for a in rest), sum(a["interactions"] for a in rest), "", ""])
    return _grid([w[k] for k in ("aisle", "items", "interactions", "users", "titled")], rows)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _grid(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns padded to the width of a terminal cell; numbers to the right."""
    cells = [list(head)] + [[f"{v:,}" if isinstance(v, int) else str(v) for v in row] for row in rows]
    right = [all(isinstance(r[i], int) or str(r[i])[-1:] in ("%", "") for r in rows) for i in range(len(head))]
    widths = [max(_width(row[i]) for row in cells) for i in range(len(head))]
    lines = []
    for row in cells:
        padded = [" " * (w - _width(c)) + c if r else c + " " * (w - _width(c)) for c, w, r in zip(row, widths, right, strict=True)]
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)
