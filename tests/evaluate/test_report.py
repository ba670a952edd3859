"""The report: says what the results say, in both languages, in files that appear whole."""

from __future__ import annotations

import errno
import json
import re
import string
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories
from crossaisle.errors import OutputError, RequestError
from crossaisle.evaluate import results as r
from crossaisle.evaluate.looks import PROTOCOLS
from crossaisle.evaluate.protocol import evaluate
from crossaisle.evaluate.report import asjson, content, headline, plots, write_report
from crossaisle.evaluate.report.blocks import Bullets, Cell, Row, Table
from crossaisle.evaluate.report.files import write_folder
from crossaisle.evaluate.report.lens import Lens
from crossaisle.evaluate.report.tables import main as main_table
from crossaisle.evaluate.report.verdict import judge
from crossaisle.evaluate.report.wording import MESSAGES, NAMES
from crossaisle.evaluate.report.words import Words
from crossaisle.evaluate.results import GROUPS, Results, RunFacts, View
from crossaisle.presets import AllSettings
from crossaisle.schema import Floats, Ints
from crossaisle.stats import bootstrap_means, paired_test
from crossaisle.testing import toy_dataset

KS = (1, 5, 10, 20)
MAIN = "ndcg@10"
SKILL = {
    "popularity": 0.3,
    "item-knn": 0.8,
    "ease": 1.0,
    "text-knn": 0.7,
    "transition-graph": 1.05,
    "sasrec": 1.1,
    "crossaisle": 1.6,
    "crossaisle-shuffled-text": 0.6,
    "crossaisle-words": 1.3,
}
AISLES = ("Beauty", "Kitchen & <Dining>", "Toys | Games", "厨房用品", "$x_1$ Tools", "")


def role(model: str) -> str:
    return "ours" if model == "crossaisle" else "control" if model.startswith("crossaisle-") else "baseline"


