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
    "crossaisle-network": ("CrossAisle's network alone", "CrossAisle：仅网络"),
    "crossaisle": ("**CrossAisle**, preset best", "**CrossAisle**，预设 best"),
}
BEFORE_THE_BLEND = ("beauty", "beauty-refit", "toys", "sports", "food-kitchen-time")
"""Trials run when the model was the network alone; the whole model's figures stand in ``NAME-best``."""
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

_IN = ("inside the aisle N@10", "品类内 N@10")
_HITS = ("HR@10", "HR@10")
_MACRO = ("mean over aisles", "各品类平均")
ACROSS: dict[str, tuple[tuple[str, str], list[tuple[tuple[str, str], tuple[str, str]]]]] = {
    "hidden-aisle": (
        (
            "Hidden aisle, six aisles of Amazon, 2,276 people (fitted on all but the hidden events):",
            "隐藏品类，Amazon 六个品类，2,276 人（除隐藏事件外全部用于训练）：",
        ),
        [
            (("aisle", "ndcg@10"), _IN),
            (("aisle", "hit_rate@10"), _HITS),
            (("aisle", "macro_ndcg@10"), _MACRO),
            (("beyond", "ndcg@10"), ("all new aisles N@10", "全部新品类 N@10")),
            (("all", "ndcg@10"), ("everything N@10", "全部商品 N@10")),
        ],
    ),
    "hidden-aisle-controls": (
        (
            "What carries it (the same, one epoch of the network, not refitted):",
            "起作用的是什么（同上，网络只训练一轮，不重训）：",
        ),
        [
            (("aisle", "ndcg@10"), _IN),
            (("aisle", "macro_ndcg@10"), _MACRO),
            (("beyond", "ndcg@10"), ("all new aisles N@10", "全部新品类 N@10")),
        ],
    ),
    "first-visit-food-kitchen": (
        ("First visit, Food and Kitchen:", "首次光顾，食品与厨房："),
        [(("aisle", "ndcg@10"), _IN), (("aisle", "hit_rate@10"), _HITS)],
    ),
    "first-visit-supermarket": (
        ("First visit, the packaged supermarket data (the demo):", "首次光顾，随包超市数据（演示）："),
        [(("aisle", "ndcg@10"), _IN), (("aisle", "hit_rate@10"), _HITS)],
    ),
    "beauty-cold": (
        (
            "New items, Beauty (a tenth held out, ranked among the whole catalogue) beside known ones:",
            "新商品，Beauty（十分之一不参与训练，对全目录排序），与已知商品对照：",
        ),
        [(("new-items", "ndcg@10"), ("new N@10", "新商品 N@10")), (("known-items", "ndcg@10"), ("known N@10", "已知商品 N@10"))],
    ),
    "toys-cold": (
        ("New items, Toys:", "新商品，Toys："),
        [(("new-items", "ndcg@10"), ("new N@10", "新商品 N@10")), (("known-items", "ndcg@10"), ("known N@10", "已知商品 N@10"))],
    ),
    "cold-aisle": (
        (
            "A new aisle (Toys' items given, none of its events; people who know Sports or Beauty):",
            "全新品类（给出 Toys 的商品，不含其任何事件）：",
        ),
        [(("aisle", "ndcg@10"), _IN), (("aisle", "hit_rate@10"), _HITS)],
    ),
    "cold-aisle-beauty": (
        ("The same for Beauty as the new aisle:", "同上，全新品类为 Beauty："),
        [(("aisle", "ndcg@10"), _IN), (("aisle", "hit_rate@10"), _HITS)],
    ),
    "cold-aisle-sports": (
        ("The same for Sports as the new aisle:", "同上，全新品类为 Sports："),
        [(("aisle", "ndcg@10"), _IN), (("aisle", "hit_rate@10"), _HITS)],
    ),
}
MORE = {
    "word-popularity": ("popularity of the nearest words", "文字相近商品的热度"),
    "crossaisle-without-counts": ("CrossAisle, weights blind to counts", "CrossAisle，权重不看次数"),
    "popularity-aisle": ("popularity in the aisle", "品类内热门"),
    "graph-popularity": ("category graph × popularity", "品类图 × 热门"),
    "word-knn": ("word-kNN (TF-IDF)", "词 kNN（TF-IDF）"),
    "crossaisle": ("**CrossAisle**", "**CrossAisle**"),
    "crossaisle-ids": ("without text", "不读文本"),
    "crossaisle-text-words": ("without ids", "不用 id"),
    "crossaisle-without-ridge": ("without the cross-aisle objective", "不用跨品类目标"),
    "crossaisle-shuffled-aisles": ("placebo: aisles shuffled among the items", "安慰剂：品类随机互换"),
}
"""Names in the tables across aisles, where they differ from those of the first table."""


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


def main_cell(trial: str, model: str) -> str:
    """As `cell`; of a trial from before the blend ``crossaisle`` is the network alone, and the whole model's is in ``TRIAL-best``."""
    if trial in BEFORE_THE_BLEND and model in ("crossaisle", "crossaisle-network"):
        if model == "crossaisle-network":
            return cell(load(trial), "crossaisle")
        return cell(load(f"{trial}-best"), model) if (RESULTS / f"{trial}-best").is_dir() else DASH
    return cell(load(trial), model)


def table(first: str, rows: list[list[str]], columns: list[str]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join([first, *columns]) + " |", "|---" * (len(columns) + 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def value(report: dict[str, Any], model: str, view: str, measure: str) -> tuple[float, float, float] | None:
    """A figure and its interval; None where it was not measured."""
    found = [r for r in report["summary"] if (r["model"], r["view"], r["measure"]) == (model, view, measure)]
    return (found[0]["value"], found[0]["low"], found[0]["high"]) if found else None


def figures(report: dict[str, Any], model: str, columns: list[tuple[str, str]]) -> list[str]:
    """One cell a (view, measure)."""
    found = [value(report, model, view, measure) for view, measure in columns]
    return [DASH if f is None else f"{f[0]:.4f}".replace("0.", ".", 1) for f in found]


def across(lang: int) -> str:
    """Hidden aisles, first visits, new items: a table of each trial that was run."""
    out = []
    for name, (title, columns) in ACROSS.items():
        if (RESULTS / name).is_dir():
            report = load(name)
            models = list(dict.fromkeys(r["model"] for r in report["summary"]))
            rows = [[MORE.get(m, NAMES.get(m, (m, m)))[lang], *figures(report, m, [c[0] for c in columns])] for m in models]
            out.append(f"{title[lang]}\n\n{table(WORDS['model'][lang], rows, [c[1][lang] for c in columns])}")
    return "\n\n".join(out)


def block(lang: int) -> str:
    """What stands between the markers; 0 English, 1 Chinese."""
    trials = [name for name in ("beauty", "beauty-refit", "toys", "sports", "food-kitchen-time") if (RESULTS / name).is_dir()]
    rows = [[names[lang], *(main_cell(name, model) for name in trials)] for model, names in NAMES.items()]
    rows = [row for row in rows if set(row[1:]) != {DASH}]
    own = cell(load("sports-ids"), "crossaisle-ids")
    rows.insert(len(rows) - 2, [WORDS["sports-ids"][lang], *(own if name == "sports" else DASH for name in trials)])
    main = table(WORDS["model"][lang], rows, [WORDS[t][lang] for t in trials])
    controls = load("beauty-controls")
    parts = table(WORDS["parts"][lang], [[names[lang], cell(controls, model)] for model, names in CONTROLS.items()], ["R@10/N@10"])
    return f"{main}\n\n{parts}\n\n{across(lang)}"


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
