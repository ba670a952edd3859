"""The tables of results in the READMEs, made from the raw results and from nothing else.

python benchmarks/summary.py            # writes them between the markers of README.md and README.zh-CN.md
python benchmarks/summary.py --check    # exit code 1 if they differ from the raw results
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
DASH = "–"

NAMES = {
    "popularity": ("popularity", "热门"),
    "popularity-month": ("popularity, last month", "近一月热门"),
    "item-knn": ("item-kNN", "item-kNN"),
    "user-knn": ("user-kNN", "user-kNN"),
    "ease": ("EASE (lambda 200)", "EASE（lambda 200）"),
    "ials": ("iALS", "iALS"),
    "text-knn": ("text-kNN", "text-kNN"),
    "transition-graph": ("transition graph, no training", "转移图启发式（不训练）"),
    "sasrec": ("SASRec: our network on ids alone", "SASRec：本网络只用 id"),
    "crossaisle": ("**CrossAisle**", "**CrossAisle**"),
}
CONTROLS = {
    "crossaisle": ("all: ids, language model, words", "全部：id、语言模型、词"),
    "crossaisle-text": ("language model's vectors alone", "只用语言模型向量"),
    "crossaisle-words": ("learned words, brands and categories alone", "只用学习到的词、品牌和品类"),
    "crossaisle-ids": ("ids alone", "只用 id"),
    "crossaisle-shuffled-text": ("placebo: item texts shuffled among the items", "安慰剂：商品文本随机互换"),
}
WORDS = {
    "model": ("model", "模型"),
    "beauty": ("Beauty", "Beauty"),
    "toys": ("Toys", "Toys"),
    "sports": ("Sports", "Sports"),
    "beauty-refit": ("Beauty, refitted", "Beauty（重训）"),
    "food-kitchen-time": ("Food-Kitchen, time split", "Food-Kitchen（按时间切分）"),
    "sports-ids": ("ids alone, settings chosen on Sports' validation", "只用 id，按 Sports 验证集选定设置"),
    "parts": ("what our network reads (Beauty)", "本网络读什么（Beauty）"),
}


def load(name: str) -> dict[str, Any]:
    """One trial's report."""
    loaded: dict[str, Any] = json.loads((RESULTS / name / "report.json").read_text(encoding="utf-8"))
    return loaded


def cell(report: dict[str, Any], model: str) -> str:
    """``R@10/N@10`` of a model in the first view, or a dash."""
    view = report["views"][0]["name"]
    found = {r["measure"]: r["value"] for r in report["summary"] if r["model"] == model and r["view"] == view}
    if "ndcg@10" not in found:
        return DASH
    return f"{found['recall@10']:.4f}/{found['ndcg@10']:.4f}".replace("0.", ".")


def table(first: str, rows: list[list[str]], columns: list[str]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join([first, *columns]) + " |", "|---" * (len(columns) + 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def block(lang: int) -> str:
    """What stands between the markers; 0 English, 1 Chinese."""
    trials = [name for name in ("beauty", "beauty-refit", "toys", "sports", "food-kitchen-time") if (RESULTS / name).is_dir()]
    reports = [load(name) for name in trials]
    rows = [[names[lang], *(cell(r, model) for r in reports)] for model, names in NAMES.items()]
    rows = [row for row in rows if set(row[1:]) != {DASH}]
    own = cell(load("sports-ids"), "crossaisle-ids")
    rows.insert(len(rows) - 1, [WORDS["sports-ids"][lang], *(own if name == "sports" else DASH for name in trials)])
    main = table(WORDS["model"][lang], rows, [WORDS[t][lang] for t in trials])
    controls = load("beauty-controls")
    parts = table(WORDS["parts"][lang], [[names[lang], cell(controls, model)] for model, names in CONTROLS.items()], ["R@10/N@10"])
    return f"{main}\n\n{parts}"


def main() -> int:
    """Write, or check."""
    wrong = 0
    for lang, name in enumerate(("README.md", "README.zh-CN.md")):
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        wanted = f"{before}{BEGIN}\n{block(lang)}\n{END}{after}"
        if wanted != text:
            wrong += 1
            if "--check" not in sys.argv:
                path.write_text(wanted, encoding="utf-8")
    if wrong and "--check" in sys.argv:
        print("the READMEs' results differ from benchmarks/results; run: python benchmarks/summary.py")
    return int(bool(wrong) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
