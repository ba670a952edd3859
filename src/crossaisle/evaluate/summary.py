"""The shortest account of a trial: one table and one sentence a view, for the terminal. Imports: report.words, results."""

from __future__ import annotations

from typing import Any

import polars as pl

from crossaisle.evaluate.report.words import Words
from crossaisle.evaluate.results import LOG_POPULARITY, Results, View

__all__ = ["against", "heading", "left_out", "summary_rows"]

_SENTENCES = {
    "en": {
        "better": "above {names}",
        "unclear": "not told apart from {names} (the 95 % interval of the difference holds zero)",
        "worse": "below {names}",
        "all": "Ours ({measure} {value:.4f}) is {parts}.",
        "and": "; ",
        "list": ", ",
    },
    "zh": {
        "better": "高于 {names}",
        "unclear": "与 {names} 无法区分（差值的 95 % 区间包含零）",
        "worse": "低于 {names}",
        "all": "我们的模型（{measure} {value:.4f}）{parts}。",
        "and": "；",
        "list": "、",
    },
}


def heading(results: Results, view: View, lang: str = "en") -> str:
    """What stands above a view's table: protocol, view, what is ranked, how many questions."""
    if lang == "en":
        return f"{results.facts.protocol}, {view.name}: {view.note} ({view.n:,} questions)"
    words = Words(lang)
    return f"{words.name(results.facts.protocol)}，{words.name(view.name)}：{words.sentence(view.note)}（{view.n:,} 个问题）"


def left_out(results: Results, lang: str = "en") -> list[str]:
    """One line for each model that did not run, with the reason."""
    words = Words(lang)
    skipped = results.facts.skipped.items()
    return [f"未运行 {m}：{words.sentence(why)}" if lang == "zh" else f"{m} left out: {why}" for m, why in skipped]


def summary_rows(
    results: Results, view: str, measures: tuple[str, ...] = ("recall@10", "ndcg@10", "macro_ndcg@10", "hit_rate@10")
) -> list[dict[str, Any]]:
    """One row a model, best first by the main measure; the 95 % intervals of that measure and of the hit rate stand at the end.

    In an intervened trial coverage and log-popularity of the lists stand between.
    """
    main = results.facts.main_measure
    lists: dict[str, dict[str, float]] = {}
    for model, measure, k, value in results.lists.filter(pl.col("view") == view).select("model", "measure", "k", "value").iter_rows():
        if measure in ("coverage", LOG_POPULARITY) and LOG_POPULARITY in results.lists["measure"]:
            lists.setdefault(model, {})[f"{measure}@{k}"] = value
    rows = []
    for model in results.models:
        of_model = {r["measure"]: r for r in results.summary.iter_rows(named=True) if r["view"] == view and r["model"] == model}
        if main in of_model:
            shown = {m: of_model[m]["value"] for m in measures if m in of_model}
            spans = {f"{m} 95 %": f"{of_model[m]['low']:.4f} - {of_model[m]['high']:.4f}" for m in (main, "hit_rate@10") if m in of_model}
            rows.append({"model": model, **shown, **lists.get(model, {}), **spans})
    order = {r["model"]: results.value(view, r["model"], main) for r in rows}
    return sorted(rows, key=lambda r: -order[r["model"]])


def against(results: Results, view: str, lang: str = "en") -> str:
    """One sentence: which baselines ours is above, below, or not told apart from, each by its paired test.

    An empty string where our model did not run or nothing was there to compare.
    """
    main, words = results.facts.main_measure, _SENTENCES[lang]
    rows = results.tests.filter((pl.col("view") == view) & (pl.col("measure") == main) & (pl.col("model") == "crossaisle"))
    found: dict[str, list[str]] = {"better": [], "unclear": [], "worse": []}
    for row in rows.iter_rows(named=True):
        outcome = "better" if row["low"] > 0 else "worse" if row["high"] < 0 else "unclear"
        found[outcome].append(f"{row['baseline']} ({row['difference']:+.4f})")
    parts = [words[outcome].format(names=words["list"].join(names)) for outcome, names in found.items() if names]
    if not parts:
        return ""
    return words["all"].format(measure=main, value=results.value(view, "crossaisle", main), parts=words["and"].join(parts))
