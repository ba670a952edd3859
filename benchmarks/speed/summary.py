"""The speed benchmark's table, from the raw results and from nothing else.

    python benchmarks/speed/summary.py RESULTS

Reads RESULTS/round-*/ARM.json and writes RESULTS/summary.json and RESULTS/summary.md: interactions per second of each arm (median and range
over the rounds), the ratios of medians with the range of each round's own ratio, and the minutes to the published record's quality.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

IDLE = 0.1
"""Cores that other processes may have on average in a run that counts as taken on an idle machine."""
WANTED = 15.0
PAIRS = (
    ("ours-ids", "rectools-sasrec", "ids alone, as shipped"),
    ("ours-id-text", "rectools-unisrec", "text, as shipped"),
    ("ours-all", "rectools-unisrec", "the whole preset against text"),
    ("ours-ids-float32", "rectools-sasrec", "ids alone, both float32"),
    ("ours-ids-float32-750", "rectools-sasrec", "ids alone, both float32, equally many steps an epoch"),
    ("ours-id-text-float32", "rectools-unisrec", "text, both float32"),
    ("ours-id-text-float32-750", "rectools-unisrec", "text, both float32, equally many steps an epoch"),
    ("ours-ids", "rectools-sasrec-bf16", "ids alone, both bfloat16"),
)
Run = dict[str, Any]


def per_second(run: Run) -> float:
    """Trained interactions per second on the clock."""
    return float(run["interactions"] / run["seconds"])


def per_core_second(run: Run) -> float:
    """Trained interactions per second of processor time of the process itself; hardly moved by what else runs."""
    return float(run["interactions"] / (run["seconds"] * run["own_cores"]))


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and most.

    Examples
    --------
    >>> spread([3.0, 1.0, 2.0])
    {'median': 2.0, 'min': 1.0, 'max': 3.0}
    """
    return {"median": median(values), "min": min(values), "max": max(values)}


def ratio(ours: list[Run], theirs: list[Run], rate: Callable[[Run], float]) -> dict[str, float]:
    """Ratio of the medians, and the least and most of the rounds' own ratios."""
    each = [rate(a) / rate(b) for a, b in zip(ours, theirs, strict=True)]
    return {"of_medians": median(map(rate, ours)) / median(map(rate, theirs)), "min": min(each), "max": max(each)}


def check(runs: dict[str, list[Run]], data: Run) -> None:
    """Both sides trained on the same targets: ours on all, RecTools on those of each user's newest window.

    Raises
    ------
    SystemExit
        If a run counted other targets, or the arms have not all as many rounds.
    """
    wanted = {"ours": data["targets"], "rectools": data["targets_in_newest_window"]}
    for arm, rounds in runs.items():
        for run in rounds:
            if run["targets_per_epoch"] != wanted[run["side"]]:
                raise SystemExit(f"{arm} counted {run['targets_per_epoch']} targets an epoch, expected {wanted[run['side']]}: other data?")
    if len({len(r) for r in runs.values()}) > 1:
        raise SystemExit(
            f"rounds differ: { {a: len(r) for a, r in runs.items()} }; expected equally many, run benchmarks/speed/run.sh again"
        )


def summarise(runs: dict[str, list[Run]], quality: list[Run], data: Run) -> dict[str, Any]:
    """Everything that the page says, as JSON."""
    check(runs, data)
    arms = {
        arm: {
            "interactions_per_second": spread([per_second(r) for r in rounds]),
            "interactions_per_core_second": spread([per_core_second(r) for r in rounds]),
            "seconds_per_epoch": spread([r["seconds_per_epoch"] for r in rounds]),
            "peak_memory_gb": max(r["peak_memory_gb"] for r in rounds),
            "steps_per_epoch": rounds[0]["steps_per_epoch"],
            "parameters": rounds[0]["parameters"],
            "precision": rounds[0]["precision"],
            "threads": sorted({r["hardware"]["threads"] for r in rounds}),
            "others_cores": max(r["others_cores"] for r in rounds),
        }
        for arm, rounds in runs.items()
    }
    pairs = [
        {
            "ours": a,
            "theirs": b,
            "what": what,
            "ratio": ratio(runs[a], runs[b], per_second),
            "ratio_per_core_second": ratio(runs[a], runs[b], per_core_second),
        }
        for a, b, what in PAIRS
        if a in runs and b in runs
    ]
    every = [r for rounds in runs.values() for r in rounds] + quality
    first = next(iter(runs.values()))[0]
    return {
        "rounds": len(next(iter(runs.values()))),
        "idle": all(r["others_cores"] <= IDLE for r in every),
        "others_cores": max(r["others_cores"] for r in every),
        "hardware": first["hardware"],
        "versions": {k: v for r in every for k, v in r["versions"].items()} | {"numpy": {r["side"]: r["versions"]["numpy"] for r in every}},
        "data": data,
        "arms": arms,
        "pairs": pairs,
        "wanted_ratio": WANTED,
        "reached_ratio": {f"{p['ours']} / {p['theirs']}": p["ratio"]["of_medians"] >= WANTED for p in pairs[:3]},
        "quality": [
            {k: q[k] for k in ("seed", "epochs", "kept_epoch", "reached", "seconds_of_reading_text", "seconds_of_training")}
            for q in quality
        ],
        "records": quality[0]["records"] if quality else [],
    }