def invented(
    n: int = 400, skill: dict[str, float] | None = None, views: tuple[str, ...] = ("all",), valid: bool = True, seed: int = 0
) -> Results:
    """Results of a trial that never took place: per-question figures are drawn, everything else is computed from them."""
    skill = skill or SKILL
    rng = np.random.default_rng(seed)
    ease = rng.gamma(1.5, 60, size=n)  # of a question: the lower, the better any model does
    levels = {
        "aisle": rng.choice(AISLES, n, p=(0.3, 0.25, 0.2, 0.1, 0.1, 0.05)).tolist(),
        "history": rng.choice(GROUPS["history"], n).tolist(),
        "target-count": rng.choice(GROUPS["target-count"], n, p=(0.05, 0.3, 0.35, 0.3)).tolist(),
        "target-popularity": rng.choice(GROUPS["target-popularity"], n, p=(0.3, 0.3, 0.35, 0.05)).tolist(),
        "graph-step": np.where(ease < 45, "one step", "farther").tolist(),
        "id-order": rng.choice(("above", "below"), n, p=(0.6, 0.4)).tolist(),
        "same-day": np.where(ease < 60, "same day", "another day").tolist(),
    }
    per_query, summary, groups, tests, on_valid, lists, shares = [], [], [], [], [], [], []
    measures = [f"{m}@{k}" for m in r.MEASURES for k in KS]
    for v, view in enumerate(views):
        values: dict[str, dict[str, Any]] = {}
        for model, s in skill.items():
            rank = rng.exponential(ease / s / (1 + v)).astype(int) + 1
            cols: dict[str, Any] = {}
            for k in KS:
                hit = (rank <= k).astype(float)
                cols |= {f"precision@{k}": hit / k, f"recall@{k}": hit, f"f1@{k}": 2 * hit / (k + 1), f"hit_rate@{k}": hit}
                cols |= {f"ndcg@{k}": hit / np.log2(rank + 1), f"mrr@{k}": hit / rank}
            values[model] = cols
            frame = pl.DataFrame({name: cols[name].astype(np.float32) for name in measures})
            keys = pl.DataFrame({"view": [view] * n, "model": [model] * n, "seed": [0] * n, "query": np.arange(n)})
            per_query.append(pl.concat([keys, frame], how="horizontal"))
            means = bootstrap_means(np.column_stack([cols[m] for m in measures]), seed=0, n=200)
            low, high = np.quantile(means, [0.025, 0.975], axis=0)
            summary += [(view, model, role(model), m, cols[m].mean(), low[i], high[i], None, n) for i, m in enumerate(measures)]
            if valid:
                on_valid.append((view, model, role(model), MAIN, cols[MAIN].mean() * 1.05, n))
            lists += [(view, model, role(model), m, 10, float(rng.random())) for m in r.LIST_MEASURES]
            shares += [(view, aisle, model, 1 / len(AISLES), place / 15) for place, aisle in enumerate(AISLES)]
            summary.append((view, model, role(model), f"macro_{MAIN}", 0.0123, 0.0100, 0.0145, None, n))
            for group, assigned in levels.items():
                order = sorted(set(assigned)) if group == "aisle" else [x for x in GROUPS[group] if x in assigned]
                for place, level in enumerate(order):
                    mask = np.array([a == level for a in assigned])
                    part = cols[MAIN][mask]
                    lo, hi = np.quantile(bootstrap_means(part, seed=0, n=100), [0.025, 0.975])
                    groups.append((view, group, level, place, int(mask.sum()), model, MAIN, part.mean(), lo, hi))
        baselines = [m for m in skill if role(m) == "baseline"]
        best = max(baselines, key=lambda m: values[m][MAIN].mean(), default=None)
        for model in (m for m in skill if role(m) != "baseline"):
            for b in baselines:
                t = paired_test(values[model][MAIN], values[b][MAIN], seed=0)
                tests.append((view, MAIN, model, b, valid and b == best, t.difference, t.low, t.high, t.p, n))
    facts = RunFacts(
        data_name="Toy shop & <sons>",
        data_report={"rows": 1234, "rejected": {"bad time": 2}, "events": ["view", "purchase"]},
        protocol="leave-one-out",
        split_note="The last event of each user is the test target, the last but one the validation target; "
        "events of the same time keep the file's order.",
        choices=("Items already seen are left out of the ranking.", "A choice that nobody has translated."),
        counts={
            "users": 500,
            "items": 300,
            "aisles": 6,
            "events": 4000,
            "train_events": 3000,
            "full_events": 3500,
            "valid_queries": 500,
            "test_queries": n,
        },
        settings={"seed": 0, "model": {"dim": 128, "dropout": 0.4}, "data": {"target_events": []}},
        seeds=(0,),
        refit=False,
        ks=KS,
        main_measure=MAIN,
        hardware={"machine": "x86_64", "processor": "a processor", "cores": "2", "threads": "1", "memory_gb": "8.0", "device": "cpu"},
        versions={"crossaisle": "0.1.0", "python": "3.11.2", "torch": "2.13.0"},
        started="2026-03-01T10:20:30+00:00",
        minutes=4.25,
        peak_memory_gb=2.31,
        skipped={"user-knn": "a reason of its own"},
    )
    runs = [(m, role(m), 0, 0.5, 0.1, 900.0, "chose TF-IDF on validation" if m == "text-knn" else "") for m in skill]
    queries = pl.DataFrame(
        {
            "query": np.arange(n),
            "user_id": [f"u{i}" for i in range(n)],
            "targets": [[f"i{i}"] for i in range(n)],
            "history_length": [3] * n,
            **levels,
        }
    )
    examples = pl.DataFrame(
        [(0, "u0", views[0], "crossaisle", k, f"i{3 - k}" if k < 4 else f"j{k}", k == 3) for k in range(1, 11)],
        schema=["query", "user_id", "view", "model", "rank", "item_id", "hit"],
        orient="row",
    )

    def table(rows: list[Any], schema: Any) -> pl.DataFrame:
        return pl.DataFrame(rows, schema=dict(schema), orient="row")

    return Results(
        facts=facts,
        views=tuple(View(v, f"Every item of {v} is ranked.", n) for v in views),
        runs=table(runs, r.RUNS_SCHEMA),
        summary=table(summary, r.SUMMARY_SCHEMA),
        lists=table(lists, r.LISTS_SCHEMA),
        shares=table(shares, r.SHARES_SCHEMA),
        groups=table(groups, r.GROUPS_SCHEMA),
        tests=table(tests, r.TESTS_SCHEMA),
        valid=table(on_valid, r.VALID_SCHEMA),
        per_query=pl.concat(per_query),
        queries=queries,
        examples=examples,
    )


