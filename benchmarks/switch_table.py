"""A result of benchmarks/switches.py as a table in Markdown: N@10 with its interval, what it is above and below, overfitting, time.

python benchmarks/switch_table.py benchmarks/results/switches/beauty.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def cell(test: dict[str, Any] | None) -> str:
    """A difference with its interval, bold where that leaves zero out."""
    if test is None:
        return ""
    text = f"{test['difference']:+.4f} ({test['low']:+.4f} to {test['high']:+.4f})"
    return f"**{text}**" if test["low"] > 0 or test["high"] < 0 else text


def main() -> None:
    """Print it."""
    found = json.loads(Path(sys.argv[1]).read_text())
    print(
        f"{found['tables']}, {found['protocol']}, {found['model']}, preset {found['preset']} {' '.join(found['settings'])}".rstrip() + ","
    )
    print(f"{found['users']:,} people, {found['items']:,} items, {found['questions']:,} questions,")
    print(f"{len(found['runs']['plain'])} seeds; {found['hardware']['processor']}, {found['hardware']['threads']} thread\n")
    print("| Arm | Validation | N@10 | minus plain | minus longer | minus noise | training less test | CPU s |")
    print("|---|---|---|---|---|---|---|---|")
    for arm, row in found["table"].items():
        of = [cell(row.get(f"minus {other}")) for other in ("plain", "longer", "noise")]
        figures = [f"{row['valid']:.4f}", f"{row['N@10']:.4f} ({row['interval'][0]:.4f} to {row['interval'][1]:.4f})", *of]
        print(f"| {arm} | {' | '.join(figures)} | {row['training less test']:.3f} | {row['cpu_seconds']:.0f} |")


if __name__ == "__main__":
    main()