def _minutes(seconds: float | None) -> str:
    return "not reached" if seconds is None else f"{seconds / 60:.1f}"


def page(s: dict[str, Any]) -> str:
    """The summary for reading, in Markdown."""
    h, d = s["hardware"], s["data"]
    state = "idle machine" if s["idle"] else f"**not an idle machine** (others had up to {s['others_cores']:.1f} cores): preliminary"
    lines = [
        f"# Speed beside RecTools: {d['data']}, {d['targets']:,} targets, {d['items']:,} items, {s['rounds']} rounds, {state}",
        "",
        f"{h['processor']}, {h['cores']} cores, {h['memory_gb']} GB, {h['threads']} threads; "
        f"torch {s['versions']['torch']}, RecTools {s['versions'].get('RecTools', '-')}.",
        "",
        "| arm | interactions/s, median (range) | per core-second | s an epoch | steps an epoch | precision | peak GB |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm, a in s["arms"].items():
        r = a["interactions_per_second"]
        lines.append(
            f"| {arm} | {r['median']:,.0f} ({r['min']:,.0f}-{r['max']:,.0f}) | {a['interactions_per_core_second']['median']:,.0f} "
            f"| {a['seconds_per_epoch']['median']:.1f} | {a['steps_per_epoch']} | {a['precision']} | {a['peak_memory_gb']:.1f} |"
        )
    lines += ["", "| ours / theirs | what | ratio of medians (range over rounds) | per core-second |", "|---|---|---|---|"]
    for p in s["pairs"]:
        r, c = p["ratio"], p["ratio_per_core_second"]
        lines.append(
            f"| {p['ours']} / {p['theirs']} | {p['what']} | {r['of_medians']:.1f} ({r['min']:.1f}-{r['max']:.1f}) | {c['of_medians']:.1f} |"
        )
    if s["quality"]:
        named = "; ".join(f"{r['measure']} {r['value']} ({r['whose']})" for r in s["records"])
        lines += ["", f"Minutes of training until the model chosen on validation has the record on test ({named}):", ""]
        lines += [
            "| seed | ndcg@10 | recall@10 | both | whole training | reading the text | test N@10, R@10 at the end |",
            "|---|---|---|---|---|---|---|",
        ]
        for q in s["quality"]:
            end = q["epochs"][q["kept_epoch"] - 1]
            cells = [_minutes(q["reached"][m]["seconds"]) for m in ("ndcg@10", "recall@10", "both")]
            cells += [
                _minutes(q["seconds_of_training"]),
                _minutes(q["seconds_of_reading_text"]),
                f"{end['ndcg@10']:.4f}, {end['recall@10']:.4f}",
            ]
            lines.append(f"| {q['seed']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write summary.json and summary.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    folder = parser.parse_args().results
    found = [json.loads(f.read_text(encoding="utf-8")) for f in sorted(folder.glob("round-*/*.json"))]
    if not found:
        parser.error(f"no round-*/*.json in {folder}; run benchmarks/speed/run.sh")
    runs: dict[str, list[Run]] = {}
    for run in found:
        if run["arm"] != "quality":
            runs.setdefault(run["arm"], []).append(run)
    order = list(dict.fromkeys(arm for a, b, _ in PAIRS for arm in (a, b) if arm in runs))
    data = json.loads((folder / "data.json").read_text(encoding="utf-8"))
    summary = summarise({arm: runs[arm] for arm in order}, [r for r in found if r["arm"] == "quality"], data)
    (folder / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "summary.md").write_text(page(summary), encoding="utf-8")
    print(page(summary))


if __name__ == "__main__":
    main()