class Page(HTMLParser):
    """Reads a page: tags in order, their attributes, the text, and whether they close as they opened."""

    VOID = ("meta", "br", "hr", "img", "path", "use", "circle", "rect", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def results() -> Results:
    return invented()


@pytest.fixture(scope="module", params=["en", "zh"])
def written(request: pytest.FixtureRequest, results: Results, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    out = tmp_path_factory.mktemp("report") / "new"
    assert write_report(results, out, request.param) == out / "report.html"
    return request.param, out


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


# ---- what is written ----


def test_five_files_and_nothing_else(written: tuple[str, Path]) -> None:
    _, out = written
    assert sorted(p.name for p in out.iterdir()) == ["per_query.parquet", "queries.parquet", "report.html", "report.json", "report.md"]
    assert [p.name for p in out.parent.iterdir()] == ["new"]


def test_the_page_is_whole_and_loads_nothing(written: tuple[str, Path]) -> None:
    lang, out = written
    text = (out / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids)) > 10
    assert ("html", "lang", {"en": "en", "zh": "zh-Hans"}[lang]) in page.attributes
    links = [v for _, name, v in page.attributes if name in ("src", "href", "xlink:href", "action", "data", "srcset")]
    assert links
    assert all(v.startswith("#") and v[1:] in page.ids for v in links)
    assert not re.search(r"<(script|img|link|iframe|object|embed)\b|@import|url\((?!#)", text)
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_colours_of_plots_follow_the_page(written: tuple[str, Path]) -> None:
    text = (written[1] / "report.html").read_text(encoding="utf-8")
    used, declared = set(re.findall(r"var\((--[\w-]+)\)", text)), set(re.findall(r"(--[\w-]+):", text))
    assert {"--ours", "--best", "--baseline", "--control", "--ink", "--muted", "--line"} <= used <= declared
    svg = "".join(re.findall(r"<svg.*?</svg>", text, flags=re.S))
    assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= {"#000000"}  # a placeholder that was missed would show here
    assert "font-family" not in svg
    assert "DejaVu" not in svg


def contrast(a: str, b: str) -> float:
    """WCAG 2 contrast ratio of two colours."""

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((light(a), light(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_stands_out_from_its_ground(scheme: int, written: tuple[str, Path]) -> None:
    text = (written[1] / "report.html").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", re.findall(r":root \{(.*?)\}", text, flags=re.S)[scheme]))
    for ink in ("ink", "muted", "better", "worse", "unclear", "none", "ours"):
        for ground in ("back", "card"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
    assert contrast(colours["ours"], colours["ours-back"]) >= 4.5
    for mark in ("best", "baseline", "control"):
        assert contrast(colours[mark], colours["back"]) >= 3, mark


def test_page_and_markdown_name_what_has_to_be_named(written: tuple[str, Path], results: Results) -> None:
    lang, out = written
    page = plain(" ".join(Page((out / "report.html").read_text(encoding="utf-8")).words))
    markdown = plain((out / "report.md").read_text(encoding="utf-8"))
    w = Words(lang)
    for text in ("0.4", "2.13.0", "a processor", "2.3 GB", "4.2", "2026-03-01 10:20 UTC", w.name("leave-one-out"), "target_events"):
        assert text in page, text
        assert text in markdown.replace("\\", ""), text
    value = results.value("all", "crossaisle", MAIN)
    assert f"{value:.4f}" in page
    assert f"**{value:.4f}**" in markdown
    assert "Toy shop & <sons>" in page
    assert plain(headline(results, lang)) in page
    for group in GROUPS:
        assert w.name(f"group-{group}") in page or group == "aisle"


def test_names_from_the_data_are_never_read_as_markup(written: tuple[str, Path]) -> None:
    html = (written[1] / "report.html").read_text(encoding="utf-8")
    assert "Kitchen &amp; &lt;Dining&gt;" in html
    assert "<Dining>" not in html
    assert "<sons>" not in html
    assert html.count("$x_1$ Tools") == 3  # as it is, in two tables and in the figure
    markdown = (written[1] / "report.md").read_text(encoding="utf-8")
    assert r"Toys \| Games" in markdown
    assert r"\<sons\>" in markdown


def test_markdown_tables_have_as_many_cells_in_every_row(written: tuple[str, Path]) -> None:
    blocks = (written[1] / "report.md").read_text(encoding="utf-8").split("\n\n")
    tables = [b.splitlines() for b in blocks if b.startswith("| ")]
    assert len(tables) >= 12
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
        assert len(table) >= 3


def test_chinese_shows_as_text_in_plots(written: tuple[str, Path]) -> None:
    lang, out = written
    page = (out / "report.html").read_text(encoding="utf-8")
    plots_text = re.findall(r"<text[^>]*>(.*?)</text>", page)
    assert "厨房用品" in plots_text
    assert {"en": "Popularity", "zh": "热门"}[lang] in plots_text
    title = {
        "en": "How good are the recommendations? Toy shop &amp; &lt;sons&gt;, leave-one-out",
        "zh": "推荐效果如何？Toy shop &amp; &lt;sons&gt;，留一法",
    }
    assert f"<title>{title[lang]}</title>" in page


def test_json_is_strict_and_the_same_in_both_languages(written: tuple[str, Path], results: Results) -> None:
    text = (written[1] / "report.json").read_text(encoding="utf-8")
    assert text == asjson.render(results)

    def refuse(name: str) -> float:
        raise AssertionError(name)

    read = json.loads(text, parse_constant=refuse)
    assert read["format"] == asjson.FORMAT
    assert read["facts"]["seeds"] == [0]
    assert read["judgements"][0]["outcome"] == "better"
    assert len(read["summary"]) == results.summary.height
    assert len(read["groups"]) == results.groups.height
    first = results.summary.row(0, named=True)
    assert read["summary"][0] == first


def test_json_writes_missing_figures_as_null(results: Results) -> None:
    broken = replace(results, summary=results.summary.with_columns(value=pl.lit(float("nan"))))
    assert json.loads(asjson.render(broken))["summary"][0]["value"] is None


def test_raw_figures_come_back_as_they_were(written: tuple[str, Path], results: Results) -> None:
    assert pl.read_parquet(written[1] / "per_query.parquet").equals(results.per_query)
    assert pl.read_parquet(written[1] / "queries.parquet").equals(results.queries)


def test_same_results_give_the_same_page(written: tuple[str, Path], results: Results, tmp_path: Path) -> None:
    assert write_report(results, tmp_path / "again", written[0]).read_bytes() == (written[1] / "report.html").read_bytes()


def test_a_name_that_is_no_unicode_is_written_with_a_mark(results: Results, tmp_path: Path) -> None:
    odd = replace(results, facts=replace(results.facts, data_name="shop\udcff"))  # what Python makes of a file name in another encoding
    assert "shop?" in write_report(odd, tmp_path / "r").with_name("report.json").read_text(encoding="utf-8")


# ---- what is said ----


def test_headline_says_that_ours_is_better(results: Results) -> None:
    said = plain(headline(results))
    row = results.tests.filter((pl.col("model") == "crossaisle") & pl.col("best")).row(0, named=True)
    assert said.startswith("CrossAisle beats ")
    figures = f"difference of +{row['difference']:.4f} (95 % interval +{row['low']:.4f} to +{row['high']:.4f}, p = {row['p']:.3f}, 400 test"
    assert figures in said


@pytest.mark.parametrize(
    ("skill", "outcome", "english", "chinese"),
    [
        (0.3, "worse", "does not beat EASE, the best baseline: it is worse", "没有胜过最佳基线“EASE”，而是更差"),
        (1.0, "unclear", "does not clearly beat EASE", "没有明显胜过最佳基线“EASE”"),
    ],
)
def test_headline_says_plainly_that_ours_is_not_better(skill: float, outcome: str, english: str, chinese: str, tmp_path: Path) -> None:
    trial = invented(600, {"popularity": 0.3, "ease": 1.0, "crossaisle": skill})
    assert judge(trial, "all").outcome == outcome
    assert english in headline(trial)
    assert chinese in headline(trial, "zh")
    page = write_report(trial, tmp_path / "r").read_text(encoding="utf-8")
    assert "beats" not in page
    assert f"--tone: var(--{outcome})" in page


def test_outcome_follows_the_interval(results: Results) -> None:
    for low, high, outcome in ((0.001, 0.02, "better"), (-0.02, -0.001, "worse"), (-0.01, 0.01, "unclear"), (0.0, 0.01, "unclear")):
        changed = replace(results, tests=results.tests.with_columns(low=pl.lit(low), high=pl.lit(high)))
        assert judge(changed, "all").outcome == outcome
    lost = replace(results, tests=results.tests.clear())
    assert judge(lost, "all").outcome == "unclear"  # without a test nothing is claimed


def choosing(trial: Results, baseline: str) -> Results:
    """The same trial with another best baseline on the validation questions."""
    value = pl.when(pl.col("model") == baseline).then(9.0).otherwise(pl.col("value"))
    return replace(trial, valid=trial.valid.with_columns(value=value))


def test_a_baseline_that_passes_the_chosen_one_on_the_test_is_named() -> None:
    trial = choosing(invented(600, {"ease": 1.0, "popularity": 0.3, "crossaisle": 2.5}), "popularity")
    found = judge(trial, "all")
    assert found.against is not None
    assert found.other is not None
    assert (found.outcome, found.against.baseline, found.other.baseline, found.chosen_on) == ("better", "popularity", "ease", "validation")
    verdict = next(content.make(Lens(trial, Words("en"))))
    assert "On the test questions EASE did better than the baseline chosen" in plain(verdict.more[0])  # type: ignore[union-attr]


@pytest.mark.parametrize(("skill", "outcome"), [(1.0, "unclear"), (0.6, "worse")])
def test_ours_is_held_to_the_baseline_that_is_harder_to_beat(skill: float, outcome: str) -> None:
    trial = choosing(invented(600, {"ease": 1.0, "popularity": 0.2, "crossaisle": skill}), "popularity")
    found = judge(trial, "all")
    assert found.against is not None
    assert found.other is not None
    assert found.other.low > 0  # against the baseline chosen on validation alone it would have been called better
    assert (found.outcome, found.against.baseline, found.other.baseline, found.chosen_on) == (outcome, "ease", "popularity", "harder")
    verdict = next(content.make(Lens(trial, Words("en"))))
    assert "On the validation questions Popularity was the best baseline" in plain(verdict.more[0])  # type: ignore[union-attr]
    assert "beat EASE, the best baseline" in plain(headline(trial))


def test_without_validation_the_best_of_the_test_is_taken_and_said() -> None:
    trial = invented(valid=False)
    found = judge(trial, "all")
    assert found.against is not None
    assert found.chosen_on == "test"
    on_test = trial.summary.filter((pl.col("measure") == MAIN) & (pl.col("role") == "baseline"))
    assert found.against.value == on_test["value"].max()
    verdict = next(content.make(Lens(trial, Words("en"))))
    assert any("favours the baseline" in m for m in verdict.more)  # type: ignore[union-attr]


def test_without_ours_and_without_baselines(tmp_path: Path) -> None:
    alone = invented(200, {"crossaisle": 1.0})
    assert judge(alone, "all").outcome == "no-baseline"
    assert "nothing was run beside it" in headline(alone)
    others = invented(200, {"ease": 1.0, "popularity": 0.2})
    assert judge(others, "all").outcome == "no-ours"
    assert headline(others).startswith("The best of the models tried is EASE")
    for i, trial in enumerate((alone, others)):
        assert "var(--none)" in write_report(trial, tmp_path / str(i)).read_text(encoding="utf-8")


def test_every_view_is_judged_and_shown(tmp_path: Path) -> None:
    trial = invented(300, views=("aisle", "beyond"))
    markdown = (write_report(trial, tmp_path / "r").parent / "report.md").read_text(encoding="utf-8")
    assert "\n## Inside the target's aisle\n" in markdown
    assert "\n## All aisles new to the history\n" in markdown
    assert "\n\nAll aisles new to the history: CrossAisle " in markdown
    assert markdown.count("\n### Every model, at several k\n") == 2


def test_best_figure_of_a_column_is_bold_and_controls_do_not_compete(results: Results) -> None:
    table = main_table(Lens(results, Words("en")), "all")
    for column in range(1, len(table.columns)):
        competing = [row.cells[column] for row in table.rows if row.kind != "control"]
        top = max(float(c.text) for c in competing)
        assert [float(c.text) == top for c in competing] == [c.best for c in competing]
        assert not any(row.cells[column].best for row in table.rows if row.kind == "control")
    boosted = invented(400, SKILL | {"crossaisle-words": 9.0})
    rows = main_table(Lens(boosted, Words("en")), "all").rows
    assert not any(c.best for row in rows if row.kind == "control" for c in row.cells)
    assert sum(row.cells[3].best for row in rows) == 1


def test_equal_figures_are_both_bold(results: Results) -> None:
    same = replace(results, summary=results.summary.with_columns(value=pl.lit(0.5)))
    rows = main_table(Lens(same, Words("en")), "all").rows
    assert all(row.cells[1].best == (row.kind != "control") for row in rows)
    zero = replace(results, summary=results.summary.with_columns(value=pl.lit(0.0)))
    assert not any(row.cells[1].best for row in main_table(Lens(zero, Words("en")), "all").rows)


def test_table_order_is_by_the_main_measure_with_controls_last(results: Results) -> None:
    order = Lens(results, Words("en")).order("all")
    values = [results.value("all", m, MAIN) for m in order]
    split = next(i for i, m in enumerate(order) if role(m) == "control")
    assert all(role(m) == "control" for m in order[split:])
    assert values[:split] == sorted(values[:split], reverse=True)
    assert values[split:] == sorted(values[split:], reverse=True)


def said(trial: Results, lang: str = "en") -> str:
    return plain(" ".join(item for b in content.make(Lens(trial, Words(lang))) if isinstance(b, Bullets) for item in b.items))


def test_notes_name_what_was_skipped_and_why(results: Results) -> None:
    assert "User kNN was not run: a reason of its own" in said(results)
    reason = "ease: 45,678 items with events, more than 30,000; its dense matrix would take 8.3 GB and time growing with the cube"
    skipped = replace(results, facts=replace(results.facts, skipped={"ease": reason}))
    assert "EASE was not run: 45,678 items with events" in said(skipped)
    assert "未运行“EASE”：有行为的商品 45,678 件，超过 30,000 件" in said(skipped, "zh")


def test_the_shortcut_warning_comes_only_with_a_strong_heuristic(results: Results) -> None:
    weak = invented(400, SKILL | {"transition-graph": 0.2})
    strong = invented(400, SKILL | {"transition-graph": 1.6})
    assert "Shortcut warning" not in said(weak)
    assert "Shortcut warning: a heuristic without any training" in said(strong)
    assert "of the targets follow the last item of the history" in said(results)


def test_the_placebo_is_judged_by_a_paired_interval() -> None:
    assert "with the texts shuffled among the items, ndcg@10 falls from" in said(invented(600)).lower()
    assert "does not show that the content of the texts helps" in said(invented(600, SKILL | {"crossaisle-shuffled-text": 1.6}))


def test_a_control_above_ours_is_named() -> None:
    assert 'The control "Only words" scores above CrossAisle' in said(invented(400, SKILL | {"crossaisle-words": 4.0}))
    assert "scores above" not in said(invented(400, SKILL | {"crossaisle-words": 0.5}))


def test_few_questions_and_one_seed_are_said(results: Results) -> None:
    assert "Only 400 test questions" in said(results)
    assert "One seed" in said(results)
    more = replace(invented(600), facts=replace(results.facts, seeds=(0, 1, 2)))
    assert "One seed" not in said(more)
    assert "test questions: the intervals are wide" not in said(more)
    assert "seeds 0, 1, 2" in content.byline(Lens(more, Words("en")))


def test_group_figures_are_those_of_the_results(written: tuple[str, Path], results: Results) -> None:
    page = (written[1] / "report.html").read_text(encoding="utf-8")
    rows = results.groups.filter((pl.col("model") == "crossaisle") & (pl.col("group") == "graph-step"))
    for value, low, high in rows.select("value", "low", "high").iter_rows():
        assert f"{value:.4f}" in page
        assert f"{low:.4f}–{high:.4f}" in page


def test_many_aisles_are_cut_and_counted(results: Results, tmp_path: Path) -> None:
    one = results.groups.filter((pl.col("group") == "aisle") & (pl.col("level") == "Beauty"))
    many = pl.concat(
        [one.with_columns(level=pl.lit(f"aisle {i:02d}"), n=pl.lit(100 - i, pl.Int64), order=pl.lit(i, pl.Int64)) for i in range(40)]
    )
    page = write_report(replace(results, groups=many), tmp_path / "r").read_text(encoding="utf-8")
    assert "aisle 29" in page
    assert "aisle 30" not in page
    assert "10 smaller aisles are left out" in page


def test_examples_show_titles_where_there_are_some(results: Results, tmp_path: Path) -> None:
    assert "3. i0 ✓ · 4. j4" in write_report(results, tmp_path / "ids").read_text(encoding="utf-8")
    titled = replace(results, examples=results.examples.with_columns(title=pl.concat_str(pl.lit("The "), "item_id")))
    assert "3. The i0 ✓ · 4. The j4" in write_report(titled, tmp_path / "titles").read_text(encoding="utf-8")
    none = replace(results, examples=results.examples.clear())
    assert "A few answers" not in write_report(none, tmp_path / "none").read_text(encoding="utf-8")


# ---- wording ----


@pytest.mark.parametrize("pairs", [MESSAGES, NAMES])
def test_both_languages_say_everything_with_the_same_blanks(pairs: dict[str, tuple[str, str]]) -> None:
    for key, pair in pairs.items():
        assert all(pair), key
        blanks = [sorted({name for _, name, _, _ in string.Formatter().parse(text) if name}) for text in pair]
        assert blanks[0] == blanks[1], key


def test_unknown_language_is_bad_input(results: Results, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="report language 'fr'; expected one of en, zh"):
        write_report(results, tmp_path / "r", "fr")
    assert not (tmp_path / "r").exists()


def test_names_of_any_part_of_ours() -> None:
    assert Words("en").name("crossaisle-ids-words") == "Only ids + words"
    assert Words("zh").name("crossaisle-text") == "只用文本向量"
    assert Words("en").name("some-plug-in") == "some-plug-in"


def test_a_table_refuses_a_row_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match="a row of 1 cells in a table of 2 columns"):
        Table("", (Cell("a"), Cell("b")), (Row((Cell("c"),)),))


class Counting:
    """A fake baseline for `evaluate`: how often an item was chosen, upside down if asked for."""

    def __init__(self, name: str) -> None:
        self.name, self.sign, self.note = name, -1.0 if name == "down" else 1.0, ""

    def fit(self, data: Dataset) -> Counting:
        self.scores = (self.sign * data.item_counts).astype(np.float32)
        return self

    def score(self, histories: Histories, candidates: Ints | None = None) -> Floats:
        return np.tile(self.scores if candidates is None else self.scores[candidates], (len(histories), 1))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_real_trial_is_told_in_chinese_throughout(protocol: str, tmp_path: Path) -> None:
    options: list[dict[str, Any]] = [{}, {"refit": True, "keep_seen": True}]
    if protocol == "leave-one-out":
        options.append({"shuffle_ties": True, "sampled_negatives": 5})
    if protocol == "cold-aisle":
        options = [{**option, "aisle": "Garden"} for option in options]
    for option in options:
        trial = evaluate(
            toy_dataset(n_users=60),
            protocol=protocol,
            models=["up", "down"],
            settings=AllSettings(),
            make_scorer=lambda name, *_: Counting(name),
            ks=(1, 10),
            **option,
        )
        for english in (trial.facts.split_note, *trial.facts.choices, *(v.note for v in trial.views)):
            chinese = Words("zh").sentence(english)
            assert not re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}", chinese), english
    page = write_report(trial, tmp_path / "r", "zh").read_text(encoding="utf-8")
    assert Page(page).open == []
    assert Words("zh").name(protocol) in page
    assert judge(trial, trial.views[0].name).outcome == "no-ours"


@pytest.mark.parametrize(("lang", "title"), [("en", "Learning curves"), ("zh", "学习曲线")])
def test_learning_curves_are_drawn_where_something_learned_by_epochs(lang: str, title: str, results: Results, tmp_path: Path) -> None:
    assert title not in write_report(results, tmp_path / "without", lang).read_text(encoding="utf-8")
    ours = [("crossaisle", 0, "choosing", e, 5.0 / e, 0.01 * e) for e in range(1, 31)]
    other = [("sasrec", 0, "choosing", e, 6.0 / e, 0.005 * e) for e in range(1, 4)]
    again = [("crossaisle", 0, "everything", e, 5.5 / e, None) for e in range(1, 3)]
    more = [("crossaisle", 1, "everything", 3, 1.0, None)]  # another seed is not mixed in
    told = pl.DataFrame([*ours, *other, *again, *more], schema=dict(r.CURVES_SCHEMA), orient="row")
    page = write_report(replace(results, curves=told), tmp_path / "with", lang).read_text(encoding="utf-8")
    assert title in page
    assert Page(page).open == []
    drawn = {name: page.index(f'id="{name}-') for name in ("learning-choosing-valid", "learning-choosing-loss", "learning-everything-loss")}
    assert list(drawn) == sorted(drawn, key=lambda name: drawn[name])
    assert json.loads((tmp_path / "with" / "report.json").read_text())["curves"][0] == {
        "model": "crossaisle",
        "seed": 0,
        "run": "choosing",
        "epoch": 1,
        "loss": 5.0,
        "valid": 0.01,
    }
    ticks = re.findall(r">(\d+)</text>", page[drawn["learning-choosing-valid"] : drawn["learning-choosing-loss"]])
    assert ticks == [str(e) for e in range(1, 31, 3)]


# ---- plots ----


def test_plots_are_well_formed_whatever_the_labels() -> None:
    labels = ["$\\frac{", "<&>", "名" * 50, "🙂🙂", "a\x07b\x00c\ud800", "", "x" * 10_000]
    rows = [plots.Dot(label, 0.2, 0.1, 0.3, "ours") for label in labels]
    rows.append(plots.Dot("unknown", float("nan"), float("nan"), float("nan"), "baseline"))
    for svg in (
        plots.dots(rows, "NDCG@10", "a"),
        plots.pairs([("标题", [plots.Pair(label, rows[0], None) for label in labels])], "x", "b"),
        plots.curves((1, 5), [("a", "ours", [0.1, 0.2]), ("b", "control", [0.1, float("nan")])], "k", "c"),
    ):
        assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
        assert "<metadata" not in svg


def test_dots_lie_where_their_values_are() -> None:
    svg = plots.dots([plots.Dot(str(v), v, v, v, "ours") for v in (0.0, 0.1, 0.4)], "x", "m")
    places = [float(x) for x in re.findall(r'<use [^>]*x="([\d.]+)" y="[\d.]+" style="fill: var\(--ours\)', svg)]
    assert len(places) == 3
    assert (places[1] - places[0]) * 3 == pytest.approx(places[2] - places[1], rel=1e-4)


# ---- folders ----


def test_an_earlier_report_is_replaced_and_other_files_stay(results: Results, tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("old", encoding="utf-8")
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    write_report(results, tmp_path, "zh")
    assert (tmp_path / "report.md").read_text(encoding="utf-8").startswith("# 推荐效果如何")
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "mine"
    assert len(list(tmp_path.iterdir())) == 6


def test_a_folder_that_cannot_be_made(results: Results, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here", encoding="utf-8")
    with pytest.raises(OutputError, match=r"folder .*file/report cannot be written \(Not a directory\)"):
        write_report(results, tmp_path / "file" / "report")
    with pytest.raises(OutputError, match=r"folder .*file cannot be written"):
        write_report(results, tmp_path / "file")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text(encoding="utf-8") == "here"


@pytest.mark.parametrize("exists", [False, True])
def test_a_full_disk_leaves_nothing_behind(exists: bool, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "er" / "out"
    if exists:
        out.mkdir(parents=True)
        (out / "a").write_text("old", encoding="utf-8")

    def full(path: Path) -> None:
        path.write_text("half", encoding="utf-8")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="No space left on device"):
        write_folder(out, {"a": lambda path: path.write_text("new", encoding="utf-8"), "b": full})
    if exists:
        assert [(p.name, p.read_text(encoding="utf-8")) for p in out.iterdir()] == [("a", "old")]
    else:
        assert list(tmp_path.iterdir()) == []
