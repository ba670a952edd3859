"""Make a trial's report fit to be kept here.

Without the examples, which hold titles and user ids of data that is not ours to pass on, and without the place of the tables on a machine.

python benchmarks/keep.py benchmarks/results/NAME ...
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path


def _name_sources(node: object) -> None:
    """Every absolute ``source`` becomes FOLDER/FILE, in place."""
    if isinstance(node, dict):
        source = node.get("source")
        if isinstance(source, str) and Path(source).is_absolute():
            node["source"] = "/".join(Path(source).parts[-2:])
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _name_sources(inner)


def keep(folder: Path) -> None:
    """Empty the examples of report.json and cut the section "A few answers" out of report.md and report.html."""
    path = folder / "report.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    report["examples"] = []
    _name_sources(report)
    path.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for name, pattern in (("report.md", r"## A few answers\n.*?(?=## )"), ("report.html", r'<h2 id="s\d+">A few answers</h2>.*?(?=<h2 )')):
        text = (folder / name).read_text(encoding="utf-8")
        text = re.sub(pattern, "", text, flags=re.DOTALL)
        text = re.sub(r'<li><a href="#s\d+">A few answers</a></li>', "", text)
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        keep(Path(argument))
